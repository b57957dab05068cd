//! Labs that stay up, as people use them: what each command prints, and with which code it ends.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A home and a folder of the test's own; whatever is up in it goes with it.
struct Place {
    folder: tempfile::TempDir,
}

struct Said {
    out: String,
    err: String,
    code: i32,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn with(file: &str) -> Place {
        let place = Place::new();
        place.write("lab.cloud.yaml", file);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1");
        command.env("VPCLAB_HOME", self.folder.path().join("home")).env_remove("VPCLAB_FILE").env_remove("VPCLAB_LAB");
        command.stdin(Stdio::null());
        command
    }

    fn vpclab(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code().unwrap_or(-1) }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let said = self.vpclab(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all"]).output();
        let _ = self.command(&["daemon", "stop"]).output();
    }
}

const TWO: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28, route: igw }, b: { az: a, cidr: /28 } } }
security_groups:
  web: [tcp/80 from anywhere]
instances:
  web-1: { subnet: a, sg: web, public_ip: true, listen: [tcp/80], run: ['echo begun; sleep 1000'] }
  db-1: { subnet: b }
";

#[test]
fn up_twice_is_no_change_and_down_twice_is_no_error() {
    let place = Place::with(TWO);
    assert_eq!(place.vpclab(&["plan", "--exit-code"]).code, 1);
    let first = place.ok(&["up"]);
    assert!(first.contains("+ instance web-1\n") && first.contains("lab ready in "), "{first}");
    let second = place.ok(&["up"]);
    assert!(second.starts_with("lab no changes in ") && second.lines().count() == 1, "{second}");
    assert_eq!(place.vpclab(&["plan", "--exit-code"]).code, 0);
    assert_eq!(place.json(&["ls"])[0]["state"], "up");
    assert_eq!(place.ok(&["down"]), "- lab: 2 instances\n");
    assert_eq!(place.ok(&["down"]), "lab is not up: nothing to do\n");
    assert_eq!(place.json(&["ls"]), serde_json::json!([]));
    let missing = place.vpclab(&["ps"]);
    assert_eq!((missing.code, missing.err.contains("lab lab is not up")), (2, true), "{}", missing.err);
}

#[test]
fn ids_and_addresses_survive_down_and_up() {
    let place = Place::with(TWO);
    let rows = || {
        place.ok(&["up", "-q"]);
        place.json(&["ps"])
    };
    let before = rows();
    place.ok(&["down"]);
    assert_eq!(before, rows());
}

#[test]
fn an_edit_changes_the_running_network() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    assert_eq!(place.vpclab(&["check", "internet", "web-1", "tcp/80"]).code, 0);
    place.write("lab.cloud.yaml", &TWO.replace("tcp/80 from anywhere", "tcp/80 from 10.0.0.0/24").replace("  db-1: { subnet: b }\n", ""));
    let plan = place.ok(&["plan"]);
    assert!(plan.contains("security group web") && plan.contains("- instance db-1"), "{plan}");
    let edited = place.ok(&["up"]);
    assert!(edited.contains("1 instance running"), "{edited}");
    let closed = place.vpclab(&["check", "internet", "web-1", "tcp/80"]);
    assert_eq!(closed.code, 1);
    assert!(closed.out.contains("filtered at sg-in:web-1"), "{}", closed.out);
    // A mistake in the file leaves the network as it is.
    place.write("lab.cloud.yaml", &TWO.replace("subnet: b", "subnet: nowhere"));
    assert_eq!(place.vpclab(&["up"]).code, 2);
    assert_eq!(place.json(&["ps"]).as_array().unwrap().len(), 1);
}

/// Two VPCs whose groups name each other, which only a peering allows (SG-13).
const PEERED: &str = "\
vpcs:
  shop: { cidr: 10.1.0.0/16, subnets: { shop-a: { az: a, cidr: /24 } } }
  data: { cidr: 10.2.0.0/16, subnets: { data-a: { az: a, cidr: /24 } } }
peerings: { shop-data: { vpcs: [shop, data], routes: true } }
security_groups:
  web: { vpc: shop, rules: [ tcp/22 from sg:data/db ] }
  rest: { vpc: shop }
  db: { vpc: data, rules: [ tcp/5432 from sg:shop/web ] }
