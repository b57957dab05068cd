//! Acts by real sockets in the namespaces of a lab, and what passed the places meanwhile.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::engine::{Engine, EngineError, NameServer, Probe};
use linux::runtime::capture::{Capture, Captured, Direction, Hop, Kind};
use linux::runtime::place::Place;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, sockopt};
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;
use wire::{Arp, Icmpv4, Ipv4, Mac, protocol};

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
        let IpAddr::V4(to) = act.to else { return Err(EngineError::BadProbe("IPv6".to_owned())) };
        let sender = Place::of_sender(&self.fabric, &act.from)?;
        let IpAddr::V4(own) = sender.address else { return Err(EngineError::BadProbe("IPv6".to_owned())) };
        let receiver = Place::of_receiver(&self.fabric, &sender, None, act.to);
        // A system talks to itself without its interfaces, whichever of its addresses is asked.
        let is_itself = sender.talks_to_itself(receiver.as_ref(), act.to);
        let device = sender.device.clone().filter(|_| sender.is_one_of_several(&self.fabric) && !is_itself);
        let from = |mut spec: SocketSpec| {
            spec.bind = Some(SocketAddress::Inet(SocketAddr::new(sender.address, 0)));
            spec.device.clone_from(&device);
            spec
        };
        let server_at = |port: u16| receiver.as_ref().map(|place| (place.namespace.clone(), SocketAddr::new(place.address, port)));
        match act.what {
            What::Echo { ttl, size, dont_fragment } => {
                self.identifier += 1;
                let echo = Icmpv4::Echo { reply: false, id: self.identifier, sequence: 1, data: payload(usize::from(size)) };
                let header = Ipv4 { ttl, dont_fragment, ..Ipv4::new(own, to, protocol::ICMP) };
                let mut spec = SocketSpec::raw(&sender.namespace, false, WHOLE_PACKETS);
                spec.device = sender.device.clone().filter(|_| !is_itself);
                let socket = self.open(spec)?;
                send_to(&socket, &header.packet(&echo.message()), to, 0)?;
                Ok(Sockets::None)
            }
            What::Udp { port, ttl, size, is_open } => {
                let server = server_at(port).filter(|_| is_open);
                let server = server.map(|(namespace, address)| self.open(SocketSpec::udp(namespace, address))).transpose()?;
                let client = self.open(from(SocketSpec::new(&sender.namespace, libc::AF_INET, libc::SOCK_DGRAM, 0)))?;
                sockopt::set_ip_ttl(&client, u32::from(ttl)).map_err(failed("a TTL"))?;
                sockopt::set_ip_multicast_ttl(&client, u32::from(ttl)).map_err(failed("a TTL"))?;
                sockopt::set_socket_broadcast(&client, true).map_err(failed("broadcast"))?;
                // Only what comes from there is an answer; anything else is refused, as the simulator's programs do.
                match rustix::net::connect(&client, &SocketAddrV4::new(to, port)) {
                    Ok(()) => send_to(&client, &payload(usize::from(size)), to, port)?,
                    Err(Errno::NETUNREACH) => {}
                    Err(error) => return Err(failed("connecting")(error)),
                }
                Ok(Sockets::Udp { server, _client: client })
            }
            What::Tcp { port, ttl, talk } => {
                let listener = server_at(port).filter(|_| talk.is_some());
                let listener = listener.map(|(namespace, address)| self.open(SocketSpec::tcp_listener(namespace, address))).transpose()?;
                let client = self.open(from(SocketSpec::tcp(&sender.namespace, false)))?;
                sockopt::set_ip_ttl(&client, u32::from(ttl)).map_err(failed("a TTL"))?;
                match rustix::net::connect(&client, &SocketAddrV4::new(to, port)) {
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
            What::Arp => {
                if let Some(device) = &sender.device {
                    let socket = self.open(SocketSpec::packet(&sender.namespace, device))?;
                    let question = Arp::request(Mac(sender.mac), own, to).frame();
                    rustix::net::send(&socket, &question, SendFlags::empty()).map_err(failed("asking"))?;
                }
                Ok(Sockets::None)
            }
            What::Dns(_) => Ok(Sockets::None),
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
        if let What::Dns(name) = act.what {
            let (name, server) = (name.to_owned(), NameServer::Address(act.to));
            let probe = Probe::Dns { from: act.from.clone(), name, record_type: "A".to_owned(), server };
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
        Ok(self.passed(&capture, captured))
    }
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> EngineError {
    move |error| EngineError::Failed(format!("{what}: {error}"))
}

fn send_to(socket: &OwnedFd, bytes: &[u8], to: Ipv4Addr, port: u16) -> Result<(), EngineError> {
    match rustix::net::sendto(socket, bytes, SendFlags::NOSIGNAL, &SocketAddrV4::new(to, port)) {
        // EPERM: the sender's own namespace dropped it; then nothing passes, and that is what is compared.
        Ok(_) | Err(Errno::PERM | Errno::NETUNREACH | Errno::CONNREFUSED) => Ok(()),
        Err(error) => Err(failed("sending")(error)),
    }
}

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
