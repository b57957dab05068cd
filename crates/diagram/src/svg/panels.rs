//! Below the picture: what its colours mean. Below or beside it: the tables behind it. Security groups, route tables
//! and network ACLs in columns, each entry where the shortest column ends.

use std::collections::BTreeSet;

use super::boxes::group_chip;
use super::canvas::{Canvas, Rect, bent};
use super::icons::Icon;
use super::layout::MARGIN;
use super::style;
use super::text::Font;
use crate::scene::{CardKind, GatewayKind, Reach, Scene, TargetKind};

const COLUMN: i32 = 300;
const GAP: i32 = 14;
const LINE: i32 = 16;

/// Draws the legend in the width from `left`; returns where it ends.
pub(super) fn legend(canvas: &mut Canvas, scene: &Scene, left: i32, top: i32, width: i32) -> i32 {
    let entries = entries(scene);
    if entries.is_empty() {
        return top;
    }
    canvas.open("legend");
    let (mut x, mut y) = (left, top);
    for (sample, text) in entries {
        let wide = 34 + Font::SMALL.width(text) + 22;
        if x + wide > left + width && x > left {
            (x, y) = (left, y + 24);
        }
        match sample {
            Sample::Box(class) => canvas.rect(Rect::new(x, y, 24, 15), class, 4),
            Sample::Line(class) => {
                canvas.open(&format!("e-{class}"));
                canvas.path("line", &bent(&[(x, y + 8), (x + 24, y + 8)]));
                canvas.circle((x + 3, y + 8), 4, "dot");
                canvas.close();
            }
            Sample::Icon(icon) => {
                let (class, shapes) = icon.shapes();
                canvas.moved((x + 12, y + 8), class, shapes);
            }
        }
        canvas.text((x + 34, y + 12), Font::SMALL, "muted", text);
        x += wide;
    }
    canvas.close();
    y + 24
}

