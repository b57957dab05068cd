//! What instances are taken to listen on where nobody says it: EC2 knows nothing of it, and user data may start anything.
//! Who can look at the instance knows better than this.

use std::collections::{BTreeMap, BTreeSet};

use model::guest::Listener;
use model::{Instance, InstanceId, Model, NetworkInterface, TrafficMatch};

/// Listeners that one instance is taken to have at most.
const MAX_LISTENERS: usize = 16;

/// Who could have said what listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// A lab file, with `listen:`. What an API call made beside it is told apart by its origin.
    LabFile,
    /// Nobody: what AWS's or Terraform's output says ends at the instance.
    Nobody,
}

/// Instances of which nobody said what listens. A lab file says it by `listen:`, and that nothing does by writing neither that
/// nor anything that could start a program (`run:`, user data).
pub fn unsaid(model: &Model, teller: Teller) -> Vec<InstanceId> {
    let is_unsaid = |instance: &&Instance| {
        let guest = model.guests.get(&instance.id);
        if guest.is_some_and(|guest| !guest.listen.is_empty()) || !model.published_ports(&instance.id).is_empty() {
            return false;
        }
        let starts_something = instance.user_data.is_some() || guest.is_some_and(|guest| !guest.run.is_empty());
        teller == Teller::Nobody || !instance.origin.is_known() || starts_something
    };
    model.instances.values().filter(is_unsaid).map(|instance| instance.id.clone()).collect()
}

/// Takes instances to listen where their security groups let somebody in by a rule for a single port: ranges are for replies
/// and clusters.
pub fn assume(model: &mut Model, instances: &[InstanceId]) {
    // Sorted out once: asking the model for each instance goes through all interfaces every time.
    let mut interfaces_of: BTreeMap<&InstanceId, Vec<&NetworkInterface>> = BTreeMap::new();
    for interface in model.network_interfaces.values() {
        if let Some(instance) = interface.instance_id() {
            interfaces_of.entry(instance).or_default().push(interface);
        }
    }
    let found: Vec<_> = instances.iter().filter_map(|id| Some((id, listeners(model, interfaces_of.get(id)?)))).collect();
    let found: Vec<_> = found.into_iter().filter(|(_, listen)| !listen.is_empty()).collect();
    for (id, listen) in found {
        let mut guest = model.guests.get(id).cloned().unwrap_or_default();
        guest.listen = listen;
        model.guests.insert(id.clone(), guest);
    }
}

fn listeners(model: &Model, interfaces: &[&NetworkInterface]) -> Vec<Listener> {
    let groups: BTreeSet<_> = interfaces.iter().flat_map(|eni| &eni.groups).collect();
    let rules = groups.iter().filter_map(|id| model.security_groups.get(*id)).flat_map(|group| &group.ingress);
    let listen: BTreeSet<Listener> = rules.filter_map(|rule| listener(rule.traffic)).collect();
    listen.into_iter().take(MAX_LISTENERS).collect()
}

fn listener(traffic: TrafficMatch) -> Option<Listener> {
    match traffic {
        TrafficMatch::Tcp(ports) if ports.from == ports.to && ports.from > 0 => Some(Listener::Tcp(ports.from)),
        TrafficMatch::Udp(ports) if ports.from == ports.to && ports.from > 0 => Some(Listener::Udp(ports.from)),
        _ => None,
    }
}
