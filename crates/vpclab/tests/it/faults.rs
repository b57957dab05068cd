//! What goes wrong outside of the program: processes killed, commands that race, disks that are full, state that is damaged.
//! Nothing acknowledged is lost, nothing is left behind, and the next command works.
//!
//! `VPCLAB_SOAK_ROUNDS` sets how often the daemon is killed (default 9), `VPCLAB_SOAK_SEED` where; `make soak` does it long.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use control::client::Daemon;
use control::paths::Paths;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const OLD: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28, route: igw }, b: { az: a, cidr: /28 } } }
security_groups:
  web: [tcp/80 from anywhere]
instances:
  web-1: { subnet: a, sg: web, public_ip: true, listen: [tcp/80], run: ['sleep 1001'] }
  db-1: { subnet: b }
";

/// Another port, another listener, another command; an instance goes and one comes.
const NEW: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28, route: igw }, b: { az: a, cidr: /28 } } }
security_groups:
  web: [tcp/81 from anywhere]
instances:
  web-1: { subnet: a, sg: web, public_ip: true, listen: [tcp/81], run: ['sleep 1001', 'sleep 1002'] }
  app-1: { subnet: b }
";

/// A home and a folder of the test's own; whatever is up in it goes with it.
struct Place {
    folder: tempfile::TempDir,
}

struct Said {
    out: String,
    err: String,
    code: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code().unwrap_or(-1) }
    }
}

impl Place {
    fn with(file: &str) -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        place.write("lab.cloud.yaml", file);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn paths(&self) -> Paths {
        Paths { home: self.folder.path().join("home") }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        command.env("VPCLAB_HOME", self.paths().home).env_remove("VPCLAB_FILE").env_remove("VPCLAB_LAB");
        command.env_remove("VPCLAB_ABORT_AT").stdin(Stdio::null());
        command
    }

    fn vpclab(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let said = self.vpclab(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}\n{}", said.out, said.err, self.log());
        said.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.paths().daemon_log()).unwrap_or_default()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A command whose daemon, started by it, dies at a point; and how many points were passed.
    fn dying(&self, arguments: &[&str], at: u64) -> (Said, u64) {
        self.ok(&["daemon", "stop"]);
        let _ = std::fs::remove_file(self.paths().daemon_log());
        let said = self.command(arguments).env("VPCLAB_ABORT_AT", at.to_string()).output().unwrap().into();
        let points = self.log().lines().filter(|line| line.starts_with("point ")).count();
        // One that did not come to the point would die at it in the middle of what is asked next.
        self.ok(&["daemon", "stop"]);
        (said, points as u64)
    }

    /// The state of the only lab there can be; `None`: there is none.
    fn state(&self) -> Option<String> {
        let labs = self.json(&["ls"]);
        labs.as_array().unwrap().first().map(|lab| lab["state"].as_str().unwrap().to_owned())
    }

    fn is_as(&self, file: &str) -> bool {
        self.write("lab.cloud.yaml", file);
        self.vpclab(&["plan", "--exit-code"]).code == 0
    }

    /// What runs by `run:` lines, and how often.
    fn commands(&self) -> BTreeMap<String, usize> {
        let client = sandbox::Client::connect(&self.paths().holder_socket("lab")).unwrap();
        let mut counts = BTreeMap::new();
        for process in client.list_processes().unwrap().into_iter().filter(|process| process.status.is_none()) {
            if process.argv.first().is_some_and(|word| word == "sh") {
                *counts.entry(process.argv[2].clone()).or_default() += 1;
            }
        }
        counts
    }

    /// The network is what the file says, by real packets; each command runs once.
    fn assert_holds(&self, file: &str, when: &str) {
        assert!(self.is_as(file), "{when}: {}", self.ok(&["plan"]));
        let (open, closed, lines) = match file {
            OLD => ("tcp/80", "tcp/81", &["sleep 1001"][..]),
            _ => ("tcp/81", "tcp/80", &["sleep 1001", "sleep 1002"][..]),
        };
        let yes = self.vpclab(&["check", "internet", "web-1", open]);
        assert_eq!(yes.code, 0, "{when}: {open}: {}{}\n{}", yes.out, yes.err, self.log());
        let no = self.vpclab(&["check", "internet", "web-1", closed]);
        assert_eq!(no.code, 1, "{when}: {closed}: {}{}", no.out, no.err);
        let wanted: BTreeMap<String, usize> = lines.iter().map(|line| ((*line).to_owned(), 1)).collect();
        assert_eq!(self.commands(), wanted, "{when}");
        let name = if file == OLD { "db-1" } else { "app-1" };
        assert_eq!(self.ok(&["exec", name, "--", "hostname"]), format!("{name}\n"), "{when}");
    }

