//! The readable list of events: when, where, at which layer, what, why.

use serde::Serialize;

use super::fold::{self, Row};
use super::summary::{line, packet};
use super::unit::units;
use super::why::{Decided, decided, sentence};
use super::{Filter, View};
use crate::frame::FrameId;
use crate::trace::{Layer, Reason, Verb};

/// Version of the JSON form; its keys stay.
pub const SCHEMA: &str = "vpclab-sim-events/1";

/// What stands for what the line above says.
const DITTO: &str = "\"";

/// Places that a line names before it counts the rest.
const MOST_PLACES: usize = 4;

/// A list of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The trace has a bound, and more happened than it holds.
    pub cut: bool,
    /// The events.
    pub events: Vec<Line>,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it began.
    pub time_nanoseconds: u64,
    /// Where it happened.
    pub node: String,
    /// At which port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The node and the port, if that says more, as they are shown.
    #[serde(skip)]
    pub place: String,
    /// Where the frame went, if one was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Arrival>,
    /// 1 to 7.
    pub layer: u8,
    /// What happened.
    pub verb: Verb,
    /// Why, in a word.
    pub reason: Reason,
    /// What the frame is; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Why, as a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The stage of a VPC that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// Stages of a VPC that let it pass before that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<Decided>,
    /// A number that belongs to the reason.
    #[serde(skip_serializing_if = "is_zero")]
    pub value: u32,
    /// The frame's number in the trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
    /// The frame that it was made of or answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Bytes of the frame without preamble, padding and check sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// What is in it, from the wire up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<&'static str>,
}

/// Where a frame arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// The receiver.
    pub node: String,
    /// Its port.
    pub port: String,
    /// Node and port as they are shown.
    #[serde(skip)]
    pub place: String,
    /// When its last bit came; nothing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_nanoseconds: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// The rows of a trace that a filter wants: each doing as one ([`fold::folded`]), or with `all` every event.
pub fn rows(view: &View<'_>, filter: &Filter, all: bool) -> Vec<Row> {
    let mut rows = if all { fold::each(view) } else { fold::folded(view) };
    if !filter.is_all() {
        rows.retain(|row| row.events().any(|event| filter.matches(view, &view.events().at(event))));
    }
    rows
}

impl List {
    /// What happened, as far as the filter wants it.
    pub fn new(view: &View<'_>, filter: &Filter, all: bool) -> Self {
        let events = rows(view, filter, all).iter().map(|row| Line::new(view, row)).collect();
        Self { schema: SCHEMA, cut: view.sim().trace().is_cut(), events }
    }

    /// As text, one line for each, under headings. What a line says of the same frame as the line above is not said again.
    pub fn text(&self) -> String {
        let mut cells = vec![["TIME", "WHERE", "LAYER", "VERB", "WHAT", "WHY"].map(str::to_owned)];
        let mut above: Option<&Line> = None;
        for line in &self.events {
            let is_same = line.frame.is_some() && above.is_some_and(|above| above.what == line.what);
            let what = if is_same { DITTO.to_owned() } else { line.what.clone() };
            above = Some(line);
            let time = crate::Time(line.time_nanoseconds).to_string();
            let verb = line.verb.word().to_owned();
            cells.push([time, line.place(), line.layer.to_string(), verb, what, line.why.clone()]);
        }
        let mut text = super::columns::aligned(&cells, &[0]);
        if self.cut {
            text += "the trace is full: what came later is not recorded\n";
        }
        text
    }
}

impl Line {
    /// A row of [`rows`] with everything that is said about it.
    pub fn new(view: &View<'_>, row: &Row) -> Self {
        let (events, sim) = (view.events(), view.sim());
        let event = events.at(row.event);
        let sent = row.sends.first().map(|send| events.at(*send));
        let frame = sent.map_or(event.frame, |sent| sent.frame);
        let port = match row.sends.as_slice() {
            [] => event.port,
            [one] => events.at(*one).port,
            _ => crate::TraceEvent::NO_PORT,
        };
        let (mut what, mut protocols, mut length) = (String::new(), Vec::new(), None);
        if frame != FrameId::NONE {
            let (bytes, framing) = (view.bytes(frame), view.framing(frame));
            let (units, mut packet) = (units(bytes, framing), packet(bytes, framing));
            view.starts().apply(&mut packet, row.event);
            what = line(bytes, &packet, framing, &units);
            protocols = units.iter().filter(|unit| unit.protocol != "data").map(|unit| unit.protocol).collect();
            length = Some(bytes.len());
        }
        let decided = decided(view, &event);
        let passed: Vec<Decided> = row.passes.iter().filter_map(|event| super::why::decided(view, &events.at(*event))).collect();
        let port_name = Some(sim.port_name(event.node, port)).filter(|name| !name.is_empty()).map(str::to_owned);
        Self {
            time_nanoseconds: sent.map_or(event.time, |sent| sent.time).0,
            node: sim.name(event.node).to_owned(),
            port: port_name,
            place: view.place(event.node, port),
            to: arrivals(view, row),
            layer: event.reason.layer().number(),
            verb: event.verb,
            reason: event.reason,
            what,
            why: match passed.is_empty() {
                true => sentence(view, &event),
                false => passes(&passed, decided.as_ref()),
            },
            decided,
            passed,
            value: event.value,
            frame: (frame != FrameId::NONE).then_some(frame.0),
            parent: view.parent(frame).map(|frame| frame.0),
            length,
            protocols,
        }
    }

    /// `pc-1 → sw-1:eth0`.
    pub fn place(&self) -> String {
        let mut places: Vec<String> = self.to.iter().map(|to| to.place.clone()).collect();
        if places.is_empty() {
            return self.place.clone();
        }
        if places.len() > MOST_PLACES {
            let rest = places.len() + 1 - MOST_PLACES;
            places.truncate(MOST_PLACES - 1);
            places.push(format!("{rest} more"));
        }
        format!("{} → {}", self.place, places.join(", "))
    }

    /// The layer it belongs to.
    pub fn layer(&self) -> Layer {
        self.reason.layer()
    }
}

/// The places whose stages a frame passed, in order; each once.
fn passes(before: &[Decided], last: Option<&Decided>) -> String {
    let mut places: Vec<String> = Vec::new();
    for decided in before.iter().chain(last) {
        let place = decided.at.clone().unwrap_or_else(|| super::why::serde_word(decided.stage));
        // What the fabric as such finds is no place to look for.
        if place != "fabric" && !places.contains(&place) {
            places.push(place);
        }
    }
    format!("passes {}", places.join(", "))
}

/// Where a row's frames arrived, or would have.
fn arrivals(view: &View<'_>, row: &Row) -> Vec<Arrival> {
    let (events, sim) = (view.events(), view.sim());
    let arrival = |node, port, time: Option<crate::Time>| Arrival {
        node: sim.name(node).to_owned(),
        port: sim.port_name(node, port).to_owned(),
        place: view.place(node, port),
        time_nanoseconds: time.map(|time| time.0),
    };
    let mut arrivals = Vec::new();
    for receive in &row.receives {
        let event = events.at(*receive);
        arrivals.push(((event.node, event.port), arrival(event.node, event.port, Some(event.time))));
    }
    for send in &row.sends {
        let event = events.at(*send);
        if let Some((node, port)) = view.other_end(event.node, event.port)
            && !arrivals.iter().any(|(end, _)| *end == (node, port))
        {
            arrivals.push(((node, port), arrival(node, port, None)));
        }
    }
    arrivals.sort_by_key(|(end, _)| *end);
    arrivals.into_iter().map(|(_, arrival)| arrival).collect()
}
