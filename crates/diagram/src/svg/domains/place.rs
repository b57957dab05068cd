//! Where everything of a lan stands. Rows of a domain hang below each other as in a tree of files; what leads out leaves to the
//! right, where its row is empty, and finds its way in a lane of its own.

use crate::domains::tree::{Area, Plan, joins};
use crate::svg::canvas::{Point, Rect};
use crate::svg::text::Font;

/// From row to row, and the height of a card. Both, and all that follows from them, are multiples of four, so that no line of
/// a row lies on the line of a port.
const ROW: i32 = 36;
pub(super) const CARD: i32 = 24;
/// How far to the right a level hangs.
pub(super) const INDENT: i32 = 60;
/// Room within a box, and for its name.
const PAD: i32 = 16;
const HEAD: i32 = 36;
/// Between boxes, and between lanes.
const GAP: i32 = 24;
const LANE: i32 = 12;
/// Between two lines that leave a card.
const SLOT: i32 = 16;
/// From so many on, what ends at a device stands in two columns.
const MANY: usize = 9;
/// Height of a port, and of the name above ports.
const PORT: i32 = 20;
pub(super) const JOINT_HEAD: i32 = 28;

/// A lan with places.
pub(super) struct Placed {
    pub areas: Vec<AreaPlace>,
    pub joints: Vec<JointPlace>,
    pub right: i32,
    pub bottom: i32,
}

/// A domain's box, its cards, and the lines of its loops and ways.
pub(super) struct AreaPlace {
    pub rect: Rect,
    pub cards: Vec<Rect>,
    /// For each card, how the line to it leaves its parent.
    pub branches: Vec<Vec<Point>>,
    pub loops: Vec<Vec<Point>>,
    pub ways: Vec<Vec<Point>>,
}

pub(super) struct JointPlace {
    pub rect: Rect,
    /// The middle of each port's line.
    pub ports: Vec<i32>,
}

/// Gives places from a corner on.
pub(super) fn place(plan: &Plan, (left, top): Point) -> Placed {
    let (mut areas, mut y) = (Vec::new(), top);
    for area in &plan.areas {
        let placed = area_at(area, (left, y));
        y = placed.rect.bottom() + GAP;
        areas.push(placed);
    }
    let right = areas.iter().map(|area: &AreaPlace| area.rect.right()).max().unwrap_or(left);
    areas.iter_mut().for_each(|area| area.rect.w = right - left);
    let joints = joints(plan, &areas, top);
    let lanes = lanes(plan, &mut areas, &joints, right + GAP);
    let at = right + GAP + lanes * LANE + GAP;
    let mut placed = Placed { areas, joints, right, bottom: y - GAP };
    for joint in &mut placed.joints {
        joint.rect.x = at;
        placed.right = placed.right.max(joint.rect.right());
        placed.bottom = placed.bottom.max(joint.rect.bottom());
    }
    for (area, of) in placed.areas.iter_mut().zip(&plan.areas) {
        for (line, way) in area.ways.iter_mut().zip(&of.ways) {
            line.push((at, placed.joints[way.joint].ports[way.port]));
        }
    }
    placed
}

/// Width of a card: icon, name, address.
fn card_width(name: &str, about: Option<&str>) -> i32 {
    let about = about.map_or(0, |about| Font::TINY.width(about) + 8);
    (30 + Font::BODY.width(name) + about + 10).max(76)
}

fn area_at(area: &Area, (left, top): Point) -> AreaPlace {
    let mut slots = vec![0; area.rows.len()];
    area.ways.iter().for_each(|way| slots[way.row] += 1);
    area.loops.iter().flat_map(|of| of.rows).for_each(|row| slots[row] += 1);
    let mut cards: Vec<Rect> = Vec::with_capacity(area.rows.len());
    let mut y = top + HEAD;
    let is_leaf = |row: usize| area.rows[row].parent.is_some() && !joins(area.rows[row].kind) && slots[row] == 0;
    let mut row = 0;
    while row < area.rows.len() {
        let x = left + PAD + area.rows[row].depth as i32 * INDENT;
        // What ends at the same device.
        let parent = area.rows[row].parent.map(|(parent, _)| parent);
        let alike = |other: &usize| is_leaf(*other) && area.rows[*other].parent.map(|(parent, _)| parent) == parent;
        let end = (row..area.rows.len()).find(|other| !alike(other)).unwrap_or(area.rows.len());
        let width = |row: usize| card_width(&area.rows[row].name, area.rows[row].about.as_deref());
        if end - row >= MANY {
            let half = (end - row).div_ceil(2);
            let widest = (row..row + half).map(width).max().unwrap_or_default();
            for at in row..end {
                let (column, line) = ((at - row) / half, (at - row) % half);
                cards.push(Rect::new(x + column as i32 * (widest + INDENT), y + line as i32 * ROW, width(at), CARD));
            }
            y += half as i32 * ROW;
            row = end;
        } else {
            let height = CARD + SLOT * (slots[row] - 1).max(0);
            cards.push(Rect::new(x, y, width(row), height));
            y += ROW - CARD + height;
            row += 1;
        }
    }
    let branches = area.rows.iter().enumerate().map(|(at, row)| row.parent.map(|(parent, _)| branch(&cards, parent, at)).unwrap_or_default());
    let branches: Vec<Vec<Point>> = branches.collect();
    let mut right = cards.iter().map(|card| card.right()).max().unwrap_or(left) + 36;
    let title = area.number.map_or(0, |number| Font::NAME.width(&format!("broadcast domain {number}")));
    right = right.max(left + 2 * PAD + title);
    let mut next = vec![0; area.rows.len()];
    let mut leave = |row: usize| {
        next[row] += 1;
        (cards[row].right(), cards[row].y + CARD / 2 + SLOT * (next[row] - 1))
    };
    let ways = area.ways.iter().map(|way| vec![leave(way.row)]).collect();
    let lines: Vec<[Point; 2]> = area.loops.iter().map(|of| of.rows.map(&mut leave)).collect();
    let loops = lines.into_iter().map(|[one, other]| {
        right += LANE;
        vec![one, (right, one.1), (right, other.1), other]
    });
    let loops = loops.collect();
    AreaPlace { rect: Rect::new(left, top, right + PAD - left, y - top + 8), cards, branches, loops, ways }
}

