//! Launching instances (INST-9, UD-1, ENI-4, ENI-8, PIP-1, PIP-3, SUB-5, SUB-6, VPC-13).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{InstanceProfile, MetadataOptionsRequest, check_user_data, find_type};
use crate::ebs::BlockDevice;
use crate::instance::{InstanceOptions, MetadataOptions};
use crate::instance_type::InstanceType;
use crate::network_interface::Attachment;
use crate::operation::network_interface::{
    AddressPlan, CreateNetworkInterface, PlannedInterface, check_address_limit, check_interface_limit,
    check_is_free, check_is_users_own, check_quota, check_zone, grant_public_address, make, plan,
};
use crate::operation::ebs::{LaunchDisk, plan_disks};
use crate::operation::image::available_image;
use crate::operation::spot::{self, SpotWish};
use crate::operation::tag;
use crate::*;

/// Seconds from launch or start to `running`.
pub(super) const PENDING_SECONDS: u64 = 3;
/// Seconds from `running` until the status checks of an instance pass.
pub(super) const CHECKING_SECONDS: u64 = 60;

/// Parameters of RunInstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInstances {
    /// Machine image; [`image::default_for`] chooses one.
    pub image_id: ImageId,
    /// Type.
    pub instance_type: String,
    /// As many or none.
    pub min_count: u32,
    /// As many as there is room for, up to this.
    pub max_count: u32,
    /// Key pair by name.
    pub key_name: Option<String>,
    /// The instance profile.
    pub iam_instance_profile: Option<InstanceProfile>,
    /// The subnet; without it (and without interfaces) a default subnet (VPC-13).
    pub subnet_id: Option<SubnetId>,
    /// The primary private address.
    pub private_ip_address: Option<Ipv4Addr>,
    /// IPv6 addresses of the primary interface.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// How many IPv6 addresses to choose for the primary interface.
    pub ipv6_address_count: Option<usize>,
    /// Security groups; none = the VPC's default group.
    pub security_group_ids: Vec<SecurityGroupId>,
    /// Security groups of the default VPC by name.
    pub security_groups: Vec<String>,
    /// Interfaces one by one, instead of subnet, address and groups above.
    pub network_interfaces: Vec<LaunchInterface>,
    /// Zone by name, for the choice of a default subnet.
    pub availability_zone: Option<String>,
    /// User data, decoded (UD-1).
    pub user_data: Option<Vec<u8>>,
    /// Metadata settings; what is not given comes from the image (IMDS-7).
    pub metadata_options: MetadataOptionsRequest,
    /// INST-4.
    pub disable_api_termination: bool,
    /// Whether StopInstances is refused.
    pub disable_api_stop: bool,
    /// Whether CPU credits are unlimited; `None` = as the family has it.
    pub unlimited_cpu_credits: Option<bool>,
    /// Detailed monitoring.
    pub monitoring: bool,
    /// INST-8.
    pub terminate_on_shutdown: bool,
    /// DNS-3.
    pub resource_name_dns: bool,
    /// Disks that differ from those of the image.
    pub block_devices: Vec<BlockDevice>,
    /// Settings that mean nothing for the network.
    pub options: InstanceOptions,
    /// The spot market, if it is to be that.
    pub spot: Option<SpotWish>,
    /// The template and its version that the parameters came of.
    pub launch_template: Option<(LaunchTemplateId, u64)>,
    /// Tags of the instances.
    pub tags: Tags,
    /// Tags of the interfaces made.
    pub network_interface_tags: Tags,
    /// Tags of the volumes made.
    pub volume_tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl RunInstances {
    /// One instance of the default type with nothing but defaults.
    pub fn of(image_id: ImageId) -> Self {
        Self {
            image_id,
            instance_type: instance_type::DEFAULT.to_owned(),
            min_count: 1,
            max_count: 1,
            key_name: None,
            iam_instance_profile: None,
            subnet_id: None,
            private_ip_address: None,
            ipv6_addresses: Vec::new(),
            ipv6_address_count: None,
            security_group_ids: Vec::new(),
            security_groups: Vec::new(),
            network_interfaces: Vec::new(),
            availability_zone: None,
            user_data: None,
            metadata_options: MetadataOptionsRequest::default(),
            disable_api_termination: false,
            disable_api_stop: false,
            unlimited_cpu_credits: None,
            monitoring: false,
            terminate_on_shutdown: false,
            resource_name_dns: false,
            block_devices: Vec::new(),
            options: InstanceOptions::default(),
            spot: None,
            launch_template: None,
            tags: Tags::new(),
            network_interface_tags: Tags::new(),
            volume_tags: Tags::new(),
            origin: Origin::default(),
        }
    }
}

