//! What a volley is sent with and observed by: a packet socket at every place, a raw socket at every sender, a listener at
//! every receiver. All are opened in three requests to the holder.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use fabric::{Fabric, InterfaceIndex};
use fabric::engine::{ListenerState, Traffic};
use rustix::net::sockopt;
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;

use super::engine::Engine;
use super::error::{Error, Result};
use super::packet::Raw;
use super::packet_probe::IPPROTO_RAW;
use super::place::Place;
use super::volley::{Shot, send_raw};
use super::watch::{self, Watch};

/// A place where packets are seen.
pub(crate) struct Station {
    pub watch: Watch,
    /// The interface, if its guest passes packets on.
    pub middlebox: Option<InterfaceIndex>,
}

/// What of the gear belongs to a probe.
pub(crate) struct Posts {
    /// Station of the sender.
    pub sender: usize,
    /// Station of the receiver.
    pub receiver: Option<usize>,
    /// A listener of ours hears the request.
    pub is_heard: bool,
    raw: usize,
}

pub(crate) struct Gear {
    pub stations: Vec<Station>,
    pub posts: Vec<Posts>,
    /// UDP listeners, which send back what they get.
    pub echoing: Vec<OwnedFd>,
    raws: Vec<OwnedFd>,
    /// TCP listeners: the kernel answers for them.
    _listeners: Vec<OwnedFd>,
}

/// Things by key, numbered in order of appearance.
struct Numbered<K, V> {
    numbers: BTreeMap<K, usize>,
    values: Vec<V>,
}

impl<K: Ord, V> Numbered<K, V> {
    fn new() -> Self {
        Numbered { numbers: BTreeMap::new(), values: Vec::new() }
    }

    fn number(&mut self, key: K, value: impl FnOnce() -> V) -> usize {
        let next = self.values.len();
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.values.push(value());
        }
        number
    }
}

impl Gear {
    /// Opens everything that these probes need.
    pub fn open(engine: &mut Engine, shots: &[Shot]) -> Result<Gear> {
        let mut places = Numbered::new();
        let mut raws = Numbered::new();
        let mut servers = Numbered::new();
        let mut station = |place: &Place, middlebox: Option<InterfaceIndex>| {
            let number = places.number((place.namespace.clone(), place.device.clone()), || (place.clone(), None));
            if middlebox.is_some() {
                places.values[number].1 = middlebox;
            }
            number
        };
        let mut posts = Vec::with_capacity(shots.len());
        for shot in shots {
            let (sender, receiver) = (&shot.ends.sender, shot.ends.receiver.as_ref());
            let route = Route::of(shot, engine.fabric());
            let raw = raws.number((sender.namespace.clone(), route.clone()), || route.socket(&sender.namespace));
            let heard = receiver.filter(|_| shot.listener == ListenerState::Open).and_then(|place| server(shot, place));
            let heard = heard.map(|(key, spec)| servers.number(key, || spec));
            let posted = Posts {
                sender: station(sender, None),
                receiver: receiver.map(|place| station(place, None)),
                is_heard: heard.is_some(),
                raw,
            };
            posts.push((posted, heard));
        }
        for place in engine.middleboxes() {
            station(&place, place.interface);
        }

        let specs: Vec<_> = places.values.iter().map(|(place, _)| Watch::socket(&place.namespace, place.device.as_deref())).collect();
        let watches = engine.client().open_sockets(&specs)?.into_iter().zip(places.values);
        let stations = watches.map(|(fd, (place, middlebox))| Ok(Station { watch: Watch::adopt(fd, place.mac)?, middlebox }));
        let stations = stations.collect::<Result<Vec<_>>>()?;
        let raws = engine.client().open_sockets(&raws.values)?;
        for raw in &raws {
            sockopt::set_socket_broadcast(raw, true).map_err(Error::os("allowing broadcast"))?;
        }
        let opened = engine.open_servers(&servers.values)?;
        let posts = posts.into_iter().map(|(posted, heard)| {
            let is_ours = heard.is_some_and(|number| opened[number].is_some());
            Posts { is_heard: is_ours, ..posted }
        });
        let posts = posts.collect();
        let (mut echoing, mut listeners) = (Vec::new(), Vec::new());
        for (fd, spec) in opened.into_iter().zip(&servers.values).filter_map(|(fd, spec)| Some((fd?, spec))) {
            let kind = if spec.kind == libc::SOCK_DGRAM { &mut echoing } else { &mut listeners };
            kind.push(fd);
        }
        Ok(Gear { stations, posts, echoing, raws, _listeners: listeners })
    }

    /// Sends a packet from where a probe starts.
    pub fn send(&self, index: usize, raw: &Raw) -> Result<()> {
        send_raw(&self.raws[self.posts[index].raw], raw)
    }
}

impl Drop for Gear {
    fn drop(&mut self) {
        watch::close(self.stations.drain(..).map(|station| station.watch));
    }
}

/// How a packet finds its way out of the sender: as a socket bound to an address would send it, or by a device. A
/// guest with several interfaces chooses one by the destination alone: there the device is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    Address(IpAddr),
    Device { device: Option<String>, is_v6: bool },
}

impl Route {
    fn of(shot: &Shot, fabric: &Fabric) -> Route {
        match shot.traffic {
            Traffic::Tcp { .. } | Traffic::Udp { .. } if !shot.ends.sender.is_one_of_several(fabric) => Route::Address(shot.ends.source),
            Traffic::Tcp { .. } | Traffic::Udp { .. } | Traffic::Icmp { .. } | Traffic::Other(_) => {
                let ends = &shot.ends;
                match ends.sender.device.is_none() && ends.to.is_ipv6() {
                    // A group is a link's own, and so is what is to be sent there; the address says from where.
                    true => Route::Address(ends.source),
                    false => Route::Device { device: ends.sender.device.clone(), is_v6: ends.to.is_ipv6() },
                }
            }
        }
    }

    fn socket(&self, namespace: &str) -> SocketSpec {
        let raw = |is_v6| SocketSpec::raw(namespace, is_v6, IPPROTO_RAW);
        match self.clone() {
            Route::Address(address) => {
                SocketSpec { bind: Some(SocketAddress::Inet(SocketAddr::new(address, 0))), ..raw(address.is_ipv6()) }
            }
            Route::Device { device, is_v6 } => SocketSpec { device, ..raw(is_v6) },
        }
    }
}

type ServerKey = (String, IpAddr, u8, u16);

fn server(shot: &Shot, place: &Place) -> Option<(ServerKey, SocketSpec)> {
    let (number, _, port) = shot.numbers();
    let address = SocketAddr::new(place.address, port);
    let spec = match shot.traffic {
        Traffic::Tcp { .. } => SocketSpec::tcp_listener(&place.namespace, address),
        Traffic::Udp { .. } => SocketSpec::udp(&place.namespace, address),
        Traffic::Icmp { .. } | Traffic::Other(_) => return None,
    };
    Some(((place.namespace.clone(), place.address, number, port), SocketSpec { nonblocking: true, ..spec }))
}
