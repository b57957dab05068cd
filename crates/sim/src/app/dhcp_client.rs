//! A DHCP client (RFC 2131, 4.4): gets addresses for interfaces of its host, with the gateway and the name servers, keeps them
//! as long as a server lets it, and gives them up when it does not. Start at [`Client`]; what a lease changes of the host is
//! in `lease`.

mod lease;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use wire::Mac;
use wire::dhcp::{CLIENT_PORT, Lease, MessageType, Reply as Message, Request, SERVER_PORT};

use crate::random::Random;
use crate::host::Host;
use crate::table::Table;
use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, Reply, SendTo, SocketId};

/// Before the first question is repeated (RFC 2131, 4.1); it doubles up to [`LONGEST_WAIT`], a second more or less.
pub const FIRST_WAIT: Span = Span::seconds(4);
/// Longest time between two questions of a client without an address.
pub const LONGEST_WAIT: Span = Span::seconds(64);
/// Requests without an answer before the client begins again.
pub const ATTEMPTS: u32 = 4;
/// How long somebody has to say that the address is theirs (RFC 5227, 1.1: PROBE_MAX, rounded).
pub const PROBE: Span = Span::seconds(1);
/// Before it begins again after a conflict (RFC 2131, 3.1).
pub const PAUSE: Span = Span::seconds(10);
/// Shortest time between two requests of a client that has an address (RFC 2131, 4.4.5).
pub const LEAST_RENEWAL: Span = Span::seconds(60);

/// Options that it asks for: mask, router, name servers, domain, duration.
const WANTED: [u8; 5] = [1, 3, 6, 15, 51];

/// Where a client is (RFC 2131, figure 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has nothing and asks nobody.
    Init,
    /// It asks who has an address to lend.
    Selecting,
    /// It asks for the address that was offered.
    Requesting,
    /// It asks on the link whether the address is anybody's.
    Probing,
    /// It has an address.
    Bound,
    /// Half of the time is over: it asks the server for more.
    Renewing,
    /// Seven eighths are over: it asks every server.
    Rebinding,
    /// Its link was gone: it asks whether it may keep its address.
    Rebooting,
}

impl State {
    /// As RFC 2131 writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Selecting => "SELECTING",
            Self::Requesting => "REQUESTING",
            Self::Probing => "PROBING",
            Self::Bound => "BOUND",
            Self::Renewing => "RENEWING",
            Self::Rebinding => "REBINDING",
            Self::Rebooting => "REBOOTING",
        }
    }
}

/// What a client does for one interface.
#[derive(Debug)]
struct Side {
    interface: u16,
    mac: Mac,
    state: State,
    transaction: u32,
    server: Ipv4Addr,
    /// Offered, granted or held.
    lease: Option<Lease>,
    /// Whether the host uses it.
    is_used: bool,
    /// When it was asked for what it has: a lease counts from then on.
    since: Time,
    asked: Time,
    tries: u32,
    /// Which wake-up counts.
    epoch: u16,
}

impl Side {
    fn part(&self, of: impl Fn(u64) -> u64) -> Time {
        let seconds = self.lease.as_ref().map_or(0, |lease| lease.duration.as_secs());
        self.since + Span::seconds(of(seconds))
    }

    fn renewal(&self) -> Time {
        self.part(|seconds| seconds / 2)
    }

    fn rebinding(&self) -> Time {
        self.part(|seconds| seconds * 7 / 8)
    }

    fn expiry(&self) -> Time {
        self.part(|seconds| seconds)
    }

    fn address(&self) -> Option<Ipv4Addr> {
        self.lease.as_ref().map(|lease| lease.address)
    }
}

/// The program. Its end is clear when the first address is there; it goes on.
#[derive(Debug)]
pub struct Client {
    sides: Vec<Side>,
    host_name: Option<String>,
    socket: Option<SocketId>,
    random: Option<Random>,
}

impl Client {
    /// To be installed on a host: gets addresses for these interfaces. A host runs one, as there is one port.
    pub fn new(interfaces: &[u16], host_name: Option<&str>) -> Self {
        let side = |interface: &u16| Side {
            interface: *interface,
            mac: Mac::default(),
            state: State::Init,
            transaction: 0,
            server: Ipv4Addr::UNSPECIFIED,
            lease: None,
            is_used: false,
            since: Time::ZERO,
            asked: Time::ZERO,
            tries: 0,
            epoch: 0,
        };
        let host_name = host_name.map(str::to_owned);
        Self { sides: interfaces.iter().map(side).collect(), host_name, socket: None, random: None }
    }

