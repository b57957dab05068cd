//! Where everything stands: nested boxes, and lanes for lines between them. Lines have ways of their own: beside
//! each zone, above and below all zones, and below all VPCs, so that no line crosses a box it does not lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::Rect;
use super::measure::{self, GAP, LANE, PAD, ROUTE_LINE, SUBNET_HEAD, Targets};
use super::text::Font;
use crate::scene::{Card, Gateway, Peering, Scene, Subnet, Vpc, Zone};

pub(super) const MARGIN: i32 = 28;
const REGION_HEAD: i32 = 58;
const VPC_HEAD: i32 = 48;
const ZONE_HEAD: i32 = 28;
const PILL: i32 = 32;
/// Between VPCs.
const VPC_GAP: i32 = 40;
/// Between peering connections, one below the other.
const RAIL: i32 = 46;
/// Narrowest picture: tables below stand in two columns at least.
const NARROWEST: i32 = 640;

/// A whole picture, without title and tables.
pub(super) struct Layout<'s> {
    pub(super) internet: Option<Internet<'s>>,
    pub(super) region: Rect,
    pub(super) vpcs: Vec<VpcBox<'s>>,
    pub(super) peerings: Vec<Rail<'s>>,
}

/// The band on top.
pub(super) struct Internet<'s> {
    pub(super) rect: Rect,
    pub(super) places: Vec<(Rect, &'s crate::scene::Place)>,
}

/// A VPC.
pub(super) struct VpcBox<'s> {
    pub(super) vpc: &'s Vpc,
    pub(super) rect: Rect,
    pub(super) gateways: Vec<(Rect, &'s Gateway)>,
    pub(super) zones: Vec<ZoneBox<'s>>,
    pub(super) targets: Targets,
    /// Heights of the lanes above and below the zones, by key.
    pub(super) above: BTreeMap<String, i32>,
    pub(super) below: BTreeMap<String, i32>,
}

/// A zone.
pub(super) struct ZoneBox<'s> {
    pub(super) zone: &'s Zone,
    pub(super) rect: Rect,
    /// Lanes beside it, by key.
    pub(super) lanes: BTreeMap<String, i32>,
    pub(super) subnets: Vec<SubnetBox<'s>>,
}

/// A subnet.
pub(super) struct SubnetBox<'s> {
    pub(super) subnet: &'s Subnet,
    pub(super) rect: Rect,
    pub(super) cards: Vec<(Rect, &'s Card)>,
}

impl SubnetBox<'_> {
    /// The height of a route's line.
    pub(super) fn route_y(&self, route: usize) -> i32 {
        self.rect.y + SUBNET_HEAD + ROUTE_LINE * route as i32 + ROUTE_LINE / 2
    }
}

/// A peering connection below the VPCs.
pub(super) struct Rail<'s> {
    pub(super) peering: &'s Peering,
    pub(super) pill: Rect,
    /// Where it leaves both VPCs.
    pub(super) drops: (i32, i32),
    pub(super) y: i32,
}

