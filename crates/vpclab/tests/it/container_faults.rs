//! Containers while somebody kills what keeps them: the daemon, a command in the middle of its work, a container's own shim.
//! Containers whose shim lives go on, exit codes and lines of logs are kept, and `down` leaves nothing.
//!
//! `VPCLAB_SOAK_ROUNDS` sets how often something is killed (default 8), `VPCLAB_SOAK_SEED` what and when; `make soak` does it long.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use control::client::Daemon;
use control::paths::Paths;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::boxes::Desk;
use crate::home::Done;
use crate::registry::registry;

/// Lines that the talking container says, ten at a time.
const LINES: usize = 100;
/// And its exit code.
const CODE: i64 = 7;
const TALK: &str = "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); case $i in *0) sleep 0.03;; esac; done; exit 7";

/// xorshift64*: a seed says what is tried.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// A process as it is found: who started it, what it is called, when it began (a number may be given again).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Process {
    parent: i32,
    name: String,
    line: String,
    begun: String,
}

/// All processes that are no zombies.
fn processes() -> BTreeMap<i32, Process> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |file: &str| String::from_utf8_lossy(&std::fs::read(entry.path().join(file)).unwrap_or_default()).into_owned();
        let stat = read("stat");
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        if fields[0] == "Z" {
            continue;
        }
        let name = name.split_once('(').map_or("", |(_, name)| name).to_owned();
        found.insert(pid, Process { parent: fields[1].parse().unwrap(), name, line: read("cmdline"), begun: fields[19].to_owned() });
    }
    found
}

/// Those of the desk's labs: its holders, and all below them.
fn members(desk: &Desk) -> BTreeMap<i32, Process> {
    let all = processes();
    let home = desk.path("home").to_string_lossy().into_owned();
    let is_holder = |process: &Process| process.line.contains("__holder") && process.line.contains(&home);
    let mut ours: BTreeMap<i32, Process> =
        all.iter().filter(|(_, process)| is_holder(process)).map(|(pid, process)| (*pid, process.clone())).collect();
    loop {
        let is_new = |(pid, process): &(&i32, &Process)| ours.contains_key(&process.parent) && !ours.contains_key(*pid);
        let below: Vec<(i32, Process)> = all.iter().filter(is_new).map(|(pid, process)| (*pid, process.clone())).collect();
        if below.is_empty() {
            return ours;
        }
        ours.extend(below);
    }
}

/// The shim above the process whose command line has this word.
fn shim(desk: &Desk, word: &str) -> Option<Pid> {
    let ours = members(desk);
    let mut at = *ours.iter().find(|(_, process)| process.line.contains(word))?.0;
    // Each step leads to a parent, of which there are fewer than processes.
    for _ in 0..ours.len() {
        let process = ours.get(&at)?;
        if process.name == "container-shim" {
            return Pid::from_raw(at);
        }
        at = process.parent;
    }
    None
}

fn daemon(desk: &Desk) -> Option<Pid> {
    let paths = Paths { home: desk.path("home") };
    let pid = Daemon::find(paths).ok()??.about().ok()?.pid;
    Pid::from_raw(i32::try_from(pid).unwrap())
}

fn state(desk: &Desk, name: &str) -> Value {
    let all: Value = serde_json::from_str(&desk.yes(&["containers", "inspect", name])).unwrap();
    all.get(0).unwrap_or(&all)["State"].clone()
}

/// The container's numbered lines, each run of it from nought: how many runs there were, and how many lines the last has.
fn lines(desk: &Desk, name: &str, when: &str) -> (usize, usize) {
    let said = desk.yes(&["containers", "logs", name]);
    let (mut runs, mut next) = (0, 0);
    for line in said.lines() {
        let number: usize = line.strip_prefix("line ").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{when}: {line}"));
        if number == 0 {
            (runs, next) = (runs + 1, 0);
        }
        assert_eq!(number, next, "{when}: a hole or a repeat in the log of {name}: {said}");
        next += 1;
    }
    (runs, next)
}

