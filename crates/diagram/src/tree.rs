//! The scene as lines.

use crate::scene::{Card, CardKind, Gateway, GatewayKind, Lan, Route, Scene, Subnet, Vpc};

/// A line and what stands below it.
struct Node {
    text: String,
    below: Vec<Node>,
}

impl Node {
    fn new(text: impl Into<String>, below: Vec<Node>) -> Node {
        Node { text: text.into(), below }
    }

    fn leaf(text: impl Into<String>) -> Node {
        Node::new(text, Vec::new())
    }
}

pub(crate) fn draw(scene: &Scene) -> String {
    let mut roots = Vec::new();
    if !scene.outside.is_empty() {
        let places = scene.outside.iter().map(|place| Node::leaf(format!("{}  {}", place.name, place.addresses.join(", "))));
        roots.push(Node::new("internet", places.collect()));
    }
    roots.extend(scene.vpcs.iter().map(vpc));
    roots.extend(scene.lans.iter().map(lan));
    if !scene.peerings.is_empty() {
        let peerings = scene.peerings.iter().map(|peering| {
            let [a, b] = [peering.between.0, peering.between.1].map(|place| scene.vpcs[place].name.as_str());
            Node::leaf(words([&format!("{}: {a} <-> {b}", peering.name), peering.state.unwrap_or("")]))
        });
        roots.push(Node::new("peering connections", peerings.collect()));
    }
    if !scene.transit.is_empty() {
        let gateways = scene.transit.iter().map(|gateway| {
            let vpcs = gateway.attached.iter().map(|(place, _)| scene.vpcs[*place].name.clone());
            let peers = gateway.peers.iter().map(|peer| format!("peered with {}", scene.transit[*peer].name));
            Node::leaf(format!("{}: {}", gateway.name, vpcs.chain(peers).collect::<Vec<_>>().join(", ")).trim_end_matches([':', ' ']))
        });
        roots.push(Node::new("transit gateways", gateways.collect()));
    }
    if !scene.groups.is_empty() {
        let groups = scene.groups.iter().map(|group| {
            let vpc = group.vpc.as_ref().map(|vpc| format!("in {vpc}")).unwrap_or_default();
            Node::new(words([&group.name, &vpc]), group.rules.iter().map(Node::leaf).collect())
        });
        roots.push(Node::new("security groups", groups.collect()));
    }
    if !scene.loose.is_empty() {
        roots.push(Node::new("belongs to nothing", scene.loose.iter().map(Node::leaf).collect()));
    }
    // A lab of lans alone is nowhere.
    let is_cloud = scene.lans.is_empty() || !scene.vpcs.is_empty() || !scene.outside.is_empty();
    let mut text = format!("{}\n", if is_cloud { scene.region.as_str() } else { "lans" });
    print(&roots, "", &mut text);
    text
}

fn print(nodes: &[Node], indent: &str, text: &mut String) {
    for (at, node) in nodes.iter().enumerate() {
        let (branch, deeper) = if at + 1 == nodes.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
        text.push_str(&format!("{indent}{branch}{}\n", node.text));
        print(&node.below, &format!("{indent}{deeper}"), text);
    }
}

/// Words that are there, two spaces apart.
fn words<const N: usize>(words: [&str; N]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ")
}

fn vpc(vpc: &Vpc) -> Node {
    let mut below: Vec<Node> = vpc.gateways.iter().map(gateway).collect();
    for zone in &vpc.zones {
        below.push(Node::new(&zone.name, zone.subnets.iter().map(subnet).collect()));
    }
    for acl in &vpc.acls {
        let rules = acl.rules.iter().map(Node::leaf).collect();
        below.push(Node::new(format!("network ACL {}", acl.name), rules));
    }
    Node::new(words([&format!("vpc {}", vpc.name), &vpc.blocks.join(", ")]), below)
}

fn lan(lan: &Lan) -> Node {
    let devices = lan.devices.iter().map(|device| {
        let at = if device.neighbours.is_empty() { "linked to nothing".to_owned() } else { format!("-- {}", device.neighbours.join(", ")) };
        Node::leaf(words([&format!("{} {}", device.kind, device.name), &device.addresses.join(", "), &at]))
    });
    let down = lan.links.iter().filter(|link| link.about.ends_with("down")).count();
    let links = format!("{} link{}", lan.links.len(), if lan.links.len() == 1 { "" } else { "s" });
    let links = if down > 0 { format!("{links}, {down} down") } else { links };
    Node::new(words([&format!("lan {}", lan.name), &links]), devices.collect())
}

fn gateway(gateway: &Gateway) -> Node {
    let kind = match gateway.kind {
        GatewayKind::Internet => "internet gateway",
        GatewayKind::EgressOnly => "egress-only internet gateway",
        GatewayKind::Vpn => "VPN gateway",
        GatewayKind::Endpoint => "gateway endpoint",
        GatewayKind::Transit => "attached to transit gateway",
    };
    // A gateway without a name is called by its kind already.
    Node::leaf(if gateway.name == kind { kind.to_owned() } else { format!("{kind} {}", gateway.name) })
}

fn subnet(subnet: &Subnet) -> Node {
    let routes: Vec<String> = subnet.routes.iter().map(route).collect();
    let table = format!("[{}] {}", subnet.table, if routes.is_empty() { "local only".to_owned() } else { routes.join(", ") });
    let acl = subnet.acl.as_ref().map(|acl| format!("acl {acl}")).unwrap_or_default();
    let text = words([&format!("subnet {}", subnet.name), &subnet.block, subnet.reach.word(), &table, &acl]);
    let width = subnet.cards.iter().map(|card| unicode_width::UnicodeWidthStr::width(label(card).as_str())).max().unwrap_or(0);
    Node::new(text, subnet.cards.iter().map(|c| card(c, width)).collect())
}

/// `0.0.0.0/0 -> igw`.
pub(crate) fn route(route: &Route) -> String {
    let state = if route.blackhole { " (blackhole)" } else { "" };
    format!("{} -> {}{state}", route.destinations.join(" "), route.target)
}

fn label(card: &Card) -> String {
    match card.kind {
        CardKind::Nat => format!("(NAT) {}", card.name),
        CardKind::Endpoint => format!("(endpoint) {}", card.name),
        CardKind::Interface => format!("(interface) {}", card.name),
        CardKind::Instance => card.name.clone(),
    }
}

fn card(card: &Card, width: usize) -> Node {
    let label = label(card);
    let pad = width - unicode_width::UnicodeWidthStr::width(label.as_str());
    let public = if card.public.is_empty() { String::new() } else { format!("public {}", card.public.join(", ")) };
    let groups: Vec<&str> = card.groups.iter().map(|(_, name)| name.as_str()).collect();
    let groups = if groups.is_empty() { String::new() } else { format!("sg:{}", groups.join(",")) };
    let listens = if card.listens.is_empty() { String::new() } else { format!("listens {}", card.listens.join(",")) };
    let check = if card.passes_on { "source/dest check off" } else { "" };
    let label = format!("{label}{}", " ".repeat(pad));
    Node::leaf(words([&label, &card.addresses.join(", "), &public, &groups, &listens, check, card.state.unwrap_or("")]))
}
