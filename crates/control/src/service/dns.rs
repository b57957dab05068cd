//! What the Amazon resolver of a VPC, and the public DNS, answer: what `fabric` knows of names, as messages of `wire`.

use fabric::Fabric;
pub use fabric::resolver::Resolver;
use fabric::resolver::TTL;
use wire::dns::{Query, Response};

/// The answer to a question.
pub fn answer(fabric: &Fabric, resolver: Resolver, query: &Query) -> Response {
    let addresses = |name: &str| fabric.addresses_of(resolver, name);
    wire::dns::answer(query, TTL, addresses, |address| fabric.name_of(resolver, address))
}
