//! Types of EC2's resources as their names and ids have them (EC2A-1).

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

/// All types, in the order of their ids.
pub const TYPES: &[&str] = &{
    let mut types = [""; KINDS.len()];
    let mut index = 0;
    while index < types.len() {
        types[index] = KINDS[index].1;
        index += 1;
    }
    types
};

/// The type of an id; none for ids of associations and for texts that are no ids.
pub fn of_id(id: &str) -> Option<&'static str> {
    let (prefix, _) = id.rsplit_once('-')?;
    KINDS.iter().find(|(known, _)| *known == prefix).map(|(_, kind)| *kind)
}

/// The type of this name.
pub fn named(kind: &str) -> Option<&'static str> {
    TYPES.iter().copied().find(|known| *known == kind)
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
}
