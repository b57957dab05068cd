//! What is drawn: the model as a tree of boxes with names, and which box a route leads to.

mod build;
mod lans;
mod rules;

pub use lans::{Lan, LanDevice, LanEnd, LanLink};

use model::Model;

/// One lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The region's code.
    pub region: String,
    /// Named places on the internet, by name.
    pub outside: Vec<Place>,
    /// VPCs, by their first block.
    pub vpcs: Vec<Vpc>,
    /// Peering connections that are open, by their ends.
    pub peerings: Vec<Peering>,
    /// Transit gateways, by name.
    pub transit: Vec<Transit>,
    /// Security groups in use.
    pub groups: Vec<Group>,
    /// Gateways and addresses that belong to nothing: `internet gateway spare-igw`.
    pub loose: Vec<String>,
    /// Lans, by name.
    pub lans: Vec<Lan>,
}

impl Scene {
    /// What there is to draw of a model. Terminated instances and deleted gateways are not.
    pub fn of(model: &Model) -> Scene {
        build::scene(model)
    }

    /// Every subnet, VPC by VPC.
    pub fn subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.vpcs.iter().flat_map(|vpc| &vpc.zones).flat_map(|zone| &zone.subnets)
    }
}

/// A named place on the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the lab calls it.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Its id, for connections.
    pub key: String,
    /// `Name` tag, else id.
    pub name: String,
    /// Blocks in force, the primary one first.
    pub blocks: Vec<String>,
    /// What is attached to the VPC as a whole.
    pub gateways: Vec<Gateway>,
    /// Zones that have subnets, by name.
    pub zones: Vec<Zone>,
    /// Route tables that something uses.
    pub tables: Vec<Table>,
    /// Network ACLs other than the default one that a subnet uses.
    pub acls: Vec<Acl>,
}

/// What is attached to a VPC as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its id, for connections.
    pub key: String,
    /// `Name` tag, else a short word for its kind.
    pub name: String,
    /// What it is.
    pub kind: GatewayKind,
}

/// Kinds of gateways of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GatewayKind {
    /// To the internet and back.
    Internet,
    /// To the internet by IPv6, never back.
    EgressOnly,
    /// To a private network far away.
    Vpn,
    /// To a service by its prefix list.
    Endpoint,
    /// To other VPCs: the attachment to a transit gateway, by the gateway's name.
    Transit,
}

/// The subnets of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Such as `ap-northeast-2a`.
    pub name: String,
    /// By address.
    pub subnets: Vec<Subnet>,
}

/// Whether a subnet's packets reach the internet, by its route table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It has a route to an internet gateway.
    Public,
    /// It has a way out, but nobody outside can begin.
    Internal,
    /// It has none; other VPCs and endpoints may still be reached.
    Isolated,
}

impl Reach {
    /// The word in pictures.
    pub fn word(self) -> &'static str {
        match self {
            Reach::Public => "public",
            Reach::Internal => "internal",
            Reach::Isolated => "isolated",
        }
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub key: String,
    /// `Name` tag, else id.
    pub name: String,
    /// Its block.
    pub block: String,
    /// First address as a number, for sorting.
    pub position: u32,
    /// What its routes make of it.
    pub reach: Reach,
    /// The route table it uses.
    pub table: String,
    /// Its network ACL, unless it is the VPC's default one.
    pub acl: Option<String>,
    /// Routes that leave the VPC's own addresses, one a target.
    pub routes: Vec<Route>,
    /// What is in it.
    pub cards: Vec<Card>,
}

/// Routes of one table to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where they apply.
    pub destinations: Vec<String>,
    /// What they lead to, by name.
    pub target: String,
    /// The key of the gateway, card or peering connection; none if there is nothing to point at.
    pub key: Option<String>,
    /// What kind of thing that is.
    pub kind: TargetKind,
    /// It drops what it matches (RT-9).
    pub blackhole: bool,
}

/// Kinds of targets, as colours tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// The VPC itself.
    Local,
    /// An internet gateway, also an egress-only one.
    Internet,
    /// A NAT gateway.
    Nat,
    /// An interface of an instance.
    Interface,
    /// A peering connection.
    Peering,
    /// An endpoint.
    Endpoint,
    /// A virtual private gateway.
    Vpn,
    /// A transit gateway.
    Transit,
}

/// Something with addresses in a subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The id of the instance, gateway, endpoint or interface; with the interface's for further interfaces.
    pub key: String,
    /// What it is.
    pub kind: CardKind,
    /// `Name` tag, else id.
    pub name: String,
    /// Private addresses, IPv4 first.
    pub addresses: Vec<String>,
    /// Public addresses that stand for them.
    pub public: Vec<String>,
    /// Names of its security groups, with their places in [`Scene::groups`].
    pub groups: Vec<(usize, String)>,
    /// Built-in listeners and ports that containers publish, `tcp/80`.
    pub listens: Vec<String>,
    /// Its source/dest check is off: it may send and take what is not its own.
    pub passes_on: bool,
    /// Anything but running: `stopped`.
    pub state: Option<&'static str>,
}

/// Kinds of things in a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CardKind {
    /// A NAT gateway.
    Nat,
    /// An instance, where its first interface is.
    Instance,
    /// A further interface of an instance, or one of nobody.
    Interface,
    /// An interface of an endpoint.
    Endpoint,
}

/// A transit gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transit {
    /// Its id.
    pub key: String,
    /// `Name` tag, else id.
    pub name: String,
    /// The places in [`Scene::vpcs`] of VPCs that are attached, with the keys of their gateways.
    pub attached: Vec<(usize, String)>,
    /// Places in [`Scene::transit`] of gateways that it is peered with; each peering is told by the first of its two.
    pub peers: Vec<usize>,
}

/// A peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peering {
    /// Its id.
    pub key: String,
    /// `Name` tag, else id.
    pub name: String,
    /// Places of both VPCs in [`Scene::vpcs`].
    pub between: (usize, usize),
    /// Anything but active: `pending-acceptance`.
    pub state: Option<&'static str>,
}

/// A security group and its rules as sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `Name` tag, else group name.
    pub name: String,
    /// The VPC's name, when there are several.
    pub vpc: Option<String>,
    /// `tcp/80 from anywhere`.
    pub rules: Vec<String>,
    /// Names of instances that carry it.
    pub members: Vec<String>,
}

/// A route table and its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// `Name` tag, else id.
    pub name: String,
    /// Subnets without a table of their own use it.
    pub is_main: bool,
    /// Names of what uses it.
    pub users: Vec<String>,
    /// Local routes first, then as they were made.
    pub routes: Vec<Route>,
}

/// A network ACL and its rules as sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// `Name` tag, else id.
    pub name: String,
    /// `in 100 allow tcp/80 from 0.0.0.0/0`.
    pub rules: Vec<String>,
    /// Names of the subnets that use it.
    pub users: Vec<String>,
}