/// One interface of a launch: an existing one, or one to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchInterface {
    /// Position; one must be 0 (ENI-3).
    pub device_index: u32,
    /// The existing interface; then nothing below but `delete_on_termination` may be given.
    pub network_interface_id: Option<NetworkInterfaceId>,
    /// The subnet of the new one; without it a default subnet.
    pub subnet_id: Option<SubnetId>,
    /// Free text.
    pub description: String,
    /// Security groups; none = the VPC's default group.
    pub groups: Vec<SecurityGroupId>,
    /// Private addresses, the primary one first.
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// How many secondary addresses to choose.
    pub secondary_private_ip_address_count: usize,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// How many IPv6 addresses to choose; `None` = as the subnet has it.
    pub ipv6_address_count: Option<usize>,
    /// Whether it goes with the instance; `None` = yes for a new one, no for an existing one (ENI-8).
    pub delete_on_termination: Option<bool>,
    /// Whether it gets an auto-assigned public address; `None` = as the subnet has it (SUB-6).
    pub associate_public_ip_address: Option<bool>,
}

/// Launches instances: as many as there are addresses for, at least `min_count`.
///
/// Errors: `InvalidParameterValue` (counts, type, architecture, user data, hop limit, addresses),
/// `InvalidAMIID.NotFound`, `InvalidKeyPair.NotFound`, `VPCIdNotSpecified` or `MissingInput` (no default subnet,
/// VPC-13), `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound` (INST-9), `InvalidParameterCombination`,
/// `InvalidNetworkInterface.InUse`, `InvalidIPAddress.InUse`, `InsufficientFreeAddressesInSubnet` (SUB-5),
/// `AttachmentLimitExceeded`, `PrivateIpAddressLimitExceeded` (ENI-4), `SecurityGroupsPerInterfaceLimitExceeded`,
/// `NetworkInterfaceLimitExceeded`, those of tags.
pub fn run_instances(model: &mut Model, request: RunInstances) -> Result<Vec<InstanceId>, ApiError> {
    let launch = Launch::check(model, &request)?;
    let interfaces = launch.plan(model, &request)?;

    let reservation_id: ReservationId = model.context.next_id();
    let now = model.context.now;
    let mut ids = Vec::with_capacity(interfaces.len());
    for (index, interfaces) in interfaces.into_iter().enumerate() {
        let id: InstanceId = model.context.next_id();
        let instance = Instance {
            id: id.clone(),
            reservation_id: reservation_id.clone(),
            ami_launch_index: index as u32,
            image_id: request.image_id.clone(),
            instance_type: request.instance_type.clone(),
            key_name: request.key_name.clone(),
            iam_instance_profile: request.iam_instance_profile.clone().map(|profile| profile.associate(&mut model.context)),
            state: InstanceState::Pending,
            settles_at: now.plus(PENDING_SECONDS),
            checks_pass_at: now.plus(PENDING_SECONDS + CHECKING_SECONDS),
            launch_time: now,
            reboots: 0,
            state_transition_reason: String::new(),
            availability_zone: launch.zone.clone(),
            user_data: request.user_data.clone(),
            metadata_options: launch.metadata_options.clone(),
            disable_api_termination: request.disable_api_termination,
            disable_api_stop: request.disable_api_stop,
            unlimited_cpu_credits: launch.unlimited_cpu_credits,
            monitoring: request.monitoring,
            terminate_on_shutdown: request.terminate_on_shutdown,
            resource_name_dns: request.resource_name_dns,
            root_device_name: launch.root_device_name.clone(),
            options: request.options.clone(),
            tags: launch.tags.clone(),
            origin: request.origin.clone(),
        };
        model.instances.insert(id.clone(), instance);
        for disk in &launch.disks {
            disk.make(model, &id, &request.volume_tags, &request.origin);
        }
        if let Some(wish) = &request.spot {
            let spot = spot::fulfil(model, wish, &id);
            model.instance_mut(&id)?.options.spot_instance_request_id = Some(spot);
        }
        for interface in interfaces {
            interface.attach(model, &id);
        }
        let primary = model.interfaces_of(&id).first().map(|eni| eni.id.clone());
        if let Some(primary) = primary {
            grant_public_address(model, &primary);
        }
        ids.push(id);
    }
    model.generation += 1;
    Ok(ids)
}

