//! Probes as written. Names stay names here: what they stand for is known when the step runs.

use serde_json::Value;

use super::fault::Fault;
use super::fields::Fields;
use super::step::saves;
use super::yaml::Node;

/// A probe, what is watched meanwhile, and what is kept of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its line.
    pub line: u32,
    /// What is sent.
    pub kind: ProbeKind,
    /// Interface and filter of a capture.
    pub capture: Option<(String, CaptureFilter)>,
    /// What is kept: name, path.
    pub save: Vec<(String, String)>,
}

/// Which frames a capture counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureFilter {
    /// `arp`
    Arp,
    /// `icmp`
    Icmp,
}

/// Protocol of a packet probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `icmp`
    Icmp,
    /// `gre`
    Gre,
}

/// A side of a kept connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who opened it.
    Client,
    /// Who was asked.
    Server,
}

/// What is sent. Texts are names, addresses or `$name`.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeKind {
    /// A request and its reply.
    Packet(PacketProbe),
    /// A packet on a kept connection.
    Kept {
        /// `conn`
        connection: String,
        /// Who sends.
        side: Side,
    },
    /// A forged ICMP error.
    IcmpError {
        /// Who sends it.
        from: String,
        /// To whom.
        to: String,
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
        /// The kept connection.
        connection: String,
        /// Whose packet it quotes.
        side: Side,
    },
    /// The next hop of a table for an address.
    Lookup {
        /// The address.
        address: String,
        /// The table.
        table: String,
    },
    /// A DNS query.
    Dns {
        /// Who asks.
        from: String,
        /// The name.
        name: String,
        /// The record type.
        record_type: String,
        /// An address, or `public`.
        server: String,
    },
    /// An HTTP request.
    Http {
        /// Who asks.
        from: String,
        /// The method.
        method: String,
        /// The address.
        url: String,
        /// Headers.
        headers: Vec<(String, String)>,
    },
    /// A command inside a guest.
    Guest {
        /// In whose guest.
        from: String,
        /// The command.
        command: GuestCommand,
    },
    /// What the analyzer says.
    Analyze {
        /// Source.
        from: String,
        /// Destination.
        to: String,
        /// Protocol.
        protocol: Protocol,
        /// Destination port.
        destination_port: Option<u16>,
    },
    /// The records of a flow log.
    FlowLog {
        /// The interface.
        eni: String,
    },
}

/// A request and its reply.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketProbe {
    /// Who sends.
    pub from: String,
    /// Source address, if not the primary one.
    pub source: Option<String>,
    /// Destination address.
    pub to: String,
    /// A name that the sender looks up first.
    pub to_name: Option<String>,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// Source port, if given.
    pub source_port: Option<u16>,
    /// ICMP type, if given.
    pub icmp_type: Option<u8>,
    /// Keeps the connection under this name.
    pub open: Option<String>,
    /// How many connections.
    pub connections: Option<u32>,
    /// The gateway whose outside gets the packet.
    pub inject_at: Option<String>,
    /// Whether nobody listens.
    pub closed: bool,
}

/// A command inside a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the arguments of the form's table")]
pub enum GuestCommand {
    /// `ping`
    Ping { to: String, count: u32, ttl: Option<u8>, size: Option<u32>, df: bool, broadcast: bool },
    /// `traceroute`, by ICMP
    Traceroute { to: String },
    /// `arping`
    Arping { to: String, count: u32 },
    /// `ip-addr`
    IpAddr,
    /// `ntp`
    Ntp { to: String },
    /// `dhcp-renew`
    DhcpRenew,
}

impl Probe {
    /// Reads a probe; its keys say of which kind it is.
    pub fn read(node: &Node) -> Result<Self, Fault> {
        let f = Fields::of(node, "probe")?;
        let capture = f.get("capture").map(read_capture).transpose()?;
        let save = saves(&f)?;
        let kind = match () {
            () if f.has("analyze") => analyze(f.need("analyze")?)?,
            () if f.has("flowlog") => ProbeKind::FlowLog { eni: f.need_text("flowlog")? },
            () if f.has("lookup") => ProbeKind::Lookup { address: f.need_text("lookup")?, table: f.need_text("rt")? },
            () if f.has("dns") => dns(f.need_text("from")?, f.need("dns")?)?,
            () if f.has("http") => http(f.need_text("from")?, f.need("http")?)?,
            () if f.has("guest") => guest(&f)?,
            () if f.has("icmp_error") => icmp_error(&f)?,
            () if f.has("conn") => ProbeKind::Kept { connection: f.need_text("conn")?, side: side(&f)? },
            () => ProbeKind::Packet(packet(&f)?),
        };
        f.finish()?;
        Ok(Self { line: node.line, kind, capture, save })
    }

    /// Whether the probe's `value` is a name and not a mapping of paths.
    pub fn answers_with_a_name(&self) -> bool {
        matches!(self.kind, ProbeKind::Lookup { .. })
    }
}

fn read_capture(node: &Node) -> Result<(String, CaptureFilter), Fault> {
    let f = Fields::of(node, "capture")?;
    let at = f.need_text("at")?;
    let filter = match f.need_text("filter")?.as_str() {
        "arp" => CaptureFilter::Arp,
        "icmp" => CaptureFilter::Icmp,
        other => return Err(Fault::new(node.line, format!("unknown capture filter `{other}`"))),
    };
    f.finish()?;
    Ok((at, filter))
}

