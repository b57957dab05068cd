//! Questions to the services of a VPC. Whether one is reached is decided here; what it answers is [`Services`]'.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use model::{Model, NetworkInterfaceId, Timestamp};

use super::Walker;
use super::exchange::{dropped, interface_index, party};
use super::transit::{End, Fate};
use crate::engine::{EngineError, Leg, NameServer, Observation, Outcome, Sender, Unsupported};
use crate::fabric::Fabric;
use crate::index::{InstanceIndex, InterfaceIndex, VpcIndex};
use crate::packet::{Header, Packet, Segment, Transport};
use crate::reason::{Component, Reason, Stage};
use crate::stage::exempt;

/// What the services of VPCs, and the public DNS, answer.
pub trait Services {
    /// An answer of a VPC's resolver, or of the public DNS: response code and records as text.
    fn dns(
        &mut self,
        model: &Model,
        fabric: &Fabric,
        resolver: Option<VpcIndex>,
        name: &str,
        record_type: &str,
    ) -> Result<(u8, Vec<String>), EngineError>;

    /// An answer of the metadata service to an instance.
    fn metadata(
        &mut self,
        model: &Model,
        fabric: &Fabric,
        instance: InstanceIndex,
        now: Timestamp,
        request: (&str, &str, &BTreeMap<String, String>),
    ) -> Result<HttpAnswer, EngineError>;

    /// Forgets tokens.
    fn reset(&mut self);
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
    /// IP TTL that it leaves with (IMDS-5).
    pub ttl: u8,
}

/// A question over HTTP as a probe writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpQuestion<'s> {
    /// Whom.
    pub host: Ipv4Addr,
    /// The path, from its slash on.
    pub path: String,
    /// The interface that it leaves by.
    pub interface: &'s NetworkInterfaceId,
    /// Whether a container asks, whose packets its host passes on.
    pub is_outer: bool,
}

impl<'s> HttpQuestion<'s> {
    /// Reads one. Errors: a URL without `http://` or without an IPv4 address; somebody outside, who is not served.
    pub fn read(from: &'s Sender, url: &str) -> Result<Self, EngineError> {
        let bad = |why: &str| EngineError::BadProbe(format!("{url}: {why}"));
        let rest = url.strip_prefix("http://").ok_or_else(|| bad("only http:// can be asked"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        let host: Ipv4Addr = host.parse().map_err(|_| bad("the host must be an IPv4 address"))?;
        let (interface, is_outer) = match from {
            Sender::Interface(id) => (id, false),
            Sender::Container(id) => (id, true),
            Sender::Outside(_) => return Err(EngineError::Unsupported(Unsupported::Http)),
        };
        Ok(Self { host, path: format!("/{path}"), interface, is_outer })
    }
}

/// Where a request to an address ends.
enum Reached {
    Service(VpcIndex),
    Elsewhere,
    Not(Outcome),
}

impl Walker {
    pub(super) fn dns_query(
        &mut self,
        model: &Model,
        fabric: &Fabric,
        from: &Sender,
        name: &str,
        record_type: &str,
        server: NameServer,
    ) -> Result<Outcome, EngineError> {
        let resolver = match (server, from) {
            (NameServer::Public, Sender::Outside(_)) => None,
            (NameServer::Public, _) => {
                return Err(EngineError::BadProbe("the public DNS is asked by internet hosts".to_owned()));
            }
            (NameServer::Address(address), _) => {
                let transport = Transport::Udp { source_port: 40_053, destination_port: 53 };
                match self.reach(fabric, from, address, transport)? {
                    Reached::Not(outcome) => return Ok(outcome),
                    Reached::Service(vpc) if exempt::is_resolver(fabric, vpc, address) => Some(vpc),
                    Reached::Service(_) | Reached::Elsewhere => return Err(EngineError::Unsupported(Unsupported::Dns)),
                }
            }
        };
        let services = self.services.as_mut().ok_or(EngineError::Unsupported(Unsupported::Dns))?;
        let (response_code, answers) = services.dns(model, fabric, resolver, name, record_type)?;
        Ok(Outcome::Observed(Observation::Dns { response_code, answers }))
    }

    pub(super) fn http_request(
        &mut self,
        model: &Model,
        fabric: &Fabric,
        from: &Sender,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<Outcome, EngineError> {
        let HttpQuestion { host, path, interface, is_outer } = HttpQuestion::read(from, url)?;
        let interface = interface_index(fabric, interface)?;
        let sender = Sender::Interface(fabric.interfaces[interface].id.clone());
        let transport = Transport::Tcp { source_port: 40_080, destination_port: 80, segment: Segment::Syn };
        match self.reach(fabric, &sender, IpAddr::V4(host), transport)? {
            Reached::Not(outcome) => return Ok(outcome),
            Reached::Service(_) if host == exempt::METADATA => {}
            Reached::Service(_) | Reached::Elsewhere => return Err(EngineError::Unsupported(Unsupported::Http)),
        }
        let instance = instance(fabric, interface)?;
        let now = self.now;
        let services = self.services.as_mut().ok_or(EngineError::Unsupported(Unsupported::Http))?;
        let answer = services.metadata(model, fabric, instance, now, (method, &path, headers))?;
        if is_outer && answer.ttl <= 1 {
            // IMDS-5: the guest would have to pass it on, and its time is up.
            let text = "the answer's TTL ran out at the container's host";
            return Ok(dropped(Leg::Return, Reason::new(Stage::Guest, Component::Guest(interface), text)));
        }
        let HttpAnswer { status, headers, body, .. } = answer;
        Ok(Outcome::Observed(Observation::Http { status, headers, body }))
    }

    fn reach(
        &mut self,
        fabric: &Fabric,
        from: &Sender,
        to: IpAddr,
        transport: Transport,
    ) -> Result<Reached, EngineError> {
        let sender = party(from)?;
        let source = super::exchange::address_of(fabric, &sender, crate::packet::Family::of(to))?;
        let trip = self.send(fabric, &sender, Packet::new(Header { source, destination: to, transport }))?;
        self.state.close();
        Ok(match trip.step {
            Err(reason) => Reached::Not(dropped(Leg::Forward, *reason)),
            Ok(Fate::Arrived { end: End::Service(vpc), .. }) => Reached::Service(vpc),
            Ok(_) => Reached::Elsewhere,
        })
    }
}

fn instance(fabric: &Fabric, interface: InterfaceIndex) -> Result<InstanceIndex, EngineError> {
    let id = &fabric.interfaces[interface].id;
    fabric.interfaces[interface].instance().ok_or_else(|| EngineError::BadProbe(format!("{id} belongs to no instance")))
}
