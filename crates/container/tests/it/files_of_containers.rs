//! Files into containers and out of them: what Docker's `cp` and `export` do, and that nothing leads out of a container,
//! whatever an archive says and a program inside does meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use container::engine::archive::Put;
use container::engine::{Engine, Error, Id, Options, Removal, words};
use container::import::{Settings, root_file_system};
use container::network::NetworkMode;
use container::tar::{Entry, Kind, Reader, Writer};
use container::{Limits, Store};
use sandbox::container::spec::Attach;

use crate::sandbox_common::{self, Lab};

struct Desk {
    engine: Engine,
    lab: Lab,
}

fn entry(path: &str, kind: Kind, link: &str, mode: u32) -> Entry {
    Entry {
        link: link.into(),
        mode,
        mtime: (1_700_000_000, 0),
        device: if matches!(kind, Kind::CharacterDevice | Kind::BlockDevice) { (1, 3) } else { (0, 0) },
        ..Entry::new(path.trim_start_matches('/'), kind)
    }
}

fn add(writer: &mut Writer<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let entry = Entry { size: content.len() as u64, ..entry(path, Kind::File, "", mode) };
    writer.append(&entry, content).unwrap();
}

/// A tar of entries: path, kind, link or content.
fn tar(entries: &[(&str, Kind, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, kind, text) in entries {
        match kind {
            Kind::File => {
                let whole = Entry { path: (*path).into(), size: text.len() as u64, ..entry("", Kind::File, "", 0o644) };
                writer.append(&whole, text.as_bytes()).unwrap();
            }
            kind => {
                let whole = Entry { path: (*path).into(), ..entry("", *kind, text, 0o755) };
                writer.append(&whole, std::io::empty()).unwrap();
            }
        }
    }
    writer.finish().unwrap()
}

/// Programs of this machine with their libraries.
fn image() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let find = |name: &str| ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name)).into_iter().find(|path| path.exists()).unwrap();
    let mut files: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    for name in ["sh", "cat", "sleep", "mv", "ln", "rm", "mkdir"] {
        let path = find(name);
        let output = Command::new("ldd").arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        files.extend(text.split_whitespace().filter(|word| word.starts_with('/')).map(|library| (library.to_owned(), PathBuf::from(library))));
        files.insert((format!("/bin/{name}"), path));
    }
    for (path, from) in files {
        add(&mut writer, &path, 0o755, &std::fs::read(from).unwrap());
    }
    add(&mut writer, "etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/:/bin/sh\n");
    add(&mut writer, "srv/www/index", 0o644, b"hello\n");
    add(&mut writer, "srv/www/gone", 0o644, b"gone\n");
    writer.append(&entry("srv/link", Kind::Symlink, "/srv/www", 0o777), std::io::empty()).unwrap();
    writer.append(&entry("tmp/", Kind::Directory, "", 0o1777), std::io::empty()).unwrap();
    writer.finish().unwrap()
}

impl Desk {
    fn new() -> Desk {
        let lab = Lab::with_instance("i-1");
        let root = lab.directory.path();
        let store = Store::open(&root.join("images")).unwrap();
        let settings = Settings { name: Some("app".parse().unwrap()), ..Settings::default() };
        root_file_system(&store, &image()[..], "image", &settings).unwrap();
        let client = lab.handle.client().unwrap();
        let folder = root.join("lab");
        std::fs::create_dir(&folder).unwrap();
        Desk { engine: Engine::new(&folder, store, client, BTreeMap::new()), lab }
    }

    fn create(&self, line: &str, change: impl FnOnce(&mut Options)) -> Id {
        let mut options = Options {
            image: "app".into(),
            command: vec!["sh".into(), "-c".into(), line.into()],
            network: NetworkMode::None,
            ..Options::default()
        };
        change(&mut options);
        self.engine.create("i-1", options, None).unwrap().id
    }

    fn start(&self, id: &Id) {
        self.engine.start(id, Attach::default()).unwrap();
    }

    fn put(&self, id: &Id, path: &str, archive: &[u8]) -> Result<Vec<String>, Error> {
        self.engine.copy_in(id, path, archive, Put { keep_kinds: true, as_user: false })
    }

    /// Entries and their contents.
    fn get(&self, id: &Id, path: &str) -> Result<Vec<(String, String)>, Error> {
        let (mut reader, writer) = std::io::pipe().unwrap();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                bytes
            });
            let got = self.engine.copy_out(id, path, writer);
            let bytes = reading.join().unwrap();
            got.map(|()| list(&bytes))
        })
    }
}

