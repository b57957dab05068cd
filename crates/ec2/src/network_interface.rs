//! Network interfaces (ENI-1 … ENI-11).

use model::network_interface::InterfaceType;
use model::operation::{
    self, AssignIpv6Addresses, AssignPrivateIpAddresses, AttachNetworkInterface, ModifyNetworkInterfaceAttribute,
};
use model::{ApiError, AttachmentId, Model, NetworkInterface, NetworkInterfaceId};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::{Describe, Known};
use crate::identifier::form;
use crate::shape::{done, present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssignIpv6Addresses", assign_ipv6_addresses),
    ("AssignPrivateIpAddresses", assign_private_ip_addresses),
    ("AttachNetworkInterface", attach_network_interface),
    ("CreateNetworkInterface", create_network_interface),
    ("DeleteNetworkInterface", delete_network_interface),
    ("DescribeNetworkInterfaceAttribute", describe_network_interface_attribute),
    ("DescribeNetworkInterfaces", describe_network_interfaces),
    ("DetachNetworkInterface", detach_network_interface),
    ("ModifyNetworkInterfaceAttribute", modify_network_interface_attribute),
    ("ResetNetworkInterfaceAttribute", reset_network_interface_attribute),
    ("UnassignIpv6Addresses", unassign_ipv6_addresses),
    ("UnassignPrivateIpAddresses", unassign_private_ip_addresses),
];

/// Private addresses of a call: `PrivateIpAddress` or the primary one of `PrivateIpAddresses` first.
pub fn private_addresses(a: &Arguments<'_>) -> Result<Vec<std::net::Ipv4Addr>, ApiError> {
    let mut addresses: Vec<std::net::Ipv4Addr> = a.address("PrivateIpAddress")?.into_iter().collect();
    let mut listed = a.each("PrivateIpAddresses", |item| {
        let primary = item.boolean("Primary")?.unwrap_or(false);
        Ok((!primary, item.required("PrivateIpAddress", item.address("PrivateIpAddress")?)?))
    })?;
    // A stable sort keeps the order of the secondary ones.
    listed.sort_by_key(|(secondary, _)| *secondary);
    for (_, address) in listed {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn create_network_interface(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv4PrefixCount", "Ipv4Prefixes", "Ipv6PrefixCount", "Ipv6Prefixes"])?;
        a.ignore(&["InterfaceType", "ConnectionTrackingSpecification", "EnablePrimaryIpv6"]);
        Ok(operation::CreateNetworkInterface {
            description: a.text("Description")?.unwrap_or_default().to_owned(),
            groups: a.ids("Groups")?,
            private_ip_addresses: private_addresses(a)?,
            secondary_private_ip_address_count: a.integer("SecondaryPrivateIpAddressCount")?.unwrap_or(0),
            ipv6_addresses: a.each("Ipv6Addresses", |i| i.required("Ipv6Address", i.address("Ipv6Address")?))?,
            ipv6_address_count: a.integer("Ipv6AddressCount")?,
            tags: a.tags("network-interface")?,
            ..operation::CreateNetworkInterface::in_subnet(a.required_id("SubnetId")?)
        })
    })?;
    let id = operation::create_network_interface(model, request)?;
    Ok(json!({"NetworkInterface": shape(model, model.network_interface(&id)?)}))
}

fn delete_network_interface(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("NetworkInterfaceId"))?;
    operation::delete_network_interface(model, &id)?;
    Ok(done())
}

fn attach_network_interface(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.ignore(&["NetworkCardIndex", "EnaSrdSpecification"]);
        Ok(AttachNetworkInterface {
            network_interface_id: a.required_id("NetworkInterfaceId")?,
            instance_id: a.required_id("InstanceId")?,
            device_index: a.required("DeviceIndex", a.integer("DeviceIndex")?)?,
        })
    })?;
    let id = operation::attach_network_interface(model, request)?;
    Ok(json!({"AttachmentId": text(id), "NetworkCardIndex": 0}))
}

fn detach_network_interface(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: AttachmentId = read(arguments, |a| {
        a.ignore(&["Force"]);
        a.required_id("AttachmentId")
    })?;
    operation::detach_network_interface(model, &id)?;
    Ok(done())
}

