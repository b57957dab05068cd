//! Commands inside guests, as their packets: ping, traceroute, arping, addresses, a time query.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use fabric::engine::{EngineError, GuestCommand, IcmpErrorSeen, Observation, Outcome, Sender};
use model::network_interface::MacAddress;
use netlink::{Protocol, rtnl};
use rustix::net::SendFlags;
use sandbox::SocketSpec;
use wire::{Mac, dhcp};

use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{Matcher, Progress};
use super::packet::{self, Complaint, Payload, Seen, echo_type};
use super::packet_probe::{datagrams, icmp_number, send, udp_progress};
use super::place::Place;
use super::watch::ETHERTYPE_ARP;

/// How long one hop of a trace may stay silent.
const HOP_SILENCE: Duration = Duration::from_millis(1_000);
/// How long an ARP request may stay unanswered.
const ARP_SILENCE: Duration = Duration::from_millis(1_000);
/// Silent hops in a row after which a trace is given up.
const SILENT_HOPS: usize = 3;
/// traceroute(8)'s limit.
const MAXIMUM_HOPS: u8 = 30;

impl Engine {
    /// Carries out a command in the guest behind `from`.
    pub(crate) fn guest_probe(&mut self, from: &Sender, command: &GuestCommand) -> std::result::Result<Outcome, EngineError> {
        let fabric = self.fabric().clone();
        let sender = Place::of_sender(&fabric, from)?;
        self.prepare_sender(from, &sender)?;
        match *command {
            GuestCommand::Ping { to, count, ttl, size, dont_fragment, .. } => {
                let sender = sender.towards(&fabric, to)?;
                let mut receiver = Place::of_receiver(&fabric, &sender, None, to);
                let sender = match sender.talks_to_itself(receiver.as_ref(), to) {
                    true => {
                        receiver = receiver.map(Place::on_any_device);
                        sender.on_any_device()
                    }
                    false => sender,
                };
                let echo = Echo { to, count, ttl: ttl.unwrap_or(64), size: size.unwrap_or(56), dont_fragment };
                Ok(self.ping(&sender, receiver.as_ref(), echo)?)
            }
            GuestCommand::Traceroute { to } => Ok(Outcome::Observed(self.traceroute(&sender.towards(&fabric, to)?, to)?)),
            GuestCommand::Arping { to: IpAddr::V4(to), count } => Ok(self.arping(&sender, to, count)?),
            GuestCommand::Arping { .. } => {
                Err(EngineError::BadProbe("arping asks for an IPv4 address from an interface".to_owned()))
            }
            GuestCommand::IpAddr => Ok(Outcome::Observed(self.addresses(&sender)?)),
            GuestCommand::Ntp { to } => Ok(self.ntp(&sender.towards(&fabric, to)?, to)?),
            GuestCommand::DhcpRenew => {
                let router = sender.interface.map(|index| fabric.subnets[fabric.interfaces[index].subnet].router);
                match (sender.address, router) {
                    (IpAddr::V4(own), Some(router)) => Ok(self.renew_lease(&sender, own, router)?),
                    _ => Err(EngineError::BadProbe("only interfaces with an IPv4 address have leases".to_owned())),
                }
            }
        }
    }

    fn ping(&mut self, sender: &Place, receiver: Option<&Place>, echo: Echo) -> Result<Outcome> {
        let mut replies = 0;
        let mut icmp_error = None;
        let mut last = None;
        for _ in 0..echo.count.max(1) {
            let places: Vec<&Place> = std::iter::once(sender).chain(receiver).collect();
            self.clear_evidence(&places)?;
            let identifier = self.send_echo(sender, echo.to, echo.ttl, echo.size, echo.dont_fragment)?;
            let mut seen_error = None;
            let outcome = self.settle(Matcher::Icmp(echo_type(echo.to.is_ipv6(), false)), sender, receiver, &[], |engine, _| {
                match engine.echo_answer(sender, identifier)? {
                    Some(EchoAnswer::Reply(_)) => Ok(Progress::Answered),
                    Some(EchoAnswer::Error(_, error)) => {
                        seen_error = Some(error);
                        Ok(Progress::Refused)
                    }
                    None => Ok(Progress::Waiting),
                }
            })?;
            replies += u32::from(matches!(outcome, Outcome::Allowed(_)));
            icmp_error = seen_error.or(icmp_error);
            last = Some(outcome);
        }
        match (last, icmp_error) {
            (Some(outcome), None) if replies == echo.count.max(1) || replies == 0 => Ok(outcome),
            (_, icmp_error) => Ok(Outcome::Observed(Observation::Ping { replies, icmp_error })),
        }
    }

