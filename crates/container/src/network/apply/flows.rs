//! What connection tracking remembers and must not: a datagram's flow lasts as long as its packets come, wherever they
//! should go by now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink::conntrack::{self, Connection, Layer4};
use netlink::nft::ct_status;
use netlink::rtnl::address;
use netlink::{Batch, Protocol};

use super::Namespaces;
use super::devices::Devices;
use crate::network::error::{Error, Result};
use crate::network::plan::{Plan, Published};
use crate::network::publish::Transport;

/// Forgets connections that the plan contradicts; says how many.
pub fn apply(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    devices: &Devices,
) -> Result<usize> {
    // Without containers, now and before, nothing is remembered of any.
    if devices.subnets.is_empty() {
        return Ok(0);
    }
    // To read all entries takes milliseconds however few they are: the kernel goes through the whole machine's.
    let socket = namespaces.socket(key, Protocol::Netfilter)?;
    if conntrack::usage(socket).is_ok_and(|usage| usage.entries == 0) {
        return Ok(0);
    }
    let route = namespaces.socket(key, Protocol::Route)?;
    let local = address::dump(route, None, None).map_err(Error::kernel(key))?;
    let judge = Judge::new(plan, devices, local.iter().map(|held| held.address.addr()));
    let socket = namespaces.socket(key, Protocol::Netfilter)?;
    let mut batch = Batch::new();
    for connection in conntrack::dump(socket).map_err(Error::kernel(key))? {
        if judge.is_stale(&connection) {
            conntrack::delete(&mut batch, &connection.original, connection.zone);
        }
    }
    let refused = socket.execute_all(&batch).map_err(Error::kernel(key))?;
    Ok(batch.len() - refused.len())
}

struct Judge<'a> {
    devices: &'a Devices,
    local: BTreeSet<IpAddr>,
    /// Who may have an address of a subnet.
    present: BTreeSet<IpAddr>,
    published: BTreeMap<(Transport, u16), Vec<&'a Published>>,
}

impl<'a> Judge<'a> {
    fn new(plan: &'a Plan, devices: &'a Devices, local: impl Iterator<Item = IpAddr>) -> Judge<'a> {
        let bridges = plan
            .bridges
            .values()
            .flat_map(|bridge| both(bridge.address, bridge.address_v6));
        let gateways = bridges.flat_map(|net| [net.addr(), net.broadcast()]);
        let containers = plan
            .cables
            .values()
            .flat_map(|cable| both(cable.address, cable.address_v6))
            .map(|net| net.addr());
        let mut published: BTreeMap<_, Vec<&Published>> = BTreeMap::new();
        for lead in &plan.published {
            let port = (lead.port.transport, lead.port.host_port);
            published.entry(port).or_default().push(lead);
        }
        Judge {
            devices,
            local: local.collect(),
            present: gateways.chain(containers).collect(),
            published,
        }
    }

    fn is_stale(&self, connection: &Connection) -> bool {
        let (original, reply) = (&connection.original, &connection.reply);
        let parties = [
            original.source,
            original.destination,
            reply.source,
            reply.destination,
        ];
        let is_gone = |address: IpAddr| {
            self.is_ours(address)
                && (!self.present.contains(&address)
                    || self.devices.new_addresses.contains(&address))
        };
        parties.into_iter().any(is_gone)
            || original.protocol == Transport::Udp.number() && self.is_misled(connection)
    }

    /// Whether an address is a container's.
    fn is_ours(&self, address: IpAddr) -> bool {
        self.devices.subnets.iter().any(|s| s.contains(&address))
    }

    /// A UDP flow that goes where no port, or another one, leads; or that began before its port was published.
    fn is_misled(&self, connection: &Connection) -> bool {
        let (original, reply) = (&connection.original, &connection.reply);
        let (Layer4::Ports { destination, .. }, Layer4::Ports { source, .. }) =
            (original.layer4, reply.layer4)
        else {
            return false;
        };
        let leads = self.published.get(&(Transport::Udp, destination));
        let lead = leads.into_iter().flatten().find(|lead| {
            let host = lead.port.host_address;
            if host.is_ipv4() != original.destination.is_ipv4() {
                false
            } else if host.is_unspecified() {
                self.local.contains(&original.destination) || is_loopback(original.destination)
            } else {
                original.destination == host
            }
        });
        let is_translated = connection.status & ct_status::DST_NAT != 0;
        match (lead, is_translated) {
            (Some(lead), _) => (reply.source, source) != (lead.address, lead.port.container_port),
            // Somebody else's translation is nobody's business here.
            (None, true) => self.is_ours(reply.source),
            (None, false) => false,
        }
    }
}

/// The blocks of both families.
fn both(v4: Ipv4Net, v6: Option<Ipv6Net>) -> impl Iterator<Item = IpNet> {
    std::iter::once(v4.into()).chain(v6.map(Into::into))
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}
