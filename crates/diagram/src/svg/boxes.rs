//! The nested boxes and what is written in them.

use super::canvas::{Canvas, Rect};
use super::icons::Icon;
use super::layout::{Internet, Layout, Rail, SubnetBox, VpcBox, peering_text, region_title};
use super::measure::{CARD_HEAD, CARD_INDENT, CARD_LINE, CHIPS, CardLine, GAP, PAD, card_lines, chip, route_text, table_text};
use super::style::{self, GROUPS};
use super::text::Font;
use crate::scene::{Card, CardKind, Gateway, GatewayKind, Reach, Scene};

/// Region, VPCs, zones, subnets, cards.
pub(super) fn draw(canvas: &mut Canvas, scene: &Scene, layout: &Layout<'_>) {
    if let Some(band) = &layout.internet {
        internet(canvas, band);
    }
    canvas.open_box("region", &scene.region, layout.region, "region", 14);
    canvas.text((layout.region.x + 16, layout.region.y + 24), Font::BODY, "muted", &region_title(scene));
    for boxed in &layout.vpcs {
        vpc(canvas, boxed);
    }
    canvas.close();
}

fn icon(canvas: &mut Canvas, icon: Icon, at: (i32, i32)) {
    let (class, shapes) = icon.shapes();
    canvas.moved(at, class, shapes);
}

fn internet(canvas: &mut Canvas, band: &Internet<'_>) {
    canvas.open_box("internet", "Internet", band.rect, "internet", 14);
    icon(canvas, Icon::Internet, (band.rect.x + 28, band.rect.y + 28));
    canvas.text((band.rect.x + 50, band.rect.y + 33), Font::HEADING, "", "Internet");
    for (rect, place) in &band.places {
        let addresses = place.addresses.join(", ");
        canvas.open_box("place", &place.name, *rect, "place", 8);
        canvas.tooltip(&format!("{}: {addresses}", place.name));
        icon(canvas, Icon::Place, (rect.x + 18, rect.y + 16));
        let name = Font::NAME.fit(&place.name, rect.w - 48);
        canvas.text((rect.x + 36, rect.y + 21), Font::NAME, "", &name);
        let x = rect.x + 36 + Font::NAME.width(&name) + 10;
        canvas.text((x, rect.y + 21), Font::SMALL, "muted", &Font::SMALL.fit(&addresses, rect.right() - 8 - x));
        canvas.close();
    }
    canvas.close();
}

fn vpc(canvas: &mut Canvas, boxed: &VpcBox<'_>) {
    let (vpc, rect) = (boxed.vpc, boxed.rect);
    canvas.open_box("vpc", &vpc.name, rect, "vpc", 12);
    icon(canvas, Icon::Vpc, (rect.x + 22, rect.y + 24));
    canvas.text((rect.x + 42, rect.y + 22), Font::HEADING, "", &Font::HEADING.fit(&vpc.name, 300));
    canvas.text((rect.x + 42, rect.y + 39), Font::BODY, "muted", &Font::BODY.fit(&vpc.blocks.join(", "), 300));
    for zone in &boxed.zones {
        canvas.open_box("zone", &zone.zone.name, zone.rect, "zone", 10);
        canvas.text((zone.rect.x + GAP, zone.rect.y + 19), Font::SMALL, "muted", &zone.zone.name);
        for subnet in &zone.subnets {
            self::subnet(canvas, subnet);
        }
        canvas.close();
    }
    canvas.close();
}

