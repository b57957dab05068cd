//! A cloud as one file that is read in a moment: what a source said, made ready once.
//!
//! Two lines of text, then parts of bytes. The first line is [`MAGIC`], the version of the form and the checksum of the
//! second; the second is JSON and says who wrote it, of what, and how many rows and bytes each part has, with its
//! checksum. Parts are rows of one kind in postcard's form, which names no fields: therefore only the build whose
//! types it has ([`model::SHAPE`]) reads it. Parts are read on several threads.
//!
//! Nothing of a file is believed: what is cut short, changed, another build's or contradictory is a [`Problem`].

mod check;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use iam::Account;
use model::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::aws::Note;

/// How every snapshot begins.
pub const MAGIC: &[u8] = b"vpclab-snapshot ";
/// Bytes of a snapshot at most. In memory it takes some times as many.
pub const MAX_BYTES: u64 = 256 << 20;
/// The form of the two lines; what is in the parts is told by [`model::SHAPE`].
const VERSION: u32 = 2;
/// Bytes of the two lines at most.
const MAX_HEAD: usize = 1 << 20;
/// Rows of a part: enough parts for every processor, each worth its checksum; in memory most fill a huge page.
const PART_ROWS: usize = 6_144;
/// Threads at most: more of them wait for memory.
const MAX_THREADS: usize = 8;

/// A cloud, and what was said of it when its source was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The lab's name.
    pub name: String,
    /// The source as the user named it.
    pub source: String,
    /// When it was taken.
    pub taken: Timestamp,
    /// Remarks about the source: what it lacks, what was assumed.
    pub notes: Vec<Note>,
    /// What there is, with the place of each thing in the source.
    pub model: Model,
    /// What is promised.
    pub claims: Vec<Claim>,
    /// What is promised about rights.
    pub rights: Vec<iam::Claim>,
    /// Who may do what; keys are in no snapshot.
    pub account: Option<Account>,
}

/// Why a file is no snapshot that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else.
    #[error("it is not a snapshot")]
    NotOne,
    /// The program that wrote it has other types.
    #[error("it was written by another build of vpclab ({program})")]
    Foreign {
        /// Version of that program.
        program: String,
        /// What it was made of.
        source_name: String,
    },
    /// Bytes are missing, or are not those that were written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// More than [`MAX_BYTES`].
    #[error("a snapshot has at most {} MiB", MAX_BYTES >> 20)]
    TooLarge,
    /// Whole, but no cloud.
    #[error("it contradicts itself: {0}")]
    Contradictory(String),
}

impl Problem {
    /// Its code.
    pub fn code(&self) -> crate::Code {
        match self {
            Self::Foreign { .. } => crate::Code::SnapshotOfAnotherBuild,
            _ => crate::Code::SnapshotDamaged,
        }
    }
}

/// The second line.
#[derive(Serialize, Deserialize)]
struct Head {
    program: String,
    shape: String,
    name: String,
    source: String,
    taken: Timestamp,
    parts: Vec<Part>,
}

/// One part, in the order of the file.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Part {
    of: Kind,
    rows: usize,
    bytes: usize,
    crc32: u32,
}

/// What a part's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// One row: everything of which there is little.
    Rest,
    /// The model's network interfaces.
    NetworkInterfaces,
    /// Its instances.
    Instances,
    /// Its guests.
    Guests,
    /// Its security groups.
    SecurityGroups,
}

/// The row of [`Kind::Rest`]. The model's large tables are empty in it.
#[derive(Serialize, Deserialize)]
struct Rest {
    model: Model,
    claims: Vec<Claim>,
    notes: Vec<Note>,
    /// [`Identities`] as JSON: their types are told by no shape.
    identities: String,
}

/// Who may do what, and what is promised of that.
#[derive(Serialize, Deserialize)]
struct Identities {
    rights: Vec<iam::Claim>,
    account: Option<Account>,
}

/// Whether a file that begins so is meant as a snapshot.
pub fn is_meant(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC)
}

