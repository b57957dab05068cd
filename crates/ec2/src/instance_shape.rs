//! What instances, images and instance types look like in answers, and their Describe calls.

use base64::Engine as _;
use model::image::{self, Image};
use model::instance_type::{self, InstanceType};
use model::{ApiError, ErrorCode, Instance, InstanceId, InstanceState, Model};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{Describe, FilterTable, Filters};
use crate::network_interface::{association, groups, private_address_shapes, private_name, public_name};
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("DescribeImages", describe_images),
    ("DescribeInstanceAttribute", describe_instance_attribute),
    ("DescribeInstanceCreditSpecifications", describe_instance_credit_specifications),
    ("DescribeInstanceStatus", describe_instance_status),
    ("DescribeInstanceTypeOfferings", describe_instance_type_offerings),
    ("DescribeInstanceTypes", describe_instance_types),
    ("DescribeInstances", describe_instances),
];

/// Instances grouped by the launch that they came from, in the order of their ids.
pub fn reservations(model: &Model, instances: Vec<&Instance>) -> Vec<Value> {
    let mut order = Vec::new();
    for instance in &instances {
        if !order.contains(&&instance.reservation_id) {
            order.push(&instance.reservation_id);
        }
    }
    let of = |id: &model::ReservationId| {
        let mut mine: Vec<_> = instances.iter().filter(|i| i.reservation_id == *id).collect();
        mine.sort_by_key(|instance| instance.ami_launch_index);
        json!({
            "ReservationId": text(id),
            "OwnerId": model.account_id,
            "Groups": [],
            "Instances": mine.into_iter().map(|instance| shape(model, instance)).collect::<Value>(),
        })
    };
    order.into_iter().map(of).collect()
}

/// Metadata options as the API shows them.
pub fn metadata_options(instance: &Instance) -> Value {
    let options = &instance.metadata_options;
    let word = |on: bool| if on { "enabled" } else { "disabled" };
    json!({
        "State": "applied",
        "HttpTokens": if options.http_tokens_required { "required" } else { "optional" },
        "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
        "HttpEndpoint": word(options.http_endpoint_enabled),
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": word(options.instance_metadata_tags),
    })
}

fn state(state: InstanceState) -> Value {
    json!({"Code": state.code(), "Name": state.as_str()})
}

fn shape(model: &Model, instance: &Instance) -> Value {
    let interfaces = model.interfaces_of(&instance.id);
    let primary = interfaces.first().copied();
    let public = primary.and_then(|eni| model.public_ip_of(eni, eni.primary_address()));
    let vpc = primary.and_then(|eni| model.vpcs.get(&eni.vpc_id));
    let named = vpc.is_some_and(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames);
    let kind = instance_type::find(&instance.instance_type);
    let cores = kind.map(|kind| {
        json!({"CoreCount": kind.vcpus / kind.threads_per_core(), "ThreadsPerCore": kind.threads_per_core()})
    });
    let image = image::find(&model.region, &instance.image_id);
    let reason = (!instance.state_transition_reason.is_empty()).then(|| {
        let code = "Client.UserInitiatedShutdown";
        json!({"Code": code, "Message": format!("{code}: User initiated shutdown")})
    });
    let mut shown = present(json!({
        "Architecture": kind.map(|kind| kind.architecture.as_str()),
        "CpuOptions": cores,
        "NetworkInterfaces": interfaces.iter().map(|eni| interface_shape(model, eni)).collect::<Value>(),
        "RootDeviceName": image.map(|image| image.root_device_name),
        "SecurityGroups": primary.map_or_else(|| json!([]), |eni| groups(model, eni)),
        "SourceDestCheck": primary.map(|eni| eni.source_dest_check),
        "StateReason": reason,
        "Tags": tags(&instance.tags),
        "MetadataOptions": metadata_options(instance),
        "UsageOperationUpdateTime": time(instance.launch_time),
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": instance.resource_name_dns,
            "EnableResourceNameDnsAAAARecord": false,
        },
        "InstanceId": text(&instance.id),
        "ImageId": text(&instance.image_id),
        "IamInstanceProfile": instance.iam_instance_profile.as_ref().map(crate::instance_profile::shape),
        "State": state(instance.state),
        "PrivateDnsName": primary.map_or_else(String::new, |eni| private_name(model, eni.primary_address())),
        "PublicDnsName": public.filter(|_| named).map_or_else(String::new, |address| public_name(model, address)),
        "StateTransitionReason": instance.state_transition_reason,
        "KeyName": instance.key_name,
        "AmiLaunchIndex": instance.ami_launch_index,
        "InstanceType": instance.instance_type,
        "LaunchTime": time(instance.launch_time),
        "Placement": {"AvailabilityZone": instance.availability_zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": if instance.monitoring { "enabled" } else { "disabled" }},
        "SubnetId": primary.map(|eni| text(&eni.subnet_id)),
        "VpcId": primary.map(|eni| text(&eni.vpc_id)),
        "PrivateIpAddress": primary.map(|eni| text(eni.primary_address())),
        "PublicIpAddress": public.map(text),
    }));
    if let (Some(fields), Value::Object(always)) = (shown.as_object_mut(), always_the_same()) {
        fields.extend(always);
    }
    shown
}

