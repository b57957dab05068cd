//! Containers as a person types them: from an image made here of this machine's own programs to packets from another instance.
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::boxes::Desk;

#[test]
fn a_program_runs_with_its_streams_and_ends_with_its_code() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let run = |words: &[&str]| desk.run(&[&["-q", "containers", "run", "--rm", "--instance", "web-1", "app"], words].concat());
    assert_eq!((run(&[]).code, run(&[]).stdout.as_str()), (0, "hello\n"));
    let done = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (7, "out\n", "err\n"));
    assert_eq!(run(&["nosuch"]).code, 127);
    assert_eq!(run(&["/etc/passwd"]).code, 126);
    assert_eq!(desk.run(&["containers", "run", "--instance", "web-1", "-v", "bad:", "app"]).code, 125);
    assert_eq!(desk.run(&["containers", "run", "app"]).code, 125, "two instances run, and none is named");
    let mut child = desk.command(&["-q", "containers", "run", "--rm", "-i", "--instance", "web-1", "app", "cat"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"typed").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"typed");
    assert_eq!(desk.yes(&["containers", "ls", "-a", "-o", "name"]), "", "--rm leaves nothing");
}

#[test]
fn a_container_lives_on_its_own_and_its_volume_outlives_it() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let script = "echo begun; echo oops >&2; trap 'echo asked; exit 3' TERM; while :; do sleep 0.05; done";
    desk.yes(&["containers", "run", "-d", "--name", "one", "--instance", "web-1", "-v", "data:/data", "-e", "A=1", "app", "sh", "-c", script]);
    let done = desk.run(&["exec", "-c", "one", "web-1", "--", "sh", "-c", "cat /data/seed; echo $A; echo new > /data/new; echo x > /tmp-file; exit 5"]);
    assert_eq!((done.code, done.stdout.as_str()), (5, "seed\n1\n"), "{}", done.stderr);
    assert_eq!(desk.run(&["containers", "exec", "one", "nosuch"]).code, 127);
    assert!(desk.yes(&["exec", "web-1", "--", "ps", "ax"]).contains("trap"), "it is a process of its instance");
    assert!(desk.yes(&["containers", "diff", "one"]).lines().any(|line| line == "A /tmp-file"));
    assert_eq!(desk.yes(&["containers", "diff", "one"]).trim(), "A /tmp-file");
    let top = desk.yes(&["containers", "top", "one"]);
    assert!(top.lines().any(|line| line.starts_with("root ") && line.contains("trap")), "{top}");
    // Whoever keeps labs up may end: containers go on.
    desk.yes(&["daemon", "stop"]);
    assert_eq!(desk.yes(&["containers", "exec", "one", "hostname"]).trim().len(), 12);
    assert_eq!(desk.run(&["volumes", "rm", "data"]).code, 1, "it is in use");
    assert_eq!(desk.run(&["containers", "rm", "one"]).code, 1, "it runs");
    desk.yes(&["containers", "stop", "one"]);
    desk.until("Exited (3)");
    let logs = desk.run(&["logs", "-c", "one", "web-1"]);
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("begun\nasked\n", "oops\n"));
    assert_eq!(desk.yes(&["containers", "logs", "--tail", "1", "one"]), "asked\n");
    desk.yes(&["containers", "rm", "one"]);
    let read = ["-q", "containers", "run", "--rm", "--instance", "db-1", "-v", "data:/x:ro", "app", "sh", "-c", "cat /x/new; echo no > /x/new"];
    let done = desk.run(&read);
    assert_eq!(done.stdout, "new\n");
    assert!(done.code != 0, "it is read-only");
    // Out, away, and in again.
    desk.yes(&["volumes", "export", "data", "-w", "data.tar"]);
    desk.yes(&["down"]);
    assert_eq!(desk.yes(&["volumes", "ls", "-o", "name"]), "data\n", "down keeps what has a name");
    desk.yes(&["volumes", "rm", "data"]);
    desk.yes(&["volumes", "import", "data.tar", "data"]);
    desk.yes(&["up"]);
    assert_eq!(desk.run(&read).stdout, "new\n");
}

