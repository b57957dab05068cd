//! Draws what has its place.

use std::collections::BTreeMap;

use model::lan::Lan;

use super::icons;
use super::place::{AreaPlace, CARD, INDENT, JOINT_HEAD, Placed};
use crate::domains::tree::{Area, Plan, joins, repeats};
use crate::domains::{COLOURS, Domains};
use crate::svg::canvas::{Canvas, Point, Rect, bent};
use crate::svg::text::Font;

pub(super) fn draw(canvas: &mut Canvas, lan: &Lan, plan: &Plan, placed: &Placed) {
    for (area, at) in plan.areas.iter().zip(&placed.areas) {
        let title = area.number.map_or_else(|| "no link leads here".to_owned(), |number| format!("broadcast domain {number}"));
        canvas.open_box("broadcast-domain", &title, at.rect, "area", 10);
        canvas.text((at.rect.x + 16, at.rect.y + 22), Font::NAME, "muted", &title);
        hulls(canvas, plan, area, at);
        bodies(canvas, area, at);
        for (row, points) in area.rows.iter().zip(&at.branches) {
            if let Some((_, link)) = row.parent {
                // Before the card, where the line is its own.
                let end = points.last().copied().unwrap_or_default();
                line(canvas, lan, plan, link, points, (end.0 - 20, end.1));
            }
        }
        for (of, points) in area.loops.iter().zip(&at.loops) {
            line(canvas, lan, plan, of.link, points, (points[0].0 + 20, points[0].1));
        }
        for (row, card) in area.rows.iter().zip(&at.cards) {
            canvas.open_box(row.kind, &row.name, *card, "card", 6);
            canvas.tooltip(&format!("{} ({})", row.name, row.kind));
            icon(canvas, (card.x + 15, card.y + CARD / 2), row.kind);
            let name = Font::BODY;
            canvas.text((card.x + 30, card.y + 16), name, "", &row.name);
            if let Some(about) = &row.about {
                canvas.text((card.x + 30 + name.width(&row.name) + 8, card.y + 16), Font::TINY, "muted", about);
            }
            canvas.close();
        }
        canvas.close();
    }
    // What leaves a box lies above it; where two cross, the later one goes over the other.
    for (area, at) in plan.areas.iter().zip(&placed.areas) {
        for (way, points) in area.ways.iter().zip(&at.ways) {
            line(canvas, lan, plan, way.link, points, (points[0].0 + 20, points[0].1));
        }
    }
    for (joint, at) in plan.joints.iter().zip(&placed.joints) {
        canvas.open_box(joint.kind, &joint.name, at.rect, "joint", 8);
        canvas.tooltip(&format!("{} ({}): between broadcast domains", joint.name, joint.kind));
        icon(canvas, (at.rect.x + 18, at.rect.y + 16), joint.kind);
        canvas.text((at.rect.x + 36, at.rect.y + 20), Font::NAME, "", &joint.name);
        debug_assert!(at.ports.iter().all(|port| *port >= at.rect.y + JOINT_HEAD));
        for (port, y) in joint.ports.iter().zip(&at.ports) {
            canvas.text((at.rect.x + 14, y + 4), Font::SMALL, "muted", port);
        }
        canvas.close();
    }
}

fn icon(canvas: &mut Canvas, at: Point, kind: &str) {
    canvas.moved(at, "icon", icons::shapes(kind));
}

fn class(number: usize) -> String {
    format!("k{}", number.saturating_sub(1) % COLOURS)
}

/// A link in its domain's colour, with its number.
fn line(canvas: &mut Canvas, lan: &Lan, plan: &Plan, link: usize, points: &[Point], mark: Point) {
    let number = plan.collision.get(link).copied().unwrap_or_default();
    canvas.open(&format!("link {}", class(number)));
    let is_up = lan.links.get(link).is_none_or(|link| link.up);
    if let Some(link) = lan.links.get(link) {
        canvas.tooltip(&format!("{}: collision domain {number}", lan.sentence(link)));
    }
    canvas.path("under", &bent(points));
    canvas.path(if is_up { "line" } else { "line down" }, &bent(points));
    let text = number.to_string();
    let width = Font::TINY.width(&text) + 10;
    canvas.rect(Rect::new(mark.0 - width / 2, mark.1 - 7, width, 14), "mark", 7);
    canvas.text((mark.0 - Font::TINY.width(&text) / 2, mark.1 + 4), Font::TINY, "number", &text);
    canvas.close();
}

/// What a card's lines leave from, below it: a device with several links is one thing.
fn body(area: &Area, at: &AreaPlace, row: usize) -> Option<Rect> {
    let below = area.rows.iter().zip(&at.branches).filter(|(other, _)| other.parent.is_some_and(|(parent, _)| parent == row));
    let last = below.filter_map(|(_, points)| points.first().map(|point| point.1)).max()?;
    let card = at.cards[row];
    Some(Rect::new(card.x + 8, card.bottom() - 1, 10, last - card.bottom() + 9))
}

