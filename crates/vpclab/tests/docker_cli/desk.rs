//! A lab of one instance with an image called `busybox` and a door for Docker's clients, in a home of its own.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a test may unwrap")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use container::tar::{Entry, Kind, Writer};

const LAB: &str = "\
name: desk
vpcs: { main: { cidr: 10.0.0.0/16, subnets: { a: { cidr: 10.0.1.0/24 } } } }
instances: { web-1: { subnet: a } }
";

/// Programs of this machine that stand in for busybox's.
const PROGRAMS: &str = "sh echo pwd printf cat ls sleep true false id hostname touch env grep cut wc mkdir rm date head tail test";

pub struct Desk {
    folder: tempfile::TempDir,
    /// Whether the image is a real busybox.
    pub is_busybox: bool,
}

impl Desk {
    pub fn new() -> Desk {
        let real = std::env::var_os("VPCLAB_CLIENT_IMAGES").map(|folder| PathBuf::from(folder).join("busybox.tar"));
        let desk = Desk { folder: tempfile::tempdir().unwrap(), is_busybox: real.is_some() };
        std::fs::write(desk.path("lab.yaml"), LAB).unwrap();
        match real {
            Some(archive) => desk.yes(&["images", "load", archive.to_str().unwrap()]),
            None => {
                std::fs::write(desk.path("root.tar"), programs()).unwrap();
                desk.yes(&["images", "import", "root.tar", "busybox", "--cmd", "sh", "-e", "PATH=/bin"])
            }
        };
        desk.yes(&["up"]);
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.env("VPCLAB_HOME", self.path("home")).env("HOME", self.folder.path());
        command.env("VPCLAB_FILE", self.path("lab.yaml")).env_remove("VPCLAB_LAB");
        command
    }

    /// What it prints; it must end well.
    pub fn yes(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(status.success(), "{arguments:?}: {}{}", text(&stdout), text(&stderr));
        text(&stdout)
    }

    /// `DOCKER_HOST` of its instance.
    pub fn host(&self) -> String {
        let said: serde_json::Value = serde_json::from_str(&self.yes(&["serve", "web-1", "-o", "json"])).unwrap();
        said["DOCKER_HOST"].as_str().unwrap().to_owned()
    }

    /// The socket in it.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.host().strip_prefix("unix://").unwrap())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--all", "--volumes", "--yes"]).output();
        let _ = self.command(&["daemon", "stop"]).output();
    }
}

/// A program of this machine; none where it is not in `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The programs with their libraries, as a tar.
fn programs() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let mut add = |path: &str, kind: Kind, mode: u32, bytes: &[u8]| {
        let entry = Entry {
            path: path.trim_start_matches('/').into(),
            kind,
            link: Vec::new(),
            mode,
            uid: 0,
            gid: 0,
            mtime: (1_700_000_000, 0),
            size: bytes.len() as u64,
            device: (0, 0),
            xattrs: Vec::new(),
            parts: None,
        };
        writer.append(&entry, bytes).unwrap();
    };
    let mut files: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    for name in PROGRAMS.split(' ') {
        let program = find(name).unwrap_or_else(|| panic!("{name} is in no folder of PATH"));
        let linked = Command::new("ldd").arg(&program).output().unwrap().stdout;
        let text = String::from_utf8_lossy(&linked).into_owned();
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(libraries.map(|library| (library.to_owned(), PathBuf::from(library))));
        files.insert((format!("/bin/{name}"), program));
    }
    for (path, from) in files {
        add(&path, Kind::File, 0o755, &std::fs::read(from).unwrap());
    }
    add("etc/passwd", Kind::File, 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    add("etc/group", Kind::File, 0o644, b"root:x:0:\n");
    add("tmp", Kind::Directory, 0o1777, b"");
    writer.finish().unwrap()
}

/// Files of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}
