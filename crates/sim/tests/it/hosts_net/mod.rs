//! Small networks of hosts and routers for the tests.

use std::net::IpAddr;

use sim::app::AppId;
use sim::host::{Host, HostSpec, InterfaceSpec, RouteSpec};
use sim::{Bounds, Context, Events, FrameId, LinkId, LinkSpec, NodeId, Reason, Simulator, Span, TraceEvent, Verb};
use wire::Mac;

/// An interface with addresses like `10.0.0.1/24`.
pub fn interface(number: u8, addresses: &[&str]) -> InterfaceSpec {
    InterfaceSpec {
        name: format!("eth{number}"),
        mac: Mac::default(),
        addresses: addresses.iter().map(|text| text.parse().expect("an address")).collect(),
        mtu: 0,
    }
}

/// `10.0.0.0/8` via `10.0.0.1` out of an interface.
pub fn route(destination: &str, via: &str, interface: u16) -> RouteSpec {
    let via = (!via.is_empty()).then(|| via.parse().expect("an address"));
    RouteSpec { destination: destination.parse().expect("a net"), via, interface, metric: 0 }
}

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A network in the making.
pub struct Net {
    pub sim: Simulator,
}

impl Net {
    pub fn new() -> Self {
        Self { sim: Simulator::new(1, Bounds::default()) }
    }

    /// A host with one interface for each list of addresses, and a default gateway unless that is empty. The Ethernet
    /// addresses are 02:00:00:00:NODE:PORT.
    pub fn host(&mut self, name: &str, interfaces: &[&[&str]], gateway: &str) -> NodeId {
        let mut spec = HostSpec::default();
        if !gateway.is_empty() {
            let all = if gateway.contains(':') { "::/0" } else { "0.0.0.0/0" };
            spec.routes.push(route(all, gateway, 0));
        }
        self.with_spec(name, interfaces, spec)
    }

    /// A router with an interface for each address, and routes.
    pub fn router(&mut self, name: &str, interfaces: &[&str], routes: Vec<RouteSpec>) -> NodeId {
        let lists: Vec<[&str; 1]> = interfaces.iter().map(|address| [*address]).collect();
        let lists: Vec<&[&str]> = lists.iter().map(|list| &list[..]).collect();
        self.with_spec(name, &lists, HostSpec { forwarding: true, routes, ..HostSpec::default() })
    }

    pub fn with_spec(&mut self, name: &str, interfaces: &[&[&str]], mut spec: HostSpec) -> NodeId {
        let node = self.sim.nodes().count() as u8;
        for (number, addresses) in interfaces.iter().enumerate() {
            let mac = Mac([2, 0, 0, 0, node, number as u8]);
            spec.interfaces.push(InterfaceSpec { mac, ..interface(number as u8, addresses) });
        }
        let id = self.sim.add(name, Host::new(spec));
        for _ in interfaces {
            self.sim.new_port(id);
        }
        id
    }

    pub fn connect(&mut self, a: (NodeId, u16), b: (NodeId, u16)) -> LinkId {
        self.sim.connect(a, b, LinkSpec::default())
    }

    pub fn connect_as(&mut self, a: (NodeId, u16), b: (NodeId, u16), spec: LinkSpec) -> LinkId {
        self.sim.connect(a, b, spec)
    }

    /// Lets a host do something now.
    pub fn at<R>(&mut self, node: NodeId, act: impl FnOnce(&mut Host, &mut Context<'_>) -> R) -> R {
        self.sim.with(node, act).expect("a host")
    }

    pub fn host_ref(&self, node: NodeId) -> &Host {
        self.sim.get(node).expect("a host")
    }

    /// Runs until nothing more happens; at most for so many seconds.
    pub fn run(&mut self, seconds: u64) {
        let limit = self.sim.now() + Span::seconds(seconds);
        self.sim.run_until(limit, 10_000_000);
    }

    pub fn outcome(&self, node: NodeId, app: AppId) -> &sim::app::Outcome {
        self.host_ref(node).outcome(app).expect("it is over")
    }

    pub fn events(&self) -> Events<'_> {
        self.sim.trace().events()
    }

    /// How often something happened at a node.
    pub fn count(&self, node: NodeId, verb: Verb, reason: Reason) -> usize {
        self.events().iter().filter(|event| (event.node, event.verb, event.reason) == (node, verb, reason)).count()
    }

    /// Frames with which something happened at a node.
    pub fn frames(&self, node: NodeId, verb: Verb, reason: Reason) -> Vec<Vec<u8>> {
        let fits = |event: &TraceEvent| {
            (event.node, event.verb, event.reason) == (node, verb, reason) && event.frame != FrameId::NONE
        };
        self.events().iter().filter(fits).map(|event| self.sim.frames().bytes(event.frame).to_vec()).collect()
    }

    pub fn drops(&self) -> Vec<(NodeId, Reason)> {
        self.events().iter().filter(|event| event.verb == Verb::Drop).map(|event| (event.node, event.reason)).collect()
    }

    pub fn table(&self, node: NodeId, name: &str) -> Vec<Vec<String>> {
        self.sim.inspect(node).into_iter().find(|table| table.name == name).expect("a table").rows
    }

    pub fn seconds(&self) -> u64 {
        self.sim.now().seconds()
    }
}
