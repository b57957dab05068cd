//! VPCs, subnets, internet gateways, DHCP options, outside places, prefix lists, key pairs, quotas.

use ipnet::{IpNet, Ipv4Net};
use model::dhcp_options::NameServer;
use model::operation::*;
use model::prefix_list::PrefixListEntry;
use model::{InternetGatewayId, OutsideHost, SubnetId, VpcId, cidr};

use super::{Action, Apply, is_called, path, tags};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, nearest};
use crate::file::{DhcpChoice, InternetGatewayChoice, RouteWord, SubnetRoute, SubnetSize, Vpc};
use crate::source::{Located, Span};

impl Apply<'_, '_> {
    pub(super) fn quotas(&mut self) {
        let Ok(serde_json::Value::Object(mut quotas)) = serde_json::to_value(&self.model.quotas) else { return };
        for (name, value) in &self.lab.file.quotas.0 {
            if quotas.contains_key(&name.value) {
                quotas.insert(name.value.clone(), value.value.into());
            } else {
                let hint = nearest(&name.value, quotas.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                let problem = Diagnostic::new(Code::UnknownKey, name.span, format!("`{}` is no quota", name.value));
                self.problem(problem.label("unknown").maybe_hint(hint));
            }
        }
        if let Ok(quotas) = serde_json::from_value(serde_json::Value::Object(quotas)) {
            self.model.quotas = quotas;
        }
    }

    pub(super) fn outside(&mut self) {
        for (name, addresses) in self.lab.file.outside.iter() {
            let host = OutsideHost {
                addresses: addresses.0.iter().map(|address| address.value).collect(),
                origin: self.origin(name.span),
            };
            let known = self.model.outside.get(&name.value);
            if known.is_some_and(|known| known.addresses == host.addresses) {
                continue;
            }
            let action = if known.is_some() { Action::Change } else { Action::Create };
            let result = set_outside_host(self.model, &name.value, host);
            if self.op(name.span, result).is_some() {
                self.note(action, "outside place", &name.value, "");
            }
        }
    }

    pub(super) fn prefix_lists(&mut self) {
        for (name, list) in self.lab.file.prefix_lists.iter() {
            let wanted: Vec<IpNet> = list.entries.0.iter().map(|entry| entry.value).collect();
            let entry = |cidr: &IpNet| PrefixListEntry { cidr: *cidr, description: String::new() };
            match self.model.prefix_lists.values().find(|l| l.name == name.value).cloned() {
                None => {
                    let max = list.max_entries.as_ref().map_or(wanted.len().max(1) as u32, |max| max.value);
                    let request = CreateManagedPrefixList {
                        prefix_list_name: name.value.clone(),
                        max_entries: max,
                        entries: wanted.iter().map(entry).collect(),
                        tags: tags(&name.value, &list.tags),
                        origin: self.origin(name.span),
                        ..CreateManagedPrefixList::default()
                    };
                    let result = create_managed_prefix_list(self.model, request);
                    if self.op(name.span, result).is_some() {
                        self.note(Action::Create, "prefix list", &name.value, "");
                    }
                }
                Some(known) => {
                    let has = |cidr: &IpNet| known.entries.iter().any(|e| e.cidr == *cidr);
                    let add: Vec<_> = wanted.iter().filter(|cidr| !has(cidr)).map(entry).collect();
                    let remove: Vec<_> = known.entries.iter().map(|e| e.cidr).filter(|c| !wanted.contains(c)).collect();
                    if add.is_empty() && remove.is_empty() {
                        continue;
                    }
                    let request = ModifyManagedPrefixList {
                        prefix_list_id: known.id.clone(),
                        current_version: Some(known.version),
                        prefix_list_name: None,
                        max_entries: None,
                        add_entries: add,
                        remove_entries: remove,
                    };
                    let result = modify_managed_prefix_list(self.model, request);
                    if self.op(name.span, result).is_some() {
                        self.note(Action::Change, "prefix list", &name.value, "entries");
                    }
                }
            }
        }
    }

    pub(super) fn key_pairs(&mut self) {
        for (name, key) in self.lab.file.key_pairs.iter() {
            if self.model.key_pairs.get(&name.value).is_some_and(|known| known.public_key == key.value) {
                continue;
            }
            if self.model.key_pairs.contains_key(&name.value) {
                let result = delete_key_pair(self.model, &KeyPairName::Name(name.value.clone()));
                self.op(name.span, result);
            }
            let request = ImportKeyPair {
                key_name: name.value.clone(),
                public_key: key.value.clone(),
                key_fingerprint: format!("{:08x}", key.value.len()),
                tags: model::Tags::new(),
                origin: self.origin(name.span),
            };
            let result = import_key_pair(self.model, request);
            if self.op(key.span, result).is_some() {
                self.note(Action::Create, "key pair", &name.value, "");
            }
        }
    }

    pub(super) fn vpcs(&mut self) {
        for (name, vpc) in self.lab.file.vpcs.iter() {
            let Some(id) = self.vpc(name, vpc) else { continue };
            self.subnets(name, vpc, &id);
            if self.needs_internet_gateway(vpc) {
                self.internet_gateway(name, &id);
            }
        }
    }

    fn vpc(&mut self, name: &Located<String>, vpc: &Vpc) -> Option<VpcId> {
        let Some(primary) = vpc.cidr.0.first() else {
            let problem = Diagnostic::new(Code::MissingKey, name.span, format!("VPC `{}` has no block", name.value));
            self.problem(problem.label("`cidr` is missing").hint("such as `cidr: 10.0.0.0/16`"));
            return None;
        };
        let id = match self.model.vpcs.values().find(|v| is_called(&v.tags, &name.value)).cloned() {
            Some(known) if known.primary_cidr_block() == primary.value => known.id,
            Some(known) => {
                let message = format!("VPC `{}` runs with {}; its primary block cannot change", name.value, known.primary_cidr_block());
                self.problem(Diagnostic::new(Code::NotDescribable, primary.span, message).label("differs").hint("vpclab down && vpclab up"));
                return None;
            }
            None => {
                let request = CreateVpc {
                    cidr_block: primary.value,
                    tags: tags(&name.value, &vpc.tags),
                    origin: self.origin(name.span),
                    ..CreateVpc::default()
                };
                let result = create_vpc(self.model, request);
                let id = self.op(primary.span, result)?;
                self.note(Action::Create, "vpc", &name.value, primary.value.to_string());
                id
            }
        };
        for block in &vpc.cidr.0[1..] {
            if self.model.vpcs.get(&id).is_some_and(|v| v.ipv4_blocks().any(|known| known == block.value)) {
                continue;
            }
            let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv4(block.value) };
            let result = associate_vpc_cidr_block(self.model, request);
            if self.op(block.span, result).is_some() {
                self.note(Action::Change, "vpc", &name.value, format!("block {}", block.value));
            }
        }
        self.dns(name, vpc, &id);
        self.dhcp(name, vpc, &id);
        Some(id)
    }