/// The bytes of a snapshot. Errors: it would be too large.
pub fn write(snapshot: Snapshot) -> Result<Vec<u8>, Problem> {
    let Snapshot { name, source, taken, notes, mut model, claims, rights, mut account } = snapshot;
    account.iter_mut().for_each(Account::forget_keys);
    let identities = serde_json::to_string(&Identities { rights, account }).map_err(|e| Problem::Damaged(e.to_string()))?;
    let interfaces: Vec<_> = std::mem::take(&mut model.network_interfaces).into_values().collect();
    let instances: Vec<_> = std::mem::take(&mut model.instances).into_values().collect();
    let guests: Vec<_> = std::mem::take(&mut model.guests).into_iter().collect();
    let groups: Vec<_> = std::mem::take(&mut model.security_groups).into_values().collect();
    let mut parts = Vec::new();
    let mut body = Vec::new();
    add(Kind::Rest, &[Rest { model, claims, notes, identities }], &mut parts, &mut body)?;
    add(Kind::NetworkInterfaces, &interfaces, &mut parts, &mut body)?;
    add(Kind::Instances, &instances, &mut parts, &mut body)?;
    add(Kind::Guests, &guests, &mut parts, &mut body)?;
    add(Kind::SecurityGroups, &groups, &mut parts, &mut body)?;
    let (program, shape) = (env!("CARGO_PKG_VERSION").to_owned(), SHAPE.to_owned());
    let head = Head { program, shape, name, source, taken, parts };
    let line = serde_json::to_string(&head).map_err(|e| Problem::Damaged(e.to_string()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(format!("{VERSION} {:08x}\n{line}\n", crc32fast::hash(line.as_bytes())).bytes());
    bytes.append(&mut body);
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(Problem::TooLarge),
        false => Ok(bytes),
    }
}

fn add<Row: Serialize>(of: Kind, rows: &[Row], parts: &mut Vec<Part>, body: &mut Vec<u8>) -> Result<(), Problem> {
    for chunk in rows.chunks(PART_ROWS) {
        let start = body.len();
        for row in chunk {
            *body = postcard::to_extend(row, std::mem::take(body)).map_err(|e| Problem::Damaged(e.to_string()))?;
        }
        let crc32 = crc32fast::hash(&body[start..]);
        parts.push(Part { of, rows: chunk.len(), bytes: body.len() - start, crc32 });
    }
    Ok(())
}

/// Reads a snapshot.
pub fn read(bytes: &[u8]) -> Result<Snapshot, Problem> {
    let (head, body) = head(bytes)?;
    let damaged = |text: String| Problem::Damaged(text);
    let mut found = Vec::with_capacity(head.parts.len());
    let mut left = body;
    for part in &head.parts {
        let Some((own, rest)) = left.split_at_checked(part.bytes) else {
            let wanted = head.parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.bytes));
            return Err(damaged(format!("it is cut short: {} of {wanted} bytes behind its head", body.len())));
        };
        found.push((*part, own));
        left = rest;
    }
    if !left.is_empty() {
        return Err(damaged(format!("{} bytes too many at its end", left.len())));
    }
    let mut whole = Tables::default();
    for rows in on_threads(&found)? {
        whole.take(rows)?;
    }
    let Some(Rest { mut model, claims, notes, identities }) = whole.rest else {
        return Err(damaged("it has no model".to_owned()));
    };
    let has_rows = !model.network_interfaces.is_empty() || !model.instances.is_empty();
    if has_rows || !model.guests.is_empty() || !model.security_groups.is_empty() {
        return Err(damaged("a table is in two places".to_owned()));
    }
    let Tables { interfaces, instances, guests, groups, .. } = whole;
    let one = || Ok((table(interfaces)?.into(), table(groups)?.into()));
    let other = || Ok((table(instances)?.into(), table(guests)?.into()));
    let (one, other) = both(one, other);
    (model.network_interfaces, model.security_groups) = one?;
    (model.instances, model.guests) = other?;
    check::check(&model).map_err(Problem::Contradictory)?;
    let Identities { rights, account } = serde_json::from_str(&identities).map_err(|e| damaged(format!("its identities: {e}")))?;
    if let Some(own) = account.as_ref().filter(|own| own.id != model.account_id) {
        return Err(Problem::Contradictory(format!("its identities are of account {}, its network of {}", own.id, model.account_id)));
    }
    Ok(Snapshot { name: head.name, source: head.source, taken: head.taken, notes, model, claims, rights, account })
}

