//! A DHCP server (RFC 2131, 4.3): lends addresses of pools, remembers to whom and until when, and refuses what it does not
//! lend. A pool is for the link of one interface; relays are not served.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use wire::Mac;
use wire::dhcp::{CLIENT_PORT, Lease, MessageType, Request, SERVER_PORT};

use crate::host::Host;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, SendTo, SocketId};

/// How long an address that was offered waits for the client's request.
pub const OFFERED: Span = Span::seconds(60);

/// How long an address stays out of use at least that a client found with somebody else (RFC 2131, 4.3.3): a short lease must
/// not bring it back to the next one.
pub const DECLINED: Span = Span::seconds(3_600);

/// What is lent on one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The interface that the link is at.
    pub interface: u16,
    /// Lowest address.
    pub first: Ipv4Addr,
    /// Highest address.
    pub last: Ipv4Addr,
    /// The gateway that clients are told.
    pub gateway: Option<Ipv4Addr>,
    /// The name servers that clients are told.
    pub name_servers: Vec<Ipv4Addr>,
    /// For how long, seconds.
    pub lease_seconds: u32,
}

/// How an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Offered,
    Lent,
    /// A client found somebody else with it.
    Declined,
}

#[derive(Debug, Clone)]
struct Binding {
    mac: Mac,
    host_name: String,
    standing: Standing,
    until: Time,
}

/// The program. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    pools: Vec<Pool>,
    bindings: BTreeMap<Ipv4Addr, Binding>,
    socket: Option<SocketId>,
}

/// What a server says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Grant(Ipv4Addr),
    Refuse(&'static str),
    /// It is none of this server's business.
    Silent,
}

impl Server {
    /// To be installed on a host. A host runs one, as there is one port.
    pub fn new(pools: Vec<Pool>) -> Self {
        Self { pools, bindings: BTreeMap::new(), socket: None }
    }

    /// Who has which address, and until when; in order of addresses.
    pub fn leases(&self, now: Time) -> impl Iterator<Item = (Ipv4Addr, Mac, Time)> {
        let lent = move |binding: &Binding| binding.standing == Standing::Lent && binding.until > now;
        let lent = self.bindings.iter().filter(move |(_, binding)| lent(binding));
        lent.map(|(address, binding)| (*address, binding.mac, binding.until))
    }

    fn is_free_for(&self, address: Ipv4Addr, mac: Mac, now: Time) -> bool {
        self.bindings.get(&address).is_none_or(|known| known.until <= now || known.mac == mac && known.standing != Standing::Declined)
    }

    /// The address for a client: the one that it has or had, the one that it would like, or the lowest that nobody has.
    fn choose(&self, calls: &mut Calls<'_, '_>, pool: &Pool, request: &Request) -> Option<Ipv4Addr> {
        let now = calls.now();
        let mut may = |address: Ipv4Addr| {
            let is_in_pool = (pool.first..=pool.last).contains(&address);
            is_in_pool && !calls.host().is_own(address.into()) && self.is_free_for(address, request.mac, now)
        };
        let had = self.bindings.iter().filter(|(_, known)| known.mac == request.mac).map(|(address, _)| *address);
        let wished = had.chain(request.requested).find(|address| may(*address));
        let fresh = || (pool.first.to_bits()..=pool.last.to_bits()).map(Ipv4Addr::from).find(|address| may(*address));
        wished.or_else(fresh)
    }

