//! Frames of any bytes at the ports of a lan in which everything is busy. The input is a list of frames: two bytes for where it
//! comes to, two for its length, then its bytes.
//!
//! crates/conformance/tests/it/any_frames.rs changes frames that were really sent, and needs no other compiler.

#![no_main]

use std::sync::Arc;

use fabric::Fabric;
use lab::{Files, load};
use libfuzzer_sys::fuzz_target;
use model::{Context, Model, Region, Timestamp};
use sim::view::layers::Layers;
use sim::view::{Filter, List, View};
use sim::{Bounds, NodeId, Span, World};

const CAMPUS: &str = include_str!("../../crates/conformance/tests/frames/campus.yaml");

struct Campus;

impl Files for Campus {
    fn read(&self, _: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok(("campus.yaml".to_owned(), CAMPUS.to_owned()))
    }
}

fn world() -> Option<World> {
    let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp::default()));
    load("campus.yaml", &Campus).ok()?.apply(&mut model).ok()?;
    let fabric = Arc::new(Fabric::compile(&model));
    World::new(Arc::new(model), fabric, 1, Bounds::default()).ok()
}

fuzz_target!(|input: &[u8]| {
    let Some(mut world) = world() else { return };
    let simulator = world.simulator();
    let mut ports: Vec<(NodeId, u16)> = Vec::new();
    for node in simulator.nodes() {
        ports.extend((0..simulator.ports(node).len() as u16).map(|port| (node, port)));
    }
    let mut left = input;
    while let [a, b, high, low, rest @ ..] = left {
        let (node, port) = ports[usize::from(u16::from_be_bytes([*a, *b])) % ports.len()];
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, after) = rest.split_at(length);
        left = after;
        simulator.deliver(node, port, frame);
        let until = simulator.now() + Span::milliseconds(1);
        simulator.run_until(until, 10_000);
    }
    let until = simulator.now() + Span::seconds(5);
    simulator.run_until(until, 50_000);
    let view = View::new(&world.cloud.simulator);
    if let Ok(all) = Filter::parse("", &view, &|_| Vec::new()) {
        let _ = (List::new(&view, &all, true).text(), Layers::new(&view, &all).text());
    }
});
