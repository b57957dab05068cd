//! The reference as Markdown: every command from the tree that reads the command line, every key of the lab file from
//! the declarations that read it. Nothing here is written twice, so nothing can be out of date.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};
use serde_json::Value;

use crate::cli::Cli;
use crate::command::meant;

const HEAD: &str = "\
# Reference

Every command and every key of a lab file. This page is made by `vpclab man --markdown`; what the words mean is in
[concepts.md](concepts.md), and [tour.md](tour.md) shows them at work.

";

const EXIT_CODES: &str = "\
## Exit codes

| code | meaning |
| --- | --- |
| 0 | yes |
| 1 | the answer is no: unreachable, a promise broken |
| 2 | the command line or a file is wrong |
| 3 | this machine lacks something |
| 4 | time is up |
| 5 | engines disagree |

`exec` ends as its command ends.

";

const SENTENCES: &str = "\
## Sentences of a lab file

| sentence | where | such as |
| --- | --- | --- |
| `[out] PROTO[/PORTS] (from\\|to) PEER[, PEER…]` | security groups | `tcp/80,443 from anywhere` |
| `NUMBER (allow\\|deny) [out] PROTO[/PORTS] (from\\|to) PEER[, PEER…]` | network ACLs | `100 allow tcp/22 from office` |
| `[only] SOURCE[, SOURCE…] -> DESTINATION[, DESTINATION…] PROTO[/PORTS] [over ipv4\\|ipv6] [through NODE]: RESULT [via NODE]` | `expect` | `web-1 -> db-1 tcp/3306: open` |
| `nothing else [-> DESTINATION[, DESTINATION…] [PROTO[/PORTS] [over ipv4\\|ipv6]]]` | `expect` | `nothing else -> db-1` |
| `END[, END…] -- END[, END…] [WORDS]` | `links` of a lan | `r-1:eth0 -- sw-1 100M 5us loss 1%` |
| `BLOCK (via ADDRESS\\|dev INTERFACE)` | `routes` of a lan | `default via 10.0.1.1` |
| `(allow\\|deny) PROTO[/PORTS] [from BLOCK] [to BLOCK] [in INTERFACE] [out INTERFACE]` | `filter` of a lan | `deny tcp/23 in eth1` |
| `SERVICE [PORT]`, `dhcp FIRST-LAST [gateway ADDRESS] [dns ADDRESS] [lease TIME]`, `dns NAME=ADDRESS …` | `serve` of a lan | `telnet 2323` |

A peer is `anywhere`, `sg:NAME`, `subnet:NAME`, `vpc:NAME`, `pl:NAME`, a place of `outside`, an address or a block.
A source or destination is an instance, a place of `outside`, `internet`, `sg:NAME`, `subnet:NAME`, `vpc:NAME`,
`tag:KEY=VALUE`, an address or a block; `except` leaves some out: `vpc:shop except bastion`.
A result is `open`, `refused`, `allowed`, `blocked`, `blocked by sg[:NAME]`, `blocked by acl[:NAME]`, `blocked by igw`,
`blocked by eigw`, `blocked by nat`, `blocked by peering`, `blocked by tgw`, `blocked by source-dest-check`, `no route` or
`no public address`.
`allowed` and `blocked` speak of the network alone; `open` and `refused` of what listens too. A request that arrives is
not blocked, even if its answer is lost. A node is `nat`, `igw`, `eigw`, `peering`, `tgw`, or an instance, gateway or peering by name.
Without `over`, nothing may get through over either family that must not, and what must get through is asked over IPv4, unless the
claim names IPv6 addresses. [ipv6.md](ipv6.md) shows more.

An end of a link is `DEVICE`, `DEVICE:INTERFACE` or `vpc:NAME`. Its words, in any order: a rate (`64k`, `100M`, `1G`), a
delay (`5us`), a cable with its length (`utp 100m`, `fiber 2km`, `coax`), `loss`, `duplicate` and `reorder` with a share,
`queue` with frames, `mtu` with bytes, `ppp`, `hdlc`, `down`. [lans.md](lans.md) shows all of them.

";

/// The whole page.
pub fn markdown() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = HEAD.to_owned();
    page.push_str("## Commands\n\n| command | what it does |\n| --- | --- |\n");
    for one in shown(&command) {
        let _ = writeln!(page, "| [`{}`](#vpclab-{}) | {} |", one.get_name(), one.get_name(), cell(&about(one)));
    }
    page.push_str("\n### Flags of every command\n\n");
    arguments(&mut page, command.get_arguments().filter(|arg| arg.is_global_set()));
    page.push_str("### Which lab is meant\n\nThe first of these that is there says it:\n\n");
    for (number, one) in (1..).zip(meant::ORDER) {
        let _ = writeln!(page, "{number}. {one}");
    }
    let _ = writeln!(page, "\n{}\n", meant::RULE);
    for one in shown(&command) {
        section(&mut page, one, "vpclab");
    }
    page.push_str(EXIT_CODES);
    page.push_str(SENTENCES);
    lab_file(&mut page);
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn section(page: &mut String, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let _ = writeln!(page, "### {name}\n\n{}.\n", about(command).trim_end_matches('.'));
    let own = || command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help");
    // Some commands do something themselves and have verbs too.
    if !command.has_subcommands() || own().any(Arg::is_positional) {
        let mut usage = name.clone();
        if own().any(|arg| !arg.is_positional()) {
            usage.push_str(" [FLAGS]");
        }
        for arg in own().filter(|arg| arg.is_positional()) {
            let _ = write!(usage, " {}", positional(arg));
        }
        let _ = writeln!(page, "    {usage}\n");
    }
    arguments(page, own());
    for one in shown(command) {
        section(page, one, &name);
    }
}

