//! The engine with real packets: a lab of namespaces behind a holder, and the probes that are sent through it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use fabric::engine::{
    Answer, Capture, CaptureFilter, Drop, EngineError, GuestCommand, Leg, Outcome, Probe, Request, Sender, Unsupported,
};
use fabric::flow_log::Harvest;
use fabric::{Component, Fabric, Header, Transport};
use model::{Model, NetworkInterfaceId, Timestamp};
use netlink::{Protocol, Socket};
use sandbox::Client;

use super::container;
use super::drops::{Dropped, Drops};
use super::error::Result;
use super::flow_log::Counts;
use super::kept::Kept;
use super::lab::Lab;
use super::place::{self, Place};
use super::servers::Servers;
use super::watch::{self, ETHERTYPE_ARP, ETHERTYPE_IPV4, Watch};

/// A running lab that can be asked.
pub struct Engine {
    lab: Lab,
    model: Option<Arc<Model>>,
    watches: BTreeMap<String, Watch>,
    drops: Drops,
    servers: Servers,
    kept: BTreeMap<String, Kept>,
    containers: BTreeSet<String>,
    identifier: u16,
    tag: u32,
    now: Timestamp,
    counts: Counts,
}

impl Engine {
    /// An engine on a lab; what the lab holds already stays.
    pub fn new(lab: Lab) -> Engine {
        Engine {
            lab,
            model: None,
            watches: BTreeMap::new(),
            drops: Drops::default(),
            servers: Servers::default(),
            kept: BTreeMap::new(),
            containers: BTreeSet::new(),
            identifier: 0,
            tag: first_tag(),
            now: Timestamp::default(),
            counts: Counts::default(),
        }
    }

    /// The lab.
    pub fn lab(&mut self) -> &mut Lab {
        &mut self.lab
    }

    /// The fabric applied last.
    pub(crate) fn fabric(&self) -> &Arc<Fabric> {
        self.lab.fabric()
    }

