//! Layers 6 and 7: how data is written, and what it says, by what it looks like and by the port it goes to.

use model::service;
use wire::dhcp;

use super::text::{first_line, http, lines};
use super::{Unit, dns, routing, unread, word};
use crate::trace::Layer;

/// Reads the data of a segment or datagram.
pub(super) fn read(protocol: u8, (source, destination): (u16, u16), data: &[u8], at: usize, found: &mut Vec<Unit>) {
    if data.is_empty() {
        return;
    }
    if let Some((tls, handshake)) = tls(data, at) {
        found.push(tls);
        found.extend(handshake);
        return;
    }
    // The server's port is the one that has a name; if both have, the one that is asked.
    let (service, from_server) = match (service::at(protocol, destination), service::at(protocol, source)) {
        (Some(service), _) => (service.name, false),
        (None, Some(service)) => (service.name, true),
        (None, None) => ("", false),
    };
    let over_tcp = protocol == wire::protocol::TCP;
    let unit = match service {
        "dns" | "mdns" => dns::read(data, over_tcp, at),
        "dhcp" | "dhcp-client" => dhcp(data, at),
        "rip" => routing::rip(data, at),
        "ntp" => ntp(data, at),
        "tftp" => tftp(data, at),
        "snmp" | "snmptrap" => snmp(data, at),
        _ => http(data, at).or_else(|| lines(service, from_server, data, at)),
    };
    let written = encoding(service, data);
    found.push(Unit::new(Layer::Presentation, "encoding", "encoding", "data", (at, data.len())).with("written as", written));
    match unit {
        Some(unit) => found.push(unit),
        None => unread_text(service, data, at, found),
    }
}

/// How data is written.
fn encoding(service: &str, data: &[u8]) -> &'static str {
    match service {
        "dns" | "mdns" => "binary fields; names as length and label",
        "dhcp" | "dhcp-client" => "binary fields; options as code, length and value",
        "snmp" | "snmptrap" => "ASN.1 in BER",
        "rip" | "ntp" => "binary fields",
        _ if data.is_ascii() && data.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace()) => {
            "ASCII text"
        }
        _ => match std::str::from_utf8(data) {
            Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => "UTF-8 text",
            _ => "bytes",
        },
    }
}

/// Data of an application that is not read here; text is shown.
fn unread_text(service: &'static str, data: &[u8], at: usize, found: &mut Vec<Unit>) {
    let Some(line) = first_line(data) else { return unread(Layer::Application, data, at, found) };
    let protocol = if service.is_empty() { "data" } else { service };
    let unit = Unit::new(Layer::Application, protocol, protocol, "data", (at, data.len()));
    found.push(unit.with("length", data.len()).with("text", line));
}

/// A record of TLS (RFC 8446, section 5.1) with what of it is not encrypted.
fn tls(data: &[u8], at: usize) -> Option<(Unit, Option<Unit>)> {
    let (kind, version, length) = (*data.first()?, word(data, 1)?, word(data, 3)?);
    let kind_name = match kind {
        20 => "change cipher spec",
        21 => "alert",
        22 => "handshake",
        23 => "application data",
        _ => return None,
    };
    if !(0x0300..=0x0304).contains(&version) || length > (1 << 14) + 256 {
        return None;
    }
    let handshake = match (kind, data.get(5)) {
        (22, Some(1)) => Some("ClientHello"),
        (22, Some(2)) => Some("ServerHello"),
        (22, Some(11)) => Some("Certificate"),
        (22, Some(20)) => Some("Finished"),
        _ => None,
    };
    let brief = format!("TLS: {}", handshake.unwrap_or(kind_name));
    let record = Unit::new(Layer::Presentation, "tls", "TLS record", "record", (at, 5))
        .with("type", format!("{kind} ({kind_name})"))
        .with("version", format!("{version:#06x}"))
        .with("length", length)
        .brief(&brief);
    let rest = data.len().saturating_sub(5);
    let inner = match (handshake, kind) {
        (Some(message), _) => {
            let unit = Unit::new(Layer::Application, "tls-handshake", "TLS handshake", "message", (at + 5, rest));
            Some(unit.with("message", message).brief(brief))
        }
        (None, 23) => {
            let unit = Unit::new(Layer::Application, "encrypted", "encrypted", "data", (at + 5, rest));
            Some(unit.with("length", rest))
        }
        _ => None,
    };
    Some((record, inner))
}

