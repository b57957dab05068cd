//! SNMP version 2c (RFC 3416): a manager that asks for objects, and an agent that knows a few of its host (RFC 3418's system
//! group, RFC 2863's interfaces). The messages are in `message`.

mod message;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;

use crate::time::{Span, Time};
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, IcmpError, RefusedBy, Reply, SendTo, SocketId};

pub use message::{Message, Oid, Pdu, Value};

/// The agent's port.
pub const PORT: u16 = 161;
/// The community that agents let in.
pub const COMMUNITY: &str = "public";
/// Before a question is repeated, and how often it is asked.
pub const TIMEOUT: Span = Span::seconds(1);
/// How often a question is asked.
pub const ATTEMPTS: u32 = 3;

/// sysDescr.0.
pub const DESCRIPTION: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 1, 0];
/// sysUpTime.0.
pub const UP_TIME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 3, 0];
/// sysName.0.
pub const NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 1, 5, 0];
/// ifNumber.0.
pub const INTERFACES: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 1, 0];
/// ifDescr and ifPhysAddress, each before the interface's number, which begins with 1.
const INTERFACE_NAME: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 2];
const INTERFACE_MAC: &[u32] = &[1, 3, 6, 1, 2, 1, 2, 2, 1, 6];

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnmpSpec {
    /// The agent.
    pub destination: IpAddr,
    /// Its port.
    pub port: u16,
    /// The word that lets one in.
    pub community: String,
    /// For these objects; with `is_next`, for those that come after them.
    pub objects: Vec<Oid>,
    /// Whether the objects after the named ones are meant.
    pub is_next: bool,
}

impl SnmpSpec {
    /// A question for objects.
    pub fn new(destination: IpAddr, objects: &[&[u32]]) -> Self {
        let objects = objects.iter().map(|object| Oid(object.to_vec())).collect();
        Self { destination, port: PORT, community: COMMUNITY.to_owned(), objects, is_next: false }
    }
}

/// The client. [`crate::app::Outcome::data`] has a line for each object.
#[derive(Debug)]
pub struct Manager {
    spec: SnmpSpec,
    socket: Option<SocketId>,
    id: i32,
    asked: Time,
    tries: u32,
}

impl Manager {
    /// To be run on a host.
    pub fn new(spec: SnmpSpec) -> Self {
        Self { spec, socket: None, id: 0, asked: Time::ZERO, tries: 0 }
    }

    fn ask(&mut self, calls: &mut Calls<'_, '_>) {
        let message = Message {
            community: self.spec.community.clone().into_bytes(),
            pdu: if self.spec.is_next { Pdu::GetNext } else { Pdu::Get },
            id: self.id,
            error: 0,
            index: 0,
            bindings: self.spec.objects.iter().map(|object| (object.clone(), Value::Null)).collect(),
        };
        let (bytes, to) = (message.emit(), SocketAddr::new(self.spec.destination, self.spec.port));
        let Some(socket) = self.socket else { return };
        if let Err(error) = calls.send_to(socket, to, SendTo::default(), &bytes) {
            return calls.finish(End::Failed(error.into()));
        }
        (self.asked, self.tries) = (calls.now(), self.tries + 1);
        let outcome = calls.outcome();
        outcome.sent += 1;
        outcome.bytes_sent += bytes.len() as u64;
        calls.wake_after(TIMEOUT, 0);
    }
}

impl App for Manager {
    fn kind(&self) -> &'static str {
        "snmp"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let to = SocketAddr::new(self.spec.destination, self.spec.port);
        match calls.bind(None, None, Some(to)) {
            Ok(socket) => self.socket = Some(socket),
            Err(reason) => return calls.finish(End::Failed(reason)),
        }
        // A positive number (RFC 3416, 4.1); another one for every program of the host.
        self.id = (calls.random(&format!("snmp {}", calls.id().0)).bits() >> 1) as i32;
        calls.say(Reason::Question, || {
            let names: Vec<String> = self.spec.objects.iter().map(Oid::to_string).collect();
            format!("get {}", names.join(" "))
        });
        self.ask(calls);
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, _: SocketId, datagram: &Datagram) {
        let Some(message) = Message::parse(calls.payload(datagram)) else { return };
        if message.pdu != Pdu::Response || message.id != self.id {
            return;
        }
        let text: String = message.bindings.iter().map(|(object, value)| format!("{object} = {value}\n")).collect();
        let (now, asked) = (calls.now(), self.asked);
        let outcome = calls.outcome();
        outcome.take(text.as_bytes());
        outcome.replies.push(Reply {
            at: now,
            from: datagram.source,
            to: datagram.destination,
            sequence: message.error.unsigned_abs(),
            ttl: datagram.ttl,
            bytes: datagram.len() as u32,
            rtt: now.since(asked),
            mac: None,
        });
        calls.say(Reason::Reply, || text.trim_end().replace('\n', ", "));
        calls.finish(if message.error == 0 { End::Answered } else { End::Failed(Reason::Rejected) });
    }

    fn on_error(&mut self, calls: &mut Calls<'_, '_>, error: &IcmpError) {
        calls.outcome().errors.push(*error);
        let is_refused = error.is_port_unreachable();
        calls.finish(if is_refused { End::Refused(RefusedBy::Icmp(*error)) } else { End::Unreachable(*error) });
    }

    fn on_timer(&mut self, calls: &mut Calls<'_, '_>, _: u32) {
        if self.tries >= ATTEMPTS { calls.finish(End::Nothing) } else { self.ask(calls) }
    }
}

