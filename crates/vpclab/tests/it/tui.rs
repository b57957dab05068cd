//! `sim tui` on a real terminal: what it shows, what keys do, and that the terminal is given back however it ends.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::console::{Step, steps};
use crate::terminal::Terminal;

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tui.md")).expect("the page")
}

/// A folder with the examples and the files of the page, this test's alone.
fn desk(name: &str) -> PathBuf {
    let folder = scratch_folder!("{name}");
    std::fs::create_dir(folder.join("examples")).expect("a folder");
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
    std::fs::copy(shop, folder.join("examples/shop.yaml")).expect("the example");
    for step in steps(&document()) {
        if let Step::File { name, text } = step {
            std::fs::write(folder.join(name), text).expect("a file of the page");
        }
    }
    folder
}

/// In a session of its own, so that the terminal that it is given is the one that it controls, and asks for its size.
fn vpclab(folder: &Path, words: &str) -> Command {
    let mut command = Command::new("setsid");
    command.args(["--ctty", env!("CARGO_BIN_EXE_vpclab")]);
    clean(&mut command, folder, words);
    command
}

fn clean(command: &mut Command, folder: &Path, words: &str) {
    command.args(words.split(' ')).current_dir(folder).env("VPCLAB_HOME", folder.join("home")).env("TERM", "xterm-256color");
    for name in ["VPCLAB_FILE", "VPCLAB_LAB", "NO_COLOR", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
}

/// A screen of the page: ```` ```screen 80x24 `COMMAND` `KEYS` ````, its lines, and where it stands.
struct Shown {
    size: (u16, u16),
    command: String,
    keys: String,
    text: String,
    line: usize,
}

fn screens(page: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(about) = line.strip_prefix("```screen ") else { continue };
        let parts: Vec<&str> = about.split('`').collect();
        let (columns, rows) = parts[0].trim().split_once('x').expect("a size");
        let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let command = parts[1].strip_prefix("vpclab ").expect("a command").to_owned();
        let keys = parts.get(3).copied().unwrap_or_default().to_owned();
        let size = (columns.parse().expect("columns"), rows.parse().expect("lines"));
        found.push(Shown { size, command, keys, text: text.join("\n"), line: at + 1 });
    }
    found
}

#[test]
fn the_page_shows_what_the_program_shows() {
    let folder = desk("page");
    let shown = screens(&document());
    assert!(shown.len() >= 5, "{}", shown.len());
    for Shown { size, command, keys, text, line } in shown {
        assert_eq!(text.split('\n').count(), usize::from(size.1), "docs/tui.md:{line}: as many lines as the terminal has");
        let mut terminal = Terminal::start(vpclab(&folder, &command), size.0, size.1);
        terminal.wait("the first event", |seen| seen.contains("Events"));
        terminal.press(&keys);
        terminal.wait(&format!("docs/tui.md:{line}: `{command}` `{keys}`\n{text}\n--- seen"), |seen| seen == text);
        terminal.press("<ctrl-c>");
        assert_eq!(terminal.end().0.code(), Some(130), "docs/tui.md:{line}");
    }
}

#[test]
fn it_steps_is_resized_changes_the_lab_and_gives_the_terminal_back() {
    let folder = desk("steps");
    let mut terminal = Terminal::start(vpclab(&folder, "-f room.yaml sim tui"), 80, 24);
    terminal.wait("an empty world", |seen| seen.contains("nothing happened yet"));
    terminal.press(":ping pc-1 pc-9<enter>");
    let seen = terminal.wait("who is there", |seen| seen.contains("there are: "));
    assert!(seen.contains("typed:1:11") && seen.contains("^^^^") && seen.ends_with(":ping pc-1 pc-9"), "{seen}");
    terminal.press("\u{7f}4<enter>");
    terminal.wait("the ping's outcome", |seen| seen.contains("ping pc-1 pc-4: answered (1 sent, 1 answered)"));
    terminal.press("<right><right>");
    terminal.wait("the third event", |seen| seen.contains("Events 3/"));
    terminal.press("<left>");
    terminal.wait("the second event", |seen| seen.contains("Events 2/"));
    terminal.resize(20, 5);
    terminal.wait("a word about the size", |seen| seen.contains("too small"));
    terminal.resize(120, 40);
    terminal.wait("tables beside the packet", |seen| seen.contains("Tables of ") && seen.contains("Packet"));
    terminal.press("<end>:link down sw-1 pc-4<enter>");
    terminal.wait("a failed link", |seen| seen.contains("link down"));
    terminal.press("u");
    terminal.wait("it is back", |seen| seen.contains("taken back: link down sw-1 pc-4"));
    assert!(terminal.screen.has_colour && terminal.screen.is_other);
    terminal.press("q");
    let (status, _) = terminal.end();
    assert!(status.success(), "{status:?}");
}

