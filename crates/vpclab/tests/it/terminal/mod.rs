//! A terminal for a program: a pseudo terminal of a size, and the screen that its output makes.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// A program on a terminal.
pub struct Terminal {
    child: Child,
    master: std::fs::File,
    slave: OwnedFd,
    before: Termios,
    pub screen: Screen,
}

impl Terminal {
    /// Starts a program on a terminal of so many columns and lines.
    pub fn start(mut command: Command, columns: u16, lines: u16) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&master, size(columns, lines)).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Terminal { child, master: master.into(), slave, before, screen: Screen::new(columns, lines) }
    }

    /// Types: characters as they are, other keys by name in angle brackets.
    pub fn press(&mut self, keys: &str) {
        let names = [
            ("<enter>", "\r"),
            ("<tab>", "\t"),
            ("<up>", "\u{1b}[A"),
            ("<down>", "\u{1b}[B"),
            ("<right>", "\u{1b}[C"),
            ("<left>", "\u{1b}[D"),
            ("<home>", "\u{1b}[H"),
            ("<end>", "\u{1b}[F"),
            ("<ctrl-c>", "\u{3}"),
        ];
        let typed = names.iter().fold(keys.to_owned(), |text, (name, bytes)| text.replace(name, bytes));
        self.master.write_all(typed.as_bytes()).unwrap();
    }

    /// Makes the terminal another size, and tells the program.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        tcsetwinsize(&self.master, size(columns, lines)).unwrap();
        let (is_other, has_cursor, has_colour) = (self.screen.is_other, self.screen.has_cursor, self.screen.has_colour);
        self.screen = Screen { is_other, has_cursor, has_colour, ..Screen::new(columns, lines) };
        self.signal(Signal::WINCH);
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Nobody is at the terminal any more; how the program ended, if it did so in time.
    pub fn hang_up(mut self, limit: Duration) -> Option<ExitStatus> {
        self.master = std::fs::File::open("/dev/null").unwrap();
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Reads until the screen is such; fails with what it shows.
    pub fn wait(&mut self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = self.screen.text();
            if is(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "not seen: {what}\n{text}");
            self.take(Duration::from_millis(50));
        }
    }

    /// Reads what there is; whether anything was.
    fn take(&mut self, wait: Duration) -> bool {
        let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        if poll(&mut ready, Some(&wait)).unwrap_or(0) == 0 {
            return false;
        }
        let mut bytes = [0; 16_384];
        let count = self.master.read(&mut bytes).unwrap_or(0);
        self.screen.feed(&bytes[..count]);
        count > 0
    }

    /// Waits for the end of the program; the terminal must be as it was.
    pub fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            while self.take(Duration::from_millis(5)) {}
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.screen.text());
        };
        while self.take(Duration::from_millis(5)) {}
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before), "the terminal's modes are as they were");
        assert!(!self.screen.is_other && self.screen.has_cursor, "the first screen and the cursor are back");
        (status, self.screen.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, lines: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 }
}

/// What a terminal shows, as far as programs here ask for it: places, clearing, the other screen, the cursor.
pub struct Screen {
    cells: Vec<Vec<char>>,
    at: (usize, usize),
    left: Vec<u8>,
    pub is_other: bool,
    pub has_cursor: bool,
    pub has_colour: bool,
}

impl Screen {
    fn new(columns: u16, lines: u16) -> Screen {
        let cells = vec![vec![' '; usize::from(columns)]; usize::from(lines)];
        Screen { cells, at: (0, 0), left: Vec::new(), is_other: false, has_cursor: true, has_colour: false }
    }

    /// Its lines without the spaces at their ends.
    pub fn text(&self) -> String {
        self.cells.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    fn clear(&mut self) {
        self.cells.iter_mut().for_each(|line| line.fill(' '));
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.left.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.left);
        let mut at = 0;
        while at < all.len() {
            match self.one(&all[at..]) {
                Some(used) => at += used,
                None => break,
            }
        }
        self.left = all[at..].to_vec();
    }

    /// Takes a character or a sequence; nothing while it is incomplete.
    fn one(&mut self, bytes: &[u8]) -> Option<usize> {
        match bytes[0] {
            0x1b => self.sequence(bytes),
            b'\r' => {
                self.at.0 = 0;
                Some(1)
            }
            b'\n' => {
                self.at.1 += 1;
                Some(1)
            }
            byte if byte < 0x20 => Some(1),
            byte => {
                let length = match byte {
                    0..0x80 => 1,
                    0x80..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    _ => 4,
                };
                let text = std::str::from_utf8(bytes.get(..length)?).unwrap();
                let (x, y) = self.at;
                if let (Some(cell), Some(c)) = (self.cells.get_mut(y).and_then(|line| line.get_mut(x)), text.chars().next()) {
                    *cell = c;
                }
                self.at.0 += 1;
                Some(length)
            }
        }
    }

    fn sequence(&mut self, bytes: &[u8]) -> Option<usize> {
        if *bytes.get(1)? != b'[' {
            return Some(2);
        }
        let end = 2 + bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte))?;
        let words = String::from_utf8_lossy(&bytes[2..end]).into_owned();
        let number = |at: usize| words.split(';').nth(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or(1);
        match (bytes[end], words.as_str()) {
            (b'H', _) => self.at = (number(1) - 1, number(0) - 1),
            (b'J', _) => self.clear(),
            (b'K', _) => {
                let (x, y) = self.at;
                if let Some(line) = self.cells.get_mut(y) {
                    line.iter_mut().skip(x).for_each(|cell| *cell = ' ');
                }
            }
            (b'h' | b'l', "?25") => self.has_cursor = bytes[end] == b'h',
            (b'h' | b'l', "?1049") => {
                self.is_other = bytes[end] == b'h';
                self.clear();
            }
            (b'm', words) => {
                let is_colour = |word: &str| matches!(word.parse::<u8>(), Ok(30..=37 | 38 | 40..=48 | 90..=107));
                self.has_colour |= words.split(';').any(is_colour);
            }
            _ => {}
        }
        Some(end + 1)
    }
}