instances:
  web: { subnet: shop-a, sg: web, listen: [tcp/22] }
  other: { subnet: shop-a, sg: rest }
  store: { subnet: data-a, sg: db, listen: [tcp/5432] }
";

#[test]
fn groups_of_peered_vpcs_name_each_other_as_long_as_the_peering_is_there() {
    let bare = PEERED.replace("peerings: { shop-data: { vpcs: [shop, data], routes: true } }\n", "");
    let apart = bare.replace("tcp/22 from sg:data/db", "").replace("tcp/5432 from sg:shop/web", "");
    let (whole, rules_only) = (PEERED, bare.as_str());
    let place = Place::with(whole);
    place.ok(&["validate"]);
    let plan = place.vpclab(&["plan"]);
    assert!(plan.err.contains("11 to add, 0 to change, 0 to replace, 0 to remove"), "{}{}", plan.out, plan.err);
    let asked = |engine: &str| {
        let (sql, ssh) = ("tcp/5432", "tcp/22");
        let pairs = [("web", "store", sql), ("other", "store", sql), ("store", "web", ssh), ("other", "web", ssh)];
        pairs.map(|(from, to, traffic)| place.vpclab(&["check", from, to, traffic, "--engine", engine]).code)
    };
    place.write("lab.cloud.yaml", &apart);
    place.ok(&["up"]);
    assert_eq!(asked("linux"), [1, 1, 1, 1]);

    place.write("lab.cloud.yaml", rules_only);
    for command in ["validate", "plan", "up"] {
        let refused = place.vpclab(&[command]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{command}");
        let hint = "add `peerings: { data-shop: [data, shop] }`";
        let told = ["lab.cloud.yaml:5:42", "no peering joins them", "^ group of another VPC", hint];
        assert!(told.iter().all(|part| refused.err.contains(part)), "{command}: {}", refused.err);
        assert!(!refused.err.contains("shop-data"), "one peering, whichever rule asks for it: {}", refused.err);
    }
    // What the hint says is enough.
    place.write("lab.cloud.yaml", &format!("{rules_only}peerings: {{ data-shop: [data, shop] }}\n"));
    place.ok(&["validate"]);

    place.write("lab.cloud.yaml", whole);
    place.ok(&["up"]);
    for engine in ["linux", "proof"] {
        assert_eq!(asked(engine), [0, 1, 0, 1], "{engine}");
    }
    place.write("lab.cloud.yaml", &whole.replace("db", "pg"));
    place.ok(&["up"]);
    assert_eq!(asked("linux"), [0, 1, 0, 1]);

    place.write("lab.cloud.yaml", &apart);
    place.ok(&["up"]);
    assert_eq!(asked("linux"), [1, 1, 1, 1]);
}

#[test]
fn exec_passes_streams_and_codes_through() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    assert_eq!(place.ok(&["exec", "web-1", "--", "hostname"]), "web-1\n");
    assert_eq!(place.ok(&["exec", "web-1", "-e", "WORD=one two", "-w", "/tmp", "sh", "-c", "pwd; echo $WORD"]), "/tmp\none two\n");
    assert_eq!(place.vpclab(&["exec", "web-1", "--", "sh", "-c", "echo bad >&2; exit 7"]).code, 7);
    assert_eq!(place.vpclab(&["exec", "web-1", "--", "sh", "-c", "kill -TERM $$"]).code, 143);
    let missing = place.vpclab(&["exec", "web-1", "--", "no-such-program"]);
    assert_eq!((missing.code, missing.err.as_str()), (127, "error: web-1 has no program `no-such-program`\n"));
    let nobody = place.vpclab(&["exec", "web-2", "--", "true"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("did you mean `web-1`?"), "{}", nobody.err);
    // A megabyte both ways, unchanged.
    let mut cat = place.command(&["exec", "web-1", "--", "cat"]);
    let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut input = child.stdin.take().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &copy));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == sent, "{} bytes came back", output.stdout.len());
}

