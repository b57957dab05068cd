//! `claim := [only] SOURCES -> DESTINATIONS PROTO[/PORTS] [over ipv4|ipv6] [through NODE] : RESULT [via NODE]`, and
//! `nothing else [-> DESTINATIONS [PROTO[/PORTS]]]`. Sources and destinations may say `except …`.

use std::ops::Range;

use model::claim::{AddressFamily, Blocker, Ends, Expected, Sources, Traffic, Waypoint};
use model::{Claim, Origin, Selector};

use super::cursor::Cursor;
use super::selector::{path, simple};
use super::{SentenceError, parse_selector, parse_traffic};
use crate::code::Code;
use crate::diagnostic::nearest;

/// Where the names of a claim stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimRanges {
    /// Every selector, in the order of the sentence.
    pub selectors: Vec<(Selector, Range<usize>)>,
    /// Nodes after `through` and `via`.
    pub waypoints: Vec<(Waypoint, Range<usize>)>,
    /// The blocker of the result, in the text of the result.
    pub blocker: Option<Range<usize>>,
}

/// Reads a claim that is one text. YAML makes a mapping of most claims: see [`parse_claim_parts`].
pub fn parse_claim(text: &str) -> Result<(Claim, ClaimRanges), SentenceError> {
    match text.rfind(": ") {
        Some(colon) => {
            let result_start = colon + 2;
            let (claim, mut ranges) = parse_claim_parts(&text[..colon], Some(&text[result_start..])).map_err(|(part, error)| match part {
                ClaimPart::Head => error,
                ClaimPart::Result => error.shifted(result_start),
            })?;
            if let Some((_, range)) = ranges.waypoints.last_mut().filter(|_| claim.via.is_some()) {
                *range = range.start + result_start..range.end + result_start;
            }
            ranges.blocker = ranges.blocker.map(|r| r.start + result_start..r.end + result_start);
            Ok((claim, ranges))
        }
        None => parse_claim_parts(text, None).map_err(|(_, error)| error),
    }
}

/// The part of a claim that an error's range counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimPart {
    /// Before the colon.
    Head,
    /// After the colon.
    Result,
}

/// Reads a claim whose result stands apart. The ranges of `via` and of the blocker count in the result.
pub fn parse_claim_parts(head: &str, result: Option<&str>) -> Result<(Claim, ClaimRanges), (ClaimPart, SentenceError)> {
    let (mut claim, mut ranges) = parse_head(head, result.is_some()).map_err(|e| (ClaimPart::Head, e))?;
    match (&claim.sources, result) {
        (Sources::NothingElse, None) => {}
        (Sources::NothingElse, Some(result)) if result.trim() == "blocked" => {}
        (Sources::NothingElse, Some(result)) => {
            let error = SentenceError::new(Code::UnknownResult, 0..result.len(), "`nothing else` means blocked, and has no other result").label("not here").hint("leave the colon and what follows out");
            return Err((ClaimPart::Result, error));
        }
        (_, None) => {
            let end = head.trim_end().len();
            let error = SentenceError::new(Code::MissingResult, end..end, "the claim has no result").label("missing")
                .hint(format!("such as `{}: open`", head.trim()));
            return Err((ClaimPart::Head, error));
        }
        (_, Some(result)) => {
            let (expected, via) = parse_result(result, head, &mut ranges).map_err(|e| (ClaimPart::Result, e))?;
            claim.expected = expected;
            claim.via = via;
        }
    }
    Ok((claim, ranges))
}

fn parse_head(head: &str, has_result: bool) -> Result<(Claim, ClaimRanges), SentenceError> {
    let mut cursor = Cursor::new(head);
    let mut ranges = ClaimRanges::default();
    if head.split_whitespace().eq(["nothing", "else"]) {
        return Ok((closed_world(), ranges));
    }
    check_arrow(head)?;
    let nothing_else = {
        let mut ahead = cursor.clone();
        let found = ahead.take("nothing") && ahead.take("else");
        if found {
            cursor = ahead;
        }
        found
    };
    let sources = match nothing_else {
        true => Sources::NothingElse,
        false if cursor.take("only") => Sources::Only(ends(&mut cursor, &mut ranges)?),
        false => Sources::Each(ends(&mut cursor, &mut ranges)?),
    };
    match cursor.word() {
        Some(word) if word.text == "->" => {}
        Some(word) => {
            return Err(SentenceError::new(Code::ClaimSyntax, word.range(), format!("expected `->` or a comma, found `{}`", word.text)).label("not here")
                .hint("commas between sources: `web-1, web-2 -> db-1 tcp/3306: open`"));
        }
        None => return Err(SentenceError::new(Code::NoArrow, cursor.place(), "the claim has no arrow").label("missing")),
    }
    let destinations = ends(&mut cursor, &mut ranges)?;
    let traffic = match cursor.joined_word() {
        Some((text, range)) => parse_traffic(&text).map_err(|e| e.shifted(range.start).within(&range)).map_err(|e| unspaced(e, head, has_result))?,
        None if nothing_else => Traffic::all(),
        None => {
            return Err(SentenceError::new(Code::MissingTraffic, cursor.place(), "the claim says no protocol and port").label("missing")
                .hint("such as `tcp/80`, `icmp/echo`, or `any`"));
        }
    };
    let over = match cursor.take("over") {
        true => Some(family(&mut cursor)?),
        false => None,
    };
    let through = match cursor.take("through") {
        true => Some(waypoint(&mut cursor, "through", &mut ranges)?),
        false => None,
    };
    if let Some(extra) = cursor.peek() {
        let hint = match extra.text {
            "via" => "`via` comes after the result; before the colon it is `through`".to_owned(),
            "over" => "`over ipv6` comes before `through`".to_owned(),
            word if is_family(word) => format!("write `over ipv{}`", word.trim_start_matches(|c: char| !c.is_ascii_digit())),
            _ => "one protocol a claim: write one line for each".to_owned(),
        };
        return Err(SentenceError::new(Code::ClaimSyntax, extra.range(), format!("`{}` does not belong to the claim", extra.text)).label("too much").hint(hint));
    }
    let expected = Expected::Blocked(None);
    Ok((Claim { sources, destinations, traffic, over, through, expected, via: None, origin: Origin::default() }, ranges))
}