/// Fields that clients expect and that nothing here changes.
fn always_the_same() -> Value {
    json!({
        "BlockDeviceMappings": [],
        "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
        "ClientToken": "",
        "CurrentInstanceBootMode": "legacy-bios",
        "EbsOptimized": false,
        "EnaSupport": true,
        "EnclaveOptions": {"Enabled": false},
        "HibernationOptions": {"Configured": false},
        "Hypervisor": "xen",
        "MaintenanceOptions": {"AutoRecovery": "default"},
        "PlatformDetails": "Linux/UNIX",
        "ProductCodes": [],
        "RootDeviceType": "ebs",
        "UsageOperation": "RunInstances",
        "VirtualizationType": "hvm",
    })
}

fn interface_shape(model: &Model, interface: &model::NetworkInterface) -> Value {
    let attachment = interface.attachment.as_ref().map(|attachment| {
        json!({
            "AttachTime": time(attachment.attach_time),
            "AttachmentId": text(&attachment.id),
            "DeleteOnTermination": attachment.delete_on_termination,
            "DeviceIndex": attachment.device_index,
            "Status": "attached",
            "NetworkCardIndex": 0,
        })
    });
    present(json!({
        "Association": association(model, interface, interface.primary_address()),
        "Attachment": attachment,
        "Description": interface.description,
        "Groups": groups(model, interface),
        "Ipv6Addresses":
            interface.ipv6_addresses.iter().map(|a| json!({"Ipv6Address": text(a), "IsPrimaryIpv6": false})).collect::<Value>(),
        "MacAddress": text(interface.mac_address),
        "NetworkInterfaceId": text(&interface.id),
        "OwnerId": model.account_id,
        "PrivateDnsName": private_name(model, interface.primary_address()),
        "PrivateIpAddress": text(interface.primary_address()),
        "PrivateIpAddresses": private_address_shapes(model, interface),
        "SourceDestCheck": interface.source_dest_check,
        "Status": "in-use",
        "SubnetId": text(&interface.subnet_id),
        "VpcId": text(&interface.vpc_id),
        "InterfaceType": "interface",
    }))
}

