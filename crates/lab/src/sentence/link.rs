//! `END[, END…] -- END[, END…] [words]`: links of a lan. Words come in any order.

use std::ops::Range;

use ipnet::Ipv4Net;
use model::lan::{CABLE_CENTIMETRES, Cable, CableKind, Framing, delay_problem, mtu_problem};

use super::cursor::{Cursor, Word};
use super::quantity::{parse_length, parse_rate, parse_share, parse_time};
use super::SentenceError;
use crate::code::Code;
use crate::diagnostic::nearest;

/// One end of a link as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEnd {
    /// `DEVICE` or `DEVICE:INTERFACE`.
    Device(String, Option<String>),
    /// `vpc:NAME`.
    Vpc(String),
}

/// A link, or several with one end in common. What is not written is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSentence {
    /// Ends before the dashes, with their places; at least one.
    pub a: Vec<(LinkEnd, Range<usize>)>,
    /// Ends behind them. On one side there is one end.
    pub b: Vec<(LinkEnd, Range<usize>)>,
    /// Rate, bits per second.
    pub rate: Option<u64>,
    /// Delay, nanoseconds.
    pub delay: Option<u64>,
    /// The cable.
    pub cable: Option<Cable>,
    /// Share of frames lost, millionths.
    pub loss: Option<u32>,
    /// Share of frames doubled, millionths.
    pub duplicate: Option<u32>,
    /// Share of frames overtaken, millionths.
    pub reorder: Option<u32>,
    /// Frames that wait.
    pub queue: Option<u32>,
    /// Largest packet, bytes.
    pub mtu: Option<u32>,
    /// ppp or hdlc.
    pub framing: Option<Framing>,
    /// up or down.
    pub up: Option<bool>,
    /// Networks that a VPC is told of.
    pub announce: Option<Vec<Ipv4Net>>,
}

const FORM: &str = "such as `pc-1 -- sw-1 100M 5us`";
/// Words with a meaning, for whoever misspells one.
const WORDS: [&str; 14] =
    ["utp", "fiber", "coax", "loss", "duplicate", "reorder", "queue", "mtu", "ppp", "hdlc", "up", "down", "announce", "vpc"];

/// Reads a link.
pub fn parse_link(text: &str) -> Result<LinkSentence, SentenceError> {
    let mut cursor = Cursor::new(text);
    let a = ends(&mut cursor, text)?;
    match cursor.word() {
        Some(word) if word.text == "--" => {}
        Some(word) => {
            let error = syntax(word.range(), format!("expected `--` between the two ends, found `{}`", word.text)).label("not here");
            return Err(match word.text {
                "-" | "->" | "<->" | "=" | "—" | "–" | "---" | "to" => {
                    let (before, after) = (&text[..word.start], &text[word.range().end..]);
                    error.hint(format!("two dashes: `{before}--{after}`"))
                }
                _ => error.hint(FORM),
            });
        }
        None => return Err(syntax(cursor.place(), "a link has two ends".to_owned()).label("the other one is missing").hint(FORM)),
    }
    let b = ends(&mut cursor, text)?;
    if a.len() > 1 && b.len() > 1 {
        let range = a[0].1.start..b[b.len() - 1].1.end;
        let error = syntax(range, "several ends on both sides".to_owned());
        return Err(error.label("who with whom?").hint("several ends are linked with one: `pc-1, pc-2 -- sw-1`"));
    }
    let mut link = LinkSentence {
        a,
        b,
        rate: None,
        delay: None,
        cable: None,
        loss: None,
        duplicate: None,
        reorder: None,
        queue: None,
        mtu: None,
        framing: None,
        up: None,
        announce: None,
    };
    while let Some(word) = cursor.word() {
        link.word(word, &mut cursor)?;
    }
    Ok(link)
}

