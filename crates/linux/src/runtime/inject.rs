//! A packet handed to the outside of an internet gateway, whatever the internet would route.

use std::net::{IpAddr, Ipv4Addr};

use fabric::engine::{Outcome, PacketProbe, Traffic};
use model::InternetGatewayId;
use model::traffic::protocol;
use netlink::{Protocol, rtnl};
use rustix::net::SendFlags;
use sandbox::SocketSpec;

use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{Matcher, Progress};
use super::packet::{self, Raw};
use super::packet_probe::{BODY, Ends, icmp_number};
use super::place::{INTERNET, Place};
use super::watch::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};

impl Engine {
    /// Hands the probe's packet to the gateway and waits; an answer cannot be expected of half a handshake, so a request
    /// that arrives counts as answered once the receiver's reply was seen to leave.
    pub(crate) fn inject(&mut self, probe: &PacketProbe, gateway: &InternetGatewayId, ends: &Ends) -> Result<Outcome> {
        let (number, payload, matcher) = match probe.traffic {
            Traffic::Tcp { source_port, destination_port } => {
                let syn = packet::tcp_syn((ends.source, source_port), (ends.to, destination_port), 1);
                (protocol::TCP, syn, Matcher::Port(protocol::TCP, destination_port))
            }
            Traffic::Udp { source_port, destination_port } => {
                let datagram = packet::udp_datagram((ends.source, source_port), (ends.to, destination_port), BODY);
                (protocol::UDP, datagram, Matcher::Port(protocol::UDP, destination_port))
            }
            Traffic::Icmp { icmp_type, code } => {
                let [high, low] = self.fresh_identifier().to_be_bytes();
                let message = packet::icmp_message((ends.source, ends.to), icmp_type, code, [high, low, 0, 1], BODY);
                (icmp_number(ends.to), message, Matcher::Icmp(icmp_type))
            }
            Traffic::Other(number) => (number, BODY.to_vec(), Matcher::Protocol(number)),
        };
        let raw = Raw { source: ends.source, destination: ends.to, protocol: number, ttl: 64, dont_fragment: true, payload, is_aside: false };
        let internet = Place::outside(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let places: Vec<&Place> = std::iter::once(&internet).chain(ends.receiver.as_ref()).collect();
        self.clear_evidence(&places)?;
        self.send_frame_to(gateway, &raw)?;
        let receiver = ends.receiver.clone();
        self.settle(matcher, &ends.sender, receiver.as_ref(), &[], |_, request| {
            Ok(if request.is_some() { Progress::Answered } else { Progress::Waiting })
        })
    }

    fn send_frame_to(&mut self, gateway: &InternetGatewayId, raw: &Raw) -> Result<()> {
        let gateway_namespace = crate::naming::internet_gateway_namespace(gateway);
        let device = crate::naming::outside_link(gateway);
        let outer = self.mac_of(&gateway_namespace, crate::naming::GATEWAY_OUT)?;
        let inner = self.mac_of(INTERNET, &device)?;
        let mut frame = Vec::new();
        frame.extend(outer);
        frame.extend(inner);
        frame.extend((if raw.destination.is_ipv6() { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 }).to_be_bytes());
        frame.extend(raw.bytes());
        let socket = self.client().open_socket(SocketSpec::packet(INTERNET, device))?;
        rustix::net::send(&socket, &frame, SendFlags::empty()).map_err(Error::os("injecting a frame"))?;
        Ok(())
    }

    fn mac_of(&mut self, namespace: &str, device: &str) -> Result<[u8; 6]> {
        let socket = self.netlink(namespace, Protocol::Route)?;
        let links = rtnl::link::dump(socket).map_err(Error::netlink(namespace))?;
        let mac = links.into_iter().find(|link| link.name == device).and_then(|link| link.mac);
        mac.ok_or_else(|| Error::Plan(format!("{namespace} has no device {device}")))
    }
}