    /// The model applied last.
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
    }

    pub(crate) fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    pub(crate) fn client(&self) -> &Client {
        self.lab.client()
    }

    pub(crate) fn client_and_servers(&mut self) -> (&Client, &mut Servers) {
        (self.lab.client(), &mut self.servers)
    }

    pub(crate) fn netlink(&mut self, namespace: &str, protocol: Protocol) -> Result<&mut Socket> {
        self.lab.netlink(namespace, protocol)
    }

    pub(crate) fn kept_mut(&mut self) -> &mut BTreeMap<String, Kept> {
        &mut self.kept
    }

    /// An ICMP identifier that no earlier probe of this engine had.
    pub(crate) fn fresh_identifier(&mut self) -> u16 {
        self.identifier = self.identifier.wrapping_add(1);
        self.identifier
    }

    /// So many tags that no earlier probe of this engine had; the first of them.
    pub(crate) fn fresh_tags(&mut self, count: u32) -> u32 {
        let first = self.tag;
        self.tag = self.tag.wrapping_add(count);
        first
    }

    /// Closes all watches; they are opened anew when needed.
    pub(crate) fn stop_watching(&mut self) {
        watch::close(std::mem::take(&mut self.watches).into_values());
    }

    /// Whether connections are kept, whose packets could be mistaken for those of probes.
    pub(crate) fn keeps_connections(&self) -> bool {
        !self.kept.is_empty()
    }

    pub(crate) fn drop_descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.drops.descriptors().collect()
    }

    /// Every interface whose guest passes packets on.
    pub(crate) fn middleboxes(&self) -> Vec<Place> {
        let fabric = self.fabric();
        let passes_on = |(index, interface): (fabric::InterfaceIndex, &fabric::Interface)| {
            let guest = &fabric.instances[interface.instance()?].guest;
            (guest.ip_forward || guest.masquerade).then(|| Place::of_interface(fabric, index))?
        };
        fabric.interfaces.iter().filter_map(passes_on).collect()
    }

    /// The watch of a place, opened on first use.
    pub(crate) fn watch(&mut self, at: &Place) -> Result<&mut Watch> {
        let key = format!("{}/{}", at.namespace, at.device.as_deref().unwrap_or("*"));
        if !self.watches.contains_key(&key) {
            let watch = Watch::open(self.lab.client(), &at.namespace, at.device.as_deref(), at.mac)?;
            self.watches.insert(key.clone(), watch);
        }
        Ok(self.watches.get_mut(&key).unwrap_or_else(|| unreachable!("inserted above")))
    }

    /// What was dropped since the last call.
    pub(crate) fn read_drops(&mut self) -> Result<Vec<Dropped>> {
        self.drops.read(self.lab.fabric(), self.lab.directory())
    }

    /// Takes in what all watches have, so that only news wakes a waiter.
    pub(crate) fn read_watches(&mut self) -> Result<()> {
        self.watches.values_mut().try_for_each(Watch::read)
    }

    pub(crate) fn event_descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.watches.values().map(Watch::descriptor).chain(self.drops.descriptors()).collect()
    }

    /// Makes the container that a probe starts in.
    pub(crate) fn prepare_sender(&mut self, sender: &Sender, place: &Place) -> std::result::Result<(), EngineError> {
        let Sender::Container(id) = sender else { return Ok(()) };
        if self.containers.insert(place.namespace.clone()) {
            let fabric = self.fabric().clone();
            let index = place::interface_index(&fabric, id)?;
            if let Some(host) = Place::of_interface(&fabric, index) {
                let (client, sockets) = self.lab.client_and_sockets();
                container::create(client, sockets, &host)?;
            }
        }
        Ok(())
    }

    /// What is said of the lab: after a change of which its kernel saw nothing.
    pub fn note(&mut self, model: &Arc<Model>) {
        self.model = Some(model.clone());
    }

    /// Listens to what the lab holds now: after it was changed, or taken hold of again.
    pub fn observe(&mut self, model: &Arc<Model>) -> Result<()> {
        self.note(model);
        // Interfaces may have come and gone: watches on them are opened anew when needed.
        self.stop_watching();
        let namespaces = self.lab.dropping_namespaces();
        let (client, sockets) = self.lab.client_and_sockets();
        self.drops.listen(client, sockets, &namespaces)?;
        self.drops.relearn(client, sockets)
    }

    fn guest_end(&self, id: &NetworkInterfaceId) -> std::result::Result<Place, EngineError> {
        let fabric = self.fabric();
        let index = place::interface_index(fabric, id)?;
        Place::of_interface(fabric, index).ok_or_else(|| EngineError::BadProbe(format!("{id} belongs to no instance")))
    }

    /// Nothing logs what the router and the services of the fabric leave unanswered (L2-6): it ended there. Nobody watches
    /// them either: what they answered has arrived where it was sent to.
    pub(crate) fn met_by_a_service(&self, probe: &Probe, mut outcome: Outcome) -> Outcome {
        let (from, to) = match probe {
            Probe::Packet(probe) => (&probe.from, probe.to),
            Probe::Guest { from, command: GuestCommand::Ping { to, .. } } => (from, *to),
            _ => return outcome,
        };
        if let Outcome::Allowed(arrival) = &mut outcome
            && arrival.destination.is_unspecified()
        {
            arrival.destination = to;
        }
        let (Outcome::Dropped(drop @ Drop { leg: Leg::Forward, at: None, .. }), Sender::Interface(id)) = (&outcome, from) else {
            return outcome;
        };
        let Ok(interface) = place::interface_index(self.fabric(), id) else { return outcome };
        let own = &self.fabric().interfaces[interface];
        let source = own.all_addresses().find(|own| own.is_ipv4() == to.is_ipv4()).unwrap_or_else(|| own.primary_address().into());
        let header = Header { source, destination: to, transport: Transport::Other { protocol: 0 } };
        let is_service = fabric::stage::exempt::decide(self.fabric(), interface, &header).passes();
        match is_service {
            true => Outcome::Dropped(Drop { at: Some(Component::Fabric), ..drop.clone() }),
            false => outcome,
        }
    }

    fn captured(&mut self, capture: &Capture) -> std::result::Result<u32, EngineError> {
        let at = self.guest_end(&capture.at)?;
        let watch = self.watch(&at)?;
        watch.read()?;
        let wanted = |frame: &&super::watch::Frame| {
            frame.incoming
                && match capture.filter {
                    CaptureFilter::Arp => frame.ethertype == ETHERTYPE_ARP,
                    CaptureFilter::Icmp => {
                        frame.ethertype == ETHERTYPE_IPV4 && frame.packet().is_some_and(|p| p.protocol == 1)
                    }
                }
        };
        Ok(u32::try_from(watch.frames().filter(wanted).count()).unwrap_or(u32::MAX))
    }
}

