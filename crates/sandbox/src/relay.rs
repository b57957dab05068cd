//! `forward`: a process that listens in the host's network namespace and carries each connection into a
//! namespace of a lab. It needs the holder, not the daemon, so it survives the daemon; it ends when the
//! holder does.
//!
//! Two threads a connection, each copying one way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::entry::{RELAY, SelfCommand};
use crate::error::{Error, Result};
use crate::running::{self, Running};
use crate::spec::{SocketAddress, SocketSpec};
use crate::sys;

/// Connections of one relay at a time; more wait in the listener's queue.
const MOST_CONNECTIONS: usize = 1024;
/// The longest a connection inside the lab may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Descriptor of the listener in a relay's process.
const LISTENER: i32 = 0;

/// Where connections go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelayTarget {
    /// The holder's socket.
    pub holder: PathBuf,
    /// Namespace that connections are opened in.
    pub key: String,
    /// Address that they come from there; the kernel's choice when absent.
    pub source: Option<IpAddr>,
    /// Address there.
    pub address: SocketAddr,
}

/// A relay: where it listens, where it leads, and what its owner calls that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelaySpec {
    /// Where it listens, outside the lab.
    pub listen: SocketAddr,
    /// Where connections go.
    pub target: RelayTarget,
    /// Words of the caller's, told again by [`running`].
    pub labels: BTreeMap<String, String>,
}

/// A relay that lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RunningRelay {
    /// What it was started with.
    pub spec: RelaySpec,
    /// Its process.
    pub process: Running,
}

impl RunningRelay {
    /// Ends it, and the connections through it; true when it was still there.
    pub fn end(&self) -> Result<bool> {
        running::end(&self.process, RELAY)
    }
}

/// Every relay of this user, by where it listens. A relay is its process: there is no other record of it
/// that could be wrong.
pub fn running() -> Vec<RunningRelay> {
    let mut found: Vec<RunningRelay> = running::started_with(RELAY)
        .into_iter()
        .filter_map(|(process, json)| {
            let spec = serde_json::from_slice(&json).ok()?;
            Some(RunningRelay { spec, process })
        })
        .collect();
    found.sort();
    found
}

/// Starts a relay as a process of its own, in a session of its own. `listener` listens at `spec.listen`.
/// The caller may forget the child (it then ends with the lab) or kill it (then established connections
/// end too).
pub fn launch(command: &SelfCommand, listener: TcpListener, spec: &RelaySpec) -> Result<Child> {
    let json =
        serde_json::to_string(spec).map_err(|error| Error::Malformed(format!("relay: {error}")))?;
    command
        .with(RELAY)
        .arg(json)
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::os("starting a relay"))
}

