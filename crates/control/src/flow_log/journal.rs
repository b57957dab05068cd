//! The records of a lab as its commands read them: a file a flow log, the newest records last, no more than two parts of
//! [`PART`] bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use model::flow_log::{FlowLog, LogFormat};
use model::{FlowLogId, NetworkInterfaceId};
use serde::{Deserialize, Serialize};

/// Bytes after which a new part begins; the one before the last goes.
const PART: u64 = 4 << 20;

/// A record: whose, and its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The interface, which the line need not name.
    pub interface: NetworkInterfaceId,
    /// The line.
    pub line: String,
}

/// A flow log that has records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The flow log; it may be deleted by now.
    pub log: FlowLogId,
    /// What its records say.
    pub format: LogFormat,
    /// What it watched.
    pub resource: String,
    path: PathBuf,
}

fn place(folder: &Path) -> PathBuf {
    folder.join("records")
}

/// Adds records.
pub fn append(folder: &Path, log: &FlowLog, entries: &[Entry]) -> std::io::Result<()> {
    let place = place(folder);
    std::fs::create_dir_all(&place)?;
    let path = place.join(format!("{}.log", log.id));
    if std::fs::metadata(&path).is_ok_and(|found| found.len() > PART) {
        std::fs::rename(&path, place.join(format!("{}.old.log", log.id)))?;
    }
    let mut text = String::new();
    let mut file = File::options().create(true).append(true).open(&path)?;
    if file.metadata()?.len() == 0 {
        text.push_str(&format!("# {} {} {}\n", log.id, log.resource.id(), log.format));
    }
    for entry in entries {
        text.push_str(&format!("{}\t{}\n", entry.interface, entry.line));
    }
    // One write: whoever reads meanwhile sees whole records or none.
    file.write_all(text.as_bytes())
}

/// The flow logs that have records, by id.
pub fn journals(folder: &Path) -> Vec<Journal> {
    let found = std::fs::read_dir(place(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_newest = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".log") && !name.ends_with(".old.log")
    };
    let mut journals: Vec<Journal> = found.filter(is_newest).filter_map(|path| head(&path)).collect();
    journals.sort_by(|a, b| a.log.cmp(&b.log));
    journals
}

fn head(path: &Path) -> Option<Journal> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?).read_line(&mut line).ok()?;
    let mut words = line.trim_end().strip_prefix("# ")?.splitn(3, ' ');
    let (log, resource) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    Some(Journal { log, resource, format: words.next()?.parse().ok()?, path: path.to_owned() })
}

/// Reads the records of a flow log, oldest first, and those that come later.
pub struct Tail {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// What was read of a line that was not whole.
    begun: String,
}

impl Tail {
    /// From the oldest record on.
    pub fn of(journal: &Journal) -> Tail {
        let old = File::open(journal.path.with_extension("old.log")).ok();
        Tail { path: journal.path.clone(), file: old.map(BufReader::new), begun: String::new() }
    }

    /// What came since it was asked before.
    pub fn read(&mut self) -> std::io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            let Some(file) = &mut self.file else {
                match File::open(&self.path) {
                    Ok(file) => self.file = Some(BufReader::new(file)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(entries),
                    Err(error) => return Err(error),
                }
                continue;
            };
            while file.read_line(&mut self.begun)? > 0 && self.begun.ends_with('\n') {
                entries.extend(entry(self.begun.trim_end()));
                self.begun.clear();
            }
            // Another file has taken this one's place: a new part began.
            if same_file(file.get_ref(), &self.path)? {
                return Ok(entries);
            }
            self.begun.clear();
            self.file = None;
        }
    }
}

fn same_file(open: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = open.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        // Between two parts: what comes next is not there yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (id, line) = line.split_once('\t')?;
    Some(Entry { interface: id.parse().ok()?, line: line.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]
mod tests {
    use model::flow_log::{AggregationInterval, FlowLogResource, LogDestination, TrafficType};
    use model::{FlowLogId, Timestamp};

    use super::*;

    fn log() -> FlowLog {
        FlowLog {
            id: "fl-1".parse::<FlowLogId>().unwrap(),
            resource: FlowLogResource::Vpc("vpc-1".parse().unwrap()),
            traffic_type: TrafficType::All,
            interval: AggregationInterval::OneMinute,
            format: "${action} ${srcaddr}".parse().unwrap(),
            destination: LogDestination::CloudWatchLogs { log_group: "g".to_owned() },
            deliver_logs_permission_arn: None,
            creation_time: Timestamp(0),
            tags: Default::default(),
            origin: Default::default(),
        }
    }

    fn entries(lines: &[&str]) -> Vec<Entry> {
        lines.iter().map(|line| Entry { interface: "eni-1".parse().unwrap(), line: (*line).to_owned() }).collect()
    }

    #[test]
    fn what_is_written_is_read_with_its_format_and_what_comes_later_too() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), &log(), &entries(&["ACCEPT 10.0.0.1", "REJECT 10.0.0.2"])).unwrap();
        let [journal] = &journals(folder.path())[..] else { panic!("one journal") };
        assert_eq!((journal.resource.as_str(), journal.format.to_string().as_str()), ("vpc-1", "${action} ${srcaddr}"));
        let mut tail = Tail::of(journal);
        assert_eq!(tail.read().unwrap(), entries(&["ACCEPT 10.0.0.1", "REJECT 10.0.0.2"]));
        assert_eq!(tail.read().unwrap(), []);
        append(folder.path(), &log(), &entries(&["ACCEPT 10.0.0.3"])).unwrap();
        assert_eq!(tail.read().unwrap(), entries(&["ACCEPT 10.0.0.3"]));
    }

    #[test]
    fn a_journal_is_bounded_and_whoever_follows_it_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(64 << 10);
        append(folder.path(), &log(), &entries(&["first"])).unwrap();
        let mut tail = Tail::of(&journals(folder.path())[0]);
        let mut seen = tail.read().unwrap().len();
        for _ in 0..200 {
            append(folder.path(), &log(), &entries(&[&long])).unwrap();
            seen += tail.read().unwrap().len();
        }
        assert_eq!(seen, 201);
        let files = std::fs::read_dir(folder.path().join("records")).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes < 2 * PART + (1 << 20), "{bytes} bytes");
        assert!(!Tail::of(&journals(folder.path())[0]).read().unwrap().is_empty());
    }
}
