//! Clouds in a few words: models made directly, with ids that are names (`eni-web1`, `rtb-pub`).

use std::net::Ipv4Addr;

use model::instance::MetadataOptions;
use model::nat_gateway::NatGatewayState;
use model::network_acl::{NetworkAclAssociation, NetworkAclEntry};
use model::network_interface::{Attachment, InterfaceType, MacAddress};
use model::peering::PeeringStatus;
use model::route_table::{Associated, RouteOrigin, RouteTableAssociation};
use model::vpc::{CidrBlock, CidrBlockState};
use model::*;

/// A cloud under construction.
pub struct World {
    /// What it is so far.
    pub model: Model,
    count: u16,
}

fn id<Id: std::str::FromStr>(kind: &str, name: &str) -> Id
where
    Id::Err: std::fmt::Debug,
{
    format!("{kind}-{name}").parse().expect("id")
}

fn named(name: &str) -> Tags {
    Tags::from([("Name".to_owned(), name.to_owned())])
}

/// `tcp 80`, `tcp 8000-8010`, `udp 53`, `icmp`, `icmp 8`, `icmp 8/0`, `all`, `47`.
pub fn traffic(text: &str) -> TrafficMatch {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let ports = || match rest.split_once('-') {
        _ if rest.is_empty() => PortRange::ALL,
        Some((from, to)) => PortRange { from: from.parse().expect("port"), to: to.parse().expect("port") },
        None => PortRange::one(rest.parse().expect("port")),
    };
    match word {
        "all" => TrafficMatch::All,
        "tcp" => TrafficMatch::Tcp(ports()),
        "udp" => TrafficMatch::Udp(ports()),
        "icmp" => {
            let (icmp_type, code) = rest.split_once('/').unwrap_or((rest, ""));
            TrafficMatch::Icmp(IcmpMatch { icmp_type: icmp_type.parse().ok(), code: code.parse().ok() })
        }
        number => TrafficMatch::Other(number.parse().expect("protocol")),
    }
}

impl World {
    /// Nothing.
    pub fn new() -> World {
        let context = Context::seeded(1, Timestamp(1_700_000_000));
        World { model: Model::new("111122223333", Region("ap-northeast-2".into()), context), count: 0 }
    }

    /// The topology T3 of the scenarios.
    pub fn t3() -> World {
        let mut world = World::new();
        world.vpc("a", "10.0.0.0/16");
        world.igw("a", "a");
        for table in ["pub", "app", "db"] {
            world.table(table, "a");
        }
        for (subnet, cidr, table) in [
            ("pub-a", "10.0.0.0/24", "pub"),
            ("adm-a", "10.0.90.0/24", "pub"),
            ("app-a", "10.0.10.0/24", "app"),
            ("db-a", "10.0.20.0/24", "db"),
        ] {
            world.subnet(subnet, "a", cidr, table);
        }
        world.route("pub", "0.0.0.0/0", "igw-a");
        world.nat("a", "pub-a", "10.0.0.200", Some("198.51.100.20"));
        world.route("app", "0.0.0.0/0", "nat-a");
        world.group("web", "a", &["tcp 80 0.0.0.0/0", "tcp 443 0.0.0.0/0", "tcp 22 sg-bastion"]);
        world.group("app", "a", &["tcp 8080 sg-web", "tcp 22 sg-bastion"]);
        world.group("db", "a", &["tcp 5432 sg-app", "tcp 22 sg-bastion"]);
        world.group("bastion", "a", &["tcp 22 203.0.113.0/24"]);
        world.instance("web1", "pub-a", "10.0.0.10", "web");
        world.instance("web2", "pub-a", "10.0.0.11", "web");
        world.instance("bastion", "adm-a", "10.0.90.10", "bastion");
        world.instance("app1", "app-a", "10.0.10.10", "app");
        world.instance("app2", "app-a", "10.0.10.11", "app");
        world.instance("db1", "db-a", "10.0.20.10", "db");
        world.eip("198.51.100.10", "web1", "10.0.0.10");
        world.eip("198.51.100.90", "bastion", "10.0.90.10");
        world.host("inet1", "203.0.113.50");
        world.host("inet2", "192.0.2.77");
        world
    }

