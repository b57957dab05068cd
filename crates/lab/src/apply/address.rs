//! NAT gateways and Elastic IP addresses.

use std::net::Ipv4Addr;

use model::nat_gateway::NatGatewayState;
use model::operation::*;
use model::{AllocationId, NatGatewayId, NetworkInterfaceId, VpcId};

use super::{Action, Apply, is_called, tags};
use crate::code::Code;
use crate::file::{ElasticIp, NatGateway, PublicIp, RouteWord, SubnetRoute, Vpc};
use crate::source::{Located, Span};

impl Apply<'_, '_> {
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

    fn live_nat(&self, vpc: &VpcId, name: &str) -> Option<NatGatewayId> {
        let live = |n: &&model::NatGateway| matches!(n.state, NatGatewayState::Pending | NatGatewayState::Available);
        let mut all = self.model.nat_gateways.values().filter(live);
        all.find(|n| n.vpc_id == *vpc && is_called(&n.tags, name)).map(|n| n.id.clone())
    }

    fn nat_gateway(&mut self, vpc: &VpcId, name: &Located<String>, nat: &NatGateway) {
        if self.live_nat(vpc, &name.value).is_some() {
            return;
        }
        let Some(written) = &nat.subnet else {
            let problem = crate::diagnostic::Diagnostic::new(Code::MissingKey, name.span, format!("NAT gateway `{}` is in no subnet", name.value));
            self.problem(problem.label("`subnet` is missing"));
            return;
        };
        let Some(subnet) = self.subnet_in(vpc, &written.value) else {
            let file = &self.lab.file;
            let known = file.vpcs.iter().flat_map(|(_, v)| v.subnets.names().chain(v.nat_gateways.names())).map(str::to_owned).collect();
            let _: Option<()> = self.unknown(Code::UnknownNat, "subnet or NAT gateway", written, known);
            return;
        };
        let is_public = !nat.private.as_ref().is_some_and(|p| p.value);
        let allocation_id = match is_public {
            false => None,
            true => match self.elastic(&name.value, nat.eip.as_ref().map(|e| e.value), name.span) {
                Some(id) => Some(id),
                None => return,
            },
        };
        let request = CreateNatGateway {
            subnet_id: subnet,
            is_public,
            allocation_id,
            private_ip_address: nat.private_ip.as_ref().map(|a| a.value),
            tags: tags(&name.value, &nat.tags),
            origin: self.origin(name.span),
        };
        let result = create_nat_gateway(self.model, request);
        if self.op(name.span, result).is_some() {
            self.note(Action::Create, "nat gateway", &name.value, "");
        }
    }

