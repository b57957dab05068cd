//! The lessons there are, each a folder of `lessons/`, in the order in which they are best taken.

use crate::condition::{Condition, Malformed};
use crate::{Language, Text};

/// A lesson.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The lab file that it begins with.
    pub lab: &'static str,
    conditions: &'static str,
    english: &'static str,
    korean: &'static str,
}

impl Lesson {
    /// Its words. `None`: the file of that language is not made as it should be, which no lesson of [`LESSONS`] is.
    pub fn text(&self, language: Language) -> Option<Text<'static>> {
        Text::parse(match language {
            Language::English => self.english,
            Language::Korean => self.korean,
        })
    }

    /// What the changed lab file has to meet, all of it.
    pub fn conditions(&self) -> Result<Vec<Condition>, Malformed> {
        let lines = self.conditions.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::parse).collect()
    }
}

/// The lesson of a name, in capitals or not, or of its place: `1` is the first.
pub fn find(name: &str) -> Option<&'static Lesson> {
    let at_its_place = || LESSONS.get(name.parse::<usize>().ok()?.checked_sub(1)?);
    LESSONS.iter().find(|lesson| lesson.name.eq_ignore_ascii_case(name)).or_else(at_its_place)
}

macro_rules! lessons {
    ($($name:literal)*) => {
        /// All lessons, the first one first.
        pub const LESSONS: &[Lesson] = &[$(Lesson {
            name: $name,
            lab: include_str!(concat!("../lessons/", $name, "/lab.yaml")),
            conditions: include_str!(concat!("../lessons/", $name, "/conditions.txt")),
            english: include_str!(concat!("../lessons/", $name, "/en.md")),
            korean: include_str!(concat!("../lessons/", $name, "/ko.md")),
        }),*];
    };
}

lessons! {
    "hub"
    "minimum-frame"
    "mac-learning"
    "arp"
    "broadcast"
    "router"
    "drop"
    "traceroute"
    "subnets"
    "nat"
    "handshake"
    "groups-and-acls"
    "public-and-internal"
    "container"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_has_a_name_and_a_number() {
        for (text, name) in [("1", Some("hub")), ("hub", Some("hub")), ("NAT", Some("nat")), ("14", Some("container"))] {
            assert_eq!(find(text).map(|lesson| lesson.name), name, "{text}");
        }
        for none in ["0", "15", "-1", "", "hubs"] {
            assert!(find(none).is_none(), "{none}");
        }
    }
}
