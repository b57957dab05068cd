//! Documents whose commands are run and whose shown output is compared, so that they cannot rot.
//!
//! A fenced block `console` holds lines that begin with `$ ` and what each prints, stdout and stderr as a terminal mixes
//! them. In a shown line `…` stands for any text; a line that is only `…` stands for any lines, or none. A fenced block
//! whose info string says `file=NAME` is written to that file first. Other blocks are read by people only.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No command of a document takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// What a document says in its blocks.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Content of a file.
    File { name: String, text: String },
    /// A command, what it prints, and the line of the document where it stands.
    Run { command: String, shown: Vec<String>, line: usize },
}

/// The steps of a document, in order.
pub fn steps(document: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        let words: Vec<&str> = info.split_whitespace().collect();
        if let Some(name) = words.iter().find_map(|word| word.strip_prefix("file=")) {
            let text: String = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            steps.push(Step::File { name: name.to_owned(), text });
        } else if words[0] == "console" {
            for (at, line) in block {
                match (line.strip_prefix("$ "), steps.last_mut()) {
                    (Some(command), _) => steps.push(Step::Run { command: command.to_owned(), shown: Vec::new(), line: at + 1 }),
                    (None, Some(Step::Run { shown, .. })) => shown.push(line.to_owned()),
                    (None, _) => panic!("line {}: a console block begins with a command", at + 1),
                }
            }
        }
    }
    steps
}

/// Whether lines are as shown.
pub fn matches(shown: &[&str], seen: &[&str]) -> bool {
    match shown.split_first() {
        None => seen.is_empty(),
        Some((&"…", rest)) => (0..=seen.len()).any(|skipped| matches(rest, &seen[skipped..])),
        Some((first, rest)) => seen.split_first().is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others)),
    }
}

/// Whether a line is as shown: its parts between `…` occur in this order, the first at its start, the last at its end.
fn line_matches(shown: &str, seen: &str) -> bool {
    let (shown, seen) = (shown.trim_end(), seen.trim_end());
    let Some((head, rest)) = shown.split_once('…') else { return shown == seen };
    let Some(mut left) = seen.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(tail)
}

/// A folder with the folders in it.
fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &copy);
        } else {
            std::fs::copy(&path, copy).unwrap();
        }
    }
}

/// A place where documents run: a folder and a home of its own, everything taken down at the end.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A new one with the examples in it.
    pub fn new(name: &str) -> Desk {
        let folder = tempfile::Builder::new().prefix(&format!("vpclab-{name}-")).tempdir().unwrap();
        copy_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples")), &folder.path().join("examples"));
        Desk { folder }
    }

    fn shell(&self, command: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_vpclab")).parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{command}\n")]).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["VPCLAB_FILE", "VPCLAB_LAB", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
            shell.env_remove(name);
        }
        shell.env("PATH", format!("{}:{path}", bin.display())).env("VPCLAB_HOME", self.folder.path().join("home"));
        shell.env("HOME", self.folder.path()).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        shell
    }

    /// What a command prints.
    pub fn run(&self, command: &str) -> String {
        // Both streams into one file, as a terminal shows them; a pipe would stay open in what goes on running.
        let path = self.folder.path().join(".shown");
        let file = std::fs::File::create(&path).unwrap();
        let mut child = self.shell(command).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let deadline = Instant::now() + LIMIT;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("`{command}` did not end in {LIMIT:?}: {}", std::fs::read_to_string(&path).unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
    }

    /// Runs a document; fails with every difference.
    pub fn follow(&self, name: &str, document: &str) -> usize {
        let (mut differences, mut commands) = (Vec::new(), 0);
        for step in steps(document) {
            match step {
                Step::File { name, text } => std::fs::write(self.folder.path().join(name), text).unwrap(),
                Step::Run { command, shown, line } => {
                    commands += 1;
                    let seen = self.run(&command);
                    let shown_lines: Vec<&str> = shown.iter().map(String::as_str).collect();
                    let seen_lines: Vec<&str> = seen.lines().collect();
                    if !matches(&shown_lines, &seen_lines) {
                        differences.push(format!("{name}:{line}: $ {command}\n--- shown\n{}\n--- seen\n{seen}", shown.join("\n")));
                    }
                }
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n\n"));
        commands
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Also after a failure: nothing of a document goes on running.
        for command in ["vpclab down --all", "vpclab daemon stop"] {
            let _ = self.shell(command).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}
