//! Requests to one registry about one repository: who one is, where it sends one to, what is worth another try.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ureq::http::header::{AUTHORIZATION, LOCATION};
use ureq::http::{HeaderMap, Method, Request, Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::failure::tame;
use super::host::{address, is_local, is_same, join};
use super::{Event, Failure, Job, Patience};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// Redirects and logins of one request.
const ROUNDS: usize = 8;

/// What one try came to.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another try may do better; `wait` is what the registry asks for.
    Again {
        why: Failure,
        wait: Option<Duration>,
    },
    /// It will not.
    Final(Error),
}

impl Trouble {
    pub fn again(why: Failure) -> Trouble {
        Trouble::Again { why, wait: None }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Final(failure.into())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Final(error)
    }
}

/// Counts tries and waits between them.
pub(crate) struct Backoff {
    left: u32,
    wait: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn new(tries: u32, patience: &Patience) -> Backoff {
        Backoff {
            left: tries.max(1) - 1,
            wait: patience.first_wait,
            longest: patience.longest_wait,
        }
    }

    /// Waits for the next try, or errs where there is none.
    pub fn after(&mut self, job: &Job, trouble: Trouble) -> Result<()> {
        let (why, asked) = match trouble {
            Trouble::Final(error) => return Err(error),
            Trouble::Again { why, wait } => (why, wait),
        };
        // Those who failed together are not to come back together.
        let nanoseconds = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.subsec_nanos());
        let wait = asked.unwrap_or(self.wait + self.wait * (nanoseconds % 256) / 1024);
        if self.left == 0 || wait > self.longest {
            return Err(why.into());
        }
        self.left -= 1;
        self.wait = (self.wait * 2).min(self.longest);
        job.progress.event(Event::Again { why: &why, wait });
        job.wait(wait)
    }
}

/// What is sent.
pub(crate) struct Ask<'r> {
    pub method: Method,
    pub uri: Uri,
    pub headers: Vec<(&'static str, String)>,
    pub body: Sent<'r>,
    /// For errors.
    pub what: String,
    /// Answers that are none of the usual ones and no failure.
    pub accepted: &'static [u16],
}

/// A body.
pub(crate) enum Sent<'r> {
    None,
    Bytes(&'r [u8]),
    /// All of a file, its bytes, and its digest.
    File(&'r File, u64, &'r Digest),
}

/// A registry, and one repository in it.
pub(crate) struct Client<'a> {
    /// Its host as people write it.
    pub registry: String,
    pub job: &'a Job<'a>,
    /// How often anything is tried.
    pub tries: u32,
    pub(super) repository: String,
    /// `pull`, or `pull,push`.
    pub(super) actions: &'static str,
    pub(super) base: Uri,
    agents: Mutex<BTreeMap<(bool, bool), Agent>>,
    pub(super) authorization: Mutex<Option<Arc<str>>>,
}

