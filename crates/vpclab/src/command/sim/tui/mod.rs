//! `sim tui`: a simulation on the whole terminal. The screen itself is `screen`'s; here are the terminal, the clock, and the
//! script that is played again whenever something is typed.

mod console;
mod scenario;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use screen::screen::About;
use screen::{Ask, Screen, State};
use sim::Time;
use sim::view::View;

use super::super::target::Target;
use super::ends::SLICE;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};
use console::{Console, Input};
use scenario::{Recording, Scenario};

/// `sim tui`.
#[derive(Debug, Args)]
pub struct TuiArgs {
    /// What is played first: an action of a script, such as `ping A B`, `check A B tcp/80`, `http A B`, `traceroute A B`, or `run SCRIPT`;
    /// without it nothing, until something is typed behind `:`
    #[arg(value_name = "ACTION")]
    pub words: Vec<String>,
    /// What all chance comes from: the same seed gives the same frames
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How long the lab runs before that, unseen; default: 90s where something of it has to settle, else nothing
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub warm_up: Option<sim::Span>,
    /// End after this simulated time, such as 500ms or 10s; default: when the programs are done
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    pub until: Option<sim::Span>,
    /// List only events that this says: `node sw-1 and not arp`, `layer 3`, `verb drop`, `reason no-route`
    #[arg(long, value_name = "FILTER", default_value = "")]
    pub filter: String,
}

/// How often the screen of a run changes.
const BEAT: Duration = Duration::from_millis(40);
/// How often the screen says how far something long is.
const SAID_EVERY: Duration = Duration::from_millis(200);
/// How long a key is waited for before signals are looked at.
const PATIENCE: Duration = Duration::from_millis(100);

/// Exit 0 when the user quits; 128 and its number after a signal, as shells have it.
pub fn run(arguments: &TuiArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide])?;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let failure = Failure::environment("sim tui needs a terminal to draw on and to read keys from");
        return Err(failure.hint("vpclab sim ping A B, and its like, print the same events as text; --tables and --layers the rest"));
    }
    let mut scenario = Scenario::new(target, arguments, output)?;
    let Some(mut recording) = scenario.record(&mut |_| true)? else { return Ok(ExitCode::SUCCESS) };
    check_filter(&recording, &arguments.filter)?;
    let mut state = State::new(recording.begin);
    state.filter.clone_from(&arguments.filter);
    let mut console = Console::open(output.colour()).map_err(|error| Failure::environment(format!("the terminal: {error}")))?;
    // Where the new recording is looked at first: the event behind those that were there before.
    let mut first = Some(0);
    let mut word = recording.notes.join("; ");
    loop {
        let (leave, at) = {
            let view = View::new(recording.simulator()).with_fabric(recording.fabric());
            let about = About {
                name: target.name.clone(),
                begin: recording.begin,
                end: recording.end,
                said: recording.said.clone(),
                colour: output.colour(),
            };
            let mut screen = Screen::new(&view, recording.world(), &scenario, about, state);
            screen.go_to_time(screen.state().clock);
            if let Some(event) = first.take() {
                screen.go_to_event(event);
            }
            if !word.is_empty() {
                screen.say(std::mem::take(&mut word));
            }
            let leave = session(&mut console, &mut screen, &scenario);
            (leave, screen.state().clone())
        };
        match leave? {
            Leave::End(code) => return Ok(code),
            Leave::Played { scenario: next, recording: played, at: time } => {
                let before = recording.simulator().trace().events().until(time).len();
                first = Some(before);
                word = played.notes.last().cloned().or_else(|| played.said.last().cloned()).unwrap_or_default();
                (scenario, recording) = (*next, *played);
            }
            Leave::TakenBack { scenario: next, recording: played, text } => {
                word = format!("taken back: {text}");
                (scenario, recording) = (*next, *played);
            }
        }
        state = at;
    }
}

/// Refuses a filter before the terminal is taken.
fn check_filter(recording: &Recording, filter: &str) -> Result<()> {
    let view = View::new(recording.simulator());
    let addresses = |name: &str| match recording.simulator().find(name) {
        Some(node) => recording.world().place(node).addresses,
        None => Vec::new(),
    };
    let read = sim::view::Filter::parse(filter, &view, &addresses);
    read.map(drop).map_err(|misread| Failure::usage(format!("--filter: {misread}")))
}

