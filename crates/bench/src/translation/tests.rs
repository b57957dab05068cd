//! The translations mean what the account means.

#![allow(clippy::unwrap_used, reason = "what cannot be prepared is a failed test")]

use lab::aws::DumpFile;
use model::{ProbePacket, Timestamp};
use serde_json::Value;

use super::Common;
use super::describe::{References, describe};
use super::kubernetes::kubernetes;
use crate::answer::Answer;

const ASKED: [ProbePacket; 4] = [ProbePacket::Tcp(443), ProbePacket::Tcp(22), ProbePacket::Tcp(8_050), ProbePacket::Udp(53)];

fn read_back(common: &Common, references: References) -> model::Model {
    let file = |(name, json): (&str, Value)| DumpFile { name: name.into(), text: json.to_string() };
    let files = describe(&common.model, references).into_iter().map(file).collect();
    let import = lab::aws::read(files, Timestamp(0)).unwrap_or_else(|e| panic!("{e}"));
    assert!(!import.is_incomplete(), "{:#?}", import.notes);
    import.model
}

fn all(answer: &Answer) -> Vec<Vec<String>> {
    (0..=ASKED.len()).map(|question| answer.lines(question)).collect()
}

/// What a network policy means, pair by pair: a reading of its own, by the labels alone.
fn open_by_policies(policies: &[Value], from: &Value, to: &Value, packet: Option<(&str, u64)>) -> bool {
    let selects = |selector: &Value, pod: &Value| {
        let wanted = selector["matchLabels"].as_object().unwrap();
        wanted.iter().all(|(label, value)| pod["metadata"]["labels"].get(label) == Some(value))
    };
    let port_fits = |rule: &Value| {
        let Some(ports) = rule.get("ports").and_then(Value::as_array) else { return true };
        let Some((protocol, number)) = packet else { return false };
        ports.iter().any(|port| {
            let first = port["port"].as_u64().unwrap_or(0);
            let last = port["endPort"].as_u64().unwrap_or(if port.get("port").is_some() { first } else { 65_535 });
            port["protocol"] == protocol && (first..=last).contains(&number)
        })
    };
    let side = |policy: &Value, list: &str, key: &str, own: &Value, other: &Value| {
        selects(&policy["spec"]["podSelector"], own)
            && policy["spec"][list].as_array().unwrap().iter().any(|rule| {
                let peers = rule.get(key).and_then(Value::as_array);
                port_fits(rule) && peers.is_none_or(|peers| peers.iter().any(|peer| selects(&peer["podSelector"], other)))
            })
    };
    let some = |list: &str, key: &str, own: &Value, other: &Value| {
        policies.iter().any(|policy| side(policy, list, key, own, other))
    };
    some("ingress", "from", to, from) && some("egress", "to", from, to)
}

#[test]
fn what_the_aws_command_line_would_write_reaches_what_the_account_reaches() {
    for (interfaces, named) in [(10, true), (60, true), (60, false)] {
        let common = Common::of(interfaces, named);
        assert!(common.left_out["network ACLs"] > 0, "{:?}", common.left_out);
        let own = all(&Answer::of(&common.model, &ASKED).unwrap());
        for references in [References::Groups, References::Addresses] {
            let model = read_back(&common, references);
            assert_eq!(all(&Answer::of(&model, &ASKED).unwrap()), own, "{interfaces} interfaces, {references:?}");
        }
    }
}

#[test]
fn references_written_as_addresses_name_no_group() {
    let common = Common::of(60, true);
    let named = |references| describe(&common.model, references)["security-groups.json"].to_string().matches("UserId\"").count();
    assert!(named(References::Groups) > 0);
    assert_eq!(named(References::Addresses), 0);
}

#[test]
fn network_policies_reach_what_the_account_reaches() {
    let common = Common::of(60, true);
    let own = Answer::of(&common.model, &ASKED).unwrap();
    let files = kubernetes(&common.model);
    let [pods, policies] = ["pods.yaml", "policies.yaml"].map(|name| files[name]["items"].as_array().unwrap());
    let packets = [("TCP", 443), ("TCP", 22), ("TCP", 8_050), ("UDP", 53)];
    for (question, packet) in packets.into_iter().enumerate() {
        let lines = own.lines(question);
        let mut differing = Vec::new();
        for (row, from) in pods.iter().enumerate() {
            for (column, to) in pods.iter().enumerate().filter(|(column, _)| *column != row) {
                if open_by_policies(policies, from, to, Some(packet)) != (lines[row].as_bytes()[column] == b'1') {
                    differing.push((from["metadata"]["name"].clone(), to["metadata"]["name"].clone()));
                }
            }
        }
        assert!(differing.is_empty(), "{packet:?}: {differing:?}");
        assert!(own.pairs(question) > 0 && own.pairs(question) < pods.len() * (pods.len() - 1), "{packet:?} tells something");
    }
}

#[test]
fn pods_that_nothing_tells_apart_belong_to_one_replica_set() {
    let files = kubernetes(&Common::of(100, true).model);
    let pods = files["pods.yaml"]["items"].as_array().unwrap();
    let owner = |pod: &Value| pod["metadata"]["ownerReferences"][0]["name"].as_str().unwrap().to_owned();
    for one in pods {
        for other in pods {
            assert_eq!(owner(one) == owner(other), one["metadata"]["labels"] == other["metadata"]["labels"]);
        }
    }
    let owners: std::collections::BTreeSet<String> = pods.iter().map(owner).collect();
    assert!(owners.len() < pods.len());
}

#[test]
fn all_subnets_are_at_the_list_that_comes_with_the_vpc() {
    let common = Common::of(10, true);
    let list = common.model.network_acls.values().next().unwrap();
    assert_eq!((common.model.network_acls.len(), list.associations.len()), (1, common.model.subnets.len()));
}