#[test]
fn a_published_port_is_reached_exactly_when_the_vpc_lets_it() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let program = format!("{}:/bin/nc:ro", env!("CARGO_BIN_EXE_vpclab"));
    let listen = ["-d", "--name", "web", "--instance", "web-1", "-v", &program, "-p", "8080:80", "-p", "9090:80", "app", "nc", "-l", "-k", "80"];
    desk.yes(&[&["containers", "run"], &listen[..]].concat());
    assert_eq!(desk.yes(&["containers", "port", "web"]), "80/tcp -> 0.0.0.0:8080\n80/tcp -> 0.0.0.0:9090\n");
    let deadline = Instant::now() + Duration::from_secs(20);
    while desk.run(&["check", "db-1", "web-1", "tcp/8080"]).code != 0 {
        let said = desk.run(&["containers", "logs", "web"]);
        assert!(Instant::now() < deadline, "{}{}", said.stdout, said.stderr);
    }
    let denied = desk.run(&["check", "db-1", "web-1", "tcp/9090"]);
    assert!(denied.code == 1 && denied.stdout.contains("filtered"), "{}", denied.stdout);
    let taken = desk.run(&["containers", "run", "--rm", "--instance", "web-1", "-p", "8080:81", "app"]);
    assert!(taken.code == 125 && taken.stderr.contains("container web publishes it"), "{}", taken.stderr);
    desk.yes(&["containers", "rm", "-f", "web"]);
    assert!(desk.run(&["check", "db-1", "web-1", "tcp/8080"]).stdout.contains("refused"));
}

#[test]
fn containers_of_the_file_come_are_replaced_and_go() {
    let first = ", containers: { job: { image: app, command: [sh, -c, 'exit 0'] }, db: { image: app, stop_signal: KILL, command: [sleep, '1000'], mounts: 'data:/data', \
                 healthcheck: { cmd: 'test -e /data/seed', interval: 200ms } }, web: { image: app, stop_signal: KILL, command: [sleep, '1000'], depends_on: { db: healthy } } }";
    let desk = Desk::new(first);
    let lab = |containers: &str| {
        desk.rewrite(containers);
        let path = desk.path("lab.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("volumes: {{ data: {{}} }}\n{text}")).unwrap();
    };
    lab(first);
    let said = desk.yes(&["up", "--wait"]);
    for line in ["+ container web-1/db", "+ container web-1/job", "+ container web-1/web"] {
        assert!(said.contains(line), "{said}");
    }
    desk.until("(healthy)");
    desk.until("Exited (0)");
    assert!(desk.yes(&["up"]).contains("no changes"));
    let id = |name: &str| desk.yes(&["containers", "inspect", name, "--query", "[0].Id"]);
    let (db, web) = (id("db"), id("web"));
    lab(&first.replace("'1000'], depends", "'2000'], depends").replace("job: { image: app, command: [sh, -c, 'exit 0'] }, ", ""));
    let said = desk.yes(&["up"]);
    assert!(said.contains("~ container web-1/web: made anew") && said.contains("- container web-1/job"), "{said}");
    assert_eq!(id("db"), db);
    assert_ne!(id("web"), web);
    // What an `up` could not do is what the next one does, and a plan says so.
    let web = id("web");
    lab(", containers: { db: { image: app, stop_signal: KILL, command: [sleep, '1000'] }, web: { image: nosuch.invalid/app, stop_signal: KILL, command: [sleep, '1000'] } }");
    assert_eq!(desk.run(&["up"]).code, 1);
    assert_eq!(id("web"), web, "the one that runs stays until there is another");
    assert!(desk.yes(&["plan"]).contains("~ container web-1/web: make it anew"), "{}", desk.yes(&["plan"]));
    assert_eq!(desk.run(&["plan", "--exit-code"]).code, 1);
    lab("");
    desk.yes(&["up"]);
    assert_eq!(desk.yes(&["containers", "ls", "-a", "-o", "name"]), "");
}

#[test]
fn a_container_that_fails_is_started_again_as_often_as_was_said() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    assert_eq!(desk.yes(&["containers", "create", "--instance", "web-1", "--name", "kept", "app"]).trim().len(), 64);
    let refused = desk.run(&["images", "rm", "app"]);
    assert!(refused.code == 1 && refused.stderr.contains("kept"), "{}", refused.stderr);
    desk.yes(&["containers", "run", "-d", "--name", "loop", "--restart", "on-failure:2", "--instance", "web-1", "app", "sh", "-c", "echo run; exit 4"]);
    desk.until("Exited (4)");
    assert_eq!(desk.yes(&["containers", "logs", "loop"]), "run\nrun\nrun\n");
    assert_eq!(desk.yes(&["containers", "wait", "loop"]), "4\n");
}

