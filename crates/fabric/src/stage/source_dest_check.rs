//! Source/dest check (ENI-5): an interface sends from its own addresses and receives for them, unless it is off.

use crate::fabric::Fabric;
use crate::index::InterfaceIndex;
use crate::packet::Header;
use crate::reason::{Component, Decision, Direction, ExplanationCode, Reason, Stage};

/// On the way out the source, on the way in the destination must be the interface's own.
pub fn decide(fabric: &Fabric, interface: InterfaceIndex, header: &Header, direction: Direction) -> Decision {
    let own = &fabric.interfaces[interface];
    let (address, role) = match direction {
        Direction::Egress => (header.source, "source"),
        Direction::Ingress => (header.destination, "destination"),
    };
    let at = Component::SourceDestCheck(interface);
    let reason = |text: String| Reason::new(Stage::SourceDestCheck, at, text).direction(direction);
    match (own.source_dest_check, own.holds(address)) {
        (false, _) => Decision::Pass(reason("the source/dest check is off".to_owned())),
        (true, true) => Decision::Pass(reason(format!("{role} {address} is the interface's own"))),
        (true, false) => Decision::Drop(
            reason(format!("{role} {address} is not the interface's own"))
                .code(ExplanationCode::EniSourceDestCheckRestriction),
        ),
    }
}
