//! Egress-only internet gateway: IPv6 flows that started inside, and nothing else (EIGW-1). Its memory of flows is the
//! caller's.

use crate::index::EgressOnlyInternetGatewayIndex;
use crate::packet::{Family, Header};
use crate::reason::{Component, Decision, Direction, Reason, Stage};

/// Out: IPv6. In: what answers a flow that started inside.
pub fn decide(
    gateway: EgressOnlyInternetGatewayIndex,
    header: &Header,
    direction: Direction,
    answers_a_flow: bool,
) -> Decision {
    let at = Component::EgressOnlyInternetGateway(gateway);
    let reason = |text: &str| Reason::new(Stage::EgressOnlyInternetGateway, at, text).direction(direction);
    match direction {
        _ if header.family() == Family::V4 => Decision::Drop(reason("it carries IPv6 only")),
        Direction::Egress => Decision::Pass(reason("flows may start inside")),
        Direction::Ingress if answers_a_flow => Decision::Pass(reason("it answers a flow that started inside")),
        Direction::Ingress => Decision::Drop(reason("flows may not start outside")),
    }
}
