//! runc as the judge of isolation: the same container by its configuration (`containers inspect --oci`) and its files, in namespaces
//! of its own; a program finds the same in both, and nowhere less kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sandbox::SelfCommand;
use serde_json::Value;

use crate::docker_cli::desk::Desk;

/// What a program finds, a line each, its kind first.
const PROBE: &str = r#"
echo "hostname $(hostname)"; echo "id $(id -u):$(id -g)"; echo "pwd $(pwd)"
env | sort | sed 's/^/env /'
grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs):' /proc/self/status
sed 's/^/limit /' /proc/self/limits
for kind in mnt pid net uts ipc user; do echo "ns $kind $(readlink /proc/self/ns/$kind)"; done
for path in $MASKED; do
    if [ -d $path ]; then echo "masked $path shows $(ls -A $path | wc -l)"
    elif [ -e $path ]; then echo "masked $path shows $(wc -c <$path)"
    else echo "masked $path is not there"; fi
done
for path in /proc/sys/kernel/domainname /made /dev/made /sys/made /scratch/made; do
    (echo >>$path) 2>/dev/null && echo "writes $path" || echo "does not write $path"
done
ls /dev | sed 's/^/device /'
sed 's/^/mountinfo /' /proc/self/mountinfo
"#;

/// Namespaces of who starts it.
const OUTSIDE: &str = "for kind in mnt pid net uts ipc user; do echo outside $kind $(readlink /proc/self/ns/$kind); done";

/// A mount: its file system, and which restrictions it has.
type Mounts = BTreeMap<String, (String, BTreeSet<String>)>;

/// What was found: lines that are to be the same, mounts, and which namespaces are new.
#[derive(Debug, PartialEq)]
struct Found {
    lines: Vec<String>,
    mounts: Mounts,
    new: BTreeMap<String, bool>,
}

fn found(text: &str, outside: &str) -> Found {
    let three = |line: &str, first: &str| {
        let mut words = line.split(' ');
        (words.next()? == first).then(|| Some((words.next()?.to_owned(), words.next()?.to_owned())))?
    };
    let before: BTreeMap<String, String> = outside.lines().filter_map(|line| three(line, "outside")).collect();
    let mut found = Found { lines: Vec::new(), mounts: BTreeMap::new(), new: BTreeMap::new() };
    for line in text.lines() {
        if let Some((kind, link)) = three(line, "ns") {
            found.new.insert(kind.clone(), before[&kind] != link);
        } else if let Some(mount) = line.strip_prefix("mountinfo ") {
            let (own, kernel) = mount.split_once(" - ").unwrap();
            let (own, kernel): (Vec<&str>, Vec<&str>) = (own.split(' ').collect(), kernel.split(' ').collect());
            let mut restrictions: BTreeSet<String> = own[5].split(',').map(str::to_owned).collect();
            restrictions.extend(kernel[2].split(',').filter(|one| *one == "ro").map(str::to_owned));
            restrictions.retain(|one| ["ro", "nosuid", "nodev", "noexec"].contains(&one.as_str()));
            found.mounts.insert(own[4].to_owned(), (kernel[0].to_owned(), restrictions));
        } else {
            found.lines.push(line.to_owned());
        }
    }
    assert!(found.lines.len() > 40 && found.new.len() == 6 && found.mounts.len() > 10, "{text}");
    found
}

/// Makes a container, and holds what it finds to what runc's finds.
pub fn judge(desk: &Desk, runc: &Path, name: &str, options: &[&str]) {
    let masked = format!("MASKED={}", sandbox::container::spec::MASKED_PATHS.join(" "));
    let fixed = ["containers", "create", "--name", name, "--network", "none", "--hostname", "judged", "-e", &masked];
    let limits = ["--ulimit", "nofile=512:1024", "--ulimit", "core=0"];
    desk.yes(&[&fixed[..], &limits, options, &["busybox", "sh", "-c", PROBE]].concat());
    let config: Value = serde_json::from_str(&desk.yes(&["containers", "inspect", "--oci", name])).unwrap();
    let bundle = tempfile::tempdir().unwrap();
    let exported = std::fs::File::create(bundle.path().join("root.tar")).unwrap();
    assert!(desk.command(&["containers", "export", name]).stdout(exported).status().unwrap().success());

    // It stays meanwhile: the number of a namespace that is gone is given to the next one.
    let stays = format!("{OUTSIDE}; exec sleep 60");
    let mut beside = desk.command(&["exec", "web-1", "--", "sh", "-c", &stays]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(beside.stdout.take().unwrap()).lines().take(6).map(Result::unwrap);
    let outside = lines.collect::<Vec<_>>().join("\n");
    desk.yes(&["containers", "start", name]);
    desk.yes(&["containers", "wait", name]);
    beside.kill().unwrap();
    beside.wait().unwrap();
    let mut ours = found(&desk.yes(&["containers", "logs", name]), &outside);
    let theirs = by_runc(bundle.path(), runc, config);

    // The lab's own files, and the cgroups that runc has none of here.
    for path in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        assert!(ours.mounts.remove(path).is_some(), "{path}");
    }
    ours.mounts.remove("/sys/fs/cgroup");
    // runc links to /proc/kcore only where the kernel has it.
    if !Path::new("/proc/kcore").exists() {
        ours.lines.retain(|line| line != "device core");
    }
    assert_eq!(ours.lines, theirs.lines, "{name}");
    assert_eq!(ours.new, theirs.new, "{name}");
    let places = |mounts: &Mounts| mounts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(places(&ours.mounts), places(&theirs.mounts), "{name}");
    for (target, (kind, restrictions)) in &ours.mounts {
        let (wanted, least) = &theirs.mounts[target];
        assert!(target == "/" || kind == wanted, "{name}: {target} is {kind}, runc's {wanted}");
        assert_eq!(restrictions.contains("ro"), least.contains("ro"), "{name}: {target}");
        assert!(restrictions.is_superset(least), "{name}: {target} has {restrictions:?}, runc's {least:?}");
    }
    println!("{name}: {} lines and {} mounts are as runc has them", ours.lines.len(), ours.mounts.len());
}

/// As root of an instance's ids, in network, mount and process namespaces that go with it.
fn by_runc(bundle: &Path, runc: &Path, mut config: Value) -> Found {
    // Nobody here has cgroups to give.
    config["linux"]["resources"] = serde_json::json!({});
    config["linux"]["namespaces"].as_array_mut().unwrap().retain(|one| one["type"] != "cgroup");
    config["mounts"].as_array_mut().unwrap().retain(|one| one["type"] != "cgroup");
    std::fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    std::fs::copy(runc, bundle.join("runc")).unwrap();
    let inside = format!("{OUTSIDE} >outside; exec ./runc --root state --rootless=true run judged");
    let script = format!(
        "set -e; mkdir rootfs; tar -x -f root.tar -C rootfs; unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '{inside}'; cat outside"
    );
    let own = SelfCommand { program: PathBuf::from(env!("CARGO_BIN_EXE_vpclab")), arguments: Vec::new() };
    let done = sandbox::program_with_instance_ids(&own, bundle, Path::new("/bin/sh"), &["-c", &script]).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let removed = sandbox::remove_tree(bundle, &own);
    assert!(done.status.success(), "{}\n{text}", String::from_utf8_lossy(&done.stderr));
    removed.unwrap();
    let (outside, said): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("outside "));
    found(&said.join("\n"), &outside.join("\n"))
}
