//! Instances: launching and changing them (INST-1 … INST-10, UD-1, IMDS-3 … IMDS-7). What they look like stands in
//! `instance_shape`.

use base64::Engine as _;
use model::instance::{InstanceOptions, InstanceState};
use model::operation::{self, LaunchInterface, MetadataOptionsRequest, ModifyInstanceAttribute, RunInstances, StateChange};
use model::{ApiError, ErrorCode, InstanceId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::image::block_devices;
use crate::instance_option::{self, is_dedicated, is_disabled, refuses_reserved_capacity};
use crate::instance_shape::{metadata_options, reservations};
use crate::network_interface::private_addresses;
use crate::shape::{done, text};
use crate::{instance_profile, launch_template, spot};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("ModifyInstanceAttribute", modify_instance_attribute),
    ("ModifyInstanceCreditSpecification", modify_instance_credit_specification),
    ("ModifyInstanceMetadataOptions", modify_instance_metadata_options),
    ("ModifyPrivateDnsNameOptions", modify_private_dns_name_options),
    ("MonitorInstances", |m, a| monitor(m, a, true)),
    ("RebootInstances", reboot_instances),
    ("RunInstances", run_instances),
    ("StartInstances", start_instances),
    ("StopInstances", stop_instances),
    ("TerminateInstances", terminate_instances),
    ("UnmonitorInstances", |m, a| monitor(m, a, false)),
];

fn run_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (arguments, template) = launch_template::resolve(model, arguments)?;
    let account = model.account_id.clone();
    let mut request = read(&arguments, |a| launch(a, &account))?;
    request.launch_template = template;
    if let Some(zone) = &request.availability_zone {
        let known = model.region.zones().into_iter().find(|known| known.id == *zone);
        request.availability_zone = Some(known.map_or_else(|| zone.clone(), |known| known.name));
    }
    let ids = operation::run_instances(model, request)?;
    let launched: Vec<_> = ids.iter().filter_map(|id| model.instances.get(id)).collect();
    let launched = reservations(model, launched).into_iter().next();
    launched.ok_or_else(|| ApiError::new(ErrorCode::InternalError, "nothing was launched"))
}