    fn dns(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) {
        let support = vpc.dns_support.as_ref().map_or((true, name.span), |v| (v.value, v.span));
        // A lab is there to be looked into: names are on unless the file says otherwise.
        let names = vpc.dns_hostnames.as_ref().map_or((support.0, name.span), |v| (v.value, v.span));
        let Some(known) = self.model.vpcs.get(id) else { return };
        let (is_support, is_names) = (known.enable_dns_support, known.enable_dns_hostnames);
        let mut wanted = Vec::new();
        if is_names != names.0 {
            wanted.push((VpcAttribute::EnableDnsHostnames(names.0), names.1));
        }
        if is_support != support.0 {
            wanted.push((VpcAttribute::EnableDnsSupport(support.0), support.1));
        }
        // Names need support (VPC-15): it comes first and goes last.
        if support.0 {
            wanted.reverse();
        }
        for (attribute, span) in wanted {
            let result = modify_vpc_attribute(self.model, ModifyVpcAttribute { vpc_id: id.clone(), attribute });
            self.op(span, result);
        }
    }

    fn dhcp(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) {
        let Some(choice) = &vpc.dhcp else { return };
        let wanted = match choice {
            DhcpChoice::None => None,
            DhcpChoice::Options(options) => {
                let mut servers = Vec::new();
                for server in &options.domain_name_servers.0 {
                    match server.value.parse() {
                        Ok(address) => servers.push(NameServer::Address(address)),
                        Err(_) if server.value == "AmazonProvidedDNS" => servers.push(NameServer::AmazonProvidedDns),
                        Err(_) => {
                            let problem = Diagnostic::new(Code::NotAnAddress, server.span, format!("`{}` is no resolver", server.value));
                            self.problem(problem.label("not an address").hint("an address, or AmazonProvidedDNS"));
                            return;
                        }
                    }
                }
                Some(CreateDhcpOptions {
                    domain_name: options.domain_name.as_ref().map(|d| d.value.clone()),
                    domain_name_servers: servers,
                    ntp_servers: options.ntp_servers.0.iter().map(|a| a.value).collect(),
                    netbios_name_servers: options.netbios_name_servers.0.iter().map(|a| a.value).collect(),
                    netbios_node_type: options.netbios_node_type.as_ref().map(|t| t.value),
                    tags: tags(&name.value, &Default::default()),
                    origin: self.origin(name.span),
                })
            }
        };
        let known = self.model.vpcs.get(id).and_then(|v| v.dhcp_options_id.clone());
        let same = match (&wanted, known.as_ref().and_then(|id| self.model.dhcp_options.get(id))) {
            (None, None) => true,
            (Some(wanted), Some(known)) => {
                known.domain_name == wanted.domain_name
                    && known.domain_name_servers == wanted.domain_name_servers
                    && known.ntp_servers == wanted.ntp_servers
                    && known.netbios_name_servers == wanted.netbios_name_servers
                    && known.netbios_node_type == wanted.netbios_node_type
            }
            _ => false,
        };
        if same {
            return;
        }
        let options = match wanted {
            None => None,
            Some(request) => {
                let result = create_dhcp_options(self.model, request);
                let Some(options) = self.op(name.span, result) else { return };
                Some(options)
            }
        };
        let request = AssociateDhcpOptions { dhcp_options_id: options, vpc_id: id.clone() };
        let result = associate_dhcp_options(self.model, request);
        if self.op(name.span, result).is_some() {
            self.note(Action::Change, "vpc", &name.value, "DHCP options");
        }
    }