enum Sample {
    Box(&'static str),
    Line(&'static str),
    Icon(Icon),
}

/// What occurs in this picture.
fn entries(scene: &Scene) -> Vec<(Sample, &'static str)> {
    let mut entries = Vec::new();
    let reaches: BTreeSet<Reach> = scene.subnets().map(|subnet| subnet.reach).collect();
    for reach in reaches {
        let text = match reach {
            Reach::Public => "public subnet: a route to an internet gateway",
            Reach::Internal => "internal subnet: a way out, none in",
            Reach::Isolated => "isolated subnet: no way to the internet",
        };
        entries.push((Sample::Box(style::reach(reach)), text));
    }
    let kinds: BTreeSet<TargetKind> =
        scene.subnets().flat_map(|subnet| &subnet.routes).filter(|route| !route.blackhole).map(|route| route.kind).collect();
    let text = |kind| match kind {
        TargetKind::Local => None,
        TargetKind::Internet => Some("route to the internet"),
        TargetKind::Nat => Some("route to a NAT gateway"),
        TargetKind::Interface => Some("route to an instance"),
        TargetKind::Peering => Some("route to a peered VPC"),
        TargetKind::Endpoint => Some("route to an endpoint"),
        TargetKind::Vpn => Some("route to a VPN"),
        TargetKind::Transit => Some("route to a transit gateway"),
    };
    entries.extend(kinds.into_iter().filter_map(|kind| Some((Sample::Line(style::target(kind)), text(kind)?))));
    let cards: BTreeSet<CardKind> = scene.subnets().flat_map(|subnet| &subnet.cards).map(|card| card.kind).collect();
    entries.extend(cards.into_iter().map(|kind| match kind {
        CardKind::Nat => (Sample::Icon(Icon::Nat), "NAT gateway"),
        CardKind::Instance => (Sample::Icon(Icon::Instance), "instance"),
        CardKind::Interface => (Sample::Icon(Icon::Interface), "network interface"),
        CardKind::Endpoint => (Sample::Icon(Icon::Endpoint), "endpoint"),
    }));
    if scene.subnets().flat_map(|subnet| &subnet.cards).any(|card| !card.public.is_empty()) {
        entries.push((Sample::Icon(Icon::Globe), "public address"));
    }
    let gateways: BTreeSet<GatewayKind> = scene.vpcs.iter().flat_map(|vpc| &vpc.gateways).map(|gateway| gateway.kind).collect();
    entries.extend(gateways.into_iter().map(|kind| match kind {
        GatewayKind::Internet => (Sample::Icon(Icon::InternetGateway), "internet gateway"),
        GatewayKind::EgressOnly => (Sample::Icon(Icon::EgressOnly), "egress-only internet gateway"),
        GatewayKind::Vpn => (Sample::Icon(Icon::Vpn), "virtual private gateway"),
        GatewayKind::Endpoint => (Sample::Icon(Icon::Endpoint), "gateway endpoint"),
        GatewayKind::Transit => (Sample::Icon(Icon::Peering), "transit gateway"),
    }));
    if !scene.peerings.is_empty() {
        entries.push((Sample::Icon(Icon::Peering), "peering connection"));
    }
    entries
}

/// One entry: a heading and lines below it.
struct Panel {
    kind: &'static str,
    icon: Icon,
    /// Colour of a security group.
    group: Option<usize>,
    name: String,
    note: String,
    /// Lines with their classes, as long as they are.
    lines: Vec<(String, String)>,
}

impl Panel {
    /// Lines that fit.
    fn wrapped(&self, width: i32) -> Vec<(&str, String)> {
        let wrap = |(class, line): &'_ (String, String)| Font::SMALL.wrap(line, width - 28, 4).into_iter().map(move |text| (class.clone(), text)).collect::<Vec<_>>();
        let mut lines = Vec::new();
        for (at, entry) in self.lines.iter().enumerate() {
            for (_, text) in wrap(entry) {
                lines.push((self.lines[at].0.as_str(), text));
            }
        }
        lines
    }
}

/// The tables, each in its place.
pub(super) struct Shelf {
    placed: Vec<(Rect, Panel)>,
    /// Where the tables end.
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Shelf {
    /// Beside a picture that is high, in as few columns as are not higher; below one that is wide, or if there are
    /// too many.
    pub(super) fn pleasant(scene: &Scene, region_right: i32, legend_bottom: i32, region_top: i32) -> Shelf {
        const MOST_BESIDE: i32 = 3;
        let is_wide = region_right * 3 > legend_bottom * 4;
        let beside = |columns| Shelf::of(scene, (region_right + 24, region_top), columns, COLUMN);
        let fitting = (1..=MOST_BESIDE).filter(|_| !is_wide).map(beside).find(|shelf| shelf.bottom <= legend_bottom);
        fitting.unwrap_or_else(|| {
            let width = region_right - MARGIN;
            let columns = ((width + GAP) / (COLUMN + GAP)).max(1);
            Shelf::of(scene, (MARGIN, legend_bottom + 14), columns, ((width + GAP) / columns - GAP).min(COLUMN * 3 / 2))
        })
    }

    fn of(scene: &Scene, (left, top): (i32, i32), columns: i32, column: i32) -> Shelf {
        let panels = panels(scene);
        let columns = columns.min(panels.len() as i32).max(1);
        let mut ends = vec![top; columns as usize];
        let mut shelf = Shelf { placed: Vec::new(), right: 0, bottom: 0 };
        for panel in panels {
            let height = 34 + LINE * panel.wrapped(column).len() as i32 + 8;
            let (place, end) = ends.iter().copied().enumerate().min_by_key(|(at, end)| (*end, *at)).unwrap_or((0, top));
            let rect = Rect::new(left + place as i32 * (column + GAP), end, column, height);
            ends[place] = rect.bottom() + GAP;
            shelf.right = shelf.right.max(rect.right());
            shelf.bottom = shelf.bottom.max(rect.bottom());
            shelf.placed.push((rect, panel));
        }
        shelf
    }

    /// Draws all tables.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        if self.placed.is_empty() {
            return;
        }
        canvas.open("panels");
        for (rect, panel) in &self.placed {
            draw_one(canvas, panel, *rect, &panel.wrapped(rect.w));
        }
        canvas.close();
    }
}

fn draw_one(canvas: &mut Canvas, panel: &Panel, rect: Rect, lines: &[(&str, String)]) {
    canvas.open_box(panel.kind, &panel.name, rect, "panel", 8);
    let (class, shapes) = panel.icon.shapes();
    canvas.moved((rect.x + 20, rect.y + 18), class, shapes);
    let note = Font::TINY.fit(&panel.note, rect.w / 2);
    let room = rect.w - 36 - 12 - Font::TINY.width(&note) - 12;
    match panel.group {
        Some(group) => {
            let name = Font::TINY.fit(&panel.name, room - 22);
            group_chip(canvas, Rect::new(rect.x + 34, rect.y + 10, super::measure::chip(&name), 16), group, &name);
        }
        None => canvas.text((rect.x + 36, rect.y + 23), Font::NAME, "", &Font::NAME.fit(&panel.name, room)),
    }
    canvas.text_to((rect.right() - 12, rect.y + 22), Font::TINY, "muted", &note);
    for (at, (class, text)) in lines.iter().enumerate() {
        canvas.text((rect.x + 14, rect.y + 34 + LINE * at as i32 + 11), Font::SMALL, class, text);
    }
    canvas.close();
}

fn panels(scene: &Scene) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (at, group) in scene.groups.iter().enumerate() {
        let mut lines: Vec<(String, String)> = group.rules.iter().map(|rule| (String::new(), rule.clone())).collect();
        if !group.members.is_empty() {
            lines.push(("muted".to_owned(), format!("on {}", group.members.join(", "))));
        }
        let note = group.vpc.as_ref().map_or("security group".to_owned(), |vpc| format!("security group in {vpc}"));
        panels.push(Panel { kind: "group", icon: Icon::Shield, group: Some(at), name: group.name.clone(), note, lines });
    }
    for vpc in &scene.vpcs {
        for table in &vpc.tables {
            let mut lines: Vec<(String, String)> = table
                .routes
                .iter()
                .map(|route| {
                    let class = match (route.blackhole, route.kind) {
                        (true, _) => "bad".to_owned(),
                        (_, TargetKind::Local) => "muted".to_owned(),
                        (_, kind) => format!("t-{}", style::target(kind)),
                    };
                    let state = if route.blackhole { " (blackhole)" } else { "" };
                    (class, format!("{} → {}{state}", route.destinations.join(", "), route.target))
                })
                .collect();
            lines.push(("muted".to_owned(), format!("of {}", table.users.join(", "))));
            let main = if table.is_main && table.name != "main" { "main route table" } else { "route table" };
            let note = if scene.vpcs.len() > 1 { format!("{main} in {}", vpc.name) } else { main.to_owned() };
            panels.push(Panel { kind: "table", icon: Icon::Table, group: None, name: table.name.clone(), note, lines });
        }
    }
    for vpc in &scene.vpcs {
        for acl in &vpc.acls {
            let deny = |rule: &str| if rule.contains(" deny ") { "bad".to_owned() } else { String::new() };
            let mut lines: Vec<(String, String)> = acl.rules.iter().map(|rule| (deny(rule), rule.clone())).collect();
            lines.push(("bad".to_owned(), "* deny everything else".to_owned()));
            lines.push(("muted".to_owned(), format!("of {}", acl.users.join(", "))));
            let note = if scene.vpcs.len() > 1 { format!("network ACL in {}", vpc.name) } else { "network ACL".to_owned() };
            panels.push(Panel { kind: "acl", icon: Icon::Locked, group: None, name: acl.name.clone(), note, lines });
        }
    }
    panels
}