/// A checked launch.
struct Launch {
    instance_type: InstanceType,
    unlimited_cpu_credits: bool,
    metadata_options: MetadataOptions,
    interfaces: Vec<LaunchInterface>,
    zone: String,
    root_device_name: String,
    disks: Vec<LaunchDisk>,
    tags: Tags,
}

/// An interface of one instance to be.
struct LaunchedInterface {
    device_index: u32,
    delete_on_termination: bool,
    source: Source,
}

enum Source {
    Existing(NetworkInterfaceId),
    New { planned: Box<PlannedInterface>, associate_public_ip_address: bool },
}

impl LaunchedInterface {
    fn attach(self, model: &mut Model, instance_id: &InstanceId) {
        let (id, associate) = match self.source {
            Source::Existing(id) => (id, None),
            Source::New { planned, associate_public_ip_address } => {
                (make(model, *planned), Some(associate_public_ip_address))
            }
        };
        let attachment = Attachment {
            id: model.context.next_id(),
            instance_id: instance_id.clone(),
            device_index: self.device_index,
            delete_on_termination: self.delete_on_termination,
            attach_time: model.context.now,
        };
        if let Some(interface) = model.network_interfaces.get_mut(&id) {
            interface.attachment = Some(attachment);
            interface.associate_public_ip_address = associate.unwrap_or(interface.associate_public_ip_address);
        }
    }
}

impl Launch {
    fn check(model: &Model, request: &RunInstances) -> Result<Self, ApiError> {
        if request.min_count == 0 || request.min_count > request.max_count {
            let message = format!(
                "Value ({}) for parameter MinCount is invalid. Expecting a value between 1 and MaxCount ({}).",
                request.min_count, request.max_count
            );
            return Err(invalid(message));
        }
        let image = available_image(model, &request.image_id)?;
        let instance_type = find_type(&request.instance_type)?;
        check_architecture(&image, &instance_type)?;
        if let Some(name) = &request.key_name
            && !model.key_pairs.contains_key(name)
        {
            let message = format!("The key pair '{name}' does not exist");
            return Err(ApiError::new(ErrorCode::InvalidKeyPairNotFound, message));
        }
        check_user_data(request.user_data.as_deref().unwrap_or_default())?;
        tag::check(&request.tags)?;
        tag::check(&request.network_interface_tags)?;
        tag::check(&request.volume_tags)?;
        tag::check(request.spot.as_ref().map_or(&Tags::new(), |wish| &wish.tags))?;
        check_cpu(&instance_type, request.options.cpu)?;
        // IMDS-7: an image that asks for version 2 also allows the token one hop more.
        let of_image = MetadataOptions {
            http_tokens_required: image.requires_imds_v2,
            http_put_response_hop_limit: if image.requires_imds_v2 { 2 } else { 1 },
            ..MetadataOptions::default()
        };
        let metadata_options = request.metadata_options.apply_to(&of_image)?;
        let interfaces = interfaces_of(model, request)?;
        let zone = check_interfaces(model, request, &instance_type, &interfaces)?;
        let unlimited_cpu_credits = match request.unlimited_cpu_credits {
            Some(_) if !instance_type.burstable => return Err(not_burstable(&request.instance_type)),
            Some(wanted) => wanted,
            None => instance_type.is_unlimited_by_default(),
        };
        let disks = plan_disks(model, &image, &request.block_devices, &instance_type, interfaces.len())?;
        let root_device_name = image.root_device_name.into_owned();
        let tags = tags_of_launch(request);
        Ok(Self { instance_type, unlimited_cpu_credits, metadata_options, interfaces, zone, root_device_name, disks, tags })
    }

