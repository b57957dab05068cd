//! Calls through the wire: signed as a client would, read as a client would.

use door::{Knock, Visit};
use model::Timestamp;
use query::endpoint::Authentication;
use query::sigv4::{Signer, sign};
use query::{Endpoint, Request, Service, form, parameters, reply, shapes};
use serde_json::Value;

use super::scope::Scope;
use crate::scenario::step::{Call, Caller};
use crate::topology::ACCOUNT;

/// What came of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The answer in the shape of boto3, or the error code and its message.
    pub result: Result<Value, (String, String)>,
}

/// The endpoint of a scenario.
#[derive(Debug)]
pub struct Api {
    endpoint: Endpoint,
}

impl Api {
    /// One that verifies signatures.
    pub fn new() -> Self {
        Self { endpoint: Endpoint::new(Authentication::Signed, 1) }
    }
}

/// A key as a caller has it.
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Makes a call. Errors: what cannot be asked at all.
pub fn call(scope: &mut Scope, call: &Call, arguments: &Value) -> Result<Reply, String> {
    let (service, operation) = call.op.split_once(':').unwrap_or(("ec2", &call.op));
    let service = shapes::service(service).ok_or_else(|| format!("engine cannot serve calls of {service}"))?;
    let operation = service.operation(operation);
    let operation = operation.ok_or_else(|| format!("engine cannot serve the operation {}", call.op))?;
    if let Some(stranger) = parameters::strangers(service, operation, arguments).first() {
        return Err(format!("{} has no parameter {stranger}", call.op));
    }
    let mut pairs = vec![("Action".to_owned(), operation.name.to_owned()), ("Version".to_owned(), service.version.to_owned())];
    pairs.extend(parameters::write(service, operation, arguments));
    let form = form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![
            ("Host".to_owned(), "127.0.0.1".to_owned()),
            ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ("User-Agent".to_owned(), "conformance".to_owned()),
        ],
        body: form.into_bytes(),
        ..Request::default()
    };
    let now = scope.world.model.context.now;
    if let Some(credentials) = credentials(scope, &call.caller)? {
        sign_as(&mut request, service, &scope.world.model.region.0, &credentials, shifted(now, clock(&call.caller)));
    }
    let knock = Knock::of(&request, [127, 0, 0, 1].into(), false);
    let Scope { world, api, .. } = scope;
    let mut accounts = std::mem::take(&mut world.identities.accounts);
    let model = &mut world.model;
    let response = world.identities.with_random(now, |environment| {
        let environment = iam::Environment { now: environment.now, random: &mut *environment.random };
        let mut visit = Visit { accounts: &mut accounts, cloud: model, environment, knock: &knock, home: ACCOUNT, made_key: None };
        api.endpoint.answer(&mut visit, &request)
    });
    world.identities.accounts = accounts;
    let result = reply::read(service, operation, &response).map_err(|malformed| format!("{}: {malformed:?}", call.op))?;
    Ok(Reply { status: response.status, result: result.map_err(|refused| (refused.code, refused.message)) })
}

/// The key of whoever calls; none for those who do not sign. Errors: nobody has this name.
fn credentials(scope: &Scope, caller: &Caller) -> Result<Option<Credentials>, String> {
    let of = |user: Option<&str>| {
        let key = scope.world.identities.key(user);
        let key = key.ok_or_else(|| format!("there is no user `{}` with a key", user.unwrap_or("root")))?;
        let (access_key_id, secret_access_key) = (key.id.clone(), key.secret.clone());
        Ok::<_, String>(Credentials { access_key_id, secret_access_key, session_token: None })
    };
    Ok(match caller {
        Caller::Administrator => Some(of(None)?),
        Caller::User { user, wrong_secret: false, .. } => Some(of(Some(user))?),
        Caller::User { user, wrong_secret: true, .. } => {
            Some(Credentials { secret_access_key: "wrong".repeat(8), ..of(Some(user))? })
        }
        Caller::UnknownKey => Some(Credentials { access_key_id: "AKIANOBODYHASTHISKEY".to_owned(), ..of(None)? }),
        Caller::Anonymous => None,
        Caller::Session { saved, omit_token } => {
            let session = crate::value::Symbols::saved(scope, &format!("${saved}"))?;
            let text = |name: &str| match session[name].as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(format!("`{saved}` is no Credentials: it has no {name}")),
            };
            let token = text("SessionToken")?;
            Some(Credentials {
                access_key_id: text("AccessKeyId")?,
                secret_access_key: text("SecretAccessKey")?,
                session_token: (!omit_token).then_some(token),
            })
        }
    })
}

/// Seconds that the caller's clock is off.
fn clock(caller: &Caller) -> i64 {
    match caller {
        Caller::User { clock, .. } => *clock,
        _ => 0,
    }
}

fn shifted(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp(now.0.saturating_add_signed(seconds))
}

fn sign_as(request: &mut Request, service: &Service, region: &str, credentials: &Credentials, moment: Timestamp) {
    let signer = Signer {
        access_key_id: &credentials.access_key_id,
        secret_access_key: &credentials.secret_access_key,
        session_token: credentials.session_token.as_deref(),
        // IAM and STS have one place for the whole world (SIG-4).
        region: if service.name == "ec2" { region } else { "us-east-1" },
        service: service.name,
    };
    sign(request, signer, moment);
}
