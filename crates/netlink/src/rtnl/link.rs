//! Network devices: create, change, delete, dump; the IPv4 settings of each.

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::error::{Error, Malformed};
use crate::message::{Attributes, Batch, Body, CREATE, DUMP, EXCLUSIVE, Message};
use crate::socket::Socket;

const NEW: u16 = 16;
const DELETE: u16 = 17;
const GET: u16 = 18;
const SET: u16 = 19;

/// `IFF_UP`.
pub const UP: u32 = 0x1;
/// `IFF_NOARP`: frames go to the device's own address, nobody is asked for another (ARP, NDP).
pub const NO_ARP: u32 = 0x80;
/// `IFF_RUNNING`: the kernel has noticed that both ends are up. It notices some time later
/// (linkwatch), and until then discards what is sent.
pub const RUNNING: u32 = 0x40;
/// `IFF_LOWER_UP`: there is a carrier.
pub const LOWER_UP: u32 = 0x10000;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PEER: u16 = 5;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const STATS64: u16 = 23;
const ALIAS: u16 = 20;
const AF_SPEC: u16 = 26;
const GROUP: u16 = 27;
const NAMESPACE_FD: u16 = 28;
const EXT_MASK: u16 = 29;
const TX_QUEUES: u16 = 31;
const RX_QUEUES: u16 = 32;
const PEER_NAMESPACE: u16 = 37;
const NEW_INDEX: u16 = 49;

/// A per-device IPv4 setting (`/proc/sys/net/ipv4/conf/DEVICE`, numbered as `IPV4_DEVCONF_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "the names of ip-sysctl.rst")]
pub enum Ipv4Conf {
    Forwarding = 1,
    ProxyArp = 3,
    AcceptRedirects = 4,
    SecureRedirects = 5,
    SendRedirects = 6,
    SharedMedia = 7,
    RpFilter = 8,
    AcceptSourceRoute = 9,
    LogMartians = 11,
    ArpFilter = 13,
    ArpAnnounce = 18,
    ArpIgnore = 19,
    PromoteSecondaries = 20,
    ArpAccept = 21,
    ArpNotify = 22,
    AcceptLocal = 23,
    SourceValidMark = 24,
    ProxyArpPvlan = 25,
    RouteLocalnet = 26,
}

/// Properties of a device to create, or to change: `None` and empty leave the kernel's default, or what is there.
#[derive(Debug, Clone, Default)]
pub struct LinkSpec<'ns> {
    /// Name, at most 15 bytes.
    pub name: Option<String>,
    /// Index; only on creation.
    pub index: Option<u32>,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Largest packet, bytes.
    pub mtu: Option<u32>,
    /// Device group.
    pub group: Option<u32>,
    /// Index of the bridge it is a port of; 0 takes it out.
    pub master: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
    /// `Some(false)`: nobody is asked for addresses ([`NO_ARP`]); only on change.
    pub arp: Option<bool>,
    /// `Some(false)`: no IPv6 link-local address of its own (`addr_gen_mode` none).
    pub ipv6_address_generation: Option<bool>,
    /// A note of at most 255 bytes, kept with the device; only on change.
    pub alias: Option<String>,
    /// IPv4 settings.
    pub ipv4: Vec<(Ipv4Conf, u32)>,
    /// Create it in this network namespace, or move it there. The descriptor must outlive the batch.
    pub namespace: Option<BorrowedFd<'ns>>,
}

