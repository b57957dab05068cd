//! Networks: `/networks`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use container::engine::{Attachment, Driver, Error, Moment, ShownNetwork};
use container::network::{Network, NetworkOptions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Failure, Result};
use crate::filters::Filters;
use crate::query::{Query, or_default};
use crate::state::{Api, Docker, INSTANCE_LABEL, blocking};

/// Endpoints of this file.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(create))
        .route("/networks/prune", post(prune))
        .route("/networks/{id}", get(inspect).delete(remove))
        .route("/networks/{id}/connect", post(connect))
        .route("/networks/{id}/disconnect", post(disconnect))
}

/// A network and the key of its instance.
type Placed = (String, ShownNetwork);

impl Docker {
    /// Networks of all instances that are shown.
    fn networks(&self) -> Result<Vec<Placed>> {
        let mut all = Vec::new();
        for (key, _) in self.scope.instances() {
            all.extend(self.engine.list_networks(&key)?.into_iter().map(|network| (key.clone(), network)));
        }
        Ok(all)
    }

    /// The network of a name, an id, the beginning of one, or, where several instances are shown, INSTANCE/NAME.
    fn network(&self, text: &str) -> Result<Placed> {
        if let Some((instance, name)) = text.split_once('/') {
            let key = self.scope.key_of(instance).ok_or_else(|| Error::NoNetwork(text.to_owned()))?;
            let network = self.engine.find_network(&key, name)?;
            return Ok((key, network));
        }
        let all = self.networks()?;
        let is_called = |network: &ShownNetwork| network.name == text || network.id == text;
        let begins = |network: &ShownNetwork| !text.is_empty() && network.id.starts_with(text);
        let mut found: Vec<&Placed> = all.iter().filter(|(_, network)| is_called(network)).collect();
        if found.is_empty() {
            found = all.iter().filter(|(_, network)| begins(network)).collect();
        }
        match found[..] {
            [] => Err(Error::NoNetwork(text.to_owned()).into()),
            [one] => Ok(one.clone()),
            _ => {
                let names = found.iter().map(|(key, network)| format!("{}/{}", self.scope.name_of(key), network.name));
                let names: Vec<String> = names.take(8).collect();
                Err(Failure::bad_request(format!("network {text} is ambiguous ({}): write more of its id", names.join(", "))))
            }
        }
    }

    /// As clients are shown it. Where a door leads to several instances a label says which one it is of.
    fn shown(&self, (key, network): &Placed, with_members: bool) -> Value {
        let mut value = network.shown(with_members);
        if self.scope.only.is_none() && self.scope.instances().len() > 1 {
            value["Labels"][INSTANCE_LABEL] = json!(self.scope.name_of(key));
        }
        value
    }
}

const FILTERS: [&str; 8] = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];

fn fits((_, network): &Placed, filters: &Filters) -> Result<bool> {
    let labels = network.network.as_ref().map(|network| network.labels.clone()).unwrap_or_default();
    let kind = if network.is_predefined() { "builtin" } else { "custom" };
    if let Some(other) = filters.values("type").find(|value| !["builtin", "custom"].contains(value)) {
        return Err(Failure::bad_request(format!("invalid filter: 'type'='{other}'")));
    }
    let is_dangling = network.members.is_empty() && !network.is_predefined();
    Ok(filters.allows("name", |value| network.name.contains(value))
        && filters.allows("id", |value| network.id.contains(value))
        && filters.allows("driver", |value| network.driver.name() == value)
        && filters.allows("type", |value| value == kind)
        && filters.allows("scope", |value| value == "local")
        && filters.flag("dangling")?.is_none_or(|wanted| wanted == is_dangling)
        && filters.labels(&labels))
}

async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    let filters = query.filters(&FILTERS)?;
    blocking(&api, move |docker| {
        let mut all = Vec::new();
        for placed in docker.networks()? {
            if fits(&placed, &filters)? {
                all.push(docker.shown(&placed, false));
            }
        }
        Ok(Json(Value::Array(all)))
    })
    .await
}

async fn inspect(State(api): State<Api>, Path(id): Path<String>, query: Query) -> Result<Json<Value>> {
    let scope = query.get("scope").map(str::to_owned);
    blocking(&api, move |docker| {
        if scope.is_some_and(|scope| scope != "local") {
            return Err(Error::NoNetwork(id).into());
        }
        let placed = docker.network(&id)?;
        Ok(Json(docker.shown(&placed, true)))
    })
    .await
}

