//! Starting the usual programs on a host with one call each.

use std::net::IpAddr;

use crate::app::arping::Arping;
use crate::app::bulk::Sender;
use crate::app::connect::Connect;
use crate::app::datagram::Question;
use crate::app::flow::Source;
use crate::app::http::Get;
use crate::app::ping::Ping;
use crate::app::raw::Raw;
use crate::app::traceroute::Traceroute;
use crate::app::{AppId, ConnectSpec, DatagramSpec, GetSpec, PingSpec, RawSpec, SourceSpec, TracerouteSpec};
use crate::node::Context;

use super::Host;
use super::output::Outgoing;
use super::spec::Protocol;
use super::streams::Flow;

impl Host {
    /// Asks with ICMP echoes.
    pub fn ping(&mut self, context: &mut Context<'_>, spec: PingSpec) -> AppId {
        self.run(context, Ping::new(spec))
    }

    /// Finds the routers on the way to somebody.
    pub fn traceroute(&mut self, context: &mut Context<'_>, spec: TracerouteSpec) -> AppId {
        self.run(context, Traceroute::new(spec))
    }

    /// Asks on a link who has an address.
    pub fn arping(&mut self, context: &mut Context<'_>, interface: u16, address: IpAddr, count: u32) -> AppId {
        self.run(context, Arping::new(interface, address, count))
    }

    /// Connects with TCP.
    pub fn connect(&mut self, context: &mut Context<'_>, spec: ConnectSpec) -> AppId {
        self.run(context, Connect::new(spec))
    }

    /// Asks over UDP.
    pub fn datagram(&mut self, context: &mut Context<'_>, spec: DatagramSpec) -> AppId {
        self.run(context, Question::new(spec))
    }

    /// Gets something over HTTP.
    pub fn http_get(&mut self, context: &mut Context<'_>, spec: GetSpec) -> AppId {
        self.run(context, Get::new(spec))
    }

    /// Sends datagrams at a constant rate.
    pub fn send_flow(&mut self, context: &mut Context<'_>, spec: SourceSpec) -> AppId {
        self.run(context, Source::new(spec))
    }

    /// Sends so many bytes over TCP.
    pub fn send_bulk(&mut self, context: &mut Context<'_>, destination: IpAddr, port: u16, bytes: u64) -> AppId {
        self.run(context, Sender::new(destination, port, bytes))
    }

    /// Sends a packet of any IP protocol.
    pub fn raw(&mut self, context: &mut Context<'_>, spec: RawSpec) -> AppId {
        self.run(context, Raw::new(spec))
    }

    /// More data from a program that kept its connection or socket. Whether all of it was taken.
    pub fn send_on(&mut self, context: &mut Context<'_>, app: AppId, bytes: &[u8]) -> bool {
        let mut is_taken = false;
        self.with_app(context, app, |app, calls| is_taken = app.on_send(calls, bytes));
        self.settle(context);
        is_taken
    }

    /// Data from the serving end of an exchange: on a connection that a service or program accepted, or as a datagram from
    /// the port of a service. Whether all of it was taken.
    pub fn answer_on(&mut self, context: &mut Context<'_>, protocol: Protocol, flow: Flow, bytes: &[u8]) -> bool {
        let is_taken = match protocol {
            Protocol::TCP => match self.streams.find(&flow) {
                Some(stream) => self.touch(stream).is_some_and(|connection| connection.send(bytes) == bytes.len()),
                None => false,
            },
            Protocol::UDP => {
                let outgoing = Outgoing { source: Some(flow.local), ..Outgoing::new(protocol.0, flow.remote) };
                self.send_udp(context, &outgoing, (flow.port, flow.remote_port), bytes).is_ok()
            }
            _ => {
                let outgoing = Outgoing { source: Some(flow.local), ..Outgoing::new(protocol.0, flow.remote) };
                self.send_raw(context, &outgoing, bytes).is_ok()
            }
        };
        self.settle(context);
        is_taken
    }
}
