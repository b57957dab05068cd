//! A way from a namespace of a lab to the real internet: `pasta` or `slirp4netns`, whichever is installed,
//! makes a tap device in the namespace and carries its packets as connections of the launching user.
//!
//! Off unless asked for. The program is a child of a process of ours that lives as long as the lab's holder
//! does; neither may reach what listens on the host's loopback. What to route into the device is not
//! decided here.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::client::{Client, connect_socket};
use crate::entry::{ANCHOR, SelfCommand, UPLINK};
use crate::error::{Error, Result};
use crate::running::{self, Running};
use crate::spec::ExecSpec;
use crate::sys;

/// The device that appears in the namespace.
pub const DEVICE: &str = "uplink0";
/// Its address; link-local (RFC 3927), so that it collides with nothing that a lab describes.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 8, 100);
/// Who answers there for everybody else.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 8, 2);
/// Length of the prefix that both share.
pub const PREFIX: u8 = 24;
/// The largest packet, as on every link of the internet side.
const MTU: u32 = 1500;
/// The longest that a program may take until its device is there.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A program that carries packets, and how it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// <https://passt.top>, package `passt`.
    Pasta,
    /// <https://github.com/rootless-containers/slirp4netns>.
    Slirp4netns,
}

impl Program {
    /// The better one first.
    pub const ALL: [Program; 2] = [Program::Pasta, Program::Slirp4netns];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Program::Pasta => "pasta",
            Program::Slirp4netns => "slirp4netns",
        }
    }

    /// The package that holds it, in Debian, Ubuntu and Fedora.
    pub fn package(self) -> &'static str {
        match self {
            Program::Pasta => "passt",
            Program::Slirp4netns => "slirp4netns",
        }
    }

    /// Where it is on `PATH`.
    pub fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(self.name()))
            .find(|file| file.is_file())
    }

    /// Its arguments: pasta(1), slirp4netns(1). Nothing listens for the lab on the host's side, names are
    /// not its business, and the host's loopback stays out of reach.
    fn arguments(self, network: &Path, user: &Path, launched_by_root: bool) -> Vec<OsString> {
        let (network, user) = (network.as_os_str(), user.as_os_str());
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        match self {
            Program::Pasta => {
                let mut all = words(&["--foreground", "--quiet", "--ipv4-only"]);
                all.extend(words(&["--no-map-gw", "--no-dhcp"]));
                for ports in ["-t", "-u", "-T", "-U"] {
                    all.extend(words(&[ports, "none"]));
                }
                all.extend(words(&["--dns", "none", "--search", "none"]));
                all.extend(words(&["--ns-ifname", DEVICE, "--mtu", &MTU.to_string()]));
                all.extend(words(&["--address", &ADDRESS.to_string()]));
                all.extend(words(&["--netmask", &PREFIX.to_string()]));
                all.extend(words(&["--gateway", &GATEWAY.to_string()]));
                if launched_by_root {
                    // It would become nobody, who may not enter what root made.
                    all.extend(words(&["--runas", "0:0"]));
                }
                all.extend([
                    "--userns".into(),
                    user.into(),
                    "--netns".into(),
                    network.into(),
                ]);
                all
            }
            Program::Slirp4netns => {
                let mut all = words(&["--disable-host-loopback", "--disable-dns"]);
                let network_of = Ipv4Addr::from(u32::from(ADDRESS) & !0xff);
                all.push(format!("--cidr={network_of}/{PREFIX}").into());
                all.push(format!("--mtu={MTU}").into());
                let mut users = OsString::from("--userns-path=");
                users.push(user);
                all.extend([
                    users,
                    "--netns-type=path".into(),
                    network.into(),
                    DEVICE.into(),
                ]);
                all
            }
        }
    }
}

/// An uplink.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UplinkSpec {
    /// The holder's socket.
    pub holder: PathBuf,
    /// Namespace that it ends in.
    pub key: String,
    /// Who carries packets.
    pub program: Program,
    /// Its file.
    pub executable: PathBuf,
}

