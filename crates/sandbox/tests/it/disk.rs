//! What an instance writes to its disk, and who can be hurt by it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::client::Disks;
use sandbox::{InstanceSpec, SelfCommand, launch, remove_tree};

use crate::common::{self, Lab, PATIENCE, eventually, output, wait_ended};

fn disks(lab: &Lab) -> PathBuf {
    lab.directory.path().join("disks")
}

fn instance(key: &str, disk: &Path) -> InstanceSpec {
    let mut spec = InstanceSpec::new(key, key);
    spec.root.disk = Some(disk.to_owned());
    spec.root.files = [("/etc/motd", "welcome\n"), ("/srv/once", "first\n")]
        .map(|(a, b)| (a.into(), b.into()))
        .into();
    spec
}

fn begin(lab: &Lab, key: &str) {
    lab.client
        .start_instance(instance(key, &disks(lab).join(key)))
        .unwrap();
}

fn restart(lab: &Lab, key: &str) {
    lab.client.stop_instances(&[key], Duration::ZERO).unwrap();
    begin(lab, key);
}

fn finish(lab: Lab) {
    // Its end may cut the answer short.
    let _ = lab.handle.client().unwrap().shutdown();
    remove_tree(lab.directory.path(), &SelfCommand::current().unwrap()).unwrap();
    assert!(!lab.directory.path().exists());
}

const WRITE: &str = "mkdir -p /data/deep /var/lib/x /etc/new.d && echo 1 > /data/deep/file && echo 2 > /root/file \
    && echo 3 > /etc/new.d/conf && echo 4 >> /etc/motd && echo 5 > /usr/local/bin/own && chmod 755 /usr/local/bin/own \
    && rm /etc/passwd && echo 6 > /tmp/file && echo 7 > /run/file && echo 8 > /var/tmp/file && rm /srv/once";
const READ: &str = "cat /data/deep/file /root/file /etc/new.d/conf /etc/motd /usr/local/bin/own /var/tmp/file; \
    test ! -e /etc/passwd && test -z \"$(ls /tmp)\" && test ! -e /run/file && test ! -e /srv/once \
    && test -x /usr/local/bin/own && test -d /var/lib/x && stat -c %a /tmp /run /root /";
const KEPT: &str = "1\n2\n3\nwelcome\n4\n5\n8\n1777\n755\n700\n755\n";

#[test]
fn a_stopped_instance_finds_its_files_again_and_tmp_and_run_empty() {
    let lab = Lab::launch();
    begin(&lab, "one");
    begin(&lab, "two");
    assert!(
        !disks(&lab).exists(),
        "an instance in which nothing runs touches no disk"
    );
    output(&lab, "one", WRITE);
    restart(&lab, "one");
    restart(&lab, "two");
    assert_eq!(output(&lab, "one", READ), KEPT);
    assert_eq!(lab.client.stats().unwrap().disks, Some(Disks::OnDisk));
    // The other has its own.
    assert_eq!(
        output(
            &lab,
            "two",
            "cat /etc/motd /srv/once; ls /data 2>&1 | grep -c cannot"
        ),
        "welcome\nfirst\n1\n"
    );
    // What the host's owner hides stays hidden, whatever the instance made of it.
    let hidden = "mkdir /etc/shadow 2>/dev/null; cat /etc/shadow 2>/dev/null; ls -A /etc/shadow";
    assert_eq!(output(&lab, "two", hidden), "");
    restart(&lab, "two");
    assert_eq!(
        output(
            &lab,
            "two",
            "rmdir /etc/shadow && test ! -e /etc/shadow && echo gone"
        ),
        "gone\n"
    );
    finish(lab);
}

#[test]
fn a_disk_outlives_its_holder_whatever_ended_it() {
    let mut lab = Lab::launch();
    begin(&lab, "one");
    output(&lab, "one", WRITE);
    // kill -9
    rustix::process::pidfd_send_signal(&lab.handle.pidfd, rustix::process::Signal::KILL).unwrap();
    assert!(wait_ended(&lab.handle, PATIENCE));
    lab.handle = launch(&common::spec(lab.directory.path())).unwrap();
    lab.client = lab.handle.client().unwrap();
    begin(&lab, "one");
    assert_eq!(output(&lab, "one", READ), KEPT);
    finish(lab);
}

#[test]
fn disks_that_nobody_needs_go_and_the_others_stay() {
    let lab = Lab::launch();
    for key in ["one", "two"] {
        begin(&lab, key);
        output(
            &lab,
            key,
            "mkdir -p /data/closed && echo x > /data/closed/file && chmod 000 /data/closed",
        );
    }
    lab.client.stop_instances(&["one"], Duration::ZERO).unwrap();
    lab.client
        .retain_disks(&disks(&lab), BTreeSet::from(["two".to_owned()]))
        .unwrap();
    eventually("the disk is gone", || {
        let left: Vec<_> = std::fs::read_dir(disks(&lab))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left == ["two"]
    });
    assert_eq!(output(&lab, "two", "cat /data/closed/file"), "x\n");
    // One of the same name is a new one.
    begin(&lab, "one");
    assert_eq!(
        output(
            &lab,
            "one",
            "ls -d /data 2>&1 | grep -c cannot; cat /etc/motd"
        ),
        "1\nwelcome\n"
    );
    // None yet in a folder that is not there.
    lab.client
        .retain_disks(&disks(&lab).join("none"), BTreeSet::new())
        .unwrap();
    finish(lab);
}

