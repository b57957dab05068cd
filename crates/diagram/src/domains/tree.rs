//! A lan taken apart: for each broadcast domain the devices that are in it alone, as a tree below the one with the most links;
//! and what stands between domains (routers, hosts with several links, VPCs).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::lan::{Device, End, Framing, Lan};

use super::Domains;

/// A broadcast domain.
#[derive(Debug, Default)]
pub(crate) struct Area {
    /// Its number, from 1; `None`: what no link leads to.
    pub number: Option<usize>,
    /// Devices, each after the one that it hangs at.
    pub rows: Vec<Row>,
    /// Links between two of the rows that are not of the tree.
    pub loops: Vec<Loop>,
    /// Links to what stands between domains.
    pub ways: Vec<Way>,
}

/// A device of one domain, or a cable between two that are of several.
#[derive(Debug)]
pub(crate) struct Row {
    pub name: String,
    /// `hub`, `switch`, `host`; `cable`.
    pub kind: &'static str,
    pub about: Option<String>,
    /// How deep it hangs.
    pub depth: usize,
    /// At which row, and by which link.
    pub parent: Option<(usize, usize)>,
}

#[derive(Debug)]
pub(crate) struct Loop {
    pub rows: [usize; 2],
    pub link: usize,
}

#[derive(Debug)]
pub(crate) struct Way {
    pub row: usize,
    pub link: usize,
    /// Place in [`Plan::joints`] and there in its ports.
    pub joint: usize,
    pub port: usize,
}

/// What is in several domains.
#[derive(Debug)]
pub(crate) struct Joint {
    pub name: String,
    pub kind: &'static str,
    /// Names of the interfaces that links lead to, with addresses.
    pub ports: Vec<String>,
}

/// A lan for drawing.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub areas: Vec<Area>,
    pub joints: Vec<Joint>,
    /// The number of the collision domain of each link, from 1.
    pub collision: Vec<usize>,
}

/// Whether it joins the links at it to one broadcast domain.
pub(crate) fn joins(kind: &str) -> bool {
    matches!(kind, "hub" | "repeater" | "switch" | "bridge")
}

/// Whether it joins them to one collision domain.
pub(crate) fn repeats(kind: &str) -> bool {
    matches!(kind, "hub" | "repeater")
}

/// What an end is called among devices.
fn name(end: &End) -> String {
    match end {
        End::Device { device, .. } => device.clone(),
        End::Vpc(name) => format!("vpc:{name}"),
    }
}

/// All addresses of an interface, of both families.
fn listed(addresses: &[ipnet::IpNet]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

struct Builder<'d> {
    lan: &'d Lan,
    /// The broadcast domains of each name.
    domains: BTreeMap<String, BTreeSet<usize>>,
    plan: Plan,
}

/// Takes a lan apart.
pub(crate) fn plan(domains: &Domains<'_>) -> Plan {
    let lan = domains.lan;
    let mut of: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (at, links) in domains.broadcast.iter().enumerate() {
        for link in links.iter().filter_map(|link| lan.links.get(*link)) {
            for end in [&link.a, &link.b] {
                of.entry(name(end)).or_default().insert(at);
            }
        }
    }
    let mut collision = vec![0; lan.links.len()];
    for (at, links) in domains.collision.iter().enumerate() {
        for link in links {
            if let Some(of) = collision.get_mut(*link) {
                *of = at + 1;
            }
        }
    }
    let mut builder = Builder { lan, domains: of, plan: Plan { collision, ..Plan::default() } };
    for (at, links) in domains.broadcast.iter().enumerate() {
        let area = builder.area(at, links);
        builder.plan.areas.push(area);
    }
    let alone = lan.devices.keys().filter(|name| !builder.domains.contains_key(*name));
    let rows: Vec<Row> = alone.map(|name| builder.row(name, 0, None)).collect();
    if !rows.is_empty() {
        builder.plan.areas.push(Area { rows, ..Area::default() });
    }
    builder.plan
}

