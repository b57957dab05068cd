//! What routers counted for flow logs: read, and taken away, from the sets that `plan::flow_log` has rules fill.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fabric::flow_log::{FlowKey, Harvest, Sighting, recorded_flags};
use fabric::{Fabric, Family};
use model::NetworkInterfaceId;
use netlink::nft::{self, Transaction, dump};
use netlink::{Protocol, Socket};

use super::engine::Engine;
use super::error::{Error, Result};
use crate::naming::{interface_link, router_namespace};
use crate::plan::flow_log::{Kind, Side, fields, turn_to};
use crate::plan::{Plan, device_index};

/// How long packets that were under way when the sides changed may still take to be counted.
const UNDER_WAY: Duration = Duration::from_millis(10);

/// What was read and is not asked for yet, and which side rules fill.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pending: Harvest,
    /// By namespace and table; one that is not here may be at either side.
    filling: BTreeMap<(String, nft::Table), Side>,
}

impl Engine {
    /// Everything that was counted since the last call. A packet that passes meanwhile is in this answer or the next.
    pub fn take_flows(&mut self) -> Result<Harvest> {
        self.collect_flows()?;
        Ok(std::mem::take(&mut self.counts().pending))
    }

    /// Reads what was counted, before a change may take its sets or the interfaces that it speaks of away.
    pub fn collect_flows(&mut self) -> Result<()> {
        let fabric = self.fabric().clone();
        if fabric.logged.is_empty() {
            return Ok(());
        }
        let mut filling = std::mem::take(&mut self.counts().filling);
        let counting = counting_tables(&fabric, self.lab().plan());
        filling.retain(|place, _| counting.iter().any(|(key, table, _)| (key, table) == (&place.0, &place.1)));
        let interfaces = devices(&fabric);
        let mut harvest = Harvest::default();
        for (key, table, family) in counting {
            let socket = self.netlink(&key, Protocol::Netfilter)?;
            let place = (key, table);
            // One side is read while the other is filled; after a restart nobody knows which it was.
            let sides = match filling.get(&place) {
                Some(side) => vec![*side],
                None => vec![Side::B, Side::A],
            };
            for side in sides {
                read(socket, &place.1, family, side, &interfaces, &mut harvest).map_err(Error::netlink(&place.0))?;
                filling.insert(place.clone(), side.other());
            }
        }
        let counts = self.counts();
        counts.filling = filling;
        counts.pending.sightings.append(&mut harvest.sightings);
        counts.pending.lost.append(&mut harvest.lost);
        Ok(())
    }
}

/// Tables that count, by namespace.
fn counting_tables(fabric: &Fabric, plan: &Plan) -> Vec<(String, nft::Table, Family)> {
    let mut found = Vec::new();
    for vpc in fabric.vpcs.values() {
        let key = router_namespace(&vpc.id);
        let tables = plan.namespaces.get(&key).into_iter().flat_map(|namespace| &namespace.tables);
        for (table, held) in tables {
            let Some((set, _)) = held.sets.get(&Side::A.flows()) else { continue };
            let family = [Family::V4, Family::V6].into_iter().find(|family| set.fields == fields(*family));
            found.extend(family.map(|family| (key.clone(), table.clone(), family)));
        }
    }
    found
}

fn devices(fabric: &Fabric) -> BTreeMap<u32, NetworkInterfaceId> {
    let logged = fabric.logged.iter().map(|index| &fabric.interfaces[*index].id);
    logged.map(|id| (device_index(&interface_link(id)), id.clone())).collect()
}

/// Has the other side filled, reads this one and empties it.
fn read(
    socket: &mut Socket,
    table: &nft::Table,
    family: Family,
    side: Side,
    interfaces: &BTreeMap<u32, NetworkInterfaceId>,
    harvest: &mut Harvest,
) -> std::result::Result<(), netlink::Error> {
    let mut turn = Transaction::new();
    for kind in Kind::ALL {
        turn.flush_chain(table, &kind.chain()).append(table, &kind.chain(), &turn_to(kind, side.other()));
    }
    turn.commit(socket)?;
    std::thread::sleep(UNDER_WAY);
    let flows = dump::elements(socket, table, &side.flows())?;
    let lost = dump::elements(socket, table, &side.lost())?;
    if !flows.is_empty() || !lost.is_empty() {
        let mut empty = Transaction::new();
        empty.flush_set(table, &side.flows()).flush_set(table, &side.lost());
        empty.commit(socket)?;
    }
    harvest.sightings.extend(flows.iter().filter_map(|element| sighting(element, family, interfaces)));
    let device = |element: &dump::ElementEntry| interfaces.get(&native(element.key.get(..4)?)?).cloned();
    harvest.lost.extend(lost.iter().filter_map(device));
    Ok(())
}

fn native(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// A set's element as what it counts. `None`: of no interface that is there.
fn sighting(element: &dump::ElementEntry, family: Family, interfaces: &BTreeMap<u32, NetworkInterfaceId>) -> Option<Sighting> {
    let mut rest = element.key.as_slice();
    let mut take = |length: usize| {
        let (field, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(field)
    };
    let kind = Kind::ALL.get(native(take(4)?)? as usize)?;
    let interface = interfaces.get(&native(take(4)?)?)?.clone();
    let address = |bytes: &[u8]| match family {
        Family::V4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        Family::V6 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
    };
    let length = if family == Family::V4 { 4 } else { 16 };
    let (source, destination) = (address(take(length)?)?, address(take(length)?)?);
    let protocol = *take(4)?.first()?;
    let &[a, b, c, d] = take(4)? else { return None };
    let flags = *take(4)?.first()?;
    let count = element.count?;
    Some(Sighting {
        interface,
        flow: FlowKey {
            direction: kind.direction,
            action: kind.action,
            source,
            destination,
            protocol,
            source_port: u16::from_be_bytes([a, b]),
            destination_port: u16::from_be_bytes([c, d]),
        },
        packets: count.packets,
        bytes: count.bytes,
        tcp_flags: recorded_flags(flags),
    })
}
