//! Colours and strokes. Plain rules instead of variables, which some viewers do not know; a second set for dark
//! surroundings. Nothing is told by colour alone: every box and line has a word too.

use crate::scene::{Reach, TargetKind};

/// Colours of security groups, readable on light and dark; the ninth group starts again.
pub(super) const GROUPS: usize = 8;

pub(super) const CSS: &str = r#"
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",Arial,"Noto Sans CJK KR",sans-serif;fill:#1c2333}
.muted{fill:#566176}
.page{fill:#f5f6fa}
.region{fill:#ffffff;stroke:#9aa4b5;stroke-width:1.5;stroke-dasharray:7 5}
.internet{fill:#fff6df;stroke:#d9ab3f;stroke-width:1.5}
.place{fill:#ffffff;stroke:#d9ab3f}
.vpc{fill:#faf8ff;stroke:#7c4dbe;stroke-width:2}
.zone{fill:none;stroke:#8b9bb3;stroke-width:1.2;stroke-dasharray:4 4}
.public{fill:#e5f5e9;stroke:#3c9d5f;stroke-width:1.5}
.internal{fill:#e4effc;stroke:#3b78c9;stroke-width:1.5}
.isolated{fill:#eeeef3;stroke:#84849a;stroke-width:1.5}
.card{fill:#ffffff;stroke:#c3cad7}
.card.off{stroke-dasharray:3 3}
.panel{fill:#ffffff;stroke:#d5dae4}
.pill{fill:#ffffff;stroke-width:2}
.tag-public{fill:#1f7a42}.tag-internal{fill:#2a5fa6}.tag-isolated{fill:#5b5b70}
.address{fill:#9a6a00}
.bad{fill:#b3261e}
.halo{fill:none;stroke:#faf8ff;stroke-width:6}
.region-halo{stroke:#ffffff}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dash{stroke-dasharray:6 4}
.e-internet .line,.s-internet{stroke:#2f9a55}.e-internet .dot,.f-internet{fill:#2f9a55}
.e-nat .line,.s-nat{stroke:#3b78c9}.e-nat .dot,.f-nat{fill:#3b78c9}
.e-peering .line,.s-peering{stroke:#c2497b}.e-peering .dot,.f-peering{fill:#c2497b}
.e-interface .line,.s-interface{stroke:#b8690b}.e-interface .dot,.f-interface{fill:#b8690b}
.e-endpoint .line,.s-endpoint{stroke:#0e8a8a}.e-endpoint .dot,.f-endpoint{fill:#0e8a8a}
.e-vpn .line,.s-vpn{stroke:#7d6a55}.e-vpn .dot,.f-vpn{fill:#7d6a55}
.e-internet .text,.t-internet{fill:#1f7a42}.t-nat{fill:#2a5fa6}.t-peering{fill:#a33463}.t-interface{fill:#8f5208}.t-endpoint{fill:#0a6a6a}.t-vpn{fill:#66563f}
.icon{fill:none;stroke:#566176;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.icon .full{fill:#566176;stroke:none}
.icon.i-vpc{stroke:#7c4dbe}.icon.i-vpc .full{fill:#7c4dbe}
.icon.i-cloud{stroke:#b5830f}.icon.i-globe{stroke:#9a6a00;stroke-width:1.2}
.icon.i-nat,.icon.i-nat .full{stroke:#3b78c9}.icon.i-igw{stroke:#2f9a55}.icon.i-pcx{stroke:#c2497b}.icon.i-end{stroke:#0e8a8a}.icon.i-vpn{stroke:#7d6a55}.icon.i-eni{stroke:#b8690b}
.g0{fill:#d9480f}.g1{fill:#1971c2}.g2{fill:#2b8a3e}.g3{fill:#9c36b5}.g4{fill:#c2255c}.g5{fill:#0b7285}.g6{fill:#946c00}.g7{fill:#5f3dc4}
.chip{fill:#eef0f5}
@media (prefers-color-scheme:dark){
text{fill:#e6eaf2}
.muted{fill:#a2adbf}
.page{fill:#101319}
.region{fill:#151922;stroke:#566176}
.internet{fill:#2b2412;stroke:#a37d26}
.place{fill:#1d1a10;stroke:#a37d26}
.vpc{fill:#1a1926;stroke:#a487dd}
.zone{stroke:#5f6e88}
.public{fill:#14301e;stroke:#4db474}
.internal{fill:#13263f;stroke:#5b99e6}
.isolated{fill:#25262f;stroke:#8a8a9e}
.card{fill:#1f242e;stroke:#414b5e}
.panel{fill:#181d27;stroke:#333c4c}
.pill{fill:#181d27}
.tag-public{fill:#74d198}.tag-internal{fill:#8ab8f2}.tag-isolated{fill:#b4b4c6}
.address{fill:#e3b341}
.bad{fill:#ff8a80}
.halo{stroke:#1a1926}.region-halo{stroke:#151922}
.e-internet .line,.s-internet{stroke:#4db474}.e-internet .dot,.f-internet{fill:#4db474}
.e-nat .line,.s-nat{stroke:#5b99e6}.e-nat .dot,.f-nat{fill:#5b99e6}
.e-peering .line,.s-peering{stroke:#e57aa6}.e-peering .dot,.f-peering{fill:#e57aa6}
.e-interface .line,.s-interface{stroke:#e09a3d}.e-interface .dot,.f-interface{fill:#e09a3d}
.e-endpoint .line,.s-endpoint{stroke:#3fc1c1}.e-endpoint .dot,.f-endpoint{fill:#3fc1c1}
.e-vpn .line,.s-vpn{stroke:#b49f86}.e-vpn .dot,.f-vpn{fill:#b49f86}
.e-internet .text,.t-internet{fill:#74d198}.t-nat{fill:#8ab8f2}.t-peering{fill:#f0a3c1}.t-interface{fill:#efb76b}.t-endpoint{fill:#6fd6d6}.t-vpn{fill:#cdbba5}
.icon{stroke:#a2adbf}.icon .full{fill:#a2adbf}
.icon.i-vpc{stroke:#a487dd}.icon.i-vpc .full{fill:#a487dd}
.icon.i-cloud{stroke:#d9ab3f}.icon.i-globe{stroke:#e3b341}
.icon.i-nat,.icon.i-nat .full{stroke:#5b99e6}.icon.i-igw{stroke:#4db474}.icon.i-pcx{stroke:#e57aa6}.icon.i-end{stroke:#3fc1c1}.icon.i-vpn{stroke:#b49f86}.icon.i-eni{stroke:#e09a3d}
.g0{fill:#ff7a45}.g1{fill:#4dabf7}.g2{fill:#51cf66}.g3{fill:#cc7be0}.g4{fill:#f06595}.g5{fill:#3bc9db}.g6{fill:#e0a800}.g7{fill:#9775fa}
.chip{fill:#2b3240}
}
"#;

/// The class of a subnet's box.
pub(super) fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Public => "public",
        Reach::Internal => "internal",
        Reach::Isolated => "isolated",
    }
}

/// The word in the classes of what leads to a target.
pub(super) fn target(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Local | TargetKind::Vpn => "vpn",
        TargetKind::Internet => "internet",
        TargetKind::Nat => "nat",
        TargetKind::Interface => "interface",
        TargetKind::Peering | TargetKind::Transit => "peering",
        TargetKind::Endpoint => "endpoint",
    }
}
