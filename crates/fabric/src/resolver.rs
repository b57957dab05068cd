//! What the Amazon resolver of a VPC, and the public DNS, know: addresses of names, names of addresses (DNS-3 … DNS-9). The
//! messages are `wire`'s; who may ask is decided by [`crate::stage::exempt`]. Nobody else is asked: what is not known here does
//! not exist.

use std::net::{IpAddr, Ipv4Addr};

use crate::fabric::{Fabric, InterfaceKind};
use crate::gateway::Peering;
use crate::index::VpcIndex;
use crate::stage::internet::AWS_API;

/// How long answers may be remembered, seconds.
pub const TTL: u32 = 60;

/// Questions a second that one interface may ask; more are dropped (DNS-1).
pub const QUESTIONS_A_SECOND: u32 = 1_024;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// The resolver of a VPC.
    Vpc(VpcIndex),
    /// The public DNS.
    Public,
}

impl Fabric {
    /// The addresses of a name, at most one of each family; `None`: there is no such name. Upper and lower case are the same
    /// (RFC 4343), and so is a dot at the end or none.
    pub fn addresses_of(&self, resolver: Resolver, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let below = |domain: String| name.strip_suffix(&domain).and_then(|rest| rest.strip_suffix('.'));
        if let Some(host) = below(self.region.internal_domain()) {
            let Resolver::Vpc(vpc) = resolver else { return None };
            return self.private_addresses(vpc, host);
        }
        if let Some(host) = below(self.region.public_domain()) {
            let address = self.public_name_leads_to(resolver, undashed(host.strip_prefix("ec2-")?)?)?;
            return Some(vec![address.into()]);
        }
        if self.is_api(&name) && self.is_outside_host(IpAddr::V4(AWS_API)) {
            return Some(vec![IpAddr::V4(AWS_API)]);
        }
        // Places on the internet that were given a name.
        let place = self.outside.values().find(|place| place.name.eq_ignore_ascii_case(&name))?;
        let first = |is_v6: bool| place.addresses.iter().copied().find(|address| address.is_ipv6() == is_v6);
        Some([false, true].into_iter().filter_map(first).collect())
    }

    /// The name of an address: of one that an interface of the VPC holds the private one (DNS-9), of a public one in use the
    /// public one.
    pub fn name_of(&self, resolver: Resolver, address: IpAddr) -> Option<String> {
        let IpAddr::V4(own) = address else { return None };
        match resolver {
            Resolver::Vpc(vpc) if self.vpcs[vpc].addresses.contains_key(&address) => {
                self.vpcs[vpc].has_names().then(|| self.region.private_name(own))
            }
            _ => self.public_addresses.contains_key(&own).then(|| self.region.public_name(own)),
        }
    }

    /// Whether a name is one of AWS's own for the API of EC2, IAM or STS: `ec2.REGION.amazonaws.com`, `iam.amazonaws.com`.
    fn is_api(&self, name: &str) -> bool {
        let Some(service) = name.strip_suffix(".amazonaws.com") else { return false };
        let (service, region) = service.split_once('.').map_or((service, None), |(service, region)| (service, Some(region)));
        match service {
            "ec2" | "sts" => region.is_none_or(|region| region == self.region.0),
            "iam" => region.is_none(),
            _ => false,
        }
    }

    /// Names below the VPC's own domain: by address, by instance id where enabled, by the instance's name. The last two are names
    /// of its IPv6 address, too.
    fn private_addresses(&self, index: VpcIndex, host: &str) -> Option<Vec<IpAddr>> {
        let vpc = &self.vpcs[index];
        // DNS-4.
        if !vpc.has_names() {
            return None;
        }
        if let Some(address) = host.strip_prefix("ip-").and_then(undashed) {
            // DNS-9: any address of the VPC has its name, whoever holds it.
            return vpc.contains(IpAddr::V4(address)).then(|| vec![address.into()]);
        }
        self.interfaces.values().filter(|interface| interface.vpc == index).find_map(|interface| {
            let InterfaceKind::Instance { instance, device_index: 0 } = interface.kind else { return None };
            let instance = &self.instances[instance];
            let by_id = instance.resource_name_dns && instance.id.as_str() == host;
            (by_id || instance.name.eq_ignore_ascii_case(host)).then(|| {
                let ipv6 = interface.ipv6.first().copied().map(IpAddr::V6);
                std::iter::once(interface.primary_address().into()).chain(ipv6).collect()
            })
        })
    }

    /// Where a public name leads: to the private address inside the VPC and for a peer that is allowed to know (DNS-5, DNS-8),
    /// else to the public one.
    fn public_name_leads_to(&self, resolver: Resolver, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let mapping = self.public_addresses.get(&address)?;
        if !self.vpcs[mapping.vpc].has_names() {
            return None;
        }
        let knows = match resolver {
            Resolver::Public => false,
            Resolver::Vpc(asker) if asker == mapping.vpc => true,
            Resolver::Vpc(asker) => {
                let allows = |peering: &Peering| match peering.requester == Some(mapping.vpc) {
                    true => peering.requester_allows_dns_resolution,
                    false => peering.accepter_allows_dns_resolution,
                };
                let mut joining = self.peerings.values().filter(|peering| peering.peer_of(mapping.vpc) == Some(asker));
                self.vpcs[asker].has_names() && joining.any(|peering| peering.is_active() && allows(peering))
            }
        };
        Some(if knows { mapping.private } else { address })
    }
}

fn undashed(text: &str) -> Option<Ipv4Addr> {
    text.replace('-', ".").parse().ok()
}
