//! What the tests read of an SVG: boxes with their rectangles, texts with the room they take, lines.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub w: i32,
    pub h: i32,
}

impl Rect {
    pub fn overlaps(self, other: Rect) -> bool {
        self.x < other.x + other.w && other.x < self.x + self.w && self.y < other.y + other.h && other.y < self.y + self.h
    }

    pub fn contains(self, other: Rect) -> bool {
        self.x <= other.x && self.y <= other.y && other.x + other.w <= self.x + self.w && other.y + other.h <= self.y + self.h
    }

    /// Inside, not on the edge.
    pub fn holds(self, (x, y): (i32, i32)) -> bool {
        self.x < x && x < self.x + self.w && self.y < y && y < self.y + self.h
    }

    pub fn shrunk(self, by: i32) -> Rect {
        Rect { x: self.x + by, y: self.y + by, w: self.w - 2 * by, h: self.h - 2 * by }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Text {
    pub text: String,
    pub rect: Rect,
    pub is_on_pill: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Box {
    pub kind: String,
    pub name: String,
    pub rect: Rect,
    pub tooltip: String,
    pub texts: Vec<Text>,
    pub boxes: Vec<Box>,
}

#[derive(Debug, Default)]
pub struct Document {
    pub root: String,
    pub size: Rect,
    pub boxes: Vec<Box>,
    pub texts: Vec<Text>,
    /// Path data of lines, those of the legend left out.
    pub lines: Vec<String>,
    /// Where routes begin, those of the legend left out.
    pub dots: usize,
}

fn attributes(tag: &BytesStart<'_>) -> BTreeMap<String, String> {
    let attribute = |a: quick_xml::events::attributes::Attribute<'_>| {
        (String::from_utf8(a.key.as_ref().to_vec()).unwrap(), a.unescape_value().unwrap().into_owned())
    };
    tag.attributes().map(|a| attribute(a.unwrap())).collect()
}

impl Document {
    pub fn parse(svg: &str) -> Result<Document, String> {
        let mut document = Document::default();
        // Open elements: what they are, and the box that is one.
        let mut open: Vec<(String, String, Option<Box>)> = Vec::new();
        let mut text: Option<(BTreeMap<String, String>, String)> = None;
        let mut title: Option<String> = None;
        let mut reader = Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let is_empty = matches!(event, Event::Empty(_));
            match event {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) => {
                    let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                    let attributes = attributes(&tag);
                    let get = |key: &str| attributes.get(key).cloned().unwrap_or_default();
                    let number = |key: &str| get(key).parse::<i32>().unwrap_or(0);
                    let class = get("class");
                    let in_legend = open.iter().any(|(_, class, _)| class == "legend");
                    match name.as_str() {
                        "svg" => {
                            document.root = name.clone();
                            document.size = Rect { x: 0, y: 0, w: number("width"), h: number("height") };
                        }
                        "rect" => {
                            // The first rectangle of a box is its own.
                            if let Some((_, _, Some(own))) = open.last_mut()
                                && own.rect == Rect::default()
                            {
                                own.rect = Rect { x: number("x"), y: number("y"), w: number("width"), h: number("height") };
                            }
                        }
                        "path" if class.split(' ').any(|word| word == "line") && !in_legend => document.lines.push(get("d")),
                        "circle" if class == "dot" && !in_legend => document.dots += 1,
                        "text" => text = Some((attributes.clone(), String::new())),
                        "title" => title = Some(String::new()),
                        _ => {}
                    }
                    if !is_empty {
                        let own = (class == "box").then(|| Box { kind: get("data-kind"), name: get("data-name"), ..Box::default() });
                        open.push((name, class, own));
                    }
                }
                Event::Text(bytes) => {
                    let decoded = bytes.decode().unwrap();
                    append(&mut text, &mut title, &decoded);
                }
                Event::GeneralRef(reference) => {
                    let name = reference.decode().unwrap();
                    let character = match name.as_ref() {
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        "quot" => "\"",
                        other => return Err(format!("&{other};")),
                    };
                    append(&mut text, &mut title, character);
                }
                Event::End(_) => {
                    let (name, _, own) = open.pop().ok_or("an end without a start")?;
                    match name.as_str() {
                        "text" => {
                            let (attributes, words) = text.take().ok_or("a text in a text")?;
                            let mut found = placed(&attributes, words);
                            found.is_on_pill = open.iter().any(|(.., b)| b.as_ref().is_some_and(|b| matches!(b.kind.as_str(), "gateway" | "peering")));
                            match open.iter_mut().rev().find_map(|(.., b)| b.as_mut()) {
                                Some(own) => own.texts.push(found),
                                None => document.texts.push(found),
                            }
                        }
                        "title" => {
                            if let (Some(words), Some(own)) = (title.take(), open.iter_mut().rev().find_map(|(.., b)| b.as_mut())) {
                                own.tooltip = words;
                            }
                        }
                        _ => {}
                    }
                    if let Some(own) = own {
                        match open.iter_mut().rev().find_map(|(.., b)| b.as_mut()) {
                            Some(parent) => parent.boxes.push(own),
                            None => document.boxes.push(own),
                        }
                    }
                }
                _ => {}
            }
        }
        if open.is_empty() { Ok(document) } else { Err("something is left open".to_owned()) }
    }

    /// Every box, at any depth.
    pub fn all(&self) -> impl Iterator<Item = &Box> {
        let mut left: Vec<&Box> = self.boxes.iter().collect();
        std::iter::from_fn(move || {
            let next = left.pop()?;
            left.extend(&next.boxes);
            Some(next)
        })
    }

    /// Every text, at any depth.
    pub fn all_texts(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter().chain(self.all().flat_map(|one| &one.texts))
    }
}

fn append(text: &mut Option<(BTreeMap<String, String>, String)>, title: &mut Option<String>, words: &str) {
    if let Some((_, so_far)) = text {
        so_far.push_str(words);
    } else if let Some(so_far) = title {
        so_far.push_str(words);
    }
}

/// The room that a text takes in a usual sans-serif font (Helvetica's average width), from its baseline up.
fn placed(attributes: &BTreeMap<String, String>, text: String) -> Text {
    let number = |key: &str| attributes.get(key).map_or(0, |value| value.parse::<i32>().unwrap());
    let size = number("font-size");
    let wide = text.chars().map(|c| if c.is_ascii() { 55 } else { 100 }).sum::<i32>() * size / 100;
    let x = if attributes.get("text-anchor").is_some_and(|anchor| anchor == "end") { number("x") - wide } else { number("x") };
    Text { rect: Rect { x, y: number("y") - size * 3 / 4, w: wide, h: size }, text, is_on_pill: false }
}

/// Points along a path of M, L and Q, four pixels apart. The last stretch before the end of a subpath, where an
/// arrow touches its target, is left out.
pub fn points(d: &str) -> Vec<(i32, i32)> {
    let mut points = Vec::new();
    for subpath in d.split('M').filter(|part| !part.trim().is_empty()) {
        let cleaned: String = subpath.chars().map(|c| if c == 'L' || c == 'Q' { ' ' } else { c }).collect();
        let numbers: Vec<i32> = cleaned.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let corners: Vec<(i32, i32)> = numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        for pair in corners.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let length = (b.0 - a.0).abs().max((b.1 - a.1).abs());
            points.extend((0..=length / 4).map(|step| {
                let along = |from: i32, to: i32| from + (to - from) * (step * 4) / length.max(1);
                (along(a.0, b.0), along(a.1, b.1))
            }));
        }
    }
    points
}
