//! Policies that name resources of EC2 by id. What a lab file makes has other ids: such a statement would be about nothing, and a Deny
//! would be gone without a word.

use std::collections::BTreeSet;

use iam::account::Account;
use iam::{Document, Effect, Kind};
use model::{ImageId, Model};

use super::Writer;

impl Writer<'_> {
    /// Says which statements are about other ids than those of what the file makes.
    pub(super) fn ids_in_policies(&mut self) {
        let Some(account) = self.account else { return };
        for (place, document) in documents(account) {
            for (statement, number) in document.policy().statements.iter().zip(1..) {
                let named = ids(&statement.to_string(), self.model);
                if named.is_empty() {
                    continue;
                }
                let effect = if statement.effect == Effect::Deny { "Deny" } else { "Allow" };
                let number = statement.sid.clone().unwrap_or_else(|| format!("{number}"));
                let named: Vec<String> = named.iter().map(|id| self.with_name(id)).collect();
                let (named, whose) = (named.join(", "), if named.len() == 1 { "which gets another id" } else { "which get other ids" });
                self.unsaid(format!("{place}, statement {number}: its {effect} is about {named}, {whose}: name them anew after `up`, or by a tag"));
            }
        }
    }

    fn with_name(&self, id: &str) -> String {
        let named = self.called.instances.iter().find(|(known, _)| known.as_str() == id).map(|(_, name)| name);
        named.map_or_else(|| id.to_owned(), |name| format!("{id} ({name})"))
    }
}

/// All policies of an account, with where they are.
fn documents(account: &Account) -> Vec<(String, &Document)> {
    let mut all = Vec::new();
    for (_, policy) in account.own_policies() {
        all.extend(policy.versions.get(&policy.default_version).map(|version| (format!("policy {}", policy.name), &version.document)));
    }
    for entity in [Kind::Group, Kind::User, Kind::Role].into_iter().flat_map(|kind| account.entities(kind)) {
        let who = format!("{} {}", entity.kind.word(), entity.name);
        all.extend(entity.role.as_ref().map(|terms| (format!("{who}: trust"), &terms.trust)));
        all.extend(entity.inline.iter().map(|(name, document)| (format!("{who}: {name}"), document)));
    }
    all
}

/// The ids in a text that things of the model have; images on offer have the same everywhere.
fn ids(text: &str, model: &Model) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    let looks_like_one = |word: &&str| {
        let hex = word.rsplit_once('-').map_or("", |(_, hex)| hex);
        matches!(hex.len(), 8 | 17) && hex.bytes().all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'))
    };
    words.filter(looks_like_one).filter(|word| is_of(model, word)).map(str::to_owned).collect()
}

/// Whether a thing of the model that a file makes anew, or leaves out, has this id.
fn is_of(model: &Model, id: &str) -> bool {
    macro_rules! among {
        ($($table:ident),*) => { $(model.$table.keys().any(|known| known.as_str() == id))||* };
    }
    let is_offered = id.parse::<ImageId>().is_ok_and(|id| model::image::find(&model.region, &id).is_some());
    !is_offered
        && among!(
            vpcs, subnets, route_tables, internet_gateways, egress_only_internet_gateways, vpn_gateways, transit_gateways,
            transit_gateway_attachments, transit_gateway_route_tables, nat_gateways, addresses, network_interfaces, security_groups,
            network_acls, instances, vpc_peering_connections, vpc_endpoints, prefix_lists, flow_logs, dhcp_options, ebs_volumes,
            ebs_snapshots, images, launch_templates, subnet_cidr_reservations, spot_instance_requests
        )
}