impl fabric::engine::Engine for Engine {
    fn name(&self) -> &'static str {
        "linux"
    }

    fn apply(&mut self, model: &Arc<Model>, fabric: &Arc<Fabric>) -> std::result::Result<(), EngineError> {
        self.collect_flows()?;
        self.lab.apply_all(fabric, &model.lans, &Default::default())?;
        Ok(self.observe(model)?)
    }

    fn advance_to(&mut self, now: Timestamp) -> std::result::Result<(), EngineError> {
        let elapsed = now.0.saturating_sub(self.now.0);
        if elapsed > 0 {
            self.now = now;
            self.lab.age(Duration::from_secs(elapsed))?;
        }
        Ok(())
    }

    fn probe(&mut self, request: &Request) -> std::result::Result<Answer, EngineError> {
        if let Some(capture) = &request.capture {
            let at = self.guest_end(&capture.at)?;
            self.watch(&at)?.clear()?;
        }
        let outcome = match &request.probe {
            Probe::Packet(probe) => self.packet_probe(probe)?,
            Probe::Kept { connection, side } => self.kept_probe(connection, *side)?,
            Probe::IcmpError { from, to, icmp_type, code, connection, side } => {
                self.icmp_error_probe(from, *to, *icmp_type, *code, connection, *side)?
            }
            Probe::Guest { from, command } => self.guest_probe(from, command)?,
            Probe::Dns { from, name, record_type, server } => self.dns_probe(from, name, record_type, *server)?,
            Probe::Http { from, method, url, headers } => self.http_probe(from, method, url, headers)?,
            Probe::RouteLookup { .. } => return Err(EngineError::Unsupported(Unsupported::Other("route look-ups"))),
        };
        let outcome = self.met_by_a_service(&request.probe, outcome);
        let captured = request.capture.as_ref().map(|capture| self.captured(capture)).transpose()?;
        Ok(Answer { outcome, captured })
    }

    fn probe_all(&mut self, requests: &[Request]) -> Vec<std::result::Result<Answer, EngineError>> {
        self.many_probes(requests)
    }

    fn flows(&mut self) -> std::result::Result<Harvest, EngineError> {
        Ok(self.take_flows()?)
    }

    fn reset(&mut self) -> std::result::Result<(), EngineError> {
        self.kept.clear();
        self.counts = Counts::default();
        self.now = Timestamp::default();
        Ok(self.lab.forget_connections()?)
    }
}

/// Where tags begin: elsewhere than those of an engine that was attached to the same lab a moment ago.
fn first_tag() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.subsec_nanos() ^ now.as_secs().to_le_bytes()[0..4].iter().fold(0, |all, byte| all << 8 | u32::from(*byte))
}

impl From<super::error::Error> for EngineError {
    fn from(error: super::error::Error) -> Self {
        EngineError::Failed(error.to_string())
    }
}