    fn subnets(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) {
        let blocks: Vec<Ipv4Net> = self.model.vpcs.get(id).map(|v| v.ipv4_blocks().collect()).unwrap_or_default();
        let pinned = vpc.subnets.iter().filter_map(|(_, s)| match s.cidr.as_ref().map(|c| c.value) {
            Some(SubnetSize::Pinned(block)) => Some(block),
            _ => None,
        });
        let mut taken: Vec<Ipv4Net> = pinned.collect();
        taken.extend(self.model.subnets.values().filter(|s| s.vpc_id == *id).map(|s| s.cidr_block));
        for (subnet_name, subnet) in vpc.subnets.iter() {
            let known = self.subnet_in(id, &subnet_name.value).and_then(|s| self.model.subnets.get(&s)).cloned();
            let size = subnet.cidr.as_ref();
            let span = size.map_or(subnet_name.span, |size| size.span);
            let block = match (size.map(|size| size.value), &known) {
                (Some(SubnetSize::Carved(length)), Some(known)) if known.cidr_block.prefix_len() == length => known.cidr_block,
                (Some(SubnetSize::Carved(length)), _) => {
                    let Some(block) = blocks.iter().find_map(|b| cidr::first_free(*b, length, &taken)) else {
                        let free = blocks.iter().flat_map(|b| cidr::free_space(*b, &taken)).map(|b| b.to_string()).collect::<Vec<_>>();
                        let free = if free.is_empty() { "nothing is left".to_owned() } else { format!("left: {}", free.join(", ")) };
                        let problem = Diagnostic::new(Code::NoRoom, span, format!("no room for a /{length} in VPC `{}`", name.value));
                        self.problem(problem.label("does not fit").hint(free));
                        continue;
                    };
                    block
                }
                (Some(SubnetSize::Pinned(block)), _) => block,
                (None, Some(known)) => known.cidr_block,
                (None, None) => {
                    let problem = Diagnostic::new(Code::MissingKey, subnet_name.span, format!("subnet `{}` has no size", subnet_name.value));
                    self.problem(problem.label("`cidr` is missing").hint("such as `cidr: /26`"));
                    continue;
                }
            };
            taken.push(block);
            let subnet_id = match known {
                Some(known) if known.cidr_block == block => known.id,
                Some(known) => {
                    let message = format!("subnet `{}` runs with {}; its block cannot change", subnet_name.value, known.cidr_block);
                    self.problem(Diagnostic::new(Code::NotDescribable, span, message).label("differs").hint("vpclab down && vpclab up"));
                    continue;
                }
                None => {
                    let Some(zone) = self.zone(subnet.az.as_ref()) else { continue };
                    let request = CreateSubnet {
                        availability_zone: Some(zone),
                        tags: tags(&subnet_name.value, &subnet.tags),
                        origin: self.origin(subnet_name.span),
                        ..CreateSubnet::new(id.clone(), block)
                    };
                    let result = create_subnet(self.model, request);
                    let Some(id) = self.op(span, result) else { continue };
                    self.note(Action::Create, "subnet", &subnet_name.value, block.to_string());
                    id
                }
            };
            let maps = subnet.public_ips.as_ref().is_some_and(|p| p.value);
            if self.model.subnets.get(&subnet_id).is_some_and(|s| s.map_public_ip_on_launch != maps) {
                let attribute = SubnetAttribute::MapPublicIpOnLaunch(maps);
                let result = modify_subnet_attribute(self.model, ModifySubnetAttribute { subnet_id, attribute });
                self.op(span, result);
            }
        }
    }