    /// The topology P2 of the scenarios: T3 with two peered VPCs.
    pub fn p2() -> World {
        let mut world = World::t3();
        for (vpc, cidr, subnet, host, address) in [
            ("b", "10.1.0.0/16", "10.1.0.0/24", "bhost", "10.1.0.10"),
            ("c", "10.2.0.0/16", "10.2.0.0/24", "chost", "10.2.0.10"),
        ] {
            world.vpc(vpc, cidr);
            world.table(vpc, vpc);
            world.subnet(vpc, vpc, subnet, vpc);
            world.group(vpc, vpc, &["all 10.0.0.0/8"]);
            world.instance(host, vpc, address, vpc);
        }
        world.peering("ab", "a", "b");
        world.peering("bc", "b", "c");
        world.route("app", "10.1.0.0/16", "pcx-ab");
        world.route("b", "10.0.0.0/16", "pcx-ab");
        world.route("b", "10.2.0.0/16", "pcx-bc");
        world.route("c", "10.1.0.0/16", "pcx-bc");
        world
    }

    /// The topology MB of the scenarios: a plain router between two subnets.
    pub fn mb() -> World {
        let mut world = World::new();
        world.vpc("m", "10.3.0.0/16");
        for (name, cidr) in [("cli", "10.3.1.0/24"), ("fw", "10.3.2.0/24"), ("srv", "10.3.3.0/24")] {
            world.table(name, "m");
            world.subnet(name, "m", cidr, name);
        }
        world.group("cli", "m", &["tcp 22 10.3.0.0/16"]);
        world.group("fw", "m", &["all 10.3.0.0/16"]);
        world.group("srv", "m", &["tcp 80 10.3.1.0/24"]);
        world.instance("cli", "cli", "10.3.1.10", "cli");
        world.instance("fw", "fw", "10.3.2.10", "fw");
        world.instance("srv", "srv", "10.3.3.10", "srv");
        world.check("fw", false);
        world.forward("fw");
        world.route("cli", "10.3.3.0/24", "eni-fw");
        world.route("srv", "10.3.1.0/24", "eni-fw");
        world
    }

    /// A VPC with DNS support and a list that allows everything.
    pub fn vpc(&mut self, name: &str, cidr: &str) {
        let vpc: VpcId = id("vpc", name);
        let block = CidrBlock {
            association_id: id("vpc-cidr-assoc", name),
            block: cidr.parse().expect("block"),
            state: CidrBlockState::Associated,
            settles_at: Timestamp(0),
        };
        let made = Vpc {
            id: vpc.clone(),
            cidr_blocks: vec![block],
            ipv6_cidr_blocks: Vec::new(),
            available_at: Timestamp(0),
            dhcp_options_id: None,
            dedicated_tenancy: false,
            is_default: false,
            enable_dns_support: true,
            enable_dns_hostnames: true,
            tags: named(name),
            origin: Origin::default(),
        };
        self.model.vpcs.insert(vpc.clone(), made);
        let all = NetworkAclEntry {
            rule_number: 100,
            traffic: TrafficMatch::All,
            cidr_block: "0.0.0.0/0".parse().expect("block"),
            allow: true,
            origin: Origin::default(),
        };
        self.acl_of(&format!("default-{name}"), &vpc, vec![all.clone()], vec![all], true);
    }

    fn acl_of(&mut self, name: &str, vpc: &VpcId, ingress: Vec<NetworkAclEntry>, egress: Vec<NetworkAclEntry>, is_default: bool) {
        let acl: NetworkAclId = id("acl", name);
        let made = NetworkAcl {
            id: acl.clone(),
            vpc_id: vpc.clone(),
            is_default,
            ingress,
            egress,
            associations: Vec::new(),
            tags: named(name),
            origin: Origin::default(),
        };
        self.model.network_acls.insert(acl, made);
    }

    /// An empty list for a subnet: denies everything.
    pub fn acl(&mut self, name: &str, subnet: &str) {
        let subnet: SubnetId = id("subnet", subnet);
        let vpc = self.model.subnets[&subnet].vpc_id.clone();
        self.acl_of(name, &vpc, Vec::new(), Vec::new(), false);
        for acl in self.model.network_acls.values_mut() {
            acl.associations.retain(|a| a.subnet_id != subnet);
        }
        let association = NetworkAclAssociation { id: id("aclassoc", name), subnet_id: subnet };
        self.model.network_acls.get_mut(&id("acl", name)).expect("list").associations.push(association);
    }

