//! Routes of every table.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Family, prefix, put_address};
use crate::error::{Error, Malformed};
use crate::message::{APPEND, Attributes, Batch, Body, CREATE, DUMP, EXCLUSIVE, Message, REPLACE};
use crate::socket::Socket;

const NEW: u16 = 24;
const DELETE: u16 = 25;
const GET: u16 = 26;

const DESTINATION: u16 = 1;
const SOURCE: u16 = 2;
const RECEIVING: u16 = 3;
const DEVICE: u16 = 4;
const GATEWAY: u16 = 5;
const METRIC: u16 = 6;
const PREFERRED_SOURCE: u16 = 7;
const METRICS: u16 = 8;
const TABLE: u16 = 15;
const MARK: u16 = 16;
const IP_PROTOCOL: u16 = 27;
const SOURCE_PORT: u16 = 28;
const DESTINATION_PORT: u16 = 29;

/// `RT_TABLE_MAIN`.
pub const MAIN: u32 = 254;
/// `RT_TABLE_LOCAL`.
pub const LOCAL: u32 = 255;

/// What a route does (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum RouteKind {
    /// Sends on.
    #[default]
    Unicast = 1,
    /// Delivers here.
    Local = 2,
    /// A broadcast address of ours.
    Broadcast = 3,
    /// An anycast address of ours.
    Anycast = 4,
    /// A multicast group.
    Multicast = 5,
    /// Discards silently.
    Blackhole = 6,
    /// Discards and answers "unreachable".
    Unreachable = 7,
    /// Discards and answers "prohibited".
    Prohibit = 8,
    /// Ends the search in this table; the next rule decides.
    Throw = 9,
}

impl RouteKind {
    fn from_number(number: u8) -> Option<RouteKind> {
        use RouteKind::*;
        [Unicast, Local, Broadcast, Anycast, Multicast, Blackhole, Unreachable, Prohibit, Throw]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// How far a destination is (`RT_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Behind a gateway.
    Universe = 0,
    /// On the link.
    Link = 253,
    /// This host.
    Host = 254,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The table, see [`MAIN`].
    pub table: u32,
    /// What it is for.
    pub destination: IpNet,
    /// What it does.
    pub kind: RouteKind,
    /// Next hop, of the same family.
    pub gateway: Option<IpAddr>,
    /// Index of the sending device.
    pub device: Option<u32>,
    /// The source that packets from here get.
    pub preferred_source: Option<IpAddr>,
    /// Given, or what the kernel would choose: link without a gateway, else universe.
    pub scope: Option<Scope>,
    /// The gateway is on the link whatever its address.
    pub on_link: bool,
    /// Priority among routes to the same prefix; less is better.
    pub metric: Option<u32>,
    /// Largest packet this way, bytes.
    pub mtu: Option<u32>,
    /// Who made it (`RTPROT_*`); 4, static, by default.
    pub protocol: u8,
}

impl Route {
    /// A route that sends on; add a gateway or a device.
    pub fn new(table: u32, destination: IpNet) -> Route {
        Route {
            table,
            destination,
            kind: RouteKind::Unicast,
            gateway: None,
            device: None,
            preferred_source: None,
            scope: None,
            on_link: false,
            metric: None,
            mtu: None,
            protocol: 4,
        }
    }

    /// A route of another kind.
    #[must_use]
    pub fn kind(self, kind: RouteKind) -> Route {
        Route { kind, ..self }
    }

    /// By this device.
    #[must_use]
    pub fn device(self, device: u32) -> Route {
        Route { device: Some(device), ..self }
    }

    /// By this next hop.
    #[must_use]
    pub fn via(self, gateway: IpAddr) -> Route {
        Route { gateway: Some(gateway), ..self }
    }

    fn scope_number(&self) -> u8 {
        match (self.scope, self.kind, self.gateway) {
            (Some(scope), ..) => scope as u8,
            (None, RouteKind::Local, _) => Scope::Host as u8,
            (None, RouteKind::Unicast, None) | (None, RouteKind::Broadcast | RouteKind::Anycast, _) => Scope::Link as u8,
            _ => Scope::Universe as u8,
        }
    }

