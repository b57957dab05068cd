//! Windows of flow logs: what was seen is counted in the window that it falls into, and a window that is over becomes
//! records (FL-3, FL-5).

use std::collections::{BTreeMap, BTreeSet};

use model::flow_log::{FlowLog, LogField, TrafficType};
use model::{FlowLogId, Model, NetworkInterfaceId, Timestamp};
use serde::{Deserialize, Serialize};

use super::place::{AwsServices, traffic_path};
use super::{Action, Flow, FlowKey, Harvest, Place, Record, Sighting, Status};
use crate::fabric::Fabric;
use crate::index::InterfaceIndex;
use crate::reason::Direction;

/// Flows of one window of one log; what is beyond is skipped, and said to be (SKIPDATA).
const MOST_FLOWS: usize = 20_000;
/// Windows that are made up for when nobody looked for long.
const MOST_WINDOWS: u64 = 10;

/// Counts for all flow logs of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logger {
    logs: BTreeMap<FlowLogId, Log>,
}

/// Records of one window of one flow log, interfaces by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The flow log.
    pub log: FlowLogId,
    /// When the window began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What it holds.
    pub records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Log {
    /// When the oldest open window began.
    open_since: Timestamp,
    /// Windows that began earlier were not watched to their ends.
    blind_until: Timestamp,
    windows: BTreeMap<Timestamp, Window>,
}

/// Since when: interfaces with what was seen there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    interfaces: BTreeMap<NetworkInterfaceId, Seen>,
    flows: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    place: Place,
    lost: bool,
    /// As what is recorded, or not, is more than nothing.
    any: bool,
    flows: BTreeMap<FlowKey, Tally>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    packets: u64,
    bytes: u64,
    tcp_flags: u8,
    first: Timestamp,
    last: Timestamp,
    source_service: Option<String>,
    destination_service: Option<String>,
    traffic_path: Option<u8>,
}

/// When the window around a moment began: windows follow each other in step with the log's creation. The clock that creations
/// are told by may be ahead of the one that packets are, so a moment before it has a window too.
fn window_of(log: &FlowLog, moment: Timestamp) -> Timestamp {
    let length = u64::from(log.interval.seconds());
    let into = (moment.0 % length + length - log.creation_time.0 % length) % length;
    Timestamp(moment.0.saturating_sub(into))
}

impl Logger {
    /// Counts what was seen after `from` and until `to`. It falls into the window of `from`, to whose end it is counted; where
    /// nobody looked for longer than a window, into that of `to`, and of the windows before nothing is known.
    pub fn absorb(&mut self, model: &Model, fabric: &Fabric, harvest: &Harvest, from: Timestamp, to: Timestamp) {
        self.logs.retain(|id, _| model.flow_logs.contains_key(id));
        let services = AwsServices::of(model);
        for log in model.flow_logs.values() {
            let to = to.max(from);
            let was_away = to.0 - from.0 > u64::from(log.interval.seconds());
            let start = window_of(log, if was_away { to } else { from });
            let state = self.logs.entry(log.id.clone()).or_insert_with(|| Log::since(window_of(log, from)));
            if was_away {
                state.blind_until = state.blind_until.max(start);
            }
            let end = start.plus(log.interval.seconds().into());
            let moments = (from.max(start).min(end), to.max(start).min(end));
            let watched = |id: &NetworkInterfaceId| {
                let index = fabric.interface_by_id(id)?;
                covers(log, fabric, index).then_some(index)
            };
            for sighting in &harvest.sightings {
                let Some(index) = watched(&sighting.interface) else { continue };
                let window = state.windows.entry(start).or_default();
                window.count(log, (model, fabric, index), &services, sighting, moments);
            }
            for id in &harvest.lost {
                let Some(index) = watched(id) else { continue };
                let seen = state.windows.entry(start).or_default().at(id, || Place::of(model, fabric, index));
                (seen.lost, seen.any) = (true, true);
            }
        }
    }

    /// Records of all windows that are over, oldest first within a log. Where nobody asked for long, windows in which nothing
    /// was seen are made up for a few only.
    pub fn close(&mut self, model: &Model, fabric: &Fabric, now: Timestamp) -> Vec<Batch> {
        let mut batches = Vec::new();
        self.logs.retain(|id, _| model.flow_logs.contains_key(id));
        for log in model.flow_logs.values() {
            let length = u64::from(log.interval.seconds());
            let state = self.logs.entry(log.id.clone()).or_insert_with(|| Log::since(log.creation_time));
            let is_over = |start: &Timestamp| start.plus(length) <= now;
            let mut over: BTreeSet<Timestamp> = state.windows.keys().copied().filter(is_over).collect();
            let oldest = window_of(log, Timestamp(now.0.saturating_sub(MOST_WINDOWS * length)));
            state.open_since = state.open_since.max(oldest);
            while is_over(&state.open_since) {
                over.insert(state.open_since);
                state.open_since = state.open_since.plus(length);
            }
            for start in over {
                let window = state.windows.remove(&start).unwrap_or_default();
                let end = start.plus(length);
                let records = window.records(log, (model, fabric), (start, end), start < state.blind_until);
                batches.push(Batch { log: log.id.clone(), start, end, records });
            }
        }
        batches
    }

