//! The network as one way from left to right: inside, the cable, the bridge, the rules, the instance's own interface.

use container::engine::Anatomy;
use container::engine::anatomy::parts::Device;

use super::super::canvas::{Canvas, Point, Rect, Towards};
use super::super::text::Font;
use super::{LINE, PAD, Words, broken, height_of, write};
use crate::anatomy::chapters::{bridge_words, named, rule_words, shown_rules};

/// Between two boxes.
const CABLE: i32 = 34;

fn device(device: &Device) -> Vec<Words> {
    let mut lines = vec![Words::name(named(device))];
    lines.extend(device.addresses.iter().map(Words::small));
    lines.extend(device.mac.iter().map(Words::muted));
    lines.push(Words::muted(format!("mtu {}{}", device.mtu, if device.is_up { "" } else { ", down" })));
    lines
}

/// What stands in each box, from inside outwards.
fn boxes(found: &Anatomy) -> Vec<(&'static str, String, &'static str, Vec<Words>)> {
    let network = &found.network;
    let subject = &found.subject;
    let mut boxes = Vec::new();
    if subject.kind == "container" {
        let mut lines = Vec::new();
        for cable in &network.cables {
            lines.extend(device(&cable.inside));
        }
        if network.cables.is_empty() {
            let shown = network.devices.iter().filter(|one| network.mode != "host" || one.kind != "loopback").take(4);
            lines.extend(shown.flat_map(device));
        }
        lines.extend(network.routes.iter().take(4).map(|route| Words::muted(format!("route {route}"))));
        lines.extend(network.resolver.iter().filter(|line| line.starts_with("nameserver")).map(Words::muted));
        boxes.push(("inside", subject.name.clone(), "public", lines));
    }
    for bridge in &network.bridges {
        let mut lines = Vec::new();
        for cable in network.cables.iter().filter(|cable| cable.bridge == bridge.device.name) {
            lines.push(Words::name(named(&cable.outside)));
            lines.push(Words::muted(format!("the other end of {}, a port of {}", cable.inside.name, cable.bridge)));
        }
        lines.push(Words::name(named(&bridge.device)));
        lines.extend(bridge.device.addresses.iter().map(Words::small));
        lines.push(Words::muted(bridge_words(bridge)));
        for member in bridge.members.iter().take(6) {
            let own = member.name == subject.name && subject.kind == "container";
            lines.push(Words::small(format!("{} {}{}", member.address, member.name, if own { " (this one)" } else { "" })).indent(10));
        }
        if bridge.members.len() > 6 {
            lines.push(Words::muted(format!("and {} more", bridge.members.len() - 6)).indent(10));
        }
        boxes.push(("bridge", bridge.device.name.clone(), "internal", lines));
    }
    let mut rules: Vec<Words> = Vec::new();
    for published in &network.published {
        rules.push(Words::name(format!("{}/{} → {}", published.port, published.protocol, published.to)));
        if !published.address.is_unspecified() {
            rules.push(Words::muted(format!("at {} only", published.address)));
        }
    }
    rules.extend(shown_rules(found).map(|rule| Words::muted(rule_words(rule))));
    if !rules.is_empty() {
        rules.insert(0, Words::small("nf_tables of the instance"));
        boxes.push(("rules", "rules".to_owned(), "panel", rules));
    }
    let uplinks = if subject.kind == "container" { network.uplinks.clone() } else { own_interfaces(found) };
    if !uplinks.is_empty() {
        let mut lines: Vec<Words> = uplinks.iter().flat_map(device).collect();
        lines.push(Words::muted(format!("of {}, into its VPC", subject.instance)));
        boxes.push(("uplink", uplinks[0].name.clone(), "internal", lines));
    }
    boxes
}

fn own_interfaces(found: &Anatomy) -> Vec<Device> {
    let bridges: Vec<&str> = found.network.bridges.iter().map(|bridge| bridge.device.name.as_str()).collect();
    let ports: Vec<&str> = found.network.bridges.iter().flat_map(|bridge| &bridge.members).map(|member| member.port.as_str()).collect();
    let is_own = |one: &&Device| one.kind != "loopback" && !bridges.contains(&one.name.as_str()) && !ports.contains(&one.name.as_str());
    found.network.devices.iter().filter(is_own).cloned().collect()
}

pub(super) fn draw(canvas: &mut Canvas, found: &Anatomy, (x, y): Point, width: i32) -> i32 {
    let boxes = boxes(found);
    let many = i32::try_from(boxes.len().max(1)).unwrap_or(1);
    // Beyond five there is no room for words: those go on below.
    let per_row = many.min(4);
    let wide = (width - 2 * PAD - CABLE * (per_row - 1)) / per_row;
    let sized: Vec<_> = boxes.into_iter().map(|(kind, name, class, lines)| (kind, name, class, broken(lines, wide - 2 * PAD, 3))).collect();
    let rows: Vec<&[(&str, String, &str, Vec<Words>)]> = sized.chunks(usize::try_from(per_row).unwrap_or(1)).collect();
    let heights: Vec<i32> = rows.iter().map(|row| row.iter().map(|(.., lines)| height_of(lines.len())).max().unwrap_or(40)).collect();
    let total = 44 + heights.iter().map(|height| height + 16).sum::<i32>() + if sized.is_empty() { LINE } else { 0 };
    let outer = Rect::new(x, y, width, total);
    canvas.open_box("network", "network", outer, "panel", 12);
    canvas.text((x + PAD, y + 24), Font::HEADING, "", &heading(found));
    let mut top = y + 40;
    for (row, height) in rows.iter().zip(&heights) {
        let mut left = x + PAD;
        let mut previous: Option<Rect> = None;
        for (kind, name, class, lines) in row.iter() {
            let rect = Rect::new(left, top, wide, *height);
            if let Some(before) = previous {
                let middle = top + 32;
                canvas.open("e-nat");
                canvas.path("line", &format!("M{} {middle} L{} {middle}", before.right(), rect.x - 2));
                canvas.arrow((rect.x - 1, middle), Towards::Right, "f-nat");
                canvas.close();
            }
            canvas.open_box(kind, name, rect, class, 8);
            write(canvas, rect, lines);
            canvas.close();
            previous = Some(rect);
            left = rect.right() + CABLE;
        }
        top += height + 16;
    }
    if sized.is_empty() {
        canvas.text((x + PAD, top + 10), Font::SMALL, "muted", "lo, and nothing else");
    }
    canvas.close();
    outer.bottom()
}

fn heading(found: &Anatomy) -> String {
    match (found.subject.kind.as_str(), found.network.cables.first()) {
        ("instance", _) => format!("network of {}: its containers, and the VPC", found.subject.instance),
        (_, Some(cable)) => format!("network: a veth pair from {} to {}, then the rules of {}", found.subject.name, cable.bridge, found.subject.instance),
        (_, None) => format!("network: --network {}", found.network.mode),
    }
}
