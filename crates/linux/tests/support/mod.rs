//! A lab without holder and daemon: a model planned, applied in namespaces that the test holds itself, and asked
//! with real sockets.

pub mod arp;
pub mod icmp;
pub mod own;
pub mod world;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use fabric::Fabric;
use linux::apply::{self, Host};
use linux::diff::Changes;
use linux::plan::{Options, Plan};
use model::Model;
use netlink::rtnl::link::{self, Target};
use netlink::{Protocol, Socket, nflog};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

pub use own::{Namespace, in_own_namespaces};
pub use world::World;

/// How long a packet that must not come is waited for.
pub const SILENCE: Duration = Duration::from_millis(350);
/// How long a packet that must come is waited for: one that was lost while rules changed comes again, each time later.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing at all, not even the report of a drop, is waited for.
const UNTOLD: Duration = Duration::from_secs(1);

/// A lab in namespaces of the test.
#[derive(Default)]
pub struct Lab {
    plan: Plan,
    options: Options,
    kernel: Kernel,
    logs: BTreeMap<String, Socket>,
    /// Prefixes of drops that were read, but not asked for yet.
    dropped: Vec<String>,
}

#[derive(Default)]
struct Kernel {
    namespaces: BTreeMap<String, Namespace>,
    sockets: BTreeMap<(String, u8), Socket>,
}

impl Host for Kernel {
    fn descriptors(&mut self, keys: &[String]) -> linux::runtime::Result<Vec<OwnedFd>> {
        Ok(keys.iter().map(|key| self.namespaces[key].as_fd().try_clone_to_owned().expect("descriptor")).collect())
    }

    fn open(&mut self, _: &[(String, Protocol)]) -> linux::runtime::Result<()> {
        Ok(())
    }

    fn socket(&mut self, key: &str, protocol: Protocol) -> linux::runtime::Result<&mut Socket> {
        let namespace = &self.namespaces[key];
        let entry = self.sockets.entry((key.to_owned(), protocol as u8));
        Ok(entry.or_insert_with(|| namespace.socket(protocol)))
    }

    fn done(&mut self, key: &str) {
        if key.starts_with("instance/") {
            self.sockets.retain(|(of, _), _| of != key);
        }
    }
}

impl Lab {
    /// A lab that holds a world.
    pub fn of(world: &World) -> Lab {
        Lab::with(&world.model, Options::default())
    }

    /// A lab with options.
    pub fn with(model: &Model, options: Options) -> Lab {
        let mut lab = Lab { options, ..Lab::default() };
        lab.apply(model);
        lab
    }

    /// Makes the lab hold this model.
    pub fn apply(&mut self, model: &Model) {
        let fabric = Fabric::compile(model);
        let mut plan = Plan::new(&fabric, self.options).expect("plan");
        plan.add_lans(&model.lans, &fabric, self.options);
        let changes = Changes::between(&self.plan, &plan);
        for (key, _) in &changes.new_namespaces {
            self.kernel.namespaces.insert(key.clone(), Namespace::new());
        }
        for (key, inside) in &changes.inside {
            self.kernel.namespaces[key].enter(|| {
                for (path, value) in &inside.sysctls {
                    let written = std::fs::write(format!("/proc/sys/{path}"), value);
                    assert!(written.is_ok(), "{key}: {path} = {value}: {written:?}");
                }
            });
        }
        if let Err(error) = apply::apply(&mut self.kernel, &changes) {
            panic!("{error}: {:?}", std::error::Error::source(&error));
        }
        for key in &changes.gone_namespaces {
            self.kernel.namespaces.remove(key);
            self.kernel.sockets.retain(|(of, _), _| of != key);
            self.logs.remove(key);
        }
        for veth in changes.new_links.iter().chain(&changes.changed_links).filter(|veth| veth.near.is_up) {
            for end in [&veth.near, &veth.far] {
                wait_until_running(self.kernel.socket(&end.namespace, Protocol::Route).expect("socket"), &end.name);
                self.kernel.done(&end.namespace);
            }
        }
        for key in plan.namespaces.iter().filter(|(_, n)| !n.is_instance).map(|(key, _)| key) {
            let namespace = &self.kernel.namespaces[key];
            self.logs.entry(key.clone()).or_insert_with(|| {
                let mut socket = namespace.socket(Protocol::Netfilter);
                nflog::bind(&mut socket, &nflog::Config { threshold: 1, ..nflog::Config::new(1) }).expect("nflog");
                socket
            });
        }
        self.plan = plan;
    }

    /// Makes the kernel hold what the lab last held, whatever it holds now.
    pub fn reconcile(&mut self) {
        if let Err(error) = apply::reconcile(&mut self.kernel, &self.plan) {
            panic!("{error}: {:?}", std::error::Error::source(&error));
        }
        for link in self.plan.links.values() {
            for end in [&link.near, &link.far] {
                wait_until_running(self.kernel.socket(&end.namespace, Protocol::Route).expect("socket"), &end.name);
                self.kernel.done(&end.namespace);
            }
        }
    }

