//! Addresses that run out.

use model::Model;

use super::{Check, Finding, name_of};

/// Fewer free addresses than this part of a subnet are few.
const FEW_OF: u32 = 10;

pub(super) fn findings(model: &Model) -> Vec<Finding> {
    let few = |subnet: &&model::Subnet| {
        let free = model.available_ip_address_count(subnet);
        let usable = capacity(subnet.cidr_block.prefix_len());
        // A small subnet with nobody in it is no finding: it has run out of nothing.
        free < usable && free * FEW_OF < usable
    };
    let finding = |subnet: &model::Subnet| {
        let (free, block) = (model.available_ip_address_count(subnet), subnet.cidr_block);
        let usable = capacity(block.prefix_len());
        Finding::new(
            Check::AddressesRunOut,
            format!("subnet {}", name_of(&subnet.tags, &subnet.id)),
            format!("{free} of {usable} addresses of {block} are free"),
            "a subnet cannot grow: make another one, or a larger one in a secondary block of the VPC",
            &subnet.origin,
        )
    };
    model.subnets.values().filter(few).map(finding).collect()
}

/// Addresses of a block that may be used: all but five (SUB-2).
fn capacity(prefix_len: u8) -> u32 {
    1_u32
        .checked_shl(32 - u32::from(prefix_len))
        .unwrap_or(u32::MAX)
        .saturating_sub(5)
}
