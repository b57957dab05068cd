//! The services' sockets: opened by the holder inside routers and on the internet, served here by one thread and a few
//! short-lived ones for HTTP.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use fabric::resolver::QUESTIONS_A_SECOND;
use fabric::stage::exempt;
use fabric::{Fabric, VpcIndex};
use model::{Model, Timestamp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};
use sandbox::{Client, SocketSpec};
use wire::dns::{DnsError, Query};

use super::dns::{self, Resolver};
use super::lease;
use super::metadata::{self, Request, Role, Tokens};
use crate::cloud::reception::Reception;
use crate::identity::Book;

/// Metadata connections served at once; more wait in the kernel.
const CONNECTIONS: usize = 64;
/// The largest head of a metadata request, bytes.
const LARGEST_HEAD: usize = 16 << 10;

/// What the services know: replaced whole when the lab changes.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The model.
    pub model: Arc<Model>,
    /// Its fabric.
    pub fabric: Arc<Fabric>,
    /// The engine's clock.
    pub now: Timestamp,
    /// Who answers what a model does not know; none: nobody.
    pub backing: Option<Arc<Backing>>,
}

/// What services have beside the model: the lab's identities, and where clients of AWS go.
#[derive(Debug)]
pub struct Backing {
    /// The lab's name.
    pub lab: String,
    /// Its identities.
    pub book: Arc<Book>,
    /// Where clients of AWS go that come from inside.
    pub reception: Arc<Reception>,
}

type State = Arc<Mutex<Shared>>;

/// Running services of a lab. Dropping them ends them.
pub struct Services {
    state: State,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    wake: OwnedFd,
    served: Vec<String>,
}

enum Port {
    Dns(Resolver),
    Time,
    Metadata(VpcIndex),
    /// Where clients of AWS come from inside.
    Api,
    Leases(VpcIndex),
}

impl Services {
    /// Opens sockets in every router of the fabric and serves them.
    pub fn start(client: &Client, shared: Shared) -> Result<Services, sandbox::Error> {
        let mut specs = Vec::new();
        let mut ports = Vec::new();
        let at = |address: Ipv4Addr, port: u16| SocketAddr::V4(SocketAddrV4::new(address, port));
        let at_v6 = |address: Ipv6Addr, port: u16| SocketAddr::from((address, port));
        for (index, vpc) in shared.fabric.vpcs.iter() {
            let key = linux::naming::router_namespace(&vpc.id);
            for address in [linux::plan::RESOLVER, vpc.resolver] {
                specs.push(SocketSpec::udp(&key, at(address, 53)));
                ports.push(Port::Dns(Resolver::Vpc(index)));
            }
            specs.push(SocketSpec::udp(&key, at(linux::plan::TIME, 123)));
            ports.push(Port::Time);
            specs.push(SocketSpec::tcp_listener(&key, at(linux::plan::METADATA, 80)));
            ports.push(Port::Metadata(index));
            specs.push(SocketSpec::udp(&key, at(Ipv4Addr::UNSPECIFIED, wire::dhcp::SERVER_PORT)));
            ports.push(Port::Leases(index));
            if vpc.ipv6_blocks.is_empty() {
                continue;
            }
            // The same over IPv6 (DNS-1, IMDS-1).
            specs.push(SocketSpec::udp(&key, at_v6(exempt::RESOLVER_IPV6, 53)));
            ports.push(Port::Dns(Resolver::Vpc(index)));
            specs.push(SocketSpec::udp(&key, at_v6(exempt::TIME_IPV6, 123)));
            ports.push(Port::Time);
            specs.push(SocketSpec::tcp_listener(&key, at_v6(exempt::METADATA_IPV6, 80)));
            ports.push(Port::Metadata(index));
        }
        specs.push(SocketSpec::udp(linux::naming::INTERNET, at(linux::plan::PUBLIC_DNS, 53)));
        ports.push(Port::Dns(Resolver::Public));
        if shared.backing.is_some() {
            // The lab may have the address itself: then nobody comes.
            let listener = SocketSpec::tcp_listener(linux::naming::INTERNET, at(linux::plan::AWS_API, 80));
            specs.push(SocketSpec { freebind: true, ..listener });
            ports.push(Port::Api);
        }
        for spec in &mut specs {
            spec.nonblocking = true;
        }
        let served = served_by(&shared.fabric);
        let sockets: Vec<(Port, OwnedFd)> = ports.into_iter().zip(client.open_sockets(&specs)?).collect();
        let (woken, wake) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)
            .map_err(|source| sandbox::Error::Os { doing: "making a pipe".to_owned(), source: source.into() })?;
        let state: State = Arc::new(Mutex::new(shared));
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server { sockets, state: state.clone(), stop: stop.clone(), tokens: Arc::default(), busy: Arc::default(), rates: BTreeMap::new() };
        let thread = std::thread::Builder::new().name("services".to_owned()).spawn(move || server.run(&woken));
        let thread = thread.map_err(|source| sandbox::Error::Os { doing: "starting a thread".to_owned(), source })?;
        Ok(Services { state, stop, thread: Some(thread), wake, served })
    }

    /// Answers from now on come from this state. False when VPCs came or went: then the services must be started anew.
    fn update(&self, shared: Shared) -> bool {
        let same = served_by(&shared.fabric) == self.served;
        if same {
            *self.state.lock().unwrap_or_else(PoisonError::into_inner) = shared;
        }
        same
    }

    /// Brings what runs to `shared`: kept when the same sockets serve it, else started anew.
    pub fn renew(running: &mut Option<Services>, client: &Client, shared: Shared) -> Result<(), sandbox::Error> {
        if running.as_ref().is_some_and(|services| services.update(shared.clone())) {
            return Ok(());
        }
        // The old sockets must be closed before their addresses can be had again.
        *running = None;
        *running = Some(Services::start(client, shared)?);
        Ok(())
    }

    /// Moves the services' clock.
    pub fn set_now(&self, now: Timestamp) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).now = now;
    }
}

