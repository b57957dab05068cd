//! What an instance is besides its network: host name, files, tools, and what runs in it at boot.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use fabric::{Fabric, Instance};
use linux::runtime::lab::InstanceSpecs;
use model::Model;
use model::lan::{Application, Device, Lan, Service};
use sandbox::{InstanceSpec, Limits, RootSpec, Tool};

use crate::volumes::Places;

/// Processes and threads of one instance; systemd gives a user's service about as many.
const MOST_PROCESSES: u64 = 4096;

/// Programs that are typed inside instances and that this program supplies where the host has none.
pub const TOOLS: [&str; 5] = ["ping", "traceroute", "telnet", "arping", "nc"];

/// The specs of all instances, by namespace. `program` is this program's own file, `places` are the folders of their disks.
pub fn specs(model: &Model, fabric: &Fabric, program: &Path, places: Places<'_>) -> InstanceSpecs {
    let disks = places.disks;
    let limits_of_device = Limits { processes: Some(MOST_PROCESSES), ..Limits::default() };
    let device = |(lan, name, device): (&Lan, &str, &Device)| {
        let key = linux::naming::device_namespace(name, device);
        let disk = Some(disks.join(device_disk(name)));
        let root = RootSpec { files: device_files(lan, name), tools: tools(program), disk, ..RootSpec::default() };
        (key.clone(), InstanceSpec { root, limits: limits_of_device, ..InstanceSpec::new(key, host_name(name)) })
    };

    let spec = |instance: &Instance| {
        let key = linux::naming::instance_namespace(&instance.id);
        let disk = Some(disks.join(instance.id.as_str()));
        let (environment, volumes) = (environment(model), places.seen(model, &instance.id));
        let root = RootSpec { files: files(fabric, instance), tools: tools(program), disk, environment, volumes, ..RootSpec::default() };
        let limits = limits(model, &instance.id);
        (key.clone(), InstanceSpec { root, limits, ..InstanceSpec::new(key, host_name(&instance.name)) })
    };
    fabric.instances.values().map(spec).chain(devices(model).map(device)).collect()
}

/// All devices of lans: hosts, and boxes that an administrator can look into.
fn devices(model: &Model) -> impl Iterator<Item = (&Lan, &str, &Device)> {
    model.lans.values().flat_map(|lan| lan.devices.iter().map(move |(name, device)| (lan, name.as_str(), device)))
}

/// Folder of what a device of a lan writes; no instance has an id like this.
fn device_disk(name: &str) -> String {
    format!("lan-{name}")
}

/// Folders of disks of all devices of lans.
pub fn device_disks(model: &Model) -> impl Iterator<Item = String> {
    devices(model).map(|(_, name, _)| device_disk(name))
}

fn device_files(lan: &Lan, name: &str) -> BTreeMap<String, String> {
    let host = host_name(name);
    let addresses = linux::plan::lan::addresses(lan);
    let own = addresses.get(name).and_then(|own| own.first()).map(|address| format!("{address} {host}\n")).unwrap_or_default();
    let servers = linux::plan::lan::name_servers(lan, name).into_iter().map(|server| format!("nameserver {server}\n"));
    BTreeMap::from([
        ("/etc/hostname".to_owned(), format!("{host}\n")),
        ("/etc/hosts".to_owned(), format!("127.0.0.1 localhost\n{own}")),
        ("/etc/resolv.conf".to_owned(), servers.collect()),
    ])
}

/// Memory and processors of the instance's type; processes for everybody alike, so that no guest takes all of the host's.
fn limits(model: &Model, id: &model::InstanceId) -> Limits {
    let instance = model.instances.get(id);
    let kind = instance.and_then(|instance| model::instance_type::find(&instance.instance_type));
    let threads = instance.and_then(|instance| instance.options.cpu).map(|(cores, threads)| cores * threads);
    Limits {
        memory_bytes: kind.as_ref().map(|kind| u64::from(kind.memory_mib) << 20),
        processes: Some(MOST_PROCESSES),
        cpu_percent: kind.as_ref().map(|kind| threads.unwrap_or(kind.vcpus) * 100),
    }
}

/// A name as a host name: letters, digits and dashes (RFC 1123), at most 63.
pub fn host_name(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(63).collect();
    let trimmed = kept.trim_matches('-');
    if trimmed.is_empty() { "instance".to_owned() } else { trimmed.to_owned() }
}

fn tools(program: &Path) -> Vec<Tool> {
    TOOLS.map(|name| Tool { name: name.to_owned(), executable: program.to_owned(), preferred: false }).into()
}

/// Where clients of AWS find the lab's API, which speaks HTTP alone, and in which region they are.
fn environment(model: &Model) -> BTreeMap<String, String> {
    let region = &model.region.0;
    BTreeMap::from([
        ("AWS_ENDPOINT_URL".to_owned(), format!("http://ec2.{region}.amazonaws.com")),
        ("AWS_REGION".to_owned(), region.clone()),
        ("AWS_DEFAULT_REGION".to_owned(), region.clone()),
    ])
}

