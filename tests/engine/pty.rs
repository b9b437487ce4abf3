//! A terminal for the program under test: it reads keys, and what is drawn on it can be looked at.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::docker::{PATIENCE, until, within};

/// The key that interrupts.
pub(crate) const CTRL_C: u8 = 0x03;

/// A program that has a terminal to itself.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    drawn: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a program whose three streams are a terminal of so many columns.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("its other side");
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("its size");
        let stream = || Stdio::from(theirs.try_clone().expect("a stream"));

        // Only the session's leader has a terminal whose keys become signals.
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args());
        leader.current_dir(command.get_current_dir().expect("a folder"));
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let child = leader.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("setsid");

        let keyboard = File::from(ours);
        let mut screen = keyboard.try_clone().expect("a terminal");
        let drawn = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&drawn);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Once nobody has the other side any more, reading fails.
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..count]);
            }
        });
        Self { child, keyboard, drawn, reader }
    }

    /// Everything that was written to it so far.
    pub(crate) fn drawn(&self) -> String {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&drawn).into_owned()
    }

    /// Waits until something was written.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        until(words, || self.drawn().contains(words));
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: u8) {
        self.keyboard.write_all(&[key]).expect("a key");
    }

    /// Waits for the program's end: its exit code, and everything that it wrote.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let ended = within(PATIENCE, || self.child.try_wait().expect("a state").is_some());
        if !ended {
            let _ = self.child.kill();
        }
        let status = self.child.wait().expect("an end");
        // The last bytes are read by then.
        until("the terminal's end", || self.reader.is_finished());
        let drawn = self.drawn();
        assert!(ended, "it did not end within {PATIENCE:?}:\n{drawn}");
        (status.code(), drawn)
    }
}

/// What a person sees in the end on a terminal of so many columns: line feeds, carriage returns and
/// erased lines are carried out, and colours left out. Panics at a sequence that it does not know.
pub(crate) fn seen(drawn: &str, columns: usize) -> String {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0, 0);
    let mut rest = drawn.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "{drawn:?}");
                let is_end = |byte: &char| byte.is_ascii_alphabetic();
                let mut parameter = String::new();
                while let Some(digit) = rest.next_if(|next| !is_end(next)) {
                    parameter.push(digit);
                }
                match (rest.next(), parameter.as_str()) {
                    (Some('m'), _) => {}
                    (Some('K'), "2") => lines[row].clear(),
                    (Some('A'), up) => row -= up.parse().unwrap_or(1),
                    (Some('B'), down) => row += down.parse().unwrap_or(1),
                    other => panic!("{other:?} is not known: {drawn:?}"),
                }
            }
            letter => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), Vec::new());
                }
                let line: &mut Vec<char> = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = letter;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
}