impl LinkSpec<'_> {
    /// Names a device and leaves the rest to the kernel.
    pub fn named(name: impl Into<String>) -> LinkSpec<'static> {
        LinkSpec { name: Some(name.into()), ..LinkSpec::default() }
    }

    fn has_protocol_settings(&self) -> bool {
        self.ipv6_address_generation.is_some() || !self.ipv4.is_empty()
    }

    /// `struct ifinfomsg` and the attributes that creation and change share.
    fn write(&self, body: &mut Body<'_>, index: u32, up: Option<bool>) {
        body.raw(&header(index, up));
        if let Some(name) = &self.name {
            body.string(NAME, name);
        }
        if let Some(mac) = &self.mac {
            body.bytes(ADDRESS, mac);
        }
        if let Some(alias) = &self.alias {
            body.bytes(ALIAS, alias.as_bytes());
        }
        for (kind, value) in [(MTU, self.mtu), (GROUP, self.group), (MASTER, self.master)] {
            if let Some(value) = value {
                body.u32(kind, value);
            }
        }
        if let Some(namespace) = self.namespace {
            body.u32(NAMESPACE_FD, namespace.as_raw_fd() as u32);
        }
    }

    fn write_protocol_settings(&self, body: &mut Body<'_>) {
        const INET: u16 = 2;
        const INET6: u16 = 10;
        body.nest(AF_SPEC, |body| {
            if !self.ipv4.is_empty() {
                body.nest(INET, |body| {
                    body.nest(1, |body| {
                        for (key, value) in &self.ipv4 {
                            body.u32(*key as u16, *value);
                        }
                    });
                });
            }
            if let Some(generate) = self.ipv6_address_generation {
                // IN6_ADDR_GEN_MODE_EUI64, IN6_ADDR_GEN_MODE_NONE
                body.nest(INET6, |body| {
                    body.u8(8, if generate { 0 } else { 1 });
                });
            }
        });
    }
}

fn header(index: u32, up: Option<bool>) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    if let Some(up) = up {
        header[8..12].copy_from_slice(&(if up { UP } else { 0 }).to_ne_bytes());
        header[12..16].copy_from_slice(&UP.to_ne_bytes());
    }
    header
}

/// What a device is.
#[derive(Debug, Clone)]
pub enum LinkKind<'ns> {
    /// A pair of Ethernet devices; the value is the far end. The far end's protocol settings cannot be
    /// set here when it is born in another namespace: use a socket of that namespace.
    Veth(LinkSpec<'ns>),
    /// A learning bridge without spanning tree and multicast snooping.
    Bridge,
    /// A bridge as described.
    BridgeWith(BridgeSettings),
    /// Another kind that needs no arguments (`ifb`, `dummy`).
    Plain(&'static str),
}

/// What a bridge is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeSettings {
    /// Seconds after which an address that is not heard of is forgotten; 0: none is ever learned, everything goes everywhere.
    pub ageing_seconds: u32,
    /// Priority in the kernel's spanning tree (802.1D); none: it runs none, and ports forward at once.
    pub spanning_tree: Option<u16>,
    /// Whether multicast goes only where somebody joined.
    pub multicast_snooping: bool,
    /// Addresses that it learns at most; 0: any number. Kernels before Linux 6.7 do not read this.
    pub most_learned: u32,
}

impl BridgeSettings {
    fn write(&self, body: &mut Body<'_>) {
        const FORWARD_DELAY: u16 = 1;
        const AGEING_TIME: u16 = 4;
        const STP_STATE: u16 = 5;
        const PRIORITY: u16 = 6;
        const MCAST_SNOOPING: u16 = 23;
        const FDB_MAX_LEARNED: u16 = 49;
        // Hundredths of a second, 802.1D's own default where there is a tree to wait for.
        let delay = if self.spanning_tree.is_some() { 1_500 } else { 0 };
        body.u32(FORWARD_DELAY, delay).u32(AGEING_TIME, self.ageing_seconds.saturating_mul(100));
        if let Some(priority) = self.spanning_tree {
            body.u16(PRIORITY, priority);
        }
        body.u32(STP_STATE, u32::from(self.spanning_tree.is_some()));
        body.u8(MCAST_SNOOPING, u8::from(self.multicast_snooping));
        body.u32(FDB_MAX_LEARNED, self.most_learned);
    }
}

/// Changes what a bridge is like, and nothing of its ports.
pub fn change_bridge(batch: &mut Batch, index: u32, settings: &BridgeSettings) {
    const STP_STATE: u16 = 5;
    let mut change = |write: &dyn Fn(&mut Body<'_>)| {
        batch.push(NEW, 0, |body| {
            body.raw(&header(index, None)).nest(LINK_INFO, |body| {
                body.string(1, "bridge").nest(2, |body| write(body));
            });
        });
    };
    if settings.spanning_tree.is_none() {
        // While ports wait for a tree, the kernel refuses that they do not.
        change(&|body| {
            body.u32(STP_STATE, 0);
        });
    }
    change(&|body| settings.write(body));
}

