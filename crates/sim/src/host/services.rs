//! Starting the programs of services on a host with one call each: leases, names, mail, files, and so on.

use std::net::IpAddr;

use crate::app::dhcp_client::Client;
use crate::app::ping::Ping;
use crate::app::resolver::{Lookup, LookupSpec, Named};
use crate::app::{App, AppId, FtpSpec, GetSpec, PingSpec, SmtpSpec, SnmpSpec, TelnetSpec, TftpSpec};
use crate::app::{ftp, https, smtp, snmp, telnet, tftp};
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

    /// Gets something over HTTP inside TLS records, which protect nothing here.
    pub fn https_get(&mut self, context: &mut Context<'_>, spec: GetSpec) -> AppId {
        self.run(context, https::Get::new(spec))
    }

    /// Hands over a message to a mail server.
    pub fn smtp_send(&mut self, context: &mut Context<'_>, spec: SmtpSpec) -> AppId {
        self.run(context, smtp::Client::new(spec))
    }

    /// Gets a file over FTP.
    pub fn ftp_get(&mut self, context: &mut Context<'_>, spec: FtpSpec) -> AppId {
        self.run(context, ftp::Client::new(spec))
    }

    /// Gets a file over TFTP.
    pub fn tftp_get(&mut self, context: &mut Context<'_>, spec: TftpSpec) -> AppId {
        self.run(context, tftp::Client::new(spec))
    }

    /// Asks an SNMP agent for objects.
    pub fn snmp_get(&mut self, context: &mut Context<'_>, spec: SnmpSpec) -> AppId {
        self.run(context, snmp::Manager::new(spec))
    }

    /// Logs in over Telnet.
    pub fn telnet(&mut self, context: &mut Context<'_>, spec: TelnetSpec) -> AppId {
        self.run(context, telnet::Client::new(spec))
    }
}