/// The two lines, and what is behind them.
fn head(bytes: &[u8]) -> Result<(Head, &[u8]), Problem> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Problem::TooLarge);
    }
    let Some(behind) = bytes.strip_prefix(MAGIC) else { return Err(Problem::NotOne) };
    let no_head = || Problem::Damaged("its first two lines are not whole".to_owned());
    let line = |bytes: &'_ [u8]| bytes.iter().take(MAX_HEAD).position(|byte| *byte == b'\n');
    let (first, behind) = behind.split_at(line(behind).ok_or_else(no_head)?);
    let first = std::str::from_utf8(first).map_err(|_| no_head())?;
    let (version, crc32) = first.split_once(' ').unwrap_or((first, ""));
    let Some(version) = version.parse::<u32>().ok() else { return Err(no_head()) };
    if version != VERSION {
        let program = format!("form {version} of snapshots; this one reads {VERSION}");
        return Err(Problem::Foreign { program, source_name: String::new() });
    }
    let behind = &behind[1..];
    let (second, body) = behind.split_at(line(behind).ok_or_else(no_head)?);
    if u32::from_str_radix(crc32, 16) != Ok(crc32fast::hash(second)) {
        return Err(Problem::Damaged("its head does not match its checksum".to_owned()));
    }
    let head: Head = serde_json::from_slice(second).map_err(|e| Problem::Damaged(e.to_string()))?;
    if head.shape != SHAPE {
        return Err(Problem::Foreign { program: head.program, source_name: head.source });
    }
    Ok((head, &body[1..]))
}

/// Rows of one part, with their keys.
enum Rows {
    Rest(Box<Rest>),
    Interfaces(Vec<(NetworkInterfaceId, NetworkInterface)>),
    Instances(Vec<(InstanceId, Instance)>),
    Guests(Vec<(InstanceId, Guest)>),
    Groups(Vec<(SecurityGroupId, SecurityGroup)>),
}

/// Rows of all parts, as they came.
#[derive(Default)]
struct Tables {
    rest: Option<Rest>,
    interfaces: Vec<Vec<(NetworkInterfaceId, NetworkInterface)>>,
    instances: Vec<Vec<(InstanceId, Instance)>>,
    guests: Vec<Vec<(InstanceId, Guest)>>,
    groups: Vec<Vec<(SecurityGroupId, SecurityGroup)>>,
}

impl Tables {
    fn take(&mut self, rows: Rows) -> Result<(), Problem> {
        match rows {
            Rows::Rest(rest) => match self.rest.replace(*rest) {
                None => {}
                Some(_) => return Err(Problem::Damaged("it has two models".to_owned())),
            },
            Rows::Interfaces(rows) => self.interfaces.push(rows),
            Rows::Instances(rows) => self.instances.push(rows),
            Rows::Guests(rows) => self.guests.push(rows),
            Rows::Groups(rows) => self.groups.push(rows),
        }
        Ok(())
    }
}

/// The parts read, in their order. Errors: those of the first part that has one.
fn on_threads(parts: &[(Part, &[u8])]) -> Result<Vec<Rows>, Problem> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Result<Rows, Problem>)> = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((part, bytes)) = parts.get(place) else { return done };
            done.push((place, rows(part, bytes)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(parts.len());
    let mut all = std::thread::scope(|scope| {
        // A thread that the system does not give leaves its work to the others, this one at least.
        let others: Vec<_> = (1..threads).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, rows)| rows).collect()
}

fn rows(part: &Part, bytes: &[u8]) -> Result<Rows, Problem> {
    if crc32fast::hash(bytes) != part.crc32 {
        return Err(Problem::Damaged(format!("its {} do not match their checksum", words(part.of))));
    }
    Ok(match part.of {
        Kind::Rest => {
            let mut all: Vec<Rest> = values(part, bytes)?;
            match (all.pop(), all.is_empty()) {
                (Some(rest), true) => Rows::Rest(Box::new(rest)),
                _ => return Err(Problem::Damaged("it has not one model".to_owned())),
            }
        }
        Kind::NetworkInterfaces => Rows::Interfaces(keyed(part, bytes, |row: &NetworkInterface| row.id.clone())?),
        Kind::Instances => Rows::Instances(keyed(part, bytes, |row: &Instance| row.id.clone())?),
        Kind::Guests => {
            let rows = values(part, bytes)?;
            in_order(&rows)?;
            Rows::Guests(rows)
        }
        Kind::SecurityGroups => Rows::Groups(keyed(part, bytes, |row: &SecurityGroup| row.id.clone())?),
    })
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "tables",
        Kind::NetworkInterfaces => "network interfaces",
        Kind::Instances => "instances",
        Kind::Guests => "guests",
        Kind::SecurityGroups => "security groups",
    }
}