/// Reads what a launch in an account says, by itself or in a template.
pub fn launch(a: &Arguments<'_>, account: &str) -> Result<RunInstances, ApiError> {
    // Where the parameters of a template come in: what is left of it here is nothing.
    a.within("LaunchTemplate", |t| Ok((t.text("LaunchTemplateId")?, t.text("LaunchTemplateName")?, t.text("Version")?)))?;
    a.refuse(&["LicenseSpecifications", "ElasticGpuSpecification", "ElasticInferenceAccelerators", "KernelId", "RamdiskId"])?;
    a.refuse(&["EnablePrimaryIpv6", "NetworkPerformanceOptions", "Operator", "SecondaryInterfaces"])?;
    a.ignore(&["AdditionalInfo"]);
    for (name, member) in [("HibernationOptions", "Configured"), ("EnclaveOptions", "Enabled")] {
        a.within(name, |options| options.refuse(&[member]))?;
    }
    let placement = a.within("Placement", |p| {
        let zones = [p.text("AvailabilityZone")?, p.text("AvailabilityZoneId")?].into_iter().flatten().collect::<Vec<_>>();
        let zone = if zones.is_empty() { None } else { Some(p.exactly_one("AvailabilityZone or AvailabilityZoneId", zones)?) };
        Ok((zone.map(str::to_owned), is_dedicated(p)?.unwrap_or(false)))
    })?;
    let (zone, is_dedicated) = placement.unwrap_or_default();
    let monitoring = a.within("Monitoring", |m| m.boolean("Enabled"))?.flatten();
    let dns = a.within("PrivateDnsNameOptions", |p| {
        p.ignore(&["HostnameType", "EnableResourceNameDnsAAAARecord"]);
        p.boolean("EnableResourceNameDnsARecord")
    })?;
    let cpu = a.within("CpuOptions", |c| {
        c.refuse(&["AmdSevSnp", "NestedVirtualization"])?;
        instance_option::cpu(c)
    })?;
    let reserved = a.within("CapacityReservationSpecification", |c| refuses_reserved_capacity(c))?;
    let recovery = a.within("MaintenanceOptions", |m| is_disabled(m, "AutoRecovery"))?;
    let mut request = RunInstances::of(a.required_id("ImageId")?);
    if let Some(instance_type) = a.text("InstanceType")? {
        request.instance_type = instance_type.to_owned();
    }
    request.min_count = a.required("MinCount", a.integer("MinCount")?)?;
    request.max_count = a.required("MaxCount", a.integer("MaxCount")?)?;
    request.key_name = a.text("KeyName")?.map(str::to_owned);
    request.iam_instance_profile = instance_profile::asked(a, account)?;
    request.subnet_id = a.id("SubnetId")?;
    request.private_ip_address = a.address("PrivateIpAddress")?;
    request.ipv6_addresses = a.each("Ipv6Addresses", ipv6_address)?;
    request.ipv6_address_count = a.integer("Ipv6AddressCount")?;
    request.security_group_ids = a.ids("SecurityGroupIds")?;
    request.security_groups = a.texts("SecurityGroups")?.into_iter().map(str::to_owned).collect();
    request.network_interfaces = a.each("NetworkInterfaces", launch_interface)?;
    request.availability_zone = zone;
    request.block_devices = block_devices(a)?;
    request.user_data = user_data(a, "UserData")?;
    request.metadata_options = a.within("MetadataOptions", read_metadata_options)?.unwrap_or_default();
    request.disable_api_termination = a.boolean("DisableApiTermination")?.unwrap_or(false);
    request.disable_api_stop = a.boolean("DisableApiStop")?.unwrap_or(false);
    request.unlimited_cpu_credits = a.within("CreditSpecification", |c| cpu_credits(c))?.flatten();
    request.monitoring = monitoring.unwrap_or(false);
    request.terminate_on_shutdown = shutdown_behavior(a, "InstanceInitiatedShutdownBehavior")?.unwrap_or(false);
    request.resource_name_dns = dns.flatten().unwrap_or(false);
    request.spot = a.within("InstanceMarketOptions", |m| spot::wish(m))?.flatten();
    request.options = InstanceOptions {
        ebs_optimized: a.boolean("EbsOptimized")?.unwrap_or(false),
        is_dedicated,
        cpu: cpu.flatten(),
        auto_recovery_disabled: recovery.flatten().unwrap_or(false),
        refuses_reserved_capacity: reserved.flatten().unwrap_or(false),
        ..InstanceOptions::default()
    };
    a.each("TagSpecifications", |specification| {
        let kind = specification.required_text("ResourceType")?;
        let tags = specification.tag_list("Tags")?;
        match kind {
            "instance" => request.tags.extend(tags),
            "network-interface" => request.network_interface_tags.extend(tags),
            "volume" => request.volume_tags.extend(tags),
            "spot-instances-request" => {
                if let Some(spot) = &mut request.spot {
                    spot.tags.extend(tags);
                }
            }
            other => {
                let why = format!("'{other}' is not a valid taggable resource type for this operation.");
                return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
            }
        }
        Ok(())
    })?;
    Ok(request)
}

fn ipv6_address(i: &Arguments<'_>) -> Result<std::net::Ipv6Addr, ApiError> {
    i.refuse(&["IsPrimaryIpv6"])?;
    i.required("Ipv6Address", i.address("Ipv6Address")?)
}

fn launch_interface(i: &Arguments<'_>) -> Result<LaunchInterface, ApiError> {
    i.refuse(&["Ipv4PrefixCount", "Ipv4Prefixes", "Ipv6PrefixCount", "Ipv6Prefixes"])?;
    i.refuse(&["PrimaryIpv6", "AssociateCarrierIpAddress", "EnaSrdSpecification", "ConnectionTrackingSpecification", "EnaQueueCount"])?;
    let interface = LaunchInterface {
        device_index: i.integer("DeviceIndex")?.unwrap_or(0),
        network_interface_id: i.id("NetworkInterfaceId")?,
        subnet_id: i.id("SubnetId")?,
        description: i.text("Description")?.unwrap_or_default().to_owned(),
        groups: i.ids("Groups")?,
        private_ip_addresses: private_addresses(i)?,
        secondary_private_ip_address_count: i.integer("SecondaryPrivateIpAddressCount")?.unwrap_or(0),
        ipv6_addresses: i.each("Ipv6Addresses", ipv6_address)?,
        ipv6_address_count: i.integer("Ipv6AddressCount")?,
        delete_on_termination: i.boolean("DeleteOnTermination")?,
        associate_public_ip_address: i.boolean("AssociatePublicIpAddress")?,
    };
    if let Some(other) = i.text("InterfaceType")?.filter(|kind| *kind != "interface") {
        return Err(i.invalid("InterfaceType", &other.into(), "Only interface is supported."));
    }
    if let Some(other) = i.integer::<u32>("NetworkCardIndex")?.filter(|index| *index != 0) {
        return Err(i.invalid("NetworkCardIndex", &other.into(), "Instance types here have one network card, 0."));
    }
    Ok(interface)
}

