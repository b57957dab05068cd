//! Which call a file answers, told by its first key; several files of one call are one list.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::field::{Item, Reader};
use super::json::{Json, Value, cut};
use super::note::NoteKind;

/// Calls that the model knows: key of the answer, key of the id.
const KNOWN: [(&str, &str); 25] = [
    ("Vpcs", "VpcId"),
    ("Subnets", "SubnetId"),
    ("RouteTables", "RouteTableId"),
    ("InternetGateways", "InternetGatewayId"),
    ("EgressOnlyInternetGateways", "EgressOnlyInternetGatewayId"),
    ("VpnGateways", "VpnGatewayId"),
    ("NatGateways", "NatGatewayId"),
    ("SecurityGroups", "GroupId"),
    ("SecurityGroupRules", "SecurityGroupRuleId"),
    ("NetworkAcls", "NetworkAclId"),
    ("NetworkInterfaces", "NetworkInterfaceId"),
    ("Reservations", "ReservationId"),
    ("Instances", "InstanceId"),
    ("Addresses", "PublicIp"),
    ("VpcPeeringConnections", "VpcPeeringConnectionId"),
    ("VpcEndpoints", "VpcEndpointId"),
    ("PrefixLists", "PrefixListId"),
    ("DhcpOptions", "DhcpOptionsId"),
    ("Entries", "Cidr"),
    ("TransitGateways", "TransitGatewayId"),
    ("TransitGatewayVpcAttachments", "TransitGatewayAttachmentId"),
    ("TransitGatewayPeeringAttachments", "TransitGatewayAttachmentId"),
    ("TransitGatewayAttachments", "TransitGatewayAttachmentId"),
    ("TransitGatewayRouteTables", "TransitGatewayRouteTableId"),
    ("VpcAttributes", "VpcId"),
];

/// Answers that say nothing about who reaches whom.
const OF_NO_CONSEQUENCE: [&str; 21] = [
    "ResponseMetadata", "NextToken", "NextPageToken", "Regions", "AvailabilityZones", "KeyPairs", "Images", "Volumes", "Snapshots", "Tags",
    "FlowLogs", "InstanceStatuses", "InstanceTypes", "InstanceTypeOfferings", "AccountAttributes", "LaunchTemplates",
    "LaunchTemplateVersions", "ReservedInstances", "IamInstanceProfileAssociations", "ServiceNames", "ServiceDetails",
];

/// What was answered, by key.
pub(super) struct Calls<'j> {
    of: BTreeMap<&'static str, Vec<Item<'j>>>,
    regions: BTreeSet<String>,
    accounts: BTreeSet<String>,
}

impl<'j> Calls<'j> {
    /// Sorts files into calls.
    pub fn sort(files: &'j [Json], reader: &mut Reader<'_>) -> Self {
        let mut calls = Self { of: BTreeMap::new(), regions: BTreeSet::new(), accounts: BTreeSet::new() };
        for json in files {
            calls.file(json, reader);
        }
        for (key, id) in KNOWN {
            // A peering connection is described by both of its accounts, an AWS prefix list by everybody.
            if !matches!(key, "VpcPeeringConnections" | "PrefixLists" | "Entries" | "VpcAttributes" | "TransitGatewayPeeringAttachments") {
                calls.unique(key, id, reader);
            }
        }
        calls
    }

    fn file(&mut self, json: &'j Json, reader: &mut Reader<'_>) {
        let name = reader.sources.source(json.span.file).map_or(String::new(), |source| source.name.clone());
        let Value::Object(entries) = &json.value else {
            reader.note(NoteKind::Unread, json.span, format!("the file is {}, no answer of AWS", json.kind()));
            return;
        };
        let folders: Vec<&str> = name.split(['/', '\\']).collect();
        self.regions.extend(folders.iter().filter(|folder| is_region(folder)).map(|folder| (*folder).to_owned()));
        let account = folders.iter().position(|folder| *folder == "accounts").and_then(|at| folders.get(at + 1));
        self.accounts.extend(account.filter(|account| is_account(account)).map(|account| (*account).to_owned()));
        if json.get("NextToken").and_then(Json::text).is_some_and(|token| !token.is_empty()) {
            reader.note(NoteKind::Missing, json.span, "the answer goes on (NextToken): only its first page is here");
        }
        let mut is_read = entries.is_empty();
        for (key, value) in entries {
            // Routes, associations and propagations of a transit gateway's table, of which only the file tells which.
            if matches!(&**key, "Routes" | "TransitGatewayRouteTablePropagations" | "Associations") {
                self.of.entry("TransitGatewayRoutes").or_default().push(Item::new(json, name.clone()));
                return;
            }
            if matches!(&**key, "TransitGatewayStaticRoutes" | "TransitGatewayPropagations") {
                let root = Item::new(json, name.clone());
                let items = root.list(reader, key);
                self.of.entry("TransitGatewayRoutes").or_default().extend(items);
                is_read = true;
                continue;
            }
            if let Some((key, _)) = KNOWN.iter().find(|(known, _)| *known == &**key) {
                let root = Item::new(json, name.clone());
                if *key == "Entries" {
                    // Entries do not say which list they are of; the file's name may.
                    self.of.entry(key).or_default().push(root);
                    is_read = true;
                    continue;
                }
                // `describe-vpc-attribute` has a key `VpcId` beside the attribute; lists are all that is meant here.
                for item in root.list(reader, key) {
                    let short = item.path.strip_prefix(&format!("{name}.")).unwrap_or(&item.path).to_owned();
                    self.of.entry(key).or_default().push(Item { path: short, ..item });
                }
                // An answer may be empty: that there is nothing is an answer too.
                self.of.entry(key).or_default();
                is_read = true;
            } else if matches!(&**key, "EnableDnsSupport" | "EnableDnsHostnames") && json.get("VpcId").is_some() {
                self.of.entry("VpcAttributes").or_default().push(Item::new(json, "VpcAttribute".to_owned()));
                is_read = true;
            } else if OF_NO_CONSEQUENCE.contains(&&**key) {
                is_read = true;
            } else if let Value::List(items) = &value.value && items.iter().all(|item| matches!(item.value, Value::Object(_))) {
                is_read = true;
                for item in items {
                    let called = id_of(item).map_or_else(|| "one without an id".to_owned(), cut);
                    reader.note(NoteKind::NotModelled, item.span, format!("{}: {called}", cut(key)));
                }
            }
        }
        if !is_read {
            reader.note(NoteKind::Unread, json.span, "no answer of `aws ec2 describe-…`");
        }
    }

