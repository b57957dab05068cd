//! VPC peering: traffic crosses only between the blocks of the two VPCs (PCX-4). Nothing is translated (PCX-6).

use crate::fabric::Fabric;
use crate::index::{PeeringIndex, VpcIndex};
use crate::packet::Header;
use crate::reason::{Component, Decision, ExplanationCode, Reason, Stage};

/// From `from` into the VPC on the other side.
pub fn decide(fabric: &Fabric, peering: PeeringIndex, from: VpcIndex, to: VpcIndex, header: &Header) -> Decision {
    let reason = |text: String| Reason::new(Stage::Peering, Component::Peering(peering), text);
    let outside = |address| format!("{address} lies in no block of the VPC on its side: peering is not transitive");
    let wrong = match () {
        () if !fabric.vpcs[from].contains(header.source) => Some(header.source),
        () if !fabric.vpcs[to].contains(header.destination) => Some(header.destination),
        () => None,
    };
    match wrong {
        None => Decision::Pass(reason("both addresses lie in the peered VPCs".to_owned())),
        Some(address) => {
            Decision::Drop(reason(outside(address)).code(ExplanationCode::PcxRequiresAddressInVpcCidr))
        }
    }
}
