//! What is played: a lab, a seed, and actions with their times. Playing it again gives the same frames, so an action that is
//! typed while an earlier time is looked at happens then, and what came later is played anew.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use fabric::Fabric;
use model::Model;
use screen::{Performance, Script};
use sim::{Bounds, Simulator, Span, Stop, Time, World};

use super::super::super::target::Target;
use super::super::ends::{GoesOn, SLICE, Stage};
use super::super::script::{AFTERMATH, LONGEST, TICK, read, steps};
use super::super::action::{Action, Started, Step, action, perform};
use super::super::show::{BUDGET, LESS, too_much};
use super::TuiArgs;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// What a typed line is called in its errors.
const TYPED: &str = "typed";

/// An action that is planned.
#[derive(Clone)]
struct Planned {
    /// From the beginning.
    at: Span,
    number: usize,
    line: String,
    words: String,
    is_typed: bool,
    /// Of `apply`: what the file said when it was read, so that it is read once.
    applied: Option<(Arc<Model>, Arc<Fabric>)>,
}

/// What is played.
#[derive(Clone)]
pub struct Scenario<'t> {
    target: &'t Target,
    seed: u64,
    warm_up: Option<Span>,
    until: Option<Span>,
    begin: Time,
    /// In the order of their making: a place outside that one of them names is made in this order, too.
    planned: Vec<Planned>,
}

/// What was played.
pub struct Recording {
    playing: Playing,
    /// The first moment.
    pub begin: Time,
    /// The last moment.
    pub end: Time,
    /// How programs ended.
    pub said: Vec<String>,
    /// What is to be known.
    pub notes: Vec<String>,
}

/// A scenario that is being played.
struct Playing {
    stage: Stage,
    todo: VecDeque<(Time, String, Action)>,
    started: Vec<Started>,
    failed: Option<String>,
}

impl<'t> Scenario<'t> {
    /// The actions of a command line. Errors: what names nothing, as scripts say it.
    pub fn new(target: &'t Target, arguments: &TuiArgs, output: &Output) -> Result<Self> {
        let TuiArgs { words, seed, warm_up, until, .. } = arguments;
        let mut scenario = Self { target, seed: *seed, warm_up: *warm_up, until: *until, begin: Time::ZERO, planned: Vec::new() };
        let Some((mut stage, ..)) = scenario.stage(Bounds::NONE, &mut |_| true)? else { return Ok(scenario) };
        scenario.begin = stage.world.simulator().now();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => {}
            ["run", file] => {
                let text = read(Path::new(file))?;
                for step in steps(&text, file)? {
                    scenario.plan(&mut stage, &step, file, false, output)?;
                }
            }
            _ => {
                let line = words.join(" ");
                let step = Step::typed(&line);
                scenario.plan(&mut stage, &step, "command line", false, output)?;
            }
        }
        Ok(scenario)
    }

    fn stage(&self, bounds: Bounds, goes_on: GoesOn<'_>) -> Result<Option<(Stage, Stop, Vec<String>)>> {
        Stage::build(self.target, self.seed, self.warm_up, bounds, goes_on)
    }

    /// The same with an action more, at a time; nothing where it was broken off. Errors: what names nothing, as scripts say it.
    pub fn with(&self, at: Time, text: &str, goes_on: GoesOn<'_>) -> Result<Option<Self>> {
        let (mut next, output) = (self.clone(), &Output::silent());
        let Some((mut stage, ..)) = next.stage(Bounds::NONE, goes_on)? else { return Ok(None) };
        let at = Time::ZERO + at.since(self.begin);
        // Names mean what they meant before: what earlier lines made is made first.
        for planned in &self.planned {
            planned.action(&mut stage, &self.target.model, output)?;
        }
        let step = Step { at, ..Step::typed(text) };
        next.plan(&mut stage, &step, TYPED, true, output)?;
        Ok(Some(next))
    }

    /// The same without what was typed last, and that.
    pub fn without_last(&self) -> Option<(Self, String)> {
        let last = self.planned.iter().rposition(|planned| planned.is_typed)?;
        let mut next = self.clone();
        let taken = next.planned.remove(last);
        Some((next, taken.line))
    }

    fn plan(&mut self, stage: &mut Stage, step: &Step<'_>, name: &str, is_typed: bool, output: &Output) -> Result<()> {
        let at = step.at.since(Time::ZERO);
        let applied = || self.planned.iter().filter(|planned| planned.applied.is_some());
        if step.words.first() == Some(&"apply") && applied().any(|planned| planned.at > at) {
            let failure = Failure::usage("an apply comes later, and was made of what the cloud was before");
            return Err(failure.hint("u takes it back; or apply this one behind it"));
        }
        let before = applied().max_by_key(|planned| planned.at).and_then(|planned| planned.applied.as_ref());
        let mut model = Arc::clone(before.map_or(&self.target.model, |(model, _)| model));
        let applied = match action(stage, &mut model, step, name, output)? {
            Action::Apply { fabric } => Some((model, fabric)),
            Action::Program(_) | Action::Link { .. } => None,
        };
        self.planned.push(Planned { at, number: step.number, line: step.line.to_owned(), words: step.words.join(" "), is_typed, applied });
        Ok(())
    }

    /// At its beginning, with every action made out.
    fn playing(&self, bounds: Bounds, goes_on: GoesOn<'_>) -> Result<Option<(Playing, Vec<String>)>> {
        let Some((mut stage, stop, mut notes)) = self.stage(bounds, goes_on)? else { return Ok(None) };
        if stop == Stop::Budget {
            notes.push(format!("{}; {LESS}", too_much(&stage.world.cloud.simulator)));
        }
        let quiet = Output::silent();
        let mut todo = Vec::new();
        for planned in &self.planned {
            let made = planned.action(&mut stage, &self.target.model, &quiet)?;
            todo.push((self.begin + planned.at, planned.words.clone(), made));
        }
        // Stable: of one moment in the order of their making.
        todo.sort_by_key(|(at, ..)| *at);
        Ok(Some((Playing { stage, todo: todo.into(), started: Vec::new(), failed: None }, notes)))
    }

    /// Plays it to its end: until programs are done and what they left is over, or to the time that was asked for. Nothing where
    /// it was broken off.
    pub fn record(&self, goes_on: GoesOn<'_>) -> Result<Option<Recording>> {
        let Some((mut playing, mut notes)) = self.playing(Bounds::default(), goes_on)? else { return Ok(None) };
        let last = self.planned.iter().map(|planned| planned.at).max().unwrap_or_default();
        let end = self.until.map(|until| self.begin + until);
        let mut left = BUDGET;
        let Some(mut is_done) = playing.spend(end.unwrap_or(self.begin + last), &mut left, goes_on) else { return Ok(None) };
        let longest = self.begin + last + LONGEST;
        while is_done && end.is_none() && playing.goes_on() && playing.now() < longest {
            let Some(done) = playing.spend(playing.now() + TICK, &mut left, goes_on) else { return Ok(None) };
            is_done = done;
        }
        if is_done && end.is_none() && !self.planned.is_empty() {
            let Some(done) = playing.spend(playing.now() + AFTERMATH, &mut left, goes_on) else { return Ok(None) };
            is_done = done;
        }
        if let Some(message) = playing.failed.take() {
            return Err(Failure::usage(message));
        }
        if !is_done {
            notes.push(format!("{}; {LESS}", too_much(playing.simulator())));
        }
        if let Some(end) = end.filter(|end| self.planned.iter().any(|planned| self.begin + planned.at > *end)) {
            notes.push(format!("what is planned after {end} comes after --until"));
        }
        let said = playing.started.iter().flat_map(|started| started.said(playing.simulator())).collect();
        Ok(Some(Recording { begin: self.begin, end: playing.now(), said, notes, playing }))
    }
}

