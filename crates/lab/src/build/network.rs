//! VPCs, subnets, internet gateways, DHCP options, outside places, prefix lists, key pairs, quotas.

use ipnet::{IpNet, Ipv4Net};
use model::dhcp_options::NameServer;
use model::operation::*;
use model::prefix_list::PrefixListEntry;
use model::{InternetGatewayId, OutsideHost, SubnetId, VpcId, cidr};

use super::carve::Taken;
use super::{Build, path, tags};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, nearest};
use crate::file::{DhcpChoice, InternetGatewayChoice, RouteWord, Subnet, SubnetRoute, SubnetSize, Vpc};
use crate::source::{Located, Span};

impl Build<'_, '_> {
    pub(super) fn quotas(&mut self) {
        let Ok(serde_json::Value::Object(mut quotas)) = serde_json::to_value(&self.model.quotas) else { return };
        for (name, value) in &self.lab.file.quotas.0 {
            if let Some(default) = quotas.get(&name.value).and_then(serde_json::Value::as_u64) {
                // AWS raises limits, but not to everything; and what has no limit takes time without one.
                let most = default.saturating_mul(100);
                if value.value > most {
                    let problem =
                        Diagnostic::new(Code::OutOfRange, value.span, format!("`{}` can be raised to {most}", name.value));
                    self.problem(problem.label("too many"));
                }
                quotas.insert(name.value.clone(), value.value.min(most).into());
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
            let result = set_outside_host(self.model, &name.value, host);
            self.op(name.span, result);
            if self.gives_up() {
                return;
            }
        }
    }

    pub(super) fn prefix_lists(&mut self) {
        for (name, list) in self.lab.file.prefix_lists.iter() {
            let wanted: Vec<IpNet> = list.entries.0.iter().map(|entry| entry.value).collect();
            let entry = |cidr: &IpNet| PrefixListEntry { cidr: *cidr, description: String::new() };
            let max = list.max_entries.as_ref().map_or(wanted.len().max(1) as u32, |max| max.value);
            let request = CreateManagedPrefixList {
                prefix_list_name: name.value.clone(),
                max_entries: max,
                is_ipv6: matches!(wanted.first(), Some(IpNet::V6(_))),
                entries: wanted.iter().map(entry).collect(),
                tags: tags(&name.value, &list.tags),
                origin: self.origin(name.span),
            };
            let result = create_managed_prefix_list(self.model, request);
            if let Some(id) = self.op(name.span, result) {
                self.names.prefix_lists.add(Some(name.value.clone()), &id);
            }
            if self.gives_up() {
                return;
            }
        }
    }

    pub(super) fn key_pairs(&mut self) {
        for (name, key) in self.lab.file.key_pairs.iter() {
            let request = ImportKeyPair {
                key_name: name.value.clone(),
                public_key: key.value.clone(),
                key_fingerprint: format!("{:08x}", key.value.len()),
                tags: model::Tags::new(),
                origin: self.origin(name.span),
            };
            let result = import_key_pair(self.model, request);
            self.op(key.span, result);
        }
    }

    pub(super) fn vpcs(&mut self) {
        for (name, vpc) in self.lab.file.vpcs.iter() {
            let Some(id) = self.vpc(name, vpc) else { continue };
            self.subnets(name, vpc, &id);
            if self.needs_internet_gateway(vpc) {
                self.internet_gateway(name, &id);
            }
            self.egress_only_internet_gateway(name, vpc, &id);
            if self.gives_up() {
                return;
            }
        }
    }

    fn vpc(&mut self, name: &Located<String>, vpc: &Vpc) -> Option<VpcId> {
        let Some(primary) = vpc.cidr.0.first() else {
            let problem = Diagnostic::new(Code::MissingKey, name.span, format!("VPC `{}` has no block", name.value));
            self.problem(problem.label("`cidr` is missing").hint("such as `cidr: 10.0.0.0/16`"));
            return None;
        };
        let request = CreateVpc {
            cidr_block: primary.value,
            tags: tags(&name.value, &vpc.tags),
            origin: self.origin(name.span),
            ..CreateVpc::default()
        };
        let result = create_vpc(self.model, request);
        let id = self.op(primary.span, result)?;
        self.names.vpcs.add(Some(name.value.clone()), &id);
        self.names.add_what_came(self.model, &id);
        for block in &vpc.cidr.0[1..] {
            let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv4(block.value) };
            let result = associate_vpc_cidr_block(self.model, request);
            self.op(block.span, result);
        }
        self.vpc_ipv6(name, &id);
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
                            let problem =
                                Diagnostic::new(Code::NotAnAddress, server.span, format!("`{}` is no resolver", server.value));
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
        self.op(name.span, result);
    }