pub(super) fn place(scene: &Scene, top: i32) -> Layout<'_> {
    let peerings: BTreeSet<&str> = scene.peerings.iter().map(|peering| peering.key.as_str()).collect();
    let targets: Vec<Targets> = scene.vpcs.iter().map(|vpc| Targets::of(vpc, &peerings)).collect();
    let widths: Vec<(Vec<i32>, i32)> = scene.vpcs.iter().zip(&targets).map(|(vpc, targets)| vpc_width(vpc, targets)).collect();
    let count = scene.vpcs.len() as i32;
    let natural = widths.iter().map(|(_, width)| *width).sum::<i32>() + (count - 1).max(0) * VPC_GAP;
    // A narrow picture is stretched: the VPCs share what is missing.
    let spare = (NARROWEST - 2 * PAD - natural).max(0) / count.max(1);
    let region_width = natural.max(NARROWEST - 2 * PAD) + 2 * PAD + 10;
    let is_internet_shown = !scene.outside.is_empty() || scene.vpcs.iter().any(|vpc| !vpc.gateways.is_empty());
    let internet = is_internet_shown.then(|| internet(scene, Rect::new(MARGIN, top, region_width, 0)));
    let region_top = internet.as_ref().map_or(top, |internet| internet.rect.bottom() + 30);
    let mut x = MARGIN + PAD + 5;
    let label_right = MARGIN + 16 + Font::BODY.width(&region_title(scene)) + 40;
    let mut vpcs = Vec::new();
    for ((vpc, targets), (zones, width)) in scene.vpcs.iter().zip(targets).zip(widths) {
        let boxed = place_vpc(vpc, targets, &zones, (x, region_top + REGION_HEAD), width, spare, label_right);
        x = boxed.rect.right() + VPC_GAP;
        vpcs.push(boxed);
    }
    let lowest = vpcs.iter().map(|vpc| vpc.rect.bottom()).max().unwrap_or(region_top + REGION_HEAD);
    // All VPCs end at one height, as connections leave them there.
    for vpc in &mut vpcs {
        vpc.rect.h = lowest - vpc.rect.y;
    }
    let peerings = rails(scene, &vpcs, lowest);
    let bottom = peerings.iter().map(|rail| rail.pill.bottom()).max().unwrap_or(lowest) + PAD + 6;
    Layout { internet, region: Rect::new(MARGIN, region_top, region_width, bottom - region_top), vpcs, peerings }
}

pub(super) fn region_title(scene: &Scene) -> String {
    format!("Region {}", scene.region)
}

fn internet(scene: &Scene, at: Rect) -> Internet<'_> {
    let start = at.x + 150;
    let (mut x, mut y) = (start, at.y + 12);
    let mut places = Vec::new();
    for place in &scene.outside {
        let width = place_width(place).min(at.w - 170);
        if x + width > at.right() - PAD && x > start {
            (x, y) = (start, y + 40);
        }
        places.push((Rect::new(x, y, width, 32), place));
        x += width + GAP;
    }
    Internet { rect: Rect { h: y + 32 + 12 - at.y, ..at }, places }
}

/// An icon, the name, the addresses.
fn place_width(place: &crate::scene::Place) -> i32 {
    36 + Font::NAME.width(&place.name) + 10 + Font::SMALL.width(&place.addresses.join(", ")) + GAP
}

fn gutter(lanes: usize) -> i32 {
    if lanes == 0 { PAD } else { PAD + LANE * lanes as i32 }
}

fn gateway_width(gateway: &Gateway) -> i32 {
    (Font::BODY.width(&gateway.name) + 50).min(240)
}

/// Name and blocks of a VPC, beside its icon.
pub(super) fn vpc_title_width(vpc: &Vpc) -> i32 {
    44 + Font::HEADING.width(&vpc.name).min(300).max(Font::BODY.width(&vpc.blocks.join(", ")).min(300))
}

/// Widths of the zones and of the whole.
fn vpc_width(vpc: &Vpc, targets: &Targets) -> (Vec<i32>, i32) {
    let zones: Vec<i32> = vpc
        .zones
        .iter()
        .map(|zone| {
            let widest = zone.subnets.iter().map(measure::subnet).max().unwrap_or(0);
            (widest + 2 * GAP).max(Font::SMALL.width(&zone.name) + 2 * PAD)
        })
        .collect();
    let gutters: i32 = targets.lanes.iter().map(|lanes| gutter(lanes.len())).sum();
    let inside = zones.iter().sum::<i32>() + gutters + PAD;
    let gateways: i32 = vpc.gateways.iter().map(|gateway| gateway_width(gateway) + GAP).sum();
    let head = vpc_title_width(vpc) + 24 + gateways + PAD;
    (zones, inside.max(head).max(220))
}

