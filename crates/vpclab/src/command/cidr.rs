//! `cidr`: arithmetic on address blocks, with AWS's five reserved addresses (SUB-2).

use std::net::Ipv4Addr;
use std::process::ExitCode;

use ipnet::Ipv4Net;
use model::cidr;
use serde_json::{Value, json};

use crate::cli::CidrCommand;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Runs one of the sub-commands.
pub fn run(command: CidrCommand, output: &Output) -> Result {
    match command {
        CidrCommand::Info { block } => info(block_of(&block)?, output),
        CidrCommand::Split { block, sizes } => split(block_of(&block)?, &sizes, output),
        CidrCommand::Contains { block, inner } => contains(block_of(&block)?, &inner, output),
        CidrCommand::Free { block, used } => free(block_of(&block)?, &used, output),
    }
}

fn info(block: Ipv4Net, output: &Output) -> Result {
    let base = u32::from(block.network());
    let reserved = ["network", "router", "resolver", "kept by AWS"];
    let is_subnet = (16..=28).contains(&block.prefix_len());
    let facts = json!({
        "block": block.to_string(),
        "first": block.network().to_string(),
        "last": block.broadcast().to_string(),
        "netmask": block.netmask().to_string(),
        "addresses": 1u64 << (32 - block.prefix_len()),
        "usable_in_a_subnet": if is_subnet { json!(cidr::usable_addresses(block)) } else { Value::Null },
    });
    if output.format == Format::Json {
        output.json(&facts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| facts[key].as_str().map_or_else(|| facts[key].to_string(), str::to_owned);
    output.line(format!("{block}   {} - {}   netmask {}", text("first"), text("last"), text("netmask")));
    output.line(format!("addresses  {}", text("addresses")));
    if is_subnet {
        output.line(format!("usable     {}   (AWS keeps five in every subnet)", text("usable_in_a_subnet")));
        for (offset, what) in (0..).zip(reserved) {
            output.line(format!("reserved   {:<15}  {what}", Ipv4Addr::from(base + offset).to_string()));
        }
        output.line(format!("reserved   {:<15}  last (no broadcast in a VPC)", block.broadcast().to_string()));
    } else {
        output.line("a VPC or subnet block is /16 to /28");
    }
    Ok(ExitCode::SUCCESS)
}

fn split(block: Ipv4Net, sizes: &[String], output: &Output) -> Result {
    let mut taken = Vec::new();
    for size in sizes {
        let length: u8 = size
            .trim_start_matches('/')
            .parse()
            .ok()
            .filter(|length| *length <= 32)
            .ok_or_else(|| Failure::usage(format!("`{size}` is no size; write /26")))?;
        let next = cidr::first_free(block, length, &taken).ok_or_else(|| {
            let left = cidr::free_space(block, &taken).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let left = if left.is_empty() { "nothing".to_owned() } else { left };
            Failure::usage(format!("no room for a /{length} in {block}: {left} is left")).hint("ask for the largest blocks first")
        })?;
        taken.push(next);
    }
    let rows: Vec<Vec<String>> = taken
        .iter()
        .map(|net| vec![net.to_string(), net.network().to_string(), net.broadcast().to_string(), usable(*net)])
        .collect();
    let left: Vec<String> = cidr::free_space(block, &taken).iter().map(ToString::to_string).collect();
    match output.format {
        Format::Json => output.json(&json!({
            "blocks": taken.iter().map(ToString::to_string).collect::<Vec<_>>(), "free": left,
        }))?,
        _ => {
            output.table(&["block", "first", "last", "usable"], &rows);
            if !left.is_empty() && output.format == Format::Table {
                output.line(format!("free: {}", left.join(" ")));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn usable(block: Ipv4Net) -> String {
    if block.prefix_len() > 28 { "-".to_owned() } else { cidr::usable_addresses(block).to_string() }
}

fn contains(block: Ipv4Net, inner: &str, output: &Output) -> Result {
    let inside = match inner.parse::<Ipv4Addr>() {
        Ok(address) => block.contains(&address),
        Err(_) => block.contains(&block_of(inner)?),
    };
    match output.format {
        Format::Json => output.json(&json!({ "contains": inside }))?,
        _ => output.line(if inside { "yes" } else { "no" }),
    }
    Ok(if inside { ExitCode::SUCCESS } else { exit::NO.into() })
}

fn free(block: Ipv4Net, used: &[String], output: &Output) -> Result {
    let used = used.iter().map(|text| block_of(text)).collect::<Result<Vec<_>>>()?;
    let free: Vec<String> = cidr::free_space(block, &used).iter().map(ToString::to_string).collect();
    match output.format {
        Format::Json => output.json(&json!({ "free": free }))?,
        _ => free.iter().for_each(|net| output.line(net)),
    }
    Ok(if free.is_empty() { exit::NO.into() } else { ExitCode::SUCCESS })
}

/// A block in canonical form; host bits are a mistake worth telling.
fn block_of(text: &str) -> Result<Ipv4Net> {
    let block: Ipv4Net = text.parse().map_err(|_| Failure::usage(format!("`{text}` is no IPv4 block; write 10.0.0.0/16")))?;
    if block.trunc() == block {
        Ok(block)
    } else {
        Err(Failure::usage(format!("`{text}` has host bits set")).hint(format!("did you mean {}?", block.trunc())))
    }
}
