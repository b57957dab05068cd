//! Hosts of the internet that a question names and the cloud does not.

use std::net::IpAddr;

use fabric::Fabric;
use model::guest::OutsideHost;
use model::selector::End;
use model::{Model, Origin};

/// The same cloud with a host outside at each of these ends that is a public address and nobody's; `None` where there is
/// no such end. A question about it is one about a host that answers: that none of a lab's hosts has the address says
/// nothing about the network.
pub(super) fn with_strangers(model: &Model, fabric: &Fabric, ends: &[&[End]]) -> Option<Model> {
    let named = ends.iter().copied().flatten().filter_map(|end| match end {
        End::Address(address) => Some(*address),
        _ => None,
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