impl LinkSentence {
    fn word(&mut self, word: Word, cursor: &mut Cursor) -> Result<(), SentenceError> {
        match word.text {
            "utp" | "fiber" | "coax" => {
                let kind = match word.text {
                    "utp" => CableKind::Utp,
                    "fiber" => CableKind::Fiber,
                    _ => CableKind::Coax,
                };
                let length = cursor.peek().filter(|next| is_length(next.text));
                let length_centimetres = match length {
                    Some(next) => {
                        cursor.word();
                        parse_length(next.text).map_err(|error| error.shifted(next.start))?
                    }
                    None => CABLE_CENTIMETRES,
                };
                let cable = Cable { kind, length_centimetres };
                let range = length.map_or(word.range(), |length| word.start..length.range().end);
                refuse(delay_problem(cable.delay_nanoseconds()), range, "too long", "such as `fiber 2km`")?;
                once(&mut self.cable, cable, word)
            }
            "loss" => once(&mut self.loss, share(word, cursor)?, word),
            "duplicate" => once(&mut self.duplicate, share(word, cursor)?, word),
            "reorder" => once(&mut self.reorder, share(word, cursor)?, word),
            "queue" => {
                let (frames, range) = number(word, "`queue 100`", cursor)?;
                refuse((frames == 0).then(|| "a queue of no frames sends none".to_owned()), range, "at least 1", "such as `queue 100`")?;
                once(&mut self.queue, frames, word)
            }
            "mtu" => {
                let (bytes, range) = number(word, "`mtu 1400`", cursor)?;
                refuse(mtu_problem(bytes), range, "out of range", "Ethernet's is 1500")?;
                once(&mut self.mtu, bytes, word)
            }
            "ppp" => once(&mut self.framing, Framing::Ppp, word),
            "hdlc" => once(&mut self.framing, Framing::Hdlc, word),
            "up" => once(&mut self.up, true, word),
            "down" => once(&mut self.up, false, word),
            "announce" => once(&mut self.announce, blocks(word, cursor)?, word),
            "--" => Err(syntax(word.range(), "a link has two ends".to_owned()).label("one too many").hint("each link on a line of its own")),
            text if text.starts_with(|c: char| c.is_ascii_digit()) => self.quantity(word),
            text => {
                let error = syntax(word.range(), format!("`{text}` says nothing about a link")).label("unknown");
                let commas = text.trim_end_matches(',');
                Err(match nearest(commas, WORDS) {
                    Some(_) if commas != text => error.hint("no commas between the words of a link"),
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("known: a rate (100M), a delay (5us), utp, fiber, coax, loss, duplicate, reorder, queue, mtu, ppp, hdlc, down, announce"),
                })
            }
        }
    }

    /// A rate or a delay, told apart by the unit.
    fn quantity(&mut self, word: Word) -> Result<(), SentenceError> {
        let unit = word.text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        match unit {
            "ns" | "us" | "ms" | "s" | "µs" => {
                let written = word.text.replace('µ', "u");
                let delay = parse_time(&written).map_err(|error| SentenceError { range: word.range(), ..error })?;
                refuse(delay_problem(delay), word.range(), "too long", "such as `5us` or `20ms`")?;
                once(&mut self.delay, delay, word)
            }
            "m" => {
                let error = syntax(word.range(), format!("`{}`: metres belong behind a cable", word.text)).label("of what?");
                Err(error.hint(format!("a length is `utp {0}m`, a rate `{0}M`, a delay `{0}ms`", word.text.trim_end_matches('m'))))
            }
            "%" => Err(syntax(word.range(), format!("{} of what?", word.text)).label("of what?").hint(format!("such as `loss {}`", word.text))),
            _ => {
                let rate = parse_rate(word.text).map_err(|error| error.shifted(word.start))?;
                once(&mut self.rate, rate, word)
            }
        }
    }
}

/// `pc-1`, `r-1:eth0`, `vpc:shop`, or several of them with commas.
fn ends(cursor: &mut Cursor, text: &str) -> Result<Vec<(LinkEnd, Range<usize>)>, SentenceError> {
    let missing = |at: Range<usize>| syntax(at, "an end of the link is missing".to_owned()).label("missing").hint(FORM);
    match cursor.peek() {
        None => return Err(missing(cursor.place())),
        Some(word) if word.text == "--" => return Err(missing(word.start..word.start)),
        Some(_) => {}
    }
    let words = cursor.list();
    words.into_iter().map(|word| Ok((end(word, text)?, word.range()))).collect()
}

