//! Who is in whom, with the processes of each and their three numbers; and the root file system as a stack.

use container::engine::Anatomy;
use container::engine::anatomy::parts::Process;

use super::super::canvas::{Canvas, Point, Rect};
use super::super::text::Font;
use super::{LINE, PAD, Words, broken, filled, height_of, write};
use crate::anatomy::chapters::{layer_size, mount_words, role};
use crate::anatomy::{short, size};

/// Processes of one box that are shown.
const SHOWN: usize = 14;
/// Layers that are drawn.
const LAYERS: usize = 12;
/// Columns of numbers, and where the command begins.
const NUMBER: i32 = 62;

/// One row: its numbers stand in the same columns at any depth.
fn row(canvas: &mut Canvas, found: &Anatomy, columns: i32, right: i32, y: i32, process: &Process) {
    let number = |number: Option<i32>| number.map_or_else(|| "–".to_owned(), |number| number.to_string());
    let numbers = [process.machine, process.instance, process.container];
    for (at, value) in (1..).zip(numbers) {
        canvas.text_to((columns + NUMBER * at, y), Font::SMALL, if value.is_some() { "" } else { "muted" }, &number(value));
    }
    let start = columns + NUMBER * 3 + 18;
    let text = role(process, found).unwrap_or_else(|| process.command.clone());
    let class = if role(process, found).is_some() { "muted" } else { "" };
    canvas.text((start, y), Font::SMALL, class, &Font::SMALL.fit(&text, right - start));
}

/// This machine, the instance in it, the container in that.
pub(super) fn nested(canvas: &mut Canvas, found: &Anatomy, (x, y): Point, width: i32) -> i32 {
    let subject = &found.subject;
    let is_container = subject.kind == "container";
    let of = |roles: &[&str]| -> Vec<&Process> { found.processes.iter().filter(|one| roles.contains(&one.role.as_str())).collect() };
    let machine = of(&["holder"]);
    let instance = if is_container { of(&["init", "shim"]) } else { of(&["init", "instance", "shim", "container"]) };
    let own = if is_container { of(&["container"]) } else { Vec::new() };
    let cut = |all: &[&Process]| i32::try_from(all.len().min(SHOWN) + usize::from(all.len() > SHOWN)).unwrap_or(0);
    const HEAD: i32 = 30;
    let own_height = if is_container { HEAD + cut(&own) * LINE + 8 } else { 0 };
    let instance_height = HEAD + cut(&instance) * LINE + 6 + if is_container { own_height + 10 } else { 0 };
    let total = 52 + cut(&machine) * LINE + 6 + instance_height + 10 + 46;
    let outer = Rect::new(x, y, width, total);
    let columns = x + 8;
    let right = x + width - PAD - 24;
    let rows = |canvas: &mut Canvas, all: &[&Process], mut y: i32| {
        for process in all.iter().take(SHOWN) {
            row(canvas, found, columns, right, y, process);
            y += LINE;
        }
        if all.len() > SHOWN {
            let text = format!("and {} more", all.len() - SHOWN);
            canvas.text((columns + NUMBER * 3 + 18, y), Font::SMALL, "muted", &text);
            y += LINE;
        }
        y
    };
    canvas.open_box("machine", "this machine", outer, "region", 12);
    canvas.text((x + PAD, y + 22), Font::HEADING, "", "this machine");
    let third = if is_container { subject.name.clone() } else { "container".to_owned() };
    let names = ["machine".to_owned(), subject.instance.clone(), third];
    for (at, name) in (1..).zip(&names) {
        canvas.text_to((columns + NUMBER * at, y + 42), Font::TINY, "muted", &Font::TINY.fit(name, NUMBER - 6));
    }
    canvas.text((columns + NUMBER * 3 + 18, y + 42), Font::TINY, "muted", "the number of a process in each list, and what it is");
    let mut at = rows(canvas, &machine, y + 62) - 6;
    let boxed = Rect::new(x + 8, at, width - 16, instance_height);
    canvas.open_box("instance", &subject.instance, boxed, "internal", 10);
    canvas.text((boxed.x + PAD, at + 20), Font::NAME, "", &Font::NAME.fit(&format!("instance {}", subject.instance), width - 60));
    at = rows(canvas, &instance, at + HEAD + 10);
    if is_container {
        at -= 8;
        let inner = Rect::new(x + 16, at, width - 32, own_height);
        canvas.open_box("container", &subject.name, inner, "public", 8);
        canvas.text((inner.x + PAD, at + 20), Font::NAME, "", &Font::NAME.fit(&format!("container {}", subject.name), width - 80));
        rows(canvas, &own, at + HEAD + 10);
        canvas.close();
    }
    canvas.close();
    let floor = Rect::new(x + 8, outer.bottom() - 42, width - 16, 34);
    let text = format!("one kernel for all: uname -r says {} in each", found.kernel.machine);
    canvas.open_box("kernel", "kernel", floor, "internet", 8);
    canvas.text((floor.x + PAD, floor.y + 21), Font::NAME, "", &Font::NAME.fit(&text, floor.w - 2 * PAD));
    canvas.close();
    canvas.close();
    outer.bottom()
}

