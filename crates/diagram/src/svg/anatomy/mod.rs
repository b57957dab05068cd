//! A container or an instance taken apart, as a picture: who is in whom and its processes, the root as a stack of layers,
//! the network as one way from inside to the VPC, and the rest in panels. What is said is decided in
//! [`crate::anatomy::chapters`] where the tree says it too.

mod body;
mod network;
mod panels;

use container::engine::Anatomy;

use super::canvas::{Canvas, Rect};
use super::page;
use super::text::Font;
use crate::anatomy::short;

/// Width of the picture and of its edges.
const WIDTH: i32 = 1_200;
const EDGE: i32 = 32;
const GAP: i32 = 20;
/// From line to line.
const LINE: i32 = 17;
const PAD: i32 = 14;

pub(crate) fn draw(found: &Anatomy) -> String {
    let mut canvas = Canvas::default();
    let inner = WIDTH - 2 * EDGE;
    let half = (inner - GAP) / 2;
    let mut top = 96;
    let subject = &found.subject;
    if subject.kind == "container" {
        let (left, right) = (EDGE, EDGE + half + GAP);
        let one = if subject.is_alive { body::nested(&mut canvas, found, (left, top), half) } else { body::ended(&mut canvas, found, (left, top), half) };
        let other = body::stack(&mut canvas, found, (right, top), half);
        top = one.max(other) + GAP;
    } else {
        top = body::nested(&mut canvas, found, (EDGE, top), inner) + GAP;
    }
    if subject.is_alive {
        top = network::draw(&mut canvas, found, (EDGE, top), inner) + GAP;
    }
    top = panels::draw(&mut canvas, found, (EDGE, top), inner);
    page((WIDTH, top + EDGE), (EDGE, inner), (&title(found), &subtitle(found)), canvas).text()
}

fn title(found: &Anatomy) -> String {
    format!("{} {}", found.subject.kind, found.subject.name)
}

fn subtitle(found: &Anatomy) -> String {
    let subject = &found.subject;
    let parts = match &subject.image {
        Some(image) => vec![
            short(&subject.id).to_owned(),
            format!("image {image}"),
            format!("instance {}", subject.instance),
            format!("lab {}", subject.lab),
            subject.status.clone(),
        ],
        None => vec![subject.id.clone(), format!("lab {}", subject.lab), subject.status.clone()],
    };
    parts.join(" · ")
}

/// A line of text in a box.
struct Words {
    font: Font,
    class: &'static str,
    indent: i32,
    text: String,
}

impl Words {
    fn small(text: impl Into<String>) -> Words {
        Words { font: Font::SMALL, class: "", indent: 0, text: text.into() }
    }

    fn muted(text: impl Into<String>) -> Words {
        Words { class: "muted", ..Words::small(text) }
    }

    fn name(text: impl Into<String>) -> Words {
        Words { font: Font::NAME, ..Words::small(text) }
    }

    fn indent(self, indent: i32) -> Words {
        Words { indent, ..self }
    }
}

/// Lines broken to a width: at most `most` each.
fn broken(words: Vec<Words>, width: i32, most: usize) -> Vec<Words> {
    let mut lines = Vec::new();
    for one in words {
        // Narrow letters are narrower here than in some fonts: a little room is left.
        for text in one.font.wrap(&one.text, (width - one.indent) * 9 / 10, most) {
            lines.push(Words { text, font: one.font, class: one.class, indent: one.indent });
        }
    }
    lines
}

/// Height of a box with so many lines.
fn height_of(lines: usize) -> i32 {
    2 * PAD + i32::try_from(lines).unwrap_or(0) * LINE - 4
}

/// Writes lines from the top of a box.
fn write(canvas: &mut Canvas, rect: Rect, lines: &[Words]) {
    let mut y = rect.y + PAD + 10;
    for line in lines {
        let room = rect.w - 2 * PAD - line.indent;
        canvas.text((rect.x + PAD + line.indent, y), line.font, line.class, &line.font.fit(&line.text, room));
        y += LINE;
    }
}

/// A box with lines; returns where it ends.
fn filled(canvas: &mut Canvas, kind: &str, name: &str, rect: Rect, class: &str, lines: &[Words]) -> i32 {
    canvas.open_box(kind, name, rect, class, 8);
    write(canvas, rect, lines);
    canvas.close();
    rect.bottom()
}
