//! What the file no longer has: removed in an order in which AWS lets it go. And claims about what is there.

use std::collections::BTreeSet;

use model::nat_gateway::NatGatewayState;
use model::operation::*;
use model::{InstanceState, tag};

use super::{Action, Apply};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::Span;

impl Apply<'_, '_> {
    pub(super) fn remove(&mut self) {
        if !self.problems.is_empty() {
            return;
        }
        let file = &self.lab.file;
        let names = |list: Vec<&str>| -> BTreeSet<String> { list.into_iter().map(str::to_owned).collect() };
        let instances = names(self.lab.instances.iter().map(|(n, _)| n.value.as_str()).collect());
        let vpcs = names(file.vpcs.names().collect());
        let nowhere = Span::default();
        let name = |tags: &model::Tags, id: &str| tag::name(tags).unwrap_or(id).to_owned();

        let gone: Vec<_> = self
            .model
            .instances
            .values()
            .filter(|i| !matches!(i.state, InstanceState::Terminated | InstanceState::ShuttingDown))
            .map(|i| (i.id.clone(), name(&i.tags, i.id.as_str())))
            .filter(|(_, name)| !instances.contains(name))
            .collect();
        for (id, name) in &gone {
            let result = terminate_instances(self.model, std::slice::from_ref(id));
            if self.op(nowhere, result).is_some() {
                self.note(Action::Delete, "instance", name, "");
            }
        }
        let peerings = names(file.peerings.names().collect());
        let gone: Vec<_> = self.model.vpc_peering_connections.values().map(|p| (p.id.clone(), name(&p.tags, p.id.as_str()), p.status)).collect();
        for (id, name, status) in gone {
            let live = matches!(status, model::peering::PeeringStatus::Active | model::peering::PeeringStatus::PendingAcceptance);
            if live && !peerings.contains(&name) {
                let result = delete_vpc_peering_connection(self.model, &id);
                if self.op(nowhere, result).is_some() {
                    self.note(Action::Delete, "peering", &name, "");
                }
            }
        }
        let endpoints = names(file.endpoints.names().collect());
        let gone: Vec<_> = self.model.vpc_endpoints.values().map(|e| (e.id.clone(), name(&e.tags, e.id.as_str()))).collect();
        for (id, name) in gone.into_iter().filter(|(_, name)| !endpoints.contains(name)) {
            let result = delete_vpc_endpoint(self.model, &id);
            if self.op(nowhere, result).is_some() {
                self.note(Action::Delete, "endpoint", &name, "");
            }
        }
        let nats: BTreeSet<String> = file.vpcs.iter().flat_map(|(_, v)| super::address::nat_names(v)).collect();
        let gone: Vec<_> = self
            .model
            .nat_gateways
            .values()
            .filter(|n| matches!(n.state, NatGatewayState::Available | NatGatewayState::Pending))
            .map(|n| (n.id.clone(), name(&n.tags, n.id.as_str())))
            .collect();
        for (id, name) in gone.into_iter().filter(|(_, name)| !nats.contains(name)) {
            let result = delete_nat_gateway(self.model, &id);
            if self.op(nowhere, result).is_some() {
                self.note(Action::Delete, "nat gateway", &name, "");
            }
        }
        self.settle();
        self.release();
        self.remove_tables();
        self.remove_policy();
        let outside = names(file.outside.names().collect());
        let gone: Vec<_> = self.model.outside.keys().filter(|n| !outside.contains(*n)).cloned().collect();
        for name in gone {
            let result = remove_outside_host(self.model, &name);
            if self.op(nowhere, result).is_some() {
                self.note(Action::Delete, "outside place", &name, "");
            }
        }
        self.remove_vpcs(&vpcs);
    }

    /// Elastic IP addresses that nothing uses any more.
    fn release(&mut self) {
        let free: Vec<_> = self.model.addresses.values().filter(|a| a.association.is_none()).map(|a| a.allocation_id.clone()).collect();
        for id in free {
            let result = release_address(self.model, &AddressName::Allocation(id));
            self.op(Span::default(), result);
        }
    }

    fn remove_tables(&mut self) {
        let file = &self.lab.file;
        let written: BTreeSet<String> = file.vpcs.iter().flat_map(|(_, v)| v.route_tables.names().map(str::to_owned)).collect();
        let gone: Vec<_> = self
            .model
            .route_tables
            .values()
            .filter(|t| t.associations.is_empty())
            .map(|t| (t.id.clone(), tag::name(&t.tags).unwrap_or(t.id.as_str()).to_owned()))
            .filter(|(_, name)| !written.contains(name))
            .collect();
        for (id, name) in gone {
            let result = delete_route_table(self.model, &id);
            if self.op(Span::default(), result).is_some() {
                self.note(Action::Delete, "route table", &name, "");
            }
        }
    }

