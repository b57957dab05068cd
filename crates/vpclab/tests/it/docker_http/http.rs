//! HTTP/1.1 over a unix socket, as far as Docker's clients speak it: answers of a length, in chunks, and connections that become streams.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `message` of an error.
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// Who asks.
pub struct Http {
    socket: PathBuf,
}

impl Http {
    pub fn new(socket: &Path) -> Http {
        Http { socket: socket.to_owned() }
    }

    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "application/json", b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.ask("POST", path, "application/json", &body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, "application/json", b"")
    }

    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        answer(stream, method == "HEAD")
    }

    /// A connection that becomes a stream of both sides.
    pub fn hijack(&self, path: &str, body: &str) -> (Answer, BufReader<UnixStream>) {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let (status, headers) = head(&mut reader);
        let mut body = Vec::new();
        if status != 101 {
            reader.read_to_end(&mut body).unwrap();
        }
        (Answer { status, headers, body }, reader)
    }
}

fn head(reader: &mut impl BufRead) -> (u16, String) {
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{first:?}"));
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            return (status, headers.to_lowercase());
        }
        headers += &line;
    }
}

fn answer(stream: UnixStream, is_head: bool) -> Answer {
    let mut reader = BufReader::new(stream);
    let (status, headers) = head(&mut reader);
    let mut body = Vec::new();
    if is_head {
        return Answer { status, headers, body };
    }
    if headers.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("{size:?}"));
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).unwrap();
            if size == 0 {
                break;
            }
            body.extend(&chunk[..size]);
        }
    } else {
        reader.read_to_end(&mut body).unwrap();
    }
    Answer { status, headers, body }
}

/// Frames of a stream without a terminal until its end: what each of the three streams said.
pub fn frames(reader: &mut impl Read) -> [String; 3] {
    let mut said: [Vec<u8>; 3] = Default::default();
    loop {
        let mut head = [0; 8];
        match reader.read_exact(&mut head) {
            Ok(()) => {}
            Err(_) => return said.map(|bytes| String::from_utf8(bytes).unwrap()),
        }
        let [kind, zero @ .., a, b, c, d] = head;
        assert_eq!(zero, [0; 3]);
        let mut bytes = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        reader.read_exact(&mut bytes).unwrap();
        said[usize::from(kind)].extend(bytes);
    }
}
