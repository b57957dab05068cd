//! Messages of ICMP and ICMPv6 in what the two have in common.

use wire::{Icmpv4, Icmpv6, Malformed, protocol};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Control {
    /// An echo request, or its answer.
    Echo { is_reply: bool, id: u16, sequence: u16, data: Vec<u8> },
    /// A question for the time, or its answer (RFC 792).
    Timestamp { is_reply: bool, id: u16 },
    /// Anything else: type and code, what of its second word counts, and the packet that it quotes.
    Other { kind: (u8, u8), remark: String, quoted: Option<Vec<u8>> },
}

impl Control {
    /// Reads a message of a protocol. Errors: it is none.
    pub fn parse(number: u8, message: &[u8]) -> Result<Self, Malformed> {
        if number == protocol::ICMPV6 {
            return Ok(match Icmpv6::parse(message)? {
                Icmpv6::Echo { reply: is_reply, id, sequence, data } => Self::Echo { is_reply, id, sequence, data },
                other => {
                    let remark = if let Icmpv6::PacketTooBig { mtu, .. } = &other { format!(" mtu {mtu}") } else { String::new() };
                    Self::Other { kind: other.kind(), remark, quoted: other.quoted().map(<[u8]>::to_vec) }
                }
            });
        }
        Ok(match Icmpv4::parse(message)? {
            Icmpv4::Echo { reply: is_reply, id, sequence, data } => Self::Echo { is_reply, id, sequence, data },
            Icmpv4::Timestamp { reply: is_reply, id, .. } => Self::Timestamp { is_reply, id },
            other => {
                let remark = match &other {
                    Icmpv4::Unreachable { mtu, .. } if *mtu > 0 => format!(" mtu {mtu}"),
                    Icmpv4::Redirect { gateway, .. } => format!(" to {gateway}"),
                    _ => String::new(),
                };
                Self::Other { kind: other.kind(), remark, quoted: other.quoted().map(<[u8]>::to_vec) }
            }
        })
    }
}