fn subnet(canvas: &mut Canvas, boxed: &SubnetBox<'_>) {
    let (subnet, rect) = (boxed.subnet, boxed.rect);
    let class = style::reach(subnet.reach);
    canvas.open_box("subnet", &subnet.name, rect, class, 8);
    icon(canvas, if subnet.reach == Reach::Public { Icon::Open } else { Icon::Locked }, (rect.x + PAD + 6, rect.y + 18));
    let word = subnet.reach.word();
    let word_width = Font::TINY.width(word);
    let block_width = Font::SMALL.width(&subnet.block);
    let room = rect.w - PAD - 22 - 10 - block_width - 12 - word_width - PAD;
    let name = Font::NAME.fit(&subnet.name, room);
    let x = rect.x + PAD + 20;
    canvas.text((x, rect.y + 23), Font::NAME, "", &name);
    canvas.text((x + Font::NAME.width(&name) + 10, rect.y + 23), Font::SMALL, "muted", &subnet.block);
    canvas.text_to((rect.right() - PAD, rect.y + 23), Font::TINY, &format!("tag-{class}"), word);
    routes(canvas, boxed);
    for (rect, card) in &boxed.cards {
        self::card(canvas, *rect, card);
    }
    canvas.close();
}

/// A line a route, at whose height its line begins; and which table they stand in.
fn routes(canvas: &mut Canvas, boxed: &SubnetBox<'_>) {
    let (subnet, rect) = (boxed.subnet, boxed.rect);
    let table = Font::TINY.fit(&table_text(subnet), 220.min(rect.w / 2));
    let table_left = rect.right() - PAD - Font::TINY.width(&table);
    icon_small(canvas, Icon::Table, (table_left - 12, boxed.route_y(0)));
    canvas.text_to((rect.right() - PAD, boxed.route_y(0) + 4), Font::TINY, "muted", &table);
    if subnet.routes.is_empty() {
        canvas.text((rect.x + PAD, boxed.route_y(0) + 4), Font::SMALL, "muted", "local only");
    }
    for (at, route) in subnet.routes.iter().enumerate() {
        let right = if at == 0 { table_left - 26 } else { rect.right() - PAD };
        let class = if route.blackhole { "bad".to_owned() } else { format!("t-{}", style::target(route.kind)) };
        let text = Font::SMALL.fit(&route_text(route), right - rect.x - PAD);
        canvas.text((rect.x + PAD, boxed.route_y(at) + 4), Font::SMALL, &class, &text);
    }
}

