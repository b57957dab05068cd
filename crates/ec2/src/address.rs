//! Elastic IP addresses (EIP-1 … EIP-10).

use model::operation::{self, AddressName, AddressTarget, AssociationName};
use model::{Address, AllocationId, ApiError, ErrorCode, Model};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{done, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AllocateAddress", allocate_address),
    ("AssociateAddress", associate_address),
    ("DescribeAddresses", describe_addresses),
    ("DescribeAddressesAttribute", describe_addresses_attribute),
    ("DisassociateAddress", disassociate_address),
    ("ReleaseAddress", release_address),
];

fn allocate_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        a.refuse(&["CustomerOwnedIpv4Pool", "IpamPoolId"])?;
        a.ignore(&["NetworkBorderGroup"]);
        if let Some(other) = a.text("PublicIpv4Pool")?.filter(|pool| *pool != "amazon") {
            return Err(a.invalid("PublicIpv4Pool", &other.into(), "The only pool is amazon."));
        }
        if let Some(other) = a.text("Domain")?.filter(|domain| *domain != "vpc") {
            return Err(a.invalid("Domain", &other.into(), "The only domain is vpc."));
        }
        Ok(operation::AllocateAddress {
            address: a.address("Address")?,
            tags: a.tags("elastic-ip")?,
            ..operation::AllocateAddress::default()
        })
    })?;
    let id = operation::allocate_address(model, request)?;
    let address = model.address(&id)?;
    Ok(json!({
        "AllocationId": text(&id),
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": text(&model.region),
        "Domain": "vpc",
        "PublicIp": text(address.public_ip),
    }))
}

fn address_name(a: &Arguments<'_>) -> Result<AddressName, ApiError> {
    let given = [a.id("AllocationId")?.map(AddressName::Allocation), a.address("PublicIp")?.map(AddressName::PublicIp)];
    a.exactly_one("AllocationId or PublicIp", given.into_iter().flatten().collect())
}

fn associate_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let given = [
            a.id("NetworkInterfaceId")?.map(AddressTarget::NetworkInterface),
            a.id("InstanceId")?.map(AddressTarget::Instance),
        ];
        Ok(operation::AssociateAddress {
            address: address_name(a)?,
            target: a.exactly_one("InstanceId or NetworkInterfaceId", given.into_iter().flatten().collect())?,
            private_ip_address: a.address("PrivateIpAddress")?,
            allow_reassociation: a.boolean("AllowReassociation")?,
        })
    })?;
    let id = operation::associate_address(model, request)?;
    Ok(json!({"AssociationId": text(id)}))
}

fn disassociate_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let name = read(arguments, |a| {
        let given = [
            a.id("AssociationId")?.map(AssociationName::Association),
            a.address("PublicIp")?.map(AssociationName::PublicIp),
        ];
        a.exactly_one("AssociationId or PublicIp", given.into_iter().flatten().collect())
    })?;
    operation::disassociate_address(model, &name)?;
    Ok(done())
}

fn release_address(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let name = read(arguments, |a| {
        a.ignore(&["NetworkBorderGroup"]);
        address_name(a)
    })?;
    operation::release_address(model, &name)?;
    Ok(done())
}

fn shape(model: &Model, address: &Address) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("AllocationId", text(&address.allocation_id));
    if let Some(association) = &address.association {
        put("AssociationId", text(&association.id));
        put("NetworkInterfaceId", text(&association.network_interface_id));
        put("NetworkInterfaceOwnerId", model.account_id.clone().into());
        put("PrivateIpAddress", text(association.private_ip_address));
        let interface = model.network_interfaces.get(&association.network_interface_id);
        if let Some(instance) = interface.and_then(|eni| eni.instance_id()) {
            put("InstanceId", text(instance));
        }
    }
    put("Domain", "vpc".into());
    put("Tags", tags(&address.tags));
    put("PublicIpv4Pool", "amazon".into());
    put("NetworkBorderGroup", text(&model.region));
    put("PublicIp", text(address.public_ip));
    Value::Object(fields)
}

const DESCRIBE: Describe = Describe {
    ids: "AllocationIds",
    id_path: "AllocationId",
    answer: "Addresses",
    filters: &[
        ("allocation-id", &["AllocationId"]),
        ("association-id", &["AssociationId"]),
        ("domain", &["Domain"]),
        ("instance-id", &["InstanceId"]),
        ("network-border-group", &["NetworkBorderGroup"]),
        ("network-interface-id", &["NetworkInterfaceId"]),
        ("network-interface-owner-id", &["NetworkInterfaceOwnerId"]),
        ("private-ip-address", &["PrivateIpAddress"]),
        ("public-ip", &["PublicIp"]),
    ],
    form: form::<AllocationId>,
    not_found: AllocationId::not_found,
};

fn describe_addresses(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut wanted: Vec<String> = Vec::new();
    let shown = DESCRIBE.serve_with(arguments, model.addresses.values().map(|address| shape(model, address)), |a| {
        wanted = a.texts("PublicIps")?.into_iter().map(str::to_owned).collect();
        let exists = |ip: &String| model.addresses.values().any(|address| address.public_ip.to_string() == *ip);
        match wanted.iter().find(|ip| !exists(ip)) {
            None => Ok(()),
            Some(absent) => {
                Err(ApiError::new(ErrorCode::InvalidAddressNotFound, format!("Address '{absent}' not found.")))
            }
        }
    })?;
    if wanted.is_empty() {
        return Ok(shown);
    }
    let chosen = shown["Addresses"].as_array().into_iter().flatten();
    let chosen = chosen.filter(|address| wanted.iter().any(|ip| address["PublicIp"] == **ip)).cloned();
    Ok(json!({"Addresses": chosen.collect::<Value>()}))
}

fn describe_addresses_attribute(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let ids: Vec<model::AllocationId> = read(arguments, |a| {
        a.ignore(&["Attribute"]);
        a.ids("AllocationIds")
    })?;
    let all = ids.iter().map(|id| model.address(id)).collect::<Result<Vec<_>, _>>()?;
    let shown = all.iter().map(|address| {
        json!({"PublicIp": text(address.public_ip), "AllocationId": text(&address.allocation_id)})
    });
    Ok(json!({"Addresses": shown.collect::<Value>()}))
}
