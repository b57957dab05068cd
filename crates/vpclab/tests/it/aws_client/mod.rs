//! A lab of its own with a door for AWS's clients, and programs that find it as a person's would: by the environment.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use crate::cloud::Cloud;
use crate::home::{Done, Home};

/// The public half of a key that nobody has the other half of.
pub const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILW7Xm4sd3aIGXtBLYFNNV7CrqIHeyCZJCQT2GySDMyS admin@example";

/// What `clients/fetch_aws.sh` brought.
pub fn brought(path: &str) -> PathBuf {
    let folder = std::env::var_os("VPCLAB_CLIENTS").expect("`make test-clients` sets VPCLAB_CLIENTS");
    PathBuf::from(folder).join(path)
}

/// A lab, and what its clients are told.
pub struct Desk {
    pub home: Home,
    pub cloud: Cloud,
    /// The environment of clients: what `serve --ec2` prints.
    pub told: BTreeMap<String, String>,
}

impl Desk {
    pub fn new() -> Self {
        let home = Home::new();
        let told = home.yes(&["serve", "--ec2", "127.0.0.1:0", "-o", "json"]);
        Self { cloud: Cloud::told(&told), told: serde_json::from_str(&told).unwrap(), home }
    }

    /// A program in the home's folder, with what clients are told, and nothing else that they would listen to.
    pub fn client(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.current_dir(self.home.path("")).env("HOME", self.home.path("")).env("no_proxy", "127.0.0.1").envs(&self.told);
        command
    }

    /// How each way of a probe ends: `open`, `refused`, `filtered at sg-in:db`, ….
    pub fn probe(&self, probe: &str) -> BTreeSet<String> {
        let words: Vec<&str> = ["check"].into_iter().chain(probe.split(' ')).collect();
        let done = self.home.run(&words);
        let ends = done.stdout.lines().filter_map(|line| line.rsplit_once(": ")).map(|(_, end)| end.to_owned());
        let ends: BTreeSet<String> = ends.collect();
        assert!(!ends.is_empty(), "{probe}: {}{}", done.stdout, done.stderr);
        ends
    }

    /// Each probe, real packets, ends in one way.
    pub fn probes(&self, expected: &[(&str, &str)]) {
        for (probe, end) in expected {
            assert_eq!(self.probe(probe), BTreeSet::from([(*end).to_owned()]), "{probe}");
        }
    }
}

/// Runs a client to its end: what it printed.
pub fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a client, which must end well.
pub fn content(command: &mut Command) -> String {
    let done = run(command);
    assert_eq!(done.code, 0, "{command:?}\n{}\n{}", done.stdout, done.stderr);
    done.stdout
}
