//! Acts in the simulator, and what passed the places meanwhile.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fabric::engine::{Engine, EngineError, NameServer, Probe, Sender};
use fabric::Fabric;
use linux::runtime::capture::{Hop, Kind};
use linux::runtime::place::Place;
use sim::app::{App, AppId, Calls, DatagramSpec, RawSpec, StreamEvent, StreamId};
use sim::cloud::gateway::{INSIDE, OUTSIDE};
use sim::host::{Host, Protocol, Services};
use sim::{NodeId, SimEngine, Span, TraceEvent, Verb};
use wire::{Icmpv4, Icmpv6, protocol};

use super::canonical::Passed;
use super::scene::{Act, End, Talk, What, payload};
use super::{Player, label};
use crate::fuzz::Cloud;

/// Simulated time of an act: longer than any timer of it that matters, shorter than TIME-WAIT.
const LONG: Span = Span::seconds(4);
/// Events of an act, far more than any needs.
const BUDGET: u64 = 10_000_000;

/// The simulator with a cloud.
pub struct OnSim {
    engine: SimEngine,
    fabric: Arc<Fabric>,
    /// Where frames are looked at.
    watched: Vec<(NodeId, u16, String)>,
    identifier: u16,
}

impl OnSim {
    /// The simulator with this cloud, looked at where these hops are. Errors: the engine's.
    pub fn start(mut engine: SimEngine, cloud: &Cloud, hops: &[Hop]) -> Result<Self, EngineError> {
        engine.apply(&cloud.model, &cloud.fabric)?;
        let running = engine.cloud().ok_or_else(nothing)?;
        let fabric = Arc::clone(&cloud.fabric);
        let named = |name: &str| running.simulator.find(name);
        let mut watched = Vec::new();
        for hop in hops {
            let mut watch = |end: Option<(NodeId, u16)>, link: Option<&str>| {
                watched.extend(end.map(|(node, port)| (node, port, label(hop, link))));
            };
            match hop.kind {
                Kind::Interface(index) => watch(running.place(&fabric.interfaces[index].id), None),
                Kind::NatGateway(index) => watch(named(&fabric.nat_gateways[index].name).map(|node| (node, 0)), None),
                Kind::InternetGateway(index) => {
                    let gateway = &fabric.internet_gateways[index];
                    let node = named(&gateway.name);
                    let router = gateway.vpc.map(|vpc| format!("{} router", fabric.vpcs[vpc].name));
                    watch(node.map(|node| (node, INSIDE)), router.as_deref());
                    watch(node.map(|node| (node, OUTSIDE)), Some("internet"));
                }
                Kind::EgressOnlyInternetGateway(index) => {
                    let gateway = &fabric.egress_only_internet_gateways[index];
                    let node = named(&gateway.name);
                    let router = format!("{} router", fabric.vpcs[gateway.vpc].name);
                    watch(node.map(|node| (node, INSIDE)), Some(&router));
                    watch(node.map(|node| (node, OUTSIDE)), Some("internet"));
                }
                Kind::Internet => {
                    for gateway in fabric.internet_gateways.values() {
                        watch(running.internet_port(&gateway.id), None);
                    }
                    for gateway in fabric.egress_only_internet_gateways.values() {
                        watch(running.egress_only_port(&gateway.id), None);
                    }
                }
                Kind::TransitGateway(index) => {
                    if let Some(node) = named(&fabric.transit_gateways[index].name) {
                        (0..running.simulator.ports(node).len()).for_each(|port| watch(Some((node, port as u16)), None));
                    }
                }
                Kind::Router(_) | Kind::Device => {}
            }
        }
        Ok(Self { engine, fabric, watched, identifier: 0 })
    }

    /// Who has the address that is asked. A host outside that is an endpoint's service is two: on the internet, and behind the
    /// endpoint.
    fn receivers(&mut self, act: &Act) -> Result<Vec<NodeId>, EngineError> {
        let sender = Place::of_sender(&self.fabric, &act.from)?.towards(&self.fabric, act.to)?;
        let place = Place::of_receiver(&self.fabric, &sender, None, act.to);
        let fabric = Arc::clone(&self.fabric);
        let cloud = self.engine.cloud_mut().ok_or_else(nothing)?;
        Ok(match place.map(|place| place.interface) {
            Some(Some(index)) => cloud.place(&fabric.interfaces[index].id).map(|(node, _)| node).into_iter().collect(),
            Some(None) => {
                let own = cloud.host(act.to);
                std::iter::once(own).chain(cloud.service_hosts(act.to)).collect()
            }
            None => Vec::new(),
        })
    }