/// `nothing else` alone: to nobody, with nothing.
fn closed_world() -> Claim {
    Claim {
        sources: Sources::NothingElse,
        destinations: Ends { of: Vec::new(), except: Vec::new() },
        traffic: Traffic::all(),
        over: None,
        through: None,
        expected: Expected::Blocked(None),
        via: None,
        origin: Origin::default(),
    }
}

fn check_arrow(head: &str) -> Result<(), SentenceError> {
    if head.split_whitespace().any(|word| word == "->") {
        return Ok(());
    }
    for (wrong, hint) in [("=>", "the arrow is `->`"), ("→", "the arrow is `->`"), ("<-", "the arrow goes from source to destination: `->`"), (" - ", "the arrow is `->`"), ("->", "spaces around the arrow: `a -> b`"), (" to ", "the arrow is `->`")] {
        if let Some(at) = head.find(wrong) {
            let start = at + wrong.len() - wrong.trim_start().len();
            return Err(SentenceError::new(Code::NoArrow, start..start + wrong.trim().len(), "the claim has no arrow").label("not an arrow").hint(hint));
        }
    }
    Err(SentenceError::new(Code::NoArrow, 0..head.trim_end().len(), "the claim has no arrow").label("who to whom?").hint("such as `web-1 -> db-1 tcp/3306: open`"))
}

/// `tcp/3306:open` is one word to YAML; the space makes the result.
fn unspaced(error: SentenceError, head: &str, has_result: bool) -> SentenceError {
    if error.code != Code::MissingSpaceAfterColon || has_result {
        return error;
    }
    let colon = error.range.start;
    let corrected = format!("{}: {}", &head[..colon], head[colon + 1..].trim_start());
    SentenceError { hint: Some(format!("write `- {}`", corrected.trim())), ..error }
}

fn ends(cursor: &mut Cursor, ranges: &mut ClaimRanges) -> Result<Ends, SentenceError> {
    let mut list = |cursor: &mut Cursor| -> Result<Vec<Selector>, SentenceError> {
        if cursor.peek().is_some_and(|word| word.text == "->") {
            return Err(SentenceError::new(Code::MissingEnd, cursor.place(), "nobody stands before the arrow").label("a source is missing"));
        }
        let mut found = Vec::new();
        for word in cursor.list() {
            let selector = parse_selector(word.text).map_err(|e| e.shifted(word.start))?;
            ranges.selectors.push((selector.clone(), word.range()));
            found.push(selector);
        }
        Ok(found)
    };
    let of = list(cursor)?;
    let except = match cursor.take("except") {
        true => list(cursor)?,
        false => Vec::new(),
    };
    Ok(Ends { of, except })
}

fn family(cursor: &mut Cursor) -> Result<AddressFamily, SentenceError> {
    let place = cursor.place();
    match cursor.word().map(|word| word.text) {
        Some("ipv4") => Ok(AddressFamily::Ipv4),
        Some("ipv6") => Ok(AddressFamily::Ipv6),
        Some(other) => {
            let error = SentenceError::new(Code::ClaimSyntax, place, format!("`{other}` is not a family of addresses")).label("not a family");
            Err(error.hint("write `over ipv6`, or `over ipv4`"))
        }
        None => Err(SentenceError::new(Code::ClaimSyntax, place, "`over` names no family of addresses").label("missing").hint("write `over ipv6`, or `over ipv4`")),
    }
}

/// What people write for a family, other than our word for it.
fn is_family(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "ipv6" | "ipv4" | "-6" | "-4")
}

