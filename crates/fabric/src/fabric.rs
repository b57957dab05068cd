//! The fabric: what a model means for packets, with every reference resolved. Immutable; made by
//! [`Fabric::compile`]. Here: VPCs, subnets, interfaces, instances, outside hosts. Rules and gateways have
//! files of their own ([`crate::group`], [`crate::acl`], [`crate::route`], [`crate::gateway`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::network_interface::MacAddress;
use model::{Guest, InstanceId, InstanceState, Listener, NetworkInterfaceId, Origin, PortRange, Region, SubnetId, TrafficMatch, VpcId};
use serde::Serialize;

use crate::acl::Acl;
use crate::gateway::{
    EgressOnlyInternetGateway, InternetGateway, NatGateway, Peering, PublicMapping, TransitGateway, VpcEndpoint, VpnGateway,
};
use crate::group::{GroupSet, SecurityGroup};
use crate::index::*;
use crate::names::Names;
use crate::route::RouteTable;

/// What a model means for packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fabric {
    /// Generation of the model it was compiled from.
    pub generation: u64,
    /// Where it is: names of instances lie below the region's domains (DNS-3, DNS-5).
    #[serde(skip)]
    pub region: Region,
    /// VPCs by id.
    pub vpcs: Table<VpcIndex, Vpc>,
    /// Subnets by id.
    pub subnets: Table<SubnetIndex, Subnet>,
    /// Network interfaces by id; those of NAT gateways and endpoints too.
    pub interfaces: Table<InterfaceIndex, Interface>,
    /// Instances by id, terminated ones left out.
    pub instances: Table<InstanceIndex, Instance>,
    /// Security groups by id.
    pub groups: Table<GroupIndex, SecurityGroup>,
    /// Every distinct set of groups that some interface carries; many interfaces share one.
    pub group_sets: Table<GroupSetIndex, GroupSet>,
    /// Network ACLs by id.
    pub acls: Table<AclIndex, Acl>,
    /// Route tables by id.
    pub route_tables: Table<RouteTableIndex, RouteTable>,
    /// Internet gateways by id.
    pub internet_gateways: Table<InternetGatewayIndex, InternetGateway>,
    /// Egress-only internet gateways by id.
    pub egress_only_internet_gateways: Table<EgressOnlyInternetGatewayIndex, EgressOnlyInternetGateway>,
    /// Virtual private gateways by id.
    pub vpn_gateways: Table<VpnGatewayIndex, VpnGateway>,
    /// Transit gateways by id.
    pub transit_gateways: Table<TransitGatewayIndex, TransitGateway>,
    /// NAT gateways by id, deleted and failed ones too.
    pub nat_gateways: Table<NatGatewayIndex, NatGateway>,
    /// Peering connections by id.
    pub peerings: Table<PeeringIndex, Peering>,
    /// Endpoints by id.
    pub vpc_endpoints: Table<VpcEndpointIndex, VpcEndpoint>,
    /// Named places on the internet, by name.
    pub outside: Table<OutsideIndex, OutsideHost>,
    /// Every public IPv4 address in use, with the private address it stands for (IGW-2).
    pub public_addresses: BTreeMap<Ipv4Addr, PublicMapping>,
    /// Interfaces that some flow log watches (FL-1).
    #[serde(skip)]
    pub logged: BTreeSet<InterfaceIndex>,
    /// The interfaces of all VPCs by private IPv4 and IPv6 address; of several VPCs with one address, the first by id.
    #[serde(skip)]
    pub(crate) held: Vec<(IpAddr, InterfaceIndex)>,
    /// Public addresses that stand for `internet`, sorted; see [`Fabric::representatives`].
    pub(crate) witnesses: Vec<Ipv4Addr>,
    /// The one of them that nothing speaks of in particular.
    pub(crate) witness: Option<Ipv4Addr>,
    /// See [`Fabric::ipv6_representatives`].
    pub(crate) ipv6_witnesses: Vec<Ipv6Addr>,
    /// See [`Fabric::ipv6_representative`].
    pub(crate) ipv6_witness: Option<Ipv6Addr>,
    /// What people may type for what is here.
    pub(crate) names: Names,
}

impl Fabric {
    /// The virtual private gateway behind which a linked lan has announced an address; of several, the first by id.
    pub fn behind_vpn(&self, address: IpAddr) -> Option<VpnGatewayIndex> {
        self.all_behind_vpn(address).next()
    }

    /// Every virtual private gateway behind which a linked lan has announced an address, by id.
    pub fn all_behind_vpn(&self, address: IpAddr) -> impl Iterator<Item = VpnGatewayIndex> {
        self.vpn_gateways.iter().filter(move |(_, gateway)| gateway.vpc.is_some() && self.is_in_lan(gateway, address)).map(|(index, _)| index)
    }

