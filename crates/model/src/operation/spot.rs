//! Requests for instances at the spot price.

use crate::spot::SpotState;
use crate::*;

/// What a launch says of the spot market.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpotWish {
    /// Whether an instance that ends is to be followed by another one.
    pub is_persistent: bool,
    /// The most that is paid, as it was given.
    pub max_price: Option<String>,
    /// What becomes of an instance that is taken back; `None` = `terminate`.
    pub interruption_behavior: Option<String>,
    /// Tags of the requests.
    pub tags: Tags,
}

/// Notes the request that an instance came of.
pub(crate) fn fulfil(model: &mut Model, wish: &SpotWish, instance_id: &InstanceId) -> SpotInstanceRequestId {
    let id: SpotInstanceRequestId = model.context.next_id();
    let request = SpotInstanceRequest {
        id: id.clone(),
        instance_id: instance_id.clone(),
        state: SpotState::Active,
        is_persistent: wish.is_persistent,
        max_price: wish.max_price.clone(),
        interruption_behavior: wish.interruption_behavior.clone().unwrap_or_else(|| "terminate".to_owned()),
        create_time: model.context.now,
        tags: wish.tags.clone(),
    };
    model.spot_instance_requests.insert(id.clone(), request);
    id
}

/// Cancels requests, all or none; their instances go on. Errors: `InvalidSpotInstanceRequestID.NotFound`.
pub fn cancel_spot_instance_requests(model: &mut Model, ids: &[SpotInstanceRequestId]) -> Result<(), ApiError> {
    for id in ids {
        model.spot_instance_request(id)?;
    }
    for id in ids {
        let request = model.spot_instance_request_mut(id)?;
        if request.state == SpotState::Active {
            request.state = SpotState::Cancelled;
        }
    }
    model.generation += 1;
    Ok(())
}