    /// What windows that are not over hold at this moment. They go on.
    pub fn open(&self, model: &Model, fabric: &Fabric, now: Timestamp) -> Vec<Batch> {
        let logs = model.flow_logs.values().filter_map(|log| Some((log, self.logs.get(&log.id)?)));
        let batch = |log: &FlowLog, start: Timestamp, window: &Window| {
            let has_flow = |record: &Record| matches!(record.status, Status::Ok(_));
            let mut records = window.clone().records(log, (model, fabric), (start, now), false);
            records.retain(has_flow);
            Batch { log: log.id.clone(), start, end: now, records }
        };
        logs.flat_map(|(log, state)| state.windows.iter().map(move |(start, window)| batch(log, *start, window))).collect()
    }

    /// Goes on at a moment before which there was nothing to be seen, as the lab was down.
    pub fn resume(&mut self, model: &Model, now: Timestamp) {
        for log in model.flow_logs.values() {
            let since = window_of(log, now);
            let state = self.logs.entry(log.id.clone()).or_insert_with(|| Log::since(since));
            state.open_since = state.open_since.max(since);
        }
    }
}

impl Log {
    fn since(moment: Timestamp) -> Self {
        Self { open_since: moment, blind_until: moment, windows: BTreeMap::new() }
    }
}

fn covers(log: &FlowLog, fabric: &Fabric, index: InterfaceIndex) -> bool {
    let interface = &fabric.interfaces[index];
    log.resource.covers(&interface.id, &fabric.subnets[interface.subnet].id, &fabric.vpcs[interface.vpc].id)
}

impl Window {
    fn at(&mut self, id: &NetworkInterfaceId, place: impl FnOnce() -> Place) -> &mut Seen {
        let new = || Seen { place: place(), lost: false, any: false, flows: BTreeMap::new() };
        self.interfaces.entry(id.clone()).or_insert_with(new)
    }

    fn count(
        &mut self,
        log: &FlowLog,
        (model, fabric, index): (&Model, &Fabric, InterfaceIndex),
        services: &AwsServices,
        sighting: &Sighting,
        (first, last): (Timestamp, Timestamp),
    ) {
        let is_full = self.flows >= MOST_FLOWS;
        let key = &sighting.flow;
        let seen = self.at(&sighting.interface, || Place::of(model, fabric, index));
        seen.any = true;
        let wanted = match log.traffic_type {
            TrafficType::All => true,
            TrafficType::Accept => key.action == Action::Accept,
            TrafficType::Reject => key.action == Action::Reject,
        };
        if !wanted {
            return;
        }
        if let Some(tally) = seen.flows.get_mut(key) {
            tally.packets = tally.packets.saturating_add(sighting.packets);
            tally.bytes = tally.bytes.saturating_add(sighting.bytes);
            tally.tcp_flags |= sighting.tcp_flags;
            (tally.first, tally.last) = (tally.first.min(first), tally.last.max(last));
            return;
        }
        if is_full {
            seen.lost = true;
            return;
        }
        let asks_for = |field: LogField| log.format.fields().contains(&field);
        let leaves = key.direction == Direction::Egress && asks_for(LogField::TrafficPath);
        let tally = Tally {
            packets: sighting.packets,
            bytes: sighting.bytes,
            tcp_flags: sighting.tcp_flags,
            first,
            last,
            source_service: services.at(key.source).map(str::to_owned),
            destination_service: services.at(key.destination).map(str::to_owned),
            traffic_path: if leaves { traffic_path(model, fabric, index, key.destination) } else { None },
        };
        seen.flows.insert(key.clone(), tally);
        self.flows += 1;
    }

    /// Every interface that is watched has at least one record.
    fn records(
        mut self,
        log: &FlowLog,
        (model, fabric): (&Model, &Fabric),
        (start, end): (Timestamp, Timestamp),
        is_blind: bool,
    ) -> Vec<Record> {
        for (index, interface) in fabric.interfaces.iter().filter(|(index, _)| covers(log, fabric, *index)) {
            self.at(&interface.id, || Place::of(model, fabric, index));
        }
        let mut records = Vec::new();
        for (interface, seen) in self.interfaces {
            let record = |start, end, status| Record { interface: interface.clone(), place: seen.place.clone(), start, end, status };
            for (key, tally) in seen.flows {
                let Tally { packets, bytes, tcp_flags, source_service, destination_service, traffic_path, .. } = tally;
                let flow = Flow { key, packets, bytes, tcp_flags, source_service, destination_service, traffic_path };
                records.push(record(tally.first, tally.last, Status::Ok(flow)));
            }
            if seen.lost || is_blind {
                records.push(record(start, end, Status::SkipData));
            } else if !seen.any {
                records.push(record(start, end, Status::NoData));
            }
        }
        records
    }
}

/// The interfaces that some flow log watches.
pub(crate) fn watched(model: &Model, fabric: &Fabric) -> BTreeSet<InterfaceIndex> {
    let is_watched = |index: &InterfaceIndex| model.flow_logs.values().any(|log| covers(log, fabric, *index));
    fabric.interfaces.iter().map(|(index, _)| index).filter(is_watched).collect()
}