/// Waits until the container does not run; its state then.
fn ended(desk: &Desk, name: &str, when: &str) -> Value {
    let begun = Instant::now();
    loop {
        let state = state(desk, name);
        if !matches!(state["Status"].as_str(), Some("running" | "restarting")) {
            return state;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{when}: {name} does not end: {state}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The same once it runs again, another process than the one before.
fn back(desk: &Desk, name: &str, before: &Value, when: &str) {
    let begun = Instant::now();
    loop {
        let now = state(desk, name);
        if now["Status"] == "running" && now["StartedAt"] != before["StartedAt"] {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{when}: {name} is not started again: {now}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    found.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Ends everything of the desk; nothing of it may be left.
fn down(desk: &Desk, when: &str) {
    let ours = members(desk);
    assert!(!ours.is_empty(), "{when}: no process of the lab was found");
    desk.yes(&["down", "--all", "--volumes", "--yes"]);
    desk.yes(&["daemon", "stop"]);
    let home = desk.path("home").to_string_lossy().into_owned();
    let begun = Instant::now();
    loop {
        let mut left: Vec<String> = Vec::new();
        for (pid, process) in processes() {
            let read = |file: &str| String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()).into_owned();
            let is_named = process.line.contains(&home) || read("environ").contains(&home);
            if is_named || ours.get(&pid).is_some_and(|old| old.begun == process.begun) {
                left.push(format!("{pid} {} {}", process.name, process.line));
            }
            if read("mountinfo").contains(&home) {
                left.push(format!("a mount seen by {pid} {}", process.name));
            }
        }
        left.extend(entries(&desk.path("home/labs")).into_iter().map(|name| format!("labs/{name}")));
        left.extend(entries(&desk.path("home/run")).into_iter().filter(|name| name != "daemon.sock"));
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{when}: left: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a container has to say after somebody was killed while it ran: all its lines and its code.
fn is_whole(desk: &Desk, name: &str, runs: usize, when: &str) {
    let state = ended(desk, name, when);
    assert_eq!((&state["Status"], &state["ExitCode"]), (&"exited".into(), &CODE.into()), "{when}: {state}");
    assert_eq!(lines(desk, name, when), (runs, LINES), "{when}");
}

#[test]
fn containers_outlive_a_killed_daemon_and_command_and_a_killed_shim_is_on_record() {
    let rounds = number("VPCLAB_SOAK_ROUNDS", 8);
    let seed = number("VPCLAB_SOAK_SEED", 20_261_126);
    println!("VPCLAB_SOAK_SEED={seed} VPCLAB_SOAK_ROUNDS={rounds}");
    let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
    let desk = Desk::new("");
    desk.yes(&["up", "-q"]);
    desk.yes(&["containers", "run", "-d", "--name", "steady", "--instance", "web-1", "--restart", "always", "app", "sh", "-c",
        "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done"]);
    let steady = state(&desk, "steady");
    for round in 0..rounds {
        let (name, keep) = (format!("talk-{round}"), format!("keep-{round}"));
        let victim = ["daemon", "command", "shim"][usize::try_from(round % 3).unwrap()];
        let after = chance.below(if victim == "command" { 120 } else { 600 });
        let when = format!("round {round}: {victim} killed after {after} ms");
        println!("{when}");
        let sleeper = format!("sleep 10{round}0; exit 0");
        desk.yes(&["containers", "run", "-d", "--name", &keep, "--instance", "web-1", "--restart", "always", "app", "sh", "-c", &sleeper]);
        let before = state(&desk, &keep);
        let talk = format!(": {name}; {TALK}");
        let mut command = desk.command(&["containers", "run", "-d", "--name", &name, "--instance", "web-1", "app", "sh", "-c", &talk]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let mut has_killed = true;
        match victim {
            "daemon" => {
                if let Some(pid) = daemon(&desk) {
                    kill_process(pid, Signal::KILL).unwrap();
                }
                // And what it would start again ends while there is none.
                kill_process(shim(&desk, &sleeper).unwrap(), Signal::KILL).unwrap();
            }
            "command" => drop(kill_process(Pid::from_child(&child), Signal::KILL)),
            _ => has_killed = shim(&desk, &format!(": {name};")).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok()),
        }
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let done = Done { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        let shown = desk.yes(&["containers", "ls", "-a"]);
        let exists = shown.contains(&format!(" {name} "));
        assert!(exists || done.code != 0, "{when}: an acknowledged container is lost: {shown}");
        if victim == "daemon" {
            back(&desk, &keep, &before, &when);
        } else {
            assert_eq!(state(&desk, &keep), before, "{when}: it goes on");
        }
        let mut runs_before = 0;
        if exists && state(&desk, &name)["Status"] == "created" {
            assert_ne!(done.code, 0, "{when}: it said that it runs");
            // A command that died between the start and its record: it may run, or have run to its end, and then runs again.
            let started = desk.run(&["containers", "start", &name]);
            assert!(started.code == 0 || started.stderr.contains("it was started already"), "{when}: {}", started.stderr);
            ended(&desk, &name, &when);
            let (runs, _) = lines(&desk, &name, &when);
            assert!(runs == 1 || (runs == 2 && started.code == 0), "{when}: {runs} runs");
            runs_before = runs - 1;
        }
        if exists && victim == "shim" {
            let state = ended(&desk, &name, &when);
            let (runs, said) = lines(&desk, &name, &when);
            assert!(runs <= 1 + runs_before, "{when}: it was run twice");
            match state["ExitCode"].as_i64().unwrap() {
                CODE => assert_eq!(said, LINES, "{when}"),
                137 => assert!(has_killed, "{when}"),
                code => assert!(has_killed && state["Error"] != "", "{when}: {code}: {state}"),
            }
            desk.yes(&["containers", "start", &name]);
            is_whole(&desk, &name, runs + 1, &when);
        } else if exists {
            is_whole(&desk, &name, 1 + runs_before, &when);
        }
        // The name is free or it can be removed, and then it is made again.
        let removed = desk.run(&["containers", "rm", "-f", &name]);
        assert_eq!(removed.code == 0, exists, "{when}: {}", removed.stderr);
        assert_eq!(desk.run(&["containers", "run", "--name", &name, "--instance", "web-1", "app", "sh", "-c", TALK]).code, 7, "{when}");
        is_whole(&desk, &name, 1, &when);
        desk.yes(&["containers", "rm", "-f", &name, &keep]);
        assert_eq!(state(&desk, "steady"), steady, "{when}: it goes on");
        assert_eq!(lines(&desk, "steady", &when).0, 1, "{when}");
    }
    let ids = entries(&desk.path("home/labs/boxes/containers"));
    assert_eq!(ids.iter().filter(|name| name.len() == 64).count(), 1, "folders of containers that are gone: {ids:?}");
    down(&desk, "at the end");
}

/// What is run in user and mount namespaces of its own, as their root, with a small disk for the state; `$VPCLAB` is the program.
fn on_a_small_disk(desk: &Desk, script: &str) -> Done {
    let mount = "mkdir -p small && mount -t tmpfs -o size=64m,mode=700 tmpfs small; export VPCLAB_HOME=$PWD/small
        trap '$VPCLAB down --all --volumes --yes >/dev/null 2>&1; $VPCLAB daemon stop >/dev/null 2>&1' EXIT
        fill() { dd if=/dev/zero of=small/filler bs=4k 2>/dev/null || true; }
        # What is there, but for what comes and goes by itself.
        things() { find small/images small/labs small/builds -name locks -prune -o -name docker -prune -o -name '*.log' -prune -o -print 2>/dev/null; }
        try() {
            what=$1; shift
            things | sort >before; fill
            code=0; \"$@\" >said 2>&1 || code=$?
            echo \"$what full $code\"; sed \"s/^/$what said /\" said
            things | sort >after; comm -13 before after | sed \"s/^/$what left /\"
            rm -f small/filler
            code=0; \"$@\" >said 2>&1 || { code=$?; cat said; }
            echo \"$what freed $code\"
        }\n";
    let mut command = std::process::Command::new("unshare");
    command.args(["-Urm", "sh", "-euc", &format!("{mount}{script}")]).current_dir(desk.path("")).stdin(Stdio::null());
    command.env("VPCLAB", env!("CARGO_BIN_EXE_vpclab")).env("HOME", desk.path("")).env("NO_COLOR", "1");
    command.env("VPCLAB_FILE", desk.path("lab.yaml")).env_remove("VPCLAB_LAB");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A command that is killed while it starts, stops or removes a container leaves its published port to nobody: whoever
/// removes the container, or publishes the port next, finds it free, and so does the daemon in time.
#[test]
fn a_killed_command_leaves_no_published_port_behind() {
    let rounds = 4 * number("VPCLAB_SOAK_ROUNDS", 8);
    let seed = number("VPCLAB_SOAK_SEED", 20_261_126);
    println!("VPCLAB_SOAK_SEED={seed} VPCLAB_SOAK_ROUNDS={rounds}");
    let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
    let desk = Desk::new("");
    desk.yes(&["up", "-q"]);
    desk.yes(&["networks", "create", "--instance", "web-1", "back"]);
    let port = |name: &'static str| ["--name", name, "--instance", "web-1", "-p", "8888:80", "app", "sleep", "1000"];
    for round in 0..rounds {
        let network = ["bridge", "back"][usize::try_from(chance.below(2)).unwrap()];
        let verb = [&["start"][..], &["stop", "-t", "0"], &["rm", "-f"], &["restart", "-t", "0"]];
        let verb = verb[usize::try_from(round % 4).unwrap()];
        let made = if verb == ["start"] { &["create"][..] } else { &["run", "-d"] };
        desk.yes(&[&["containers"], made, &["--network", network], &port("web")[..]].concat());
        let after = chance.below(60);
        let mut killed = desk.command(&[&["containers"], verb, &["web"]].concat()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let when = format!("round {round}: {verb:?} killed after {after} ms in {network}");
        // What was under way with the holder comes to its end first.
        let deadline = Instant::now() + Duration::from_secs(10);
        if round % 3 == 0 {
            // Nobody asks for anything: the daemon sees to it, unless the container runs.
            let is_done = || state(&desk, "web")["Running"] == true || !desk.yes(&["exec", "web-1", "--", "cat", "/proc/net/tcp"]).contains(":22B8 ");
            while desk.run(&["containers", "inspect", "web"]).code == 0 && !is_done() {
                assert!(Instant::now() < deadline, "{when}: nobody lets the port go");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = desk.run(&["containers", "rm", "-f", "web"]);
        let next = desk.run(&[&["containers", "run", "-d", "--network", network], &port("next")[..]].concat());
        assert_eq!(next.code, 0, "{when}: {}", next.stderr);
        desk.yes(&["containers", "rm", "-f", "next"]);
    }
    desk.yes(&["down"]);
}

#[test]
fn a_full_disk_is_named_leaves_nothing_half_made_and_costs_no_container() {
    let desk = Desk::new("");
    std::fs::create_dir(desk.path("context")).unwrap();
    std::fs::write(desk.path("context/noise"), vec![b'n'; 300_000]).unwrap();
    std::fs::write(desk.path("context/Dockerfile"), "FROM app\nCOPY noise /noise\nRUN cat /bin/sh /bin/cat > /two\n").unwrap();
    // An image of a registry, whose upper layers the small disk has not.
    let (host, _files) = registry();
    let remote = format!("{host}/shop/noise:1");
    desk.yes(&["images", "build", "-q", "-t", &remote, "context"]);
    desk.yes(&["images", "push", "-q", &remote]);
    let script = r#"
        $VPCLAB images import root.tar app >/dev/null; $VPCLAB images save app -w app.tar >/dev/null
        $VPCLAB up -q
        $VPCLAB containers run -d --name box --instance web-1 app sh -c 'cat /bin/sh /bin/cat > /grown; sleep 1000' >/dev/null
        # What a first build makes for all that come.
        $VPCLAB images build -t first context >/dev/null 2>&1
        try import $VPCLAB images import root.tar again
        $VPCLAB images rm again >/dev/null
        try load $VPCLAB images load app.tar
        try pull $VPCLAB images pull -q REMOTE
        try build $VPCLAB images build --no-cache -t built context
        try commit $VPCLAB containers commit box grown
        try cp $VPCLAB containers cp context/noise box:/noise
        try run $VPCLAB containers run --rm --name one --instance web-1 app sh -c 'cat /bin/sh > /big; exit 5'
        try create $VPCLAB containers create --name two --instance web-1 app true
        $VPCLAB containers ls -a
        $VPCLAB containers run -d --name loud --instance web-1 app sh -c 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done' >/dev/null
        sleep 0.3; fill; sleep 1
        echo "full logs: $($VPCLAB containers logs loud | grep -c '^line [0-9]*$')"
        $VPCLAB containers ls -a
        rm small/filler; sleep 1
        $VPCLAB containers logs loud >loud
        echo "bad lines: $(grep -vc '^line [0-9]*$' loud)"
        echo "freed logs: $(grep -c . loud)"
        $VPCLAB containers ls -a
        $VPCLAB containers stop -t 0 loud
    "#;
    let done = on_a_small_disk(&desk, &script.replace("REMOTE", &remote));
    let said = format!("{}{}", done.stdout, done.stderr);
    println!("{said}");
    assert_eq!(done.code, 0, "{said}");
    let disk = format!("hint: the disk of {} (VPCLAB_HOME) has ", desk.path("small").canonicalize().unwrap().display());
    for what in ["import", "load", "pull", "build", "commit", "cp", "run", "create"] {
        let full = done.stdout.lines().find_map(|line| line.strip_prefix(&format!("{what} full "))).unwrap_or("none");
        assert_ne!(full, "0", "{what} cannot have been done: {said}");
        let lines = || done.stdout.lines().filter_map(|line| line.strip_prefix(&format!("{what} said ")));
        assert!(lines().any(|line| line.contains("No space left")), "{what} does not say why: {said}");
        let advice = lines().find(|line| line.starts_with(&disk)).unwrap_or_else(|| panic!("{what} does not name the disk: {said}"));
        assert!(advice.contains("vpclab images prune, containers prune and volumes prune"), "{advice}");
        let mut left = done.stdout.lines().filter_map(|line| line.strip_prefix(&format!("{what} left ")));
        // What was pulled of a layer is gone on with.
        assert!(left.all(|path| what == "pull" && path.starts_with("small/images/partial")), "{what} left something: {said}");
        let code = if what == "run" { 5 } else { 0 };
        assert!(done.stdout.contains(&format!("{what} freed {code}\n")), "{what} again: {said}");
    }
    assert!(!said.contains("Paused"), "{said}");
    let count = |what: &str| -> usize { done.stdout.lines().find_map(|line| line.strip_prefix(what)).unwrap().trim().parse().unwrap() };
    assert_eq!(count("bad lines:"), 0, "{said}");
    assert!(count("full logs:") > 5 && count("freed logs:") > count("full logs:") + 5, "{said}");
    let alive = done.stdout.lines().filter(|line| line.contains(" loud ") && line.contains(" Up ")).count();
    assert_eq!(alive, 2, "{said}");
}

#[test]
fn without_descriptors_or_processes_it_is_said_and_the_next_try_works() {
    let desk = Desk::new("");
    desk.yes(&["up", "-q"]);
    let run = ["containers", "run", "--name", "one", "--instance", "web-1", "app", "sh", "-c", "exit 5"];
    let mut refused = 0;
    for descriptors in [5, 8, 16, 31, 32, 33, 34, 36, 40, 48] {
        let when = format!("{descriptors} descriptors");
        let done = desk.behind(&format!("ulimit -n {descriptors}"), &run);
        match done.code {
            5 => {}
            3 | 125 => {
                refused += 1;
                let is_named = done.stderr.contains("Too many open files") || done.stderr.contains("open files are allowed");
                assert!(is_named, "{when}: {}", done.stderr);
            }
            code => panic!("{when}: {code}: {}", done.stderr),
        }
        // Either it is whole, or it is not there.
        let shown = desk.yes(&["containers", "ls", "-a"]);
        if shown.contains(" one ") {
            assert!(shown.contains("Exited (5)") || shown.contains("Created"), "{when}: {shown}");
            desk.yes(&["containers", "rm", "-f", "one"]);
        }
    }
    assert!(refused > 0, "none was too few");
    assert_eq!(desk.run(&run).code, 5);
    desk.yes(&["containers", "rm", "one"]);
    // Inside: a program that cannot fork says so, and its container is like any other.
    let fork = "(sleep 0) & wait; echo forked";
    let all = "containers run --rm --name few --instance web-1 --ulimit nproc=1 app sh -c";
    let done = desk.run(&all.split(' ').chain([fork]).collect::<Vec<_>>());
    assert!(!done.stdout.contains("forked") && done.stderr.contains("fork"), "{}: {}{}", done.code, done.stdout, done.stderr);
    let done = desk.run(&["containers", "run", "--rm", "--name", "few", "--instance", "web-1", "app", "sh", "-c", fork]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "forked\n"), "{}", done.stderr);
    down(&desk, "at the end");
}

#[test]
fn a_log_that_nobody_reads_keeps_its_bound_and_a_command_that_does_not_read_holds_nobody_up() {
    let desk = Desk::new("");
    desk.yes(&["up", "-q"]);
    let endless = "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done";
    desk.yes(&["containers", "run", "-d", "--name", "endless", "--instance", "web-1", "--log-opt", "max-size=100k", "--log-opt", "max-file=3", "app", "sh", "-c", endless]);
    // It follows and its reader never reads.
    let mut follower = desk.command(&["containers", "logs", "-f", "endless"]).stdout(Stdio::piped()).spawn().unwrap();
    let folder = std::fs::read_dir(desk.path("home/labs/boxes/containers")).unwrap().flatten().find(|entry| entry.path().is_dir() && entry.file_name().len() == 64).unwrap().path();
    let mut rotated = false;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        let logs: Vec<String> = entries(&folder).into_iter().filter(|name| name.starts_with("log.json")).collect();
        let bytes: u64 = logs.iter().filter_map(|name| std::fs::metadata(folder.join(name)).ok()).map(|found| found.len()).sum();
        // Beyond its size a file has at most what one read brought.
        assert!(logs.len() <= 3 && bytes < 3 * (100_000 + 200_000), "{logs:?}: {bytes}");
        rotated |= logs.len() == 3;
    }
    assert!(rotated, "it was never turned over");
    assert_eq!(desk.yes(&["containers", "logs", "-n", "3", "endless"]).lines().count(), 3);
    let begun = Instant::now();
    desk.yes(&["containers", "stop", "-t", "0", "endless"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let _ = follower.kill();
    let _ = follower.wait();
    down(&desk, "at the end");
}

#[test]
fn a_command_without_memory_leaves_nothing_half_made() {
    let desk = Desk::new("");
    desk.yes(&["up", "-q"]);
    let run = ["containers", "run", "--name", "one", "--instance", "web-1", "app", "sh", "-c", "exit 5"];
    let mut failed = 0;
    // Kilobytes of address space: from too little to be loaded to enough for all.
    for size in (0..12).map(|step| 60_000 * (1 << step) / 16).take_while(|size| *size < 1_000_000) {
        let done = desk.behind(&format!("ulimit -v {size}"), &run);
        let when = format!("{size} kB: {}: {}", done.code, done.stderr);
        failed += usize::from(done.code != 5);
        // Either it is whole, or it is not there, and the name is free again.
        let shown = desk.yes(&["containers", "ls", "-a"]);
        if shown.contains(" one ") {
            assert!(shown.contains("Exited (5)") || shown.contains("Created") || shown.contains("Up "), "{when}: {shown}");
            desk.yes(&["containers", "rm", "-f", "one"]);
        }
        assert!(done.code != 5 || shown.contains("Exited (5)"), "{when}: {shown}");
    }
    assert!(failed > 0, "none was too little");
    assert_eq!(desk.run(&run).code, 5);
    // Inside: what a program may not have it is not given, and its container ends with the program's code.
    let greedy = "a=0123456789abcdef; while :; do a=$a$a; done";
    let few = ["containers", "run", "--rm", "--instance", "web-1", "--ulimit", "data=8000000", "app", "sh", "-c", greedy];
    let done = desk.run(&few);
    assert!(done.code != 0 && done.code != 125, "{}: {}", done.code, done.stderr);
    desk.yes(&["containers", "rm", "one"]);
    down(&desk, "at the end");
}
