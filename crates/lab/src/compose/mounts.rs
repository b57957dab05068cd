//! `volumes` and `tmpfs` of a service.

use std::collections::BTreeMap;

use super::Reading;
use super::fields::yes;
use crate::sentence::parse_mount;
use crate::source::Span;
use crate::yaml::{Node, Value};

impl Reading<'_> {
    /// Mounts as a lab file writes them.
    pub(super) fn mounts(&mut self, service: &str, node: &Node, volumes: &BTreeMap<String, Option<String>>) -> Vec<String> {
        let Value::Sequence(items) = &node.value else {
            if !node.is_null() {
                self.problem(node.span, "`volumes` of a service is a list", "no list", Some("volumes: [\"data:/data\"]".into()));
            }
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in items {
            let text = match &item.value {
                Value::Mapping(_) => self.long_mount(service, item, volumes),
                _ => item.text().and_then(|text| self.short_mount(service, text, item.span, volumes)),
            };
            all.extend(text.and_then(|text| self.checked(text, item.span)));
        }
        all
    }

    fn checked(&mut self, text: String, span: Span) -> Option<String> {
        match parse_mount(&text) {
            Ok(_) => Some(text),
            Err(_) => {
                self.problem(span, format!("`{text}` is no mount"), "not understood", Some("such as data:/data, ./site:/site:ro or /cache".into()));
                None
            }
        }
    }

    /// A path of this machine as the lab file says it.
    fn path(&mut self, path: &str, span: Span) -> Option<String> {
        if path.starts_with('/') {
            return Some(path.to_owned());
        }
        if let Some(rest) = path.strip_prefix('~') {
            return match self.request.variables.get("HOME") {
                Some(home) => Some(format!("{home}{rest}")),
                None => {
                    self.problem(span, format!("`{path}`: nobody's home is known here"), "HOME is not set", None);
                    None
                }
            };
        }
        Some(super::write::beside(self.request.folder, path))
    }

    fn source(&mut self, service: &str, source: &str, span: Span, volumes: &BTreeMap<String, Option<String>>) -> Option<String> {
        if source.starts_with(['/', '.', '~']) {
            return self.path(source, span);
        }
        if !volumes.contains_key(source) {
            let hint = match crate::diagnostic::nearest(source, volumes.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare it: `volumes: {{ {source}: {{}} }}`; a folder is `./{source}`"),
            };
            self.problem(span, format!("{service}: no volume is called `{source}`"), "not found", Some(hint));
            return None;
        }
        Some(source.to_owned())
    }

    fn short_mount(&mut self, service: &str, text: &str, span: Span, volumes: &BTreeMap<String, Option<String>>) -> Option<String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => return Some(target.to_owned()),
            [source, target] => (source, target, ""),
            [source, target, options] => (source, target, options),
            _ => {
                self.problem(span, format!("`{text}` is no mount"), "three parts at most", None);
                return None;
            }
        };
        let mut kept = Vec::new();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" | "nocopy" => kept.push(option),
                "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
                _ => self.note(span, format!("{service}: `{option}` of {text} is not carried")),
            }
        }
        let source = self.source(service, source, span, volumes)?;
        let options = if kept.is_empty() { String::new() } else { format!(":{}", kept.join(",")) };
        Some(format!("{source}:{target}{options}"))
    }

    fn long_mount(&mut self, service: &str, node: &Node, volumes: &BTreeMap<String, Option<String>>) -> Option<String> {
        let (mut kind, mut source, mut target, mut options) = ("volume", None, None, Vec::new());
        for (key, word, value) in self.entries(node, "a mount") {
            let text = value.text();
            match word {
                "type" => kind = text.unwrap_or_default(),
                "source" => source = text,
                "target" => target = text,
                "read_only" if yes(value) => options.push("ro".to_owned()),
                "read_only" | "consistency" => {}
                "bind" | "volume" | "tmpfs" => {
                    for (key, inner, value) in self.entries(value, "its options") {
                        match (word, inner, value.text()) {
                            ("volume", "nocopy", _) if yes(value) => options.push("nocopy".to_owned()),
                            ("volume", "nocopy", _) | ("bind", "create_host_path" | "selinux", _) => {}
                            ("tmpfs", "size", Some(size)) => options.push(format!("size={size}")),
                            ("tmpfs", "mode", Some(mode)) => options.push(format!("mode={mode}")),
                            _ => self.note(key.span, format!("{service}: `{inner}` of a mount is not carried")),
                        }
                    }
                }
                _ => self.note(key.span, format!("{service}: `{word}` of a mount is not carried")),
            }
        }
        let Some(target) = target else {
            self.problem(node.span, "the mount has no target", "`target` is missing", None);
            return None;
        };
        let options = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
        match (kind, source) {
            ("volume", None) => Some(format!("{target}{options}")),
            ("volume", Some(source)) => Some(format!("{}:{target}{options}", self.source(service, source, node.span, volumes)?)),
            ("bind", Some(source)) => {
                let source = if source.starts_with(['/', '.', '~']) { source.to_owned() } else { format!("./{source}") };
                Some(format!("{}:{target}{options}", self.path(&source, node.span)?))
            }
            ("tmpfs", _) => Some(format!("tmpfs:{target}{options}")),
            ("bind", None) => {
                self.problem(node.span, "the mount has no source", "`source` is missing", None);
                None
            }
            (other, _) => {
                self.note(node.span, format!("{service}: the mount at {target} is not carried: there is no type {other}"));
                None
            }
        }
    }

    /// `tmpfs: /run`, or a list of them.
    pub(super) fn memory(&mut self, service: &str, node: &Node) -> Vec<String> {
        let items = match &node.value {
            Value::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut all = Vec::new();
        for item in items {
            let Some(text) = item.text() else { continue };
            let (target, options) = text.split_once(':').unwrap_or((text, ""));
            let (kept, left): (Vec<&str>, Vec<&str>) =
                options.split(',').filter(|option| !option.is_empty()).partition(|option| option.starts_with("size=") || option.starts_with("mode="));
            if !left.is_empty() {
                self.note(item.span, format!("{service}: `{}` of {target} is not carried", left.join(",")));
            }
            let options = if kept.is_empty() { String::new() } else { format!(":{}", kept.join(",")) };
            all.extend(self.checked(format!("tmpfs:{target}{options}"), item.span));
        }
        all
    }
}