fn place_vpc<'s>(
    vpc: &'s Vpc,
    targets: Targets,
    zone_widths: &[i32],
    (x, y): (i32, i32),
    width: i32,
    spare: i32,
    label_right: i32,
) -> VpcBox<'s> {
    let width = width + spare;
    let gutters: i32 = targets.lanes.iter().map(|lanes| gutter(lanes.len())).sum();
    // What the heading needs more than the zones, the zones share.
    let spare = (width - PAD - gutters - zone_widths.iter().sum::<i32>()) / (zone_widths.len() as i32).max(1);
    let band = |lanes: usize| if lanes == 0 { 0 } else { 6 + LANE * lanes as i32 };
    let zones_top = y + VPC_HEAD + band(targets.above.len());
    let (rows_of_zones, row_count) = measure::rows(vpc);
    let mut heights = vec![0; row_count];
    for (zone, (rows, width)) in vpc.zones.iter().zip(rows_of_zones.iter().zip(zone_widths)) {
        for (subnet, row) in zone.subnets.iter().zip(rows) {
            heights[*row] = heights[*row].max(measure::subnet_height(subnet, width + spare - 2 * GAP, &targets.kinds));
        }
    }
    // A row is as low as the lowest of its zones needs; what is alone in its row just follows in its zone.
    let mut tops = vec![zones_top + ZONE_HEAD; row_count];
    let mut next = vec![zones_top + ZONE_HEAD; vpc.zones.len()];
    for row in 0..row_count {
        let in_row = |zone: &usize| rows_of_zones[*zone].contains(&row);
        tops[row] = (0..next.len()).filter(in_row).map(|zone| next[zone]).max().unwrap_or(tops[row]);
        for zone in (0..next.len()).filter(in_row) {
            next[zone] = tops[row] + heights[row] + GAP;
        }
    }
    let zones_bottom = next.iter().copied().max().unwrap_or(zones_top);
    let mut zones = Vec::new();
    let mut left = x;
    for (at, zone) in vpc.zones.iter().enumerate() {
        let lanes = &targets.lanes[at];
        left += gutter(lanes.len());
        let rect = Rect::new(left, zones_top, zone_widths[at] + spare, zones_bottom - zones_top);
        let lanes = lanes.iter().enumerate().map(|(lane, key)| (key.clone(), left - 9 - LANE * lane as i32)).collect();
        let subnets = zone.subnets.iter().zip(&rows_of_zones[at]).map(|(subnet, row)| {
            let inner = Rect::new(left + GAP, tops[*row], rect.w - 2 * GAP, heights[*row]);
            SubnetBox { subnet, rect: inner, cards: place_cards(subnet, inner, &targets) }
        });
        let subnets = subnets.collect();
        zones.push(ZoneBox { zone, rect, lanes, subnets });
        left = rect.right();
    }
    let lane = |start: i32| move |(at, key): (usize, &String)| (key.clone(), start + LANE * at as i32);
    let above = targets.above.iter().enumerate().map(lane(y + VPC_HEAD + 2)).collect();
    let below = targets.below.iter().enumerate().map(lane(zones_bottom + LANE)).collect();
    let bottom = zones_bottom + band(targets.below.len()) + PAD;
    let rect = Rect::new(x, y, width, bottom - y);
    let taken: BTreeSet<i32> = zones.iter().flat_map(|zone: &ZoneBox| zone.lanes.values().copied()).collect();
    let gateways = place_gateways(vpc, rect, label_right, &taken);
    VpcBox { vpc, rect, gateways, zones, targets, above, below }
}

/// On the VPC's upper edge, right of its title, around the middle if there is room.
fn place_gateways<'s>(vpc: &'s Vpc, rect: Rect, label_right: i32, taken: &BTreeSet<i32>) -> Vec<(Rect, &'s Gateway)> {
    let total = vpc.gateways.iter().map(|gateway| gateway_width(gateway) + GAP).sum::<i32>() - GAP;
    let title_right = (rect.x + vpc_title_width(vpc) + 16).max(label_right.min(rect.right() - PAD - total));
    let mut x = title_right.max(rect.x + (rect.w - total) / 2).min((rect.right() - PAD - total).max(title_right));
    let mut placed = Vec::new();
    for gateway in &vpc.gateways {
        let width = gateway_width(gateway);
        let mut pill = Rect::new(x, rect.y - PILL / 2, width, PILL);
        // Its line down must not run along another's line up.
        while taken.iter().any(|lane| (lane - pill.middle().0).abs() < 6) {
            pill.x += 1;
        }
        x = pill.right() + GAP;
        placed.push((pill, gateway));
    }
    placed
}

