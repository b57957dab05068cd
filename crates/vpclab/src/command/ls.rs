//! `ls`: labs, or the things in one, as columns.

mod lans;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use control::api::Refused;
use model::route_table::Associated;
use model::{InstanceState, Model, NetworkInterface, Tags};
use serde_json::{Map, Value};

use super::iam::listing;
use super::running::{Running, daemon};
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

mod disks;

/// `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// What to list: labs (default), vpcs, subnets, instances, interfaces, sg, acls, routes, gateways, addresses, peerings,
    /// flow-logs, lans, devices, hosts, links (of lans), ebs (disks of instances and their snapshots), amis (machine images), users,
    /// groups, roles, policies, profiles, keys
    #[arg(value_name = "KIND")]
    pub kind: Option<String>,
    /// Only rows whose column has this value, such as state=running; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub filter: Vec<String>,
}

/// Rows under headings; those from `wide` on only show with `-o wide` and in data formats.
struct Listing {
    headings: Vec<&'static str>,
    wide: usize,
    rows: Vec<Vec<String>>,
    /// Whether each line is a thing of its own.
    is_of_one_line: bool,
}

/// Kinds with a line for each thing: of others a name stands in several lines by nature.
const OF_ONE_LINE: [&str; 8] = ["vpcs", "subnets", "instances", "gateways", "addresses", "peerings", "ebs", "flow-logs"];

impl Listing {
    /// The column of ids and the names that several lines have, where only the ids tell them apart.
    fn shared(&self) -> Option<(usize, BTreeSet<&str>)> {
        let mut known = BTreeSet::new();
        let shared: BTreeSet<&str> = self.rows.iter().map(|row| row[0].as_str()).filter(|name| !known.insert(*name)).collect();
        let id = self.headings.iter().position(|heading| *heading == "id")?;
        (self.is_of_one_line && !shared.is_empty()).then_some((id, shared))
    }

    /// Takes a column away that is empty in every row: people in a lab of IPv4 alone have no use for the other one's.
    fn leave_out_what_nobody_has(&mut self, heading: &str) {
        let Some(at) = self.headings.iter().position(|known| *known == heading) else { return };
        if self.rows.iter().all(|row| row[at] == "-") {
            self.headings.remove(at);
            self.rows.iter_mut().for_each(|row| drop(row.remove(at)));
            self.wide -= usize::from(at < self.wide);
        }
    }
}

const KINDS: [&str; 18] = [
    "labs", "vpcs", "subnets", "instances", "interfaces", "sg", "acls", "routes", "gateways", "addresses", "peerings", "flow-logs", "lans", "devices",
    "hosts", "links", "ebs", "amis",
];

