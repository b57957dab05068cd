//! The lab as a simulation, and who its names mean there: hosts of lans by name, everybody else as in every command.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::Sender;
use fabric::{EndError, Fabric};
use model::lan::Device;
use model::selector::End;
use model::{Model, Selector};
use sim::{Bounds, NodeId, Span, Stop, Time, World};

use super::super::lan_ends::free_address;
use super::super::target::Target;
use super::ShowArgs;
use super::show::{BUDGET, storm};
use crate::exit::{Failure, Result};
use crate::output::Output;

/// Whether what takes long goes on; told how far it is.
pub type GoesOn<'g> = &'g mut dyn FnMut(Time) -> bool;
/// Events between two such questions.
pub const SLICE: u64 = 20_000;

/// A lab in a simulation.
pub struct Stage {
    /// What is simulated.
    pub world: World,
    /// The cloud, compiled.
    pub fabric: Arc<Fabric>,
    /// Whether a program that was waited for is not done.
    pub is_unfinished: bool,
}

/// Who sends.
pub struct From {
    /// The node.
    pub node: NodeId,
    /// Its own address; `None`: whichever the route chooses.
    pub source: Option<IpAddr>,
    /// As it was typed.
    pub name: String,
    /// As the cloud knows it.
    sender: Option<Sender>,
    /// Who was meant, where it is one of the cloud.
    end: Option<End>,
}

impl Stage {
    /// Builds a lab and says what is to be known of it. Errors: a lan that cannot be.
    pub fn new(target: &Target, show: &ShowArgs, output: &Output) -> Result<Stage> {
        let built = Stage::build(target, show.seed, show.warm_up, Bounds::default(), &mut |_| true)?;
        let (mut stage, stop, notes) = built.ok_or_else(|| Failure::usage("the lab was given up before it had settled"))?;
        storm(stage.world.simulator(), stop, output);
        notes.iter().for_each(|note| output.note(note));
        Ok(stage)
    }

    /// Builds a lab and lets it settle. The same seed gives the same lab, with whatever trace. Returns how the settling
    /// ended, and what is to be known; nothing where `goes_on`, which is asked now and then with the time that it is, said no.
    /// Errors: a lan that cannot be.
    pub fn build(
        target: &Target,
        seed: u64,
        warm_up: Option<Span>,
        bounds: Bounds,
        goes_on: GoesOn<'_>,
    ) -> Result<Option<(Stage, Stop, Vec<String>)>> {
        let fabric = Arc::new(Fabric::compile(&target.model));
        let world = World::new(Arc::clone(&target.model), Arc::clone(&fabric), seed, bounds);
        let mut world = world.map_err(|error| Failure::usage(error.to_string()))?;
        world.serve_listeners();
        let (mut notes, mut stop) = (world.notes.clone(), Stop::Time);
        let warm_up = warm_up.unwrap_or(if settles(&target.model) { SETTLED } else { Span::ZERO });
        if warm_up > Span::ZERO {
            let simulator = world.simulator();
            let mut left = BUDGET;
            stop = Stop::Budget;
            while stop == Stop::Budget && left > 0 {
                let before = simulator.happened();
                stop = simulator.run_until(Time::ZERO + warm_up, left.min(SLICE));
                left = left.saturating_sub(simulator.happened() - before);
                if stop == Stop::Budget && !goes_on(simulator.now()) {
                    return Ok(None);
                }
            }
            simulator.clear_trace();
            notes.push(format!("the lab ran for {warm_up} before this (--warm-up 0s begins at once)"));
        }
        Ok(Some((Stage { world, fabric, is_unfinished: false }, stop, notes)))
    }

    fn model(&self) -> &Arc<Model> {
        &self.world.model
    }

    /// Who a name means as a sender.
    pub fn from(&mut self, selector: &Selector) -> Result<From> {
        let name = selector.to_string();
        if let Some(place) = self.world.lan_host(&name) {
            return Ok(From { node: place.node, source: None, name, sender: None, end: None });
        }
        self.not_a_box(&name)?;
        if let Some((address, lan)) = free_address(self.model(), selector) {
            return Err(Failure::usage(format!("nobody in lan {lan} has the address {address}")).hint(format!("there are: {}", self.known())));
        }
        let end = self.one(selector)?;
        let senders = self.fabric.senders(&end).map_err(|error| self.unknown(error))?;
        let sender = senders.into_iter().next().ok_or_else(|| Failure::usage(format!("nobody sends at `{selector}`")))?;
        let (node, source) = match &sender {
            Sender::Outside(address) => (self.world.cloud.host(*address), Some(*address)),
            Sender::Interface(id) | Sender::Container(id) => {
                let (node, _) = self.world.cloud.place(id).ok_or_else(|| Failure::usage(format!("nobody runs at `{selector}`")))?;
                let index = self.fabric.interface_by_id(id);
                (node, index.map(|index| IpAddr::V4(self.fabric.interfaces[index].primary_address())))
            }
        };
        Ok(From { node, source, name, sender: Some(sender), end: Some(end) })
    }

