//! Keeping addresses of a subnet back from being chosen.

use ipnet::IpNet;

use crate::operation::tag;
use crate::subnet_cidr_reservation::ReservationType;
use crate::*;

/// Parameters of CreateSubnetCidrReservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSubnetCidrReservation {
    /// The subnet.
    pub subnet_id: SubnetId,
    /// The part of it.
    pub cidr: IpNet,
    /// What for.
    pub kind: ReservationType,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Keeps a part of a subnet back. Interfaces that have addresses in it keep them.
///
/// Errors: `InvalidSubnetID.NotFound`, `InvalidParameterValue` (outside of the subnet, or in another reservation), those of tags.
pub fn create_subnet_cidr_reservation(
    model: &mut Model,
    request: CreateSubnetCidrReservation,
) -> Result<SubnetCidrReservationId, ApiError> {
    tag::check(&request.tags)?;
    let subnet = model.subnet(&request.subnet_id)?;
    let cidr = request.cidr.trunc();
    let is_within = match cidr {
        IpNet::V4(block) => subnet.cidr_block.contains(&block),
        IpNet::V6(block) => subnet.ipv6_cidr_blocks.iter().any(|own| own.block.contains(&block)),
    };
    let refuse = |why: String| Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
    if !is_within {
        return refuse(format!("CIDR {cidr} is not contained in the CIDR of subnet {}.", subnet.id));
    }
    let others = model.subnet_cidr_reservations.values().filter(|known| known.subnet_id == subnet.id);
    let meets = |known: &&SubnetCidrReservation| known.cidr.contains(&cidr) || cidr.contains(&known.cidr);
    if let Some(known) = others.into_iter().find(meets) {
        return refuse(format!("CIDR {cidr} overlaps the reservation {} of {}.", known.id, known.cidr));
    }
    let id: SubnetCidrReservationId = model.context.next_id();
    let reservation = SubnetCidrReservation {
        id: id.clone(),
        subnet_id: request.subnet_id,
        cidr,
        kind: request.kind,
        description: request.description,
        tags: request.tags,
        origin: Origin::default(),
    };
    model.subnet_cidr_reservations.insert(id.clone(), reservation);
    model.generation += 1;
    Ok(id)
}

/// Gives the addresses back. Errors: `InvalidSubnetCidrReservationID.NotFound`. Returns what is gone.
pub fn delete_subnet_cidr_reservation(model: &mut Model, id: &SubnetCidrReservationId) -> Result<SubnetCidrReservation, ApiError> {
    let gone = model.subnet_cidr_reservation(id)?.clone();
    model.subnet_cidr_reservations.remove(id);
    model.generation += 1;
    Ok(gone)
}

/// The parts of a subnet that are kept back.
pub(crate) fn reserved_blocks(model: &Model, subnet: &SubnetId) -> Vec<IpNet> {
    model.subnet_cidr_reservations.values().filter(|known| known.subnet_id == *subnet).map(|known| known.cidr).collect()
}
