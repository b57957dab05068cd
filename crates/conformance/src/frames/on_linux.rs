//! Acts by real sockets in the namespaces of a lab, and what passed the places meanwhile.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::engine::{Engine, EngineError, NameServer, Probe};
use fabric::stage::exempt;
use linux::runtime::capture::{Capture, Captured, Direction, Hop, Kind};
use linux::runtime::place::Place;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;
use wire::{Arp, EtherType, Ethernet, Icmpv4, Icmpv6, Ipv4, Ipv6, Mac, protocol};

use super::canonical::Passed;
use super::scene::{Act, End, Talk, What, payload};
use super::{Player, label};
use crate::fuzz::Cloud;
use crate::linux_engine::LinuxEngine;

/// A protocol number that hands over whole packets (raw(7): IPPROTO_RAW).
const WHOLE_PACKETS: i32 = 255;
/// Longest time of an act; whoever needs it has stopped.
const LONGEST: Duration = Duration::from_secs(20);
/// Between two looks at sockets.
const PAUSE: Duration = Duration::from_millis(2);

/// How long nothing must pass for what is hung up to be gone.
const GONE: Duration = Duration::from_millis(20);

/// The kernel with a lab.
pub struct OnLinux {
    engine: LinuxEngine,
    fabric: Arc<Fabric>,
    hops: Vec<Hop>,
    identifier: u16,
    /// How long nothing must pass for an act to be over.
    pub silence: Duration,
}

impl OnLinux {
    /// A lab of this cloud, looked at where these hops are. Errors: the engine's.
    pub fn start(mut engine: LinuxEngine, cloud: &Cloud, hops: &[Hop]) -> Result<Self, EngineError> {
        engine.apply(&cloud.model, &cloud.fabric)?;
        let hops = hops.iter().filter(|hop| !matches!(hop.kind, Kind::Router(_))).cloned().collect();
        Ok(Self { engine, fabric: Arc::clone(&cloud.fabric), hops, identifier: 0, silence: Duration::from_millis(150) })
    }

    fn open(&mut self, spec: SocketSpec) -> Result<OwnedFd, EngineError> {
        self.engine.lab()?.client().open_socket(SocketSpec { nonblocking: true, ..spec }).map_err(failed("a socket"))
    }

