//! The example shop, up in a home of its own, with a daemon that this test program is itself.
#![cfg(target_os = "linux")]

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use control::api::Wanted;
use control::client::Daemon;
use control::daemon::DAEMON;
use control::host::LISTEN;
use control::paths::Paths;
use model::{Context, Model, Timestamp};
use sandbox::{ExecSpec, ExitStatus, Stdio};

pub const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

sandbox::reexec_in_tests!(serve);

/// This program is the daemon, and what holds an instance's listeners, when it is started as one: the client starts the
/// program that it is part of.
fn serve(arguments: &[OsString]) -> Option<i32> {
    let first = arguments.get(1)?.to_str()?;
    if first == DAEMON {
        return Some(control::daemon::serve(Paths::of_user().expect("VPCLAB_HOME")));
    }
    if first != LISTEN {
        return None;
    }
    let names: Vec<String> = arguments[2..].iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let done = control::listener::serve(&names, sandbox::entry::inherited(names.len()));
    Some(i32::from(done.is_err()))
}

/// Lab files as they lie on the disk.
pub struct Disk;

impl lab::Files for Disk {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        std::fs::read_to_string(name).map(|text| (name.to_owned(), text)).map_err(|e| e.to_string())
    }
}

/// A daemon in a home of its own; what is up there is taken down with it when the test ends, however it ends.
pub struct Shop {
    pub daemon: Daemon,
    pub home: tempfile::TempDir,
}

impl Shop {
    /// A daemon without a lab.
    pub fn empty() -> Shop {
        let home = tempfile::tempdir().unwrap();
        let (daemon, _) = Daemon::reach(Paths { home: home.path().join("home") }).unwrap();
        Shop { daemon, home }
    }

    /// The shop, up.
    pub fn up() -> Shop {
        let shop = Shop::empty();
        let described = lab::load(SHOP, &Disk).expect("lab file");
        let mut model = Model::new("000000000000", described.region(), Context::seeded(1, Timestamp::default()));
        assert!(described.apply(&mut model).is_ok());
        let wanted = Wanted { base_generation: None, file: Some(Path::new(SHOP).to_owned()), model, claims: Vec::new(), rights: Vec::new() };
        shop.daemon.bring("shop", &wanted, Duration::from_secs(60)).unwrap().expect("up in time");
        shop
    }

    pub fn paths(&self) -> Paths {
        self.daemon.paths().clone()
    }

    /// The lab's holder.
    pub fn holder(&self) -> sandbox::Client {
        sandbox::Client::connect(&self.paths().holder_socket("shop")).unwrap()
    }

    /// The namespace of an instance.
    pub fn namespace(&self, name: &str) -> String {
        let view = self.daemon.lab("shop").unwrap().expect("up");
        format!("instance/{}", model::selector::instance(&view.model, name).expect("instance").id)
    }

    /// A command as a person types it, in a folder without a lab file.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(arguments).env("VPCLAB_HOME", self.home.path().join("home")).env("NO_COLOR", "1");
        command.env_remove("VPCLAB_LAB").env_remove("VPCLAB_FILE").current_dir(self.home.path());
        command
    }

    /// What it says.
    pub fn vpclab(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command in an instance.
    pub fn shell(&self, name: &str, line: &str) -> ExitStatus {
        let spec = ExecSpec::new(["sh", "-c", line]);
        self.holder().exec(&self.namespace(name), spec, Stdio::Null).unwrap().wait().unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.daemon.take_down("shop");
        let _ = self.daemon.leave();
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
