//! Flow logs of a lab that is up: what the engine counted is taken from time to time, and records of windows that are over
//! go to disk. What the lab held when this process ended the next one goes on with.

mod files;
mod journal;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::flow_log::{Batch, Harvest, Logger};
use model::{FlowLogId, Model, Timestamp};
use serde::{Deserialize, Serialize};

pub use journal::{Entry, Journal, Tail, journals};

/// How often the engine is asked, while some flow log is there.
pub const PERIOD: Duration = Duration::from_secs(5);
/// How old what is kept of open windows may be when nothing was seen: a process that is killed leaves no more than that unknown.
const OLDEST_STATE: u64 = 30;

/// What is kept between processes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    logger: Logger,
    /// Until when everything was counted.
    until: Option<Timestamp>,
}

/// The windows of a lab's flow logs, and the folder that its records go to.
pub struct Recorder {
    folder: PathBuf,
    state: State,
    kept: Option<Timestamp>,
    looked: Option<Instant>,
}

/// Lines of a window that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// The flow log.
    pub log: FlowLogId,
    /// Interfaces and lines.
    pub entries: Vec<Entry>,
}

impl Recorder {
    /// The recorder of a lab: with what an earlier process kept, if it can be read.
    pub fn open(folder: PathBuf) -> Recorder {
        let kept = std::fs::read(folder.join("state")).ok();
        let state: State = kept.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
        Recorder { folder, state, kept: None, looked: None }
    }

    /// Whether it is time to ask the engine.
    pub fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= PERIOD)
    }

    /// The lab comes up: what was before is over.
    pub fn resume(&mut self, model: &Model, now: Timestamp) {
        self.state.logger.resume(model, now);
        self.state.until = Some(now);
    }

    /// Counts what the engine saw until now, and writes the records of windows that are over.
    pub fn take(&mut self, model: &Model, fabric: &Fabric, harvest: &Harvest, now: Timestamp) -> std::io::Result<()> {
        self.looked = Some(Instant::now());
        // A clock that was set back counts on from where it was.
        let from = self.state.until.unwrap_or(now).min(now);
        self.state.logger.absorb(model, fabric, harvest, from, now);
        self.state.until = Some(now);
        let batches = self.state.logger.close(model, fabric, now);
        let written = batches.iter().try_for_each(|batch| write(&self.folder, model, batch));
        let is_news = !harvest.sightings.is_empty() || !harvest.lost.is_empty() || !batches.is_empty();
        let is_old = self.kept.is_none_or(|kept| now.0.saturating_sub(kept.0) >= OLDEST_STATE);
        if is_news || is_old {
            self.keep(now)?;
        }
        written
    }

    fn keep(&mut self, now: Timestamp) -> std::io::Result<()> {
        let bytes = postcard::to_stdvec(&self.state).map_err(std::io::Error::other)?;
        std::fs::create_dir_all(&self.folder)?;
        let new = self.folder.join("state.new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(new, self.folder.join("state"))?;
        self.kept = Some(now);
        Ok(())
    }

    /// What windows that are not over hold.
    pub fn open_windows(&self, model: &Model, fabric: &Fabric, now: Timestamp) -> Vec<OpenWindow> {
        let batches = self.state.logger.open(model, fabric, now);
        let lines = |batch: &Batch| {
            let format = &model.flow_logs.get(&batch.log)?.format;
            let entry = |record: &fabric::flow_log::Record| Entry { interface: record.interface.clone(), line: record.line(format) };
            Some(OpenWindow { log: batch.log.clone(), entries: batch.records.iter().map(entry).collect() })
        };
        batches.iter().filter_map(lines).collect()
    }
}

