//! The scene as a Mermaid flowchart. Ids are made here: names may hold anything, ids may not.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::scene::{Card, CardKind, GatewayKind, Lan, LanEnd, Reach, Scene, TargetKind, Vpc};

pub(crate) fn draw(scene: &Scene) -> String {
    let mut chart = Chart { text: "flowchart TB\n".to_owned(), ..Chart::default() };
    let has_gateway = |vpc: &Vpc| vpc.gateways.iter().any(|gateway| gateway.kind <= GatewayKind::EgressOnly);
    let is_outside_shown = !scene.outside.is_empty() || scene.vpcs.iter().any(has_gateway);
    if is_outside_shown {
        chart.line(1, r#"internet(("Internet"))"#);
        chart.class("internet", "outside");
    }
    for place in &scene.outside {
        let id = chart.id("place", &place.name);
        chart.line(1, &format!(r#"{id}["{}"]"#, label(&[&place.name, &place.addresses.join(", ")])));
        chart.class(&id, "outside");
        chart.edges.push(format!("{id} --- internet"));
    }
    // A subgraph without a node would be drawn as one: a lab of lans alone is in no region.
    if scene.lans.is_empty() || !scene.vpcs.is_empty() {
        chart.line(1, &format!(r#"subgraph region["{}"]"#, text(&scene.region)));
        for vpc in &scene.vpcs {
            chart.vpc(vpc);
        }
        chart.line(1, "end");
    }
    for lan in &scene.lans {
        chart.lan(lan, scene);
    }
    for peering in &scene.peerings {
        let [a, b] = [peering.between.0, peering.between.1].map(|place| chart.id("vpc", &scene.vpcs[place].key));
        let id = chart.id("pcx", &peering.key);
        chart.line(1, &format!(r#"{id}{{{{"{}"}}}}"#, label(&[&peering.name, peering.state.unwrap_or("")])));
        chart.class(&id, "peering");
        chart.edges.push(format!("{a} <--> {id}"));
        chart.edges.push(format!("{id} <--> {b}"));
    }
    for gateway in &scene.transit {
        let id = chart.id("tgw", &gateway.key);
        chart.line(1, &format!(r#"{id}{{{{"{}"}}}}"#, label(&[&gateway.name, "transit gateway"])));
        chart.class(&id, "gateway");
        for (_, attachment) in &gateway.attached {
            let end = chart.id("gw", attachment);
            chart.edges.push(format!("{end} <--> {id}"));
        }
        for peer in &gateway.peers {
            let other = chart.id("tgw", &scene.transit[*peer].key);
            chart.edges.push(format!("{id} <--> {other}"));
        }
    }
    chart.routes(scene);
    chart.finish()
}

#[derive(Default)]
struct Chart {
    text: String,
    /// Ids by what they stand for, numbered in each kind.
    ids: BTreeMap<(&'static str, String), usize>,
    next: BTreeMap<&'static str, usize>,
    edges: Vec<String>,
    classes: BTreeMap<&'static str, Vec<String>>,
}

impl Chart {
    fn id(&mut self, kind: &'static str, key: &str) -> String {
        let next = self.next.entry(kind).or_default();
        let number = *self.ids.entry((kind, key.to_owned())).or_insert_with(|| {
            *next += 1;
            *next
        });
        format!("{kind}{number}")
    }

    fn line(&mut self, level: usize, line: &str) {
        let _ = writeln!(self.text, "{}{line}", "  ".repeat(level));
    }

    fn class(&mut self, id: &str, class: &'static str) {
        self.classes.entry(class).or_default().push(id.to_owned());
    }

    fn vpc(&mut self, vpc: &Vpc) {
        let id = self.id("vpc", &vpc.key);
        self.line(2, &format!(r#"subgraph {id}["{}"]"#, label(&[&vpc.name, &vpc.blocks.join(", ")])));
        self.class(&id, "vpc");
        for gateway in &vpc.gateways {
            let id = self.id("gw", &gateway.key);
            self.line(3, &format!(r#"{id}{{{{"{}"}}}}"#, text(&gateway.name)));
            self.class(&id, "gateway");
            match gateway.kind {
                GatewayKind::Internet => self.edges.push(format!("internet <--> {id}")),
                GatewayKind::EgressOnly => self.edges.push(format!("{id} --> internet")),
                GatewayKind::Vpn | GatewayKind::Endpoint | GatewayKind::Transit => {}
            }
        }
        for zone in &vpc.zones {
            let id = self.id("zone", &format!("{} {}", vpc.key, zone.name));
            self.line(3, &format!(r#"subgraph {id}["{}"]"#, text(&zone.name)));
            for subnet in &zone.subnets {
                let id = self.id("subnet", &subnet.key);
                self.line(4, &format!(r#"subgraph {id}["{}"]"#, label(&[&subnet.name, &subnet.block])));
                for card in &subnet.cards {
                    self.card(card);
                }
                // A subgraph without a node is drawn as a node of its own: an invisible one keeps it a box.
                if subnet.cards.is_empty() {
                    self.line(5, &format!(r#"{id}empty[" "]"#));
                    self.class(&format!("{id}empty"), "empty");
                }
                self.line(4, "end");
                let class = match subnet.reach {
                    Reach::Public => "public",
                    Reach::Internal => "internal",
                    Reach::Isolated => "isolated",
                };
                self.class(&id, class);
            }
            self.line(3, "end");
        }
        self.line(2, "end");
    }

    fn card(&mut self, card: &Card) {
        let id = self.id("node", &card.key);
        let groups: Vec<&str> = card.groups.iter().map(|(_, name)| name.as_str()).collect();
        let groups = if groups.is_empty() { String::new() } else { format!("sg:{}", groups.join(",")) };
        let label = label(&[&card.name, &card.addresses.join(", "), &card.public.join(", "), &groups, card.state.unwrap_or("")]);
        let (open, close) = match card.kind {
            CardKind::Nat => ("{{", "}}"),
            CardKind::Instance => ("[", "]"),
            CardKind::Interface | CardKind::Endpoint => ("(", ")"),
        };
        self.line(5, &format!(r#"{id}{open}"{label}"{close}"#));
        if card.kind == CardKind::Nat {
            self.class(&id, "gateway");
        }
    }

    fn lan(&mut self, lan: &Lan, scene: &Scene) {
        let id = self.id("lan", &lan.name);
        self.line(1, &format!(r#"subgraph {id}["{}"]"#, text(&lan.name)));
        self.class(&id, "lan");
        for device in &lan.devices {
            let id = self.id("device", &device.name);
            let (open, close) = match device.kind {
                "host" => ("[", "]"),
                "router" | "balancer" => ("([", "])"),
                _ => ("{{", "}}"),
            };
            let label = label(&[&device.name, &device.addresses.join(", "), if device.kind == "host" { "" } else { device.kind }]);
            self.line(2, &format!(r#"{id}{open}"{label}"{close}"#));
        }
        if lan.devices.is_empty() {
            self.line(2, &format!(r#"{id}empty[" "]"#));
            self.class(&format!("{id}empty"), "empty");
        }
        self.line(1, "end");
        for link in &lan.links {
            let ends = [&link.a, &link.b].map(|end| match end {
                LanEnd::Device(name) => Some(self.id("device", name)),
                // The link leads to the VPC's gateway.
                LanEnd::Vpc(name) => {
                    let vpc = scene.vpcs.iter().find(|vpc| vpc.name == *name)?;
                    let gateway = vpc.gateways.iter().find(|gateway| gateway.kind == GatewayKind::Vpn);
                    let (kind, key) = gateway.map_or(("vpc", &vpc.key), |gateway| ("gw", &gateway.key));
                    Some(self.id(kind, key))
                }
            });
            if let [Some(a), Some(b)] = ends {
                let line = if link.about.ends_with("down") { "-.-" } else { "---" };
                self.edges.push(format!(r#"{a} {line}|"{}"| {b}"#, text(&link.about)));
            }
        }
    }

    fn routes(&mut self, scene: &Scene) {
        for subnet in scene.subnets() {
            let from = self.id("subnet", &subnet.key);
            for route in subnet.routes.iter().filter(|route| !route.blackhole) {
                let Some(key) = &route.key else {
                    continue;
                };
                let kind = match route.kind {
                    TargetKind::Peering => "pcx",
                    TargetKind::Nat | TargetKind::Interface => "node",
                    _ => "gw",
                };
                // An edge from a subgraph to a node inside it is an error of Mermaid's.
                let is_inside = subnet.cards.iter().any(|card| card.key == *key);
                // Only what was drawn has an id by now.
                if !is_inside && self.ids.contains_key(&(kind, key.clone())) {
                    let to = self.id(kind, key);
                    self.edges.push(format!(r#"{from} -->|"{}"| {to}"#, text(&route.destinations.join(" "))));
                }
            }
        }
    }

    fn finish(mut self) -> String {
        for edge in std::mem::take(&mut self.edges) {
            self.line(1, &edge);
        }
        for (class, style) in [
            ("empty", "fill:none,stroke:none"),
            ("gateway", "fill:#7c4dbe,stroke:#5b3591,color:#ffffff"),
            ("internal", "fill:#dbe9fb,stroke:#2f6fc4,color:#10243f"),
            ("isolated", "fill:#e6e6ec,stroke:#74748a,color:#23232e"),
            ("lan", "fill:none,stroke:#b5830f,stroke-width:2px"),
            ("outside", "fill:#fff3d6,stroke:#b5830f,color:#3b2c05"),
            ("peering", "fill:#c2497b,stroke:#8f2f57,color:#ffffff"),
            ("public", "fill:#def3e2,stroke:#2f9a55,color:#0f3019"),
            ("vpc", "fill:none,stroke:#7c4dbe,stroke-width:2px"),
        ] {
            if let Some(members) = self.classes.get(class) {
                let members = members.join(",");
                self.line(1, &format!("classDef {class} {style}"));
                self.line(1, &format!("class {members} {class}"));
            }
        }
        self.text
    }
}

/// Lines that are there, one below the other.
fn label(lines: &[&str]) -> String {
    lines.iter().filter(|line| !line.is_empty()).map(|line| text(line)).collect::<Vec<_>>().join("<br/>")
}

/// What would end a label, begin markup or be taken for an entity goes by its number.
fn text(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' | '{' | '}' => {
                let _ = write!(out, "#{};", u32::from(character));
            }
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_label() {
        assert_eq!(text("a \"b\"<br/>#1\n"), "a #34;b#34;#60;br/#62;#35;1 ");
        assert_eq!(label(&["web", "", "10.0.0.1"]), "web<br/>10.0.0.1");
    }
}