fn end(word: Word, text: &str) -> Result<LinkEnd, SentenceError> {
    if word.text.is_empty() {
        return Err(syntax(word.range(), "an end is missing here".to_owned()).label("missing").hint("such as `pc-1, pc-2 -- sw-1`"));
    }
    if let Some(at) = word.text.find("--") {
        let spaced = text.replacen(word.text, &format!("{} -- {}", &word.text[..at], &word.text[at + 2..]), 1);
        let error = syntax(word.range(), "the two ends are one word".to_owned()).label("spaces are missing");
        return Err(error.hint(format!("write `{}`", spaced.trim())));
    }
    let name = |text: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fine)
    };
    let bad = || {
        syntax(word.range(), format!("`{}` is not an end of a link", word.text)).label("not understood").hint("DEVICE, DEVICE:INTERFACE or vpc:NAME")
    };
    match word.text.split_once(':') {
        Some(("vpc", vpc)) if name(vpc) => Ok(LinkEnd::Vpc(vpc.to_owned())),
        Some((device, interface)) if name(device) && name(interface) => Ok(LinkEnd::Device(device.to_owned(), Some(interface.to_owned()))),
        None if name(word.text) => Ok(LinkEnd::Device(word.text.to_owned(), None)),
        _ => Err(bad()),
    }
}

fn is_length(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    unit != text && matches!(unit, "m" | "km" | "cm")
}

fn share(word: Word, cursor: &mut Cursor) -> Result<u32, SentenceError> {
    let Some(value) = cursor.word() else {
        let error = SentenceError::new(Code::BadShare, cursor.place(), format!("how much {}?", word.text));
        return Err(error.label("missing").hint(format!("such as `{} 1%`", word.text)));
    };
    parse_share(value.text).map_err(|error| error.shifted(value.start))
}

fn number(word: Word, form: &str, cursor: &mut Cursor) -> Result<(u32, Range<usize>), SentenceError> {
    let place = cursor.place();
    let value = cursor.word();
    let number = value.and_then(|value| value.text.parse().ok());
    let error = || syntax(place.clone(), format!("`{}` takes a whole number", word.text)).label("not a number").hint(format!("such as {form}"));
    number.map(|number| (number, place.clone())).ok_or_else(error)
}

/// `10.9.0.0/16,192.168.1.0/24`.
fn blocks(word: Word, cursor: &mut Cursor) -> Result<Vec<Ipv4Net>, SentenceError> {
    const FORM: &str = "such as `announce 192.168.1.0/24,10.9.0.0/16`";
    if cursor.peek().is_none() {
        return Err(syntax(cursor.place(), format!("`{}` takes networks", word.text)).label("which ones?").hint(FORM));
    }
    let block = |word: Word| match word.text.parse::<Ipv4Net>() {
        Ok(block) if block.trunc() == block => Ok(block),
        Ok(block) => {
            let error = SentenceError::new(Code::NotABlock, word.range(), format!("{block} has bits set behind its prefix"));
            Err(error.label("no network").hint(format!("write `{}`", block.trunc())))
        }
        Err(_) => {
            let error = SentenceError::new(Code::NotABlock, word.range(), format!("`{}` is not an IPv4 network", word.text));
            Err(error.label("not a block").hint(FORM))
        }
    };
    cursor.list().into_iter().map(block).collect()
}

fn once<T>(slot: &mut Option<T>, value: T, word: Word) -> Result<(), SentenceError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax(word.range(), format!("`{}` says again what was said", word.text)).label("again").hint("leave one of them out")),
    }
}

fn refuse(problem: Option<String>, range: Range<usize>, label: &str, hint: &str) -> Result<(), SentenceError> {
    problem.map_or(Ok(()), |why| Err(SentenceError::new(Code::OutOfRange, range, why).label(label).hint(hint)))
}

