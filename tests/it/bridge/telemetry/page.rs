//! A strict reader of Prometheus's text format 0.0.4: whatever the format's description leaves no room
//! for is a failure.

use std::collections::{BTreeMap, BTreeSet};

/// The samples' values, as they are written, by name and labels, as in `name{a="b"}`.
pub(super) fn read(page: &str) -> BTreeMap<String, String> {
    assert!(page.ends_with('\n'), "the last line ends");
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut helped, mut family) = (String::new(), (String::new(), String::new()));
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(is_name(name) && !help.is_empty() && is_escaped(help, false), "{line}");
            assert!(families.insert(name.to_owned()), "a family twice: {line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, helped, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = (name.to_owned(), kind.to_owned());
        } else {
            let (what, value) = line.rsplit_once(' ').expect(line);
            let name = what.split('{').next().expect(line);
            let suffix = name.strip_prefix(&family.0).unwrap_or_else(|| panic!("outside its family: {line}"));
            let suffixes: &[&str] =
                if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(is_name(name), "{line}");
            labels(&what[name.len()..]);
            let number: f64 = value.parse().expect(line);
            assert!(number >= 0.0 && number.is_finite(), "{line}");
            assert_eq!(samples.insert(what.to_owned(), value.to_owned()), None, "a sample twice: {line}");
        }
    }
    assert!(!samples.is_empty());
    histograms(&samples);
    samples
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_escaped(text: &str, quotes: bool) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let fine = match c {
            '\\' => chars.next().is_some_and(|c| matches!(c, '\\' | 'n') || (quotes && c == '"')),
            '"' => !quotes,
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    true
}

/// The labels' names and values, in their order.
fn labels(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if text.is_empty() {
        return found;
    }
    let mut rest = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect(text);
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").expect(text);
        let mut end = 0;
        let bytes = value.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        assert!(is_name(name) && is_escaped(&value[..end], true), "{text}");
        assert!(found.iter().all(|(known, _)| known != name), "a label twice: {text}");
        found.push((name.to_owned(), value[..end].to_owned()));
        rest = &value[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').expect(text);
            assert!(!rest.is_empty(), "{text}");
        }
    }
    found
}

/// Every histogram's buckets rise, and the last is all.
fn histograms(samples: &BTreeMap<String, String>) {
    let mut series: BTreeMap<String, Vec<(f64, u64)>> = BTreeMap::new();
    for (what, count) in samples {
        let Some((name, rest)) = what.split_once("_bucket") else { continue };
        let mut labels = labels(rest);
        let (le, bound) = labels.pop().expect("a bound");
        assert_eq!(le, "le", "{what}");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect(what) };
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        series.entry(format!("{name} {labels}")).or_default().push((bound, count.parse().expect(what)));
    }
    assert!(!series.is_empty());
    for (what, mut buckets) in series {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{what}: {buckets:?}");
        let (name, labels) = what.split_once(' ').expect("a name");
        let last = buckets.last().expect("a bucket");
        assert!(last.0.is_infinite(), "{what}");
        assert_eq!(samples.get(&format!("{name}_count{labels}")), Some(&last.1.to_string()), "{what}");
        assert!(samples.contains_key(&format!("{name}_sum{labels}")), "{what}");
    }
}

/// The reader itself: what it finds in pages that are not of the format.
#[test]
fn a_page_that_is_not_of_the_format_is_refused() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"\\\"c\"} 1\n\
                # HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n";
    assert_eq!(read(good)["a_total{b=\"\\\"c\"}"], "1");
    for (from, to) in [
        ("# HELP a_total A.\n", ""),
        ("counter\n", "gauge\n"),
        ("a_total{", "b_total{"),
        ("\\\"c", "\"c"),
        (" 1\n#", " x\n#"),
        ("h_count 1\n", "h_count 2\n"),
        ("h_sum 1\n", ""),
        ("h_bucket{le=\"+Inf\"} 1\n", "h_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"1\"} 2\n"),
        ("h_count 1\n", "h_count 1\nh_count 1\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(bad != good && std::panic::catch_unwind(|| read(&bad)).is_err(), "{bad}");
    }
}
