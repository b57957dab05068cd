//! Network ACL: stateless, ordered, only where a packet crosses a subnet's border (ACL-1 … ACL-9).

use std::net::IpAddr;

use crate::fabric::Fabric;
use crate::index::SubnetIndex;
use crate::packet::Header;
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Rule, Stage};

/// The first entry that matches decides; the implied `*` denies (ACL-1). Ports are destination ports, the address is
/// the source of what enters and the destination of what leaves (ACL-5).
pub fn decide(fabric: &Fabric, subnet: SubnetIndex, header: &Header, direction: Direction) -> Decision {
    let acl = &fabric.acls[fabric.subnets[subnet].acl];
    let address: IpAddr = match direction {
        Direction::Ingress => header.source,
        Direction::Egress => header.destination,
    };
    let mut entries = acl.entries(direction).iter();
    let found = entries.find(|entry| entry.cidr_block.contains(&address) && header.fits(entry.traffic));
    let rule = Rule::NetworkAclEntry {
        acl: acl.id.clone(),
        rule_number: found.map(|entry| entry.rule_number),
        origin: found.map(|entry| entry.origin.clone()).unwrap_or_default(),
    };
    let reason = |text: String| {
        Reason::new(Stage::NetworkAcl, Component::NetworkAcl(subnet, direction), text).direction(direction).rule(rule)
    };
    match found {
        Some(entry) if entry.allow => Decision::Pass(reason(format!("entry {} allows it", entry.rule_number))),
        Some(entry) => {
            let text = format!("entry {} denies it", entry.rule_number);
            Decision::Drop(reason(text).code(ExplanationCode::SubnetAclRestriction))
        }
        None => {
            let text = "no entry matches, so the final * denies it".to_owned();
            Decision::Drop(reason(text).code(ExplanationCode::SubnetAclRestriction))
        }
    }
}