impl Builder<'_> {
    fn is_joint(&self, name: &str) -> bool {
        name.starts_with("vpc:") || self.domains.get(name).is_some_and(|of| of.len() > 1)
    }

    fn kind(&self, name: &str) -> &'static str {
        self.lan.devices.get(name).map_or("vpc", Device::kind)
    }

    fn row(&self, name: &str, depth: usize, parent: Option<(usize, usize)>) -> Row {
        let interfaces = self.lan.devices.get(name).and_then(Device::interfaces).into_iter().flatten();
        let address = |(_, interface): (_, &model::lan::Interface)| match (&interface.addresses[..], interface.dhcp) {
            ([], true) => Some("dhcp".to_owned()),
            ([], false) => None,
            (addresses, _) => Some(listed(addresses)),
        };
        Row { name: name.to_owned(), kind: self.kind(name), about: interfaces.filter_map(address).next(), depth, parent }
    }

    fn area(&mut self, number: usize, links: &[usize]) -> Area {
        let mut area = Area { number: Some(number + 1), ..Area::default() };
        let lan = self.lan;
        let ends = |link: usize| lan.links.get(link).map(|link| [name(&link.a), name(&link.b)]);
        // The links at each device that is in this domain alone, in the order of links.
        let mut at: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for link in links {
            for name in ends(*link).into_iter().flatten().filter(|name| !self.is_joint(name)) {
                let of = at.entry(name).or_default();
                if of.last() != Some(link) {
                    of.push(*link);
                }
            }
        }
        let most = |name: &&String| (joins(self.kind(name)), at[*name].len());
        // The first of those that have as many.
        let root = at.keys().rev().max_by_key(most).cloned();
        let mut in_tree: BTreeSet<usize> = BTreeSet::new();
        match root {
            Some(root) => {
                let children = self.children(&at, &root, &mut in_tree);
                self.hang(&mut area, &children, &root, 0, None);
            }
            None => {
                let serial = links.first().and_then(|link| lan.links.get(*link)).is_some_and(|link| link.framing != Framing::Ethernet);
                let name = if serial { "serial line" } else { "cable" };
                area.rows.push(Row { name: name.to_owned(), kind: "cable", about: None, depth: 0, parent: None });
            }
        }
        for link in links.iter().filter(|link| !in_tree.contains(link)) {
            let Some(names) = ends(*link) else { continue };
            let rows = names.each_ref().map(|name| area.rows.iter().position(|row| row.name == *name && !self.is_joint(name)));
            let [a, b] = [&lan.links[*link].a, &lan.links[*link].b];
            match rows {
                [Some(one), Some(other)] => area.loops.push(Loop { rows: [one, other], link: *link }),
                [Some(row), None] => self.way(&mut area, row, *link, b),
                [None, Some(row)] => self.way(&mut area, row, *link, a),
                [None, None] => [a, b].into_iter().for_each(|end| self.way(&mut area, 0, *link, end)),
            }
        }
        area
    }

    /// Who hangs at whom, by which link: the nearest way to the root.
    fn children(&self, at: &BTreeMap<String, Vec<usize>>, root: &str, in_tree: &mut BTreeSet<usize>) -> BTreeMap<String, Vec<(String, usize)>> {
        let mut children: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
        let mut seen = BTreeSet::from([root.to_owned()]);
        let mut left = VecDeque::from([root.to_owned()]);
        while let Some(name_of) = left.pop_front() {
            for link in &at[&name_of] {
                let ends = [&self.lan.links[*link].a, &self.lan.links[*link].b].map(name);
                for other in ends.into_iter().filter(|other| at.contains_key(other)) {
                    if seen.insert(other.clone()) {
                        in_tree.insert(*link);
                        children.entry(name_of.clone()).or_default().push((other.clone(), *link));
                        left.push_back(other);
                    }
                }
            }
        }
        children
    }

    /// A device and all below it: first what ends there, then what goes on.
    fn hang(&self, area: &mut Area, children: &BTreeMap<String, Vec<(String, usize)>>, name: &str, depth: usize, parent: Option<(usize, usize)>) {
        let row = area.rows.len();
        area.rows.push(self.row(name, depth, parent));
        let below = children.get(name).into_iter().flatten();
        let (leaves, others): (Vec<_>, Vec<_>) = below.partition(|(name, _)| !joins(self.kind(name)));
        for (name, link) in leaves.into_iter().chain(others) {
            self.hang(area, children, name, depth + 1, Some((row, *link)));
        }
    }

    fn way(&mut self, area: &mut Area, row: usize, link: usize, end: &End) {
        let name = name(end);
        let kind = self.kind(&name);
        let device = match end {
            End::Device { device, interface } => Some((device, interface)),
            End::Vpc(_) => None,
        };
        let address = device.and_then(|(device, interface)| self.lan.devices.get(device)?.interfaces()?.get(interface));
        let address = address.map(|interface| format!(" {}", listed(&interface.addresses))).unwrap_or_default();
        let port = device.map_or_else(|| "virtual private gateway".to_owned(), |(_, interface)| format!("{interface}{address}").trim_end().to_owned());
        let joints = &mut self.plan.joints;
        let joint = joints.iter().position(|joint| joint.name == name).unwrap_or_else(|| {
            joints.push(Joint { name, kind, ports: Vec::new() });
            joints.len() - 1
        });
        joints[joint].ports.push(port);
        area.ways.push(Way { row, link, joint, port: joints[joint].ports.len() - 1 });
    }
}
