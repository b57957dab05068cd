//! Limits of containers, by the kernel: what takes more memory than it may is ended and says so, what makes more processes
//! fails to, and what is changed while it runs is changed.
//!
//! They need a part of the tree of control groups with memory, pids and cpu: one that was delegated to this user
//! (`systemd-run --user --scope -p Delegate=yes cargo test -p vpclab --test it container_limits::`), or, for root, a new one below
//! the own, which the test makes and removes. Where there is neither, it says why and holds nothing.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::boxes::Desk;

const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// A part of the tree that may be limited.
struct Given {
    folder: PathBuf,
    /// Whether it is this test's own, and goes with it.
    is_made: bool,
}

impl Given {
    /// Errors: why there is none.
    fn find() -> Result<Given, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2");
        let Some(mount) = mount.map(|fields| PathBuf::from(fields[1])) else { return Err("cgroup v2 is mounted nowhere".into()) };
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/")).ok_or("this process is in no group of cgroup v2")?.to_owned();
        let own = mount.join(own);
        let has = |file: &str| {
            let there = fs::read_to_string(own.join(file)).unwrap_or_default();
            CONTROLLERS.iter().all(|one| there.split_whitespace().any(|word| word == *one))
        };
        if !has("cgroup.controllers") {
            return Err(format!("{} has not all of {}: cgroup v1 has them here, or nobody passed them down", own.display(), CONTROLLERS.join(", ")));
        }
        let is_marked = |name: &str| rustix::fs::getxattr(&own, name, &mut [0; 8]).is_ok_and(|length| length == 1);
        if is_marked("user.delegate") || is_marked("trusted.delegate") {
            return Ok(Given { folder: own, is_made: false });
        }
        // Only what passes its controllers down already: nothing of others is changed.
        if !rustix::process::geteuid().is_root() || !has("cgroup.subtree_control") {
            return Err(format!("{} is not delegated: systemd-run --user --scope -p Delegate=yes …", own.display()));
        }
        let folder = own.join(format!("vpclab-test-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let given = Given { folder, is_made: true };
        rustix::fs::setxattr(&given.folder, "trusted.delegate", b"1", rustix::fs::XattrFlags::empty()).unwrap();
        Ok(given)
    }

    /// Whether a group has this value.
    fn has(&self, file: &str, value: &str) -> bool {
        below(&self.folder).iter().any(|folder| fs::read_to_string(folder.join(file)).is_ok_and(|text| text.trim() == value))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if !self.is_made {
            return;
        }
        // From the inside out; what was ended a moment ago may not be gone yet.
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.folder.exists() && Instant::now() < deadline {
            for folder in below(&self.folder) {
                let _ = fs::remove_dir(folder);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(std::thread::panicking() || !self.folder.exists(), "{} is left", self.folder.display());
    }
}

/// A folder and all below it, the deepest first.
fn below(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.flat_map(|entry| below(&entry.path())).chain([folder.to_owned()]).collect()
}

#[test]
fn what_takes_more_than_it_may_is_ended_and_what_is_changed_holds_at_once() {
    let given = match Given::find() {
        Ok(given) => given,
        Err(why) => {
            println!("not held here: {why}");
            return;
        }
    };
    let desk = Desk::new("");
    let up = desk.behind(&format!("echo $$ > {}/cgroup.procs", given.folder.display()), &["up", "-q"]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    let run = |options: &str, line: &str| {
        let all = format!("containers run --instance web-1 {options} app sh -c");
        desk.run(&all.split(' ').chain([line]).collect::<Vec<_>>())
    };
    // Memory: the kernel ends it, and that is on record.
    let greedy = run("--name greedy --memory 24m", "a=0123456789abcdef; while :; do a=$a$a; done");
    assert_eq!(greedy.code, 137, "{}", greedy.stderr);
    assert!(!greedy.stderr.contains("not enforced"), "{}", greedy.stderr);
    let state = |name: &str| -> Value { serde_json::from_str::<Value>(&desk.yes(&["containers", "inspect", name])).unwrap() };
    let seen = state("greedy");
    let seen = seen.get(0).unwrap_or(&seen);
    assert_eq!((&seen["State"]["OOMKilled"], &seen["State"]["ExitCode"]), (&true.into(), &137.into()), "{}", seen["State"]);
    // Processes: the one too many is not made, and the container goes on.
    let crowd = run("--rm --pids-limit 6", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo all");
    assert!(crowd.code != 0 && crowd.stderr.contains("fork") && !crowd.stdout.contains("all"), "{}: {}{}", crowd.code, crowd.stdout, crowd.stderr);
    let few = run("--rm --pids-limit 20", "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done; wait; echo all");
    assert_eq!((few.code, few.stdout.as_str()), (0, "all\n"), "{}", few.stderr);
    // All three while it runs, and what is said of them.
    assert_eq!(run("-d --name one --memory 32m --cpus 0.5 --pids-limit 30", "sleep 1000").code, 0);
    for (file, value) in [("memory.max", "33554432"), ("cpu.max", "50000 100000"), ("pids.max", "30")] {
        assert!(given.has(file, value), "{file} is nowhere {value}");
    }
    assert!(desk.yes(&["containers", "stats", "--no-stream", "one"]).contains("32"), "its limit is shown");
    desk.yes(&["containers", "update", "--memory", "64m", "--cpus", "1.5", "--pids-limit", "40", "one"]);
    for (file, value) in [("memory.max", "67108864"), ("cpu.max", "150000 100000"), ("pids.max", "40")] {
        assert!(given.has(file, value), "{file} is nowhere {value} after the update");
    }
    assert!(!given.has("memory.max", "33554432"));
    // A fifth of a processor: what would take all of it is held back.
    assert_eq!(run("-d --name spin --cpus 0.2", "while :; do :; done").code, 0);
    let is_held_back = |folder: &PathBuf| {
        let stat = fs::read_to_string(folder.join("cpu.stat")).unwrap_or_default();
        fs::read_to_string(folder.join("cpu.max")).is_ok_and(|text| text.trim() == "20000 100000")
            && stat.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|count| count != "0"))
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !below(&given.folder).iter().any(is_held_back) {
        assert!(Instant::now() < deadline, "it was never held back");
        std::thread::sleep(Duration::from_millis(50));
    }
    // `pause` is the group's.
    desk.yes(&["containers", "pause", "one"]);
    assert!(given.has("cgroup.freeze", "1"), "it is stopped by its group");
    desk.yes(&["containers", "unpause", "one"]);
    let things = desk.yes(&["-o", "json", "inspect", "web-1"]);
    assert!(things.contains("\"limits\": \"cpu, memory, pids\""), "{things}");
    desk.yes(&["down"]);
    drop(desk);
    drop(given);
}
