//! Short words to build a cloud in tests, and what every refused operation must leave: the model as it was.

use ipnet::{Ipv4Net, Ipv6Net};
use model::operation::*;
use model::route_table::Associated;
use model::*;

/// A region with nothing in it, quotas as by default.
pub fn empty() -> Model {
    Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(1_000_000)))
}

pub fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

pub fn net6(text: &str) -> Ipv6Net {
    text.parse().unwrap()
}

pub fn to(text: &str) -> Destination {
    match text.parse().unwrap() {
        ipnet::IpNet::V4(block) => Destination::Ipv4(block),
        ipnet::IpNet::V6(block) => Destination::Ipv6(block),
    }
}

pub fn vpc(model: &mut Model, block: &str) -> VpcId {
    create_vpc(model, CreateVpc { cidr_block: net(block), ..CreateVpc::default() }).unwrap()
}

pub fn subnet(model: &mut Model, vpc: &VpcId, block: &str) -> SubnetId {
    create_subnet(model, CreateSubnet::new(vpc.clone(), net(block))).unwrap()
}

/// An attached internet gateway.
pub fn igw(model: &mut Model, vpc: &VpcId) -> InternetGatewayId {
    let id = create_internet_gateway(model, CreateInternetGateway::default()).unwrap();
    attach_internet_gateway(model, &id, vpc).unwrap();
    id
}

pub fn table(model: &mut Model, vpc: &VpcId) -> RouteTableId {
    let request = CreateRouteTable { vpc_id: vpc.clone(), tags: Tags::new(), origin: Origin::default() };
    create_route_table(model, request).unwrap()
}

pub fn main_table(model: &Model, vpc: &VpcId) -> RouteTableId {
    model.route_tables.values().find(|t| t.vpc_id == *vpc && t.is_main()).unwrap().id.clone()
}

pub fn route(table: &RouteTableId, destination: &str, target: RouteTarget) -> CreateRoute {
    CreateRoute { route_table_id: table.clone(), destination: to(destination), target, origin: Origin::default() }
}

pub fn associate(model: &mut Model, table: &RouteTableId, to: Associated) -> Result<RouteTableAssociationId, ApiError> {
    associate_route_table(model, AssociateRouteTable { route_table_id: table.clone(), to })
}

pub fn eni(model: &mut Model, subnet: &SubnetId) -> NetworkInterfaceId {
    create_network_interface(model, CreateNetworkInterface::in_subnet(subnet.clone())).unwrap()
}

/// A running instance with one interface; public address as the subnet has it.
pub fn instance(model: &mut Model, subnet: &SubnetId) -> InstanceId {
    let image = image::default_for(&model.region, instance_type::Architecture::X86_64);
    let request = RunInstances { subnet_id: Some(subnet.clone()), ..RunInstances::of(image) };
    let id = run_instances(model, request).unwrap().remove(0);
    settle(model);
    id
}

pub fn interface_of(model: &Model, instance: &InstanceId) -> NetworkInterface {
    model.interfaces_of(instance)[0].clone()
}

pub fn eip(model: &mut Model) -> AllocationId {
    allocate_address(model, AllocateAddress::default()).unwrap()
}

pub fn associate_eip(model: &mut Model, eip: &AllocationId, eni: &NetworkInterfaceId) -> AddressAssociationId {
    associate_address(model, eip_to(eip, eni)).unwrap()
}

pub fn eip_to(eip: &AllocationId, eni: &NetworkInterfaceId) -> AssociateAddress {
    AssociateAddress {
        address: AddressName::Allocation(eip.clone()),
        target: AddressTarget::NetworkInterface(eni.clone()),
        private_ip_address: None,
        allow_reassociation: None,
    }
}

pub fn nat(subnet: &SubnetId, eip: Option<&AllocationId>) -> CreateNatGateway {
    CreateNatGateway {
        subnet_id: subnet.clone(),
        is_public: eip.is_some(),
        allocation_id: eip.cloned(),
        private_ip_address: None,
        tags: Tags::new(),
        origin: Origin::default(),
    }
}

pub fn peer(model: &mut Model, a: &VpcId, b: &VpcId) -> Result<VpcPeeringConnectionId, ApiError> {
    let request = CreateVpcPeeringConnection {
        vpc_id: a.clone(),
        peer_vpc_id: b.clone(),
        tags: Tags::new(),
        origin: Origin::default(),
    };
    create_vpc_peering_connection(model, request)
}

/// Lets five minutes pass, in which everything that was started ends.
pub fn settle(model: &mut Model) {
    model.advance_to(model.context.now.plus(300));
}

/// The code with which an operation is refused; checks that the refusal changed nothing.
pub fn refused<T: std::fmt::Debug>(
    model: &mut Model,
    operation: impl FnOnce(&mut Model) -> Result<T, ApiError>,
) -> &'static str {
    let before = model.clone();
    let error = operation(model).expect_err("the operation must be refused");
    assert!(*model == before, "a refused operation changed the model: {error}");
    error.code.as_str()
}