    /// Why there is no address for a client.
    fn exhausted(&self, pool: &Pool, mac: Mac, now: Time) -> String {
        let size = u64::from(pool.last.to_bits()) + 1 - u64::from(pool.first.to_bits()).min(u64::from(pool.last.to_bits()));
        let taken = || self.bindings.range(pool.first..=pool.last).map(|(_, known)| known).filter(|known| known.until > now);
        let words = [(Standing::Lent, "lent"), (Standing::Offered, "offered"), (Standing::Declined, "in use by somebody who was not lent it")];
        let counted = words.map(|(standing, word)| (taken().filter(|known| known.standing == standing).count(), word));
        let counted: Vec<String> = counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let counted = if counted.is_empty() { "they are the server's own".to_owned() } else { counted.join(", ") };
        let all = if size == 1 { format!("the pool's one address {}", pool.first) } else { format!("none of the {size} addresses {}-{}", pool.first, pool.last) };
        format!("{all} is {}free for {mac}: {counted}", if size == 1 { "not " } else { "" })
    }

    /// What to say to a request (RFC 2131, 4.3.2).
    fn judge(&self, pool: &Pool, own: Ipv4Addr, request: &Request, now: Time) -> Verdict {
        let address = match (request.requested, request.current) {
            (Some(requested), current) if current.is_unspecified() => requested,
            (None, current) if !current.is_unspecified() => current,
            _ => return Verdict::Silent,
        };
        if request.server.is_some_and(|server| server != own) {
            return Verdict::Silent;
        }
        if !(pool.first..=pool.last).contains(&address) {
            return Verdict::Refuse("it is not of this pool");
        }
        match self.bindings.get(&address) {
            Some(known) if known.mac == request.mac && known.standing != Standing::Declined => Verdict::Grant(address),
            Some(known) if known.until > now => Verdict::Refuse("somebody else has it"),
            _ if request.server.is_some() => Verdict::Refuse("it was not offered"),
            // A server that knows nothing of a client leaves it to those that may.
            _ => Verdict::Silent,
        }
    }

    fn answer(&mut self, calls: &mut Calls<'_, '_>, pool: &Pool, request: &Request, kind: MessageType, lent: Option<Ipv4Addr>) {
        let Some((own, mask)) = own_address(calls, pool) else { return };
        let lease = lent.map(|address| Lease {
            address,
            subnet_mask: mask,
            router: pool.gateway.unwrap_or(Ipv4Addr::UNSPECIFIED),
            name_servers: pool.name_servers.clone(),
            domain_name: None,
            host_name: None,
            ntp_servers: Vec::new(),
            mtu: calls.context.mtu(pool.interface) as u16,
            duration: Duration::from_secs(pool.lease_seconds.into()),
        });
        let reply = request.reply(kind, own, lease);
        let (destination, port) = reply.destination();
        let interface = (destination == Ipv4Addr::BROADCAST).then_some(pool.interface);
        let how = SendTo { interface, source: Some(own.into()), ..SendTo::default() };
        let Some(socket) = self.socket else { return };
        let bytes = reply.emit();
        if calls.send_to(socket, SocketAddr::new(destination.into(), port), how, &bytes).is_ok() {
            let outcome = calls.outcome();
            outcome.sent += 1;
            outcome.bytes_sent += bytes.len() as u64;
        }
    }

    fn note(&mut self, address: Ipv4Addr, request: &Request, standing: Standing, until: Time) {
        let host_name = request.host_name.clone().unwrap_or_default();
        self.bindings.insert(address, Binding { mac: request.mac, host_name, standing, until });
    }

    fn offer(&mut self, calls: &mut Calls<'_, '_>, pool: &Pool, request: &Request) {
        let now = calls.now();
        let Some(address) = self.choose(calls, pool, request) else {
            let why = self.exhausted(pool, request.mac, now);
            return calls.say(Reason::AddressesExhausted, || why);
        };
        // A client that asks anew while its address is lent keeps it.
        let is_lent = self.bindings.get(&address).is_some_and(|known| known.standing == Standing::Lent && known.until > now);
        if !is_lent {
            self.note(address, request, Standing::Offered, now + OFFERED);
        }
        calls.say(Reason::Reply, || format!("DHCPOFFER: {address} for {}", request.mac));
        self.answer(calls, pool, request, MessageType::Offer, Some(address));
    }

