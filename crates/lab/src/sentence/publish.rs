//! `[ADDRESS:]PORT[-PORT][->PORT[-PORT]][/PROTO]`: ports of an instance that lead to ports of a container, `8080->80` as
//! `docker ps` shows them. `8080:80`, as `docker run -p` takes them, is understood too.

use std::net::Ipv4Addr;
use std::ops::Range;

use model::PortRange;
use model::container::{PortMapping, PortProtocol};

use super::SentenceError;
use crate::code::Code;

const FORM: &str = "`80`, `8080->80`, `127.0.0.1:8080->80`, `53->53/udp`, `8000-8010->8000-8010`";

/// A piece of the text and where it begins.
type Piece<'t> = (usize, &'t str);

/// Reads a published port, or a range of them.
pub fn parse_publish(text: &str) -> Result<PortMapping, SentenceError> {
    let whole = trimmed((0, text));
    if let Some((word, ports)) = whole.1.split_once('/')
        && let "tcp" | "udp" = word
    {
        let right = if word == "tcp" { ports.to_owned() } else { format!("{ports}/{word}") };
        let problem = bad(range(whole), format!("`{}` is how `listen` says it", whole.1));
        return Err(problem.label("the protocol comes last here").hint(format!("write `{right}`")));
    }
    let (body, protocol) = match whole.1.rsplit_once('/') {
        Some((body, word)) => ((whole.0, body), protocol((whole.0 + body.len() + 1, word))?),
        None => (whole, PortProtocol::Tcp),
    };
    let (address, host, container) = ends(body)?;
    let (host, container) = (ports(host)?, ports(container)?);
    if host.to - host.from != container.to - container.from {
        let count = |range: PortRange| u32::from(range.to - range.from) + 1;
        let message = format!("{} ports of the instance lead to {} of the container", count(host), count(container));
        return Err(bad(range(whole), message).label("as many on both sides").hint("such as `8000-8010->9000-9010`"));
    }
    let host_address = address.map_or(Ok(Ipv4Addr::UNSPECIFIED), host_address)?;
    Ok(PortMapping { protocol, host, container, host_address })
}

/// Address, ports of the instance, ports of the container.
fn ends<'t>(body: Piece<'t>) -> Result<(Option<Piece<'t>>, Piece<'t>, Piece<'t>), SentenceError> {
    if let Some((left, right)) = body.1.split_once("->") {
        let right = trimmed((body.0 + left.len() + 2, right));
        let left = trimmed((body.0, left));
        return Ok(match left.1.rsplit_once(':') {
            Some((address, host)) => (Some((left.0, address)), (left.0 + address.len() + 1, host), right),
            None => (None, left, right),
        });
    }
    // Docker's form; an address is what has more than digits and dashes.
    let is_ports = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let Some((rest, last)) = body.1.rsplit_once(':') else { return Ok((None, body, body)) };
    let last = (body.0 + rest.len() + 1, last);
    Ok(match rest.rsplit_once(':') {
        Some((address, host)) => (Some((body.0, address)), (body.0 + address.len() + 1, host), last),
        None if is_ports(rest) => (None, (body.0, rest), last),
        None => (Some((body.0, rest)), last, last),
    })
}

fn host_address(piece: Piece<'_>) -> Result<Ipv4Addr, SentenceError> {
    let (_, text) = piece;
    let problem = || bad(range(piece), format!("`{text}` is not an IPv4 address"));
    text.parse().map_err(|_| match text {
        "localhost" => problem().label("a name").hint("write `127.0.0.1`"),
        "*" | "" => problem().label("not an address").hint("without an address, every one of the instance is meant"),
        _ if text.contains(['[', ':']) => problem().label("not IPv4").hint("published ports are ports of the instance's IPv4 addresses"),
        _ => problem().label("not an address").hint("such as `127.0.0.1:8080->80`"),
    })
}

fn protocol(piece: Piece<'_>) -> Result<PortProtocol, SentenceError> {
    let (_, word) = piece;
    match word {
        "tcp" => Ok(PortProtocol::Tcp),
        "udp" => Ok(PortProtocol::Udp),
        _ if word.contains("->") || word.contains(':') => {
            Err(bad(range(piece), "the protocol stands at the end, once").label("not here").hint("such as `53->53/udp`"))
        }
        _ => Err(bad(range(piece), format!("`{word}` is not a protocol whose ports can be published"))
            .label("tcp or udp")
            .hint("such as `53->53/udp`")),
    }
}

fn ports(piece: Piece<'_>) -> Result<PortRange, SentenceError> {
    let piece = trimmed(piece);
    let (start, text) = piece;
    let one = |piece: Piece<'_>| -> Result<u16, SentenceError> {
        let problem = |message: String| bad(range(piece), message);
        match piece.1.parse::<u32>() {
            Ok(0) => Err(problem("port 0 cannot be published".to_owned()).label("from 1").hint("say which port; nobody could promise a random one")),
            Ok(number) => u16::try_from(number).map_err(|_| problem(format!("{number} is not a port")).label("too large").hint("ports end at 65535")),
            Err(_) if piece.1.is_empty() => Err(problem("a port is missing".to_owned()).label("missing").hint(FORM)),
            Err(_) => match model::service::called(piece.1) {
                Some(service) => Ok(service.port),
                None => Err(problem(format!("`{}` is not a port", piece.1)).label("not a port").hint(FORM)),
            },
        }
    };
    // A service may have a dash in its name.
    match text.split_once('-').filter(|_| model::service::called(text).is_none()) {
        None => Ok(PortRange::one(one(piece)?)),
        Some((from, to)) => {
            let (from, to) = (one((start, from))?, one((start + from.len() + 1, to))?);
            match from <= to {
                true => Ok(PortRange { from, to }),
                false => Err(bad(range(piece), format!("the range {from}-{to} runs backwards")).label("backwards").hint(format!("write `{to}-{from}`"))),
            }
        }
    }
}

fn trimmed((start, text): Piece<'_>) -> Piece<'_> {
    (start + text.len() - text.trim_start().len(), text.trim())
}

fn range((start, text): Piece<'_>) -> Range<usize> {
    start..start + text.len()
}

fn bad(range: Range<usize>, message: impl Into<String>) -> SentenceError {
    SentenceError::new(Code::BadPublish, range, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_one_mapping_and_prints_as_one() {
        for (text, shown) in [
            ("80", "80->80"),
            ("80->80", "80->80"),
            ("8080 -> 80", "8080->80"),
            ("8080:80/tcp", "8080->80"),
            ("127.0.0.1:8080->80/tcp", "127.0.0.1:8080->80"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080->80"),
            ("127.0.0.1:8080", "127.0.0.1:8080->8080"),
            ("53/udp", "53->53/udp"),
            ("8080->http", "8080->80"),
            ("20->ftp-data", "20->20"),
            ("8000-8010->9000-9010", "8000-8010->9000-9010"),
            ("8000-8010", "8000-8010->8000-8010"),
        ] {
            let mapping = parse_publish(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(mapping.to_string(), shown, "{text}");
            assert_eq!(parse_publish(shown), Ok(mapping), "what is printed is read again");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, piece) in [
            ("8080->htps", "htps"),
            ("8080->", ""),
            ("0->80", "0"),
            ("80->70000", "70000"),
            ("90-80->80", "90-80"),
            ("80-90->80", "80-90->80"),
            ("53->53/sctp", "sctp"),
            ("localhost:80->80", "localhost"),
            ("[::1]:80->80", "[::1]"),
            ("udp/53", "udp/53"),
        ] {
            let error = parse_publish(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }
}
