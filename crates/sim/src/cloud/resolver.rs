//! The Amazon resolver of a VPC, and the public DNS, as a program: what `fabric` knows of names, over UDP and TCP. Whether a question
//! comes here at all is the router's business (DNS-2).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::resolver::{QUESTIONS_A_SECOND, Resolver, TTL};
use fabric::{Fabric, InterfaceIndex};
use model::VpcId;
use wire::dns::{Code, DnsError, Kind, Query, Response};

use crate::app::dns::{PORT, take_message, with_length};
use crate::app::{App, Calls, Datagram, End, SendTo, SocketId, StreamEvent, StreamId};
use crate::host::Host;
use crate::trace::Reason;

/// The answer to a question.
pub fn answer(fabric: &Fabric, resolver: Resolver, query: &Query) -> Response {
    let addresses = |name: &str| fabric.addresses_of(resolver, name);
    wire::dns::answer(query, TTL, addresses, |address| fabric.name_of(resolver, address))
}

/// Whom a guest asks for names, and what it completes them with: as the option set of its primary interface's VPC says (DHCP-1,
/// DHCP-4).
#[derive(Default)]
pub struct GuestNames {
    /// The name servers.
    pub servers: Vec<IpAddr>,
    search: Vec<String>,
}

impl GuestNames {
    /// Those of a guest with these interfaces.
    pub fn of(fabric: &Fabric, interfaces: &[InterfaceIndex]) -> Self {
        let Some(primary) = interfaces.first() else { return Self::default() };
        let vpc = &fabric.vpcs[fabric.interfaces[*primary].vpc];
        let domains = vpc.search_domain.as_deref().unwrap_or_default();
        Self {
            servers: vpc.name_servers.iter().copied().map(IpAddr::V4).collect(),
            search: domains.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Tells the guest.
    pub fn give(self, host: &mut Host) {
        host.set_name_servers(self.servers);
        host.set_search_domains(self.search);
    }
}

/// The program. It runs until it is cancelled.
pub struct NameServer {
    fabric: Arc<Fabric>,
    /// Whose names it knows; `None`: it is the public DNS.
    vpc: Option<VpcId>,
    /// How much each address asked in the second that has begun.
    asked: BTreeMap<IpAddr, u32>,
    second: u64,
    /// What came on connections and is not a whole question yet.
    partial: BTreeMap<StreamId, Vec<u8>>,
}

impl NameServer {
    /// To be installed on the host that has a resolver's addresses.
    pub fn new(fabric: Arc<Fabric>, vpc: Option<VpcId>) -> Self {
        Self { fabric, vpc, asked: BTreeMap::new(), second: 0, partial: BTreeMap::new() }
    }

    /// Answers from another fabric from now on.
    pub fn apply(&mut self, fabric: Arc<Fabric>) {
        self.fabric = fabric;
    }

    /// Who it is in the fabric that is; `None`: its VPC is gone.
    fn resolver(&self) -> Option<Resolver> {
        match &self.vpc {
            None => Some(Resolver::Public),
            Some(id) => self.fabric.vpcs.find(id, |vpc| &vpc.id).map(Resolver::Vpc),
        }
    }

    /// Whether an address asked more in this second than it may (DNS-1). The public DNS counts nobody.
    fn exceeds_rate(&mut self, from: IpAddr, second: u64) -> bool {
        if self.second != second {
            self.second = second;
            self.asked.clear();
        }
        let asked = self.asked.entry(from).or_default();
        *asked += 1;
        self.vpc.is_some() && *asked > QUESTIONS_A_SECOND
    }

    /// The answer to a message as bytes. Bytes that are no question it answers as name servers do: not at all, or that it does not
    /// understand (RFC 1035, 4.1.1).
    fn reply(&self, calls: &mut Calls<'_, '_>, message: &[u8], limit: Option<usize>) -> Option<Vec<u8>> {
        match Query::parse(message) {
            Ok(query) => {
                let answer = answer(&self.fabric, self.resolver()?, &query);
                calls.say(Reason::Reply, || said(&query, &answer, self.vpc.is_some()));
                answer.emit(&query, limit.unwrap_or_else(|| query.udp_limit())).ok()
            }
            Err(DnsError::Unsupported { answer }) => {
                calls.say(Reason::Reply, || "this is no question that is understood".to_owned());
                Some(answer)
            }
            Err(_) => {
                calls.say(Reason::Rejected, || "this is no message of DNS, and is not answered".to_owned());
                None
            }
        }
    }
}

fn said(query: &Query, answer: &Response, is_vpcs: bool) -> String {
    let (kind, name, count) = (query.kind, &query.name, answer.records.len());
    match (answer.code, is_vpcs) {
        (Code::NoError, _) if count == 0 => format!("{kind} {name}: the name is there, without such records"),
        (Code::NoError, _) => format!("{kind} {name}: {count} record{}", if count == 1 { "" } else { "s" }),
        (_, true) if kind == Kind::PTR => format!("{kind} {name}: NXDOMAIN, no interface of the VPC has the address"),
        (_, true) => format!("{kind} {name}: NXDOMAIN, neither the VPC nor the lab's internet has the name, and nobody else is asked"),
        (_, false) => format!("{kind} {name}: NXDOMAIN, the public DNS has no such name"),
    }
}

impl App for NameServer {
    fn kind(&self) -> &'static str {
        "resolver"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        // Of the public DNS only datagrams are spoken, as in a lab that is up.
        let speaks_tcp = self.vpc.is_some();
        let bound = calls.bind(None, Some(PORT), None);
        if let Err(reason) = bound.and_then(|_| if speaks_tcp { calls.listen(PORT) } else { Ok(()) }) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let from = datagram.source;
        if self.exceeds_rate(from.ip(), calls.now().seconds()) {
            return calls.say(Reason::Rejected, || format!("more than {QUESTIONS_A_SECOND} questions in this second from {}: not answered", from.ip()));
        }
        let message = calls.payload(datagram).to_vec();
        if let Some(reply) = self.reply(calls, &message, None) {
            let how = SendTo { source: Some(datagram.destination.ip()), ..SendTo::default() };
            // Whoever asked has an address, or it would not have come here.
            let _ = calls.send_to(socket, from, how, &reply);
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                let mut partial = self.partial.remove(&stream).unwrap_or_default();
                partial.extend_from_slice(&bytes);
                while let Some(message) = take_message(&mut partial) {
                    if let Some(reply) = self.reply(calls, &message, Some(usize::from(u16::MAX))) {
                        calls.write(stream, &with_length(&reply));
                    }
                }
                self.partial.insert(stream, partial);
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {
                self.partial.remove(&stream);
            }
        }
    }
}
