//! Clouds to draw, built as people build them: by operations, everything with a name.

use std::collections::BTreeMap;

use model::operation::*;
use model::route_table::Associated;
use model::*;

/// A cloud under construction, in which things are found by their names.
pub struct Cloud {
    pub model: Model,
    vpcs: BTreeMap<String, VpcId>,
    subnets: BTreeMap<String, SubnetId>,
    tables: BTreeMap<String, RouteTableId>,
    groups: BTreeMap<String, SecurityGroupId>,
    pub instances: BTreeMap<String, InstanceId>,
    targets: BTreeMap<String, RouteTarget>,
}

pub fn named(name: &str) -> Tags {
    Tags::from([("Name".to_owned(), name.to_owned())])
}

impl Cloud {
    pub fn new() -> Cloud {
        Cloud {
            model: Model::new("111122223333", Region::default(), Context::seeded(7, Timestamp(1_000_000))),
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            tables: BTreeMap::new(),
            groups: BTreeMap::new(),
            instances: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    pub fn outside(&mut self, name: &str, address: &str) {
        let host = OutsideHost { addresses: vec![address.parse().unwrap()], origin: Origin::default() };
        set_outside_host(&mut self.model, name, host).unwrap();
    }

    pub fn vpc(&mut self, name: &str, block: &str) {
        let request = CreateVpc { cidr_block: block.parse().unwrap(), tags: named(name), ..CreateVpc::default() };
        let id = create_vpc(&mut self.model, request).unwrap();
        self.vpcs.insert(name.to_owned(), id);
    }

    pub fn igw(&mut self, name: &str, vpc: &str) {
        let request = CreateInternetGateway { tags: named(name), ..CreateInternetGateway::default() };
        let id = create_internet_gateway(&mut self.model, request).unwrap();
        attach_internet_gateway(&mut self.model, &id, &self.vpcs[vpc]).unwrap();
        self.targets.insert(name.to_owned(), RouteTarget::InternetGateway(id));
    }

    /// A subnet in zone `zone` (a letter) that uses a table; a table without name is the main one.
    pub fn subnet(&mut self, name: &str, vpc: &str, block: &str, zone: &str, table: &str) -> SubnetId {
        let zone = format!("{}{zone}", self.model.region);
        let base = CreateSubnet::new(self.vpcs[vpc].clone(), block.parse().unwrap());
        let id = create_subnet(&mut self.model, CreateSubnet { availability_zone: Some(zone), tags: named(name), ..base }).unwrap();
        self.subnets.insert(name.to_owned(), id.clone());
        if !table.is_empty() {
            let request = AssociateRouteTable { route_table_id: self.tables[table].clone(), to: Associated::Subnet(id.clone()) };
            associate_route_table(&mut self.model, request).unwrap();
        }
        id
    }

    pub fn table(&mut self, name: &str, vpc: &str) {
        let request = CreateRouteTable { vpc_id: self.vpcs[vpc].clone(), tags: named(name), origin: Origin::default() };
        let id = create_route_table(&mut self.model, request).unwrap();
        self.tables.insert(name.to_owned(), id);
    }

    pub fn route(&mut self, table: &str, destination: &str, target: &str) {
        let destination = Destination::Ipv4(destination.parse().unwrap());
        let target = match self.instances.get(target) {
            Some(instance) => route_target_of_instance(&self.model, instance).unwrap(),
            None => self.targets[target].clone(),
        };
        let route_table_id = self.tables[table].clone();
        create_route(&mut self.model, CreateRoute { route_table_id, destination, target, origin: Origin::default() }).unwrap();
    }

    pub fn nat(&mut self, name: &str, subnet: &str) {
        let allocation = allocate_address(&mut self.model, AllocateAddress::default()).unwrap();
        let request = CreateNatGateway {
            subnet_id: self.subnets[subnet].clone(),
            is_public: true,
            allocation_id: Some(allocation),
            private_ip_address: None,
            tags: named(name),
            origin: Origin::default(),
        };
        let id = create_nat_gateway(&mut self.model, request).unwrap();
        self.settle();
        self.targets.insert(name.to_owned(), RouteTarget::NatGateway(id));
    }

    /// A group whose rules are `80 anywhere`, `22 sg:bastion` or `22 203.0.113.7/32`, all TCP.
    pub fn group(&mut self, name: &str, vpc: &str, rules: &[&str]) {
        let request = CreateSecurityGroup {
            group_name: name.to_owned(),
            description: name.to_owned(),
            vpc_id: Some(self.vpcs[vpc].clone()),
            tags: named(name),
            origin: Origin::default(),
        };
        let id = create_security_group(&mut self.model, request).unwrap();
        let rules = rules.iter().map(|rule| {
            let (port, peer) = rule.split_once(' ').unwrap();
            let peer = match peer.strip_prefix("sg:") {
                Some(group) => Peer::SecurityGroup(self.groups[group].clone()),
                None if peer == "anywhere" => Peer::Ipv4("0.0.0.0/0".parse().unwrap()),
                None => Peer::Ipv4(peer.parse().unwrap()),
            };
            RuleSpecification::new(TrafficMatch::Tcp(PortRange::one(port.parse().unwrap())), peer)
        });
        let request = AuthorizeSecurityGroup { group_id: id.clone(), rules: rules.collect() };
        authorize_security_group_ingress(&mut self.model, request).unwrap();
        self.groups.insert(name.to_owned(), id);
    }

    /// A running instance; `public` gives it an address of the pool.
    pub fn instance(&mut self, name: &str, subnet: &str, groups: &[&str], public: bool) {
        let image = image::default_for(&self.model.region, instance_type::Architecture::X86_64);
        let interface = LaunchInterface {
            subnet_id: Some(self.subnets[subnet].clone()),
            groups: groups.iter().map(|group| self.groups[*group].clone()).collect(),
            associate_public_ip_address: Some(public),
            ..LaunchInterface::default()
        };
        let request = RunInstances { network_interfaces: vec![interface], tags: named(name), ..RunInstances::of(image) };
        let id = run_instances(&mut self.model, request).unwrap().remove(0);
        self.settle();
        self.instances.insert(name.to_owned(), id);
    }

    pub fn listen(&mut self, name: &str, ports: &[u16]) {
        let listen = ports.iter().map(|port| Listener::Tcp(*port)).collect();
        set_guest(&mut self.model, &self.instances[name], Guest { listen, ..Guest::default() }).unwrap();
    }

    pub fn peering(&mut self, name: &str, a: &str, b: &str) {
        let request = CreateVpcPeeringConnection {
            vpc_id: self.vpcs[a].clone(),
            peer_vpc_id: self.vpcs[b].clone(),
            tags: named(name),
            origin: Origin::default(),
        };
        let id = create_vpc_peering_connection(&mut self.model, request).unwrap();
        self.settle();
        accept_vpc_peering_connection(&mut self.model, &id).unwrap();
        self.settle();
        self.targets.insert(name.to_owned(), RouteTarget::VpcPeeringConnection(id));
    }

    pub fn settle(&mut self) {
        self.model.advance_to(self.model.context.now.plus(300));
    }
}

/// The workshop's shop: two public subnets, an internal one and one for the administrator.
pub fn shop() -> Model {
    let mut cloud = Cloud::new();
    cloud.outside("office", "203.0.113.7");
    cloud.vpc("shop", "192.168.0.0/24");
    cloud.igw("shop-igw", "shop");
    cloud.table("rt-public", "shop");
    cloud.table("rt-internal", "shop");
    cloud.route("rt-public", "0.0.0.0/0", "shop-igw");
    cloud.subnet("public-a", "shop", "192.168.0.0/26", "a", "rt-public");
    cloud.subnet("public-c", "shop", "192.168.0.64/26", "c", "rt-public");
    cloud.subnet("internal", "shop", "192.168.0.128/27", "a", "rt-internal");
    cloud.subnet("admin", "shop", "192.168.0.160/27", "a", "rt-public");
    cloud.nat("shop-nat", "public-a");
    cloud.route("rt-internal", "0.0.0.0/0", "shop-nat");
    cloud.group("bastion", "shop", &["22 203.0.113.7/32"]);
    cloud.group("web", "shop", &["80 anywhere", "443 anywhere", "22 sg:bastion"]);
    cloud.group("db", "shop", &["3306 sg:web"]);
    cloud.instance("bastion", "admin", &["bastion"], true);
    cloud.instance("web-1", "public-a", &["web"], true);
    cloud.instance("web-2", "public-c", &["web"], true);
    cloud.instance("db-1", "internal", &["db"], false);
    for (name, ports) in [("bastion", &[22][..]), ("web-1", &[22, 80]), ("web-2", &[22, 80]), ("db-1", &[3306])] {
        cloud.listen(name, ports);
    }
    cloud.model
}

/// Three tiers over two zones, each with its NAT gateway; the database tier has no way out.
pub fn three_tiers() -> Model {
    let mut cloud = Cloud::new();
    cloud.vpc("prod", "10.0.0.0/16");
    cloud.igw("prod-igw", "prod");
    cloud.table("rt-public", "prod");
    cloud.route("rt-public", "0.0.0.0/0", "prod-igw");
    cloud.table("rt-data", "prod");
    cloud.group("lb", "prod", &["443 anywhere"]);
    cloud.group("app", "prod", &["8080 sg:lb"]);
    cloud.group("data", "prod", &["5432 sg:app"]);
    for (zone, number) in [("a", 0), ("b", 1)] {
        let block = |third: usize| format!("10.0.{}.0/24", third + number);
        cloud.subnet(&format!("public-{zone}"), "prod", &block(0), zone, "rt-public");
        cloud.nat(&format!("nat-{zone}"), &format!("public-{zone}"));
        let table = format!("rt-app-{zone}");
        cloud.table(&table, "prod");
        cloud.route(&table, "0.0.0.0/0", &format!("nat-{zone}"));
        cloud.subnet(&format!("app-{zone}"), "prod", &block(10), zone, &table);
        cloud.subnet(&format!("data-{zone}"), "prod", &block(20), zone, "rt-data");
        cloud.instance(&format!("lb-{zone}"), &format!("public-{zone}"), &["lb"], true);
        for n in 1..=2 {
            cloud.instance(&format!("app-{zone}{n}"), &format!("app-{zone}"), &["app"], false);
        }
        cloud.instance(&format!("data-{zone}"), &format!("data-{zone}"), &["data", "app"], false);
    }
    stop_instances(&mut cloud.model, &[cloud.instances["data-b"].clone()]).unwrap();
    cloud.settle();
    cloud.model
}

/// Three VPCs in a row, neighbours peered; the zones of the first share one NAT gateway.
pub fn peered() -> Model {
    let mut cloud = Cloud::new();
    cloud.outside("partner", "198.51.100.20");
    for (name, block) in [("hub", "10.0.0.0/16"), ("dev", "10.1.0.0/16"), ("ops", "10.2.0.0/16")] {
        cloud.vpc(name, block);
        cloud.table(&format!("rt-{name}"), name);
        cloud.group(name, name, &["22 10.0.0.0/8"]);
    }
    cloud.igw("hub-igw", "hub");
    cloud.table("rt-out", "hub");
    cloud.route("rt-out", "0.0.0.0/0", "hub-igw");
    cloud.subnet("out-a", "hub", "10.0.0.0/24", "a", "rt-out");
    cloud.nat("hub-nat", "out-a");
    cloud.route("rt-hub", "0.0.0.0/0", "hub-nat");
    for (name, vpc, block, zone) in [
        ("hub-a", "hub", "10.0.1.0/24", "a"),
        ("hub-c", "hub", "10.0.2.0/24", "c"),
        ("dev-a", "dev", "10.1.1.0/24", "a"),
        ("ops-a", "ops", "10.2.1.0/24", "a"),
    ] {
        cloud.subnet(name, vpc, block, zone, &format!("rt-{vpc}"));
        cloud.instance(&format!("{name}-1"), name, &[vpc], false);
    }
    for (name, a, b, from, to) in [
        ("hub-dev", "hub", "dev", "10.0.0.0/16", "10.1.0.0/16"),
        ("dev-ops", "dev", "ops", "10.1.0.0/16", "10.2.0.0/16"),
        ("hub-ops", "hub", "ops", "10.0.0.0/16", "10.2.0.0/16"),
    ] {
        cloud.peering(name, a, b);
        cloud.route(&format!("rt-{a}"), to, name);
        cloud.route(&format!("rt-{b}"), from, name);
    }
    cloud.model
}

/// Forty instances in one subnet.
pub fn crowd() -> Model {
    let mut cloud = Cloud::new();
    cloud.vpc("farm", "10.0.0.0/16");
    cloud.igw("farm-igw", "farm");
    cloud.table("rt-farm", "farm");
    cloud.route("rt-farm", "0.0.0.0/0", "farm-igw");
    cloud.subnet("field", "farm", "10.0.0.0/24", "a", "rt-farm");
    cloud.group("worker", "farm", &["22 10.0.0.0/16", "9100 10.0.0.0/16"]);
    for number in 1..=40 {
        cloud.instance(&format!("worker-{number}"), "field", &["worker"], number % 8 == 1);
    }
    cloud.model
}

/// What is rare: an instance that routes, a second interface, a blackhole, an own network ACL, an empty subnet,
/// endpoints, names that want to be markup, and one in a script of wide characters.
pub fn oddities() -> Model {
    let mut cloud = Cloud::new();
    cloud.vpc("a <b> & \"c\"", "10.9.0.0/16");
    let vpc = "a <b> & \"c\"";
    cloud.igw("igw;--}", vpc);
    cloud.table("rt-in", vpc);
    cloud.table("rt-out", vpc);
    cloud.route("rt-out", "0.0.0.0/0", "igw;--}");
    let wall = cloud.subnet("wall", vpc, "10.9.0.0/24", "a", "rt-out");
    let inner = cloud.subnet("inner", vpc, "10.9.1.0/24", "a", "rt-in");
    cloud.subnet("empty", vpc, "10.9.2.0/24", "c", "");
    cloud.group("open", vpc, &["22 anywhere"]);
    for name in ["antenna", "firewall", "zebra"] {
        cloud.instance(name, "wall", &["open"], name == "firewall");
    }
    cloud.instance("서버-한국-일번", "inner", &["open"], false);
    cloud.instance("a-name-that-goes-on-and-on-and-on-and-on-until-nobody-wants-to-read-it-any-more", "inner", &["open"], false);
    let second = create_network_interface(&mut cloud.model, CreateNetworkInterface::in_subnet(inner.clone())).unwrap();
    let firewall = cloud.instances["firewall"].clone();
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: firewall.clone(), device_index: 1 };
    attach_network_interface(&mut cloud.model, attach).unwrap();
    cloud.route("rt-in", "0.0.0.0/0", "antenna");
    cloud.nat("gone", "wall");
    cloud.route("rt-in", "192.0.2.0/24", "gone");
    let RouteTarget::NatGateway(gone) = cloud.targets["gone"].clone() else { panic!("a NAT gateway") };
    delete_nat_gateway(&mut cloud.model, &gone).unwrap();
    cloud.settle();
    let request = CreateNetworkAcl { vpc_id: cloud.vpcs[vpc].clone(), tags: named("closed"), origin: Origin::default() };
    let acl = create_network_acl(&mut cloud.model, request).unwrap();
    let association = cloud.model.network_acl_of(&wall).unwrap().associations.iter().find(|a| a.subnet_id == wall).unwrap().id.clone();
    replace_network_acl_association(&mut cloud.model, &association, &acl).unwrap();
    create_internet_gateway(&mut cloud.model, CreateInternetGateway { tags: named("spare"), ..Default::default() }).unwrap();
    cloud.model
}

/// Every kind of gateway at once: IPv6 out only, a VPN, endpoints of both kinds.
pub fn services() -> Model {
    let mut cloud = Cloud::new();
    cloud.vpc("core", "10.20.0.0/16");
    let vpc = cloud.vpcs["core"].clone();
    let block = NewVpcBlock::AmazonProvidedIpv6;
    associate_vpc_cidr_block(&mut cloud.model, AssociateVpcCidrBlock { vpc_id: vpc.clone(), block }).unwrap();
    cloud.igw("core-igw", "core");
    cloud.table("rt-edge", "core");
    cloud.table("rt-inner", "core");
    cloud.route("rt-edge", "0.0.0.0/0", "core-igw");
    let inner: Vec<SubnetId> = ["a", "b", "c"]
        .into_iter()
        .enumerate()
        .map(|(at, zone)| {
            cloud.subnet(&format!("edge-{zone}"), "core", &format!("10.20.{at}.0/24"), zone, "rt-edge");
            cloud.subnet(&format!("inner-{zone}"), "core", &format!("10.20.1{at}.0/24"), zone, "rt-inner")
        })
        .collect();
    cloud.group("svc", "core", &["443 10.20.0.0/16"]);
    for zone in ["a", "b", "c"] {
        cloud.instance(&format!("svc-{zone}"), &format!("inner-{zone}"), &["svc"], false);
    }
    cloud.nat("core-nat", "edge-b");
    cloud.route("rt-inner", "0.0.0.0/0", "core-nat");
    let request = CreateVpnGateway { tags: named("branch"), origin: Origin::default() };
    let branch = create_vpn_gateway(&mut cloud.model, request).unwrap();
    attach_vpn_gateway(&mut cloud.model, &branch, &vpc).unwrap();
    cloud.targets.insert("branch".to_owned(), RouteTarget::VpnGateway(branch));
    cloud.route("rt-inner", "172.16.0.0/12", "branch");
    let request = CreateEgressOnlyInternetGateway { vpc_id: vpc.clone(), tags: named("v6-out"), origin: Origin::default() };
    let out = create_egress_only_internet_gateway(&mut cloud.model, request).unwrap();
    let route = CreateRoute {
        route_table_id: cloud.tables["rt-inner"].clone(),
        destination: Destination::Ipv6("::/0".parse().unwrap()),
        target: RouteTarget::EgressOnlyInternetGateway(out),
        origin: Origin::default(),
    };
    create_route(&mut cloud.model, route).unwrap();
    let endpoint = |service: &str, kind| CreateVpcEndpoint {
        vpc_id: vpc.clone(),
        service_name: format!("com.amazonaws.ap-northeast-2.{service}"),
        kind,
        policy_document: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let tables = CreateVpcEndpointKind::Gateway { route_table_ids: vec![cloud.tables["rt-inner"].clone()] };
    create_vpc_endpoint(&mut cloud.model, endpoint("s3", tables)).unwrap();
    let interfaces =
        CreateVpcEndpointKind::Interface { subnet_ids: inner[..2].to_vec(), security_group_ids: Vec::new(), private_dns_enabled: false };
    create_vpc_endpoint(&mut cloud.model, endpoint("ec2", interfaces)).unwrap();
    cloud.settle();
    cloud.model
}

/// Five VPCs, each peered with every other.
pub fn mesh() -> Model {
    let mut cloud = Cloud::new();
    let names = ["alpha", "beta", "gamma", "delta", "epsilon"];
    for (at, name) in names.into_iter().enumerate() {
        cloud.vpc(name, &format!("10.{at}.0.0/16"));
        cloud.table(&format!("rt-{name}"), name);
        cloud.group(name, name, &["22 10.0.0.0/8"]);
        cloud.subnet(&format!("{name}-a"), name, &format!("10.{at}.0.0/24"), "a", &format!("rt-{name}"));
        cloud.instance(&format!("{name}-1"), &format!("{name}-a"), &[name], false);
    }
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            let name = format!("{}-{}", names[a], names[b]);
            cloud.peering(&name, names[a], names[b]);
            cloud.route(&format!("rt-{}", names[a]), &format!("10.{b}.0.0/16"), &name);
            cloud.route(&format!("rt-{}", names[b]), &format!("10.{a}.0.0/16"), &name);
        }
    }
    cloud.model
}