    fn remove_policy(&mut self) {
        let file = &self.lab.file;
        let below = |of: fn(&crate::file::Vpc) -> Vec<String>| file.vpcs.iter().flat_map(move |(_, v)| of(v));
        let groups: BTreeSet<String> = file
            .security_groups
            .names()
            .map(str::to_owned)
            .chain(below(|v| v.security_groups.names().map(str::to_owned).collect()))
            .collect();
        let gone: Vec<_> = self
            .model
            .security_groups
            .values()
            .filter(|g| !g.is_default() && !groups.contains(&g.group_name))
            .map(|g| (g.id.clone(), g.group_name.clone()))
            .collect();
        // Groups may name each other: what they allow goes before they do.
        for (id, _) in &gone {
            if let Some(group) = self.model.security_groups.get(id).cloned() {
                let rules = |rules: &[model::SecurityGroupRule]| rules.iter().map(|r| (r.traffic, r.peer.clone())).collect::<Vec<_>>();
                let request = |rules| RevokeSecurityGroup { group_id: id.clone(), rules, security_group_rule_ids: Vec::new() };
                if !group.ingress.is_empty() {
                    let result = revoke_security_group_ingress(self.model, request(rules(&group.ingress)));
                    self.op(Span::default(), result);
                }
                if !group.egress.is_empty() {
                    let result = revoke_security_group_egress(self.model, request(rules(&group.egress)));
                    self.op(Span::default(), result);
                }
            }
        }
        for (id, name) in gone {
            let result = delete_security_group(self.model, &id);
            if self.op(Span::default(), result).is_some() {
                self.note(Action::Delete, "security group", &name, "");
            }
        }
        let acls: BTreeSet<String> =
            file.acls.names().map(str::to_owned).chain(below(|v| v.acls.names().map(str::to_owned).collect())).collect();
        let gone: Vec<_> = self
            .model
            .network_acls
            .values()
            .filter(|a| !a.is_default && a.associations.is_empty())
            .map(|a| (a.id.clone(), tag::name(&a.tags).unwrap_or(a.id.as_str()).to_owned()))
            .filter(|(_, name)| !acls.contains(name))
            .collect();
        for (id, name) in gone {
            let result = delete_network_acl(self.model, &id);
            if self.op(Span::default(), result).is_some() {
                self.note(Action::Delete, "network ACL", &name, "");
            }
        }
    }

    fn remove_vpcs(&mut self, vpcs: &BTreeSet<String>) {
        let file = &self.lab.file;
        let subnets: BTreeSet<(String, String)> = file
            .vpcs
            .iter()
            .flat_map(|(vpc, v)| v.subnets.names().map(|s| (vpc.value.clone(), s.to_owned())).collect::<Vec<_>>())
            .collect();
        let vpc_name = |model: &model::Model, id: &model::VpcId| {
            model.vpcs.get(id).and_then(|v| tag::name(&v.tags)).unwrap_or(id.as_str()).to_owned()
        };
        let gone: Vec<_> = self
            .model
            .subnets
            .values()
            .map(|s| (s.id.clone(), vpc_name(self.model, &s.vpc_id), tag::name(&s.tags).unwrap_or(s.id.as_str()).to_owned()))
            .filter(|(_, vpc, name)| !subnets.contains(&(vpc.clone(), name.clone())))
            .collect();
        for (id, _, name) in gone {
            let result = delete_subnet(self.model, &id);
            if self.op(Span::default(), result).is_some() {
                self.note(Action::Delete, "subnet", &name, "");
            }
        }
        let gone: Vec<_> = self.model.vpcs.keys().map(|id| (id.clone(), vpc_name(self.model, id))).filter(|(_, n)| !vpcs.contains(n)).collect();
        for (id, name) in gone {
            if let Some(gateway) = self.model.internet_gateway_of(&id).map(|g| g.id.clone()) {
                let result = detach_internet_gateway(self.model, &gateway, &id);
                self.op(Span::default(), result);
                let result = delete_internet_gateway(self.model, &gateway);
                self.op(Span::default(), result);
            }
            self.remove_tables();
            let result = delete_vpc(self.model, &id);
            if self.op(Span::default(), result).is_some() {
                self.note(Action::Delete, "vpc", &name, "");
            }
        }
    }

    /// Ends that claims name must exist: a set that matches nothing proves nothing.
    pub(super) fn claims(&mut self) {
        if !self.problems.is_empty() {
            return;
        }
        for phrase in &self.lab.file.expect {
            for (selector, span) in &phrase.selectors {
                match selector.ends(self.model) {
                    Ok(ends) if !ends.is_empty() => {}
                    Ok(_) => {
                        let problem = Diagnostic::new(Code::UnknownEnd, *span, format!("`{selector}` selects nothing"));
                        self.problem(problem.label("empty").hint("a claim about nobody cannot be tested"));
                    }
                    Err(error) => {
                        let text = selector.to_string();
                        let word = text.rsplit(':').next().unwrap_or(&text);
                        let hint = nearest(word, error.known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                        let problem = Diagnostic::new(Code::UnknownEnd, *span, error.to_string());
                        self.problem(problem.label("not found").maybe_hint(hint));
                    }
                }
            }
        }
    }
}
