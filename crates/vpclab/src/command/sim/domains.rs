//! `sim domains`: how many collision domains and broadcast domains the lans have, and which.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use sim::lan::domains::{Domain, count};

use super::super::target::Target;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `sim domains`.
#[derive(Debug, Args)]
pub struct DomainsArgs {
    /// Only this lan
    pub lan: Option<String>,
}

/// Counts and names the domains of each lan.
pub fn run(arguments: &DomainsArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let lans = &target.model.lans;
    if lans.is_empty() {
        return Err(Failure::usage("the lab has no lans: in a VPC there is no broadcast, and every cable is its own")
            .hint("lans: { … } in the lab file; docs/lans.md shows how"));
    }
    let chosen: Vec<_> = lans.iter().filter(|(name, _)| arguments.lan.as_ref().is_none_or(|wanted| wanted == *name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = lans.keys().map(String::as_str).collect();
        let wanted = arguments.lan.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("`{wanted}` is no lan")).hint(format!("there are: {}", known.join(", "))));
    }
    let mut all = serde_json::Map::new();
    for (index, (name, lan)) in chosen.iter().enumerate() {
        let domains = count(lan);
        if output.format == Format::Json {
            all.insert((*name).clone(), json!(domains));
            continue;
        }
        if index > 0 {
            output.line("");
        }
        let many = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let (collision, broadcast) = (many(domains.collision.len(), "collision domain"), many(domains.broadcast.len(), "broadcast domain"));
        output.line(format!("{name}: {}, {}, {collision}, {broadcast}", many(domains.nodes, "node"), many(domains.links, "link")));
        let list = |title: &str, domains: &[Domain]| {
            for (number, domain) in domains.iter().enumerate() {
                let ends: Vec<&str> = domain.ends.iter().map(String::as_str).collect();
                output.line(format!("  {title} domain {}: {}", number + 1, ends.join(", ")));
            }
        };
        list("collision", &domains.collision);
        list("broadcast", &domains.broadcast);
    }
    if output.format == Format::Json {
        output.json(&json!({"schema": "vpclab-sim-domains/1", "lans": all}))?;
    }
    Ok(ExitCode::SUCCESS)
}