const INSTANCE_FILTERS: FilterTable = &[
    ("architecture", &["Architecture"]),
    ("availability-zone", &["Placement.AvailabilityZone"]),
    ("dns-name", &["PublicDnsName"]),
    ("group-id", &["SecurityGroups.GroupId"]),
    ("group-name", &["SecurityGroups.GroupName"]),
    ("iam-instance-profile.arn", &["IamInstanceProfile.Arn"]),
    ("iam-instance-profile.id", &["IamInstanceProfile.Id"]),
    ("image-id", &["ImageId"]),
    ("instance-id", &["InstanceId"]),
    ("instance-state-code", &["State.Code"]),
    ("instance-state-name", &["State.Name"]),
    ("instance-type", &["InstanceType"]),
    ("instance.group-id", &["SecurityGroups.GroupId"]),
    ("instance.group-name", &["SecurityGroups.GroupName"]),
    ("ip-address", &["PublicIpAddress"]),
    ("key-name", &["KeyName"]),
    ("launch-index", &["AmiLaunchIndex"]),
    ("launch-time", &["LaunchTime"]),
    ("metadata-options.http-tokens", &["MetadataOptions.HttpTokens"]),
    ("monitoring-state", &["Monitoring.State"]),
    ("network-interface.addresses.private-ip-address", &["NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress"]),
    ("network-interface.group-id", &["NetworkInterfaces.Groups.GroupId"]),
    ("network-interface.network-interface-id", &["NetworkInterfaces.NetworkInterfaceId"]),
    ("network-interface.private-ip-address", &["NetworkInterfaces.PrivateIpAddress"]),
    ("network-interface.subnet-id", &["NetworkInterfaces.SubnetId"]),
    ("network-interface.vpc-id", &["NetworkInterfaces.VpcId"]),
    ("owner-id", &["NetworkInterfaces.OwnerId"]),
    ("private-dns-name", &["PrivateDnsName"]),
    ("private-ip-address", &["PrivateIpAddress"]),
    ("reservation-id", &["ReservationId"]),
    ("root-device-type", &["RootDeviceType"]),
    ("source-dest-check", &["SourceDestCheck"]),
    ("subnet-id", &["SubnetId"]),
    ("tenancy", &["Placement.Tenancy"]),
    ("vpc-id", &["VpcId"]),
];

fn describe_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (ids, filters): (Vec<InstanceId>, _) =
        read(arguments, |a| Ok((a.ids("InstanceIds")?, Filters::read(a, INSTANCE_FILTERS)?)))?;
    if let Some(absent) = ids.iter().find(|id| !model.instances.contains_key(id)) {
        return Err(InstanceId::not_found(absent.as_str()));
    }
    let keep = |instance: &&Instance| {
        let mut shown = shape(model, instance);
        shown["ReservationId"] = text(&instance.reservation_id);
        (ids.is_empty() || ids.contains(&instance.id)) && filters.keep(&shown)
    };
    let kept: Vec<&Instance> = model.instances.values().filter(keep).collect();
    Ok(json!({"Reservations": reservations(model, kept)}))
}

const STATUS: Describe = Describe {
    ids: "InstanceIds",
    id_path: "InstanceId",
    answer: "InstanceStatuses",
    filters: &[
        ("availability-zone", &["AvailabilityZone"]),
        ("instance-state-code", &["InstanceState.Code"]),
        ("instance-state-name", &["InstanceState.Name"]),
        ("instance-status.status", &["InstanceStatus.Status"]),
        ("system-status.status", &["SystemStatus.Status"]),
    ],
    not_found: InstanceId::not_found,
};

fn describe_instance_status(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut all = false;
    let status = |instance: &Instance| {
        let word = if instance.state == InstanceState::Running { "ok" } else { "not-applicable" };
        let passed = if instance.state == InstanceState::Running { "passed" } else { "not-applicable" };
        let summary = json!({"Details": [{"Name": "reachability", "Status": passed}], "Status": word});
        json!({
            "AvailabilityZone": instance.availability_zone,
            "InstanceId": text(&instance.id),
            "InstanceState": state(instance.state),
            "InstanceStatus": summary,
            "SystemStatus": summary,
        })
    };
    let mut answer = STATUS.serve_with(arguments, model.instances.values().map(status), |a| {
        all = a.boolean("IncludeAllInstances")?.unwrap_or(false);
        Ok(())
    })?;
    if !all && let Some(shown) = answer["InstanceStatuses"].as_array_mut() {
        shown.retain(|status| status["InstanceState"]["Name"] == "running");
    }
    Ok(answer)
}

