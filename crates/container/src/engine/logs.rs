//! What a container printed: Docker's `json-file`, one object a line, older parts in `PATH.1`, `PATH.2`, ….

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{Error, Result};
use super::time::Moment;

/// Parts of a log that are looked for.
const PARTS: u32 = 1_000;
/// The longest line of the file; longer ones are no log's.
const LONGEST: u64 = 1 << 20;

/// One line, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// What was printed, the end of the line too.
    pub log: String,
    /// `stdout` or `stderr`.
    pub stream: Stream,
    /// When.
    pub time: Moment,
}

/// Where a line was printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before.
    pub since: Option<Moment>,
    /// Not after.
    pub until: Option<Moment>,
    /// The last ones of what is there.
    pub tail: Option<usize>,
}

impl Filter {
    fn wants(&self, line: &Line) -> bool {
        self.since.is_none_or(|since| line.time >= since)
            && self.until.is_none_or(|until| line.time <= until)
    }
}

/// Reads a log from its beginning, and on as it grows.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    filter: Filter,
    /// The newest part, and how far it was read.
    open: Option<(BufReader<File>, u64)>,
    /// The beginning of a line whose end is not there yet.
    half: Vec<u8>,
    /// Parts that were there at the beginning and are not read yet, the newest first, once they were looked for.
    parts: Option<Vec<File>>,
    /// Lines of them that are not wanted, for the last ones are.
    skip: usize,
    /// Lines that were counted to know the last ones, and are not read again yet: what comes meanwhile is none of those.
    counted: Option<usize>,
}

impl Reader {
    /// Of the log at `path`, which need not be there yet.
    pub fn new(path: &Path, filter: Filter) -> Reader {
        Reader {
            path: path.to_owned(),
            filter,
            open: None,
            half: Vec::new(),
            parts: None,
            skip: 0,
            counted: None,
        }
    }

    /// What is there, the oldest part first.
    pub fn begin(&mut self) -> Result<Vec<Line>> {
        let mut all = Vec::new();
        while let Some(lines) = self.begin_in_parts(usize::MAX)? {
            all.extend(lines);
        }
        Ok(all)
    }

    /// The same in parts of about so many bytes; none: that was all. A log may be larger than memory that is worth it.
    pub fn begin_in_parts(&mut self, bytes: usize) -> Result<Option<Vec<Line>>> {
        self.count()?;
        let mut lines = Vec::new();
        loop {
            if self.counted == Some(0) {
                return Ok((!lines.is_empty()).then_some(lines));
            }
            let filter = self.filter;
            if let Some((reader, at)) = &mut self.open {
                let (skip, counted) = (&mut self.skip, &mut self.counted);
                // Of those that were counted one at a time, not to read beyond the last.
                let most = counted.map_or(bytes, |_| 1);
                let (read, is_more) =
                    read_lines(reader, &mut self.half, &self.path, most, &mut |line| {
                        if filter.wants(&line) {
                            *counted = counted.map(|left| left.saturating_sub(1));
                            match *skip {
                                0 => lines.push(line),
                                _ => *skip -= 1,
                            }
                        }
                    })?;
                *at += read;
                if is_more && !lines.is_empty() && self.counted.is_none() {
                    return Ok(Some(lines));
                }
                if is_more {
                    continue;
                }
            }
            match self.parts.as_mut().and_then(Vec::pop) {
                Some(part) => {
                    self.half.clear();
                    self.open = Some((BufReader::with_capacity(1 << 16, part), 0));
                }
                None if lines.is_empty() => return Ok(None),
                None => return Ok(Some(lines)),
            }
        }
    }

    /// Looks for what is there, and where the last ones of it begin.
    fn count(&mut self) -> Result<()> {
        if self.parts.is_some() {
            return Ok(());
        }
        let mut parts = self.open_parts()?;
        if let Some(tail) = self.filter.tail {
            let (mut count, filter) = (0usize, self.filter);
            for part in parts.iter_mut().rev() {
                let mut reader = BufReader::with_capacity(1 << 16, &mut *part);
                let mut half = Vec::new();
                while read_lines(
                    &mut reader,
                    &mut half,
                    &self.path,
                    usize::MAX,
                    &mut |line| {
                        count += usize::from(filter.wants(&line));
                    },
                )?
                .1
                {}
                part.rewind()
                    .map_err(Error::io(format!("reading {}", self.path.display())))?;
            }
            self.skip = count.saturating_sub(tail);
            self.counted = Some(count);
        }
        self.parts = Some(parts);
        Ok(())
    }

