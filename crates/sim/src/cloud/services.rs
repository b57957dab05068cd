//! Questions to the services of a VPC: whether one is reached, frames show; what it answers is [`Services`]'.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{
    EngineError, Leg, ListenerState, NameServer, Observation, Outcome, PacketProbe, Sender, Traffic, Unsupported,
};
use fabric::resolver::Resolver;
use fabric::stage::exempt;
use fabric::walker::{HttpAnswer, HttpQuestion, Services};
use fabric::{Component, Reason as StageReason, Stage};
use wire::dns::{Query, Response};

use super::engine::SimEngine;
use super::{message, outcome, resolver};
use crate::trace::Verb;

/// The first of the ports that questions of DNS come from, one after another; so many are used in turn.
const DNS_CLIENT: u16 = 40_053;
const DNS_CLIENTS: u16 = 10_000;
/// The port that questions of HTTP come from.
const HTTP_CLIENT: u16 = 40_080;

/// Where a question ends.
enum Reached {
    Service,
    Elsewhere,
    Not(Outcome),
}

impl SimEngine {
    pub(super) fn dns_query(
        &mut self,
        from: &Sender,
        name: &str,
        record_type: &str,
        server: NameServer,
    ) -> Result<Outcome, EngineError> {
        let identifier = self.fresh_identifier();
        let question = message::question(identifier, name, record_type).map_err(EngineError::BadProbe)?;
        let told = |response: &Response| {
            let (response_code, answers) = message::told(response);
            Outcome::Observed(Observation::Dns { response_code, answers })
        };
        let address = match (server, from) {
            (NameServer::Public, Sender::Outside(_)) => {
                let fabric = Arc::clone(self.running()?.fabric());
                return Ok(told(&resolver::answer(&fabric, Resolver::Public, &question)));
            }
            (NameServer::Public, _) => return Err(EngineError::BadProbe("the public DNS is asked by internet hosts".to_owned())),
            (NameServer::Address(address), _) => address,
        };
        self.body = Some(question.emit().map_err(|error| EngineError::BadProbe(error.to_string()))?);
        let source_port = DNS_CLIENT + identifier % DNS_CLIENTS;
        let reached = self.reach(from, address, Traffic::Udp { source_port, destination_port: 53 });
        self.body = None;
        match (reached?, self.answer_to(&question)?) {
            (Reached::Not(outcome), _) => Ok(outcome),
            (_, Some(response)) => Ok(told(&response)),
            (_, None) => Err(EngineError::Unsupported(Unsupported::Dns)),
        }
    }

    /// The first answer to a question that came to a host.
    fn answer_to(&mut self, question: &Query) -> Result<Option<Response>, EngineError> {
        let cloud = self.running()?;
        let (trace, frames) = (cloud.simulator.trace(), cloud.simulator.frames());
        let came = trace.events().iter().filter(|event| event.verb == Verb::Receive && cloud.is_host(event.node));
        let mut answers = came.filter_map(|event| message::answer(frames.bytes(event.frame)));
        Ok(answers.find(|(identifier, _)| *identifier == question.id).map(|(_, response)| response))
    }

    pub(super) fn http_request(
        &mut self,
        from: &Sender,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<Outcome, EngineError> {
        let HttpQuestion { host, path, interface: id, is_outer } = HttpQuestion::read(from, url)?;
        let fabric = Arc::clone(self.running()?.fabric());
        let interface = fabric.interface_by_id(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
        let traffic = Traffic::Tcp { source_port: HTTP_CLIENT, destination_port: 80 };
        match self.reach(&Sender::Interface(id.clone()), IpAddr::V4(host), traffic)? {
            Reached::Not(outcome) => return Ok(outcome),
            Reached::Service if host == exempt::METADATA => {}
            Reached::Service | Reached::Elsewhere => return Err(EngineError::Unsupported(Unsupported::Http)),
        }
        let instance = fabric.interfaces[interface].instance();
        let instance = instance.ok_or_else(|| EngineError::BadProbe(format!("{id} belongs to no instance")))?;
        let now = self.now();
        let (model, services) = self.served(Unsupported::Http)?;
        let answer = services.metadata(&model, &fabric, instance, now, (method, &path, headers))?;
        if is_outer && answer.ttl <= 1 {
            // IMDS-5: the guest would have to pass it on, and its time is up.
            let text = "the answer's TTL ran out at the container's host";
            let reason = StageReason::new(Stage::Guest, Component::Guest(interface), text);
            return Ok(outcome::dropped(Leg::Return, reason));
        }
        let HttpAnswer { status, headers, body, .. } = answer;
        Ok(Outcome::Observed(Observation::Http { status, headers, body }))
    }

    fn served(&mut self, what: Unsupported) -> Result<(Arc<model::Model>, &mut Box<dyn Services>), EngineError> {
        let model = self.model().ok_or_else(|| EngineError::Failed("nothing was applied yet".to_owned()))?;
        Ok((model, self.services.as_mut().ok_or(EngineError::Unsupported(what))?))
    }

    /// Sends the first packet of a question, and looks where it comes to.
    fn reach(&mut self, from: &Sender, to: IpAddr, traffic: Traffic) -> Result<Reached, EngineError> {
        let probe = PacketProbe { listener: ListenerState::Open, ..PacketProbe::new(from.clone(), to, traffic) };
        let outcome = self.packet_probe(&probe)?;
        let cloud = self.running()?;
        let vpc = outcome::received(cloud).into_iter().find_map(|received| cloud.services_of(received.node));
        Ok(match (vpc, outcome) {
            (Some(_), _) => Reached::Service,
            (None, Outcome::Allowed(_) | Outcome::Refused { .. }) => Reached::Elsewhere,
            (None, outcome @ Outcome::Dropped(fabric::engine::Drop { leg: Leg::Forward, .. })) => Reached::Not(outcome),
            (None, _) => Reached::Elsewhere,
        })
    }
}
