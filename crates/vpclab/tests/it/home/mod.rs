//! A home of a test's own: the program as a person runs it there, and an image of this machine's programs. What is up goes
//! with it.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use container::tar::{Entry, Kind, Writer};

pub struct Home {
    folder: tempfile::TempDir,
    has_lab: bool,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// Exit code.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Home {
    /// Without a lab file.
    pub fn new() -> Home {
        Home { folder: tempfile::tempdir().unwrap(), has_lab: false }
    }

    /// With this lab file, which every command means.
    pub fn with_lab(lab: &str) -> Home {
        let mut home = Home::new();
        home.has_lab = true;
        home.write("lab.yaml", lab);
        home
    }

    /// A file of the folder in which commands run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("VPCLAB_HOME", self.path("home")).env("HOME", self.folder.path()).env("NO_COLOR", "1");
        command.env_remove("VPCLAB_LAB").env_remove("VPCLAB_FILE").env_remove("SOURCE_DATE_EPOCH");
        if self.has_lab {
            command.env("VPCLAB_FILE", self.path("lab.yaml"));
        }
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
        command.current_dir(self.folder.path()).stdin(Stdio::null());
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
}

impl Drop for Home {
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

/// Programs of this machine with their libraries, and files of these permissions, as a tar; a path that ends with a slash is a
/// folder's. The program under test is mounted in containers: its libraries are the image's.
pub fn image(programs: &str, files: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut brought: BTreeSet<(String, PathBuf)> = BTreeSet::new();
    let mut linked = vec![PathBuf::from(env!("CARGO_BIN_EXE_vpclab"))];
    for name in programs.split(' ') {
        let program = find(name).unwrap_or_else(|| panic!("{name} is in no folder of PATH"));
        brought.insert((format!("/bin/{name}"), program.clone()));
        linked.push(program);
    }
    for program in linked {
        let told = Command::new("ldd").arg(program).output().unwrap().stdout;
        let text = String::from_utf8_lossy(&told).into_owned();
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        brought.extend(libraries.map(|library| (library.to_owned(), PathBuf::from(library))));
    }
    let mut writer = Writer::new(Vec::new());
    let mut add = |path: &str, mode, content: &[u8]| {
        let kind = if path.ends_with('/') { Kind::Directory } else { Kind::File };
        let entry = Entry { mode, mtime: (1_700_000_000, 0), size: content.len() as u64, ..Entry::new(path, kind) };
        writer.append(&entry, content).unwrap();
    };
    for (path, mode, content) in files {
        add(path, *mode, content.as_bytes());
    }
    for (path, from) in brought {
        add(path.trim_start_matches('/'), 0o755, &std::fs::read(from).unwrap());
    }
    writer.finish().unwrap()
}

/// Files of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}