    fn open_parts(&self) -> Result<Vec<File>> {
        // Opened before anything is read, the newest first: a part that is renamed meanwhile is not read twice.
        let mut parts = Vec::new();
        for number in 0..PARTS {
            match File::open(self.part(number)) {
                Ok(file) => parts.push(file),
                // Between two parts there is no newest one until the next line comes, and while they are renamed one is missing.
                Err(error) if error.kind() == io::ErrorKind::NotFound && number < 2 => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => {
                    return Err(Error::io(format!(
                        "reading {}",
                        self.part(number).display()
                    ))(error));
                }
            }
        }
        parts.dedup_by_key(|file| file.metadata().map_or(0, |found| found.ino()));
        Ok(parts)
    }

    /// What came since.
    pub fn more(&mut self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        loop {
            if let Some((reader, at)) = &mut self.open {
                // Somebody emptied the file.
                if reader
                    .get_ref()
                    .metadata()
                    .is_ok_and(|found| found.len() < *at)
                {
                    reader
                        .seek(SeekFrom::Start(0))
                        .map_err(Error::io(format!("reading {}", self.path.display())))?;
                    (*at, self.half) = (0, Vec::new());
                }
                *at += read_lines(
                    reader,
                    &mut self.half,
                    &self.path,
                    usize::MAX,
                    &mut |line| lines.push(line),
                )?
                .0;
            }
            if !self.advance()? {
                break;
            }
        }
        lines.retain(|line| self.filter.wants(line));
        Ok(lines)
    }

    /// Goes on to the next part when another file has the log's name by now; whether it did.
    fn advance(&mut self) -> Result<bool> {
        let newest = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io(format!("reading {}", self.path.display()))(error)),
        };
        let inode = |file: &File| file.metadata().map(|found| found.ino()).unwrap_or(0);
        let next = match &self.open {
            Some((reader, _)) if inode(reader.get_ref()) == inode(&newest) => return Ok(false),
            None => newest,
            Some((reader, _)) => {
                // Several may have come since; the one after the one that was read is the next.
                let held = inode(reader.get_ref());
                let at = (1..PARTS).find(|number| {
                    File::open(self.part(*number)).is_ok_and(|file| inode(&file) == held)
                });
                match at {
                    Some(number) if number > 1 => {
                        File::open(self.part(number - 1)).unwrap_or(newest)
                    }
                    _ => newest,
                }
            }
        };
        self.half.clear();
        self.open = Some((BufReader::with_capacity(1 << 16, next), 0));
        Ok(true)
    }

    fn part(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.clone(),
            number => {
                let mut name = self.path.clone().into_os_string();
                name.push(format!(".{number}"));
                name.into()
            }
        }
    }

    /// Whether nothing that comes now is wanted any more.
    pub fn is_over(&self, now: Moment) -> bool {
        self.filter.until.is_some_and(|until| until < now)
    }
}

