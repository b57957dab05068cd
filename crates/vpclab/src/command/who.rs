//! `who can reach X` and `what can X reach`: proved for everybody, the internet included.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use fabric::Fabric;
use model::claim::{Ends, Expected, Sources, Traffic};
use model::{Claim, Origin, Selector};
use proof::claim::{Prover, Undecided};
use proof::who::{Route, label, natural, routes};
use proof::{Options, Reach, TrafficSet};
use serde_json::json;

use super::gaps::Gaps;
use super::lan_ends::note_left_out;
use super::target::Target;
use super::test::hint;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Name and version of the JSON form.
const SCHEMA: &str = "vpclab-who/1";

/// `who`.
#[derive(Debug, Args)]
pub struct WhoArgs {
    /// can reach PLACE [PROTO/PORTS], such as: can reach db-1 tcp/3306, or can reach sg:db
    #[arg(required = true, num_args = 1.., value_name = "QUESTION")]
    pub words: Vec<String>,
}

/// `what`.
#[derive(Debug, Args)]
pub struct WhatArgs {
    /// can PLACE reach [PROTO/PORTS], such as: can web-1 reach, or can internet reach tcp/22
    #[arg(required = true, num_args = 1.., value_name = "QUESTION")]
    pub words: Vec<String>,
}

/// A place and what is sent.
#[derive(Debug, PartialEq)]
struct Question {
    place: Selector,
    traffic: TrafficSet,
    /// As it was typed; empty: everything.
    spelled: String,
}

/// Who can reach a place. Exit 1 when nobody can.
pub fn who(arguments: &WhoArgs, target: &Target, output: &Output) -> Result {
    let form = "vpclab who can reach db-1 tcp/3306";
    let words = split(&arguments.words);
    let rest = without(&without(&words, &["can"]), &["reach", "reaches"]);
    let question = question(&rest, form)?;
    answer(&question, true, target, output)
}

/// What a place can reach. Exit 1 when that is nothing.
pub fn what(arguments: &WhatArgs, target: &Target, output: &Output) -> Result {
    let form = "vpclab what can web-1 reach tcp/443";
    let mut words = without(&split(&arguments.words), &["can"]);
    if words.get(1).is_some_and(|word| matches!(word.as_str(), "reach" | "reaches")) {
        words.remove(1);
    }
    let question = question(&words, form)?;
    answer(&question, false, target, output)
}

fn split(words: &[String]) -> Vec<String> {
    words.iter().flat_map(|word| word.split_whitespace()).map(str::to_owned).collect()
}

/// Without a first word that only makes the question a sentence.
fn without(words: &[String], fillers: &[&str]) -> Vec<String> {
    let is_filler = words.first().is_some_and(|word| fillers.contains(&word.as_str()));
    words[usize::from(is_filler)..].to_vec()
}

/// `PLACE [PROTO/PORTS]`, in the spellings of a probe: `tcp/3306`, `tcp:3306`, `tcp 3306`, `db-1:3306`.
fn question(words: &[String], form: &str) -> Result<Question> {
    let wrong = |message: String, hint: Option<String>| Failure::usage(message).hint(hint.unwrap_or_else(|| form.to_owned()));
    let Some((place, rest)) = words.split_first() else {
        return Err(wrong("the question names no place".to_owned(), None));
    };
    let (place, spelled) = match (place.rsplit_once(':'), rest) {
        (Some((name, port)), []) if port.parse::<u16>().is_ok() && !name.contains(':') => (name.to_owned(), format!("tcp/{port}")),
        (_, []) => (place.clone(), String::new()),
        (_, [traffic]) => (place.clone(), traffic.replacen(':', "/", 1)),
        (_, [protocol, ports]) if !protocol.contains('/') => (place.clone(), format!("{protocol}/{ports}")),
        (_, [.., extra]) => return Err(wrong(format!("`{extra}` is one word too many"), None)),
    };
    if spelled.parse::<u16>().is_ok() {
        return Err(wrong(format!("`{spelled}` says no protocol"), Some(format!("tcp/{spelled} or udp/{spelled}"))));
    }
    let place = lab::sentence::parse_selector(&place).map_err(|e| wrong(e.message, e.hint))?;
    let traffic = match spelled.as_str() {
        "" => TrafficSet::all(),
        text => {
            let traffic = lab::sentence::parse_traffic(text).map_err(|e| wrong(format!("`{text}`: {}", e.message), e.hint))?;
            TrafficSet::of_any(&traffic.0)
        }
    };
    Ok(Question { place, traffic, spelled })
}

