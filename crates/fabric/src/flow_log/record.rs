//! Records as text: one line, fields parted by spaces, `-` for what does not apply (FL-2, FL-5, FL-10).

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::flow_log::{LogField, LogFormat};
use model::{NetworkInterfaceId, Timestamp};

use super::{Action, FlowKey, Place};
use crate::reason::Direction;

/// A record of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// Where that is.
    pub place: Place,
    /// When the first packet was seen; for records without a flow: when the window began.
    pub start: Timestamp,
    /// When the last packet was seen, or the window ended.
    pub end: Timestamp,
    /// What was seen.
    pub status: Status,
}

/// FL-5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Traffic.
    Ok(Flow),
    /// None.
    NoData,
    /// Some that could not be counted.
    SkipData,
}

/// Packets of one flow in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Which packets.
    pub key: FlowKey,
    /// How many.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// FL-11.
    pub tcp_flags: u8,
    /// The AWS service that the source is one of.
    pub source_service: Option<String>,
    /// The AWS service that the destination is one of.
    pub destination_service: Option<String>,
    /// FL-12.
    pub traffic_path: Option<u8>,
}

/// What does not apply.
const NOTHING: &str = "-";

impl Record {
    /// A field as text; `version` is the format's.
    pub fn field(&self, field: LogField, version: u8) -> String {
        let place = &self.place;
        let nothing = || NOTHING.to_owned();
        match field {
            LogField::Version => version.to_string(),
            LogField::AccountId => place.account_id.clone(),
            LogField::InterfaceId => self.interface.to_string(),
            LogField::Start => self.start.0.to_string(),
            LogField::End => self.end.0.to_string(),
            LogField::LogStatus => match self.status {
                Status::Ok(_) => "OK",
                Status::NoData => "NODATA",
                Status::SkipData => "SKIPDATA",
            }
            .to_owned(),
            LogField::VpcId => place.vpc_id.to_string(),
            LogField::SubnetId => place.subnet_id.to_string(),
            LogField::InstanceId => place.instance_id.as_ref().map_or_else(nothing, ToString::to_string),
            LogField::Region => place.region.clone(),
            LogField::ZoneId => place.zone_id.clone(),
            LogField::SublocationType | LogField::SublocationId => nothing(),
            of_flow => match &self.status {
                Status::Ok(flow) => flow.field(of_flow, place),
                Status::NoData | Status::SkipData => nothing(),
            },
        }
    }

    /// The record as a line of this format, without its end.
    pub fn line(&self, format: &LogFormat) -> String {
        let version = format.version();
        format.fields().iter().map(|field| self.field(*field, version)).collect::<Vec<_>>().join(" ")
    }
}

impl Flow {
    fn field(&self, field: LogField, place: &Place) -> String {
        let key = &self.key;
        let (source, destination) = place.ends(key);
        let or_nothing = |word: &Option<String>| word.clone().unwrap_or_else(|| NOTHING.to_owned());
        match field {
            LogField::SourceAddress => source.to_string(),
            LogField::DestinationAddress => destination.to_string(),
            LogField::SourcePort => key.source_port.to_string(),
            LogField::DestinationPort => key.destination_port.to_string(),
            LogField::Protocol => key.protocol.to_string(),
            LogField::Packets => self.packets.to_string(),
            LogField::Bytes => self.bytes.to_string(),
            LogField::Action => key.action.as_str().to_owned(),
            LogField::TcpFlags => self.tcp_flags.to_string(),
            LogField::Type => if key.source.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
            LogField::PacketSourceAddress => key.source.to_string(),
            LogField::PacketDestinationAddress => key.destination.to_string(),
            LogField::PacketSourceService => or_nothing(&self.source_service),
            LogField::PacketDestinationService => or_nothing(&self.destination_service),
            LogField::FlowDirection => match key.direction {
                Direction::Ingress => "ingress",
                Direction::Egress => "egress",
            }
            .to_owned(),
            LogField::TrafficPath => self.traffic_path.map_or_else(|| NOTHING.to_owned(), |path| path.to_string()),
            _ => NOTHING.to_owned(),
        }
    }
}

/// A line read back: the fields that its format has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(BTreeMap<LogField, String>);

/// A line that is no record of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRecord {
    /// Too many fields or too few.
    #[error("it has {found} fields, not {wanted}")]
    Fields {
        /// As many as the format has.
        wanted: usize,
        /// As many as the line has.
        found: usize,
    },
    /// A value that the field cannot have.
    #[error("`{value}` is no {field}")]
    Value {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

impl Line {
    /// Reads a line. Errors: it has other fields than the format, or a value that a field cannot have.
    pub fn parse(text: &str, format: &LogFormat) -> Result<Self, MalformedRecord> {
        let words: Vec<&str> = text.split(' ').collect();
        let fields = format.fields();
        if words.len() != fields.len() {
            return Err(MalformedRecord::Fields { wanted: fields.len(), found: words.len() });
        }
        let mut line = BTreeMap::new();
        for (field, word) in fields.iter().zip(words) {
            if !may_be(*field, word) {
                return Err(MalformedRecord::Value { field: field.as_str(), value: word.to_owned() });
            }
            line.insert(*field, word.to_owned());
        }
        Ok(Self(line))
    }

    /// A field; `None`: the format has no such field.
    pub fn get(&self, field: LogField) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }

    /// Fields and values in the order of [`LogField::ALL`].
    pub fn fields(&self) -> impl Iterator<Item = (LogField, &str)> {
        self.0.iter().map(|(field, value)| (*field, value.as_str()))
    }
}

/// Whether a field can have this value.
fn may_be(field: LogField, word: &str) -> bool {
    let number = |most: u64| word == NOTHING || word.parse::<u64>().is_ok_and(|n| n <= most);
    let one_of = |words: &[&str]| word == NOTHING || words.contains(&word);
    match field {
        LogField::Version => (2..=5).any(|version| word == version.to_string()),
        LogField::Start | LogField::End => word.parse::<u64>().is_ok(),
        LogField::Packets | LogField::Bytes => number(u64::MAX),
        LogField::Protocol | LogField::TcpFlags | LogField::TrafficPath => number(u8::MAX.into()),
        LogField::SourcePort | LogField::DestinationPort => number(u16::MAX.into()),
        LogField::SourceAddress
        | LogField::DestinationAddress
        | LogField::PacketSourceAddress
        | LogField::PacketDestinationAddress => word == NOTHING || word.parse::<IpAddr>().is_ok(),
        LogField::Action => one_of(&[Action::Accept.as_str(), Action::Reject.as_str()]),
        LogField::Type => one_of(&["IPv4", "IPv6"]),
        LogField::FlowDirection => one_of(&["ingress", "egress"]),
        LogField::LogStatus => ["OK", "NODATA", "SKIPDATA"].contains(&word),
        _ => !word.is_empty(),
    }
}
