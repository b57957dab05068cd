//! A lab of its own for each test, ended with the test whatever happens.
#![allow(dead_code, reason = "other rooms' tests borrow a part")]
#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

pub mod pod;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use sandbox::{
    Client, ExecSpec, ExitStatus, HolderHandle, HolderSpec, InstanceSpec, SelfCommand, Stdio,
    launch,
};

pub struct Lab {
    pub directory: tempfile::TempDir,
    pub handle: HolderHandle,
    pub client: Client,
}

pub fn spec(directory: &std::path::Path) -> HolderSpec {
    HolderSpec {
        socket: directory.join("holder.sock"),
        lab_name: "test".into(),
        log: directory.join("holder.log"),
        command: SelfCommand::current().unwrap(),
    }
}

impl Lab {
    pub fn launch() -> Lab {
        sandbox::raise_descriptor_limit();
        let directory = tempfile::tempdir().unwrap();
        let handle = launch(&spec(directory.path())).unwrap();
        let client = handle.client().inspect_err(|_| end(&handle)).unwrap();
        Lab {
            directory,
            handle,
            client,
        }
    }

    pub fn with_instance(key: &str) -> Lab {
        let lab = Lab::launch();
        lab.client
            .start_instance(InstanceSpec::new(key, format!("{key}-host")))
            .unwrap();
        lab
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("holder.log")).unwrap_or_default()
    }

    /// Runs a shell line in an instance; its status and output.
    pub fn shell(&self, key: &str, line: &str) -> (ExitStatus, String) {
        run(&self.client, key, ExecSpec::new(["sh", "-c", line]))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        end(&self.handle);
    }
}

fn end(handle: &HolderHandle) {
    // Fails when it has ended, which is what is wanted.
    let _ = rustix::process::pidfd_send_signal(&handle.pidfd, rustix::process::Signal::KILL);
}

pub fn ended(handle: &HolderHandle) -> bool {
    wait_ended(handle, Duration::ZERO)
}

pub fn wait_ended(handle: &HolderHandle, timeout: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    poll(
        &mut [PollFd::new(&handle.pidfd, PollFlags::IN)],
        Some(&timeout),
    )
    .unwrap()
        > 0
}

pub fn run(client: &Client, key: &str, spec: ExecSpec) -> (ExitStatus, String) {
    let (mut read, write) = std::io::pipe().unwrap();
    let errors = write.try_clone().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let streams: [OwnedFd; 3] = [null.into(), write.into(), errors.into()];
    let process = client.exec(key, spec, Stdio::Descriptors(streams)).unwrap();
    let mut output = String::new();
    read.read_to_string(&mut output).unwrap();
    (process.wait().unwrap(), output)
}

/// How long something that must come about is waited for, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn path(lab: &Lab, name: &str) -> PathBuf {
    lab.directory.path().join(name)
}

/// Output of a command that must succeed.
pub fn output(lab: &Lab, key: &str, line: &str) -> String {
    let (status, output) = lab.shell(key, line);
    assert_eq!(status, ExitStatus::Code(0), "{line}: {output}");
    output
}

/// Runs some tests of the caller's program, by their whole names, below a launcher that ignores signals: as under nohup, in a shell's background
/// job, or below a program that lets its children go unseen. All of them must pass.
pub fn pass_under_ignored_signals(tests: &[&str]) {
    let ignoring = "trap '' HUP INT QUIT USR1 CHLD; exec \"$0\" \"$@\"";
    let output = std::process::Command::new("sh")
        .args(["-c", ignoring])
        .arg(std::env::current_exe().unwrap())
        .arg("--exact")
        .args(tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{} passed", tests.len())), "{said}");
}