#[test]
fn instances_stop_and_start_and_go() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    let before = place.json(&["inspect", "web-1"]);
    assert_eq!(place.ok(&["stop", "web-1"]), "web-1 is stopped\n");
    let refused = place.vpclab(&["exec", "web-1", "--", "true"]);
    assert_eq!((refused.code, refused.err.contains("web-1 is stopped")), (1, true), "{}", refused.err);
    assert_eq!(place.json(&["ps", "--filter", "state=stopped"])[0]["name"], "web-1");
    assert_eq!(place.ok(&["start", "web-1"]), "web-1 is running\n");
    assert_eq!(place.json(&["inspect", "web-1"])[0]["id"], before[0]["id"]);
    assert_eq!(place.vpclab(&["check", "db-1", "web-1", "tcp/80"]).code, 0);
    assert_eq!(place.ok(&["rm", "db-1"]), "db-1 is terminated\n");
    assert_eq!(place.json(&["ps"]).as_array().unwrap().len(), 1);
    // The file still has it: the next up makes it again.
    assert!(place.ok(&["up"]).contains("+ instance db-1"));
}

#[test]
fn logs_show_what_run_printed() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    let begun = Instant::now();
    while place.ok(&["logs", "web-1"]) != "begun\n" {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", place.ok(&["logs", "web-1"]));
        std::thread::sleep(Duration::from_millis(50));
    }
    let silent = place.vpclab(&["logs", "db-1"]);
    assert_eq!((silent.code, silent.out.as_str()), (0, ""));
}

#[test]
fn listings_and_inspections_name_what_belongs_together() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    for kind in ["vpcs", "subnets", "instances", "interfaces", "sg", "acls", "routes", "gateways", "addresses", "peerings"] {
        let rows = place.json(&["ls", kind]);
        assert_eq!(rows.as_array().unwrap().is_empty(), matches!(kind, "addresses" | "peerings"), "{kind}: {rows}");
    }
    assert_eq!(place.json(&["ls", "subnets", "--filter", "name=a"])[0]["cidr"], "10.0.0.0/28");
    let wrong = place.vpclab(&["ls", "subnet"]);
    assert_eq!((wrong.code, wrong.err.contains("did you mean `subnets`?")), (2, true), "{}", wrong.err);
    let address = place.json(&["ps", "--filter", "name=web-1"])[0]["private_ip"].as_str().unwrap().to_owned();
    let found = place.json(&["inspect", &address]);
    assert_eq!(found[0]["kind"], "network interface");
    let group = place.ok(&["inspect", "sg:web"]);
    assert!(group.contains("kind: security group") && group.contains("referred_to_by:") && group.contains("network interface"), "{group}");
    assert_eq!(place.vpclab(&["inspect", "nothing"]).code, 2);
}

#[test]
fn two_labs_do_not_see_each_other() {
    let place = Place::new();
    place.write("one.yaml", TWO);
    place.write("two.yaml", &TWO.replace("tcp/80 from anywhere", "tcp/81 from anywhere"));
    place.ok(&["up", "one.yaml"]);
    place.ok(&["up", "two.yaml"]);
    let several = place.vpclab(&["ps"]);
    assert_eq!((several.code, several.err.contains("several labs are up: one, two")), (2, true), "{}", several.err);
    assert_eq!(place.vpclab(&["-l", "one", "check", "db-1", "web-1", "tcp/80"]).code, 0);
    assert_eq!(place.vpclab(&["-l", "two", "check", "db-1", "web-1", "tcp/80"]).code, 1);
    place.ok(&["down", "one"]);
    // The only one left is the one meant.
    assert_eq!(place.ok(&["exec", "web-1", "--", "hostname"]), "web-1\n");
}

#[test]
fn a_second_file_of_the_same_name_is_said() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    std::fs::create_dir(place.folder.path().join("other")).unwrap();
    place.write("other/lab.yaml", &TWO.replace("tcp/80 from", "tcp/81 from"));
    let note = "came from";
    for (arguments, noted) in [(["plan", "-f", "other/lab.yaml"], true), (["plan", "-f", "lab.cloud.yaml"], false)] {
        assert_eq!(place.vpclab(&arguments).err.contains(note), noted, "{arguments:?}");
    }
    let check = ["check", "-f", "other/lab.yaml", "db-1", "web-1", "tcp/80"];
    assert!(place.vpclab(&check).err.contains(note));
    assert!(place.vpclab(&["up", "other/lab.yaml"]).err.contains(note));
    let junit = place.vpclab(&["ls", "-o", "junit"]);
    assert_eq!((junit.code, junit.out.as_str()), (2, ""));
}

