//! What looks wrong in a cloud although every rule of it is legal: filters that filter nothing, doors that stand open,
//! ways that lead nowhere, blocks that run out.
//!
//! Start at [`lint`]. `filters` looks at security groups and network ACLs (`cover`: what many of them cover together),
//! `exposure` at what the internet reaches, `ways` at route tables and gateways, `answers` at what loses replies, `capacity` at
//! addresses, `lans` at the small networks beside the cloud. A finding says what, where and what to do.

mod answers;
mod capacity;
mod cover;
mod exposure;
mod filters;
mod lans;
mod ways;

use fabric::Fabric;
use model::{Model, Origin};
use serde::Serialize;

use crate::reach::Reach;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A door that stands open, or a way that does not carry what it was made for.
    Error,
    /// Most likely not what was meant.
    Warning,
    /// Of no use, and harmless.
    Info,
}

macro_rules! checks {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $severity:ident;)*) => {
        /// What is looked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {$(
            $(#[doc = $doc])*
            $name,
        )*}

        impl Check {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How much it matters.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// What it looks for, as a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
        }
    };
}

checks! {
    /// A port of administration (ssh, RDP, WinRM, Docker, kubelet) is open to the internet.
    AdminOpen = "admin-port-open", Error;
    /// A database is open to the internet.
    DatabaseOpen = "database-open", Error;
    /// Requests arrive whose answers are lost on their way back.
    AnswerLost = "answer-lost", Error;
    /// A route leads nowhere: what it matches is dropped (RT-9).
    Blackhole = "blackhole-route", Error;
    /// A route leads to an interface whose source/dest check drops what is not its own (ENI-5).
    CheckedMiddlebox = "checked-middlebox", Error;
    /// A public NAT gateway stands in a subnet without a route to an internet gateway (NAT-13).
    NatWithoutInternet = "nat-without-internet", Error;
    /// No route leads to a NAT gateway: it costs and carries nothing.
    IdleNatGateway = "idle-nat-gateway", Warning;
    /// A subnet is called public, or gives public addresses, and no route leads to an internet gateway.
    NotPublic = "public-subnet-without-internet", Warning;
    /// An interface has a public address that nothing can use (IGW-3).
    UselessPublicAddress = "useless-public-address", Warning;
    /// A gateway is attached to no VPC.
    UnattachedGateway = "unattached-gateway", Warning;
    /// A peering connection carries traffic, and a side has no route to it (PCX-3).
    PeeringWithoutRoute = "peering-without-route", Warning;
    /// Two VPCs that one VPC is peered with have the same addresses: only one of them is reached.
    OverlappingPeers = "overlapping-peers", Warning;
    /// An entry of a network ACL stands behind entries that decide otherwise about all of its packets (ACL-1).
    OverruledEntry = "overruled-acl-entry", Warning;
    /// An entry of a network ACL decides about no packet: those before it decide the same about all of them (ACL-1).
    RedundantEntry = "redundant-acl-entry", Info;
    /// A rule names a security group that is gone, or is out of reach (SG-14).
    StaleRule = "stale-rule", Warning;
    /// A rule names a security group that nobody carries: it admits nobody.
    MemberlessPeer = "rule-for-nobody", Info;
    /// A rule admits nothing that other rules of its group do not admit.
    RedundantRule = "redundant-rule", Info;
    /// Nothing carries a security group, and no rule names it.
    UnusedGroup = "unused-group", Info;
    /// A route table serves no subnet and no gateway.
    UnusedRouteTable = "unused-route-table", Info;
    /// A subnet has few free addresses left.
    AddressesRunOut = "addresses-run-out", Warning;
    /// Two interfaces on one network of a lan have one address.
    DuplicateAddress = "duplicate-address", Warning;
    /// Two interfaces on one network of a lan have one MAC address.
    DuplicateMac = "duplicate-mac", Warning;
    /// Hubs or switches of a lan stand in a loop, and none of them runs a spanning tree.
    LanLoop = "loop-without-spanning-tree", Warning;
    /// No interface on the network of a lan's host has the address of its gateway.
    NobodysGateway = "nobodys-gateway", Warning;
    /// A host of a lan asks DHCP for an address, and nobody there lends any.
    NoDhcpServer = "no-dhcp-server", Warning;
    /// A device of a lan has no link.
    Unlinked = "unlinked-device", Warning;
    /// A cable of a lan is longer than what Ethernet may go over.
    LongCable = "long-cable", Warning;
    /// A network that a lan announces to a VPC overlaps what the VPC has itself, or what another lan announces.
    OverlappingLan = "overlapping-lan", Warning;
    /// A hub or repeater of a lan is faster than half duplex goes without carrier extension.
    FastHub = "hub-too-fast", Warning;
    /// The source refers to something that it lacks, or says what the model does not know: the real cloud may differ.
    Incomplete = "incomplete", Info;
}

impl Serialize for Check {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was looked for.
    pub check: Check,
    /// The resource by its name: `sg web`, `acl db #100`.
    pub subject: String,
    /// What is wrong, as a sentence.
    pub text: String,
    /// What to do about it.
    pub hint: String,
    /// Where it was written.
    pub origin: Origin,
}

impl Finding {
    /// Something that the source of the cloud lacks; the model does not show it, so [`lint`] does not find it.
    pub fn gap(gap: &crate::why::Gap) -> Self {
        let hint = "it is treated as absent; describe it too, and verdicts are no longer incomplete";
        Self::new(Check::Incomplete, gap.kind, gap.text.clone(), hint, &gap.origin)
    }

    fn new(
        check: Check,
        subject: impl Into<String>,
        text: impl Into<String>,
        hint: impl Into<String>,
        origin: &Origin,
    ) -> Self {
        Self {
            severity: check.severity(),
            check,
            subject: subject.into(),
            text: text.into(),
            hint: hint.into(),
            origin: origin.clone(),
        }
    }
}

/// Everything that looks wrong, what matters most first; `fabric` is compiled from `model`, `reach` proved of `fabric`.
pub fn lint(model: &Model, fabric: &Fabric, reach: &Reach) -> Vec<Finding> {
    let mut findings = filters::findings(model, fabric);
    findings.extend(exposure::findings(fabric, reach));
    findings.extend(ways::findings(model, fabric));
    findings.extend(answers::findings(model, fabric, reach));
    findings.extend(capacity::findings(model));
    findings.extend(lans::findings(model));
    findings.sort();
    findings.dedup();
    findings
}

/// The name of a resource, else its id.
fn name_of(tags: &model::Tags, id: &impl ToString) -> String {
    model::tag::name(tags).map_or_else(|| id.to_string(), str::to_owned)
}
