//! Where an interface is, and what a flow log can say of a packet from that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{InstanceId, Model, SubnetId, VpcId, instance_type};
use serde::{Deserialize, Serialize};

use super::FlowKey;
use crate::fabric::{Fabric, InterfaceKind};
use crate::index::InterfaceIndex;
use crate::reason::Direction;
use crate::route::NextHop;

/// What records say of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its owner.
    pub account_id: String,
    /// Its VPC.
    pub vpc_id: VpcId,
    /// Its subnet.
    pub subnet_id: SubnetId,
    /// Its instance.
    pub instance_id: Option<InstanceId>,
    /// Its region.
    pub region: String,
    /// Its zone, by id.
    pub zone_id: String,
    /// Its primary private address.
    pub primary: Ipv4Addr,
    /// Its first IPv6 address.
    pub primary_ipv6: Option<Ipv6Addr>,
}

impl Place {
    /// The place of an interface.
    pub fn of(model: &Model, fabric: &Fabric, index: InterfaceIndex) -> Self {
        let interface = &fabric.interfaces[index];
        let subnet = &fabric.subnets[interface.subnet];
        let zone = model.region.zone(&subnet.availability_zone);
        Self {
            account_id: model.account_id.clone(),
            vpc_id: fabric.vpcs[interface.vpc].id.clone(),
            subnet_id: subnet.id.clone(),
            instance_id: interface.instance().map(|instance| fabric.instances[instance].id.clone()),
            region: model.region.to_string(),
            zone_id: zone.map_or_else(|| subnet.availability_zone.clone(), |zone| zone.id),
            primary: interface.primary_address(),
            primary_ipv6: interface.ipv6.first().copied(),
        }
    }

    /// Source and destination as `srcaddr` and `dstaddr` have them: the interface's side is its primary address (FL-6).
    pub fn ends(&self, flow: &FlowKey) -> (IpAddr, IpAddr) {
        let own = |address: IpAddr| match address {
            IpAddr::V4(_) => IpAddr::V4(self.primary),
            IpAddr::V6(_) => self.primary_ipv6.map_or(address, IpAddr::V6),
        };
        match flow.direction {
            Direction::Egress => (own(flow.source), flow.destination),
            Direction::Ingress => (flow.source, own(flow.destination)),
        }
    }
}

/// By what traffic to an address leaves (FL-12); `None`: by nothing that has a number.
pub fn traffic_path(model: &Model, fabric: &Fabric, index: InterfaceIndex, destination: IpAddr) -> Option<u8> {
    const SAME_VPC: u8 = 1;
    const GATEWAY: u8 = 2;
    const GATEWAY_ENDPOINT_OF_NITRO: u8 = 7;
    const INTERNET_GATEWAY_OF_NITRO: u8 = 8;
    const VPN: u8 = 3;
    const PEERING: u8 = 4;
    let interface = &fabric.interfaces[index];
    let subnet = &fabric.subnets[interface.subnet];
    if subnet.contains(destination) {
        return Some(SAME_VPC);
    }
    let of_instance = match interface.kind {
        InterfaceKind::Instance { instance, .. } => model.instances.get(&fabric.instances[instance].id),
        _ => None,
    };
    let is_nitro = of_instance.and_then(|i| instance_type::find(&i.instance_type)).is_some_and(|kind| kind.nitro);
    match fabric.route_tables[subnet.route_table].lookup(destination)?.next_hop {
        // What has interfaces in the VPC is in the VPC.
        NextHop::Local | NextHop::NatGateway(_) | NextHop::Interface(_) | NextHop::TransitGateway(_) => Some(SAME_VPC),
        NextHop::InternetGateway(_) | NextHop::EgressOnlyInternetGateway(_) => Some(if is_nitro { INTERNET_GATEWAY_OF_NITRO } else { GATEWAY }),
        NextHop::VpcEndpoint(_) => Some(if is_nitro { GATEWAY_ENDPOINT_OF_NITRO } else { GATEWAY }),
        NextHop::VpnGateway(_) => Some(VPN),
        NextHop::Peering { .. } => Some(PEERING),
        NextHop::Blackhole(_) => None,
    }
}

/// The services whose addresses can be told: those with prefix lists, by their blocks.
pub struct AwsServices(Vec<(ipnet::Ipv4Net, String)>);

impl AwsServices {
    /// Those of the model's region.
    pub fn of(model: &Model) -> Self {
        let word = |name: &str| name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
        let services = model.region.endpoint_services();
        Self(services.into_iter().flat_map(|s| s.blocks.into_iter().map(move |block| (block, word(&s.name)))).collect())
    }

    /// The service that has an address: `S3`, `DYNAMODB`.
    pub fn at(&self, address: IpAddr) -> Option<&str> {
        let IpAddr::V4(address) = address else { return None };
        self.0.iter().find(|(block, _)| block.contains(&address)).map(|(_, word)| word.as_str())
    }
}
