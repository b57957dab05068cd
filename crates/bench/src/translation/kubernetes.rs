//! The account as a Kubernetes namespace: an interface is a pod, a security group a label of it and a network policy that
//! selects it. Both only allow, add up and know flows, so the same pairs are open.
//!
//! A block of addresses is a label too, for the pods that have an address in it: a policy's `ipBlock` means addresses outside
//! the cluster. Pods that nothing tells apart belong to one replica set, as pods do; that lets a reader take some for all.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use model::{Model, NetworkInterface, Peer, PortRange, SecurityGroupRule, TrafficMatch};
use serde_json::{Map, Value, json};

/// Lists of the namespace, the pods and the policies, by file name; JSON, which is YAML.
pub fn kubernetes(model: &Model) -> BTreeMap<&'static str, Value> {
    let blocks = blocks(model);
    let namespace = model.vpcs.keys().next().map(ToString::to_string).unwrap_or_default();
    let namespaces = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})];
    let (mut pods, mut policies) = (Vec::new(), Vec::new());
    let mut owners: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for interface in model.network_interfaces.values() {
        let labels = labels(interface, &blocks);
        let number = owners.len();
        let owner = format!("fleet{}", owners.entry(labels.clone()).or_insert(number));
        let labels: Map<String, Value> = labels.into_iter().map(|label| (label, "in".into())).collect();
        pods.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": interface.id, "namespace": namespace, "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner}],
            },
            "spec": {"containers": []},
        }));
    }
    for group in model.security_groups.values() {
        let rules = |side: &str, rules: &[SecurityGroupRule]| rules.iter().map(|own| rule(side, own)).collect::<Vec<_>>();
        policies.push(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": group.id, "namespace": namespace},
            "spec": {
                "podSelector": selector(group.id.as_str()), "policyTypes": ["Ingress", "Egress"],
                "ingress": rules("from", &group.ingress), "egress": rules("to", &group.egress),
            },
        }));
    }
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items});
    BTreeMap::from([("namespaces.yaml", list(namespaces)), ("pods.yaml", list(pods)), ("policies.yaml", list(policies))])
}

/// Blocks that rules name.
fn blocks(model: &Model) -> BTreeSet<Ipv4Net> {
    let rules = model.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let block = |rule: &SecurityGroupRule| match rule.peer {
        Peer::Ipv4(block) if block.prefix_len() > 0 => Some(block),
        _ => None,
    };
    rules.filter_map(block).collect()
}

/// Labels of an interface's pod, sorted.
fn labels(interface: &NetworkInterface, blocks: &BTreeSet<Ipv4Net>) -> Vec<String> {
    let address = interface.primary_address();
    let groups = interface.groups.iter().map(ToString::to_string);
    let mut labels: Vec<String> = groups.chain(blocks.iter().filter(|block| block.contains(&address)).map(block_label)).collect();
    labels.sort();
    labels
}

fn block_label(block: &Ipv4Net) -> String {
    format!("block-{}-{}", block.addr(), block.prefix_len())
}

fn selector(label: &str) -> Value {
    json!({"matchLabels": {label: "in"}})
}

/// A rule; a side or ports that it does not name are any.
fn rule(side: &str, rule: &SecurityGroupRule) -> Value {
    let mut made = Map::new();
    let label = match &rule.peer {
        Peer::SecurityGroup(group) => Some(group.to_string()),
        Peer::Ipv4(block) if block.prefix_len() > 0 => Some(block_label(block)),
        _ => None,
    };
    if let Some(label) = label {
        made.insert(side.to_owned(), json!([{"podSelector": selector(&label)}]));
    }
    let ports = match rule.traffic {
        TrafficMatch::Tcp(ports) => Some(("TCP", ports)),
        TrafficMatch::Udp(ports) => Some(("UDP", ports)),
        _ => None,
    };
    if let Some((protocol, ports)) = ports {
        let mut port = json!({"protocol": protocol});
        if ports != PortRange::ALL {
            // A policy has no port 0.
            port["port"] = ports.from.max(1).into();
            if ports.from != ports.to {
                port["endPort"] = ports.to.into();
            }
        }
        made.insert("ports".to_owned(), json!([port]));
    }
    Value::Object(made)
}