    /// Processes that belong to this home's labs: the holders by the socket in their command line, and all below them.
    fn processes(&self) -> BTreeSet<i32> {
        let home = self.paths().home.to_string_lossy().into_owned();
        let mut parents = BTreeMap::new();
        let mut ours = BTreeSet::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let read = |file: &str| std::fs::read_to_string(entry.path().join(file)).unwrap_or_default();
            let stat = read("stat");
            let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
            if fields.next() == Some("Z") {
                continue;
            }
            parents.insert(pid, fields.next().and_then(|parent| parent.parse::<i32>().ok()).unwrap_or(0));
            let line = read("cmdline");
            if line.contains("__holder") && line.contains(&home) {
                ours.insert(pid);
            }
        }
        loop {
            let below: Vec<i32> =
                parents.iter().filter(|(pid, parent)| ours.contains(parent) && !ours.contains(pid)).map(|(pid, _)| *pid).collect();
            if below.is_empty() {
                return ours;
            }
            ours.extend(below);
        }
    }

    /// Whoever on this machine is in a namespace of theirs, by pid and time of its start: numbers of namespaces are given
    /// out again at once, and other labs come and go.
    fn members(&self) -> BTreeSet<(i32, String)> {
        let of = |pid: &str| -> BTreeSet<PathBuf> {
            ["net", "user", "pid", "mnt"].iter().filter_map(|kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()).collect()
        };
        let own = of("self");
        let theirs: BTreeSet<PathBuf> =
            self.processes().iter().flat_map(|pid| of(&pid.to_string())).filter(|namespace| !own.contains(namespace)).collect();
        let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let members = pids.filter(|pid| pid.parse::<i32>().is_ok() && !of(pid).is_disjoint(&theirs));
        members.filter_map(|pid| Some((pid.parse().ok()?, started(&pid)?))).collect()
    }

    /// Takes the lab down, after which nothing of it is left.
    fn down(&self, when: &str) {
        let members = self.members();
        self.ok(&["down", "lab"]);
        self.assert_gone(&members, when);
    }

    fn assert_gone(&self, members: &BTreeSet<(i32, String)>, when: &str) {
        assert_eq!(self.state(), None, "{when}");
        assert!(!self.paths().holder_socket("lab").exists(), "{when}");
        self.assert_ended(members, when);
    }

    /// Neither these nor any process of this home's labs lives on. A holder closes its connection a moment before it has
    /// ended and the kernel has done away with it.
    fn assert_ended(&self, members: &BTreeSet<(i32, String)>, when: &str) {
        let begun = Instant::now();
        let lives = |(pid, start): &&(i32, String)| started(&pid.to_string()).as_ref() == Some(start);
        while let Some(pid) = members.iter().find(lives).map(|(pid, _)| *pid).or_else(|| self.processes().first().copied()) {
            let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(60), "{when}: {pid} lives on: {}", status());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn daemon_pid(&self) -> Pid {
        let daemon = Daemon::find(self.paths()).unwrap().unwrap();
        Pid::from_raw(i32::try_from(daemon.about().unwrap().pid).unwrap()).unwrap()
    }

    /// The lab's holder: of its processes the one whose parent is none of them.
    fn holder(&self) -> Pid {
        let ours = self.processes();
        let parent = |pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok()).unwrap_or(0)
        };
        let tops: Vec<i32> = ours.iter().copied().filter(|pid| !ours.contains(&parent(pid))).collect();
        assert_eq!(tops.len(), 1, "{tops:?}");
        Pid::from_raw(tops[0]).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all"]).output();
        let _ = self.command(&["daemon", "stop"]).output();
    }
}

/// When a process that is no zombie began, in clock ticks (proc(5)).
fn started(pid: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (*fields.first()? != "Z").then(|| fields.get(19).map(|start| (*start).to_owned())).flatten()
}

/// xorshift64*: a seed says which points are tried.
struct Chance(u64);

