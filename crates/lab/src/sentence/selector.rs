//! `web-1`, `sg:web`, `subnet:shop/admin`, `tag:role=db`, `vpc:shop`, `internet`, `10.0.0.0/24`, `10.0.0.5`.

use std::net::IpAddr;

use ipnet::IpNet;
use model::Selector;

use super::SentenceError;
use crate::code::Code;

/// Reads one end of a claim or probe.
pub fn parse_selector(text: &str) -> Result<Selector, SentenceError> {
    let wrong = |message: String| SentenceError::new(Code::BadSelector, 0..text.len(), message).label("not understood");
    if text.is_empty() {
        return Err(SentenceError::new(Code::MissingEnd, 0..0, "a name is missing here")
            .label("missing")
            .hint("an instance, an outside place, `internet`, `sg:NAME`, `subnet:NAME`, `vpc:NAME`, `tag:KEY=VALUE` or an address"));
    }
    // As in a URL (RFC 3986).
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| text.contains(':'));
    if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
        return Ok(Selector::Address(address));
    }
    if let Ok(block) = text.parse::<IpNet>() {
        return match block.trunc() == block {
            true => Ok(Selector::Block(block)),
            false => Err(SentenceError::new(Code::HostBits, 0..text.len(), format!("`{block}` has bits set after its first {}", block.prefix_len()))
                .label("not the start of the block")
                .hint(format!("write `{}`", block.trunc()))),
        };
    }
    let is_of_ipv6 = |c: char| c.is_ascii_hexdigit() || ":./[]".contains(c);
    if bare.is_some() || text.contains("::") || text.matches(':').count() > 1 && text.chars().all(is_of_ipv6) {
        return Err(wrong(format!("`{text}` is no IPv6 address")).hint("such as 2001:db8::1, or 2001:db8::/32"));
    }
    match text.split_once(':') {
        Some(("tag", pair)) => match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Selector::Tag { key: key.to_owned(), value: value.to_owned() }),
            _ => Err(wrong(format!("`{text}` has no key and value")).hint("such as `tag:role=db`")),
        },
        Some(("sg", name)) => path(name, text).map(Selector::SecurityGroup),
        Some(("subnet", name)) => path(name, text).map(Selector::Subnet),
        Some(("vpc", name)) => simple(name, text).map(Selector::Vpc),
        Some((kind, name)) => Err(wrong(format!("`{kind}:` is not a kind of end")).hint(match kind {
            "group" | "security-group" | "security_group" => format!("write `sg:{name}`"),
            _ => "known: sg:, subnet:, vpc:, tag:".to_owned(),
        })),
        None if text == "internet" => Ok(Selector::Internet),
        None if text == "anywhere" || text == "any" || text == "all" => {
            Err(wrong(format!("`{text}` is not an end of a connection")).hint("write `internet` for any public address, or `vpc:NAME` for all of a VPC"))
        }
        None if model::selector::RESERVED_WORDS.contains(&text) => Err(wrong(format!("`{text}` is a reserved word")).hint("an instance, an outside place, `internet`, `sg:NAME`, `subnet:NAME` or an address")),
        None => simple(text, text).map(Selector::Named),
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// `NAME`.
pub(super) fn simple(name: &str, text: &str) -> Result<String, SentenceError> {
    match is_name(name) {
        true => Ok(name.to_owned()),
        false => {
            let message = match name.is_empty() {
                true => "a name is missing after the colon".to_owned(),
                false => format!("`{name}` is neither a name nor an address"),
            };
            Err(SentenceError::new(Code::BadSelector, 0..text.len(), message).label("not understood").hint("a name starts with a letter and goes on with letters, digits, `-`, `_` or `.`"))
        }
    }
}

/// `NAME` or `VPC/NAME`.
pub(super) fn path(name: &str, text: &str) -> Result<String, SentenceError> {
    match name.split_once('/') {
        Some((vpc, own)) => {
            simple(vpc, text)?;
            simple(own, text)?;
            Ok(name.to_owned())
        }
        None => simple(name, text),
    }
}
