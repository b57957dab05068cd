//! Auto-assigned public addresses (PIP-1 … PIP-4, EIP-6). Who is to have one is decided with Elastic IP addresses.

use crate::operation::address::gets_public_address;
use crate::*;

/// Gives an interface an auto-assigned address, if it is to have one and has none.
pub(crate) fn grant_public_address(model: &mut Model, id: &NetworkInterfaceId) {
    if model.network_interfaces.get(id).is_some_and(|interface| gets_public_address(model, interface)) {
        let address = public_address::draw(model);
        if let Some(interface) = model.network_interfaces.get_mut(id) {
            (interface.auto_public_ip, interface.auto_public_ip_due) = (Some(address), None);
        }
    }
}

/// Brings the address that was due by now, a while after an Elastic IP address left (EIP-6). Says whether the model
/// changed.
pub(crate) fn settle_public_address(model: &mut Model, id: &NetworkInterfaceId) -> bool {
    let now = model.context.now;
    let Some(interface) = model.network_interfaces.get_mut(id) else { return false };
    if interface.auto_public_ip_due.is_none_or(|due| due > now) {
        return false;
    }
    interface.auto_public_ip_due = None;
    grant_public_address(model, id);
    true
}
