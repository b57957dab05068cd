//! Elements as text, nothing about what they mean.

use std::fmt::Write;

use super::text::{Font, escape};

/// A box in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
}

impl Rect {
    pub(super) fn new(x: i32, y: i32, w: i32, h: i32) -> Rect {
        Rect { x, y, w, h }
    }

    pub(super) fn right(self) -> i32 {
        self.x + self.w
    }

    pub(super) fn bottom(self) -> i32 {
        self.y + self.h
    }

    pub(super) fn middle(self) -> (i32, i32) {
        (self.x + self.w / 2, self.y + self.h / 2)
    }
}

/// A point.
pub(super) type Point = (i32, i32);

/// Radius of bends in lines.
const BEND: i32 = 7;

/// Elements so far.
#[derive(Default)]
pub(super) struct Canvas {
    out: String,
    depth: usize,
}

impl Canvas {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", " ".repeat(self.depth));
    }

    /// A group that is a box of the lab: `kind` says what of, `name` what it is called.
    pub(super) fn open_box(&mut self, kind: &str, name: &str, rect: Rect, class: &str, radius: i32) {
        self.line(&format!(r#"<g class="box" data-kind="{kind}" data-name="{}">"#, escape(name)));
        self.depth += 1;
        self.rect(rect, class, radius);
    }

    /// Any other group.
    pub(super) fn open(&mut self, class: &str) {
        self.line(&format!(r#"<g class="{class}">"#));
        self.depth += 1;
    }

    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.line("</g>");
    }

    /// What a pointer that rests there is told.
    pub(super) fn tooltip(&mut self, text: &str) {
        self.line(&format!("<title>{}</title>", escape(text)));
    }

    pub(super) fn rect(&mut self, rect: Rect, class: &str, radius: i32) {
        let Rect { x, y, w, h } = rect;
        self.line(&format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{radius}"/>"#));
    }

    /// Text whose baseline starts at a point.
    pub(super) fn text(&mut self, at: Point, font: Font, class: &str, text: &str) {
        self.anchored(at, font, class, "start", text);
    }

    /// Text whose baseline ends at a point.
    pub(super) fn text_to(&mut self, at: Point, font: Font, class: &str, text: &str) {
        self.anchored(at, font, class, "end", text);
    }

    fn anchored(&mut self, (x, y): Point, font: Font, class: &str, anchor: &str, text: &str) {
        let weight = if font.bold { r#" font-weight="600""# } else { "" };
        let size = font.size;
        let anchor = if anchor == "start" { String::new() } else { format!(r#" text-anchor="{anchor}""#) };
        let text = escape(text);
        self.line(&format!(r#"<text class="{class}" x="{x}" y="{y}" font-size="{size}"{weight}{anchor}>{text}</text>"#));
    }

    pub(super) fn circle(&mut self, (x, y): Point, radius: i32, class: &str) {
        self.line(&format!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.line(&format!(r#"<path class="{class}" d="{d}"/>"#));
    }

    /// A shape drawn around 0,0, moved to a point.
    pub(super) fn moved(&mut self, (x, y): Point, class: &str, shapes: &str) {
        self.line(&format!(r#"<g class="{class}" transform="translate({x} {y})">{shapes}</g>"#));
    }

    /// A triangle that points up, right or down at a point.
    pub(super) fn arrow(&mut self, (x, y): Point, towards: Towards, class: &str) {
        let (a, b) = match towards {
            Towards::Up => ((x - 5, y + 9), (x + 5, y + 9)),
            Towards::Right => ((x - 9, y - 5), (x - 9, y + 5)),
        };
        self.path(class, &format!("M{x} {y} L{} {} L{} {} Z", a.0, a.1, b.0, b.1));
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Where an arrow points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Towards {
    Up,
    Right,
}

/// A line through points, its corners rounded. Points that repeat or lie on the way are left out.
pub(super) fn bent(points: &[Point]) -> String {
    let mut way: Vec<Point> = Vec::new();
    for point in points {
        if way.last() == Some(point) {
            continue;
        }
        if let [.., a, b] = way[..]
            && (a.0 == b.0 && b.0 == point.0 || a.1 == b.1 && b.1 == point.1)
            && (b.0 - a.0).signum() == (point.0 - b.0).signum()
            && (b.1 - a.1).signum() == (point.1 - b.1).signum()
        {
            way.pop();
        }
        way.push(*point);
    }
    let mut d = String::new();
    for (at, point) in way.iter().enumerate() {
        if at == 0 {
            let _ = write!(d, "M{} {}", point.0, point.1);
        } else if at + 1 == way.len() {
            let _ = write!(d, " L{} {}", point.0, point.1);
        } else {
            let near = |other: Point| {
                let (dx, dy) = (other.0 - point.0, other.1 - point.1);
                let bend = BEND.min((dx.abs() + dy.abs()) / 2);
                (point.0 + dx.signum() * bend, point.1 + dy.signum() * bend)
            };
            let (before, after) = (near(way[at - 1]), near(way[at + 1]));
            let _ = write!(d, " L{} {} Q{} {} {} {}", before.0, before.1, point.0, point.1, after.0, after.1);
        }
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_rounded_and_straight_lines_stay_straight() {
        assert_eq!(bent(&[(0, 0), (0, 50), (0, 100)]), "M0 0 L0 100");
        assert_eq!(bent(&[(0, 0), (0, 0), (0, 50), (40, 50)]), "M0 0 L0 43 Q0 50 7 50 L40 50");
        assert_eq!(bent(&[(0, 0), (0, 6), (40, 6)]), "M0 0 L0 3 Q0 6 7 6 L40 6", "a short leg has a small bend");
    }
}