/// Creates a device. Protocol settings, and going up after them, are messages of their own: the
/// kernel applies neither on creation in that order. They name the device by its index or name.
pub fn create(batch: &mut Batch, spec: &LinkSpec<'_>, kind: &LinkKind<'_>) {
    let later = spec.has_protocol_settings();
    batch.push(NEW, CREATE | EXCLUSIVE, |body| {
        spec.write(body, spec.index.unwrap_or(0), spec.up.filter(|_| !later));
        // One queue: nothing is gained by one for each processor, at 1,000 devices memory is lost.
        body.u32(TX_QUEUES, 1).u32(RX_QUEUES, 1);
        body.nest(LINK_INFO, |body| match kind {
            LinkKind::Veth(peer) => {
                body.string(1, "veth").nest(2, |body| {
                    body.nest(1, |body| {
                        peer.write(body, peer.index.unwrap_or(0), peer.up);
                        body.u32(TX_QUEUES, 1).u32(RX_QUEUES, 1);
                    });
                });
            }
            LinkKind::Bridge => {
                body.string(1, "bridge").nest(2, |body| {
                    body.u32(1, 0).u32(5, 0).u8(23, 0);
                });
            }
            LinkKind::BridgeWith(settings) => {
                body.string(1, "bridge").nest(2, |body| settings.write(body));
            }
            LinkKind::Plain(kind) => {
                body.string(1, kind);
            }
        });
    });
    if later {
        let target = match (spec.index, &spec.name) {
            (Some(index), _) => Target::Index(index),
            (None, Some(name)) => Target::Name(name),
            (None, None) => return,
        };
        let settings = LinkSpec {
            up: spec.up,
            ipv6_address_generation: spec.ipv6_address_generation,
            ipv4: spec.ipv4.clone(),
            ..LinkSpec::default()
        };
        change(batch, target, &settings);
    }
}

/// Which devices a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// One, by index.
    Index(u32),
    /// One, by name.
    Name(&'a str),
    /// All of a group.
    Group(u32),
}

impl Target<'_> {
    /// RTM_SETLINK knows no groups; RTM_NEWLINK without NLM_F_CREATE changes what is there.
    fn change_kind(self) -> u16 {
        if matches!(self, Target::Group(_)) { NEW } else { SET }
    }

    fn write(self, body: &mut Body<'_>, up: Option<bool>) {
        match self {
            Target::Index(index) => body.raw(&header(index, up)),
            Target::Name(name) => body.raw(&header(0, up)).string(NAME, name),
            Target::Group(group) => body.raw(&header(0, up)).u32(GROUP, group),
        };
    }
}

/// Changes devices: one message for properties (a name in `spec` renames a device given by index;
/// `index` in `spec` is its index in the namespace it moves to), one for protocol settings, which must
/// be there before it goes up, one for up or down.
pub fn change(batch: &mut Batch, target: Target<'_>, spec: &LinkSpec<'_>) {
    let properties = LinkSpec { up: None, ..spec.clone() };
    let renames = matches!(target, Target::Index(_)) && spec.name.is_some();
    let has_properties = renames
        || spec.mac.is_some()
        || spec.mtu.is_some()
        || spec.group.is_some()
        || spec.master.is_some()
        || spec.alias.is_some();
    if has_properties || spec.namespace.is_some() {
        batch.push(target.change_kind(), 0, |body| match target {
            Target::Index(index) => {
                properties.write(body, index, None);
                if let (Some(index), Some(_)) = (spec.index, spec.namespace) {
                    body.u32(NEW_INDEX, index);
                }
            }
            Target::Name(name) => LinkSpec { name: Some(name.to_owned()), ..properties.clone() }.write(body, 0, None),
            Target::Group(group) => {
                LinkSpec { name: None, group: None, ..properties.clone() }.write(body, 0, None);
                body.u32(GROUP, group);
            }
        });
    }
    // A device that moved away is out of this socket's reach.
    if spec.namespace.is_some() {
        return;
    }
    if spec.has_protocol_settings() {
        batch.push(target.change_kind(), 0, |body| {
            target.write(body, None);
            spec.write_protocol_settings(body);
        });
    }
    if let Some(arp) = spec.arp {
        let mut header = header(0, None);
        header[8..12].copy_from_slice(&(if arp { 0 } else { NO_ARP }).to_ne_bytes());
        header[12..16].copy_from_slice(&NO_ARP.to_ne_bytes());
        batch.push(target.change_kind(), 0, |body| {
            match target {
                Target::Index(index) => {
                    header[4..8].copy_from_slice(&index.to_ne_bytes());
                    body.raw(&header)
                }
                Target::Name(name) => body.raw(&header).string(NAME, name),
                Target::Group(group) => body.raw(&header).u32(GROUP, group),
            };
        });
    }
    if let Some(up) = spec.up {
        set_up(batch, target, up);
    }
}

