//! What is said to who types something wrong about containers, and the code that comes with it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod boxes;

use boxes::Desk;

const BOX: &str = ", containers: { box: { image: app, stop_signal: KILL, command: [sleep, '1000'] } }";

#[test]
fn a_working_directory_that_is_none_is_what_is_told() {
    let desk = Desk::new(BOX);
    desk.yes(&["up"]);
    let exec = |place: &[&str]| desk.run(&[place, &["--", "sh", "-c", "true"]].concat());
    for (words, code, said) in [
        (&["containers", "exec", "-w", "/nope", "box"][..], 127, "chdir to cwd (\"/nope\") failed: no such file or directory"),
        (&["exec", "-c", "box", "-w", "/nope", "web-1"], 127, "chdir to cwd (\"/nope\") failed: no such file or directory"),
        (&["containers", "exec", "-w", "/etc/passwd", "box"], 126, "chdir to cwd (\"/etc/passwd\") failed: not a directory"),
        (&["containers", "exec", "-w", "nope", "box"], 128, "it must be an absolute path"),
        (&["exec", "-w", "/nope", "web-1"], 127, "web-1 has no directory /nope"),
    ] {
        let done = exec(words);
        assert_eq!(done.code, code, "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
}

#[test]
fn a_device_is_not_copied_and_not_written_over() {
    let desk = Desk::new(BOX);
    desk.yes(&["up"]);
    std::fs::write(desk.path("null"), "hello\n").unwrap();
    let cp = |from: &str, to: &str| desk.run(&["containers", "cp", from, to]);
    for (from, to, said) in [
        ("box:/dev/null", "copy", "/dev/null of container box is a device: there is nothing in it to copy"),
        ("null", "box:/dev/null", "box:/dev/null must be a directory or a regular file, and is a device"),
        ("null", "box:/dev/", "a device is in its place"),
    ] {
        let done = cp(from, to);
        assert!(done.code == 1 && done.stderr.contains(said), "{from} {to}: {}", done.stderr);
    }
    assert!(!desk.path("copy").exists());
    assert_eq!(desk.yes(&["containers", "exec", "box", "sh", "-c", "echo x > /dev/null; cat /dev/null"]), "");
    assert!(cp("null", "box:/tmp-file").stderr.contains("6 B copied to box:/tmp-file"), "the file's length, and not the tar's");
    assert!(cp("box:/tmp-file", "copy").stderr.contains("6 B copied to copy"));
}