fn arguments<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let mut rows = arguments.filter(|arg| !arg.is_hide_set()).peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str("| word | meaning |\n| --- | --- |\n");
    for arg in rows {
        let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> = arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !values.is_empty() && takes_value(arg) {
            let _ = write!(text, "; one of {}", values.join(", "));
        }
        let defaults: Vec<String> = arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if !defaults.is_empty() && takes_value(arg) {
            let _ = write!(text, "; default {}", defaults.join(" "));
        }
        // Where its order is no matter of course the help has it.
        if let Some(name) = arg.get_env().map(|name| name.to_string_lossy()).filter(|name| !text.contains(&**name)) {
            let _ = write!(text, "; else `{name}` of the environment");
        }
        let _ = writeln!(page, "| `{}` | {} |", cell(&word(arg)), cell(&text));
    }
    page.push('\n');
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn value_names(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
    names.unwrap_or_else(|| vec![arg.get_id().to_string().to_uppercase()]).join(" ")
}

fn positional(arg: &Arg) -> String {
    let many = arg.get_num_args().is_some_and(|range| range.max_values() > 1) || matches!(arg.get_action(), clap::ArgAction::Append);
    let name = format!("{}{}", value_names(arg), if many { "…" } else { "" });
    if arg.is_required_set() { name } else { format!("[{name}]") }
}

fn word(arg: &Arg) -> String {
    if arg.is_positional() {
        return positional(arg);
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    if takes_value(arg) { format!("{} {}", names.join(", "), value_names(arg)) } else { names.join(", ") }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn lab_file(page: &mut String) {
    let schema = lab::schema();
    page.push_str("## Keys of a lab file\n\nAll are optional; a key that is not here is an error. `vpclab schema` prints the same for editors.\n\n");
    keys(page, &schema);
    for (name, kind) in schema["$defs"].as_object().into_iter().flatten() {
        let long = kind["anyOf"].as_array().and_then(|forms| forms.iter().find(|form| form["properties"].is_object()));
        let described = kind["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "### {name}\n\n{described}\n");
        keys(page, long.unwrap_or(kind));
    }
}

fn keys(page: &mut String, kind: &Value) {
    page.push_str("| key | value | meaning |\n| --- | --- | --- |\n");
    for (name, value) in kind["properties"].as_object().into_iter().flatten() {
        // `containers:` and its kin are known only so that their error says "not built yet".
        if value.get("not").is_some() {
            continue;
        }
        let meaning = value["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "| `{name}` | {} | {} |", cell(&value_of(value)), cell(meaning));
    }
    page.push('\n');
}

/// What may be written for a key.
fn value_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().filter(|v| !v.is_null()).map(|v| format!("`{}`", plain(v))).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", plain(value));
    }
    let examples: Vec<String> = schema["examples"].as_array().into_iter().flatten().map(|v| format!("`{}`", plain(v))).collect();
    if !examples.is_empty() {
        return format!("such as {}", examples.join(", "));
    }
    let is = |word: &str| schema["type"] == word || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == word));
    if let Some(of) = schema.get("additionalProperties").filter(|of| of.is_object() && is("object")) {
        return format!("names, each with {}", value_of(of).replacen("such as", "one such as", 1));
    }
    if is("array") {
        return match value_of(&schema["items"]) {
            examples if examples.starts_with("such as") => format!("a list, {examples}"),
            other => format!("a list of {}", other.trim_start_matches("an ").replace("address", "addresses")),
        };
    }
    match schema["format"].as_str() {
        Some("ipv4") => return "an IPv4 address".to_owned(),
        Some("ipv6") => return "an IPv6 address".to_owned(),
        _ => {}
    }
    if is("boolean") {
        return "true or false".to_owned();
    }
    if is("string") {
        // Addresses of both families are texts with one of two formats.
        return if schema["anyOf"].is_array() { "an address".to_owned() } else { "text".to_owned() };
    }
    if is("integer") {
        return match (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
            (Some(low), Some(high)) => format!("a number, {low} to {high}"),
            _ => "a number".to_owned(),
        };
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        let texts: Vec<String> = forms.iter().filter(|form| form["type"] != "null").map(value_of).filter(|text| !text.is_empty()).collect();
        return match texts.as_slice() {
            // One or many of the same.
            [one, many] if many.starts_with("a list") && forms[1]["items"] == forms[0] => format!("{one}, or a list"),
            _ => texts.join(", or "),
        };
    }
    if schema["properties"].is_object() {
        let keys: Vec<String> = schema["properties"].as_object().into_iter().flatten().map(|(key, _)| format!("`{key}`")).collect();
        return format!("a mapping with {}", keys.join(", "));
    }
    String::new()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
