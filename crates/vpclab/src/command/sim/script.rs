//! `sim run`: a script of timed actions. A line is a time and an action; `#` begins a comment.
//!
//! ```text
//! 0s     ping pc-1 pc-2 3
//! 1s     connect pc-1 web-1 tcp/80
//! 1.5s   send pc-1 pc-2 udp/53 hello
//! 2s     link down sw-1 r-1
//! 4s     link up sw-1 r-1
//! 5s     apply other.yaml
//! ```

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sim::host::Host;
use sim::{Simulator, Span, Stop, Time};

use super::super::target::Target;
use super::{RunArgs, code};
use super::action::{Started, Step, action, misread, perform};
use super::ends::Stage;
use super::show::{BUDGET, losses, show, storm};
use crate::exit::{self, Failure, Result};
use crate::output::Output;

/// Longest script, lines.
const MOST_LINES: usize = 10_000;
/// How long is played after the last program's end, when no end is asked for.
pub const AFTERMATH: Span = Span::milliseconds(300);
/// How often it is looked whether programs are done.
pub const TICK: Span = Span::milliseconds(100);
/// Longest time that programs are waited for.
pub const LONGEST: Span = Span::seconds(20_000);

/// Exit 0 when every program of the script got an answer, 1 when one got none, 4 when one is not done.
pub fn run(arguments: &RunArgs, target: &Target, output: &Output) -> Result {
    let text = read(&arguments.script)?;
    let name = arguments.script.display().to_string();
    let steps = steps(&text, &name)?;
    let mut stage = Stage::new(target, &arguments.show, output)?;
    // Every line is looked at before any is played: a slip in the last one shows at once.
    let mut model = Arc::clone(&target.model);
    let checked = steps.iter().map(|step| action(&mut stage, &mut model, step, &name, output)).collect::<Result<Vec<_>>>()?;
    let (mut started, mut stop) = (Vec::new(), Stop::Time);
    // Times of a script count from its beginning.
    let begin = stage.world.simulator().now();
    let end = arguments.show.until.map(|until| begin + until);
    for (step, action) in steps.iter().zip(checked) {
        if end.is_some_and(|end| begin + step.at.since(Time::ZERO) > end) {
            output.note(format!("line {} and what follows come after --until", step.number));
            break;
        }
        stop = stage.world.simulator().run_until(begin + step.at.since(Time::ZERO), BUDGET);
        if stop == Stop::Budget {
            break;
        }
        perform(&mut stage, step, action, &mut started)?;
    }
    if stop != Stop::Budget {
        let simulator = stage.world.simulator();
        let last = simulator.now() + LONGEST;
        let goes_on = |simulator: &Simulator| started.iter().any(|program: &Started| program.goes_on(simulator));
        stop = Stop::Time;
        while end.is_none() && stop == Stop::Time && goes_on(simulator) && simulator.now() < last {
            stop = simulator.run_until(simulator.now() + TICK, BUDGET);
        }
        if end.is_none() && stop == Stop::Time && goes_on(simulator) {
            output.note(format!("ended at {}: nobody waits longer for programs that go on", simulator.now()));
        }
        if stop != Stop::Budget {
            let aftermath = simulator.now() + AFTERMATH;
            stop = simulator.run_until(end.unwrap_or(aftermath), BUDGET);
        }
    }
    storm(stage.world.simulator(), stop, output);
    let (mut said, mut rows, mut all, mut refused) = (Vec::new(), Vec::new(), true, false);
    for program in &started {
        let simulator = &stage.world.cloud.simulator;
        let Some(host) = simulator.get::<Host>(program.node) else { continue };
        let outcome = program.client.progress(host, program.app);
        let told = program.client.tell(host, &outcome);
        let is_running = program.goes_on(simulator);
        stage.is_unfinished |= is_running;
        all &= told.is_yes;
        refused |= !told.is_yes && !is_running;
        said.extend(told.text(&program.text));
        rows.push(told.json(&program.text, &outcome));
    }
    if refused {
        said.extend(losses(&stage, None, None).lines);
    }
    show(&stage, &arguments.show, &said, json!({"programs": rows}), output)?;
    Ok(if refused { exit::NO.into() } else { code(all, &stage) })
}

/// The text of a script; `-` is standard input. Errors: it cannot be read.
pub fn read(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        text
    } else {
        std::fs::read_to_string(path).map_err(failed)?
    };
    // Editors of Windows put a byte order mark in front (Unicode 23.8), which is no word of the script.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Its lines, in the order of their times. Errors: a time that is none or before the one above, with its place; no line at all.
pub fn steps<'t>(text: &'t str, name: &str) -> Result<Vec<Step<'t>>> {
    let mut steps: Vec<Step<'t>> = Vec::new();
    for (index, line) in text.lines().enumerate().take(MOST_LINES) {
        let code = line.split('#').next().unwrap_or_default();
        let mut words = code.split_whitespace();
        let Some(time) = words.next() else { continue };
        // No shell reads a script, so an arrow may stand between two ends.
        let words = words.filter(|word| !matches!(*word, "->" | "→")).collect();
        let step = Step { at: Time::ZERO, number: index + 1, line, words };
        let at = lab::sentence::parse_time(time).map_err(|error| {
            misread(&step, name, time, &error.message).hint(error.hint.unwrap_or_else(|| "a line is a time and an action: 1s ping pc-1 pc-2".to_owned()))
        })?;
        let at = Time(at);
        if steps.last().is_some_and(|last| last.at > at) {
            return Err(misread(&step, name, time, "this time is before the line above").hint("times only grow"));
        }
        steps.push(Step { at, ..step });
    }
    match steps.is_empty() {
        true => Err(Failure::usage(format!("{name}: the script does nothing")).hint("a line is a time and an action: 1s ping pc-1 pc-2")),
        false => Ok(steps),
    }
}
