//! What listens in the instances of a cloud, where nobody said it: the kernel is asked about a lab that is up, as `sockets` asks
//! it; of anything else it is taken from the security groups.

use std::sync::Arc;

use lab::assumed::{self, Teller};
use linux::naming::instance_namespace;
use linux::runtime::open_sockets;
use model::guest::Listener;
use model::{InstanceId, InstanceState, Model};
use netlink::sock_diag::{OpenSocket, Transport};

use super::running::Running;

/// The cloud of a lab that is up, with what its instances listen on now where nobody said it. It is for answers alone: what it
/// adds is no part of the lab.
pub fn as_it_runs(running: &Running) -> Arc<Model> {
    let unsaid = assumed::unsaid(&running.model, Teller::LabFile);
    if unsaid.is_empty() {
        return running.model.clone();
    }
    let mut model = Model::clone(&running.model);
    // A lab whose holder does not answer carries nothing; whoever sends hears of it.
    let Ok(holder) = running.holder() else { return running.model.clone() };
    let is_running = |id: &&InstanceId| running.model.instances.get(*id).is_some_and(|own| own.state == InstanceState::Running);
    for id in unsaid.iter().filter(is_running) {
        let Ok(open) = open_sockets::listening(&holder, &instance_namespace(id)) else { continue };
        let mut listen: Vec<Listener> = open.iter().filter_map(listener).collect();
        listen.sort_unstable();
        listen.dedup();
        if !listen.is_empty() {
            let mut guest = model.guests.get(id).cloned().unwrap_or_default();
            guest.listen = listen;
            model.guests.insert(id.clone(), guest);
        }
    }
    Arc::new(model)
}

/// Takes instances of a cloud that nobody carries to listen where nobody said it.
pub fn assume(model: &mut Model, teller: Teller) {
    let unsaid = assumed::unsaid(model, teller);
    assumed::assume(model, &unsaid);
}

/// What others than the instance itself reach of it.
fn listener(open: &OpenSocket) -> Option<Listener> {
    if open.local.ip().to_canonical().is_loopback() {
        return None;
    }
    Some(match open.transport {
        Transport::Tcp => Listener::Tcp(open.local.port()),
        Transport::Udp => Listener::Udp(open.local.port()),
    })
}
