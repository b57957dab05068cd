//! One scenario, step by step: time, deltas, a call or a probe, and the comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::engine::{Answer, Engine, EngineError, Observation, Outcome, Request, Sender};
use fabric::Fabric;

use super::outcome::{Mismatch, Observed, ProbeResult, compare, describe};
use super::api::Api;
use super::flow_log::FlowLogs;
use super::scope::Scope;
use super::{analyze, call, probe};
use crate::scenario::probe::{Probe, ProbeKind};
use crate::scenario::step::{Action, Step, StepDelta};
use crate::scenario::{Corpus, Delta, Scenario};
use crate::topology::{START, World};
use crate::value::Path;

/// Runs a scenario to its first failing step. Errors: what differs, or why it cannot be executed.
pub fn run(corpus: &Corpus, scenario: &Scenario, engine: &mut dyn Engine) -> Result<(), Mismatch> {
    let file = &scenario.place.file;
    let text = |line: u32, why: String| Mismatch {
        expected: String::new(),
        got: String::new(),
        reason: format!("{file}:{line}: {why}"),
    };
    let body = scenario.body.as_ref().map_err(|fault| text(fault.line, fault.message.clone()))?;
    let topology = corpus.topology(&body.base, file).map_err(|why| text(scenario.place.line, why))?;
    let world = World::build(&topology).map_err(|fault| text(fault.line, fault.message))?;
    let scope = Scope { world, saved: BTreeMap::new(), api: Api::new() };
    let mut run = Interpreter { scope, engine, applied: None, flow_logs: FlowLogs::default() };
    let failed = |error: EngineError| text(scenario.place.line, cannot(&error));
    run.engine.reset().map_err(failed)?;
    for delta in &body.deltas {
        run.delta(delta).map_err(|(line, why)| text(line, why))?;
    }
    run.apply().map_err(failed)?;
    run.engine.advance_to(START).map_err(failed)?;
    for step in &body.steps {
        run.step(step).map_err(|failure| match failure {
            Failure::Text(line, why) => text(line, why),
            Failure::Mismatch(mismatch) => {
                Mismatch { reason: format!("{file}:{}: {}", step.line, mismatch.reason), ..mismatch }
            }
        })?;
    }
    Ok(())
}

struct Interpreter<'e> {
    scope: Scope,
    engine: &'e mut dyn Engine,
    /// What the engine knows: the model's generation with the fabric made of it.
    applied: Option<(u64, Arc<Fabric>)>,
    flow_logs: FlowLogs,
}

enum Failure {
    /// What the text asks for cannot be executed.
    Text(u32, String),
    /// It was executed, with another outcome.
    Mismatch(Mismatch),
}

