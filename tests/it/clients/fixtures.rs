//! Every client, with a file as somebody has it.

use mcpo_deploy::clients::{Launch, change, clients, read};

use super::{NAME, put, put_change, remove, short, stdio, theirs, url};

#[test]
fn every_client_gets_its_entry_in_the_way_that_it_reads_it() {
    for (client, file, text) in theirs() {
        let id = client.id();
        let mut told = vec![
            format!("=== its own\n{}", put("", id, stdio()).expect(id)),
            format!("=== in theirs\n{}", put(&text, id, stdio()).expect(id)),
        ];
        if client.takes_url() {
            told.push(format!("=== by address\n{}", put(&text, id, url(client)).expect(id)));
        }
        insta::assert_snapshot!(file, told.join("\n").replace('\r', "␍"));
    }
}

#[test]
fn every_client_has_a_file_to_test_with() {
    let theirs = theirs();
    for client in clients() {
        assert!(theirs.iter().any(|(with, ..)| with.id() == client.id()), "{}", client.id());
    }
}

/// What is put is read back, put again it changes nothing, and taken out again it leaves the file as
/// it was, byte for byte.
#[test]
fn what_is_put_is_there_once_and_can_be_taken_out_without_a_trace() {
    for (client, file, text) in theirs() {
        let forms = [Some(stdio()), Some(short(&[("A", "b: #c")])), client.takes_url().then(|| url(client))];
        for launch in forms.into_iter().flatten() {
            let new = put(&text, client.id(), launch.clone()).expect(&file);
            assert_ne!(new, text, "{file}");
            assert_eq!(read(new.as_bytes(), client, NAME), Ok(Some(launch.clone())), "{file}");
            assert_eq!(put(&new, client.id(), launch).as_ref(), Ok(&new), "{file}");
            let back = remove(&new, client.id()).expect(&file);
            let back = back.replace(",\n\t\"inputs\": []", "");
            assert_eq!(back, text, "{file}");
        }
    }
}

#[test]
fn every_empty_file_gets_one_entry_and_gives_it_back() {
    for client in clients() {
        let id = client.id();
        let empty = ["", "\n", "  \n\n", "\u{feff}"].into_iter();
        let json = ["{}", "{}\n", "null", "{ }", "\u{feff}{}\r\n", "{\n}\n"];
        let braces = id != "codex";
        for text in empty.chain(json.into_iter().filter(|_| braces)) {
            let new = put(text, id, stdio()).unwrap_or_else(|error| panic!("{id} {text:?}: {error}"));
            assert_eq!(read(new.as_bytes(), client, NAME), Ok(Some(stdio())), "{id} {text:?}");
            assert_eq!(put(&new, id, stdio()).as_ref(), Ok(&new), "{id} {text:?}");
            assert_eq!(new.starts_with('\u{feff}'), text.starts_with('\u{feff}'), "{id} {text:?}");
            let back = remove(&new, id).expect(id);
            assert_eq!(read(back.as_bytes(), client, NAME), Ok(None), "{id} {text:?}");
        }
    }
}

/// From every form to every other: nothing of the old one is left.
#[test]
fn a_change_of_form_leaves_nothing_of_the_old_one() {
    for (client, file, text) in theirs() {
        if !client.takes_url() {
            continue;
        }
        let plain = Launch::Url { url: "http://127.0.0.1:8765/mcp".to_owned(), bearer: None };
        let forms = [stdio(), url(client), short(&[("A", "1"), ("B", "2")]), plain, short(&[("B", "3")])];
        for from in &forms {
            let fresh = put(&text, client.id(), from.clone()).expect(&file);
            for to in &forms {
                let moved = change(fresh.as_bytes(), client, &put_change(to.clone(), true)).expect(&file);
                let moved = String::from_utf8(moved.text).expect("a text");
                assert_eq!(read(moved.as_bytes(), client, NAME), Ok(Some(to.clone())), "{file}");
                let direct = put(&text, client.id(), to.clone()).expect(&file);
                assert_eq!(put(&moved, client.id(), to.clone()).as_ref(), Ok(&moved), "{file}");
                assert_eq!(remove(&moved, client.id()), remove(&direct, client.id()), "{file}");
            }
        }
    }
}