/// The body of `POST /networks/create`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Create {
    #[serde(deserialize_with = "or_default")]
    name: String,
    driver: Option<String>,
    scope: Option<String>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    #[serde(deserialize_with = "or_default")]
    internal: bool,
    #[serde(deserialize_with = "or_default")]
    attachable: bool,
    #[serde(deserialize_with = "or_default")]
    ingress: bool,
    #[serde(deserialize_with = "or_default")]
    config_only: bool,
    config_from: Option<ConfigFrom>,
    options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigFrom {
    #[serde(deserialize_with = "or_default")]
    network: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Ipam {
    driver: Option<String>,
    config: Option<Vec<Pool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Pool {
    subnet: Option<String>,
    #[serde(rename = "IPRange")]
    ip_range: Option<String>,
    gateway: Option<String>,
    #[serde(alias = "AuxAddress")]
    auxiliary_addresses: Option<BTreeMap<String, String>>,
}

impl Create {
    /// Refuses what no network of an instance can be.
    fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(Failure::bad_request("network name cannot be blank"));
        }
        if self.ingress || self.scope.as_deref().is_some_and(|scope| !["", "local"].contains(&scope)) {
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "This node is not a swarm manager: networks have the scope local"));
        }
        if self.config_only || self.config_from.as_ref().is_some_and(|from| !from.network.is_empty()) {
            return Err(Failure::bad_request("networks of configurations alone are not made here"));
        }
        if self.enable_ipv4 == Some(false) {
            return Err(Failure::bad_request("IPv4 is not optional: a network without it is none of an instance's"));
        }
        let of_ipam = self.ipam.as_ref().and_then(|ipam| ipam.driver.as_deref()).unwrap_or("");
        if !["", "default"].contains(&of_ipam) {
            return Err(Failure::bad_request(format!("invalid ipam driver {of_ipam}: addresses are chosen by driver default")));
        }
        Driver::parse(self.driver.as_deref().unwrap_or(""))?;
        Ok(())
    }

    fn options(&self, id: String) -> Result<NetworkOptions> {
        let mut options = NetworkOptions::new(&self.name, id);
        (options.internal, options.attachable) = (self.internal, self.attachable);
        options.ipv6 = self.enable_ipv6.unwrap_or(false);
        options.labels = self.labels.clone().unwrap_or_default();
        for (name, value) in self.options.iter().flatten() {
            options.driver_option(name, value)?;
        }
        let pools = self.ipam.as_ref().and_then(|ipam| ipam.config.as_deref()).unwrap_or_default();
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        for pool in pools {
            if let Some(subnet) = said(&pool.subnet) {
                options.add_subnet(&subnet)?;
            }
            if let Some(gateway) = said(&pool.gateway) {
                options.add_gateway(&gateway)?;
            }
            if let Some(range) = said(&pool.ip_range) {
                options.add_range(&range)?;
            }
            for (name, address) in pool.auxiliary_addresses.iter().flatten() {
                options.add_reserved(name, address)?;
            }
        }
        // As Docker: a subnet of IPv6 where nobody asked for IPv6 is passed over.
        if !options.ipv6 {
            (options.subnet_v6, options.gateway_v6) = (None, None);
        }
        Ok(options)
    }
}

async fn create(State(api): State<Api>, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let asked: Create = crate::query::json(&body)?;
    asked.check()?;
    blocking(&api, move |docker| {
        let key = docker.place(asked.labels.as_ref().unwrap_or(&BTreeMap::new()))?;
        let options = asked.options(String::new())?;
        let made = docker.engine.create_network(&key, |id| NetworkOptions { id, ..options })?;
        Ok((StatusCode::CREATED, Json(json!({"Id": made.id, "Warning": ""}))))
    })
    .await
}

