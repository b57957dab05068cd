//! A container as `config.json` of the OCI runtime specification (1.0.2), by which runc or crun run the same in a bundle. What the
//! format cannot say, or what only a lab can give, is named in the annotation [`LEFT_OUT`].

use std::path::Path;

use sandbox::container::identity;
use sandbox::container::spec::{ContainerMount, ContainerNetwork, ContainerSpec, MountKind as Kind, Propagation};
use sandbox::container::CapabilitySet;
use serde_json::{Map, Value, json};

use super::error::Result;
use super::files::Stack;
use super::lab::Engine;
use super::naming::Names;
use super::record::Record;
use super::{owners, spec};

/// Annotation that says in sentences what the configuration lacks.
pub const LEFT_OUT: &str = "vpclab.left-out";

/// More of `/etc/passwd` is not looked at, bytes.
const LARGEST_FILE: u64 = 4 << 20;
/// Microseconds in which a share of the processors is counted, Docker's.
const CPU_PERIOD: u64 = 100_000;
/// The group `tty`, whose terminals are; it exists only where more than root does.
const TTY: u32 = 5;

impl Engine {
    /// The configuration of a container, whether it runs or not. `root.path` is `rootfs`, beside the file: what
    /// [`Engine::export`] writes. Errors: the image is gone; its files do not know the user.
    pub fn oci_spec(&self, record: &Record) -> Result<Value> {
        let image = self.store.find(&record.image.id.to_string())?;
        let ids = self.client.stats()?.instance_ids;
        let mut lower = owners::stack(&self.store, &image, ids)?;
        // The files of names are a lab's, and so is what its links say of others.
        let nobody = Names { hosts: String::new(), resolver: String::new(), environment: Vec::new() };
        let spec = spec::spec(record, &self.folder, &self.volumes, lower.clone(), nobody, None)?;
        // What the container itself wrote of its users counts, where it wrote something.
        lower.extend(Some(spec.root.upper.clone()).filter(|upper| upper.is_dir()));
        let files = Stack::open(lower.iter())?;
        let read = |path: &str| -> Result<String> {
            let content = files.read(path, LARGEST_FILE)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&content).into_owned())
        };
        let who = identity(&spec.process.user, &read("/etc/passwd")?, &read("/etc/group")?)?;
        Ok(config(&spec, &who, ids))
    }
}

fn config(spec: &ContainerSpec, who: &sandbox::container::Identity, ids: u32) -> Value {
    let mut environment: Vec<String> = spec.process.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !spec.process.environment.iter().any(|(name, _)| name == "HOME") {
        environment.push(format!("HOME={}", who.home));
    }
    let held = if spec.privileged { CapabilitySet::ALL } else { spec.capabilities }.names();
    // Another user than root has none until a program gives it some; execve would take them away.
    let of_user = if who.uid == 0 { held.clone() } else { Vec::new() };
    let directory = Some(spec.process.working_directory.as_str()).filter(|path| !path.is_empty()).unwrap_or("/");
    let mut process = json!({
        "terminal": spec.process.terminal.is_some(),
        "user": {"uid": who.uid, "gid": who.gid, "additionalGids": who.groups},
        "args": spec.process.args,
        "env": environment,
        "cwd": directory,
        "capabilities": {"bounding": held, "effective": of_user, "permitted": of_user, "inheritable": [], "ambient": []},
        "rlimits": spec.rlimits.iter().map(|limit| json!({
            "type": format!("RLIMIT_{}", limit.name.to_ascii_uppercase()), "soft": limit.soft, "hard": limit.hard,
        })).collect::<Vec<_>>(),
        "noNewPrivileges": spec.no_new_privileges,
    });
    if let Some(adjustment) = spec.oom_score_adj {
        process["oomScoreAdj"] = adjustment.into();
    }
    let mut namespaces = vec!["pid", "mount", "uts", "ipc", "cgroup"];
    if !matches!(spec.network, ContainerNetwork::Host | ContainerNetwork::Container { .. }) {
        namespaces.push("network");
    }
    let protected = |paths: &[String]| if spec.privileged { Vec::new() } else { paths.to_vec() };
    json!({
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": "rootfs", "readonly": spec.root.read_only},
        "hostname": spec.hostname,
        "mounts": mounts(spec, ids),
        "linux": {
            "namespaces": namespaces.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>(),
            "resources": resources(spec),
            "sysctl": spec.sysctls,
            "maskedPaths": protected(&spec.masked_paths),
            "readonlyPaths": protected(&spec.read_only_paths),
        },
        "annotations": {LEFT_OUT: left_out(spec)},
    })
}

/// Those of every container, then its own.
fn mounts(spec: &ContainerSpec, ids: u32) -> Vec<Value> {
    let mount = |target: &str, kind: &str, options: &[&str]| {
        json!({"destination": target, "type": kind, "source": kind, "options": options})
    };
    let kernels = |options: &[&'static str]| {
        let read_only = if spec.privileged { "rw" } else { "ro" };
        [&["nosuid", "noexec", "nodev", read_only], options].concat()
    };
    let group = format!("gid={TTY}");
    let mut terminals = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if ids > TTY {
        terminals.push(&group);
    }
    let size = format!("size={}", spec.shm_bytes);
    let mut all = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", &kernels(&[])),
        mount("/sys/fs/cgroup", "cgroup", &kernels(&["relatime"])),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &terminals),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", &size]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    all.extend(spec.mounts.iter().map(own));
    all
}

