//! NAT gateways and Elastic IP addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use model::nat_gateway::NatGatewayState;
use model::operation::*;
use model::{AllocationId, NatGatewayId, NetworkInterfaceId, OutsideHost, VpcId};

use super::{Build, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::file::{ElasticIp, NatGateway, PublicIp, RouteWord, Vpc};
use crate::load::Lab;
use crate::names::{device_text, interface_role, nat_role};
use crate::source::{Located, Span};

impl Build<'_, '_> {
    /// Every NAT gateway that is written, and one in each subnet that `nat@SUBNET` names.
    pub(super) fn nat_gateways(&mut self) {
        let vpcs: Vec<_> = self.lab.file.vpcs.iter().collect();
        for (name, vpc) in vpcs {
            let Some(id) = self.vpc_called(&name.value) else { continue };
            for (nat_name, nat) in vpc.nat_gateways.iter() {
                self.nat_gateway(&id, nat_name, nat);
            }
            for (subnet, span) in implied(vpc) {
                let nat = NatGateway { subnet: Some(Located::new(subnet.clone(), span)), ..NatGateway::default() };
                self.nat_gateway(&id, &Located::new(format!("nat-{subnet}"), span), &nat);
            }
        }
    }

    fn nat_gateway(&mut self, vpc: &VpcId, name: &Located<String>, nat: &NatGateway) {
        if self.gives_up() {
            return;
        }
        let Some(written) = &nat.subnet else {
            let problem = Diagnostic::new(Code::MissingKey, name.span, format!("NAT gateway `{}` is in no subnet", name.value));
            self.problem(problem.label("`subnet` is missing"));
            return;
        };
        let Some(subnet) = self.subnet_in(vpc, &written.value) else {
            let file = &self.lab.file;
            let known =
                file.vpcs.iter().flat_map(|(_, v)| v.subnets.names().chain(v.nat_gateways.names())).map(str::to_owned).collect();
            let _: Option<()> = self.unknown(Code::UnknownNat, "subnet or NAT gateway", written, known);
            return;
        };
        let Some(gateway) = self.names.below(vpc, Some(&name.value)) else { return };
        let is_public = !nat.private.as_ref().is_some_and(|p| p.value);
        let allocation_id = match is_public {
            false => None,
            true => match self.elastic(&nat_role(&gateway), &name.value, nat.eip.as_ref().map(|e| e.value), name.span) {
                Some(id) => Some(id),
                None => return,
            },
        };
        let private_ip_address = match &nat.private_ip {
            Some(written) => Some(written.value),
            None => {
                let subnet_name = self.names.subnets.name(&subnet).unwrap_or_default().to_owned();
                let had = self.kept.nat_gateway(&gateway, &subnet_name);
                let subnet = self.model.subnets.get(&subnet);
                subnet.and_then(|subnet| self.addresses.choose(&subnet_name, subnet, had))
            }
        };
        let request = CreateNatGateway {
            subnet_id: subnet,
            is_public,
            allocation_id,
            private_ip_address,
            tags: tags(&name.value, &nat.tags),
            origin: self.origin(name.span),
        };
        let result = create_nat_gateway(self.model, request);
        if let Some(id) = self.op(name.span, result) {
            self.names.nat_gateways.add(Some(gateway), &id);
        }
    }

    /// A gateway that AWS accepted and that failed a moment later (NAT-3) is an error of the file all the same.
    pub(super) fn failed_nat_gateways(&mut self) {
        let failed = self.model.nat_gateways.values().filter(|gateway| gateway.state == NatGatewayState::Failed);
        let failed: Vec<_> = failed.filter_map(|g| Some((g.id.clone(), g.failure.clone()?))).collect();
        for (id, (code, message)) in failed {
            let path = self.names.nat_gateways.name(&id).unwrap_or_default();
            let (vpc, name) = path.split_once('/').unwrap_or_default();
            let file = self.lab.file.vpcs.get(vpc);
            let written = file.and_then(|vpc| vpc.nat_gateways.iter().find(|(n, _)| n.value == name).map(|(n, _)| n.span));
            let implied = || implied(file?).into_iter().find(|(subnet, _)| format!("nat-{subnet}") == name).map(|(_, span)| span);
            let span = written.or_else(implied).unwrap_or_default();
            let text = message.trim_end_matches('.');
            let problem = Diagnostic::new(Code::Refused, span, format!("NAT gateway `{name}` fails: {text}"));
            let hint = (code == model::ErrorCode::GatewayNotAttached).then(|| "igw: true".to_owned());
            self.problem(Diagnostic { aws: Some(code), ..problem.maybe_hint(hint) });
        }
    }

    /// The gateway that `nat@NAME` means: one of that name, or the one in the subnet of that name.
    pub(super) fn nat(&mut self, vpc_id: &VpcId, vpc: &Vpc, written: &Located<String>) -> Option<NatGatewayId> {
        let called = |name: &str| self.names.nat_gateways.id(&self.names.below(vpc_id, Some(name))?).cloned();
        let found = called(&written.value).or_else(|| called(&format!("nat-{}", written.value)));
        match found {
            Some(id) => Some(id),
            // A problem with making it was said already.
            None if !self.problems.is_empty() => None,
            None => {
                let known = vpc.nat_gateways.names().chain(vpc.subnets.names()).map(str::to_owned).collect();
                self.unknown(Code::UnknownNat, "subnet or NAT gateway", written, known)
            }
        }
    }

    /// An allocation of this address, or of the one that the same thing had before, or of any.
    fn elastic(&mut self, role: &str, owner: &str, address: Option<Ipv4Addr>, span: Span) -> Option<AllocationId> {
        let had = self.kept.elastic.get(role).copied().filter(|had| !self.fixed.contains(had));
        let address = match (address, had) {
            (Some(written), _) => Some(written),
            (None, Some(had)) => {
                self.fixed.insert(had);
                Some(had)
            }
            (None, None) => None,
        };
        if let Some(address) = address.filter(|address| self.reserved.1.remove(address)) {
            self.fixed.insert(address);
            self.hold_reserved();
        }
        let request = AllocateAddress { address, tags: tags(owner, &Default::default()), origin: self.origin(span) };
        let result = allocate_address(self.model, request);
        let id = self.op(span, result)?;
        self.names.elastic.add(Some(role.to_owned()), &id);
        Some(id)
    }

    /// Keeps the addresses that somebody is to have from being drawn by somebody else before.
    pub(super) fn reserve_public_addresses(&mut self) {
        let instances: BTreeSet<&str> = self.lab.instances.iter().map(|(name, _)| name.value.as_str()).collect();
        let is_free = |name: &String| !instances.contains(name.as_str()) && !self.model.outside.contains_key(name);
        let name = (0..).map(|n| format!("reserved-{n}")).find(is_free).unwrap_or_default();
        let places: BTreeSet<IpAddr> = self.model.outside.values().flat_map(|host| host.addresses.iter().copied()).collect();
        let all = self.fixed.iter().chain(self.kept.elastic.values()).copied();
        self.reserved = (name, all.filter(|address| !places.contains(&IpAddr::V4(*address))).collect());
        self.hold_reserved();
    }

    /// Addresses that no host can have are refused where they are written.
    fn hold_reserved(&mut self) {
        let (name, addresses) = &self.reserved;
        let host =
            OutsideHost { addresses: addresses.iter().copied().map(IpAddr::V4).collect(), origin: model::Origin::default() };
        if host.addresses.is_empty() || set_outside_host(self.model, name, host).is_err() {
            self.give_back_reserved();
        }
    }

    pub(super) fn give_back_reserved(&mut self) {
        if self.model.outside.contains_key(&self.reserved.0) {
            let result = remove_outside_host(self.model, &self.reserved.0.clone());
            self.op(Span::default(), result);
        }
    }

    /// Public addresses of instances: Elastic IP addresses on the interfaces that want one.
    pub(super) fn public_addresses(&mut self) {
        for (name, instance) in &self.lab.instances {
            for index in 0..u32::try_from(instance.interfaces.len().max(1)).unwrap_or(u32::MAX) {
                let Some(interface) = self.names.interfaces.get(&(name.value.clone(), index)) else { continue };
                let Some(interface) = self.model.network_interfaces.get(interface) else { continue };
                let (interface, primary) = (interface.id.clone(), interface.primary_address());
                let written = instance.interfaces.get(index as usize);
                let public = written.and_then(|i| i.public_ip.as_ref()).or(instance.public_ip.as_ref().filter(|_| index == 0));
                let owner = device_text(&name.value, index);
                let mut wanted: Vec<(Ipv4Addr, ElasticIp, Span, String)> = Vec::new();
                if let Some(Located { value: PublicIp::Elastic(elastic), span }) = public {
                    wanted.push((primary, *elastic, *span, owner.clone()));
                }
                for (private, elastic) in written.iter().flat_map(|i| &i.public_ips.0) {
                    match private.value.parse() {
                        Ok(address) => wanted.push((address, elastic.value, elastic.span, format!("{owner}/{}", private.value))),
                        Err(_) => {
                            let message = format!("`{}` is not a private address", private.value);
                            let problem = Diagnostic::new(Code::NotAnAddress, private.span, message).label("not an address");
                            self.problem(problem.hint("such as `public_ips: { 10.0.0.10: eip }`"));
                        }
                    }
                }
                for (private, elastic, span, owner) in wanted {
                    let secondary = Some(private).filter(|private| *private != primary);
                    self.elastic_address(
                        &interface,
                        private,
                        &interface_role(&name.value, index, secondary),
                        elastic,
                        span,
                        &owner,
                    );
                }
                if self.gives_up() {
                    return;
                }
            }
        }
    }

    fn elastic_address(
        &mut self,
        interface: &NetworkInterfaceId,
        private: Ipv4Addr,
        role: &str,
        elastic: ElasticIp,
        span: Span,
        owner: &str,
    ) {
        let address = match elastic {
            ElasticIp::Any => None,
            ElasticIp::Address(address) => Some(address),
        };
        let Some(allocation) = self.elastic(role, owner, address, span) else { return };
        let request = AssociateAddress {
            address: AddressName::Allocation(allocation),
            target: AddressTarget::NetworkInterface(interface.clone()),
            private_ip_address: Some(private),
            allow_reassociation: Some(false),
        };
        let result = associate_address(self.model, request);
        self.op(span, result);
    }
}

/// Subnets that `nat@SUBNET` names and that no written gateway explains, each once.
fn implied(vpc: &Vpc) -> Vec<(String, Span)> {
    let by_subnet = vpc.subnets.iter().filter_map(|(_, s)| match s.route.as_ref() {
        Some(Located { value, span }) => value.nat().map(|name| (name.to_owned(), *span)),
        None => None,
    });
    let by_table = vpc.route_tables.iter().flat_map(|(_, t)| &t.routes.0).filter_map(|(_, word)| match &word.value {
        RouteWord::Nat(name) => Some((name.clone(), word.span)),
        _ => None,
    });
    let written: BTreeSet<&str> = vpc.nat_gateways.names().collect();
    let mut seen = BTreeSet::new();
    let all = by_subnet.chain(by_table).filter(|(name, _)| !written.contains(name.as_str()));
    all.filter(|(name, _)| seen.insert(name.clone())).collect()
}

/// All NAT gateways of the file, by `vpc/name`.
pub(super) fn nat_paths(lab: &Lab) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (vpc, written) in lab.file.vpcs.iter() {
        all.extend(written.nat_gateways.names().map(|name| format!("{}/{name}", vpc.value)));
        all.extend(implied(written).into_iter().map(|(subnet, _)| format!("{}/nat-{subnet}", vpc.value)));
    }
    all
}
