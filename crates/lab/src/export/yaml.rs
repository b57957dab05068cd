//! Words as YAML takes them.

/// A text in quotes. JSON's escapes are YAML's too (YAML 1.2 §7.3.1).
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name as a key or a value: plain, unless YAML would read something else.
pub(crate) fn key(name: &str) -> String {
    let trap = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    match trap.contains(&name.to_ascii_lowercase().as_str()) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => quoted(name),
        false => name.to_owned(),
    }
}

/// `[a, b]`, or `a` alone.
pub(crate) fn one_or_many(words: &[String]) -> String {
    match words {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
