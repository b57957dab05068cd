//! What the documents show is what happens.

mod console;

use console::{Desk, Step, matches, steps};

#[test]
fn shown_lines_are_compared_except_where_they_say_otherwise() {
    let same = |shown: &str, seen: &str| matches(&shown.lines().collect::<Vec<_>>(), &seen.lines().collect::<Vec<_>>());
    assert!(same("a\nb", "a\nb\n"));
    assert!(!same("a\nb", "a") && !same("a", "a\nb") && !same("", "a"));
    assert!(same("64 bytes: time=… ms", "64 bytes: time=0.12 ms") && !same("64 bytes: time=… ms", "64 bytes: time=0.12 s"));
    assert!(same("i-…: … up", "i-01: now up") && !same("i-…: … up", "i-01 now up"));
    assert!(same("a\n…\nz", "a\nz") && same("a\n…\nz", "a\nb\nc\nz") && !same("a\n…\nz", "a\nb\nc"));
    assert!(!same("ab…ba", "aba"), "parts do not overlap");
}

#[test]
fn a_document_is_read_as_files_and_commands() {
    let document = "text\n```yaml file=a.yaml\nname: a\n```\n```console\n$ cat a.yaml\nname: a\n$ true\n```\n```sh\nnot run\n```\n";
    let run = |command: &str, shown: &[&str], line| Step::Run { command: command.into(), shown: shown.iter().map(|s| s.to_string()).collect(), line };
    let expected = [Step::File { name: "a.yaml".into(), text: "name: a\n".into() }, run("cat a.yaml", &["name: a"], 6), run("true", &[], 8)];
    assert_eq!(steps(document), expected);
    assert_eq!(Desk::new("self").follow("document", document), 2);
}

#[test]
#[should_panic(expected = "document:2: $ echo a")]
fn a_document_that_shows_something_else_fails() {
    Desk::new("wrong").follow("document", "```console\n$ echo a\nb\n```\n");
}