    /// Sends one echo request; the answer carries this identifier.
    fn send_echo(&mut self, sender: &Place, to: IpAddr, ttl: u8, size: u32, dont_fragment: bool) -> Result<u16> {
        let identifier = self.fresh_identifier();
        let [high, low] = identifier.to_be_bytes();
        let body = vec![0x76; usize::try_from(size).unwrap_or(usize::MAX).min(65_507)];
        let message = packet::icmp_message((sender.address, to), echo_type(to.is_ipv6(), false), 0, [high, low, 0, 1], &body);
        self.send_raw(sender, sender.address, to, icmp_number(to), ttl, dont_fragment, message)?;
        Ok(identifier)
    }

    fn echo_answer(&mut self, sender: &Place, identifier: u16) -> Result<Option<EchoAnswer>> {
        let address = sender.address;
        let watch = self.watch(sender)?;
        watch.read()?;
        Ok(watch.frames().filter_map(|f| f.packet()).filter(|p| p.destination == address).find_map(|p| match p.payload {
            Payload::Icmp { icmp_type, identifier: id, .. } if icmp_type == echo_type(address.is_ipv6(), true) && id == identifier => Some(EchoAnswer::Reply(p.source)),
            Payload::IcmpError { icmp_type, code, complaint, mtu, quoted: Some(ref quoted) } if is_echo(quoted, identifier) => {
                Some(EchoAnswer::Error(complaint, IcmpErrorSeen { from: p.source, icmp_type, code, mtu }))
            }
            _ => None,
        }))
    }

    fn traceroute(&mut self, sender: &Place, to: IpAddr) -> Result<Observation> {
        let mut hops: Vec<Option<IpAddr>> = Vec::new();
        for ttl in 1..=MAXIMUM_HOPS {
            self.clear_evidence(&[sender])?;
            let identifier = self.send_echo(sender, to, ttl, 32, true)?;
            let deadline = Instant::now() + HOP_SILENCE;
            let answer = loop {
                let looked = Instant::now();
                if let Some(answer) = self.echo_answer(sender, identifier)? {
                    break Some(answer);
                }
                let left = deadline.saturating_duration_since(looked);
                if left.is_zero() {
                    break None;
                }
                self.wait(&[], left)?;
            };
            match answer {
                Some(EchoAnswer::Reply(source)) => {
                    hops.push(Some(source));
                    break;
                }
                // Anything but "time exceeded" ends the way: nobody further on would say more.
                Some(EchoAnswer::Error(complaint, error)) => {
                    hops.push(Some(error.from));
                    if complaint != Complaint::TimeExceeded {
                        break;
                    }
                }
                None => hops.push(None),
            }
            if hops.len() >= SILENT_HOPS && hops.iter().rev().take(SILENT_HOPS).all(Option::is_none) {
                break;
            }
        }
        Ok(Observation::Traceroute { hops })
    }

    fn arping(&mut self, sender: &Place, to: Ipv4Addr, count: u32) -> Result<Outcome> {
        let Some(device) = sender.device.clone() else {
            return Err(Error::Plan("ARP is asked by interfaces only".to_owned()));
        };
        let IpAddr::V4(address) = sender.address else {
            return Err(Error::Plan("ARP is IPv4's".to_owned()));
        };
        let socket = self.client().open_socket(SocketSpec::packet(&sender.namespace, device))?;
        let (mut replies, mut mac) = (0, None);
        for _ in 0..count.max(1) {
            self.clear_evidence(&[sender])?;
            rustix::net::send(&socket, &arp_request(sender.mac, address, to), SendFlags::empty())
                .map_err(Error::os("sending an ARP request"))?;
            let deadline = Instant::now() + ARP_SILENCE;
            loop {
                let looked = Instant::now();
                let watch = self.watch(sender)?;
                watch.read()?;
                let reply = watch.frames().filter(|f| f.incoming).filter_map(|f| f.arp_reply()).find(|(_, ip)| *ip == to);
                if let Some((hardware, _)) = reply {
                    replies += 1;
                    mac = Some(MacAddress(hardware));
                    break;
                }
                let left = deadline.saturating_duration_since(looked);
                if left.is_zero() {
                    break;
                }
                self.wait(&[], left)?;
            }
        }
        Ok(match replies {
            // The fabric answers ARP, so it is the fabric that kept silent (L2-1, L2-2).
            0 => Outcome::Dropped(fabric::engine::Drop {
                leg: fabric::engine::Leg::Forward,
                at: Some(fabric::Component::Fabric),
                code: None,
                reason: None,
            }),
            replies => Outcome::Observed(Observation::Arping { replies, mac }),
        })
    }