/// User data comes in base64 (UD-1).
fn user_data(a: &Arguments<'_>, name: &'static str) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(encoded) = a.text(name)? else { return Ok(None) };
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim().as_bytes());
    let malformed = |_| ApiError::new(ErrorCode::InvalidUserDataMalformed, "Invalid BASE64 encoding of user data.");
    decoded.map(Some).map_err(malformed)
}

/// `CpuCredits`: whether they are unlimited.
fn cpu_credits(c: &Arguments<'_>) -> Result<Option<bool>, ApiError> {
    match c.text("CpuCredits")? {
        None => Ok(None),
        Some("unlimited") => Ok(Some(true)),
        Some("standard") => Ok(Some(false)),
        Some(other) => Err(c.invalid("CpuCredits", &other.into(), "Either standard or unlimited was expected.")),
    }
}

fn shutdown_behavior(a: &Arguments<'_>, name: &'static str) -> Result<Option<bool>, ApiError> {
    match a.text(name)? {
        None => Ok(None),
        Some("stop") => Ok(Some(false)),
        Some("terminate") => Ok(Some(true)),
        Some(other) => Err(a.invalid(name, &other.into(), "Either stop or terminate was expected.")),
    }
}

fn read_metadata_options(m: &Arguments<'_>) -> Result<MetadataOptionsRequest, ApiError> {
    m.ignore(&["HttpProtocolIpv6"]);
    let switch = |name: &'static str, on: &str, off: &str| match m.text(name)? {
        None => Ok(None),
        Some(word) if word == on => Ok(Some(true)),
        Some(word) if word == off => Ok(Some(false)),
        Some(other) => Err(m.invalid(name, &other.into(), "Unknown value.")),
    };
    Ok(MetadataOptionsRequest {
        http_tokens_required: switch("HttpTokens", "required", "optional")?,
        http_put_response_hop_limit: m.integer("HttpPutResponseHopLimit")?,
        http_endpoint_enabled: switch("HttpEndpoint", "enabled", "disabled")?,
        instance_metadata_tags: switch("InstanceMetadataTags", "enabled", "disabled")?,
    })
}

fn ids(arguments: &Value, ignored: &[&'static str]) -> Result<Vec<InstanceId>, ApiError> {
    read(arguments, |a| {
        a.ignore(ignored);
        a.ids("InstanceIds")
    })
}

fn changes(changes: Vec<StateChange>) -> Value {
    let state = |state: InstanceState| json!({"Code": state.code(), "Name": state.as_str()});
    let shape = |change: StateChange| {
        json!({
            "CurrentState": state(change.current),
            "InstanceId": text(change.instance_id),
            "PreviousState": state(change.previous),
        })
    };
    changes.into_iter().map(shape).collect()
}

fn start_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids = ids(arguments, &["AdditionalInfo"])?;
    Ok(json!({"StartingInstances": changes(operation::start_instances(model, &ids)?)}))
}

fn stop_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids: Vec<InstanceId> = read(arguments, |a| {
        // Memory is not kept.
        a.refuse(&["Hibernate"])?;
        a.ignore(&["Force", "SkipOsShutdown"]);
        a.ids("InstanceIds")
    })?;
    Ok(json!({"StoppingInstances": changes(operation::stop_instances(model, &ids)?)}))
}

fn terminate_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids = ids(arguments, &["Force", "SkipOsShutdown"])?;
    Ok(json!({"TerminatingInstances": changes(operation::terminate_instances(model, &ids)?)}))
}

fn reboot_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids = ids(arguments, &[])?;
    operation::reboot_instances(model, &ids)?;
    Ok(done())
}

fn monitor(model: &mut Model, arguments: &Value, on: bool) -> Result<Value, ApiError> {
    let ids = ids(arguments, &[])?;
    operation::monitor_instances(model, &ids, on)?;
    let state = if on { "enabled" } else { "disabled" };
    let shown = ids.iter().map(|id| json!({"InstanceId": text(id), "Monitoring": {"State": state}}));
    Ok(json!({"InstanceMonitorings": shown.collect::<Value>()}))
}

/// Attributes of which a call changes one.
const ATTRIBUTES: &[&str] = &[
    "BlockDeviceMappings",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "EnaSupport",
    "Groups",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "SourceDestCheck",
    "UserData",
];