    /// The gateway that `nat@NAME` means: one of that name, or the one in the subnet of that name.
    pub(super) fn nat(&mut self, vpc_id: &VpcId, vpc: &Vpc, written: &Located<String>) -> Option<NatGatewayId> {
        let found = self.live_nat(vpc_id, &written.value).or_else(|| self.live_nat(vpc_id, &format!("nat-{}", written.value)));
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

    /// An allocation that belongs to a thing of this name, or a new one.
    fn elastic(&mut self, owner: &str, address: Option<Ipv4Addr>, span: Span) -> Option<AllocationId> {
        let fits = |a: &&model::Address| match address {
            Some(wanted) => a.public_ip == wanted,
            None => is_called(&a.tags, owner),
        };
        if let Some(known) = self.model.addresses.values().find(fits) {
            return Some(known.allocation_id.clone());
        }
        let request = AllocateAddress { address, tags: tags(owner, &Default::default()), origin: self.origin(span), ..AllocateAddress::default() };
        let result = allocate_address(self.model, request);
        self.op(span, result)
    }

    /// Public addresses of instances: Elastic IP addresses on the interfaces that want one.
    pub(super) fn public_addresses(&mut self) {
        let all = &self.lab.instances;
        for (name, instance) in all {
            let Some(id) = self.instance_called(&name.value) else { continue };
            let interfaces: Vec<_> = self.model.interfaces_of(&id).into_iter().cloned().collect();
            for (index, interface) in interfaces.iter().enumerate() {
                let written = instance.interfaces.get(index);
                let public = written.and_then(|i| i.public_ip.as_ref()).or(instance.public_ip.as_ref().filter(|_| index == 0));
                let owner = if index == 0 { name.value.clone() } else { format!("{}/{index}", name.value) };
                let mut wanted: Vec<(Ipv4Addr, ElasticIp, Span, String)> = Vec::new();
                if let Some(Located { value: PublicIp::Elastic(elastic), span }) = public {
                    wanted.push((interface.primary_address(), *elastic, *span, owner.clone()));
                }
                for (private, elastic) in written.iter().flat_map(|i| &i.public_ips.0) {
                    if let Ok(address) = private.value.parse() {
                        wanted.push((address, elastic.value, elastic.span, format!("{owner}/{}", private.value)));
                    }
                }
                self.elastic_addresses(&interface.id, &name.value, wanted);
            }
        }
    }

    fn elastic_addresses(&mut self, interface: &NetworkInterfaceId, name: &str, wanted: Vec<(Ipv4Addr, ElasticIp, Span, String)>) {
        let known: Vec<(Ipv4Addr, Ipv4Addr)> = self
            .model
            .addresses
            .values()
            .filter_map(|a| a.association.as_ref().map(|at| (at, a.public_ip)))
            .filter(|(at, _)| at.network_interface_id == *interface)
            .map(|(at, public)| (at.private_ip_address, public))
            .collect();
        for (private, public) in &known {
            if !wanted.iter().any(|(address, ..)| address == private) {
                let result = disassociate_address(self.model, &AssociationName::PublicIp(*public));
                if self.op(Span::default(), result).is_some() {
                    self.note(Action::Change, "instance", name, format!("- {public}"));
                }
            }
        }
        for (private, elastic, span, owner) in wanted {
            let address = match elastic {
                ElasticIp::Any => None,
                ElasticIp::Address(address) => Some(address),
            };
            let is = known.iter().find(|(at, _)| *at == private).map(|(_, public)| *public);
            if is.is_some() && address.is_none_or(|wanted| Some(wanted) == is) {
                continue;
            }
            let Some(allocation) = self.elastic(&owner, address, span) else { continue };
            let request = AssociateAddress {
                address: AddressName::Allocation(allocation),
                target: AddressTarget::NetworkInterface(interface.clone()),
                private_ip_address: Some(private),
                allow_reassociation: Some(true),
            };
            let result = associate_address(self.model, request);
            let is_new = self.changes.iter().any(|c| c.action == Action::Create && c.kind == "instance" && c.name == name);
            if self.op(span, result).is_some() && !is_new {
                self.note(Action::Change, "instance", name, "public address");
            }
        }
    }
}

/// Subnets that `nat@SUBNET` names and that no written gateway explains, each once.
fn implied(vpc: &Vpc) -> Vec<(String, Span)> {
    let by_subnet = vpc.subnets.iter().filter_map(|(_, s)| match s.route.as_ref() {
        Some(Located { value: SubnetRoute::Nat(name), span }) => Some((name.clone(), *span)),
        _ => None,
    });
    let by_table = vpc.route_tables.iter().flat_map(|(_, t)| &t.routes.0).filter_map(|(_, word)| match &word.value {
        RouteWord::Nat(name) => Some((name.clone(), word.span)),
        _ => None,
    });
    let mut all: Vec<(String, Span)> = Vec::new();
    for (name, span) in by_subnet.chain(by_table) {
        if vpc.nat_gateways.get(&name).is_none() && !all.iter().any(|(known, _)| *known == name) {
            all.push((name, span));
        }
    }
    all
}

/// Names of the NAT gateways that a VPC of the file has.
pub(super) fn nat_names(vpc: &Vpc) -> Vec<String> {
    let implied = implied(vpc).into_iter().map(|(subnet, _)| format!("nat-{subnet}"));
    vpc.nat_gateways.names().map(str::to_owned).chain(implied).collect()
}
