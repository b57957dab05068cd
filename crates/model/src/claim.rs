//! What a lab promises about its own traffic: the `expect` sentences, as data.
//!
//! `claim := [only] SOURCES -> DESTINATIONS PROTO[/PORTS] [over ipv4|ipv6] [through NODE] : RESULT [via NODE]`, or
//! `nothing else [-> DESTINATIONS [PROTO[/PORTS]]]`. Parsing lives in `lab`, deciding in the engines; an
//! engine that cannot decide a form says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::selector::Selector;
use crate::{Origin, TrafficMatch};

/// Protocol and ports of a sentence: `tcp/80,443` is two matches of one protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Traffic(pub Vec<TrafficMatch>);

impl Traffic {
    /// The word `all` (also written `any`): every protocol and port.
    pub fn all() -> Self {
        Self(vec![TrafficMatch::All])
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, traffic) in self.0.iter().enumerate() {
            let text = traffic.to_string();
            match (index, text.split_once('/')) {
                (0, _) => f.write_str(&text)?,
                (_, Some((_, ports))) => write!(f, ",{ports}")?,
                (_, None) => write!(f, ",{text}")?,
            }
        }
        Ok(())
    }
}

/// Sources or destinations: some, perhaps without others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Who is meant; empty only in `nothing else` alone, which means everybody.
    pub of: Vec<Selector>,
    /// Who is left out (`except …`).
    pub except: Vec<Selector>,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |selectors: &[Selector]| selectors.iter().map(Selector::to_string).collect::<Vec<_>>().join(", ");
        f.write_str(&list(&self.of))?;
        match self.except.is_empty() {
            true => Ok(()),
            false => write!(f, " except {}", list(&self.except)),
        }
    }
}

/// The family of addresses that a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// The family as people write it outside of claims.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// Who a claim speaks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sources {
    /// Each of these.
    Each(Ends),
    /// Each of these, and nobody else (`only …`).
    Only(Ends),
    /// Everybody whom no other claim of the file lets in (`nothing else`); the result is `blocked`.
    NothingElse,
}

/// What is expected of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// The network carries request and reply; an RST that comes back counts.
    Allowed,
    /// The network drops every request, at this stage if one is named. A request that arrives is exposure even if its
    /// reply is lost.
    Blocked(Option<Blocker>),
    /// No route leads there.
    NoRoute,
    /// An outside source has no public address to send to, or a sender none to leave with.
    NoPublicAddress,
    /// Allowed, and a service answers.
    Open,
    /// Allowed, and nothing listens: the host answers with an RST.
    Refused,
}

/// The stage that must be the one to drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blocker {
    /// A security group, this one if named.
    SecurityGroup(Option<String>),
    /// A network ACL, this one if named.
    NetworkAcl(Option<String>),
    /// The internet gateway.
    InternetGateway,
    /// The egress-only internet gateway.
    EgressOnlyInternetGateway,
    /// A NAT gateway.
    Nat,
    /// A peering connection.
    Peering,
    /// A transit gateway.
    TransitGateway,
    /// The source/destination check of an interface (ENI-5).
    SourceDestCheck,
}

/// A place on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waypoint {
    /// Any NAT gateway.
    Nat,
    /// Any internet gateway.
    InternetGateway,
    /// Any egress-only internet gateway.
    EgressOnlyInternetGateway,
    /// Any peering connection.
    Peering,
    /// Any transit gateway.
    TransitGateway,
    /// An instance, gateway, peering connection or endpoint by name.
    Named(String),
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who sends.
    pub sources: Sources,
    /// Who receives.
    pub destinations: Ends,
    /// Protocol and ports of the request.
    pub traffic: Traffic,
    /// The family that is meant (`over ipv6`). Without it nothing may get through over either that must not, and what must get
    /// through does so over IPv4, unless IPv6 addresses are named.
    #[serde(default)]
    pub over: Option<AddressFamily>,
    /// A node that every packet of the request must pass (`through`, before the colon).
    pub through: Option<Waypoint>,
    /// What must happen.
    pub expected: Expected,
    /// The node that carries the traffic in the expected way (`via`, after the result).
    pub via: Option<Waypoint>,
    /// Where it was written.
    pub origin: Origin,
}

impl fmt::Display for Waypoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::InternetGateway => "igw",
            Self::EgressOnlyInternetGateway => "eigw",
            Self::Peering => "peering",
            Self::TransitGateway => "tgw",
            Self::Named(name) => name,
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecurityGroup(None) => f.write_str("sg"),
            Self::SecurityGroup(Some(name)) => write!(f, "sg:{name}"),
            Self::NetworkAcl(None) => f.write_str("acl"),
            Self::NetworkAcl(Some(name)) => write!(f, "acl:{name}"),
            Self::InternetGateway => f.write_str("igw"),
            Self::EgressOnlyInternetGateway => f.write_str("eigw"),
            Self::Nat => f.write_str("nat"),
            Self::Peering => f.write_str("peering"),
            Self::TransitGateway => f.write_str("tgw"),
            Self::SourceDestCheck => f.write_str("source-dest-check"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Blocked(None) => f.write_str("blocked"),
            Self::Blocked(Some(blocker)) => write!(f, "blocked by {blocker}"),
            Self::NoRoute => f.write_str("no route"),
            Self::NoPublicAddress => f.write_str("no public address"),
            Self::Open => f.write_str("open"),
            Self::Refused => f.write_str("refused"),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sources {
            Sources::NothingElse if self.destinations.of.is_empty() => return f.write_str("nothing else"),
            Sources::NothingElse => {
                write!(f, "nothing else -> {} {}", self.destinations, self.traffic)?;
                return self.over.map_or(Ok(()), |family| write!(f, " over {family}"));
            }
            Sources::Each(ends) => ends.fmt(f)?,
            Sources::Only(ends) => write!(f, "only {ends}")?,
        }
        write!(f, " -> {} {}", self.destinations, self.traffic)?;
        if let Some(family) = self.over {
            write!(f, " over {family}")?;
        }
        if let Some(node) = &self.through {
            write!(f, " through {node}")?;
        }
        write!(f, ": {}", self.expected)?;
        match &self.via {
            Some(node) => write!(f, " via {node}"),
            None => Ok(()),
        }
    }
}
