//! Lans and their domains as a picture: where bits can meet, and where a broadcast reaches. Which links are of one domain was
//! counted elsewhere; here they get places and colours, the same for the same lan.

pub(crate) mod tree;

use model::lan;

/// A lan and its domains.
#[derive(Debug, Clone)]
pub struct Domains<'m> {
    /// What the lab calls it.
    pub name: &'m str,
    /// What it is made of.
    pub lan: &'m lan::Lan,
    /// Links of each collision domain, by their index; the first domain is number 1.
    pub collision: Vec<Vec<usize>>,
    /// Links of each broadcast domain.
    pub broadcast: Vec<Vec<usize>>,
}

/// Colours of domains; the ninth domain has the first one's, and another number.
pub const COLOURS: usize = 8;

/// A picture on its own: SVG 1.1 with its styles, no scripts, nothing loaded from elsewhere, light and dark.
pub fn svg(lans: &[Domains<'_>]) -> String {
    crate::svg::domains::draw(lans).text()
}