fn bodies(canvas: &mut Canvas, area: &Area, at: &AreaPlace) {
    for row in 0..area.rows.len() {
        if let Some(body) = body(area, at, row) {
            canvas.rect(body, "body", 4);
        }
    }
}

/// Behind a hub and its links: they are one collision domain. Where the ground of two meets, it is no darker.
fn hulls(canvas: &mut Canvas, plan: &Plan, area: &Area, at: &AreaPlace) {
    if !area.rows.iter().any(|row| repeats(row.kind)) {
        return;
    }
    canvas.open("hulls");
    for (index, row) in area.rows.iter().enumerate().filter(|(_, row)| repeats(row.kind)) {
        let own = row.parent.map(|(_, link)| link);
        let below = area.rows.iter().filter_map(|other| other.parent).find(|(parent, _)| *parent == index).map(|(_, link)| link);
        let out = area.ways.iter().find(|way| way.row == index).map(|way| way.link);
        let Some(number) = own.or(below).or(out).and_then(|link| plan.collision.get(link)) else { continue };
        let card = at.cards[index];
        let (left, top, right, bottom) = (card.x - 8, card.y - 6, card.right() + 8, card.bottom() + 6);
        canvas.open(&class(*number));
        match body(area, at, index) {
            Some(body) => {
                let (inner, end) = (card.x + INDENT - 3, body.bottom() + 6);
                canvas.path("shared", &format!("M{left} {top} H{right} V{bottom} H{inner} V{end} H{left} Z"));
            }
            None => canvas.path("shared", &format!("M{left} {top} H{right} V{bottom} H{left} Z")),
        }
        canvas.close();
    }
    canvas.close();
}

/// What the marks mean, and how many devices there are of each kind. Returns where it ends.
pub(super) fn legend(canvas: &mut Canvas, lans: &[Domains<'_>], (left, top): Point, width: i32) -> i32 {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let devices = lans.iter().flat_map(|lan| lan.lan.devices.values());
    devices.for_each(|device| *kinds.entry(device.kind()).or_default() += 1);
    let order = ["hub", "repeater", "bridge", "switch", "router", "balancer", "host"];
    let words: Vec<(&str, String)> = order.iter().filter_map(|kind| {
        let count = kinds.get(kind)?;
        let plural = if *count == 1 { "" } else if *kind == "switch" { "es" } else { "s" };
        Some((*kind, format!("{count} {kind}{plural}")))
    }).collect();
    let has = |test: fn(&str) -> bool| kinds.keys().any(|kind| test(kind));
    canvas.open("legend");
    let (mut x, mut y) = (left, top + 16);
    for (kind, text) in &words {
        let wide = 24 + Font::SMALL.width(text) + 22;
        if x > left && x + wide > left + width {
            (x, y) = (left, y + 26);
        }
        icon(canvas, (x + 10, y - 4), kind);
        canvas.text((x + 26, y), Font::SMALL, "", text);
        x += wide;
    }
    let is_down = lans.iter().any(|lan| lan.lan.links.iter().any(|link| !link.up));
    let samples: [(bool, &str); 4] = [
        (true, "a link, with the number of its collision domain: links of one colour and number are one domain"),
        (has(repeats), "a hub or a repeater repeats every bit: all its links are one collision domain"),
        (has(joins), "how far a broadcast reaches: routers and hosts do not pass it on"),
        (is_down, "a link that is down: domains are counted as if it were up"),
    ];
    for (at, (_, text)) in samples.iter().enumerate().filter(|(_, (is_shown, _))| *is_shown) {
        y += 26;
        match at {
            0 => {
                canvas.open("k0");
                canvas.path("line", &format!("M{left} {} L{} {}", y - 4, left + 40, y - 4));
                canvas.rect(Rect::new(left + 12, y - 11, 16, 14), "mark", 7);
                canvas.text((left + 17, y), Font::TINY, "number", "1");
                canvas.close();
            }
            1 => {
                canvas.open("hulls");
                canvas.open("k0");
                canvas.path("shared", &format!("M{left} {} H{} V{} H{left} Z", y - 13, left + 40, y + 5));
                canvas.close();
                canvas.close();
            }
            3 => {
                canvas.open("k0");
                canvas.path("line down", &format!("M{left} {} L{} {}", y - 4, left + 40, y - 4));
                canvas.close();
            }
            _ => canvas.rect(Rect::new(left, y - 13, 40, 18), "area", 5),
        }
        canvas.text((left + 52, y), Font::SMALL, "muted", &Font::SMALL.fit(text, width - 52));
    }
    canvas.close();
    y + 12
}
