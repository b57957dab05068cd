//! `rule := [out] PROTO[/PORTS] (from|to) PEER[, PEER…]`: one sentence of a security group.

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use model::claim::Traffic;

use super::cursor::{Cursor, Word};
use super::selector::{path, simple};
use super::{SentenceError, parse_traffic};
use crate::code::Code;
use crate::diagnostic::nearest;

/// The other side of a rule as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RulePeer {
    /// 0.0.0.0/0 and ::/0.
    Anywhere,
    /// A block, or an address as a block of one.
    Block(IpNet),
    /// `sg:NAME` or `sg:VPC/NAME`.
    SecurityGroup(String),
    /// `pl:NAME`, a prefix list.
    PrefixList(String),
    /// `subnet:NAME` or `subnet:VPC/NAME`: the block of a subnet.
    Subnet(String),
    /// `vpc:NAME`: the blocks of a VPC.
    Vpc(String),
    /// An outside place.
    Outside(String),
}

impl fmt::Display for RulePeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("anywhere"),
            Self::Block(block) if block.prefix_len() == block.max_prefix_len() => block.addr().fmt(f),
            Self::Block(block) => block.fmt(f),
            Self::SecurityGroup(name) => write!(f, "sg:{name}"),
            Self::PrefixList(name) => write!(f, "pl:{name}"),
            Self::Subnet(name) => write!(f, "subnet:{name}"),
            Self::Vpc(name) => write!(f, "vpc:{name}"),
            Self::Outside(name) => f.write_str(name),
        }
    }
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Written with `out`: a rule for what leaves.
    pub egress: bool,
    /// Protocol and ports.
    pub traffic: Traffic,
    /// The other sides; not empty.
    pub peers: Vec<RulePeer>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, way) = if self.egress { ("out ", "to") } else { ("", "from") };
        let peers = self.peers.iter().map(RulePeer::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "{out}{} {way} {peers}", self.traffic)
    }
}

/// Where the parts of a sentence stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleRanges {
    /// Protocol and ports.
    pub traffic: Range<usize>,
    /// Each peer.
    pub peers: Vec<Range<usize>>,
}

/// Reads a rule of a security group.
pub fn parse_rule(text: &str) -> Result<(Rule, RuleRanges), SentenceError> {
    let mut cursor = Cursor::new(text);
    if let Some(word) = cursor.peek() && ["allow", "deny"].contains(&word.text) {
        let hint = match word.text {
            "deny" => "a security group only allows (SG-2); a network ACL can deny: see `acls`",
            _ => "a security group only allows: leave the word out",
        };
        return Err(SentenceError::new(Code::RuleSyntax, word.range(), format!("a security group's rule does not start with `{}`", word.text)).label("not here").hint(hint));
    }
    parse_after_action(&mut cursor)
}

/// What follows the number and action of an ACL entry is a rule.
pub(super) fn parse_after_action(cursor: &mut Cursor) -> Result<(Rule, RuleRanges), SentenceError> {
    let egress = cursor.take("out");
    if !egress {
        cursor.take("in");
    }
    let Some((proto, proto_range)) = cursor.joined_word() else {
        return Err(SentenceError::new(Code::RuleSyntax, cursor.place(), "the rule has no protocol").label("missing").hint("such as `tcp/80 from anywhere`"));
    };
    let traffic = parse_traffic(&proto).map_err(|e| e.shifted(proto_range.start).within(&proto_range))?;
    let wanted = if egress { "to" } else { "from" };
    match cursor.word() {
        Some(word) if word.text == wanted => {}
        Some(word) if word.text == "to" => {
            return Err(SentenceError::new(Code::RuleSyntax, word.range(), "an incoming rule says `from`, an outgoing one starts with `out`").label("not here")
                .hint(format!("write `out {proto} to …`, or `{proto} from …`")));
        }
        Some(word) if word.text == "from" => {
            return Err(SentenceError::new(Code::RuleSyntax, word.range(), "an outgoing rule says `to`").label("not here").hint(format!("write `out {proto} to …`")));
        }
        Some(word) => {
            let error = SentenceError::new(Code::RuleSyntax, word.range(), format!("expected `{wanted}`, found `{}`", word.text)).label("not here");
            return Err(match word.text.parse::<u16>() {
                Ok(port) => error.hint(format!("a slash before the port: `{proto}/{port} {wanted} …`")),
                Err(_) => error.hint(format!("such as `{}{proto} {wanted} anywhere`", if egress { "out " } else { "" })),
            });
        }
        None => {
            return Err(SentenceError::new(Code::RuleSyntax, cursor.place(), format!("the rule ends without `{wanted}`")).label("missing")
                .hint(format!("such as `{}{proto} {wanted} anywhere`", if egress { "out " } else { "" })));
        }
    }
    let mut peers = Vec::new();
    let mut ranges = Vec::new();
    for word in cursor.list() {
        peers.push(parse_peer(word).map_err(|e| e.shifted(word.start))?);
        ranges.push(word.range());
    }
    if let Some(extra) = cursor.peek() {
        return Err(SentenceError::new(Code::RuleSyntax, extra.range(), format!("`{}` does not belong to the rule", extra.text)).label("too much").hint("commas between peers: `from sg:web, sg:app`"));
    }
    Ok((Rule { egress, traffic, peers }, RuleRanges { traffic: proto_range, peers: ranges }))
}

