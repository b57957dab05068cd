//! What happened to containers, volumes, networks and images of a lab: one line of JSON an event, appended by whoever did it,
//! followed by whoever wants to know. Bounded: of two parts the older one goes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::lab::Engine;
use super::private;
use super::record::Record;
use super::time::Moment;

pub(super) const FILE: &str = "events.json";
const OLDER: &str = "events.json.1";
/// Bytes of one part.
const LARGEST: u64 = 1 << 20;
/// A line that is longer is none.
const LONGEST: u64 = 64 << 10;
/// Bytes of a value, of a command for instance.
const LONGEST_VALUE: usize = 4 << 10;

/// What something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// The stored steps of a build.
    Builder,
}

impl Kind {
    /// Docker's word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Volume => "volume",
            Kind::Network => "network",
            Kind::Builder => "builder",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Moment,
    /// What it happened to.
    pub kind: Kind,
    /// What happened, in Docker's word: `start`, `die`, `health_status: healthy`.
    pub action: String,
    /// Whom: an id, or the name of a volume or an image.
    pub id: String,
    /// The holder's key of its instance; none: the whole lab's.
    #[serde(default)]
    pub instance: Option<String>,
    /// What else is known: `name`, `image`, labels, `exitCode`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// Of the present moment.
    pub fn new(kind: Kind, action: impl Into<String>, id: impl Into<String>) -> Event {
        Event {
            time: Moment::now(),
            kind,
            action: action.into(),
            id: id.into(),
            instance: None,
            attributes: BTreeMap::new(),
        }
    }

    /// With one more thing that is known.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Event {
        let mut value = value.into();
        if value.len() > LONGEST_VALUE {
            let end = (0..=LONGEST_VALUE)
                .rev()
                .find(|at| value.is_char_boundary(*at));
            value.truncate(end.unwrap_or(0));
        }
        self.attributes.insert(name.to_owned(), value);
        self
    }

    /// In an instance.
    pub fn in_instance(mut self, key: &str) -> Event {
        self.instance = Some(key.to_owned());
        self
    }

    /// Of a container, with its image, name and labels.
    pub fn of(record: &Record, action: impl Into<String>) -> Event {
        let labels = record.settings.labels.iter();
        let event = labels.fold(
            Event::new(Kind::Container, action, record.id.as_str()).in_instance(&record.instance),
            |event, (name, value)| event.with(name, value.as_str()),
        );
        event
            .with("image", record.image.name.as_str())
            .with("name", record.name.as_str())
    }

    /// The action without what Docker writes behind its colon.
    pub fn verb(&self) -> &str {
        self.action
            .split_once(':')
            .map_or(self.action.as_str(), |(verb, _)| verb)
    }
}

/// The events of a lab, on disk.
#[derive(Debug, Clone)]
pub struct Events {
    folder: PathBuf,
}

impl Events {
    /// Below a lab's folder of containers.
    pub fn new(folder: &Path) -> Events {
        Events {
            folder: folder.to_owned(),
        }
    }

    /// The folder in which a change shows that something happened: for inotify. Made as needed.
    pub fn folder(&self) -> Result<&Path> {
        private::make(&self.folder).map_err(Error::io(format!("making {}", self.folder.display())))?;
        Ok(&self.folder)
    }

    /// Adds one. What cannot be written is lost: no change to a container fails for that.
    pub fn say(&self, event: &Event) {
        let _ = self.append(event);
    }

    fn append(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        if line.len() as u64 > LONGEST {
            return Ok(());
        }
        let path = self.folder.join(FILE);
        // Whoever waits for the lock may find that the file is the older part by now.
        for _ in 0..8 {
            let open = || {
                File::options()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(&path)
            };
            let mut file = match open() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    private::make(&self.folder)?;
                    open()?
                }
                other => other?,
            };
            rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
            let found = file.metadata()?;
            if fs::metadata(&path).map(|now| now.ino()).ok() != Some(found.ino()) {
                continue;
            }
            if found.len() >= LARGEST {
                fs::rename(&path, self.folder.join(OLDER))?;
                continue;
            }
            return file.write_all(&line);
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Everything that is there and still comes.
    pub fn follow(&self) -> Follower {
        Follower {
            events: self.clone(),
            pending: Vec::new(),
            open: None,
            half: Vec::new(),
            begun: false,
        }
    }

    /// Only what comes from now on.
    pub fn follow_new(&self) -> Follower {
        let mut follower = self.follow();
        follower.begun = true;
        if let Ok(mut file) = File::open(self.folder.join(FILE)) {
            let _ = io::Seek::seek(&mut file, io::SeekFrom::End(0));
            follower.open = Some(BufReader::new(file));
        }
        follower
    }
}

