//! The deltas: changes to a topology, one a string (or a document, for identities), as an enum.
//!
//! [`Delta::parse`] is the grammar; what a delta does to a model stands in `topology`.

pub mod grammar;
mod transit;
pub mod words;

pub use transit::TransitDelta;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::TrafficMatch;
use serde_json::Value;

/// A name as the topology gives it.
pub type Name = String;

/// Rules of which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleDirection {
    /// `in`
    In,
    /// `out`
    Out,
}

/// The address part of a security group's rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePeer {
    /// A block of either family.
    Cidr(IpNet),
    /// Members of a group.
    Group(Name),
    /// Entries of a prefix list, `pl:LIST`.
    PrefixList(Name),
}

/// `PROTO PORTS PEER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// Protocol and ports.
    pub traffic: TrafficMatch,
    /// The other side.
    pub peer: RulePeer,
}

/// Where a route applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDestination {
    /// A block of either family.
    Cidr(IpNet),
    /// Entries of a prefix list, `pl:LIST`.
    PrefixList(Name),
}

/// The table of a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubnetTable {
    /// `main`: no association of its own.
    Main,
    /// This table.
    Named(Name),
}

/// State of a peering connection that a topology may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeeringState {
    /// `active`
    Active,
    /// `pending-acceptance`
    PendingAcceptance,
    /// `rejected`
    Rejected,
    /// `deleted`
    Deleted,
    /// `expired`
    Expired,
}

/// Which flows a flow log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowLogTraffic {
    /// `ALL`
    All,
    /// `ACCEPT`
    Accept,
    /// `REJECT`
    Reject,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the words of the grammar, in its order")]
pub enum Delta {
    /// `rt R + DESTINATION > TARGET [propagated]`
    AddRoute { table: Name, destination: RouteDestination, target: Name, propagated: bool },
    /// `rt R - DESTINATION`
    RemoveRoute { table: Name, destination: RouteDestination },
    /// `rt R new VPC`
    NewTable { table: Name, vpc: Name },
    /// `edge IGW = R`
    Edge { gateway: Name, table: Name },
    /// `subnet S = VPC CIDR ZONE R`
    Subnet { subnet: Name, vpc: Name, cidr: Ipv4Net, zone: String, table: SubnetTable },
    /// `subnet S rt = R`
    SubnetTable { subnet: Name, table: SubnetTable },
    /// `subnet S cidr6 = CIDR`
    SubnetIpv6 { subnet: Name, cidr: Ipv6Net },
    /// `main VPC = R`
    Main { vpc: Name, table: Name },
    /// `eni E = SUBNET IP[,IP] SG[,SG]`
    Interface { eni: Name, subnet: Name, addresses: Vec<Ipv4Addr>, groups: Vec<Name> },
    /// `eni E sg = SG[,SG]`
    InterfaceGroups { eni: Name, groups: Vec<Name> },
    /// `eni E eip = IP`, `eni E eip[PRIV] = IP`
    ElasticIp { eni: Name, private: Option<Ipv4Addr>, public: Ipv4Addr },
    /// `eni E eip none`
    NoElasticIp { eni: Name },
    /// `eni E ip + IP`
    SecondaryAddress { eni: Name, address: Ipv4Addr },
    /// `eni E ip6 + IP`
    Ipv6Address { eni: Name, address: Ipv6Addr },
    /// `eni E check on|off`
    SourceDestCheck { eni: Name, on: bool },
    /// `eni E forward`
    Forward { eni: Name },
    /// `eni E masquerade`
    Masquerade { eni: Name },
    /// `eni E stopped`
    Stopped { eni: Name },
    /// `eni E http_tokens required|optional`
    HttpTokens { eni: Name, required: bool },
    /// `eni E hop_limit N`
    HopLimit { eni: Name, hops: u8 },
    /// `eni E container`
    Container { eni: Name },
    /// `sg G new VPC`
    NewGroup { group: Name, vpc: Name },
    /// `sg G in|out + PROTO PORTS PEER`
    AddRule { group: Name, direction: RuleDirection, rule: GroupRule },
    /// `sg G in|out - PROTO PORTS PEER`
    RemoveRule { group: Name, direction: RuleDirection, rule: GroupRule },
    /// `sg G out clear`
    ClearRules { group: Name, direction: RuleDirection },
    /// `acl A = SUBNET[,SUBNET]`
    Acl { acl: Name, subnets: Vec<Name> },
    /// `acl A in|out N allow|deny PROTO PORTS CIDR`
    AclEntry { acl: Name, direction: RuleDirection, number: u16, allow: bool, traffic: TrafficMatch, cidr: IpNet },
    /// `acl A in|out N delete`
    DeleteAclEntry { acl: Name, direction: RuleDirection, number: u16 },
    /// `nat N = SUBNET IP public EIP`, `nat N = SUBNET IP private`
    Nat { nat: Name, subnet: Name, address: Ipv4Addr, public: Option<Ipv4Addr> },
    /// `nat N delete`
    DeleteNat { nat: Name },
    /// `vpc V = CIDR [IGW]`
    Vpc { vpc: Name, cidr: Ipv4Net, gateway: Option<Name> },
    /// `vpc V cidr + CIDR`
    VpcBlock { vpc: Name, cidr: Ipv4Net },
    /// `vpc V cidr6 + CIDR`
    VpcIpv6 { vpc: Name, cidr: Ipv6Net },
    /// `vpc V dns_support true|false`
    DnsSupport { vpc: Name, on: bool },
    /// `vpc V dns_hostnames true|false`
    DnsHostnames { vpc: Name, on: bool },
    /// `pcx P = V1 V2 STATE`
    Peering { pcx: Name, requester: Name, accepter: Name, state: PeeringState },
    /// `pcx P state STATE`
    PeeringState { pcx: Name, state: PeeringState },
    /// `pl L = CIDR,…`
    PrefixList { list: Name, entries: Vec<IpNet> },
    /// `host H = IP`
    Host { host: Name, address: IpAddr },
    /// `eigw E = VPC`
    EgressOnlyGateway { gateway: Name, vpc: Name },
    /// `vgw G = VPC`
    VpnGateway { gateway: Name, vpc: Name },
    /// `vpce E = VPC SERVICE pl:LIST RT[,RT]`
    Endpoint { endpoint: Name, vpc: Name, service: String, list: Name, tables: Vec<Name> },
    /// `tgw …`, `tgwrt …`
    Transit(TransitDelta),
    /// `flowlog F = ENI ALL|ACCEPT|REJECT default[,FIELD…]`
    FlowLog { log: Name, eni: Name, traffic: FlowLogTraffic, fields: Vec<String> },
    /// `identity: {user, groups, policies, boundary}`; what is not given stays.
    User { name: String, groups: Option<Vec<String>>, policies: Option<Vec<Value>>, boundary: Option<Value> },
    /// `group: {name, policies}`
    UserGroup { name: String, policies: Option<Vec<Value>> },
    /// `role: {name, trust, policies, boundary}`
    Role { name: String, trust: Option<Value>, policies: Option<Vec<Value>>, boundary: Option<Value> },
}

#[cfg(test)]
mod tests;
