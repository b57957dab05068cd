//! `osi`: what a layer of the OSI model, a protocol or a port is for.

use std::process::ExitCode;

use clap::Args;
use sim::osi::{Answer, Protocol, find};

use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `osi`.
#[derive(Debug, Args)]
pub struct OsiArgs {
    /// A layer (2, network), a protocol (arp, https) or a port (443, udp/53); without one all layers
    pub topic: Vec<String>,
}

/// Prints what is known of a topic.
pub fn run(arguments: &OsiArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown, Format::Name])?;
    let topic = find(&arguments.topic.join(" ")).map_err(|error| Failure::usage(error.message).hint(error.hint))?;
    let answer = Answer::new(topic).with_example(topic);
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

fn row(protocol: &Protocol) -> Vec<String> {
    let ports: Vec<String> = protocol.ports().iter().map(ToString::to_string).collect();
    let layer = protocol.layer.number().to_string();
    let texts = [protocol.unit.to_owned(), ports.join(", "), protocol.standard.to_owned(), protocol.sentence.to_owned()];
    [protocol.word.to_owned(), layer].into_iter().chain(texts).collect()
}