fn own(mount: &ContainerMount) -> Value {
    let access = if mount.read_only { "ro" } else { "rw" };
    let shown = |source: &Path, recursive: bool, propagation: &str| {
        let bind = if recursive { "rbind" } else { "bind" };
        json!({"destination": mount.target, "type": "bind", "source": source, "options": [bind, propagation, access]})
    };
    match &mount.kind {
        Kind::Bind { source, recursive, propagation } => {
            let propagation = match propagation {
                Propagation::Private => "rprivate",
                Propagation::Slave => "rslave",
                Propagation::Shared => "rshared",
            };
            shown(source, *recursive, propagation)
        }
        Kind::Volume { source, .. } => shown(source, false, "rprivate"),
        Kind::Tmpfs { size_bytes, mode } => {
            let mut options = vec!["nosuid".to_owned(), "noexec".into(), "nodev".into(), access.into()];
            options.push(format!("mode={:o}", mode.unwrap_or(0o1777)));
            options.extend(size_bytes.map(|bytes| format!("size={bytes}")));
            json!({"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options})
        }
    }
}

fn resources(spec: &ContainerSpec) -> Value {
    let mut all = Map::new();
    if let Some(bytes) = spec.limits.memory_bytes {
        all.insert("memory".into(), json!({"limit": bytes}));
    }
    if let Some(count) = spec.limits.processes {
        all.insert("pids".into(), json!({"limit": count}));
    }
    if let Some(percent) = spec.limits.cpu_percent {
        all.insert("cpu".into(), json!({"quota": u64::from(percent) * CPU_PERIOD / 100, "period": CPU_PERIOD}));
    }
    Value::Object(all)
}

fn left_out(spec: &ContainerSpec) -> String {
    let mut all = vec!["the seccomp filter; /etc/hosts, /etc/hostname and /etc/resolv.conf, which the lab writes; the device nodes"];
    match spec.network {
        ContainerNetwork::Own { .. } => all.push("devices, addresses, published ports and links of its networks"),
        ContainerNetwork::Host => all.push("the instance, whose network it has: whoever runs this gives his own"),
        ContainerNetwork::Container { .. } => all.push("the container whose network it has: whoever runs this gives his own"),
        ContainerNetwork::None => {}
    }
    if spec.init {
        all.push("the init that is its pid 1");
    }
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use sandbox::container::spec::{ContainerRoot, ProcessSpec, ResourceLimit};

    use super::*;

    fn plain() -> ContainerSpec {
        let root = ContainerRoot { lower: Vec::new(), upper: "/u".into(), work: "/w".into(), read_only: true };
        ContainerSpec::new("0123456789ab", "instance/i", root, ProcessSpec::new(["sh", "-c", "true"]))
    }

    fn who(uid: u32) -> sandbox::container::Identity {
        identity(
            &sandbox::container::spec::ContainerUser { uid, ..Default::default() },
            "root:x:0:0:root:/root:/bin/sh\n",
            "",
        )
        .unwrap()
    }

    #[test]
    fn it_says_dockers_defaults() {
        let made = config(&plain(), &who(0), 65_536);
        assert_eq!((&made["root"]["readonly"], &made["process"]["cwd"]), (&json!(true), &json!("/")));
        assert_eq!(made["process"]["env"], json!(["HOME=/root"]));
        let capabilities = &made["process"]["capabilities"];
        assert_eq!(capabilities["bounding"].as_array().unwrap().len(), 14);
        assert_eq!(capabilities["bounding"], capabilities["effective"]);
        assert!(made["linux"]["maskedPaths"].as_array().unwrap().contains(&json!("/proc/kcore")));
        assert!(made["linux"]["namespaces"].as_array().unwrap().contains(&json!({"type": "network"})));
        let find = |target: &str| made["mounts"].as_array().unwrap().iter().find(|one| one["destination"] == target).cloned().unwrap();
        assert!(find("/sys")["options"].as_array().unwrap().contains(&json!("ro")));
        assert!(find("/dev/pts")["options"].as_array().unwrap().contains(&json!("gid=5")));
    }

    #[test]
    fn another_user_has_no_capability_and_one_id_no_group_of_terminals() {
        let mut spec = plain();
        spec.rlimits = vec![ResourceLimit { name: "nofile".into(), soft: 5, hard: 6 }];
        spec.limits.cpu_percent = Some(50);
        spec.mounts = vec![ContainerMount {
            kind: Kind::Volume { source: "/v".into(), copy: true },
            target: "/data".into(),
            read_only: true,
        }];
        let made = config(&spec, &who(7), 1);
        assert_eq!(made["process"]["capabilities"]["effective"], json!([]));
        assert_eq!(made["process"]["rlimits"], json!([{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 6}]));
        assert_eq!(made["linux"]["resources"]["cpu"], json!({"quota": 50_000, "period": 100_000}));
        assert!(!made["mounts"].to_string().contains("gid=5"));
        let last = made["mounts"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["source"], &last["options"]), (&json!("/v"), &json!(["bind", "rprivate", "ro"])));
    }

    #[test]
    fn a_privileged_one_has_everything_and_no_masks() {
        let made = config(&ContainerSpec { privileged: true, ..plain() }, &who(0), 65_536);
        assert!(made["process"]["capabilities"]["bounding"].as_array().unwrap().contains(&json!("CAP_SYS_ADMIN")));
        assert_eq!((&made["linux"]["maskedPaths"], &made["linux"]["readonlyPaths"]), (&json!([]), &json!([])));
    }
}
