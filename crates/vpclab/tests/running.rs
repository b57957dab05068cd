//! Commands that probe go to the lab that is up under the file's name.
#![cfg(target_os = "linux")]

sandbox::reexec_in_tests!(serve);

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use control::api::Wanted;
use control::client::Daemon;
use control::daemon::DAEMON;
use control::paths::Paths;
use model::claim::Claim;
use model::{Context, Model, Timestamp};

/// This program is the daemon too when it is started as one: the client starts the program that it is part of.
fn serve(arguments: &[std::ffi::OsString]) -> Option<i32> {
    (arguments.get(1)? == DAEMON).then(|| control::daemon::serve(Paths::of_user().expect("VPCLAB_HOME")))
}

struct Disk;

impl lab::Files for Disk {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        std::fs::read_to_string(name).map(|text| (name.to_owned(), text)).map_err(|e| e.to_string())
    }
}

fn model_of(path: &Path) -> (String, Model, Vec<Claim>) {
    let lab = lab::load(&path.to_string_lossy(), &Disk).expect("lab file");
    let mut model = Model::new("000000000000", lab.region(), Context::seeded(1, Timestamp::default()));
    assert!(lab.apply(&mut model).is_ok());
    (lab.name.clone(), model, lab.claims())
}

/// A daemon of the test's own, ended with it.
struct Own {
    daemon: Daemon,
    folder: tempfile::TempDir,
}

impl Own {
    fn begin() -> Own {
        let folder = tempfile::tempdir().expect("folder");
        let (daemon, _) = Daemon::reach(Paths { home: folder.path().join("home") }).expect("daemon");
        Own { daemon, folder }
    }

    /// In the test's own folder.
    fn vpclab(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", self.folder.path().join("home"));
        command.current_dir(self.folder.path());
        let Output { stdout, stderr, status } = command.output().expect("vpclab");
        (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned(), status.code())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for lab in self.daemon.labs().unwrap_or_default() {
            let _ = self.daemon.take_down(&lab.name);
        }
        let _ = self.daemon.leave();
    }
}

#[test]
fn probes_go_to_the_lab_that_is_up_and_a_file_that_was_changed_is_noticed() {
    let own = Own::begin();
    let shop = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml")).expect("shop");
    let path = own.folder.path().join("shop.yaml");
    let file = path.to_str().expect("path").to_owned();
    std::fs::write(&path, &shop).expect("file");
    let (name, model, claims) = model_of(&path);
    let wanted = Wanted { base_generation: None, file: Some(path.clone()), model, claims, rights: Vec::new() };
    own.daemon.bring(&name, &wanted, Duration::from_secs(60)).expect("up");

    assert_eq!(own.vpclab(&["test", "-f", &file]).0.lines().last(), Some("8 passed, 0 failed"));
    let (out, error, code) = own.vpclab(&["check", "-f", &file, "web-1", "db-1", "tcp/3306"]);
    assert_eq!((out.as_str(), error.as_str(), code), ("web-1 -> 192.168.0.132: open\n", "", Some(0)));
    assert_eq!(own.vpclab(&["matrix", "-f", &file, "--engine", "proof,linux"]).0, "proof and linux disagree on 0 of 140 probes\n");

    // Where no file is, the only lab that is up is meant.
    assert_eq!(own.vpclab(&["test", "tcp/22"]).0.lines().last(), Some("3 passed, 0 failed"));
    assert_eq!(own.vpclab(&["check", "web-1", "db-1:3306"]).0, "web-1 -> 192.168.0.132: open\n");

    // The file moves on, the lab does not.
    std::fs::write(&path, shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web")).expect("file");
    for engine in ["linux", "proof"] {
        let (out, error, code) = own.vpclab(&["check", "-f", &file, "web-1", "db-1", "tcp/3306", "--engine", engine]);
        assert_eq!((out.as_str(), code), ("web-1 -> 192.168.0.132: open\n", Some(0)), "{engine}");
        let said = format!("note: lab shop is up and is what is asked; {file} has ");
        assert!(error.starts_with(&said), "{error}");
    }

    // Down, the file alone speaks.
    own.daemon.take_down(&name).expect("down");
    let (out, error, code) = own.vpclab(&["check", "-f", &file, "web-1", "db-1", "tcp/3306"]);
    assert_eq!((out.as_str(), error.as_str(), code), ("web-1 -> 192.168.0.132: filtered at sg-in:db-1\n", "", Some(1)));
    let (out, error, code) = own.vpclab(&["check", "web-1", "db-1", "tcp/3306"]);
    assert!(out.is_empty() && error.contains("no lab file here") && code == Some(2), "{out}{error}");
}