    /// Forgets what the lab holds and believes it to be this.
    pub fn believe(&mut self, model: &Model) {
        self.plan = Plan::new(&Fabric::compile(model), self.options).expect("plan");
        self.plan.add_lans(&model.lans, &Fabric::compile(model), self.options);
    }

    /// A netlink socket in a namespace.
    pub fn netlink(&mut self, place: &str, protocol: Protocol) -> &mut Socket {
        self.kernel.socket(&self.key(place), protocol).expect("socket")
    }

    /// `web1` is an instance; `internet`, `vpc/…`, `igw/…`, `nat/…` are themselves.
    fn key(&self, place: &str) -> String {
        match place.contains('/') || place == "internet" {
            true => place.to_owned(),
            false => format!("instance/i-{place}"),
        }
    }

    /// All places.
    pub fn places(&self) -> Vec<String> {
        self.kernel.namespaces.keys().cloned().collect()
    }

    /// The namespace of a place.
    pub fn namespace(&self, place: &str) -> &Namespace {
        &self.kernel.namespaces[&self.key(place)]
    }

    /// Prefixes of the drops since the last call, those of namespaces in order.
    pub fn drops(&mut self) -> Vec<String> {
        self.read_drops();
        std::mem::take(&mut self.dropped)
    }

    fn read_drops(&mut self) {
        for socket in self.logs.values_mut() {
            let mut packets = Vec::new();
            nflog::receive(socket, Duration::from_millis(5), &mut packets).expect("nflog");
            self.dropped.extend(packets.into_iter().map(|packet| packet.prefix));
        }
    }

    /// What comes of waiting for a packet: in silence its drop is reported, or else the machine is busy and the packet is
    /// still on its way.
    fn until_told<T>(&mut self, mut wait: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
        let end = Instant::now() + UNTOLD;
        loop {
            let result = wait();
            let is_silent = |error: &std::io::Error| {
                matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock)
            };
            if !result.as_ref().is_err_and(is_silent) || Instant::now() > end {
                return result;
            }
            self.read_drops();
            if !self.dropped.is_empty() {
                return result;
            }
        }
    }

    /// The same without repetitions: a TCP SYN comes again.
    pub fn why(&mut self) -> Vec<String> {
        // The kernel's report may come after the packet's end was felt, the later the busier the machine is.
        let deadline = Instant::now() + SILENCE;
        let mut prefixes = self.drops();
        while prefixes.is_empty() && Instant::now() < deadline {
            prefixes = self.drops();
        }
        prefixes.dedup();
        prefixes
    }

    /// Opens a TCP connection and says a word each way.
    pub fn tcp(&mut self, from: &str, source: &str, to: &str, port: u16, at: &str) -> Seen {
        self.connect(from, source, 0, to, port, at).0
    }

    /// Opens a TCP connection from a port, and keeps it.
    pub fn connect(&mut self, from: &str, source: &str, source_port: u16, to: &str, port: u16, at: &str) -> (Seen, Option<Kept>) {
        let listener = self.namespace(at).enter(|| TcpListener::bind(("0.0.0.0", port)).expect("listener"));
        let source: Ipv4Addr = source.parse().expect("address");
        let target = SocketAddrV4::new(to.parse().expect("address"), port);
        let client = self.namespace(from).enter(|| begin(SocketAddrV4::new(source, source_port), target));
        let client = client.and_then(|client| {
            self.until_told(|| connected(&client))?;
            let stream = TcpStream::from(client);
            stream.set_nonblocking(false)?;
            Ok(stream)
        });
        match client {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => (Seen::Refused, None),
            Err(_) => {
                // Whether the request came, the listener knows: then the answer was lost.
                listener.set_nonblocking(true).expect("listener");
                (Seen::Silence, None)
            }
            Ok(client) => {
                let (server, peer) = listener.accept().expect("accept");
                let at = server.local_addr().expect("address").ip();
                let mut kept = Kept { client, server };
                assert!(kept.client_says() && kept.server_says(), "an open connection carries words");
                (Seen::Open { source: peer.ip().to_string(), port: peer.port(), destination: at.to_string() }, Some(kept))
            }
        }
    }

    /// Sends a datagram and an answer to it.
    pub fn udp(&mut self, from: &str, source: &str, to: &str, port: u16, at: &str) -> Seen {
        // A guest has one address, the internet many: the answer must come from the one that was asked.
        let asked = if at == "internet" { to } else { "0.0.0.0" };
        let server = self.namespace(at).enter(|| UdpSocket::bind((asked, port)).expect("bind"));
        let client = self.namespace(from).enter(|| UdpSocket::bind((source, 0)).expect("bind"));
        server.set_read_timeout(Some(SILENCE)).expect("timeout");
        client.set_read_timeout(Some(SILENCE)).expect("timeout");
        client.send_to(b"ask", (to, port)).expect("send");
        let mut buffer = [0; 64];
        let Ok((_, peer)) = self.until_told(|| server.recv_from(&mut buffer)) else { return Seen::Silence };
        server.send_to(b"answer", peer).expect("send");
        match self.until_told(|| client.recv_from(&mut buffer)) {
            Ok((_, answerer)) => Seen::Open { source: peer.ip().to_string(), port: peer.port(), destination: answerer.ip().to_string() },
            Err(_) => Seen::NoAnswer,
        }
    }
}