/// What is left of one that does not run.
pub(super) fn ended(canvas: &mut Canvas, found: &Anatomy, (x, y): Point, width: i32) -> i32 {
    let subject = &found.subject;
    let mut lines = vec![Words::name(subject.status.clone())];
    lines.extend(subject.out_of_memory.then(|| Words::small("the kernel ended it for want of memory")));
    lines.push(Words::muted("No process, no namespace, no device is left of it: what is left are files."));
    lines.push(Words::muted(format!("ran: {}", subject.command.join(" "))));
    let lines = broken(lines, width - 2 * PAD, 3);
    let rect = Rect::new(x, y, width, height_of(lines.len()));
    filled(canvas, "ended", &subject.name, rect, "isolated", &lines)
}

/// The layers of the root, the writable one on top, and the volumes beside them.
pub(super) fn stack(canvas: &mut Canvas, found: &Anatomy, (x, y): Point, width: i32) -> i32 {
    let root = &found.root;
    let room = width - 2 * PAD - 24;
    let mut boxes: Vec<(&str, String, &str, Vec<Words>)> = Vec::new();
    if let Some(own) = &root.own {
        let total = own.added + own.changed + own.deleted;
        let counts = match total {
            0 => "nothing written yet".to_owned(),
            _ => format!("{} added, {} changed, {} deleted · {}", own.added, own.changed, own.deleted, size(own.bytes)),
        };
        let mut lines = vec![Words::name("its own layer: writable, goes with the container"), Words::small(counts)];
        for entry in own.entries.iter().take(4) {
            let bytes = entry.bytes.map(|bytes| format!("  {}", size(bytes))).unwrap_or_default();
            lines.push(Words::muted(format!("{} {}{bytes}", entry.kind, entry.path)).indent(10));
        }
        boxes.push(("layer", "own".to_owned(), "public", lines));
    }
    // Of a tall stack the top and the bottom are drawn.
    let many = root.layers.len();
    for (at, layer) in root.layers.iter().enumerate().rev() {
        if many > LAYERS && at == many - LAYERS / 2 - 1 {
            let text = format!("{} layers between", many - LAYERS);
            boxes.push(("layer", "between".to_owned(), "internal", vec![Words::muted(text)]));
        }
        if many > LAYERS && (LAYERS / 2..many - LAYERS / 2).contains(&at) {
            continue;
        }
        let shared = match layer.shared_by {
            0 => String::new(),
            1 => " · 1 other container has it".to_owned(),
            many => format!(" · {many} other containers have it"),
        };
        let made = layer.instruction.as_deref().unwrap_or("the image does not say what made it");
        let head = format!("layer {} · {} · {}{shared}", at + 1, short(&layer.digest), layer_size(layer));
        boxes.push(("layer", format!("layer {}", at + 1), "internal", vec![Words::small(head), Words::muted(made.to_owned())]));
    }
    for mount in found.mounts.iter().filter(|mount| matches!(mount.kind.as_str(), "volume" | "bind")) {
        let lines = vec![Words::name(format!("{} at {}", mount.kind, mount.target)), Words::muted(mount_words(mount))];
        boxes.push(("mount", mount.target.clone(), "internet", lines));
    }
    let mut foot = Vec::new();
    if let (Some("/"), Some(seen)) = (root.root_of_first.as_deref(), root.mounts_seen) {
        foot.push(Words::muted(format!(
            "pivot_root: / is the top of its own mount table ({seen} mounts), the old root is unmounted. After chroot the table would be \
             the instance's."
        )));
    }
    let foot = broken(foot, width - 2 * PAD, 3);
    let sized: Vec<(&str, String, &str, Vec<Words>)> =
        boxes.into_iter().map(|(kind, name, class, lines)| (kind, name, class, broken(lines, room, 2))).collect();
    let boxed: i32 = sized.iter().map(|(.., lines)| height_of(lines.len()) + 6).sum();
    let total = 40 + boxed + i32::try_from(foot.len()).unwrap_or(0) * LINE + 10;
    let outer = Rect::new(x, y, width, total);
    let kind = root.file_system.as_deref().unwrap_or("files");
    canvas.open_box("root", "/", outer, "panel", 12);
    canvas.text((x + PAD, y + 24), Font::HEADING, "", &Font::HEADING.fit(&format!("/ of {}: {kind}", found.subject.name), width - 2 * PAD));
    let mut at = y + 38;
    for (kind, name, class, lines) in &sized {
        let rect = Rect::new(x + 12, at, width - 24, height_of(lines.len()));
        canvas.open_box(kind, name, rect, class, 6);
        write(canvas, rect, lines);
        canvas.close();
        at = rect.bottom() + 6;
    }
    for line in &foot {
        canvas.text((x + PAD, at + 12), line.font, line.class, &line.text);
        at += LINE;
    }
    canvas.close();
    outer.bottom()
}
