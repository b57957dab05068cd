//! IPv6: blocks and addresses that are written, and those that AWS will choose.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};
use model::cidr::AMAZON_IPV6;

use super::World;
use super::node::{Got, Node};

/// Of a VPC and of a subnet (VPC-10).
const VPC_PREFIX: u8 = 56;
const SUBNET_PREFIX: u8 = 64;
/// A subnet's first addresses, which nothing gets (SUB-2).
const RESERVED: u128 = 4;
/// Blocks and addresses that are looked at for a free one, at most.
const MOST: usize = 1 << 16;
/// IPv6 addresses of one interface at most.
const MAX_ADDRESSES: i64 = 64;

/// What is in use, wherever the plan has it.
#[derive(Default)]
pub(super) struct Used {
    vpcs: BTreeSet<Ipv6Net>,
    subnets: BTreeSet<Ipv6Net>,
    addresses: BTreeSet<Ipv6Addr>,
    /// How many blocks and addresses were chosen.
    pub chosen: (usize, usize),
}

/// The IPv6 addresses of an interface.
pub(super) struct Wish {
    pub written: Vec<Ipv6Addr>,
    /// How many it has in all.
    pub count: usize,
}

impl<'j> World<'_, 'j> {
    /// Notes what is written anywhere, so that nothing is chosen twice. What is wrong with it is said where it is read.
    pub(super) fn written_six(&mut self) {
        let kinds = [
            ("aws_vpc", true), ("aws_default_vpc", true), ("aws_vpc_ipv6_cidr_block_association", true), ("aws_subnet", false),
            ("aws_default_subnet", false),
        ];
        for (kind, is_vpc) in kinds {
            for node in self.nodes(kind) {
                let Got::Is(json) = node.raw("ipv6_cidr_block") else { continue };
                let Some(Ok(IpNet::V6(block))) = json.text().map(str::parse::<IpNet>) else { continue };
                if is_vpc { &mut self.six.vpcs } else { &mut self.six.subnets }.insert(block.trunc());
            }
        }
    }

    /// The block that a VPC, or what adds one to it, has.
    pub(super) fn vpc_six(&mut self, node: &Node<'j>) -> Option<Ipv6Net> {
        match (self.block(node, "ipv6_cidr_block"), self.bool(node, "assign_generated_ipv6_cidr_block")) {
            (Got::Is(IpNet::V6(block)), _) => Some(block),
            // Amazon chooses: any block of its own behaves like another.
            (_, Got::Is(true)) => {
                let block = free(AMAZON_IPV6, VPC_PREFIX, &self.six.vpcs)?;
                self.six.vpcs.insert(block);
                self.six.chosen.0 += 1;
                Some(block)
            }
            (Got::Unset, Got::Unset | Got::Is(false)) => None,
            _ => {
                self.gap(node, "ipv6_cidr_block", "IPv6 is left out");
                None
            }
        }
    }

    /// The block of a subnet. One that is computed from the VPC's, which is not known yet, is a free one of it.
    pub(super) fn subnet_six(&mut self, node: &Node<'j>, vpc: &str) -> Option<Ipv6Net> {
        match self.block(node, "ipv6_cidr_block") {
            Got::Is(IpNet::V6(block)) => return Some(block),
            Got::Unset => return None,
            _ => {}
        }
        let blocks: Vec<Ipv6Net> = self.vpcs.get(vpc).into_iter().flat_map(|cloud| &cloud.blocks).filter_map(six).collect();
        let Some(block) = blocks.iter().find_map(|block| free(*block, SUBNET_PREFIX, &self.six.subnets)) else {
            self.gap(node, "ipv6_cidr_block", "IPv6 is left out");
            return None;
        };
        self.six.subnets.insert(block);
        self.six.chosen.0 += 1;
        Some(block)
    }

    /// What an interface, or the instance that it comes with, has of IPv6 in a subnet.
    pub(super) fn six_of(&mut self, node: &Node<'j>, subnet: &str) -> Wish {
        let (exists, gives) = match self.subnets.get(subnet) {
            Some(placed) => (placed.six.is_some(), placed.gives_ipv6_addresses),
            None => (false, false),
        };
        let mut written: Vec<Ipv6Addr> = Vec::new();
        let mut is_complete = true;
        for key in ["ipv6_address_list", "ipv6_addresses"] {
            let several = self.several::<Ipv6Addr>(node, key, "an IPv6 address");
            is_complete &= several.is_complete;
            for address in several.all {
                if !written.contains(&address) {
                    written.push(address);
                }
            }
        }
        // What exists shows all it has.
        if self.document.is_known(node.resource) && is_complete {
            let count = written.len();
            return Wish { written, count };
        }
        let count = match self.number(node, "ipv6_address_count", 0, MAX_ADDRESSES) {
            Got::Is(count) => usize::try_from(count).unwrap_or(0),
            Got::Unset if !is_complete => {
                self.gap(node, "ipv6_addresses", "no others than are known");
                0
            }
            Got::Unset => usize::from(gives && written.is_empty()),
            Got::Unknown => {
                self.gap(node, "ipv6_address_count", "no IPv6 address is chosen");
                0
            }
        };
        let count = if exists { written.len().max(count) } else { written.len() };
        Wish { written, count }
    }

    /// Addresses of an interface that nothing else gets.
    pub(super) fn take_six(&mut self, addresses: &[Ipv6Addr]) {
        self.six.addresses.extend(addresses);
    }

    /// The lowest free address of a subnet.
    pub(super) fn choose_six(&mut self, subnet: &str) -> Option<Ipv6Addr> {
        let block = self.subnets.get(subnet)?.six?;
        let first = u128::from(block.network()) + RESERVED;
        let address = (first..u128::from(block.broadcast())).take(MOST).map(Ipv6Addr::from).find(|address| !self.six.addresses.contains(address))?;
        self.six.addresses.insert(address);
        self.six.chosen.1 += 1;
        Some(address)
    }
}

/// A block, if it is one of IPv6.
pub(super) fn six(block: &IpNet) -> Option<Ipv6Net> {
    match block {
        IpNet::V6(block) => Some(*block),
        IpNet::V4(_) => None,
    }
}

/// The first part of a block that overlaps nothing of what is used.
fn free(block: Ipv6Net, prefix: u8, used: &BTreeSet<Ipv6Net>) -> Option<Ipv6Net> {
    let overlaps = |part: &Ipv6Net| used.iter().any(|other| other.contains(part) || part.contains(other));
    block.subnets(prefix).ok()?.take(MOST).find(|part| !overlaps(part))
}