    fn write(&self, body: &mut Body<'_>, protocol: u8, scope: u8) {
        const ON_LINK: u32 = 4;
        let family = Family::of(&self.destination.addr());
        let mut header = [0; 12];
        header[0] = family.number();
        header[1] = self.destination.prefix_len();
        header[4] = u8::try_from(self.table).unwrap_or(0);
        header[5] = protocol;
        header[6] = scope;
        header[7] = self.kind as u8;
        header[8..12].copy_from_slice(&(if self.on_link { ON_LINK } else { 0 }).to_ne_bytes());
        body.raw(&header);
        if self.destination.prefix_len() > 0 {
            put_address(body, DESTINATION, self.destination.network());
        }
        if let Some(gateway) = self.gateway {
            put_address(body, GATEWAY, gateway);
        }
        if let Some(source) = self.preferred_source {
            put_address(body, PREFERRED_SOURCE, source);
        }
        for (kind, value) in [(DEVICE, self.device), (METRIC, self.metric), (TABLE, Some(self.table))] {
            if let Some(value) = value {
                body.u32(kind, value);
            }
        }
        if let Some(mtu) = self.mtu {
            body.nest(METRICS, |body| {
                body.u32(2, mtu);
            });
        }
    }

    /// Reads `RTM_NEWROUTE`. Several next hops are read as the first. `None`: of a kind or family
    /// that is none of ours.
    pub fn parse(message: &Message<'_>) -> Result<Option<Route>, Malformed> {
        const MULTIPATH: u16 = 9;
        const ON_LINK: u32 = 4;
        let (header, attributes) = message.split(12)?;
        let (Some(family), Some(kind)) = (Family::from_number(header[0]), RouteKind::from_number(header[7])) else {
            return Ok(None);
        };
        let destination = prefix(family, attributes.get(DESTINATION), header[1]).ok_or(Malformed("destination"))?;
        let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let mut route = Route::new(u32::from(header[4]), destination).kind(kind);
        route.protocol = header[5];
        route.on_link = flags & ON_LINK != 0;
        route.scope = [Scope::Universe, Scope::Link, Scope::Host].into_iter().find(|scope| *scope as u8 == header[6]);
        for attribute in attributes {
            match attribute.kind {
                TABLE => route.table = attribute.u32().unwrap_or(route.table),
                DEVICE => route.device = attribute.u32(),
                GATEWAY => route.gateway = attribute.address(),
                METRIC => route.metric = attribute.u32(),
                PREFERRED_SOURCE => route.preferred_source = attribute.address(),
                METRICS => route.mtu = attribute.nested().get(2).and_then(|mtu| mtu.u32()),
                MULTIPATH => {
                    // struct rtnexthop: length, flags, hops, device; then attributes.
                    let first = attribute.value;
                    route.device = first.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
                    let inside = Attributes::new(first.get(8..).unwrap_or(&[]));
                    route.gateway = inside.get(GATEWAY).and_then(|gateway| gateway.address());
                }
                _ => {}
            }
        }
        Ok(Some(route))
    }
}

/// Adds a route to a prefix (and metric) that has none.
pub fn add(batch: &mut Batch, route: &Route) {
    batch.push(NEW, CREATE | EXCLUSIVE, |body| route.write(body, route.protocol, route.scope_number()));
}

/// Adds a route, or puts it in the place of the one to the same prefix and metric, without a gap.
pub fn replace(batch: &mut Batch, route: &Route) {
    batch.push(NEW, CREATE | REPLACE, |body| route.write(body, route.protocol, route.scope_number()));
}

/// Adds a route behind the one to the same prefix.
pub fn append(batch: &mut Batch, route: &Route) {
    batch.push(NEW, CREATE | APPEND, |body| route.write(body, route.protocol, route.scope_number()));
}

/// Removes the route to this prefix that agrees in what is given, whoever made it.
pub fn delete(batch: &mut Batch, route: &Route) {
    const NOWHERE: u8 = 255;
    batch.push(DELETE, 0, |body| route.write(body, 0, NOWHERE));
}

/// The routes of one family, of one table or all, sorted. A table that does not exist has none.
pub fn dump(socket: &mut Socket, family: Family, table: Option<u32>) -> Result<Vec<Route>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        let mut header = [0; 12];
        header[0] = family.number();
        body.raw(&header);
        if let Some(table) = table {
            body.u32(TABLE, table);
        }
    });
    let wanted = |route: &Route| table.is_none_or(|table| route.table == table);
    let found = socket.dump(&request, |message| Ok(Route::parse(&message)?.filter(wanted)));
    let mut routes = match found {
        Err(error) if error.errno() == Some(libc::ENOENT) => Vec::new(),
        other => other?,
    };
    routes.sort();
    Ok(routes)
}