/// From a device's body to a card that hangs at it. A card of the second column is reached below the row beside it.
fn branch(cards: &[Rect], parent: usize, at: usize) -> Vec<Point> {
    let (from, to) = (cards[parent].x + 18, cards[at]);
    let (_, y) = to.middle();
    match to.x - cards[parent].x > INDENT {
        true => vec![(from, y + ROW / 2), (to.x - 40, y + ROW / 2), (to.x - 40, y), (to.x, y)],
        false => vec![(from, y), (to.x, y)],
    }
}

/// Each as near as it can be to the lines that lead to it.
fn joints(plan: &Plan, areas: &[AreaPlace], top: i32) -> Vec<JointPlace> {
    let ways = || plan.areas.iter().zip(areas).flat_map(|(area, placed)| area.ways.iter().zip(&placed.ways));
    let starts = |joint: usize| ways().filter(move |(way, _)| way.joint == joint).map(|(way, line)| (line[0].1, way.port));
    let mean = |joint: usize| {
        let (sum, count) = starts(joint).fold((0i64, 0i64), |(sum, count), (y, _)| (sum + i64::from(y), count + 1));
        (sum / count.max(1)) as i32
    };
    let mut order: Vec<usize> = (0..plan.joints.len()).collect();
    order.sort_by_key(|joint| (mean(*joint), *joint));
    let width = plan.joints.iter().map(|joint| {
        let ports = joint.ports.iter().map(|port| Font::SMALL.width(port) + 24).max().unwrap_or_default();
        (44 + Font::NAME.width(&joint.name)).max(ports)
    });
    let width = width.max().unwrap_or_default() + 12;
    let mut placed: Vec<Option<JointPlace>> = plan.joints.iter().map(|_| None).collect();
    let mut y = top;
    for joint in order {
        let height = JOINT_HEAD + PORT * plan.joints[joint].ports.len() as i32 + 8;
        y = y.max(mean(joint) - height / 2) & !3;
        // Ports stand in the order of where their lines come from.
        let mut lines: Vec<(i32, usize)> = starts(joint).collect();
        lines.sort_unstable();
        let mut ports = vec![0; lines.len()];
        lines.iter().enumerate().for_each(|(line, (_, port))| ports[*port] = y + JOINT_HEAD + PORT * line as i32 + PORT / 2);
        placed[joint] = Some(JointPlace { rect: Rect::new(0, y, width, height), ports });
        y += height + GAP;
    }
    placed.into_iter().flatten().collect()
}

/// Gives every way a lane, in which no other one goes up or down beside it; how many lanes there are.
fn lanes(plan: &Plan, areas: &mut [AreaPlace], joints: &[JointPlace], left: i32) -> i32 {
    let mut all: Vec<(i32, i32, usize, usize)> = Vec::new();
    for (at, area) in plan.areas.iter().enumerate() {
        for (number, way) in area.ways.iter().enumerate() {
            let (from, to) = (areas[at].ways[number][0].1, joints[way.joint].ports[way.port]);
            all.push((from.min(to), from.max(to), at, number));
        }
    }
    all.sort_unstable();
    let mut ends: Vec<i32> = Vec::new();
    for (from, to, at, number) in all {
        let lane = ends.iter().position(|end| *end + LANE < from).unwrap_or_else(|| {
            ends.push(0);
            ends.len() - 1
        });
        ends[lane] = to;
        let way = &plan.areas[at].ways[number];
        let x = left + lane as i32 * LANE;
        let (start, port) = (areas[at].ways[number][0].1, joints[way.joint].ports[way.port]);
        areas[at].ways[number].extend([(x, start), (x, port)]);
    }
    ends.len() as i32
}
