//! Containers and instances taken apart, drawn: of what was once looked at, and of what nobody should have written. Set
//! `VPCLAB_PICTURES` to a directory to look at the pictures themselves.
#![cfg(target_os = "linux")]

use container::engine::Anatomy;
use diagram::anatomy::Style;

use crate::xml::{Box, Document, Rect};

fn of(name: &str) -> Anatomy {
    let path = format!("{}/tests/bodies/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One of each kind, and a container of long names with much of everything.
fn all() -> Vec<(&'static str, Anatomy)> {
    let mut crowded = of("container");
    let long = "a-name-that-somebody-chose-without-thinking-of-those-who-draw-it ".repeat(4);
    crowded.subject.name = "\u{1b}[31m<script>&\"name".to_owned();
    let process = crowded.processes.last().cloned().expect("a process");
    crowded.processes.extend((0..40).map(|_| container::engine::anatomy::parts::Process { command: long.clone(), ..process.clone() }));
    let layer = crowded.root.layers[0].clone();
    crowded.root.layers.extend((0..20).map(|_| container::engine::anatomy::parts::Layer { instruction: Some(long.clone()), ..layer.clone() }));
    let member = crowded.network.bridges[0].members[0].clone();
    crowded.network.bridges[0].members.extend(std::iter::repeat_n(member, 30));
    let bridge = crowded.network.bridges[0].clone();
    crowded.network.bridges.extend([bridge.clone(), bridge]);
    vec![("container", of("container")), ("instance", of("instance")), ("ended", of("ended")), ("crowded", crowded)]
}

#[test]
fn pictures_are_whole_and_nothing_lies_on_anything_else() {
    fn check(picture: &str, parent: Option<Rect>, boxes: &[Box]) {
        for (at, one) in boxes.iter().enumerate() {
            if let Some(parent) = parent {
                assert!(parent.contains(one.rect), "{picture}: {} {} leaves its box", one.kind, one.name);
            }
            for other in &boxes[at + 1..] {
                assert!(!one.rect.overlaps(other.rect), "{picture}: {} {} and {} {} overlap", one.kind, one.name, other.kind, other.name);
            }
            for text in &one.texts {
                assert!(one.rect.contains(text.rect), "{picture}: {} leaves {} {}", text.text, one.kind, one.name);
                for inner in &one.boxes {
                    assert!(!inner.rect.overlaps(text.rect), "{picture}: {} lies on {} {}", text.text, inner.kind, inner.name);
                }
            }
            check(picture, Some(one.rect), &one.boxes);
        }
    }
    for (name, anatomy) in all() {
        let svg = diagram::anatomy::svg(&anatomy);
        if let Some(directory) = std::env::var_os("VPCLAB_PICTURES") {
            std::fs::write(std::path::Path::new(&directory).join(format!("anatomy-{name}.svg")), &svg).expect("write");
        }
        assert_eq!(svg, diagram::anatomy::svg(&anatomy), "the same body is the same picture");
        for foreign in ["<script", "href", "url(", "@import", "\u{1b}"] {
            assert!(!svg.contains(foreign), "{name}: {foreign}");
        }
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{name} is not well-formed: {error}"));
        check(name, Some(document.size), &document.boxes);
        let texts: Vec<_> = document.all_texts().collect();
        for (at, one) in texts.iter().enumerate() {
            assert!(document.size.contains(one.rect), "{name}: {} leaves the picture", one.text);
            for other in &texts[at + 1..] {
                assert!(!one.rect.overlaps(other.rect), "{name}: {} and {} overlap", one.text, other.text);
            }
        }
    }
}

#[test]
fn a_tree_fits_eighty_columns_and_says_what_the_data_say() {
    for (name, anatomy) in all() {
        let text = diagram::anatomy::text(&anatomy, Style { width: 80, colour: false });
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        assert!(!text.contains('\u{1b}'), "{name}: what came from inside does not speak to the terminal");
        let data = serde_json::to_string(&anatomy).expect("JSON");
        assert_eq!(serde_json::from_str::<Anatomy>(&data).expect("JSON"), anatomy, "{name}: JSON is whole");
    }
    let container = of("container");
    let text = diagram::anatomy::text(&container, Style { width: 80, colour: false });
    for said in ["one kernel for all", "pivot_root", "read-only layer", "vethc", "docker0", "8080/tcp", "own", "of instance web-1"] {
        let said = if said == "vethc" { &container.network.cables[0].outside.name } else { said };
        assert!(text.contains(said), "{said} is missing:\n{text}");
    }
    insta::assert_snapshot!("container", text);
    insta::assert_snapshot!("instance", diagram::anatomy::text(&of("instance"), Style { width: 80, colour: false }));
    insta::assert_snapshot!("ended", diagram::anatomy::text(&of("ended"), Style { width: 80, colour: false }));
}
