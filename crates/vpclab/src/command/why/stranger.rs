//! Hosts of the internet that a question names and the cloud does not.

use std::net::IpAddr;

use fabric::Fabric;
use ipnet::IpNet;
use model::guest::OutsideHost;
use model::selector::End;
use model::{Model, Origin};

/// A host in a block that no rule speaks of more narrowly: what holds of those who have a name in it need not hold of all.
fn hosts_in(fabric: &Fabric, block: IpNet) -> Vec<IpAddr> {
    let all = fabric.with_hosts_in(&[block]).internet_hosts().into_iter();
    all.filter(|address| block.contains(address) && !fabric.is_outside_host(*address)).collect()
}

/// The same cloud with a host outside at each of these ends that is a public address and nobody's; `None` where there is
/// no such end; and in each block. A question about it is one about a host that answers: that none of a lab's hosts has the address says
/// nothing about the network.
pub(super) fn with_strangers(model: &Model, fabric: &Fabric, ends: &[&[End]]) -> Option<Model> {
    let named = ends.iter().copied().flatten().flat_map(|end| match end {
        End::Address(address) => vec![*address],
        End::Block(block) => hosts_in(fabric, *block),
        _ => Vec::new(),
    });
    let strangers: Vec<IpAddr> = named.filter(|address| fabric.may_be_outside(*address)).collect();
    if strangers.is_empty() {
        return None;
    }
    let mut model = model.clone();
    for address in strangers {
        let host = OutsideHost { addresses: vec![address], origin: Origin::default() };
        model.outside.insert(address.to_string(), host);
    }
    Some(model)
}
