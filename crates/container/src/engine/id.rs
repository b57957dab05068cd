//! What a container is called: an id nobody chose, and a name that can be said.

use std::fmt;
use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// Digits of a whole id.
const LENGTH: usize = 64;
/// Digits that are shown.
const SHORT: usize = 12;

/// 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// A new one.
    pub fn random(chance: &mut Chance) -> Result<Id> {
        loop {
            let mut bytes = [0u8; LENGTH / 2];
            chance.fill(&mut bytes)?;
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            // The first twelve become a host name, and one of digits alone is read as an address by some programs.
            if digits[..SHORT]
                .bytes()
                .any(|byte| byte.is_ascii_alphabetic())
            {
                return Ok(Id(digits));
            }
        }
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits.
    pub fn short(&self) -> &str {
        &self.0[..SHORT]
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Id, String> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == LENGTH && text.bytes().all(is_digit) {
            Ok(Id(text))
        } else {
            Err(format!("`{text}` is no id: 64 hexadecimal digits"))
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where chance comes from.
#[derive(Debug)]
pub enum Chance {
    /// The kernel.
    System,
    /// SplitMix64 from a seed: the same every time.
    Seeded(u64),
}

impl Chance {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        match self {
            Chance::System => File::open("/dev/urandom")
                .and_then(|mut file| file.read_exact(bytes))
                .map_err(Error::io("reading /dev/urandom")),
            Chance::Seeded(state) => {
                for part in bytes.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut mixed = *state;
                    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    mixed ^= mixed >> 31;
                    part.copy_from_slice(&mixed.to_le_bytes()[..part.len()]);
                }
                Ok(())
            }
        }
    }

    /// A number below `end`, which is small and not zero.
    fn below(&mut self, end: usize) -> Result<usize> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok((u64::from_le_bytes(bytes) % end as u64) as usize)
    }
}

const QUALITIES: [&str; 64] = [
    "agile", "amber", "ample", "azure", "bold", "brave", "breezy", "bright", "brisk", "bubbly",
    "calm", "candid", "cheery", "clever", "cosmic", "cosy", "crisp", "daring", "deft", "eager",
    "early", "fabled", "fluent", "gentle", "gilded", "glad", "hardy", "hasty", "humble", "ivory",
    "jolly", "keen", "kind", "lively", "lucid", "lunar", "mellow", "merry", "mighty", "mild",
    "modest", "neat", "nimble", "noble", "olive", "patient", "placid", "plucky", "proud", "quiet",
    "rapid", "rustic", "sandy", "silent", "snug", "solar", "spry", "steady", "sunny", "swift",
    "tidy", "vivid", "witty", "zesty",
];

const THINGS: [&str; 64] = [
    "anchor", "anvil", "badger", "beacon", "birch", "bobbin", "brook", "canyon", "cedar", "cobalt",
    "comet", "compass", "condor", "coral", "cricket", "delta", "falcon", "fern", "ferry", "fjord",
    "gecko", "geyser", "glacier", "harbour", "heron", "ibis", "island", "juniper", "kestrel",
    "kettle", "lagoon", "lantern", "lemur", "lichen", "lynx", "magnet", "maple", "marmot",
    "meadow", "meteor", "mortar", "nebula", "orchid", "osprey", "otter", "pebble", "pelican",
    "piston", "plover", "prairie", "quarry", "raven", "reef", "saddle", "sextant", "sparrow",
    "summit", "teapot", "thistle", "trellis", "tundra", "walnut", "willow", "zephyr",
];

/// How often two words are drawn before a number is put behind them.
const DRAWS: usize = 6;

/// A name that nobody has: a quality and a thing, such as `quiet_otter`.
pub fn name(chance: &mut Chance, is_taken: impl Fn(&str) -> bool) -> Result<String> {
    let mut drawn = String::new();
    for _ in 0..DRAWS {
        drawn = format!(
            "{}_{}",
            QUALITIES[chance.below(QUALITIES.len())?],
            THINGS[chance.below(THINGS.len())?]
        );
        if !is_taken(&drawn) {
            return Ok(drawn);
        }
    }
    // There are fewer containers than numbers.
    let free = (2u64..)
        .map(|number| format!("{drawn}{number}"))
        .find(|name| !is_taken(name));
    Ok(free.unwrap_or(drawn))
}

/// Whether a name is one: what Docker accepts, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn check_name(kind: &'static str, text: &str) -> Result<()> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    if starts_well && is_plain && (2..=128).contains(&text.len()) {
        return Ok(());
    }
    Err(Error::Name {
        kind,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_follow_from_a_seed() {
        let draw = |seed| {
            let mut chance = Chance::Seeded(seed);
            (
                Id::random(&mut chance).unwrap(),
                name(&mut chance, |_| false).unwrap(),
            )
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).0, draw(8).0);
        let (id, name) = draw(7);
        assert_eq!((id.as_str().len(), id.short().len()), (64, 12));
        check_name("container", &name).unwrap();
        assert_ne!(
            Id::random(&mut Chance::System).unwrap(),
            Id::random(&mut Chance::System).unwrap()
        );
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let name = name(&mut Chance::Seeded(1), |name| !name.ends_with('3')).unwrap();
        assert!(name.ends_with('3'), "{name}");
    }

    #[test]
    fn words_are_different_and_can_be_names() {
        for list in [QUALITIES, THINGS] {
            let distinct: std::collections::BTreeSet<&str> = list.into_iter().collect();
            assert_eq!(distinct.len(), list.len());
            assert!(
                list.iter()
                    .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
            );
        }
    }

    #[test]
    fn names_are_what_docker_accepts() {
        for (text, expected) in [
            ("web", true),
            ("a1", true),
            ("w", false),
            ("-web", false),
            ("web/1", false),
            ("", false),
            ("a b", false),
            ("a_.-", true),
        ] {
            assert_eq!(check_name("container", text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_id_is_sixty_four_digits_and_nothing_else() {
        assert!(Id::try_from("a".repeat(64)).is_ok());
        for text in ["a".repeat(63), "A".repeat(64), "../".repeat(21) + "a"] {
            assert!(Id::try_from(text).is_err());
        }
    }
}
