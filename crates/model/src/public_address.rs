//! The pool that public IPv4 addresses come from, Elastic IP and auto-assigned ones alike (EIP-1, PIP-1).

use std::net::Ipv4Addr;

use crate::Model;

/// Blocks that AWS publishes for EC2 in some regions, by region; the last is for every other region
/// (RFC 2544, which nobody on the internet uses).
const POOLS: [(&str, [u8; 4], u8); 8] = [
    ("ap-northeast-1", [13, 112, 0, 0], 14),
    ("ap-northeast-2", [3, 34, 0, 0], 15),
    ("ap-southeast-1", [13, 212, 0, 0], 15),
    ("eu-central-1", [3, 120, 0, 0], 14),
    ("eu-west-1", [34, 240, 0, 0], 13),
    ("us-east-1", [3, 80, 0, 0], 12),
    ("us-west-2", [34, 208, 0, 0], 12),
    ("", [198, 18, 0, 0], 15),
];

/// Takes an address that no Elastic IP address, no interface and no outside place has.
///
/// Draws walk through the whole pool before one repeats, so that an address just given back is never the next.
pub(crate) fn draw(model: &mut Model) -> Ipv4Addr {
    let pool = POOLS.iter().find(|(region, ..)| *region == model.region.0).unwrap_or(&POOLS[POOLS.len() - 1]);
    let (base, size) = (u32::from(Ipv4Addr::from(pool.1)), 1u64 << (32 - pool.2));
    loop {
        let index = model.context.next_public_address_index();
        // An odd factor permutes a power of two: neighbours in time are not neighbours in number.
        let offset = index.wrapping_mul(0x9e37_79b1).wrapping_add(0x2545) & (size - 1);
        let address = Ipv4Addr::from(base + offset as u32);
        // Names ending in 0 and 255 are legal but look like mistakes.
        if matches!(address.octets()[3], 0 | 255) || is_taken(model, address) {
            continue;
        }
        return address;
    }
}

/// Whether something in the model answers at this public address.
pub(crate) fn is_taken(model: &Model, address: Ipv4Addr) -> bool {
    model.addresses.values().any(|a| a.public_ip == address)
        || model.network_interfaces.values().any(|eni| eni.auto_public_ip == Some(address))
        || model.outside.values().any(|host| host.addresses.contains(&address.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Context, Region, Timestamp};

    #[test]
    fn draws_do_not_repeat_before_the_pool_is_used_up() {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        let drawn: BTreeSet<_> = (0..20_000).map(|_| draw(&mut model)).collect();
        assert_eq!(drawn.len(), 20_000);
        let pool: ipnet::Ipv4Net = "3.34.0.0/15".parse().unwrap();
        assert!(drawn.iter().all(|address| pool.contains(address)));
    }
}
