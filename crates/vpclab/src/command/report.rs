//! What `test` found, for programs: JSON with stable keys, TAP version 14, JUnit's XML.

use std::fmt::Write;

use serde_json::{Value, json};

use super::gaps::Gaps;
use super::test::{Promised, Tried};

/// One object a claim.
pub fn json(all: &[Tried]) -> Vec<Value> {
    let broken = |b: &super::test::Broken| {
        json!({"from": b.from, "to": b.to, "packet": b.packet.to_string(), "traffic": b.traffic, "seen": b.seen, "why": b.why})
    };
    let row = |tried: &Tried| {
        json!({
            "claim": tried.claim.to_string(),
            "status": if tried.holds() { "passed" } else { "failed" },
            "reason": tried.reasons.first(),
            "pairs": tried.pairs,
            "packets": tried.packets,
            "broken_pairs": tried.broken_pairs,
            "broken": tried.broken.iter().map(broken).collect::<Vec<_>>(),
            "disagreements": tried.disagreements,
            "services": tried.services,
            "engine": match tried.claim {
                Promised::Traffic(_) => tried.engine.as_str(),
                Promised::Rights(_) => "iam",
            },
        })
    };
    all.iter().map(row).collect()
}

/// Test Anything Protocol, version 14: a line a claim, why it fails as a block of YAML; what the source lacks as comments.
pub fn tap(all: &[Tried], gaps: &Gaps) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", all.len());
    for line in gaps.lines() {
        let _ = writeln!(text, "# {line}");
    }
    for (number, tried) in (1..).zip(all) {
        // `#` would begin a directive.
        let claim = tried.claim.to_string().replace('\\', "\\\\").replace('#', "\\#");
        let _ = writeln!(text, "{} {number} - {claim}", if tried.holds() { "ok" } else { "not ok" });
        if !tried.holds() {
            text.push_str("  ---\n  broken:\n");
            for why in &tried.reasons {
                let _ = writeln!(text, "    - {}", Value::from(why.trim_start()));
            }
            text.push_str("  ...\n");
        }
    }
    text
}

/// A test suite as JUnit writes it and build servers read it.
pub fn junit(lab: &str, all: &[Tried], gaps: &Gaps) -> String {
    let failed = all.iter().filter(|tried| !tried.holds()).count();
    let counts = format!("tests=\"{}\" failures=\"{failed}\"", all.len());
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n");
    let _ = writeln!(text, "  <testsuite name=\"{}\" {counts}>", escaped(lab));
    if !gaps.is_empty() {
        text.push_str("    <properties>\n");
        for gap in gaps.listed() {
            let _ = writeln!(text, "      <property name=\"incomplete\" value=\"{}\"/>", escaped(&gap.to_string()));
        }
        text.push_str("    </properties>\n");
    }
    for tried in all {
        let name = escaped(&tried.claim.to_string());
        if tried.holds() {
            let _ = writeln!(text, "    <testcase classname=\"{}\" name=\"{name}\"/>", escaped(lab));
            continue;
        }
        let reasons = &tried.reasons;
        let _ = writeln!(text, "    <testcase classname=\"{}\" name=\"{name}\">", escaped(lab));
        let message = escaped(reasons.first().map_or("", String::as_str));
        let _ = writeln!(text, "      <failure message=\"{message}\">{}</failure>", escaped(&reasons.join("\n")));
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// XML 1.0 §2.4; control characters have no place in a document at all (§2.2).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
