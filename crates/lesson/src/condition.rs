//! What a lab has to be like at the end of a lesson: sentences of one line, decided by the simulator or the prover.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use model::Claim;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Somebody listens.
    Open,
    /// The host says that nobody does.
    Refused,
    /// Nothing comes back.
    Silent,
}

/// What two stations find that send at nearly the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collisions {
    /// Their frames never meet.
    Never,
    /// Their frames meet, and each sender notices while it still sends.
    Noticed,
}

/// Something that a lab has to do or to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `ping FROM TO answered|unanswered`
    Ping {
        /// Who asks.
        from: String,
        /// Whom: a name or an address.
        to: String,
        /// Whether there is an answer.
        answered: bool,
    },
    /// `tcp FROM TO PORT open|refused|silent`
    Tcp {
        /// Who connects.
        from: String,
        /// To whom.
        to: String,
        /// To which port.
        port: u16,
        /// What it finds.
        result: Port,
    },
    /// `crowd FROM,FROM,… TO PORT`: all at the same moment, all accepted.
    Crowd {
        /// Who connects.
        from: Vec<String>,
        /// To whom.
        to: String,
        /// To which port.
        port: u16,
    },
    /// `seen-as FROM TO PORT ADDRESS`: as whom the server sees a client.
    SeenAs {
        /// Who connects.
        from: String,
        /// To whom.
        to: String,
        /// To which port.
        port: u16,
        /// Source address of what arrives.
        address: IpAddr,
    },
    /// `unreachable FROM ADDRESS`: a router says that it has no route; nothing goes in circles.
    Unreachable {
        /// Who asks.
        from: String,
        /// For whom.
        address: IpAddr,
    },
    /// `private FROM TO THIRD`: a third station does not hear what two others say when the switch knows both.
    Private {
        /// One of the two.
        from: String,
        /// The other.
        to: String,
        /// Who must not hear.
        third: String,
    },
    /// `collisions A B never|noticed`
    Collisions {
        /// A station.
        a: String,
        /// Another.
        b: String,
        /// What they find.
        result: Collisions,
    },
    /// `collision-domains N`
    CollisionDomains(usize),
    /// `broadcast-domains N`
    BroadcastDomains(usize),
    /// `shared A B` or `apart A B`: whether two stations hear each other's broadcasts.
    Neighbours {
        /// A station.
        a: String,
        /// Another.
        b: String,
        /// Whether they do.
        shared: bool,
    },
    /// `publishes INSTANCE OUTER INNER`: which port of an instance leads to which port of one of its containers (TCP).
    Publishes {
        /// The instance.
        instance: String,
        /// Its port.
        outer: u16,
        /// The container's.
        inner: u16,
    },
    /// `claim CLAIM`: as under `expect:` in a lab file.
    Claim(Box<Claim>),
}

/// A sentence that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no condition: {0}")]
pub struct Malformed(pub String);

impl FromStr for Condition {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(line.to_owned());
        if let Some(claim) = line.strip_prefix("claim ") {
            let (claim, _) = lab::sentence::parse_claim(claim).map_err(|_| malformed())?;
            return Ok(Self::Claim(Box::new(claim)));
        }
        read(&line.split_whitespace().collect::<Vec<_>>()).ok_or_else(malformed)
    }
}

fn read(words: &[&str]) -> Option<Condition> {
    let name = |word: &&str| (*word).to_owned();
    Some(match words {
        ["ping", from, to, answer @ ("answered" | "unanswered")] => {
            Condition::Ping { from: name(from), to: name(to), answered: *answer == "answered" }
        }
        ["tcp", from, to, port, result] => {
            let result = match *result {
                "open" => Port::Open,
                "refused" => Port::Refused,
                "silent" => Port::Silent,
                _ => return None,
            };
            Condition::Tcp { from: name(from), to: name(to), port: port.parse().ok()?, result }
        }
        ["crowd", from, to, port] => {
            Condition::Crowd { from: from.split(',').map(str::to_owned).collect(), to: name(to), port: port.parse().ok()? }
        }
        ["seen-as", from, to, port, address] => {
            Condition::SeenAs { from: name(from), to: name(to), port: port.parse().ok()?, address: address.parse().ok()? }
        }
        ["unreachable", from, address] => Condition::Unreachable { from: name(from), address: address.parse().ok()? },
        ["private", from, to, third] => Condition::Private { from: name(from), to: name(to), third: name(third) },
        ["collisions", a, b, result] => {
            let result = match *result {
                "never" => Collisions::Never,
                "noticed" => Collisions::Noticed,
                _ => return None,
            };
            Condition::Collisions { a: name(a), b: name(b), result }
        }
        ["publishes", instance, outer, inner] => {
            Condition::Publishes { instance: name(instance), outer: outer.parse().ok()?, inner: inner.parse().ok()? }
        }
        ["collision-domains", number] => Condition::CollisionDomains(number.parse().ok()?),
        ["broadcast-domains", number] => Condition::BroadcastDomains(number.parse().ok()?),
        [kind @ ("shared" | "apart"), a, b] => Condition::Neighbours { a: name(a), b: name(b), shared: *kind == "shared" },
        _ => return None,
    })
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping { from, to, answered } => {
                write!(f, "ping {from} {to} {}", if *answered { "answered" } else { "unanswered" })
            }
            Self::Tcp { from, to, port, result } => write!(f, "tcp {from} {to} {port} {result}"),
            Self::Crowd { from, to, port } => write!(f, "crowd {} {to} {port}", from.join(",")),
            Self::SeenAs { from, to, port, address } => write!(f, "seen-as {from} {to} {port} {address}"),
            Self::Unreachable { from, address } => write!(f, "unreachable {from} {address}"),
            Self::Private { from, to, third } => write!(f, "private {from} {to} {third}"),
            Self::Collisions { a, b, result } => {
                write!(f, "collisions {a} {b} {}", if *result == Collisions::Never { "never" } else { "noticed" })
            }
            Self::Publishes { instance, outer, inner } => write!(f, "publishes {instance} {outer} {inner}"),
            Self::CollisionDomains(number) => write!(f, "collision-domains {number}"),
            Self::BroadcastDomains(number) => write!(f, "broadcast-domains {number}"),
            Self::Neighbours { a, b, shared } => write!(f, "{} {a} {b}", if *shared { "shared" } else { "apart" }),
            Self::Claim(claim) => write!(f, "claim {claim}"),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Silent => "silent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_as_it_was_read() {
        for line in [
            "ping pc-1 10.0.0.2 answered",
            "ping pc-1 pc-2 unanswered",
            "tcp pc-1 server 80 refused",
            "crowd pc-1,pc-2 server 80",
            "seen-as pc-1 server 80 203.0.113.2",
            "unreachable pc-1 10.9.9.9",
            "private pc-1 pc-2 pc-3",
            "collisions pc-1 pc-2 noticed",
            "publishes web-1 8080 80",
            "collision-domains 4",
            "broadcast-domains 2",
            "apart pc-1 pc-2",
            "claim internet -> web-1 tcp/80: open",
        ] {
            assert_eq!(line.parse::<Condition>().unwrap().to_string(), line);
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_its_words() {
        for line in ["ping pc-1 pc-2", "tcp a b 99999 open", "collision-domains many", "claim a tcp/80", "hope for the best"]
        {
            assert_eq!(line.parse::<Condition>(), Err(Malformed(line.to_owned())));
        }
    }
}
