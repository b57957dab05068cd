//! The thread that answers: sockets in containers' namespaces, one loop for all of them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use netlink::{Protocol, sock_diag};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::{Client, SocketAddress, SocketSpec};
use wire::dns::{Code, DnsError, Query, Response};

use super::forward::Forwarded;
use super::tcp;
use super::zone::{Answer, Zone};
use crate::network::apply::{Namespaces, bring_tables};
use crate::network::error::{Error, Result};
use crate::network::firewall;
use crate::network::names::EMBEDDED_RESOLVER;

/// Questions to other servers under way at once; Docker's number. Beyond, the asker asks again.
const UNDER_WAY: usize = 1_024;
/// Questions that are remembered of each container.
const REMEMBERED: usize = 128;
/// Datagrams read from one socket before the others have their turn.
const IN_A_ROW: usize = 64;

/// Opens sockets in namespaces.
pub trait Opener: Send + Sync {
    /// A UDP socket, bound to an address of its own or not yet bound.
    fn udp(&self, namespace: &str, address: Option<SocketAddr>) -> Result<UdpSocket>;
    /// A TCP socket that listens on an address.
    fn listener(&self, namespace: &str, address: SocketAddr) -> Result<TcpListener>;
    /// A TCP socket, not connected.
    fn tcp(&self, namespace: &str) -> Result<OwnedFd>;
    /// The sockets that [`open`] left, if it was there.
    fn kept(&self, namespace: &str) -> Result<Option<Sockets>>;
}

/// Where a container asks: over UDP and over TCP.
pub type Sockets = (UdpSocket, TcpListener);

/// Under which names the holder keeps them.
pub(in crate::network) fn kept_names(namespace: &str) -> [String; 2] {
    ["udp", "tcp"].map(|transport| format!("docker-dns/{namespace}/{transport}"))
}

/// Opens the sockets of a container before its program starts: what it asks waits there until a [`Resolver`] serves it. The
/// lab's holder keeps them, so that questions wait for a daemon that is started again, too. Replaces those of a namespace
/// that had the key before.
pub fn open(client: &Client, namespaces: &mut impl Namespaces, namespace: &str) -> Result<()> {
    let (udp, listener) = open_sockets(client, namespaces, namespace)?;
    let [of_udp, of_tcp] = kept_names(namespace);
    client.keep(&of_udp, udp.into())?;
    Ok(client.keep(&of_tcp, listener.into())?)
}

/// Closes what [`open`] left, which keeps the container's namespace.
pub fn close(client: &Client, namespace: &str) -> Result<()> {
    let forget = |name: &String| client.forget(name);
    Ok(kept_names(namespace).iter().try_for_each(forget)?)
}

fn open_sockets(
    opener: &dyn Opener,
    namespaces: &mut impl Namespaces,
    namespace: &str,
) -> Result<Sockets> {
    let anywhere = SocketAddr::from((EMBEDDED_RESOLVER, 0));
    let udp = opener.udp(namespace, Some(anywhere))?;
    let listener = opener.listener(namespace, anywhere)?;
    let ports = (
        address_of(udp.local_addr())?.port(),
        address_of(listener.local_addr())?.port(),
    );
    let tables = firewall::resolver_tables(EMBEDDED_RESOLVER, ports);
    let socket = namespaces.socket(namespace, Protocol::Netfilter)?;
    bring_tables(socket, &tables, None).map_err(Error::kernel(namespace))?;
    Ok((udp, listener))
}

fn address_of(address: io::Result<SocketAddr>) -> Result<SocketAddr> {
    address.map_err(|source| {
        let doing = "looking at a socket".to_owned();
        Error::Sandbox(sandbox::Error::Os { doing, source })
    })
}

/// Whether the sockets are in the namespace that has the key now.
fn are_here(
    namespaces: &mut impl Namespaces,
    namespace: &str,
    (udp, listener): &Sockets,
) -> Result<bool> {
    let wanted = [
        address_of(udp.local_addr())?,
        address_of(listener.local_addr())?,
    ];
    let socket = namespaces.socket(namespace, Protocol::SockDiag)?;
    let open = sock_diag::listeners(socket).map_err(Error::kernel(namespace))?;
    Ok(wanted
        .iter()
        .all(|address| open.iter().any(|open| open.local == *address)))
}

impl Opener for Client {
    fn kept(&self, namespace: &str) -> Result<Option<Sockets>> {
        let [udp, tcp] = kept_names(namespace).map(|name| match self.fetch(&name) {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        });
        Ok(udp?.zip(tcp?).map(|(udp, tcp)| (udp.into(), tcp.into())))
    }

    fn udp(&self, namespace: &str, address: Option<SocketAddr>) -> Result<UdpSocket> {
        // Without SO_REUSEADDR: with it two questions to one server could get the same port.
        let spec = SocketSpec {
            bind: address.map(SocketAddress::Inet),
            ..SocketSpec::new(namespace, libc::AF_INET, libc::SOCK_DGRAM, 0)
        };
        Ok(self.open_socket(spec)?.into())
    }

