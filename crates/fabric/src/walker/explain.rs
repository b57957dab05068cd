//! Why a request is answered or not: both ways hop by hop, with everything that blocks and not only the first (RA-4).
//!
//! A packet goes on past a filter that drops it, and past a missing route where it is clear where one would lead. What
//! it meets then would block too if the first blocker were gone. Nothing is kept: each question starts with no flows.

use serde::Serialize;

use super::Walker;
use super::exchange::{Party, Trip, component, expected_answer, interface_index, outside, party_of, same_place};
use super::passing::Hop;
use super::transit::{End, Exit, Fate};
use crate::engine::{EngineError, PacketProbe};
use crate::fabric::Fabric;
use crate::index::InterfaceIndex;
use crate::packet::{Header, Packet};
use crate::reason::{Component, Reason, Stage};
use crate::stage::exempt;

/// The answer to "why".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// In one word.
    pub verdict: Verdict,
    /// From the sender.
    pub request: Way,
    /// Back to it; `None` when nobody answers such a message, or when what blocks the request leaves open what an answer
    /// would look like.
    pub reply: Option<Way>,
}

/// Whether request and reply arrive (PIPE-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both do.
    Allowed,
    /// The request does not.
    Denied,
    /// The request does, the reply does not.
    OneWay,
}

/// One way of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Who sends.
    pub from: Option<Component>,
    /// Who receives; `None` when the way ends before anyone does.
    pub to: Option<Component>,
    /// The header as it was sent.
    pub sent: Header,
    /// The header as it arrived, or would.
    pub arrived: Option<Header>,
    /// Every stage in order, those that block included.
    pub hops: Vec<Hop>,
    /// What blocks, in order; empty when the packet arrives.
    pub blockers: Vec<Reason>,
    /// Middleboxes passed.
    pub via: Vec<InterfaceIndex>,
}

impl Way {
    /// Whether the packet arrives.
    pub fn is_open(&self) -> bool {
        self.blockers.is_empty()
    }

    /// The components of the way in AWS's order (RA-6), each once in a row, from the sender to the receiver: guests,
    /// interfaces, security groups, network ACLs, route tables, gateways.
    pub fn components(&self) -> Vec<Component> {
        use Stage::{Exempt, Internet, LocalDelivery, SourceDestCheck};
        let counts = |stage: Stage| !matches!(stage, Exempt | Internet | LocalDelivery | SourceDestCheck);
        let hops = self.hops.iter().filter(|hop| counts(hop.reason.stage)).map(|hop| hop.reason.at);
        let ends = |end: Option<Component>| end.filter(|at| matches!(at, Component::Guest(_)));
        let mut components: Vec<Component> = ends(self.from).into_iter().chain(hops).chain(ends(self.to)).collect();
        components.dedup();
        components
    }
}

impl Explanation {
    /// Everything that blocks, on the way there and back.
    pub fn blockers(&self) -> impl Iterator<Item = &Reason> {
        self.request.blockers.iter().chain(self.reply.iter().flat_map(|way| &way.blockers))
    }
}

/// Explains one request and its reply, as if the receiver listened. Errors: as [`crate::Engine::probe`].
pub fn explain(fabric: &Fabric, probe: &PacketProbe) -> Result<Explanation, EngineError> {
    let mut walker = Walker { as_if: true, ..Walker::new() };
    let (client, sent, trip) = walker.open(fabric, probe, probe.traffic)?;
    let is_moot = trip.is_moot;
    let (mut request, arrived) = way(fabric, &client, sent.clone(), trip);
    let reply = match arrived {
        Some((end, packet)) => match party_of(fabric, &end) {
            Some(server) if !is_moot => reply(&mut walker, fabric, &client, &sent, &server, &packet.header)?,
            Some(_) => None,
            None => {
                let is_served = matches!(end, End::Service(vpc) if exempt::is_served(fabric, vpc, &packet.header));
                if !is_served {
                    let text = "no service of the fabric answers that";
                    request.blockers.push(Reason::new(Stage::Exempt, Component::Fabric, text));
                }
                None
            }
        },
        None => None,
    };
    let verdict = match (&request, &reply) {
        (request, _) if !request.is_open() => Verdict::Denied,
        (_, Some(reply)) if !reply.is_open() => Verdict::OneWay,
        _ => Verdict::Allowed,
    };
    Ok(Explanation { verdict, request, reply })
}

fn reply(
    walker: &mut Walker,
    fabric: &Fabric,
    client: &Party,
    request: &Header,
    server: &Party,
    seen: &Header,
) -> Result<Option<Way>, EngineError> {
    let Some(response) = seen.reply() else { return Ok(None) };
    let trip = walker.answer(fabric, server, Packet::new(response.clone()))?;
    let is_moot = trip.is_moot;
    let (mut back, arrived) = way(fabric, server, response.clone(), trip);
    if let Some((end, packet)) = arrived {
        let awaited = expected_answer(request, &response);
        let at_client = party_of(fabric, &end).is_some_and(|at| same_place(&at, client));
        let is_awaited = at_client && packet.header == awaited;
        if !is_moot && !is_awaited {
            let at = party_of(fabric, &end).and_then(|party| component(fabric, &party)).unwrap_or(Component::Fabric);
            let text = format!("nobody there waits for an answer from {}", packet.header.source);
            back.blockers.push(Reason::new(Stage::Guest, at, text));
        }
    }
    Ok(Some(back))
}

/// A trip as a way, and where it ended if somebody received.
fn way(fabric: &Fabric, from: &Party, sent: Header, trip: Trip) -> (Way, Option<(End, Packet)>) {
    let Trip { step, via, path: hops, mut blockers, is_moot: _ } = trip;
    let arrived = match step {
        Ok(Fate::Arrived { end, packet }) => Some((end, packet)),
        Ok(Fate::Answered { .. }) => {
            blockers.push(Reason::new(Stage::Guest, Component::Fabric, "somebody on the way answered instead"));
            None
        }
        Err(reason) => {
            blockers.push(*reason);
            None
        }
    };
    let to = arrived.as_ref().map(|(end, _)| match end {
        End::Guest(interface) => Component::Guest(*interface),
        End::Outside(address, exit) => outside(fabric, *address, matches!(exit, Exit::Vpn(_))),
        End::Service(vpc) => Component::Service(*vpc),
    });
    let start = match from {
        Party::Interface(id) => interface_index(fabric, id).ok().map(Component::Guest),
        Party::Outside(..) => component(fabric, from),
    };
    let header = arrived.as_ref().map(|(_, packet)| packet.header.clone());
    (Way { from: start, to, sent, arrived: header, hops, blockers, via }, arrived)
}