    /// `in 100 allow tcp 8080 10.0.0.0/24`
    pub fn entry(&mut self, acl: &str, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        let [direction, number, action, ..] = words[..] else { panic!("{text}") };
        let entry = NetworkAclEntry {
            rule_number: number.parse().expect("number"),
            traffic: traffic(&words[3..words.len() - 1].join(" ")),
            cidr_block: words[words.len() - 1].parse().expect("block"),
            allow: action == "allow",
            origin: Origin::default(),
        };
        let acl = self.model.network_acls.get_mut(&id("acl", acl)).expect("list");
        let entries = if direction == "in" { &mut acl.ingress } else { &mut acl.egress };
        entries.push(entry);
        entries.sort_by_key(|entry| entry.rule_number);
    }

    /// An attached internet gateway.
    pub fn igw(&mut self, name: &str, vpc: &str) {
        let made = InternetGateway {
            id: id("igw", name),
            vpc_id: Some(id("vpc", vpc)),
            tags: named(&format!("igw-{name}")),
            origin: Origin::default(),
        };
        self.model.internet_gateways.insert(made.id.clone(), made);
    }

    /// A route table with local routes.
    pub fn table(&mut self, name: &str, vpc: &str) {
        let vpc: VpcId = id("vpc", vpc);
        let routes = self.model.vpcs[&vpc]
            .ipv4_blocks()
            .map(|block| Route {
                destination: Destination::Ipv4(block),
                target: RouteTarget::Local,
                created_by: RouteOrigin::CreateRouteTable,
                origin: Origin::default(),
            })
            .collect();
        let made = RouteTable {
            id: id("rtb", name),
            vpc_id: vpc,
            routes,
            associations: Vec::new(),
            propagating_vgws: Vec::new(),
            tags: named(&format!("rt-{name}")),
            origin: Origin::default(),
        };
        self.model.route_tables.insert(made.id.clone(), made);
    }

    /// Adds or replaces a route; the target is an id.
    pub fn route(&mut self, table: &str, destination: &str, target: &str) {
        self.unroute(table, destination);
        let (kind, name) = target.split_once('-').expect("target");
        let target = match kind {
            "igw" => RouteTarget::InternetGateway(id("igw", name)),
            "nat" => RouteTarget::NatGateway(id("nat", name)),
            "eni" => RouteTarget::NetworkInterface(id("eni", name)),
            "pcx" => RouteTarget::VpcPeeringConnection(id("pcx", name)),
            other => panic!("{other}"),
        };
        let route = Route {
            destination: Destination::Ipv4(destination.parse().expect("block")),
            target,
            created_by: RouteOrigin::CreateRoute,
            origin: Origin::default(),
        };
        self.model.route_tables.get_mut(&id("rtb", table)).expect("table").routes.push(route);
    }

    /// Takes a route away.
    pub fn unroute(&mut self, table: &str, destination: &str) {
        let destination = Destination::Ipv4(destination.parse().expect("block"));
        let table = self.model.route_tables.get_mut(&id("rtb", table)).expect("table");
        table.routes.retain(|route| route.destination != destination);
    }

    /// Makes a table the gateway route table of an internet gateway (RT-18).
    pub fn edge(&mut self, table: &str, igw: &str) {
        let association = RouteTableAssociation { id: id("rtbassoc", table), to: Associated::InternetGateway(id("igw", igw)) };
        self.model.route_tables.get_mut(&id("rtb", table)).expect("table").associations.push(association);
    }

    /// A subnet with its own table.
    pub fn subnet(&mut self, name: &str, vpc: &str, cidr: &str, table: &str) {
        let made = Subnet {
            id: id("subnet", name),
            vpc_id: id("vpc", vpc),
            cidr_block: cidr.parse().expect("block"),
            ipv6_cidr_blocks: Vec::new(),
            availability_zone: "ap-northeast-2a".into(),
            map_public_ip_on_launch: false,
            assign_ipv6_address_on_creation: false,
            default_for_az: false,
            available_at: Timestamp(0),
            tags: named(name),
            origin: Origin::default(),
        };
        let association = RouteTableAssociation { id: id("rtbassoc", name), to: Associated::Subnet(made.id.clone()) };
        self.model.route_tables.get_mut(&id("rtb", table)).expect("table").associations.push(association);
        let acl = self.model.network_acls.get_mut(&id("acl", &format!("default-{vpc}"))).expect("list");
        acl.associations.push(NetworkAclAssociation { id: id("aclassoc", name), subnet_id: made.id.clone() });
        self.model.subnets.insert(made.id.clone(), made);
    }