    /// Where it is with an interface, and the lease that the host uses there.
    pub fn lease(&self, interface: u16) -> Option<(State, Option<&Lease>)> {
        let side = self.sides.iter().find(|side| side.interface == interface)?;
        Some((side.state, side.lease.as_ref().filter(|_| side.is_used)))
    }

    /// Gives all addresses back (RFC 2131, 4.4.6).
    pub fn release(&mut self, calls: &mut Calls<'_, '_>) {
        for at in 0..self.sides.len() {
            if let Some(address) = self.sides[at].address().filter(|_| self.sides[at].is_used) {
                let to = self.sides[at].server;
                let request = Request { current: address, ..self.message(at, MessageType::Release) };
                self.send(calls, at, &Request { server: Some(to), ..request }, Some(to));
                lease::give_up(calls, self.sides[at].interface, self.sides[at].lease.as_ref());
            }
            let side = &mut self.sides[at];
            (side.state, side.lease, side.is_used) = (State::Init, None, false);
            side.epoch = side.epoch.wrapping_add(1);
        }
    }

    /// Asks for more time now, or for an address where there is none.
    pub fn renew(&mut self, calls: &mut Calls<'_, '_>) {
        for at in 0..self.sides.len() {
            match self.sides[at].state {
                State::Bound => self.ask_for_more(calls, at, State::Renewing),
                State::Init => self.discover(calls, at),
                _ => {}
            }
        }
    }

    fn message(&self, at: usize, kind: MessageType) -> Request {
        let side = &self.sides[at];
        let is_held = matches!(kind, MessageType::Release | MessageType::Decline);
        Request {
            kind,
            transaction: side.transaction,
            mac: side.mac,
            broadcast: !side.is_used,
            current: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: self.host_name.clone().filter(|_| !is_held),
            wanted: if is_held { Vec::new() } else { WANTED.to_vec() },
        }
    }

    /// Sends a message: to everybody, or to a server that knows the client.
    fn send(&mut self, calls: &mut Calls<'_, '_>, at: usize, message: &Request, to: Option<Ipv4Addr>) {
        let Some(socket) = self.socket else { return };
        let destination = to.unwrap_or(Ipv4Addr::BROADCAST);
        let source = if message.current.is_unspecified() { Ipv4Addr::UNSPECIFIED } else { message.current };
        let interface = to.is_none().then_some(self.sides[at].interface);
        let how = SendTo { interface, source: Some(source.into()), ..SendTo::default() };
        let bytes = message.emit();
        // What the host cannot send is asked again like what is lost.
        if calls.send_to(socket, SocketAddr::new(destination.into(), SERVER_PORT), how, &bytes).is_ok() {
            let outcome = calls.outcome();
            outcome.sent += 1;
            outcome.bytes_sent += bytes.len() as u64;
        }
        self.sides[at].asked = calls.now();
    }

    fn wake(&mut self, calls: &mut Calls<'_, '_>, at: usize, when: Time) {
        let side = &mut self.sides[at];
        side.epoch = side.epoch.wrapping_add(1);
        calls.wake(when, (at as u32) << 16 | u32::from(side.epoch));
    }

    /// Wakes after the time that grows with every question, a second more or less.
    fn wake_to_repeat(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let random = self.random.get_or_insert_with(|| calls.random("dhcp"));
        let jitter = u64::from(random.below(2_000_001)) * 1_000;
        let wait = (FIRST_WAIT.0 << self.sides[at].tries.min(8)).min(LONGEST_WAIT.0);
        let when = calls.now() + Span(wait - Span::seconds(1).0 + jitter);
        self.wake(calls, at, when);
    }

    fn begin(&mut self, calls: &mut Calls<'_, '_>, at: usize, state: State) {
        let random = self.random.get_or_insert_with(|| calls.random("dhcp"));
        let side = &mut self.sides[at];
        (side.state, side.transaction, side.tries) = (state, random.bits(), 0);
    }

    fn discover(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        self.begin(calls, at, State::Selecting);
        self.sides[at].lease = None;
        calls.say(Reason::Question, || "DHCPDISCOVER: who lends an address?".to_owned());
        self.ask(calls, at);
    }