#[test]
fn a_signal_gives_the_terminal_back_too() {
    let folder = desk("signals");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let mut terminal = Terminal::start(vpclab(&folder, "-f room.yaml sim tui ping pc-1 pc-2"), 80, 24);
        terminal.wait("the first event", |seen| seen.contains("Events 1/"));
        terminal.signal(signal);
        assert_eq!(terminal.end().0.code(), Some(code));
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_the_program() {
    let folder = desk("hang-up");
    let mut terminal = Terminal::start(vpclab(&folder, "-f room.yaml sim tui ping pc-1 pc-2"), 80, 24);
    terminal.wait("the first event", |seen| seen.contains("Events 1/"));
    let status = terminal.hang_up(Duration::from_secs(20)).expect("it ends");
    // What notices first: whoever draws (environment), or whoever waits for the hang-up.
    assert!(matches!(status.code(), Some(3 | 129)), "{status:?}");
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let folder = desk("colours");
    let mut command = vpclab(&folder, "-f room.yaml sim tui ping pc-1 pc-2");
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command, 80, 24);
    terminal.wait("the first event", |seen| seen.contains("Events 1/"));
    assert!(!terminal.screen.has_colour);
    terminal.press("q");
    terminal.end();
}

#[test]
fn what_cannot_be_played_is_said_before_the_terminal_is_taken() {
    let folder = desk("refused");
    for (words, expected) in [
        ("-f room.yaml sim tui ping pc-1 pc-9", "pc-9"),
        ("-f room.yaml sim tui --filter bogus: ping pc-1 pc-2", "no word of a filter"),
        ("-f room.yaml sim tui run nowhere.txt", "nowhere.txt"),
        ("-f room.yaml sim tui fly away", "this line is no action"),
    ] {
        let terminal = Terminal::start(vpclab(&folder, words), 100, 24);
        let (status, text) = terminal.end();
        assert!(status.code() == Some(2) && text.contains(expected), "{words}: {status:?}\n{text}");
    }
    // No terminal at all.
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    clean(&mut command, &folder, "-f room.yaml sim tui ping pc-1 pc-2");
    let done = command.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(3) && done.stdout.is_empty() && said.contains("needs a terminal") && said.contains("hint: "), "{said}");
}

/// Three switches in a circle: a broadcast goes round until the budget of a command is spent.
const RING: &str = "lans:
  ring:
    switches: [sw-1, sw-2, sw-3]
    hosts: { pc-1: 10.0.0.1/24, pc-2: 10.0.0.2/24 }
    links: [sw-1 -- sw-2, sw-2 -- sw-3, sw-3 -- sw-1, pc-1 -- sw-1, pc-2 -- sw-3]
";

#[test]
fn what_takes_long_is_broken_off_and_changes_nothing() {
    let folder = desk("long");
    std::fs::write(folder.join("ring.yaml"), RING).expect("a file");
    let mut terminal = Terminal::start(vpclab(&folder, "-f ring.yaml sim tui"), 100, 24);
    terminal.wait("an empty world", |seen| seen.contains("nothing happened yet"));
    terminal.press(":ping pc-1 pc-2<enter>");
    terminal.wait("how far it is", |seen| seen.contains("Ctrl-C breaks it off"));
    terminal.press("<ctrl-c>");
    let seen = terminal.wait("the line, to be typed again", |seen| seen.contains("broken off at"));
    assert!(seen.contains("nothing happened yet") && seen.ends_with(":ping pc-1 pc-2"), "{seen}");
    terminal.press("<ctrl-c>");
    assert_eq!(terminal.end().0.code(), Some(130), "with nothing to break off it ends the program");
}

#[test]
fn pasted_text_is_no_keys_and_a_line_is_edited_as_in_a_shell() {
    let folder = desk("pasted");
    let mut terminal = Terminal::start(vpclab(&folder, "-f room.yaml sim tui"), 100, 24);
    terminal.wait("an empty world", |seen| seen.contains("nothing happened yet"));
    terminal.press("\u{1b}[200~q\nq\n\u{1b}[201~");
    terminal.wait("a word about it", |seen| seen.contains("pasted text goes into a line"));
    terminal.press(":\u{1b}[200~ping pc-1 pc-4 x\nq\n\u{1b}[201~");
    terminal.wait("the first line", |seen| seen.contains("the first was taken") && seen.contains(":ping pc-1 pc-4 x"));
    // Ctrl-W and Ctrl-U.
    terminal.press("\u{17}");
    terminal.wait("a word less", |seen| seen.ends_with(":ping pc-1 pc-4"));
    terminal.press("\u{15}ping pc-1 pc-3<enter>");
    terminal.wait("the ping's outcome", |seen| seen.contains("ping pc-1 pc-3: answered"));
    terminal.press("q");
    assert!(terminal.end().0.success());
}
