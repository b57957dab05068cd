//! Broadcast domains: who hears a broadcast of whom, and links that close a loop.

use std::collections::BTreeMap;

use super::*;

/// An interface of a device: name of the device, name of the interface.
pub type Port<'l> = (&'l str, &'l str);

impl Lan {
    /// Interfaces of routers, hosts and balancers by broadcast domain: each hears the broadcasts of all others in its own.
    /// Links that are down count as well: they may come up.
    pub fn broadcast_domains(&self) -> Vec<Vec<Port<'_>>> {
        let mut groups = Groups::default();
        for link in &self.links {
            if let (Some(a), Some(b)) = (self.node(&link.a), self.node(&link.b)) {
                groups.join(a, b);
            }
        }
        let mut domains: BTreeMap<usize, Vec<Port>> = BTreeMap::new();
        for (name, device) in &self.devices {
            for interface in device.interfaces().into_iter().flat_map(BTreeMap::keys) {
                let port = (name.as_str(), interface.as_str());
                domains.entry(groups.of(port)).or_default().push(port);
            }
        }
        domains.into_values().collect()
    }

    /// Links, by index, that close a loop in which nobody runs a spanning tree: a broadcast goes round there for ever.
    pub fn loops(&self) -> Vec<usize> {
        let mut groups = Groups::default();
        let links = self.links.iter().enumerate().filter(|(_, link)| link.up);
        let inner = links.filter_map(|(index, link)| Some((index, self.repeater(&link.a)?, self.repeater(&link.b)?)));
        inner.filter(|(_, a, b)| !groups.join(*a, *b)).map(|(index, ..)| index).collect()
    }

    /// Links, by index, that close a circle of hubs and repeaters alone: a bit would go round there for ever.
    pub fn hub_circles(&self) -> Vec<usize> {
        let mut groups = Groups::default();
        let hub = |end: &'_ End| end.device().is_some_and(|name| self.devices.get(name).is_some_and(|device| device.shared_rate().is_some()));
        let links = self.links.iter().enumerate().filter(|(_, link)| link.up && hub(&link.a) && hub(&link.b));
        let ends = links.filter_map(|(index, link)| Some((index, self.node(&link.a)?, self.node(&link.b)?)));
        ends.filter(|(_, a, b)| a != b && !groups.join(*a, *b)).map(|(index, ..)| index).collect()
    }

    /// The device at an end, if it passes broadcasts on without asking: what runs a spanning tree breaks every loop that it
    /// is in.
    fn repeater<'l>(&'l self, end: &'l End) -> Option<Port<'l>> {
        match self.devices.get(end.device()?)? {
            Device::Switch(switch) | Device::Bridge(switch) if switch.spanning_tree => None,
            device => self.node(end).filter(|_| device.interfaces().is_none()),
        }
    }

    /// What a broadcast that arrives at an end reaches at once: all of a device that repeats or forwards frames, one
    /// interface of any other.
    fn node<'l>(&'l self, end: &'l End) -> Option<Port<'l>> {
        let End::Device { device, interface } = end else { return None };
        match self.devices.get(device)?.interfaces() {
            None => Some((device, "")),
            Some(_) => Some((device, interface)),
        }
    }
}

/// Sets of nodes that links join.
#[derive(Default)]
struct Groups<'l> {
    numbers: BTreeMap<Port<'l>, usize>,
    /// What each is a part of; itself, if it stands for its group.
    above: Vec<usize>,
}

impl<'l> Groups<'l> {
    /// The number of a node's group.
    fn of(&mut self, node: Port<'l>) -> usize {
        let next = self.above.len();
        let mut at = *self.numbers.entry(node).or_insert(next);
        if at == next {
            self.above.push(next);
        }
        while self.above[at] != at {
            // Half of the way is saved for whoever asks next.
            self.above[at] = self.above[self.above[at]];
            at = self.above[at];
        }
        at
    }

    /// Joins the groups of two nodes; `false` if they are one already.
    fn join(&mut self, a: Port<'l>, b: Port<'l>) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        // The earlier one stands for both, so that groups come in the order of their first link.
        self.above[a.max(b)] = a.min(b);
        a != b
    }
}
