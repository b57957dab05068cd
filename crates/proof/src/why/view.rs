//! The answer as data: names and texts resolved, so that it outlives the cloud and prints as JSON. Every field is
//! described in `docs/why.md`; a change of meaning raises [`SCHEMA`].

use fabric::Direction;
use fabric::walker::Verdict;
use model::Origin;
use serde::Serialize;

use super::edit::Edit;
use super::gap::Gap;
use crate::traffic::TrafficSet;

/// Name and version of the JSON form.
pub const SCHEMA: &str = "vpclab-why/1";

/// Why a packet arrives and is answered, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// In one word.
    pub verdict: Verdict,
    /// What a client sees, where containers are at an end: `open`, `refused`, `filtered`, `unanswered` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'static str>,
    /// In one sentence.
    pub summary: String,
    /// What is sent: `tcp/3306`.
    pub packet: String,
    /// Ports that the client may send from: `1024-65535`; none for what has no ports.
    pub ephemeral: Option<String>,
    /// Who sends.
    pub from: Place,
    /// Who receives.
    pub to: Place,
    /// The way there.
    pub request: Leg,
    /// The way back; none where nobody answers, or where nobody can tell what an answer would look like.
    pub reply: Option<Leg>,
    /// What would make it allowed, the least change first; empty when it is.
    pub fixes: Vec<Fix>,
    /// What to type or to write next, where what blocks is inside an instance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Of an allowed packet: what it depends on.
    pub depends: Option<Depends>,
    /// Pairs like this one for which the answer is the same.
    pub same_for: Option<SameFor>,
    /// Everything that these two can say to each other, answers included.
    pub all_ports: Option<TrafficSet>,
    /// What to know besides.
    pub notes: Vec<String>,
    /// Whether the source of the cloud lacks something ([`Why::marked`]): then the real one may differ.
    pub incomplete: bool,
    /// What it lacks; what names a thing on the way first.
    pub gaps: Vec<Gap>,
}

impl Why {
    /// Everything that blocks, on the way there and back.
    pub fn blockers(&self) -> impl Iterator<Item = &Blocker> {
        self.request
            .blockers
            .iter()
            .chain(self.reply.iter().flat_map(|leg| &leg.blockers))
    }
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Name.
    pub name: String,
    /// `interface`, `outside`, `internet` or `address`.
    pub kind: &'static str,
    /// The interface.
    pub interface_id: Option<String>,
    /// Its instance.
    pub instance_id: Option<String>,
    /// `running`, `stopped` …
    pub state: Option<String>,
    /// Its address, the private one of an interface.
    pub address: String,
    /// Its public address.
    pub public_address: Option<String>,
    /// Its subnet, by name.
    pub subnet: Option<String>,
    /// Its VPC, by name.
    pub vpc: Option<String>,
    /// Its VPC, by id.
    pub vpc_id: Option<String>,
    /// Its security groups, by name.
    pub security_groups: Vec<String>,
}

/// One way of the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// Whether the packet arrives.
    pub delivered: bool,
    /// As it is sent.
    pub sent: Header,
    /// As it arrives, or would.
    pub arrived: Option<Header>,
    /// Every stage in order, those that block included.
    pub hops: Vec<Hop>,
    /// What blocks, in order.
    pub blockers: Vec<Blocker>,
    /// Client ports whose answers are lost, where not all are: `32768-65535`.
    pub lost_ports: Option<String>,
    /// Middleboxes passed, by name.
    pub via: Vec<String>,
}

/// Addresses and ports of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// `tcp`, `udp`, `icmp`, `icmpv6` or a number.
    pub protocol: String,
    /// Source address.
    pub source: String,
    /// Source port, or the range that clients send from.
    pub source_port: Option<String>,
    /// Destination address.
    pub destination: String,
    /// Destination port, or the range.
    pub destination_port: Option<String>,
}

