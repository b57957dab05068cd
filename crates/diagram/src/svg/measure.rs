//! How large things must be: cards, subnets, and which lanes a zone needs. Nothing has a place yet.

use std::collections::{BTreeMap, BTreeSet};

use super::text::Font;
use crate::scene::{Card, CardKind, Route, Subnet, TargetKind, Vpc};

pub(super) const LANE: i32 = 13;
/// Between cards, and between a box and what it holds.
pub(super) const GAP: i32 = 12;
pub(super) const PAD: i32 = 14;
/// Heights in a subnet: its heading, then a line a route.
pub(super) const SUBNET_HEAD: i32 = 34;
pub(super) const ROUTE_LINE: i32 = 18;
/// Heights in a card.
pub(super) const CARD_HEAD: i32 = 30;
pub(super) const CARD_LINE: i32 = 16;
pub(super) const CHIPS: i32 = 22;
const CARD_WIDTHS: (i32, i32) = (136, 240);
/// Left of a card's texts: its icon.
pub(super) const CARD_INDENT: i32 = 32;

/// A line of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CardLine {
    Address(String),
    Public(String),
    /// What its system does.
    System(String),
    State(&'static str),
    Groups,
}

/// The lines of a card below its name.
pub(super) fn card_lines(card: &Card) -> Vec<CardLine> {
    let few = |texts: &[String]| match texts {
        [one] => one.clone(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
        [] => String::new(),
    };
    let mut lines = Vec::new();
    if !card.addresses.is_empty() {
        lines.push(CardLine::Address(few(&card.addresses)));
    }
    if !card.public.is_empty() {
        lines.push(CardLine::Public(few(&card.public)));
    }
    if !card.listens.is_empty() {
        lines.push(CardLine::System(format!("listens {}", card.listens.join(" "))));
    }
    if card.passes_on {
        lines.push(CardLine::System("source/dest check off".to_owned()));
    }
    if let Some(state) = card.state {
        lines.push(CardLine::State(state));
    }
    if !card.groups.is_empty() {
        lines.push(CardLine::Groups);
    }
    lines
}

/// Width of the chip of a security group.
pub(super) fn chip(name: &str) -> i32 {
    Font::TINY.width(name) + 20
}

/// The size of a card.
pub(super) fn card(card: &Card) -> (i32, i32) {
    let mut width = CARD_INDENT + Font::NAME.width(&card.name) + GAP;
    let mut height = CARD_HEAD;
    for line in card_lines(card) {
        let (wide, high) = match &line {
            CardLine::Address(text) => (Font::SMALL.width(text) + CARD_INDENT, CARD_LINE),
            CardLine::Public(text) => (Font::SMALL.width(text) + CARD_INDENT, CARD_LINE),
            CardLine::System(text) => (Font::TINY.width(text) + CARD_INDENT, CARD_LINE),
            CardLine::State(text) => (Font::SMALL.width(text) + CARD_INDENT, CARD_LINE),
            CardLine::Groups => (CARD_INDENT + card.groups.iter().map(|(_, name)| chip(name) + 4).sum::<i32>(), CHIPS),
        };
        width = width.max(wide + GAP);
        height += high;
    }
    (width.clamp(CARD_WIDTHS.0, CARD_WIDTHS.1), height + 7)
}

/// Cards of one subnet share a size.
pub(super) fn cards(cards: &[Card]) -> (i32, i32) {
    cards.iter().map(card).fold((0, 0), |all, one| (all.0.max(one.0), all.1.max(one.1)))
}

/// Columns that make so many cards a pleasant rectangle.
pub(super) fn columns(cards: usize) -> i32 {
    match cards {
        0..=3 => cards.max(1) as i32,
        // The smallest number whose square is not below.
        _ => (1..).find(|side| side * side >= cards as i32).unwrap_or(1) + i32::from(cards > 12),
    }
}

/// What a route line says.
pub(super) fn route_text(route: &Route) -> String {
    let destinations = match &route.destinations[..] {
        [first, second, rest @ ..] if !rest.is_empty() => format!("{first}, {second} +{}", rest.len()),
        few => few.join(", "),
    };
    let state = if route.blackhole { " (blackhole)" } else { "" };
    format!("{destinations} → {}{state}", route.target)
}

/// The natural width of a subnet.
pub(super) fn subnet(subnet: &Subnet) -> i32 {
    let (card, _) = cards(&subnet.cards);
    let columns = columns(subnet.cards.len());
    let grid = columns * card + (columns - 1) * GAP;
    let head = 26 + Font::NAME.width(&subnet.name).min(220) + 10 + Font::SMALL.width(&subnet.block) + 16 + Font::TINY.width(subnet.reach.word());
    let table = Font::TINY.width(&table_text(subnet)).min(220) + 34;
    let routes = subnet.routes.iter().map(|route| Font::SMALL.width(&route_text(route)).min(300)).max().unwrap_or(80);
    PAD * 2 + grid.max(head).max(routes + 16 + table)
}

/// What stands at the right of a subnet's first route line.
pub(super) fn table_text(subnet: &Subnet) -> String {
    match &subnet.acl {
        Some(acl) => format!("{} · acl {acl}", subnet.table),
        None => subnet.table.clone(),
    }
}

/// Height of a subnet that is so wide.
pub(super) fn subnet_height(subnet: &Subnet, width: i32, kinds: &BTreeMap<String, TargetKind>) -> i32 {
    let (card_width, card_height) = cards(&subnet.cards);
    let head = SUBNET_HEAD + ROUTE_LINE * (subnet.routes.len().max(1) as i32) + 8;
    let rows = grid(subnet, width, card_width, kinds).1;
    head + rows * card_height + (rows - 1).max(0) * GAP + if rows > 0 { PAD } else { 6 }
}

/// Columns and rows of the cards of a subnet that is so wide. Cards that lines lead to fill the first column only.
pub(super) fn grid(subnet: &Subnet, width: i32, card_width: i32, kinds: &BTreeMap<String, TargetKind>) -> (i32, i32) {
    let count = subnet.cards.len() as i32;
    if count == 0 {
        return (1, 0);
    }
    let targets = subnet.cards.iter().filter(|card| is_target(card, kinds)).count() as i32;
    let fitting = ((width - 2 * PAD + GAP) / (card_width + GAP)).max(1);
    let columns = fitting.min(count - (targets - 1).max(0)).max(1);
    (columns, targets.max((count + columns - 1) / columns))
}

/// What the routes of a VPC's subnets lead to, as far as it is drawn.
pub(super) struct Targets {
    /// Kinds by key.
    pub(super) kinds: BTreeMap<String, TargetKind>,
    /// For each zone, the keys that need a lane beside it, the nearest first.
    pub(super) lanes: Vec<Vec<String>>,
    /// Keys that need a lane above the zones, the highest first.
    pub(super) above: Vec<String>,
    /// Keys that need a lane below the zones.
    pub(super) below: Vec<String>,
}

impl Targets {
    pub(super) fn of(vpc: &Vpc, peerings: &BTreeSet<&str>) -> Targets {
        let gateways: BTreeSet<&str> = vpc.gateways.iter().map(|gateway| gateway.key.as_str()).collect();
        let mut card_zone: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, zone) in vpc.zones.iter().enumerate() {
            for card in zone.subnets.iter().flat_map(|subnet| &subnet.cards) {
                card_zone.insert(&card.key, at);
            }
        }
        let is_drawn = |key: &str| gateways.contains(key) || card_zone.contains_key(key) || peerings.contains(key);
        let mut kinds = BTreeMap::new();
        let mut users: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (at, zone) in vpc.zones.iter().enumerate() {
            for route in zone.subnets.iter().flat_map(|subnet| &subnet.routes) {
                if let Some(key) = edge_key(route).filter(|key| is_drawn(key)) {
                    kinds.insert(key.to_owned(), route.kind);
                    users.entry(key.to_owned()).or_default().insert(at);
                }
            }
        }
        let mut lanes = vec![Vec::new(); vpc.zones.len()];
        let (mut above, mut below) = (Vec::new(), Vec::new());
        for (key, zones) in &users {
            let home = card_zone.get(key.as_str()).copied();
            for (at, lane) in lanes.iter_mut().enumerate() {
                if zones.contains(&at) || home == Some(at) {
                    lane.push(key.clone());
                }
            }
            match (gateways.contains(key.as_str()), home) {
                (true, _) => above.push(key.clone()),
                (false, Some(home)) if zones.iter().any(|zone| *zone != home) => above.push(key.clone()),
                (false, Some(_)) => {}
                (false, None) => below.push(key.clone()),
            }
        }
        let pill = |key: &String| vpc.gateways.iter().position(|gateway| gateway.key == *key);
        above.sort_by_key(|key| (pill(key).is_none(), pill(key), key.clone()));
        for (at, lane) in lanes.iter_mut().enumerate() {
            // What stays in the zone is nearest to it, then what goes down. What goes highest is outermost: lines
            // of the first zone lie in each other like the lanes of a bend.
            lane.sort_by_key(|key| {
                let home = card_zone.get(key.as_str());
                (home != Some(&at), home.is_none(), pill(key).map(std::cmp::Reverse), key.clone())
            });
        }
        Targets { kinds, lanes, above, below }
    }
}

