//! Doors that stand open to the internet: proved, not guessed from a rule alone.

use std::collections::BTreeMap;

use fabric::Fabric;
use fabric::index::InterfaceIndex;
use model::{PortRange, TrafficMatch};

use super::{Check, Finding};
use crate::place::Place;
use crate::reach::Reach;
use crate::traffic::TrafficSet;

/// How many names a finding shows.
const SHOWN: usize = 4;

/// Ports by which a machine is administered.
const ADMIN: [(u16, &str); 8] = [
    (22, "ssh"),
    (23, "telnet"),
    (2375, "Docker"),
    (2376, "Docker"),
    (3389, "RDP"),
    (5900, "VNC"),
    (5985, "WinRM"),
    (10250, "kubelet"),
];

/// Ports at which databases and caches listen.
const DATABASES: [(u16, &str); 11] = [
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5439, "Redshift"),
    (6379, "Redis"),
    (9042, "Cassandra"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

pub(super) fn findings(fabric: &Fabric, reach: &Reach) -> Vec<Finding> {
    let mut open: BTreeMap<InterfaceIndex, TrafficSet> = BTreeMap::new();
    let general = fabric.general_hosts();
    for (from, source) in reach.indices() {
        // What one narrow block of the internet may do was written down by somebody who meant it.
        let Place::Internet(address) = source else {
            continue;
        };
        if !general.contains(&Some(address)) {
            continue;
        }
        for (to, place) in reach.indices() {
            let Some(interface) = place.interface() else {
                continue;
            };
            // What arrives is exposed, whether or not the answer finds its way.
            let request = reach.between(from, to).request;
            let known = open.entry(interface).or_default();
            *known = known.union(&request);
        }
    }
    let mut findings: Vec<Finding> = Vec::new();
    for (interface, traffic) in &open {
        findings.extend(of_kind(
            fabric,
            *interface,
            traffic,
            &ADMIN,
            Check::AdminOpen,
        ));
        findings.extend(of_kind(
            fabric,
            *interface,
            traffic,
            &DATABASES,
            Check::DatabaseOpen,
        ));
    }
    together(findings)
}

/// One finding for all that the same rule opens.
fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let mut by_rule: BTreeMap<(Check, model::Origin, String), (Finding, Vec<String>)> =
        BTreeMap::new();
    for finding in findings {
        let key = (finding.check, finding.origin.clone(), finding.text.clone());
        let subject = finding.subject.clone();
        by_rule
            .entry(key)
            .or_insert_with(|| (finding, Vec::new()))
            .1
            .push(subject);
    }
    let one = |(mut finding, mut names): (Finding, Vec<String>)| {
        // `web-2` before `web-10`.
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        let more = names.len().saturating_sub(SHOWN);
        names.truncate(SHOWN);
        finding.subject = names.join(", ");
        if more > 0 {
            finding.subject.push_str(&format!(" and {more} more"));
        }
        finding
    };
    by_rule.into_values().map(one).collect()
}

fn of_kind(
    fabric: &Fabric,
    interface: InterfaceIndex,
    open: &TrafficSet,
    ports: &[(u16, &str)],
    check: Check,
) -> Option<Finding> {
    let tcp = |port: u16| TrafficMatch::Tcp(PortRange::one(port));
    let found: Vec<_> = ports
        .iter()
        .filter(|(port, _)| !TrafficSet::of(tcp(*port)).intersection(open).is_empty())
        .collect();
    if found.is_empty() {
        return None;
    }
    let named: Vec<String> = found
        .iter()
        .map(|(port, name)| format!("tcp/{port} ({name})"))
        .collect();
    let interface = &fabric.interfaces[interface];
    // The rule is where it can be closed; the interface is what is open.
    let rules = interface
        .groups
        .iter()
        .flat_map(|group| &fabric.groups[*group].ingress);
    let mut wide = rules.filter(|rule| rule.anywhere.is_some());
    let guilty = wide.find(|rule| {
        found
            .iter()
            .any(|(port, _)| TrafficSet::of(tcp(*port)).is_subset(&TrafficSet::of(rule.traffic)))
    });
    let origin = guilty.map_or(&interface.origin, |rule| &rule.origin);
    let hint = match check {
        Check::AdminOpen => "let only a bastion or a known address in: tcp/22 from sg:bastion",
        _ => "let only the servers that use it in: tcp/3306 from sg:web",
    };
    let text = format!("{} open to the internet", is_are(&named));
    Some(Finding::new(
        check,
        interface.name.clone(),
        text,
        hint,
        origin,
    ))
}

fn is_are(named: &[String]) -> String {
    format!(
        "{} {}",
        named.join(", "),
        if named.len() == 1 { "is" } else { "are" }
    )
}