    /// One description of each thing. Two that say the same are one; tags are seen by their owner only.
    fn unique(&mut self, key: &'static str, id: &str, reader: &mut Reader<'_>) {
        let Some(items) = self.of.get_mut(key) else { return };
        let mut seen: HashMap<&str, Item<'j>> = HashMap::new();
        let mut kept = Vec::with_capacity(items.len());
        for item in items.drain(..) {
            let Some(name) = item.json.get(id).and_then(Json::text) else {
                kept.push(item);
                continue;
            };
            match seen.get(name) {
                None => {
                    seen.insert(name, item.clone());
                    kept.push(item);
                }
                Some(first) if is_same(first.json, item.json) => {}
                Some(first) => {
                    let message = format!("{} is described twice, and differently", cut(name));
                    reader.contradiction(item.json.get(id).map_or(item.span(), |id| id.span), message, Some((first.json.get(id).map_or(first.span(), |id| id.span), "first")));
                }
            }
        }
        *items = kept;
    }

    /// What one call answered.
    pub fn take(&mut self, key: &'static str) -> Vec<Item<'j>> {
        self.of.get_mut(key).map(std::mem::take).unwrap_or_default()
    }

    /// Whether a call was answered at all, be it with nothing.
    pub fn has(&self, key: &str) -> bool {
        self.of.contains_key(key)
    }

    /// Whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The account: of a folder, else the owner that most resources have.
    pub fn account(&self, reader: &mut Reader<'_>) -> String {
        let _ = reader;
        if let Some(account) = self.accounts.first() {
            return account.clone();
        }
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for key in ["Vpcs", "Subnets", "SecurityGroups", "NetworkInterfaces"] {
            for item in self.of.get(key).into_iter().flatten() {
                if let Some(owner) = item.json.get("OwnerId").and_then(Json::text).filter(|owner| is_account(owner)) {
                    *owners.entry(owner).or_default() += 1;
                }
            }
        }
        let most = owners.into_iter().max_by_key(|(owner, count)| (*count, std::cmp::Reverse(*owner)));
        most.map_or_else(|| "000000000000".to_owned(), |(owner, _)| owner.to_owned())
    }

    /// The first region that a folder is named after.
    pub fn region(&self) -> Option<String> {
        self.regions.first().cloned()
    }
}

/// Equal but for tags and places.
fn is_same(a: &Json, b: &Json) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            let of = |entries: &'_ [(Box<str>, Json)]| entries.iter().filter(|(k, _)| !matches!(&**k, "Tags" | "TagSet")).count();
            of(a) == of(b)
                && a.iter().filter(|(k, _)| !matches!(&**k, "Tags" | "TagSet")).all(|(key, value)| {
                    b.iter().find(|(k, _)| k == key).is_some_and(|(_, other)| is_same(value, other))
                })
        }
        (a, b) => a == b,
    }
}

/// The id of a thing of an unknown kind: the first key that ends like one.
fn id_of(json: &Json) -> Option<&str> {
    let Value::Object(entries) = &json.value else { return None };
    let ends = |key: &str| ["Id", "Arn", "Name"].iter().any(|end| key.ends_with(end));
    entries.iter().filter(|(key, _)| ends(key)).find_map(|(_, value)| value.text())
}

/// `eu-west-1`, `us-gov-west-1`: letters in two or three parts and a digit.
fn is_region(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    (2..=3).contains(&words.len())
        && words[0].len() == 2
        && words.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
        && number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_account(word: &str) -> bool {
    word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1` of `eu-west-1b`; of a local zone, `us-west-2` of `us-west-2-lax-1a`.
pub(super) fn region_of_zone(zone: &str) -> &str {
    let end = zone.char_indices().filter(|(at, c)| c.is_ascii_digit() && zone[..*at].ends_with('-')).map(|(at, _)| at + 1).next();
    end.and_then(|end| zone.get(..end)).filter(|region| is_region(region)).unwrap_or(zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_other_folders() {
        for (word, is) in [("eu-west-1", true), ("us-gov-west-1", true), ("dump-of-1", false), ("accounts", false), ("a-b-1", false), ("", false)] {
            assert_eq!(is_region(word), is, "{word}");
        }
        for (zone, region) in [("eu-west-1b", "eu-west-1"), ("us-west-2-lax-1a", "us-west-2"), ("odd", "odd")] {
            assert_eq!(region_of_zone(zone), region);
        }
    }
}
