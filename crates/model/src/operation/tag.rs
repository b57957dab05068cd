//! Tags on anything that has an id, and the rules that every tag obeys.

use crate::*;

/// Tags a resource may carry, those of AWS itself not counted.
const TAGS_PER_RESOURCE: usize = 50;

/// Sets tags on resources; a key that is there gets the new value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// What to set.
    pub tags: Tags,
}

/// Takes tags off resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteTags {
    /// Ids of any kind.
    pub resources: Vec<String>,
    /// Keys, each with the value it must have to be taken off, or any. Empty = all tags.
    pub tags: Vec<(String, Option<String>)>,
}

/// Errors: `…NotFound` of the kind of id, `InvalidID` for an id of no kind with tags, `InvalidParameterValue` for
/// a key or value that no tag may have, `TagLimitExceeded`.
pub fn create_tags(model: &mut Model, request: CreateTags) -> Result<(), ApiError> {
    check_given(&request.resources, "resourceIdSet")?;
    if request.tags.is_empty() {
        return Err(ApiError::new(ErrorCode::MissingParameter, "The request must contain the parameter tagSet"));
    }
    check(&request.tags)?;
    for id in &request.resources {
        let mut tags = tags_of(model, id)?.clone();
        tags.extend(request.tags.clone());
        check_count(&tags)?;
    }
    for id in &request.resources {
        tags_of(model, id)?.extend(request.tags.clone());
    }
    model.generation += 1;
    Ok(())
}

/// Errors: as [`create_tags`]. A key that a resource does not have is no error.
pub fn delete_tags(model: &mut Model, request: DeleteTags) -> Result<(), ApiError> {
    check_given(&request.resources, "resourceIdSet")?;
    for id in &request.resources {
        tags_of(model, id)?;
    }
    if request.tags.iter().any(|(key, _)| is_aws_own(key)) {
        let why = "Tag keys starting with 'aws:' are reserved for internal use";
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
    }
    let goes = |key: &str, value: &str| {
        !is_aws_own(key) && request.tags.is_empty()
            || request.tags.iter().any(|(k, v)| k == key && v.as_deref().is_none_or(|wanted| wanted == value))
    };
    for id in &request.resources {
        tags_of(model, id)?.retain(|key, value| !goes(key, value));
    }
    model.generation += 1;
    Ok(())
}

/// Whether tags given at creation are legal. Errors: `InvalidParameterValue`, `TagLimitExceeded`.
pub(crate) fn check(tags: &Tags) -> Result<(), ApiError> {
    for (key, value) in tags {
        let refuse = |why: &str| Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
        if key.is_empty() || key.chars().count() > 128 {
            return refuse("Tag keys must have 1 to 128 characters.");
        }
        if value.chars().count() > 256 {
            return refuse("Tag value exceeds the maximum length of 256 characters");
        }
        if is_aws_own(key) {
            return refuse("Tag keys starting with 'aws:' are reserved for internal use");
        }
    }
    check_count(tags)
}

/// Whether nobody but AWS sets such a tag or takes it off.
fn is_aws_own(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:")
}

fn check_count(tags: &Tags) -> Result<(), ApiError> {
    match tags.keys().filter(|key| !is_aws_own(key)).count() <= TAGS_PER_RESOURCE {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::TagLimitExceeded,
            "The maximum number of Tags for a resource has been reached.",
        )),
    }
}

fn check_given(resources: &[String], parameter: &str) -> Result<(), ApiError> {
    match resources.is_empty() {
        false => Ok(()),
        true => {
            let message = format!("The request must contain the parameter {parameter}");
            Err(ApiError::new(ErrorCode::MissingParameter, message))
        }
    }
}

/// The tags of whatever has this id. Ids are told apart by what stands before the last dash.
fn tags_of<'m>(model: &'m mut Model, id: &str) -> Result<&'m mut Tags, ApiError> {
    macro_rules! dispatch {
        ($($kind:ident => $finder:ident),* $(,)?) => {
            match id.rsplit_once('-').map(|(prefix, _)| prefix) {
                $(Some($kind::PREFIX) => match id.parse::<$kind>() {
                    Ok(id) => return model.$finder(&id).map(|resource| &mut resource.tags),
                    Err(malformed) => return Err(ApiError::new(ErrorCode::InvalidIdNotFound, malformed.to_string())),
                },)*
                prefix => prefix,
            }
        };
    }
    let prefix = dispatch! {
        VpcId => vpc_mut,
        SubnetId => subnet_mut,
        RouteTableId => route_table_mut,
        InternetGatewayId => internet_gateway_mut,
        EgressOnlyInternetGatewayId => egress_only_internet_gateway_mut,
        VpnGatewayId => vpn_gateway_mut,
        TransitGatewayId => transit_gateway_mut,
        TransitGatewayAttachmentId => transit_gateway_attachment_mut,
        TransitGatewayRouteTableId => transit_gateway_route_table_mut,
        NatGatewayId => nat_gateway_mut,
        AllocationId => address_mut,
        NetworkInterfaceId => network_interface_mut,
        SecurityGroupId => security_group_mut,
        NetworkAclId => network_acl_mut,
        InstanceId => instance_mut,
        VpcPeeringConnectionId => vpc_peering_connection_mut,
        VpcEndpointId => vpc_endpoint_mut,
        PrefixListId => prefix_list_mut,
        DhcpOptionsId => dhcp_options_set_mut,
        FlowLogId => flow_log_mut,
        VolumeId => ebs_volume_mut,
        SnapshotId => ebs_snapshot_mut,
        ImageId => own_image_mut,
        LaunchTemplateId => launch_template_mut,
        SubnetCidrReservationId => subnet_cidr_reservation_mut,
        SpotInstanceRequestId => spot_instance_request_mut,
    };
    let found = match prefix {
        Some(SecurityGroupRuleId::PREFIX) => {
            let groups = model.security_groups.values_mut();
            let mut rules = groups.flat_map(|group| group.ingress.iter_mut().chain(&mut group.egress));
            rules.find(|rule| rule.id.as_str() == id).map(|rule| &mut rule.tags)
        }
        Some(KeyPairId::PREFIX) => {
            model.key_pairs.values_mut().find(|pair| pair.id.as_str() == id).map(|pair| &mut pair.tags)
        }
        _ => None,
    };
    found.ok_or_else(|| ApiError::new(ErrorCode::InvalidIdNotFound, format!("The ID '{id}' is not valid")))
}
