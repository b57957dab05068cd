//! Extended headers of pax: records `LENGTH KEY=VALUE\n` that say what does not fit into the 512 bytes.

/// What a pax header says of the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pax {
    /// `path`.
    pub path: Option<Vec<u8>>,
    /// `linkpath`.
    pub link: Option<Vec<u8>>,
    /// `size`, bytes.
    pub size: Option<u64>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `mtime`, seconds and nanoseconds.
    pub mtime: Option<(i64, u32)>,
    /// `SCHILY.xattr.NAME`.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `GNU.sparse.major`: where it is 1, the map comes before the data.
    pub sparse_major: Option<u64>,
    /// `GNU.sparse.map`, or `GNU.sparse.offset` and `numbytes`: numbers in turn.
    pub sparse_map: Vec<u64>,
    /// `GNU.sparse.size` or `GNU.sparse.realsize`.
    pub sparse_size: Option<u64>,
    /// `GNU.sparse.name`.
    pub sparse_name: Option<Vec<u8>>,
}

impl Pax {
    /// Reads the records. Errors are sentences.
    pub fn parse(mut records: &[u8]) -> Result<Pax, String> {
        let mut pax = Pax::default();
        // Some programs pad with NULs.
        while !records.is_empty() && records[0] != 0 {
            let space = records
                .iter()
                .take(21)
                .position(|&b| b == b' ')
                .ok_or("a record has no length")?;
            let length = decimal(&records[..space])
                .and_then(|length| usize::try_from(length).ok())
                .ok_or("a record's length is no number")?;
            let record = records
                .get(space + 1..length)
                .ok_or("a record is longer than its header")?;
            let (record, end) =
                record.split_at(record.len().checked_sub(1).ok_or("a record is empty")?);
            if end != b"\n" {
                return Err("a record does not end with its line".into());
            }
            let equals = record
                .iter()
                .position(|&b| b == b'=')
                .ok_or("a record has no value")?;
            pax.take(&record[..equals], &record[equals + 1..])?;
            records = &records[length..];
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let number = || {
            decimal(value).ok_or_else(|| format!("`{}` is no number", String::from_utf8_lossy(key)))
        };
        let id = || {
            number().and_then(|id| {
                u32::try_from(id)
                    .map_err(|_| format!("`{}` is too large", String::from_utf8_lossy(key)))
            })
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(id()?),
            b"gid" => self.gid = Some(id()?),
            b"mtime" => self.mtime = Some(time(value).ok_or("`mtime` is no time")?),
            b"GNU.sparse.major" => self.sparse_major = Some(number()?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = Some(number()?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse_map.push(number()?),
            b"GNU.sparse.map" => {
                let numbers = value
                    .split(|&b| b == b',')
                    .filter(|number| !number.is_empty());
                self.sparse_map = numbers
                    .map(decimal)
                    .collect::<Option<_>>()
                    .ok_or("`GNU.sparse.map` is no list of numbers")?;
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    if name.is_empty() || name.contains(&0) {
                        return Err("an attribute's name is empty or has a NUL".into());
                    }
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// A decimal number, nothing else.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `-12.5` is 13 seconds before the epoch and half a second.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |&b| b == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let mut nanoseconds = 0;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        nanoseconds = (0..9).fold(0, |value, at| {
            value * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'))
        });
    }
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let pax =
            Pax::parse(b"16 path=a=b c\nd\n20 mtime=-12.500000\n27 SCHILY.xattr.user.a=\0\n\xff\n")
                .unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a=b c\nd"[..]));
        assert_eq!(pax.mtime, Some((-13, 500_000_000)));
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"\0\n\xff".to_vec())]);
    }

    #[test]
    fn broken_records_are_refused() {
        for (records, why) in [
            (&b"path=a\n"[..], "a record has no length"),
            (b"x path=a\n", "a record's length is no number"),
            (b"99 path=a\n", "a record is longer than its header"),
            (
                b"18446744073709551615 a=b\n",
                "a record is longer than its header",
            ),
            (b"1 path=a\n", "a record is longer than its header"),
            (b"3 path=a\n", "a record does not end with its line"),
            (b"2 path=a\n", "a record is empty"),
            (b"8 path=ab\n", "a record does not end with its line"),
            (b"7 path\n", "a record has no value"),
            (b"8 path\n\n", "a record has no value"),
            (b"11 size=-1\n", "`size` is no number"),
            (b"18 uid=4294967296\n", "`uid` is too large"),
        ] {
            assert_eq!(
                Pax::parse(records).map(|_| ()),
                Err(why.to_owned()),
                "{:?}",
                String::from_utf8_lossy(records)
            );
        }
    }
}
