//! `ADD` of a URL.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use super::Cancel;
use super::error::{Error, Result};
use crate::digest::{Digest, Hashing};
use crate::engine::Moment;
use crate::limits::Bounded;
use crate::registry;
use crate::work::Work;

/// How long a server may say nothing.
const STALL: Duration = Duration::from_secs(30);
/// How often one may point elsewhere.
const REDIRECTS: u32 = 10;

/// What came.
pub struct Fetched {
    /// Its bytes.
    pub file: File,
    /// What it is called: the last part of the path.
    pub name: Vec<u8>,
    /// When it was changed, seconds since 1970; 0 where the server does not say.
    pub mtime: i64,
}

/// Whether a source of `ADD` is fetched.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// What a URL's file is called; none where its path ends with a slash.
pub fn name(url: &str) -> Option<String> {
    let path = url.split_once("://")?.1.split(['?', '#']).next()?;
    let name = path.split_once('/')?.1.rsplit('/').next()?;
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}

/// Fetches a file into `work`. `checksum`: what its bytes have to be.
pub fn fetch(
    url: &str,
    checksum: Option<&Digest>,
    limit: u64,
    work: &Work,
    cancel: &Cancel,
) -> Result<Fetched> {
    let failed = |why: String| Error::Context(format!("{url}: {why}"));
    let config = ureq::Agent::config_builder()
        .max_redirects(REDIRECTS)
        .http_status_as_error(false)
        .user_agent(concat!("vpclab/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(STALL))
        .timeout_connect(Some(STALL))
        .timeout_per_read(Some(STALL))
        .tls_config(registry::trust(false));
    let agent = ureq::Agent::new_with_config(config.build());
    let response = agent
        .get(url)
        .call()
        .map_err(|error| failed(error.to_string()))?;
    if !response.status().is_success() {
        return Err(failed(format!("the server answers {}", response.status())));
    }
    let mtime = response
        .headers()
        .get("last-modified")
        .and_then(|value| value.to_str().ok())
        .and_then(modified)
        .unwrap_or(0);
    let path = work.fresh();
    let mut output = Hashing::new(
        File::create_new(&path).map_err(Error::io("making a file for what is fetched"))?,
    );
    let mut input = Bounded::new(response.into_body().into_reader(), limit, url);
    let mut buffer = vec![0; 1 << 16];
    loop {
        cancel.check()?;
        let count = input
            .read(&mut buffer)
            .map_err(|error| Error::from(crate::Error::io(format!("reading {url}"))(error)))?;
        if count == 0 {
            break;
        }
        output
            .write_all(&buffer[..count])
            .map_err(Error::io(format!("writing what comes from {url}")))?;
    }
    let (_, digest, _) = output.finish();
    if let Some(checksum) = checksum {
        digest.expect(checksum, url)?;
    }
    let file = File::open(&path).map_err(Error::io("opening what was fetched"))?;
    Ok(Fetched {
        file,
        name: name(url).unwrap_or_default().into_bytes(),
        mtime,
    })
}

/// A moment as HTTP writes it (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn modified(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    Moment::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).map(|moment| moment.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_the_last_part_of_its_url() {
        for (url, expected) in [
            ("http://a.example/b/c.tar?x=1#y", Some("c.tar")),
            ("http://a.example/b/", None),
            ("http://a.example", None),
            ("http://a.example/..", None),
        ] {
            assert_eq!(name(url).as_deref(), expected, "{url}");
        }
        assert_eq!(modified("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(modified("yesterday"), None);
    }
}
