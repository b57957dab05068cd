//! References of expressions, followed to the resources whose ids they mean: through variables and outputs of modules,
//! `count.index`, `each.key` and `each.value`.
//!
//! The document tells which things an expression refers to, not what it does with them. So an expression is followed
//! only where its references leave one answer; `local.…` has no expression in the document and leads nowhere.

use super::document::{Document, Key, Resource, Step, split};
use crate::aws::derived;
use crate::aws::json::{Json, Value};

/// References lead through so many others at most.
const MAX_DEPTH: usize = 16;
/// Resources that one expression may mean at most.
const MAX_TARGETS: usize = 4096;

/// A resource that an expression refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub resource: usize,
    /// Of it, such as `id`; empty: the resource itself, or what an index that is computed hides.
    pub attribute: String,
    /// Whether the reference was to all that one block makes.
    pub is_one_of: bool,
}

/// What an expression refers to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub targets: Vec<Target>,
    /// References that lead nowhere.
    pub open: Vec<String>,
    /// Whether `count.index` or `each.key` chose.
    pub is_keyed: bool,
    /// Whether `count.index` did.
    pub is_counted: bool,
    /// Whether values that are known take part: one of them may choose between targets.
    pub has_known: bool,
}

/// Where an expression stands: in a module, in a block that is made once or for several keys.
#[derive(Clone)]
pub(super) struct Place<'j> {
    pub module: Vec<Step>,
    pub each: Option<&'j Json>,
    pub key: Option<Key>,
    /// How many there are of it.
    pub copies: usize,
}

/// Prefix of the ids of a type.
pub(super) fn prefix_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "aws_vpc" | "aws_default_vpc" => "vpc",
        "aws_subnet" | "aws_default_subnet" => "subnet",
        "aws_internet_gateway" => "igw",
        "aws_egress_only_internet_gateway" => "eigw",
        "aws_vpn_gateway" => "vgw",
        "aws_nat_gateway" => "nat",
        "aws_eip" => "eipalloc",
        "aws_route_table" | "aws_default_route_table" => "rtb",
        "aws_security_group" | "aws_default_security_group" => "sg",
        "aws_network_acl" | "aws_default_network_acl" => "acl",
        "aws_network_interface" => "eni",
        "aws_instance" => "i",
        "aws_vpc_peering_connection" | "aws_vpc_peering_connection_accepter" => "pcx",
        "aws_vpc_endpoint" => "vpce",
        "aws_ec2_managed_prefix_list" => "pl",
        "aws_ec2_transit_gateway" => "tgw",
        "aws_ec2_transit_gateway_vpc_attachment" | "aws_ec2_transit_gateway_peering_attachment" => "tgw-attach",
        "aws_ec2_transit_gateway_route_table" => "tgw-rtb",
        _ => return None,
    })
}

/// Whether a text is an id with this prefix; `i` and `vpc` begin other words too.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The longest references: Terraform writes `a.b.id`, then `a.b`.
fn longest<'r>(all: &[&'r str]) -> Vec<&'r str> {
    let mut kept: Vec<&str> = Vec::new();
    for reference in all {
        let is_start = |longer: &&str| longer.strip_prefix(reference).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if !kept.iter().any(is_start) {
            kept.push(reference);
        }
    }
    kept
}