/// Reads events in their order.
#[derive(Debug)]
pub struct Follower {
    events: Events,
    pending: Vec<BufReader<File>>,
    open: Option<BufReader<File>>,
    half: Vec<u8>,
    begun: bool,
}

impl Follower {
    /// Events that came since the last call; at the first one, all that are kept.
    pub fn read(&mut self) -> Vec<Event> {
        let open = |name: &str| {
            File::open(self.events.folder.join(name))
                .map(BufReader::new)
                .ok()
        };
        let inode =
            |reader: &BufReader<File>| reader.get_ref().metadata().map_or(0, |found| found.ino());
        if !self.begun {
            self.begun = true;
            // The newer one first: what is renamed meanwhile is not read twice.
            let newer = open(FILE);
            self.pending = open(OLDER).into_iter().collect();
            if let Some(newer) = newer {
                if self.pending.first().map(&inode) == Some(inode(&newer)) {
                    self.pending.clear();
                }
                self.pending.push(newer);
            }
        }
        let mut all = Vec::new();
        loop {
            if self.open.is_none() && !self.pending.is_empty() {
                self.open = Some(self.pending.remove(0));
            }
            if let Some(reader) = &mut self.open {
                read_lines(reader, &mut self.half, &mut all);
            }
            let next = match self.pending.is_empty() {
                false => None,
                true => open(FILE)
                    .filter(|newest| self.open.as_ref().map(&inode) != Some(inode(newest))),
            };
            match (next, self.pending.is_empty()) {
                (None, true) => return all,
                (Some(next), _) => self.pending.push(next),
                (None, false) => {}
            }
            // Nothing is written to a part that is no more the newest: read once more, then on to the next.
            if let Some(reader) = &mut self.open {
                read_lines(reader, &mut self.half, &mut all);
            }
            (self.open, self.half) = (None, Vec::new());
        }
    }
}

fn read_lines(reader: &mut BufReader<File>, half: &mut Vec<u8>, all: &mut Vec<Event>) {
    loop {
        match Read::take(&mut *reader, LONGEST).read_until(b'\n', half) {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        if half.ends_with(b"\n") {
            all.extend(serde_json::from_slice::<Event>(half));
            half.clear();
        } else if half.len() as u64 >= LONGEST {
            half.clear();
        } else {
            return;
        }
    }
}

impl Engine {
    /// Notes what happened to a container.
    pub fn note(&self, record: &Record, action: &str) {
        self.events.say(&Event::of(record, action));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event::new(Kind::Container, "start", number.to_string())
    }

    fn ids(events: Vec<Event>) -> Vec<String> {
        events.into_iter().map(|event| event.id).collect()
    }

    #[test]
    fn what_is_said_is_heard_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::new(&folder.path().join("containers"));
        let (mut all, mut new) = (events.follow(), events.follow_new());
        assert!(all.read().is_empty() && new.read().is_empty());
        events.say(&event(1));
        assert_eq!(
            (ids(all.read()), ids(new.read())),
            (vec!["1".into()], vec!["1".to_owned()])
        );
        let mut later = events.follow_new();
        events.say(&event(2));
        assert_eq!(ids(all.read()), ["2"]);
        assert_eq!(ids(later.read()), ["2"]);
        assert_eq!(ids(events.follow().read()), ["1", "2"]);
    }

    #[test]
    fn two_parts_are_kept_and_followed_over() {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::new(folder.path());
        let mut follower = events.follow();
        let mut heard = Vec::new();
        let count = 3 * LARGEST as usize / 4_200;
        for number in 0..count {
            events.say(&event(number).with("text", "x".repeat(10_000)));
            if number % 50 == 0 {
                heard.extend(ids(follower.read()));
            }
        }
        heard.extend(ids(follower.read()));
        assert_eq!(
            heard,
            (0..count)
                .map(|number| number.to_string())
                .collect::<Vec<_>>()
        );
        let kept = ids(events.follow().read());
        assert!(
            kept.len() < count && kept.last() == heard.last(),
            "{}",
            kept.len()
        );
        for name in [FILE, OLDER] {
            assert!(fs::metadata(folder.path().join(name)).unwrap().len() < LARGEST + LONGEST);
        }
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::new(folder.path());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..100).for_each(|number| {
                        events.say(&event(number).with("text", "x".repeat(3_000)))
                    })
                });
            }
        });
        assert_eq!(events.follow().read().len(), 400);
    }
}