    /// The sockets of an act.
    fn begin(&mut self, act: &Act) -> Result<Sockets, EngineError> {
        let to = act.to;
        let sender = Place::of_sender(&self.fabric, &act.from)?.towards(&self.fabric, to)?;
        let receiver = Place::of_receiver(&self.fabric, &sender, None, to);
        // A system talks to itself without its interfaces, whichever of its addresses is asked.
        let is_itself = sender.talks_to_itself(receiver.as_ref(), to);
        let said = sender.device.clone().filter(|_| sender.is_one_of_several(&self.fabric) && !is_itself);
        let device = said.or_else(|| sender.link_of(to));
        let from = |mut spec: SocketSpec| {
            spec.bind = Some(SocketAddress::Inet(SocketAddr::new(sender.address, 0)));
            spec.device.clone_from(&device);
            spec
        };
        let is_service = is_name_server(&self.fabric, &sender, act);
        let server_at = |port: u16| {
            let place = receiver.as_ref().filter(|_| !is_service)?;
            Some((place.namespace.clone(), SocketAddr::new(place.address, port)))
        };
        match act.what {
            What::Echo { ttl, size, dont_fragment } => {
                self.identifier += 1;
                let packet = echo_request(sender.address, to, self.identifier, size, (ttl, dont_fragment));
                let mut spec = SocketSpec::raw(&sender.namespace, to.is_ipv6(), WHOLE_PACKETS);
                spec.device = sender.device.clone().filter(|_| !is_itself).or_else(|| sender.link_of(to));
                if sender.interface.is_none() {
                    spec.bind = Some(SocketAddress::Inet(SocketAddr::new(sender.address, 0)));
                }
                let socket = self.open(spec)?;
                sockopt::set_socket_broadcast(&socket, true).map_err(failed("broadcast"))?;
                send_to(&socket, &packet, to, 0)?;
                Ok(Sockets::None)
            }
            What::Udp { port, ttl, size, is_open } => {
                let server = server_at(port).filter(|_| is_open);
                let server = server.map(|(namespace, address)| self.open(SocketSpec::udp(namespace, address))).transpose()?;
                let family = if to.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
                let client = self.open(from(SocketSpec::new(&sender.namespace, family, libc::SOCK_DGRAM, 0)))?;
                set_hops(&client, to, ttl, true)?;
                sockopt::set_socket_broadcast(&client, true).map_err(failed("broadcast"))?;
                // Only what comes from there is an answer; anything else is refused, as the simulator's programs do.
                match rustix::net::connect(&client, &SocketAddr::new(to, port)) {
                    Ok(()) => send_to(&client, &payload(usize::from(size)), to, port)?,
                    Err(Errno::NETUNREACH) => {}
                    Err(error) => return Err(failed("connecting")(error)),
                }
                Ok(Sockets::Udp { server, _client: client })
            }
            What::Tcp { port, ttl, talk } => {
                let listener = server_at(port).filter(|_| talk.is_some());
                let listener = listener.map(|(namespace, address)| self.open(SocketSpec::tcp_listener(namespace, address))).transpose()?;
                if let Some(listener) = &listener {
                    // What it accepts acknowledges with its answer, as the simulator's hosts do, and not before: to a middlebox that
                    // sees one way of a connection alone, an acknowledgement would be a flow of its own.
                    sockopt::set_tcp_quickack(listener, false).map_err(failed("acknowledging late"))?;
                }
                let client = self.open(from(SocketSpec::tcp(&sender.namespace, to.is_ipv6())))?;
                set_hops(&client, to, ttl, false)?;
                match rustix::net::connect(&client, &SocketAddr::new(to, port)) {
                    Ok(()) | Err(Errno::INPROGRESS | Errno::NETUNREACH | Errno::ACCESS) => {}
                    Err(error) => return Err(failed("connecting")(error)),
                }
                let talk = talk.unwrap_or(Talk { there: 0, back: 0, end: End::ClientCloses });
                Ok(Sockets::Tcp(Box::new(Conversation {
                    talk,
                    listener,
                    client: Side::new(client, payload(talk.there)),
                    server: None,
                    has_answered: false,
                })))
            }
            What::Neighbour => {
                if let (Some(device), Some(question)) = (&sender.device, question(&sender, to)) {
                    let socket = self.open(SocketSpec::packet(&sender.namespace, device))?;
                    rustix::net::send(&socket, &question, SendFlags::empty()).map_err(failed("asking"))?;
                }
                Ok(Sockets::None)
            }
            What::Dns(..) => Ok(Sockets::None),
        }
    }

    fn passed(&self, capture: &Capture, captured: Vec<Captured>) -> Vec<Passed> {
        let place = |captured: &Captured| {
            let hop = &capture.hops()[captured.hop];
            let link = hop.link(captured.device)?;
            Some(label(hop, Some(link)))
        };
        let passed = |captured: Captured| {
            let (place, is_outbound) = (place(&captured)?, captured.direction == Direction::Outbound);
            Some(Passed { place, is_outbound, frame: captured.bytes })
        };
        captured.into_iter().filter_map(passed).collect()
    }
}

