//! Flow logs: what of an interface's traffic is recorded, in which format, where to (FL-1 … FL-14). What a record says of
//! packets that passed is `fabric`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{FlowLogId, NetworkInterfaceId, Origin, SubnetId, Tags, Timestamp, VpcId};

/// A flow log. It cannot be changed, only deleted (FL-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// Identifier.
    pub id: FlowLogId,
    /// Whose traffic.
    pub resource: FlowLogResource,
    /// Which of it.
    pub traffic_type: TrafficType,
    /// How long packets of one flow are counted together.
    pub interval: AggregationInterval,
    /// What a record says.
    pub format: LogFormat,
    /// Where records go.
    pub destination: LogDestination,
    /// The role that delivers them, by its ARN; buckets need none.
    pub deliver_logs_permission_arn: Option<String>,
    /// When it was made; its windows are counted from here.
    pub creation_time: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// What a flow log watches (FL-1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowLogResource {
    /// Every interface of a VPC.
    Vpc(VpcId),
    /// Every interface of a subnet.
    Subnet(SubnetId),
    /// One interface.
    NetworkInterface(NetworkInterfaceId),
}

impl FlowLogResource {
    /// The id as text.
    pub fn id(&self) -> &str {
        match self {
            Self::Vpc(id) => id.as_str(),
            Self::Subnet(id) => id.as_str(),
            Self::NetworkInterface(id) => id.as_str(),
        }
    }

    /// AWS's word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vpc(_) => "VPC",
            Self::Subnet(_) => "Subnet",
            Self::NetworkInterface(_) => "NetworkInterface",
        }
    }

    /// Whether an interface in this subnet and VPC is watched.
    pub fn covers(&self, interface: &NetworkInterfaceId, subnet: &SubnetId, vpc: &VpcId) -> bool {
        match self {
            Self::Vpc(id) => id == vpc,
            Self::Subnet(id) => id == subnet,
            Self::NetworkInterface(id) => id == interface,
        }
    }
}

/// Which traffic is recorded (FL-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TrafficType {
    /// What groups and lists let pass.
    Accept,
    /// What they stopped.
    Reject,
    /// Both.
    All,
}

impl TrafficType {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Reject => "REJECT",
            Self::All => "ALL",
        }
    }
}

impl FromStr for TrafficType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Accept, Self::Reject, Self::All];
        all.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| "It is one of ACCEPT, REJECT and ALL.".to_owned())
    }
}

/// How long packets of one flow are counted together (FL-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AggregationInterval {
    /// 60 s.
    OneMinute,
    /// 600 s, AWS's default.
    TenMinutes,
}

impl AggregationInterval {
    /// The interval of so many seconds, if there is one.
    pub fn of_seconds(seconds: u32) -> Option<Self> {
        [Self::OneMinute, Self::TenMinutes].into_iter().find(|interval| interval.seconds() == seconds)
    }

    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::OneMinute => 60,
            Self::TenMinutes => 600,
        }
    }
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDestination {
    /// A log group of CloudWatch Logs, by name.
    CloudWatchLogs {
        /// The group's name.
        log_group: String,
    },
    /// A bucket.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The folder in it, without slashes at its ends; empty = none.
        prefix: String,
        /// Whether folders are named as Hive names partitions (`aws-account-id=…`).
        hive_compatible: bool,
        /// Whether each hour has a folder.
        per_hour: bool,
    },
}

impl LogDestination {
    /// AWS's word for the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CloudWatchLogs { .. } => "cloud-watch-logs",
            Self::S3 { .. } => "s3",
        }
    }
}

macro_rules! fields {
    ($($version:literal { $($name:ident = $word:literal, $doc:literal;)* })*) => {
        /// A field of records (FL-2, FL-10).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LogField { $($(#[doc = $doc] $name,)*)* }

        impl LogField {
            /// All of them, oldest version first.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// As formats and headers write it.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$name => $word,)*)* }
            }

            /// The version that brought it.
            pub fn version(self) -> u8 {
                match self { $($(Self::$name)|* => $version,)* }
            }
        }
    };
}

fields! {
    2 {
        Version = "version", "The highest version among the format's fields.";
        AccountId = "account-id", "Who owns the interface.";
        InterfaceId = "interface-id", "The interface.";
        SourceAddress = "srcaddr", "Source; the interface's primary address where it is the interface's side (FL-6).";
        DestinationAddress = "dstaddr", "Destination, likewise.";
        SourcePort = "srcport", "Source port; 0 without ports.";
        DestinationPort = "dstport", "Destination port; 0 without ports.";
        Protocol = "protocol", "IANA's number.";
        Packets = "packets", "How many packets.";
        Bytes = "bytes", "Bytes of them, IP headers included.";
        Start = "start", "When the first of them was seen, seconds since 1970.";
        End = "end", "When the last of them was seen.";
        Action = "action", "`ACCEPT` or `REJECT`.";
        LogStatus = "log-status", "`OK`, `NODATA` or `SKIPDATA`.";
    }
    3 {
        VpcId = "vpc-id", "The interface's VPC.";
        SubnetId = "subnet-id", "Its subnet.";
        InstanceId = "instance-id", "Its instance; `-` for those of services.";
        TcpFlags = "tcp-flags", "FIN 1, SYN 2, RST 4, SYN-ACK 18, all that were seen (FL-11).";
        Type = "type", "`IPv4` or `IPv6`.";
        PacketSourceAddress = "pkt-srcaddr", "Source as the packet had it (FL-6).";
        PacketDestinationAddress = "pkt-dstaddr", "Destination as the packet had it.";
    }
    4 {
        Region = "region", "The region.";
        ZoneId = "az-id", "The zone, by its id.";
        SublocationType = "sublocation-type", "Always `-`: there are no Outposts, Wavelength or local zones here.";
        SublocationId = "sublocation-id", "Always `-`.";
    }
    5 {
        PacketSourceService = "pkt-src-aws-service", "The AWS service that the source is one of.";
        PacketDestinationService = "pkt-dst-aws-service", "The AWS service that the destination is one of.";
        FlowDirection = "flow-direction", "`ingress` or `egress`, seen from the interface.";
        TrafficPath = "traffic-path", "By what egress traffic leaves (FL-12).";
    }
}