    /// Whether an address lies in a lan behind a gateway: it is announced, and of a network of the lan itself or of none of the
    /// internet. A lan may announce everything (`0.0.0.0/0`) and does not become the internet by that.
    pub fn is_in_lan(&self, gateway: &VpnGateway, address: IpAddr) -> bool {
        let IpAddr::V4(own) = address else { return false };
        let is_private = || !self.may_be_outside(address) && !self.is_outside_host(address);
        gateway.network_of(address).is_some() && (gateway.is_near(own) || is_private())
    }

    /// The interface with this id.
    pub fn interface_by_id(&self, id: &NetworkInterfaceId) -> Option<InterfaceIndex> {
        self.interfaces.find(id, |interface| &interface.id)
    }

    /// The interface by which the system behind `interface` sends to `destination` (ENI-11): of an instance with several,
    /// the first that has the destination in its subnet, else the first. A guest asks its own route table, which knows
    /// its subnets and one default by device index, not where a request came in. Over IPv6 the interfaces whose subnets have
    /// it are all that there are: no router is announced on the others.
    pub fn way_out(&self, interface: InterfaceIndex, destination: IpAddr) -> InterfaceIndex {
        let Some(instance) = self.interfaces[interface].instance() else { return interface };
        let subnet = |i: &InterfaceIndex| &self.subnets[self.interfaces[*i].subnet];
        let all = || self.instances[instance].interfaces.iter().filter(|i| destination.is_ipv4() || !subnet(i).ipv6_blocks.is_empty());
        let near = all().find(|i| subnet(i).contains(destination));
        near.or_else(|| all().next()).copied().unwrap_or(interface)
    }
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// Identifier.
    pub id: VpcId,
    /// `Name` tag, else the id.
    pub name: String,
    /// IPv4 blocks in force, the primary one first.
    pub blocks: Vec<Ipv4Net>,
    /// IPv6 blocks in force.
    pub ipv6_blocks: Vec<Ipv6Net>,
    /// DNS-2: whether the resolver answers.
    pub dns_support: bool,
    /// DNS-5.
    pub dns_hostnames: bool,
    /// Where the Amazon resolver answers besides 169.254.169.253: primary block + 2 (DNS-1).
    pub resolver: Ipv4Addr,
    /// Whom its instances ask for names, by its option set (DHCP-1, DHCP-4).
    #[serde(skip)]
    pub name_servers: Vec<Ipv4Addr>,
    /// The domain that the option set completes names with, as it was written.
    #[serde(skip)]
    pub search_domain: Option<String>,
    /// The attached internet gateway.
    pub internet_gateway: Option<InternetGatewayIndex>,
    /// The egress-only internet gateway.
    pub egress_only_internet_gateway: Option<EgressOnlyInternetGatewayIndex>,
    /// The attached virtual private gateway.
    pub vpn_gateway: Option<VpnGatewayIndex>,
    /// The first VPC to which open peering connections and transit gateways lead from here, over other VPCs too, whether anything
    /// passes or not; itself, where that is the first.
    #[serde(skip)]
    pub neighbourhood: VpcIndex,
    /// Its subnets.
    pub subnets: Vec<SubnetIndex>,
    /// Who holds a private IPv4 or an IPv6 address.
    pub addresses: BTreeMap<IpAddr, InterfaceIndex>,
}

impl Vpc {
    /// Whether its instances have names at its resolver (DNS-4, DNS-5).
    pub fn has_names(&self) -> bool {
        self.dns_support && self.dns_hostnames
    }

    /// Whether the address lies in one of its blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.blocks.iter().any(|block| block.contains(&a)),
            IpAddr::V6(a) => self.ipv6_blocks.iter().any(|block| block.contains(&a)),
        }
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// Identifier.
    pub id: SubnetId,
    /// `Name` tag, else the id.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// IPv4 block.
    pub cidr: Ipv4Net,
    /// IPv6 blocks in force.
    pub ipv6_blocks: Vec<Ipv6Net>,
    /// Zone name.
    pub availability_zone: String,
    /// The router's address, base + 1 (SUB-2).
    pub router: Ipv4Addr,
    /// The route table it uses, its own or the main one (RT-11).
    pub route_table: RouteTableIndex,
    /// The network ACL it uses.
    pub acl: AclIndex,
    /// Interfaces in it.
    pub interfaces: Vec<InterfaceIndex>,
}

