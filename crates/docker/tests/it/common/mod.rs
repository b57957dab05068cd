//! A lab with one instance, and a door to it, ended with the test whatever happens; a client of a few lines that speaks HTTP.

#[path = "../../../../sandbox/tests/common/mod.rs"]
mod sandbox_common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use container::Store;
use container::engine::Engine;
use container::import::{Settings, root_file_system};
use container::tar::{Entry, Kind, Writer};
use docker::serve::Door;
use docker::{Api, Docker, Scope};
use serde_json::Value;

pub use sandbox_common::{Lab, eventually};

pub struct Desk {
    pub engine: Arc<Engine>,
    pub lab: Lab,
    _door: Door,
    _runtime: tokio::runtime::Runtime,
}

pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text().split("\r\n").filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let line = self.headers.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    }

    /// Must have this status.
    pub fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

pub fn entry(path: &str, kind: Kind, size: usize) -> Entry {
    Entry { mode: 0o755, mtime: (1_700_000_000, 0), size: size as u64, ..Entry::new(path, kind) }
}

/// A tar of files.
pub fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        writer.append(&entry(path, Kind::File, content.len()), content.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

impl Desk {
    pub fn new() -> Desk {
        let lab = Lab::with_instance("i-1");
        let root = lab.directory.path();
        let store = Store::open(&root.join("images")).unwrap();
        let client = lab.handle.client().unwrap();
        let folder = root.join("labs/test");
        std::fs::create_dir_all(&folder).unwrap();
        let engine = Arc::new(Engine::new(&folder, store, client, BTreeMap::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let scope = Scope {
            lab: "test".into(),
            only: Some("i-1".into()),
            names: Arc::new(Mutex::new(BTreeMap::from([("i-1".to_owned(), "web-1".to_owned())]))),
        };
        let _inside = runtime.enter();
        let shared = Arc::new(docker::state::Shared::new(&engine).unwrap());
        let api = Api::new(Docker { engine: engine.clone(), scope, shared });
        let door = Door::open(&root.join("docker.sock"), api).unwrap();
        drop(_inside);
        Desk { engine, lab, _door: door, _runtime: runtime }
    }

    pub fn socket(&self) -> PathBuf {
        self.lab.directory.path().join("docker.sock")
    }

    /// An image of one file.
    pub fn image(&self, name: &str, content: &str) -> container::Image {
        let settings = Settings { name: Some(name.parse().unwrap()), ..Settings::default() };
        root_file_system(&self.engine.store, &tar(&[("etc/content", content), ("srv/x", "x")])[..], "image", &settings).unwrap()
    }

    pub fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], &[])
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
        // At once: whoever refuses by the head alone and closes leaves nothing unread, which would reset the connection. Of a
        // large body the rest may not be wanted.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let headers = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = all[end + 4..].to_vec();
        if headers.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Answer { status, headers, body }
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        all.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    all
}