impl Chance {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        1 + (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most.max(1)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_daemon_killed_at_any_step_loses_nothing_and_leaves_nothing() {
    const NEVER: u64 = 1 << 60;
    let rounds = number("VPCLAB_SOAK_ROUNDS", 9);
    let seed = number("VPCLAB_SOAK_SEED", 20_261_125);
    println!("VPCLAB_SOAK_SEED={seed} VPCLAB_SOAK_ROUNDS={rounds}");
    let mut chance = Chance(seed.wrapping_mul(2).wrapping_add(1));
    let place = Place::with(OLD);
    let mut points = Vec::new();
    for (file, arguments) in [(OLD, ["up"]), (NEW, ["up"]), (NEW, ["down"])] {
        place.write("lab.cloud.yaml", file);
        let (said, passed) = place.dying(&arguments, NEVER);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        points.push(passed);
    }
    assert!(points.iter().all(|passed| *passed > 3), "{points:?}: release builds cannot be killed at a point");
    for round in 0..rounds {
        let phase = usize::try_from(round % 3).unwrap();
        let at = chance.up_to(points[phase]);
        let when = format!("round {round}: {} killed at point {at} of {}", ["up", "change", "down"][phase], points[phase]);
        println!("{when}");
        let expected = match phase {
            0 => {
                place.write("lab.cloud.yaml", OLD);
                let (said, _) = place.dying(&["up"], at);
                acknowledged(&said, &when);
                match place.state().as_deref() {
                    None => assert_ne!(said.code, 0, "{when}: an acknowledged lab is lost"),
                    Some("up") => place.assert_holds(OLD, &when),
                    Some(state) => panic!("{when}: {state}"),
                }
                OLD
            }
            1 => {
                place.write("lab.cloud.yaml", OLD);
                place.ok(&["up"]);
                place.write("lab.cloud.yaml", NEW);
                let (said, _) = place.dying(&["up"], at);
                acknowledged(&said, &when);
                if chance.up_to(2) == 1 {
                    // And again while the next one sets things right.
                    let again = chance.up_to(points[1]);
                    place.dying(&["ls"], again);
                }
                assert_eq!(place.state().as_deref(), Some("up"), "{when}: {}", place.log());
                let is_new = place.is_as(NEW);
                assert!(is_new || said.code != 0, "{when}: an acknowledged change is lost");
                place.assert_holds(if is_new { NEW } else { OLD }, &when);
                NEW
            }
            _ => {
                place.write("lab.cloud.yaml", OLD);
                place.ok(&["up"]);
                let members = place.members();
                let (said, _) = place.dying(&["down", "lab"], at);
                acknowledged(&said, &when);
                match place.state().as_deref() {
                    None => place.assert_gone(&members, &when),
                    Some("up") => place.assert_holds(OLD, &when),
                    Some(_) => place.assert_ended(&members, &when),
                }
                OLD
            }
        };
        place.write("lab.cloud.yaml", expected);
        place.ok(&["up"]);
        place.assert_holds(expected, &when);
        place.down(&when);
    }
}

/// A command whose daemon died says so; it neither hangs nor claims success.
fn acknowledged(said: &Said, when: &str) {
    assert!(said.code == 0 || (said.code == 3 && said.err.contains("daemon")), "{when}: {}: {}", said.code, said.err);
}

#[test]
fn a_killed_holder_is_a_lab_that_is_down_and_up_brings_the_same_back() {
    let place = Place::with(OLD);
    place.ok(&["up"]);
    let before = place.json(&["ps"]);
    let members = place.members();
    kill_process(place.holder(), Signal::KILL).unwrap();
    let begun = Instant::now();
    while !place.processes().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", place.processes());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(place.state().as_deref(), Some("down"));
    let refused = place.vpclab(&["exec", "web-1", "--", "true"]);
    assert_eq!((refused.code, refused.err.contains("vpclab up brings it up")), (2, true), "{}", refused.err);
    place.ok(&["up"]);
    assert_eq!(place.json(&["ps"]), before);
    place.assert_holds(OLD, "after the holder's death");
    assert!(members.is_disjoint(&place.members()));
    place.down("after the holder's death");
}

#[test]
fn a_holder_whose_starter_cannot_report_ends() {
    let place = Place::with(OLD);
    let socket = place.folder.path().join("h.sock");
    let arguments = serde_json::json!({"socket": socket, "lab_name": "h", "log": place.folder.path().join("h.log")});
    let mut child = place.command(&["__holder", &arguments.to_string()]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // As when the daemon that started it was killed.
    drop(child.stdout.take());
    assert!(!child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn commands_that_race_end_cleanly_and_one_order_wins() {
    let place = Place::with(OLD);
    let end = |child: Child| Said::from(child.wait_with_output().unwrap());
    let both = |one: &[&str], other: &[&str]| {
        let started = [one, other].map(|arguments| (place.start(arguments), arguments[0] == "down"));
        for (child, takes_down) in started {
            let said = end(child);
            // Whoever comes when the other one is done finds nothing to take down.
            let is_late = takes_down && said.code == 2 && said.err.contains("there is no lab lab");
            assert!(said.code == 0 || is_late, "{}{}", said.out, said.err);
        }
    };
    both(&["up"], &["up"]);
    place.assert_holds(OLD, "two ups of one file");
    both(&["down", "lab"], &["down", "lab"]);
    place.down("two downs");
    place.write("old.yaml", &format!("name: lab\n{OLD}"));
    place.write("new.yaml", &format!("name: lab\n{NEW}"));
    both(&["up", "old.yaml"], &["up", "new.yaml"]);
    let won = if place.is_as(NEW) { NEW } else { OLD };
    place.assert_holds(won, "two ups of two files");
    for _ in 0..3 {
        both(&["up"], &["down", "lab"]);
        match place.state().as_deref() {
            None => place.assert_ended(&BTreeSet::new(), "up against down"),
            Some("up") => place.assert_holds(won, "up against down"),
            Some(state) => panic!("{state}"),
        }
    }
    place.down("up against down");
}

#[test]
fn a_command_killed_while_it_waits_leaves_a_whole_lab() {
    let place = Place::with(OLD);
    for (signal, after) in [(Signal::INT, 30), (Signal::KILL, 30), (Signal::INT, 150), (Signal::KILL, 150)] {
        let mut child = place.start(&["up"]);
        std::thread::sleep(Duration::from_millis(after));
        let _ = kill_process(Pid::from_child(&child), signal);
        child.wait().unwrap();
        place.ok(&["up"]);
        let when = format!("{signal:?} after {after} ms");
        place.assert_holds(OLD, &when);
        place.down(&when);
    }
}

#[test]
fn a_connection_outlives_the_daemon() {
    let place = Place::with(OLD);
    place.ok(&["up"]);
    let address = place.json(&["ps", "--filter", "name=web-1"])[0]["private_ip"].as_str().unwrap().to_owned();
    let script = format!("exec 3<>/dev/tcp/{address}/80; while read line; do echo \"$line\" >&3; done & cat <&3");
    let mut talk = place.command(&["exec", "db-1", "--", "bash", "-c"]);
    // Standard input of a job in the background is /dev/null unless said otherwise.
    let script = script.replace("done &", "done <&0 &");
    let mut child = talk.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("web-1 "), "{line}");
    let mut says = |word: &str| {
        writeln!(input, "{word}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, format!("{word}\n"));
    };
    says("before");
    for word in ["first", "second"] {
        kill_process(place.daemon_pid(), Signal::KILL).unwrap();
        says(word);
        place.ok(&["ls"]);
        says(word);
    }
    place.write("lab.cloud.yaml", &OLD.replace("db-1: { subnet: b }", "db-1: { subnet: b }\n  db-2: { subnet: b }"));
    place.ok(&["up"]);
    says("after a change");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn damaged_state_is_put_aside_and_said_and_what_ran_of_it_ends() {
    for damage in ["zeros", "header", "noise"] {
        let place = Place::with(OLD);
        place.ok(&["up"]);
        let members = place.members();
        place.ok(&["daemon", "stop"]);
        let path = place.paths().store();
        let mut bytes = std::fs::read(&path).unwrap();
        match damage {
            "zeros" => bytes.fill(0),
            // It promises pages that are not there.
            "header" => bytes.truncate(4_096),
            _ => bytes[512..].fill(0xa5),
        }
        std::fs::write(&path, &bytes).unwrap();
        place.write("other.yaml", "vpcs: { net: { cidr: 10.9.0.0/24 } }\n");
        let said = place.vpclab(&["up", "other.yaml"]);
        assert_eq!(said.code, 0, "{damage}: {}{}\n{}", said.out, said.err, place.log());
        assert!(said.err.contains("damaged") && said.err.contains("state.damaged-1"), "{damage}: {}", said.err);
        assert!(said.err.contains("was ended: lab"), "{damage}: {}", said.err);
        assert!(std::fs::read(path.with_extension("damaged-1")).unwrap() == bytes, "{damage}: what was put aside was changed");
        place.ok(&["down", "other"]);
        place.assert_gone(&members, damage);
        place.ok(&["up", "lab.cloud.yaml"]);
        place.assert_holds(OLD, damage);
        place.down(damage);
    }
}

/// Runs a script in user and mount namespaces of its own, as their root; `$VPCLAB` is the program.
fn unshared(place: &Place, options: &[&str], script: &str) -> Said {
    let mut command = Command::new("unshare");
    command.args(options).args(["sh", "-euc", script]).current_dir(place.folder.path()).stdin(Stdio::null());
    command.env("VPCLAB", env!("CARGO_BIN_EXE_vpclab")).env("VPCLAB_HOME", place.paths().home).env("NO_COLOR", "1");
    command.env_remove("VPCLAB_FILE").env_remove("VPCLAB_LAB").env_remove("VPCLAB_ABORT_AT");
    command.output().unwrap().into()
}

#[test]
fn a_full_disk_refuses_a_change_and_keeps_the_lab() {
    let place = Place::with(OLD);
    place.write("new.yaml", &format!("name: lab\n{NEW}"));
    let script = r#"
        mkdir -p home && chmod 700 home && mount -t tmpfs -o size=6m,mode=700 tmpfs home
        trap '$VPCLAB down --all >/dev/null 2>&1; $VPCLAB daemon stop >/dev/null 2>&1' EXIT
        $VPCLAB up -q
        # To the last byte, also of what the store had reserved for itself.
        dd if=/dev/zero of=home/filler bs=4k 2>/dev/null || true
        for round in 1 2 3 4 5 6 7 8; do
            code=0; $VPCLAB up new.yaml -q >said 2>&1 || code=$?
            if [ $code != 0 ]; then break; fi
            code=0; $VPCLAB up lab.cloud.yaml -q >said 2>&1 || code=$?
            if [ $code != 0 ]; then break; fi
        done
        echo "full: $code"; cat said
        code=0; $VPCLAB plan lab.cloud.yaml --exit-code >/dev/null 2>&1 || code=$?; echo "old plan: $code"
        code=0; $VPCLAB exec -l lab web-1 -- hostname || code=$?; echo "exec: $code"
        rm home/filler
        $VPCLAB up new.yaml >/dev/null; $VPCLAB plan new.yaml --exit-code; echo "freed"
        $VPCLAB check internet web-1 tcp/81
        $VPCLAB down lab
    "#;
    let said = unshared(&place, &["-Urm"], script);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    // Either the store had room of its own, and then every change was kept, or it was refused and the lab stayed.
    let kept = said.out.contains("full: 0");
    let refused = said.out.contains("full: 3") && said.out.contains("No space left");
    assert!((kept || refused) && said.out.contains("exec: 0") && said.out.contains("freed"), "{}{}", said.out, said.err);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_with_what_to_do() {
    let place = Place::with(OLD);
    let script = "mkdir -p home && chmod 700 home && mount -t tmpfs -o ro,mode=700 tmpfs home; exec $VPCLAB up";
    let said = unshared(&place, &["-Urm"], script);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert!(said.err.contains("Read-only file system") && said.err.contains("VPCLAB_HOME"), "{}", said.err);
}

#[test]
fn without_any_home_it_says_what_to_set() {
    let place = Place::with(OLD);
    let mut command = place.command(&["up"]);
    let said = Said::from(command.env_remove("VPCLAB_HOME").env_remove("XDG_STATE_HOME").env_remove("HOME").output().unwrap());
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("set HOME or VPCLAB_HOME") && said.err.contains("export"), "{}", said.err);
}

#[test]
fn without_user_namespaces_it_says_how_to_allow_them() {
    let place = Place::with(OLD);
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; $VPCLAB up || echo code $?; $VPCLAB ls -o json; $VPCLAB daemon stop";
    let said = unshared(&place, &["-Ur"], script);
    assert!(said.out.contains("code 3\n"), "{}{}", said.out, said.err);
    assert!(said.err.contains("hint: ") && said.err.contains("max_user_namespaces"), "{}", said.err);
    // What was refused is not there.
    assert!(said.out.contains("[]"), "{}", said.out);
    place.assert_ended(&BTreeSet::new(), "without user namespaces");
}

#[test]
fn no_lab_takes_the_place_of_the_daemon() {
    let place = Place::with(OLD);
    let said = place.vpclab(&["--lab", "daemon", "up"]);
    assert_eq!((said.code, said.err.contains("not `daemon`")), (2, true), "{}", said.err);
    assert_eq!(place.state(), None);
}
