//! Requester-managed interfaces: those of NAT gateways and interface endpoints (NAT-1, VPCE-5, ENI-7).

use std::net::Ipv4Addr;

use super::network_interface::fresh_mac_address;
use crate::network_interface::InterfaceType;
use crate::*;

/// What a requester-managed interface is made from; all checks are done by its owner's operation.
pub(crate) struct ManagedInterface {
    pub subnet_id: SubnetId,
    pub vpc_id: VpcId,
    pub address: Ipv4Addr,
    pub groups: Vec<SecurityGroupId>,
    pub interface_type: InterfaceType,
    pub description: String,
    pub origin: Origin,
}

/// Makes the interface. A NAT gateway forwards for others, so nothing checks the addresses it sends from (ENI-5).
pub(crate) fn create(model: &mut Model, request: ManagedInterface) -> NetworkInterfaceId {
    let id: NetworkInterfaceId = model.context.next_id();
    let interface = NetworkInterface {
        id: id.clone(),
        subnet_id: request.subnet_id,
        vpc_id: request.vpc_id,
        description: request.description,
        mac_address: fresh_mac_address(model),
        private_ip_addresses: vec![request.address],
        ipv6_addresses: Vec::new(),
        auto_public_ip: None,
        auto_public_ip_due: None,
        associate_public_ip_address: false,
        groups: request.groups,
        source_dest_check: request.interface_type != InterfaceType::NatGateway,
        attachment: None,
        interface_type: request.interface_type,
        tags: Tags::new(),
        origin: request.origin,
    };
    model.network_interfaces.insert(id.clone(), interface);
    id
}