/// A question to the routing tables.
#[derive(Debug, Clone)]
pub struct Query {
    /// To where.
    pub destination: IpAddr,
    /// From where.
    pub source: Option<IpAddr>,
    /// As if received by this device.
    pub receiving: Option<u32>,
    /// With this mark.
    pub mark: Option<u32>,
    /// IP protocol, source port, destination port.
    pub flow: Option<(u8, u16, u16)>,
}

impl Query {
    /// The way of our own packets.
    pub fn to(destination: IpAddr) -> Query {
        Query { destination, source: None, receiving: None, mark: None, flow: None }
    }
}

/// The route that a packet would take.
pub fn get(socket: &mut Socket, query: &Query) -> Result<Route, Error> {
    let mut request = Batch::new();
    request.push(GET, 0, |body| {
        let family = Family::of(&query.destination);
        let bits = if family == Family::V4 { 32 } else { 128 };
        let mut header = [0; 12];
        header[0] = family.number();
        header[1] = bits;
        header[2] = if query.source.is_some() { bits } else { 0 };
        header[8..12].copy_from_slice(&0x1000u32.to_ne_bytes()); // RTM_F_LOOKUP_TABLE: answer the table too
        body.raw(&header);
        put_address(body, DESTINATION, query.destination);
        if let Some(source) = query.source {
            put_address(body, SOURCE, source);
        }
        for (kind, value) in [(RECEIVING, query.receiving), (MARK, query.mark)] {
            if let Some(value) = value {
                body.u32(kind, value);
            }
        }
        if let Some((protocol, source, destination)) = query.flow {
            body.u8(IP_PROTOCOL, protocol).be16(SOURCE_PORT, source).be16(DESTINATION_PORT, destination);
        }
    });
    socket.get(&request, |message| Route::parse(&message)?.ok_or(Malformed("route")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Messages;

    #[test]
    fn a_throw_route_has_the_kernels_layout() {
        let mut batch = Batch::new();
        add(&mut batch, &Route::new(1000, "10.0.0.0/16".parse().unwrap()).kind(RouteKind::Throw));
        let message = Messages::new(batch.bytes()).next().expect("one message");
        let expected = [&[2, 16, 0, 0, 0, 4, 0, 9, 0, 0, 0, 0][..], &[8, 0, 1, 0, 10, 0, 0, 0], &[8, 0, 15, 0, 0xe8, 3, 0, 0]];
        assert_eq!(message.payload, expected.concat());
    }

    #[test]
    fn a_route_comes_back() {
        let mut batch = Batch::new();
        let route = Route {
            preferred_source: Some("10.0.0.9".parse().unwrap()),
            scope: Some(Scope::Universe),
            on_link: true,
            metric: Some(5),
            mtu: Some(1500),
            ..Route::new(70_000, "10.9.0.0/24".parse().unwrap()).via("10.0.0.1".parse().unwrap()).device(3)
        };
        replace(&mut batch, &route);
        let message = Messages::new(batch.bytes()).next().expect("one message");
        assert_eq!(Route::parse(&message), Ok(Some(route)));
    }
}