    /// A group that lets everything out; rules are `TRAFFIC PEER`.
    pub fn group(&mut self, name: &str, vpc: &str, ingress: &[&str]) {
        let made = SecurityGroup {
            id: id("sg", name),
            group_name: format!("group {name}"),
            description: name.to_owned(),
            vpc_id: id("vpc", vpc),
            ingress: Vec::new(),
            egress: Vec::new(),
            tags: named(name),
            origin: Origin::default(),
        };
        self.model.security_groups.insert(made.id.clone(), made);
        for rule in ingress {
            self.allow_in(name, rule);
        }
        self.allow_out(name, "all 0.0.0.0/0");
    }

    fn rule(&mut self, text: &str) -> SecurityGroupRule {
        let (what, peer) = text.rsplit_once(' ').expect("rule");
        let peer = match peer.split_once('-') {
            Some(("sg", name)) => Peer::SecurityGroup(id("sg", name)),
            _ => Peer::Ipv4(peer.parse().expect("block")),
        };
        SecurityGroupRule {
            id: self.model.context.next_id(),
            traffic: traffic(what),
            peer,
            description: String::new(),
            tags: Tags::new(),
            origin: Origin::default(),
        }
    }

    /// Adds an ingress rule.
    pub fn allow_in(&mut self, group: &str, text: &str) {
        let rule = self.rule(text);
        self.model.security_groups.get_mut(&id("sg", group)).expect("group").ingress.push(rule);
    }

    /// Adds an egress rule.
    pub fn allow_out(&mut self, group: &str, text: &str) {
        let rule = self.rule(text);
        self.model.security_groups.get_mut(&id("sg", group)).expect("group").egress.push(rule);
    }

    /// Takes an ingress rule away.
    pub fn revoke_in(&mut self, group: &str, text: &str) {
        let gone = self.rule(text);
        let group = self.model.security_groups.get_mut(&id("sg", group)).expect("group");
        group.ingress.retain(|rule| (rule.traffic, &rule.peer) != (gone.traffic, &gone.peer));
    }

    /// Takes all egress rules away.
    pub fn clear_out(&mut self, group: &str) {
        self.model.security_groups.get_mut(&id("sg", group)).expect("group").egress.clear();
    }

    fn interface(&mut self, name: &str, subnet: &str, address: &str, groups: &[&str], kind: InterfaceType) -> NetworkInterface {
        self.count += 1;
        let subnet: SubnetId = id("subnet", subnet);
        NetworkInterface {
            id: id("eni", name),
            vpc_id: self.model.subnets[&subnet].vpc_id.clone(),
            subnet_id: subnet,
            description: String::new(),
            mac_address: MacAddress([0x02, 0, 0, 0, (self.count >> 8) as u8, self.count as u8]),
            private_ip_addresses: vec![address.parse().expect("address")],
            ipv6_addresses: Vec::new(),
            auto_public_ip: None,
            auto_public_ip_due: None,
            associate_public_ip_address: false,
            groups: groups.iter().map(|group| id("sg", group)).collect(),
            source_dest_check: kind == InterfaceType::Interface,
            attachment: None,
            interface_type: kind,
            tags: named(name),
            origin: Origin::default(),
        }
    }

    /// A running instance with one interface `eni-NAME`.
    pub fn instance(&mut self, name: &str, subnet: &str, address: &str, group: &str) {
        let made = Instance {
            id: id("i", name),
            reservation_id: id("r", name),
            ami_launch_index: 0,
            image_id: id("ami", "0"),
            instance_type: "t3.micro".into(),
            key_name: None,
            iam_instance_profile: None,
            state: InstanceState::Running,
            settles_at: Timestamp(0),
            checks_pass_at: Timestamp(0),
            launch_time: Timestamp(0),
            reboots: 0,
            state_transition_reason: String::new(),
            availability_zone: "ap-northeast-2a".into(),
            user_data: None,
            metadata_options: MetadataOptions::default(),
            disable_api_termination: false,
            disable_api_stop: false,
            unlimited_cpu_credits: false,
            monitoring: false,
            terminate_on_shutdown: false,
            resource_name_dns: false,
            root_device_name: "/dev/xvda".into(),
            options: Default::default(),
            tags: named(name),
            origin: Origin::default(),
        };
        let mut interface = self.interface(name, subnet, address, &[group], InterfaceType::Interface);
        interface.attachment = Some(Attachment {
            id: id("eni-attach", name),
            instance_id: made.id.clone(),
            device_index: 0,
            delete_on_termination: true,
            attach_time: Timestamp(0),
        });
        self.model.network_interfaces.insert(interface.id.clone(), interface);
        self.model.guests.insert(made.id.clone(), Guest::default());
        self.model.instances.insert(made.id.clone(), made);
    }