    /// Blocks of all subnets with a size: what they have is kept if everything else still fits around it.
    /// Error: which subnet has no room, and what is left.
    fn layout(&self, name: &str, vpc: &Vpc, id: &VpcId, keep: bool) -> Result<Vec<Option<Ipv4Net>>, (usize, Vec<Ipv4Net>)> {
        let whole: Vec<Ipv4Net> = self.model.vpcs.get(id).map(|v| v.ipv4_blocks().collect()).unwrap_or_default();
        let mut taken = Taken::default();
        let mut blocks: Vec<Option<Ipv4Net>> = Vec::new();
        for (_, subnet) in vpc.subnets.iter() {
            let pinned = match subnet.cidr.as_ref().map(|size| size.value) {
                Some(SubnetSize::Pinned(block)) => Some(block),
                _ => None,
            };
            pinned.iter().for_each(|block| taken.add(*block));
            blocks.push(pinned);
        }
        let carved = |subnet: &Subnet| match subnet.cidr.as_ref().map(|size| size.value) {
            Some(SubnetSize::Carved(length)) => Some(length),
            _ => None,
        };
        for ((subnet_name, subnet), block) in vpc.subnets.iter().zip(&mut blocks).filter(|_| keep) {
            let Some(length) = carved(subnet) else { continue };
            let had = self.kept.blocks.get(&format!("{name}/{}", subnet_name.value));
            let fits = |had: &&Ipv4Net| {
                had.prefix_len() == length && whole.iter().any(|whole| whole.contains(*had)) && !taken.overlaps(**had)
            };
            *block = had.filter(fits).copied();
            block.iter().for_each(|block| taken.add(*block));
        }
        for (at, ((_, subnet), block)) in vpc.subnets.iter().zip(&mut blocks).enumerate() {
            let Some(length) = carved(subnet).filter(|_| block.is_none()) else { continue };
            *block = whole.iter().find_map(|whole| taken.carve(*whole, length));
            if block.is_none() {
                let taken = taken.blocks();
                return Err((at, whole.iter().flat_map(|b| cidr::free_space(*b, &taken)).collect()));
            }
        }
        Ok(blocks)
    }

    fn subnets(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) {
        // What is kept may be in the way of what is new; then everything is carved anew, as in an empty VPC.
        let blocks = self.layout(&name.value, vpc, id, true).or_else(|_| self.layout(&name.value, vpc, id, false));
        let blocks = match blocks {
            Ok(blocks) => blocks,
            Err((at, free)) => {
                self.no_room(name, vpc, at, &free);
                return;
            }
        };
        let ipv6 = self.subnet_blocks(name, vpc, id);
        for (((subnet_name, subnet), block), ipv6_cidr_block) in vpc.subnets.iter().zip(blocks).zip(ipv6) {
            let span = subnet.cidr.as_ref().map_or(subnet_name.span, |size| size.span);
            let Some(block) = block else {
                let problem =
                    Diagnostic::new(Code::MissingKey, subnet_name.span, format!("subnet `{}` has no size", subnet_name.value));
                self.problem(problem.label("`cidr` is missing").hint("such as `cidr: /26`"));
                continue;
            };
            if self.gives_up() {
                return;
            }
            let Some(zone) = self.zone(subnet.az.as_ref()) else { continue };
            let request = CreateSubnet {
                availability_zone: Some(zone),
                ipv6_cidr_block,
                tags: tags(&subnet_name.value, &subnet.tags),
                origin: self.origin(subnet_name.span),
                ..CreateSubnet::new(id.clone(), block)
            };
            let result = create_subnet(self.model, request);
            let Some(subnet_id) = self.op(span, result) else { continue };
            self.names.subnets.add(self.names.below(id, Some(&subnet_name.value)), &subnet_id);
            self.assigns_ipv6(subnet, &subnet_id, ipv6_cidr_block.is_some());
            if subnet.public_ips.as_ref().is_some_and(|p| p.value) {
                let attribute = SubnetAttribute::MapPublicIpOnLaunch(true);
                let result = modify_subnet_attribute(self.model, ModifySubnetAttribute { subnet_id, attribute });
                self.op(span, result);
            }
        }
    }