/// Brings devices up or down.
pub fn set_up(batch: &mut Batch, target: Target<'_>, up: bool) {
    batch.push(target.change_kind(), 0, |body| target.write(body, Some(up)));
}

/// Deletes devices. A veth takes its other end with it.
pub fn delete(batch: &mut Batch, target: Target<'_>) {
    batch.push(DELETE, 0, |body| target.write(body, None));
}

/// Has a bridge carry nothing more to and from one of its ports (`BR_STATE_DISABLED`), and forget who was heard there: what is
/// for them goes to all other ports until they are heard again. Unlike the removal of the device this takes no time. Errors:
/// `EOPNOTSUPP` for a device that is no port of a bridge.
pub fn shut_bridge_port(batch: &mut Batch, index: u32) {
    const PROTOCOL_INFO: u16 = 12;
    const STATE: u16 = 1;
    const FLUSH: u16 = 16;
    batch.push(SET, 0, |body| {
        let mut header = header(index, None);
        header[0] = libc::AF_BRIDGE as u8;
        body.raw(&header).nest(PROTOCOL_INFO, |body| {
            body.u8(STATE, 0).flag(FLUSH);
        });
    });
}

/// What has passed a device since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "`struct rtnl_link_stats64`, one to one; packets and bytes")]
pub struct Statistics {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
}

/// A device as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Ethernet address, if it has one.
    pub mac: Option<[u8; 6]>,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Device group.
    pub group: u32,
    /// `IFF_*`, see [`UP`] and [`LOWER_UP`].
    pub flags: u32,
    /// `veth`, `bridge`, …; none for hardware and loopback.
    pub kind: Option<String>,
    /// Index of a veth's other end, in its own namespace.
    pub peer: Option<u32>,
    /// Id of the other end's namespace, if it is another.
    pub peer_namespace: Option<u32>,
    /// Index of its bridge.
    pub master: Option<u32>,
    /// The note kept with it.
    pub alias: Option<String>,
    /// Counters.
    pub statistics: Statistics,
}

impl Link {
    /// True when it is set up.
    pub fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// True when it carries packets, see [`RUNNING`].
    pub fn is_running(&self) -> bool {
        self.flags & (UP | RUNNING) == UP | RUNNING
    }

    /// Reads `RTM_NEWLINK`.
    pub fn parse(message: &Message<'_>) -> Result<Link, Malformed> {
        let (header, attributes) = message.split(16)?;
        let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let mut link = Link { index: word(4), flags: word(8), ..Link::default() };
        for attribute in attributes {
            match attribute.kind {
                NAME => link.name = attribute.string(),
                ADDRESS if attribute.value.len() == 6 => link.mac = attribute.mac(),
                MTU => link.mtu = attribute.u32().unwrap_or(0),
                GROUP => link.group = attribute.u32().unwrap_or(0),
                PEER => link.peer = attribute.u32(),
                PEER_NAMESPACE => link.peer_namespace = attribute.u32(),
                MASTER => link.master = attribute.u32(),
                ALIAS => link.alias = Some(attribute.string()),
                LINK_INFO => link.kind = attribute.nested().get(1).map(|kind| kind.string()),
                STATS64 => link.statistics = statistics(attribute.value),
                _ => {}
            }
        }
        Ok(link)
    }
}

