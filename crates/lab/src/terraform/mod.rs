//! Reads what `terraform show -json` wrote, of a plan or of a state, into a model.
//!
//! Start at [`read`]. `document` finds resources and their configuration, `reference` follows references to ids that are
//! known after apply only, `node` reads fields. `network`, `policy`, `host` and `connect` say each resource the way AWS would
//! describe it once it exists, with the plan's own places, and [`crate::aws`] makes the model of that: one reader for
//! facts, however they came. What cannot be resolved is noted and treated as absent where it would let traffic pass, and
//! as everything where it would stop some: nothing is allowed because of what is not known.

mod answer;
mod connect;
mod document;
mod host;
mod network;
mod node;
mod policy;
mod reference;
mod six;
mod transit;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::Timestamp;

use self::answer::Answers;
use self::document::Document;
use crate::aws::json::{self, Json, Value};
use crate::aws::{DumpFile, Import, Note, NoteKind, read_answers};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{Sources, Span};

/// Bytes of a plan at most.
pub const MAX_BYTES: u64 = 256 << 20;
/// What follows from a first mistake need not be said for each thing.
const MAX_PROBLEMS: usize = 100;

/// Whether a file is meant as a plan or state: its name ends in `.json`. A lab file is YAML, whatever its content.
pub fn is_meant(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && ending.eq_ignore_ascii_case("json"))
}

/// Reads a plan or a state. Errors: broken JSON, a file that is neither, fields that cannot be.
pub fn read(file: DumpFile, now: Timestamp) -> Result<Import, Diagnostics> {
    let mut sources = Sources::default();
    let index = sources.add(file.name, file.text);
    let mut left = crate::aws::MAX_VALUES;
    let root = match json::parse(&sources, index, &mut left) {
        Ok(root) => root,
        Err(problem) => return Err(Diagnostics::new(sources, vec![*problem])),
    };
    let document = match Document::of(&root) {
        Ok(document) => document,
        Err(problem) => return Err(Diagnostics::new(sources, vec![*problem])),
    };
    let mut world = World::new(&sources, document);
    world.everything();
    let World { problems, notes, answers, .. } = world;
    if !problems.is_empty() {
        return Err(Diagnostics::new(sources.clone(), problems));
    }
    let answers = answers.into_json(root.span);
    read_answers(&sources, &[answers], notes, now)
}

/// A plan while it becomes answers.
struct World<'s, 'j> {
    sources: &'s Sources,
    document: Document<'j>,
    problems: Vec<Diagnostic>,
    notes: Vec<Note>,
    answers: Answers,
    /// The VPC of each subnet, by its id, with the subnet's block and zone.
    subnets: BTreeMap<String, network::Placed>,
    vpcs: BTreeMap<String, network::Cloud>,
    /// Addresses in use, by subnet.
    taken: BTreeMap<String, BTreeSet<u32>>,
    /// How many private and public addresses were chosen.
    chosen: (usize, usize),
    /// Public addresses in use.
    public: BTreeSet<u32>,
    /// The primary address of each interface.
    primary: BTreeMap<String, Ipv4Addr>,
    /// The primary interface of each instance.
    interface_of: BTreeMap<String, String>,
    /// The public address of each allocation, and who has it.
    allocations: BTreeMap<String, Ipv4Addr>,
    users: BTreeMap<String, (String, Ipv4Addr)>,
    /// Routes of gateway endpoints: table, endpoint, prefix list.
    endpoint_routes: Vec<(String, String, String, Span)>,
    /// Services that some endpoint is for.
    services: BTreeSet<String>,
    /// How many resources have no `Name` tag and are called after their address.
    named: usize,
    six: six::Used,
}

impl<'s, 'j> World<'s, 'j> {
    fn new(sources: &'s Sources, document: Document<'j>) -> Self {
        Self {
            sources,
            document,
            problems: Vec::new(),
            notes: Vec::new(),
            answers: Answers::default(),
            subnets: BTreeMap::new(),
            vpcs: BTreeMap::new(),
            primary: BTreeMap::new(),
            interface_of: BTreeMap::new(),
            allocations: BTreeMap::new(),
            users: BTreeMap::new(),
            endpoint_routes: Vec::new(),
            services: BTreeSet::new(),
            taken: BTreeMap::new(),
            chosen: (0, 0),
            public: BTreeSet::new(),
            named: 0,
            six: six::Used::default(),
        }
    }

