//! Lines: from a subnet's route into the lane beside its zone, along it, and to the target. All lines to one target
//! are one path, so that they join like roads; where two targets' lines cross, the later one passes above.

use std::collections::BTreeMap;

use super::canvas::{Canvas, Point, Rect, Towards, bent};
use super::layout::{Layout, SubnetBox, VpcBox, ZoneBox};
use super::{measure, style};
use crate::scene::{CardKind, Gateway, GatewayKind, TargetKind};

pub(super) fn draw(canvas: &mut Canvas, layout: &Layout<'_>) {
    canvas.open("edges");
    if let Some(internet) = &layout.internet {
        for (pill, gateway) in layout.vpcs.iter().flat_map(|vpc| &vpc.gateways) {
            to_internet(canvas, internet.rect, *pill, gateway);
        }
    }
    for rail in &layout.peerings {
        let lowest = layout.vpcs.iter().map(|vpc| vpc.rect.bottom()).max().unwrap_or(rail.y);
        let way = bent(&[(rail.drops.0, lowest), (rail.drops.0, rail.y), (rail.drops.1, rail.y), (rail.drops.1, lowest)]);
        canvas.open("e-peering");
        canvas.path("halo region-halo", &way);
        canvas.path(if rail.peering.state.is_some() { "line dash" } else { "line" }, &way);
        canvas.close();
    }
    for vpc in &layout.vpcs {
        // The higher a lane, the earlier: the last stretch of every line, up to its gateway, is whole.
        let is_above = |key: &&String| vpc.targets.above.contains(key);
        let others = vpc.targets.kinds.keys().filter(|key| !is_above(key));
        for key in vpc.targets.above.iter().chain(others) {
            if let Some(kind) = vpc.targets.kinds.get(key) {
                target(canvas, layout, vpc, key, *kind);
            }
        }
    }
    canvas.close();
}

fn to_internet(canvas: &mut Canvas, internet: Rect, pill: Rect, gateway: &Gateway) {
    let x = pill.middle().0;
    match gateway.kind {
        GatewayKind::Internet | GatewayKind::EgressOnly => {
            canvas.open("e-internet");
            canvas.path("line", &bent(&[(x, pill.y), (x, internet.bottom() + 4)]));
            canvas.arrow((x, internet.bottom() + 1), Towards::Up, "f-internet");
            canvas.close();
        }
        GatewayKind::Vpn | GatewayKind::Endpoint | GatewayKind::Transit => {}
    }
}

/// Everything that leads to one target of one VPC.
fn target(canvas: &mut Canvas, layout: &Layout<'_>, vpc: &VpcBox<'_>, key: &str, kind: TargetKind) {
    let Some(end) = End::of(layout, vpc, key) else {
        return;
    };
    let (mut ways, mut dots) = (Vec::new(), Vec::new());
    for (zone, subnet) in vpc.zones.iter().flat_map(|zone| zone.subnets.iter().map(move |subnet| (zone, subnet))) {
        for (at, route) in subnet.subnet.routes.iter().enumerate() {
            if measure::edge_key(route) == Some(key)
                && let Some(lane) = zone.lanes.get(key)
            {
                let y = subnet.route_y(at);
                dots.push((subnet.rect.x, y));
                let mut way = vec![(subnet.rect.x, y), (*lane, y)];
                way.extend(end.way(vpc, zone, key, *lane));
                ways.push(bent(&way));
            }
        }
    }
    let d = ways.join(" ");
    canvas.open(&format!("e-{}", style::target(kind)));
    canvas.path("halo", &d);
    canvas.path("line", &d);
    for dot in dots {
        canvas.circle(dot, 4, "dot");
    }
    match end {
        End::Gateway(pill) => canvas.arrow((pill.middle().0, pill.bottom() + 1), Towards::Up, &format!("f-{}", style::target(kind))),
        End::Card { card, .. } => canvas.arrow((card.x, card.middle().1), Towards::Right, &format!("f-{}", style::target(kind))),
        End::Drop(..) => {}
    }
    canvas.close();
}

/// Where the lines to a target end.
enum End<'l> {
    /// At a gateway on the VPC's upper edge.
    Gateway(Rect),
    /// At a card, beside whose zone it has a lane.
    Card { card: Rect, zone: &'l ZoneBox<'l>, lane: i32 },
    /// At the VPC's lower edge.
    Drop(i32, i32),
}

impl<'l> End<'l> {
    fn of(layout: &'l Layout<'l>, vpc: &'l VpcBox<'l>, key: &str) -> Option<End<'l>> {
        if let Some((pill, _)) = vpc.gateways.iter().find(|(_, gateway)| gateway.key == key) {
            return Some(End::Gateway(*pill));
        }
        for zone in &vpc.zones {
            let cards = zone.subnets.iter().flat_map(|subnet: &SubnetBox<'_>| &subnet.cards);
            // An instance that is a target is one by its first interface's card.
            let found = cards.filter(|(_, card)| card.key == key).min_by_key(|(_, card)| card.kind != CardKind::Instance);
            if let (Some((card, _)), Some(lane)) = (found, zone.lanes.get(key)) {
                return Some(End::Card { card: *card, zone, lane: *lane });
            }
        }
        let place = layout.vpcs.iter().position(|other| other.vpc.key == vpc.vpc.key)?;
        let rail = layout.peerings.iter().find(|rail| rail.peering.key == key)?;
        let x = if rail.peering.between.0 == place { rail.drops.0 } else { rail.drops.1 };
        Some(End::Drop(x, vpc.rect.bottom()))
    }

    /// The way from the lane beside a zone.
    fn way(&self, vpc: &VpcBox<'_>, from: &ZoneBox<'_>, key: &str, lane: i32) -> Vec<Point> {
        let height = |lanes: &BTreeMap<String, i32>| lanes.get(key).copied().unwrap_or(vpc.rect.y);
        match self {
            End::Gateway(pill) => {
                let (x, y) = (pill.middle().0, height(&vpc.above));
                vec![(lane, y), (x, y), (x, pill.bottom() + 4)]
            }
            End::Card { card, zone, lane: own } => {
                let (x, y) = (card.x - 4, card.middle().1);
                match zone.rect.x == from.rect.x {
                    true => vec![(lane, y), (x, y)],
                    false => vec![(lane, height(&vpc.above)), (*own, height(&vpc.above)), (*own, y), (x, y)],
                }
            }
            End::Drop(x, bottom) => vec![(lane, height(&vpc.below)), (*x, height(&vpc.below)), (*x, *bottom)],
        }
    }
}