impl Planned {
    fn action(&self, stage: &mut Stage, model: &Arc<Model>, output: &Output) -> Result<Action> {
        match &self.applied {
            Some((_, fabric)) => Ok(Action::Apply { fabric: Arc::clone(fabric) }),
            None => action(stage, &mut Arc::clone(model), &self.step(), TYPED, output),
        }
    }

    fn step(&self) -> Step<'_> {
        Step { at: Time::ZERO + self.at, number: self.number, line: &self.line, words: self.words.split_whitespace().collect() }
    }
}

impl Script for Scenario<'_> {
    fn begin(&self, bounds: Bounds) -> Option<Box<dyn Performance>> {
        let (playing, _) = self.playing(bounds, &mut |_| true).ok()??;
        Some(Box::new(playing))
    }
}

impl Recording {
    /// The simulation, at its end.
    pub fn simulator(&self) -> &Simulator {
        self.playing.simulator()
    }

    /// The lab.
    pub fn world(&self) -> &World {
        &self.playing.stage.world
    }

    /// The cloud as it was in the end.
    pub fn fabric(&self) -> &Fabric {
        &self.playing.stage.fabric
    }
}

impl Playing {
    fn simulator(&self) -> &Simulator {
        &self.stage.world.cloud.simulator
    }

    fn now(&self) -> Time {
        self.simulator().now()
    }

    fn goes_on(&self) -> bool {
        self.started.iter().any(|started| started.goes_on(self.simulator()))
    }

    /// Plays to a time with what is left of a budget; whether that sufficed. Nothing where it was broken off.
    fn spend(&mut self, until: Time, left: &mut u64, goes_on: GoesOn<'_>) -> Option<bool> {
        loop {
            let before = self.simulator().happened();
            let is_done = self.advance(until, (*left).min(SLICE));
            *left = left.saturating_sub(self.simulator().happened() - before);
            if is_done || *left == 0 {
                return Some(is_done);
            }
            if !goes_on(self.now()) {
                return None;
            }
        }
    }
}

impl Performance for Playing {
    fn world(&self) -> &World {
        &self.stage.world
    }

    fn advance(&mut self, until: Time, budget: u64) -> bool {
        let begin = self.simulator().happened();
        loop {
            let left = budget.saturating_sub(self.simulator().happened() - begin);
            let next = self.todo.front().map(|(at, ..)| *at).filter(|at| *at <= until);
            if self.stage.world.simulator().run_until(next.unwrap_or(until), left) == Stop::Budget {
                return false;
            }
            let Some((_, text, action)) = next.and_then(|_| self.todo.pop_front()) else { return true };
            let step = Step::typed(&text);
            if let Err(failure) = perform(&mut self.stage, &step, action, &mut self.started) {
                self.failed.get_or_insert(failure.message);
            }
        }
    }
}
