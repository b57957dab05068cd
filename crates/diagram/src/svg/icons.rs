//! Icons of a few strokes each, 20 by 20 around their middle.

/// What an icon stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Icon {
    Vpc,
    Internet,
    Place,
    InternetGateway,
    EgressOnly,
    Vpn,
    Nat,
    Instance,
    Interface,
    Endpoint,
    Peering,
    Globe,
    Open,
    Locked,
    Shield,
    Table,
}

impl Icon {
    /// Class and shapes.
    pub(super) fn shapes(self) -> (&'static str, &'static str) {
        match self {
            Icon::Vpc => ("icon i-vpc", CLOUD),
            Icon::Internet => ("icon i-cloud", CLOUD),
            Icon::Place => ("icon i-cloud", r#"<path d="M-7 8V-5L0 -9L7 -5V8Z M-3 8V3H3V8 M-3.5 -2H-1 M1 -2H3.500"/>"#),
            Icon::InternetGateway => ("icon i-igw", r#"<circle r="8"/><path d="M-4 1L0 -4L4 1 M0 -4V5"/>"#),
            Icon::EgressOnly => ("icon i-igw", r#"<circle r="8"/><path d="M-3.500 -1L0 -5L3.500 -1 M0 -5V2 M-4 5H4"/>"#),
            Icon::Vpn => ("icon i-vpn", r#"<circle r="8"/><path d="M-3 -1V-3A3 3 0 0 1 3 -3V-1 M-4 -1H4V4H-4Z"/>"#),
            Icon::Nat => ("icon i-nat", r#"<rect x="-8" y="-8" width="16" height="16" rx="4"/><path d="M-5 -2.500H4L1.500 -5 M5 2.500H-4L-1.500 5"/>"#),
            Icon::Instance => (
                "icon",
                r#"<rect x="-6" y="-6" width="12" height="12" rx="2"/><rect class="full" x="-2.500" y="-2.500" width="5" height="5" rx="1"/><path d="M-3 -6V-9M3 -6V-9M-3 9V6M3 9V6M-6 -3H-9M-6 3H-9M9 -3H6M9 3H6"/>"#,
            ),
            Icon::Interface => ("icon i-eni", r#"<rect x="-8" y="-6" width="16" height="10" rx="2"/><path d="M-4 -6V-2M0 -6V-2M4 -6V-2M0 4V8"/>"#),
            Icon::Endpoint => ("icon i-end", r#"<circle r="3.500"/><path d="M-8 0H-3.500M3.500 0H8M0 -8V-3.500M0 3.500V8"/>"#),
            Icon::Peering => ("icon i-pcx", r#"<circle cx="-5.500" r="3.500"/><circle cx="5.500" r="3.500"/><path d="M-2 0H2"/>"#),
            Icon::Globe => ("icon i-globe", r#"<circle r="4.500"/><path d="M-4.500 0H4.500M0 -4.500C-2.800 -2 -2.800 2 0 4.500M0 -4.500C2.800 -2 2.800 2 0 4.500"/>"#),
            Icon::Open => ("icon", r#"<rect x="-6" y="-1" width="12" height="8" rx="2"/><path d="M-3.500 -1V-4A3.500 3.500 0 0 1 3.200 -5.500"/>"#),
            Icon::Locked => ("icon", r#"<rect x="-6" y="-1" width="12" height="8" rx="2"/><path d="M-3.500 -1V-4A3.500 3.500 0 0 1 3.500 -4V-1"/>"#),
            Icon::Shield => ("icon", r#"<path d="M0 -8L7 -5V0C7 4 3.500 7 0 8.500C-3.500 7 -7 4 -7 0V-5Z"/>"#),
            Icon::Table => ("icon", r#"<rect x="-7" y="-6" width="14" height="12" rx="2"/><path d="M-7 -2H7M-7 2H7M-2 -6V6"/>"#),
        }
    }
}

const CLOUD: &str = r#"<path d="M-5 6A4.500 4.500 0 0 1 -5.500 -2.500A5.500 5.500 0 0 1 5 -3.500A4.800 4.800 0 0 1 5 6Z"/>"#;
