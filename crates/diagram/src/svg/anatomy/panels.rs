//! Namespaces, rights, limits and other mounts: columns of lines.

use container::engine::Anatomy;

use super::super::canvas::{Canvas, Point, Rect};
use super::{GAP, PAD, Words, broken, filled, height_of};
use crate::anatomy::chapters::{self, Line, inode, whose};

/// Three columns of panels; returns where they end.
pub(super) fn draw(canvas: &mut Canvas, found: &Anatomy, (x, y): Point, width: i32) -> i32 {
    let mut panels: Vec<(&'static str, Vec<Words>)> = Vec::new();
    if found.subject.is_alive {
        let mut lines = vec![Words::name("namespaces")];
        for one in &found.namespaces {
            lines.push(Words::small(format!("{}: {}", one.kind, whose(one))));
            lines.push(Words::muted(format!("{} · {}", inode(one), one.what)).indent(10));
        }
        panels.push(("namespaces", lines));
    }
    for chapter in chapters::of(found) {
        if !matches!(chapter.title, "rights" | "limits" | "mounts" | "not seen") {
            continue;
        }
        let mut lines = vec![Words::name(chapter.title), Words::small(chapter.about)];
        for line in chapter.lines {
            lines.push(match line {
                Line::Words(text) => Words::muted(text),
                Line::Type(text) => Words::muted(format!("type: {text}")),
                Line::Cells(cells) | Line::Heading(cells) => {
                    let parts: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect();
                    Words::muted(parts.join(": "))
                }
            });
        }
        panels.push((chapter.title, lines));
    }
    let columns = 3;
    let wide = (width - GAP * (columns - 1)) / columns;
    let mut ends = [y; 3];
    for (name, lines) in panels {
        let lines = broken(lines.into_iter().filter(|line| !line.text.is_empty()).collect(), wide - 2 * PAD, 4);
        let shortest = (0..ends.len()).min_by_key(|at| ends[*at]).unwrap_or(0);
        let left = x + i32::try_from(shortest).unwrap_or(0) * (wide + GAP);
        let rect = Rect::new(left, ends[shortest], wide, height_of(lines.len()));
        ends[shortest] = filled(canvas, "panel", name, rect, "panel", &lines) + GAP;
    }
    ends.into_iter().max().unwrap_or(y) - GAP
}