#[test]
fn where_no_disk_can_lie_files_are_kept_in_memory_and_that_is_said() {
    let lab = Lab::launch();
    let begin = || {
        lab.client
            .start_instance(instance("one", Path::new("/proc/nowhere/one")))
            .unwrap()
    };
    begin();
    output(&lab, "one", WRITE);
    lab.client.stop_instances(&["one"], Duration::ZERO).unwrap();
    begin();
    assert_eq!(output(&lab, "one", READ), KEPT);
    let Some(Disks::InMemory { why }) = lab.client.stats().unwrap().disks else {
        panic!("not in memory")
    };
    assert!(why.starts_with("making it: "), "{why}");
    assert!(lab.log().contains("kept in memory"), "{}", lab.log());
    lab.client.stop_instances(&["one"], Duration::ZERO).unwrap();
    lab.client
        .retain_disks(Path::new("/proc/nowhere"), BTreeSet::new())
        .unwrap();
    begin();
    assert_eq!(output(&lab, "one", "cat /etc/motd"), "welcome\n");
    finish(lab);
}

#[test]
fn links_that_an_instance_leaves_lead_the_next_start_nowhere() {
    let lab = Lab::launch();
    let outside = lab.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("file"), "untouched").unwrap();
    let before = std::fs::metadata(&outside).unwrap();
    begin(&lab, "one");
    // Every descriptor that a start could have open, and up from there to the host's root.
    let away = outside.display().to_string();
    let line = format!(
        "cd /; for name in opt srv mnt home; do umount -l /$name 2>/dev/null; rmdir $name 2>/dev/null \
         && ln -s /proc/self/fd/7/../..{away} $name; done; \
         umount -l /tmp /run /sys; for name in tmp run sys; do rmdir /$name && ln -s {away} /$name; done; \
         rm -r /etc/ssh; ln -s {away} /etc/ssh; rm /etc/motd; ln -s {away}/file /etc/motd; ls -ld /tmp /opt"
    );
    let listed = output(&lab, "one", &line);
    assert_eq!(listed.matches(" -> ").count(), 2, "{listed}");
    restart(&lab, "one");
    assert_eq!(
        output(
            &lab,
            "one",
            "test -d /tmp && for name in tmp run sys opt; do test ! -L /$name || exit 1; done; echo x > /run/x && ls /sys/class/net"
        ),
        "lo\n"
    );
    assert_eq!(
        output(&lab, "one", "readlink /etc/motd /mnt | wc -l"),
        "2\n"
    );
    let after = std::fs::metadata(&outside).unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_to_string(outside.join("file")).unwrap(),
        "untouched"
    );
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        (before.mode(), before.uid(), before.mtime_nsec()),
        (after.mode(), after.uid(), after.mtime_nsec())
    );
    // Binds go no way that was turned.
    lab.client.stop_instances(&["one"], Duration::ZERO).unwrap();
    let mut spec = instance("one", &disks(&lab).join("one"));
    spec.root.binds.push(sandbox::Bind {
        source: outside.clone(),
        target: "/mnt/inside".into(),
        read_only: false,
    });
    lab.client.start_instance(spec).unwrap();
    let refused = lab
        .client
        .exec(
            "one",
            sandbox::ExecSpec::new(["true"]),
            sandbox::Stdio::Null,
        )
        .unwrap_err()
        .to_string();
    assert!(refused.contains("/mnt is a link on the disk"), "{refused}");
    finish(lab);
}

#[test]
fn nothing_that_an_instance_leaves_gives_rights() {
    let lab = Lab::launch();
    begin(&lab, "one");
    output(
        &lab,
        "one",
        "cp /bin/sh /data-sh && chmod 6755 /data-sh; mknod /data-disk b 8 0; mknod /data-zero c 1 5; true",
    );
    let root = disks(&lab).join("one/root");
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let folder = std::fs::metadata(disks(&lab)).unwrap();
    assert_eq!(
        (folder.mode() & 0o777, folder.uid()),
        (0o700, rustix::process::getuid().as_raw())
    );
    // Read as root of the lab would: an ordinary user may not look in.
    if let Ok(entries) = std::fs::read_dir(&root) {
        for entry in entries.map(|entry| entry.unwrap()) {
            let kind = entry.file_type().unwrap();
            assert!(
                !kind.is_block_device() && !kind.is_char_device(),
                "{:?}",
                entry.path()
            );
        }
        // Root of the machine is nobody in there, where other ids can be had.
        let owner = std::fs::metadata(root.join("data-sh")).unwrap().uid();
        let ids = lab.client.stats().unwrap().instance_ids;
        assert!(
            ids == 1 || owner != rustix::process::getuid().as_raw(),
            "{owner}"
        );
    }
    assert_eq!(
        output(
            &lab,
            "one",
            "awk '$5 == \"/\"' /proc/self/mountinfo | grep -c nosuid,nodev"
        ),
        "1\n"
    );
    finish(lab);
}