    /// Sends what is to be asked in the present state.
    fn ask(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let side = &self.sides[at];
        let (address, server) = (side.address(), side.server);
        let (request, to) = match side.state {
            State::Selecting => (self.message(at, MessageType::Discover), None),
            State::Requesting => {
                let request = self.message(at, MessageType::Request);
                (Request { requested: address, server: Some(server), ..request }, None)
            }
            State::Rebooting => (Request { requested: address, ..self.message(at, MessageType::Request) }, None),
            State::Renewing | State::Rebinding => {
                let current = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
                let to = (side.state == State::Renewing).then_some(server);
                (Request { current, ..self.message(at, MessageType::Request) }, to)
            }
            State::Init | State::Probing | State::Bound => return,
        };
        self.send(calls, at, &request, to);
        let now = calls.now();
        let side = &self.sides[at];
        let until = match side.state {
            State::Renewing => side.rebinding(),
            State::Rebinding => side.expiry(),
            _ => return self.wake_to_repeat(calls, at),
        };
        let half = Span(until.since(now).0 / 2);
        let when = (now + half.max(LEAST_RENEWAL)).min(until);
        self.wake(calls, at, when);
    }

    fn ask_for_more(&mut self, calls: &mut Calls<'_, '_>, at: usize, state: State) {
        self.begin(calls, at, state);
        let address = self.sides[at].address().unwrap_or(Ipv4Addr::UNSPECIFIED);
        calls.say(Reason::Question, || format!("DHCPREQUEST: may {address} stay?"));
        self.ask(calls, at);
    }

    /// The lease is over, or the server says no: nothing stays of it.
    fn lose(&mut self, calls: &mut Calls<'_, '_>, at: usize, why: &str) {
        let side = &mut self.sides[at];
        let is_used = std::mem::take(&mut side.is_used);
        let lost = side.lease.take();
        if is_used {
            lease::give_up(calls, side.interface, lost.as_ref());
            let address = lost.map_or(Ipv4Addr::UNSPECIFIED, |lease| lease.address);
            calls.say(Reason::Dhcp, || format!("{address} is given up: {why}"));
        }
    }

    /// A server granted the address that was asked for.
    fn granted(&mut self, calls: &mut Calls<'_, '_>, at: usize, lease: Lease) {
        let side = &mut self.sides[at];
        let is_same = side.is_used && side.address() == Some(lease.address);
        side.since = side.asked;
        if is_same {
            lease::give_up(calls, side.interface, side.lease.as_ref());
            side.lease = Some(lease);
            return self.bind(calls, at);
        }
        self.lose(calls, at, "the server gave another one");
        let side = &mut self.sides[at];
        let (interface, address) = (side.interface, lease.address);
        (side.lease, side.state) = (Some(lease), State::Probing);
        calls.watch_neighbors();
        calls.ask_for_neighbor(interface, address.into());
        let when = calls.now() + PROBE;
        self.wake(calls, at, when);
    }

    /// The address is the host's now.
    fn bind(&mut self, calls: &mut Calls<'_, '_>, at: usize) {
        let side = &mut self.sides[at];
        let Some(held) = side.lease.clone() else { return };
        let is_new = !std::mem::replace(&mut side.is_used, true);
        side.state = State::Bound;
        let interface = side.interface;
        lease::take(calls, interface, &held, is_new);
        let address = IpAddr::V4(held.address);
        let outcome = calls.outcome();
        outcome.local = Some(SocketAddr::new(address, CLIENT_PORT));
        if !outcome.addresses.contains(&address) {
            outcome.addresses.push(address);
        }
        calls.say(Reason::Dhcp, || format!("{address} for {} s from {}", held.duration.as_secs(), self.sides[at].server));
        calls.conclude(End::Answered);
        // No time at all is for ever (RFC 2131, 3.3: 0xffffffff).
        if held.duration.as_secs() < u64::from(u32::MAX) {
            let when = self.sides[at].renewal();
            self.wake(calls, at, when);
        } else {
            self.sides[at].epoch = self.sides[at].epoch.wrapping_add(1);
        }
    }

