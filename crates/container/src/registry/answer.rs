//! What answers and broken connections mean: what is worth another try, when, and how it is told.

use std::io::Read;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use ureq::http::header::RETRY_AFTER;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Body, Timeout};

use super::Failure;
use super::client::{Ask, Client, Trouble};
use super::failure::tame;
use super::host::is_same;
use crate::error::Error;

/// Bytes of an error's document that are looked at.
const WORDS: u64 = 64 << 10;

impl Client<'_> {
    /// An answer that is not what was asked for.
    pub(super) fn refusal(&self, response: Response<Body>, ask: &Ask, uri: &Uri) -> Trouble {
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), SystemTime::now());
        let own = is_same(uri, &self.base);
        let (registry, what) = (self.registry.clone(), ask.what.clone());
        let why = said(response);
        let told = |why: String| or(why, "it does not say why");
        let other = |why: String| Failure::Status {
            registry: registry.clone(),
            status,
            what: what.clone(),
            why,
        };
        match status {
            429 => Trouble::Again {
                why: Failure::Busy {
                    registry,
                    wait,
                    why: told(why),
                },
                wait,
            },
            408 | 500 | 502 | 503 | 504 => Trouble::Again {
                why: other(told(why)),
                wait,
            },
            // An address that was good for a while; the registry gives another one.
            401 | 403 if !own && !is_same(uri, &ask.uri) => Trouble::again(other(told(why))),
            401 => {
                let helper = self.job.settings.credentials.helper_of(&self.registry);
                Failure::Unauthorized {
                    registry,
                    what,
                    why: told(why),
                    helper,
                }
                .into()
            }
            403 => Failure::Denied {
                registry,
                what,
                why: told(why),
            }
            .into(),
            404 => Failure::Missing {
                registry,
                what,
                why,
            }
            .into(),
            _ => other(told(why)).into(),
        }
    }

    /// No answer.
    pub(super) fn broken(&self, error: ureq::Error, what: &str) -> Trouble {
        let registry = self.registry.clone();
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                let seconds = self.job.settings.patience.connect.as_secs_f64();
                Trouble::again(Failure::Unreachable {
                    registry,
                    why: format!("no connection in {seconds:.0} s"),
                })
            }
            ureq::Error::HostNotFound => Trouble::again(Failure::Unreachable {
                registry,
                why: "no address is known for that name".into(),
            }),
            ureq::Error::ConnectionFailed => Trouble::again(Failure::Unreachable {
                registry,
                why: "no connection".into(),
            }),
            ureq::Error::ConnectProxyFailed(why) => Trouble::again(Failure::Unreachable {
                registry,
                why: format!("by the proxy: {}", tame(&why)),
            }),
            ureq::Error::Timeout(_) => Trouble::again(self.stalled(what)),
            ureq::Error::Rustls(error) => Failure::Untrusted {
                registry,
                why: error.to_string(),
            }
            .into(),
            ureq::Error::Tls(why) => Failure::Untrusted {
                registry,
                why: why.into(),
            }
            .into(),
            ureq::Error::Io(error) => self.cut(error, what),
            other => self.odd(tame(&other.to_string())).into(),
        }
    }

    /// A connection that ended early.
    pub fn cut(&self, error: std::io::Error, what: &str) -> Trouble {
        use std::io::ErrorKind::*;
        let registry = self.registry.clone();
        if error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            return Trouble::Final(Error::io(what)(error));
        }
        if error
            .get_ref()
            .and_then(|inner| inner.downcast_ref())
            .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)))
        {
            return Trouble::again(self.stalled(what));
        }
        // Its kind has no name outside of std.
        if error.to_string().starts_with("failed to lookup address") {
            return Trouble::again(Failure::Unreachable {
                registry,
                why: "nobody knows its name here".to_owned(),
            });
        }
        match error.kind() {
            TimedOut | WouldBlock => Trouble::again(self.stalled(what)),
            ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown
            | AddrNotAvailable => Trouble::again(Failure::Unreachable {
                registry,
                why: error.to_string(),
            }),
            // TLS reports so what it does not believe.
            InvalidData => Failure::Untrusted {
                registry,
                why: tame(&error.to_string()),
            }
            .into(),
            _ => Trouble::again(Failure::CutOff {
                registry,
                what: what.into(),
                why: tame(&error.to_string()),
            }),
        }
    }

    fn stalled(&self, what: &str) -> Failure {
        let seconds = self.job.settings.patience.stall.as_secs_f64();
        Failure::Stalled {
            registry: self.registry.clone(),
            what: what.into(),
            seconds,
        }
    }
}

pub(super) fn or(words: String, otherwise: &str) -> String {
    if words.is_empty() {
        otherwise.into()
    } else {
        words
    }
}

/// What an answer says about itself; nothing if that is no registry's way to say it.
pub(super) fn said(response: Response<Body>) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<One>,
        #[serde(default)]
        details: Option<serde_json::Value>,
        #[serde(default)]
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut bytes = Vec::new();
    // Half of it is better than nothing.
    let _ = response
        .into_body()
        .into_reader()
        .take(WORDS)
        .read_to_end(&mut bytes);
    let Ok(errors) = serde_json::from_slice::<Errors>(&bytes) else {
        return String::new();
    };
    let first = errors.errors.into_iter().next();
    let first = first.map(|one| {
        if one.message.is_empty() {
            one.code
        } else {
            one.message
        }
    });
    let details = errors
        .details
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned);
    tame(&first.or(details).or(errors.message).unwrap_or_default())
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds_of(text)?);
    Some(then.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of a date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS
        .find(month)
        .filter(|at| month.len() == 3 && at % 3 == 0)? as u64
        / 3
        + 1;
    let clock: Vec<u64> = time
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    if !(1970..=9999).contains(&year)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // Years that begin in March end with the leap day.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_may_say_when_to_come_again_in_two_ways() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        for (text, seconds) in [
            ("12", Some(12)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            (
                "Thu, 29 Feb 2024 00:00:00 GMT",
                Some(1_709_164_800 - 784_111_700),
            ),
            ("soon", None),
            ("-1", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 99999999999999999 08:49:37 GMT", None),
        ] {
            let headers = [(RETRY_AFTER, text.parse().unwrap())].into_iter().collect();
            assert_eq!(
                retry_after(&headers, now),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
