//! Icons of devices, 20 by 20 around their middle.

/// Shapes of a kind of device.
pub(super) fn shapes(kind: &str) -> &'static str {
    match kind {
        // One goes in, all go out.
        "hub" => r#"<rect x="-9" y="-6" width="18" height="12" rx="2"/><path d="M-6 0H6 M3.500 -2.500L6 0L3.500 2.500 M-3.500 -2.500L-6 0L-3.500 2.500"/>"#,
        "repeater" => r#"<path d="M-6 -7L7 0L-6 7Z"/>"#,
        "switch" => r#"<rect x="-9" y="-6" width="18" height="12" rx="2"/><path d="M-6 -2H6L3.500 -4 M6 2H-6L-3.500 4"/>"#,
        "bridge" => r#"<path d="M-9 6V-2 M9 6V-2 M-9 2H9 M-9 -2C-4 -8 4 -8 9 -2"/>"#,
        "router" => r#"<circle r="8.500"/><path d="M-6 0H-1.500 M-3.500 -2L-1.500 0L-3.500 2 M6 0H1.500 M3.500 -2L1.500 0L3.500 2 M0 -1.500V-6 M-2 -4L0 -6L2 -4 M0 1.500V6 M-2 4L0 6L2 4"/>"#,
        "balancer" => r#"<circle cx="-6" r="2.500"/><path d="M-3.500 0H6 M-4 -1.500L6 -7 M-4 1.500L6 7"/>"#,
        "vpc" => r#"<path d="M-5 6A4.500 4.500 0 0 1 -5.500 -2.500A5.500 5.500 0 0 1 5 -3.500A4.800 4.800 0 0 1 5 6Z"/>"#,
        "cable" => r#"<path d="M-8 3C-4 -6 4 6 8 -3"/>"#,
        _ => r#"<rect x="-8" y="-7" width="16" height="11" rx="2"/><path d="M0 4V7 M-4 7H4"/>"#,
    }
}