    fn sender(&mut self, act: &Act) -> Result<(NodeId, u16, IpAddr), EngineError> {
        let fabric = Arc::clone(&self.fabric);
        let cloud = self.engine.cloud_mut().ok_or_else(nothing)?;
        match &act.from {
            Sender::Outside(address) => Ok((cloud.host(*address), 0, *address)),
            Sender::Interface(id) | Sender::Container(id) => {
                let source = Place::of_sender(&fabric, &act.from)?.towards(&fabric, act.to)?.address;
                let (node, port) = cloud.place(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
                cloud.simulator.with(node, |host: &mut Host, _| host.bind(Some((source, port))));
                Ok((node, port, source))
            }
        }
    }

    /// Who answers, and who serves while it happens.
    fn serve(&mut self, act: &Act) -> Result<Vec<(NodeId, AppId)>, EngineError> {
        let receivers = self.receivers(act)?;
        let cloud = self.engine.cloud_mut().ok_or_else(nothing)?;
        for node in cloud.all_hosts().into_iter().filter(|node| cloud.services_of(*node).is_none()).collect::<Vec<_>>() {
            let mut services = Services::default();
            if let (What::Udp { port, is_open: true, .. }, true) = (act.what, receivers.contains(&node)) {
                services.open.insert((Protocol::UDP, port));
            }
            cloud.simulator.with(node, |host: &mut Host, _| {
                host.set_services(services);
                host.bind(None);
            });
        }
        let What::Tcp { port, talk: Some(talk), .. } = act.what else { return Ok(Vec::new()) };
        let mut served = Vec::new();
        for node in receivers {
            let server = Server { port, talk, received: 0 };
            let app = cloud.simulator.with(node, |host: &mut Host, context| host.run(context, server));
            served.extend(app.map(|app| (node, app)));
        }
        Ok(served)
    }

    fn passed(&self) -> Result<Vec<Passed>, EngineError> {
        let simulator = &self.engine.cloud().ok_or_else(nothing)?.simulator;
        let passed = |event: TraceEvent| {
            let is_outbound = match (event.verb, event.reason) {
                (Verb::Send, sim::Reason::Wire) => true,
                (Verb::Receive, sim::Reason::Wire) => false,
                _ => return None,
            };
            let (_, _, place) = self.watched.iter().find(|(node, port, _)| (*node, *port) == (event.node, event.port))?;
            Some(Passed { place: place.clone(), is_outbound, frame: simulator.frames().bytes(event.frame).to_vec() })
        };
        Ok(simulator.trace().events().iter().filter_map(passed).collect())
    }
}

fn nothing() -> EngineError {
    EngineError::Failed("nothing was applied yet".to_owned())
}

impl Player for OnSim {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn play(&mut self, act: &Act) -> Result<Vec<Passed>, EngineError> {
        if let What::Dns(name, kind) = act.what {
            let (name, server) = (name.to_owned(), NameServer::Address(act.to));
            let probe = Probe::Dns { from: act.from.clone(), name, record_type: kind.to_owned(), server };
            self.engine.probe(&probe.into())?;
            return self.passed();
        }
        let servers = self.serve(act)?;
        let (node, port, source) = self.sender(act)?;
        self.identifier += 1;
        let identifier = self.identifier;
        let cloud = self.engine.cloud_mut().ok_or_else(nothing)?;
        cloud.simulator.clear_trace();
        let to = act.to;
        let app = cloud.simulator.with(node, |host: &mut Host, context| match act.what {
            What::Echo { ttl, size, dont_fragment } => {
                let data = payload(usize::from(size));
                let (number, message) = match (source, to) {
                    (IpAddr::V6(source), IpAddr::V6(to)) => {
                        let echo = Icmpv6::Echo { reply: false, id: identifier, sequence: 1, data };
                        (protocol::ICMPV6, echo.message(source, to))
                    }
                    _ => (protocol::ICMP, Icmpv4::Echo { reply: false, id: identifier, sequence: 1, data }.message()),
                };
                let spec = RawSpec::new(to, number, &message);
                host.raw(context, RawSpec { source: Some(source), ttl: Some(ttl), dont_fragment, ..spec })
            }
            What::Udp { port: to_port, ttl, size, .. } => {
                let spec = DatagramSpec::new(to, to_port, &payload(usize::from(size)));
                host.datagram(context, DatagramSpec { source: Some(source), ttl: Some(ttl), ..spec })
            }
            What::Tcp { port: to_port, ttl, talk } => {
                host.run(context, Client { to: SocketAddr::new(to, to_port), source, ttl, talk, received: 0 })
            }
            What::Neighbour => host.arping(context, port, to, 1),
            What::Dns(..) => unreachable!("asked above"),
        });
        let until = cloud.simulator.now() + LONG;
        cloud.simulator.run_until(until, BUDGET);
        for (node, app) in servers.into_iter().chain(app.map(|app| (node, app))) {
            cloud.simulator.with(node, |host: &mut Host, context| host.cancel(context, app));
        }
        self.passed()
    }
}

/// The client of a talk.
struct Client {
    to: SocketAddr,
    source: IpAddr,
    ttl: u8,
    talk: Option<Talk>,
    received: usize,
}

impl App for Client {
    fn kind(&self) -> &'static str {
        "client"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        // Without a way there nothing passes, and that is what is compared.
        let _ = calls.connect(Some(self.source), None, self.to, Some(self.ttl), None);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let Some(talk) = self.talk else { return };
        match event {
            StreamEvent::Opened => {
                calls.write(stream, &payload(talk.there));
                if talk.end == End::HalfClose {
                    calls.close(stream);
                }
            }
            StreamEvent::Data => {
                self.received += calls.discard(stream);
                match talk.end {
                    End::ClientCloses if self.received >= talk.back => calls.close(stream),
                    End::ClientResets if self.received >= talk.back => calls.abort(stream),
                    _ => {}
                }
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {}
        }
    }
}

/// The server of a talk.
struct Server {
    port: u16,
    talk: Talk,
    received: usize,
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        let _ = calls.listen(self.port);
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        let Talk { there, back, end } = self.talk;
        match event {
            StreamEvent::Data => {
                let came = calls.discard(stream);
                self.received += came;
                if self.received < there || came == 0 {
                    return;
                }
                match end {
                    End::ServerResets => calls.abort(stream),
                    End::HalfClose => {}
                    End::ClientCloses | End::ClientResets | End::ServerCloses => {
                        calls.write(stream, &payload(back));
                    }
                }
                if end == End::ServerCloses {
                    calls.close(stream);
                }
            }
            StreamEvent::Finished => {
                if end == End::HalfClose {
                    calls.write(stream, &payload(back));
                }
                calls.close(stream);
            }
            StreamEvent::Opened | StreamEvent::Ended(_) => {}
        }
    }
}