    /// The same sender as it sends to an address: a place outside has a host for each of its addresses, and that of IPv6 sends over IPv6.
    /// Errors: it has none.
    pub fn facing(&mut self, from: From, to: IpAddr) -> Result<From> {
        let (Some(Sender::Outside(IpAddr::V4(_))), Some(end), true) = (&from.sender, &from.end, to.is_ipv6()) else { return Ok(from) };
        let senders = self.fabric.ipv6_senders(end).map_err(|error| self.unknown(error))?;
        let addresses = senders.iter().filter_map(|sender| if let Sender::Outside(address) = sender { Some(*address) } else { None });
        let first = addresses.into_iter().next().ok_or_else(|| Failure::usage(format!("{} has no IPv6 address", from.name)))?;
        Ok(From { node: self.world.cloud.host(first), source: Some(first), sender: Some(Sender::Outside(first)), ..from })
    }

    /// The address at which a sender asks somebody.
    pub fn to(&mut self, selector: &Selector, from: &From) -> Result<IpAddr> {
        let name = selector.to_string();
        if let Some(place) = self.world.lan_host(&name) {
            // Who writes an address asks at that one, and not at another that its holder has.
            if let Ok(address) = name.parse::<IpAddr>() {
                return Ok(address);
            }
            let first = place.addresses.iter().find(|address| !is_link_local(**address));
            return first.copied().ok_or_else(|| {
                Failure::usage(format!("{name} has no address yet")).hint("give it one, or `dhcp: true` and a server with addresses left for it")
            });
        }
        self.not_a_box(&name)?;
        let end = match selector {
            Selector::Block(block) if block.prefix_len() == block.max_prefix_len() => End::Address(block.addr()),
            _ => self.one(selector)?,
        };
        let address = match (&end, &from.sender) {
            (End::Address(address), _) => *address,
            // From a lan the way leads by the virtual private gateway: to the private address.
            (End::Interface { interface, .. }, None) => match self.fabric.interface_by_id(interface) {
                Some(index) => IpAddr::V4(self.fabric.interfaces[index].primary_address()),
                None => return Err(Failure::usage(format!("`{selector}` is nobody"))),
            },
            (end, sender) => {
                let sender = sender.clone().unwrap_or(Sender::Outside(IpAddr::from([0, 0, 0, 0])));
                let found = self.fabric.destinations(&sender, end).map_err(|error| self.unknown(error))?;
                let other = found.iter().find(|address| sender != Sender::Outside(**address)).or(found.first());
                other.copied().ok_or_else(|| Failure::usage(format!("nobody has an address at `{selector}`")))?
            }
        };
        if self.fabric.is_outside_host(address) && !address.is_loopback() {
            self.world.cloud.host(address);
        }
        Ok(address)
    }

    /// A hub or a switch has no address to send from or to.
    fn not_a_box(&self, name: &str) -> Result<()> {
        let device = self.model().lans.values().find_map(|lan| lan.devices.get(name));
        match device {
            Some(device @ (Device::Hub(_) | Device::Repeater(_) | Device::Switch(_) | Device::Bridge(_))) => {
                let message = format!("{name} is a {}: it has no address and sends nothing of its own", device.kind());
                Err(Failure::usage(message).hint(format!("there are: {}", self.known())))
            }
            _ => Ok(()),
        }
    }

    fn one(&self, selector: &Selector) -> Result<End> {
        if let Selector::Block(block) = selector
            && block.prefix_len() == block.max_prefix_len()
        {
            return Ok(End::Address(block.addr()));
        }
        let ends = selector.ends(self.model()).map_err(|error| {
            if error.several.is_some() {
                return Failure::usage(error.to_string());
            }
            Failure::usage(format!("`{selector}` is no host of a lan, no instance and no outside place: {error}"))
                .hint(format!("there are: {}", self.known()))
        })?;
        match <[End; 1]>::try_from(ends) {
            Ok([end]) => Ok(end),
            Err(none) if none.is_empty() => Err(Failure::usage(format!("`{selector}` selects nothing"))),
            Err(several) => Err(Failure::usage(format!("`{selector}` means {} interfaces", several.len())).hint("name one of them")),
        }
    }

    fn unknown(&self, error: EndError) -> Failure {
        Failure::usage(error.to_string())
    }

    /// Everybody who can be named.
    fn known(&self) -> String {
        let mut names: Vec<String> = self.world.lan_hosts().into_iter().map(str::to_owned).collect();
        names.extend(self.fabric.instances.values().map(|instance| instance.name.clone()));
        names.extend(self.fabric.outside.values().map(|host| host.name.clone()));
        if !self.fabric.vpcs.values().next().is_none() {
            names.push("internet".to_owned());
        }
        match names.is_empty() {
            true => "nobody: the lab has neither lans nor instances".to_owned(),
            false => names.join(", "),
        }
    }
}

/// Long enough for RIP, OSPF (40 s until a router is designated), spanning tree (30 s) and leases.
const SETTLED: Span = Span::seconds(90);

/// Whether something of the lab's lans needs time before it works.
fn settles(model: &Model) -> bool {
    model.lans.values().flat_map(|lan| lan.devices.values()).any(|device| match device {
        Device::Router(router) => !router.protocols.is_empty(),
        Device::Switch(switch) | Device::Bridge(switch) => switch.spanning_tree,
        _ => device.interfaces().into_iter().flatten().any(|(_, interface)| interface.dhcp),
    })
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