async fn remove(State(api): State<Api>, Path(id): Path<String>) -> Result<StatusCode> {
    blocking(&api, move |docker| {
        let (key, network) = docker.network(&id)?;
        docker.engine.remove_network(&key, &network.id)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// What is asked of one network for a container: `EndpointConfig`, and each value of `NetworkingConfig.EndpointsConfig`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSettings {
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<EndpointAddresses>,
    links: Option<Vec<String>>,
    aliases: Option<Vec<String>>,
    mac_address: Option<String>,
    driver_opts: Option<BTreeMap<String, String>>,
    gw_priority: Option<i32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EndpointAddresses {
    #[serde(rename = "IPv4Address")]
    v4: Option<String>,
    #[serde(rename = "IPv6Address")]
    v6: Option<String>,
}

impl EndpointSettings {
    /// As the engine is asked. Errors: 400 for what is no address.
    pub fn attachment(&self) -> Result<Attachment> {
        let addresses = self.ipam_config.clone().unwrap_or_default();
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let v4 = said(&addresses.v4).map(|text| {
            text.parse::<Ipv4Addr>().map_err(|_| Failure::bad_request(format!("invalid IPv4 address: {text}")))
        });
        let v6 = said(&addresses.v6).map(|text| {
            text.parse::<Ipv6Addr>().map_err(|_| Failure::bad_request(format!("invalid IPv6 address: {text}")))
        });
        let mac = said(&self.mac_address).map(|text| {
            container::network::parse_mac(&text).map_err(|error| Failure::bad_request(error.to_string()))
        });
        Ok(Attachment {
            address: v4.transpose()?,
            address_v6: v6.transpose()?,
            mac: mac.transpose()?,
            aliases: self.aliases.clone().unwrap_or_default(),
            links: self.links.clone().unwrap_or_default(),
            gateway_priority: self.gw_priority.unwrap_or(0),
            driver_options: self.driver_opts.clone().unwrap_or_default(),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Connect {
    #[serde(deserialize_with = "or_default")]
    container: String,
    endpoint_config: Option<EndpointSettings>,
    #[serde(deserialize_with = "or_default")]
    force: bool,
}

/// The container meant, and the id of the network, which must be of the same instance.
fn both(docker: &Docker, network: &str, container: &str) -> Result<(container::engine::Id, String)> {
    let record = docker.find(container)?;
    let found = match docker.engine.find_network(&record.instance, network) {
        Err(Error::NoNetwork(_)) => {
            let (key, found) = docker.network(network)?;
            if key != record.instance {
                return Err(Failure::conflict(format!(
                    "network {} is one of instance {}, and container {} is in instance {}",
                    found.name,
                    docker.scope.name_of(&key),
                    record.name,
                    docker.scope.name_of(&record.instance)
                )));
            }
            found
        }
        found => found?,
    };
    Ok((record.id, found.id))
}

async fn connect(State(api): State<Api>, Path(id): Path<String>, body: Bytes) -> Result<StatusCode> {
    let asked: Connect = crate::query::json(&body)?;
    let attachment = asked.endpoint_config.clone().unwrap_or_default().attachment()?;
    blocking(&api, move |docker| {
        let (container, network) = both(docker, &id, &asked.container)?;
        docker.engine.connect_network(&container, &network, attachment)?;
        Ok(StatusCode::OK)
    })
    .await
}

async fn disconnect(State(api): State<Api>, Path(id): Path<String>, body: Bytes) -> Result<StatusCode> {
    let asked: Connect = crate::query::json(&body)?;
    blocking(&api, move |docker| {
        let (container, network) = match both(docker, &id, &asked.container) {
            // Nobody is left who could be in it.
            Err(failure) if asked.force && failure.status == StatusCode::NOT_FOUND && docker.network(&id).is_ok() => {
                return Ok(StatusCode::OK);
            }
            found => found?,
        };
        docker.engine.disconnect_network(&container, &network, asked.force)?;
        Ok(StatusCode::OK)
    })
    .await
}

async fn prune(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    let filters = query.filters(&["until", "label", "label!"])?;
    let now = Moment::now();
    let mut until = Vec::new();
    for text in filters.values("until") {
        let moment = Moment::parse_or_ago(text, now);
        until.push(moment.ok_or_else(|| Failure::bad_request(format!("invalid filter 'until={text}'")))?);
    }
    blocking(&api, move |docker| {
        let is_old = |network: &Network| {
            let made = Moment::parse(&network.created);
            until.iter().all(|until| made.is_none_or(|made| made < *until))
        };
        let mut gone = Vec::new();
        for (key, _) in docker.scope.instances() {
            gone.extend(docker.engine.prune_networks(&key, |network| is_old(network) && filters.labels(&network.labels))?);
        }
        let gone = Some(gone).filter(|gone| !gone.is_empty());
        Ok(Json(json!({"NetworksDeleted": gone})))
    })
    .await
}
