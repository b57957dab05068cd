//! Real packets beside the simulator: what it said of claims about lans, tried in a lab that is up, else in one of this command's
//! own where the file's listeners are sockets that answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conformance::linux_engine::LinuxEngine;
use fabric::{Engine, Fabric};
use model::guest::Listener;
use model::lan::Device;
use model::{Model, Probe, ProbePacket, Selector};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags};
use sandbox::{Client, SocketSpec};

use super::devices::{self, Way};
use super::probing::Seen;
use super::running;
use super::target::Target;
use crate::exit::{Failure, Result};

/// Packets that are sent for one claim.
const MOST: usize = 48;
/// Of those, so many at a time.
const AT_ONCE: usize = 12;
/// Sockets that stand in for what a file lets its hosts listen on.
const MOST_LISTENERS: usize = 2_048;

/// A packet that the simulator was asked for, and what it said.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The sender.
    pub from: Selector,
    /// The receiver.
    pub to: Selector,
    /// The packet.
    pub packet: ProbePacket,
    /// `open`, `refused`, `filtered` …
    pub word: &'static str,
}

/// What came of real packets.
#[derive(Debug, Default)]
pub struct Sent {
    /// How many.
    pub packets: usize,
    /// Those that found something else than the simulator says, a line each.
    pub disagreements: Vec<String>,
}

/// Lans that real packets go through.
pub struct Carried {
    model: Arc<Model>,
    fabric: Arc<Fabric>,
    holder: Client,
    /// Before the engine, whose end takes their namespaces away.
    _servers: Option<Servers>,
    _engine: Option<LinuxEngine>,
}

impl Carried {
    /// The lab that is up; else an engine of this command's own, unless a spanning tree would have to be waited for. `None`: no
    /// real packets here, with the reason.
    pub fn of(target: &Target) -> Result<std::result::Result<Self, String>> {
        let model = target.model.clone();
        let fabric = Arc::new(Fabric::compile(&model));
        if let Some(running) = &target.running {
            return Ok(Ok(Self { model, fabric, holder: running::holder(&running.name)?, _servers: None, _engine: None }));
        }
        let mut devices = model.lans.values().flat_map(|lan| lan.devices.iter());
        let slow = devices.find(|(_, device)| matches!(device, Device::Switch(switch) | Device::Bridge(switch) if switch.spanning_tree));
        if let Some((name, _)) = slow {
            return Ok(Err(format!("{name} needs half a minute for its spanning tree: `vpclab up` first, and real packets are sent, too")));
        }
        let mut engine = match LinuxEngine::start(linux::Options::default()) {
            Ok(engine) => engine,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let failed = |why: String| Failure::environment(why);
        engine.apply(&model, &fabric).map_err(|error| failed(error.to_string()))?;
        let holder = Client::connect(engine.lab().map_err(|error| failed(error.to_string()))?.client().socket()).map_err(|error| failed(error.to_string()))?;
        let servers = Servers::open(&holder, &model)?;
        Ok(Ok(Self { model, fabric, holder, _servers: Some(servers), _engine: Some(engine) }))
    }

    /// Sends what the simulator was asked, and compares.
    pub fn compare(&self, asked: &[Asked]) -> Result<Sent> {
        let mut tries: Vec<(&Asked, Way)> = Vec::new();
        for one in asked {
            let probe = Probe { source: one.from.clone(), destination: one.to.clone(), packet: one.packet };
            let is_sent = matches!(one.packet, ProbePacket::Tcp(_) | ProbePacket::Udp(_) | ProbePacket::ECHO);
            if let Some(way) = devices::way_in(&probe, &self.model, &self.fabric)?.filter(|_| is_sent && tries.len() < MOST) {
                tries.push((one, way));
            }
        }
        let mut found = Vec::with_capacity(tries.len());
        for part in tries.chunks(AT_ONCE) {
            found.extend(self.send(part)?);
        }
        let mut sent = Sent { packets: tries.len(), ..Sent::default() };
        for ((one, way), mut seen) in tries.into_iter().zip(found) {
            // A first packet that had to wait for a neighbour, on a machine that had others to serve, is no other network.
            if kind_of(&seen) != kind(one.word) {
                seen = way.send(&self.holder, one.packet)?;
                sent.packets += 1;
            }
            if kind_of(&seen) != kind(one.word) {
                let line = format!("{} -> {} {}: a real packet finds {}, and the simulator says {}", one.from, one.to, one.packet, seen.result(), one.word);
                sent.disagreements.push(line);
            }
        }
        Ok(sent)
    }

    /// Packets to ports at once, each over a connection to the holder of its own; echo requests one after another.
    fn send(&self, part: &[(&Asked, Way)]) -> Result<Vec<Seen>> {
        std::thread::scope(|scope| {
            let start = |(one, way): &'_ (&Asked, Way)| {
                if one.packet == ProbePacket::ECHO {
                    return None;
                }
                let (way, packet, socket) = (way.clone(), one.packet, self.holder.socket());
                let send = move || {
                    let holder = Client::connect(socket).map_err(|error| Failure::environment(error.to_string()))?;
                    way.send(&holder, packet)
                };
                Some(scope.spawn(send))
            };
            let started: Vec<_> = part.iter().map(start).collect();
            let mut seen = Vec::with_capacity(part.len());
            for ((one, way), thread) in part.iter().zip(started) {
                seen.push(match thread {
                    Some(thread) => thread.join().map_err(|_| Failure::environment("a packet's sender ended early"))??,
                    None => way.send(&self.holder, one.packet)?,
                });
            }
            Ok(seen)
        })
    }
}

