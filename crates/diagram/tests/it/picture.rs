//! The SVG as a structure: well-formed, alone, boxes in boxes, nothing on top of anything else. Set
//! `VPCLAB_PICTURES` to a directory to look at the pictures themselves.

use crate::clouds;
use crate::xml::{self, Box, Document, Rect};

/// The pictures of all clouds, and of arbitrary ones.
fn pictures() -> Vec<(String, model::Model, Document)> {
    let known = clouds::all().map(|(name, model)| (name.to_owned(), model));
    let arbitrary = (0..60).map(|seed| (format!("arbitrary-{seed}"), clouds::arbitrary(seed)));
    let mut pictures = Vec::new();
    for (name, model) in known.into_iter().chain(arbitrary) {
        let svg = diagram::svg(&model);
        if let Some(directory) = std::env::var_os("VPCLAB_PICTURES") {
            std::fs::write(std::path::Path::new(&directory).join(format!("{name}.svg")), &svg).expect("write");
        }
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{name} is not well-formed: {error}"));
        pictures.push((name, model, document));
    }
    pictures
}

#[test]
fn a_picture_is_well_formed_and_needs_nothing_else() {
    for (name, model, document) in pictures() {
        assert_eq!(document.root, "svg", "{name}");
        let svg = diagram::svg(&model);
        for foreign in ["<script", "href", "url(", "@import", "<foreignObject", "onload"] {
            assert!(!svg.contains(foreign), "{name}: {foreign}");
        }
        assert!(svg.contains("prefers-color-scheme:dark"));
    }
}

#[test]
fn boxes_lie_in_their_box_and_siblings_apart() {
    fn check(picture: &str, parent: Option<Rect>, boxes: &[Box]) {
        for (at, one) in boxes.iter().enumerate() {
            if let Some(parent) = parent {
                assert!(parent.contains(one.rect), "{picture}: {} {} leaves its box", one.kind, one.name);
            }
            for other in &boxes[at + 1..] {
                // Gateways stand on the edge of their VPC, connections between VPCs in the region's box.
                let stands_on = |kind: &str| matches!(kind, "gateway" | "peering");
                let is_apart = stands_on(&one.kind) != stands_on(&other.kind) || !one.rect.overlaps(other.rect);
                assert!(is_apart, "{picture}: {} {} and {} {} overlap", one.kind, one.name, other.kind, other.name);
            }
            check(picture, Some(one.rect), &one.boxes);
        }
    }
    for (name, _, document) in pictures() {
        check(&name, Some(document.size), &document.boxes);
    }
}

#[test]
fn every_thing_is_in_the_picture_under_its_name() {
    for (picture, model, document) in pictures() {
        let drawn = |kind: &str| {
            let mut names: Vec<String> = document.all().filter(|b| b.kind == kind).map(|b| b.name.clone()).collect();
            names.sort();
            names
        };
        let mut instances: Vec<String> = model.instances.values().map(|i| model::tag::name(&i.tags).unwrap_or(i.id.as_str()).to_owned()).collect();
        instances.sort();
        assert_eq!(drawn("instance"), instances, "{picture}");
        assert_eq!(drawn("subnet").len(), model.subnets.len(), "{picture}");
        assert_eq!(drawn("vpc").len(), model.vpcs.len(), "{picture}");
        assert_eq!(drawn("peering").len(), model.vpc_peering_connections.len(), "{picture}");
        assert_eq!(drawn("place").len(), model.outside.len(), "{picture}");
        assert_eq!(drawn("gateway").len(), model.internet_gateways.values().filter(|igw| igw.vpc_id.is_some()).count() + others(&model), "{picture}");
        for instance in document.all().filter(|b| b.kind == "instance") {
            // Cut names start alike, and the whole stands in the tooltip.
            let shown = &instance.texts[0].text;
            assert!(instance.name.starts_with(shown.trim_end_matches('…')), "{picture}: {shown} is not {}", instance.name);
            assert!(instance.tooltip.starts_with(&instance.name), "{picture}: {}", instance.tooltip);
        }
    }
}

/// Gateways that are no internet gateways.
fn others(model: &model::Model) -> usize {
    let is_gateway = |endpoint: &&model::VpcEndpoint| matches!(endpoint.kind, model::endpoint::VpcEndpointKind::Gateway { .. });
    let attached = model.vpn_gateways.values().filter(|gateway| gateway.vpc_id.is_some()).count();
    let transit = model.transit_gateway_attachments.values().filter(|attachment| attachment.vpc_id().is_some()).count();
    transit + model.egress_only_internet_gateways.len() + attached + model.vpc_endpoints.values().filter(is_gateway).count()
}

#[test]
fn no_text_lies_on_another_or_leaves_its_box() {
    for (picture, _, document) in pictures() {
        let texts: Vec<_> = document.all_texts().collect();
        for (at, one) in texts.iter().enumerate() {
            assert!(document.size.contains(one.rect), "{picture}: {} leaves the picture", one.text);
            for other in &texts[at + 1..] {
                assert!(!one.rect.overlaps(other.rect), "{picture}: {} and {} overlap", one.text, other.text);
            }
        }
        for one in document.all() {
            for text in &one.texts {
                assert!(one.rect.contains(text.rect), "{picture}: {} leaves {} {}", text.text, one.kind, one.name);
            }
        }
    }
}

#[test]
fn lines_cross_nothing_but_the_edges_of_what_they_lead_to() {
    // From a subnet's edge to the cards that are its targets.
    const MARGIN: i32 = 15;
    for (picture, _, document) in pictures() {
        let texts: Vec<_> = document.all_texts().collect();
        let points: Vec<(i32, i32)> = document.lines.iter().flat_map(|line| xml::points(line)).collect();
        for point in &points {
            for one in document.all() {
                let inner = match one.kind.as_str() {
                    "subnet" => one.rect.shrunk(MARGIN),
                    "instance" | "nat" | "interface" | "endpoint" | "place" | "group" | "table" | "acl" => one.rect,
                    "internet" => one.rect.shrunk(2),
                    _ => continue,
                };
                assert!(!inner.holds(*point), "{picture}: a line crosses {} {} at {point:?}", one.kind, one.name);
            }
            for text in &texts {
                // Gateways and connections lie above the lines that lead to them.
                assert!(text.is_on_pill || !text.rect.holds(*point), "{picture}: a line crosses `{}` at {point:?}", text.text);
            }
        }
    }
}

#[test]
fn every_route_that_leads_somewhere_has_its_line() {
    for (picture, model, document) in pictures() {
        let scene = diagram::Scene::of(&model);
        let routes = scene.subnets().flat_map(|subnet| &subnet.routes).filter(|route| !route.blackhole && route.key.is_some()).count();
        assert_eq!(document.dots, routes, "{picture}");
    }
}
