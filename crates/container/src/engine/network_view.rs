//! A network as `docker network inspect` shows it, and a container's places as `docker inspect` does.

use serde_json::{Map, Value, json};

use super::networks::{Driver, ShownNetwork};
use super::record::Record;
use crate::network::{Endpoint, Network};

/// Docker's words for what its default bridge is.
const OF_DEFAULT: [(&str, &str); 3] = [
    ("com.docker.network.bridge.default_bridge", "true"),
    ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
    ("com.docker.network.bridge.name", "docker0"),
];

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

impl ShownNetwork {
    /// Everything about it, with Docker's names. A list of networks has no `members` in it.
    pub fn shown(&self, with_members: bool) -> Value {
        let network = self.network.as_ref();
        let mut value = json!({
            "Name": self.name,
            "Id": self.id,
            "Created": network.map(|network| network.created.as_str()).filter(|created| !created.is_empty())
                .unwrap_or("0001-01-01T00:00:00Z"),
            "Scope": "local",
            "Driver": self.driver.name(),
            "EnableIPv4": true,
            "EnableIPv6": network.is_some_and(|network| network.ipv6.is_some()),
            "IPAM": {"Driver": "default", "Options": null, "Config": network.map(config)},
            "Internal": network.is_some_and(|network| network.internal),
            "Attachable": network.is_some_and(|network| network.attachable),
            "Ingress": false,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": false,
            "Containers": {},
            "Options": network.map_or_else(Map::new, options),
            "Labels": network.map(|network| &network.labels).cloned().unwrap_or_default(),
        });
        if with_members {
            let members = self.members.iter().map(|member| {
                let endpoint = member.endpoint.as_ref();
                let length = network.map_or(0, |network| network.subnet.prefix_len());
                let length_v6 = network
                    .and_then(|network| network.ipv6)
                    .map_or(0, |part| part.subnet.prefix_len());
                let shown = json!({
                    "Name": member.name,
                    "EndpointID": endpoint.map(Endpoint::id).unwrap_or_default(),
                    "MacAddress": endpoint.map(|endpoint| mac(endpoint.mac)).unwrap_or_default(),
                    "IPv4Address": endpoint.map(|endpoint| format!("{}/{length}", endpoint.address)).unwrap_or_default(),
                    "IPv6Address": endpoint.and_then(|endpoint| endpoint.address_v6)
                        .map(|address| format!("{address}/{length_v6}")).unwrap_or_default(),
                });
                (member.container.clone(), shown)
            });
            value["Containers"] = Value::Object(members.collect());
        }
        value
    }
}

fn config(network: &Network) -> Vec<Value> {
    let mut v4 = json!({"Subnet": network.subnet, "Gateway": network.gateway});
    if let Some(range) = network.ip_range {
        v4["IPRange"] = json!(range);
    }
    if !network.reserved.is_empty() {
        v4["AuxiliaryAddresses"] = json!(network.reserved);
    }
    let v6 = network
        .ipv6
        .map(|part| json!({"Subnet": part.subnet, "Gateway": part.gateway}));
    std::iter::once(v4).chain(v6).collect()
}

fn options(network: &Network) -> Map<String, Value> {
    let given = network.driver_options.iter();
    let mut all: Map<String, Value> = given
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    if network.is_default() {
        all.extend(OF_DEFAULT.map(|(name, value)| (name.to_owned(), json!(value))));
        for (name, value) in [
            ("enable_icc", network.icc),
            ("enable_ip_masquerade", network.masquerade),
        ] {
            let name = format!("com.docker.network.bridge.{name}");
            all.insert(name, json!(value.to_string()));
        }
        let name = "com.docker.network.driver.mtu";
        all.insert(name.to_owned(), json!(network.mtu.to_string()));
    }
    all
}

