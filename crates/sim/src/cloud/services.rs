//! Questions to the services of a VPC: whether one is reached, frames show; what it answers is [`Services`]'.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{
    EngineError, Leg, ListenerState, NameServer, Observation, Outcome, PacketProbe, Sender, Traffic, Unsupported,
};
use fabric::stage::exempt;
use fabric::walker::{HttpAnswer, HttpQuestion, Services};
use fabric::{Component, Reason as StageReason, Stage, VpcIndex};

use super::engine::SimEngine;
use super::message;
use super::outcome;

/// The first of the ports that questions of DNS come from, one after another; so many are used in turn.
const DNS_CLIENT: u16 = 40_053;
const DNS_CLIENTS: u16 = 10_000;
/// The port that questions of HTTP come from.
const HTTP_CLIENT: u16 = 40_080;

/// Where a question ends.
enum Reached {
    Service(VpcIndex),
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
        let fabric = Arc::clone(self.running()?.fabric());
        let resolver = match (server, from) {
            (NameServer::Public, Sender::Outside(_)) => None,
            (NameServer::Public, _) => return Err(EngineError::BadProbe("the public DNS is asked by internet hosts".to_owned())),
            (NameServer::Address(address), _) => {
                let resolver = self.resolver_of(from, address)?;
                let served = match resolver.filter(|vpc| fabric.vpcs[*vpc].dns_support) {
                    Some(vpc) => {
                        let (model, services) = self.served(Unsupported::Dns)?;
                        Some(services.dns(&model, &fabric, Some(vpc), name, record_type)?)
                    }
                    None => None,
                };
                let identifier = self.fresh_identifier();
                let exchange = message::exchange(identifier, name, record_type, served.as_ref());
                let (question, answer) = exchange.map_err(EngineError::BadProbe)?;
                if let Some(vpc) = resolver {
                    self.running()?.resolver_answers(vpc, answer);
                }
                self.body = Some(question);
                let source_port = DNS_CLIENT + identifier % DNS_CLIENTS;
                let traffic = Traffic::Udp { source_port, destination_port: 53 };
                let reached = self.reach(from, address, traffic);
                self.body = None;
                if let Some(vpc) = resolver {
                    self.running()?.resolver_answers(vpc, None);
                }
                if let (Ok(Reached::Service(_)), Some((response_code, answers))) = (&reached, served) {
                    return Ok(Outcome::Observed(Observation::Dns { response_code, answers }));
                }
                match reached? {
                    Reached::Not(outcome) => return Ok(outcome),
                    Reached::Service(vpc) if resolver == Some(vpc) => {
                        // DNS-2: it does not answer at all.
                        let text = "DNS support is off in this VPC";
                        let reason = StageReason::new(Stage::Exempt, Component::Resolver(vpc), text);
                        return Ok(outcome::dropped(Leg::Forward, reason));
                    }
                    Reached::Service(_) | Reached::Elsewhere => return Err(EngineError::Unsupported(Unsupported::Dns)),
                }
            }
        };
        let (model, services) = self.served(Unsupported::Dns)?;
        let (response_code, answers) = services.dns(&model, &fabric, resolver, name, record_type)?;
        Ok(Outcome::Observed(Observation::Dns { response_code, answers }))
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
            Reached::Service(_) if host == exempt::METADATA => {}
            Reached::Service(_) | Reached::Elsewhere => return Err(EngineError::Unsupported(Unsupported::Http)),
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

    /// The VPC whose resolver an address is to a sender.
    fn resolver_of(&mut self, from: &Sender, address: IpAddr) -> Result<Option<VpcIndex>, EngineError> {
        let fabric = Arc::clone(self.running()?.fabric());
        let Sender::Interface(id) = from else { return Ok(None) };
        let vpc = fabric.interface_by_id(id).map(|interface| fabric.interfaces[interface].vpc);
        Ok(vpc.filter(|vpc| exempt::is_resolver(&fabric, *vpc, address)))
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
            (Some(vpc), _) => Reached::Service(vpc),
            (None, Outcome::Allowed(_) | Outcome::Refused { .. }) => Reached::Elsewhere,
            (None, outcome @ Outcome::Dropped(fabric::engine::Drop { leg: Leg::Forward, .. })) => Reached::Not(outcome),
            (None, _) => Reached::Elsewhere,
        })
    }
}