/// A stage on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Identifier of the component, as AWS gives it; `internet`, `fabric` or a name where AWS has none.
    pub id: String,
    /// The component as claims and `check` write it: `sg-in:db-1`.
    pub at: String,
    /// `security-group`, `network-acl`, `route-table` …
    pub stage: String,
    /// Name of what decides: groups, the list, the table, the gateway.
    pub name: String,
    /// Seen from there.
    pub direction: Option<Direction>,
    /// Whether it drops the packet.
    pub blocks: bool,
    /// Whether the packet only gets here as if what blocks before did not.
    pub assumed: bool,
    /// Whether nobody can tell what it does there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// The rule that decided.
    pub rule: Option<Rule>,
    /// AWS's code of a drop; inside an instance one of ours.
    pub code: Option<&'static str>,
    /// In a few words.
    pub text: String,
    /// The packet as it comes here.
    pub before: Header,
    /// As it leaves, where that differs.
    pub after: Option<Header>,
    /// Rules that almost admit it.
    pub near: Vec<Near>,
    /// Of a network ACL: later entries that match too and would have decided otherwise.
    pub shadows: Vec<Rule>,
    /// Of a route table without a way: the routes that it has.
    pub routes: Vec<String>,
    /// Gateways and connections by which the destination could be reached.
    pub reachable_by: Vec<String>,
    /// After a missing way: by which one the packet is taken to go on.
    pub goes_on_by: Option<String>,
}

/// A rule that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `security-group`, `network-acl`, `route` or `state`.
    pub kind: &'static str,
    /// The group, list or table.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// The rule for short: `db#1`, `acl-web#90`; of the implied last entry of a list `acl-web#*`.
    pub short: String,
    /// As a lab file writes it: `tcp/3306 from sg:web`.
    pub text: String,
    /// Of an entry: whether it allows.
    pub allow: Option<bool>,
    /// Protocol number of an entry or rule; `-1` for all.
    pub protocol: Option<String>,
    /// Lowest and highest port of an entry or rule.
    pub ports: Option<(u16, u16)>,
    /// Block of an entry, rule or route.
    pub cidr: Option<String>,
    /// Number of an entry.
    pub number: Option<u16>,
    /// Target of a route, by id.
    pub target: Option<String>,
    /// Where it was written: `shop.yaml:12`.
    pub origin: Option<String>,
}

/// A rule that misses a packet by one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Near {
    /// The rule.
    pub rule: Rule,
    /// `port`, `protocol`, `type` or `peer`.
    pub missed: &'static str,
    /// What is the matter: `web-1 is not in app`.
    pub text: String,
}

/// Something that blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// AWS's code, where it has one.
    pub code: Option<&'static str>,
    /// The component as claims and `check` write it.
    pub at: String,
    /// In a few words.
    pub text: String,
    /// The rule that decided.
    pub rule: Option<Rule>,
}

/// Changes that together make the packet allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What to change.
    pub edits: Vec<EditText>,
    /// The same as operations, for programs that make them.
    #[serde(skip)]
    pub changes: Vec<Edit>,
    /// Pairs that it lets say more to each other than before; none where nobody counted.
    pub opens: Option<Exposure>,
    /// Pairs that can say less to each other with it; none where nobody counted, or where there is none.
    pub closes: Option<Exposure>,
}

/// One change, for people and for their lab file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EditText {
    /// What is changed: `sg db`.
    pub subject: String,
    /// `+` adds, `-` removes, `~` replaces.
    pub sign: char,
    /// What is added or removed, as the lab file writes it.
    pub text: String,
    /// Where the subject was written, or what is removed.
    pub origin: Option<String>,
}

/// Pairs of places, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// How many.
    pub pairs: usize,
    /// Whether they are the pair that was asked for and no other.
    pub only_this: bool,
    /// Whether the pair that was asked for is one of them.
    pub with_this: bool,
    /// In short: `4 web x 3 db`.
    pub label: String,
}

/// What an allowed packet depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Depends {
    /// Rules without which the packet is lost, each with the pairs that close when it goes.
    pub only_through: Vec<Only>,
    /// Rules that admit it too.
    pub also_admitted_by: Vec<Rule>,
}

/// A rule that a packet cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Only {
    /// The rule.
    pub rule: Rule,
    /// Where it decides.
    pub at: String,
    /// Pairs that can say less to each other without it; none where nobody counted.
    pub closes: Option<Exposure>,
}

/// Pairs that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SameFor {
    /// How many pairs.
    pub pairs: usize,
    /// In short: `4 web x 3 db`.
    pub label: String,
    /// What makes them alike: `web-a/web -> db-a/db`, subnet and groups of each end.
    pub class: String,
}

/// A known place in a file.
pub(super) fn origin(origin: &Origin) -> Option<String> {
    origin.is_known().then(|| origin.to_string())
}
