//! A cloud, a walker on it, and questions and answers in the scenarios' words.

// The same clouds that the linux engine's tests stand on.
#[path = "../../../../linux/tests/support/world.rs"]
#[allow(dead_code, reason = "the worlds of other rooms' tests")]
pub mod world;

use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{
    Drop, Engine, GuestCommand, Leg, ListenerState, Observation, Outcome, PacketProbe, Probe, Sender, Side, Traffic,
};
use fabric::{Fabric, InterfaceIndex, Walker};
use model::Timestamp;
pub use world::World;

/// A cloud under test.
pub struct Bench {
    /// Change it, then [`Bench::apply`].
    pub world: World,
    /// What it means now.
    pub fabric: Arc<Fabric>,
    /// The engine.
    pub walker: Walker,
}

impl Bench {
    /// A walker on this cloud.
    pub fn of(world: World) -> Self {
        let fabric = Arc::new(Fabric::compile(&world.model));
        let mut bench = Self { world, fabric, walker: Walker::new() };
        bench.apply();
        bench
    }

    /// A walker on a cloud that is changed first.
    pub fn with(mut world: World, change: impl FnOnce(&mut World)) -> Self {
        change(&mut world);
        Self::of(world)
    }

    /// Changes the cloud; what flows goes on.
    pub fn change(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        self.apply();
    }

    fn apply(&mut self) {
        self.fabric = Arc::new(Fabric::compile(&self.world.model));
        self.walker.apply(&Arc::new(self.world.model.clone()), &self.fabric).unwrap();
    }

    /// Moves virtual time to this second.
    pub fn at(&mut self, second: u64) {
        self.walker.advance_to(Timestamp(second)).unwrap();
    }

    /// An interface by name.
    pub fn interface(&self, name: &str) -> InterfaceIndex {
        interface(&self.fabric, name)
    }

    /// A probe: `web1`, `10.0.10.10`, `tcp 8080`.
    pub fn probe(&self, from: &str, to: &str, what: &str) -> PacketProbe {
        PacketProbe::new(sender(&self.fabric, from), to.parse().unwrap(), traffic(what))
    }

    /// Asks a probe.
    pub fn ask(&mut self, from: &str, to: &str, what: &str) -> String {
        let probe = self.probe(from, to, what);
        self.send(probe)
    }

    /// Opens and keeps a connection.
    pub fn open(&mut self, name: &str, from: &str, to: &str, what: &str) -> String {
        let probe = PacketProbe { keep: Some(name.into()), ..self.probe(from, to, what) };
        self.send(probe)
    }

    /// Carries out a probe.
    pub fn send(&mut self, probe: PacketProbe) -> String {
        self.carry_out(Probe::Packet(probe))
    }

    /// To a closed port.
    pub fn ask_closed(&mut self, from: &str, to: &str, what: &str) -> String {
        let probe = PacketProbe { listener: ListenerState::Closed, ..self.probe(from, to, what) };
        self.send(probe)
    }

    /// Sends on a kept connection.
    pub fn say(&mut self, name: &str, side: Side) -> String {
        self.carry_out(Probe::Kept { connection: name.into(), side })
    }

    /// A command in a guest.
    pub fn guest(&mut self, from: &str, command: GuestCommand) -> String {
        let from = sender(&self.fabric, from);
        self.carry_out(Probe::Guest { from, command })
    }

    /// Carries out anything.
    pub fn carry_out(&mut self, probe: Probe) -> String {
        let answer = self.walker.probe(&probe.into()).unwrap();
        self.words(&answer.outcome)
    }

    fn words(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Allowed(arrival) => {
                let via = arrival.via.iter().flatten().map(|id| {
                    self.fabric.interfaces[self.fabric.interface_by_id(id).unwrap()].name.clone()
                });
                let via: Vec<String> = via.collect();
                let via = if via.is_empty() { String::new() } else { format!(" via {}", via.join(",")) };
                format!("{} > {}{via}", arrival.source, arrival.destination)
            }
            Outcome::Dropped(Drop { leg, at, code, .. }) => {
                let leg = if *leg == Leg::Forward { "forward" } else { "return" };
                let code = code.map_or("none", |code| code.as_str());
                format!("{leg} {} {code}", at.unwrap().label(&self.fabric))
            }
            Outcome::Refused { at } => format!("reset {}", at.unwrap().label(&self.fabric)),
            Outcome::Observed(Observation::Ping { replies, icmp_error }) => match icmp_error {
                Some(e) => format!("{replies} replies, icmp {}/{} from {} mtu {:?}", e.icmp_type, e.code, e.from, e.mtu),
                None => format!("{replies} replies"),
            },
            Outcome::Observed(Observation::Traceroute { hops }) => {
                let hops = hops.iter().map(|hop| hop.map_or("*".to_owned(), |address| address.to_string()));
                hops.collect::<Vec<_>>().join(" ")
            }
            Outcome::Observed(other) => format!("{other:?}"),
        }
    }
}

/// An interface by name.
pub fn interface(fabric: &Fabric, name: &str) -> InterfaceIndex {
    fabric.interfaces.iter().find(|(_, interface)| interface.name == name).unwrap_or_else(|| panic!("{name}")).0
}

/// An interface, a named place, or a host outside by address.
pub fn sender(fabric: &Fabric, name: &str) -> Sender {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Sender::Outside(address);
    }
    match fabric.outside.values().find(|host| host.name == name) {
        Some(host) => Sender::Outside(host.addresses[0]),
        None => Sender::Interface(fabric.interfaces[interface(fabric, name)].id.clone()),
    }
}

/// `tcp 443`, `tcp 443 from 1025`, `udp 53`, `icmp`, `icmp 13`, `gre`.
pub fn traffic(text: &str) -> Traffic {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |word: usize, default: u16| words.get(word).map_or(default, |text| text.parse().unwrap());
    match words[0] {
        "tcp" => Traffic::Tcp { source_port: number(3, 40_000), destination_port: number(1, 0) },
        "udp" => Traffic::Udp { source_port: number(3, 40_000), destination_port: number(1, 0) },
        "icmp" => Traffic::Icmp { icmp_type: number(1, 8) as u8, code: 0 },
        "gre" => Traffic::Other(47),
        other => panic!("{other}"),
    }
}