fn place_cards<'s>(subnet: &'s Subnet, rect: Rect, targets: &Targets) -> Vec<(Rect, &'s Card)> {
    let (card_width, card_height) = measure::cards(&subnet.cards);
    let (columns, rows) = measure::grid(subnet, rect.w, card_width, &targets.kinds);
    let top = rect.y + SUBNET_HEAD + ROUTE_LINE * (subnet.routes.len().max(1) as i32) + 8;
    let (first, others): (Vec<&Card>, Vec<&Card>) = subnet.cards.iter().partition(|card| measure::is_target(card, &targets.kinds));
    let (mut first, mut others) = (first.into_iter(), others.into_iter());
    let mut placed = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let target = if column == 0 { first.next() } else { None };
            if let Some(card) = target.or_else(|| others.next()) {
                let (x, y) = (rect.x + PAD + column * (card_width + GAP), top + row * (card_height + GAP));
                placed.push((Rect::new(x, y, card_width, card_height), card));
            }
        }
    }
    placed
}

/// Connections below the VPCs: the shorter the higher, so that a longer one goes around it.
fn rails<'s>(scene: &'s Scene, vpcs: &[VpcBox<'_>], bottom: i32) -> Vec<Rail<'s>> {
    let span = |peering: &Peering| peering.between.1 - peering.between.0;
    let mut order: Vec<&Peering> = scene.peerings.iter().collect();
    order.sort_by_key(|peering| (span(peering), peering.between, peering.key.clone()));
    // Where each leaves each VPC: those to the left first, the nearest outermost on both sides.
    let mut drops: BTreeMap<(usize, &str), i32> = BTreeMap::new();
    for (at, vpc) in vpcs.iter().enumerate() {
        let mut own: Vec<(bool, i64, &Peering)> = order
            .iter()
            .filter(|peering| peering.between.0 == at || peering.between.1 == at)
            .map(|peering| {
                let is_right = peering.between.0 == at;
                let distance = span(peering) as i64;
                (is_right, if is_right { -distance } else { distance }, *peering)
            })
            .collect();
        own.sort_by_key(|(is_right, distance, peering)| (*is_right, *distance, peering.key.clone()));
        let middle = vpc.rect.middle().0;
        let first = middle - 30 * (own.len() as i32 - 1) / 2;
        let lanes: BTreeSet<i32> = vpc.zones.iter().flat_map(|zone| zone.lanes.values().copied()).collect();
        for (place, (.., peering)) in own.iter().enumerate() {
            let mut x = first + 30 * place as i32;
            // Its line must not run beside another's, a few pixels apart.
            while lanes.iter().any(|lane| (lane - x).abs() < 10) {
                x += 1;
            }
            drops.insert((at, peering.key.as_str()), x);
        }
    }
    let drop = |vpc: usize, peering: &Peering| drops.get(&(vpc, peering.key.as_str())).copied().unwrap_or(0);
    let mut rails = Vec::new();
    for (at, peering) in order.iter().enumerate() {
        let ends = (drop(peering.between.0, peering), drop(peering.between.1, peering));
        let y = bottom + 30 + RAIL * at as i32;
        let width = (Font::BODY.width(&peering_text(peering)) + 50).min(280);
        // Lines of longer connections pass this height on their way down.
        let passing: Vec<i32> = order[at + 1..].iter().flat_map(|p| [drop(p.between.0, p), drop(p.between.1, p)]).collect();
        let is_free = |x: i32| passing.iter().all(|line| (line - x).abs() > width / 2 + 6);
        let middle = (ends.0 + ends.1) / 2;
        let candidates = (0..40).flat_map(|step| [middle + 8 * step, middle - 8 * step]);
        let inside = |x: &i32| (ends.0 + width / 2..=ends.1 - width / 2).contains(x);
        let x = candidates.filter(inside).find(|x| is_free(*x)).unwrap_or(middle);
        rails.push(Rail { peering, pill: Rect::new(x - width / 2, y - PILL / 2, width, PILL), drops: ends, y });
    }
    rails
}

pub(super) fn peering_text(peering: &Peering) -> String {
    match peering.state {
        Some(state) => format!("{} ({state})", peering.name),
        None => peering.name.clone(),
    }
}