fn icon_small(canvas: &mut Canvas, icon: Icon, (x, y): (i32, i32)) {
    let (class, shapes) = icon.shapes();
    canvas.moved((x, y), "small", &format!(r#"<g class="{class}" transform="scale(.7)">{shapes}</g>"#));
}

fn card(canvas: &mut Canvas, rect: Rect, card: &Card) {
    let kind = match card.kind {
        CardKind::Nat => "nat",
        CardKind::Instance => "instance",
        CardKind::Interface => "interface",
        CardKind::Endpoint => "endpoint",
    };
    let class = if card.state.is_some() { "card off" } else { "card" };
    canvas.open_box(kind, &card.name, rect, class, 7);
    canvas.tooltip(&description(card));
    let shape = match card.kind {
        CardKind::Nat => Icon::Nat,
        CardKind::Instance => Icon::Instance,
        CardKind::Interface => Icon::Interface,
        CardKind::Endpoint => Icon::Endpoint,
    };
    icon(canvas, shape, (rect.x + 17, rect.y + 18));
    let (left, room) = (rect.x + CARD_INDENT, rect.w - CARD_INDENT - 8);
    canvas.text((left, rect.y + 22), Font::NAME, "", &Font::NAME.fit(&card.name, room));
    let mut y = rect.y + CARD_HEAD;
    for line in card_lines(card) {
        match line {
            CardLine::Address(text) => canvas.text((left, y + 11), Font::SMALL, "muted", &Font::SMALL.fit(&text, room)),
            CardLine::Public(text) => {
                icon(canvas, Icon::Globe, (rect.x + 17, y + 7));
                canvas.text((left, y + 11), Font::SMALL, "address", &Font::SMALL.fit(&text, room));
            }
            CardLine::System(text) => canvas.text((left, y + 11), Font::TINY, "muted", &Font::TINY.fit(&text, room)),
            CardLine::State(text) => canvas.text((left, y + 11), Font::SMALL, "bad", text),
            CardLine::Groups => {
                chips(canvas, card, rect, y + 3);
                y += CHIPS - CARD_LINE;
            }
        }
        y += CARD_LINE;
    }
    canvas.close();
}

/// What a card says in full.
fn description(card: &Card) -> String {
    let groups: Vec<&str> = card.groups.iter().map(|(_, name)| name.as_str()).collect();
    let parts = [
        card.name.clone(),
        card.key.clone(),
        card.addresses.join(", "),
        if card.public.is_empty() { String::new() } else { format!("public {}", card.public.join(", ")) },
        if groups.is_empty() { String::new() } else { format!("security groups {}", groups.join(", ")) },
        if card.listens.is_empty() { String::new() } else { format!("listens {}", card.listens.join(", ")) },
        if card.passes_on { "source/dest check off".to_owned() } else { String::new() },
        card.state.unwrap_or_default().to_owned(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn chips(canvas: &mut Canvas, card: &Card, rect: Rect, y: i32) {
    let mut x = rect.x + CARD_INDENT - 3;
    for (at, (group, name)) in card.groups.iter().enumerate() {
        let rest = card.groups.len() - at;
        let room = rect.right() - 8 - x;
        // Room for "+n" if this is not the last one.
        let needed = chip(name) + if rest > 1 { 26 } else { 0 };
        if needed > room && at > 0 {
            canvas.text((x, y + 12), Font::TINY, "muted", &format!("+{rest}"));
            return;
        }
        let name = Font::TINY.fit(name, room - 20 - if rest > 1 { 26 } else { 0 });
        let width = chip(&name);
        group_chip(canvas, Rect::new(x, y, width, 16), *group, &name);
        x += width + 4;
    }
}

/// A security group's name beside its colour.
pub(super) fn group_chip(canvas: &mut Canvas, rect: Rect, group: usize, name: &str) {
    canvas.rect(rect, "chip", 8);
    canvas.circle((rect.x + 8, rect.y + 8), 4, &format!("g{}", group % GROUPS));
    canvas.text((rect.x + 15, rect.y + 12), Font::TINY, "", name);
}

/// Gateways and peering connections: on top of the lines that lead to them.
pub(super) fn pills(canvas: &mut Canvas, layout: &Layout<'_>) {
    for (rect, gateway) in layout.vpcs.iter().flat_map(|vpc| &vpc.gateways) {
        gateway_pill(canvas, *rect, gateway);
    }
    for rail in &layout.peerings {
        peering_pill(canvas, rail);
    }
}

fn gateway_pill(canvas: &mut Canvas, rect: Rect, gateway: &Gateway) {
    let (shape, class, word) = match gateway.kind {
        GatewayKind::Internet => (Icon::InternetGateway, "internet", "internet gateway"),
        GatewayKind::EgressOnly => (Icon::EgressOnly, "internet", "egress-only internet gateway"),
        GatewayKind::Vpn => (Icon::Vpn, "vpn", "virtual private gateway"),
        GatewayKind::Endpoint => (Icon::Endpoint, "endpoint", "gateway endpoint"),
        GatewayKind::Transit => (Icon::Peering, "peering", "attachment to a transit gateway"),
    };
    canvas.open_box("gateway", &gateway.name, rect, &format!("pill s-{class}"), rect.h / 2);
    canvas.tooltip(&format!("{word} {} · {}", gateway.name, gateway.key));
    icon(canvas, shape, (rect.x + 20, rect.y + rect.h / 2));
    canvas.text((rect.x + 36, rect.y + 21), Font::BODY, "", &Font::BODY.fit(&gateway.name, rect.w - 48));
    canvas.close();
}

fn peering_pill(canvas: &mut Canvas, rail: &Rail<'_>) {
    let rect = rail.pill;
    canvas.open_box("peering", &rail.peering.name, rect, "pill s-peering", rect.h / 2);
    canvas.tooltip(&format!("peering connection {} · {}", rail.peering.name, rail.peering.key));
    icon(canvas, Icon::Peering, (rect.x + 20, rect.y + rect.h / 2));
    canvas.text((rect.x + 38, rect.y + 21), Font::BODY, "", &Font::BODY.fit(&peering_text(rail.peering), rect.w - 48));
    canvas.close();
}
