//! Folders that stand for log groups and buckets, laid out and named as AWS does.
//!
//! `cloud-watch-logs/GROUP/ENI-all.log`: a stream an interface and kind of traffic, newest last. `s3/BUCKET/…/NAME.log.gz`: a
//! file a window, compressed, the names of the fields first.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use model::flow_log::{FlowLog, LogDestination};
use model::{Model, Timestamp};

use super::journal::Entry;

/// Bytes after which a stream begins anew; the part before is kept once.
const STREAM: u64 = 1 << 20;
/// Files of all buckets of a lab, and their bytes: the oldest go first.
const MOST_FILES: usize = 5_000;
const MOST_BYTES: u64 = 64 << 20;

/// Writes the records of a window that ended.
pub fn deliver(folder: &Path, model: &Model, log: &FlowLog, end: Timestamp, entries: &[Entry]) -> std::io::Result<()> {
    match &log.destination {
        LogDestination::CloudWatchLogs { log_group } => {
            let group = log_group.split('/').filter(|part| !part.is_empty());
            let place = group.fold(folder.join("cloud-watch-logs"), |place, part| place.join(part));
            std::fs::create_dir_all(&place)?;
            let traffic = log.traffic_type.as_str().to_ascii_lowercase();
            entries.chunk_by(|a, b| a.interface == b.interface).try_for_each(|of_one| {
                stream(&place.join(format!("{}-{traffic}.log", of_one[0].interface)), of_one)
            })
        }
        LogDestination::S3 { bucket, .. } => {
            let buckets = folder.join("s3");
            let path = buckets.join(bucket).join(object(model, log, end, entries));
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            let mut text = format!("{}\n", log.format.header());
            entries.iter().for_each(|entry| text.extend([entry.line.as_str(), "\n"]));
            let mut file = GzEncoder::new(File::create(&path)?, Compression::default());
            file.write_all(text.as_bytes())?;
            file.finish()?;
            keep_bounds(&buckets)
        }
    }
}

fn stream(path: &Path, entries: &[Entry]) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > STREAM) {
        std::fs::rename(path, path.with_extension("old.log"))?;
    }
    let lines: String = entries.iter().flat_map(|entry| [entry.line.as_str(), "\n"]).collect();
    File::options().create(true).append(true).open(path)?.write_all(lines.as_bytes())
}

/// The name of a file in its bucket.
fn object(model: &Model, log: &FlowLog, end: Timestamp, entries: &[Entry]) -> PathBuf {
    let LogDestination::S3 { prefix, hive_compatible, per_hour, .. } = &log.destination else { return PathBuf::new() };
    let (account, region) = (&model.account_id, model.region.to_string());
    // 2026-11-26T17:10:00Z
    let moment = end.iso8601();
    let part = |from: usize, to: usize| moment.get(from..to).unwrap_or_default();
    let named = |name: &str, value: &str| if *hive_compatible { format!("{name}={value}") } else { value.to_owned() };
    let mut path: PathBuf = prefix.split('/').filter(|part| !part.is_empty()).collect();
    path.push("AWSLogs");
    path.push(named("aws-account-id", account));
    path.push(named("aws-service", "vpcflowlogs"));
    path.push(named("aws-region", &region));
    path.push(named("year", part(0, 4)));
    path.push(named("month", part(5, 7)));
    path.push(named("day", part(8, 10)));
    if *per_hour {
        path.push(named("hour", part(11, 13)));
    }
    let time = format!("{}{}{}T{}{}Z", part(0, 4), part(5, 7), part(8, 10), part(11, 13), part(14, 16));
    let text: String = entries.iter().map(|entry| entry.line.as_str()).collect();
    let hash = linux::naming::number(&format!("{} {text}", end.0));
    path.push(format!("{account}_vpcflowlogs_{region}_{}_{time}_{hash:08x}.log.gz", log.id));
    path
}

