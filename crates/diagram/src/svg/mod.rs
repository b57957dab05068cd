//! The scene as SVG. `text` and `measure` know sizes, `layout` gives everything its place, `boxes`, `edges` and
//! `panels` draw it on a `canvas`.

#[cfg(target_os = "linux")]
pub(crate) mod anatomy;
mod boxes;
mod canvas;
pub(crate) mod domains;
mod edges;
mod icons;
mod layout;
mod measure;
mod panels;
mod style;
mod text;

use std::fmt::Write;

use self::canvas::Canvas;
use self::layout::MARGIN;
use self::text::{Font, escape};
use crate::scene::{CardKind, Scene};

/// Where the boxes begin, below the title.
const TOP: i32 = 96;

pub(crate) fn draw(scene: &Scene) -> Page {
    let layout = layout::place(scene, TOP);
    let mut canvas = Canvas::default();
    boxes::draw(&mut canvas, scene, &layout);
    edges::draw(&mut canvas, &layout);
    boxes::pills(&mut canvas, &layout);
    let region = layout.region;
    let legend_bottom = panels::legend(&mut canvas, scene, MARGIN, region.bottom() + 22, region.w);
    let shelf = panels::Shelf::pleasant(scene, region.right(), legend_bottom, TOP);
    shelf.draw(&mut canvas);
    let width = shelf.right.max(region.right()) + MARGIN;
    let inner = width - 2 * MARGIN;
    let mut bottom = shelf.bottom.max(legend_bottom);
    if !scene.loose.is_empty() {
        for line in Font::SMALL.wrap(&format!("Belongs to nothing: {}", scene.loose.join(", ")), inner, 4) {
            bottom += 22;
            canvas.text((MARGIN, bottom), Font::SMALL, "muted", &line);
        }
    }
    page((width, bottom + MARGIN), (MARGIN, inner), (&title(scene), &subtitle(scene)), canvas)
}

/// A whole picture of a width and a height: title and subtitle, from `left` on and as wide as `inner`, above what was drawn.
fn page(size: (i32, i32), head: (i32, i32), titles: (&str, &str), drawn: Canvas) -> Page {
    page_with("", size, head, titles, drawn)
}

/// The same with more styles.
fn page_with(css: &str, (width, height): (i32, i32), (left, inner): (i32, i32), (title, subtitle): (&str, &str), drawn: Canvas) -> Page {
    let mut head = Canvas::default();
    head.text((left, 48), Font::TITLE, "", &Font::TITLE.fit(title, inner));
    head.text((left, 72), Font::BODY, "muted", &Font::BODY.fit(subtitle, inner));
    let mut inside = String::new();
    let _ = writeln!(inside, "<title>{}</title>\n<desc>{}</desc>\n<style>{}{}</style>", escape(title), escape(subtitle), style::CSS.trim_end(), css.trim_end());
    let _ = writeln!(inside, r#"<rect class="page" width="{width}" height="{height}"/>"#);
    inside.push_str(&head.finish());
    inside.push_str(&drawn.finish());
    Page { width, height, inside }
}

/// A whole picture.
pub(crate) struct Page {
    width: i32,
    height: i32,
    inside: String,
}

impl Page {
    /// As a file.
    pub(crate) fn text(&self) -> String {
        let Page { width, height, inside } = self;
        let mut svg = String::new();
        let _ = writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" style="color-scheme:light dark">"#
        );
        svg.push_str(inside);
        svg.push_str("</svg>\n");
        svg
    }

    /// Both, one below the other, as wide as the wider one.
    pub(crate) fn above(self, other: Page) -> Page {
        let (width, height) = (self.width.max(other.width), self.height + other.height);
        let mut inside = format!("<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n");
        for (page, top) in [(&self, 0), (&other, self.height)] {
            let _ = writeln!(inside, r#"<svg y="{top}" width="{}" height="{}">"#, page.width, page.height);
            inside.push_str(&page.inside);
            inside.push_str("</svg>\n");
        }
        Page { width, height, inside }
    }
}

fn title(scene: &Scene) -> String {
    match &scene.vpcs[..] {
        [] => format!("Nothing in {}", scene.region),
        vpcs => vpcs.iter().map(|vpc| vpc.name.as_str()).collect::<Vec<_>>().join(" · "),
    }
}

fn subtitle(scene: &Scene) -> String {
    let count = |number: usize, one: &str, many: &str| (number > 0).then(|| format!("{number} {}", if number == 1 { one } else { many }));
    let cards = |kind| scene.subnets().flat_map(|subnet| &subnet.cards).filter(|card| card.kind == kind).count();
    let counts = [
        count(scene.vpcs.len(), "VPC", "VPCs"),
        count(scene.subnets().count(), "subnet", "subnets"),
        count(cards(CardKind::Instance), "instance", "instances"),
        count(cards(CardKind::Nat), "NAT gateway", "NAT gateways"),
        count(scene.peerings.len(), "peering connection", "peering connections"),
        count(scene.transit.len(), "transit gateway", "transit gateways"),
        count(scene.groups.len(), "security group", "security groups"),
    ];
    let counts: Vec<String> = [Some(scene.region.clone())].into_iter().chain(counts).flatten().collect();
    counts.join(" · ")
}
