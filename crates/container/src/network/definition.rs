//! What a network is, who is in it, and how a container takes part.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::{Error, Result};
use super::ipam;
use super::publish::{Port, PublishedPort};

/// Name of the network that a container is in when nobody says otherwise.
pub const DEFAULT_NETWORK: &str = "bridge";
/// Bridge of [`DEFAULT_NETWORK`].
pub const DEFAULT_BRIDGE: &str = "docker0";
/// Id of a network that an instance has by itself (`bridge`, `host`, `none`): it follows from both names.
pub fn predefined_id(instance: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("predefined network {name} of {instance}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether nobody can make a network of this name: it is always there, or would be read as a mode.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Names that a network cannot have.
const RESERVED: [&str; 5] = [DEFAULT_NETWORK, "default", "host", "none", "container"];
/// MTU where the uplink's is not known.
pub const DEFAULT_MTU: u32 = 1_500;
/// Smallest packet that every IPv4 link carries (RFC 791).
const SMALLEST_MTU: u32 = 68;

/// A network of driver `bridge`: a bridge in an instance, with a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique in the instance.
    pub name: String,
    /// The bridge's device: `docker0`, or `br-` and 12 digits of the id.
    pub bridge: String,
    /// Addresses of its containers.
    pub subnet: Ipv4Net,
    /// The bridge's own address.
    pub gateway: Ipv4Addr,
    /// Part of the subnet that addresses are taken from by themselves.
    pub ip_range: Option<Ipv4Net>,
    /// No way out and none in.
    pub internal: bool,
    /// Containers of it reach each other.
    pub icc: bool,
    /// Containers send as the instance (source translation).
    pub masquerade: bool,
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Its IPv6 addresses, if it has some.
    #[serde(default)]
    pub ipv6: Option<NetworkV6>,
    /// Addresses that no container gets by itself, by what they are for (`--aux-address`).
    #[serde(default)]
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// The address of the instance where ports are published whose request names none.
    #[serde(default)]
    pub host_binding: Option<Ipv4Addr>,
    /// Somebody chose the subnet: addresses of it may be asked for.
    #[serde(default)]
    pub is_subnet_given: bool,
    /// Containers outside of services may join it by themselves; said by whoever made it, and no more.
    #[serde(default)]
    pub attachable: bool,
    /// Remarks.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Options of the driver as they were given.
    #[serde(default)]
    pub driver_options: BTreeMap<String, String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: String,
}

/// The IPv6 part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkV6 {
    /// Addresses of its containers.
    pub subnet: Ipv6Net,
    /// The bridge's own address.
    pub gateway: Ipv6Addr,
}

/// What a new network is to be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOptions {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits, chosen by the caller.
    pub id: String,
    /// Chosen from Docker's pools when none is given.
    pub subnet: Option<Ipv4Net>,
    /// The first address of the subnet when none is given.
    pub gateway: Option<Ipv4Addr>,
    /// See [`Network::ip_range`].
    pub ip_range: Option<Ipv4Net>,
    /// See [`Network::internal`].
    pub internal: bool,
    /// `com.docker.network.bridge.enable_icc`.
    pub icc: bool,
    /// `com.docker.network.bridge.enable_ip_masquerade`.
    pub masquerade: bool,
    /// `com.docker.network.driver.mtu`; the uplink's when none is given.
    pub mtu: Option<u32>,
    /// `com.docker.network.bridge.name`.
    pub bridge: Option<String>,
    /// It has IPv6 addresses, too: of `subnet_v6`, or of a block that follows from its id.
    pub ipv6: bool,
    /// See [`NetworkV6::subnet`].
    pub subnet_v6: Option<Ipv6Net>,
    /// The first address of the subnet when none is given.
    pub gateway_v6: Option<Ipv6Addr>,
    /// See [`Network::reserved`].
    pub reserved: BTreeMap<String, Ipv4Addr>,
    /// See [`Network::host_binding`].
    pub host_binding: Option<Ipv4Addr>,
    /// See [`Network::attachable`].
    pub attachable: bool,
    /// See [`Network::labels`].
    pub labels: BTreeMap<String, String>,
    /// See [`Network::driver_options`].
    pub driver_options: BTreeMap<String, String>,
    /// See [`Network::created`].
    pub created: String,
}