#[test]
fn a_second_lab_of_the_same_name_does_not_end_the_first() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    std::fs::create_dir(place.folder.path().join("other")).unwrap();
    // The same file name, and nobody of the first lab in it.
    let other: String = TWO.replace("web-1", "app-1").replace("db-1", "store-1");
    place.write("other/lab.cloud.yaml", &other);
    let refused = place.vpclab(&["up", "-f", "other/lab.cloud.yaml"]);
    assert_eq!(refused.code, 2, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains("is up already, and came from") && refused.err.contains("--lab NAME"), "{}", refused.err);
    assert_eq!(place.ok(&["exec", "-f", "lab.cloud.yaml", "web-1", "--", "hostname"]), "web-1\n");
    place.ok(&["up", "-f", "other/lab.cloud.yaml", "--lab", "second"]);
    assert_eq!(place.ok(&["exec", "--lab", "second", "app-1", "--", "hostname"]), "app-1\n");
}

#[test]
fn labs_go_on_without_the_daemon() {
    let place = Place::with(TWO);
    place.ok(&["up"]);
    place.ok(&["exec", "web-1", "--", "sh", "-c", "echo kept > /root/file"]);
    assert_eq!(place.ok(&["daemon", "stop"]), "ended; labs that are up go on\n");
    assert_eq!(place.ok(&["daemon", "stop"]), "not running\n");
    assert_eq!(place.vpclab(&["daemon", "status"]).code, 1);
    assert_eq!(place.ok(&["exec", "web-1", "--", "cat", "/root/file"]), "kept\n");
    assert!(place.ok(&["up"]).contains("no changes"));
    assert_eq!(place.vpclab(&["check", "db-1", "web-1", "tcp/80"]).code, 0);
    assert!(place.ok(&["exec", "web-1", "--", "getent", "hosts", "db-1"]).contains("10.0.0."));
}

#[test]
fn state_belongs_to_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with(TWO);
    place.ok(&["up"]);
    let home = place.folder.path().join("home");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join("run/daemon.sock")), 0o600);
    assert_eq!(mode(&home.join("state.redb")), 0o600);
}

const ONCE: &str = "\
vpcs:
  net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } }
instances:
  db: { subnet: a, user_data: \"#!/bin/sh\\necho ran >> /root/boots; echo installed > /opt/package\" }
  web: { subnet: a, run: ['date +%N >> /root/starts; sleep 1000'] }
";

impl Place {
    fn shell(&self, instance: &str, line: &str) -> String {
        self.ok(&["exec", instance, "--", "sh", "-c", line])
    }

    /// Waits for what a command that runs by itself writes.
    fn shell_until(&self, instance: &str, line: &str, wanted: &str) {
        let begun = Instant::now();
        while self.shell(instance, line) != wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "{line}: {}", self.shell(instance, line));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn id(&self, instance: &str) -> String {
        // Terminated ones are shown for a while, too.
        let rows = self.json(&["ps", "--filter", &format!("name={instance}")]);
        let mut alive = rows.as_array().unwrap().iter().filter(|row| row["state"] != "terminated");
        alive.next().unwrap()["id"].as_str().unwrap().to_owned()
    }

    fn disks(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("home/labs/lab/disks")).into_iter().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn kill_holder(&self) {
        let socket = self.folder.path().join("home/run/lab.sock");
        let holder = sandbox::running::holders().into_iter().find(|holder| holder.socket == socket).unwrap();
        let pid = rustix::process::Pid::from_raw(holder.process.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let begun = Instant::now();
        while Path::new(&format!("/proc/{}", holder.process.pid)).exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the holder lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn files_survive_a_stop_and_user_data_runs_at_the_first_boot_only() {
    let place = Place::with(ONCE);
    place.ok(&["up"]);
    place.shell_until("db", "cat /root/boots /opt/package 2>/dev/null || true", "ran\ninstalled\n");
    place.shell_until("web", "wc -l < /root/starts || true", "1\n");
    place.shell("db", "mkdir /data && echo mine > /data/file && echo '10.9.9.9 other' >> /etc/hosts && echo x > /tmp/x");
    for _ in 0..2 {
        place.ok(&["stop", "db", "web"]);
        place.ok(&["start", "db", "web"]);
    }
    place.shell_until("web", "wc -l < /root/starts", "3\n");
    let read = "cat /root/boots /opt/package /data/file; grep -c other /etc/hosts; ls /tmp | wc -l";
    assert_eq!(place.shell("db", read), "ran\ninstalled\nmine\n1\n0\n");
    let files = &place.json(&["inspect", "db"])[0]["files"];
    assert!(files == "kept on disk" || files.as_str().unwrap().starts_with("kept in memory"), "{files}");
}

#[test]
fn files_survive_the_death_of_the_holder_as_they_do_a_restart_of_the_machine() {
    let place = Place::with(ONCE);
    place.ok(&["up"]);
    place.shell_until("db", "cat /root/boots 2>/dev/null || true", "ran\n");
    let id = place.id("db");
    place.kill_holder();
    place.ok(&["up"]);
    assert_eq!(place.id("db"), id);
    // The mark is on the disk: what starts at boot has looked at it when a second boot is over.
    place.ok(&["stop", "db"]);
    place.ok(&["start", "db"]);
    if place.json(&["inspect", "db"])[0]["files"] == "kept on disk" {
        assert_eq!(place.shell("db", "cat /root/boots /opt/package"), "ran\ninstalled\n");
    }
}

#[test]
fn files_go_with_the_instance_and_with_the_lab() {
    let place = Place::with(ONCE);
    place.ok(&["up"]);
    place.shell_until("db", "cat /root/boots 2>/dev/null || true", "ran\n");
    place.shell("db", "mkdir -p /data/closed && echo x > /data/closed/file && chmod 000 /data/closed");
    let (db, web) = (place.id("db"), place.id("web"));
    if place.json(&["inspect", "db"])[0]["files"] != "kept on disk" {
        return;
    }
    let mut both = [db.clone(), web.clone()];
    both.sort();
    assert_eq!(place.disks(), both);
    place.ok(&["rm", "db"]);
    let begun = Instant::now();
    while place.disks() != [web.as_str()] {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", place.disks());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The file still has it: a new one, with another disk.
    place.ok(&["up"]);
    place.shell_until("db", "cat /root/boots 2>/dev/null || true", "ran\n");
    assert_ne!(place.id("db"), db);
    assert_eq!(place.shell("db", "ls -d /data 2>/dev/null | wc -l"), "0\n");
    // Other user data, another instance.
    let second = place.id("db");
    place.write("lab.cloud.yaml", &ONCE.replace("echo ran", "echo again"));
    place.ok(&["up"]);
    place.shell_until("db", "cat /root/boots 2>/dev/null || true", "again\n");
    assert_ne!(place.id("db"), second);
    place.shell("web", "echo mine > /srv/file");
    place.ok(&["down"]);
    assert!(!place.folder.path().join("home/labs/lab").exists());
    // Same ids, new disks.
    place.ok(&["up"]);
    assert_eq!((place.id("web"), place.shell("web", "ls /srv")), (web, String::new()));
    // Down after the holder's death: nobody of the lab is left to remove what belongs to its ids.
    place.shell("web", "mkdir /srv/closed && echo x > /srv/closed/file && chmod 000 /srv/closed");
    place.kill_holder();
    place.ok(&["down"]);
    assert!(!place.folder.path().join("home/labs/lab").exists());
}

#[test]
fn what_a_lost_lab_left_is_removed_by_the_next_daemon_and_what_is_no_labs_is_not() {
    let place = Place::with(ONCE);
    place.ok(&["up"]);
    place.shell("web", "echo mine > /srv/file");
    let labs = place.folder.path().join("home/labs");
    place.ok(&["daemon", "stop"]);
    for (name, file) in [("lost", "holder.log"), (".vpclab-gone-0-old", "disks"), ("mine", "letter")] {
        std::fs::create_dir(labs.join(name)).unwrap();
        std::fs::write(labs.join(name).join(file), "").unwrap();
    }
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&labs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let until = |wanted: &[&str]| {
        let begun = Instant::now();
        while names() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", names());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    place.ok(&["ls"]);
    until(&["lab", "mine"]);
    assert_eq!(place.shell("web", "cat /srv/file"), "mine\n");
    place.ok(&["down"]);
    until(&["mine"]);
}