/// An uplink that lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RunningUplink {
    /// What it was started with.
    pub spec: UplinkSpec,
    /// The process of ours that watches over the program.
    pub process: Running,
}

impl RunningUplink {
    /// Ends it; true when it was still there.
    pub fn end(&self) -> Result<bool> {
        running::end(&self.process, UPLINK)
    }
}

/// Every uplink of this user.
pub fn running() -> Vec<RunningUplink> {
    let mut found: Vec<RunningUplink> = running::started_with(UPLINK)
        .into_iter()
        .filter_map(|(process, json)| {
            let spec = serde_json::from_slice(&json).ok()?;
            Some(RunningUplink { spec, process })
        })
        .collect();
    found.sort();
    found
}

#[derive(Serialize, Deserialize)]
enum Report {
    Up,
    Failed(String),
}

/// Starts an uplink as a process of its own and returns once its device is there, without address and route.
/// It ends with the lab, or by [`RunningUplink::end`]. Errors: what the program said when it failed.
pub fn launch(command: &SelfCommand, spec: &UplinkSpec) -> Result<()> {
    let json = serde_json::to_string(spec)
        .map_err(|error| Error::Malformed(format!("uplink: {error}")))?;
    let mut child = command
        .with(UPLINK)
        .arg(json)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::os("starting an uplink"))?;
    let mut line = Vec::new();
    if let Some(mut output) = child.stdout.take() {
        // It closes its output when it has said how things stand.
        output
            .read_to_end(&mut line)
            .map_err(Error::os("waiting for an uplink"))?;
    }
    match serde_json::from_slice(&line) {
        Ok(Report::Up) => Ok(()),
        Ok(Report::Failed(why)) => {
            let _ = child.wait();
            Err(Error::os("starting an uplink")(std::io::Error::other(why)))
        }
        Err(_) => Err(Error::Malformed("the uplink ended while it began".into())),
    }
}

/// The watching process; its exit code. Served by [`crate::entry::dispatch`].
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    let spec = arguments
        .first()
        .and_then(|json| json.to_str())
        .and_then(|json| serde_json::from_str::<UplinkSpec>(json).ok());
    let Some(spec) = spec else { return 2 };
    sys::ignore_signal(libc::SIGPIPE);
    sys::ignore_signal(libc::SIGHUP);
    let _ = rustix::process::setsid();
    match begin(&spec) {
        Ok(begun) => {
            report(&Report::Up);
            begun.watch()
        }
        Err(error) => {
            report(&Report::Failed(error.to_string()));
            1
        }
    }
}

/// Tells the caller, and lets go of the pipe that it waits on.
fn report(report: &Report) {
    let mut output = std::io::stdout();
    let _ = serde_json::to_writer(&output, report);
    let _ = output.flush();
    if let Ok(null) = crate::init::null() {
        let _ = sys::install(null.as_fd(), 1);
    }
}

struct Begun {
    child: Child,
    /// Readable when somebody ends this process or the program has ended.
    signals: OwnedFd,
    /// Readable when the holder ends.
    holder: OwnedFd,
    /// The anchor ends with this connection.
    client: Client,
}

