//! `doctor` as a person types it.
#![cfg(target_os = "linux")]

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::shop::{SHOP, Shop};

fn doctor(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.arg("doctor").args(arguments).current_dir(home).env("VPCLAB_HOME", home).env("NO_COLOR", "1");
    command.env_remove("VPCLAB_FILE").output().unwrap()
}

fn report(home: &Path, arguments: &[&str]) -> (Value, Option<i32>) {
    let done = doctor(home, &[arguments, &["-o", "json"]].concat());
    (serde_json::from_slice(&done.stdout).unwrap(), done.status.code())
}

fn found<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

#[test]
fn a_machine_that_runs_the_other_tests_is_ready() {
    let home = tempfile::tempdir().unwrap();
    let (report, code) = report(home.path(), &["-f", SHOP]);
    assert_eq!((report["ready"].as_bool(), code), (Some(true), Some(0)), "{report}");
    assert_eq!(report["instances"], 4);
    for check in report["checks"].as_array().unwrap() {
        assert!(check["ok"] == true || check["required"] == false, "{check}");
        assert!(check["ok"] == false || check["fix"].is_null(), "{check}");
    }
    let text = String::from_utf8(doctor(home.path(), &[]).stdout).unwrap();
    assert!(text.contains("  ✓ nf-tables") && text.contains("limits, for 50 instances"), "{text}");
    assert!(text.ends_with("labs can run here\n"), "{text}");
}

#[test]
fn a_home_on_which_no_disk_can_lie_is_said_with_what_changes_it() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["doctor", "-o", "json"]).current_dir(home.path()).env("VPCLAB_HOME", "/proc/nowhere").env_remove("VPCLAB_FILE");
    let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let disks = found(&report, "disks");
    assert_eq!((&disks["ok"], &disks["required"]), (&Value::Bool(false), &Value::Bool(false)), "{disks}");
    assert!(disks["fix"].as_str().unwrap().starts_with("export VPCLAB_HOME="), "{disks}");
    assert!(disks["detail"].as_str().unwrap().ends_with("kept in memory, and lost when the machine restarts"), "{disks}");
}

#[test]
fn a_lab_that_is_too_large_for_the_machine_is_no_and_every_short_limit_has_its_command() {
    let home = tempfile::tempdir().unwrap();
    let (report, code) = report(home.path(), &["--instances", "100000"]);
    assert_eq!((report["ready"].as_bool(), code), (Some(false), Some(3)), "{report}");
    let neighbours = found(&report, "neighbours");
    // Where the table can be seen, it is too small for that.
    let raised = neighbours["fix"].as_str().is_some_and(|fix| fix.starts_with("sudo sysctl -w net.ipv4.neigh"));
    assert!(neighbours["ok"] == true || raised, "{neighbours}");
    assert_eq!(doctor(home.path(), &["--instances", "0"]).status.code(), Some(2));
}

#[test]
fn a_socket_that_nobody_answers_at_is_a_leftover_and_removed_by_the_command_that_is_shown() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    drop(UnixListener::bind(home.path().join("run/old.sock")).unwrap());
    let _alive = UnixListener::bind(home.path().join("run/alive.sock")).unwrap();
    let (first, code) = report(home.path(), &[]);
    assert_eq!(code, Some(0), "leftovers keep no lab from running");
    let fix = found(&first, "socket")["fix"].as_str().unwrap().to_owned();
    assert!(fix.ends_with("run/old.sock"), "{fix}");
    assert!(Command::new("sh").args(["-c", &fix]).status().unwrap().success());
    let (second, _) = report(home.path(), &[]);
    assert_eq!(found(&second, "none")["ok"], true, "{second}");
}

#[test]
fn a_holder_that_nobody_has_a_record_of_is_a_leftover_with_the_command_that_ends_it() {
    let shop = Shop::empty();
    let paths = shop.paths();
    paths.make("ghost").unwrap();
    let spec = sandbox::HolderSpec {
        socket: paths.holder_socket("ghost"),
        lab_name: "ghost".to_owned(),
        log: paths.holder_log("ghost"),
        command: sandbox::SelfCommand::current().unwrap(),
    };
    let holder = sandbox::launch(&spec).unwrap();
    let (first, code) = report(&paths.home, &[]);
    // What the command that is shown asks the daemon.
    let gone = shop.daemon.take_down("ghost");
    assert_eq!(code, Some(0));
    let found = found(&first, "holder");
    assert_eq!(found["fix"], "vpclab down ghost");
    assert!(found["detail"].as_str().unwrap().contains(&holder.pid.to_string()), "{found}");
    assert!(gone.unwrap().existed);
    assert_eq!(self::found(&report(&paths.home, &[]).0, "none")["ok"], true);
}

#[test]
fn limits_that_are_not_enforced_are_said_not_to_be() {
    let shop = Shop::up();
    let enforced = sandbox::Client::connect(&shop.paths().holder_socket("shop")).unwrap().stats().unwrap().enforced;
    let (report, _) = report(&shop.paths().home, &[]);
    assert_eq!(found(&report, "cgroup")["ok"], !enforced.is_empty());
    let done = shop.vpclab(&["inspect", "web-1", "--lab", "shop", "-o", "json"]);
    let things: Value = serde_json::from_slice(&done.stdout).unwrap();
    let instance = things.as_array().unwrap().iter().find(|thing| thing["kind"] == "instance").unwrap();
    let expected = if enforced.is_empty() { "not enforced".to_owned() } else { enforced.join(", ") };
    assert_eq!(instance["limits"], expected);
}

#[test]
fn without_a_place_for_state_nothing_works() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    for name in ["VPCLAB_HOME", "XDG_STATE_HOME", "HOME"] {
        command.env_remove(name);
    }
    let done = command.args(["doctor"]).current_dir("/").env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(done.status.code(), Some(3), "{text}");
    assert!(text.contains("✗ home") && text.contains("$ export VPCLAB_HOME"), "{text}");
    assert!(text.ends_with("labs cannot run here: 1 requirement is missing\n"), "{text}");
}