impl<'j> Document<'j> {
    /// Where the expressions of a resource stand.
    pub fn place_of(&self, resource: &Resource<'j>) -> Place<'j> {
        let each = resource.configuration.and_then(|c| c.get("for_each_expression"));
        let copies = self.by_name.get(&(resource.module.clone(), resource.kind, resource.name)).map_or(1, Vec::len);
        Place { module: resource.module.clone(), each, key: resource.key.clone(), copies }
    }

    /// What references lead to.
    pub fn follow(&self, place: &Place<'j>, references: &[&str], depth: usize) -> Found {
        let mut found = Found::default();
        for reference in longest(references) {
            if depth > MAX_DEPTH || found.targets.len() > MAX_TARGETS {
                found.open.push(reference.to_owned());
                continue;
            }
            self.lead(place, reference, depth, &mut found);
        }
        let mut seen: Vec<Target> = Vec::new();
        found.targets.retain(|target| {
            let is_new = !seen.contains(target);
            if is_new {
                seen.push(target.clone());
            }
            is_new
        });
        if let (true, Some(key)) = (found.is_keyed, &place.key) {
            // `x[count.index].id` is written as `x` and `count.index`.
            let resources = &self.resources;
            let is_mine = |target: &Target| resources[target.resource].key.as_ref() == Some(key);
            // A plan does not tell `x[count.index]` from `x[count.index % 2]` or `x[count.index + 1]`. Where both are equally many
            // it is taken to be the number itself; else nobody knows.
            let kind = |target: &Target| (&resources[target.resource].module, resources[target.resource].kind, resources[target.resource].name);
            let one_of: Vec<&Target> = found.targets.iter().filter(|target| target.is_one_of).collect();
            let is_other = |target: &&Target| one_of.iter().filter(|other| kind(other) == kind(target)).count() != place.copies;
            if found.is_counted && one_of.iter().any(is_other) {
                found.open.push("count.index".to_owned());
            } else if found.targets.iter().any(|target| target.is_one_of && is_mine(target)) {
                found.targets.retain(|target| !target.is_one_of || is_mine(target));
            }
        }
        found
    }

    /// How often a module is called from another.
    fn module_copies(&self, parents: &[Step], name: &str) -> usize {
        let steps = self.by_name.keys().filter_map(|(module, ..)| module.get(parents.len()).filter(|step| module.starts_with(parents) && step.name == name));
        let keys: std::collections::BTreeSet<&Option<Key>> = steps.map(|step| &step.key).collect();
        keys.len().max(1)
    }

    fn lead(&self, place: &Place<'j>, reference: &str, depth: usize, found: &mut Found) {
        let parts = split(reference);
        let part = |at: usize| parts.get(at).map_or(("", None), |(name, key)| (name.as_str(), key.as_deref()));
        match part(0).0 {
            "var" => match self.module_call(&place.module) {
                None if self.has_variable(part(1).0) => found.has_known = true,
                None => found.open.push(reference.to_owned()),
                Some(call) => {
                    let (last, parents) = place.module.split_last().map_or((None, &[][..]), |(last, parents)| (Some(last), parents));
                    let copies = last.map_or(1, |last| self.module_copies(parents, &last.name));
                    let outer = Place { module: parents.to_vec(), each: call.get("for_each_expression"), key: last.and_then(|step| step.key.clone()), copies };
                    // A variable that is not given has its default, which is known.
                    match call.get("expressions").and_then(|e| e.get(part(1).0)) {
                        Some(expression) => self.through(&outer, expression, part(1).1, part(2).0, depth, found),
                        None => found.has_known = true,
                    }
                }
            },
            "module" => {
                let mut module = place.module.clone();
                module.push(Step { name: part(1).0.to_owned(), key: part(1).1.map(str::to_owned) });
                let output = self.module_configuration(&module).and_then(|m| m.get("outputs")?.get(part(2).0)?.get("expression"));
                let (Some(expression), true) = (output, parts.len() > 2) else {
                    found.open.push(reference.to_owned());
                    return;
                };
                let inner = Place { module, each: None, key: None, copies: 1 };
                self.through(&inner, expression, part(2).1, part(3).0, depth, found);
            }
            "each" if part(1).0 == "value" => match place.each {
                Some(expression) => {
                    // What each key has is not told; of all that one block makes it is the one with the same key.
                    let outer = Place { module: place.module.clone(), each: None, key: None, copies: 1 };
                    self.through(&outer, expression, place.key.as_deref(), part(2).0, depth, found);
                }
                None => found.open.push(reference.to_owned()),
            },
            "each" => found.is_keyed = true,
            "count" => (found.is_keyed, found.is_counted) = (true, true),
            "path" | "terraform" => found.has_known = true,
            "local" | "data" | "self" | "" => found.open.push(reference.to_owned()),
            kind => {
                let Some(all) = self.by_name.get(&(place.module.clone(), kind, part(1).0)) else {
                    found.open.push(reference.to_owned());
                    return;
                };
                let is_all = part(1).1.is_none() || part(1).1 == Some("*");
                let wanted = part(1).1.filter(|_| !is_all);
                let chosen = all.iter().filter(|index| is_all || self.resources[**index].key.as_deref() == wanted);
                let targets: Vec<Target> = chosen
                    .map(|index| Target {
                        resource: *index,
                        attribute: part(2).0.to_owned(),
                        is_one_of: is_all && self.resources[*index].key.is_some(),
                    })
                    .collect();
                if targets.is_empty() {
                    found.open.push(reference.to_owned());
                }
                found.targets.extend(targets);
            }
        }
    }

    /// Through an expression elsewhere, of whose value one key or attribute is taken.
    fn through(&self, place: &Place<'j>, expression: &Json, key: Option<&str>, attribute: &str, depth: usize, found: &mut Found) {
        let Some(references) = expression.get("references") else {
            found.has_known = true;
            return;
        };
        let mut inner = self.follow(place, &super::texts(references), depth + 1);
        if let Some(key) = key {
            let is_it = |target: &Target| self.resources[target.resource].key.as_deref() == Some(key);
            if inner.targets.iter().any(|target| target.is_one_of && is_it(target)) {
                inner.targets.retain(|target| !target.is_one_of || is_it(target));
                inner.targets.iter_mut().for_each(|target| target.is_one_of = false);
            }
        }
        for target in inner.targets.iter_mut().filter(|target| target.attribute.is_empty()) {
            target.attribute = attribute.to_owned();
        }
        found.targets.append(&mut inner.targets);
        found.open.append(&mut inner.open);
        found.has_known |= inner.has_known;
    }

    /// The id of a resource: the one that it has, else one that follows from its address.
    pub fn id_of(&self, resource: usize) -> Option<String> {
        self.attribute_of(resource, "id", 0)
    }

    /// Whether a resource exists already, so that its id is in the document wherever it is used.
    pub fn is_known(&self, resource: usize) -> bool {
        self.resources[resource].values.get("id").and_then(Json::text).is_some_and(|id| !id.is_empty())
    }

    /// An attribute of a resource that is an id.
    pub fn attribute_of(&self, index: usize, attribute: &str, depth: usize) -> Option<String> {
        let resource = &self.resources[index];
        if let Some(text) = resource.values.get(attribute).and_then(Json::text).filter(|text| !text.is_empty()) {
            return Some(text.to_owned());
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let from = |prefix: &str, text: &str| derived::<Text>(prefix, text).map(|text| text.0);
        let own = |attribute: &str| {
            let references = resource.configuration?.get("expressions")?.get(attribute)?.get("references")?;
            let found = self.follow(&self.place_of(resource), &super::texts(references), 0);
            match (found.targets.as_slice(), found.open.is_empty()) {
                ([target], true) if target.resource != index => {
                    let wanted = if target.attribute.is_empty() { "id" } else { &target.attribute };
                    self.attribute_of(target.resource, wanted, depth + 1)
                }
                _ => None,
            }
        };
        match (resource.kind, attribute) {
            ("aws_default_route_table", "id") => own("default_route_table_id"),
            ("aws_default_network_acl", "id") => own("default_network_acl_id"),
            ("aws_default_security_group", "id") => Some(default_group(&own("vpc_id")?)),
            ("aws_vpc_peering_connection_accepter", "id") => own("vpc_peering_connection_id"),
            ("aws_vpc" | "aws_default_vpc", "main_route_table_id" | "default_route_table_id") => Some(main_table(&self.id_of(index)?)),
            ("aws_vpc" | "aws_default_vpc", "default_network_acl_id") => Some(default_acl(&self.id_of(index)?)),
            ("aws_vpc" | "aws_default_vpc", "default_security_group_id") => Some(default_group(&self.id_of(index)?)),
            ("aws_eip", "id" | "allocation_id") => match resource.values.get("allocation_id").or(resource.values.get("id")).and_then(Json::text) {
                Some(id) => Some(id.to_owned()),
                None => from("eipalloc", resource.address),
            },
            ("aws_instance", "primary_network_interface_id") if !is_given(resource, "network_interface") => Some(primary_interface(&self.id_of(index)?)),
            ("aws_ec2_transit_gateway", "association_default_route_table_id" | "propagation_default_route_table_id") => {
                Some(default_transit_table(&self.id_of(index)?))
            }
            ("aws_ec2_transit_gateway_peering_attachment_accepter", "id") => own("transit_gateway_attachment_id"),
            (kind, "id") => from(prefix_of(kind)?, resource.address),
            (_, attribute) => own(attribute),
        }
    }
}

fn is_given(resource: &Resource<'_>, key: &str) -> bool {
    let written = resource.configuration.and_then(|c| c.get("expressions")?.get(key)).is_some();
    written || resource.values.get(key).is_some_and(|json| matches!(&json.value, Value::List(all) if !all.is_empty()))
}

/// Any text as an id.
struct Text(String);

impl std::str::FromStr for Text {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(Self(text.to_owned()))
    }
}

fn of_vpc(prefix: &str, vpc: &str) -> String {
    derived::<Text>(prefix, &format!("{vpc}/default")).map_or_else(String::new, |text| text.0)
}

/// The main route table that a VPC comes with.
pub(super) fn main_table(vpc: &str) -> String {
    of_vpc("rtb", vpc)
}

/// The route table that a transit gateway comes with.
pub(super) fn default_transit_table(gateway: &str) -> String {
    of_vpc("tgw-rtb", gateway)
}

/// The network ACL that a VPC comes with.
pub(super) fn default_acl(vpc: &str) -> String {
    of_vpc("acl", vpc)
}

/// The security group that a VPC comes with.
pub(super) fn default_group(vpc: &str) -> String {
    of_vpc("sg", vpc)
}

/// The interface that an instance comes with, or another thing that something comes with.
pub(super) fn primary_interface(owner: &str) -> String {
    of_vpc("eni", owner)
}
