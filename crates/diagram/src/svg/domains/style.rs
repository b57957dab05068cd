//! Colours of collision domains: those of Okabe and Ito, which people with any colour vision tell apart, a little darker on
//! light ground and lighter on dark. The number on each link says the same.

pub(super) const CSS: &str = r#"
.area{fill:#ffffff;stroke:#8b9bb3;stroke-width:1.5;stroke-dasharray:7 5}
.joint{fill:#ffffff;stroke:#566176;stroke-width:1.5}
.body{fill:#c3cad7}
.under{fill:none;stroke:#f5f6fa;stroke-width:6}
.hulls{opacity:.16}
.number{font-weight:600;fill:#ffffff}
.line.down{stroke-dasharray:3 4}
.k0 .line{stroke:#0072b2}.k0 .mark,.k0 .shared{fill:#0072b2}
.k1 .line{stroke:#c24e00}.k1 .mark,.k1 .shared{fill:#c24e00}
.k2 .line{stroke:#00805d}.k2 .mark,.k2 .shared{fill:#00805d}
.k3 .line{stroke:#ad4f8b}.k3 .mark,.k3 .shared{fill:#ad4f8b}
.k4 .line{stroke:#8a6500}.k4 .mark,.k4 .shared{fill:#8a6500}
.k5 .line{stroke:#2f86c4}.k5 .mark,.k5 .shared{fill:#2f86c4}
.k6 .line{stroke:#b3261e}.k6 .mark,.k6 .shared{fill:#b3261e}
.k7 .line{stroke:#4d4d4d}.k7 .mark,.k7 .shared{fill:#4d4d4d}
@media (prefers-color-scheme:dark){
.area{fill:#151922;stroke:#5f6e88}
.joint{fill:#1f242e;stroke:#a2adbf}
.body{fill:#414b5e}
.under{stroke:#101319}
.number{fill:#101319}
.hulls{opacity:.22}
.k0 .line{stroke:#56b4e9}.k0 .mark,.k0 .shared{fill:#56b4e9}
.k1 .line{stroke:#ff8f4d}.k1 .mark,.k1 .shared{fill:#ff8f4d}
.k2 .line{stroke:#35d3a5}.k2 .mark,.k2 .shared{fill:#35d3a5}
.k3 .line{stroke:#e69fc8}.k3 .mark,.k3 .shared{fill:#e69fc8}
.k4 .line{stroke:#e0b84c}.k4 .mark,.k4 .shared{fill:#e0b84c}
.k5 .line{stroke:#8fc7f5}.k5 .mark,.k5 .shared{fill:#8fc7f5}
.k6 .line{stroke:#ff8a80}.k6 .mark,.k6 .shared{fill:#ff8a80}
.k7 .line{stroke:#c8c8c8}.k7 .mark,.k7 .shared{fill:#c8c8c8}
}
"#;