    /// Chooses the interfaces of every instance, as many instances as there is room for.
    fn plan(&self, model: &Model, request: &RunInstances) -> Result<Vec<Vec<LaunchedInterface>>, ApiError> {
        let fresh = self.interfaces.iter().filter(|i| i.network_interface_id.is_none()).count();
        check_quota(model, fresh.saturating_mul(request.min_count as usize))?;
        let room = model.quotas.interfaces_per_region.saturating_sub(model.network_interfaces.len());
        let most = room.checked_div(fresh).unwrap_or(usize::MAX);
        let mut taken = AddressPlan::default();
        let mut instances = Vec::new();
        while instances.len() < most.min(request.max_count as usize) {
            match self.plan_one(model, &mut taken, request) {
                Ok(interfaces) => instances.push(interfaces),
                Err(error)
                    if error.code == ErrorCode::InsufficientFreeAddressesInSubnet
                        && instances.len() >= request.min_count as usize =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(instances)
    }

    fn plan_one(
        &self,
        model: &Model,
        taken: &mut AddressPlan,
        request: &RunInstances,
    ) -> Result<Vec<LaunchedInterface>, ApiError> {
        let mut planned = Vec::with_capacity(self.interfaces.len());
        for interface in &self.interfaces {
            let source = match (&interface.network_interface_id, &interface.subnet_id) {
                (Some(id), _) => Source::Existing(id.clone()),
                (None, Some(subnet)) => self.plan_new(model, taken, request, interface, subnet)?,
                (None, None) => return Err(no_default_subnet(None)),
            };
            let is_new = matches!(source, Source::New { .. });
            planned.push(LaunchedInterface {
                device_index: interface.device_index,
                delete_on_termination: interface.delete_on_termination.unwrap_or(is_new),
                source,
            });
        }
        Ok(planned)
    }

    fn plan_new(
        &self,
        model: &Model,
        taken: &mut AddressPlan,
        request: &RunInstances,
        interface: &LaunchInterface,
        subnet: &SubnetId,
    ) -> Result<Source, ApiError> {
        let wanted = CreateNetworkInterface {
            subnet_id: subnet.clone(),
            description: interface.description.clone(),
            groups: interface.groups.clone(),
            private_ip_addresses: interface.private_ip_addresses.clone(),
            secondary_private_ip_address_count: interface.secondary_private_ip_address_count,
            ipv6_addresses: interface.ipv6_addresses.clone(),
            ipv6_address_count: interface.ipv6_address_count,
            tags: request.network_interface_tags.clone(),
            origin: request.origin.clone(),
        };
        let named = interface.private_ip_addresses.len().max(1);
        check_address_limit(&self.instance_type, named + interface.secondary_private_ip_address_count)?;
        let ipv6 = interface.ipv6_addresses.len().max(interface.ipv6_address_count.unwrap_or_default());
        check_address_limit(&self.instance_type, ipv6)?;
        let associate = match (interface.device_index, interface.associate_public_ip_address) {
            (0, Some(associate)) => associate,
            (0, None) => model.subnet(subnet)?.map_public_ip_on_launch,
            _ => false,
        };
        Ok(Source::New { planned: Box::new(plan(model, taken, wanted)?), associate_public_ip_address: associate })
    }
}

/// The interfaces a request means: those it lists, or one from what it says of the instance.
fn interfaces_of(model: &Model, request: &RunInstances) -> Result<Vec<LaunchInterface>, ApiError> {
    let listed = !request.network_interfaces.is_empty();
    let of_instance = [
        ("subnet ID", request.subnet_id.is_some()),
        ("security groups", !request.security_group_ids.is_empty() || !request.security_groups.is_empty()),
        ("private address", request.private_ip_address.is_some()),
        ("IPv6 addresses", !request.ipv6_addresses.is_empty() || request.ipv6_address_count.is_some()),
    ];
    if let Some((what, _)) = of_instance.iter().find(|(_, given)| listed && *given) {
        return Err(combination(format!(
            "Network interfaces and an instance-level {what} may not be specified on the same request"
        )));
    }
    if request.subnet_id.is_some() && !request.security_groups.is_empty() {
        return Err(combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    let mut interfaces = match listed {
        true => request.network_interfaces.clone(),
        false => vec![LaunchInterface {
            subnet_id: request.subnet_id.clone(),
            groups: request.security_group_ids.clone(),
            private_ip_addresses: request.private_ip_address.into_iter().collect(),
            ipv6_addresses: request.ipv6_addresses.clone(),
            ipv6_address_count: request.ipv6_address_count,
            ..LaunchInterface::default()
        }],
    };
    for interface in interfaces.iter_mut().filter(|i| i.network_interface_id.is_none() && i.subnet_id.is_none()) {
        let subnet = default_subnet(model, request.availability_zone.as_deref())?;
        for name in &request.security_groups {
            let named = model.security_groups.values().find(|g| g.vpc_id == subnet.vpc_id && g.group_name == *name);
            let group = named.ok_or_else(|| {
                let message = format!("The security group '{name}' does not exist in default VPC '{}'", subnet.vpc_id);
                ApiError::new(ErrorCode::InvalidGroupNotFound, message)
            })?;
            interface.groups.push(group.id.clone());
        }
        interface.subnet_id = Some(subnet.id.clone());
    }
    Ok(interfaces)
}

/// VPC-13: a default subnet of the default VPC, in the wanted zone if any.
fn default_subnet<'m>(model: &'m Model, zone: Option<&str>) -> Result<&'m Subnet, ApiError> {
    let vpc = model.vpcs.values().find(|vpc| vpc.is_default).ok_or_else(|| no_default_subnet(None))?;
    let mut subnets: Vec<_> = model.subnets.values().filter(|s| s.vpc_id == vpc.id && s.default_for_az).collect();
    subnets.sort_by(|a, b| a.availability_zone.cmp(&b.availability_zone));
    let fits = |subnet: &&Subnet| zone.is_none_or(|zone| zone == subnet.availability_zone);
    subnets.into_iter().find(fits).ok_or_else(|| no_default_subnet(Some(&vpc.id)))
}

fn no_default_subnet(vpc: Option<&VpcId>) -> ApiError {
    match vpc {
        None => ApiError::new(ErrorCode::VpcIdNotSpecified, "No default VPC for this user")
            .with_hint("name a subnet, or create a default VPC"),
        Some(vpc) => {
            let message = format!("No subnets found for the default VPC '{vpc}'. Please specify a subnet.");
            ApiError::new(ErrorCode::MissingInput, message)
        }
    }
}

/// What interfaces must have in common and may not have. Returns the zone of all.
fn check_interfaces(
    model: &Model,
    request: &RunInstances,
    instance_type: &InstanceType,
    interfaces: &[LaunchInterface],
) -> Result<String, ApiError> {
    check_interface_limit(instance_type, interfaces.len())?;
    let indexes: BTreeSet<_> = interfaces.iter().map(|i| i.device_index).collect();
    if !indexes.contains(&0) || indexes.len() != interfaces.len() {
        return Err(invalid("Each network interface requires a device index of its own, and one of them must be 0."));
    }
    let has_names = |i: &LaunchInterface| {
        !i.private_ip_addresses.is_empty() || !i.ipv6_addresses.is_empty() || i.network_interface_id.is_some()
    };
    if request.max_count > 1 && interfaces.iter().any(has_names) {
        return Err(combination(
            "You may not specify an address or an interface ID when launching more than one instance",
        ));
    }
    let asks_for_public = |i: &LaunchInterface| i.associate_public_ip_address == Some(true);
    if interfaces.len() > 1 && interfaces.iter().any(asks_for_public) {
        return Err(combination(
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
        ));
    }
    let mut place: Option<(&VpcId, &str)> = None;
    for interface in interfaces {
        let subnet = match (&interface.network_interface_id, &interface.subnet_id) {
            (Some(id), _) => check_existing(model, instance_type, interface, id)?,
            (None, Some(id)) => model.subnet(id)?,
            (None, None) => return Err(no_default_subnet(None)),
        };
        let here = (&subnet.vpc_id, subnet.availability_zone.as_str());
        if *place.get_or_insert(here) != here {
            return Err(combination("Network interfaces must all be in the same availability zone and VPC"));
        }
    }
    let zone = place.map(|(_, zone)| zone).unwrap_or_default();
    match &request.availability_zone {
        Some(wanted) if wanted != zone => Err(invalid(format!(
            "The availability zone {wanted} does not match the subnet's availability zone {zone}"
        ))),
        _ => Ok(zone.to_owned()),
    }
}

/// An existing interface must be free and come alone. Returns its subnet.
fn check_existing<'m>(
    model: &'m Model,
    instance_type: &InstanceType,
    asked: &LaunchInterface,
    id: &NetworkInterfaceId,
) -> Result<&'m Subnet, ApiError> {
    let LaunchInterface { device_index, delete_on_termination, .. } = *asked;
    let alone = LaunchInterface {
        device_index,
        delete_on_termination,
        network_interface_id: Some(id.clone()),
        ..LaunchInterface::default()
    };
    if *asked != alone {
        return Err(combination(
            "A network interface may not specify both a network interface ID and a subnet, groups or addresses",
        ));
    }
    let interface = model.network_interface(id)?;
    check_is_users_own(interface)?;
    check_is_free(interface)?;
    let subnet = model.subnet(&interface.subnet_id)?;
    check_zone(model, interface, &subnet.availability_zone)?;
    check_address_limit(instance_type, interface.private_ip_addresses.len().max(interface.ipv6_addresses.len()))?;
    Ok(subnet)
}

