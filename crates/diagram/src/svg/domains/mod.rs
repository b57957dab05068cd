//! Domains of lans as a picture: a box for each broadcast domain on the left, what stands between them on the right, and links
//! in the colour and with the number of their collision domain. `place` gives places, `paint` draws, `style` has the colours.

mod icons;
mod paint;
mod place;
mod style;

use super::canvas::Canvas;
use super::text::Font;
use super::{Page, page_with};
use crate::domains::{Domains, tree};

/// The picture's edges.
const EDGE: i32 = 32;
/// Where the first lan begins, below the title.
const TOP: i32 = 96;
/// The narrowest picture: its legend has room.
const NARROWEST: i32 = 820;

pub(crate) fn draw(lans: &[Domains<'_>]) -> Page {
    let mut canvas = Canvas::default();
    let (mut top, mut right) = (TOP, EDGE + NARROWEST);
    for lan in lans {
        if lans.len() > 1 {
            canvas.text((EDGE, top + 12), Font::HEADING, "", &format!("{}: {}", lan.name, counts(lan)));
            top += 32;
        }
        let plan = tree::plan(lan);
        let placed = place::place(&plan, (EDGE, top));
        paint::draw(&mut canvas, lan.lan, &plan, &placed);
        top = placed.bottom + 28;
        right = right.max(placed.right);
    }
    let bottom = paint::legend(&mut canvas, lans, (EDGE, top), right - EDGE);
    let title = match lans {
        [one] => format!("Domains of {}", one.name),
        _ => format!("Domains of {} lans", lans.len()),
    };
    let subtitle = match lans {
        [one] => counts(one),
        _ => lans.iter().map(|lan| lan.name).collect::<Vec<_>>().join(" · "),
    };
    page_with(style::CSS, (right + EDGE, bottom + EDGE), (EDGE, right - EDGE), (&title, &subtitle), canvas)
}

/// `7 nodes · 6 links · 4 collision domains · 2 broadcast domains`.
fn counts(lan: &Domains<'_>) -> String {
    let many = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let counts = [
        many(lan.lan.devices.len(), "node"),
        many(lan.lan.links.len(), "link"),
        many(lan.collision.len(), "collision domain"),
        many(lan.broadcast.len(), "broadcast domain"),
    ];
    counts.join(" · ")
}