/// The relay's process; its exit code. Served by [`crate::entry::dispatch`].
pub(crate) fn main(arguments: &[OsString]) -> i32 {
    let spec = arguments
        .first()
        .and_then(|json| json.to_str())
        .and_then(|json| serde_json::from_str::<RelaySpec>(json).ok());
    let Some(spec) = spec else { return 2 };
    sys::ignore_signal(libc::SIGPIPE);
    sys::ignore_signal(libc::SIGHUP);
    // A terminal's Ctrl-C is for the command that started this, not for the lab's forwards.
    let _ = rustix::process::setsid();
    sys::raise_descriptor_limit();
    match serve(TcpListener::from(sys::adopt(LISTENER)), &spec.target) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Accepts and carries connections until the holder ends.
pub fn serve(listener: TcpListener, target: &RelayTarget) -> Result<()> {
    let client = Arc::new(Client::connect(&target.holder)?);
    // A second connection only tells when the holder ends: nothing is ever sent on it.
    let holder = crate::client::connect_socket(&target.holder)?;
    listener
        .set_nonblocking(true)
        .map_err(Error::os("preparing a listener"))?;
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let full = open.load(Ordering::Acquire) >= MOST_CONNECTIONS;
        let mut sources = vec![PollFd::new(&holder, PollFlags::IN)];
        if !full {
            sources.push(PollFd::new(&listener, PollFlags::IN));
        }
        // With all slots taken nothing wakes the loop when one falls free, so it looks again.
        let pause = full.then_some(Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        });
        match poll(&mut sources, pause.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::os("waiting for connections")(error)),
        }
        if !sources[0].revents().is_empty() {
            return Ok(());
        }
        if full {
            continue;
        }
        match listener.accept() {
            Ok((outside, _)) => {
                let (client, target, slot) = (client.clone(), target.clone(), Slot::take(&open));
                let carried = thread::Builder::new()
                    .name("forward".into())
                    .stack_size(128 << 10)
                    .spawn(move || {
                        let _slot = slot;
                        match connect(&client, &target, CONNECT_TIMEOUT) {
                            // An error is the peer's to see: its connection closes.
                            Ok(inside) => drop(carry(outside, inside)),
                            // A reset, as from a host that refuses, and not an answer of no bytes.
                            Err(_) => drop(rustix::net::sockopt::set_socket_linger(
                                &outside,
                                Some(Duration::ZERO),
                            )),
                        }
                    });
                // Out of threads: the connection closes, later ones may do better.
                drop(carried);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The peer gave up, or descriptors ran out: neither is a reason to end.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// One connection's place among [`MOST_CONNECTIONS`].
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Slot {
        open.fetch_add(1, Ordering::AcqRel);
        Slot(open.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Opens a connection inside the lab. The socket comes from the holder; connecting is done here, so that
/// a silent peer does not keep the holder waiting.
pub fn connect(client: &Client, target: &RelayTarget, timeout: Duration) -> Result<TcpStream> {
    let spec = SocketSpec {
        nonblocking: true,
        bind: target
            .source
            .map(|source| SocketAddress::Inet(SocketAddr::new(source, 0))),
        ..SocketSpec::tcp(&target.key, target.address.is_ipv6())
    };
    let socket = client.open_socket(spec)?;
    let doing = || format!("connecting to {} in {}", target.address, target.key);
    match rustix::net::connect(&socket, &target.address) {
        Ok(()) => {}
        Err(rustix::io::Errno::INPROGRESS) => {
            let timeout = Timespec {
                tv_sec: timeout.as_secs().cast_signed(),
                tv_nsec: timeout.subsec_nanos().into(),
            };
            let ready = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&timeout))
                .map_err(Error::os(doing()))?;
            if ready == 0 {
                return Err(Error::os(doing())(io::Error::from(io::ErrorKind::TimedOut)));
            }
        }
        Err(error) => return Err(Error::os(doing())(error)),
    }
    let stream = TcpStream::from(socket);
    if let Some(error) = stream.take_error().map_err(Error::os(doing()))? {
        return Err(Error::os(doing())(error));
    }
    stream.set_nonblocking(false).map_err(Error::os(doing()))?;
    Ok(stream)
}

/// Copies both ways until both directions have ended; the end of one is passed on as a half-close.
pub fn carry(outside: TcpStream, inside: TcpStream) -> io::Result<()> {
    outside.set_nonblocking(false)?;
    for stream in [&outside, &inside] {
        stream.set_nodelay(true)?;
    }
    let (outside_back, inside_back) = (outside.try_clone()?, inside.try_clone()?);
    let back = thread::Builder::new()
        .name("forward-back".into())
        .stack_size(128 << 10)
        .spawn(move || copy_one_way(&inside_back, &outside_back))?;
    copy_one_way(&outside, &inside);
    // A panic in the other thread has already closed its direction.
    let _ = back.join();
    Ok(())
}

fn copy_one_way(mut from: &TcpStream, mut to: &TcpStream) {
    match io::copy(&mut from, &mut to) {
        Ok(_) => {
            let _ = to.shutdown(Shutdown::Write);
        }
        // A reset is not an orderly end: nothing more will be read or written either way.
        Err(_) => {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }
}