fn answer(question: &Question, is_receiver: bool, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown, Format::Name])?;
    note_left_out(&target.model, output);
    let fabric = Fabric::compile(&target.model);
    let failed = |e: fabric::engine::EngineError| Failure::environment(e.to_string());
    let reach = Reach::of(&fabric, Options::default()).map_err(failed)?;
    let ends = Ends { of: vec![question.place.clone()], except: Vec::new() };
    // The proof meets what claims name; a question is one whose answer is not known.
    let asked = [Claim {
        sources: Sources::NothingElse,
        destinations: ends.clone(),
        traffic: Traffic::all(),
        over: None,
        through: None,
        expected: Expected::Blocked(None),
        via: None,
        origin: Origin::default(),
    }];
    let prover = Prover::new(&target.model, &fabric, &reach, Options::default(), &asked);
    let place = prover.parties(&ends).map_err(nobody)?;
    let routes = match is_receiver {
        true => routes(&prover, prover.everybody(), &place, &question.traffic),
        false => routes(&prover, &place, prover.everybody(), &question.traffic),
    }
    .map_err(failed)?;
    print(&routes, question, is_receiver, &target.gaps, output)?;
    Ok(if routes.is_empty() { exit::NO.into() } else { ExitCode::SUCCESS })
}

fn nobody(why: Undecided) -> Failure {
    let failure = Failure::usage(why.to_string());
    match hint(&why) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn print(routes: &[Route], question: &Question, is_receiver: bool, gaps: &Gaps, output: &Output) -> Result<()> {
    let names = |names: &[String]| match output.format {
        Format::Table | Format::Markdown => label(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        // A name may hold spaces and commas.
        Format::Csv => names.join(";"),
        _ => names.join(", "),
    };
    match output.format {
        Format::Json => {
            let incomplete = !gaps.is_empty();
            return output.json(&json!({"schema": SCHEMA, "routes": routes, "incomplete": incomplete, "gaps": gaps.all()}));
        }
        Format::Name => {
            let peers = routes.iter().flat_map(|route| if is_receiver { &route.from } else { &route.to });
            let peers: BTreeSet<_> = peers.map(|name| (natural(name), name)).collect();
            peers.into_iter().for_each(|(_, name)| output.line(name));
        }
        Format::Table | Format::Wide if routes.is_empty() => {
            let with = if question.spelled.is_empty() { String::new() } else { format!(" with {}", question.spelled) };
            let place = &question.place;
            output.line(match is_receiver {
                true => format!("nobody can reach {place}{with}"),
                false => format!("{place} can reach nobody{with}"),
            });
        }
        _ => {
            let row = |route: &Route| {
                let answers = if route.answered { "arrive" } else { "are lost" };
                vec![names(&route.from), names(&route.to), route.traffic.to_string(), answers.to_owned()]
            };
            output.table(&["from", "to", "requests", "answers"], &routes.iter().map(row).collect::<Vec<_>>());
        }
    }
    match output.format {
        Format::Csv | Format::Name => gaps.note(output),
        _ => gaps.print(output),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_in_every_spelling() {
        let ask = |text: &str| {
            let words = split(&[text.to_owned()]);
            question(&without(&without(&words, &["can"]), &["reach", "reaches"]), "form")
        };
        let wanted = ask("can reach db-1 tcp/3306").unwrap();
        assert_eq!(wanted.place.to_string(), "db-1");
        for same in ["reaches db-1 tcp/3306", "db-1 tcp:3306", "can reach db-1 tcp 3306", "can reach db-1:3306"] {
            assert_eq!(ask(same).unwrap().traffic, wanted.traffic, "{same}");
        }
        assert_eq!(ask("can reach sg:db").unwrap().place.to_string(), "sg:db");
        assert_eq!(ask("can reach 10.0.0.4").unwrap().traffic, TrafficSet::all());
        for (wrong, hint) in [("can reach", "form"), ("db-1 3306", "tcp/3306 or udp/3306"), ("db-1 tcp/22 now", "form"), ("db-1 tpc/22", "did you mean `tcp`?")] {
            assert_eq!(ask(wrong).unwrap_err().hint.unwrap(), hint, "{wrong}");
        }
    }
}
