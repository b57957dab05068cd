//! What a lab's cloud has and the kernel has not, by name: where the kernel refused to follow.

use std::collections::BTreeSet;
use std::fmt::Display;

use model::{InstanceState, Model, Table, Tags};

use crate::api::Lack;

/// Things that are in `now` and were not, or not so, in `before`, which the kernel holds; by kind, then in the order of their ids.
pub fn lacks(before: Option<&Model>, now: &Model) -> Vec<Lack> {
    let nothing = Model::new(&now.account_id, now.region.clone(), now.context.clone());
    let before = before.unwrap_or(&nothing);
    let mut all = Vec::new();
    macro_rules! compare {
        ($($kind:literal $table:ident)*) => {
            $(differing($kind, &before.$table, &now.$table, |row| &row.tags, &mut all);)*
        };
    }
    compare! {
        "VPC" vpcs
        "subnet" subnets
        "instance" instances
        "network interface" network_interfaces
        "security group" security_groups
        "network ACL" network_acls
        "route table" route_tables
        "internet gateway" internet_gateways
        "egress-only internet gateway" egress_only_internet_gateways
        "NAT gateway" nat_gateways
        "VPC endpoint" vpc_endpoints
        "peering connection" vpc_peering_connections
        "Elastic IP address" addresses
        "prefix list" prefix_lists
        "volume" ebs_volumes
        "flow log" flow_logs
    }
    let is_lacking: BTreeSet<String> = all.iter().map(|lack| lack.id.clone()).collect();
    // Instances bring their interfaces and disks along; what has ended is lacked by nobody.
    all.retain(|lack| match lack.kind.as_str() {
        "instance" => lack.id.parse().ok().and_then(|id| now.instances.get(&id)).is_none_or(|own| own.state != InstanceState::Terminated),
        "network interface" => {
            let interface = lack.id.parse().ok().and_then(|id| now.network_interfaces.get(&id));
            !interface.and_then(|own| own.instance_id()).is_some_and(|of| is_lacking.contains(of.as_str()))
        }
        "volume" => {
            let volume = lack.id.parse().ok().and_then(|id| now.ebs_volumes.get(&id));
            !volume.is_some_and(|own| own.attachments.iter().any(|of| is_lacking.contains(of.instance_id.as_str())))
        }
        _ => true,
    });
    all
}

fn differing<Id: Ord + Display, Row: PartialEq>(
    kind: &str,
    before: &Table<Id, Row>,
    now: &Table<Id, Row>,
    tags: impl Fn(&Row) -> &Tags,
    all: &mut Vec<Lack>,
) {
    let others = now.rows_unlike(before).map(|row| (&row.0, &row.1)).filter(|(id, row)| before.get(*id) != Some(*row));
    all.extend(others.map(|(id, row)| {
        let name = model::tag::name(tags(row)).map_or_else(|| id.to_string(), str::to_owned);
        Lack { kind: kind.to_owned(), name, id: id.to_string() }
    }));
}

#[cfg(test)]
mod tests {
    use model::operation::{CreateVpc, create_vpc};
    use model::{Context, Region, Timestamp};

    use super::*;

    #[test]
    fn what_is_new_or_other_is_lacking_and_what_is_the_same_is_not() {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        let vpc = |model: &mut Model, block: &str| create_vpc(model, CreateVpc { cidr_block: block.parse().unwrap(), ..CreateVpc::default() }).unwrap();
        vpc(&mut model, "10.0.0.0/16");
        let before = model.clone();
        let other = vpc(&mut model, "10.1.0.0/16");
        let found = lacks(Some(&before), &model);
        let vpcs: Vec<_> = found.iter().filter(|lack| lack.kind == "VPC").map(|lack| lack.id.as_str()).collect();
        assert_eq!(vpcs, [other.as_str()]);
        assert!(lacks(Some(&model), &model).is_empty());
        assert_eq!(lacks(None, &model).iter().filter(|lack| lack.kind == "VPC").count(), 2);
    }
}
