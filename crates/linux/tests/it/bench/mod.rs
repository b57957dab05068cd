//! A small VPC behind a holder, for tests that ask a real kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fabric::Fabric;
use fabric::engine::{Engine as _, Outcome, PacketProbe, Probe, Sender, Traffic};
use linux::{Engine, Lab, Options};
use model::operation::*;
use model::route_table::Associated;
use model::*;
use sandbox::{HolderSpec, SelfCommand};

pub fn tags(name: &str) -> Tags {
    Tags::from([("Name".to_owned(), name.to_owned())])
}

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn tcp(port: u16) -> TrafficMatch {
    TrafficMatch::Tcp(PortRange::one(port))
}

/// Public and private subnet, internet gateway, NAT gateway; web with an elastic address, app behind it.
pub struct Cloud {
    pub model: Model,
    pub web: NetworkInterfaceId,
    pub app: NetworkInterfaceId,
}

pub fn cloud() -> Cloud {
    let mut m = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(1_000)));
    let m = &mut m;
    let vpc = create_vpc(m, CreateVpc { cidr_block: "10.0.0.0/16".parse().unwrap(), tags: tags("vpc-a"), ..CreateVpc::default() }).unwrap();
    let igw = create_internet_gateway(m, CreateInternetGateway { tags: tags("igw-a"), origin: Origin::default() }).unwrap();
    attach_internet_gateway(m, &igw, &vpc).unwrap();
    let subnet = |m: &mut Model, name: &str, cidr: &str| {
        let new = CreateSubnet::new(vpc.clone(), cidr.parse().unwrap());
        create_subnet(m, CreateSubnet { tags: tags(name), ..new }).unwrap()
    };
    let public = subnet(m, "pub-a", "10.0.0.0/24");
    let private = subnet(m, "app-a", "10.0.10.0/24");
    let table = |m: &mut Model, name: &str, subnet: &SubnetId| {
        let new = CreateRouteTable { vpc_id: vpc.clone(), tags: tags(name), origin: Origin::default() };
        let id = create_route_table(m, new).unwrap();
        let to = Associated::Subnet(subnet.clone());
        associate_route_table(m, AssociateRouteTable { route_table_id: id.clone(), to }).unwrap();
        id
    };
    let rt_pub = table(m, "rt-pub", &public);
    let rt_app = table(m, "rt-app", &private);
    let default = Destination::Ipv4("0.0.0.0/0".parse().unwrap());
    let route = |m: &mut Model, table: &RouteTableId, target: RouteTarget| {
        let new = CreateRoute { route_table_id: table.clone(), destination: default.clone(), target, origin: Origin::default() };
        create_route(m, new).unwrap();
    };
    route(m, &rt_pub, RouteTarget::InternetGateway(igw.clone()));
    let elastic = |m: &mut Model, address: &str| {
        allocate_address(m, AllocateAddress { address: Some(ip(address)), ..AllocateAddress::default() }).unwrap()
    };
    let nat_eip = elastic(m, "198.51.100.20");
    let nat = CreateNatGateway {
        subnet_id: public.clone(),
        is_public: true,
        allocation_id: Some(nat_eip),
        private_ip_address: Some(ip("10.0.0.200")),
        tags: tags("nat-a"),
        origin: Origin::default(),
    };
    let nat = create_nat_gateway(m, nat).unwrap();
    route(m, &rt_app, RouteTarget::NatGateway(nat));
    let group = |m: &mut Model, name: &str| {
        let new = CreateSecurityGroup {
            group_name: name.to_owned(),
            description: name.to_owned(),
            vpc_id: Some(vpc.clone()),
            tags: tags(name),
            origin: Origin::default(),
        };
        create_security_group(m, new).unwrap()
    };
    // SG-25 keeps the prefix `sg-` for identifiers.
    let (sg_web, sg_app) = (group(m, "web"), group(m, "app"));
    let allow = |m: &mut Model, group: &SecurityGroupId, traffic: TrafficMatch, peer: Peer| {
        let rules = vec![RuleSpecification::new(traffic, peer)];
        authorize_security_group_ingress(m, AuthorizeSecurityGroup { group_id: group.clone(), rules }).unwrap();
    };
    let anywhere = Peer::Ipv4("0.0.0.0/0".parse().unwrap());
    allow(m, &sg_web, tcp(443), anywhere);
    allow(m, &sg_app, tcp(8080), Peer::SecurityGroup(sg_web.clone()));
    let instance = |m: &mut Model, name: &str, subnet: &SubnetId, address: &str, group: &SecurityGroupId| {
        let image = model::image::default_for(&m.region, model::instance_type::Architecture::X86_64);
        let launch = RunInstances {
            subnet_id: Some(subnet.clone()),
            private_ip_address: Some(ip(address)),
            security_group_ids: vec![group.clone()],
            tags: tags(name),
            ..RunInstances::of(image)
        };
        let id = run_instances(m, launch).unwrap().remove(0);
        m.interfaces_of(&id)[0].id.clone()
    };
    let web = instance(m, "web1", &public, "10.0.0.10", &sg_web);
    let app = instance(m, "app1", &private, "10.0.10.10", &sg_app);
    let web_eip = elastic(m, "198.51.100.10");
    let associate = AssociateAddress {
        address: AddressName::Allocation(web_eip),
        target: AddressTarget::NetworkInterface(web.clone()),
        private_ip_address: None,
        allow_reassociation: None,
    };
    associate_address(m, associate).unwrap();
    for (name, address) in [("inet1", "203.0.113.50"), ("inet2", "192.0.2.77")] {
        let host = OutsideHost { addresses: vec![IpAddr::V4(ip(address))], origin: Origin::default() };
        set_outside_host(m, name, host).unwrap();
    }
    m.advance_to(Timestamp(2_000));
    Cloud { web, app, model: m.clone() }
}

/// The engine, and the folder that its holder's socket lies in: gone with the test, and the lab with it.
pub struct Bench {
    pub engine: Engine,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub fn up(model: &Model) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let spec = HolderSpec {
            socket: folder.path().join("holder.sock"),
            lab_name: "test".to_owned(),
            log: folder.path().join("holder.log"),
            command: SelfCommand::current().unwrap(),
        };
        let client = sandbox::launch(&spec).unwrap().client().unwrap();
        let mut bench = Bench { engine: Engine::new(Lab::empty(client, Options::default())), _folder: folder };
        bench.apply(model);
        bench
    }

    pub fn apply(&mut self, model: &Model) {
        let fabric = Arc::new(Fabric::compile(model));
        self.engine.apply(&Arc::new(model.clone()), &fabric).unwrap();
    }

    pub fn probe(&mut self, from: Sender, to: &str, traffic: Traffic) -> String {
        let probe = Probe::Packet(PacketProbe::new(from, IpAddr::V4(ip(to)), traffic));
        let outcome = self.engine.probe(&probe.into()).unwrap().outcome;
        let fabric = self.engine.lab().fabric().clone();
        match outcome {
            Outcome::Allowed(arrival) => format!("{} > {}", arrival.source, arrival.destination),
            Outcome::Dropped(drop) => {
                let at = drop.at.map(|at| at.label(&fabric)).unwrap_or_else(|| "?".to_owned());
                let code = drop.code.map_or("none", |code| code.as_str());
                format!("{:?} {at} {code}", drop.leg)
            }
            Outcome::Refused { at } => format!("refused {}", at.map(|at| at.label(&fabric)).unwrap_or_default()),
            other => format!("{other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let socket = self.engine.lab().client().socket().to_owned();
        if let Ok(client) = sandbox::Client::connect(&socket) {
            let _ = client.shutdown();
        }
    }
}
