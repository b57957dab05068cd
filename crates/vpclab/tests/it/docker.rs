//! The docker command, unchanged, against the containers of an instance; nothing is tried where it is not installed.
#![cfg(target_os = "linux")]

use std::process::Stdio;

use crate::boxes::Desk;

fn is_installed() -> bool {
    let found = std::process::Command::new("docker").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn the_docker_command_works_unchanged_and_ends_with_the_codes_that_docker_has() {
    if !is_installed() {
        return;
    }
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let docker = |words: &[&str]| desk.run(&[&["docker", "web-1", "--"], words].concat());
    let run = |words: &[&str]| docker(&[&["run", "--rm", "--pull=never"], words].concat());
    let done = run(&["app", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (7, "out\n", "err\n"));
    for (words, code) in [(vec!["app", "nosuch"], 127), (vec!["app", "/nosuch"], 127), (vec!["app", "/etc/passwd"], 126), (vec!["nosuchimage"], 125)] {
        assert_eq!(run(&words).code, code, "{words:?}");
    }
    let mut child = desk.command(&["docker", "web-1", "--", "run", "--rm", "-i", "app", "cat"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"typed").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"typed");
    assert_eq!(docker(&["ps", "-aq"]).stdout, "", "--rm leaves nothing");

    let done = docker(&["run", "-d", "--name", "one", "app", "sh", "-c", "echo begun; sleep 1000"]);
    assert_eq!((done.code, done.stdout.trim().len()), (0, 64), "{}", done.stderr);
    assert_eq!(docker(&["ps", "--format", "{{.Names}} {{.Image}}"]).stdout, "one app\n");
    assert_eq!(docker(&["exec", "one", "sh", "-c", "echo in; exit 5"]).code, 5);
    assert_eq!(docker(&["exec", "one", "nosuch"]).code, 127);
    assert_eq!(docker(&["logs", "one"]).stdout, "begun\n");
    assert_eq!(docker(&["inspect", "-f", "{{.State.Status}} {{.Config.StopSignal}}", "one"]).stdout, "running SIGTERM\n");
    // What the other command does is seen by this one, and the other way round.
    desk.yes(&["containers", "kill", "one"]);
    assert_eq!(docker(&["wait", "one"]).stdout, "137\n");
    assert!(docker(&["events", "--since", "1m", "--until", "0s", "--filter", "event=die", "--format", "{{.Actor.Attributes.exitCode}}"]).code == 0);
    assert_eq!(docker(&["rm", "one"]).stdout, "one\n");
    assert_eq!(docker(&["rm", "one"]).code, 1);

    let env = desk.yes(&["serve", "web-1"]);
    assert!(env.starts_with("export DOCKER_HOST=unix://") && env.contains("web-1.sock"), "{env}");
    // Through the lab's door it has to be said where.
    let lab = |words: &[&str]| desk.run(&[&["docker", "--"], words].concat());
    let refused = lab(&["create", "app"]);
    assert!(refused.code == 1 && refused.stderr.contains("vpclab.instance=NAME"), "{}", refused.stderr);
    assert_eq!(lab(&["create", "--name", "two", "--label", "vpclab.instance=db-1", "app"]).code, 0);
    assert_eq!(docker(&["ps", "-aq"]).stdout, "");
    assert_eq!(lab(&["ps", "-a", "--format", "{{.Names}}"]).stdout, "two\n");
    let wrong = desk.run(&["docker", "web-9", "--", "ps"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("no instance"), "{}", wrong.stderr);
}

#[test]
fn without_a_docker_command_it_is_said_what_to_install() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let mut command = desk.command(&["docker", "web-1", "--", "ps"]);
    let done = command.env("PATH", desk.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(3) && said.contains("install the client"), "{said}");
}
