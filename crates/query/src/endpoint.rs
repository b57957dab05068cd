//! One endpoint for EC2, STS and IAM: from a request to a response.
//!
//! [`Endpoint::answer`] does all of it. Whoever serves many connections at once takes its three steps apart, because only
//! the middle one changes anything: [`Endpoint::read`] (signature, form, parameters), [`Endpoint::call`],
//! [`Endpoint::write`] (XML).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::client_token::{Key, Tokens};
use crate::form::{self, Node};
use crate::http::{Request, Response};
use crate::page::Page;
use crate::refusal::{Refusal, quoted};
use crate::shapes::{self, Operation, Protocol, Service};
use crate::sigv4::{Secret, region_of, verify};
use crate::{answer, parameters};

/// Who decides what calls do.
pub trait Backend {
    /// The present.
    fn now(&self) -> Timestamp;

    /// The secret half of an access key; `None` for one that nobody has or that is switched off.
    fn secret(&self, access_key_id: &str) -> Option<Secret>;

    /// The account that a key belongs to; without a key (no authentication) the one that callers are in.
    fn account(&self, access_key_id: Option<&str>) -> String;

    /// Whether the caller may make the call at all, asked before anything else is looked at (semantics EC2A-7); services that
    /// decide this while they serve say nothing here.
    fn may(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let _ = call;
        Ok(())
    }

    /// Serves a call that may be made: parameters in, answer out; all pages of a list at once.
    fn call(&mut self, call: &Call<'_>) -> Result<Value, Refusal>;
}

/// A call as the backend sees it.
#[derive(Debug)]
pub struct Call<'c> {
    /// The service.
    pub service: &'static Service,
    /// The operation.
    pub operation: &'static Operation,
    /// The region that the request was signed for.
    pub region: &'c str,
    /// The account of the caller.
    pub account: &'c str,
    /// The key that signed; `None` without authentication.
    pub access_key_id: Option<&'c str>,
    /// Parameters, in the shape of `--cli-input-json`, without those that ask for a page.
    pub parameters: &'c Value,
}

/// Whether requests must be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// By Signature Version 4.
    Signed,
    /// Not at all: the service is told by the version, and the region by what signatures say of it.
    Off {
        /// The region of requests that say none.
        region: String,
    },
}

/// How many answers to requests with client tokens are kept.
pub const TOKENS: usize = 10_000;

/// The header that names a request.
const REQUEST_ID: &str = "x-amzn-RequestId";

/// The endpoint.
#[derive(Debug)]
pub struct Endpoint {
    authentication: Authentication,
    tokens: Tokens,
    /// What request ids are made of, besides their number.
    seed: u64,
    requests: AtomicU64,
}

/// A request that was read: signed by whom it says, and well formed.
#[derive(Debug, Clone)]
pub struct Asked {
    service: &'static Service,
    operation: &'static Operation,
    region: String,
    access_key_id: Option<String>,
    parameters: Value,
    token: Option<String>,
    page: Option<Page<'static>>,
}

/// Why a request was not read, and what is known of it all the same.
#[derive(Debug)]
pub struct Unread {
    refusal: Refusal,
    service: Option<&'static Service>,
    action: Option<String>,
}

impl Asked {
    /// The service.
    pub fn service(&self) -> &'static Service {
        self.service
    }

    /// The operation.
    pub fn operation(&self) -> &'static Operation {
        self.operation
    }

    /// The region that it was signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The key that signed; `None` without authentication.
    pub fn access_key_id(&self) -> Option<&str> {
        self.access_key_id.as_deref()
    }

    /// Parameters, without those that ask for a page.
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// What its client token is remembered by for an account; `None` where there is no token, or where a dry run has one.
    pub fn token(&self, account: &str) -> Option<Key> {
        let token = self.token.as_ref().filter(|_| self.parameters["DryRun"] != true)?;
        let (region, operation) = (self.region.clone(), self.operation.name.to_owned());
        Some(Key { account: account.to_owned(), region, operation, token: token.clone() })
    }

    fn call<'a>(&'a self, account: &'a str) -> Call<'a> {
        Call {
            service: self.service,
            operation: self.operation,
            region: &self.region,
            account,
            access_key_id: self.access_key_id(),
            parameters: &self.parameters,
        }
    }

    /// Whether the request may be made at all. Errors: the refusal of whoever decides that.
    pub fn may(&self, backend: &impl Backend) -> Result<(), Refusal> {
        backend.may(&self.call(&backend.account(self.access_key_id())))
    }

    /// Serves the request with tokens that somebody else keeps. A repeated one with a client token gets the first one's answer.
    pub fn serve(&self, tokens: &mut Tokens, backend: &mut impl Backend) -> Result<Value, Refusal> {
        let account = backend.account(self.access_key_id());
        let call = self.call(&account);
        // Nobody gets the answer to somebody else's client token who may not ask for it.
        backend.may(&call)?;
        let Some(key) = self.token(&account) else { return backend.call(&call) };
        let now = backend.now();
        if let Some(answer) = tokens.find(&key, &self.parameters, now)? {
            return Ok(answer.clone());
        }
        let answer = backend.call(&call)?;
        tokens.keep(key, self.parameters.clone(), answer.clone(), now);
        Ok(answer)
    }
}