fn assign_private_ip_addresses(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv4PrefixCount", "Ipv4Prefixes"])?;
        Ok(AssignPrivateIpAddresses {
            network_interface_id: a.required_id("NetworkInterfaceId")?,
            private_ip_addresses: a.parsed_list("PrivateIpAddresses", "This is not a valid IP address.")?,
            secondary_private_ip_address_count: a.integer("SecondaryPrivateIpAddressCount")?.unwrap_or(0),
            allow_reassignment: a.boolean("AllowReassignment")?.unwrap_or(false),
        })
    })?;
    let id = request.network_interface_id.clone();
    let assigned = operation::assign_private_ip_addresses(model, request)?;
    let assigned: Value = assigned.into_iter().map(|a| json!({"PrivateIpAddress": text(a)})).collect();
    Ok(json!({"NetworkInterfaceId": text(id), "AssignedPrivateIpAddresses": assigned, "AssignedIpv4Prefixes": []}))
}

fn unassign_private_ip_addresses(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, addresses) = read(arguments, |a| {
        a.refuse(&["Ipv4Prefixes"])?;
        let addresses = a.parsed_list("PrivateIpAddresses", "This is not a valid IP address.")?;
        Ok((a.required_id("NetworkInterfaceId")?, addresses))
    })?;
    operation::unassign_private_ip_addresses(model, &id, &addresses)?;
    Ok(done())
}

fn assign_ipv6_addresses(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["Ipv6PrefixCount", "Ipv6Prefixes"])?;
        Ok(AssignIpv6Addresses {
            network_interface_id: a.required_id("NetworkInterfaceId")?,
            ipv6_addresses: a.parsed_list("Ipv6Addresses", "This is not a valid IP address.")?,
            ipv6_address_count: a.integer("Ipv6AddressCount")?.unwrap_or(0),
        })
    })?;
    let id = request.network_interface_id.clone();
    let assigned = operation::assign_ipv6_addresses(model, request)?;
    let assigned: Value = assigned.into_iter().map(text).collect();
    Ok(json!({"AssignedIpv6Addresses": assigned, "AssignedIpv6Prefixes": [], "NetworkInterfaceId": text(id)}))
}

fn unassign_ipv6_addresses(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, addresses): (NetworkInterfaceId, Vec<std::net::Ipv6Addr>) = read(arguments, |a| {
        a.refuse(&["Ipv6Prefixes"])?;
        let addresses = a.parsed_list("Ipv6Addresses", "This is not a valid IP address.")?;
        Ok((a.required_id("NetworkInterfaceId")?, addresses))
    })?;
    operation::unassign_ipv6_addresses(model, &id, &addresses)?;
    let gone: Value = addresses.into_iter().map(text).collect();
    Ok(json!({"NetworkInterfaceId": text(id), "UnassignedIpv6Addresses": gone, "UnassignedIpv6Prefixes": []}))
}

fn modify_network_interface_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.ignore(&["EnaSrdSpecification", "EnablePrimaryIpv6", "ConnectionTrackingSpecification"]);
        a.one_attribute(&["Description", "Groups", "SourceDestCheck", "Attachment", "AssociatePublicIpAddress"])?;
        let groups: Vec<_> = a.ids("Groups")?;
        Ok(ModifyNetworkInterfaceAttribute {
            description: a.within("Description", |d| d.text("Value"))?.map(|d| d.unwrap_or_default().to_owned()),
            groups: a.is_given("Groups").then_some(groups),
            source_dest_check: a.attribute_boolean("SourceDestCheck")?,
            attachment: a.within("Attachment", |t| {
                t.ignore(&["DefaultEnaQueueCount", "EnaQueueCount"]);
                let delete = t.required("DeleteOnTermination", t.boolean("DeleteOnTermination")?)?;
                Ok((t.required_id("AttachmentId")?, delete))
            })?,
            associate_public_ip_address: a.boolean("AssociatePublicIpAddress")?,
            ..ModifyNetworkInterfaceAttribute::of(a.required_id("NetworkInterfaceId")?)
        })
    })?;
    operation::modify_network_interface_attribute(model, request)?;
    Ok(done())
}

fn reset_network_interface_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| {
        match a.text("SourceDestCheck")? {
            None | Some("true" | "sourceDestCheck") => {}
            Some(other) => return Err(a.invalid("SourceDestCheck", &other.into(), "Only true can be given.")),
        }
        a.required_id("NetworkInterfaceId")
    })?;
    let request =
        ModifyNetworkInterfaceAttribute { source_dest_check: Some(true), ..ModifyNetworkInterfaceAttribute::of(id) };
    operation::modify_network_interface_attribute(model, request)?;
    Ok(done())
}

