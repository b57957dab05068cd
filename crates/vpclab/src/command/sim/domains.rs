//! `sim domains`: how many collision domains and broadcast domains the lans have, and which; in text, as data, or as a picture.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use diagram::domains::{COLOURS, Domains as Drawn};
use model::lan::Lan;
use serde_json::{Value, json};
use sim::lan::domains::{Domain, Domains, count};

use super::super::picture_file;
use super::super::target::Target;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `sim domains`.
#[derive(Debug, Args)]
pub struct DomainsArgs {
    /// Only this lan
    pub lan: Option<String>,
    /// Where to write it: FILE.svg is a picture, FILE.txt the text, FILE.json the data
    #[arg(long, short = 'w', value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Write it over whatever is there; without this, over what vpclab drew alone
    #[arg(long, requires = "write")]
    pub force: bool,
}

/// Counts and names the domains of each lan.
pub fn run(arguments: &DomainsArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let lans = &target.model.lans;
    if lans.is_empty() {
        return Err(Failure::usage("the lab has no lans: in a VPC there is no broadcast, and every cable is its own")
            .hint("lans: { … } in the lab file; docs/lans.md shows how"));
    }
    let chosen = lans.iter().filter(|(name, _)| arguments.lan.as_ref().is_none_or(|wanted| wanted == *name));
    let chosen: Vec<(&str, &Lan, Domains)> = chosen.map(|(name, lan)| (name.as_str(), lan, count(lan))).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = lans.keys().map(String::as_str).collect();
        let wanted = arguments.lan.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("`{wanted}` is no lan")).hint(format!("there are: {}", known.join(", "))));
    }
    if let Some(path) = &arguments.write {
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => picture(&chosen),
            Some("txt") => text(&chosen, false) + "\n",
            Some("json") => serde_json::to_string_pretty(&data(&chosen)).map_err(|error| Failure::environment(error.to_string()))? + "\n",
            _ => {
                let failure = Failure::usage(format!("the ending of {} is no kind of picture", path.display()));
                return Err(failure.hint("a name that ends in .svg, .txt or .json"));
            }
        };
        picture_file::write(Path::new(path), &text, arguments.force)?;
        return Ok(ExitCode::SUCCESS);
    }
    match output.format {
        Format::Json => output.json(&data(&chosen))?,
        _ => output.line(text(&chosen, output.colour())),
    }
    Ok(ExitCode::SUCCESS)
}

fn data(lans: &[(&str, &Lan, Domains)]) -> Value {
    let all: serde_json::Map<String, Value> = lans.iter().map(|(name, _, domains)| ((*name).to_owned(), json!(domains))).collect();
    json!({"schema": "vpclab-sim-domains/1", "lans": all})
}

fn picture(lans: &[(&str, &Lan, Domains)]) -> String {
    let all: Vec<_> = lans.iter().map(|(name, lan, domains)| drawn(name, lan, domains)).collect();
    diagram::domains::svg(&all)
}

/// A lan as it is drawn.
pub fn drawn<'m>(name: &'m str, lan: &'m Lan, domains: &Domains) -> Drawn<'m> {
    let links = |domains: &[Domain]| domains.iter().map(|domain| domain.links.clone()).collect();
    Drawn { name, lan, collision: links(&domains.collision), broadcast: links(&domains.broadcast) }
}

fn text(lans: &[(&str, &Lan, Domains)], colour: bool) -> String {
    let many = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let mut lines = Vec::new();
    for (index, (name, lan, domains)) in lans.iter().enumerate() {
        if index > 0 {
            lines.push(String::new());
        }
        let (collision, broadcast) = (many(domains.collision.len(), "collision domain"), many(domains.broadcast.len(), "broadcast domain"));
        lines.push(format!("{name}: {}, {}, {collision}, {broadcast}", many(domains.nodes, "node"), many(domains.links, "link")));
        let mut list = |title: &str, domains: &[Domain]| {
            for (number, domain) in domains.iter().enumerate() {
                let ends: Vec<&str> = domain.ends.iter().map(String::as_str).collect();
                let head = painted(&format!("{title} domain {}", number + 1), number, colour);
                lines.push(format!("  {head}: {}", ends.join(", ")));
            }
        };
        list("collision", &domains.collision);
        list("broadcast", &domains.broadcast);
        for link in lan.links.iter().filter(|link| !link.up) {
            lines.push(format!("  down, and counted as if it were up: {}", lan.sentence(link)));
        }
    }
    lines.join("\n")
}

/// In the colour that the picture gives the number, among the 256 of terminals.
fn painted(text: &str, number: usize, colour: bool) -> String {
    const SHADES: [u8; COLOURS] = [32, 166, 36, 133, 136, 75, 160, 245];
    if colour { format!("\u{1b}[38;5;{}m{text}\u{1b}[0m", SHADES[number % COLOURS]) } else { text.to_owned() }
}
