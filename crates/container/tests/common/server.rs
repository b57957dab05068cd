//! A registry on loopback that does what a test tells it, faults too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use container::registry::{Patience, Settings};
use container::{Digest, oci};
use serde_json::{Value, json};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where a range begins.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }

    pub fn is_blob(&self, digest: &Digest) -> bool {
        self.method == "GET" && self.path.ends_with(&format!("/blobs/{digest}"))
    }
}

/// What goes wrong behind so many bytes of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Cut(usize),
    Stall(usize),
    /// Not even a status comes.
    Silent,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub fault: Option<Fault>,
}

impl Answer {
    pub fn status(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            fault: None,
        }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Answer {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.body = bytes.into();
        self
    }

    pub fn fault(mut self, fault: Fault) -> Answer {
        self.fault = Some(fault);
        self
    }

    /// As registries say why.
    pub fn error(status: u16, message: &str) -> Answer {
        let errors = json!({"errors": [{"code": "CODE", "message": message}]});
        Answer::status(status)
            .with("content-type", "application/json")
            .body(errors.to_string())
    }
}

type Script = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// It ends with its owner.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<AtomicBool>,
}

impl Server {
    /// `script` is told what is asked, and how often the same was asked before.
    pub fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Script> = Arc::new(script);
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let ends = Arc::new(AtomicBool::new(false));
        let server = Server {
            address,
            asked: asked.clone(),
            ends: ends.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (script, asked, ends) = (script.clone(), asked.clone(), ends.clone());
                std::thread::spawn(move || {
                    let _ = talk(&stream, &ends, |request| {
                        let before = {
                            let mut all = asked.lock().unwrap();
                            let same = |one: &&Asked| {
                                one.method == request.method && one.path == request.path
                            };
                            let before = all.iter().filter(same).count();
                            all.push(request.clone());
                            before
                        };
                        script(request, before)
                    });
                });
            }
        });
        server
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Everything that was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked for this blob.
    pub fn count(&self, digest: &Digest) -> usize {
        self.asked()
            .iter()
            .filter(|one| one.is_blob(digest))
            .count()
    }

    pub fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn talk(
    stream: &TcpStream,
    ends: &AtomicBool,
    answer: impl Fn(&Asked) -> Answer,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut input = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        assert!(
            !headers.contains_key("transfer-encoding"),
            "registries want to know how much comes"
        );
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let request = Asked {
            method,
            path,
            headers,
            body,
        };
        let answer = answer(&request);
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !answer
            .headers
            .iter()
            .any(|(name, _)| name == "content-length" || name == "transfer-encoding")
        {
            head += &format!("content-length: {}\r\n", answer.body.len());
        }
        let mut output = stream;
        if answer.fault != Some(Fault::Silent) {
            output.write_all(format!("{head}\r\n").as_bytes())?;
        }
        let body = if request.method == "HEAD" {
            &[][..]
        } else {
            &answer.body
        };
        match answer.fault {
            None => output.write_all(body)?,
            Some(Fault::Cut(at)) => {
                output.write_all(&body[..at])?;
                return Ok(());
            }
            Some(stalls) => {
                if let Fault::Stall(at) = stalls {
                    output.write_all(&body[..at])?;
                }
                // Until whoever asked has gone, or the test has ended.
                stream.set_read_timeout(Some(Duration::from_millis(50)))?;
                let mut byte = [0];
                while !ends.load(Ordering::Relaxed) {
                    match input.read(&mut byte) {
                        Err(error)
                            if matches!(
                                error.kind(),
                                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                            ) => {}
                        _ => break,
                    }
                }
                return Ok(());
            }
        }
    }
}

/// What a registry has: bytes and media types by path.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    pub files: BTreeMap<String, (String, Vec<u8>)>,
}

impl Shelf {
    fn put(&mut self, path: String, media_type: &str, bytes: Vec<u8>) {
        self.files.insert(path, (media_type.into(), bytes));
    }

    /// Describes bytes and puts them on the shelf as a blob of `a/b`.
    pub fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let described =
            json!({"mediaType": media_type, "digest": Digest::of(&bytes), "size": bytes.len()});
        self.put(
            format!("/v2/a/b/blobs/{}", Digest::of(&bytes)),
            "application/octet-stream",
            bytes,
        );
        described
    }

    /// The same as a manifest, by digest.
    pub fn manifest(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let described =
            json!({"mediaType": media_type, "digest": Digest::of(&bytes), "size": bytes.len()});
        self.put(
            format!("/v2/a/b/manifests/{}", Digest::of(&bytes)),
            media_type,
            bytes,
        );
        described
    }

    pub fn tag(&mut self, tag: &str, media_type: &str, bytes: Vec<u8>) {
        self.manifest(media_type, bytes.clone());
        self.put(format!("/v2/a/b/manifests/{tag}"), media_type, bytes);
    }

    /// An image of `a/b`: its manifest.
    pub fn image(&mut self, layers: &[Vec<u8>], packed: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
        let config = self.blob(oci::CONFIG, super::config(&diff_ids));
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.blob(kind, packed(layer)))
            .collect();
        json!({"schemaVersion": 2, "mediaType": oci::MANIFEST, "config": config, "layers": layers})
            .to_string()
            .into_bytes()
    }

    /// What a registry without faults answers.
    pub fn answer(&self, asked: &Asked) -> Answer {
        if asked.path == "/v2/" {
            return Answer::status(200).body("{}");
        }
        let Some((media_type, bytes)) = self.files.get(&asked.path) else {
            return Answer::error(404, "not known");
        };
        let answer = Answer::status(200)
            .with("content-type", media_type)
            .with("docker-content-digest", Digest::of(bytes));
        match asked.from() {
            None => answer.body(bytes.clone()),
            Some(from) if from < bytes.len() => Answer {
                status: 206,
                ..answer
            }
            .with(
                "content-range",
                format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
            )
            .body(&bytes[from..]),
            Some(_) => Answer::status(416),
        }
    }
}

/// Settings of a test, in which nobody waits long: a registry that says nothing for `stall` has stalled.
pub fn impatient(stall: Duration) -> Settings {
    let patience = Patience {
        connect: Duration::from_secs(5),
        stall,
        tries: 3,
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_secs(2),
    };
    Settings {
        patience,
        ..Settings::default()
    }
}
