//! The scene as SVG.
use crate::scene::Scene;
pub(crate) fn draw(_: &Scene) -> String { String::new() }
