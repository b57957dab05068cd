//! Finding what a request names, with AWS's words for what is not there.

use crate::*;

/// The VPC. Errors: `InvalidVpcID.NotFound`.
pub(crate) fn vpc<'m>(model: &'m Model, id: &VpcId) -> Result<&'m Vpc, ApiError> {
    model.vpcs.get(id).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidVpcIdNotFound, format!("The vpc ID '{id}' does not exist"))
    })
}

/// The subnet. Errors: `InvalidSubnetID.NotFound`.
pub(crate) fn subnet<'m>(model: &'m Model, id: &SubnetId) -> Result<&'m Subnet, ApiError> {
    model.subnets.get(id).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidSubnetIdNotFound, format!("The subnet ID '{id}' does not exist"))
    })
}

/// The security group. Errors: `InvalidGroup.NotFound`.
pub(crate) fn security_group<'m>(model: &'m Model, id: &SecurityGroupId) -> Result<&'m SecurityGroup, ApiError> {
    model.security_groups.get(id).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidGroupNotFound, format!("The security group '{id}' does not exist"))
    })
}

/// The network ACL. Errors: `InvalidNetworkAclID.NotFound`.
pub(crate) fn network_acl<'m>(model: &'m Model, id: &NetworkAclId) -> Result<&'m NetworkAcl, ApiError> {
    model.network_acls.get(id).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidNetworkAclIdNotFound, format!("The networkAcl ID '{id}' does not exist"))
    })
}

/// The interface. Errors: `InvalidNetworkInterfaceID.NotFound`.
pub(crate) fn network_interface<'m>(
    model: &'m Model,
    id: &NetworkInterfaceId,
) -> Result<&'m NetworkInterface, ApiError> {
    model.network_interfaces.get(id).ok_or_else(|| {
        let message = format!("The networkInterface ID '{id}' does not exist");
        ApiError::new(ErrorCode::InvalidNetworkInterfaceIdNotFound, message)
    })
}

/// The instance. Errors: `InvalidInstanceID.NotFound`.
pub(crate) fn instance<'m>(model: &'m Model, id: &InstanceId) -> Result<&'m Instance, ApiError> {
    model.instances.get(id).ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidInstanceIdNotFound, format!("The instance ID '{id}' does not exist"))
    })
}
