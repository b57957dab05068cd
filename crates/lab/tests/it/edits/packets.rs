//! Who reaches whom, and what is in the way first, asked of the stages.

use std::collections::{BTreeMap, BTreeSet};

use fabric::engine::{PacketProbe, Traffic};
use fabric::{Fabric, explain};
use model::Model;
use model::selector::Selector;

/// By `from to traffic`: the verdict and the stages that block.
pub fn verdicts(model: &Model) -> BTreeMap<String, String> {
    let fabric = Fabric::compile(model);
    let instances = model.instances.values().filter(|i| !matches!(i.state.as_str(), "terminated" | "shutting-down"));
    let mut names: BTreeSet<String> = instances.filter_map(|i| model::tag::name(&i.tags)).map(str::to_owned).collect();
    names.extend(model.outside.keys().cloned());
    let mut ends: BTreeMap<String, Selector> = names.into_iter().map(|name| (name.clone(), Selector::Named(name))).collect();
    ends.insert("internet".to_owned(), Selector::Internet);
    let probes = [
        ("tcp/22", Traffic::Tcp { source_port: 40_000, destination_port: 22 }),
        ("tcp/80", Traffic::Tcp { source_port: 40_000, destination_port: 80 }),
        ("udp/53", Traffic::Udp { source_port: 40_000, destination_port: 53 }),
        ("icmp", Traffic::Icmp { icmp_type: 8, code: 0 }),
    ];
    let mut all = BTreeMap::new();
    for (from, source) in &ends {
        for (to, destination) in ends.iter().filter(|(to, _)| *to != from) {
            for (word, traffic) in &probes {
                all.insert(format!("{from} {to} {word}"), verdict(model, &fabric, source, destination, *traffic, false));
                let traffic = match traffic {
                    Traffic::Icmp { .. } => Traffic::Icmp { icmp_type: 128, code: 0 },
                    other => *other,
                };
                all.insert(format!("{from} {to} {word} over IPv6"), verdict(model, &fabric, source, destination, traffic, true));
            }
        }
    }
    all
}

fn verdict(model: &Model, fabric: &Fabric, from: &Selector, to: &Selector, traffic: Traffic, ipv6: bool) -> String {
    let ends = |selector: &Selector| selector.ends(model).unwrap_or_default();
    let (Some(from), Some(to)) = (ends(from).into_iter().next(), ends(to).into_iter().next()) else { return "nobody".to_owned() };
    let sender = match if ipv6 { fabric.ipv6_senders(&from) } else { fabric.senders(&from) } {
        Ok(senders) if !senders.is_empty() => senders[0].clone(),
        _ => return "nobody sends".to_owned(),
    };
    let address = match if ipv6 { fabric.ipv6_destinations(&sender, &to) } else { fabric.destinations(&sender, &to) } {
        Ok(addresses) if !addresses.is_empty() => addresses[0],
        _ => return "no address".to_owned(),
    };
    match explain(fabric, &PacketProbe::new(sender, address, traffic)) {
        Ok(told) => {
            // What is told beyond the first blocker is a guess at a way that is not there.
            let blocker = told.blockers().next().map(|reason| reason.stage);
            format!("{:?} {blocker:?}", told.verdict)
        }
        Err(_) => "not asked".to_owned(),
    }
}
