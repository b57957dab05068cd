//! Types of resources as their names have them (EC2A-1).

/// What stands before the last dash of an id, and the type that such an id has.
const KINDS: &[(&str, &str)] = &[
    ("acl", "network-acl"),
    ("ami", "image"),
    ("dopt", "dhcp-options"),
    ("eigw", "egress-only-internet-gateway"),
    ("eipalloc", "elastic-ip"),
    ("eni", "network-interface"),
    ("fl", "vpc-flow-log"),
    ("i", "instance"),
    ("igw", "internet-gateway"),
    ("key", "key-pair"),
    ("lt", "launch-template"),
    ("nat", "natgateway"),
    ("nia", "network-insights-analysis"),
    ("nip", "network-insights-path"),
    ("pcx", "vpc-peering-connection"),
    ("pl", "prefix-list"),
    ("rtb", "route-table"),
    ("scr", "subnet-cidr-reservation"),
    ("sg", "security-group"),
    ("sgr", "security-group-rule"),
    ("sir", "spot-instances-request"),
    ("snap", "snapshot"),
    ("subnet", "subnet"),
    ("tgw", "transit-gateway"),
    ("tgw-attach", "transit-gateway-attachment"),
    ("tgw-rtb", "transit-gateway-route-table"),
    ("vgw", "vpn-gateway"),
    ("vol", "volume"),
    ("vpc", "vpc"),
    ("vpce", "vpc-endpoint"),
];

/// The type of an id; none for ids of associations and for texts that are no ids.
pub fn of_id(id: &str) -> Option<&'static str> {
    let (prefix, _) = id.rsplit_once('-')?;
    KINDS.iter().find(|(known, _)| *known == prefix).map(|(_, kind)| *kind)
}

/// The type of this name.
pub fn named(kind: &str) -> Option<&'static str> {
    KINDS.iter().map(|(_, known)| *known).find(|known| *known == kind)
}

/// The types that an operation makes something of.
pub fn made_by(operation: &str) -> &'static [&'static str] {
    match operation {
        "AllocateAddress" => &["elastic-ip"],
        "CreateDefaultSubnet" | "CreateSubnet" => &["subnet"],
        "CreateDefaultVpc" | "CreateVpc" => &["vpc"],
        "CreateDhcpOptions" => &["dhcp-options"],
        "CreateEgressOnlyInternetGateway" => &["egress-only-internet-gateway"],
        "CreateFlowLogs" => &["vpc-flow-log"],
        "CopyImage" | "RegisterImage" => &["image"],
        "CopySnapshot" | "CreateSnapshot" | "CreateSnapshots" => &["snapshot"],
        "CreateImage" => &["image", "snapshot"],
        "CreateInternetGateway" => &["internet-gateway"],
        "CreateLaunchTemplate" => &["launch-template"],
        "CreateManagedPrefixList" => &["prefix-list"],
        "CreateNatGateway" => &["natgateway"],
        "CreateNetworkAcl" => &["network-acl"],
        "CreateNetworkInterface" => &["network-interface"],
        "CreateRouteTable" => &["route-table"],
        "CreateSecurityGroup" => &["security-group"],
        "CreateTransitGateway" => &["transit-gateway"],
        "CreateTransitGatewayRouteTable" => &["transit-gateway-route-table"],
        "CreateTransitGatewayVpcAttachment" => &["transit-gateway-attachment"],
        "CreateSubnetCidrReservation" => &["subnet-cidr-reservation"],
        "CreateVolume" => &["volume"],
        "CreateVpcEndpoint" => &["vpc-endpoint"],
        "CreateVpcPeeringConnection" => &["vpc-peering-connection"],
        "CreateVpnGateway" => &["vpn-gateway"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_tells_the_type_of_an_id() {
        for (id, kind) in [
            ("vpc-0123456789abcdef0", Some("vpc")),
            ("tgw-attach-0123456789abcdef0", Some("transit-gateway-attachment")),
            ("i-1", Some("instance")),
            ("vpc-cidr-assoc-1", None),
            ("eni-attach-1", None),
            ("default", None),
            ("", None),
        ] {
            assert_eq!(of_id(id), kind, "{id}");
        }
    }

    #[test]
    fn every_operation_that_makes_something_says_what() {
        // These make parts of something that is there, or are told apart in `demand`.
        let others = ["CreateKeyPair", "CreateLaunchTemplateVersion", "CreateNetworkAclEntry", "CreateRoute", "CreateTags", "CreateTransitGatewayRoute"];
        let silent: Vec<_> = ec2::operations()
            .into_iter()
            .filter(|name| ["Allocate", "Copy", "Create", "Register"].iter().any(|verb| name.starts_with(verb)))
            .filter(|name| made_by(name).is_empty() && !others.contains(name))
            .collect();
        assert_eq!(silent, [""; 0]);
    }
}