/// The key of what a route's line leads to; a blackhole leads nowhere.
pub(super) fn edge_key(route: &Route) -> Option<&str> {
    route.key.as_deref().filter(|_| !route.blackhole)
}

/// Cards that lines lead to stand in the first column, next to the lanes.
pub(super) fn is_target(card: &Card, kinds: &BTreeMap<String, TargetKind>) -> bool {
    card.kind == CardKind::Nat || kinds.contains_key(&card.key)
}

/// Which subnets of several zones stand in one row: those of one kind whose names differ in the zone only.
pub(super) fn rows(vpc: &Vpc) -> (Vec<Vec<usize>>, usize) {
    let mut keys: BTreeMap<(crate::scene::Reach, String, usize), u32> = BTreeMap::new();
    let mut of_zone = Vec::new();
    for zone in &vpc.zones {
        let mut seen: BTreeMap<(crate::scene::Reach, String), usize> = BTreeMap::new();
        let mut own = Vec::new();
        for subnet in &zone.subnets {
            let stem = stem(&subnet.name, &subnet.key);
            let nth = seen.entry((subnet.reach, stem.clone())).or_default();
            let key = (subnet.reach, stem, *nth);
            *nth += 1;
            let lowest = keys.entry(key.clone()).or_insert(subnet.position);
            *lowest = (*lowest).min(subnet.position);
            own.push(key);
        }
        of_zone.push(own);
    }
    let mut order: Vec<_> = keys.into_iter().map(|(key, lowest)| (key.0, lowest, key)).collect();
    order.sort();
    let place = |key: &(crate::scene::Reach, String, usize)| order.iter().position(|(.., known)| known == key).unwrap_or(0);
    (of_zone.iter().map(|own| own.iter().map(place).collect()).collect(), order.len())
}

/// `public-a` and `public-2c` are both `public`.
fn stem(name: &str, key: &str) -> String {
    if name == key {
        return String::new();
    }
    match name.rsplit_once(['-', '_', ' ', '.']) {
        Some((stem, zone)) if !stem.is_empty() && zone.len() <= 3 && zone.chars().all(|c| c.is_ascii_alphanumeric()) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_at_the_end_of_a_name_is_no_part_of_its_stem() {
        for (name, expected) in [("public-a", "public"), ("app_2c", "app"), ("internal", "internal"), ("data-az1", "data"), ("a-long-word", "a-long-word")] {
            assert_eq!(stem(name, "subnet-1"), expected);
        }
        assert_eq!(stem("subnet-1", "subnet-1"), "");
    }

    #[test]
    fn many_cards_make_a_rectangle() {
        assert_eq!([0, 1, 3, 4, 5, 12, 40].map(columns), [1, 1, 3, 2, 3, 4, 8]);
    }
}
