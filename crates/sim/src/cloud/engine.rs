//! The engine `sim`: asks a cloud what scenarios, tests and the command line ask of every engine. Real frames go from host to
//! host; the answer is read off the trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::engine::{Answer, CaptureFilter, Engine, EngineError, Observation, Outcome, Probe, Request};
use fabric::Fabric;
use fabric::flow_log::Harvest;
use fabric::walker::Services;
use model::{Model, Timestamp};

use super::exchange::Kept;
use super::judge::Clock;
use super::topology::Cloud;
use crate::trace::{Bounds, Verb};

/// The engine.
pub struct SimEngine {
    seed: u64,
    pub(super) cloud: Option<Cloud>,
    model: Option<Arc<Model>>,
    pub(super) services: Option<Box<dyn Services>>,
    now: Timestamp,
    pub(super) kept: BTreeMap<String, Kept>,
    pub(super) identifier: u16,
    /// What the datagrams of the next request carry, if they are to carry something of their own.
    pub(super) body: Option<Vec<u8>>,
}

impl SimEngine {
    /// An engine that has no fabric yet. Equal seeds and questions give equal frames.
    pub fn new(seed: u64) -> Self {
        let (cloud, model, services, now) = (None, None, None, Timestamp::default());
        Self { seed, cloud, model, services, now, kept: BTreeMap::new(), identifier: 0, body: None }
    }

    /// With services that answer DNS and HTTP.
    pub fn with_services(mut self, services: Box<dyn Services>) -> Self {
        self.services = Some(services);
        self
    }

    pub(super) fn model(&self) -> Option<Arc<Model>> {
        self.model.clone()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// The cloud as it is, with the trace of the last question.
    pub fn cloud(&self) -> Option<&Cloud> {
        self.cloud.as_ref()
    }

    /// The same, to let its hosts do something.
    pub fn cloud_mut(&mut self) -> Option<&mut Cloud> {
        self.cloud.as_mut()
    }

    pub(super) fn running(&mut self) -> Result<&mut Cloud, EngineError> {
        self.cloud.as_mut().ok_or_else(|| EngineError::Failed("nothing was applied yet".to_owned()))
    }

    /// An ICMP identifier that no earlier probe had.
    pub(super) fn fresh_identifier(&mut self) -> u16 {
        self.identifier = self.identifier.wrapping_add(1).max(1_024);
        self.identifier
    }

    /// Frames that reached the guest behind an interface since the trace was cleared.
    fn captured(&self, at: &model::NetworkInterfaceId, filter: CaptureFilter) -> u32 {
        let Some(cloud) = &self.cloud else { return 0 };
        let Some((node, port)) = cloud.place(at) else { return 0 };
        let simulator = &cloud.simulator;
        let came = simulator.trace().events().iter().filter(|e| e.verb == Verb::Receive && e.node == node && e.port == port);
        let wanted = came.filter(|event| {
            let bytes = simulator.frames().bytes(event.frame);
            match (filter, bytes.get(12..14)) {
                (CaptureFilter::Arp, Some([0x08, 0x06])) => true,
                (CaptureFilter::Icmp, Some([0x08, 0x00])) => bytes.get(23) == Some(&wire::protocol::ICMP),
                _ => false,
            }
        });
        wanted.count() as u32
    }
}

impl Engine for SimEngine {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn apply(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>) -> Result<(), EngineError> {
        self.model = Some(Arc::clone(model));
        match &mut self.cloud {
            Some(cloud) => cloud.apply(Arc::clone(fabric)),
            None => self.cloud = Some(Cloud::new(self.seed, Bounds::default(), Arc::clone(fabric))),
        }
        Ok(())
    }

    fn advance_to(&mut self, now: Timestamp) -> Result<(), EngineError> {
        // State is judged by its age when it is asked for.
        self.now = self.now.max(now);
        Ok(())
    }

    fn probe(&mut self, request: &Request) -> Result<Answer, EngineError> {
        let now = self.now;
        let cloud = self.running()?;
        cloud.simulator.clear_trace();
        cloud.set_clock(Clock { base: now, since: cloud.simulator.now() });
        cloud.begin();
        let outcome = match &request.probe {
            Probe::Packet(probe) => self.packet_probe(probe)?,
            Probe::Kept { connection, side } => self.kept_probe(connection, *side)?,
            Probe::IcmpError { from, to, icmp_type, code, connection, side } => {
                self.icmp_error_probe(from, *to, (*icmp_type, *code), connection, *side)?
            }
            Probe::Guest { from, command } => self.guest_command(from, command)?,
            Probe::Dns { from, name, record_type, server } => self.dns_query(from, name, record_type, *server)?,
            Probe::Http { from, method, url, headers } => self.http_request(from, method, url, headers)?,
            Probe::RouteLookup { route_table, destination } => {
                let fabric = Arc::clone(self.running()?.fabric());
                let table = fabric.route_tables.values().find(|table| table.id == *route_table);
                let table = table.ok_or_else(|| EngineError::NotFound(route_table.to_string()))?;
                Outcome::Observed(Observation::NextHop(table.lookup(*destination).map(|route| route.next_hop)))
            }
        };
        let captured = request.capture.as_ref().map(|capture| self.captured(&capture.at, capture.filter));
        Ok(Answer { outcome, captured })
    }

    fn flows(&mut self) -> Result<Harvest, EngineError> {
        let sightings = self.cloud.as_mut().map(Cloud::take_counts).unwrap_or_default();
        Ok(Harvest { sightings, ..Harvest::default() })
    }

    fn reset(&mut self) -> Result<(), EngineError> {
        let services = self.services.take().map(|mut services| {
            services.reset();
            services
        });
        *self = Self { services, ..Self::new(self.seed) };
        Ok(())
    }
}
