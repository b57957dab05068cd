//! Protocols and ports as the API writes them (SG-7 … SG-10, ACL-6).

use model::traffic::protocol;
use model::{ApiError, ErrorCode, IcmpMatch, PortRange, TrafficMatch};

/// A protocol by name or number; `None` = all.
pub fn protocol(name: &str) -> Result<Option<u8>, ApiError> {
    match name.to_ascii_lowercase().as_str() {
        "-1" | "all" => Ok(None),
        "tcp" => Ok(Some(protocol::TCP)),
        "udp" => Ok(Some(protocol::UDP)),
        "icmp" => Ok(Some(protocol::ICMP)),
        "icmpv6" => Ok(Some(protocol::ICMPV6)),
        other => other.parse().map(Some).map_err(|_| {
            let message = format!("Invalid value '{name}' for IP protocol. Unknown protocol.");
            ApiError::new(ErrorCode::InvalidParameterValue, message)
        }),
    }
}

/// Ports of a range. Errors: `InvalidParameterValue` for ports that are none, or that run backwards.
pub fn ports(from: i64, to: i64) -> Result<PortRange, ApiError> {
    let wrong = |why: String| ApiError::new(ErrorCode::InvalidParameterValue, why);
    let port = |port: i64| u16::try_from(port).map_err(|_| wrong(format!("Invalid value '{port}' for portRange.")));
    let (from, to) = (port(from)?, port(to)?);
    match from <= to {
        true => Ok(PortRange { from, to }),
        false => Err(wrong(format!("Invalid TCP/UDP port range ({from}:{to})"))),
    }
}

/// ICMP type and code, -1 = any. Errors: `InvalidParameterValue`; any type goes with any code only (SG-9).
pub fn icmp(icmp_type: i64, code: i64) -> Result<IcmpMatch, ApiError> {
    let wrong = |what: &str, value| {
        ApiError::new(ErrorCode::InvalidParameterValue, format!("ICMP {what} {value} is not valid."))
    };
    let part = |what: &str, value: i64| match value {
        -1 => Ok(None),
        value => u8::try_from(value).map(Some).map_err(|_| wrong(what, value)),
    };
    let found = IcmpMatch { icmp_type: part("type", icmp_type)?, code: part("code", code)? };
    match found {
        IcmpMatch { icmp_type: None, code: Some(code) } => Err(wrong("code", i64::from(code))),
        found => Ok(found),
    }
}

/// Traffic of a security group's rule. TCP and UDP need ports; ICMP without type means all of it (SG-10).
pub fn of_rule(name: &str, from: Option<i64>, to: Option<i64>) -> Result<TrafficMatch, ApiError> {
    let number = protocol(name)?;
    let range = || match (from, to) {
        (Some(-1), Some(-1)) => Ok(PortRange::ALL),
        (Some(from), Some(to)) => ports(from, to),
        _ => Err(ApiError::new(ErrorCode::InvalidParameterValue, "Invalid value 'null' for portRange.")),
    };
    let message = || icmp(from.unwrap_or(-1), to.unwrap_or(-1));
    Ok(match number {
        None => TrafficMatch::All,
        Some(protocol::TCP) => TrafficMatch::Tcp(range()?),
        Some(protocol::UDP) => TrafficMatch::Udp(range()?),
        Some(protocol::ICMP) => TrafficMatch::Icmp(message()?),
        Some(protocol::ICMPV6) => TrafficMatch::Icmpv6(message()?),
        Some(number) => TrafficMatch::Other(number),
    })
}

/// Protocol, from and to of a security group's rule as answers show them.
pub fn as_rule(traffic: TrafficMatch) -> (String, Option<i64>, Option<i64>) {
    let icmp = |m: IcmpMatch| (m.icmp_type.map_or(-1, i64::from), m.code.map_or(-1, i64::from));
    match traffic {
        TrafficMatch::All => ("-1".to_owned(), None, None),
        TrafficMatch::Tcp(ports) => ("tcp".to_owned(), Some(ports.from.into()), Some(ports.to.into())),
        TrafficMatch::Udp(ports) => ("udp".to_owned(), Some(ports.from.into()), Some(ports.to.into())),
        TrafficMatch::Icmp(m) => ("icmp".to_owned(), Some(icmp(m).0), Some(icmp(m).1)),
        TrafficMatch::Icmpv6(m) => ("icmpv6".to_owned(), Some(icmp(m).0), Some(icmp(m).1)),
        TrafficMatch::Other(number) => (number.to_string(), None, None),
    }
}