fn describe_instance_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (InstanceId, String) =
        read(arguments, |a| Ok((a.required_id("InstanceId")?, a.required_text("Attribute")?.to_owned())))?;
    let instance = model.instance(&id)?;
    let primary = model.interfaces_of(&id).first().copied();
    let value = |value: Value| json!({"Value": value});
    let (name, shown) = match attribute.as_str() {
        "instanceType" => ("InstanceType", value(instance.instance_type.clone().into())),
        "userData" => {
            let encoded = instance.user_data.as_ref().map(|data| base64::engine::general_purpose::STANDARD.encode(data));
            ("UserData", encoded.map_or_else(|| json!({}), |data| value(data.into())))
        }
        "disableApiTermination" => ("DisableApiTermination", value(instance.disable_api_termination.into())),
        "disableApiStop" => ("DisableApiStop", value(instance.disable_api_stop.into())),
        "instanceInitiatedShutdownBehavior" => {
            let word = if instance.terminate_on_shutdown { "terminate" } else { "stop" };
            ("InstanceInitiatedShutdownBehavior", value(word.into()))
        }
        "sourceDestCheck" => ("SourceDestCheck", value(primary.is_some_and(|eni| eni.source_dest_check).into())),
        "groupSet" => ("Groups", primary.map_or_else(|| json!([]), |eni| groups(model, eni))),
        "ebsOptimized" => ("EbsOptimized", value(false.into())),
        "enaSupport" => ("EnaSupport", value(true.into())),
        "rootDeviceName" => {
            let root = image::find(&model.region, &instance.image_id).map(|image| image.root_device_name);
            ("RootDeviceName", value(root.into()))
        }
        "blockDeviceMapping" => ("BlockDeviceMappings", json!([])),
        "productCodes" => ("ProductCodes", json!([])),
        "kernel" => ("KernelId", json!({})),
        "ramdisk" => ("RamdiskId", json!({})),
        "sriovNetSupport" => ("SriovNetSupport", json!({})),
        "enclaveOptions" => ("EnclaveOptions", json!({"Enabled": false})),
        other => return Err(crate::arguments::invalid("attribute", other, "Unknown instance attribute")),
    };
    Ok(Value::Object(Map::from_iter([("InstanceId".to_owned(), text(&id)), (name.to_owned(), shown)])))
}

fn image_shape(image: &Image) -> Value {
    present(json!({
        "Architecture": image.architecture.as_str(),
        "CreationDate": image.creation_date,
        "ImageId": text(&image.id),
        "ImageLocation": format!("{}/{}", image.owner_alias.unwrap_or(image.owner_id), image.name),
        "ImageType": "machine",
        "Public": true,
        "OwnerId": image.owner_id,
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "State": "available",
        "BlockDeviceMappings": [],
        "Description": image.description,
        "EnaSupport": true,
        "Hypervisor": "xen",
        "ImageOwnerAlias": image.owner_alias,
        "Name": image.name,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "SriovNetSupport": "simple",
        "VirtualizationType": "hvm",
        "ImdsSupport": image.requires_imds_v2.then_some("v2.0"),
        "Tags": [],
    }))
}

const IMAGES: Describe = Describe {
    ids: "ImageIds",
    id_path: "ImageId",
    answer: "Images",
    filters: &[
        ("architecture", &["Architecture"]),
        ("creation-date", &["CreationDate"]),
        ("description", &["Description"]),
        ("hypervisor", &["Hypervisor"]),
        ("image-id", &["ImageId"]),
        ("image-type", &["ImageType"]),
        ("is-public", &["Public"]),
        ("name", &["Name"]),
        ("owner-alias", &["ImageOwnerAlias"]),
        ("owner-id", &["OwnerId"]),
        ("root-device-name", &["RootDeviceName"]),
        ("root-device-type", &["RootDeviceType"]),
        ("state", &["State"]),
        ("virtualization-type", &["VirtualizationType"]),
    ],
    not_found: |id| ApiError::new(ErrorCode::InvalidAmiIdNotFound, format!("The image id '[{id}]' does not exist")),
};

fn describe_images(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut owners: Vec<String> = Vec::new();
    let offered = image::offered(&model.region);
    let mut answer = IMAGES.serve_with(arguments, offered.iter().map(image_shape), |a| {
        a.ignore(&["ExecutableUsers", "IncludeDeprecated", "IncludeDisabled"]);
        owners = a.texts("Owners")?.into_iter().map(str::to_owned).collect();
        Ok(())
    })?;
    if !owners.is_empty() && let Some(images) = answer["Images"].as_array_mut() {
        images.retain(|i| owners.iter().any(|owner| i["OwnerId"] == **owner || i["ImageOwnerAlias"] == **owner));
    }
    Ok(answer)
}

