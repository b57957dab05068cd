//! Gateway endpoint: TCP and ICMP echo from the endpoint's own VPC to the service (VPCE-3, VPCE-4).

use model::traffic::protocol::TCP;

use crate::fabric::Fabric;
use crate::index::VpcEndpointIndex;
use crate::packet::{Header, icmp};
use crate::reason::{Component, Decision, ExplanationCode, Reason, Stage};

/// Towards the service.
pub fn decide(fabric: &Fabric, endpoint: VpcEndpointIndex, header: &Header) -> Decision {
    let reason = |text: String| Reason::new(Stage::VpcEndpoint, Component::VpcEndpoint(endpoint), text);
    let is_echo = header.icmp().is_some_and(|(icmp_type, _)| icmp_type == icmp::ECHO_REQUEST);
    match () {
        () if !fabric.vpcs[fabric.vpc_endpoints[endpoint].vpc].contains(header.source) => Decision::Drop(
            reason(format!("{} is not in the endpoint's VPC", header.source))
                .code(ExplanationCode::VpceGatewayEgressSourceAddressRestriction),
        ),
        () if header.protocol() != TCP && !is_echo => Decision::Drop(
            reason("only TCP and ICMP echo pass".to_owned()).code(ExplanationCode::VpceGatewayProtocolRestriction),
        ),
        () => Decision::Pass(reason("the endpoint leads to the service".to_owned())),
    }
}