/// What a sender can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Answered,
    Refused,
    Silent,
}

fn kind(word: &str) -> Kind {
    match word {
        "open" | "delivered, no answer" => Kind::Answered,
        "refused" => Kind::Refused,
        _ => Kind::Silent,
    }
}

fn kind_of(seen: &Seen) -> Kind {
    match seen {
        Seen::Open(_) => Kind::Answered,
        Seen::Refused => Kind::Refused,
        Seen::Dropped { .. } | Seen::NoPublicAddress => Kind::Silent,
    }
}

/// Listeners at every port that the file names, in a lab of this command's own. The kernel takes connections; datagrams are
/// answered.
struct Servers {
    _tcp: Vec<OwnedFd>,
    stop: Arc<AtomicBool>,
    udp: Option<JoinHandle<()>>,
}

impl Servers {
    fn open(holder: &Client, model: &Model) -> Result<Self> {
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        for (key, listener) in listeners(model).into_iter().take(MOST_LISTENERS) {
            match listener {
                Listener::Tcp(port) => tcp.push(SocketSpec::tcp_listener(key, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))),
                Listener::Udp(port) => udp.push(SocketSpec::udp(key, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))),
            }
        }
        let open = |specs: &[SocketSpec]| holder.open_sockets(specs).map_err(|error| Failure::environment(format!("listeners of the lab: {error}")));
        let (tcp, udp, stop) = (open(&tcp)?, open(&udp)?, Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&stop);
        let udp = (!udp.is_empty()).then(|| std::thread::spawn(move || answer(&udp, &told)));
        Ok(Self { _tcp: tcp, stop, udp })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.udp.take() {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// Sends back every datagram until told to stop.
fn answer(sockets: &[OwnedFd], stop: &AtomicBool) {
    const PAUSE: Duration = Duration::from_millis(50);
    let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE.subsec_nanos()) };
    let mut buffer = vec![0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        let mut waiting: Vec<PollFd<'_>> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let ready = poll(&mut waiting, Some(&pause)).unwrap_or(0);
        let here: Vec<bool> = waiting.iter().map(|one| one.revents().contains(PollFlags::IN)).collect();
        for (socket, _) in sockets.iter().zip(here).filter(|(_, here)| ready > 0 && *here) {
            let Ok((length, _, Some(from))) = rustix::net::recvfrom(socket, &mut buffer[..], RecvFlags::DONTWAIT) else { continue };
            let _ = rustix::net::sendto(socket, &buffer[..length], SendFlags::DONTWAIT, &from);
        }
    }
}

/// Everything that the file lets somebody listen on, with the namespace.
fn listeners(model: &Model) -> Vec<(String, Listener)> {
    let mut all = Vec::new();
    for (name, device) in model.lans.values().flat_map(|lan| &lan.devices) {
        let key = linux::naming::device_namespace(name, device);
        let (listen, serve) = match device {
            Device::Host(host) => (host.listen.as_slice(), host.serve.as_slice()),
            Device::Router(router) => (&[][..], router.serve.as_slice()),
            _ => continue,
        };
        all.extend(listen.iter().copied().chain(serve.iter().flat_map(|service| service.listeners())).map(|listener| (key.clone(), listener)));
    }
    for (id, guest) in &model.guests {
        let is_running = model.instances.get(id).is_some_and(|instance| instance.state == model::InstanceState::Running);
        if is_running {
            all.extend(guest.listen.iter().map(|listener| (linux::naming::instance_namespace(id), *listener)));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_by_another_name_is_silence() {
        let open = Seen::Open("10.0.0.4".parse().unwrap());
        let lost = Seen::Dropped { is_reply: false, at: None };
        for (word, seen, agree) in [
            ("open", &open, true),
            ("delivered, no answer", &open, true),
            ("refused", &Seen::Refused, true),
            ("filtered", &lost, true),
            ("unreachable", &lost, true),
            ("not sent", &lost, true),
            ("open", &lost, false),
            ("refused", &lost, false),
            ("filtered", &Seen::Refused, false),
        ] {
            assert_eq!(kind(word) == kind_of(seen), agree, "{word} {seen:?}");
        }
    }
}
