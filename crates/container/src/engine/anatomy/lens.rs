//! Looking: `/proc` of a lab through its holder, `/proc` of this machine beside it, and a few words of an instance.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::time::Duration;

use sandbox::{Client, ExecSpec, Stdio};

use super::super::error::{Error, Result};

/// Namespaces, in the order in which they are shown, with what each keeps apart.
pub(super) const KINDS: [(&str, &str); 8] = [
    ("mnt", "mounts: what lies at which path"),
    ("pid", "process numbers"),
    ("net", "devices, addresses, routes, rules, ports"),
    ("uts", "host name"),
    ("ipc", "shared memory, message queues"),
    ("cgroup", "where limits seem to begin"),
    ("user", "users and their rights"),
    ("time", "clocks since the start"),
];

/// How long an instance may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most of what it says, bytes.
const MOST: u64 = 1 << 16;

/// A lab's `/proc`, as the holder sees it from a namespace.
pub(super) struct Lens<'a> {
    pub client: &'a Client,
    /// Whose namespace: any that exists.
    pub key: &'a str,
}

impl Lens<'_> {
    /// A file; none where it is gone or shown to nobody.
    pub fn read(&self, path: &str) -> Option<String> {
        let bytes = self.client.read_file(self.key, path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Inode of the namespace that a process of the lab is in.
    pub fn namespace(&self, pid: &str, kind: &str) -> Option<u64> {
        inode(&self.client.read_link(&format!("/proc/{pid}/ns/{kind}")).ok()?)
    }
}

/// The number in `net:[4026531840]`.
pub(super) fn inode(link: &str) -> Option<u64> {
    link.split_once('[')?.1.trim_end().strip_suffix(']')?.parse().ok()
}

/// What an instance says of itself.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub release: Option<String>,
    pub namespaces: BTreeMap<String, u64>,
    /// `/proc/PID/status` of one of its programs.
    pub status: String,
}

/// Asks an instance: a program of its own is in its namespaces, and no other one of it shows them (its init can be looked
/// into by nobody).
pub(super) fn ask(client: &Client, instance: &str) -> Result<Words> {
    let kinds: Vec<String> = KINDS.iter().map(|(kind, _)| format!("/proc/self/ns/{kind}")).collect();
    let line = format!("uname -r; for link in {}; do readlink $link; done; cat /proc/self/status", kinds.join(" "));
    let (mut reader, writer) = std::io::pipe().map_err(Error::io("making a pipe"))?;
    let null = || fs::OpenOptions::new().read(true).write(true).open("/dev/null").map_err(Error::io("opening /dev/null"));
    let stdio = Stdio::Descriptors([null()?.into(), writer.into(), null()?.into()]);
    let spec = ExecSpec { kill_on_disconnect: true, ..ExecSpec::new(["/bin/sh", "-c", &line]) };
    let mut process = client.exec(instance, spec, stdio)?;
    if process.wait_timeout(PATIENCE)?.is_none() {
        let _ = client.signal(process.id, libc::SIGKILL);
        return Err(Error::Conflict("the instance takes too long to say what it is".into()));
    }
    let mut text = String::new();
    reader.by_ref().take(MOST).read_to_string(&mut text).map_err(Error::io("reading what the instance says"))?;
    Ok(words(&text))
}

fn words(text: &str) -> Words {
    let mut lines = text.lines();
    let release = lines.next().map(str::trim).filter(|line| !line.is_empty() && !line.contains('['));
    let namespaces = text.lines().filter_map(|line| Some((line.split_once(':')?.0.to_owned(), inode(line)?)));
    let status = text.find("\nName:").map(|at| text[at + 1..].to_owned()).unwrap_or_default();
    Words { release: release.map(str::to_owned), namespaces: namespaces.collect(), status }
}

/// Processes of this machine by what does not depend on who looks: when they began, and their numbers from the lab's
/// process namespace inwards.
pub(super) struct Machine(BTreeMap<(u64, Vec<i32>), i32>);

impl Machine {
    /// Looks; processes that this user may not see are not there.
    pub fn look() -> Machine {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let known = pids.filter_map(|pid| {
            let numbers = numbers(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?);
            // Without a number further inwards it is in no lab.
            let inner = numbers.get(1..).filter(|inner| !inner.is_empty())?;
            let began = began(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
            Some(((began, inner.to_vec()), pid))
        });
        Machine(known.collect())
    }

    /// The number here of a process that began then and has these numbers in the lab and below.
    pub fn number(&self, began: u64, numbers: &[i32]) -> Option<i32> {
        self.0.get(&(began, numbers.to_vec())).copied()
    }
}

/// Values of a line of `/proc/PID/status`.
pub(super) fn line<'a>(status: &'a str, key: &str) -> std::str::SplitWhitespace<'a> {
    let found = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    found.unwrap_or_default().split_whitespace()
}

/// A process's numbers, from the reader's namespace inwards.
pub(super) fn numbers(status: &str) -> Vec<i32> {
    line(status, "NSpid").filter_map(|number| number.parse().ok()).collect()
}

/// When a process began, in ticks since the machine did.
pub(super) fn began(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything.
    stat.rsplit_once(") ")?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_says_its_kernel_and_its_namespaces() {
        let said = words("6.1.0-18-amd64\nmnt:[4026532765]\nnet:[4026532693]\n");
        assert_eq!(said.release.as_deref(), Some("6.1.0-18-amd64"));
        assert_eq!(said.namespaces["net"], 4_026_532_693);
        let said = words("6.1\nmnt:[7]\nName:\tcat\nSeccomp:\t2\n");
        assert_eq!((said.status.as_str(), said.namespaces.len()), ("Name:\tcat\nSeccomp:\t2\n", 1));
        assert!(words("").release.is_none() && words("mnt:[7]\n").release.is_none());
    }

    #[test]
    fn a_process_is_known_by_its_start_and_its_numbers() {
        let status = "Name:\thttpd\nNSpid:\t14755\t12\t3\t1\nUid:\t0\t0\t0\t0\n";
        assert_eq!(numbers(status), [14_755, 12, 3, 1]);
        let stat = "812 (a) (b) S 800 812 812 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 1 0 99 1000000 25";
        assert_eq!(began(stat), Some(99));
        let machine = Machine(BTreeMap::from([((99, vec![12, 3, 1]), 14_755)]));
        assert_eq!(machine.number(99, &[12, 3, 1]), Some(14_755));
        assert_eq!(machine.number(98, &[12, 3, 1]), None, "an earlier process of the same number is another");
    }
}