/// Removes the oldest files while there are too many.
fn keep_bounds(buckets: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    collect(buckets, &mut files)?;
    let mut bytes: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
    if files.len() <= MOST_FILES && bytes <= MOST_BYTES {
        return Ok(());
    }
    files.sort();
    let mut count = files.len();
    for (_, path, size) in files {
        if count <= MOST_FILES && bytes <= MOST_BYTES {
            break;
        }
        std::fs::remove_file(&path)?;
        (count, bytes) = (count - 1, bytes - size);
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<(std::time::SystemTime, PathBuf, u64)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        match found.is_dir() {
            true => collect(&entry.path(), files)?,
            false => files.push((found.modified()?, entry.path(), found.len())),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]
mod tests {
    use std::io::Read;

    use model::flow_log::{AggregationInterval, FlowLogResource, LogFormat, TrafficType};
    use model::{Context, Region};

    use super::*;

    fn log(destination: LogDestination) -> FlowLog {
        FlowLog {
            id: "fl-0123456789abcdef0".parse().unwrap(),
            resource: FlowLogResource::Vpc("vpc-1".parse().unwrap()),
            traffic_type: TrafficType::Reject,
            interval: AggregationInterval::OneMinute,
            format: LogFormat::default(),
            destination,
            deliver_logs_permission_arn: None,
            creation_time: Timestamp(0),
            tags: Default::default(),
            origin: Default::default(),
        }
    }

    fn entries(ids: &[&str]) -> Vec<Entry> {
        ids.iter().map(|id| Entry { interface: id.parse().unwrap(), line: format!("2 {id} NODATA") }).collect()
    }

    fn cloud() -> Model {
        Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)))
    }

    const END: Timestamp = Timestamp(1_795_597_740);

    #[test]
    fn a_bucket_has_aws_folders_and_compressed_files_with_the_names_of_the_fields_first() {
        let folder = tempfile::tempdir().unwrap();
        for (prefix, hive, hour, place) in [
            ("", false, false, "AWSLogs/111122223333/vpcflowlogs/ap-northeast-2/2026/11/25"),
            (
                "net/a",
                true,
                true,
                "net/a/AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=ap-northeast-2/year=2026/month=11/day=25/hour=09",
            ),
        ] {
            let destination =
                LogDestination::S3 { bucket: "logs".to_owned(), prefix: prefix.to_owned(), hive_compatible: hive, per_hour: hour };
            deliver(folder.path(), &cloud(), &log(destination), END, &entries(&["eni-1", "eni-2"])).unwrap();
            let place = folder.path().join("s3/logs").join(place);
            let file = std::fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("111122223333_vpcflowlogs_ap-northeast-2_fl-0123456789abcdef0_20261125T0909Z_"), "{name}");
            assert!(name.ends_with(".log.gz"), "{name}");
            let mut text = String::new();
            flate2::read::GzDecoder::new(File::open(&file).unwrap()).read_to_string(&mut text).unwrap();
            assert!(text.starts_with("version account-id interface-id"), "{text}");
            assert!(text.ends_with("2 eni-1 NODATA\n2 eni-2 NODATA\n"), "{text}");
        }
    }

    #[test]
    fn a_log_group_has_a_stream_an_interface_and_kind_of_traffic() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(LogDestination::CloudWatchLogs { log_group: "/aws/vpc/flows".to_owned() });
        for _ in 0..2 {
            deliver(folder.path(), &cloud(), &log, END, &entries(&["eni-1", "eni-2"])).unwrap();
        }
        let stream = folder.path().join("cloud-watch-logs/aws/vpc/flows/eni-1-reject.log");
        assert_eq!(std::fs::read_to_string(stream).unwrap(), "2 eni-1 NODATA\n2 eni-1 NODATA\n");
    }

    #[test]
    fn the_oldest_files_of_buckets_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MOST_FILES + 3 {
            std::fs::write(folder.path().join(format!("{number:05}")), "x").unwrap();
        }
        keep_bounds(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), MOST_FILES);
    }
}
