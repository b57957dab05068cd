//! Limits of instances by cgroup v2, where a part of the tree was given to the launching user.
//!
//! Given means delegated by systemd (`systemd-run --user --scope -p Delegate=yes vpclab up`), which marks the
//! directory with an attribute; a directory that merely can be written belongs to somebody else's accounting.
//! Without one nothing is limited, and [`crate::client::Stats::enforced`] says so.
//!
//! Layout below the delegated directory, because a directory with limited children holds no processes
//! (cgroups(7), "no internal processes"): `vpclab.callers` for what was there, `vpclab.lab-NAME/holder`, and
//! one directory an instance beside it, with its limits; in that `own` for its processes and one directory a
//! container, so that an instance's limits hold for its containers too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::spec::Limits;

/// Where those go that were in the delegated directory.
const CALLERS: &str = "vpclab.callers";
/// In an instance's directory: its processes but those of its containers.
const OWN: &str = "own";
/// Controllers that limits need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// Length of the period that `cpu.max` counts in, microseconds (the kernel's own default).
const PERIOD: u64 = 100_000;

/// The part of the tree that holds one lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    lab: PathBuf,
    /// Controllers that work there, sorted.
    controllers: Vec<String>,
}

impl Tree {
    /// A part for a lab in what was given to this process's user; `None` where nothing was.
    pub(crate) fn make(lab_name: &str) -> Option<Tree> {
        Tree::below(&given()?, lab_name).ok()
    }

    fn below(base: &Path, lab_name: &str) -> io::Result<Tree> {
        let callers = base.join(CALLERS);
        make_directory(&callers)?;
        // What was started meanwhile is in the second list.
        for _ in 0..10 {
            let there = fs::read_to_string(base.join("cgroup.procs"))?;
            if there.trim().is_empty() {
                break;
            }
            for pid in there.lines() {
                // One that has just ended cannot be moved and is in no list any more.
                let _ = fs::write(callers.join("cgroup.procs"), pid);
            }
        }
        let lab = base.join(format!("vpclab.lab-{lab_name}"));
        make_directory(&lab)?;
        let mut controllers = Vec::new();
        for controller in CONTROLLERS {
            let enable = |directory: &Path| {
                fs::write(
                    directory.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                )
            };
            if enable(base).and_then(|()| enable(&lab)).is_ok() {
                controllers.push(controller.to_owned());
            }
        }
        if controllers.is_empty() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        make_directory(&lab.join("holder"))?;
        Ok(Tree { lab, controllers })
    }

    /// What is enforced here.
    pub(crate) fn controllers(&self) -> Vec<String> {
        self.controllers.clone()
    }

    /// Takes in the holder.
    pub(crate) fn take_holder(&self, pid: i32) -> io::Result<()> {
        fs::write(self.lab.join("holder/cgroup.procs"), pid.to_string())
    }

    /// Takes in an instance by its first process, before it has others.
    pub(crate) fn take_instance(&self, key: &str, pid: i32, limits: &Limits) -> io::Result<()> {
        let directory = self.instance(key);
        make_directory(&directory)?;
        self.limit(&directory, limits)?;
        let controllers: Vec<String> = self.controllers.iter().map(|one| format!("+{one}")).collect();
        fs::write(directory.join("cgroup.subtree_control"), controllers.join(" "))?;
        make_directory(&directory.join(OWN))?;
        fs::write(directory.join(OWN).join("cgroup.procs"), pid.to_string())
    }

    fn limit(&self, directory: &Path, limits: &Limits) -> io::Result<()> {
        write_limits(directory, limits, |name| self.controllers.iter().any(|one| one == name))
    }

    /// Makes the directory of a container of a running instance, with its limits.
    pub(crate) fn make_container(&self, instance: &str, key: &str, limits: &Limits) -> io::Result<PathBuf> {
        let directory = self.instance(instance).join(format!("container.{}", plain(key)));
        make_directory(&directory)?;
        self.limit(&directory, limits)?;
        Ok(directory)
    }

    /// Lets go of an instance that has ended.
    pub(crate) fn forget_instance(&self, key: &str) {
        let directory = self.instance(key);
        let below = fs::read_dir(&directory).into_iter().flatten().flatten();
        for path in below.map(|entry| entry.path()).filter(|path| path.is_dir()).chain([directory]) {
            // Not there, or a process of it is not quite gone: then it is used again, or goes with the lab's scope.
            let _ = fs::remove_dir(path);
        }
    }

    /// Keys hold what a file name must not; a name in the tree is for people who look at it.
    fn instance(&self, key: &str) -> PathBuf {
        self.lab.join(format!("instance.{}", plain(key)))
    }
}

/// Changes what a container may use while it runs: `directory` is [`crate::container::spec::ContainerStatus::cgroup`]. What is
/// not limited is unlimited from now on. Errors: what the kernel refuses.
pub fn limit(directory: &Path, limits: &Limits) -> io::Result<()> {
    write_limits(directory, limits, |controller| {
        let file = match controller {
            "cpu" => "cpu.max",
            "memory" => "memory.max",
            _ => "pids.max",
        };
        directory.join(file).exists()
    })
}

