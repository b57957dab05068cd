//! Components of a fabric as scenarios write them: `sg-in:web1`, `acl-out:app-a`, `nat-a`.

use fabric::{Component, Direction, Fabric, InterfaceIndex, Reason, Rule};

use super::Names;

/// The `at` of a component. What has no name is called by its id.
pub fn component(component: Component, fabric: &Fabric, names: &Names) -> String {
    let name = |id: &str| names.name_of(id).unwrap_or(id).to_owned();
    let interface = |index: InterfaceIndex| name(fabric.interfaces[index].id.as_str());
    let side = |direction| match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    };
    match component {
        Component::SecurityGroups(i, direction) => format!("sg-{}:{}", side(direction), interface(i)),
        Component::NetworkAcl(i, direction) => {
            format!("acl-{}:{}", side(direction), name(fabric.subnets[i].id.as_str()))
        }
        Component::RouteTable(i) => format!("rtb:{}", name(fabric.route_tables[i].id.as_str())),
        Component::SourceDestCheck(i) => format!("check:{}", interface(i)),
        Component::Interface(i) => format!("eni:{}", interface(i)),
        Component::Guest(i) => interface(i),
        Component::InternetGateway(i) => name(fabric.internet_gateways[i].id.as_str()),
        Component::EgressOnlyInternetGateway(i) => name(fabric.egress_only_internet_gateways[i].id.as_str()),
        Component::VpnGateway(i) => name(fabric.vpn_gateways[i].id.as_str()),
        Component::TransitGateway(i) => name(fabric.transit_gateways[i].id.as_str()),
        Component::NatGateway(i) => name(fabric.nat_gateways[i].id.as_str()),
        Component::Peering(i) => name(fabric.peerings[i].id.as_str()),
        Component::VpcEndpoint(i) => name(fabric.vpc_endpoints[i].id.as_str()),
        Component::Outside(i) => fabric.outside[i].name.clone(),
        Component::Fabric => "fabric".to_owned(),
        Component::Internet => "internet".to_owned(),
        Component::Resolver(_) => "resolver".to_owned(),
        Component::Service(_) => "service".to_owned(),
    }
}

/// The `path` of a request: interfaces, groups, network ACLs, route tables and gateways in the order it passes them.
pub fn path(reasons: &[Reason], fabric: &Fabric, names: &Names) -> Vec<String> {
    let name = |id: &str| names.name_of(id).unwrap_or(id).to_owned();
    let mut path: Vec<String> = Vec::new();
    for reason in reasons {
        let next = match (reason.at, &reason.rule) {
            (Component::SecurityGroups(..), Some(Rule::SecurityGroup { group, .. })) => name(group.as_str()),
            (Component::NetworkAcl(..), Some(Rule::NetworkAclEntry { acl, .. })) => name(acl.as_str()),
            (Component::RouteTable(i), _) => name(fabric.route_tables[i].id.as_str()),
            (Component::SourceDestCheck(i), _) => name(fabric.interfaces[i].id.as_str()),
            (
                Component::InternetGateway(_)
                | Component::EgressOnlyInternetGateway(_)
                | Component::VpnGateway(_)
                | Component::TransitGateway(_)
                | Component::NatGateway(_)
                | Component::Peering(_)
                | Component::VpcEndpoint(_),
                _,
            ) => component(reason.at, fabric, names),
            _ => continue,
        };
        if path.last() != Some(&next) {
            path.push(next);
        }
    }
    path
}
