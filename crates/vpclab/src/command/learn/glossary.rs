//! `learn glossary`: the words, in both languages.

use std::process::ExitCode;

use lesson::Language;
use lesson::glossary::{Entry, about, entries};
use serde_json::json;

use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Prints the words, or those with a text in them.
pub fn run(word: Option<&str>, language: Language, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown, Format::Name])?;
    let found = word.map_or_else(entries, about);
    if let (Some(word), true) = (word, found.is_empty()) {
        return Err(match language {
            Language::English => Failure::usage(format!("no word of the glossary has `{word}` in it")).hint("vpclab learn glossary lists them all"),
            Language::Korean => Failure::usage(format!("`{word}`: 용어집에 없습니다")).hint("전체 목록: vpclab learn glossary --lang ko"),
        });
    }
    let terms = |entry: &Entry| match language {
        Language::English => [entry.english, entry.korean],
        Language::Korean => [entry.korean, entry.english],
    };
    match output.format {
        Format::Json => {
            let all = found.iter().map(|entry| {
                let lesson = Some(entry.lesson).filter(|lesson| !lesson.is_empty());
                json!({"en": entry.english, "ko": entry.korean, "about": entry.about(language), "lesson": lesson})
            });
            output.json(&all.collect::<Vec<_>>())?;
        }
        Format::Csv | Format::Markdown | Format::Name => {
            let row = |entry: &Entry| {
                let [first, second] = terms(entry);
                [first, second, entry.about(language), entry.lesson].map(str::to_owned).to_vec()
            };
            output.table(&["word", "translation", "meaning", "lesson"], &found.iter().map(row).collect::<Vec<_>>());
        }
        _ => {
            for entry in &found {
                let [first, second] = terms(entry);
                let second = if first == second { String::new() } else { format!(" ({second})") };
                output.line(format!("{first}{second}\n  {}", entry.about(language)));
                if !entry.lesson.is_empty() {
                    output.line(format!("  -> vpclab learn {}", entry.lesson));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