impl Endpoint {
    /// An endpoint; request ids repeat for the same seed.
    pub fn new(authentication: Authentication, seed: u64) -> Self {
        Self { authentication, tokens: Tokens::new(TOKENS), seed, requests: AtomicU64::new(0) }
    }

    /// Answers a request, whatever it is.
    pub fn answer(&mut self, backend: &mut impl Backend, request: &Request) -> Response {
        match self.read(backend, request) {
            Err(unread) => self.refuse(unread),
            Ok(asked) => {
                let outcome = self.call(backend, &asked);
                self.write(&asked, outcome)
            }
        }
    }

    /// Reads a request: first whether it is signed, then what it says (semantics EC2A-7).
    pub fn read(&self, backend: &impl Backend, request: &Request) -> Result<Asked, Unread> {
        let unsigned = |refusal| Unread { refusal, service: service_meant(request), action: None };
        let (region, access_key_id, of_scope) = match &self.authentication {
            Authentication::Off { region } => (region_of(request).unwrap_or_else(|| region.clone()), None, None),
            Authentication::Signed => {
                let find = |key: &str| backend.secret(key);
                let signed = verify(request, backend.now(), find).map_err(unsigned)?;
                (signed.region, Some(signed.access_key_id), shapes::service(&signed.service))
            }
        };
        let pairs = read_form(request).map_err(unsigned)?;
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let service = of_scope.or_else(|| value("Version").and_then(shapes::service_of_version));
        let action = value("Action").filter(|action| !action.is_empty());
        let refused = |refusal| Unread { refusal, service, action: action.map(|action| quoted(action).into_owned()) };
        let (service, operation) = addressed(service, value("Version"), action).map_err(refused)?;
        let (parameters, page) = read_parameters(service, operation, &pairs).map_err(refused)?;
        let token = service.token_of(operation).and_then(|member| parameters.get(member.name)?.as_str());
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Asked { service, operation, region, access_key_id, parameters, token, page })
    }

    /// Serves a request that was read. A repeated one with a client token gets the first one's answer.
    pub fn call(&mut self, backend: &mut impl Backend, asked: &Asked) -> Result<Value, Refusal> {
        asked.serve(&mut self.tokens, backend)
    }

    /// Writes what came of a request that was read.
    pub fn write(&self, asked: &Asked, outcome: Result<Value, Refusal>) -> Response {
        self.write_with(asked, outcome, &[])
    }

    /// The same of an answer in which numbers stand for pieces that were written before ([`answer::write_with`]).
    pub fn write_with(&self, asked: &Asked, outcome: Result<Value, Refusal>, pieces: &[Arc<str>]) -> Response {
        let request_id = self.next_request_id();
        let body = outcome.and_then(|answer| {
            let answer = match &asked.page {
                Some(page) => page.cut(answer),
                None => answer,
            };
            answer::write_with(asked.service, asked.operation, &answer, &request_id, pieces)
        });
        match body {
            Ok(body) => respond(200, body, request_id, Some(asked.operation.name.to_owned()), None),
            Err(refusal) => write_refusal(&refusal, Some(asked.service), Some(asked.operation.name.to_owned()), request_id),
        }
    }

    /// A response as it was, under a request id of its own.
    pub fn repeat(&self, response: &Response) -> Response {
        let mut again = response.clone();
        let request_id = self.next_request_id();
        let of_id = again.headers.iter_mut().find(|(name, _)| *name == REQUEST_ID);
        if let Some((_, before)) = of_id {
            // It stands in the body once, and all are of one length.
            if let Some(at) = again.body.find(before.as_str()) {
                again.body.replace_range(at..at + before.len(), &request_id);
            }
            *before = request_id;
        }
        again
    }

    /// Writes why a request was not read.
    pub fn refuse(&self, unread: Unread) -> Response {
        write_refusal(&unread.refusal, unread.service, unread.action, self.next_request_id())
    }

    fn next_request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(number.to_be_bytes()).finalize();
        let group = |range: std::ops::Range<usize>| hash[range].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        [0..4, 4..6, 6..8, 8..10, 10..16].map(group).join("-")
    }
}