    fn everything(&mut self) {
        self.written_six();
        self.vpcs();
        self.subnets();
        self.gateways();
        self.prefix_lists();
        self.security_groups();
        self.hosts();
        self.nat_gateways();
        self.elastic_addresses();
        self.peerings();
        self.endpoints();
        self.transit_gateways();
        self.route_tables();
        self.network_acls();
        self.others();
        self.told();
    }

    fn problem(&mut self, problem: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn note(&mut self, kind: NoteKind, place: Span, text: impl Into<String>) {
        self.notes.push(Note { kind, text: text.into(), origin: self.sources.origin(place) });
    }

    /// Resources of types that nothing here reads: counted by type.
    fn others(&mut self) {
        let mut count: BTreeMap<&str, (usize, Span)> = BTreeMap::new();
        for resource in self.document.resources.iter().filter(|resource| !KNOWN.contains(&resource.kind)) {
            count.entry(resource.kind).or_insert((0, resource.span)).0 += 1;
        }
        for (kind, (count, place)) in count {
            let text = format!("{kind} ({count} in the plan)");
            // Only what may be a part of the network makes an answer incomplete.
            let is_network = NETWORK.iter().any(|part| kind.contains(part));
            self.note(if is_network { NoteKind::NotModelled } else { NoteKind::Unread }, place, text);
        }
        if self.document.is_partial {
            self.note(NoteKind::Missing, Span::default(), "a part of the plan: terraform deferred or targeted some of it");
        }
    }

    /// One remark about what was chosen instead of AWS.
    fn told(&mut self) {
        let (private, public) = self.chosen;
        if private + public > 0 {
            let text = format!("{private} private and {public} public addresses that AWS will choose: the lowest free ones of their subnets, and ones of its pool");
            self.note(NoteKind::Assumed, Span::default(), text);
        }
        let (blocks, addresses) = self.six.chosen;
        if blocks + addresses > 0 {
            let text = format!("{blocks} IPv6 blocks and {addresses} IPv6 addresses that AWS will choose: free ones of its pool, of the VPCs, of the subnets");
            self.note(NoteKind::Assumed, Span::default(), text);
        }
        if self.named > 0 {
            let text = format!("{} things without a Name tag are called after their addresses in the plan", self.named);
            self.note(NoteKind::Assumed, Span::default(), text);
        }
    }
}

/// Types that are read.
const KNOWN: [&str; 50] = [
    "aws_vpc", "aws_default_vpc", "aws_vpc_ipv4_cidr_block_association",
    "aws_vpc_ipv6_cidr_block_association", "aws_subnet", "aws_default_subnet", "aws_internet_gateway",
    "aws_internet_gateway_attachment", "aws_egress_only_internet_gateway", "aws_vpn_gateway", "aws_vpn_gateway_attachment",
    "aws_nat_gateway", "aws_eip", "aws_eip_association", "aws_route_table", "aws_default_route_table", "aws_route",
    "aws_route_table_association", "aws_main_route_table_association", "aws_security_group", "aws_default_security_group",
    "aws_security_group_rule", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule", "aws_network_acl",
    "aws_default_network_acl", "aws_network_acl_rule", "aws_network_acl_association", "aws_network_interface",
    "aws_network_interface_attachment", "aws_network_interface_sg_attachment", "aws_instance", "aws_vpc_peering_connection",
    "aws_vpc_peering_connection_accepter", "aws_vpc_peering_connection_options", "aws_vpc_endpoint",
    "aws_vpc_endpoint_route_table_association", "aws_ec2_managed_prefix_list", "aws_ec2_managed_prefix_list_entry",
    "aws_ec2_tag", "aws_key_pair", "aws_vpc_dhcp_options_association", "aws_ec2_transit_gateway",
    "aws_ec2_transit_gateway_vpc_attachment", "aws_ec2_transit_gateway_peering_attachment",
    "aws_ec2_transit_gateway_peering_attachment_accepter", "aws_ec2_transit_gateway_route_table",
    "aws_ec2_transit_gateway_route_table_association", "aws_ec2_transit_gateway_route_table_propagation",
    "aws_ec2_transit_gateway_route",
];

/// Parts of type names that carry packets or decide about them.
const NETWORK: [&str; 16] = [
    "_vpc", "_subnet", "_route", "_gateway", "_network", "_security_group", "_lb", "_alb", "_elb", "_instance", "_eip", "_vpn",
    "_dx_", "_launch_", "_autoscaling", "_ec2_",
];

/// A list of texts, whatever its other values are.
fn texts(json: &Json) -> Vec<&str> {
    match &json.value {
        Value::List(all) => all.iter().filter_map(Json::text).collect(),
        _ => Vec::new(),
    }
}
