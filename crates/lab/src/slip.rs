//! Mistakes that people make in lab files, as edits of the text: everything else of the file stays as it is written,
//! comments and spacing too.
//!
//! Start at [`slips`]. An edit is a guess at what the text means; whether the edited file is legal, and whether anybody
//! would notice, is for the caller to ask.

use std::collections::BTreeSet;

use crate::load::Lab;
use crate::source::Span;
use crate::yaml::{self, Node, Value};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// What kind, as `proof::fault` calls it: `lost-rule`.
    pub kind: &'static str,
    /// What it is about: `sg db`.
    pub subject: String,
    /// What was done, in a sentence.
    pub text: String,
    /// The line of the file, counted from 1.
    pub line: u32,
    start: usize,
    end: usize,
    instead: String,
}

impl Slip {
    /// The file with the mistake in it.
    pub fn edited(&self, text: &str) -> String {
        let (before, after) = (text.get(..self.start).unwrap_or(text), text.get(self.end..).unwrap_or_default());
        format!("{before}{}{after}", self.instead)
    }
}

/// Every mistake that the file itself offers, in file order; what it includes stays as it is.
pub fn slips(lab: &Lab) -> Vec<Slip> {
    let Ok(root) = yaml::parse(&lab.sources, 0) else { return Vec::new() };
    let Some(source) = lab.sources.source(0) else { return Vec::new() };
    let mut finder = Finder { text: &source.text, lab, found: Vec::new() };
    let scopes = std::iter::once(&root).chain(entries(root.get("vpcs")).map(|(_, vpc)| vpc));
    for scope in scopes {
        entries(scope.get("security_groups")).for_each(|(name, group)| finder.group(name, group));
        entries(scope.get("acls")).for_each(|(name, acl)| finder.acl(name, acl));
        finder.tables(scope.get("route_tables"));
        finder.subnets(scope);
    }
    entries(root.get("instances")).for_each(|(name, instance)| finder.instance(name, instance));
    finder.found.sort_by_key(|slip| slip.start);
    finder.found
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let all = match node.map(|node| &node.value) {
        Some(Value::Mapping(entries)) => entries.as_slice(),
        _ => &[],
    };
    all.iter().filter_map(|(key, value)| Some((key.text()?, value)))
}

/// The items of a list, which may be the value of `rules`.
fn rules(node: &Node) -> &[Node] {
    match &node.get("rules").unwrap_or(node).value {
        Value::Sequence(items) => items,
        _ => &[],
    }
}

struct Finder<'l> {
    text: &'l str,
    lab: &'l Lab,
    found: Vec<Slip>,
}