/// Lists.
pub fn run(kind: Option<&str>, arguments: &LsArgs, global: &Global, output: &Output) -> Result {
    let kind = kind.unwrap_or("labs");
    let known: Vec<&str> = KINDS.into_iter().chain(listing::KINDS).collect();
    if !known.contains(&kind) {
        let kinds = format!("kinds are: {}", known.join(", "));
        let hint = match did_you_mean(kind, "kind", &known) {
            near if near.starts_with("did you mean") => format!("{near}\n{kinds}"),
            _ => kinds,
        };
        return Err(Failure::usage(format!("there is no kind `{kind}`")).hint(hint));
    }
    let listing = if kind == "labs" {
        labs(output)?
    } else if listing::KINDS.contains(&kind) {
        let running = Running::open(global)?;
        let account = running.daemon().identities(&running.name)?.account;
        let (headings, wide, mut rows) = listing::rows(kind, &account);
        rows.sort_by_key(|row| natural(&row[0]));
        Listing { headings, wide, rows, is_of_one_line: false }
    } else {
        let running = Running::open(global)?;
        marked(of_model(kind, &running.model), running.refused.as_ref())
    };
    let mut listing = filtered(listing, &arguments.filter)?;
    if !matches!(output.format, Format::Json | Format::Csv) {
        listing.leave_out_what_nobody_has("ipv6");
    }
    match output.format {
        Format::Json => {
            let object = |row: &Vec<String>| {
                let cells = listing.headings.iter().zip(row);
                Value::Object(cells.map(|(h, cell)| (h.replace(' ', "_"), Value::String(cell.clone()))).collect::<Map<_, _>>())
            };
            output.json(&listing.rows.iter().map(object).collect::<Vec<_>>())?;
        }
        Format::Wide | Format::Csv => output.table(&listing.headings, &listing.rows),
        _ => {
            let mut headings = listing.headings[..listing.wide].to_vec();
            let mut rows: Vec<Vec<String>> = listing.rows.iter().map(|row| row[..listing.wide].to_vec()).collect();
            if let Some((id, shared)) = listing.shared() {
                headings.push(listing.headings[id]);
                for (shown, row) in rows.iter_mut().zip(&listing.rows) {
                    // A name that several have means none of them: what can be typed is the id.
                    if output.format == Format::Name && shared.contains(row[0].as_str()) {
                        shown[0].clone_from(&row[id]);
                    }
                    shown.push(row[id].clone());
                }
            }
            output.table(&headings, &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn filtered(mut listing: Listing, filters: &[String]) -> Result<Listing> {
    for filter in filters {
        let (column, value) =
            filter.split_once('=').ok_or_else(|| Failure::usage(format!("`{filter}` is no COLUMN=VALUE")).hint("--filter state=running"))?;
        let at = listing.headings.iter().position(|heading| heading.replace(' ', "_") == column.to_lowercase());
        let at = at.ok_or_else(|| {
            Failure::usage(format!("there is no column `{column}`")).hint(did_you_mean(column, "column", &listing.headings))
        })?;
        listing.rows.retain(|row| row[at].split(", ").any(|cell| cell == value));
    }
    Ok(listing)
}

/// Where the kernel does not follow, the state of an instance says so.
fn marked(mut listing: Listing, refused: Option<&Refused>) -> Listing {
    let places = ["state", "id"].map(|name| listing.headings.iter().position(|heading| *heading == name));
    if let ([Some(state), Some(id)], Some(refused)) = (places, refused) {
        for row in listing.rows.iter_mut().filter(|row| refused.lacks.iter().any(|lack| lack.id == row[id])) {
            row[state].push_str(", refused");
        }
    }
    listing
}

fn labs(output: &Output) -> Result<Listing> {
    let rows = daemon()?.labs()?.into_iter().map(|lab| {
        if let Some(why) = &lab.door_shut {
            output.note(format!("lab {}: clients of AWS are not answered: {why}", lab.name));
        }
        if let Some(refused) = &lab.refused {
            output.note(format!("lab {}: {}", lab.name, refused.sentence()));
        }
        let state = match (lab.is_up, &lab.refused) {
            (true, None) => "up",
            (true, Some(_)) => "up, refused",
            (false, _) => "down",
        };
        let file = lab.file.map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        vec![lab.name, state.to_owned(), lab.vpcs.to_string(), lab.subnets.to_string(), lab.instances.to_string(), file, lab.created.iso8601(), lab.devices.to_string(), lab.part_of.unwrap_or_else(|| "-".to_owned())]
    });
    Ok(Listing { headings: vec!["name", "state", "vpcs", "subnets", "instances", "file", "created", "devices", "part of"], wide: 6, rows: rows.collect(), is_of_one_line: false })
}

fn of_model(kind: &str, model: &Model) -> Listing {
    let (headings, wide, mut rows): (Vec<&'static str>, usize, Vec<Vec<String>>) = match kind {
        "vpcs" => (vec!["name", "cidr", "ipv6", "subnets", "internet gateway", "id"], 5, vpcs(model)),
        "subnets" => (vec!["name", "vpc", "zone", "cidr", "ipv6", "free", "route table", "network acl", "id"], 7, subnets(model)),
        "instances" => (
            vec!["name", "state", "zone", "subnet", "private ip", "public ip", "ipv6", "sg", "type", "interfaces", "id"],
            8,
            instances(model),
        ),
        "interfaces" => (
            vec!["instance", "device", "subnet", "private ip", "public ip", "ipv6", "sg", "mac", "source dest check", "id"],
            8,
            interfaces(model),
        ),
        "sg" => (vec!["name", "vpc", "direction", "traffic", "peer", "id"], 5, groups(model)),
        "acls" => (vec!["name", "direction", "number", "action", "traffic", "cidr", "subnets", "id"], 7, acls(model)),
        "routes" => (vec!["table", "vpc", "destination", "target", "used by", "id"], 5, routes(model)),
        "gateways" => (vec!["name", "kind", "where", "state", "address", "id"], 5, gateways(model)),
        "addresses" => (vec!["name", "public ip", "private ip", "interface", "id"], 4, addresses(model)),
        "ebs" => (vec!["name", "kind", "size", "type", "state", "instance", "device", "goes with it", "zone", "id"], 7, disks::volumes(model)),
        "amis" => (vec!["name", "architecture", "owner", "state", "root device", "disks", "id"], 4, disks::images(model)),
        "lans" => (vec!["name", "devices", "hosts", "links", "vpcs"], 5, lans::lans(model)),
        "devices" => (vec!["name", "kind", "lan", "addresses", "links"], 5, lans::devices(model)),
        "hosts" => (vec!["name", "lan", "addresses", "gateway", "listens", "mac"], 5, lans::hosts(model)),
        "links" => (vec!["ends", "lan", "state", "rate", "delay", "framing", "loss", "queue", "mtu", "announces"], 6, lans::links(model)),
        "flow-logs" => (
            vec!["name", "resource", "traffic", "interval", "destination", "id", "format"],
            6,
            super::flowlogs::listing(model),
        ),
        _ => (vec!["name", "requester", "accepter", "status", "id"], 4, peerings(model)),
    };
    rows.sort_by(|a, b| natural(&a[0]).cmp(&natural(&b[0])));
    Listing { headings, wide, rows, is_of_one_line: OF_ONE_LINE.contains(&kind) }
}

/// `web-2` before `web-10`.
fn natural(text: &str) -> Vec<(bool, u64, String)> {
    let mut parts: Vec<(bool, u64, String)> = Vec::new();
    for c in text.chars() {
        match (parts.last_mut(), c.to_digit(10)) {
            (Some((true, number, _)), Some(digit)) => *number = number.saturating_mul(10).saturating_add(digit.into()),
            (_, Some(digit)) => parts.push((true, digit.into(), String::new())),
            (Some((false, _, word)), None) => word.push(c),
            (_, None) => parts.push((false, 0, c.to_string())),
        }
    }
    parts
}

fn named(tags: &Tags, id: &dyn std::fmt::Display) -> String {
    model::tag::name(tags).map_or_else(|| id.to_string(), str::to_owned)
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn vpc_name(model: &Model, id: &model::VpcId) -> String {
    model.vpcs.get(id).map_or_else(|| id.to_string(), |vpc| named(&vpc.tags, id))
}

fn subnet_name(model: &Model, id: &model::SubnetId) -> String {
    model.subnets.get(id).map_or_else(|| id.to_string(), |subnet| named(&subnet.tags, id))
}

fn group_names(model: &Model, interface: &NetworkInterface) -> String {
    joined(interface.groups.iter().map(|id| model.security_groups.get(id).map_or_else(|| id.to_string(), |g| g.group_name.clone())))
}

fn public_ip(model: &Model, interface: &NetworkInterface) -> String {
    let elastic = model.addresses.values().filter(|a| a.association.as_ref().is_some_and(|to| to.network_interface_id == interface.id));
    joined(interface.auto_public_ip.iter().map(ToString::to_string).chain(elastic.map(|a| a.public_ip.to_string())))
}

fn vpcs(model: &Model) -> Vec<Vec<String>> {
    let row = |vpc: &model::Vpc| {
        let gateway = model.internet_gateways.values().filter(|g| g.vpc_id.as_ref() == Some(&vpc.id));
        vec![
            named(&vpc.tags, &vpc.id),
            joined(vpc.cidr_blocks.iter().map(|block| block.block.to_string())),
            joined(vpc.ipv6_blocks().map(|block| block.to_string())),
            model.subnets.values().filter(|subnet| subnet.vpc_id == vpc.id).count().to_string(),
            joined(gateway.map(|g| named(&g.tags, &g.id))),
            vpc.id.to_string(),
        ]
    };
    model.vpcs.values().map(row).collect()
}

fn subnets(model: &Model) -> Vec<Vec<String>> {
    let row = |subnet: &model::Subnet| {
        vec![
            named(&subnet.tags, &subnet.id),
            vpc_name(model, &subnet.vpc_id),
            subnet.availability_zone.clone(),
            subnet.cidr_block.to_string(),
            joined(subnet.ipv6_block().iter().map(ToString::to_string)),
            model.available_ip_address_count(subnet).to_string(),
            joined(model.route_table_of(subnet).into_iter().map(|table| named(&table.tags, &table.id))),
            joined(model.network_acl_of(&subnet.id).into_iter().map(|acl| named(&acl.tags, &acl.id))),
            subnet.id.to_string(),
        ]
    };
    model.subnets.values().map(row).collect()
}

fn instances(model: &Model) -> Vec<Vec<String>> {
    let row = |instance: &model::Instance| {
        let all = model.interfaces_of(&instance.id);
        let first = all.first();
        vec![
            named(&instance.tags, &instance.id),
            instance.state.as_str().to_owned(),
            instance.availability_zone.clone(),
            joined(first.iter().map(|i| subnet_name(model, &i.subnet_id))),
            joined(all.iter().flat_map(|i| i.private_ip_addresses.iter().map(ToString::to_string))),
            joined(all.iter().map(|i| public_ip(model, i)).filter(|ip| ip != "-")),
            joined(all.iter().flat_map(|i| i.ipv6_addresses.iter().map(ToString::to_string))),
            joined(first.iter().map(|i| group_names(model, i))),
            instance.instance_type.clone(),
            joined(all.iter().map(|i| i.id.to_string())),
            instance.id.to_string(),
        ]
    };
    model.instances.values().filter(|i| i.state != InstanceState::Terminated).map(row).collect()
}

fn interfaces(model: &Model) -> Vec<Vec<String>> {
    let row = |interface: &NetworkInterface| {
        let instance = interface.instance_id().and_then(|id| model.instances.get(id));
        vec![
            instance.map_or_else(|| interface.description.clone(), |i| named(&i.tags, &i.id)),
            interface.attachment.as_ref().map_or_else(|| "-".to_owned(), |a| a.device_index.to_string()),
            subnet_name(model, &interface.subnet_id),
            joined(interface.private_ip_addresses.iter().map(ToString::to_string)),
            public_ip(model, interface),
            joined(interface.ipv6_addresses.iter().map(ToString::to_string)),
            group_names(model, interface),
            interface.mac_address.to_string(),
            interface.source_dest_check.to_string(),
            interface.id.to_string(),
        ]
    };
    model.network_interfaces.values().map(row).collect()
}

fn groups(model: &Model) -> Vec<Vec<String>> {
    let peer = |peer: &model::Peer| match peer {
        model::Peer::SecurityGroup(id) => {
            model.security_groups.get(id).map_or_else(|| format!("{id} (gone)"), |group| format!("sg:{}", group.group_name))
        }
        other => other.to_string(),
    };
    let mut rows = Vec::new();
    for group in model.security_groups.values() {
        let rules = group.ingress.iter().map(|rule| ("in", rule)).chain(group.egress.iter().map(|rule| ("out", rule)));
        let before = rows.len();
        rows.extend(rules.map(|(direction, rule)| {
            vec![
                group.group_name.clone(),
                vpc_name(model, &group.vpc_id),
                direction.to_owned(),
                rule.traffic.to_string(),
                peer(&rule.peer),
                group.id.to_string(),
            ]
        }));
        if rows.len() == before {
            let closed = ["-", "-", "-"].map(str::to_owned);
            rows.push([vec![group.group_name.clone(), vpc_name(model, &group.vpc_id)], closed.to_vec(), vec![group.id.to_string()]].concat());
        }
    }
    rows
}

fn acls(model: &Model) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for acl in model.network_acls.values() {
        let subnets = joined(acl.associations.iter().map(|a| subnet_name(model, &a.subnet_id)));
        let default = || format!("default of {}", vpc_name(model, &acl.vpc_id));
        let name = model::tag::name(&acl.tags).map_or_else(|| if acl.is_default { default() } else { acl.id.to_string() }, str::to_owned);
        let entries = acl.ingress.iter().map(|entry| ("in", entry)).chain(acl.egress.iter().map(|entry| ("out", entry)));
        rows.extend(entries.map(|(direction, entry)| {
            vec![
                name.clone(),
                direction.to_owned(),
                entry.rule_number.to_string(),
                if entry.allow { "allow" } else { "deny" }.to_owned(),
                entry.traffic.to_string(),
                entry.cidr_block.to_string(),
                subnets.clone(),
                acl.id.to_string(),
            ]
        }));
    }
    rows
}

fn routes(model: &Model) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in model.route_tables.values() {
        let used = joined(table.associations.iter().map(|association| match &association.to {
            Associated::Main => "main".to_owned(),
            Associated::Subnet(id) => subnet_name(model, id),
            Associated::InternetGateway(id) => id.to_string(),
            Associated::VpnGateway(id) => id.to_string(),
        }));
        rows.extend(table.routes.iter().map(|route| {
            vec![
                named(&table.tags, &table.id),
                vpc_name(model, &table.vpc_id),
                route.destination.to_string(),
                route.target.to_string(),
                used.clone(),
                table.id.to_string(),
            ]
        }));
    }
    rows
}

fn gateways(model: &Model) -> Vec<Vec<String>> {
    let internet = model.internet_gateways.values().map(|gateway| {
        let vpc = gateway.vpc_id.as_ref();
        let state = if vpc.is_some() { "attached" } else { "detached" };
        let place = joined(vpc.iter().map(|id| vpc_name(model, id)));
        let name = named(&gateway.tags, &gateway.id);
        vec![name, "internet".to_owned(), place, state.to_owned(), "-".to_owned(), gateway.id.to_string()]
    });
    let nat = model.nat_gateways.values().map(|gateway| {
        let elastic = gateway.allocation_id.as_ref().and_then(|id| model.addresses.get(id)).map(|a| a.public_ip);
        vec![
            named(&gateway.tags, &gateway.id),
            if gateway.is_public { "nat, public" } else { "nat, private" }.to_owned(),
            subnet_name(model, &gateway.subnet_id),
            gateway.state.as_str().to_owned(),
            joined(elastic.or(gateway.private_ip).iter().map(ToString::to_string)),
            gateway.id.to_string(),
        ]
    });
    let egress_only = model.egress_only_internet_gateways.values().map(|gateway| {
        let (name, place) = (named(&gateway.tags, &gateway.id), vpc_name(model, &gateway.vpc_id));
        vec![name, "egress-only".to_owned(), place, "attached".to_owned(), "-".to_owned(), gateway.id.to_string()]
    });
    let private = model.vpn_gateways.values().map(|gateway| {
        let vpc = gateway.vpc_id.as_ref();
        let state = if vpc.is_some() { "attached" } else { "detached" };
        let place = joined(vpc.iter().map(|id| vpc_name(model, id)));
        vec![named(&gateway.tags, &gateway.id), "virtual private".to_owned(), place, state.to_owned(), "-".to_owned(), gateway.id.to_string()]
    });
    let transit = model.transit_gateways.values().map(|gateway| {
        let attached = model.transit_gateway_attachments.values().filter(|attachment| attachment.is_of(&gateway.id));
        let mut attached: Vec<String> = attached.map(|attachment| attached_to(model, gateway, attachment)).collect();
        attached.sort();
        let place = joined(attached.into_iter());
        let (name, state) = (named(&gateway.tags, &gateway.id), gateway.state.as_str(model.context.now));
        vec![name, "transit".to_owned(), place, state.to_owned(), "-".to_owned(), gateway.id.to_string()]
    });
    internet.chain(egress_only).chain(nat).chain(private).chain(transit).collect()
}

/// What is attached to a transit gateway: a VPC, or the other end of a peering.
fn attached_to(model: &Model, gateway: &model::TransitGateway, attachment: &model::TransitGatewayAttachment) -> String {
    let is_other = |other: &&model::TransitGateway| other.id != gateway.id && attachment.is_of(&other.id);
    match attachment.vpc_id() {
        Some(vpc) => vpc_name(model, vpc),
        None => {
            let other = model.transit_gateways.values().find(is_other);
            other.map_or_else(|| "a peering".to_owned(), |other| format!("tgw {}", named(&other.tags, &other.id)))
        }
    }
}

fn addresses(model: &Model) -> Vec<Vec<String>> {
    let row = |address: &model::Address| {
        let to = address.association.as_ref();
        vec![
            named(&address.tags, &address.allocation_id),
            address.public_ip.to_string(),
            joined(to.iter().map(|to| to.private_ip_address.to_string())),
            joined(to.iter().map(|to| to.network_interface_id.to_string())),
            address.allocation_id.to_string(),
        ]
    };
    model.addresses.values().map(row).collect()
}

fn peerings(model: &Model) -> Vec<Vec<String>> {
    let row = |peering: &model::VpcPeeringConnection| {
        vec![
            named(&peering.tags, &peering.id),
            vpc_name(model, &peering.requester_vpc_id),
            vpc_name(model, &peering.accepter_vpc_id),
            peering.status.as_str().to_owned(),
            peering.id.to_string(),
        ]
    };
    model.vpc_peering_connections.values().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["web-10", "web-2", "db", "web-1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["db", "web-1", "web-2", "web-10"]);
    }
}
