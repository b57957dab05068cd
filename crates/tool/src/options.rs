//! Short options as getopt(3) reads them: clusters (`-zvw3`), values joined or apart, options behind operands.

use std::str::FromStr;
use std::time::Duration;

/// One thing that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// An option without a value.
    Flag(char),
    /// An option with its value.
    Value(char, String),
    /// Anything else.
    Operand(String),
}

/// Why arguments make no sense, without the tool's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Asked for help.
    Help,
    /// A sentence.
    Usage(String),
}

impl From<String> for Wrong {
    fn from(sentence: String) -> Wrong {
        Wrong::Usage(sentence)
    }
}

/// Splits arguments. `known` is a getopt string: letters, those with a value followed by `:`.
pub(crate) fn split(known: &str, arguments: &[String]) -> Result<Vec<Item>, Wrong> {
    let mut items = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix('-') {
            None | Some("") => items.push(Item::Operand(argument.clone())),
            Some("-") => {
                items.extend(arguments.by_ref().cloned().map(Item::Operand));
            }
            Some("-help") => return Err(Wrong::Help),
            Some(long) if long.starts_with('-') => return Err(format!("unrecognized option '{argument}'").into()),
            Some(cluster) => {
                for (at, letter) in cluster.char_indices() {
                    let value = &cluster[at + letter.len_utf8()..];
                    match takes_value(known, letter) {
                        None if letter == 'h' => return Err(Wrong::Help),
                        None => return Err(format!("invalid option -- '{letter}'").into()),
                        Some(false) => items.push(Item::Flag(letter)),
                        Some(true) => {
                            let value = match value.is_empty() {
                                false => value.to_owned(),
                                true => {
                                    let missing = || format!("option requires an argument -- '{letter}'");
                                    arguments.next().cloned().ok_or_else(missing)?
                                }
                            };
                            items.push(Item::Value(letter, value));
                            break;
                        }
                    }
                }
            }
        }
    }
    Ok(items)
}

fn takes_value(known: &str, letter: char) -> Option<bool> {
    let at = known.find(letter).filter(|_| letter != ':')?;
    Some(known[at + letter.len_utf8()..].starts_with(':'))
}

/// A number within bounds, both included.
pub(crate) fn number<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, low: T, high: T) -> Result<T, Wrong> {
    match text.parse() {
        Ok(number) if low <= number && number <= high => Ok(number),
        _ => Err(format!("invalid argument: '{text}': out of range: {low} <= value <= {high}").into()),
    }
}

/// Seconds, also as a fraction; at most a day.
pub(crate) fn seconds(text: &str) -> Result<Duration, Wrong> {
    let seconds: f64 = text.parse().map_err(|_| format!("invalid argument: '{text}': not a number of seconds"))?;
    if !(0.0..=86_400.0).contains(&seconds) {
        return Err(format!("invalid argument: '{text}': out of range: 0 <= seconds <= 86400").into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A port by number, or by the name that people use for it.
pub(crate) fn port(text: &str) -> Result<u16, Wrong> {
    const NAMED: [(&str, u16); 13] = [
        ("dns", 53),
        ("domain", 53),
        ("echo", 7),
        ("ftp", 21),
        ("http", 80),
        ("https", 443),
        ("imap", 143),
        ("mysql", 3306),
        ("ntp", 123),
        ("postgresql", 5432),
        ("smtp", 25),
        ("ssh", 22),
        ("telnet", 23),
    ];
    if let Some((_, port)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Ok(*port);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("port number invalid: {text}").into())
}

/// Says what is wrong with the usage and returns the exit code: help is data, a mistake is not.
pub(crate) fn refuse(tool: &str, usage: &str, wrong: &Wrong) -> u8 {
    match wrong {
        Wrong::Help => {
            println!("usage: {usage}");
            0
        }
        Wrong::Usage(sentence) => {
            eprintln!("{tool}: {sentence}\nusage: {usage}");
            crate::USAGE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(known: &str, line: &str) -> Result<String, Wrong> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let words = split(known, &arguments)?.into_iter().map(|item| match item {
            Item::Flag(letter) => letter.to_string(),
            Item::Value(letter, value) => format!("{letter}={value}"),
            Item::Operand(operand) => format!("<{operand}>"),
        });
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn options_read_as_getopt_reads_them() {
        for (line, expected) in [
            ("-c 3 host", "c=3 <host>"),
            ("-c3 host", "c=3 <host>"),
            ("host -c 3 -n", "<host> c=3 n"),
            ("-znc3 host", "z n c=3 <host>"),
            ("-n -- -c host", "n <-c> <host>"),
            ("- -n", "<-> n"),
            ("-c -1", "c=-1"),
        ] {
            assert_eq!(typed("c:nz", line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, expected) in [
            ("-x", "invalid option -- 'x'"),
            ("-:", "invalid option -- ':'"),
            ("-nc", "option requires an argument -- 'c'"),
            ("--count 3", "unrecognized option '--count'"),
        ] {
            assert_eq!(typed("c:n", line), Err(Wrong::Usage(expected.to_owned())), "{line}");
        }
        assert_eq!(typed("c:", "--help"), Err(Wrong::Help));
        assert_eq!(typed("c:", "-h"), Err(Wrong::Help));
    }

    #[test]
    fn values_have_bounds() {
        assert_eq!(number("7", 1u8, 255), Ok(7));
        assert!(number("0", 1u8, 255).is_err() && number("256", 1u8, 255).is_err() && number("x", 1u8, 255).is_err());
        assert_eq!(seconds("0.2"), Ok(Duration::from_millis(200)));
        assert!(["-1", "nan", "inf", "1e9", ""].iter().all(|text| seconds(text).is_err()));
        assert_eq!((port("https"), port("8080")), (Ok(443), Ok(8080)));
        assert!(["0", "65536", "x", "-1"].iter().all(|text| port(text).is_err()));
    }
}