/// The server. It runs until it is cancelled; who does not know the community hears nothing (RFC 3584, 5.2.1).
#[derive(Debug)]
pub struct Agent {
    port: u16,
    name: String,
    started: Time,
}

impl Agent {
    /// To be installed on a host.
    pub fn new(port: u16, name: &str) -> Self {
        Self { port, name: name.to_owned(), started: Time::ZERO }
    }

    fn objects(&self, calls: &mut Calls<'_, '_>) -> BTreeMap<Oid, Value> {
        const NANOSECONDS_PER_TICK: u64 = 10_000_000;
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        let ticks = calls.now().since(self.started).0 / NANOSECONDS_PER_TICK;
        let kind = if calls.host().forwards() { "simulated router" } else { "simulated host" };
        let interfaces = calls.host().interfaces();
        let system = [
            (DESCRIPTION, text(kind)),
            (UP_TIME, Value::Ticks(ticks as u32)),
            (NAME, text(&self.name)),
            (INTERFACES, Value::Integer(interfaces.len() as i32)),
        ];
        let mut objects: BTreeMap<Oid, Value> = system.into_iter().map(|(name, value)| (Oid(name.to_vec()), value)).collect();
        for (at, interface) in (1..).zip(interfaces) {
            let object = |name: &[u32]| Oid([name, &[at]].concat());
            objects.insert(object(INTERFACE_NAME), text(&interface.name));
            objects.insert(object(INTERFACE_MAC), Value::Text(interface.mac.0.to_vec()));
        }
        objects
    }

    fn answer(&self, calls: &mut Calls<'_, '_>, question: Message) -> Option<Message> {
        const NOT_WRITABLE: i32 = 17;
        let objects = self.objects(calls);
        let (mut error, mut index) = (0, 0);
        let bindings = match question.pdu {
            Pdu::Get => {
                let value = |object: &Oid| objects.get(object).cloned().unwrap_or(Value::NoSuchObject);
                question.bindings.into_iter().map(|(object, _)| (object.clone(), value(&object))).collect()
            }
            Pdu::GetNext => {
                let next = |object: Oid| {
                    let after = (Bound::Excluded(object.clone()), Bound::Unbounded);
                    let found = objects.range(after).next().map(|(object, value)| (object.clone(), value.clone()));
                    found.unwrap_or((object, Value::EndOfView))
                };
                question.bindings.into_iter().map(|(object, _)| next(object)).collect()
            }
            Pdu::Set => {
                (error, index) = (NOT_WRITABLE, 1);
                question.bindings
            }
            Pdu::Response => return None,
        };
        Some(Message { pdu: Pdu::Response, error, index, bindings, ..question })
    }
}

impl App for Agent {
    fn kind(&self) -> &'static str {
        "snmp-agent"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        self.started = calls.now();
        if let Err(reason) = calls.bind(None, Some(self.port), None) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let Some(question) = Message::parse(calls.payload(datagram)) else { return };
        calls.outcome().bytes_received += datagram.len() as u64;
        if question.community != COMMUNITY.as_bytes() {
            return calls.say(Reason::Rejected, || "another community: no answer".to_owned());
        }
        let Some(answer) = self.answer(calls, question) else { return };
        let is_own = calls.host().is_own(datagram.destination.ip());
        let how = SendTo { source: is_own.then_some(datagram.destination.ip()), ..SendTo::default() };
        let bytes = answer.emit();
        if calls.send_to(socket, datagram.source, how, &bytes).is_ok() {
            let outcome = calls.outcome();
            outcome.sent += 1;
            outcome.bytes_sent += bytes.len() as u64;
        }
    }
}
