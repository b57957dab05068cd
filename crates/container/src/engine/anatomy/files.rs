//! The root file system: the image's layers and what made each, the layer that is its own, and what is mounted.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::changes::ChangeKind;
use super::super::error::Result;
use super::super::lab::Engine;
use super::super::record::{MountKind, Record};
use super::parts::{Entry, Layer, Mount, Root, Writable};
use crate::oci::{History, chain_ids};
use crate::store::Image;

/// A line of `/proc/PID/mountinfo` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub target: String,
    pub file_system: String,
    source: String,
    /// Which part of the file system it is.
    part: String,
    pub is_read_only: bool,
    propagation: &'static str,
}

/// Reads `mountinfo`; a later line hides an earlier one at the same place.
pub(super) fn mounted(text: &str) -> Vec<Mounted> {
    let mut all: BTreeMap<String, Mounted> = BTreeMap::new();
    for line in text.lines() {
        let Some((own, kernel)) = line.split_once(" - ") else { continue };
        let (own, kernel): (Vec<&str>, Vec<&str>) = (own.split(' ').collect(), kernel.split(' ').collect());
        let ([_, _, _, part, target, options, tags @ ..], [file_system, source, ..]) = (&own[..], &kernel[..]) else { continue };
        let has = |tag: &str| tags.iter().any(|one| one.starts_with(tag));
        let is_read_only = [options, kernel.get(2).unwrap_or(&"")].iter().any(|list| list.split(',').any(|option| option == "ro"));
        let mounted = Mounted {
            target: plain(target),
            file_system: (*file_system).to_owned(),
            source: plain(source),
            part: plain(part),
            is_read_only,
            propagation: match (has("shared:"), has("master:")) {
                (true, _) => "shared",
                (false, true) => "slave",
                (false, false) => "private",
            },
        };
        all.insert(mounted.target.clone(), mounted);
    }
    all.into_values().collect()
}

/// Without the `\040` of blanks and their like.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        plain.push_str(before);
        match escaped.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &escaped[3..];
            }
            None => {
                plain.push('\\');
                rest = escaped;
            }
        }
    }
    plain + rest
}

/// What the mounts are, with what was asked for where they stand.
pub(super) fn mounts(record: Option<&Record>, live: Option<&[Mounted]>) -> Vec<Mount> {
    let asked: BTreeMap<&str, &super::super::record::MountPoint> =
        record.into_iter().flat_map(|record| &record.mounts).map(|mount| (mount.target.as_str(), mount)).collect();
    let mut all: BTreeMap<String, Mount> = BTreeMap::new();
    for (target, mount) in &asked {
        let (kind, source, is_anonymous) = match &mount.kind {
            MountKind::Bind { path, .. } => ("bind", path.display().to_string(), false),
            MountKind::Volume { name, is_anonymous, .. } => ("volume", name.clone(), *is_anonymous),
            MountKind::Tmpfs { .. } => ("tmpfs", "memory".to_owned(), false),
        };
        let now = live.and_then(|live| live.iter().find(|one| one.target == *target));
        all.insert(
            (*target).to_owned(),
            Mount {
                target: (*target).to_owned(),
                kind: kind.to_owned(),
                source,
                is_read_only: now.map_or(mount.read_only, |now| now.is_read_only),
                propagation: now.map(|now| now.propagation.to_owned()),
                survives: kind != "tmpfs",
                is_anonymous,
            },
        );
    }
    for now in live.unwrap_or_default().iter().filter(|now| !asked.contains_key(now.target.as_str())) {
        let (kind, source) = purpose(now);
        all.insert(
            now.target.clone(),
            Mount {
                target: now.target.clone(),
                kind: kind.to_owned(),
                source,
                is_read_only: now.is_read_only,
                propagation: Some(now.propagation.to_owned()),
                survives: false,
                is_anonymous: false,
            },
        );
    }
    all.into_values().collect()
}

/// What a mount that nobody asked for is there for.
fn purpose(now: &Mounted) -> (&'static str, String) {
    let own = || match now.source.as_str() {
        "none" | "" => now.file_system.clone(),
        source => source.to_owned(),
    };
    match (now.target.as_str(), now.file_system.as_str()) {
        ("/", _) => ("root", now.file_system.clone()),
        ("/etc/hosts" | "/etc/hostname" | "/etc/resolv.conf", _) => ("names", "memory".to_owned()),
        (target, "devtmpfs") if target.starts_with("/proc/") || target.starts_with("/sys/") => ("mask", "/dev/null".to_owned()),
        (target, "tmpfs") if target.starts_with("/proc/") || target.starts_with("/sys/") => ("mask", "nothing".to_owned()),
        (_, "devtmpfs") => ("device", format!("/dev{} of this machine", now.part)),
        (target, "proc" | "sysfs") if target != "/proc" && target != "/sys" => ("mask", "read-only".to_owned()),
        (_, "proc" | "sysfs" | "cgroup2" | "mqueue" | "devpts") => ("kernel", now.file_system.clone()),
        (_, "tmpfs") => ("tmpfs", "memory".to_owned()),
        _ => ("mount", own()),
    }
}

