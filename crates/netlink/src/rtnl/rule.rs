//! Routing policy: which table decides for which packet.

use ipnet::IpNet;

use super::{Family, prefix, put_address};
use crate::error::{Error, Malformed};
use crate::message::{Batch, CREATE, DUMP, EXCLUSIVE, Message};
use crate::socket::Socket;

const NEW: u16 = 32;
const DELETE: u16 = 33;
const GET: u16 = 34;

const DESTINATION: u16 = 1;
const SOURCE: u16 = 2;
const RECEIVING: u16 = 3;
const PRIORITY: u16 = 6;
const MARK: u16 = 10;
const SUPPRESS_PREFIX_LENGTH: u16 = 14;
const TABLE: u16 = 15;
const MASK: u16 = 16;
const SENDING: u16 = 17;

/// One rule: packets that match look into the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Rules are asked in this order.
    pub priority: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The table that is asked. A `throw` route there goes on to the next rule.
    pub table: u32,
    /// Mark and mask of the packet.
    pub mark: Option<(u32, u32)>,
    /// Name of the receiving device (`lo` for our own packets).
    pub receiving: Option<String>,
    /// Name of the device a socket is bound to.
    pub sending: Option<String>,
    /// Sources.
    pub source: Option<IpNet>,
    /// Destinations.
    pub destination: Option<IpNet>,
    /// Ignore routes of at most this prefix length (0: the default route).
    pub suppress_prefix_length: Option<u32>,
}

impl Rule {
    /// A rule for every packet.
    pub fn new(family: Family, priority: u32, table: u32) -> Rule {
        Rule {
            priority,
            family,
            table,
            mark: None,
            receiving: None,
            sending: None,
            source: None,
            destination: None,
            suppress_prefix_length: None,
        }
    }

    fn write(&self, batch: &mut Batch, kind: u16, flags: u16) {
        const TO_TABLE: u8 = 1;
        batch.push(kind, flags, |body| {
            let mut header = [0; 12];
            header[0] = self.family.number();
            header[1] = self.destination.map_or(0, |net| net.prefix_len());
            header[2] = self.source.map_or(0, |net| net.prefix_len());
            header[4] = u8::try_from(self.table).unwrap_or(0);
            header[7] = TO_TABLE;
            body.raw(&header).u32(PRIORITY, self.priority).u32(TABLE, self.table);
            for (kind, net) in [(DESTINATION, self.destination), (SOURCE, self.source)] {
                if let Some(net) = net.filter(|net| net.prefix_len() > 0) {
                    put_address(body, kind, net.network());
                }
            }
            if let Some((mark, mask)) = self.mark {
                body.u32(MARK, mark).u32(MASK, mask);
            }
            for (kind, name) in [(RECEIVING, &self.receiving), (SENDING, &self.sending)] {
                if let Some(name) = name {
                    body.string(kind, name);
                }
            }
            if let Some(length) = self.suppress_prefix_length {
                body.u32(SUPPRESS_PREFIX_LENGTH, length);
            }
        });
    }

    /// Reads `RTM_NEWRULE`. `None`: it does something else than ask a table, or is of a family that is none of ours.
    pub fn parse(message: &Message<'_>) -> Result<Option<Rule>, Malformed> {
        let (header, attributes) = message.split(12)?;
        let (Some(family), 1) = (Family::from_number(header[0]), header[7]) else { return Ok(None) };
        let mut rule = Rule::new(family, 0, u32::from(header[4]));
        for attribute in attributes {
            match attribute.kind {
                PRIORITY => rule.priority = attribute.u32().unwrap_or(0),
                TABLE => rule.table = attribute.u32().unwrap_or(rule.table),
                DESTINATION => rule.destination = prefix(family, Some(attribute), header[1]),
                SOURCE => rule.source = prefix(family, Some(attribute), header[2]),
                MARK => rule.mark = Some((attribute.u32().unwrap_or(0), rule.mark.map_or(u32::MAX, |(_, mask)| mask))),
                MASK => rule.mark = Some((rule.mark.map_or(0, |(mark, _)| mark), attribute.u32().unwrap_or(u32::MAX))),
                RECEIVING => rule.receiving = Some(attribute.string()),
                SENDING => rule.sending = Some(attribute.string()),
                // All ones: the kernel's "nothing is suppressed".
                SUPPRESS_PREFIX_LENGTH => rule.suppress_prefix_length = attribute.u32().filter(|length| *length != u32::MAX),
                _ => {}
            }
        }
        Ok(Some(rule))
    }
}

/// Adds a rule that is not there yet.
pub fn add(batch: &mut Batch, rule: &Rule) {
    rule.write(batch, NEW, CREATE | EXCLUSIVE);
}

/// Removes a rule.
pub fn delete(batch: &mut Batch, rule: &Rule) {
    rule.write(batch, DELETE, 0);
}

/// The rules of one family, in the order in which they are asked.
pub fn dump(socket: &mut Socket, family: Family) -> Result<Vec<Rule>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        let mut header = [0; 12];
        header[0] = family.number();
        body.raw(&header);
    });
    let mut rules = socket.dump(&request, |message| Rule::parse(&message))?;
    rules.sort_by_key(|rule| rule.priority);
    Ok(rules)
}