/// Why a recording is looked at no longer.
enum Leave<'t> {
    End(ExitCode),
    Played { scenario: Box<Scenario<'t>>, recording: Box<Recording>, at: Time },
    TakenBack { scenario: Box<Scenario<'t>>, recording: Box<Recording>, text: String },
}

/// Keys, time and drawing, until something else is to be looked at.
fn session<'t>(console: &mut Console, screen: &mut Screen<'_>, scenario: &Scenario<'t>) -> Result<Leave<'t>> {
    let broken = |error: std::io::Error| Failure::environment(format!("the terminal: {error}"));
    let (columns, lines) = console.size().map_err(broken)?;
    screen.resize(columns, lines);
    let (mut is_stale, mut last) = (true, Instant::now());
    let mut was_done = false;
    loop {
        let done = screen.work(SLICE);
        is_stale |= done != was_done;
        was_done = done;
        if is_stale {
            console.draw(screen).map_err(broken)?;
            is_stale = false;
        }
        let wait = match () {
            () if !done => Duration::ZERO,
            () if screen.state().is_running => BEAT,
            () => PATIENCE,
        };
        let mut input = console.next(wait).map_err(broken)?;
        // What was typed meanwhile is taken in one go: held keys do not queue up drawings.
        while let Some(known) = input.take() {
            is_stale = true;
            let ask = match known {
                Input::Key(key) => screen.press(key),
                Input::Resized => None,
                Input::Pasted(text) => {
                    screen.paste(&text);
                    None
                }
                Input::Ended(code) => return Ok(Leave::End(code.into())),
            };
            match ask {
                None => {}
                Some(Ask::Quit) => return Ok(Leave::End(ExitCode::SUCCESS)),
                Some(Ask::Play { at, text }) => {
                    let mut watch = Watch::new(console, screen);
                    let next = scenario.with(at, &text, &mut |time| watch.goes_on(time));
                    let played = next.and_then(|next| match next {
                        Some(next) => Ok(next.record(&mut |time| watch.goes_on(time))?.map(|recording| (recording, next))),
                        None => Ok(None),
                    });
                    let broken_off = watch.end().map_err(broken)?;
                    match played {
                        Ok(Some((recording, next))) => {
                            screen.close_prompt();
                            return Ok(Leave::Played { scenario: Box::new(next), recording: Box::new(recording), at });
                        }
                        Ok(None) => screen.refuse(broken_off),
                        Err(failure) => screen.refuse(said(&failure)),
                    }
                }
                Some(Ask::Undo) => match scenario.without_last() {
                    Some((next, text)) => {
                        let mut watch = Watch::new(console, screen);
                        let played = next.record(&mut |time| watch.goes_on(time));
                        let broken_off = watch.end().map_err(broken)?;
                        match played? {
                            Some(recording) => {
                                return Ok(Leave::TakenBack { scenario: Box::new(next), recording: Box::new(recording), text });
                            }
                            None => screen.refuse(broken_off),
                        }
                    }
                    None => screen.say("nothing was typed that could be taken back"),
                },
            }
            input = console.next(Duration::ZERO).map_err(broken)?;
        }
        let now = Instant::now();
        is_stale |= screen.tick(now - last);
        last = now;
    }
}

/// The terminal while something long is played: it says how far that is, and whether it is to be broken off.
struct Watch<'w, 's, 'v> {
    console: &'w mut Console,
    screen: &'s mut Screen<'v>,
    /// When the screen said so last.
    last: Instant,
    at: Time,
    failed: Option<std::io::Error>,
}

impl<'w, 's, 'v> Watch<'w, 's, 'v> {
    fn new(console: &'w mut Console, screen: &'s mut Screen<'v>) -> Self {
        Self { console, screen, last: Instant::now(), at: Time::ZERO, failed: None }
    }

    fn goes_on(&mut self, at: Time) -> bool {
        self.at = at;
        if self.last.elapsed() > SAID_EVERY {
            self.last = Instant::now();
            self.screen.say(format!("playing, at {at}: Ctrl-C breaks it off"));
            if let Err(error) = self.console.draw(self.screen) {
                self.failed = Some(error);
            }
        }
        match self.console.is_broken_off() {
            Ok(is_broken_off) => !is_broken_off && self.failed.is_none(),
            Err(error) => {
                self.failed = Some(error);
                false
            }
        }
    }

    /// What to say where it was broken off. Errors: those of the terminal.
    fn end(self) -> std::io::Result<String> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(format!("broken off at {}: everything is as it was before", self.at)),
        }
    }
}

/// A failure in the words that a command would print.
fn said(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}\nhint: {hint}", failure.message),
        None => failure.message.clone(),
    }
}