/// Reads whole lines to the end of what is there, or about so many bytes; bytes read, and whether there may be more. A line
/// that is none is passed over: the disk may have been full.
fn read_lines<R: io::Read>(
    reader: &mut BufReader<R>,
    half: &mut Vec<u8>,
    path: &Path,
    most: usize,
    keep: &mut impl FnMut(Line),
) -> Result<(u64, bool)> {
    let mut total = 0;
    loop {
        let read = io::Read::take(&mut *reader, LONGEST).read_until(b'\n', half);
        let count = read.map_err(Error::io(format!("reading {}", path.display())))?;
        total += count as u64;
        if !half.ends_with(b"\n") {
            if count == 0 || (half.len() as u64) < LONGEST {
                return Ok((total, false));
            }
            half.clear();
            continue;
        }
        if let Ok(line) = serde_json::from_slice(half) {
            keep(line);
        }
        half.clear();
        if total >= most as u64 {
            return Ok((total, true));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn line(second: i64, text: &str) -> String {
        let time = Moment {
            seconds: second,
            nanoseconds: 5,
        };
        format!(
            "{{\"log\":{},\"stream\":\"stdout\",\"time\":\"{time}\"}}\n",
            serde_json::Value::from(format!("{text}\n"))
        )
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines
            .into_iter()
            .map(|line| line.log.trim_end().to_owned())
            .collect()
    }

    fn append(path: &Path, text: &str) {
        fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn a_log_that_was_turned_over_and_has_no_new_line_yet_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        append(&folder.path().join("log.json.2"), &line(1, "one"));
        let tail = Filter { tail: Some(1), ..Filter::default() };
        assert_eq!(texts(Reader::new(&path, tail).begin().unwrap()), ["one"]);
        append(&folder.path().join("log.json.1"), &line(2, "two"));
        assert_eq!(texts(Reader::new(&path, tail).begin().unwrap()), ["two"]);
        let mut reader = Reader::new(&path, Filter::default());
        assert_eq!(texts(reader.begin().unwrap()), ["one", "two"]);
        append(&path, &line(3, "three"));
        assert_eq!(texts(reader.more().unwrap()), ["three"]);
    }

    #[test]
    fn parts_are_read_the_oldest_first_and_filtered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        append(&folder.path().join("log.json.2"), &line(1, "one"));
        append(
            &folder.path().join("log.json.1"),
            &(line(2, "two") + "broken\n" + &line(3, "three")),
        );
        append(&path, &(line(4, "four") + "{\"log\":\"half"));
        let read = |filter| texts(Reader::new(&path, filter).begin().unwrap());
        assert_eq!(read(Filter::default()), ["one", "two", "three", "four"]);
        assert_eq!(
            read(Filter {
                tail: Some(2),
                ..Filter::default()
            }),
            ["three", "four"]
        );
        assert_eq!(
            read(Filter {
                tail: Some(0),
                ..Filter::default()
            }),
            [""; 0]
        );
        let at = |seconds| {
            Some(Moment {
                seconds,
                nanoseconds: 5,
            })
        };
        assert_eq!(
            read(Filter {
                since: at(2),
                until: at(3),
                ..Filter::default()
            }),
            ["two", "three"]
        );
        assert_eq!(
            read(Filter {
                since: at(2),
                tail: Some(1),
                until: at(3)
            }),
            ["three"]
        );
        assert!(
            texts(
                Reader::new(&folder.path().join("none"), Filter::default())
                    .begin()
                    .unwrap()
            )
            .is_empty()
        );
    }

    #[test]
    fn a_log_is_followed_over_rotations_and_half_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (path, first, second) = (
            folder.path().join("log.json"),
            folder.path().join("log.json.1"),
            folder.path().join("log.json.2"),
        );
        let mut reader = Reader::new(&path, Filter::default());
        assert!(reader.begin().unwrap().is_empty() && reader.more().unwrap().is_empty());
        append(&path, &line(1, "one"));
        assert_eq!(texts(reader.more().unwrap()), ["one"]);
        let whole = line(2, "two");
        append(&path, &whole[..20]);
        assert!(reader.more().unwrap().is_empty());
        append(&path, &whole[20..]);
        assert_eq!(texts(reader.more().unwrap()), ["two"]);
        // Twice between two looks.
        append(&path, &line(3, "three"));
        fs::rename(&path, &first).unwrap();
        append(&path, &line(4, "four"));
        fs::rename(&first, &second).unwrap();
        fs::rename(&path, &first).unwrap();
        append(&path, &line(5, "five"));
        assert_eq!(texts(reader.more().unwrap()), ["three", "four", "five"]);
        assert!(reader.more().unwrap().is_empty());
    }

    #[test]
    fn the_last_lines_are_those_of_the_moment_at_which_they_were_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        append(&path, &[line(1, "one"), line(2, "two"), line(3, "three")].concat());
        let mut reader = Reader::new(&path, Filter { tail: Some(2), ..Filter::default() });
        reader.count().unwrap();
        append(&path, &line(4, "four"));
        assert_eq!(texts(reader.begin().unwrap()), ["two", "three"]);
        assert_eq!(texts(reader.more().unwrap()), ["four"]);
    }

    #[test]
    fn the_tail_does_not_hold_back_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        append(&path, &(line(1, "one") + &line(2, "two")));
        let mut reader = Reader::new(
            &path,
            Filter {
                tail: Some(1),
                ..Filter::default()
            },
        );
        assert_eq!(texts(reader.begin().unwrap()), ["two"]);
        append(&path, &(line(3, "three") + &line(4, "four")));
        assert_eq!(texts(reader.more().unwrap()), ["three", "four"]);
    }
}