/// CPU credits are a matter of burstable types.
pub(super) fn not_burstable(name: &str) -> ApiError {
    invalid(format!("CreditSpecification is not supported for the instance type {name}, which is not burstable."))
}

/// Tags of the instances; those that a template leaves are AWS's own (`aws:`), which nobody else can set.
fn tags_of_launch(request: &RunInstances) -> Tags {
    let mut tags = request.tags.clone();
    if let Some((id, version)) = &request.launch_template {
        tags.insert("aws:ec2launchtemplate:id".to_owned(), id.to_string());
        tags.insert("aws:ec2launchtemplate:version".to_owned(), version.to_string());
    }
    tags
}

/// Fewer cores than the type has, or one thread a core. Errors: `InvalidParameterValue`.
pub fn check_cpu_options(instance_type: &str, cpu: (u32, u32)) -> Result<(), ApiError> {
    check_cpu(&find_type(instance_type)?, Some(cpu))
}

fn check_cpu(instance_type: &InstanceType, cpu: Option<(u32, u32)>) -> Result<(), ApiError> {
    let Some((cores, threads)) = cpu else { return Ok(()) };
    let most = (instance_type.vcpus / instance_type.threads_per_core()).max(1);
    if !(1..=most).contains(&cores) || !(1..=instance_type.threads_per_core()).contains(&threads) {
        let message = format!(
            "The CpuOptions of {cores} cores with {threads} threads each are not supported by the instance type {}: 1 to {most} cores, 1 to {} threads.",
            instance_type.name(),
            instance_type.threads_per_core()
        );
        return Err(invalid(message));
    }
    Ok(())
}

fn check_architecture(image: &Image, instance_type: &InstanceType) -> Result<(), ApiError> {
    match image.architecture == instance_type.architecture {
        true => Ok(()),
        false => Err(invalid(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified \
             AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            instance_type.architecture.as_str(),
            image.architecture.as_str()
        ))),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}

fn combination(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterCombination, message)
}
