//! What a build context is, and that nothing from outside of it comes in.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use container::build::{Build, BuildOptions, Context};
use container::tar::{Entry, Kind};

use super::bench::{Bench, Nowhere, files, paths};
use crate::common::{entry, gzip, link, tar};

#[test]
fn nothing_from_outside_of_the_context_comes_in() {
    let bench = Bench::new(&[("in/f", "inside")]);
    fs::write(bench.folder.path().join("secret"), "outside").unwrap();
    symlink("../secret", bench.context().join("up")).unwrap();
    symlink(bench.folder.path().join("secret"), bench.context().join("absolute")).unwrap();
    symlink("..", bench.context().join("parent")).unwrap();
    symlink("/", bench.context().join("root")).unwrap();
    symlink("in/f", bench.context().join("fine")).unwrap();
    symlink("loop", bench.context().join("loop")).unwrap();
    for source in ["../secret", "/../secret", "up", "absolute", "parent/secret", "root/etc/passwd", "in/../../secret", "loop"] {
        let error = bench.error(&format!("FROM scratch\nCOPY {source} /x\n"));
        assert!(error.contains("Dockerfile:2:6") && !error.contains("outside"), "{source}: {error}");
    }
    // A link that is named is what it leads to; one in a folder stays a link, wherever it leads.
    let image = bench.dockerfile("FROM scratch\nCOPY fine /fine\nCOPY . /all/\n");
    let found = files(&bench.store, &image);
    assert_eq!(found["fine"], "inside");
    assert_eq!(found["all/up"], "-> ../secret");
    assert!(found.values().all(|content| content != "outside"), "{found:?}");
    // `parent` is the context itself, as the file system's root is its own parent.
    let image = bench.dockerfile("FROM scratch\nCOPY parent/in /x\n");
    assert_eq!(files(&bench.store, &image)["x/f"], "inside");
}

#[test]
fn an_archive_as_context_leads_nowhere_else_either() {
    let bench = Bench::new(&[]);
    let dockerfile = |text: &str| (entry("Dockerfile", Kind::File), text.as_bytes().to_vec());
    let context = |entries: &[(Entry, Vec<u8>)]| {
        let all: Vec<(Entry, &[u8])> = entries.iter().map(|(entry, data)| (entry.clone(), &data[..])).collect();
        Context::Archive(Box::new(std::io::Cursor::new(gzip(&tar(&all)))))
    };
    let copy = dockerfile("FROM scratch\nCOPY x /x\n");
    let fine = context(&[copy.clone(), (entry("x", Kind::File), b"x".to_vec()), (entry(".wh.name", Kind::File), Vec::new())]);
    let (image, _) = bench.build_of(fine, BuildOptions::default());
    assert_eq!(paths(&bench.store, &image.unwrap()), ["x"]);
    let device = Entry { device: (1, 3), ..entry("x", Kind::CharacterDevice) };
    for (what, entries) in [
        ("a path that leads out", vec![copy.clone(), (entry("../x", Kind::File), Vec::new())]),
        ("a link that leads out", vec![copy.clone(), (link("x", Kind::Symlink, "/etc/passwd"), Vec::new())]),
        ("a hard link that leads out", vec![copy.clone(), (link("x", Kind::HardLink, "/etc/passwd"), Vec::new())]),
        ("a hard link through ..", vec![copy.clone(), (link("x", Kind::HardLink, "../../etc/passwd"), Vec::new())]),
        (
            "a folder behind a link",
            vec![copy.clone(), (link("d", Kind::Symlink, "/tmp"), Vec::new()), (entry("d/x", Kind::File), Vec::new())],
        ),
        ("a device", vec![copy.clone(), (device, Vec::new())]),
        ("a Dockerfile that leads out", vec![(link("Dockerfile", Kind::Symlink, "/etc/hostname"), Vec::new())]),
        ("no Dockerfile", vec![(entry("x", Kind::File), Vec::new())]),
    ] {
        let (built, told) = bench.build_of(context(&entries), BuildOptions::default());
        assert!(built.is_err(), "{what}: {told}");
    }
}

