//! Which fields a node looked at when it decided.

use fabric::Stage;

use super::Shown;
use crate::trace::{Detail, Reason};
use crate::view::unit::Unit;

/// Headers in which a field is looked for, by the protocols' words.
const IP: &[&str] = &["ipv4", "ipv6"];
const LINK: &[&str] = &["ethernet"];
const PORTS: &[&str] = &["tcp", "udp"];

/// The fields that decided, as they are in the frame.
pub(super) fn fields(reason: Reason, detail: Option<&Detail>, units: &[Unit]) -> Vec<Shown> {
    let wanted: &[(&[&str], &[&str])] = match reason {
        Reason::KnownMac
        | Reason::UnknownMac
        | Reason::BroadcastMac
        | Reason::MulticastMac
        | Reason::GroupMember
        | Reason::GroupRouter
        | Reason::OtherMac
        | Reason::SamePort => &[(LINK, &["destination"])],
        Reason::SourceMac | Reason::MovedMac | Reason::TableFull => &[(LINK, &["source"])],
        Reason::ArpRequest | Reason::ArpTimeout => &[(&["arp"], &["target"])],
        Reason::ArpReply | Reason::ArpGratuitous | Reason::ArpConflict => &[(&["arp"], &["sender", "sender MAC"])],
        Reason::NeighborSolicitation | Reason::NeighborAdvertisement => &[(&["ndp"], &["target"])],
        Reason::Route | Reason::NoRoute | Reason::OwnAddress | Reason::NotForMe | Reason::NotMember | Reason::HostUnreachable => {
            &[(IP, &["destination"])]
        }
        Reason::TimeExceeded => &[(IP, &["TTL", "hop limit"])],
        Reason::HeaderChecksum => &[(IP, &["header checksum"])],
        Reason::FragmentationNeeded | Reason::PacketTooBig | Reason::Fragmented => {
            &[(IP, &["total length", "payload length", "flags"])]
        }
        Reason::Reassembled | Reason::ReassemblyTimeout => &[(IP, &["identification", "fragment offset"])],
        Reason::Martian => &[(IP, &["source"])],
        Reason::EchoToMany => &[(IP, &["destination"])],
        Reason::ProtocolUnreachable => &[(IP, &["protocol", "next header"])],
        Reason::EchoRequest | Reason::EchoReply | Reason::IcmpError | Reason::IcmpBound => {
            &[(&["icmp", "icmpv6"], &["type", "code"])]
        }
        Reason::Nat | Reason::NatNoState => {
            &[(IP, &["source", "destination"]), (PORTS, &["source port", "destination port"])]
        }
        Reason::PortClosed
        | Reason::PortUnreachable
        | Reason::Balanced
        | Reason::NoBackend
        | Reason::BacklogFull
        | Reason::NoPort => &[(PORTS, &["destination port"])],
        Reason::TransportChecksum => &[(&["tcp", "udp", "icmp", "icmpv6"], &["checksum"])],
        Reason::Handshake | Reason::Closing | Reason::Reset => &[(PORTS, &["flags"])],
        Reason::OutOfOrder
        | Reason::OutOfWindow
        | Reason::DuplicateSegment
        | Reason::RetransmissionTimeout
        | Reason::FastRetransmit
        | Reason::PartialAcknowledgement
        | Reason::SackRecovery
        | Reason::PathMtu => &[(PORTS, &["sequence"])],
        Reason::ZeroWindow => &[(PORTS, &["window"])],
        Reason::FilterRule | Reason::FilterState => {
            &[(IP, &["source", "destination", "protocol"]), (PORTS, &["destination port"])]
        }
        Reason::Stage => stage(detail),
        _ => &[],
    };
    let mut found = Vec::new();
    for (protocols, names) in wanted {
        let Some(unit) = units.iter().find(|unit| protocols.contains(&unit.protocol)) else { continue };
        for field in unit.fields.iter().filter(|field| names.contains(&field.name)) {
            found.push(Shown { name: field.name, value: field.value.clone(), was: None });
        }
    }
    found
}

/// What the stages of a VPC look at.
fn stage(detail: Option<&Detail>) -> &'static [(&'static [&'static str], &'static [&'static str])] {
    let Some(Detail::Stage(reason)) = detail else { return &[] };
    match reason.stage {
        Stage::RouteTable | Stage::LocalDelivery | Stage::TransitGateway | Stage::Peering => &[(IP, &["destination"])],
        Stage::SourceDestCheck => &[(IP, &["source", "destination"])],
        Stage::SecurityGroup | Stage::NetworkAcl => {
            &[(IP, &["source", "destination", "protocol", "next header"]), (PORTS, &["source port", "destination port"])]
        }
        Stage::InternetGateway | Stage::NatGateway => {
            &[(IP, &["source", "destination"]), (PORTS, &["source port", "destination port"])]
        }
        _ => &[],
    }
}