/// What decides which sockets are open.
fn served_by(fabric: &Fabric) -> Vec<String> {
    fabric.vpcs.values().map(|vpc| format!("{} {} {}", vpc.id, vpc.resolver, vpc.ipv6_blocks.is_empty())).collect()
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = rustix::io::write(&self.wake, b"x");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Server {
    sockets: Vec<(Port, OwnedFd)>,
    state: State,
    stop: Arc<AtomicBool>,
    tokens: Arc<Mutex<Tokens>>,
    busy: Arc<AtomicUsize>,
    rates: BTreeMap<(usize, IpAddr), (u64, u32)>,
}

impl Server {
    fn run(mut self, woken: &OwnedFd) {
        while !self.stop.load(Ordering::Acquire) {
            let mut fds: Vec<PollFd<'_>> =
                self.sockets.iter().map(|(_, fd)| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
            fds.push(PollFd::new(woken, PollFlags::IN));
            let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
            if poll(&mut fds, Some(&limit)).is_err() {
                continue;
            }
            let ready: Vec<usize> =
                fds.iter().enumerate().filter(|(_, fd)| !fd.revents().is_empty()).map(|(at, _)| at).collect();
            let sockets = self.sockets.len();
            for at in ready.into_iter().filter(|at| *at < sockets) {
                match self.sockets[at].0 {
                    Port::Dns(resolver) => self.dns(at, resolver),
                    Port::Time => self.time(at),
                    Port::Metadata(vpc) => self.metadata(at, vpc),
                    Port::Api => self.clients_of_aws(at),
                    Port::Leases(vpc) => self.leases(at, vpc),
                }
            }
        }
    }

    fn dns(&mut self, at: usize, resolver: Resolver) {
        let mut buffer = [0; 4096];
        while let Ok((length, _, Some(peer))) = rustix::net::recvfrom(&self.sockets[at].1, &mut buffer[..], RecvFlags::DONTWAIT) {
            let Ok(from) = SocketAddr::try_from(peer.clone()) else { continue };
            if resolver != Resolver::Public && self.exceeds_rate(at, from.ip()) {
                continue;
            }
            let reply = match Query::parse(&buffer[..length]) {
                Ok(query) => {
                    let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                    let response = dns::answer(&state.fabric, resolver, &query);
                    response.emit(&query, query.udp_limit()).ok()
                }
                Err(DnsError::Unsupported { answer }) => Some(answer),
                Err(_) => None,
            };
            if let Some(reply) = reply {
                let _ = rustix::net::sendto(&self.sockets[at].1, &reply, SendFlags::NOSIGNAL, &from);
            }
        }
    }

    fn exceeds_rate(&mut self, at: usize, from: IpAddr) -> bool {
        let second = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.rates.retain(|_, (when, _)| *when == second);
        let entry = self.rates.entry((at, from)).or_insert((second, 0));
        entry.1 += 1;
        entry.1 > QUESTIONS_A_SECOND
    }

    fn time(&self, at: usize) {
        let mut buffer = [0; 512];
        while let Ok((length, _, Some(peer))) = rustix::net::recvfrom(&self.sockets[at].1, &mut buffer[..], RecvFlags::DONTWAIT) {
            let Ok(request) = wire::ntp::Request::parse(&buffer[..length]) else { continue };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let now = wire::ntp::Timestamp::from_unix(now);
            // Stratum 4 with the reference of the local clock: as good as the machine's.
            let reply = request.reply(4, [127, 127, 1, 1], now, now).emit();
            let _ = rustix::net::sendto(&self.sockets[at].1, &reply, SendFlags::NOSIGNAL, &peer);
        }
    }

    fn clients_of_aws(&self, at: usize) {
        let backing = self.state.lock().unwrap_or_else(PoisonError::into_inner).backing.clone();
        while let Ok(connection) = rustix::net::accept_with(&self.sockets[at].1, rustix::net::SocketFlags::CLOEXEC) {
            let stream = TcpStream::from(connection);
            if let (Some(backing), Ok(from)) = (&backing, stream.peer_addr()) {
                backing.reception.receive(&backing.lab, stream, from);
            }
        }
    }

    fn leases(&self, at: usize, vpc: VpcIndex) {
        let mut buffer = [0; 2_048];
        while let Ok((length, _, Some(peer))) = rustix::net::recvfrom(&self.sockets[at].1, &mut buffer[..], RecvFlags::DONTWAIT) {
            let Ok(SocketAddr::V4(peer)) = SocketAddr::try_from(peer) else { continue };
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reply) = lease::answer(&state.fabric, vpc, *peer.ip(), &buffer[..length]) {
                let _ = rustix::net::sendto(&self.sockets[at].1, &reply, SendFlags::NOSIGNAL, &peer);
            }
        }
    }

    fn metadata(&self, at: usize, vpc: VpcIndex) {
        while self.busy.load(Ordering::Acquire) < CONNECTIONS {
            let Ok(connection) = rustix::net::accept_with(&self.sockets[at].1, rustix::net::SocketFlags::CLOEXEC) else { return };
            let (state, tokens, busy) = (self.state.clone(), self.tokens.clone(), self.busy.clone());
            busy.fetch_add(1, Ordering::AcqRel);
            let done = busy.clone();
            let served = std::thread::Builder::new().name("metadata".to_owned()).stack_size(256 << 10).spawn(move || {
                let _ = serve(TcpStream::from(connection), vpc, &state, &tokens);
                done.fetch_sub(1, Ordering::AcqRel);
            });
            if served.is_err() {
                busy.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
}

fn serve(mut connection: TcpStream, vpc: VpcIndex, state: &State, tokens: &Mutex<Tokens>) -> io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.set_write_timeout(Some(Duration::from_secs(5)))?;
    let peer = connection.peer_addr()?.ip();
    loop {
        let Some((request, close)) = read_request(&mut connection)? else { return Ok(()) };
        // Before the state is taken: credentials wait for the disk, and for whoever changes identities.
        let role = role(state, vpc, peer, &request.path);
        let response = {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let interface = state.fabric.vpcs.get(vpc).and_then(|vpc| vpc.addresses.get(&peer));
            let instance = interface.and_then(|i| state.fabric.interfaces[*i].instance());
            let Some(instance) = instance else { return Ok(()) };
            let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
            metadata::answer(&state.model, &state.fabric, instance, &mut tokens, state.now, &request, role.as_ref())
        };
        // IMDS-5: only the token's answer travels so short a way.
        if let Some(hops) = response.hop_limit {
            rustix::net::sockopt::set_ip_ttl(&connection, u32::from(hops))?;
        }
        write_response(&mut connection, &response, close)?;
        if close || response.hop_limit.is_some() {
            return Ok(());
        }
    }
}

/// What the lab's identities say of the role of whoever asks, as far as the path needs it.
fn role(state: &State, vpc: VpcIndex, peer: IpAddr, path: &str) -> Option<Role> {
    let (backing, account, profile, instance) = {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let interface = state.fabric.vpcs.get(vpc).and_then(|vpc| vpc.addresses.get(&peer))?;
        let instance = state.fabric.interfaces[*interface].instance()?;
        let id = &state.fabric.instances[instance].id;
        let profile = state.model.instances.get(id)?.iam_instance_profile.clone()?;
        (state.backing.clone()?, state.model.account_id.clone(), profile, id.to_string())
    };
    metadata::role_of(&backing.book, &account, &profile, &instance, path)
}

/// `None`: the other side has no more to say.
fn read_request(connection: &mut TcpStream) -> io::Result<Option<(Request, bool)>> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LARGEST_HEAD || connection.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else { return Ok(None) };
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: u64 = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    io::copy(&mut connection.take(length.min(64 << 10)), &mut io::sink())?;
    let close = version == "HTTP/1.0" || headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    let path = target.split('?').next().unwrap_or(target);
    // Doubled slashes are what clients make of a base address with a slash at its end.
    let path = path.replace("//", "/");
    Ok(Some((Request { method: method.to_owned(), path, headers }, close)))
}

fn write_response(connection: &mut TcpStream, response: &metadata::Response, close: bool) -> io::Result<()> {
    let reason = match response.status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "Method Not Allowed",
    };
    let mut head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nServer: EC2ws\r\n",
        response.status,
        response.content_type,
        response.body.len()
    );
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if close || response.hop_limit.is_some() {
        head.push_str("Connection: close\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend(&response.body);
    connection.write_all(&bytes)
}