fn modify_instance_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["SriovNetSupport", "Kernel", "Ramdisk"])?;
        // Every type here that knows of it has it.
        a.ignore(&["EnaSupport"]);
        a.one_attribute(ATTRIBUTES)?;
        let volumes = a.each("BlockDeviceMappings", |mapping| {
            mapping.refuse(&["VirtualName", "NoDevice"])?;
            let goes = mapping.within("Ebs", |ebs| {
                ebs.refuse(&["VolumeId"])?;
                ebs.boolean("DeleteOnTermination")
            })?;
            let device = mapping.required_text("DeviceName")?.to_owned();
            Ok((device, mapping.required("Ebs.DeleteOnTermination", goes.flatten())?))
        })?;
        let groups: Vec<_> = a.ids("Groups")?;
        let value = |name: &'static str| Ok::<_, ApiError>(a.within(name, |v| v.text("Value"))?.flatten().map(str::to_owned));
        let mut request = ModifyInstanceAttribute {
            instance_type: value("InstanceType")?,
            user_data: a.within("UserData", |v| user_data(v, "Value"))?.flatten(),
            groups: a.is_given("Groups").then_some(groups),
            source_dest_check: a.attribute_boolean("SourceDestCheck")?,
            disable_api_termination: a.attribute_boolean("DisableApiTermination")?,
            disable_api_stop: a.attribute_boolean("DisableApiStop")?,
            terminate_on_shutdown: a
                .within("InstanceInitiatedShutdownBehavior", |v| shutdown_behavior(v, "Value"))?
                .flatten(),
            ebs_optimized: a.attribute_boolean("EbsOptimized")?,
            delete_on_termination: volumes,
            ..ModifyInstanceAttribute::of(a.required_id("InstanceId")?)
        };
        // The older form names one attribute and gives its value as a text.
        if let (Some(attribute), Some(value)) = (a.text("Attribute")?, a.text("Value")?) {
            let truth = || value.eq_ignore_ascii_case("true");
            match attribute {
                "instanceType" => request.instance_type = Some(value.to_owned()),
                "userData" => request.user_data = user_data(a, "Value")?,
                "sourceDestCheck" => request.source_dest_check = Some(truth()),
                "disableApiTermination" => request.disable_api_termination = Some(truth()),
                "disableApiStop" => request.disable_api_stop = Some(truth()),
                "ebsOptimized" => request.ebs_optimized = Some(truth()),
                "instanceInitiatedShutdownBehavior" => {
                    request.terminate_on_shutdown = shutdown_behavior(a, "Value")?;
                }
                other => return Err(a.invalid("Attribute", &other.into(), "Unknown attribute.")),
            }
        }
        Ok(request)
    })?;
    operation::modify_instance_attribute(model, request)?;
    Ok(done())
}

/// Each instance by itself: what is refused is listed beside what was done.
fn modify_instance_credit_specification(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let wanted = read(arguments, |a| {
        a.each("InstanceCreditSpecifications", |item| {
            let unlimited = item.required("CpuCredits", cpu_credits(item)?)?;
            Ok((item.required_id::<InstanceId>("InstanceId")?, unlimited))
        })
    })?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, unlimited) in wanted {
        match operation::modify_instance_credit_specification(model, &id, unlimited) {
            Ok(()) => done.push(json!({"InstanceId": text(id)})),
            Err(error) => failed.push(json!({
                "InstanceId": text(id),
                "Error": {"Code": error.code.as_str(), "Message": error.message},
            })),
        }
    }
    Ok(json!({
        "SuccessfulInstanceCreditSpecifications": done,
        "UnsuccessfulInstanceCreditSpecifications": failed,
    }))
}

fn modify_instance_metadata_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, options): (InstanceId, _) =
        read(arguments, |a| Ok((a.required_id("InstanceId")?, read_metadata_options(a)?)))?;
    operation::modify_instance_metadata_options(model, &id, options)?;
    let shown = metadata_options(model.instance(&id)?);
    Ok(json!({"InstanceId": text(id), "InstanceMetadataOptions": shown}))
}

fn modify_private_dns_name_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, on) = read(arguments, |a| {
        a.ignore(&["PrivateDnsHostnameType", "EnableResourceNameDnsAAAARecord"]);
        Ok((a.required_id("InstanceId")?, a.boolean("EnableResourceNameDnsARecord")?))
    })?;
    if let Some(on) = on {
        operation::modify_private_dns_name_options(model, &id, on)?;
    }
    Ok(done())
}
