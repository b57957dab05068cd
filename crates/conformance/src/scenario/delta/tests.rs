//! One line a form of the grammar, and what must not pass for one.

use model::{IcmpMatch, PortRange, TrafficMatch};

use super::*;

#[test]
fn every_form_of_the_table_is_understood() {
    let name = |text: &str| text.to_owned();
    for (text, expected) in [
        (
            "rt r + 10.0.0.0/8 > igw-a",
            Delta::AddRoute {
                table: name("r"),
                destination: RouteDestination::Cidr("10.0.0.0/8".parse().unwrap()),
                target: name("igw-a"),
                propagated: false,
            },
        ),
        (
            "rt r + ::/0 > vgw-a propagated",
            Delta::AddRoute {
                table: name("r"),
                destination: RouteDestination::Cidr("::/0".parse().unwrap()),
                target: name("vgw-a"),
                propagated: true,
            },
        ),
        (
            "rt r + pl:l > nat",
            Delta::AddRoute {
                table: name("r"),
                destination: RouteDestination::PrefixList(name("l")),
                target: name("nat"),
                propagated: false,
            },
        ),
        (
            "rt r - 0.0.0.0/0",
            Delta::RemoveRoute { table: name("r"), destination: RouteDestination::Cidr("0.0.0.0/0".parse().unwrap()) },
        ),
        ("rt r new v", Delta::NewTable { table: name("r"), vpc: name("v") }),
        ("edge igw = r", Delta::Edge { gateway: name("igw"), table: name("r") }),
        (
            "subnet s = v 10.0.0.0/24 a main",
            Delta::Subnet {
                subnet: name("s"),
                vpc: name("v"),
                cidr: "10.0.0.0/24".parse().unwrap(),
                zone: name("a"),
                table: SubnetTable::Main,
            },
        ),
        ("subnet s rt = r", Delta::SubnetTable { subnet: name("s"), table: SubnetTable::Named(name("r")) }),
        ("subnet s cidr6 = 2001:db8::/64", Delta::SubnetIpv6 { subnet: name("s"), cidr: "2001:db8::/64".parse().unwrap() }),
        ("main v = r", Delta::Main { vpc: name("v"), table: name("r") }),
        (
            "eni e = s 10.0.0.4,10.0.0.5 g,h",
            Delta::Interface {
                eni: name("e"),
                subnet: name("s"),
                addresses: vec![[10, 0, 0, 4].into(), [10, 0, 0, 5].into()],
                groups: vec![name("g"), name("h")],
            },
        ),
        ("eni e sg = g", Delta::InterfaceGroups { eni: name("e"), groups: vec![name("g")] }),
        ("eni e eip = 1.2.3.4", Delta::ElasticIp { eni: name("e"), private: None, public: [1, 2, 3, 4].into() }),
        (
            "eni e eip[10.0.0.5] = 1.2.3.4",
            Delta::ElasticIp { eni: name("e"), private: Some([10, 0, 0, 5].into()), public: [1, 2, 3, 4].into() },
        ),
        ("eni e eip none", Delta::NoElasticIp { eni: name("e") }),
        ("eni e ip + 10.0.0.9", Delta::SecondaryAddress { eni: name("e"), address: [10, 0, 0, 9].into() }),
        ("eni e ip6 + ::1", Delta::Ipv6Address { eni: name("e"), address: "::1".parse().unwrap() }),
        ("eni e check off", Delta::SourceDestCheck { eni: name("e"), on: false }),
        ("eni e check on", Delta::SourceDestCheck { eni: name("e"), on: true }),
        ("eni e forward", Delta::Forward { eni: name("e") }),
        ("eni e masquerade", Delta::Masquerade { eni: name("e") }),
        ("eni e stopped", Delta::Stopped { eni: name("e") }),
        ("eni e http_tokens required", Delta::HttpTokens { eni: name("e"), required: true }),
        ("eni e http_tokens optional", Delta::HttpTokens { eni: name("e"), required: false }),
        ("eni e hop_limit 64", Delta::HopLimit { eni: name("e"), hops: 64 }),
        ("eni e container", Delta::Container { eni: name("e") }),
        ("sg g new v", Delta::NewGroup { group: name("g"), vpc: name("v") }),
        (
            "sg g in + tcp 80-90 10.0.0.0/8",
            Delta::AddRule {
                group: name("g"),
                direction: RuleDirection::In,
                rule: GroupRule {
                    traffic: TrafficMatch::Tcp(PortRange { from: 80, to: 90 }),
                    peer: RulePeer::Cidr("10.0.0.0/8".parse().unwrap()),
                },
            },
        ),
        (
            "sg g out - icmp 8/-1 pl:l",
            Delta::RemoveRule {
                group: name("g"),
                direction: RuleDirection::Out,
                rule: GroupRule {
                    traffic: TrafficMatch::Icmp(IcmpMatch { icmp_type: Some(8), code: None }),
                    peer: RulePeer::PrefixList(name("l")),
                },
            },
        ),
        (
            "sg g in + all 8000-8000 default-sg:v",
            Delta::AddRule {
                group: name("g"),
                direction: RuleDirection::In,
                rule: GroupRule { traffic: TrafficMatch::All, peer: RulePeer::Group(name("default-sg:v")) },
            },
        ),
        ("sg g out clear", Delta::ClearRules { group: name("g"), direction: RuleDirection::Out }),
        ("acl a = s,t", Delta::Acl { acl: name("a"), subnets: vec![name("s"), name("t")] }),
        (
            "acl a out 90 deny 47 all 0.0.0.0/0",
            Delta::AclEntry {
                acl: name("a"),
                direction: RuleDirection::Out,
                number: 90,
                allow: false,
                traffic: TrafficMatch::Other(47),
                cidr: "0.0.0.0/0".parse().unwrap(),
            },
        ),
        ("acl a in 100 delete", Delta::DeleteAclEntry { acl: name("a"), direction: RuleDirection::In, number: 100 }),
        (
            "nat n = s 10.0.0.9 public 1.2.3.4",
            Delta::Nat { nat: name("n"), subnet: name("s"), address: [10, 0, 0, 9].into(), public: Some([1, 2, 3, 4].into()) },
        ),
        (
            "nat n = s 10.0.0.9 private",
            Delta::Nat { nat: name("n"), subnet: name("s"), address: [10, 0, 0, 9].into(), public: None },
        ),
        ("nat n delete", Delta::DeleteNat { nat: name("n") }),
        ("vpc v = 10.0.0.0/16", Delta::Vpc { vpc: name("v"), cidr: "10.0.0.0/16".parse().unwrap(), gateway: None }),
        (
            "vpc v = 10.0.0.0/16 igw",
            Delta::Vpc { vpc: name("v"), cidr: "10.0.0.0/16".parse().unwrap(), gateway: Some(name("igw")) },
        ),
        ("vpc v cidr + 10.1.0.0/16", Delta::VpcBlock { vpc: name("v"), cidr: "10.1.0.0/16".parse().unwrap() }),
        ("vpc v cidr6 + 2001:db8::/56", Delta::VpcIpv6 { vpc: name("v"), cidr: "2001:db8::/56".parse().unwrap() }),
        ("vpc v dns_support false", Delta::DnsSupport { vpc: name("v"), on: false }),
        ("vpc v dns_hostnames true", Delta::DnsHostnames { vpc: name("v"), on: true }),
        (
            "pcx p = v w pending-acceptance",
            Delta::Peering { pcx: name("p"), requester: name("v"), accepter: name("w"), state: PeeringState::PendingAcceptance },
        ),
        ("pcx p state active", Delta::PeeringState { pcx: name("p"), state: PeeringState::Active }),
        (
            "pl l = 10.0.0.0/8,11.0.0.0/8",
            Delta::PrefixList { list: name("l"), entries: vec!["10.0.0.0/8".parse().unwrap(), "11.0.0.0/8".parse().unwrap()] },
        ),
        ("host h = 2001:db8::1", Delta::Host { host: name("h"), address: "2001:db8::1".parse().unwrap() }),
        ("eigw e = v", Delta::EgressOnlyGateway { gateway: name("e"), vpc: name("v") }),
        ("vgw g = v", Delta::VpnGateway { gateway: name("g"), vpc: name("v") }),
        (
            "vpce e = v s3 pl:l r,s",
            Delta::Endpoint {
                endpoint: name("e"),
                vpc: name("v"),
                service: name("s3"),
                list: name("l"),
                tables: vec![name("r"), name("s")],
            },
        ),
        ("tgw t = s,u", Delta::Transit(TransitDelta::New { gateway: name("t"), subnets: vec![name("s"), name("u")] })),
        ("tgw t + s", Delta::Transit(TransitDelta::Attach { gateway: name("t"), subnets: vec![name("s")] })),
        ("tgw t - v", Delta::Transit(TransitDelta::Detach { gateway: name("t"), vpc: name("v") })),
        ("tgw t ipv6 v off", Delta::Transit(TransitDelta::Ipv6 { gateway: name("t"), vpc: name("v"), on: false })),
        ("tgw t peer u", Delta::Transit(TransitDelta::Peer { gateway: name("t"), other: name("u") })),
        ("tgwrt r new t", Delta::Transit(TransitDelta::NewTable { table: name("r"), gateway: name("t") })),
        (
            "tgwrt r + 10.0.0.0/8 > blackhole",
            Delta::Transit(TransitDelta::AddRoute { table: name("r"), destination: "10.0.0.0/8".parse().unwrap(), target: name("blackhole") }),
        ),
        (
            "tgwrt r - 2001:db8::/32",
            Delta::Transit(TransitDelta::RemoveRoute { table: name("r"), destination: "2001:db8::/32".parse().unwrap() }),
        ),
        ("tgwrt r = v", Delta::Transit(TransitDelta::Associate { table: name("r"), attached: name("v") })),
        ("tgwrt r without v", Delta::Transit(TransitDelta::Disassociate { table: name("r"), attached: name("v") })),
        ("tgwrt r knows v", Delta::Transit(TransitDelta::Propagate { table: name("r"), attached: name("v"), enabled: true })),
        ("tgwrt r forgets v", Delta::Transit(TransitDelta::Propagate { table: name("r"), attached: name("v"), enabled: false })),
        (
            "flowlog f = e REJECT default,pkt-srcaddr",
            Delta::FlowLog { log: name("f"), eni: name("e"), traffic: FlowLogTraffic::Reject, fields: vec![name("pkt-srcaddr")] },
        ),
    ] {
        assert_eq!(Delta::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_form_is_refused_and_quoted() {
    for text in [
        "",
        "router r new v",
        "rt r * 10.0.0.0/8 > x",
        "rt r + 10.0.0.0/8 igw",
        "rt r + 10.0.0.0/33 > igw",
        "rt r + 10.0.0.0/8 > igw static",
        "rt r + pl: > igw",
        "rt r - 10.0.0.0",
        "subnet s = v 10.0.0.0/24 ap-northeast-2a r",
        "subnet s = v 10.0.0.0/24 a",
        "eni e = s 10.0.0.4",
        "eni e = s 10.0.0.400 g",
        "eni e check maybe",
        "eni e reboot",
        "eni e eip[10.0.0.x] = 1.2.3.4",
        "eni e eip += 1.2.3.4",
        "eni e hop_limit 65",
        "eni e forward now",
        "eni e sg = g,",
        "sg g in + tcp 80",
        "sg g in + tcp 90-80 10.0.0.0/8",
        "sg g in + tcp 70000 10.0.0.0/8",
        "sg g in + sctp all 10.0.0.0/8",
        "sg g in + icmp -1/8 10.0.0.0/8",
        "sg g in + icmp 8 10.0.0.0/8",
        "sg g in + tcp 80 10.0.0.1",
        "sg g up + tcp 80 10.0.0.0/8",
        "acl a = ",
        "acl a in x allow tcp 80 10.0.0.0/8",
        "acl a in 10 permit tcp 80 10.0.0.0/8",
        "acl a in 10 allow tcp 80 sg-x",
        "nat n = s 10.0.0.9 public",
        "nat n = s 10.0.0.9 private 1.2.3.4",
        "vpc v dns_support on",
        "pcx p = v w up",
        "pl l = office",
        "vpce e = v s3 l r",
        "tgw t * s",
        "tgw t = ",
        "tgwrt r + 10.0.0.0 > v",
        "tgwrt r has v",
        "flowlog f = e SOME default",
        "flowlog f = e ALL version",
        "flowlog f = e ALL default,colour",
    ] {
        let error = Delta::parse(text).expect_err(text);
        assert!(!error.is_empty(), "{text}");
    }
}
