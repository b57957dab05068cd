//! A container or an instance taken apart, drawn: [`text`] for a terminal, [`svg`] as a picture. What it is made of was
//! looked at elsewhere ([`container::engine::anatomy`]); what is said of it in words is in `chapters`, once for both.

pub(crate) mod chapters;
mod text;

use container::engine::Anatomy;

pub use text::Style;

/// A tree of lines.
pub fn text(anatomy: &Anatomy, style: Style) -> String {
    text::draw(&chapters::of(anatomy), anatomy, style)
}

/// A picture on its own: SVG 1.1 with its styles, no scripts, nothing loaded from elsewhere, light and dark.
pub fn svg(anatomy: &Anatomy) -> String {
    crate::svg::anatomy::draw(anatomy)
}

/// Bytes as people read them: `2.0 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 1_000.0 {
            break;
        }
        (value, unit) = (value / 1_000.0, next);
    }
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// The first digits of a digest or an id.
pub(crate) fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 999, 1_000, 1_996_800, 93_000_000].map(size), ["0 B", "999 B", "1.0 kB", "2.0 MB", "93 MB"]);
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
    }
}