#[test]
fn files_are_copied_both_ways_whether_the_container_runs_or_not() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    desk.yes(&["containers", "create", "--name", "box", "--instance", "web-1", "-v", "kept:/kept", "app", "sleep", "600"]);
    std::fs::create_dir_all(desk.path("tree/deep")).unwrap();
    std::fs::write(desk.path("tree/deep/leaf"), "leaf\n").unwrap();
    std::fs::write(desk.path("note"), "note\n").unwrap();
    for state in ["rests", "runs"] {
        if state == "runs" {
            desk.yes(&["containers", "start", "box"]);
        }
        desk.yes(&["containers", "cp", "note", "box:/etc/"]);
        desk.yes(&["containers", "cp", "note", "web-1/box:/etc/other"]);
        desk.yes(&["containers", "cp", "tree", "box:/kept"]);
        desk.yes(&["containers", "cp", "box:/etc/other", &format!("{state}-note")]);
        desk.yes(&["containers", "cp", "box:/kept/tree/.", &format!("{state}-tree")]);
        // All of it, without what the kernel shows there.
        let whole = format!("{state}-whole");
        desk.yes(&["containers", "cp", "box:/", &whole]);
        assert!(desk.path(&whole).join("etc/note").is_file() && !desk.path(&whole).join("proc/1").exists());
        assert_eq!(std::fs::read_to_string(desk.path(&format!("{state}-note"))).unwrap(), "note\n");
        assert_eq!(std::fs::read_to_string(desk.path(&format!("{state}-tree/deep/leaf"))).unwrap(), "leaf\n");
        let listed = desk.command(&["containers", "cp", "box:/kept", "-"]).output().unwrap().stdout;
        let mut reader = container::tar::Reader::new(&listed[..], "test", container::Limits::default());
        assert_eq!(reader.next_entry().unwrap().unwrap().name(), "kept/");
    }
    assert_eq!(desk.yes(&["containers", "exec", "box", "cat", "/kept/tree/deep/leaf"]), "leaf\n");
    for (words, code, said) in [
        (&["box:/none", "x"][..], 1, "Could not find the file /none in container box"),
        (&["box:/etc", "box:/x"], 2, "between containers"),
        (&["note", "other-note"], 2, "CONTAINER:PATH"),
        (&["none", "box:/etc"], 1, "none: No such file"),
        (&["tree", "box:/etc/passwd"], 1, "cannot copy a directory"),
        (&["note", "box:/none/"], 1, "no such directory"),
        (&["note", "nobody:/etc"], 1, "no container `nobody`"),
    ] {
        let done = desk.run(&[&["containers", "cp"], words].concat());
        assert_eq!(done.code, code, "{words:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{words:?}: {}", done.stderr);
    }
    desk.yes(&["containers", "export", "box", "-w", "all.tar"]);
    assert_eq!(desk.run(&["containers", "export", "box", "-w", "all.tar"]).code, 2);
    desk.yes(&["images", "import", "all.tar", "again"]);
    let done = desk.run(&["-q", "containers", "run", "--rm", "--instance", "web-1", "again", "cat", "/etc/note"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "note\n"), "{}", done.stderr);
    let done = desk.run(&["-q", "containers", "run", "--rm", "--instance", "web-1", "--volumes-from", "box:ro", "app", "sh", "-c", "cat /kept/tree/deep/leaf; touch /kept/x"]);
    assert!(done.code != 0 && done.stdout == "leaf\n", "{} {}", done.stdout, done.stderr);
    desk.yes(&["containers", "update", "--restart", "unless-stopped", "box"]);
    assert!(desk.yes(&["containers", "inspect", "box"]).contains("unless-stopped"));
    assert_eq!(desk.run(&["containers", "update", "box"]).code, 2);
    assert_eq!(desk.run(&["containers", "update", "--memory", "1m", "box"]).code, 2);
    assert_eq!(desk.run(&["containers", "run", "--instance", "web-1", "--device", "/dev/sda", "app"]).code, 125);
    let table = desk.yes(&["images", "df"]);
    assert!(table.contains("images") && table.contains("volumes"), "{table}");
}

#[test]
fn whoever_stops_reading_ends_the_command_and_not_the_container() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let mut command = desk.command(&["containers", "run", "--name", "loud", "--instance", "web-1", "app", "sh", "-c", "while :; do echo y; done"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut first = [0; 2];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"y\n");
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert!(desk.yes(&["containers", "ls"]).contains("loud"));
}