    fn decide(&mut self, calls: &mut Calls<'_, '_>, pool: &Pool, own: Ipv4Addr, request: &Request) {
        let now = calls.now();
        match self.judge(pool, own, request, now) {
            Verdict::Grant(address) => {
                let until = if pool.lease_seconds == u32::MAX { Time::NEVER } else { now + Span::seconds(pool.lease_seconds.into()) };
                self.note(address, request, Standing::Lent, until);
                calls.say(Reason::Dhcp, || format!("DHCPACK: {address} is lent to {}", request.mac));
                self.answer(calls, pool, request, MessageType::Acknowledge, Some(address));
            }
            Verdict::Refuse(why) => {
                calls.say(Reason::Dhcp, || format!("DHCPNAK for {}: {why}", request.mac));
                self.answer(calls, pool, request, MessageType::Refuse, None);
            }
            Verdict::Silent => {
                // It took another server's offer, if it was offered one here.
                let is_offered = |known: &Binding| known.mac == request.mac && known.standing == Standing::Offered;
                self.bindings.retain(|_, known| !is_offered(known));
            }
        }
    }
}

/// The server's own address on the pool's link, and the mask there.
fn own_address(calls: &mut Calls<'_, '_>, pool: &Pool) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let nets = calls.host().addresses(pool.interface);
    let v4 = nets.into_iter().filter_map(|net| match net {
        ipnet::IpNet::V4(net) => Some(net),
        ipnet::IpNet::V6(_) => None,
    });
    v4.into_iter().find(|net| net.contains(&pool.first)).map(|net| (net.addr(), net.netmask()))
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "dhcp-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(None, Some(SERVER_PORT), None) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => calls.finish(End::Failed(reason)),
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let Ok(request) = Request::parse(calls.payload(datagram)) else { return };
        if datagram.source.port() != CLIENT_PORT || !request.relay.is_unspecified() {
            return;
        }
        calls.outcome().bytes_received += datagram.len() as u64;
        let Some(pool) = self.pools.iter().find(|pool| pool.interface == datagram.interface).cloned() else { return };
        let Some((own, _)) = own_address(calls, &pool) else { return };
        let is_its = |known: &Binding| known.mac == request.mac;
        match request.kind {
            MessageType::Discover => self.offer(calls, &pool, &request),
            MessageType::Request => self.decide(calls, &pool, own, &request),
            MessageType::Decline => {
                let Some(address) = request.requested.filter(|address| self.bindings.get(address).is_some_and(is_its)) else { return };
                let until = calls.now() + Span::seconds(pool.lease_seconds.into()).max(DECLINED);
                self.note(address, &request, Standing::Declined, until);
                calls.say(Reason::DuplicateAddress, || format!("{address} is not lent: somebody else has it"));
            }
            MessageType::Release => {
                if let Some(known) = self.bindings.get_mut(&request.current).filter(|known| is_its(known)) {
                    known.until = calls.now();
                    calls.say(Reason::Dhcp, || format!("{} is given back by {}", request.current, request.mac));
                }
            }
            MessageType::Inform | MessageType::Offer | MessageType::Acknowledge | MessageType::Refuse => {}
        }
    }

    fn inspect(&self, _: &Host, now: Time) -> Vec<Table> {
        let mut table = Table::new("leases", &["address", "mac", "name", "state", "time left"]);
        for (address, known) in &self.bindings {
            let is_over = known.until <= now;
            let state = match known.standing {
                Standing::Offered if !is_over => "offered",
                Standing::Lent if !is_over => "lent",
                Standing::Declined if !is_over => "declined",
                _ => "free",
            };
            let left = match known.until {
                _ if is_over => "-".to_owned(),
                Time::NEVER => "for ever".to_owned(),
                until => until.since(now).to_string(),
            };
            table.row([IpAddr::V4(*address).to_string(), known.mac.to_string(), known.host_name.clone(), state.to_owned(), left]);
        }
        vec![table]
    }
}
