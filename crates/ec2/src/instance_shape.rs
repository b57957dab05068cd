//! What instances, images and instance types look like in answers, and their Describe calls.

use std::any::Any;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use model::ebs::{EbsVolume, VolumeAttachment};
use model::instance_type;
use model::table::Row;
use model::{ApiError, ErrorCode, Instance, InstanceId, InstanceState, Model, NetworkInterface, ReservationId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{Describe, FilterTable, Filters, Known};
use crate::identifier::form;
use crate::instance_filter::INSTANCE_FILTERS;
use crate::network_interface::{association, groups, private_address_shapes, private_name, public_name};
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("DescribeInstanceAttribute", describe_instance_attribute),
    ("DescribeInstanceCreditSpecifications", describe_instance_credit_specifications),
    ("DescribeInstanceStatus", describe_instance_status),
    ("DescribeInstances", describe_instances),
];

/// What instances have, found once for all of them.
struct Parts<'m> {
    interfaces: BTreeMap<&'m InstanceId, Vec<&'m NetworkInterface>>,
    disks: BTreeMap<&'m InstanceId, Vec<(&'m EbsVolume, &'m VolumeAttachment)>>,
}

impl<'m> Parts<'m> {
    fn of(model: &'m Model) -> Self {
        let mut interfaces: BTreeMap<_, Vec<&NetworkInterface>> = BTreeMap::new();
        for interface in model.network_interfaces.values() {
            if let Some(instance) = interface.instance_id() {
                interfaces.entry(instance).or_default().push(interface);
            }
        }
        for own in interfaces.values_mut() {
            own.sort_by_key(|interface| interface.attachment.as_ref().map(|attachment| attachment.device_index));
        }
        let mut disks: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for volume in model.ebs_volumes.values() {
            for attachment in &volume.attachments {
                disks.entry(&attachment.instance_id).or_default().push((volume, attachment));
            }
        }
        for own in disks.values_mut() {
            own.sort_by(|(_, a), (_, b)| a.device.cmp(&b.device));
        }
        Self { interfaces, disks }
    }

    fn interfaces(&self, id: &InstanceId) -> &[&'m NetworkInterface] {
        self.interfaces.get(id).map_or(&[], Vec::as_slice)
    }

    fn disks(&self, id: &InstanceId) -> Value {
        let shape = |(volume, attachment): &(&EbsVolume, &VolumeAttachment)| {
            json!({
                "DeviceName": attachment.device,
                "Ebs": {
                    "AttachTime": time(attachment.attach_time),
                    "DeleteOnTermination": attachment.delete_on_termination,
                    "Status": attachment.state.as_str(),
                    "VolumeId": text(&volume.id),
                },
            })
        };
        self.disks.get(id).into_iter().flatten().map(shape).collect()
    }
}

/// Instances grouped by the launch that they came from, in the order of their ids.
pub fn reservations(model: &Model, instances: Vec<&Instance>) -> Vec<Value> {
    let parts = Parts::of(model);
    grouped(model, instances, &mut |instance| shape(model, &parts, instance))
}

/// Shows each instance in its launch as `show` does.
fn grouped(model: &Model, instances: Vec<&Instance>, show: &mut dyn FnMut(&Instance) -> Value) -> Vec<Value> {
    let mut order = Vec::new();
    let mut by_reservation: BTreeMap<&ReservationId, Vec<&Instance>> = BTreeMap::new();
    for instance in instances {
        let mine = by_reservation.entry(&instance.reservation_id).or_default();
        if mine.is_empty() {
            order.push(&instance.reservation_id);
        }
        mine.push(instance);
    }
    let mut of = |id: &ReservationId| {
        let mut mine = by_reservation.get(id).cloned().unwrap_or_default();
        mine.sort_by_key(|instance| instance.ami_launch_index);
        json!({
            "ReservationId": text(id),
            "OwnerId": model.account_id,
            "Groups": [],
            "Instances": mine.into_iter().map(&mut *show).collect::<Value>(),
        })
    };
    order.into_iter().map(&mut of).collect()
}

/// A row of a model that an instance is shown with, whichever table it is of: two are the same row if they are the same in memory.
pub type Ingredient = Option<Arc<dyn Any + Send + Sync>>;

/// All instances, while they are shown one after the other.
pub struct Showing<'m> {
    model: &'m Model,
    parts: OnceCell<Parts<'m>>,
}

impl<'m> Showing<'m> {
    /// Those of a model.
    pub fn of(model: &'m Model) -> Self {
        Self { model, parts: OnceCell::new() }
    }

    /// The answer of DescribeInstances without identifiers and filters, with each instance as `show` has it.
    pub fn answer(&self, show: &mut dyn FnMut(&Instance) -> Value) -> Value {
        json!({"Reservations": grouped(self.model, self.model.instances.values().collect(), show)})
    }