    fn no_room(&mut self, name: &Located<String>, vpc: &Vpc, at: usize, free: &[Ipv4Net]) {
        let written = vpc.subnets.iter().nth(at).and_then(|(_, subnet)| subnet.cidr.as_ref());
        let Some(Located { value: SubnetSize::Carved(length), span }) = written else { return };
        let free = free.iter().map(Ipv4Net::to_string).collect::<Vec<_>>();
        let free = if free.is_empty() { "nothing is left".to_owned() } else { format!("left: {}", free.join(", ")) };
        let problem = Diagnostic::new(Code::NoRoom, *span, format!("no room for a /{length} in VPC `{}`", name.value));
        self.problem(problem.label("does not fit").hint(free));
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
                let problem =
                    Diagnostic::new(Code::UnknownZone, written.span, format!("`{}` is no zone of {region}", written.value));
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
        let by_subnet = vpc
            .subnets
            .iter()
            .any(|(_, s)| s.route.as_ref().is_some_and(|r| r.value == SubnetRoute::InternetGateway || r.value.nat().is_some()));
        let by_table = vpc.route_tables.iter().any(|(_, table)| {
            table.edge.is_some()
                || table.routes.0.iter().any(|(_, to)| matches!(to.value, RouteWord::InternetGateway | RouteWord::Nat(_)))
        });
        by_subnet || by_table || vpc.nat_gateways.iter().any(|(_, nat)| !nat.private.as_ref().is_some_and(|p| p.value))
    }

    fn internet_gateway(&mut self, name: &Located<String>, vpc: &VpcId) -> Option<InternetGatewayId> {
        let called = format!("{}-igw", name.value);
        let request = CreateInternetGateway { tags: tags(&called, &Default::default()), origin: self.origin(name.span) };
        let result = create_internet_gateway(self.model, request);
        let id = self.op(name.span, result)?;
        let result = attach_internet_gateway(self.model, &id, vpc);
        self.op(name.span, result)?;
        Some(id)
    }

    /// The id of a VPC by its name in the file.
    pub(super) fn vpc_called(&self, name: &str) -> Option<VpcId> {
        self.names.vpcs.id(name).cloned()
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
                self.problem(
                    Diagnostic::new(Code::MissingKey, span, format!("the lab has no VPC for this {what}")).label("where?"),
                );
                None
            }
            (None, many) => {
                let hint = format!("add `vpc: {}`", many.join("` or `vpc: "));
                let problem = Diagnostic::new(
                    Code::AmbiguousName,
                    span,
                    format!("the lab has several VPCs; this {what} does not say which"),
                );
                self.problem(problem.label("which VPC?").hint(hint));
                None
            }
        }
    }

    pub(super) fn subnet_in(&self, vpc: &VpcId, name: &str) -> Option<SubnetId> {
        self.names.subnets.id(&self.names.below(vpc, Some(name))?).cloned()
    }

    /// Subnets by `name` or `vpc/name`.
    pub(super) fn subnets_called(&self, written: &str) -> Vec<SubnetId> {
        match path(written) {
            (Some(_), _) => self.names.subnets.id(written).cloned().into_iter().collect(),
            (None, name) => {
                let vpcs = self.names.vpcs.iter();
                vpcs.filter_map(|(vpc, _)| self.names.subnets.id(&format!("{vpc}/{name}")).cloned()).collect()
            }
        }
    }

    /// A subnet by `name` or `vpc/name`.
    pub(super) fn subnet(&mut self, written: &Located<String>) -> Option<SubnetId> {
        let (_, name) = path(&written.value);
        match self.subnets_called(&written.value).as_slice() {
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