fn describe_network_interface_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, attribute): (NetworkInterfaceId, String) = read(arguments, |a| {
        Ok((a.required_id("NetworkInterfaceId")?, a.required_text("Attribute")?.to_owned()))
    })?;
    let all = shape(model, model.network_interface(&id)?);
    let mut answer = Map::from_iter([("NetworkInterfaceId".to_owned(), text(&id))]);
    match attribute.as_str() {
        "description" => drop(answer.insert("Description".into(), json!({"Value": all["Description"]}))),
        "groupSet" => drop(answer.insert("Groups".into(), all["Groups"].clone())),
        "sourceDestCheck" => drop(answer.insert("SourceDestCheck".into(), json!({"Value": all["SourceDestCheck"]}))),
        "attachment" => drop(answer.insert("Attachment".into(), all["Attachment"].clone())),
        "associatePublicIpAddress" => {
            let eni = model.network_interface(&id)?;
            answer.insert("AssociatePublicIpAddress".into(), eni.associate_public_ip_address.into());
        }
        other => return Err(crate::arguments::invalid("attribute", other, "Unknown network interface attribute")),
    }
    Ok(present(Value::Object(answer)))
}

/// Groups as `[{"GroupId", "GroupName"}]`.
pub fn groups(model: &Model, interface: &NetworkInterface) -> Value {
    let name = |id| model.security_groups.get(id).map(|group| group.group_name.clone());
    interface.groups.iter().map(|id| json!({"GroupId": text(id), "GroupName": name(id)})).collect()
}

/// The public address of one private address; nothing when there is none.
pub fn association(model: &Model, interface: &NetworkInterface, private: std::net::Ipv4Addr) -> Value {
    let Some(public) = model.public_ip_of(interface, private) else { return Value::Null };
    let elastic = model.elastic_ip_of(&interface.id, private);
    let id = elastic.and_then(|address| address.association.as_ref()).map(|a| text(&a.id));
    let names = model.vpcs.get(&interface.vpc_id).is_some_and(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames);
    present(json!({
        "AllocationId": elastic.map(|address| text(&address.allocation_id)),
        "AssociationId": id,
        "IpOwnerId": if elastic.is_some() { model.account_id.as_str() } else { "amazon" },
        "PublicDnsName": if names { public_name(model, public) } else { String::new() },
        "PublicIp": text(public),
    }))
}

/// DNS-5.
pub fn public_name(model: &Model, address: std::net::Ipv4Addr) -> String {
    model.region.public_name(address)
}

/// DNS-3.
pub fn private_name(model: &Model, address: std::net::Ipv4Addr) -> String {
    model.region.private_name(address)
}

/// Private addresses with their public ones.
pub fn private_address_shapes(model: &Model, interface: &NetworkInterface) -> Value {
    let shape = |private: &std::net::Ipv4Addr| {
        present(json!({
            "Association": association(model, interface, *private),
            "Primary": *private == interface.primary_address(),
            "PrivateDnsName": private_name(model, *private),
            "PrivateIpAddress": text(private),
        }))
    };
    interface.private_ip_addresses.iter().map(shape).collect()
}

