//! The walker: an engine that takes packets through the stages one by one and says what each decided. No time passes
//! but virtual time, and nothing is sent: it is what the fabric means, step by step.
//!
//! Start at [`Walker`]. `transit` is the way of one packet (`outside` its part beyond the VPC, `between` the one through
//! transit gateways, `passing` what becomes of a decision), `exchange` a request with its answer, `explain` the same past
//! everything that blocks, `guest` the commands. What interfaces and gateways remember is [`crate::state`].

mod between;
mod exchange;
mod explain;
mod guest;
mod outside;
mod passing;
mod services;
mod transit;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{EgressOnlyInternetGatewayId, Model, NatGatewayId, NetworkInterfaceId, Timestamp};

pub use explain::{Explanation, Verdict, Way, explain};
pub use services::{HttpAnswer, HttpQuestion, Services};
pub use passing::Hop;

use crate::engine::{Answer, CaptureFilter, Engine, EngineError, Observation, Outcome, PacketProbe, Probe, Request};
use crate::fabric::Fabric;
use crate::reason::Stage;
use exchange::Kept;
use crate::state::{Flows, NatTable, Outbound, Translations};

/// Stands for ARP where frames are counted by IP protocol; IANA keeps the number for nothing else.
const ARP: u8 = 255;

/// What outlives a packet.
#[derive(Debug, Default)]
struct State {
    flows: Flows,
    nat_gateways: BTreeMap<NatGatewayId, NatTable>,
    guests: BTreeMap<NetworkInterfaceId, Translations>,
    outbound: BTreeMap<EgressOnlyInternetGatewayId, Outbound>,
    kept: BTreeMap<String, Kept>,
    identifier: u16,
}

impl State {
    fn of_nat(&mut self, id: &NatGatewayId) -> &mut NatTable {
        self.nat_gateways.entry(id.clone()).or_default()
    }

    fn of_guest(&mut self, id: &NetworkInterfaceId) -> &mut Translations {
        self.guests.entry(id.clone()).or_default()
    }

    fn of_egress_only(&mut self, id: &EgressOnlyInternetGatewayId) -> &mut Outbound {
        self.outbound.entry(id.clone()).or_default()
    }

    fn begin(&mut self) {
        self.flows.begin();
        self.nat_gateways.values_mut().for_each(NatTable::begin);
        self.guests.values_mut().for_each(Translations::begin);
    }

    fn close(&mut self) {
        self.flows.close();
        self.nat_gateways.values_mut().for_each(NatTable::close);
        self.guests.values_mut().for_each(Translations::close);
    }

    /// An ICMP identifier that no earlier probe had.
    fn fresh_identifier(&mut self) -> u16 {
        self.identifier = self.identifier.wrapping_add(1).max(1_024);
        self.identifier
    }
}

/// The engine.
#[derive(Default)]
pub struct Walker {
    applied: Option<(Arc<Model>, Arc<Fabric>)>,
    now: Timestamp,
    state: State,
    inverted: Option<Stage>,
    /// Goes on past what blocks; see [`explain`].
    as_if: bool,
    services: Option<Box<dyn Services>>,
    arrivals: Vec<(NetworkInterfaceId, u8)>,
}

impl Walker {
    /// A walker that has no fabric yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With services that answer DNS and HTTP.
    pub fn with_services(mut self, services: Box<dyn Services>) -> Self {
        self.services = Some(services);
        self
    }

    /// With every decision of one stage turned around. For tests: a stage whose inversion nobody notices is not tested.
    pub fn with_inverted(mut self, stage: Stage) -> Self {
        self.inverted = Some(stage);
        self
    }

    fn applied(&self) -> Result<(Arc<Model>, Arc<Fabric>), EngineError> {
        let applied = self.applied.as_ref().map(|(model, fabric)| (Arc::clone(model), Arc::clone(fabric)));
        applied.ok_or_else(|| EngineError::Failed("nothing was applied yet".to_owned()))
    }
}

impl Engine for Walker {
    fn name(&self) -> &'static str {
        "proof"
    }

    fn apply(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>) -> Result<(), EngineError> {
        let state = &mut self.state;
        let exists = |id: &NetworkInterfaceId| model.network_interfaces.contains_key(id);
        state.flows.keep_only(exists);
        state.guests.retain(|id, _| exists(id));
        // NAT-18: a gateway that is gone forgot everything.
        state.nat_gateways.retain(|id, _| {
            model.nat_gateways.get(id).is_some_and(|nat| nat.state == model::nat_gateway::NatGatewayState::Available)
        });
        state.outbound.retain(|id, _| model.egress_only_internet_gateways.contains_key(id));
        self.applied = Some((Arc::clone(model), Arc::clone(fabric)));
        Ok(())
    }

    fn advance_to(&mut self, now: Timestamp) -> Result<(), EngineError> {
        // State is judged by its age when it is asked for.
        self.now = self.now.max(now);
        Ok(())
    }

    fn probe(&mut self, request: &Request) -> Result<Answer, EngineError> {
        let (model, fabric) = self.applied()?;
        self.arrivals.clear();
        self.state.begin();
        let outcome = match &request.probe {
            Probe::Packet(probe) => self.packet_probe(&fabric, probe)?,
            Probe::Kept { connection, side } => self.kept_probe(&fabric, connection, *side)?,
            Probe::IcmpError { from, to, icmp_type, code, connection, side } => {
                self.icmp_error_probe(&fabric, from, *to, (*icmp_type, *code), connection, *side)?
            }
            Probe::Guest { from, command } => self.guest_command(&fabric, from, command)?,
            Probe::Dns { from, name, record_type, server } => {
                self.dns_query(&model, &fabric, from, name, record_type, *server)?
            }
            Probe::Http { from, method, url, headers } => {
                self.http_request(&model, &fabric, from, method, url, headers)?
            }
            Probe::RouteLookup { route_table, destination } => {
                let table = fabric.route_tables.values().find(|table| table.id == *route_table);
                let table = table.ok_or_else(|| EngineError::NotFound(route_table.to_string()))?;
                Outcome::Observed(Observation::NextHop(table.lookup(*destination).map(|route| route.next_hop)))
            }
        };
        let captured = request.capture.as_ref().map(|capture| {
            let wanted = |(interface, protocol): &&(NetworkInterfaceId, u8)| match capture.filter {
                // L2-1: the fabric answers; no request reaches another guest, and no reply goes to one that did not ask.
                CaptureFilter::Arp => *interface == capture.at && *protocol == ARP,
                CaptureFilter::Icmp => *interface == capture.at && *protocol == model::traffic::protocol::ICMP,
            };
            u32::try_from(self.arrivals.iter().filter(wanted).count()).unwrap_or(u32::MAX)
        });
        Ok(Answer { outcome, captured })
    }

    fn explain(&mut self, probe: &PacketProbe) -> Result<Explanation, EngineError> {
        explain(&self.applied()?.1, probe)
    }

    fn reset(&mut self) -> Result<(), EngineError> {
        self.state = State::default();
        self.now = Timestamp::default();
        if let Some(services) = &mut self.services {
            services.reset();
        }
        Ok(())
    }
}
