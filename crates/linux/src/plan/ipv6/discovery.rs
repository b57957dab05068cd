//! Neighbour discovery (RFC 4861) as the fabric answers it, at the interface that asks: no group and no list sees it, and no
//! other guest. A solicitation becomes its own answer and goes back by the device that it came from.
//!
//! What is asked for and who has it is a map of each subnet, so an answer names the true interface, as for ARP (L2-1).

use fabric::{Fabric, SubnetIndex, VpcIndex};
use model::traffic::protocol;
use netlink::nft::build::{Load, is};
use netlink::nft::{Base, Checksum, CompareOp, Element, Expr, Reg, Set};

use super::super::ROUTER_MAC;
use super::super::phrase::{all, device_key, within};
use super::super::router::group;
use super::{LINK_LOCAL, ROUTER};

/// Router solicitation and advertisement, neighbour solicitation and advertisement (RFC 4861, 4).
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Options: source and target link-layer address, each one unit of eight octets.
const SOURCE_OPTION: [u8; 2] = [1, 1];
const TARGET_OPTION: [u8; 2] = [2, 1];
/// Nothing that came from another link has this hop limit.
const HOP_LIMIT: u8 = 255;
/// Flags of an advertisement: solicited and overriding; a router's.
const OF_HOST: u8 = 0x60;
const OF_ROUTER: u8 = 0xe0;
/// How long the router is one, seconds, as AWS's says.
const LIFETIME: u16 = 1_800;

/// Where things lie: the target in 0 to 3, what the map has for it in 4 to 6, the asker's addresses behind that.
const TARGET: Reg = Reg(0);
const FLAGS: Reg = Reg(4);
const MAC: Reg = Reg(5);
const ASKER_MAC: Reg = Reg(7);
const ASKER: Reg = Reg(9);
const SPARE: Reg = Reg(13);

/// Adds the maps of a VPC's subnets: address to flags and hardware address.
pub fn plan(fabric: &Fabric, vpc: VpcIndex, table: &mut super::super::Table) {
    for index in &fabric.vpcs[vpc].subnets {
        let subnet = &fabric.subnets[*index];
        if subnet.ipv6_blocks.is_empty() {
            continue;
        }
        let value = |flags: u8, mac: [u8; 6]| [vec![flags, 0, 0, 0], mac.to_vec()].concat();
        let entry = |address: std::net::Ipv6Addr, flags: u8, mac: [u8; 6]| Element::new(address.octets()).value(value(flags, mac));
        let routers = subnet.routers().filter_map(|router| match router {
            std::net::IpAddr::V6(router) => Some(router),
            std::net::IpAddr::V4(_) => None,
        });
        let routers = routers.chain([ROUTER]).map(|router| entry(router, OF_ROUTER, ROUTER_MAC));
        let interfaces = subnet.interfaces.iter().map(|interface| &fabric.interfaces[*interface]);
        let guests = interfaces.flat_map(|interface| interface.ipv6.iter().map(|own| entry(*own, OF_HOST, interface.mac.0)));
        table.set(Set::map(map(fabric, *index), [16], 10), guests.chain(routers));
    }
}

fn map(fabric: &Fabric, subnet: SubnetIndex) -> String {
    format!("nd_{:08x}", group(fabric, subnet))
}

/// The rules that answer what an interface asks.
pub fn answers(fabric: &Fabric, subnet: SubnetIndex, link: &str) -> Vec<Vec<Expr>> {
    match fabric.subnets[subnet].ipv6_blocks.is_empty() {
        true => Vec::new(),
        false => vec![neighbour(&map(fabric, subnet), link), router(link)],
    }
}

/// A neighbour solicitation with the asker's hardware address: 32 octets, as the answer has.
fn neighbour(map: &str, link: &str) -> Vec<Expr> {
    let option = [load(Base::Transport, 24, 2, SPARE), compare(SPARE, &SOURCE_OPTION)];
    let answer = [
        load(Base::Transport, 8, 16, TARGET),
        Expr::LookupMap { set: map.to_owned(), key: TARGET, data: FLAGS },
    ];
    let message = [
        constant(SPARE, &[ADVERTISEMENT, 0]),
        store(Base::Transport, 0, 2, SPARE, Checksum::ICMP),
        store(Base::Transport, 4, 4, FLAGS, Checksum::ICMP),
        constant(SPARE, &TARGET_OPTION),
        store(Base::Transport, 24, 2, SPARE, Checksum::ICMP),
        store(Base::Transport, 26, 6, MAC, Checksum::ICMP),
    ];
    all([is_asked(SOLICITATION, 32), option.to_vec(), answer.to_vec(), message.to_vec(), turn_around(link)])
}

/// A router solicitation with the asker's hardware address: 16 octets, as an advertisement without options has. Addresses are
/// given by the plan: hosts are told to make none themselves, and to ask nobody.
fn router(link: &str) -> Vec<Expr> {
    let [high, low] = LIFETIME.to_be_bytes();
    let message = [
        constant(SPARE, &[ROUTER_ADVERTISEMENT, 0]),
        store(Base::Transport, 0, 2, SPARE, Checksum::ICMP),
        // Hop limit, flags, lifetime; then nothing is said of how long neighbours are reachable, or when to ask again.
        constant(SPARE, &[64, 0, high, low]),
        store(Base::Transport, 4, 4, SPARE, Checksum::ICMP),
        constant(SPARE, &[0; 8]),
        store(Base::Transport, 8, 8, SPARE, Checksum::ICMP),
        constant(TARGET, &ROUTER.octets()),
        constant(MAC, &ROUTER_MAC),
    ];
    all([is_asked(ROUTER_SOLICITATION, 16), within(Load::SourceV6, LINK_LOCAL), message.to_vec(), turn_around(link)])
}

/// Matches a message of this type and length from this very link.
fn is_asked(kind: u8, length: u16) -> Vec<Expr> {
    all([
        is(Load::Protocol, &[protocol::ICMPV6]),
        is(Load::IcmpType, &[kind]),
        is(Load::HopLimit, &[HOP_LIMIT]),
        vec![load(Base::Network, 4, 2, SPARE), compare(SPARE, &length.to_be_bytes())],
    ])
}

/// Sends the packet back to who sent it, from the address in [`TARGET`] and the hardware address in [`MAC`].
fn turn_around(link: &str) -> Vec<Expr> {
    vec![
        load(Base::Link, 6, 6, ASKER_MAC),
        load(Base::Network, 8, 16, ASKER),
        store(Base::Link, 0, 6, ASKER_MAC, Checksum::None),
        store(Base::Link, 6, 6, MAC, Checksum::None),
        store(Base::Network, 24, 16, ASKER, Checksum::PseudoHeader),
        store(Base::Network, 8, 16, TARGET, Checksum::PseudoHeader),
        constant(SPARE, &device_key(link)),
        Expr::Forward { device: SPARE },
    ]
}

fn load(base: Base, offset: u32, length: u32, register: Reg) -> Expr {
    Expr::Payload { base, offset, length, register }
}

fn store(base: Base, offset: u32, length: u32, register: Reg, checksum: Checksum) -> Expr {
    Expr::PayloadStore { base, offset, length, register, checksum }
}

fn constant(register: Reg, value: &[u8]) -> Expr {
    Expr::Immediate { register, value: value.to_vec() }
}

fn compare(register: Reg, value: &[u8]) -> Expr {
    Expr::Compare { register, op: CompareOp::Eq, value: value.to_vec() }
}
