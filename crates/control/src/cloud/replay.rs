//! What was answered and is not on record yet, made again: when a daemon begins.

use model::Timestamp;
use query::client_token::{Key, Tokens};
use query::endpoint::TOKENS;

use super::batch;
use super::journal::{self, Entry};
use super::place::Home;
use crate::daemon::labs::Labs;

/// Brings what labs show up to what was answered. What cannot be read is said, and left alone.
pub fn replay(labs: &Labs) {
    for lab in labs.known().iter().filter(|lab| lab.part_of.is_none()) {
        let home = Home::of(lab);
        match journal::read(&labs.paths().journal(&lab.name)) {
            Ok(entries) => entries.iter().for_each(|entry| again(labs, &home, entry)),
            Err(error) => sandbox::say!("lab {}: what clients of AWS were answered last: {error}", lab.name),
        }
    }
}

fn again(labs: &Labs, home: &Home, entry: &Entry) {
    match entry {
        Entry::Begun { account, region, seed, at } => {
            if let Some(name) = home.place(account, region) {
                labs.add_part(&name, &home.lab, Home::nothing(account, region, *seed, *at));
            }
        }
        Entry::Called { account, region, at, operation, parameters, generation, pace, .. } => {
            let Some(entered) = home.place(account, region).and_then(|name| labs.enter(&name)) else { return };
            let before = &entered.view().model;
            if before.generation >= *generation {
                return;
            }
            let mut model = before.clone();
            model.advance_to((*at).max(model.context.now));
            // It may have been refused then, and changed something all the same.
            let _ = ec2::call(&mut model, operation, parameters);
            let reached = batch::finish(&mut model, before, *pace);
            if reached != Some(*generation) {
                sandbox::say!("lab {}: {operation} of generation {generation} led to another one", home.lab);
            }
            labs.commit(&entered, model);
        }
        Entry::Passed { account, region, at, generation } => {
            let Some(entered) = home.place(account, region).and_then(|name| labs.enter(&name)) else { return };
            let before = &entered.view().model;
            if before.generation < *generation {
                let mut model = before.clone();
                model.advance_to((*at).max(model.context.now));
                labs.commit(&entered, model);
            }
        }
        Entry::Answered { .. } => {}
    }
}

/// Answers to client tokens that a journal has, for a day from when they were given.
pub fn tokens(entries: &[Entry]) -> Tokens {
    let mut tokens = Tokens::new(TOKENS);
    for entry in entries {
        match entry {
            Entry::Called { account, region, at, operation, answer: Some(answered), .. } => {
                let [account, region, operation, token] = [account, region, operation, &answered.token].map(String::clone);
                tokens.keep(Key { account, region, operation, token }, answered.parameters.clone(), answered.answer.clone(), *at);
            }
            Entry::Answered { key, parameters, answer, at } => {
                tokens.keep(key.clone(), parameters.clone(), answer.clone(), *at);
            }
            Entry::Called { .. } | Entry::Begun { .. } | Entry::Passed { .. } => {}
        }
    }
    tokens
}

/// The entries by which another journal begins: what tokens were answered, without what is too old.
pub fn answered(tokens: &Tokens, now: Timestamp) -> Vec<Entry> {
    let young = tokens.kept().filter(|(.., at)| now < at.plus(86_400));
    young
        .map(|(key, parameters, answer, at)| Entry::Answered { key: key.clone(), parameters: parameters.clone(), answer: answer.clone(), at })
        .collect()
}