impl Player for OnLinux {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn play(&mut self, act: &Act) -> Result<Vec<Passed>, EngineError> {
        let (hops, silence) = (self.hops.clone(), self.silence);
        let mut capture = Capture::open(self.engine.lab()?.client(), hops)?;
        let mut captured = Vec::new();
        let mut sockets = self.begin(act)?;
        if let What::Dns(name, kind) = act.what {
            let (name, server) = (name.to_owned(), NameServer::Address(act.to));
            let probe = Probe::Dns { from: act.from.clone(), name, record_type: kind.to_owned(), server };
            self.engine.probe(&probe.into())?;
        }
        let (begun, mut heard) = (Instant::now(), Instant::now());
        while begun.elapsed() < LONGEST && heard.elapsed() < silence {
            let moved = sockets.go_on()?;
            let news = capture.next(&[], PAUSE)?;
            if moved || !news.is_empty() {
                heard = Instant::now();
            }
            captured.extend(news);
        }
        captured.extend(capture.rest()?);
        let passed = self.passed(&capture, captured);
        if sockets.hang_up() {
            let mut heard = Instant::now();
            while heard.elapsed() < GONE {
                if !capture.next(&[], PAUSE)?.is_empty() {
                    heard = Instant::now();
                }
            }
        }
        Ok(passed)
    }
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> EngineError {
    move |error| EngineError::Failed(format!("{what}: {error}"))
}

fn send_to(socket: &OwnedFd, bytes: &[u8], to: IpAddr, port: u16) -> Result<(), EngineError> {
    match rustix::net::sendto(socket, bytes, SendFlags::NOSIGNAL, &SocketAddr::new(to, port)) {
        // EPERM: the sender's own namespace dropped it; then nothing passes, and that is what is compared.
        Ok(_) | Err(Errno::PERM | Errno::NETUNREACH | Errno::CONNREFUSED) => Ok(()),
        Err(error) => Err(failed("sending")(error)),
    }
}

/// Hops of what a socket sends; of datagrams those for groups, too.
fn set_hops(socket: &OwnedFd, to: IpAddr, hops: u8, has_groups: bool) -> Result<(), EngineError> {
    let set = match to {
        IpAddr::V4(_) => sockopt::set_ip_ttl(socket, hops.into()),
        IpAddr::V6(_) => sockopt::set_ipv6_unicast_hops(socket, Some(hops)),
    };
    let of_groups = |()| match to {
        _ if !has_groups => Ok(()),
        IpAddr::V4(_) => sockopt::set_ip_multicast_ttl(socket, hops.into()),
        IpAddr::V6(_) => sockopt::set_ipv6_multicast_hops(socket, hops.into()),
    };
    set.and_then(of_groups).map_err(failed("hops"))
}

fn echo_request(from: IpAddr, to: IpAddr, id: u16, size: u16, (ttl, dont_fragment): (u8, bool)) -> Vec<u8> {
    let data = payload(usize::from(size));
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let echo = Icmpv4::Echo { reply: false, id, sequence: 1, data };
            Ipv4 { ttl, dont_fragment, ..Ipv4::new(from, to, protocol::ICMP) }.packet(&echo.message())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let echo = Icmpv6::Echo { reply: false, id, sequence: 1, data };
            Ipv6 { hop_limit: ttl, ..Ipv6::new(from, to, protocol::ICMPV6) }.packet(&echo.message(from, to))
        }
        _ => Vec::new(),
    }
}

/// A question for the Ethernet address of a neighbour, as a frame.
fn question(sender: &Place, to: IpAddr) -> Option<Vec<u8>> {
    match (sender.address, to) {
        (IpAddr::V4(own), IpAddr::V4(to)) => Some(Arp::request(Mac(sender.mac), own, to).frame()),
        (IpAddr::V6(own), IpAddr::V6(to)) => Some(solicitation(sender.mac, own, to)),
        _ => None,
    }
}

/// A neighbour solicitation (RFC 4861, 4.3) to the group of who has the address (RFC 4291, 2.7.1), from an address of its scope.
fn solicitation(mac: [u8; 6], own: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = to.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, u16::from_be_bytes([0xff, a]), u16::from_be_bytes([b, c]));
    let source = if to.is_unicast_link_local() { linux::plan::link_local(mac) } else { own };
    let data = [&to.octets()[..], &[1, 1], &mac].concat();
    let message = Icmpv6::Other { kind: 135, code: 0, rest: [0; 4], data }.message(source, group);
    let header = Ipv6 { hop_limit: 255, ..Ipv6::new(source, group, protocol::ICMPV6) };
    let mut frame = Vec::new();
    let ethernet = Ethernet { destination: Mac([0x33, 0x33, 0xff, a, b, c]), source: Mac(mac), ether_type: EtherType::IPV6 };
    ethernet.emit(&mut frame);
    header.emit(&message, &mut frame);
    frame
}

/// Whether an act asks a name server that the lab has: nobody listens there in its place.
fn is_name_server(fabric: &Fabric, sender: &Place, act: &Act) -> bool {
    let is_resolver = |index| exempt::is_resolver(fabric, fabric.interfaces[index].vpc, act.to);
    let is_server = act.to == IpAddr::V4(linux::plan::PUBLIC_DNS) || sender.interface.is_some_and(is_resolver);
    is_server && matches!(act.what, What::Udp { port: 53, .. })
}