fn packet(f: &Fields<'_>) -> Result<PacketProbe, Fault> {
    let closed = match f.text("listener")?.as_deref() {
        None => false,
        Some("closed") => true,
        Some(other) => return Err(Fault::new(f.line, format!("unknown listener `{other}`"))),
    };
    let protocol = protocol(f)?;
    let probe = PacketProbe {
        from: f.need_text("from")?,
        source: f.text("src")?,
        to: f.need_text("to")?,
        to_name: f.text("to_name")?,
        protocol,
        destination_port: f.parsed("dport", "a port")?,
        source_port: f.parsed("sport", "a port")?,
        icmp_type: f.parsed("type", "an ICMP type")?,
        open: f.text("open")?,
        connections: f.parsed("connections", "a number of connections")?,
        inject_at: f.text("inject_at")?,
        closed,
    };
    let has_ports = matches!(protocol, Protocol::Tcp | Protocol::Udp);
    let wrong = match () {
        () if has_ports && probe.destination_port.is_none() => "TCP and UDP need `dport`",
        () if !has_ports && (probe.destination_port.is_some() || probe.source_port.is_some()) => {
            "only TCP and UDP have ports"
        }
        () if probe.icmp_type.is_some() && protocol != Protocol::Icmp => "only ICMP has a `type`",
        () if probe.connections == Some(0) => "`connections` must be at least 1",
        () => return Ok(probe),
    };
    Err(Fault::new(f.line, wrong))
}

fn protocol(f: &Fields<'_>) -> Result<Protocol, Fault> {
    match f.need_text("proto")?.as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "icmp" => Ok(Protocol::Icmp),
        "gre" => Ok(Protocol::Gre),
        other => Err(Fault::new(f.line, format!("unknown protocol `{other}`"))),
    }
}

fn side(f: &Fields<'_>) -> Result<Side, Fault> {
    match f.need_text("side")?.as_str() {
        "client" => Ok(Side::Client),
        "server" => Ok(Side::Server),
        other => Err(Fault::new(f.line, format!("unknown side `{other}`"))),
    }
}

fn icmp_error(f: &Fields<'_>) -> Result<ProbeKind, Fault> {
    let node = f.need("icmp_error")?;
    let error = Fields::of(node, "icmp_error")?;
    let need = |key| error.parsed(key, "a number")?.ok_or_else(|| Fault::new(node.line, format!("`icmp_error` lacks `{key}`")));
    let kind = ProbeKind::IcmpError {
        from: f.need_text("from")?,
        to: f.need_text("to")?,
        icmp_type: need("type")?,
        code: need("code")?,
        connection: error.need_text("conn")?,
        side: side(&error)?,
    };
    error.finish()?;
    Ok(kind)
}

fn dns(from: String, node: &Node) -> Result<ProbeKind, Fault> {
    let f = Fields::of(node, "dns")?;
    let (name, record_type) = (f.need_text("name")?, f.text("type")?.unwrap_or_else(|| "A".to_owned()));
    let kind = ProbeKind::Dns { from, name, record_type, server: f.need_text("server")? };
    f.finish()?;
    Ok(kind)
}

fn http(from: String, node: &Node) -> Result<ProbeKind, Fault> {
    let f = Fields::of(node, "http")?;
    let headers = f.entries("headers")?.into_iter();
    let kind = ProbeKind::Http {
        from,
        method: f.text("method")?.unwrap_or_else(|| "GET".to_owned()),
        url: f.need_text("url")?,
        headers: headers
            .map(|(line, name, value)| {
                let value = value.text().ok_or_else(|| Fault::new(line, format!("header `{name}` must be a text")))?;
                Ok((name.to_owned(), value))
            })
            .collect::<Result<_, Fault>>()?,
    };
    f.finish()?;
    Ok(kind)
}

fn guest(f: &Fields<'_>) -> Result<ProbeKind, Fault> {
    let (from, word) = (f.need_text("from")?, f.need_text("guest")?);
    let empty = Node { line: f.line, content: super::yaml::Content::Map(Vec::new()) };
    let node = f.get("args").unwrap_or(&empty);
    let a = Fields::of(node, "args")?;
    let command = match word.as_str() {
        "ping" => GuestCommand::Ping {
            to: a.need_text("to")?,
            count: a.parsed("count", "a number of packets")?.unwrap_or(1),
            ttl: a.parsed("ttl", "a TTL")?,
            size: a.parsed("size", "a number of bytes")?,
            df: a.boolean("df")?.unwrap_or(false),
            broadcast: a.boolean("broadcast")?.unwrap_or(false),
        },
        "traceroute" => {
            let (to, method) = (a.need_text("to")?, a.text("method")?);
            if let Some(other) = method.filter(|method| method != "icmp") {
                return Err(Fault::new(a.line, format!("unknown traceroute method `{other}`")));
            }
            GuestCommand::Traceroute { to }
        }
        "arping" => {
            GuestCommand::Arping { to: a.need_text("to")?, count: a.parsed("count", "a number of packets")?.unwrap_or(1) }
        }
        "ip-addr" => GuestCommand::IpAddr,
        "ntp" => GuestCommand::Ntp { to: a.need_text("to")? },
        "dhcp-renew" => GuestCommand::DhcpRenew,
        other => return Err(Fault::new(f.line, format!("unknown guest command `{other}`"))),
    };
    a.finish()?;
    Ok(ProbeKind::Guest { from, command })
}

fn analyze(node: &Node) -> Result<ProbeKind, Fault> {
    let f = Fields::of(node, "analyze")?;
    let kind = ProbeKind::Analyze {
        from: f.need_text("from")?,
        to: f.need_text("to")?,
        protocol: protocol(&f)?,
        destination_port: f.parsed("dport", "a port")?,
    };
    f.finish()?;
    Ok(kind)
}

/// Whether a text stands for a saved value: `$name` or `$name.Path`.
pub fn is_reference(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('$') && !text.starts_with("${"))
}
