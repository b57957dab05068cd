//! DHCP option sets (DHCP-1 … DHCP-3).

use std::net::Ipv4Addr;

use model::dhcp_options::NameServer;
use model::operation::{self, AssociateDhcpOptions};
use model::{ApiError, DhcpOptions, DhcpOptionsId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{invalid, read};
use crate::filter::Describe;
use crate::identifier::{Identifier, form};
use crate::shape::{done, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateDhcpOptions", associate_dhcp_options),
    ("CreateDhcpOptions", create_dhcp_options),
    ("DeleteDhcpOptions", delete_dhcp_options),
    ("DescribeDhcpOptions", describe_dhcp_options),
];

fn create_dhcp_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let mut request = operation::CreateDhcpOptions { tags: a.tags("dhcp-options")?, ..Default::default() };
        a.each("DhcpConfigurations", |c| {
            let (key, values) = (c.required_text("Key")?, c.texts("Values")?);
            let addresses = || values.iter().map(|value| address(key, value)).collect::<Result<Vec<_>, _>>();
            match key {
                "domain-name" => request.domain_name = Some(values.join(" ")),
                "domain-name-servers" => {
                    let server = |value: &&str| match *value {
                        "AmazonProvidedDNS" => Ok(NameServer::AmazonProvidedDns),
                        value => address(key, value).map(NameServer::Address),
                    };
                    request.domain_name_servers = values.iter().map(server).collect::<Result<_, _>>()?;
                }
                "ntp-servers" => request.ntp_servers = addresses()?,
                "netbios-name-servers" => request.netbios_name_servers = addresses()?,
                "netbios-node-type" => {
                    let value = values.first().copied().unwrap_or_default();
                    let kind = value.parse().map_err(|_| invalid(key, value, "The node type is 1, 2, 4 or 8."))?;
                    request.netbios_node_type = Some(kind);
                }
                other => return Err(invalid("Key", other, "Unknown DHCP option.")),
            }
            Ok(())
        })?;
        Ok(request)
    })?;
    let id = operation::create_dhcp_options(model, request)?;
    Ok(json!({"DhcpOptions": shape(model, model.dhcp_options_set(&id)?)}))
}

fn address(key: &str, value: &str) -> Result<Ipv4Addr, ApiError> {
    value.trim().parse().map_err(|_| invalid(key, value, "This is not a valid IP address."))
}

fn delete_dhcp_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("DhcpOptionsId"))?;
    operation::delete_dhcp_options(model, &id)?;
    Ok(done())
}

fn associate_dhcp_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        // The word `default` stands for no options at all (DHCP-1).
        let dhcp_options_id = match a.required_text("DhcpOptionsId")? {
            "default" => None,
            id => Some(DhcpOptionsId::parse(id)?),
        };
        Ok(AssociateDhcpOptions { dhcp_options_id, vpc_id: a.required_id("VpcId")? })
    })?;
    operation::associate_dhcp_options(model, request)?;
    Ok(done())
}

fn shape(model: &Model, options: &DhcpOptions) -> Value {
    let list = |values: Vec<String>| values.into_iter().map(|value| json!({"Value": value})).collect::<Value>();
    let servers = options.domain_name_servers.iter().map(|server| match server {
        NameServer::AmazonProvidedDns => "AmazonProvidedDNS".to_owned(),
        NameServer::Address(address) => address.to_string(),
    });
    let addresses = |all: &[Ipv4Addr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = [
        ("domain-name", options.domain_name.clone().into_iter().collect::<Vec<_>>()),
        ("domain-name-servers", servers.collect()),
        ("ntp-servers", addresses(&options.ntp_servers)),
        ("netbios-name-servers", addresses(&options.netbios_name_servers)),
        ("netbios-node-type", options.netbios_node_type.map(|kind| kind.to_string()).into_iter().collect()),
    ];
    let given = all.into_iter().filter(|(_, values)| !values.is_empty());
    json!({
        "OwnerId": model.account_id,
        "Tags": tags(&options.tags),
        "DhcpOptionsId": text(&options.id),
        "DhcpConfigurations": given.map(|(key, values)| json!({"Key": key, "Values": list(values)})).collect::<Value>(),
    })
}

const DESCRIBE: Describe = Describe {
    ids: "DhcpOptionsIds",
    id_path: "DhcpOptionsId",
    answer: "DhcpOptions",
    filters: &[
        ("dhcp-options-id", &["DhcpOptionsId"]),
        ("key", &["DhcpConfigurations.Key"]),
        ("owner-id", &["OwnerId"]),
        ("value", &["DhcpConfigurations.Values.Value"]),
    ],
    form: form::<DhcpOptionsId>,
    not_found: DhcpOptionsId::not_found,
};

fn describe_dhcp_options(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    DESCRIBE.serve(arguments, model.dhcp_options.values().map(|options| shape(model, options)))
}