/// What an act has open.
enum Sockets {
    None,
    Udp { server: Option<OwnedFd>, _client: OwnedFd },
    Tcp(Box<Conversation>),
}

impl Sockets {
    /// Does what can be done now; whether that was anything.
    fn go_on(&mut self) -> Result<bool, EngineError> {
        match self {
            Self::None => Ok(false),
            Self::Udp { server: None, .. } => Ok(false),
            Self::Udp { server: Some(server), .. } => {
                let mut buffer = vec![0; 65_536];
                match rustix::net::recvfrom(&*server, &mut buffer[..], RecvFlags::DONTWAIT) {
                    Ok((length, _, Some(peer))) => {
                        rustix::net::sendto(&*server, &buffer[..length], SendFlags::NOSIGNAL, &peer).map_err(failed("answering"))?;
                        Ok(true)
                    }
                    _ => Ok(false),
                }
            }
            Self::Tcp(conversation) => Ok(conversation.go_on()),
        }
    }

    /// Ends connections that are not over with a reset, or the kernel would send again, in the midst of other acts, what nobody
    /// acknowledged. Whether there was any connection.
    fn hang_up(self) -> bool {
        let Self::Tcp(mut conversation) = self else { return false };
        conversation.client.reset();
        if let Some(server) = &mut conversation.server {
            server.reset();
        }
        true
    }
}

/// One end of a connection.
struct Side {
    socket: Option<OwnedFd>,
    left: Vec<u8>,
    received: usize,
    is_finished: bool,
    has_shut: bool,
}

impl Side {
    fn new(socket: OwnedFd, left: Vec<u8>) -> Self {
        Self { socket: Some(socket), left, received: 0, is_finished: false, has_shut: false }
    }

    /// Sends and receives what can be. Whether that was anything.
    fn go_on(&mut self) -> bool {
        let Some(socket) = &self.socket else { return false };
        let mut moved = false;
        while !self.left.is_empty() {
            let Ok(sent) = rustix::net::send(socket, &self.left, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) else { break };
            self.left.drain(..sent);
            moved = true;
        }
        let mut buffer = [0; 65_536];
        while !self.is_finished {
            match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => (self.is_finished, moved) = (true, true),
                Ok((length, _)) => {
                    self.received += length;
                    moved = true;
                }
                // Not yet; or an end that is no end of the stream: a reset, a refusal.
                Err(_) => break,
            }
        }
        moved
    }

    fn shut(&mut self) {
        if let (Some(socket), false, true) = (&self.socket, self.has_shut, self.left.is_empty()) {
            self.has_shut = rustix::net::shutdown(socket, Shutdown::Write).is_ok();
        }
    }

    fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        }
    }
}

struct Conversation {
    talk: Talk,
    listener: Option<OwnedFd>,
    client: Side,
    server: Option<Side>,
    has_answered: bool,
}

impl Conversation {
    fn go_on(&mut self) -> bool {
        let Talk { there, back, end } = self.talk;
        let mut moved = self.client.go_on();
        if self.server.is_none()
            && let Some(accepted) = self.listener.as_ref().and_then(|listener| rustix::net::accept(listener).ok())
        {
            self.server = Some(Side::new(accepted, Vec::new()));
            moved = true;
        }
        if let Some(server) = &mut self.server {
            moved |= server.go_on();
            let may_answer = if end == End::HalfClose { server.is_finished } else { server.received >= there };
            if may_answer && !self.has_answered {
                self.has_answered = true;
                match end {
                    End::ServerResets => server.reset(),
                    _ => server.left = payload(back),
                }
                moved |= server.go_on();
            }
            if self.has_answered && (server.is_finished || end == End::ServerCloses) {
                server.shut();
            }
        }
        let has_all = self.has_answered && self.client.received >= back;
        match end {
            End::HalfClose => self.client.shut(),
            End::ClientCloses if has_all => self.client.shut(),
            End::ClientResets if has_all => self.client.reset(),
            _ if self.client.is_finished => self.client.shut(),
            _ => {}
        }
        moved
    }
}
