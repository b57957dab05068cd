//! What is said to who types something wrong about containers, and the code that comes with it.
#![cfg(target_os = "linux")]

use crate::boxes::Desk;

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

#[test]
fn whoever_looks_in_the_wrong_place_is_told_the_right_one() {
    let desk = Desk::new(BOX);
    desk.yes(&["up"]);
    for (words, code, said) in [
        (&["exec", "-c", "box", "db-1", "--", "id"][..], 1, "error: db-1 has no container `box`\nhint: box is a container of web-1\n"),
        (&["logs", "-c", "bxo", "web-1"], 1, "hint: did you mean `box`?"),
        (&["logs", "-c", "box", "db-1"], 1, "hint: box is a container of web-1\n"),
        (&["stop", "box"], 2, "hint: box is a container of web-1: vpclab containers stop box"),
        (&["start", "box"], 2, "hint: box is a container of web-1: vpclab containers start box"),
        (&["rm", "box"], 2, "hint: box is a container of web-1: vpclab containers rm box"),
        (&["logs", "box"], 2, "hint: box is a container of web-1: vpclab containers logs box"),
        (&["inspect", "box"], 2, "hint: box is a container of web-1: vpclab containers inspect box"),
        (&["anatomy", "something"], 1, "hint: containers known: `box`; instances known: `db-1`, `web-1`"),
        (&["import", "compose", "lab.yaml", "--instance", "a b"], 2, "error: --instance: `a b` cannot be a name"),
        (&["containers", "run", "--instance", "web-1", "--cap-drop", "NOPE", "app"], 125, "--cap-drop `NOPE`: it is no capability"),
    ] {
        let done = desk.run(words);
        assert_eq!(done.code, code, "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
}

#[test]
fn a_name_that_two_instances_have_is_asked_for_with_its_instance() {
    let desk = Desk::new(BOX);
    desk.yes(&["up"]);
    desk.yes(&["containers", "create", "--name", "box", "--instance", "db-1", "app"]);
    std::fs::write(desk.path("text"), "no tar").unwrap();
    for (words, code, said) in [
        (&["containers", "stop", "box"][..], 2, "error: 2 containers are called `box`\nhint: db-1/box | web-1/box\n"),
        (&["anatomy", "box"], 2, "hint: db-1/box | web-1/box\n"),
        (&["containers", "stop", "something"], 1, "hint: known: `box`\n"),
        (&["why", "web-1/box", "web-1/box", "tcp/80"], 2, "hint: vpclab check web-1/box web-1/box tcp/80 sends it\n"),
        (&["containers", "run", "--instance", "web-1", "--stop-signal", "NOPE", "app"], 125, "--stop-signal `NOPE`: it is no signal"),
        (&["images", "import", "text", "x"], 2, "text: it is no tar archive"),
        (&["volumes", "import", "text", "vol"], 2, "it is no tar archive"),
    ] {
        let done = desk.run(words);
        assert_eq!(done.code, code, "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
}

#[test]
fn an_instance_that_asks_itself_is_told_where_its_port_leads() {
    let desk = Desk::new(", containers: { box: { image: app, stop_signal: KILL, command: [sleep, '1000'], publish: 8080->80 } }");
    desk.yes(&["up"]);
    let led = "hint: its port 8080 leads to container box: vpclab check web-1 web-1/box tcp/80\n";
    for (words, hint) in [
        (&["check", "web-1", "web-1:8080"][..], led),
        (&["why", "web-1", "web-1:8080"], led),
        (&["why", "web-1", "web-1", "tcp/22"], "hint: vpclab sockets web-1 shows who listens there\n"),
    ] {
        let done = desk.run(words);
        assert_eq!(done.code, 2, "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains("never leaves it") && done.stderr.ends_with(hint), "{words:?}: {}", done.stderr);
    }
    assert_eq!(desk.run(&["check", "web-1", "web-1/box", "tcp/80"]).code, 1, "what is told to type is answered: nobody listens");
    // One port of it, as Docker's command prints it.
    assert_eq!(desk.yes(&["containers", "port", "box", "80"]), "0.0.0.0:8080\n");
    assert_eq!(desk.yes(&["containers", "port", "box", "80/tcp"]), "0.0.0.0:8080\n");
    let none = desk.run(&["containers", "port", "box", "80/udp"]);
    assert!(none.code == 1 && none.stderr.contains("container box publishes no port 80/udp"), "{}", none.stderr);
}

#[test]
fn one_that_restarts_is_removed_by_force_only() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    desk.yes(&["containers", "run", "-d", "--name", "again", "--restart", "always", "--instance", "web-1", "app", "sh", "-c", "exit 3"]);
    // From the fifth time on it waits for more than a second.
    std::thread::sleep(std::time::Duration::from_secs(2));
    desk.until("Restarting (3)");
    let refused = desk.run(&["containers", "rm", "again"]);
    assert!(refused.code == 1 && refused.stderr.contains("vpclab containers rm --force again"), "{}", refused.stderr);
    desk.yes(&["containers", "rm", "-f", "again"]);
    assert_eq!(desk.yes(&["containers", "ls", "-a", "-o", "name"]), "");
}

#[test]
fn volumes_are_made_once_and_those_without_a_name_are_pruned() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    assert_eq!(desk.yes(&["volumes", "create", "data"]), "data\n");
    assert_eq!(desk.yes(&["volumes", "create", "data"]), "data\n");
    let other = desk.run(&["volumes", "create", "--label", "a=b", "data"]);
    assert!(other.code == 0 && other.stderr.contains("keeps the labels it has"), "{}", other.stderr);
    let made_up = desk.yes(&["volumes", "create"]);
    assert_eq!(desk.yes(&["volumes", "prune", "--yes"]), made_up);
    assert_eq!(desk.yes(&["volumes", "ls", "-o", "name"]), "data\n");
    assert_eq!(desk.yes(&["volumes", "prune", "--all", "--yes"]), "data\n");
}

#[test]
fn a_source_of_a_bind_that_is_made_belongs_to_root_inside() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let bind = format!("{}:/x", desk.path("made/for/it").display());
    let done = desk.run(&["-q", "containers", "run", "--rm", "--instance", "web-1", "-v", &bind, "app", "sh", "-c", "echo own > /x/file; cat /x/file"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "own\n"), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(desk.path("made/for/it/file")).unwrap(), "own\n");
    // What belongs to root inside is removed by root inside, where that is another user.
    desk.yes(&["-q", "containers", "run", "--rm", "--instance", "web-1", "-v", &bind, "app", "sh", "-c", "cd /x && exec 3>file && : > file"]);
}

#[test]
fn figures_end_with_the_lab_and_a_process_has_a_parent() {
    let desk = Desk::new(BOX);
    desk.yes(&["up"]);
    let parents = desk.yes(&["containers", "top", "box", "--query", "[].parent"]);
    assert!(!parents.contains(" 0\n") && parents.contains(|c: char| c.is_ascii_digit()), "the shim is a process of the instance: {parents}");
    let dated = desk.yes(&["images", "ls"]);
    assert!(dated.lines().nth(1).is_some_and(|line| line.split_whitespace().nth(3) == Some("-")), "{dated}");
    let mut figures = desk.command(&["containers", "stats"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    desk.yes(&["down"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while figures.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > deadline {
            figures.kill().unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ended = figures.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success() && said.contains("went down"), "{said}");
}