impl NetworkOptions {
    /// An ordinary network.
    pub fn new(name: impl Into<String>, id: impl Into<String>) -> NetworkOptions {
        NetworkOptions {
            name: name.into(),
            id: id.into(),
            subnet: None,
            gateway: None,
            ip_range: None,
            internal: false,
            icc: true,
            masquerade: true,
            mtu: None,
            bridge: None,
            ipv6: false,
            subnet_v6: None,
            gateway_v6: None,
            reserved: BTreeMap::new(),
            host_binding: None,
            attachable: false,
            labels: BTreeMap::new(),
            driver_options: BTreeMap::new(),
            created: String::new(),
        }
    }
}

impl Network {
    /// The network `bridge` on `docker0`: 172.17.0.0/16, or the next pool that no route overlaps.
    pub fn default_bridge(id: impl Into<String>, routes: &[Ipv4Net], mtu: u32) -> Result<Network> {
        let subnet = ipam::choose_subnet(&[], routes)?;
        Ok(Network {
            id: id.into(),
            name: DEFAULT_NETWORK.into(),
            bridge: DEFAULT_BRIDGE.into(),
            subnet,
            gateway: ipam::first_usable(subnet, subnet).unwrap_or(subnet.addr()),
            ip_range: None,
            internal: false,
            icc: true,
            masquerade: true,
            mtu,
            ipv6: None,
            reserved: BTreeMap::new(),
            host_binding: None,
            is_subnet_given: false,
            attachable: false,
            labels: BTreeMap::new(),
            driver_options: BTreeMap::new(),
            created: String::new(),
        })
    }

