//! Whether anyone receives at an interface, or sends from it (INST-6, IGW-4).

use crate::fabric::{Fabric, InterfaceStatus};
use crate::index::InterfaceIndex;
use crate::reason::{Component, Decision, ExplanationCode, Reason, Stage};

/// Passes at an interface of something that runs.
pub fn decide(fabric: &Fabric, interface: InterfaceIndex) -> Decision {
    let reason = |text: String| Reason::new(Stage::InterfaceState, Component::Interface(interface), text);
    match fabric.interfaces[interface].status {
        InterfaceStatus::Running => Decision::Pass(reason("the interface is in use".to_owned())),
        InterfaceStatus::Stopped(state) => Decision::Drop(
            reason(format!("the instance is {}: nobody receives", state.as_str())).code(ExplanationCode::BadState),
        ),
        InterfaceStatus::Unattached => {
            Decision::Drop(reason("the interface is not attached: nobody receives".to_owned()).code(ExplanationCode::BadState))
        }
    }
}