/// The layers of an image, the lowest first, with the instructions that made them; and those that made none.
pub(super) fn layers(engine: &Engine, image: &Image, others: &BTreeMap<String, usize>) -> (Vec<Layer>, Vec<String>) {
    let ids = &image.config.rootfs.diff_ids;
    let history = image.config.history.as_deref().unwrap_or_default();
    let mut made = history.iter().filter(|step| !step.empty_layer).map(instruction);
    let layer = |((id, chain), packed): ((&crate::Digest, crate::Digest), u64)| {
        let unpacked = engine.store.layer_of(&chain).ok();
        Layer {
            digest: id.to_string(),
            bytes: unpacked.as_ref().map(|layer| layer.unpacked.bytes),
            packed_bytes: packed,
            entries: unpacked.map(|layer| layer.unpacked.entries),
            instruction: made.next().flatten(),
            shared_by: others.get(&id.to_string()).copied().unwrap_or(0),
        }
    };
    let packed = image.layers.iter().map(|layer| layer.size);
    let layers = ids.iter().zip(chain_ids(ids)).zip(packed).map(layer).collect();
    let settings = history.iter().filter(|step| step.empty_layer).filter_map(instruction).collect();
    (layers, settings)
}

/// A step of an image's history as a Dockerfile has it.
fn instruction(step: &History) -> Option<String> {
    let text = step.created_by.as_deref().filter(|text| !text.trim().is_empty()).or(step.comment.as_deref())?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Docker's older builder wrote what it ran.
    let plain = match text.strip_prefix("/bin/sh -c ") {
        Some(rest) => match rest.strip_prefix("#(nop)") {
            Some(nothing) => nothing.trim().to_owned(),
            None => format!("RUN {rest}"),
        },
        None => text.strip_suffix(" # buildkit").unwrap_or(&text).to_owned(),
    };
    Some(plain).filter(|text| !text.is_empty())
}

/// The root of a container: its image, and what it wrote.
pub(super) fn root(engine: &Engine, record: &Record, others: &BTreeMap<String, usize>) -> Result<Root> {
    let image = engine.store.find(&record.image.id.to_string())?;
    let (layers, settings) = layers(engine, &image, others);
    let upper = engine.folder.of(&record.id).join("upper");
    Ok(Root {
        layers,
        settings,
        own: Some(written(engine, record, &upper)?),
        is_read_only: record.options.read_only,
        ..Root::default()
    })
}

fn written(engine: &Engine, record: &Record, upper: &Path) -> Result<Writable> {
    let changes = engine.changes(record)?;
    let mut own = Writable { folder: upper.display().to_string(), ..Writable::default() };
    let mut entries = Vec::new();
    for change in changes {
        let bytes = match change.kind {
            ChangeKind::Deleted => None,
            // What may not be looked into by this user has no size here.
            _ => std::fs::symlink_metadata(upper.join(change.path.strip_prefix("/").unwrap_or(&change.path))).ok(),
        };
        let bytes = bytes.filter(std::fs::Metadata::is_file).map(|data| data.len());
        match change.kind {
            ChangeKind::Added => own.added += 1,
            ChangeKind::Changed => own.changed += 1,
            ChangeKind::Deleted => own.deleted += 1,
        }
        own.bytes += bytes.unwrap_or(0);
        entries.push(Entry { kind: change.kind.to_string(), path: change.path.display().to_string(), bytes });
    }
    entries.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    entries.truncate(Writable::SHOWN);
    own.entries = entries;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_what_they_are_for() {
        let text = "122 84 0:53 / / rw,relatime - overlay none rw,lowerdir+=/x\n\
                    124 122 0:56 / /sys ro,nosuid - sysfs none rw\n\
                    107 123 0:6 /null /proc/keys rw - devtmpfs devtmpfs rw\n\
                    102 122 0:59 /1 /etc/hosts rw - tmpfs none rw\n\
                    140 122 8:1 /a\\040b /data ro master:7 - ext4 /dev/sda1 rw\n";
        let all = mounted(text);
        let find = |target: &str| all.iter().find(|one| one.target == target).unwrap();
        assert_eq!(purpose(find("/")), ("root", "overlay".to_owned()));
        assert!(find("/sys").is_read_only && !find("/").is_read_only);
        assert_eq!(purpose(find("/proc/keys")).0, "mask");
        assert_eq!(purpose(find("/etc/hosts")).0, "names");
        assert_eq!((find("/data").propagation, find("/data").part.as_str()), ("slave", "/a b"));
    }

    #[test]
    fn history_is_told_as_a_dockerfile_has_it() {
        let step = |text: &str| instruction(&History { created_by: Some(text.to_owned()), ..History::default() });
        for (text, expected) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", Some("CMD [\"sh\"]")),
            ("/bin/sh -c apk add nginx", Some("RUN apk add nginx")),
            ("COPY site /srv # buildkit", Some("COPY site /srv")),
            ("RUN /bin/sh -c make\n  all # buildkit", Some("RUN /bin/sh -c make all")),
            ("  ", None),
        ] {
            assert_eq!(step(text).as_deref(), expected);
        }
    }
}
