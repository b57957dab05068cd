//! Links: a pair of Ethernet devices each, with what this kernel has to slow them down. A serial line is a pair whose ends ask
//! nobody for addresses: both have the same hardware address, and whatever is sent is for the other.

use model::lan::{Device, End, Link};
use netlink::rtnl::qdisc::{Netem, Qdisc};

use super::super::{LinkEnd, Plan};
use super::{Shaping, Wiring};
use crate::naming::{BRIDGE, device_namespace};

/// Adds all of a lan.
pub(super) fn plan(wiring: &Wiring, shaping: Shaping, plan: &mut Plan) {
    for link in &wiring.lan.links {
        if let (Some(mut near), Some(mut far)) = (end(wiring, link, &link.a), end(wiring, link, &link.b)) {
            if link.framing.is_serial() {
                far.mac = near.mac;
            }
            for end in [&mut near, &mut far] {
                end.qdisc = qdisc(link, shaping);
                end.is_up = link.up;
                end.asks = !link.framing.is_serial();
            }
            plan.link(near, far);
        }
    }
}

fn end(wiring: &Wiring, link: &Link, end: &End) -> Option<LinkEnd> {
    let (name, interface) = (end.device()?, end.interface()?);
    let device = wiring.lan.devices.get(name)?;
    let namespace = device_namespace(name, device);
    let new = |mac| LinkEnd::new(namespace.clone(), interface, mac, link.mtu_bytes);
    let Some(interfaces) = device.interfaces() else {
        let number = interface.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        return Some(LinkEnd { bridge: Some(BRIDGE.to_owned()), ..new(given_mac(name, number)) });
    };
    if !interfaces.contains_key(interface) {
        return None;
    }
    let speaks_v6 = wiring.addresses(name, interface).iter().any(|address| address.addr().is_ipv6());
    Some(LinkEnd { link_local: speaks_v6 && !link.framing.is_serial(), ..new(given(device, name, interface)) })
}

/// The hardware address of an interface: as written, else one of its own.
pub(super) fn given(device: &Device, name: &str, interface: &str) -> [u8; 6] {
    let own = device.interfaces();
    let written = own.and_then(|own| own.get(interface)).and_then(|own| own.mac);
    let at = own.and_then(|own| own.keys().position(|known| known == interface)).unwrap_or_default();
    written.map_or_else(|| given_mac(name, u8::try_from(at).unwrap_or(u8::MAX)), |mac| mac.0)
}

/// The locally administered address that a device's port has where none is written: FNV-1a of the name in 32 bits, and the
/// port. The simulator gives the same.
fn given_mac(name: &str, port: u8) -> [u8; 6] {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    [0x02, a, b, c, d, port]
}

/// What this kernel has to make a link as slow, late and lossy as it says.
pub(super) fn qdisc(link: &Link, shaping: Shaping) -> Option<Qdisc> {
    let rate = link.rate_bits_per_second;
    if shaping.netem {
        return Some(Qdisc::Netem(Netem {
            rate_bits_per_second: rate,
            delay_nanoseconds: link.delay_nanoseconds,
            limit_packets: link.queue_frames.saturating_add(on_the_way(link)),
            loss_per_million: link.loss_per_million,
            duplicate_per_million: link.duplicate_per_million,
            reorder_per_million: link.reorder_per_million,
        }));
    }
    // A frame, or what passes in a millisecond: the kernel's clock is not finer everywhere.
    let frame = u64::from(link.mtu_bytes) + 18;
    let burst_bytes = u32::try_from(frame.max(rate / 8 / 1_000)).unwrap_or(u32::MAX);
    shaping.tbf.then_some(Qdisc::Tbf { rate_bits_per_second: rate, burst_bytes, queue_packets: link.queue_frames })
}

/// The shortest frames that a link holds at a time, which `netem` counts as waiting.
fn on_the_way(link: &Link) -> u32 {
    const FRAME_BITS: u128 = 64 * 8;
    let bits = u128::from(link.rate_bits_per_second) * u128::from(link.delay_nanoseconds) / 1_000_000_000;
    u32::try_from(bits / FRAME_BITS + 1).unwrap_or(u32::MAX).min(1_000_000)
}