impl Finder<'_> {
    fn push(&mut self, kind: &'static str, subject: &str, text: String, at: (usize, usize), instead: impl Into<String>) {
        let line = self.text.get(..at.0).map_or(0, |before| before.matches('\n').count() + 1);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.found.push(Slip { kind, subject: subject.to_owned(), text, line, start: at.0, end: at.1, instead: instead.into() });
    }

    /// A scalar as it is written, without quotes; none where an alias or an escape hides it.
    fn written(&self, node: &Node) -> Option<(usize, usize)> {
        let text = node.text().filter(|text| !text.is_empty())?;
        let (start, end) = range(node.span);
        let found = self.text.get(start..end)?.find(text)?;
        Some((start + found, start + found + text.len()))
    }

    /// One of several items is gone; an only one leaves an empty list.
    fn lost(&mut self, kind: &'static str, subject: &str, text: String, at: (usize, usize), items: usize) {
        if let Some(lost) = self.without_item(at, items) {
            self.push(kind, subject, text, lost, if items > 1 { "" } else { "[]" });
        }
    }

    fn group(&mut self, name: &str, group: &Node) {
        let subject = format!("sg {name}");
        let all = rules(group);
        for rule in all {
            let (Some(at), Some(said)) = (self.written(rule), rule.text()) else { continue };
            self.lost("lost-rule", &subject, format!("the rule `{said}` is gone"), at, all.len());
            for wrong in self.misread(name, said) {
                self.push("wrong-rule", &subject, format!("the rule `{said}` says `{wrong}`"), at, wrong);
            }
        }
    }

    /// What a rule says when one thing in it is mistaken: one of several ports or peers is lost, the neighbouring port,
    /// another group's members, or everybody.
    fn misread(&self, own: &str, said: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some((what, whom)) = said.split_once(" from ").or_else(|| said.split_once(" to ")) else { return wrong };
        let word = if said.contains(" from ") { "from" } else { "to" };
        if let Some((protocol, ports)) = what.split_once('/') {
            let ports: Vec<&str> = ports.split(',').collect();
            for (index, port) in ports.iter().enumerate() {
                let others: Vec<&str> = ports.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, port)| *port).collect();
                if !others.is_empty() {
                    wrong.push(format!("{protocol}/{} {word} {whom}", others.join(",")));
                }
                if let Some(next) = port.parse::<u16>().ok().and_then(|port| port.checked_add(1)) {
                    let mut changed: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
                    changed[index] = next.to_string();
                    wrong.push(format!("{protocol}/{} {word} {whom}", changed.join(",")));
                }
            }
        }
        let peers: Vec<&str> = whom.split(',').map(str::trim).collect();
        let groups: BTreeSet<&str> = self.groups();
        for (index, peer) in peers.iter().enumerate() {
            let with = |other: Option<String>| {
                let all = peers.iter().enumerate().filter_map(|(at, peer)| if at == index { other.clone() } else { Some((*peer).to_owned()) });
                format!("{what} {word} {}", all.collect::<Vec<_>>().join(", "))
            };
            if peers.len() > 1 {
                wrong.push(with(None));
            }
            if let Some(named) = peer.strip_prefix("sg:") {
                wrong.extend(groups.iter().filter(|group| **group != named && **group != own).map(|group| with(Some(format!("sg:{group}")))));
                // Too wide is a mistake too, and one that nobody who uses the service notices.
                wrong.push(format!("{what} {word} anywhere"));
            }
        }
        wrong
    }

    fn groups(&self) -> BTreeSet<&str> {
        let file = &self.lab.file;
        let all = file.security_groups.iter().chain(file.vpcs.iter().flat_map(|(_, vpc)| vpc.security_groups.iter()));
        all.map(|(name, _)| name.value.as_str()).collect()
    }

    fn acl(&mut self, name: &str, acl: &Node) {
        let subject = format!("acl {name}");
        let all = rules(acl);
        for entry in all {
            let (Some(at), Some(said)) = (self.written(entry), entry.text()) else { continue };
            self.lost("lost-entry", &subject, format!("the entry `{said}` is gone"), at, all.len());
            let turned = match said.split_once(" allow ") {
                Some((number, rest)) => format!("{number} deny {rest}"),
                None => continue,
            };
            self.push("denying-entry", &subject, format!("the entry `{said}` says `{turned}`"), at, turned);
            // Ports of answers are denied by an entry before.
            let number = said.split_whitespace().next().and_then(|number| number.parse::<u16>().ok());
            let is_taken = |number: u16| all.iter().filter_map(Node::text).any(|said| said.split_whitespace().next() == Some(&number.to_string()));
            let Some(before) = number.and_then(|number| number.checked_sub(1)).filter(|number| *number > 0 && !is_taken(*number)) else { continue };
            let denies = match said.contains(" out ") {
                true => format!("{before} deny out tcp/1024-65535 to anywhere"),
                false => format!("{before} deny tcp/1024-65535 from anywhere"),
            };
            let gap = match self.is_own_line(at.0) {
                Some(indent) => format!("\n{}- ", " ".repeat(indent)),
                None => ", ".to_owned(),
            };
            self.push("denying-entry", &subject, format!("the entry `{denies}` stands before `{said}`"), (at.0, at.0), format!("{denies}{gap}"));
        }
    }

    fn tables(&mut self, tables: Option<&Node>) {
        let all: Vec<(&str, &Node)> = entries(tables).collect();
        let targets: BTreeSet<&str> =
            all.iter().flat_map(|(_, table)| entries(table.get("routes"))).filter_map(|(_, target)| target.text()).collect();
        for (name, table) in &all {
            let Some(Node { value: Value::Mapping(routes), .. }) = table.get("routes") else { continue };
            let subject = format!("rtb {name}");
            for (destination, target) in routes {
                let (Some(to), Some(now), Some(at)) = (destination.text(), target.text(), self.written(target)) else { continue };
                for other in targets.iter().filter(|other| **other != now) {
                    self.push("wrong-target", &subject, format!("the route {to} leads to {other} instead of {now}"), at, *other);
                }
                let lost = self.without_entry(range(destination.span).0, at.1).filter(|_| routes.len() > 1);
                if let Some(lost) = lost {
                    self.push("lost-route", &subject, format!("the route {to} -> {now} is gone"), lost, "");
                }
            }
        }
    }

    fn subnets(&mut self, vpc: &Node) {
        let all: Vec<(&str, &Node)> = entries(vpc.get("subnets")).collect();
        let words = |key: &str| -> BTreeSet<&str> { all.iter().filter_map(|(_, subnet)| subnet.get(key)?.text()).collect() };
        let (routes, lists) = (words("route"), words("acl"));
        for (name, subnet) in &all {
            let subject = format!("subnet {name}");
            if let Some((at, now)) = subnet.get("route").and_then(|route| Some((self.written(route)?, route.text()?))) {
                for other in routes.iter().filter(|other| **other != now && **other != "none") {
                    self.push("swapped-route-table", &subject, format!("its route says `{other}` instead of `{now}`"), at, *other);
                }
                if now != "none" {
                    self.push("lost-route", &subject, format!("its route says `none` instead of `{now}`"), at, "none");
                }
            }
            if let Some((at, now)) = subnet.get("acl").and_then(|acl| Some((self.written(acl)?, acl.text()?))) {
                for other in lists.iter().filter(|other| **other != now) {
                    self.push("swapped-acl", &subject, format!("its acl is `{other}` instead of `{now}`"), at, *other);
                }
                self.without_key(subnet, "acl", "swapped-acl", &subject, format!("it has the default acl instead of `{now}`"));
            }
        }
    }

    fn instance(&mut self, name: &str, instance: &Node) {
        if let Some((at, now)) = instance.get("sg").and_then(|sg| Some((self.written(sg)?, sg.text()?))) {
            let others: Vec<String> = self.groups().into_iter().filter(|other| *other != now).map(str::to_owned).collect();
            for other in others {
                self.push("wrong-group", name, format!("it carries sg {other} instead of {now}"), at, other);
            }
        }
        for (key, kind, text) in [
            ("source_dest_check", "source-dest-check", "its source/dest check is on"),
            ("forward", "no-forwarding", "its system does not forward"),
            ("public_ip", "lost-address", "it has no public address of its own"),
        ] {
            self.without_key(instance, key, kind, name, text.to_owned());
        }
    }

    fn without_key(&mut self, of: &Node, key: &str, kind: &'static str, subject: &str, text: String) {
        let Value::Mapping(entries) = &of.value else { return };
        let Some((name, value)) = entries.iter().find(|(name, _)| name.text() == Some(key)) else { return };
        let lost = self.written(value).and_then(|at| self.without_entry(range(name.span).0, at.1));
        if let Some(lost) = lost.filter(|_| entries.len() > 1) {
            self.push(kind, subject, text, lost, "");
        }
    }

    /// Spaces before the `-` of a list item that has its line for itself; none within brackets.
    fn is_own_line(&self, start: usize) -> Option<usize> {
        let before = self.text.get(..start)?;
        let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        let dash = line.trim_end_matches([' ', '"', '\'']).strip_suffix('-')?;
        dash.chars().all(|c| c == ' ').then_some(dash.len())
    }

    /// What to cut so that an item of a list is gone: its line, or the text between two commas.
    fn without_item(&self, (start, end): (usize, usize), of: usize) -> Option<(usize, usize)> {
        match self.is_own_line(start) {
            // An empty list is written where the only item was.
            Some(indent) if of == 1 => {
                let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
                Some((line + indent, self.end_of_text(end)?))
            }
            Some(_) => self.lines(start, end),
            None if of == 1 => None,
            None => self.between_commas(start, end),
        }
    }

    /// What to cut so that an entry of a mapping is gone.
    fn without_entry(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let before = self.text.get(..start)?;
        let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        let after = self.text.get(end..)?.trim_start_matches(['"', '\'', ' ']);
        let is_block = line.chars().all(|c| c == ' ') && !after.starts_with([',', '}']);
        if is_block { self.lines(start, end) } else { self.between_commas(start, end) }
    }

    /// The whole lines of a text.
    fn lines(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let from = self.text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let to = self.text.get(end..)?.find('\n').map_or(self.text.len(), |at| end + at + 1);
        Some((from, to))
    }

    /// Behind a closing quote.
    fn end_of_text(&self, end: usize) -> Option<usize> {
        Some(end + usize::from(self.text.get(end..)?.starts_with(['"', '\''])))
    }

    /// The text with its quotes and one of the commas beside it.
    fn between_commas(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let before = self.text.get(..start)?;
        let start = before.trim_end_matches(['"', '\'']).len();
        let end = self.end_of_text(end)?;
        let after = self.text.get(end..)?;
        let gap = after.len() - after.trim_start().len();
        if after[gap..].starts_with(',') {
            let rest = &after[gap + 1..];
            return Some((start, end + gap + 1 + rest.len() - rest.trim_start_matches(' ').len()));
        }
        let before = self.text[..start].trim_end();
        before.strip_suffix(',').map(|kept| (kept.len(), end))
    }
}

fn range(span: Span) -> (usize, usize) {
    (span.start as usize, span.end as usize)
}