    /// A network beside those that exist. `routes` are the instance's (see [`super::Survey`]), `uplink_mtu` its way
    /// out. Errors: [`Error::Network`], [`Error::Overlap`], [`Error::NoPool`].
    pub fn create(
        options: NetworkOptions,
        existing: &[Network],
        routes: &[Ipv4Net],
        uplink_mtu: u32,
    ) -> Result<Network> {
        let wrong = |why: String| Error::Network {
            name: options.name.clone(),
            why,
        };
        let starts_well = |name: &str| name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain = |name: &str| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
        };
        if !starts_well(&options.name) || !is_plain(&options.name) {
            return Err(wrong(
                "a name has letters, digits, `_`, `.` and `-`, and begins with a letter or digit"
                    .into(),
            ));
        }
        if RESERVED.contains(&options.name.as_str()) {
            return Err(wrong("the name is reserved".into()));
        }
        if let Some(same) = existing.iter().find(|other| other.name == options.name) {
            return Err(wrong(format!(
                "network with name {} already exists",
                same.name
            )));
        }
        if options.id.len() != 64 || !options.id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong("its id is not 64 hexadecimal digits".into()));
        }
        let bridge = match &options.bridge {
            Some(name) if name.is_empty() || name.len() > 15 || !is_plain(name) => {
                return Err(wrong(format!(
                    "`{name}` is no name of a device: 1 to 15 letters, digits, `_`, `.`, `-`"
                )));
            }
            Some(name) => name.clone(),
            None => format!("br-{}", &options.id[..12]),
        };
        if let Some(other) = existing.iter().find(|other| other.bridge == bridge) {
            return Err(wrong(format!(
                "bridge name {bridge} is used by network {}",
                other.name
            )));
        }
        let mut others: Vec<(&str, Ipv4Net)> = existing
            .iter()
            .map(|other| (other.name.as_str(), other.subnet))
            .collect();
        // docker0 is made when the first container wants it, and must find its subnet free then.
        if !existing.iter().any(Network::is_default)
            && let Ok(subnet) = ipam::choose_subnet(&[], routes)
        {
            others.push((DEFAULT_NETWORK, subnet));
        }
        let subnet = match options.subnet {
            None => {
                let subnets: Vec<Ipv4Net> = others.iter().map(|(_, subnet)| *subnet).collect();
                ipam::choose_subnet(&subnets, routes)?
            }
            Some(subnet) => {
                if subnet.prefix_len() > 30 {
                    return Err(wrong(format!(
                        "subnet {subnet} has no room for a gateway and a container"
                    )));
                }
                if subnet.addr() != subnet.network() {
                    return Err(wrong(format!(
                        "subnet {subnet} begins at {}: write {}",
                        subnet.network(),
                        subnet.trunc()
                    )));
                }
                let overlaps = |(_, other): &&(&str, Ipv4Net)| ipam::overlap(*other, subnet);
                if let Some((name, other)) = others.iter().find(overlaps) {
                    return Err(Error::Overlap {
                        wanted: subnet.into(),
                        other: format!("{other} of network {name}"),
                    });
                }
                if let Some(route) = routes
                    .iter()
                    .find(|route| route.prefix_len() > 0 && ipam::overlap(**route, subnet))
                {
                    return Err(Error::Overlap {
                        wanted: subnet.into(),
                        other: format!("the instance's route {route}"),
                    });
                }
                subnet
            }
        };
        if let Some(range) = options.ip_range
            && !subnet.contains(&range)
        {
            return Err(wrong(format!(
                "ip range {range} is not inside subnet {subnet}"
            )));
        }
        let gateway = options.gateway.unwrap_or_else(|| {
            ipam::first_usable(subnet, options.ip_range.unwrap_or(subnet)).unwrap_or(subnet.addr())
        });
        if !ipam::is_usable(subnet, gateway) {
            return Err(wrong(format!(
                "gateway {gateway} is no usable address of subnet {subnet}"
            )));
        }
        let mtu = options.mtu.unwrap_or(uplink_mtu);
        if !(SMALLEST_MTU..=65_535).contains(&mtu) {
            return Err(wrong(format!(
                "MTU {mtu} is not from {SMALLEST_MTU} to 65535"
            )));
        }
        if let Some((what, address)) = options
            .reserved
            .iter()
            .find(|(_, address)| !ipam::is_usable(subnet, **address))
        {
            return Err(wrong(format!(
                "auxiliary address {what}={address} is no usable address of subnet {subnet}"
            )));
        }
        let ipv6 = match options.ipv6 {
            true => Some(options.ipv6_part(existing, mtu)?),
            false if options.subnet_v6.is_some() => {
                return Err(wrong(
                    "it has an IPv6 subnet and no IPv6: add --ipv6".into(),
                ));
            }
            false => None,
        };
        Ok(Network {
            id: options.id,
            name: options.name,
            bridge,
            subnet,
            gateway,
            ip_range: options.ip_range,
            internal: options.internal,
            icc: options.icc,
            masquerade: options.masquerade,
            mtu,
            ipv6,
            reserved: options.reserved,
            host_binding: options.host_binding,
            is_subnet_given: options.subnet.is_some(),
            attachable: options.attachable,
            labels: options.labels,
            driver_options: options.driver_options,
            created: options.created,
        })
    }

    /// Whether an address is one of a container's choice.
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        self.reserved.values().any(|reserved| *reserved == address)
    }

    /// Whether it is the network that has no names (`docker0`).
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_NETWORK
    }
}

