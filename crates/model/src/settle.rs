//! Finishing at once what AWS takes its time for: instances, gateways, peerings, addresses.

use crate::ebs::EbsVolume;
use crate::instance::InstanceState;
use crate::nat_gateway::NatGatewayState;
use crate::{Model, Table, Timestamp};

/// Ends every transition that is under way now and was not in `before`. Rows that both share have begun nothing.
pub fn finish_what_began(model: &mut Model, before: &Model) {
    finish(model, before, model.context.now);
}

/// Ends every transition that is under way, and has the clock say `now`, even where it went ahead so that something would end: whoever
/// begins something afterwards would wait for the clock to be there again.
pub fn finish_all(model: &mut Model, now: Timestamp) {
    let nothing = Model::new(&model.account_id, model.region.clone(), model.context.clone());
    model.context.now = now;
    for instance in model.instances.values_mut() {
        settle(&mut instance.launch_time, now);
        if instance.state == InstanceState::Terminated {
            settle(&mut instance.settles_at, now.plus(crate::operation::VISIBLE_SECONDS));
        }
    }
    finish(model, &nothing, now);
}

fn finish(model: &mut Model, before: &Model, now: Timestamp) {
    each_unlike(&mut model.instances, &before.instances, |old, instance| {
        let passing = |state| !matches!(state, InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated);
        if passing(instance.state) && old.is_none_or(|old| old.state != instance.state) {
            instance.settles_at = now;
        }
        if old.is_none_or(|old| old.checks_pass_at != instance.checks_pass_at) {
            settle(&mut instance.checks_pass_at, now);
        }
    });
    each_unlike(&mut model.nat_gateways, &before.nat_gateways, |old, gateway| {
        let passing = matches!(gateway.state, NatGatewayState::Pending | NatGatewayState::Deleting);
        if passing && old.is_none_or(|old| old.state != gateway.state) {
            gateway.settles_at = now;
        }
    });
    each_unlike(&mut model.vpc_peering_connections, &before.vpc_peering_connections, |old, connection| {
        if let Some((_, at)) = connection.settles.as_mut()
            && old.is_none_or(|old| old.status != connection.status)
        {
            *at = now;
        }
    });
    each_unlike(&mut model.vpc_endpoints, &before.vpc_endpoints, |old, endpoint| {
        if old.is_none_or(|old| old.state != endpoint.state) {
            endpoint.settles_at = now;
        }
    });
    finish_disks(model, before, now);
    finish_transit(model, before, now);
    each_unlike(&mut model.network_interfaces, &before.network_interfaces, |old, interface| {
        if old.is_none_or(|old| old.auto_public_ip_due != interface.auto_public_ip_due) {
            interface.auto_public_ip_due = interface.auto_public_ip_due.map(|due| due.min(now));
        }
    });
    each_unlike(&mut model.vpcs, &before.vpcs, |old, vpc| {
        if old.is_none() {
            vpc.available_at = vpc.available_at.min(now);
        }
        let known = |association: &str| {
            old.is_some_and(|old| {
                old.cidr_blocks.iter().any(|b| b.association_id.as_str() == association)
                    || old.ipv6_cidr_blocks.iter().any(|b| b.association_id.as_str() == association)
            })
        };
        let ipv4 = vpc.cidr_blocks.iter_mut().map(|b| (&b.association_id, &mut b.settles_at));
        let ipv6 = vpc.ipv6_cidr_blocks.iter_mut().map(|b| (&b.association_id, &mut b.settles_at));
        for (_, at) in ipv4.chain(ipv6).filter(|(id, _)| !known(id.as_str())) {
            settle(at, now);
        }
    });
    each_unlike(&mut model.subnets, &before.subnets, |old, subnet| {
        if old.is_none() {
            subnet.available_at = subnet.available_at.min(now);
        }
        for block in &mut subnet.ipv6_cidr_blocks {
            let known = old.is_some_and(|o| o.ipv6_cidr_blocks.iter().any(|b| b.association_id == block.association_id));
            if !known {
                settle(&mut block.settles_at, now);
            }
        }
    });
    model.advance_to(now);
}

/// Each row that is not the one that it was before, with that one.
fn each_unlike<K: Ord + Clone, V: Clone>(table: &mut Table<K, V>, before: &Table<K, V>, mut finish: impl FnMut(Option<&V>, &mut V)) {
    if table.is_shared_with(before) {
        return;
    }
    let unlike: Vec<K> = table.rows_unlike(before).map(|row| row.0.clone()).collect();
    for key in unlike {
        if let Some(value) = table.get_mut(&key) {
            finish(before.get(&key), value);
        }
    }
}

/// Volumes, attachments, snapshots and images.
fn finish_disks(model: &mut Model, before: &Model, now: Timestamp) {
    each_unlike(&mut model.ebs_volumes, &before.ebs_volumes, |old, volume| finish_volume(volume, old, now));
    each_unlike(&mut model.ebs_snapshots, &before.ebs_snapshots, |old, snapshot| {
        if old.is_none() {
            settle(&mut snapshot.completed_at, now);
        }
    });
    each_unlike(&mut model.images, &before.images, |old, image| {
        if old.is_none() {
            settle(&mut image.available_at, now);
        }
    });
}

fn finish_volume(volume: &mut EbsVolume, old: Option<&EbsVolume>, now: Timestamp) {
    if old.is_none_or(|old| old.state != volume.state) {
        settle(&mut volume.settles_at, now);
    }
    for attachment in &mut volume.attachments {
        let known = old.and_then(|old| old.attachment_to(&attachment.instance_id));
        if known.is_none_or(|known| known.state != attachment.state) {
            settle(&mut attachment.settles_at, now);
        }
    }
    if let Some(change) = &mut volume.modification
        && old.and_then(|old| old.modification.as_ref()).is_none_or(|last| last.start_time != change.start_time || last.original != change.original)
    {
        settle(&mut change.optimizing_at, now);
        settle(&mut change.completed_at, now);
    }
}

/// Transit gateways, attachments and route tables.
fn finish_transit(model: &mut Model, before: &Model, now: Timestamp) {
    macro_rules! finish {
        ($($($table:ident).+;)*) => {$(
            each_unlike(&mut model.$($table).+, &before.$($table).+, |old, row| {
                if old.is_none_or(|old| old.state != row.state)
                    && let Some(at) = row.state.ends_at()
                {
                    settle(at, now);
                }
            });
        )*};
    }
    finish! {
        transit_gateways;
        transit_gateway_attachments;
        transit_gateway_route_tables;
        gone_transit.gateways;
        gone_transit.attachments;
        gone_transit.route_tables;
    }
}

fn settle(at: &mut Timestamp, now: Timestamp) {
    *at = (*at).min(now);
}
