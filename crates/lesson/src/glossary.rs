//! The words of an infrastructure workshop, English and Korean, each with a sentence in both.

use crate::Language;

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The English term.
    pub english: &'static str,
    /// The Korean term.
    pub korean: &'static str,
    /// What it is, in English.
    pub about_english: &'static str,
    /// What it is, in Korean.
    pub about_korean: &'static str,
    /// The lesson that deals with it; empty if none does.
    pub lesson: &'static str,
}

impl Entry {
    /// What it is.
    pub fn about(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.about_english,
            Language::Korean => self.about_korean,
        }
    }
}

const SOURCE: &str = include_str!("../lessons/glossary.txt");

/// All words, in the order in which they are met. Each is a paragraph of the source: the terms, a sentence in each
/// language, a lesson.
pub fn entries() -> Vec<Entry> {
    let words = SOURCE.split("\n\n").filter_map(|word| {
        let mut lines = word.trim().lines();
        let (english, korean) = lines.next()?.split_once(" = ")?;
        let (about_english, about_korean) = (lines.next()?, lines.next()?);
        let lesson = lines.next().and_then(|line| line.strip_prefix("-> ")).unwrap_or_default();
        Some(Entry { english, korean, about_english, about_korean, lesson })
    });
    words.collect()
}

/// Words whose terms contain this text, whatever its case.
pub fn about(text: &str) -> Vec<Entry> {
    let text = text.to_lowercase();
    let has = |entry: &Entry| entry.english.to_lowercase().contains(&text) || entry.korean.to_lowercase().contains(&text);
    entries().into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_source_is_read_once() {
        let entries = entries();
        assert_eq!(entries.len(), SOURCE.trim().split("\n\n").count());
        for (at, entry) in entries.iter().enumerate() {
            assert!(
                entries[..at].iter().all(|other| other.english != entry.english && other.korean != entry.korean),
                "{}",
                entry.english
            );
            assert!(entry.about_english.ends_with('.') && entry.about_korean.ends_with('.'), "{}", entry.english);
            assert!(
                entry.korean.chars().any(|c| !c.is_ascii()) || entry.korean == entry.korean.to_uppercase(),
                "{}",
                entry.korean
            );
            assert!(entry.lesson.is_empty() || crate::find(entry.lesson).is_some(), "{}", entry.lesson);
        }
    }

    #[test]
    fn a_word_is_found_in_either_language() {
        for text in ["Collision domain", "충돌 도메인"] {
            assert!(about(text).iter().any(|entry| entry.korean == "충돌 도메인"), "{text}");
        }
        assert!(about("no such word").is_empty());
    }
}