fn write_limits(directory: &Path, limits: &Limits, has: impl Fn(&str) -> bool) -> io::Result<()> {
        let or_most =
            |value: Option<u64>| value.map_or("max".to_owned(), |value| value.to_string());
        if has("memory") {
            fs::write(directory.join("memory.max"), or_most(limits.memory_bytes))?;
            if limits.memory_bytes.is_some() {
                // Swap would only move the limit; a kernel without it has no such file.
                let _ = fs::write(directory.join("memory.swap.max"), "0");
            }
        }
        if has("pids") {
            fs::write(directory.join("pids.max"), or_most(limits.processes))?;
        }
        if has("cpu") {
            let share = limits
                .cpu_percent
                .map(|percent| u64::from(percent) * PERIOD / 100);
            fs::write(
                directory.join("cpu.max"),
                format!("{} {PERIOD}", or_most(share)),
            )?;
        }
        Ok(())
}

fn plain(key: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    key.chars().map(allowed).collect()
}

/// Whether limits can be enforced. Changes nothing.
pub(crate) fn is_given() -> bool {
    given().is_some_and(|base| {
        let there = fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
        there
            .split_whitespace()
            .any(|one| CONTROLLERS.contains(&one))
    })
}

/// The delegated directory that this process is in.
fn given() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    own_directory(&own, &mounts).filter(|base| is_delegated(base))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// This process's directory in the unified tree; for callers that were moved aside, the one they were in.
fn own_directory(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let target = fields.nth(1)?;
        (fields.next()? == "cgroup2").then_some(target)
    })?;
    let path = path.trim_start_matches('/');
    let before = path.strip_suffix(CALLERS).unwrap_or(path);
    Some(Path::new(mount).join(before))
}

/// systemd marks what it delegates: `trusted.delegate`, which only root reads, and `user.delegate` (251 and later).
fn is_delegated(directory: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(directory, *name, &mut value)
            .is_ok_and(|length| value[..length] == *b"1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: PathBuf) -> String {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What is written where; the kernel's part is played by a plain directory.
    #[test]
    fn limits_are_written_for_what_is_limited_and_lifted_for_the_rest() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("cgroup.procs"), "").unwrap();
        let tree = Tree::below(base.path(), "shop").unwrap();
        assert_eq!(tree.controllers(), CONTROLLERS);
        assert_eq!(read(base.path().join("cgroup.subtree_control")), "+pids");
        tree.take_holder(17).unwrap();
        assert_eq!(
            read(base.path().join("vpclab.lab-shop/holder/cgroup.procs")),
            "17"
        );
        let limits = Limits {
            memory_bytes: Some(1 << 30),
            processes: None,
            cpu_percent: Some(250),
        };
        tree.take_instance("instance/i-0a", 18, &limits).unwrap();
        let own = base.path().join("vpclab.lab-shop/instance.instance_i-0a");
        for (file, content) in [
            ("memory.max", "1073741824"),
            ("memory.swap.max", "0"),
            ("pids.max", "max"),
            ("cpu.max", "250000 100000"),
            ("cgroup.subtree_control", "+cpu +memory +pids"),
            ("own/cgroup.procs", "18"),
        ] {
            assert_eq!(read(own.join(file)), content, "{file}");
        }
        let limits = Limits { processes: Some(20), ..Limits::default() };
        let container = tree.make_container("instance/i-0a", "instance/i-0a/7f", &limits).unwrap();
        assert_eq!(container, own.join("container.instance_i-0a_7f"));
        assert_eq!(read(container.join("pids.max")), "20");
        assert_eq!(read(container.join("memory.max")), "max");
    }

    #[test]
    fn what_can_be_written_is_not_thereby_delegated() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_delegated(folder.path()));
        let marked = rustix::fs::setxattr(
            folder.path(),
            "user.delegate",
            b"1",
            rustix::fs::XattrFlags::empty(),
        );
        // A file system without attributes cannot be marked.
        assert_eq!(is_delegated(folder.path()), marked.is_ok());
    }

    #[test]
    fn the_own_directory_is_that_of_the_unified_tree() {
        let mounts = "x /cg/memory cgroup rw,memory 0 0\ncgroup2 /cg/unified cgroup2 rw 0 0\n";
        let own = "4:memory:/a\n0::/user.slice/b.scope\n";
        assert_eq!(
            own_directory(own, mounts),
            Some(PathBuf::from("/cg/unified/user.slice/b.scope"))
        );
        // A second lab is made by a daemon that the first one moved aside.
        let moved = "0::/user.slice/b.scope/vpclab.callers\n";
        let found = own_directory(moved, mounts).unwrap();
        assert!(
            found == Path::new("/cg/unified/user.slice/b.scope"),
            "{}",
            found.display()
        );
        assert_eq!(own_directory("4:memory:/a\n", mounts), None);
        assert_eq!(own_directory(own, "x /cg/memory cgroup rw 0 0\n"), None);
    }
}
