//! Containers of a lab file when things happen twice, at once, or out of order.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use crate::boxes::Desk;

const TWO: &str = ", containers: { db: { image: app, stop_signal: KILL, command: [sleep, '1000'] }, \
                   web: { image: app, stop_signal: KILL, command: [sleep, '1000'], restart: always, depends_on: { db: started } } }";

#[test]
fn two_ups_at_once_end_as_if_one_had_come_first() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    desk.rewrite(TWO);
    let first = desk.command(&["up"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let second = desk.run(&["up"]);
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert_eq!(desk.yes(&["containers", "ls", "-o", "name"]).lines().count(), 2);
}

#[test]
fn a_lab_whose_holder_was_killed_is_up_again_at_once_and_a_removed_instance_takes_its_containers() {
    let desk = Desk::new(TWO);
    desk.yes(&["up"]);
    let holder = desk.yes(&["anatomy", "db", "--query", "processes[?role=='holder'].machine | [0]"]);
    let holder: i32 = holder.trim().parse().unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &holder.to_string()]).status().unwrap();
    assert!(killed.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::path::Path::new(&format!("/proc/{holder}")).exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let again = desk.run(&["up"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    desk.until("web ");
    // Who names a container where an instance is meant is told so.
    let wrong = desk.run(&["exec", "db", "--", "id"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("vpclab exec -c db web-1 -- id"), "{}", wrong.stderr);
    desk.yes(&["rm", "web-1"]);
    assert_eq!(desk.yes(&["containers", "ls", "-a", "-o", "name"]), "");
}

#[test]
fn a_plan_says_what_up_would_start() {
    let desk = Desk::new(", containers: { job: { image: app, command: [sh, -c, 'exit 3'] } }");
    desk.yes(&["up"]);
    desk.until("Exited (3)");
    let plan = desk.run(&["plan", "--exit-code"]);
    assert!(plan.code == 1 && plan.stdout.contains("~ container web-1/job: start it"), "{}{}", plan.stdout, plan.stderr);
    desk.rewrite(", containers: { job: { image: app, cmd: x } }");
    let said = desk.run(&["validate"]);
    assert!(said.code != 0 && said.stderr.contains("did you mean `command`?"), "{}", said.stderr);
}

#[test]
fn a_replacement_that_cannot_be_had_loses_nothing() {
    let web = |rest: &str| format!(", containers: {{ web: {{ image: app, stop_signal: KILL, command: [sleep, '1000'], publish: 8080->80{rest} }} }}");
    let desk = Desk::new(&web(""));
    desk.yes(&["up"]);
    desk.yes(&["containers", "run", "-d", "--name", "other", "--instance", "web-1", "-p", "9090:80", "app", "sleep", "1000"]);
    let is = |query: &str| desk.yes(&["containers", "inspect", "web", "--query", query]);
    let (id, started) = (is("[0].Id"), is("[0].State.StartedAt"));
    // Found out before: the one that runs is not touched.
    for (rest, said) in [
        ("", "container other publishes it"),
        (", mounts: '/no/such/place:/x'", "bind source path does not exist"),
    ] {
        let changed = web(rest);
        desk.rewrite(if rest.is_empty() { changed.replace("8080", "9090") } else { changed }.as_str());
        let done = desk.run(&["up"]);
        assert!(done.code != 0 && done.stderr.contains(said), "{}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains("note: container web-1/web stays what it was"), "{}", done.stderr);
        assert_eq!((is("[0].Id"), is("[0].State.StartedAt")), (id.clone(), started.clone()), "{said}");
    }
    // Found out when it starts: the one that ran is started again.
    desk.rewrite(&web("").replace("sleep, '1000'", "nosuch"));
    let done = desk.run(&["up"]);
    assert!(done.code == 1 && done.stderr.contains("nosuch"), "{}{}", done.stdout, done.stderr);
    assert_eq!((is("[0].Id"), is("[0].State.Status")), (id.clone(), "\"running\"\n".into()));
    assert_eq!(desk.yes(&["containers", "ls", "-a", "-o", "name"]).lines().count(), 2);
    assert!(desk.yes(&["plan"]).contains("web-1/web: make it anew"));
    // Its own port is no obstacle.
    desk.rewrite(&web(", env: { A: b }"));
    desk.yes(&["up"]);
    assert_ne!(is("[0].Id"), id);
    assert_eq!(desk.yes(&["containers", "port", "web"]), "80/tcp -> 0.0.0.0:8080\n");
    // What a replacement left that was cut off between its steps.
    desk.yes(&["containers", "rename", "web", "web.before"]);
    desk.yes(&["up"]);
    assert_eq!(is("[0].Name"), "\"/web\"\n");
}

#[test]
fn what_can_never_be_waited_for_is_said_at_once() {
    let container = ", containers: { web: { image: app, stop_signal: KILL, command: [sleep, '1000'], healthcheck: { cmd: 'test -e /ready', interval: 100ms, retries: 1000 } } }";
    let desk = Desk::new(container);
    desk.yes(&["up"]);
    let done = desk.run(&["up", "--wait", "--timeout", "2"]);
    assert!(done.code == 1 && done.stderr.contains("note: waiting for web-1/web to be healthy"), "{}", done.stderr);
    desk.yes(&["containers", "pause", "web"]);
    let begun = Instant::now();
    let done = desk.run(&["up", "--wait", "--timeout", "50"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("error: container web-1/web is paused\nhint: vpclab containers unpause web"), "{}", done.stderr);
    assert!(begun.elapsed() < Duration::from_secs(30));
    desk.yes(&["containers", "unpause", "web"]);
    desk.yes(&["containers", "exec", "web", "touch", "/ready"]);
    desk.yes(&["up", "--wait"]);
}

#[test]
fn a_container_that_comes_and_goes_with_the_file_is_told_once() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    desk.rewrite(TWO);
    let said = desk.yes(&["up"]);
    assert_eq!(said.matches("+ container web-1/db").count(), 1, "{said}");
    desk.rewrite("");
    let said = desk.yes(&["up"]);
    assert_eq!(said.matches("- container web-1/db").count(), 1, "{said}");
}

#[test]
fn a_plan_sees_that_the_files_of_an_image_have_changed() {
    let containers = ", containers: { made: { image: made, stop_signal: KILL, command: [sleep, '1000'] }, brought: { image: brought, stop_signal: KILL, command: [sleep, '1000'] } }";
    let desk = Desk::new(containers);
    let text = std::fs::read_to_string(desk.path("lab.yaml")).unwrap();
    std::fs::write(desk.path("lab.yaml"), format!("images: {{ made: {{ build: made }}, brought: {{ archive: brought.tar }} }}\n{text}")).unwrap();
    desk.write("made/Dockerfile", "FROM app\nCOPY file /\n");
    desk.write("made/file", "1");
    std::fs::copy(desk.path("root.tar"), desk.path("brought.tar")).unwrap();
    desk.yes(&["up"]);
    let plan = desk.run(&["plan", "--exit-code"]);
    assert!(plan.code == 0 && plan.stderr.contains("no changes"), "{}{}", plan.stdout, plan.stderr);
    desk.write("made/file", "two");
    let plan = desk.run(&["plan", "--exit-code"]);
    assert!(plan.code == 1 && plan.stdout.contains("web-1/made: make it anew if image made comes out another"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("brought"), "{}", plan.stdout);
    assert!(desk.yes(&["up"]).contains("~ container web-1/made: made anew"));
    assert_eq!(desk.run(&["plan", "--exit-code"]).code, 0);
    // Touched, and the same all the same: `up` finds that out, and the plan knows it from then on.
    std::fs::copy(desk.path("root.tar"), desk.path("brought.tar")).unwrap();
    assert!(desk.yes(&["plan"]).contains("web-1/brought: make it anew if"));
    assert!(desk.yes(&["up"]).contains("no changes"));
    assert_eq!(desk.run(&["plan", "--exit-code"]).code, 0);
}