/// What a record says: fields in order, at least one, none twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFormat(Vec<LogField>);

/// A text that is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedFormat {
    /// Nothing in it.
    #[error("a format names at least one field")]
    Empty,
    /// Not of the form `${field}`.
    #[error("`{0}` is not of the form ${{field}}")]
    NotAField(String),
    /// No such field.
    #[error("there is no field `{0}`")]
    Unknown(String),
    /// Twice the same.
    #[error("the field `{0}` stands there twice")]
    Twice(&'static str),
}

impl LogFormat {
    /// A format of these fields. Errors: none, or one twice.
    pub fn new(fields: Vec<LogField>) -> Result<Self, MalformedFormat> {
        if fields.is_empty() {
            return Err(MalformedFormat::Empty);
        }
        match fields.iter().enumerate().find(|(at, field)| fields[..*at].contains(field)) {
            Some((_, twice)) => Err(MalformedFormat::Twice(twice.as_str())),
            None => Ok(Self(fields)),
        }
    }

    /// The default format and more fields behind it.
    pub fn default_and(more: impl IntoIterator<Item = LogField>) -> Result<Self, MalformedFormat> {
        Self::new(Self::default().0.into_iter().chain(more).collect())
    }

    /// The fields in order.
    pub fn fields(&self) -> &[LogField] {
        &self.0
    }

    /// What a record prints as its version: the highest among its fields (FL-10), at least 2.
    pub fn version(&self) -> u8 {
        self.0.iter().map(|field| field.version()).max().unwrap_or(2)
    }

    /// The names of its fields, as the first line of a file has them.
    pub fn header(&self) -> String {
        self.0.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl Default for LogFormat {
    /// The fields of version 2 in their order (FL-2).
    fn default() -> Self {
        Self(LogField::ALL.iter().copied().filter(|field| field.version() == 2).collect())
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, field)| {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}${{{}}}", field.as_str())
        })
    }
}

impl FromStr for LogField {
    type Err = MalformedFormat;
    fn from_str(text: &str) -> Result<Self, MalformedFormat> {
        let found = Self::ALL.iter().find(|field| field.as_str() == text);
        found.copied().ok_or_else(|| MalformedFormat::Unknown(text.to_owned()))
    }
}

impl FromStr for LogFormat {
    type Err = MalformedFormat;
    /// Reads `${version} ${srcaddr} …`; any white space parts the fields.
    fn from_str(text: &str) -> Result<Self, MalformedFormat> {
        let field = |word: &str| match word.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => name.parse(),
            None => Err(MalformedFormat::NotAField(word.to_owned())),
        };
        Self::new(text.split_whitespace().map(field).collect::<Result<_, _>>()?)
    }
}

impl Serialize for LogFormat {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_format_has_the_fourteen_fields_of_version_2_in_order() {
        let format = LogFormat::default();
        assert_eq!(
            format.header(),
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
        );
        assert_eq!(format.version(), 2);
    }

    #[test]
    fn a_format_reads_back_as_it_is_written() {
        for fields in [vec![LogField::Action], LogField::ALL.to_vec(), LogFormat::default().0] {
            let format = LogFormat::new(fields).unwrap();
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn the_version_is_the_highest_among_the_fields() {
        for (text, version) in [("${srcaddr}", 2), ("${srcaddr} ${vpc-id}", 3), ("${region} ${vpc-id}", 4), ("${traffic-path}", 5)] {
            assert_eq!(text.parse::<LogFormat>().unwrap().version(), version, "{text}");
        }
    }

    #[test]
    fn what_is_no_format_is_named() {
        for (text, why) in [
            (" ", MalformedFormat::Empty),
            ("srcaddr", MalformedFormat::NotAField("srcaddr".to_owned())),
            ("${srcaddr", MalformedFormat::NotAField("${srcaddr".to_owned())),
            ("${colour}", MalformedFormat::Unknown("colour".to_owned())),
            ("${srcaddr}  ${srcaddr}", MalformedFormat::Twice("srcaddr")),
        ] {
            assert_eq!(text.parse::<LogFormat>(), Err(why), "{text}");
        }
    }
}