/// An interface as its own Describe call shows it.
pub fn shape(model: &Model, interface: &NetworkInterface) -> Value {
    let subnet = model.subnets.get(&interface.subnet_id);
    let attachment = interface.attachment.as_ref().map(|attachment| {
        json!({
            "AttachTime": time(attachment.attach_time),
            "AttachmentId": text(&attachment.id),
            "DeleteOnTermination": attachment.delete_on_termination,
            "DeviceIndex": attachment.device_index,
            "NetworkCardIndex": 0,
            "InstanceId": text(&attachment.instance_id),
            "InstanceOwnerId": model.account_id,
            "Status": "attached",
        })
    });
    let managed = interface.interface_type != InterfaceType::Interface;
    let in_use = managed || attachment.is_some();
    present(json!({
        "Association": association(model, interface, interface.primary_address()),
        "Attachment": attachment,
        "AvailabilityZone": subnet.map(|subnet| &subnet.availability_zone),
        "Description": interface.description,
        "Groups": groups(model, interface),
        "InterfaceType": match interface.interface_type {
            InterfaceType::Interface => "interface",
            InterfaceType::NatGateway => "nat_gateway",
            InterfaceType::VpcEndpoint => "vpc_endpoint",
        },
        "Ipv6Addresses":
            interface.ipv6_addresses.iter().map(|a| json!({"Ipv6Address": text(a), "IsPrimaryIpv6": false})).collect::<Value>(),
        "MacAddress": text(interface.mac_address),
        "NetworkInterfaceId": text(&interface.id),
        "OwnerId": model.account_id,
        "PrivateDnsName": private_name(model, interface.primary_address()),
        "PrivateIpAddress": text(interface.primary_address()),
        "PrivateIpAddresses": private_address_shapes(model, interface),
        "RequesterManaged": managed,
        "SourceDestCheck": interface.source_dest_check,
        "Status": if in_use { "in-use" } else { "available" },
        "SubnetId": text(&interface.subnet_id),
        "TagSet": tags(&interface.tags),
        "VpcId": text(&interface.vpc_id),
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "NetworkInterfaceIds",
    id_path: "NetworkInterfaceId",
    answer: "NetworkInterfaces",
    filters: &[
        ("addresses.association.owner-id", &["PrivateIpAddresses.Association.IpOwnerId"]),
        ("addresses.association.public-ip", &["PrivateIpAddresses.Association.PublicIp"]),
        ("addresses.primary", &["PrivateIpAddresses.Primary"]),
        ("addresses.private-ip-address", &["PrivateIpAddresses.PrivateIpAddress"]),
        ("association.allocation-id", &["Association.AllocationId"]),
        ("association.association-id", &["Association.AssociationId"]),
        ("association.ip-owner-id", &["Association.IpOwnerId"]),
        ("association.public-dns-name", &["Association.PublicDnsName"]),
        ("association.public-ip", &["Association.PublicIp"]),
        ("attachment.attach-time", &["Attachment.AttachTime"]),
        ("attachment.attachment-id", &["Attachment.AttachmentId"]),
        ("attachment.delete-on-termination", &["Attachment.DeleteOnTermination"]),
        ("attachment.device-index", &["Attachment.DeviceIndex"]),
        ("attachment.instance-id", &["Attachment.InstanceId"]),
        ("attachment.instance-owner-id", &["Attachment.InstanceOwnerId"]),
        ("attachment.status", &["Attachment.Status"]),
        ("availability-zone", &["AvailabilityZone"]),
        ("availability-zone-id", &["AvailabilityZoneId"]),
        ("description", &["Description"]),
        ("group-id", &["Groups.GroupId"]),
        ("group-name", &["Groups.GroupName"]),
        ("interface-type", &["InterfaceType"]),
        ("ipv6-addresses.ipv6-address", &["Ipv6Addresses.Ipv6Address"]),
        ("mac-address", &["MacAddress"]),
        ("network-interface-id", &["NetworkInterfaceId"]),
        ("operator.managed", &["Operator.Managed"]),
        ("operator.principal", &["Operator.Principal"]),
        ("owner-id", &["OwnerId"]),
        ("private-dns-name", &["PrivateDnsName"]),
        ("private-ip-address", &["PrivateIpAddress"]),
        ("requester-id", &["RequesterId"]),
        ("requester-managed", &["RequesterManaged"]),
        ("source-dest-check", &["SourceDestCheck"]),
        ("status", &["Status"]),
        ("subnet-id", &["SubnetId"]),
        ("vpc-id", &["VpcId"]),
    ],
    form: form::<NetworkInterfaceId>,
    not_found: NetworkInterfaceId::not_found,
};

fn known(eni: &NetworkInterface) -> Known<'_, 3> {
    Known { texts: [("NetworkInterfaceId", eni.id.as_str()), ("SubnetId", eni.subnet_id.as_str()), ("VpcId", eni.vpc_id.as_str())], tags: &eni.tags }
}

fn describe_network_interfaces(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    // Filters know tags as `Tags`; this one resource shows them as `TagSet`.
    let both = |eni: &NetworkInterface| {
        let mut shown = shape(model, eni);
        shown["Tags"] = shown["TagSet"].clone();
        shown
    };
    let mut answer = DESCRIBE.serve_rows(arguments, model.network_interfaces.values(), known, both)?;
    for interface in answer["NetworkInterfaces"].as_array_mut().into_iter().flatten() {
        if let Some(fields) = interface.as_object_mut() {
            fields.shift_remove("Tags");
        }
    }
    Ok(answer)
}