    /// An instance as it is shown.
    pub fn shape(&self, instance: &Instance) -> Value {
        shape(self.model, self.parts(), instance)
    }

    /// Whether nothing but instances themselves can be shown otherwise than of another model: the tables of all else that [`shape`] looks
    /// at are the same.
    pub fn is_alike_beside(&self, other: &Model) -> bool {
        let model = self.model;
        model.network_interfaces.is_shared_with(&other.network_interfaces)
            && model.ebs_volumes.is_shared_with(&other.ebs_volumes)
            && model.security_groups.is_shared_with(&other.security_groups)
            && model.addresses.is_shared_with(&other.addresses)
            && model.vpcs.is_shared_with(&other.vpcs)
    }

    /// All that [`shape`] looks at for an instance. While it is the same in a model of the same account and region, so is what is shown.
    pub fn ingredients(&self, instance: &Instance) -> Vec<Ingredient> {
        let (model, parts) = (self.model, self.parts());
        let mut all = vec![ingredient(model.instances.row(&instance.id))];
        for interface in parts.interfaces(&instance.id) {
            all.push(ingredient(model.network_interfaces.row(&interface.id)));
            all.push(ingredient(model.vpcs.row(&interface.vpc_id)));
            all.extend(interface.groups.iter().map(|group| ingredient(model.security_groups.row(group))));
            let elastic = interface.private_ip_addresses.iter().map(|private| model.elastic_ip_of(&interface.id, *private));
            all.extend(elastic.map(|address| address.and_then(|address| ingredient(model.addresses.row(&address.allocation_id)))));
        }
        let disks = parts.disks.get(&instance.id).into_iter().flatten();
        all.extend(disks.map(|(volume, _)| ingredient(model.ebs_volumes.row(&volume.id))));
        all
    }

    fn parts(&self) -> &Parts<'m> {
        self.parts.get_or_init(|| Parts::of(self.model))
    }
}

