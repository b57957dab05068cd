//! Where things are written now: an edit moves lines, and answers that point at lines must follow.

use std::collections::BTreeMap;
use std::fmt::Display;

use model::*;

use super::make_route::is_propagated;
use crate::build::Target;
use crate::names::{Index, Names};

/// Gives everything the place at which the file has it. Origins decide nothing, so no operation is asked.
pub(super) fn refresh(model: &mut Model, target: &Target) {
    let names = Names::of(model);
    let mut refresh = Refresh { here: &names, target, moved: false };
    macro_rules! each {
        ($($things:ident: $names:ident),*) => {$(
            for thing in model.$things.values_mut() {
                if let Some(there) = refresh.there(|names| &names.$names, &thing.id).and_then(|id| target.model.$things.get(id)) {
                    refresh.set(&mut thing.origin, &there.origin);
                }
            }
        )*};
    }
    each!(vpcs: vpcs, subnets: subnets, nat_gateways: nat_gateways, instances: instances, vpc_peering_connections: peerings,
        vpc_endpoints: endpoints, prefix_lists: prefix_lists, flow_logs: flow_logs, transit_gateways: transit_gateways,
        transit_gateway_attachments: transit_attachments, transit_gateway_route_tables: transit_tables);
    for (name, key) in &mut model.key_pairs {
        target.model.key_pairs.get(name).iter().for_each(|there| refresh.set(&mut key.origin, &there.origin));
    }
    for (name, host) in &mut model.outside {
        target.model.outside.get(name).iter().for_each(|there| refresh.set(&mut host.origin, &there.origin));
    }
    for (name, volume) in &mut model.volumes {
        target.model.volumes.get(name).iter().for_each(|there| refresh.set(&mut volume.origin, &there.origin));
    }
    for (name, image) in &mut model.container_images {
        target.model.container_images.get(name).iter().for_each(|there| refresh.set(&mut image.origin, &there.origin));
    }
    for (instance, containers) in &mut model.containers {
        let there = refresh.there(|names| &names.instances, instance).and_then(|id| target.model.containers.get(id));
        for (name, spec) in containers {
            let there = there.and_then(|there| there.get(name));
            there.iter().for_each(|there| refresh.set(&mut spec.origin, &there.origin));
        }
    }
    // They are alike but for places and the order of links, which no plan speaks of.
    if model.lans != target.model.lans {
        model.lans = target.model.lans.clone();
        refresh.moved = true;
    }
    for address in model.addresses.values_mut() {
        let there = refresh.there(|names| &names.elastic, &address.allocation_id).and_then(|id| target.model.addresses.get(id));
        there.iter().for_each(|there| refresh.set(&mut address.origin, &there.origin));
    }
    for (device, id) in &names.interfaces {
        let there = target.names.interfaces.get(device).and_then(|id| target.model.network_interfaces.get(id));
        if let (Some(there), Some(here)) = (there, model.network_interfaces.get_mut(id)) {
            refresh.set(&mut here.origin, &there.origin);
        }
    }
    // Interfaces that AWS manages are written where their gateway or endpoint is.
    let gateways = model.nat_gateways.values().filter_map(|g| Some((g.network_interface_id.clone()?, g.origin.clone())));
    let mut managed: Vec<_> = gateways.collect();
    for endpoint in model.vpc_endpoints.values() {
        let interfaces = model.network_interfaces_of_endpoint(&endpoint.id);
        managed.extend(interfaces.into_iter().map(|eni| (eni.id.clone(), endpoint.origin.clone())));
    }
    for (id, origin) in managed {
        model.network_interfaces.get_mut(&id).iter_mut().for_each(|here| refresh.set(&mut here.origin, &origin));
    }
    let vpcs: Vec<_> = model.vpcs.values().cloned().collect();
    for vpc in vpcs {
        let there =
            refresh.there(|names| &names.vpcs, &vpc.id).and_then(|id| target.model.vpcs.get(id)?.dhcp_options_id.as_ref());
        let there = there.and_then(|id| target.model.dhcp_options.get(id));
        let here = vpc.dhcp_options_id.and_then(|id| model.dhcp_options.get_mut(&id));
        if let (Some(there), Some(here)) = (there, here) {
            refresh.set(&mut here.origin, &there.origin);
        }
    }
    for gateway in model.internet_gateways.values_mut() {
        let vpc = gateway.vpc_id.as_ref().and_then(|vpc| refresh.there(|names| &names.vpcs, vpc));
        let there = vpc.and_then(|vpc| target.model.internet_gateway_of(vpc));
        there.iter().for_each(|there| refresh.set(&mut gateway.origin, &there.origin));
    }
    for gateway in model.egress_only_internet_gateways.values_mut() {
        let vpc = refresh.there(|names| &names.vpcs, &gateway.vpc_id);
        let there = vpc.and_then(|vpc| target.model.egress_only_internet_gateway_of(vpc));
        there.iter().for_each(|there| refresh.set(&mut gateway.origin, &there.origin));
    }
    for gateway in model.vpn_gateways.values_mut() {
        let vpc = gateway.vpc_id.as_ref().and_then(|vpc| refresh.there(|names| &names.vpcs, vpc));
        let there = vpc.and_then(|vpc| target.model.vpn_gateway_of(vpc));
        there.iter().for_each(|there| refresh.set(&mut gateway.origin, &there.origin));
    }
    for group in model.security_groups.values_mut() {
        let Some(there) =
            refresh.there(|names| &names.security_groups, &group.id).and_then(|id| target.model.security_groups.get(id))
        else {
            continue;
        };
        refresh.set(&mut group.origin, &there.origin);
        for (rules, wanted) in [(&mut group.ingress, &there.ingress), (&mut group.egress, &there.egress)] {
            let wanted: BTreeMap<_, _> =
                wanted.iter().map(|rule| ((rule.traffic, refresh.peer(&target.names, &rule.peer)), &rule.origin)).collect();
            for rule in rules {
                let key = (rule.traffic, refresh.peer(&names, &rule.peer));
                wanted.get(&key).iter().for_each(|origin| refresh.set(&mut rule.origin, origin));
            }
        }
    }
    for acl in model.network_acls.values_mut() {
        let Some(there) = refresh.there(|names| &names.network_acls, &acl.id).and_then(|id| target.model.network_acls.get(id))
        else {
            continue;
        };
        refresh.set(&mut acl.origin, &there.origin);
        for (entries, wanted) in [(&mut acl.ingress, &there.ingress), (&mut acl.egress, &there.egress)] {
            for entry in entries {
                let there = wanted.iter().find(|there| there.rule_number == entry.rule_number);
                there.iter().for_each(|there| refresh.set(&mut entry.origin, &there.origin));
            }
        }
    }
    for table in model.route_tables.values_mut() {
        let Some(there) = refresh.there(|names| &names.route_tables, &table.id).and_then(|id| target.model.route_tables.get(id))
        else {
            continue;
        };
        refresh.set(&mut table.origin, &there.origin);
        let destination = |names: &Names, destination: &Destination| match destination {
            Destination::PrefixList(id) => names.prefix_lists.name(id).unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        for route in &mut table.routes {
            let wanted = destination(&names, &route.destination);
            let is_same =
                |there: &&Route| is_propagated(there) == is_propagated(route) && destination(&target.names, &there.destination) == wanted;
            let there = there.routes.iter().find(is_same);
            there.iter().for_each(|there| refresh.set(&mut route.origin, &there.origin));
        }
    }
    if refresh.moved {
        model.generation += 1;
    }
}

struct Refresh<'a> {
    here: &'a Names,
    target: &'a Target,
    moved: bool,
}

impl Refresh<'_> {
    fn there<Id: Ord + Clone + Display>(&self, of: fn(&Names) -> &Index<Id>, here: &Id) -> Option<&Id> {
        of(self.here).name(here).and_then(|name| of(&self.target.names).id(name))
    }

    fn set(&mut self, origin: &mut Origin, there: &Origin) {
        if origin != there {
            origin.clone_from(there);
            self.moved = true;
        }
    }

    fn peer(&self, names: &Names, peer: &Peer) -> String {
        match peer {
            Peer::SecurityGroup(id) => format!("sg:{}", names.security_groups.name(id).unwrap_or(id.as_str())),
            Peer::PrefixList(id) => format!("pl:{}", names.prefix_lists.name(id).unwrap_or(id.as_str())),
            other => other.to_string(),
        }
    }
}