/// Writes what a window held, where people read it and where its destination stands.
fn write(folder: &Path, model: &Model, batch: &Batch) -> std::io::Result<()> {
    let Some(log) = model.flow_logs.get(&batch.log) else { return Ok(()) };
    if batch.records.is_empty() {
        return Ok(());
    }
    let entry = |record: &fabric::flow_log::Record| Entry { interface: record.interface.clone(), line: record.line(&log.format) };
    let entries: Vec<Entry> = batch.records.iter().map(entry).collect();
    journal::append(folder, log, &entries)?;
    files::deliver(folder, model, log, batch.end, &entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]
mod tests {
    use fabric::Direction;
    use fabric::flow_log::{Action, FlowKey, Sighting};
    use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, LogFormat, TrafficType};
    use model::operation::{CreateFlowLog, CreateNetworkInterface, CreateSubnet, CreateVpc};
    use model::operation::{create_flow_log, create_network_interface, create_subnet, create_vpc};
    use model::{Context, NetworkInterfaceId, Region};

    use super::*;

    const MADE: u64 = 1_795_597_700;

    fn cloud() -> (Model, NetworkInterfaceId) {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(MADE)));
        let m = &mut model;
        let vpc = create_vpc(m, CreateVpc { cidr_block: "10.0.0.0/16".parse().unwrap(), ..CreateVpc::default() }).unwrap();
        let subnet = create_subnet(m, CreateSubnet::new(vpc.clone(), "10.0.1.0/24".parse().unwrap())).unwrap();
        let interface = create_network_interface(m, CreateNetworkInterface::in_subnet(subnet)).unwrap();
        let request = CreateFlowLog {
            resource: FlowLogResource::Vpc(vpc),
            traffic_type: TrafficType::All,
            interval: AggregationInterval::OneMinute,
            format: LogFormat::default(),
            destination: LogDestination::CloudWatchLogs { log_group: "flows".to_owned() },
            deliver_logs_permission_arn: None,
            tags: Default::default(),
            origin: Default::default(),
        };
        create_flow_log(m, request).unwrap();
        (model, interface)
    }

    fn seen(interface: &NetworkInterfaceId, packets: u64) -> Harvest {
        let flow = FlowKey {
            direction: Direction::Ingress,
            action: Action::Reject,
            source: [192, 0, 2, 77].into(),
            destination: [10, 0, 1, 4].into(),
            protocol: 6,
            source_port: 40_000,
            destination_port: 22,
        };
        let sighting = Sighting { interface: interface.clone(), flow, packets, bytes: packets * 60, tcp_flags: 2 };
        Harvest { sightings: vec![sighting], ..Harvest::default() }
    }

    fn lines(folder: &Path) -> Vec<String> {
        let all = journals(folder);
        all.iter().flat_map(|journal| Tail::of(journal).read().unwrap()).map(|entry| entry.line).collect()
    }

    #[test]
    fn another_process_goes_on_with_the_window_that_one_left() {
        let folder = tempfile::tempdir().unwrap();
        let (model, interface) = cloud();
        let fabric = Fabric::compile(&model);
        let mut first = Recorder::open(folder.path().to_owned());
        first.take(&model, &fabric, &seen(&interface, 3), Timestamp(MADE + 10)).unwrap();
        // It is killed; nothing of it is left but its files.
        drop(first);
        let mut second = Recorder::open(folder.path().to_owned());
        second.take(&model, &fabric, &seen(&interface, 4), Timestamp(MADE + 30)).unwrap();
        assert_eq!(lines(folder.path()), Vec::<String>::new());
        let open = second.open_windows(&model, &fabric, Timestamp(MADE + 31));
        assert_eq!(open[0].entries.len(), 1, "{open:?}");
        second.take(&model, &fabric, &Harvest::default(), Timestamp(MADE + 61)).unwrap();
        let [line] = &lines(folder.path())[..] else { panic!("one record") };
        let primary = model.network_interfaces[&interface].primary_address();
        let expected = format!("2 111122223333 {interface} 192.0.2.77 {primary} 40000 22 6 7 420 {} {} REJECT OK", MADE + 10, MADE + 30);
        assert_eq!(*line, expected);
        let stream = folder.path().join("cloud-watch-logs/flows").join(format!("{interface}-all.log"));
        assert_eq!(std::fs::read_to_string(stream).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn what_is_kept_and_cannot_be_read_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("state"), b"\xff\xff\xff not a state").unwrap();
        let (model, interface) = cloud();
        let fabric = Fabric::compile(&model);
        let mut recorder = Recorder::open(folder.path().to_owned());
        recorder.take(&model, &fabric, &seen(&interface, 1), Timestamp(MADE + 10)).unwrap();
        recorder.take(&model, &fabric, &Harvest::default(), Timestamp(MADE + 60)).unwrap();
        assert_eq!(lines(folder.path()).len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_no_packet() {
        let folder = tempfile::tempdir().unwrap();
        let (model, interface) = cloud();
        let fabric = Fabric::compile(&model);
        let mut recorder = Recorder::open(folder.path().to_owned());
        for at in [50, 20, 70] {
            recorder.take(&model, &fabric, &seen(&interface, 1), Timestamp(MADE + at)).unwrap();
        }
        recorder.take(&model, &fabric, &Harvest::default(), Timestamp(MADE + 180)).unwrap();
        let packets = |line: &String| line.split(' ').nth(8).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        assert_eq!(lines(folder.path()).iter().map(packets).sum::<u64>(), 3);
    }
}