/// A name that one container gives another (`--link web:api`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Id of the container meant.
    pub container: String,
    /// What it is called.
    pub alias: String,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Id of the container, 64 hexadecimal digits.
    pub container: String,
    /// Name of the container.
    pub name: String,
    /// Id of the network.
    pub network: String,
    /// Key of the container's network namespace.
    pub namespace: String,
    /// Device inside: `eth0`, `eth1`, … in the order of connecting.
    pub interface: String,
    /// Its address, see [`ipam::allocate_address`].
    pub address: Ipv4Addr,
    /// Its IPv6 address, see [`ipam::allocate_address_v6`]; none where the network has none.
    #[serde(default)]
    pub address_v6: Option<Ipv6Addr>,
    /// Its Ethernet address, see [`mac_of`].
    pub mac: [u8; 6],
    /// More names in this network.
    pub aliases: Vec<String>,
    /// Names that this container has for others.
    pub links: Vec<Link>,
    /// Of a container's networks that lead out, the one with the highest has the default route; then the first by name.
    pub gateway_priority: i32,
    /// What its image exposes: what a link opens where `icc` is off.
    pub exposed: Vec<Port>,
    /// Ports of the instance that lead here. An internal network publishes none.
    pub published: Vec<PublishedPort>,
}

impl Endpoint {
    /// A container's place in a network, with the Ethernet address of its address and nothing else.
    pub fn new(
        container: impl Into<String>,
        name: impl Into<String>,
        namespace: impl Into<String>,
        network: &Network,
        address: Ipv4Addr,
    ) -> Endpoint {
        Endpoint {
            container: container.into(),
            name: name.into(),
            network: network.id.clone(),
            namespace: namespace.into(),
            interface: "eth0".into(),
            address,
            address_v6: None,
            mac: mac_of(address),
            aliases: Vec::new(),
            links: Vec::new(),
            gateway_priority: 0,
            exposed: Vec::new(),
            published: Vec::new(),
        }
    }

    /// Its addresses, that of IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(self.address.into()).chain(self.address_v6.map(Into::into))
    }

    /// Name of the place itself, 64 hexadecimal digits that follow from container and network.
    pub fn id(&self) -> String {
        let digest = Sha256::digest(format!("endpoint {}/{}", self.container, self.network));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The end of its cable in the instance: `veth` and 7 digits that follow from container and network.
    pub fn host_device(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}", self.container, self.network));
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("veth{}", &digits[..7])
    }
}

/// `02:42:` and the address: what Docker gives when nobody says otherwise.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// What `--network` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// In a network of its own or shared ones, by name or id; [`DEFAULT_NETWORK`] first of all.
    Bridge(String),
    /// The instance's own namespace.
    Host,
    /// A namespace with nothing but `lo`.
    None,
    /// Another container's namespace: its name or id.
    Container(String),
}

impl NetworkMode {
    /// Reads a value of `--network`.
    pub fn parse(text: &str) -> Result<NetworkMode> {
        let wrong = |why: &str| Error::Mode {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        match text.split_once(':') {
            Some(("container", "")) => Err(wrong("no container is named behind the colon")),
            Some(("container", other)) => Ok(NetworkMode::Container(other.to_owned())),
            Some(_) => Err(wrong(
                "write a network's name, `bridge`, `host`, `none` or `container:NAME`",
            )),
            None => Ok(match text {
                "" | "default" | DEFAULT_NETWORK => NetworkMode::Bridge(DEFAULT_NETWORK.into()),
                "host" => NetworkMode::Host,
                "none" => NetworkMode::None,
                name => NetworkMode::Bridge(name.to_owned()),
            }),
        }
    }

    /// Why a container of this mode cannot publish ports or join networks; `None` where it can.
    pub fn refuses_ports(&self) -> Option<&'static str> {
        match self {
            NetworkMode::Bridge(_) => None,
            NetworkMode::Host => Some(
                "published ports are discarded with network mode `host`: its ports are the instance's",
            ),
            NetworkMode::None => Some("a container of network mode `none` has no port to publish"),
            NetworkMode::Container(_) => Some(
                "conflicting options: ports are published by the container whose network this is",
            ),
        }
    }
}
