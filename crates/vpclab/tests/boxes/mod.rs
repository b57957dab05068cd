//! A desk for tests of containers: a home of its own, an image of this machine's own programs, a lab that goes with it.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "what cannot be set up is a failed test")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use container::tar::{Entry, Kind, Writer};

const LAB: &str = "\
name: boxes
vpcs:
  main:
    cidr: 10.0.0.0/16
    subnets:
      a: { cidr: 10.0.1.0/24 }
security_groups:
  web:
    - tcp/8080 from 10.0.1.0/24
instances:
  web-1: { subnet: a, sg: [web]CONTAINERS }
  db-1: { subnet: a }
";

/// A home of this test's own, with a lab that goes with it.
pub struct Desk(tempfile::TempDir);

/// How a command ended.
pub struct Done {
    /// Exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Desk {
    /// With a lab of two instances, web-1 with these containers.
    pub fn new(containers: &str) -> Desk {
        Desk::with(&LAB.replace("CONTAINERS", containers))
    }

    /// With this lab file.
    pub fn with(lab: &str) -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        std::fs::write(desk.path("lab.yaml"), lab).unwrap();
        std::fs::write(desk.path("root.tar"), image()).unwrap();
        assert_eq!(desk.run(&["images", "import", "root.tar", "app", "--cmd", "echo hello"]).code, 0);
        desk
    }

    /// Another lab file with these containers of web-1.
    pub fn write(&self, containers: &str) {
        std::fs::write(self.path("lab.yaml"), LAB.replace("CONTAINERS", containers)).unwrap();
    }

    /// A file of the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with these arguments, at this desk.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("VPCLAB_HOME", self.path("home")).env("HOME", self.0.path()).env("NO_COLOR", "1");
        command.env("VPCLAB_FILE", self.path("lab.yaml")).env_remove("VPCLAB_LAB");
        command
    }

    /// Runs it.
    pub fn run(&self, arguments: &[&str]) -> Done {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Done { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Runs it behind a line of the shell, which sets what it may use.
    pub fn behind(&self, line: &str, arguments: &[&str]) -> Done {
        let vpclab = self.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_vpclab")]).args(arguments);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for (name, value) in vpclab.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // One that a signal ended has no code: a shell says 128 and its number.
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Done { code: code.unwrap(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// What it prints; it must end well.
    pub fn yes(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
        done.stdout
    }

    /// Waits for a line of `containers ls -a` to say so.
    pub fn until(&self, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.yes(&["containers", "ls", "-a"]);
            if shown.contains(what) {
                return;
            }
            assert!(Instant::now() < deadline, "never {what}: {shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.run(&["down", "--all", "--volumes", "--yes"]);
        let _ = self.run(&["daemon", "stop"]);
    }
}

/// A few programs of this machine with their libraries, as a tar.
fn image() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let entry = |path: &str, kind, mode, size| Entry {
        path: path.trim_start_matches('/').into(),
        kind,
        link: Vec::new(),
        mode,
        uid: 0,
        gid: 0,
        mtime: (1_700_000_000, 0),
        size,
        device: (0, 0),
        xattrs: Vec::new(),
        parts: None,
    };
    let find = |name: &str| ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(name)).into_iter().find(|path| path.exists()).unwrap();
    let mut files: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    let programs: Vec<(String, PathBuf)> = ["sh", "cat", "sleep", "id", "hostname", "touch"].map(|name| (format!("/bin/{name}"), find(name))).into();
    // The program under test is mounted inside; its libraries are the image's.
    let linked = programs.iter().map(|(_, path)| path.clone()).chain([PathBuf::from(env!("CARGO_BIN_EXE_vpclab"))]);
    for path in linked {
        let output = Command::new("ldd").arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(libraries.map(|library| (library.to_owned(), PathBuf::from(library))));
    }
    files.extend(programs);
    for (path, from) in files {
        let bytes = std::fs::read(from).unwrap();
        writer.append(&entry(&path, Kind::File, 0o755, bytes.len() as u64), &bytes[..]).unwrap();
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\n";
    writer.append(&entry("etc/passwd", Kind::File, 0o644, passwd.len() as u64), &passwd[..]).unwrap();
    writer.append(&entry("data/seed", Kind::File, 0o644, 5), &b"seed\n"[..]).unwrap();
    writer.finish().unwrap()
}

