//! The lab file's text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::Request;
use super::service::Service;

/// Text as YAML, always in quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name as a key: plain, unless YAML would read something else.
pub(super) fn key(name: &str) -> String {
    let traps = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    if traps.contains(&name.to_ascii_lowercase().as_str()) { quoted(name) } else { name.to_owned() }
}

/// Whether a lab file can have a thing of this name.
pub(super) fn is_key(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && !model::selector::RESERVED_WORDS.contains(&name)
}

/// `[a, b]`, or `a` alone.
pub(super) fn one_or_many(words: &[String]) -> String {
    match words {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// A path of the compose file, seen from the lab file.
pub(super) fn beside(folder: &str, path: &str) -> String {
    match (folder, path) {
        (".", "." | "..") => path.to_owned(),
        (".", _) if path.starts_with("./") || path.starts_with("../") => path.to_owned(),
        (".", _) => format!("./{path}"),
        (_, ".") => folder.to_owned(),
        _ => format!("{folder}/{}", path.strip_prefix("./").unwrap_or(path)),
    }
}

/// A name that a lab can have.
pub(super) fn lab_name(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(letter).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '-' && !c.is_ascii_digit()).trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let name = name.trim_end_matches('-');
    if name.is_empty() { "compose".into() } else { name.chars().take(40).collect() }
}

pub(super) fn file(request: &Request, lab: &str, volumes: &BTreeMap<String, Option<String>>, services: &[Service]) -> String {
    let mut text = format!("# Made of {} by vpclab import compose.\n", request.name);
    // Writing to a text does not fail.
    let mut line = |depth: usize, words: String| {
        let _ = writeln!(text, "{}{words}", "  ".repeat(depth));
    };
    let open: BTreeSet<&String> = services.iter().flat_map(|service| &service.open).collect();
    if !request.is_fragment {
        line(0, format!("name: {lab}"));
        line(0, "vpcs:".into());
        line(1, "main:".into());
        line(2, "cidr: 10.0.0.0/16".into());
        line(2, "subnets:".into());
        line(3, "public: { cidr: 10.0.0.0/24, route: igw, public_ips: true }".into());
        if !open.is_empty() {
            line(0, "security_groups:".into());
            line(1, "published:".into());
            for port in &open {
                line(2, format!("- {port} from anywhere"));
            }
        }
    }
    if !volumes.is_empty() {
        line(0, "volumes:".into());
    }
    for (name, labels) in volumes {
        let labels = labels.as_ref().map_or_else(|| "{}".into(), |labels| format!("{{ labels: {labels} }}"));
        line(1, format!("{}: {labels}", key(name)));
    }
    let builds: Vec<(&str, &String)> = services.iter().filter_map(|service| Some((service.name.as_str(), service.build.as_ref()?))).collect();
    if !builds.is_empty() {
        line(0, "images:".into());
    }
    for (name, build) in builds {
        line(1, format!("{}: {build}", key(name)));
    }
    line(0, "instances:".into());
    line(1, format!("{}:", key(request.instance)));
    if request.is_fragment {
        // What the instance says already stays where it is.
        for port in &open {
            line(2, format!("# its security group lets in: {port}"));
        }
    } else {
        line(2, "subnet: public".into());
        if !open.is_empty() {
            line(2, "sg: [published]".into());
        }
    }
    line(2, "containers:".into());
    for service in services {
        line(3, format!("{}:", key(&service.name)));
        for (name, value) in &service.lines {
            line(4, format!("{name}: {value}"));
        }
    }
    text
}
