//! Types of resources that operations make.

pub use query::resource::{named, of_id};

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

/// Everything that a call of an operation may be asked for; empty for those that take no resource (EC2A-2).
///
/// What a call makes, and what its required parameters name; where none is required, what any names.
pub fn taken_by(operation: &str) -> Vec<&'static str> {
    if super::is_reading(operation) {
        return Vec::new();
    }
    let special: &[&str] = match operation {
        "RunInstances" => &["image", "instance", "key-pair", "network-interface", "security-group", "subnet", "volume"],
        "CreateTags" | "DeleteTags" => query::resource::TYPES,
        "DetachNetworkInterface" => &["network-interface"],
        "DisassociateAddress" => &["elastic-ip"],
        "DisassociateIamInstanceProfile" | "ReplaceIamInstanceProfileAssociation" => &["instance"],
        "DisassociateRouteTable" | "ReplaceRouteTableAssociation" => &["route-table"],
        "DisassociateSubnetCidrBlock" => &["subnet"],
        "DisassociateVpcCidrBlock" => &["vpc"],
        "CreateKeyPair" | "ImportKeyPair" => &["key-pair"],
        "ReplaceNetworkAclAssociation" => &["network-acl"],
        _ => &[],
    };
    if !special.is_empty() {
        return special.to_vec();
    }
    let mut kinds = made_by(operation).to_vec();
    let ec2 = query::shapes::service("ec2");
    let parameters = ec2.and_then(|ec2| Some(ec2.members(ec2.operation(operation)?.input))).unwrap_or_default();
    let only = super::demand::members(operation);
    let counts = |member: &&query::shapes::Member| only.is_none_or(|only| only.contains(&member.name));
    let named = |member: &query::shapes::Member| named_by(member.name);
    let required: Vec<&str> = parameters.iter().filter(|member| member.is_required).filter(counts).filter_map(named).collect();
    match required.is_empty() && kinds.is_empty() {
        true => kinds.extend(parameters.iter().filter(counts).filter_map(named)),
        false => kinds.extend(required),
    }
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The type that a parameter names by id.
fn named_by(parameter: &str) -> Option<&'static str> {
    let name = match parameter {
        "KeyName" => return Some("key-pair"),
        "PublicIp" => return Some("elastic-ip"),
        "Groups" => "Group",
        _ => parameter.strip_suffix("Ids").or_else(|| parameter.strip_suffix("Id"))?,
    };
    Some(match name {
        "Allocation" => "elastic-ip",
        "FlowLog" => "vpc-flow-log",
        "Group" | "SecurityGroup" => "security-group",
        "NatGateway" => "natgateway",
        // The others are their types with dashes: `RouteTable`, `VpcPeeringConnection`.
        _ => {
            let mut kind = String::new();
            for character in name.chars() {
                if character.is_ascii_uppercase() && !kind.is_empty() {
                    kind.push('-');
                }
                kind.push(character.to_ascii_lowercase());
            }
            return named(&kind);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_takes_follows_from_its_parameters() {
        for (operation, kinds) in [
            ("TerminateInstances", &["instance"][..]),
            ("CreateSubnet", &["subnet", "vpc"]),
            ("AttachInternetGateway", &["internet-gateway", "vpc"]),
            ("AuthorizeSecurityGroupIngress", &["security-group"]),
            ("DeleteSecurityGroup", &["security-group"]),
            ("CreateRoute", &["route-table"]),
            ("DisassociateAddress", &["elastic-ip"]),
            ("DescribeInstances", &[]),
        ] {
            assert_eq!(taken_by(operation), kinds, "{operation}");
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