fn parse_peer(word: Word) -> Result<RulePeer, SentenceError> {
    let text = word.text;
    let whole = 0..text.len();
    if text.is_empty() {
        return Err(SentenceError::new(Code::RuleSyntax, whole, "a peer is missing here").label("missing")
            .hint("`anywhere`, `sg:NAME`, `subnet:NAME`, `vpc:NAME`, `pl:NAME`, an outside place, an address or a block"));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(RulePeer::Block(IpNet::from(address)));
    }
    if let Ok(block) = text.parse::<IpNet>() {
        return match block.trunc() == block {
            true => Ok(RulePeer::Block(block)),
            // SG-26: AWS would change a block silently or refuse it; refuse.
            false => Err(SentenceError::new(Code::HostBits, whole, format!("`{block}` has bits set after its first {}", block.prefix_len()))
                .label("not the start of the block")
                .hint(format!("write `{}`", block.trunc()))),
        };
    }
    let unknown = |hint: String| Err(SentenceError::new(Code::BadPeer, 0..text.len(), format!("`{text}` is not a peer of a rule")).label("not understood").hint(hint));
    match text.split_once(':') {
        Some(("sg", name)) => path(name, text).map(RulePeer::SecurityGroup),
        Some(("pl", name)) => simple(name, text).map(RulePeer::PrefixList),
        Some(("subnet", name)) => path(name, text).map(RulePeer::Subnet),
        Some(("vpc", name)) => simple(name, text).map(RulePeer::Vpc),
        Some(("tag", _)) => unknown("AWS rules cannot name tags: use a security group, `sg:NAME`".to_owned()),
        Some((kind, name)) => match nearest(kind, ["sg", "subnet", "vpc", "pl"]) {
            Some(near) => unknown(format!("did you mean `{near}:{name}`?")),
            None => unknown("known: sg:, subnet:, vpc:, pl:".to_owned()),
        },
        None if text == "anywhere" => Ok(RulePeer::Anywhere),
        None if ["internet", "any", "all"].contains(&text) => unknown("write `anywhere` (0.0.0.0/0 and ::/0): a rule cannot tell the internet from the rest".to_owned()),
        None if text.contains('/') && text.starts_with(|c: char| c.is_ascii_digit()) => unknown("a block looks like 10.0.0.0/16".to_owned()),
        None if model::selector::RESERVED_WORDS.contains(&text) => unknown("`anywhere`, `sg:NAME`, an outside place, an address or a block".to_owned()),
        None => simple(text, text).map(RulePeer::Outside),
    }
}

impl SentenceError {
    /// Keeps the range inside its word: spaces that were joined away may have moved it.
    pub(super) fn within(mut self, word: &Range<usize>) -> Self {
        let end = self.range.end.clamp(word.start, word.end);
        self.range = self.range.start.clamp(word.start, end)..end;
        self
    }
}
