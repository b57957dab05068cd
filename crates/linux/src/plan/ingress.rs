//! What may come to a VPC's router by each of its links: who may send what, and which routing table it asks (ENI-5, L2-3, RT-20).

use fabric::{Fabric, Family as Of, Interface, InterfaceKind, Stage, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use netlink::nft::build::{Load, in_prefix, in_set, is, is_not, set_mark, set_meta};
use netlink::nft::{Chain, CompareOp, Element, Expr, Hook, MetaKey, Set, Verdict};

use super::phrase::{all, ethertype, goto, restore_ttl, then, within};
use super::router::{endpoints, group, interfaces, mark};
use super::{ANYWHERE, Before, Options, Table, ipv6, transit_gateway};
use crate::naming::{ROUTER_TO_EGRESS_ONLY, ROUTER_TO_GATEWAY, endpoint_link, interface_link, peering_link, router_namespace};

/// What an interface's ingress chain drops packets for.
pub(super) const DROPS: [&str; 3] = ["check-out", "fabric-broadcast", "eni-out"];

/// One chain a link.
pub(super) fn plan(fabric: &Fabric, index: VpcIndex, options: Options, before: Option<Before<'_>>, table: &mut Table) {
    let speaks_ipv6 = ipv6::speaks(fabric, index);
    if speaks_ipv6 {
        ipv6::ingress::plan(fabric, index, table);
    }
    let mut pass = vec![restore_ttl(Of::V4, table)];
    pass.push(then(set_meta(MetaKey::PacketType, &[0]), Verdict::Accept));
    table.chain(Chain::new("pass"), pass);
    for subnet in &fabric.vpcs[index].subnets {
        let targets = interfaces(fabric, index)
            .filter(|(_, i)| i.subnet == *subnet)
            .flat_map(|(_, i)| i.addresses.iter().map(|a| a.private))
            .chain([fabric.subnets[*subnet].router]);
        let name = format!("arp_{:08x}", group(fabric, *subnet));
        table.set(Set::new(name, [4]), targets.map(|a| Element::new(a.octets())));
    }
    let router = router_namespace(&fabric.vpcs[index].id);
    for (number, interface) in interfaces(fabric, index) {
        let link = interface_link(&interface.id);
        // Sets are made on the way where addresses are many.
        let only = if let [_] = interface.addresses[..] { before } else { None };
        let chain = Chain::base(link.clone(), Hook::Ingress, 0).policy_drop().devices([link.clone()]);
        match only.and_then(|before| before.ingress(fabric, number, &router, &link)) {
            Some(same) => {
                for prefix in DROPS {
                    table.drop_chain(prefix);
                }
                table.chains.insert(link, (chain, same));
            }
            None => {
                let mut rules = interface_rules(fabric, interface, options, table);
                if speaks_ipv6 {
                    rules.insert(ipv6::ingress::PLACE, ipv6::ingress::interface(fabric, interface, options, table));
                }
                table.chain(chain, rules);
            }
        }
    }
    if let Some(gateway) = fabric.vpcs[index].internet_gateway {
        let edge = fabric.internet_gateways[gateway].edge_route_table.map(|t| mark(&fabric.route_tables[t]));
        let chain = Chain::base(ROUTER_TO_GATEWAY, Hook::Ingress, 0).policy_drop().devices([ROUTER_TO_GATEWAY]);
        table.chain(chain, from_outside(edge, speaks_ipv6));
    }
    if fabric.vpcs[index].egress_only_internet_gateway.is_some() && speaks_ipv6 {
        let chain = Chain::base(ROUTER_TO_EGRESS_ONLY, Hook::Ingress, 0).policy_drop().devices([ROUTER_TO_EGRESS_ONLY]);
        table.chain(chain, vec![ipv6::ingress::from_outside(None)]);
    }
    for (_, peering) in fabric.peerings.iter().filter(|(_, p)| p.is_active() && p.peer_of(index).is_some()) {
        let link = peering_link(&peering.id);
        table.chain(Chain::base(link.clone(), Hook::Ingress, 0).policy_drop().devices([link]), from_outside(None, speaks_ipv6));
    }
    transit_gateway::ingress(fabric, &transit_gateway::legs(fabric, index), speaks_ipv6, table);
    for link in endpoints(fabric, index).map(|endpoint| endpoint_link(&endpoint.id)) {
        table.chain(Chain::base(link.clone(), Hook::Ingress, 0).policy_drop().devices([link]), from_outside(None, false));
    }
}

/// What may come by a link to beyond the VPC: it asks the routing table of a gateway, if that has one.
pub(super) fn from_outside(mark: Option<u32>, speaks_ipv6: bool) -> Vec<Vec<Expr>> {
    let mut rules: Vec<_> = speaks_ipv6.then(|| ipv6::ingress::from_outside(mark)).into_iter().collect();
    rules.push(then(ethertype(CompareOp::Neq, 0x0800), Verdict::Drop));
    rules.extend(mark.map(set_mark));
    rules.push(vec![Expr::Verdict(goto("pass"))]);
    rules
}

fn interface_rules(fabric: &Fabric, interface: &Interface, options: Options, table: &mut Table) -> Vec<Vec<Expr>> {
    let subnet = &fabric.subnets[interface.subnet];
    let [foreign, nobody, stopped] = DROPS.map(|prefix| table.drop_chain(prefix));
    let invert = options.invert == Some(Stage::SourceDestCheck);
    // Where nobody runs nobody sends; the namespace of a stopped instance stays (INST-5).
    if !interface.status.is_running() && options.invert != Some(Stage::InterfaceState) {
        return vec![then(ethertype(CompareOp::Neq, 0x0800), Verdict::Drop), vec![Expr::Verdict(goto(stopped))]];
    }
    let own = own_addresses(interface, table);
    let arp = |load: Load, value: &[u8]| is(load, value);
    let targets = in_set(&[Load::ArpTargetV4], &format!("arp_{:08x}", group(fabric, interface.subnet)));
    let block = |net: &str| net.parse::<Ipv4Net>().unwrap_or(ANYWHERE);
    let mut rules = vec![
        // The source address is guarded on both layers (ENI-5, L2-3).
        then(is_not(Load::SourceMac, &interface.mac.0), Verdict::Drop),
        then(
            all([
                ethertype(CompareOp::Eq, 0x0806),
                arp(Load::ArpOperation, &[0, 1]),
                own.arp_sender.clone(),
                targets,
            ]),
            Verdict::Accept,
        ),
        then(ethertype(CompareOp::Neq, 0x0800), Verdict::Drop),
        then(is(Load::DestinationV4, &[255; 4]), goto(nobody.clone())),
        then(is(Load::DestinationV4, &subnet.cidr.broadcast().octets()), goto(nobody.clone())),
        then(in_prefix(Load::DestinationV4, IpNet::V4(block("224.0.0.0/4"))), goto(nobody)),
    ];
    let is_nat = matches!(interface.kind, InterfaceKind::NatGateway(_));
    if interface.source_dest_check && !is_nat {
        let wrong = if invert { own.is_own.clone() } else { own.is_foreign.clone() };
        rules.push(then(wrong, goto(foreign)));
    } else {
        // Whoever may send as others may not ask the services as others (IMDS-1).
        let services = within(Load::DestinationV4, block("169.254.0.0/16"));
        rules.push(then(all([services, own.is_foreign.clone()]), goto(foreign.clone())));
        let resolver = fabric.vpcs[interface.vpc].resolver;
        rules.push(then(all([is(Load::DestinationV4, &resolver.octets()), own.is_foreign.clone()]), goto(foreign)));
    }
    // Route tables are asked only for what leaves the subnet (RT-20).
    rules.push(then(within(Load::DestinationV4, subnet.cidr), goto("pass")));
    rules.push(then(set_mark(transit_gateway::subnet_mark(fabric, interface.subnet)), goto("pass")));
    rules
}

struct Own {
    is_own: Vec<Expr>,
    is_foreign: Vec<Expr>,
    arp_sender: Vec<Expr>,
}

/// How an interface's own addresses are told: by comparison when there is one, else by a set.
fn own_addresses(interface: &Interface, table: &mut Table) -> Own {
    match &interface.addresses[..] {
        [only] => {
            let address = only.private.octets();
            Own {
                is_own: is(Load::SourceV4, &address),
                is_foreign: is_not(Load::SourceV4, &address),
                arp_sender: is(Load::ArpSenderV4, &address),
            }
        }
        many => {
            let name = format!("own_{}", interface_link(&interface.id));
            table.set(Set::new(name.clone(), [4]), many.iter().map(|a| Element::new(a.private.octets())));
            Own {
                is_own: in_set(&[Load::SourceV4], &name),
                is_foreign: netlink::nft::build::not_in_set(&[Load::SourceV4], &name),
                arp_sender: in_set(&[Load::ArpSenderV4], &name),
            }
        }
    }
}