    fn zone(&mut self, written: Option<&Located<String>>) -> Option<String> {
        let region = self.model.region.clone();
        let zones = region.zones();
        let Some(written) = written else { return zones.first().map(|zone| zone.name.clone()) };
        let whole = format!("{region}{}", written.value);
        match zones.iter().find(|zone| zone.name == written.value || zone.name == whole || zone.id == written.value) {
            Some(zone) => Some(zone.name.clone()),
            None => {
                let known = zones.iter().map(|z| z.name.trim_start_matches(&region.0)).collect::<Vec<_>>().join(", ");
                let problem = Diagnostic::new(Code::UnknownZone, written.span, format!("`{}` is no zone of {region}", written.value));
                self.problem(problem.label("not found").hint(format!("zones: {known}")));
                None
            }
        }
    }

    fn needs_internet_gateway(&self, vpc: &Vpc) -> bool {
        match vpc.igw.as_ref().map(|choice| choice.value) {
            Some(InternetGatewayChoice::Yes) => return true,
            Some(InternetGatewayChoice::No) => return false,
            Some(InternetGatewayChoice::Auto) | None => {}
        }
        let by_subnet = vpc.subnets.iter().any(|(_, s)| {
            matches!(s.route.as_ref().map(|r| &r.value), Some(SubnetRoute::InternetGateway | SubnetRoute::Nat(_)))
        });
        let by_table = vpc.route_tables.iter().any(|(_, table)| {
            table.edge.is_some() || table.routes.0.iter().any(|(_, to)| matches!(to.value, RouteWord::InternetGateway | RouteWord::Nat(_)))
        });
        by_subnet || by_table || vpc.nat_gateways.iter().any(|(_, nat)| !nat.private.as_ref().is_some_and(|p| p.value))
    }

    fn internet_gateway(&mut self, name: &Located<String>, vpc: &VpcId) -> Option<InternetGatewayId> {
        if let Some(known) = self.model.internet_gateway_of(vpc) {
            return Some(known.id.clone());
        }
        let called = format!("{}-igw", name.value);
        let request = CreateInternetGateway { tags: tags(&called, &Default::default()), origin: self.origin(name.span) };
        let result = create_internet_gateway(self.model, request);
        let id = self.op(name.span, result)?;
        let result = attach_internet_gateway(self.model, &id, vpc);
        self.op(name.span, result)?;
        self.note(Action::Create, "internet gateway", &called, "");
        Some(id)
    }

    /// The id of a VPC by its name in the file.
    pub(super) fn vpc_called(&self, name: &str) -> Option<VpcId> {
        self.model.vpcs.values().find(|v| is_called(&v.tags, name)).map(|v| v.id.clone())
    }

    /// A VPC that a thing names, or the only one of the lab.
    pub(super) fn vpc_of(&mut self, written: Option<&Located<String>>, span: Span, what: &str) -> Option<VpcId> {
        let names: Vec<String> = self.lab.file.vpcs.names().map(str::to_owned).collect();
        match (written, names.as_slice()) {
            (Some(written), _) => match self.vpc_called(&written.value) {
                Some(id) => Some(id),
                None => self.unknown(Code::UnknownVpc, "VPC", written, names),
            },
            (None, [only]) => self.vpc_called(only),
            (None, []) => {
                self.problem(Diagnostic::new(Code::MissingKey, span, format!("the lab has no VPC for this {what}")).label("where?"));
                None
            }
            (None, many) => {
                let hint = format!("add `vpc: {}`", many.join("` or `vpc: "));
                let problem = Diagnostic::new(Code::AmbiguousName, span, format!("the lab has several VPCs; this {what} does not say which"));
                self.problem(problem.label("which VPC?").hint(hint));
                None
            }
        }
    }

    pub(super) fn subnet_in(&self, vpc: &VpcId, name: &str) -> Option<SubnetId> {
        let mut all = self.model.subnets.values();
        all.find(|s| s.vpc_id == *vpc && is_called(&s.tags, name)).map(|s| s.id.clone())
    }

    /// A subnet by `name` or `vpc/name`.
    pub(super) fn subnet(&mut self, written: &Located<String>) -> Option<SubnetId> {
        let (vpc, name) = path(&written.value);
        let vpc_id = vpc.map(|vpc| self.vpc_called(vpc));
        let found: Vec<SubnetId> = self
            .model
            .subnets
            .values()
            .filter(|s| is_called(&s.tags, name) && vpc_id.as_ref().is_none_or(|wanted| wanted.as_ref() == Some(&s.vpc_id)))
            .map(|s| s.id.clone())
            .collect();
        match found.as_slice() {
            [one] => Some(one.clone()),
            [] => {
                let known = self.lab.file.vpcs.iter().flat_map(|(_, v)| v.subnets.names().map(str::to_owned)).collect();
                self.unknown(Code::UnknownSubnet, "subnet", written, known)
            }
            _ => {
                let problem = Diagnostic::new(Code::AmbiguousName, written.span, format!("several VPCs have a subnet `{name}`"));
                self.problem(problem.label("which one?").hint(format!("write `VPC/{name}`")));
                None
            }
        }
    }
}