impl<'a> Client<'a> {
    /// Finds out how a registry is spoken to, and proves who one is if it asks.
    pub fn connect(
        job: &'a Job<'a>,
        registry: &str,
        repository: &str,
        actions: &'static str,
        tries: u32,
    ) -> Result<Client<'a>> {
        let address = address(registry);
        let uri = |scheme: &str| {
            format!("{scheme}://{address}/v2/")
                .parse::<Uri>()
                .map_err(|e| Error::Reference {
                    text: registry.into(),
                    why: e.to_string(),
                })
        };
        let secure = uri("https")?;
        // Plain HTTP comes first only where nobody can listen.
        let schemes: &[&str] = match (is_local(&secure), job.settings.is_insecure) {
            (true, _) => &["http", "https"],
            (false, true) => &["https", "http"],
            (false, false) => &["https"],
        };
        let mut client = Client {
            registry: registry.into(),
            job,
            tries,
            repository: repository.into(),
            actions,
            base: secure,
            agents: Mutex::default(),
            authorization: Mutex::default(),
        };
        let mut last = None;
        for (at, scheme) in schemes.iter().enumerate() {
            client.base = uri(scheme)?;
            match client.probe(at + 1 < schemes.len()) {
                Ok(true) => return Ok(client),
                Ok(false) => {}
                Err(error) => {
                    let is_transport = matches!(
                        &error,
                        Error::Registry(
                            Failure::Unreachable { .. }
                                | Failure::Untrusted { .. }
                                | Failure::Odd { .. }
                        )
                    );
                    if !is_transport {
                        return Err(error);
                    }
                    last.get_or_insert(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| client.odd("it answers neither HTTP nor HTTPS").into()))
    }

    /// Whether it speaks this scheme.
    fn probe(&self, has_other: bool) -> Result<bool> {
        let mut backoff = Backoff::new(self.tries, &self.job.settings.patience);
        let ask = Ask {
            method: Method::GET,
            uri: self.base.clone(),
            headers: Vec::new(),
            body: Sent::None,
            what: "its version".into(),
            accepted: &[],
        };
        loop {
            let trouble = match self.send(&ask, &self.base, None) {
                Ok(response) => match response.status().as_u16() {
                    // A server of TLS says so in the clear.
                    400 if has_other => return Ok(false),
                    401 => match self.authenticate(response, None, &ask.what) {
                        Ok(()) => return Ok(true),
                        Err(trouble) => trouble,
                    },
                    408 | 429 | 500.. => self.refusal(response, &ask, &self.base),
                    // Some have nothing there and are registries all the same.
                    _ => return Ok(true),
                },
                // Who is not there is not there in a second either, and is mostly a mistake in a name.
                Err(Trouble::Again {
                    why: why @ (Failure::Unreachable { .. } | Failure::CutOff { .. }),
                    ..
                }) if has_other => {
                    return match why {
                        Failure::CutOff { .. } => Ok(false),
                        why => Err(why.into()),
                    };
                }
                Err(Trouble::Again {
                    why: why @ Failure::Unreachable { .. },
                    ..
                }) => return Err(why.into()),
                Err(trouble) => trouble,
            };
            backoff.after(self.job, trouble)?;
        }
    }

    /// Address of something in the repository.
    pub fn uri(&self, path: &str) -> Result<Uri> {
        join(&self.base, &format!("/v2/{}/{path}", self.repository)).ok_or_else(|| {
            self.odd(format!("`{path}` is no part of an address"))
                .into()
        })
    }

    /// Address that the registry sent.
    pub fn located(&self, headers: &HeaderMap, at: &Uri) -> Result<Uri, Failure> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.odd("it does not say where to go on"))?;
        let to = join(at, location)
            .ok_or_else(|| self.odd(format!("it points to `{}`", tame(location))))?;
        self.check_plain(at, &to)?;
        Ok(to)
    }

    /// Nothing goes from an encrypted connection to one that is not, nor from this machine in the clear.
    pub(super) fn check_plain(&self, from: &Uri, to: &Uri) -> Result<(), Failure> {
        let is_encrypted = to.scheme_str() == Some("https");
        let stays_here = from.scheme_str() == Some("http") && is_local(to);
        if is_encrypted || stays_here || self.job.settings.is_insecure {
            return Ok(());
        }
        Err(Failure::Plain {
            registry: self.registry.clone(),
            address: tame(&to.to_string()),
        })
    }

    /// Sends, and tries again as long as that may help.
    pub fn request(&self, ask: &Ask) -> Result<Response<Body>> {
        let mut backoff = Backoff::new(self.tries, &self.job.settings.patience);
        loop {
            self.job.check()?;
            match self.once(ask) {
                Ok(response) => return Ok(response),
                Err(trouble) => backoff.after(self.job, trouble)?,
            }
        }
    }

    /// Sends once: follows redirects and logs in where it has to.
    pub fn once(&self, ask: &Ask) -> Result<Response<Body>, Trouble> {
        let mut uri = ask.uri.clone();
        let mut logins = 0;
        for _ in 0..ROUNDS {
            let own = is_same(&uri, &self.base);
            let authorization = if own { self.authorization() } else { None };
            let response = self.send(ask, &uri, authorization.as_deref())?;
            match response.status().as_u16() {
                200..=299 => return Ok(response),
                status if ask.accepted.contains(&status) => return Ok(response),
                301 | 302 | 303 | 307 | 308 if matches!(ask.method, Method::GET | Method::HEAD) => {
                    uri = self.located(response.headers(), &uri)?;
                }
                401 if own && logins < 2 => {
                    logins += 1;
                    self.authenticate(response, authorization, &ask.what)?;
                }
                _ => return Err(self.refusal(response, ask, &uri)),
            }
        }
        Err(self.odd("it redirects without end").into())
    }

    fn authorization(&self) -> Option<Arc<str>> {
        let authorization = self.authorization.lock();
        authorization
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// One request and one answer, whatever it is.
    pub(super) fn send(
        &self,
        ask: &Ask,
        uri: &Uri,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, Trouble> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(uri.clone());
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let (mut bytes, mut file);
        let reader: Option<&mut dyn Read> = match ask.body {
            Sent::None => None,
            Sent::Bytes(all) => {
                request = request.header("content-length", all.len());
                bytes = all;
                Some(&mut bytes)
            }
            Sent::File(from, size, digest) => {
                request = request.header("content-length", size);
                let mut from = from;
                from.rewind()
                    .map_err(Error::io(format!("reading {}", ask.what)))?;
                file = Watched {
                    inner: from,
                    digest,
                    job: self.job,
                };
                Some(&mut file)
            }
        };
        let agent = self.agent(uri);
        let sent = match reader {
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| agent.run(request)),
            Some(reader) => {
                let body = SendBody::from_reader(reader);
                request
                    .body(body)
                    .map_err(ureq::Error::from)
                    .and_then(|request| agent.run(request))
            }
        };
        sent.map_err(|error| self.broken(error, &ask.what))
    }

    /// Connections are kept by whether they are encrypted and whether they leave this machine.
    fn agent(&self, uri: &Uri) -> Agent {
        let (is_tls, is_local) = (uri.scheme_str() == Some("https"), is_local(uri));
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = &self.job.settings.patience;
        let make = || {
            let mut config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("vpclab/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(Some(patience.connect))
                .timeout_connect(Some(patience.connect))
                .timeout_per_read(Some(patience.stall))
                .timeout_per_write(Some(patience.stall));
            if is_local {
                config = config.proxy(None);
            }
            if is_tls {
                config = config.tls_config(trust(self.job.settings.is_insecure));
            }
            Agent::new_with_config(config.build())
        };
        agents
            .entry((is_tls, is_local))
            .or_insert_with(make)
            .clone()
    }

    pub fn odd(&self, why: impl Into<String>) -> Failure {
        Failure::Odd {
            registry: self.registry.clone(),
            why: why.into(),
        }
    }
}

/// Whose certificates are believed: those that this machine believes, or Mozilla's where it has none.
pub(crate) fn trust(is_insecure: bool) -> TlsConfig {
    let known = rustls_native_certs::load_native_certs().certs;
    let roots = if known.is_empty() {
        RootCerts::WebPki
    } else {
        let all: Vec<Certificate<'static>> = known
            .iter()
            .map(|one| Certificate::from_der(one).to_owned())
            .collect();
        RootCerts::new_with_certs(&all)
    };
    TlsConfig::builder()
        .root_certs(roots)
        .disable_verification(is_insecure)
        .build()
}

/// Counts what is sent.
struct Watched<'a> {
    inner: &'a File,
    digest: &'a Digest,
    job: &'a Job<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.job.check()?;
        let count = self.inner.read(buffer)?;
        self.job.progress.event(Event::Bytes {
            digest: self.digest,
            count: count as u64,
        });
        Ok(count)
    }
}
