//! IPv6 of a cloud on its way to be like another: addresses, blocks and egress-only internet gateways that go and come.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use model::operation::*;
use model::*;

use super::transition::{Step, Transition};
use super::view::{Kind, egress_only_name};

/// The addresses that stay as they are: the longest beginning of what is wanted that is there in this order.
fn staying<'a>(is: &[Ipv6Addr], wanted: &'a [Ipv6Addr]) -> &'a [Ipv6Addr] {
    let there: Vec<&Ipv6Addr> = is.iter().filter(|address| wanted.contains(address)).collect();
    let count = there.iter().zip(wanted).take_while(|(is, wanted)| *is == wanted).count();
    &wanted[..count]
}

impl Transition<'_> {
    /// Takes the addresses away that interfaces are not to have, then the blocks of subnets.
    pub(super) fn let_ipv6_go(&mut self) -> Step {
        let devices: Vec<_> = self.names.interfaces.iter().map(|(device, id)| (device.clone(), id.clone())).collect();
        for (device, id) in devices {
            let Some(interface) = self.model.network_interfaces.get(&id) else { continue };
            let wanted = self.target.names.interfaces.get(&device).and_then(|id| self.target.model.network_interfaces.get(id));
            let stays = wanted.map(|wanted| staying(&interface.ipv6_addresses, &wanted.ipv6_addresses)).unwrap_or_default();
            let gone: Vec<_> = interface.ipv6_addresses.iter().filter(|address| !stays.contains(address)).copied().collect();
            if !gone.is_empty() {
                let result = unassign_ipv6_addresses(self.model, &id, &gone);
                self.op(&device.0, result)?;
            }
        }
        let subnets: Vec<_> = self.names.subnets.iter().map(|(name, id)| (name.to_owned(), id.clone())).collect();
        for (name, id) in subnets {
            let known = self.model.subnets.get(&id).and_then(|subnet| subnet.ipv6_cidr_blocks.iter().find(|b| b.state.is_live()));
            let Some((association, block)) = known.map(|block| (block.association_id.clone(), block.block)) else { continue };
            let wanted = self.target.names.subnets.id(&name).and_then(|id| self.target.model.subnets.get(id));
            if !self.goes(Kind::Subnet, &name) && wanted.and_then(Subnet::ipv6_block) != Some(block) {
                let result = disassociate_subnet_cidr_block(self.model, &association);
                self.op(&name, result)?;
            }
        }
        Ok(())
    }

    /// Blocks that a VPC is not to have any more; no subnet has a part of them by now.
    pub(super) fn remove_ipv6_blocks(&mut self, name: &str, vpc: &Vpc, wanted: &Vpc) -> Step {
        let wanted: BTreeSet<Ipv6Net> = wanted.ipv6_blocks().collect();
        for block in vpc.ipv6_cidr_blocks.iter().filter(|block| block.state.is_live() && !wanted.contains(&block.block)) {
            let result = disassociate_vpc_cidr_block(self.model, &block.association_id);
            self.op(name, result)?;
        }
        Ok(())
    }

    pub(super) fn remove_egress_only_internet_gateways(&mut self) -> Step {
        let doomed = self.going(Kind::EgressOnlyInternetGateway);
        let gateways: Vec<_> = self.model.egress_only_internet_gateways.values().map(|g| (g.id.clone(), g.vpc_id.clone())).collect();
        for (id, vpc) in gateways {
            if doomed.contains(&egress_only_name(self.names.vpcs.name(&vpc).unwrap_or(vpc.as_str()))) {
                let result = delete_egress_only_internet_gateway(self.model, &id);
                self.op(id.as_str(), result)?;
            }
        }
        Ok(())
    }

    /// Blocks that a VPC lacks.
    pub(super) fn make_ipv6_blocks(&mut self, name: &str, id: &VpcId, wanted: &Vpc) -> Step {
        let known: BTreeSet<Ipv6Net> = self.model.vpcs.get(id).map(|vpc| vpc.ipv6_blocks().collect()).unwrap_or_default();
        for block in wanted.ipv6_blocks().filter(|block| !known.contains(block)) {
            let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv6(block) };
            let result = associate_vpc_cidr_block(self.model, request);
            self.op(name, result)?;
        }
        Ok(())
    }

    /// The block of a subnet, and whether instances get an address of it.
    pub(super) fn make_subnet_ipv6(&mut self, name: &str, id: &SubnetId, wanted: &Subnet) -> Step {
        let known = |model: &Model| model.subnets.get(id).and_then(Subnet::ipv6_block);
        if let Some(block) = wanted.ipv6_block().filter(|_| known(self.model).is_none()) {
            let request = AssociateSubnetCidrBlock { subnet_id: id.clone(), ipv6_cidr_block: block };
            let result = associate_subnet_cidr_block(self.model, request);
            self.op(name, result)?;
        }
        let assigns = wanted.assign_ipv6_address_on_creation;
        if self.model.subnets.get(id).is_some_and(|known| known.assign_ipv6_address_on_creation != assigns) {
            let attribute = SubnetAttribute::AssignIpv6AddressOnCreation(assigns);
            let result = modify_subnet_attribute(self.model, ModifySubnetAttribute { subnet_id: id.clone(), attribute });
            self.op(name, result)?;
        }
        Ok(())
    }

    pub(super) fn make_egress_only_internet_gateway(&mut self, wanted: &EgressOnlyInternetGateway) -> Step {
        let vpc = self.own_vpc(&wanted.vpc_id)?;
        if let Some(known) = self.model.egress_only_internet_gateway_of(&vpc) {
            let (id, tags) = (known.id.to_string(), known.tags.clone());
            return self.set_tags(id, &tags, &wanted.tags);
        }
        let request = CreateEgressOnlyInternetGateway { vpc_id: vpc, tags: wanted.tags.clone(), origin: wanted.origin.clone() };
        let result = create_egress_only_internet_gateway(self.model, request);
        self.op("egress-only internet gateway", result).map(drop)
    }

    /// Addresses that an interface lacks, behind those that it has.
    pub(super) fn make_ipv6_addresses(&mut self, name: &str, known: &NetworkInterface, wanted: &NetworkInterface) -> Step {
        let missing: Vec<_> = wanted.ipv6_addresses.iter().filter(|a| !known.ipv6_addresses.contains(a)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let request = AssignIpv6Addresses { network_interface_id: known.id.clone(), ipv6_addresses: missing, ipv6_address_count: 0 };
        let result = assign_ipv6_addresses(self.model, request);
        self.op(name, result).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_as_far_as_their_order_does() {
        let list = |text: &str| text.split_whitespace().map(|a| a.parse::<Ipv6Addr>().unwrap()).collect::<Vec<_>>();
        for (is, wanted, stays) in [("::1 ::2", "::1 ::2", 2), ("::1 ::2", "::2", 1), ("::1 ::2", "::2 ::1", 0), ("::1", "::1 ::2", 1), ("::1", "::3 ::1", 0)] {
            assert_eq!(staying(&list(is), &list(wanted)).len(), stays, "{is} to {wanted}");
        }
    }
}