fn list(bytes: &[u8]) -> Vec<(String, String)> {
    let mut reader = Reader::new(bytes, "test", Limits::default());
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = String::from_utf8_lossy(&entry.link).into_owned();
        reader.by_ref().take(1 << 20).read_to_string(&mut content).unwrap_or(0);
        all.push((entry.name(), content));
    }
    all
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn files_go_in_and_come_out_whether_it_runs_or_not() {
    let desk = Desk::new();
    let id = desk.create("sleep 600", |options| {
        options.mounts = vec![words::volume("data:/data", Path::new("/"), None).unwrap(), words::tmpfs("/mem").unwrap()];
    });
    for runs in [false, true, false] {
        if runs {
            desk.start(&id);
        }
        let folder = tar(&[("d/", Kind::Directory, ""), ("d/a", Kind::File, "one"), ("d/l", Kind::Symlink, "a")]);
        assert_eq!(desk.put(&id, "/tmp", &folder).unwrap(), Vec::<String>::new());
        assert_eq!(desk.get(&id, "/tmp/d").unwrap(), pairs(&[("d/", ""), ("d/a", "one"), ("d/l", "a")]), "runs: {runs}");
        // What the image has, through a link and under its name.
        assert_eq!(desk.get(&id, "/srv/www/index").unwrap(), pairs(&[("index", "hello\n")]));
        assert_eq!(desk.get(&id, "/srv/link/").unwrap()[1].0, "link/gone");
        // A volume is written where it is.
        desk.put(&id, "/data", &tar(&[("kept", Kind::File, "volume")])).unwrap();
        assert_eq!(desk.get(&id, "/data/kept").unwrap(), pairs(&[("kept", "volume")]));
        let stat = desk.engine.path_stat(&id, "/srv/link").unwrap();
        assert_eq!((stat.name.as_str(), stat.link_target.as_str()), ("link", "/srv/www"));
        assert!(matches!(desk.engine.path_stat(&id, "/nothing"), Err(Error::NoPath { .. })));
        if runs {
            // Its own programs see it, and what is mounted in it is seen from outside.
            assert!(desk.get(&id, "/proc/1/comm").is_ok());
            desk.put(&id, "/mem", &tar(&[("x", Kind::File, "memory")])).unwrap();
            assert_eq!(desk.get(&id, "/mem/x").unwrap(), pairs(&[("x", "memory")]));
            desk.engine.stop(&id, Some(9), Some(Duration::ZERO)).unwrap();
        }
    }
    desk.engine.remove(&id, Removal { force: true, volumes: true }).unwrap();
}

#[test]
fn kinds_are_kept_and_places_are_checked_as_docker_does() {
    let desk = Desk::new();
    let id = desk.create("true", |options| {
        options.mounts = vec![words::volume("ro:/ro:ro", Path::new("/"), None).unwrap(), words::volume("rw:/rw", Path::new("/"), None).unwrap()];
        options.read_only = true;
    });
    let file = tar(&[("x", Kind::File, "x")]);
    for (path, words) in [
        ("/tmp", "container rootfs is marked read-only"),
        ("/ro", "mounted volume is marked read-only"),
        ("/etc/passwd", "extraction point is not a directory"),
    ] {
        let error = desk.put(&id, path, &file).unwrap_err().to_string();
        assert!(error.contains(words), "{path}: {error}");
    }
    assert!(matches!(desk.put(&id, "/none", &file), Err(Error::NoPath { .. })));
    desk.put(&id, "/rw", &tar(&[("x", Kind::File, "x"), ("d/", Kind::Directory, "")])).unwrap();
    let error = desk.put(&id, "/rw", &tar(&[("d", Kind::File, "x")])).unwrap_err().to_string();
    assert!(error.starts_with("cannot overwrite directory \"/rw/d\" with non-directory"), "{error}");
    let error = desk.put(&id, "/rw", &tar(&[("x/", Kind::Directory, "")])).unwrap_err().to_string();
    assert!(error.starts_with("cannot overwrite non-directory"), "{error}");
    let any = Put { keep_kinds: false, as_user: false };
    desk.engine.copy_in(&id, "/rw", &tar(&[("d", Kind::File, "now a file")])[..], any).unwrap();
    assert_eq!(desk.get(&id, "/rw/d").unwrap(), pairs(&[("d", "now a file")]));
}

#[test]
fn nothing_in_an_archive_leads_out() {
    let desk = Desk::new();
    let outside = desk.lab.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let there = outside.to_str().unwrap();
    let up = format!("../../../../../../../../../..{there}");
    for runs in [false, true] {
        let id = desk.create("sleep 600", |_| ());
        if runs {
            desk.start(&id);
        }
        // Links that were there before, and links that the archive brings itself.
        for link in [there, up.as_str()] {
            let links = tar(&[("out", Kind::Symlink, link), ("out/planted", Kind::File, "planted")]);
            let _ = desk.put(&id, "/tmp", &links);
            let _ = desk.put(&id, "/tmp/out", &tar(&[("planted", Kind::File, "planted")]));
            assert!(!matches!(desk.get(&id, "/tmp/out/secret"), Ok(all) if all.iter().any(|(_, text)| text == "secret")));
            let hard = tar(&[("hard", Kind::HardLink, "out/secret"), ("hard2", Kind::HardLink, &format!("{link}/secret"))]);
            assert!(matches!(desk.put(&id, "/tmp", &hard), Err(Error::Refused(_))), "{link}");
        }
        for path in ["../up", "a/../../up", "/../up", ".."] {
            let archive = tar(&[(path, Kind::File, "planted")]);
            assert!(matches!(desk.put(&id, "/tmp", &archive), Err(Error::Refused(_))), "{path}");
        }
        // An absolute name is one of the folder, as everywhere.
        desk.put(&id, "/tmp", &tar(&[("/abs", Kind::File, "inside")])).unwrap();
        assert_eq!(desk.get(&id, "/tmp/abs").unwrap(), pairs(&[("abs", "inside")]));
        let notes = desk.put(&id, "/tmp", &tar(&[("null", Kind::CharacterDevice, ""), ("disk", Kind::BlockDevice, "")])).unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(matches!(desk.get(&id, "/tmp/null"), Err(Error::NoPath { .. })));
        let left: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["secret"], "runs: {runs}");
        desk.engine.remove(&id, Removal { force: true, volumes: true }).unwrap();
    }
}