    /// The interface of an instance.
    pub fn eni(&mut self, name: &str) -> &mut NetworkInterface {
        self.model.network_interfaces.get_mut(&id("eni", name)).expect("interface")
    }

    /// Sets the groups of an interface.
    pub fn groups(&mut self, name: &str, groups: &[&str]) {
        self.eni(name).groups = groups.iter().map(|group| id("sg", group)).collect();
    }

    /// Sets the source/dest check.
    pub fn check(&mut self, name: &str, on: bool) {
        self.eni(name).source_dest_check = on;
    }

    /// The guest forwards.
    pub fn forward(&mut self, name: &str) {
        self.model.guests.get_mut(&id("i", name)).expect("guest").ip_forward = true;
    }

    /// The guest hides what it forwards.
    pub fn masquerade(&mut self, name: &str) {
        self.model.guests.get_mut(&id("i", name)).expect("guest").masquerade = true;
    }

    /// Sets an instance's state.
    pub fn state(&mut self, name: &str, state: InstanceState) {
        self.model.instances.get_mut(&id("i", name)).expect("instance").state = state;
    }

    /// A NAT gateway that works.
    pub fn nat(&mut self, name: &str, subnet: &str, address: &str, public: Option<&str>) {
        let interface = self.interface(&format!("nat-{name}"), subnet, address, &[], InterfaceType::NatGateway);
        let made = NatGateway {
            id: id("nat", name),
            subnet_id: interface.subnet_id.clone(),
            vpc_id: interface.vpc_id.clone(),
            is_public: public.is_some(),
            network_interface_id: Some(interface.id.clone()),
            private_ip: Some(interface.primary_address()),
            allocation_id: None,
            state: NatGatewayState::Available,
            failure: None,
            settles_at: Timestamp(0),
            create_time: Timestamp(0),
            delete_time: None,
            tags: named(&format!("nat-{name}")),
            origin: Origin::default(),
        };
        self.model.network_interfaces.insert(interface.id.clone(), interface);
        self.model.nat_gateways.insert(made.id.clone(), made);
        if let Some(public) = public {
            self.eip(public, &format!("nat-{name}"), address);
        }
    }

    /// Gives a public address to a private one of an interface; takes it from whoever had it.
    pub fn eip(&mut self, public: &str, interface: &str, private: &str) {
        let public: Ipv4Addr = public.parse().expect("address");
        let name = public.to_string().replace('.', "-");
        let association = address::AddressAssociation {
            id: id("eipassoc", &name),
            network_interface_id: id("eni", interface),
            private_ip_address: private.parse().expect("address"),
        };
        let made = Address {
            allocation_id: id("eipalloc", &name),
            public_ip: public,
            association: Some(association),
            tags: Tags::new(),
            origin: Origin::default(),
        };
        self.model.addresses.insert(made.allocation_id.clone(), made);
    }

    /// An active peering connection.
    pub fn peering(&mut self, name: &str, requester: &str, accepter: &str) {
        let made = VpcPeeringConnection {
            id: id("pcx", name),
            requester_vpc_id: id("vpc", requester),
            accepter_vpc_id: id("vpc", accepter),
            status: PeeringStatus::Active,
            settles: None,
            status_message: String::new(),
            expiration_time: Timestamp(0),
            requester_allows_dns_resolution: false,
            accepter_allows_dns_resolution: false,
            tags: named(&format!("pcx-{name}")),
            origin: Origin::default(),
        };
        self.model.vpc_peering_connections.insert(made.id.clone(), made);
    }

    /// A named place on the internet.
    pub fn host(&mut self, name: &str, address: &str) {
        let made = OutsideHost { addresses: vec![address.parse().expect("address")], origin: Origin::default() };
        self.model.outside.insert(name.to_owned(), made);
    }
}