fn keyed<Id: Ord + std::fmt::Debug, Row: DeserializeOwned>(
    part: &Part,
    bytes: &[u8],
    id: impl Fn(&Row) -> Id,
) -> Result<Vec<(Id, Row)>, Problem> {
    let rows = each(part, bytes, |row: Row| (id(&row), row))?;
    in_order(&rows)?;
    Ok(rows)
}

fn values<Row: DeserializeOwned>(part: &Part, bytes: &[u8]) -> Result<Vec<Row>, Problem> {
    each(part, bytes, |row| row)
}

fn each<Row: DeserializeOwned, To>(part: &Part, bytes: &[u8], to: impl Fn(Row) -> To) -> Result<Vec<To>, Problem> {
    let damaged = |text: &str| Problem::Damaged(format!("its {}: {text}", words(part.of)));
    // No row takes less than a byte: a number of rows that cannot be asks for no memory.
    let mut rows = Vec::with_capacity(part.rows.min(bytes.len()).min(PART_ROWS));
    let mut left = bytes;
    for _ in 0..part.rows {
        let (row, rest) = postcard::take_from_bytes(left).map_err(|e| damaged(&e.to_string()))?;
        rows.push(to(row));
        left = rest;
    }
    match left.is_empty() {
        true => Ok(rows),
        false => Err(damaged("bytes too many")),
    }
}

/// Errors: rows do not come sorted, or two have one key.
fn in_order<Id: Ord + std::fmt::Debug, Row>(rows: &[(Id, Row)]) -> Result<(), Problem> {
    match rows.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some(pair) => Err(misplaced(&pair[1].0)),
        None => Ok(()),
    }
}

fn misplaced(id: &impl std::fmt::Debug) -> Problem {
    Problem::Damaged(format!("{id:?} is not in its place"))
}

/// A table of parts whose rows are in order. Errors: one part's are not behind those of the part before.
fn table<Id: Ord + std::fmt::Debug, Row>(parts: Vec<Vec<(Id, Row)>>) -> Result<BTreeMap<Id, Row>, Problem> {
    let mut rows: Vec<(Id, Row)> = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    for mut part in parts {
        if let (Some((last, _)), Some((first, _))) = (rows.last(), part.first())
            && last >= first
        {
            return Err(misplaced(first));
        }
        rows.append(&mut part);
    }
    // Sorted rows make a map without comparing each with the others.
    Ok(rows.into_iter().collect())
}

/// Does both at once; one after the other where the system gives no second thread.
fn both<One, Other: Send>(one: impl FnOnce() -> One, other: impl FnOnce() -> Other + Send) -> (One, Other) {
    // Whoever comes first does it.
    let other = Mutex::new(Some(other));
    let run = || {
        let work = other.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.map(|work| work())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, run);
        let one = one();
        let there = match thread.map(|thread| thread.join()) {
            Ok(Ok(other)) => other,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => None,
        };
        // It is there, or nobody has begun it.
        let other = there.or_else(run).unwrap_or_else(|| unreachable!("work that nobody did was taken"));
        (one, other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_behind_the_one_before_it_is_damage() {
        let part = |ids: &[u32]| ids.iter().map(|id| (*id, ())).collect::<Vec<_>>();
        let whole = table(vec![part(&[1, 2]), part(&[]), part(&[5])]).map(|rows| rows.into_keys().collect());
        assert_eq!(whole, Ok(vec![1, 2, 5]));
        for (first, wrong) in [([1, 5], [5, 6]), ([1, 5], [4, 9])] {
            let damaged = Problem::Damaged(format!("{} is not in its place", wrong[0]));
            assert_eq!(table(vec![part(&first), part(&wrong)]), Err(damaged));
        }
        assert_eq!(in_order(&part(&[1, 1])), Err(misplaced(&1)));
    }

    #[test]
    fn both_are_done_and_told_apart() {
        assert_eq!(both(|| 1, || "two"), (1, "two"));
    }
}