fn statistics(bytes: &[u8]) -> Statistics {
    let word = |at: usize| {
        bytes.get(at * 8..at * 8 + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    Statistics {
        rx_packets: word(0),
        tx_packets: word(1),
        rx_bytes: word(2),
        tx_bytes: word(3),
        rx_errors: word(4),
        tx_errors: word(5),
        rx_dropped: word(6),
        tx_dropped: word(7),
    }
}

/// Every device of the namespace, by index.
pub fn dump(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    dump_with(socket, 0)
}

/// The same without what has passed them (all [`Statistics`] are 0): to count that for each device is most of the work.
pub fn dump_without_statistics(socket: &mut Socket) -> Result<Vec<Link>, Error> {
    const SKIP_STATISTICS: u32 = 1 << 3;
    dump_with(socket, SKIP_STATISTICS)
}

fn dump_with(socket: &mut Socket, extent: u32) -> Result<Vec<Link>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        body.raw(&header(0, None)).u32(EXT_MASK, extent);
    });
    let mut links = socket.dump(&request, |message| Link::parse(&message).map(Some))?;
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// One device.
pub fn get(socket: &mut Socket, target: Target<'_>) -> Result<Link, Error> {
    let mut request = Batch::new();
    request.push(GET, 0, |body| target.write(body, None));
    socket.get(&request, |message| Link::parse(&message))
}

/// The IPv4 settings of a device, for tests and for `doctor`.
pub fn ipv4_settings(socket: &mut Socket, target: Target<'_>) -> Result<Vec<(u16, u32)>, Error> {
    let mut request = Batch::new();
    request.push(GET, 0, |body| {
        target.write(body, None);
        body.u32(EXT_MASK, 0);
    });
    socket.get(&request, |message| {
        let (_, attributes) = message.split(16)?;
        let inet = attributes.get(AF_SPEC).and_then(|spec| spec.nested().get(2));
        let values = inet.and_then(|inet| inet.nested().get(1)).ok_or(Malformed("IPv4 settings"))?;
        Ok(settings(values.nested(), values.value))
    })
}

/// The kernel answers with an array indexed by `IPV4_DEVCONF_*` - 1, not with attributes.
fn settings(_: Attributes<'_>, array: &[u8]) -> Vec<(u16, u32)> {
    let words = array.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    (1..).zip(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Messages;

    #[test]
    fn a_veth_carries_its_peer_inside() {
        let mut batch = Batch::new();
        let near = LinkSpec { index: Some(7), mtu: Some(9001), up: Some(true), ..LinkSpec::named("v1") };
        let far = LinkSpec { mac: Some([2, 0, 0, 0, 0, 1]), ..LinkSpec::named("eth0") };
        create(&mut batch, &near, &LinkKind::Veth(far));
        let message = Messages::new(batch.bytes()).next().expect("one message");
        assert_eq!((message.kind, message.flags), (16, 0x601));
        let (header, attributes) = message.split(16).expect("header");
        assert_eq!(header, [0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(attributes.get(NAME).map(|a| a.value), Some(&b"v1\0"[..]));
        let info = attributes.get(LINK_INFO).expect("link info").nested();
        assert_eq!(info.get(1).map(|a| a.value), Some(&b"veth\0"[..]));
        let peer = info.get(2).and_then(|data| data.nested().get(1)).expect("peer");
        let inside = Attributes::new(&peer.value[16..]);
        assert_eq!(inside.get(NAME).map(|a| a.string()), Some("eth0".into()));
        assert_eq!(inside.get(ADDRESS).and_then(|a| a.mac()), Some([2, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn settings_precede_up() {
        let mut batch = Batch::new();
        let spec = LinkSpec {
            up: Some(true),
            ipv6_address_generation: Some(false),
            ipv4: vec![(Ipv4Conf::ProxyArp, 1)],
            ..LinkSpec::named("v1")
        };
        create(&mut batch, &spec, &LinkKind::Bridge);
        let up: Vec<_> = Messages::new(batch.bytes()).map(|m| (m.kind, m.payload[8])).collect();
        assert_eq!(up, [(16, 0), (19, 0), (19, 1)]);
    }
}