impl Interpreter<'_> {
    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        let at = step.line;
        let executes = |error: EngineError| Failure::Text(at, cannot(&error));
        if let Some(t) = step.t {
            let moment = START.plus(t);
            let fabric = self.apply().map_err(executes)?;
            self.flow_logs.watch(self.engine, &self.scope.world.model, &fabric).map_err(executes)?;
            self.scope.world.model.advance_to(moment);
            let fabric = self.apply().map_err(executes)?;
            self.engine.advance_to(moment).map_err(executes)?;
            self.flow_logs.close(&self.scope.world.model, &fabric);
        }
        for delta in &step.deltas {
            self.delta(delta).map_err(|(line, why)| Failure::Text(line, why))?;
        }
        match &step.action {
            Action::Call(call) => {
                call::run(&mut self.scope, call, &step.expect).map_err(Failure::Mismatch)?;
                self.apply().map_err(executes)?;
            }
            Action::Probe(probe) => self.probe(probe, step)?,
        }
        Ok(())
    }

    fn delta(&mut self, delta: &StepDelta) -> Result<(), (u32, String)> {
        let (line, delta) = match delta {
            StepDelta::Ready(line, delta) => (*line, (**delta).clone()),
            StepDelta::Deferred(line, text) => {
                let words = self.scope.words(text).map_err(|why| (*line, why))?;
                (*line, Delta::parse(&words).map_err(|why| (*line, why))?)
            }
        };
        self.scope.world.apply(&delta).map_err(|error| (line, error.to_string()))
    }

    /// Tells the engine about a model that changed.
    fn apply(&mut self) -> Result<Arc<Fabric>, EngineError> {
        let generation = self.scope.world.model.generation;
        if let Some((applied, fabric)) = &self.applied
            && *applied == generation
        {
            return Ok(Arc::clone(fabric));
        }
        let model = Arc::new(self.scope.world.model.clone());
        let fabric = Arc::new(Fabric::compile(&model));
        self.engine.apply(&model, &fabric)?;
        self.applied = Some((generation, Arc::clone(&fabric)));
        Ok(fabric)
    }

    fn probe(&mut self, probe: &Probe, step: &Step) -> Result<(), Failure> {
        let (at, expect) = (probe.line, &step.expect);
        let unknown = |why: String| Failure::Text(at, why);
        let fabric = self.apply().map_err(|error| unknown(cannot(&error)))?;
        if let ProbeKind::Packet(packet) = &probe.kind
            && let Some((question, wanted)) = probe::name_lookup(&self.scope, packet).map_err(unknown)?
        {
            let answer = self.ask(&question).map_err(|error| unknown(cannot(&error)))?;
            let is_wanted =
                matches!(&answer.outcome, Outcome::Observed(Observation::Dns { answers, .. }) if *answers == [wanted.clone()]);
            if !is_wanted {
                let got = probe::observed(answer, probe, &fabric, &self.scope.world.names).to_string();
                let reason = format!("the name does not resolve to {wanted}");
                return Err(Failure::Mismatch(Mismatch { expected: describe(expect), got, reason }));
            }
        }
        let observed = match &probe.kind {
            ProbeKind::Analyze { from, to, protocol, destination_port } => {
                let ends = (from.as_str(), to.as_str());
                let value = analyze::run(&self.scope, self.engine, &fabric, ends, *protocol, *destination_port);
                Observed { result: ProbeResult::Answer { value: value.map_err(unknown)? }, captured: None }
            }
            ProbeKind::FlowLog { eni } => {
                let interface = match probe::sender(&self.scope, eni).map_err(unknown)? {
                    Sender::Interface(id) => id,
                    _ => return Err(unknown(format!("a flow log is an interface's; `{eni}` is none"))),
                };
                let value = self.flow_logs.records(&self.scope.world.model, &interface);
                Observed { result: ProbeResult::Answer { value }, captured: None }
            }
            _ => {
                let request = probe::request(&self.scope, probe).map_err(unknown)?;
                let answer = self.ask(&request).map_err(|error| unknown(cannot(&error)))?;
                probe::observed(answer, probe, &fabric, &self.scope.world.names)
            }
        };
        // Names in `at` may be those of things that a call made.
        let mut expect = expect.clone();
        if let Some(at) = &expect.at {
            expect.at = Some(self.place(at).map_err(unknown)?);
        }
        compare(&expect, &observed, &self.scope).map_err(Failure::Mismatch)?;
        for (name, path) in &probe.save {
            let value = observed.answer().unwrap_or_default();
            let part = Path::parse(path).and_then(|path| Ok(path.get(&value, &self.scope)?.cloned())).map_err(unknown)?;
            let part = part.ok_or_else(|| unknown(format!("`save: {name}`: the answer has no {path}")))?;
            self.scope.saved.insert(name.clone(), part);
        }
        Ok(())
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, EngineError> {
        self.engine.probe(request)
    }

    /// An `at` in which `$name` is replaced by the name or id of the thing.
    fn place(&self, at: &str) -> Result<String, String> {
        let (prefix, name) = match at.split_once(":$") {
            Some((prefix, name)) => (format!("{prefix}:"), format!("${name}")),
            None => (String::new(), at.to_owned()),
        };
        let id = self.scope.text(&name)?;
        Ok(format!("{prefix}{}", self.scope.world.names.name_of(&id).unwrap_or(&id)))
    }
}

/// Why an engine gave no answer, in the words that reports use.
fn cannot(error: &EngineError) -> String {
    match error {
        EngineError::Unsupported(what) => format!("engine cannot do {what}"),
        other => other.to_string(),
    }
}
