//! What the Amazon resolver of a VPC, and the public DNS, answer (DNS-1 … DNS-9).

use std::net::{IpAddr, Ipv4Addr};

use fabric::{Fabric, InterfaceKind, VpcIndex};
use model::Model;
use wire::dns::{Code, Data, Kind, Query, Record, Response, reverse_address};

/// How long answers may be remembered, seconds.
const TTL: u32 = 60;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// The resolver of a VPC.
    Vpc(VpcIndex),
    /// The public DNS.
    Public,
}

/// The answer to a question.
pub fn answer(model: &Model, fabric: &Fabric, resolver: Resolver, query: &Query) -> Response {
    let name = query.name.trim_end_matches('.').to_ascii_lowercase();
    if query.kind == Kind::PTR {
        return pointer(model, fabric, resolver, &name);
    }
    match addresses_of(model, fabric, resolver, &name) {
        Some(addresses) => {
            let fits = |address: &IpAddr| matches!((query.kind, address), (Kind::A | Kind::ANY, IpAddr::V4(_)) | (Kind::AAAA, IpAddr::V6(_)));
            let record = |address| Record { name: query.name.clone(), ttl: TTL, data: Data::from(address) };
            // A name that exists without records of the type is no error.
            Response::new(Code::NoError, addresses.into_iter().filter(fits).map(record).collect())
        }
        None => Response::new(Code::NoSuchName, Vec::new()),
    }
}

/// The private name of an address (DNS-3).
pub fn private_name(model: &Model, address: Ipv4Addr) -> String {
    format!("ip-{}.{}", dashed(address), model.region.internal_domain())
}

/// The public name of an address (DNS-5).
pub fn public_name(model: &Model, address: Ipv4Addr) -> String {
    format!("ec2-{}.{}", dashed(address), model.region.public_domain())
}

fn dashed(address: Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

fn undashed(text: &str) -> Option<Ipv4Addr> {
    text.replace('-', ".").parse().ok()
}

/// The addresses of a name, at most one of each family; `None`: there is no such name.
fn addresses_of(model: &Model, fabric: &Fabric, resolver: Resolver, name: &str) -> Option<Vec<IpAddr>> {
    if let Some(host) = name.strip_suffix(&format!(".{}", model.region.internal_domain())) {
        let Resolver::Vpc(vpc) = resolver else { return None };
        return private(model, fabric, vpc, host);
    }
    if let Some(host) = name.strip_suffix(&format!(".{}", model.region.public_domain())) {
        return public(model, fabric, resolver, undashed(host.strip_prefix("ec2-")?)?).map(|address| vec![address.into()]);
    }
    if is_api(model, name) && fabric.is_outside_host(IpAddr::V4(linux::plan::AWS_API)) {
        return Some(vec![IpAddr::V4(linux::plan::AWS_API)]);
    }
    // Places on the internet that were given a name.
    let place = fabric.outside.values().find(|place| place.name.eq_ignore_ascii_case(name))?;
    let first = |is_v6: bool| place.addresses.iter().copied().find(|address| address.is_ipv6() == is_v6);
    Some([false, true].into_iter().filter_map(first).collect())
}

/// Whether a name is one of AWS's own for the API of EC2, IAM or STS: `ec2.REGION.amazonaws.com`, `iam.amazonaws.com`.
fn is_api(model: &Model, name: &str) -> bool {
    let Some(service) = name.strip_suffix(".amazonaws.com") else { return false };
    let (service, region) = service.split_once('.').map_or((service, None), |(service, region)| (service, Some(region)));
    match service {
        "ec2" | "sts" => region.is_none_or(|region| region == model.region.0),
        "iam" => region.is_none(),
        _ => false,
    }
}

/// Names below the VPC's own domain: by address, by instance id where enabled, by the instance's name. The last two are names of
/// its IPv6 address, too.
fn private(model: &Model, fabric: &Fabric, index: VpcIndex, host: &str) -> Option<Vec<IpAddr>> {
    let vpc = &fabric.vpcs[index];
    if !(vpc.dns_support && vpc.dns_hostnames) {
        return None;
    }
    if let Some(address) = host.strip_prefix("ip-").and_then(undashed) {
        // DNS-9: any address of the VPC has its name, whoever holds it.
        return vpc.contains(IpAddr::V4(address)).then(|| vec![address.into()]);
    }
    fabric.interfaces.values().filter(|interface| interface.vpc == index).find_map(|interface| {
        let InterfaceKind::Instance { instance, device_index: 0 } = interface.kind else { return None };
        let instance = &fabric.instances[instance];
        let by_id = instance.id.as_str() == host
            && model.instances.get(&instance.id).is_some_and(|instance| instance.resource_name_dns);
        (by_id || instance.name.eq_ignore_ascii_case(host)).then(|| {
            let ipv6 = interface.ipv6.first().copied().map(IpAddr::V6);
            std::iter::once(interface.primary_address().into()).chain(ipv6).collect()
        })
    })
}

/// A public name: the private address inside the VPC and for a peer that is allowed to know (DNS-5, DNS-8), else the
/// public one.
fn public(model: &Model, fabric: &Fabric, resolver: Resolver, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let mapping = fabric.public_addresses.get(&address)?;
    let owner = &fabric.vpcs[mapping.vpc];
    if !(owner.dns_support && owner.dns_hostnames) {
        return None;
    }
    let knows = match resolver {
        Resolver::Public => false,
        Resolver::Vpc(asker) if asker == mapping.vpc => true,
        Resolver::Vpc(asker) => {
            let both = fabric.vpcs[asker].dns_support && fabric.vpcs[asker].dns_hostnames;
            both && model.vpc_peering_connections.values().any(|peering| {
                let active = peering.status == model::peering::PeeringStatus::Active;
                let joins = peering.peer_of(&owner.id) == Some(&fabric.vpcs[asker].id);
                let allowed = match peering.requester_vpc_id == owner.id {
                    true => peering.requester_allows_dns_resolution,
                    false => peering.accepter_allows_dns_resolution,
                };
                active && joins && allowed
            })
        }
    };
    Some(if knows { mapping.private } else { address })
}

/// PTR answers for addresses that an interface of the VPC holds (DNS-9).
fn pointer(model: &Model, fabric: &Fabric, resolver: Resolver, name: &str) -> Response {
    let Some(IpAddr::V4(address)) = reverse_address(name) else { return Response::new(Code::NoSuchName, Vec::new()) };
    let target = match resolver {
        Resolver::Vpc(vpc) if fabric.vpcs[vpc].addresses.contains_key(&IpAddr::V4(address)) => {
            let vpc = &fabric.vpcs[vpc];
            (vpc.dns_support && vpc.dns_hostnames).then(|| private_name(model, address))
        }
        _ => fabric.public_addresses.contains_key(&address).then(|| public_name(model, address)),
    };
    match target {
        Some(target) => {
            let record = Record { name: name.to_owned(), ttl: TTL, data: Data::Ptr(target) };
            Response::new(Code::NoError, vec![record])
        }
        None => Response::new(Code::NoSuchName, Vec::new()),
    }
}