fn ingredient<K: Send + Sync + 'static, V: Send + Sync + 'static>(row: Option<&Row<K, V>>) -> Ingredient {
    row.map(|row| row.clone() as Arc<dyn Any + Send + Sync>)
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

fn shape(model: &Model, parts: &Parts<'_>, instance: &Instance) -> Value {
    let interfaces = parts.interfaces(&instance.id);
    let options = &instance.options;
    let primary = interfaces.first().copied();
    let public = primary.and_then(|eni| model.public_ip_of(eni, eni.primary_address()));
    let vpc = primary.and_then(|eni| model.vpcs.get(&eni.vpc_id));
    let named = vpc.is_some_and(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames);
    let kind = instance_type::find(&instance.instance_type);
    let zones = model.region.zones();
    let zone_id = zones.into_iter().find(|zone| zone.name == instance.availability_zone).map(|zone| zone.id);
    let cores = kind.map(|kind| {
        let (cores, threads) = options.cpu.unwrap_or((kind.vcpus / kind.threads_per_core(), kind.threads_per_core()));
        json!({"CoreCount": cores, "ThreadsPerCore": threads})
    });
    let word = |is_off: bool| if is_off { "disabled" } else { "default" };
    let preference = if options.refuses_reserved_capacity { "none" } else { "open" };
    let tenancy = if options.is_dedicated { "dedicated" } else { "default" };
    let reason = (!instance.state_transition_reason.is_empty()).then(|| {
        let code = "Client.UserInitiatedShutdown";
        json!({"Code": code, "Message": format!("{code}: User initiated shutdown")})
    });
    let mut shown = present(json!({
        "Architecture": kind.map(|kind| kind.architecture.as_str()),
        "BlockDeviceMappings": parts.disks(&instance.id),
        "CapacityReservationSpecification": {"CapacityReservationPreference": preference},
        "CpuOptions": cores,
        "EbsOptimized": options.ebs_optimized,
        "InstanceLifecycle": options.spot_instance_request_id.as_ref().map(|_| "spot"),
        "SpotInstanceRequestId": options.spot_instance_request_id.as_ref().map(text),
        "MaintenanceOptions": {
            "AutoRecovery": word(options.auto_recovery_disabled),
            "RebootMigration": word(options.reboot_migration_disabled),
        },
        "Ipv6Address": primary.and_then(|eni| eni.ipv6_addresses.first()).map(text),
        "NetworkInterfaces": interfaces.iter().map(|eni| interface_shape(model, eni)).collect::<Value>(),
        "RootDeviceName": instance.root_device_name,
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
        "Placement": present(json!({"AvailabilityZone": instance.availability_zone, "AvailabilityZoneId": zone_id, "GroupName": "", "Tenancy": tenancy})),
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
        "ClientToken": "",
        "CurrentInstanceBootMode": "legacy-bios",
        "EnaSupport": true,
        "EnclaveOptions": {"Enabled": false},
        "HibernationOptions": {"Configured": false},
        "Hypervisor": "xen",
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

fn describe_instances(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (ids, filters): (Vec<InstanceId>, _) = read(arguments, |a| {
        // Nothing is managed by another service.
        a.ignore(&["IncludeManagedResources"]);
        Ok((a.ids("InstanceIds")?, Filters::read(a, INSTANCE_FILTERS)?))
    })?;
    if let Some(absent) = ids.iter().find(|id| !model.instances.contains_key(id)) {
        return Err(InstanceId::not_found(absent.as_str()));
    }
    let parts = Parts::of(model);
    let keep = |instance: &&Instance| {
        if filters.is_empty() {
            return true;
        }
        let texts = [("InstanceId", instance.id.as_str()), ("State.Name", instance.state.as_str()), ("InstanceType", &instance.instance_type)];
        if !filters.may_keep(&Known { texts, tags: &instance.tags }) {
            return false;
        }
        let mut shown = shape(model, &parts, instance);
        shown["ReservationId"] = text(&instance.reservation_id);
        shown["OwnerId"] = model.account_id.clone().into();
        filters.keep(&shown)
    };
    let named: Vec<&Instance> = match ids.is_empty() {
        true => model.instances.values().collect(),
        false => model.instances.values().filter(|instance| ids.contains(&instance.id)).collect(),
    };
    let kept = named.into_iter().filter(keep).collect();
    Ok(json!({"Reservations": grouped(model, kept, &mut |instance| shape(model, &parts, instance))}))
}

const STATUS: Describe = Describe {
    ids: "InstanceIds",
    id_path: "InstanceId",
    answer: "InstanceStatuses",
    filters: &[
        ("attached-ebs-status.status", &["AttachedEbsStatus.Status"]),
        ("availability-zone", &["AvailabilityZone"]),
        ("availability-zone-id", &["AvailabilityZoneId"]),
        ("event.code", &["Events.Code"]),
        ("event.description", &["Events.Description"]),
        ("event.instance-event-id", &["Events.InstanceEventId"]),
        ("event.not-after", &["Events.NotAfter"]),
        ("event.not-before", &["Events.NotBefore"]),
        ("event.not-before-deadline", &["Events.NotBeforeDeadline"]),
        ("instance-state-code", &["InstanceState.Code"]),
        ("instance-state-name", &["InstanceState.Name"]),
        ("instance-status.reachability", &["InstanceStatus.Details.Status"]),
        ("instance-status.status", &["InstanceStatus.Status"]),
        ("operator.managed", &["Operator.Managed"]),
        ("operator.principal", &["Operator.Principal"]),
        ("system-status.reachability", &["SystemStatus.Details.Status"]),
        ("system-status.status", &["SystemStatus.Status"]),
    ],
    form: form::<InstanceId>,
    not_found: InstanceId::not_found,
};

fn describe_instance_status(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut all = false;
    let status = |instance: &Instance| {
        let (word, passed) = match instance.state {
            InstanceState::Running if model.context.now < instance.checks_pass_at => ("initializing", "initializing"),
            InstanceState::Running => ("ok", "passed"),
            _ => ("not-applicable", "not-applicable"),
        };
        let summary = json!({"Details": [{"Name": "reachability", "Status": passed}], "Status": word});
        json!({
            "AttachedEbsStatus": summary,
            "AvailabilityZone": instance.availability_zone,
            "Events": [],
            "InstanceId": text(&instance.id),
            "InstanceState": state(instance.state),
            "InstanceStatus": summary,
            "SystemStatus": summary,
        })
    };
    let mut answer = STATUS.serve_with(arguments, model.instances.values().map(status), |a| {
        a.ignore(&["IncludeManagedResources"]);
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
        "ebsOptimized" => ("EbsOptimized", value(instance.options.ebs_optimized.into())),
        "enaSupport" => ("EnaSupport", value(true.into())),
        "rootDeviceName" => {
            ("RootDeviceName", value(instance.root_device_name.clone().into()))
        }
        "blockDeviceMapping" => ("BlockDeviceMappings", Parts::of(model).disks(&id)),
        "productCodes" => ("ProductCodes", json!([])),
        "kernel" => ("KernelId", json!({})),
        "ramdisk" => ("RamdiskId", json!({})),
        "sriovNetSupport" => ("SriovNetSupport", json!({})),
        "enclaveOptions" => ("EnclaveOptions", json!({"Enabled": false})),
        other => return Err(crate::arguments::invalid("attribute", other, "Unknown instance attribute")),
    };
    Ok(Value::Object(Map::from_iter([("InstanceId".to_owned(), text(&id)), (name.to_owned(), shown)])))
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