fn dhcp(data: &[u8], at: usize) -> Option<Unit> {
    let unit = Unit::new(Layer::Application, "dhcp", "DHCP", "message", (at, data.len()));
    if let Ok(request) = dhcp::Request::parse(data) {
        let kind = dhcp_kind(request.kind);
        let mut unit = unit
            .with("message type", kind)
            .with("transaction", format!("{:#010x}", request.transaction))
            .with("client", request.mac);
        if let Some(address) = request.requested {
            unit = unit.with("requested address", address);
        }
        return Some(unit.brief(format!("DHCP {kind} from {}", request.mac)));
    }
    let reply = dhcp::Reply::parse(data).ok()?;
    let kind = dhcp_kind(reply.kind);
    let unit = unit
        .with("message type", kind)
        .with("transaction", format!("{:#010x}", reply.transaction))
        .with("client", reply.mac);
    let unit = unit.with("server", reply.server);
    Some(match reply.lease {
        Some(lease) => unit
            .with("your address", lease.address)
            .with("subnet mask", lease.subnet_mask)
            .with("router", lease.router)
            .with("lease", format!("{} s", lease.duration.as_secs()))
            .brief(format!("DHCP {kind}, {} for {}", lease.address, reply.mac)),
        None => unit.brief(format!("DHCP {kind} for {}", reply.mac)),
    })
}

/// RFC 2131, section 3.1.
fn dhcp_kind(kind: dhcp::MessageType) -> &'static str {
    match kind {
        dhcp::MessageType::Discover => "DHCPDISCOVER",
        dhcp::MessageType::Offer => "DHCPOFFER",
        dhcp::MessageType::Request => "DHCPREQUEST",
        dhcp::MessageType::Decline => "DHCPDECLINE",
        dhcp::MessageType::Acknowledge => "DHCPACK",
        dhcp::MessageType::Refuse => "DHCPNAK",
        dhcp::MessageType::Release => "DHCPRELEASE",
        dhcp::MessageType::Inform => "DHCPINFORM",
    }
}

/// RFC 5905, section 7.3.
fn ntp(data: &[u8], at: usize) -> Option<Unit> {
    let first = *data.first().filter(|_| data.len() >= 48)?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    let name = match mode {
        1 | 2 => "symmetric",
        3 => "client",
        4 => "server",
        5 => "broadcast",
        _ => "other",
    };
    let unit = Unit::new(Layer::Application, "ntp", "NTP", "message", (at, data.len()));
    let unit = unit.with("version", version).with("mode", format!("{mode} ({name})")).with("stratum", data[1]);
    Some(unit.brief(format!("NTPv{version}, {name}, length {}", data.len())))
}

/// RFC 1350, section 5.
fn tftp(data: &[u8], at: usize) -> Option<Unit> {
    let code = word(data, 0)?;
    let unit = Unit::new(Layer::Application, "tftp", "TFTP", "message", (at, data.len()));
    let text = |from: usize| {
        let bytes = data.get(from..).unwrap_or(&[]);
        String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or(&[]))
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>()
    };
    Some(match code {
        1 | 2 => {
            let (short, what) = if code == 1 { ("RRQ", "read request") } else { ("WRQ", "write request") };
            unit.with("opcode", format!("{code} ({what})"))
                .with("file", text(2))
                .brief(format!("TFTP {short} \"{}\"", text(2)))
        }
        3 => unit
            .with("opcode", "3 (data)")
            .with("block", word(data, 2)?)
            .brief(format!("TFTP DATA block {}", word(data, 2)?)),
        4 => unit
            .with("opcode", "4 (acknowledgment)")
            .with("block", word(data, 2)?)
            .brief(format!("TFTP ACK block {}", word(data, 2)?)),
        5 => unit.with("opcode", "5 (error)").with("message", text(4)).brief(format!("TFTP ERROR {}", text(4))),
        _ => return None,
    })
}

/// Version, community and kind of an SNMP message (RFC 1157, RFC 3416), as far as lengths are short or long definite ones.
fn snmp(data: &[u8], at: usize) -> Option<Unit> {
    let (0x30, message, _) = element(data)? else { return None };
    let (0x02, version, rest) = element(message)? else { return None };
    let (0x04, community, rest) = element(rest)? else { return None };
    let (tag, ..) = element(rest)?;
    let names = [
        "GetRequest",
        "GetNextRequest",
        "GetResponse",
        "SetRequest",
        "Trap",
        "GetBulkRequest",
        "InformRequest",
        "SNMPv2-Trap",
    ];
    let what = tag.checked_sub(0xa0).and_then(|number| names.get(usize::from(number)))?;
    let version = match version {
        [0] => "1",
        [1] => "2c",
        _ => "?",
    };
    let unit = Unit::new(Layer::Application, "snmp", "SNMP", "message", (at, data.len()));
    let unit = unit.with("version", version).with("community", String::from_utf8_lossy(community)).with("PDU", what);
    Some(unit.brief(format!("SNMPv{version} {what}")))
}

/// Tag, value and what follows of a BER element.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    let (length, from) = match first {
        ..=0x7f => (usize::from(first), 2),
        0x81 => (usize::from(*bytes.get(2)?), 3),
        0x82 => (usize::from(word(bytes, 2)?), 4),
        _ => return None,
    };
    Some((tag, bytes.get(from..from + length)?, &bytes[from + length..]))
}