    fn addresses(&mut self, sender: &Place) -> Result<Observation> {
        let namespace = sender.namespace.clone();
        let socket = self.netlink(&namespace, Protocol::Route)?;
        let links = rtnl::link::dump(socket).map_err(Error::netlink(&namespace))?;
        let device = links.iter().find(|link| Some(&link.name) == sender.device.as_ref()).map(|link| link.index);
        let family = Some(rtnl::Family::V4);
        let addresses = rtnl::address::dump(socket, family, device).map_err(Error::netlink(&namespace))?;
        Ok(Observation::Addresses(addresses.into_iter().map(|a| a.address).collect()))
    }

    /// Asks whoever leased the address for more time (RFC 2131, section 4.4.5): by unicast, as it has an address.
    fn renew_lease(&mut self, sender: &Place, own: Ipv4Addr, router: Ipv4Addr) -> Result<Outcome> {
        let from = SocketAddr::from((own, dhcp::CLIENT_PORT));
        let socket = self.client().open_socket(SocketSpec { nonblocking: true, ..SocketSpec::udp(&sender.namespace, from) })?;
        rustix::net::connect(&socket, &SocketAddrV4::new(router, dhcp::SERVER_PORT)).map_err(Error::os("connecting"))?;
        let request = dhcp::Request {
            kind: dhcp::MessageType::Request,
            transaction: u32::from(self.fresh_identifier()),
            mac: Mac(sender.mac),
            broadcast: false,
            current: own,
            relay: Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: None,
            wanted: Vec::new(),
        };
        send(&socket, &request.emit())?;
        self.clear_evidence(&[])?;
        let outcome = self.settle(Matcher::Port(17, dhcp::SERVER_PORT), sender, None, &[], |_, _| udp_progress(&socket))?;
        Ok(match outcome {
            Outcome::Allowed(_) => Outcome::Observed(Observation::Done),
            other => other,
        })
    }

    fn ntp(&mut self, sender: &Place, server: IpAddr) -> Result<Outcome> {
        let spec = datagrams(&sender.namespace, server);
        let socket = self.client().open_socket(SocketSpec { nonblocking: true, ..spec })?;
        rustix::net::connect(&socket, &SocketAddr::new(server, 123)).map_err(Error::os("connecting"))?;
        // A client request of version 4 (RFC 5905): everything but the first octet may be zero.
        let mut request = [0; 48];
        request[0] = 0x23;
        send(&socket, &request)?;
        self.clear_evidence(&[])?;
        let outcome = self.settle(Matcher::Port(17, 123), sender, None, &[], |_, _| udp_progress(&socket))?;
        Ok(match outcome {
            Outcome::Allowed(_) => Outcome::Observed(Observation::Done),
            other => other,
        })
    }
}

/// What `ping` sends.
#[derive(Debug, Clone, Copy)]
struct Echo {
    to: IpAddr,
    count: u32,
    ttl: u8,
    size: u32,
    dont_fragment: bool,
}

enum EchoAnswer {
    Reply(IpAddr),
    Error(Complaint, IcmpErrorSeen),
}

fn is_echo(packet: &Seen, identifier: u16) -> bool {
    matches!(packet.payload, Payload::Icmp { icmp_type: 8 | 128, identifier: id, .. } if id == identifier)
}

/// A broadcast ARP request (RFC 826).
fn arp_request(mac: [u8; 6], address: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend(ETHERTYPE_ARP.to_be_bytes());
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(target.octets());
    frame
}