    fn listener(&self, namespace: &str, address: SocketAddr) -> Result<TcpListener> {
        let spec = SocketSpec::tcp_listener(namespace, address);
        Ok(self.open_socket(spec)?.into())
    }

    fn tcp(&self, namespace: &str) -> Result<OwnedFd> {
        Ok(self.open_socket(SocketSpec::tcp(namespace, false))?)
    }
}

/// A question and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: SystemTime,
    /// What: `db A`.
    pub question: String,
    /// What was said, and by whom: `172.18.0.2`, `NoSuchName by 10.0.0.2`.
    pub answer: String,
}

/// A container that is served.
pub(super) struct Served {
    pub namespace: String,
    /// Inode of the namespace: a container that is started anew has another one of the same key.
    identity: u64,
    pub udp: UdpSocket,
    listener: TcpListener,
    zone: Mutex<Zone>,
    turn: AtomicUsize,
    log: Mutex<VecDeque<Asked>>,
}

impl Served {
    pub(super) fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, query: &Query, answer: impl Into<String>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= REMEMBERED {
            log.pop_front();
        }
        log.push_back(Asked {
            at: SystemTime::now(),
            question: format!("{} {}", query.name, query.kind),
            answer: answer.into(),
        });
    }

    /// The answer's bytes, or nothing where others must be asked.
    pub(super) fn answer(&self, query: &Query, limit: usize) -> Option<Vec<u8>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let answer = self.zone().answer(query, turn);
        match answer {
            Answer::Here(response) => {
                self.note(query, in_words(&response));
                response.emit(query, limit).ok()
            }
            Answer::Forward => None,
        }
    }
}

/// What a response says, for people.
pub(super) fn in_words(response: &Response) -> String {
    if response.records.is_empty() {
        return match response.code {
            Code::NoError => "nothing of this type".to_owned(),
            other => format!("{other:?}"),
        };
    }
    let data = response.records.iter().map(|record| match &record.data {
        wire::dns::Data::A(address) => address.to_string(),
        wire::dns::Data::Aaaa(address) => address.to_string(),
        wire::dns::Data::Ptr(name) | wire::dns::Data::Cname(name) => name.clone(),
    });
    data.collect::<Vec<_>>().join(", ")
}

/// The failure that is answered when nobody else answers.
pub(super) fn failure(query: &Query) -> Option<Vec<u8>> {
    let response = Response::new(Code::ServerFailure, Vec::new());
    response.emit(query, query.udp_limit()).ok()
}

type Containers = Arc<Mutex<BTreeMap<String, Arc<Served>>>>;