    fn note_reply(&self, calls: &mut Calls<'_, '_>, at: usize, datagram: &Datagram) {
        let (now, asked) = (calls.now(), self.sides[at].asked);
        let outcome = calls.outcome();
        outcome.bytes_received += datagram.len() as u64;
        outcome.replies.push(Reply {
            at: now,
            from: datagram.source,
            to: datagram.destination,
            sequence: outcome.sent.saturating_sub(1),
            ttl: datagram.ttl,
            bytes: datagram.len() as u32,
            rtt: now.since(asked),
            mac: None,
        });
    }
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "dhcp-client"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        match calls.bind(None, Some(CLIENT_PORT), None) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        for at in 0..self.sides.len() {
            let interface = usize::from(self.sides[at].interface);
            let Some(mac) = calls.host().interfaces().get(interface).map(|interface| interface.mac) else {
                return calls.finish(End::Failed(Reason::PortLimit));
            };
            self.sides[at].mac = mac;
            self.discover(calls, at);
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let Ok(message) = Message::parse(calls.payload(datagram)) else { return };
        let fits = |side: &Side| {
            side.interface == datagram.interface && side.transaction == message.transaction && side.mac == message.mac
        };
        let Some(at) = self.sides.iter().position(fits) else { return };
        let asks = matches!(
            self.sides[at].state,
            State::Requesting | State::Rebooting | State::Renewing | State::Rebinding
        );
        match (message.kind, message.lease) {
            (MessageType::Offer, Some(lease)) if self.sides[at].state == State::Selecting => {
                self.note_reply(calls, at, datagram);
                let address = lease.address;
                let side = &mut self.sides[at];
                (side.state, side.server, side.lease, side.tries) = (State::Requesting, message.server, Some(lease), 0);
                calls.say(Reason::Question, || format!("DHCPREQUEST: {address}, as {} offers", message.server));
                self.ask(calls, at);
            }
            (MessageType::Acknowledge, Some(lease)) if asks => {
                self.note_reply(calls, at, datagram);
                self.sides[at].server = message.server;
                self.granted(calls, at, lease);
            }
            (MessageType::Refuse, _) if asks => {
                self.note_reply(calls, at, datagram);
                calls.say(Reason::Dhcp, || format!("DHCPNAK: {} refuses", message.server));
                self.lose(calls, at, "the server refuses it");
                self.discover(calls, at);
            }
            _ => {}
        }
    }

    fn on_neighbor(&mut self, calls: &mut Calls<'_, '_>, interface: u16, address: IpAddr, mac: Mac) {
        let is_probed = |side: &Side| {
            side.interface == interface && side.state == State::Probing && side.address().map(IpAddr::V4) == Some(address)
        };
        let Some(at) = self.sides.iter().position(is_probed) else { return };
        calls.say(Reason::DuplicateAddress, || format!("DHCPDECLINE: {address} is at {mac}"));
        let (requested, server) = (self.sides[at].address(), Some(self.sides[at].server));
        let decline = Request { requested, server, ..self.message(at, MessageType::Decline) };
        self.send(calls, at, &decline, None);
        let side = &mut self.sides[at];
        (side.lease, side.state) = (None, State::Init);
        let when = calls.now() + PAUSE;
        self.wake(calls, at, when);
    }

    fn on_link(&mut self, calls: &mut Calls<'_, '_>, interface: u16, is_up: bool) {
        let Some(at) = self.sides.iter().position(|side| side.interface == interface) else { return };
        if !is_up {
            return;
        }
        if self.sides[at].is_used {
            self.begin(calls, at, State::Rebooting);
            self.ask(calls, at);
        } else {
            self.discover(calls, at);
        }
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, key: u32) {
        let at = (key >> 16) as usize;
        let Some(side) = self.sides.get_mut(at).filter(|side| side.epoch == key as u16) else { return };
        side.tries += 1;
        let now = calls.now();
        match side.state {
            State::Init => self.discover(calls, at),
            State::Selecting => self.ask(calls, at),
            State::Requesting if side.tries < ATTEMPTS => self.ask(calls, at),
            State::Requesting => self.discover(calls, at),
            // Nobody says no: the lease is good until it is over (RFC 2131, 3.2).
            State::Rebooting if side.tries < ATTEMPTS => self.ask(calls, at),
            State::Rebooting if now < side.expiry() => self.ask_for_more(calls, at, State::Rebinding),
            State::Probing => self.bind(calls, at),
            State::Bound => self.ask_for_more(calls, at, State::Renewing),
            State::Renewing if now < side.rebinding() => self.ask(calls, at),
            State::Renewing => self.ask_for_more(calls, at, State::Rebinding),
            State::Rebinding if now < side.expiry() => self.ask(calls, at),
            State::Rebinding | State::Rebooting => {
                self.lose(calls, at, "its time is over");
                self.discover(calls, at);
            }
        }
    }

    fn inspect(&self, _: &Host, now: Time) -> Vec<Table> {
        let mut table = Table::new("lease", &["interface", "state", "address", "server", "renewal in", "time left"]);
        for side in &self.sides {
            let used = side.address().filter(|_| side.is_used);
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let left = |until: Time| used.map(|_| until.since(now).to_string());
            table.row([
                side.interface.to_string(),
                side.state.word().to_owned(),
                or_dash(used.map(|address| address.to_string())),
                or_dash(used.map(|_| side.server.to_string())),
                or_dash(left(side.renewal())),
                or_dash(left(side.expiry())),
            ]);
        }
        vec![table]
    }
}