#[test]
fn a_program_that_swaps_a_folder_for_a_link_gains_nothing() {
    let desk = Desk::new();
    let outside = desk.lab.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::set_permissions(&outside, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    std::fs::set_permissions(desk.lab.directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!(
        "cd /tmp; mkdir dir; ln -s ../../../../../../../..{} link; while :; do mv dir away; mv link dir; mv dir link; mv away dir; done",
        outside.display()
    );
    let id = desk.create(&line, |_| ());
    desk.start(&id);
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(6) && done < 100 {
        let _ = desk.put(&id, "/tmp/dir", &tar(&[("planted", Kind::File, "planted"), ("in/deep", Kind::File, "planted")]));
        let _ = desk.put(&id, "/tmp", &tar(&[("dir/also", Kind::File, "planted")]));
        for path in ["/tmp/dir/secret", "/tmp/dir/.", "/tmp/dir/"] {
            if let Ok(all) = desk.get(&id, path) {
                assert!(!all.iter().any(|(_, text)| text == "secret"), "{path}: {all:?}");
            }
        }
        done += 1;
    }
    assert!(done > 1, "only {done} rounds");
    let left: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"]);
}

#[test]
fn all_files_of_a_container_are_exported_without_those_of_its_volumes() {
    let desk = Desk::new();
    let id = desk.create("rm /srv/www/gone; mkdir /srv/new; sleep 600", |options| {
        options.mounts = vec![words::volume("data:/data", Path::new("/"), None).unwrap()];
    });
    desk.start(&id);
    desk.put(&id, "/data", &tar(&[("kept", Kind::File, "volume")])).unwrap();
    sandbox_common::eventually("it has made its folder", || desk.engine.path_stat(&id, "/srv/new").is_ok());
    let export = || {
        let path = desk.lab.directory.path().join("all.tar");
        desk.engine.export(&id, std::fs::File::create(&path).unwrap()).unwrap();
        let names: BTreeSet<String> = list(&std::fs::read(&path).unwrap()).into_iter().map(|(name, _)| name).collect();
        names
    };
    let running = export();
    desk.engine.stop(&id, Some(9), Some(Duration::ZERO)).unwrap();
    let resting = export();
    for names in [&running, &resting] {
        for there in ["bin/sh", "srv/www/index", "srv/new/", "data/", "proc/", "etc/hosts"] {
            assert!(names.contains(there), "{there}: {names:?}");
        }
        for gone in ["srv/www/gone", "data/kept", "proc/1/", "dev/null"] {
            assert!(!names.contains(gone), "{gone}");
        }
    }
    assert_eq!(running, resting);
}

#[test]
fn owners_are_those_of_the_archive_or_the_containers_user() {
    let desk = Desk::new();
    let id = desk.create("sleep 600", |options| options.user = Some("web".into()));
    let mut writer = Writer::new(Vec::new());
    for (name, uid, gid) in [("a", 5, 6), ("b", 0, 0)] {
        writer.append(&Entry { uid, gid, ..entry(name, Kind::File, "", 0o4755) }, std::io::empty()).unwrap();
    }
    let archive = writer.finish().unwrap();
    let owners = |path: &str| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        desk.engine.copy_out(&id, path, writer).unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let entry = Reader::new(&bytes[..], "test", Limits::default()).next_entry().unwrap().unwrap();
        (entry.uid, entry.gid, entry.mode)
    };
    // An ordinary user without subordinate ids has only root inside.
    let only_root = desk.engine.client.stats().unwrap().instance_ids == 1;
    let expected = |uid, gid| if only_root { (0, 0, 0o4755) } else { (uid, gid, 0o4755) };
    desk.engine.copy_in(&id, "/tmp", &archive[..], Put::default()).unwrap();
    assert_eq!((owners("/tmp/a"), owners("/tmp/b")), (expected(5, 6), expected(0, 0)));
    desk.engine.copy_in(&id, "/tmp", &archive[..], Put { as_user: true, ..Put::default() }).unwrap();
    assert_eq!((owners("/tmp/a"), owners("/tmp/b")), (expected(33, 33), expected(33, 33)));
}
