//! Pictures of a lab: region, VPCs, zones, subnets, instances; gateways and the routes that lead to them; public
//! addresses, security groups, places outside. Pure and deterministic: the same model, the same bytes.
//!
//! [`Scene`] is what is drawn, with names instead of ids; three files draw it: [`svg`] for people, [`mermaid`] for
//! documents that render it, [`tree`] for terminals. [`domains`] draws lans. What a packet may do is not decided here: the
//! picture shows what was described.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod anatomy;
pub mod domains;
mod mermaid;
pub mod scene;
mod svg;
mod tree;

pub use scene::Scene;

use model::Model;

/// A picture on its own: SVG 1.1 with its styles, no scripts, nothing loaded from elsewhere, light and dark.
pub fn svg(model: &Model) -> String {
    svg::draw(&Scene::of(model)).text()
}

/// The same with lans below the cloud, or alone where there is no cloud; their domains were counted elsewhere.
pub fn svg_with(model: &Model, lans: &[domains::Domains<'_>]) -> String {
    let has_cloud = !model.vpcs.is_empty() || !model.outside.is_empty();
    match (lans.is_empty(), has_cloud) {
        (true, _) => svg(model),
        (false, true) => svg::draw(&Scene::of(model)).above(svg::domains::draw(lans)).text(),
        (false, false) => svg::domains::draw(lans).text(),
    }
}

/// A Mermaid flowchart with a subgraph for each VPC, zone and subnet.
pub fn mermaid(model: &Model) -> String {
    mermaid::draw(&Scene::of(model))
}

/// A tree of lines for a terminal, without colour.
pub fn tree(model: &Model) -> String {
    tree::draw(&Scene::of(model))
}