fn type_shape(kind: &InstanceType) -> Value {
    json!({
        "InstanceType": kind.name(),
        "CurrentGeneration": true,
        "BareMetal": false,
        "BurstablePerformanceSupported": kind.burstable,
        "Hypervisor": if kind.nitro { "nitro" } else { "xen" },
        "MemoryInfo": {"SizeInMiB": kind.memory_mib},
        "NetworkInfo": {
            "MaximumNetworkInterfaces": kind.max_interfaces,
            "Ipv4AddressesPerInterface": kind.addresses_per_interface,
            "Ipv6AddressesPerInterface": kind.addresses_per_interface,
            "Ipv6Supported": true,
        },
        "ProcessorInfo": {"SupportedArchitectures": [kind.architecture.as_str()]},
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedVirtualizationTypes": ["hvm"],
        "VCpuInfo": {"DefaultVCpus": kind.vcpus},
    })
}

const TYPES: Describe = Describe {
    ids: "InstanceTypes",
    id_path: "InstanceType",
    answer: "InstanceTypes",
    filters: &[
        ("burstable-performance-supported", &["BurstablePerformanceSupported"]),
        ("current-generation", &["CurrentGeneration"]),
        ("hypervisor", &["Hypervisor"]),
        ("instance-type", &["InstanceType"]),
        ("memory-info.size-in-mib", &["MemoryInfo.SizeInMiB"]),
        ("processor-info.supported-architecture", &["ProcessorInfo.SupportedArchitectures"]),
        ("vcpu-info.default-vcpus", &["VCpuInfo.DefaultVCpus"]),
    ],
    not_found: |name| {
        let message = format!("The following supplied instance types do not exist: [{name}]");
        ApiError::new(ErrorCode::InvalidInstanceType, message)
    },
};

fn describe_instance_types(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    TYPES.serve(arguments, instance_type::all().map(|kind| type_shape(&kind)))
}

const OFFERING_FILTERS: FilterTable = &[("instance-type", &["InstanceType"]), ("location", &["Location"])];

/// Every type is offered in every zone.
fn describe_instance_type_offerings(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (location, filters) = read(arguments, |a| {
        Ok((a.text("LocationType")?.unwrap_or("region"), Filters::read(a, OFFERING_FILTERS)?))
    })?;
    let zones = model.region.zones();
    let places: Vec<String> = match location {
        "region" => vec![model.region.0.clone()],
        "availability-zone" => zones.into_iter().map(|zone| zone.name).collect(),
        "availability-zone-id" => zones.into_iter().map(|zone| zone.id).collect(),
        other => return Err(crate::arguments::invalid("LocationType", other, "Unknown type of location.")),
    };
    let offered = places.iter().flat_map(|place| {
        let offer = move |kind: InstanceType| {
            json!({"InstanceType": kind.name(), "LocationType": location, "Location": place})
        };
        instance_type::all().map(offer)
    });
    Ok(json!({"InstanceTypeOfferings": offered.filter(|offer| filters.keep(offer)).collect::<Value>()}))
}

const CREDIT_FILTERS: FilterTable = &[("instance-id", &["InstanceId"])];

/// Of burstable types only, as the others have no credits. Errors: `InvalidInstanceID.NotFound`,
/// `UnsupportedOperation` when somebody asks for one of the others.
fn describe_instance_credit_specifications(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (ids, filters): (Vec<InstanceId>, _) =
        read(arguments, |a| Ok((a.ids("InstanceIds")?, Filters::read(a, CREDIT_FILTERS)?)))?;
    let is_burstable = |i: &Instance| instance_type::find(&i.instance_type).is_some_and(|kind| kind.burstable);
    for id in &ids {
        let instance = model.instance(id)?;
        if !is_burstable(instance) {
            let message = format!("The instance '{id}' of type {} is not burstable.", instance.instance_type);
            return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
        }
    }
    let shown = model.instances.values().filter(|i| is_burstable(i) && (ids.is_empty() || ids.contains(&i.id)));
    let shown = shown.map(|instance| {
        let word = if instance.unlimited_cpu_credits { "unlimited" } else { "standard" };
        json!({"InstanceId": text(&instance.id), "CpuCredits": word})
    });
    Ok(json!({"InstanceCreditSpecifications": shown.filter(|item| filters.keep(item)).collect::<Value>()}))
}
