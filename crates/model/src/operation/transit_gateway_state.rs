//! What time does to transit gateways, their attachments and tables: they are made in a while, and are shown for an hour after they
//! were deleted.

use std::fmt::Display;

use crate::transit_gateway::{TransitGatewayState, TransitGatewayState::*};
use crate::*;

/// Seconds until a gateway is made, or deleted.
pub(super) const GATEWAY: u64 = 30;
/// Seconds until an attachment is made, or deleted.
pub(super) const ATTACHMENT: u64 = 20;
/// Seconds until a route table is made, or deleted.
pub(super) const ROUTE_TABLE: u64 = 5;
/// Seconds that what is deleted stays visible.
const VISIBLE_FOR: u64 = 3_600;

/// Being made from now on.
pub(super) fn pending(model: &Model, seconds: u64) -> TransitGatewayState {
    Pending(model.context.now.plus(seconds))
}

/// Errors: `IncorrectState` unless it is available.
pub(super) fn check(id: impl Display, state: TransitGatewayState) -> Result<(), ApiError> {
    match state.is_available() {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::IncorrectState, format!("{id} is in invalid state"))),
    }
}

/// A gateway goes, and its tables with it.
pub(super) fn forget_gateway(model: &mut Model, id: &TransitGatewayId) {
    let of_gateway = |table: &&TransitGatewayRouteTable| table.transit_gateway_id == *id;
    let tables: Vec<_> = model.transit_gateway_route_tables.values().filter(of_gateway).map(|table| table.id.clone()).collect();
    tables.iter().for_each(|table| forget_route_table(model, table));
    if let Some(gateway) = model.transit_gateways.remove(id) {
        let state = Gone(model.context.now.plus(GATEWAY));
        model.gone_transit.gateways.insert(id.clone(), TransitGateway { state, ..gateway });
    }
}

/// An attachment goes.
pub(super) fn forget_attachment(model: &mut Model, id: &TransitGatewayAttachmentId) {
    if let Some(attachment) = model.transit_gateway_attachments.remove(id) {
        let state = Gone(model.context.now.plus(ATTACHMENT));
        model.gone_transit.attachments.insert(id.clone(), TransitGatewayAttachment { state, ..attachment });
    }
}

/// A table goes.
pub(super) fn forget_route_table(model: &mut Model, id: &TransitGatewayRouteTableId) {
    if let Some(table) = model.transit_gateway_route_tables.remove(id) {
        let state = Gone(model.context.now.plus(ROUTE_TABLE));
        model.gone_transit.route_tables.insert(id.clone(), TransitGatewayRouteTable { state, ..table });
    }
}

/// Ends every transition that is due, and forgets what was deleted an hour ago. Says whether the model changed.
pub(crate) fn settle_transit(model: &mut Model, now: Timestamp) -> bool {
    let is_made = |state: TransitGatewayState| matches!(state, Pending(at) if at <= now);
    let is_over = |state: TransitGatewayState| matches!(state, Gone(at) if at.plus(VISIBLE_FOR) <= now);
    let mut changed = false;
    // A table that is taken to be changed is copied.
    macro_rules! settle {
        ($($table:expr, $gone:expr;)*) => {$(
            if $table.values().any(|row| is_made(row.state)) {
                $table.values_mut().filter(|row| is_made(row.state)).for_each(|row| row.state = Available);
                changed = true;
            }
            if $gone.values().any(|row| is_over(row.state)) {
                $gone.retain(|_, row| !is_over(row.state));
                changed = true;
            }
        )*};
    }
    settle! {
        model.transit_gateways, model.gone_transit.gateways;
        model.transit_gateway_attachments, model.gone_transit.attachments;
        model.transit_gateway_route_tables, model.gone_transit.route_tables;
    }
    changed
}

/// When the next one is made. What is deleted carries nothing already.
pub(crate) fn next_transit_transition(model: &Model) -> Option<Timestamp> {
    let gateways = model.transit_gateways.values().map(|row| row.state);
    let attachments = model.transit_gateway_attachments.values().map(|row| row.state);
    let tables = model.transit_gateway_route_tables.values().map(|row| row.state);
    let made_at = |state| match state {
        Pending(at) => Some(at),
        Available | Gone(_) => None,
    };
    gateways.chain(attachments).chain(tables).filter_map(made_at).min()
}

#[cfg(test)]
mod tests {
    use super::super::{CreateTransitGateway, create_transit_gateway, create_transit_gateway_route_table, delete_transit_gateway};
    use super::*;

    #[test]
    fn a_gateway_is_made_in_a_while_and_is_seen_for_an_hour_after_it_was_deleted() {
        let mut model = Model::new("000000000000", Region::default(), Context::seeded(1, Timestamp(0)));
        let id = create_transit_gateway(&mut model, CreateTransitGateway::default()).unwrap();
        let word = |model: &Model| {
            let gateway = model.transit_gateways.get(&id).or_else(|| model.gone_transit.gateways.get(&id));
            gateway.map(|gateway| gateway.state.as_str(model.context.now))
        };
        assert_eq!(word(&model), Some("pending"));
        assert_eq!(model.next_transition(), Some(Timestamp(ROUTE_TABLE)));
        for refused in [
            delete_transit_gateway(&mut model, &id).unwrap_err(),
            create_transit_gateway_route_table(&mut model, &id, Tags::new(), Origin::default()).unwrap_err(),
        ] {
            assert_eq!(refused.code, ErrorCode::IncorrectState);
        }
        model.advance_to(Timestamp(GATEWAY));
        assert_eq!((word(&model), model.next_transition()), (Some("available"), None));
        delete_transit_gateway(&mut model, &id).unwrap();
        assert_eq!(word(&model), Some("deleting"));
        assert_eq!(delete_transit_gateway(&mut model, &id).unwrap_err().code, ErrorCode::InvalidTransitGatewayIdNotFound);
        model.advance_to(Timestamp(2 * GATEWAY));
        assert_eq!(word(&model), Some("deleted"));
        model.advance_to(Timestamp(2 * GATEWAY + VISIBLE_FOR));
        assert_eq!(word(&model), None);
        assert!(model.gone_transit.route_tables.is_empty());
    }
}