/// Notes when whoever reads it has seen its end.
struct Sent {
    bytes: std::io::Cursor<Vec<u8>>,
    is_over: Arc<AtomicBool>,
}

impl Read for Sent {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Little at once, as a socket gives it.
        let most = buffer.len().min(700);
        let count = self.bytes.read(&mut buffer[..most])?;
        self.is_over.fetch_or(count == 0, Ordering::SeqCst);
        Ok(count)
    }
}

#[test]
fn all_that_is_sent_is_read_before_the_first_word() {
    let bench = Bench::new(&[]);
    let archive = tar(&[(entry("Dockerfile", Kind::File), b"FROM scratch\nLABEL a=b\n")]);
    for bytes in [archive.clone(), gzip(&archive), [&archive[..], &[0; 20_000]].concat()] {
        let is_over = Arc::new(AtomicBool::new(false));
        let sent = Sent { bytes: std::io::Cursor::new(bytes), is_over: is_over.clone() };
        let mut first = None;
        let build = Build { context: Context::Archive(Box::new(sent)), options: BuildOptions::default() };
        let mut hear = |_| {
            first.get_or_insert_with(|| is_over.load(Ordering::SeqCst));
        };
        build.run_in(&bench.store, &mut Nowhere, &mut hear).unwrap();
        assert_eq!(first, Some(true));
    }
}

#[test]
fn what_is_ignored_is_not_there() {
    let bench = Bench::new(&[
        ("a.log", "1"),
        ("keep.log", "2"),
        ("src/x", "3"),
        ("src/y.log", "4"),
        (".dockerignore", "**/*.log\n!keep.log\nDockerfile\n"),
    ]);
    let image = bench.dockerfile("FROM scratch\nCOPY . /\n");
    assert_eq!(paths(&bench.store, &image), [".dockerignore", "keep.log", "src/", "src/x"]);
    assert!(bench.error("FROM scratch\nCOPY a.log /\n").contains("left out by .dockerignore"));
    // The one that is named after the Dockerfile goes before.
    bench.write("Dockerfile.dockerignore", "src\n");
    let image = bench.dockerfile("FROM scratch\nCOPY *.log /l/\n");
    assert_eq!(paths(&bench.store, &image), ["l/", "l/a.log", "l/keep.log"]);
}

#[test]
fn a_dockerfile_alone_or_an_archive_comes_by_a_stream() {
    let bench = Bench::new(&[]);
    let (context, recipe) = Context::detect(&b"FROM scratch\nLABEL a=1\n"[..]).unwrap();
    assert!(matches!(context, Context::Empty));
    let (image, _) = bench.build_of(context, BuildOptions { recipe, ..BuildOptions::default() });
    assert_eq!(image.unwrap().config.config.unwrap().labels.unwrap()["a"], "1");
    let bytes = tar(&[(entry("other", Kind::File), b"FROM scratch\nCOPY other /\n")]);
    let (context, recipe) = Context::detect(std::io::Cursor::new(bytes)).unwrap();
    assert!(recipe.is_none());
    let (image, _) = bench.build_of(context, BuildOptions { dockerfile: Some("other".into()), ..BuildOptions::default() });
    assert_eq!(paths(&bench.store, &image.unwrap()), ["other"]);
}

#[test]
fn what_the_context_cannot_give_is_refused_and_not_waited_for() {
    let bench = Bench::new(&[]);
    rustix::fs::mknodat(rustix::fs::CWD, bench.context().join("pipe"), rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
    let image = bench.dockerfile("FROM scratch\nCOPY pipe /pipe\n");
    assert_eq!(files(&bench.store, &image)["pipe"], "Fifo");
    fs::write(bench.context().join(".wh.x"), "").unwrap();
    assert!(bench.error("FROM scratch\nCOPY . /\n").contains(".wh."));
    assert!(Path::new("/dev/null").exists());
}