fn files(fabric: &Fabric, instance: &Instance) -> BTreeMap<String, String> {
    let name = host_name(&instance.name);
    let mut files = BTreeMap::from([
        ("/etc/hostname".to_owned(), format!("{name}\n")),
        ("/etc/resolv.conf".to_owned(), resolv_conf(fabric, instance)),
    ]);
    let own = instance.interfaces.first().map(|i| fabric.interfaces[*i].primary_address());
    let own = own.map(|address| format!("{address} {name}\n")).unwrap_or_default();
    let ipv6 = instance.interfaces.first().and_then(|i| fabric.interfaces[*i].ipv6.first());
    let ipv6 = ipv6.map(|address| format!("::1 localhost ip6-localhost ip6-loopback\n{address} {name}\n")).unwrap_or_default();
    files.insert("/etc/hosts".to_owned(), format!("127.0.0.1 localhost\n{own}{ipv6}"));
    files
}

/// `/etc/resolv.conf` of all instances, by namespace: what their containers begin with.
pub fn resolvers(fabric: &Fabric) -> BTreeMap<String, String> {
    let of = |instance: &Instance| (linux::naming::instance_namespace(&instance.id), resolv_conf(fabric, instance));
    fabric.instances.values().map(of).collect()
}

/// DHCP-1, DHCP-4: resolvers and search domain of the VPC's option set.
fn resolv_conf(fabric: &Fabric, instance: &Instance) -> String {
    let Some(interface) = instance.interfaces.first().map(|i| &fabric.interfaces[*i]) else { return String::new() };
    let vpc = &fabric.vpcs[interface.vpc];
    let mut text = vpc.search_domain.as_ref().map(|domain| format!("search {domain}\n")).unwrap_or_default();
    for server in &vpc.name_servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text.push_str("options timeout:2 attempts:2\n");
    text
}

/// What running instances and devices of lans listen on.
pub fn listeners(model: &Model, fabric: &Fabric) -> Vec<BuiltIn> {
    let mut all = Vec::new();
    for instance in fabric.instances.values().filter(|i| i.state == model::InstanceState::Running) {
        let has_ipv6 = instance.interfaces.iter().any(|interface| !fabric.interfaces[*interface].ipv6.is_empty());
        let families = [Some(false), has_ipv6.then_some(true)];
        for (listener, is_v6) in instance.guest.listen.iter().flat_map(|one| families.into_iter().flatten().map(move |is_v6| (one, is_v6))) {
            all.push(BuiltIn {
                instance: instance.name.clone(),
                namespace: linux::naming::instance_namespace(&instance.id),
                listener: *listener,
                is_echo: false,
                is_v6,
            });
        }
    }
    for (lan, name, device) in devices(model) {
        let addresses = linux::plan::lan::addresses(lan).remove(name).unwrap_or_default();
        let families: BTreeSet<bool> = addresses.iter().map(IpAddr::is_ipv6).collect();
        let namespace = linux::naming::device_namespace(name, device);
        let listens = device_listeners(device).into_iter().flat_map(|one| families.iter().map(move |is_v6| (one, *is_v6)));
        all.extend(listens.map(|((listener, is_echo), is_v6)| BuiltIn { instance: name.to_owned(), namespace: namespace.clone(), listener, is_echo, is_v6 }));
    }
    all.sort();
    all.dedup();
    all
}

/// What a device of a lan listens on, and whether it sends back what it gets. Names and addresses nobody serves here: a port
/// that answered with something else would be worse than none.
fn device_listeners(device: &Device) -> Vec<(model::Listener, bool)> {
    let (listen, serve) = match device {
        Device::Host(host) => (host.listen.as_slice(), host.serve.as_slice()),
        Device::Router(router) => (&[][..], router.serve.as_slice()),
        _ => return Vec::new(),
    };
    let is_spoken = |service: &&Service| matches!(service, Service::Application { .. });
    let is_echo = |service: &Service| matches!(service, Service::Application { protocol: Application::Echo, .. });
    let served = serve.iter().filter(is_spoken).flat_map(|service| service.listeners().into_iter().map(move |one| (one, is_echo(service))));
    let served: BTreeMap<model::Listener, bool> = listen.iter().map(|listener| (*listener, false)).chain(served).collect();
    served.into_iter().collect()
}

/// A built-in listener of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuiltIn {
    /// Name of the instance, which the answer tells.
    pub instance: String,
    /// Its namespace.
    pub namespace: String,
    /// Protocol and port.
    pub listener: model::Listener,
    /// Whether it sends back what it gets, and nothing else (RFC 862).
    pub is_echo: bool,
    /// Whether it listens on the addresses of IPv6; else on those of IPv4.
    pub is_v6: bool,
}