/// The embedded DNS server of a lab. Dropping it ends it.
pub struct Resolver {
    opener: Arc<dyn Opener>,
    containers: Containers,
    stop: Arc<AtomicBool>,
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Resolver {
    /// Starts the thread; it serves nobody yet.
    pub fn start(opener: Arc<dyn Opener>) -> Result<Resolver> {
        let failed = |doing: &str| {
            let doing = doing.to_owned();
            move |source: io::Error| Error::Sandbox(sandbox::Error::Os { doing, source })
        };
        let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
        let (woken, wake) =
            rustix::pipe::pipe_with(flags).map_err(|e| failed("making a pipe")(e.into()))?;
        let (containers, stop) = (Containers::default(), Arc::new(AtomicBool::new(false)));
        let server = Server {
            opener: opener.clone(),
            containers: containers.clone(),
            stop: stop.clone(),
            under_way: Vec::new(),
            connections: Arc::default(),
        };
        let thread = std::thread::Builder::new()
            .name("docker-dns".to_owned())
            .spawn(move || server.run(&woken))
            .map_err(failed("starting a thread"))?;
        Ok(Resolver {
            opener,
            containers,
            stop,
            wake,
            thread: Some(thread),
        })
    }

    /// Serves a container, or gives one that is served another zone. `namespace` is its namespace's key, where rules are
    /// set that lead port 53 of 127.0.0.11 here.
    pub fn serve(
        &self,
        namespaces: &mut impl Namespaces,
        namespace: &str,
        zone: Zone,
    ) -> Result<()> {
        let descriptor = namespaces.descriptor(namespace)?;
        let identity = rustix::fs::fstat(&descriptor).map_err(|source| {
            let doing = "looking at a namespace".to_owned();
            let source = source.into();
            Error::Sandbox(sandbox::Error::Os { doing, source })
        })?;
        let identity = identity.st_ino;
        if let Some(served) = self.containers().get(namespace)
            && served.identity == identity
        {
            *served.zone() = zone;
            return Ok(());
        }
        let kept = match self.opener.kept(namespace)? {
            Some(kept) if are_here(namespaces, namespace, &kept)? => Some(kept),
            _ => None,
        };
        let (udp, listener) = match kept {
            Some(kept) => kept,
            None => open_sockets(self.opener.as_ref(), namespaces, namespace)?,
        };
        namespaces.forget(namespace);
        let served = Served {
            namespace: namespace.to_owned(),
            identity,
            udp,
            listener,
            zone: Mutex::new(zone),
            turn: AtomicUsize::new(0),
            log: Mutex::default(),
        };
        self.containers()
            .insert(namespace.to_owned(), Arc::new(served));
        self.wake();
        Ok(())
    }

    /// Gives a container that is served another zone; false where it is not.
    pub fn update(&self, namespace: &str, zone: Zone) -> bool {
        let containers = self.containers();
        let served = containers.get(namespace);
        served.is_some_and(|served| {
            *served.zone() = zone;
            true
        })
    }

    /// Serves a container no longer: its sockets keep its namespace alive.
    pub fn end(&self, namespace: &str) {
        self.containers().remove(namespace);
        self.wake();
    }

    /// The last questions of a container, the oldest first.
    pub fn asked(&self, namespace: &str) -> Vec<Asked> {
        let served = self.containers().get(namespace).cloned();
        served.map_or_else(Vec::new, |served| {
            let log = served.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.iter().cloned().collect()
        })
    }

    fn containers(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Served>>> {
        self.containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // A full pipe wakes as well.
        let _ = rustix::io::write(&self.wake, b"x");
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Server {
    opener: Arc<dyn Opener>,
    containers: Containers,
    stop: Arc<AtomicBool>,
    under_way: Vec<Forwarded>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn run(mut self, woken: &OwnedFd) {
        while !self.stop.load(Ordering::Acquire) {
            let containers: Vec<Arc<Served>> = {
                let all = self.containers.lock();
                let all = all.unwrap_or_else(PoisonError::into_inner);
                all.values().cloned().collect()
            };
            // What is asked for a container that is gone is of no use, and its socket keeps a namespace alive.
            self.under_way.retain(|question| {
                let is_same = |served: &Arc<Served>| Arc::ptr_eq(served, &question.served);
                containers.iter().any(is_same)
            });
            let (asked, called, answered) = {
                let mut fds = vec![PollFd::new(woken, PollFlags::IN)];
                let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
                fds.extend(containers.iter().map(|served| readable(served.udp.as_fd())));
                fds.extend(containers.iter().map(|s| readable(s.listener.as_fd())));
                fds.extend(self.under_way.iter().map(|q| readable(q.socket.as_fd())));
                let wait = self.next_deadline().map(|wait| Timespec {
                    tv_sec: wait.as_secs() as i64,
                    tv_nsec: wait.subsec_nanos().into(),
                });
                if poll(&mut fds, wait.as_ref()).is_err() {
                    continue;
                }
                let ready = |at: usize| !fds[at].revents().is_empty();
                if ready(0) {
                    let _ = rustix::io::read(woken, &mut [0; 64]);
                }
                let (first, count) = (1, containers.len());
                let of = |from: usize, count: usize| -> Vec<usize> {
                    (0..count).filter(|at| ready(from + at)).collect()
                };
                (
                    of(first, count),
                    of(first + count, count),
                    of(first + 2 * count, self.under_way.len()),
                )
            };
            self.receive(&answered);
            for at in asked {
                self.questions(&containers[at]);
            }
            for at in called {
                self.connection(&containers[at]);
            }
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let next = self
            .under_way
            .iter()
            .map(|question| question.deadline)
            .min();
        next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Passes on what other servers said, and asks the next one where one has been silent.
    fn receive(&mut self, answered: &[usize]) {
        let now = Instant::now();
        let mut at = 0;
        let opener = self.opener.as_ref();
        self.under_way.retain_mut(|question| {
            let is_readable = answered.contains(&at);
            at += 1;
            if is_readable && question.pass_on() {
                return false;
            }
            now < question.deadline || question.ask_next(opener)
        });
    }

    fn questions(&mut self, served: &Arc<Served>) {
        let mut buffer = [0; 4096];
        for _ in 0..IN_A_ROW {
            let flags = rustix::net::RecvFlags::DONTWAIT;
            let Ok((length, _, Some(peer))) =
                rustix::net::recvfrom(&served.udp, &mut buffer[..], flags)
            else {
                return;
            };
            let Ok(peer) = SocketAddr::try_from(peer) else {
                continue;
            };
            let bytes = &buffer[..length];
            let reply = match Query::parse(bytes) {
                Ok(query) => match served.answer(&query, query.udp_limit()) {
                    Some(reply) => Some(reply),
                    None if self.under_way.len() >= UNDER_WAY => failure(&query),
                    None => {
                        let opener = self.opener.as_ref();
                        let asked = Forwarded::ask(opener, served.clone(), peer, query, bytes);
                        self.under_way.extend(asked);
                        None
                    }
                },
                Err(DnsError::Unsupported { answer }) => Some(answer),
                Err(_) => None,
            };
            if let Some(reply) = reply {
                let _ = served.udp.send_to(&reply, peer);
            }
        }
    }

    fn connection(&self, served: &Arc<Served>) {
        tcp::accept(&self.opener, served, &served.listener, &self.connections);
    }
}
