//! Writers that are killed and disks that are full leave nothing half-made.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use container::Store;
use container::load::{Options, archive};

use crate::common::*;

/// Not a test: what a child of the tests below does. It reads an archive from stdin into the store that it is told.
#[test]
fn child() {
    let Some(root) = std::env::var_os("CONTAINER_TEST_STORE") else {
        return;
    };
    let store = Store::open(Path::new(&root)).unwrap();
    match archive(
        &store,
        std::io::stdin().lock(),
        "stdin",
        &Options::default(),
    ) {
        Ok(_) => std::process::exit(10),
        Err(error) if error.is_full() => std::process::exit(11),
        Err(error) => panic!("{error}"),
    }
}

fn child_command(root: &Path) -> String {
    let exe = std::env::current_exe().unwrap();
    format!(
        "CONTAINER_TEST_STORE={} exec {} --exact faults::child --nocapture",
        root.display(),
        exe.display()
    )
}

fn large() -> Vec<u8> {
    // Not to be packed, so that it takes its room everywhere.
    let noise: Vec<u8> = (0..3_000_000u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    docker_save(
        "large",
        &[files(&[("small", b"s")]), files(&[("noise", &noise)])],
    )
}

#[test]
fn a_killed_writer_leaves_nothing_that_shows() {
    let (_folder, store) = store();
    let bytes = large();
    for part in 1..8 {
        let mut child = Command::new("sh")
            .args(["-c", &child_command(store.root())])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // The last round has all of the archive, so it is killed while it unpacks, or when it has ended.
        stdin.write_all(&bytes[..bytes.len() * part / 7]).unwrap();
        if part == 7 {
            drop(stdin);
            std::thread::sleep(std::time::Duration::from_millis(40));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(store.root()).unwrap();
        for image in store.images().unwrap() {
            store.stack(&image).unwrap();
        }
        for (digest, _) in store.blobs().all().unwrap() {
            store.blobs().read(&digest, u64::MAX - 1).unwrap();
        }
        assert_eq!(
            std::fs::read_dir(store.root().join("work"))
                .unwrap()
                .count(),
            0,
            "swept by the next one"
        );
    }
    // Whatever was there, the next one succeeds, and what nothing needs can go.
    archive(&store, &bytes[..], "it", &Options::default()).unwrap();
    store.prune(true, &Default::default()).unwrap();
    assert_eq!(store.blobs().all().unwrap(), []);
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, bytes) = (folder.path().join("disk"), folder.path().join("archive"));
    std::fs::create_dir(&disk).unwrap();
    std::fs::write(&bytes, large()).unwrap();
    let root = disk.join("images");
    // The blobs fit and the unpacked layers do not; not even the archive fits; all fits.
    for (size, ends) in [("5m", 11), ("2m", 11), ("20m", 10)] {
        let script = format!(
            "mount -t tmpfs -o size={size} none {disk} && ({child} <{bytes} >/dev/null); code=$?; find {root}/blobs {root}/layers {root}/work {root}/index.json -type f; exit $code",
            disk = disk.display(),
            bytes = bytes.display(),
            root = root.display(),
            child = child_command(&root),
        );
        let output = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(ends), "{size}: {said}");
        let left = String::from_utf8(output.stdout).unwrap();
        let shows = left
            .lines()
            .filter(|path| {
                Path::new(path).starts_with(root.join("work"))
                    || path.ends_with("index.json")
                    || path.ends_with("layer.json")
            })
            .count();
        // Blobs that were whole stay until they are pruned; nothing else is there.
        assert_eq!(shows, if ends == 10 { 3 } else { 0 }, "{size}: {left}");
    }
}