fn begin(spec: &UplinkSpec) -> Result<Begun> {
    let signals = sys::signal_descriptor(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD])
        .map_err(Error::os("watching signals"))?;
    let client = Client::connect(&spec.holder)?;
    let holder = connect_socket(&spec.holder)?;
    let pid = running::holders()
        .into_iter()
        .find(|known| known.socket == spec.holder)
        .map(|known| known.process.pid)
        .ok_or_else(|| Error::Malformed("the lab's holder is not to be found".into()))?;
    let anchor = anchor(&client, &spec.key, pid)?;
    let network = PathBuf::from(format!("/proc/{anchor}/ns/net"));
    let user = PathBuf::from(format!("/proc/{pid}/ns/user"));
    let said = rustix::fs::memfd_create("uplink", rustix::fs::MemfdFlags::CLOEXEC)
        .map(std::fs::File::from)
        .map_err(Error::os("making a file in memory"))?;
    let copy = || {
        said.try_clone()
            .map_err(Error::os("duplicating a descriptor"))
    };
    let by_root = rustix::process::geteuid().is_root();
    let child = Command::new(&spec.executable)
        .args(spec.program.arguments(&network, &user, by_root))
        .stdin(Stdio::null())
        .stdout(copy()?)
        .stderr(copy()?)
        .spawn()
        .map_err(Error::os(format!("starting {}", spec.executable.display())))?;
    let mut begun = Begun {
        child,
        signals,
        holder,
        client,
    };
    match begun.wait_for_device(spec) {
        Ok(true) => Ok(begun),
        Ok(false) => {
            begun.end();
            let said = std::io::Error::other(last_words(said));
            Err(Error::os(spec.program.name())(said))
        }
        Err(error) => {
            begun.end();
            Err(error)
        }
    }
}

impl Begun {
    /// False when the program ends, or makes no device in time.
    fn wait_for_device(&mut self, spec: &UplinkSpec) -> Result<bool> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let devices = self.client.read_file(&spec.key, "/proc/net/dev")?;
            if has_device(&String::from_utf8_lossy(&devices)) {
                return Ok(true);
            }
            let ended = self
                .child
                .try_wait()
                .map_err(Error::os("watching a program"))?;
            if ended.is_some() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    /// Until the holder or the program ends, or somebody ends this process.
    fn watch(mut self) -> i32 {
        loop {
            let mut sources = [
                PollFd::new(&self.holder, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            match poll(&mut sources, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
            let (holder_ended, signalled) = (
                !sources[0].revents().is_empty(),
                !sources[1].revents().is_empty(),
            );
            let mut told = false;
            while let Some(signal) = signalled.then(|| sys::next_signal(&self.signals)).flatten() {
                told |= signal != libc::SIGCHLD;
            }
            let program_ended = !matches!(self.child.try_wait(), Ok(None));
            if holder_ended || told || program_ended {
                break;
            }
        }
        self.end();
        0
    }

    fn end(&mut self) {
        // It has ended already, or it does so now; SIGKILL cannot be held up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process in the namespace, by which others can name it: programs enter the lab's user namespace first and
/// may then look into processes of the lab only. Its number out here.
fn anchor(client: &Client, key: &str, holder: i32) -> Result<i32> {
    let null = || -> Result<OwnedFd> { crate::init::null().map_err(Error::from) };
    let mut spec = ExecSpec::new(["vpclab", ANCHOR]);
    spec.kill_on_disconnect = true;
    let process = client.run(key, spec, [null()?, null()?, null()?], Vec::new())?;
    running::number_of(holder, process.pid)
        .ok_or_else(|| Error::Malformed("a process of the lab is not to be found".into()))
}

/// The anchor's process: does nothing until the holder ends it.
pub(crate) fn stay() -> i32 {
    loop {
        std::thread::park();
    }
}

/// `/proc/net/dev` (proc(5)): a name and a colon, then counters.
fn has_device(devices: &str) -> bool {
    devices
        .lines()
        .any(|line| line.trim_start().split(':').next() == Some(DEVICE))
}

/// What the program said, its last lines first to be kept.
fn last_words(mut said: std::fs::File) -> String {
    let mut text = String::new();
    let length = said.seek(SeekFrom::End(0)).unwrap_or(0);
    let _ = said.seek(SeekFrom::Start(length.saturating_sub(2000)));
    let _ = said.read_to_string(&mut text);
    match text.trim() {
        "" => "it made no device and said nothing".to_owned(),
        text => text.to_owned(),
    }
}
