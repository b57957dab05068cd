//! A container's output in Docker's `json-file` format: one JSON object a line, with the text, its stream and the time
//! at which it was read. Files are rotated by size and number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::spec::LogSpec;

/// A longer line is cut here, as Docker cuts it: its parts follow each other without a newline.
const LONGEST_PART: usize = 16 * 1024;

/// Which of a container's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Errors,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Output => "stdout",
            Stream::Errors => "stderr",
        }
    }
}

/// What has come of a line that has not ended.
#[derive(Default)]
struct Pending {
    output: Vec<u8>,
    errors: Vec<u8>,
}

pub(super) struct Log {
    spec: Option<LogSpec>,
    file: Option<File>,
    size: u64,
    pending: Pending,
    /// Entries to be written together.
    batch: Vec<u8>,
    complained: bool,
}

impl Log {
    /// Opens the file. Errors: the file system's.
    pub(super) fn open(spec: Option<LogSpec>) -> io::Result<Log> {
        let file = spec.as_ref().map(|spec| open(&spec.path)).transpose()?;
        let size = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|found| found.len()))?;
        Ok(Log {
            spec,
            file,
            size,
            pending: Pending::default(),
            batch: Vec::new(),
            complained: false,
        })
    }

    /// Takes what was read.
    pub(super) fn append(&mut self, stream: Stream, mut bytes: &[u8]) {
        if self.spec.is_none() {
            return;
        }
        let time = rfc3339(SystemTime::now());
        while !bytes.is_empty() {
            let pending = self.pending_of(stream);
            let room = LONGEST_PART - pending.len();
            let part = &bytes[..bytes.len().min(room)];
            let end = part.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(part.len());
            pending.extend_from_slice(&part[..taken]);
            bytes = &bytes[taken..];
            if end.is_some() || pending.len() >= LONGEST_PART {
                self.entry(stream, &time);
            }
        }
        self.write();
    }

    /// The container has ended: what has no newline is a line, too.
    pub(super) fn finish(&mut self) {
        let time = rfc3339(SystemTime::now());
        for stream in [Stream::Output, Stream::Errors] {
            if !self.pending_of(stream).is_empty() {
                self.entry(stream, &time);
            }
        }
        self.write();
    }

    fn pending_of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Output => &mut self.pending.output,
            Stream::Errors => &mut self.pending.errors,
        }
    }

    fn entry(&mut self, stream: Stream, time: &str) {
        let line = std::mem::take(self.pending_of(stream));
        let start = self.batch.len();
        self.batch.extend_from_slice(b"{\"log\":\"");
        escape(&line, &mut self.batch);
        let rest = format!("\",\"stream\":\"{}\",\"time\":\"{time}\"}}\n", stream.name());
        self.batch.extend_from_slice(rest.as_bytes());
        let most = self.spec.as_ref().map_or(0, |spec| spec.max_bytes);
        if most > 0 && self.size + self.batch.len() as u64 > most && self.size + start as u64 > 0 {
            let entry = self.batch.split_off(start);
            self.write();
            self.rotate();
            self.batch = entry;
        }
        // Its room is used again.
        *self.pending_of(stream) = line;
        self.pending_of(stream).clear();
    }

    /// A disk that is full costs lines, never the container.
    fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.file.is_none()
            && let Some(spec) = &self.spec
        {
            self.file = open(&spec.path).ok();
            self.size = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |found| found.len());
        }
        let written = match &mut self.file {
            Some(file) => file.write_all(&self.batch),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        match written {
            Ok(()) => self.size += self.batch.len() as u64,
            Err(error) => self.lose(&error),
        }
        self.batch.clear();
    }

    /// What was not written whole is taken back: a half line would spoil the next one.
    fn lose(&mut self, error: &io::Error) {
        if let Some(file) = &self.file {
            let _ = file.set_len(self.size);
        }
        if !self.complained {
            self.complained = true;
            let path = self.spec.as_ref().map(|spec| spec.path.display().to_string());
            crate::say!("shim: output is lost: writing {}: {error}", path.unwrap_or_default());
        }
    }

    fn rotate(&mut self) {
        let Some(spec) = &self.spec else { return };
        let numbered = |number: u32| PathBuf::from(format!("{}.{number}", spec.path.display()));
        for number in (1..spec.max_files.saturating_sub(1)).rev() {
            // Those that are not there yet.
            let _ = fs::rename(numbered(number), numbered(number + 1));
        }
        self.file = None;
        if spec.max_files > 1 {
            let _ = fs::rename(&spec.path, numbered(1));
        } else {
            let _ = fs::remove_file(&spec.path);
        }
        self.size = 0;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// A JSON string's inside, as Go's encoder writes it: `<`, `>`, `&` and U+2028, U+2029 as numbers, what is not UTF-8
/// as U+FFFD.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
                }
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// RFC 3339 with nanoseconds, trailing zeros left out (Go's `RFC3339Nano`).
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // Days to a civil date, counted from 0000-03-01 in eras of 400 years (https://howardhinnant.github.io/date_algorithms.html).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    let nanoseconds = format!("{:09}", since.subsec_nanos());
    let fraction = nanoseconds.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, nanoseconds: u32) -> String {
        rfc3339(UNIX_EPOCH + Duration::new(seconds, nanoseconds))
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_709_251_199, 500_000_000), "2024-02-29T23:59:59.5Z");
        assert_eq!(at(1_709_251_200, 1), "2024-03-01T00:00:00.000000001Z");
        assert_eq!(at(4_107_542_399, 999_999_990), "2100-02-28T23:59:59.99999999Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00Z");
    }

    fn log(folder: &Path, max_bytes: u64, max_files: u32) -> Log {
        Log::open(Some(LogSpec { path: folder.join("log"), max_bytes, max_files })).unwrap()
    }

    fn texts(path: &Path) -> Vec<(String, String)> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let entry = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            assert!(text("time").ends_with('Z'));
            (text("stream"), text("log"))
        };
        text.lines().map(entry).collect()
    }

    #[test]
    fn lines_are_whole_whatever_pieces_they_came_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 0, 1);
        log.append(Stream::Output, b"one\ntw");
        log.append(Stream::Errors, b"err\n");
        log.append(Stream::Output, "o <&> \"\\\t\u{1} \u{2028}é\n".as_bytes());
        log.append(Stream::Output, b"bad \xff\xfe\nlast");
        log.finish();
        let texts = texts(&folder.path().join("log"));
        let expected = [
            ("stdout", "one\n"),
            ("stderr", "err\n"),
            ("stdout", "two <&> \"\\\t\u{1} \u{2028}é\n"),
            ("stdout", "bad \u{fffd}\u{fffd}\n"),
            ("stdout", "last"),
        ];
        let expected: Vec<_> = expected.map(|(stream, text)| (stream.to_owned(), text.to_owned())).into();
        assert_eq!(texts, expected);
        let raw = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(raw.contains("\\u003c\\u0026\\u003e") && raw.contains("\\u2028"), "{raw}");
    }

    #[test]
    fn long_lines_are_cut_as_docker_cuts_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 0, 1);
        log.append(Stream::Output, &vec![b'x'; 40_000]);
        log.append(Stream::Output, b"\n");
        let lengths: Vec<usize> = texts(&folder.path().join("log")).iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [16_384, 16_384, 7_233]);
    }

    #[test]
    fn files_are_rotated_by_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 200, 3);
        for number in 0..12 {
            log.append(Stream::Output, format!("line {number}\n").as_bytes());
        }
        let mut seen = Vec::new();
        for name in ["log.2", "log.1", "log"] {
            let path = folder.path().join(name);
            assert!(fs::metadata(&path).unwrap().len() <= 200, "{name}");
            seen.extend(texts(&path).into_iter().map(|(_, text)| text));
        }
        assert!(!folder.path().join("log.3").exists());
        let expected: Vec<String> = (12 - seen.len()..12).map(|number| format!("line {number}\n")).collect();
        assert!(seen.len() >= 5);
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_full_disk_costs_lines_and_nothing_else() {
        let mut log = Log::open(Some(LogSpec { path: "/dev/full".into(), max_bytes: 0, max_files: 1 })).unwrap();
        log.append(Stream::Output, b"lost\n");
        log.append(Stream::Output, b"lost\n");
        log.finish();
        assert_eq!(log.size, 0);
    }
}