/// The default VPC with two instances, nothing of it named.
pub fn nameless() -> Model {
    let mut cloud = Cloud::new();
    create_default_vpc(&mut cloud.model, CreateDefaultVpc::default()).unwrap();
    let image = image::default_for(&cloud.model.region, instance_type::Architecture::X86_64);
    let request = RunInstances { min_count: 2, max_count: 2, ..RunInstances::of(image) };
    run_instances(&mut cloud.model, request).unwrap();
    cloud.settle();
    cloud.model
}

/// A cloud that a number decides: zones, subnets of all kinds, crowds, NAT gateways here and there.
pub fn arbitrary(seed: u64) -> Model {
    let mut dice = Context::seeded(seed, Timestamp(0));
    let mut roll = |sides: u64| (dice.next_u64() % sides) as usize;
    let mut cloud = Cloud::new();
    let vpcs = 1 + roll(3);
    for v in 0..vpcs {
        let vpc = format!("vpc{v}{}", "-with-a-longer-name".repeat(roll(3)));
        cloud.vpc(&vpc, &format!("10.{v}.0.0/16"));
        let has_igw = roll(4) > 0;
        if has_igw {
            cloud.igw(&format!("igw{v}"), &vpc);
        }
        let groups: Vec<String> = (0..1 + roll(4)).map(|at| format!("group-{v}-{at}{}", "-long".repeat(roll(3)))).collect();
        for group in &groups {
            cloud.group(group, &vpc, &["80 anywhere"]);
        }
        let mut nats: Vec<String> = Vec::new();
        for s in 0..1 + roll(6) {
            let table = format!("rt{v}-{s}");
            cloud.table(&table, &vpc);
            let kind = roll(3);
            let name = match roll(3) {
                0 => format!("tier{}-{}", roll(2), ["a", "b", "c"][roll(3)]),
                1 => format!("subnet{s}"),
                _ => format!("a-subnet-with-a-rather-long-name-{s}"),
            };
            let name = format!("{name}.{v}{s}");
            cloud.subnet(&name, &vpc, &format!("10.{v}.{s}.0/24"), ["a", "b", "c"][roll(3)], &table);
            if kind == 0 && has_igw {
                cloud.route(&table, "0.0.0.0/0", &format!("igw{v}"));
                for n in 0..roll(3) {
                    // A region has five Elastic IP addresses to give (QUO-1).
                    if cloud.model.addresses.len() == 5 {
                        break;
                    }
                    let nat = format!("nat{v}-{s}-{n}");
                    cloud.nat(&nat, &name);
                    nats.push(nat);
                }
            } else if kind == 1 && !nats.is_empty() {
                cloud.route(&table, "0.0.0.0/0", &nats[roll(nats.len() as u64)]);
            }
            let many = if roll(5) == 0 { 14 } else { 4 };
            for n in 0..roll(many) {
                let host = format!("host-{v}-{s}-{n}{}", "-of-many".repeat(roll(4)));
                let carried: Vec<&str> = groups.iter().take(1 + roll(groups.len() as u64)).map(String::as_str).collect();
                cloud.instance(&host, &name, &carried, has_igw && roll(2) == 0);
                if roll(3) == 0 {
                    cloud.listen(&host, &[22, 80, 443]);
                }
                if roll(6) == 0 {
                    let target = format!("172.{}.{}.0/24", 16 + s, n);
                    cloud.route(&table, &target, &host);
                }
            }
        }
    }
    for v in 1..vpcs {
        let [a, b] = [v - 1, v].map(|v| cloud.vpcs.keys().nth(v).unwrap().clone());
        cloud.peering(&format!("pcx{v}"), &a, &b);
        cloud.route(&format!("rt{}-0", v - 1), &format!("10.{v}.0.0/16"), &format!("pcx{v}"));
    }
    for n in 0..roll(6) {
        cloud.outside(&format!("place-{n}{}", "-far-away".repeat(roll(4))), &format!("203.0.113.{}", n + 1));
    }
    cloud.model
}