impl Subnet {
    /// Whether the address lies in one of its blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.cidr.contains(&a),
            IpAddr::V6(a) => self.ipv6_blocks.iter().any(|block| block.contains(&a)),
        }
    }

    /// The router's address in the block that an address lies in: base + 1, also of IPv6.
    pub fn router_of(&self, address: IpAddr) -> Option<IpAddr> {
        match self.block_of(address)? {
            IpNet::V4(_) => Some(self.router.into()),
            IpNet::V6(block) => Some(Ipv6Addr::from(u128::from(block.network()) + 1).into()),
        }
    }

    /// The router's addresses, one in each block.
    pub fn routers(&self) -> impl Iterator<Item = IpAddr> {
        let ipv6 = self.ipv6_blocks.iter().filter_map(|block| self.router_of(block.network().into()));
        std::iter::once(IpAddr::V4(self.router)).chain(ipv6)
    }

    /// The MAC address of the subnet's router (L2-2): locally administered, and no interface's.
    pub fn router_mac(&self) -> MacAddress {
        let [a, b, c, d] = self.router.octets();
        MacAddress([0x06, 0x00, a, b, c, d])
    }

    /// The block of the subnet that an address lies in.
    pub fn block_of(&self, address: IpAddr) -> Option<IpNet> {
        match address {
            IpAddr::V4(a) => self.cidr.contains(&a).then_some(IpNet::V4(self.cidr)),
            IpAddr::V6(a) => self.ipv6_blocks.iter().find(|block| block.contains(&a)).map(|b| IpNet::V6(*b)),
        }
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Identifier.
    pub id: NetworkInterfaceId,
    /// `Name` tag, else what it serves (`web1`, `web1/1` for device index 1, the NAT gateway's name), else the id.
    pub name: String,
    /// MAC address.
    pub mac: MacAddress,
    /// Its subnet.
    pub subnet: SubnetIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Private IPv4 addresses, the primary one first, each with its public address.
    pub addresses: Vec<PrivateAddress>,
    /// IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// Its security groups, sorted.
    pub groups: Vec<GroupIndex>,
    /// Its security groups as one merged filter; `None` = never filtered (a NAT gateway's, NAT-13).
    pub group_set: Option<GroupSetIndex>,
    /// ENI-5.
    pub source_dest_check: bool,
    /// Whom it serves.
    pub kind: InterfaceKind,
    /// Whether anyone receives there.
    pub status: InterfaceStatus,
    /// Where it was written.
    pub origin: Origin,
}

impl Interface {
    /// The primary private address.
    pub fn primary_address(&self) -> Ipv4Addr {
        self.addresses[0].private
    }

    /// Whether the address is one of its own, either family.
    pub fn holds(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.addresses.iter().any(|own| own.private == a),
            IpAddr::V6(a) => self.ipv6.contains(&a),
        }
    }

    /// All its private IPv4 and its IPv6 addresses.
    pub fn all_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.addresses.iter().map(|own| IpAddr::V4(own.private));
        v4.chain(self.ipv6.iter().map(|a| IpAddr::V6(*a)))
    }

    /// The instance it belongs to.
    pub fn instance(&self) -> Option<InstanceIndex> {
        match self.kind {
            InterfaceKind::Instance { instance, .. } => Some(instance),
            _ => None,
        }
    }
}

/// A private address and the public one that the internet gateway knows for it (EIP-2, PIP-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PrivateAddress {
    /// The private address.
    pub private: Ipv4Addr,
    /// Elastic IP, else the auto-assigned public address.
    pub public: Option<Ipv4Addr>,
}

/// Whom an interface serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// An instance, at a device index.
    Instance {
        /// The instance.
        instance: InstanceIndex,
        /// 0 is the primary interface.
        device_index: u32,
    },
    /// A NAT gateway (NAT-1).
    NatGateway(NatGatewayIndex),
    /// An interface endpoint (VPCE-5).
    VpcEndpoint(VpcEndpointIndex),
    /// Nobody: not attached.
    Unattached,
}

/// Whether anyone receives at an interface (INST-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceStatus {
    /// In use by something that runs.
    Running,
    /// Its instance is not running.
    Stopped(InstanceState),
    /// Attached to nothing that works.
    Unattached,
}

impl InterfaceStatus {
    /// Whether packets are received and sent.
    pub fn is_running(self) -> bool {
        self == Self::Running
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Identifier.
    pub id: InstanceId,
    /// `Name` tag, else the id.
    pub name: String,
    /// State.
    pub state: InstanceState,
    /// Interfaces by device index.
    pub interfaces: Vec<InterfaceIndex>,
    /// Whether its id is a name of its address (DNS-3).
    #[serde(skip)]
    pub resource_name_dns: bool,
    /// What its own system does: listeners, forwarding, masquerading.
    pub guest: Guest,
    /// Ports that its containers publish for others than itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<TrafficMatch>,
    /// Where it was written.
    pub origin: Origin,
}

impl Instance {
    /// What it answers to: built-in listeners, and ports that its containers publish.
    pub fn listens_to(&self) -> impl Iterator<Item = TrafficMatch> {
        let own = self.guest.listen.iter().map(|listener| match listener {
            Listener::Tcp(port) => TrafficMatch::Tcp(PortRange::one(*port)),
            Listener::Udp(port) => TrafficMatch::Udp(PortRange::one(*port)),
        });
        own.chain(self.published.iter().copied())
    }
}

/// A named place on the internet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutsideHost {
    /// Name.
    pub name: String,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Where it was written.
    pub origin: Origin,
}
