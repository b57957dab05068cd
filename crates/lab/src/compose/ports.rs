//! `ports`: short and long.

use super::Reading;
use crate::sentence::parse_publish;
use crate::source::Span;
use crate::yaml::{Node, Value};

impl Reading<'_> {
    /// Published ports as a lab file writes them.
    pub(super) fn ports(&mut self, service: &str, node: &Node) -> Vec<String> {
        let Value::Sequence(items) = &node.value else {
            if !node.is_null() {
                self.problem(node.span, "`ports` is a list", "no list", Some("ports: [\"8080:80\"]".into()));
            }
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in items {
            let text = match &item.value {
                Value::Mapping(_) => self.long_port(service, item),
                _ => item.text().and_then(|text| self.short_port(service, text, item.span)),
            };
            let Some(text) = text else { continue };
            match parse_publish(&text) {
                Ok(_) => all.push(text),
                Err(_) => {
                    let written = self.sources.text(item.span).to_owned();
                    self.problem(item.span, format!("`{written}` is no published port"), "not understood", Some("such as \"8080:80\" or \"127.0.0.1:8080:80/tcp\"".into()));
                }
            }
        }
        all
    }

    fn short_port(&mut self, service: &str, text: &str, span: Span) -> Option<String> {
        let (ports, protocol) = text.split_once('/').map_or((text, "tcp"), |(ports, protocol)| (ports, protocol));
        if ports.starts_with('[') {
            self.note(span, format!("{service}: port {text} is not carried: ports are published on IPv4 addresses"));
            return None;
        }
        let parts: Vec<&str> = ports.rsplitn(3, ':').collect();
        let (address, host, container) = match parts[..] {
            [container] => (None, None, container),
            [container, host] => (None, Some(host), container),
            [container, host, address] => (Some(address), Some(host), container),
            _ => (None, None, ""),
        };
        Some(self.port(service, address, host.filter(|host| !host.is_empty()), container, protocol, span))
    }

    fn port(&mut self, service: &str, address: Option<&str>, host: Option<&str>, container: &str, protocol: &str, span: Span) -> String {
        let host = match host {
            Some(host) => host.to_owned(),
            None => {
                self.note(span, format!("{service}: port {container} is published on {container}, and not on a random port"));
                container.to_owned()
            }
        };
        let is_alike = |text: &str| text.contains('-');
        // A range of the host's ports for one port is one of them.
        let host = match (is_alike(&host), is_alike(container)) {
            (true, false) => {
                let first = host.split('-').next().unwrap_or_default().to_owned();
                self.note(span, format!("{service}: of {host} for one port the first is taken"));
                first
            }
            _ => host,
        };
        let address = address.filter(|address| !address.is_empty() && *address != "0.0.0.0").map(|address| format!("{address}:"));
        let protocol = if protocol == "tcp" { String::new() } else { format!("/{protocol}") };
        format!("{}{host}->{container}{protocol}", address.unwrap_or_default())
    }

    fn long_port(&mut self, service: &str, node: &Node) -> Option<String> {
        let (mut target, mut published, mut address, mut protocol) = (None, None, None, "tcp");
        for (key, word, value) in self.entries(node, "a port") {
            let text = value.text();
            match word {
                "target" => target = text,
                "published" => published = text,
                "host_ip" => address = text,
                "protocol" => protocol = text.unwrap_or("tcp"),
                "mode" | "name" | "app_protocol" => {}
                _ => self.note(key.span, format!("{service}: `{word}` of a port is not carried")),
            }
        }
        let Some(target) = target else {
            self.problem(node.span, "the port has no target", "`target` is missing", None);
            return None;
        };
        if address.is_some_and(|address| address.contains(':')) {
            self.note(node.span, format!("{service}: port {target} is not carried: ports are published on IPv4 addresses"));
            return None;
        }
        Some(self.port(service, address, published, target, protocol, node.span))
    }
}