/// The pairs of the query and, unless the method is GET, of the body; without the query's signature.
fn read_form(request: &Request) -> Result<Vec<(String, String)>, Refusal> {
    let mut pairs = form::pairs(request.query.as_bytes())?;
    pairs.retain(|(name, _)| !name.starts_with("X-Amz-"));
    match request.method.as_str() {
        "GET" => {}
        "POST" => pairs.extend(form::pairs(&request.body)?),
        _ => {
            let message = format!("The method {} is not allowed; GET and POST are.", quoted(&request.method));
            return Err(Refusal { status: 405, ..Refusal::new("MethodNotAllowed", message) });
        }
    }
    Ok(pairs)
}

fn read_parameters(
    service: &Service,
    operation: &'static Operation,
    pairs: &[(String, String)],
) -> Result<(Value, Option<Page<'static>>), Refusal> {
    let mut form = Node::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    form.below.retain(|name, _| !matches!(*name, "Action" | "Version"));
    let mut parameters = parameters::read(service, operation, &form)?;
    let page = Page::take(service, operation, &mut parameters)?;
    Ok((parameters, page))
}

/// The service that a request is meant for, as well as it can be told before its signature is verified: it decides how
/// a refusal is written, nothing else.
fn service_meant(request: &Request) -> Option<&'static Service> {
    let texts: Vec<&str> = request.values("authorization").chain([request.query.as_str()]).collect();
    let scoped = shapes::services().iter().find(|service| {
        let (header, query) = (format!("/{}/aws4_request", service.name), format!("%2F{}%2Faws4_request", service.name));
        texts.iter().any(|text| text.contains(&header) || text.contains(&query))
    });
    let by_version = |service: &&Service| {
        let pair = format!("Version={}", service.version);
        request.query.contains(&pair) || request.body.windows(pair.len()).any(|window| window == pair.as_bytes())
    };
    scoped.or_else(|| shapes::services().iter().find(by_version))
}

/// What `Action` and `Version` address.
fn addressed(
    service: Option<&'static Service>,
    version: Option<&str>,
    action: Option<&str>,
) -> Result<(&'static Service, &'static Operation), Refusal> {
    let Some(action) = action else {
        return Err(Refusal::new("MissingAction", "The request must contain the parameter Action"));
    };
    let Some(version) = version.filter(|version| !version.is_empty()) else {
        return Err(Refusal::new("MissingParameter", "The request must contain the parameter Version"));
    };
    let Some(service) = service.filter(|service| service.version == version) else {
        let of = service.map(|service| format!(" of service {}", service.name)).unwrap_or_default();
        let message = format!("The requested version ({}){of} is not valid.", quoted(version));
        return Err(Refusal::new("NoSuchVersion", message));
    };
    match service.operation(action) {
        Some(operation) => Ok((service, operation)),
        None => {
            let message = format!("The action {} is not valid for this web service.", quoted(action));
            Err(Refusal::new("InvalidAction", message))
        }
    }
}

fn write_refusal(refusal: &Refusal, service: Option<&Service>, action: Option<String>, request_id: String) -> Response {
    let (protocol, namespace) = service.map_or((Protocol::Ec2, ""), |service| (service.protocol, service.namespace));
    let body = refusal.write(protocol, namespace, &request_id);
    respond(refusal.status, body, request_id, action, Some(refusal.code.to_string()))
}

fn respond(status: u16, body: String, request_id: String, operation: Option<String>, code: Option<String>) -> Response {
    let headers = vec![("Content-Type", "text/xml;charset=UTF-8".to_owned()), (REQUEST_ID, request_id)];
    Response { status, headers, body, operation, code }
}