fn syntax(range: Range<usize>, message: impl Into<String>) -> SentenceError {
    SentenceError::new(Code::LinkSyntax, range, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_words_in_any_order_are_read() {
        let link = parse_link("r-1:eth0 -- vpc:shop down loss 0.5% 1G utp 20m 3us mtu 1400 queue 7").unwrap();
        assert_eq!(link.a, vec![(LinkEnd::Device("r-1".to_owned(), Some("eth0".to_owned())), 0..8)]);
        assert_eq!(link.b, vec![(LinkEnd::Vpc("shop".to_owned()), 12..20)]);
        assert_eq!((link.rate, link.delay, link.loss), (Some(1_000_000_000), Some(3_000), Some(5_000)));
        assert_eq!((link.mtu, link.queue, link.up), (Some(1400), Some(7), Some(false)));
        assert_eq!(link.cable, Some(Cable { kind: CableKind::Utp, length_centimetres: 2_000 }));
        let link = parse_link("s0 -- s1 hdlc 1.544M 20ms duplicate 1% reorder 2% fiber").unwrap();
        assert_eq!((link.framing, link.rate, link.delay), (Some(Framing::Hdlc), Some(1_544_000), Some(20_000_000)));
        assert_eq!((link.duplicate, link.reorder), (Some(10_000), Some(20_000)));
        assert_eq!(link.cable.map(|cable| cable.length_centimetres), Some(CABLE_CENTIMETRES));
    }

    #[test]
    fn networks_that_a_vpc_is_told_of_are_a_list() {
        let link = parse_link("r-1:eth1 -- vpc:shop announce 192.168.1.0/24, 10.9.0.0/16 50M 10ms").unwrap();
        let blocks = ["192.168.1.0/24", "10.9.0.0/16"].map(|block| block.parse().unwrap());
        assert_eq!((link.announce.as_deref(), link.rate), (Some(&blocks[..]), Some(50_000_000)));
    }

    #[test]
    fn several_ends_share_one() {
        let link = parse_link("pc-1, pc-2,pc-3 -- hub-1").unwrap();
        assert_eq!((link.a.len(), link.b.len()), (3, 1));
        let link = parse_link("sw-1 -- pc-1, pc-2 1G").unwrap();
        assert_eq!((link.a.len(), link.b.len(), link.rate), (1, 2, Some(1_000_000_000)));
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, piece) in [
            ("", ""),
            ("pc-1", ""),
            ("-- pc-1", ""),
            ("pc-1 --", ""),
            ("pc-1 - sw-1", "-"),
            ("pc-1 -> sw-1", "->"),
            ("pc-1--sw-1", "pc-1--sw-1"),
            ("pc-1 sw-1", "sw-1"),
            ("pc-1 -- sw-1 -- pc-2", "--"),
            ("pc-1, -- sw-1", "--"),
            ("a, b -- c, d", "a, b -- c, d"),
            ("pc-1:eth0:1 -- sw-1", "pc-1:eth0:1"),
            ("1st -- sw-1", "1st"),
            ("pc-1 -- sw-1 0M", "0M"),
            ("pc-1 -- sw-1 401G", "401G"),
            ("pc-1 -- sw-1 0.5b", "0.5b"),
            ("pc-1 -- sw-1 10", "10"),
            ("pc-1 -- sw-1 100m", "100m"),
            ("pc-1 -- sw-1 11s", "11s"),
            ("pc-1 -- sw-1 fiber 3000000km", "fiber 3000000km"),
            ("pc-1 -- sw-1 utp 5ft", "ft"),
            ("pc-1 -- sw-1 1%", "1%"),
            ("pc-1 -- sw-1 loss", ""),
            ("pc-1 -- sw-1 loss 101%", "101%"),
            ("pc-1 -- sw-1 loss 1", "1"),
            ("pc-1 -- sw-1 queue 0", "0"),
            ("pc-1 -- sw-1 queue many", "many"),
            ("pc-1 -- sw-1 mtu 60", "60"),
            ("pc-1 -- sw-1 1M 2M", "2M"),
            ("pc-1 -- sw-1 up down", "down"),
            ("pc-1 -- sw-1 dwn", "dwn"),
            ("pc-1 -- sw-1 1M, 5us", "M,"),
            ("r-1 -- vpc:shop announce", ""),
            ("r-1 -- vpc:shop announce 10.9.0.0", "10.9.0.0"),
            ("r-1 -- vpc:shop announce 10.9.0.0/16, 10.8.0.1/16", "10.8.0.1/16"),
            ("r-1 -- vpc:shop announce 10.9.0.0/16 announce 10.8.0.0/16", "announce"),
            ("가 -- 나", "가"),
        ] {
            let error = parse_link(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}: {error}");
        }
    }
}
