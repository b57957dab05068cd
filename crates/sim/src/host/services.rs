//! Starting the programs of the network's services on a host with one call each: leases and names.

use std::net::IpAddr;

use crate::app::dhcp_client::Client;
use crate::app::ping::Ping;
use crate::app::resolver::{Lookup, LookupSpec, Named};
use crate::app::{App, AppId, PingSpec};
use crate::node::Context;

use super::Host;

impl Host {
    /// Gets addresses for interfaces from a DHCP server, and keeps them.
    pub fn dhcp(&mut self, context: &mut Context<'_>, interfaces: &[u16], host_name: Option<&str>) -> AppId {
        self.run(context, Client::new(interfaces, host_name))
    }

    /// Lets a DHCP client give its addresses back. Whether it was one.
    pub fn dhcp_release(&mut self, context: &mut Context<'_>, client: AppId) -> bool {
        self.app(context, client, Client::release)
    }

    /// Lets a DHCP client ask for more time, or for an address if it has none. Whether it was one.
    pub fn dhcp_renew(&mut self, context: &mut Context<'_>, client: AppId) -> bool {
        self.app(context, client, Client::renew)
    }

    /// Asks name servers.
    pub fn lookup(&mut self, context: &mut Context<'_>, spec: LookupSpec) -> AppId {
        self.run(context, Lookup::new(spec))
    }

    /// Starts a program for the address of a name, once it is known.
    pub fn run_named(
        &mut self,
        context: &mut Context<'_>,
        kind: &'static str,
        spec: LookupSpec,
        begin: impl FnOnce(IpAddr) -> Box<dyn App> + 'static,
    ) -> AppId {
        self.run(context, Named::new(kind, spec, begin))
    }

    /// Asks somebody with ICMP echoes whose name is known; `spec` says everything but the destination.
    pub fn ping_name(&mut self, context: &mut Context<'_>, name: &str, spec: PingSpec) -> AppId {
        let begin = move |destination| Box::new(Ping::new(PingSpec { destination, ..spec })) as Box<dyn App>;
        self.run_named(context, "ping", LookupSpec::new(name), begin)
    }
}
