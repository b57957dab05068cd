//! ModifyTransitGateway, as far as a gateway can change here: what is attached to it and its tables stay.

use super::transit_gateway_state as state;
use crate::transit_gateway::TransitGatewaySettings;
use crate::*;

/// Changes what is shown of a gateway, and whether rules may name groups across it; when it was made stays.
///
/// Errors: `InvalidTransitGatewayID.NotFound`, `IncorrectState` (it is being made).
pub fn modify_transit_gateway(
    model: &mut Model,
    id: &TransitGatewayId,
    security_group_referencing: bool,
    settings: TransitGatewaySettings,
) -> Result<(), ApiError> {
    let gateway = model.transit_gateway(id)?;
    state::check(id, gateway.state)?;
    let create_time = gateway.settings.create_time;
    let gateway = model.transit_gateway_mut(id)?;
    gateway.security_group_referencing = security_group_referencing;
    gateway.settings = TransitGatewaySettings { create_time, ..settings };
    model.generation += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{CreateTransitGateway, create_transit_gateway};
    use super::*;

    #[test]
    fn a_gateway_that_changes_keeps_its_table_and_the_time_it_was_made() {
        let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp(7)));
        let id = create_transit_gateway(&mut model, CreateTransitGateway::default()).unwrap();
        let settings = TransitGatewaySettings { amazon_side_asn: 64_600, ..Default::default() };
        let refused = modify_transit_gateway(&mut model, &id, true, settings.clone()).unwrap_err();
        assert_eq!(refused.code, ErrorCode::IncorrectState, "it is being made");
        crate::settle::finish_all(&mut model, Timestamp(7));
        let before = model.transit_gateways[&id].clone();
        modify_transit_gateway(&mut model, &id, true, settings.clone()).unwrap();
        let after = model.transit_gateways[&id].clone();
        let settings = TransitGatewaySettings { create_time: before.settings.create_time, ..settings };
        assert_eq!(after, TransitGateway { security_group_referencing: true, settings, ..before });
    }
}