/// All of them.
/// Three VPCs at a transit gateway that is peered with another.
pub fn hub() -> Model {
    let mut cloud = Cloud::new();
    let gateways = ["hub", "rim"].map(|name| {
        let request = CreateTransitGateway { tags: named(name), ..CreateTransitGateway::default() };
        let id = create_transit_gateway(&mut cloud.model, request).unwrap();
        cloud.settle();
        cloud.targets.insert(name.to_owned(), RouteTarget::TransitGateway(id.clone()));
        id
    });
    create_transit_gateway_peering_attachment(&mut cloud.model, &gateways[0], &gateways[1]).unwrap();
    for (number, (vpc, gateway)) in [("core", 0), ("app", 0), ("far", 1)].into_iter().enumerate() {
        cloud.vpc(vpc, &format!("10.{number}.0.0/16"));
        let (table, subnet) = (format!("{vpc}-routes"), format!("{vpc}-a"));
        cloud.table(&table, vpc);
        let subnet = cloud.subnet(&subnet, vpc, &format!("10.{number}.0.0/24"), "a", &table);
        let request = CreateTransitGatewayVpcAttachment {
            transit_gateway_id: gateways[gateway].clone(),
            vpc_id: cloud.model.subnets[&subnet].vpc_id.clone(),
            subnet_ids: vec![subnet],
            options: Default::default(),
            tags: Tags::new(),
            origin: Origin::default(),
        };
        create_transit_gateway_vpc_attachment(&mut cloud.model, request).unwrap();
        cloud.settle();
        cloud.route(&table, "10.0.0.0/8", ["hub", "rim"][gateway]);
        cloud.group(&format!("{vpc}-all"), vpc, &["443 10.0.0.0/8"]);
        cloud.instance(&format!("{vpc}-1"), &format!("{vpc}-a"), &[&format!("{vpc}-all")], false);
    }
    cloud.model
}

pub fn all() -> [(&'static str, Model); 10] {
    [
        ("shop", shop()),
        ("three-tiers", three_tiers()),
        ("peered", peered()),
        ("crowd", crowd()),
        ("oddities", oddities()),
        ("services", services()),
        ("mesh", mesh()),
        ("hub", hub()),
        ("nameless", nameless()),
        ("empty", Cloud::new().model),
    ]
}
