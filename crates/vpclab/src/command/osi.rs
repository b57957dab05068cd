//! `osi`: what a layer of the OSI model, a protocol or a port is for.

use std::process::ExitCode;

use clap::Args;
use lesson::{Language, glossary};
use sim::osi::{Answer, NotFound, Protocol, Tongue, find};

use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `osi`.
#[derive(Debug, Args)]
pub struct OsiArgs {
    /// A layer (2, network, frame), a protocol (arp, https) or a port (443, udp/53); without one all layers
    pub topic: Vec<String>,
    /// Language: en, ko, or a locale such as ko_KR.UTF-8
    #[arg(long, env = "VPCLAB_LANG", default_value = "en", value_name = "CODE", value_parser = super::learn::language())]
    pub lang: Language,
}

/// Prints what is known of a topic.
pub fn run(arguments: &OsiArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown, Format::Name])?;
    let words = arguments.topic.join(" ");
    let topic = find(&words).map_err(|error| not_found(&words, error, arguments.lang))?;
    let tongue = match arguments.lang {
        Language::English => Tongue::English,
        Language::Korean => Tongue::Korean,
    };
    let answer = Answer::new(topic).with_example(topic).in_tongue(tongue);
    match output.format {
        Format::Json => output.json(&answer)?,
        Format::Csv | Format::Markdown | Format::Name => {
            let rows: Vec<_> = answer.protocols().into_iter().map(row).collect();
            output.table(&["protocol", "layer", "unit", "ports", "standard", "meaning"], &rows);
        }
        _ => output.line(answer.text().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A word of networks that is none of these may be in the glossary.
fn not_found(words: &str, error: NotFound, language: Language) -> Failure {
    let is_explained = !glossary::about(words).is_empty() && !error.hint.starts_with("did you mean");
    match language {
        Language::English if is_explained => Failure::usage(error.message).hint(format!("vpclab learn glossary {words} explains it")),
        Language::English => Failure::usage(error.message).hint(error.hint),
        Language::Korean => {
            let failure = Failure::usage(format!("`{words}`: 알려진 계층, 프로토콜, 포트가 아닙니다"));
            failure.hint(match error.hint.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?")) {
                Some(near) => format!("혹시 `{near}` 말인가요?"),
                None if is_explained => format!("용어 설명: vpclab learn glossary {words} --lang ko"),
                None => "계층(1~7), 프로토콜(arp, tcp, dns), 포트(0~65535, udp/53)를 적으세요. 아무것도 적지 않으면 모든 계층이 나옵니다".to_owned(),
            })
        }
    }
}

fn row(protocol: &Protocol) -> Vec<String> {
    let ports: Vec<String> = protocol.ports().iter().map(ToString::to_string).collect();
    let layer = protocol.layer.number().to_string();
    let texts = [protocol.unit.to_owned(), ports.join(", "), protocol.standard.to_owned(), protocol.sentence.to_owned()];
    [protocol.word.to_owned(), layer].into_iter().chain(texts).collect()
}
