//! A registry of images on loopback, in the test's own process.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use container::Digest;

/// Bytes by path.
pub type Files = Mutex<BTreeMap<String, Vec<u8>>>;

/// A registry that has these files by path, and takes what it is given. Of `private` it wants a password.
pub fn registry() -> (String, Arc<Files>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let files: Arc<Files> = Arc::default();
    let shared = files.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = shared.clone();
            std::thread::spawn(move || drop(answer(&stream, &files)));
        }
    });
    (host, files)
}

fn answer(stream: &TcpStream, files: &Files) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    loop {
        let (mut line, mut length, mut is_known) = (String::new(), 0, false);
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                // me:x
                "authorization" => is_known = value.trim() == "Basic bWU6eA==",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let (path, query) = words[1].split_once('?').unwrap_or((&words[1], ""));
        let found = files.lock().unwrap().get(path).cloned();
        let (status, header, body) = match (words[0].as_str(), found) {
            _ if path.contains("/private/") && !is_known => ("401 X", "www-authenticate: Basic realm=x\r\n", Vec::new()),
            (_, _) if path == "/v2/" => ("200 X", "", Vec::new()),
            ("POST", _) => ("202 X", "location: ./put\r\n", Vec::new()),
            ("PUT", _) if path.ends_with("/put") => {
                let digest = query.strip_prefix("digest=").unwrap();
                let path = path.replace("uploads/put", digest);
                files.lock().unwrap().insert(path, body);
                ("201 X", "", Vec::new())
            }
            ("PUT", _) => {
                let by_digest = format!("{}/{}", path.rsplit_once('/').unwrap().0, Digest::of(&body));
                files.lock().unwrap().extend([(path.to_owned(), body.clone()), (by_digest, body)]);
                ("201 X", "", Vec::new())
            }
            (_, Some(body)) => ("200 X", "", body),
            (_, None) => ("404 X", "", Vec::new()),
        };
        let mut output = stream;
        write!(output, "HTTP/1.1 {status}\r\n{header}content-length: {}\r\n\r\n", body.len())?;
        if words[0] != "HEAD" {
            output.write_all(&body)?;
        }
    }
}
