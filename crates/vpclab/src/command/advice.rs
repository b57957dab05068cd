//! What to type next where no stage of the network is to blame: an instance is stopped, or its own system drops a packet.

use fabric::engine::Sender;
use fabric::{Component, Fabric, InterfaceKind};
use model::{InstanceState, NetworkInterfaceId};

/// Who is stopped, and how it starts; `None` for everybody who is not.
pub fn stopped(fabric: &Fabric, interface: &NetworkInterfaceId) -> Option<String> {
    let instance = fabric.interfaces[fabric.interface_by_id(interface)?].instance()?;
    let instance = &fabric.instances[instance];
    (instance.state == InstanceState::Stopped).then(|| format!("{0} is stopped: vpclab start {0}", instance.name))
}

/// The same of one who sends or is asked.
pub fn stopped_end(fabric: &Fabric, who: &Sender) -> Option<String> {
    match who {
        Sender::Interface(id) | Sender::Container(id) => stopped(fabric, id),
        Sender::Outside(_) => None,
    }
}

/// How to look into an instance whose own system dropped a packet; `None` where a stage of the network did.
pub fn own_system(fabric: &Fabric, at: Option<Component>) -> Option<String> {
    let Some(Component::Guest(index)) = at else { return None };
    let interface = &fabric.interfaces[index];
    let InterfaceKind::Instance { instance, device_index } = interface.kind else { return None };
    let (name, router) = (&fabric.instances[instance].name, fabric.subnets[interface.subnet].router);
    Some(format!(
        "the network is not to blame, but {name}'s own routes or filters: vpclab exec {name} -- ip route shows them; a lost one \
         comes back with `ip route add default via {router} dev eth{device_index} onlink`"
    ))
}