/// `NetworkSettings.Networks` of a container: its places while it runs, and what was asked for before.
pub(super) fn places(record: &Record, networks: &[Network]) -> Map<String, Value> {
    let mut all = Map::new();
    for text in record.options.joined() {
        let network = networks
            .iter()
            .find(|network| network.name == text || network.id == text);
        let name = network.map_or(text, |network| network.name.as_str());
        let endpoint = network.and_then(|network| {
            let mut places = record.endpoints.iter();
            places.find(|endpoint| endpoint.network == network.id)
        });
        all.insert(name.to_owned(), place(record, text, network, endpoint));
    }
    // Networks that were called by the beginning of an id.
    for endpoint in &record.endpoints {
        let network = networks.iter().find(|one| one.id == endpoint.network);
        let Some(network) = network else { continue };
        all.retain(|name, _| !(name.len() >= 12 && network.id.starts_with(name.as_str())));
        all.entry(network.name.clone())
            .or_insert_with(|| place(record, &network.name, Some(network), Some(endpoint)));
    }
    let mode = super::inspect::network_mode(&record.options.network);
    if ["host", "none"].contains(&mode.as_str()) {
        let network = crate::network::predefined_id(&record.instance, &mode);
        let mut shown = place(record, &mode, None, None);
        shown["NetworkID"] = json!(network);
        all.insert(mode, shown);
    }
    all
}

fn place(
    record: &Record,
    text: &str,
    network: Option<&Network>,
    endpoint: Option<&Endpoint>,
) -> Value {
    let asked = record.options.attachments.get(text);
    let asked = asked.or_else(|| record.options.attachments.get(&network?.name));
    let part = network.and_then(|network| network.ipv6);
    let is_default = network.is_none_or(Network::is_default);
    let aliases = asked.map(|asked| asked.aliases.clone()).unwrap_or_default();
    let aliases: Vec<String> = endpoint.map_or(aliases, |endpoint| endpoint.aliases.clone());
    let names: Vec<&str> = [record.name.as_str()]
        .into_iter()
        .chain(aliases.iter().map(String::as_str))
        .chain([record.id.short(), record.settings.hostname.as_str()])
        .collect();
    let mut names_once: Vec<&str> = Vec::new();
    for name in names {
        if !names_once.contains(&name) {
            names_once.push(name);
        }
    }
    let asked_addresses = asked.and_then(|asked| {
        let address = asked.address.map(|address| address.to_string());
        let v6 = asked.address_v6.map(|address| address.to_string());
        let has_some = address.is_some() || v6.is_some();
        has_some.then(|| {
            let pairs = [("IPv4Address", address), ("IPv6Address", v6)];
            let given = pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
            Value::Object(given.collect())
        })
    });
    let text_of = |value: Option<String>| value.unwrap_or_default();
    json!({
        "IPAMConfig": asked_addresses,
        "Links": asked.map(|asked| &asked.links).filter(|links| !links.is_empty()),
        "Aliases": Some(&aliases).filter(|aliases| !aliases.is_empty()),
        "MacAddress": text_of(endpoint.map(|endpoint| mac(endpoint.mac)).or_else(|| asked?.mac.map(mac))),
        "DriverOpts": asked.map(|asked| &asked.driver_options).filter(|options| !options.is_empty()),
        "GwPriority": asked.map_or(0, |asked| asked.gateway_priority),
        "NetworkID": text_of(endpoint.map(|endpoint| endpoint.network.clone()).or_else(|| Some(network?.id.clone()))),
        "EndpointID": text_of(endpoint.map(Endpoint::id)),
        "Gateway": text_of(endpoint.and(network).map(|network| network.gateway.to_string())),
        "IPAddress": text_of(endpoint.map(|endpoint| endpoint.address.to_string())),
        "IPPrefixLen": endpoint.and(network).map_or(0, |network| network.subnet.prefix_len()),
        "IPv6Gateway": text_of(endpoint.and(part).map(|part| part.gateway.to_string())),
        "GlobalIPv6Address": text_of(endpoint.and_then(|endpoint| endpoint.address_v6).map(|address| address.to_string())),
        "GlobalIPv6PrefixLen": endpoint.and_then(|endpoint| endpoint.address_v6).and(part).map_or(0, |part| part.subnet.prefix_len()),
        "DNSNames": Some(names_once).filter(|_| endpoint.is_some() && !is_default),
    })
}

impl Driver {
    /// Reads Docker's name of one that a network can be made with.
    pub fn parse(text: &str) -> super::Result<Driver> {
        match text {
            "" | "bridge" | "default" => Ok(Driver::Bridge),
            "host" | "null" => Err(super::Error::Forbidden(format!(
                "only one instance of \"{text}\" network is allowed"
            ))),
            other => Err(super::Error::NoDriver(other.to_owned())),
        }
    }
}