/// What a probe brings: `pair` when it is open, else the reasons of the drops.
pub fn tcp(lab: &mut Lab, from: &str, source: &str, to: &str, port: u16, at: &str) -> String {
    lab.drops();
    let seen = lab.tcp(from, source, to, port, at);
    match seen.is_open() {
        true => seen.pair(),
        false => format!("{seen:?} {}", lab.why().join(" ")),
    }
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Both directions work; addresses as the receiver sees them.
    Open {
        /// Source.
        source: String,
        /// Source port.
        port: u16,
        /// Destination.
        destination: String,
    },
    /// A reset came back.
    Refused,
    /// Nothing came back; for UDP: nothing arrived.
    Silence,
    /// The datagram arrived, its answer did not.
    NoAnswer,
}

impl Seen {
    /// Source and destination as the receiver sees them.
    pub fn pair(&self) -> String {
        match self {
            Seen::Open { source, destination, .. } => format!("{source} > {destination}"),
            other => format!("{other:?}"),
        }
    }

    /// Whether both directions work.
    pub fn is_open(&self) -> bool {
        matches!(self, Seen::Open { .. })
    }
}

/// An open connection, both ends.
pub struct Kept {
    /// Who opened it.
    pub client: TcpStream,
    /// Who was asked.
    pub server: TcpStream,
}

impl Kept {
    /// Whether a byte from the client, which must arrive, does.
    pub fn client_says(&mut self) -> bool {
        says(&mut self.client, &mut self.server, PATIENCE)
    }

    /// Whether a byte from the server, which must arrive, does.
    pub fn server_says(&mut self) -> bool {
        says(&mut self.server, &mut self.client, PATIENCE)
    }

    /// Whether a byte from the client, which must not arrive, does not.
    pub fn client_is_cut(&mut self) -> bool {
        !says(&mut self.client, &mut self.server, SILENCE)
    }

    /// Whether a byte from the server, which must not arrive, does not.
    pub fn server_is_cut(&mut self) -> bool {
        !says(&mut self.server, &mut self.client, SILENCE)
    }
}

fn says(from: &mut TcpStream, to: &mut TcpStream, patience: Duration) -> bool {
    to.set_read_timeout(Some(patience)).expect("timeout");
    if from.write_all(b"x").is_err() || !to.read(&mut [0; 8]).is_ok_and(|read| read > 0) {
        return false;
    }
    // The acknowledgement may come later, and would be the first packet that meets what a test changes next: asked for at
    // once, and waited for.
    rustix::net::sockopt::set_tcp_quickack(&*to, true).expect("quick acknowledgements");
    let end = Instant::now() + patience;
    while unacknowledged(from) > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    // A word that was cut off before comes with this one, and is none of the next.
    to.set_nonblocking(true).expect("socket");
    while to.read(&mut [0; 8]).is_ok_and(|read| read > 0) {}
    to.set_nonblocking(false).expect("socket");
    true
}

/// Bytes that were written to a connection and not acknowledged.
fn unacknowledged(stream: &TcpStream) -> libc::c_int {
    let mut count: libc::c_int = 0;
    // JUSTIFICATION: rustix has no SIOCOUTQ (tcp(7)), which has the number of TIOCOUTQ.
    // SAFETY: the descriptor is open and `count` is a live c_int, which is what the kernel writes.
    let result = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(stream), libc::TIOCOUTQ, &raw mut count) };
    assert_eq!(result, 0, "SIOCOUTQ");
    count
}

fn begin(source: SocketAddrV4, target: SocketAddrV4) -> std::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddr::V4(source))?;
    match rustix::net::connect(&socket, &SocketAddr::V4(target)) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno.into()),
    }
}

fn connected(socket: &OwnedFd) -> std::io::Result<()> {
    let timeout = rustix::event::Timespec { tv_sec: 0, tv_nsec: SILENCE.as_nanos() as i64 };
    let mut polled = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::OUT)];
    if rustix::event::poll(&mut polled, Some(&timeout))? == 0 {
        return Err(std::io::ErrorKind::TimedOut.into());
    }
    Ok(rustix::net::sockopt::socket_error(socket)??)
}

/// What is sent before a device carries packets is lost.
fn wait_until_running(socket: &mut Socket, device: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !link::get(socket, Target::Name(device)).expect("device").is_running() {
        assert!(Instant::now() < deadline, "{device} never carries packets");
        std::thread::sleep(Duration::from_millis(1));
    }
}