fn waypoint(cursor: &mut Cursor, after: &str, ranges: &mut ClaimRanges) -> Result<Waypoint, SentenceError> {
    let Some(word) = cursor.word() else {
        return Err(SentenceError::new(Code::BadWaypoint, cursor.place(), format!("`{after}` names no node")).label("missing")
            .hint("`nat`, `igw`, `eigw`, `peering`, `tgw`, or the name of an instance, gateway, peering or endpoint"));
    };
    let node = match word.text {
        "nat" => Waypoint::Nat,
        "igw" => Waypoint::InternetGateway,
        "eigw" => Waypoint::EgressOnlyInternetGateway,
        "peering" => Waypoint::Peering,
        "tgw" => Waypoint::TransitGateway,
        name => Waypoint::Named(simple(name, name).map_err(|e| SentenceError { code: Code::BadWaypoint, ..e.shifted(word.start) })?),
    };
    ranges.waypoints.push((node.clone(), word.range()));
    Ok(node)
}

const RESULTS: &str = "allowed, blocked [by sg|acl|igw|eigw|nat|peering|tgw|source-dest-check], no route, no public address, open, refused";

fn parse_result(text: &str, head: &str, ranges: &mut ClaimRanges) -> Result<(Expected, Option<Waypoint>), SentenceError> {
    let mut cursor = Cursor::new(text);
    let Some(word) = cursor.word() else {
        return Err(SentenceError::new(Code::MissingResult, cursor.place(), "the claim has no result").label("missing").hint(format!("one of: {RESULTS}")));
    };
    let expected = match word.text {
        "allowed" => Expected::Allowed,
        "open" => Expected::Open,
        "refused" => Expected::Refused,
        "blocked" if cursor.take("by") => Expected::Blocked(Some(blocker(&mut cursor, ranges)?)),
        "blocked" => Expected::Blocked(None),
        "no" if cursor.take("route") => Expected::NoRoute,
        "no" if cursor.take("public") => match cursor.take("address") {
            true => Expected::NoPublicAddress,
            false => return Err(SentenceError::new(Code::UnknownResult, 0..text.trim_end().len(), "not a result").label("not a result").hint("write `no public address`")),
        },
        boolean @ ("no" | "yes" | "true" | "false" | "on" | "off") => {
            let meant = if matches!(boolean, "no" | "false" | "off") { "blocked" } else { "allowed" };
            return Err(SentenceError::new(Code::BooleanResult, word.range(), format!("`{boolean}` alone is a boolean to YAML, not a result")).label("a boolean")
                .hint(format!("write `- {}: {meant}`", head.trim())));
        }
        other => {
            let error = SentenceError::new(Code::UnknownResult, word.range(), format!("`{other}` is not a result")).label("not a result");
            let synonym = match other {
                "closed" | "denied" | "drop" | "dropped" | "deny" | "filtered" | "timeout" => Some("blocked"),
                "allow" | "ok" | "pass" | "reachable" => Some("allowed"),
                other => nearest(other, ["allowed", "blocked", "open", "refused"]),
            };
            return Err(match synonym {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("one of: {RESULTS}")),
            });
        }
    };
    let via = match cursor.take("via") {
        true => Some(waypoint(&mut cursor, "via", ranges)?),
        false => None,
    };
    match cursor.peek() {
        None => Ok((expected, via)),
        Some(extra) => Err(SentenceError::new(Code::UnknownResult, extra.range(), format!("`{}` does not belong to the result", extra.text)).label("too much").hint(format!("one of: {RESULTS}"))),
    }
}

fn blocker(cursor: &mut Cursor, ranges: &mut ClaimRanges) -> Result<Blocker, SentenceError> {
    let known = ["sg", "acl", "igw", "eigw", "nat", "peering", "tgw", "source-dest-check"];
    let Some(word) = cursor.word() else {
        return Err(SentenceError::new(Code::UnknownBlocker, cursor.place(), "`by` names no stage").label("missing").hint(format!("one of: {}", known.join(", "))));
    };
    ranges.blocker = Some(word.range());
    let at = |e: SentenceError| SentenceError { code: Code::UnknownBlocker, ..e.shifted(word.start) };
    match (word.text, word.text.split_once(':')) {
        ("sg", _) => Ok(Blocker::SecurityGroup(None)),
        ("acl", _) => Ok(Blocker::NetworkAcl(None)),
        ("igw", _) => Ok(Blocker::InternetGateway),
        ("eigw", _) => Ok(Blocker::EgressOnlyInternetGateway),
        ("nat", _) => Ok(Blocker::Nat),
        ("peering", _) => Ok(Blocker::Peering),
        ("tgw", _) => Ok(Blocker::TransitGateway),
        ("source-dest-check", _) => Ok(Blocker::SourceDestCheck),
        (_, Some(("sg", name))) => path(name, word.text).map(|n| Blocker::SecurityGroup(Some(n))).map_err(at),
        (_, Some(("acl", name))) => path(name, word.text).map(|n| Blocker::NetworkAcl(Some(n))).map_err(at),
        (other, _) => {
            let hint = match nearest(other, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", known.join(", ")),
            };
            Err(SentenceError::new(Code::UnknownBlocker, word.range(), format!("`{other}` is not a stage that blocks")).label("not a stage").hint(hint))
        }
    }
}
