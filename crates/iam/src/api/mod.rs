//! The APIs of IAM and STS as data: operation names, parameters and answers in the JSON shape of the AWS SDKs. Policy documents in
//! answers are percent-encoded, as on the wire.
//!
//! [`call`] asks whether whoever calls may do it, and does it. Each family has a file with its `OPERATIONS` table.

mod account;
mod arguments;
mod authorise;
mod credential;
mod entity;
mod key;
mod page;
mod policy;
mod profile;
mod shape;
mod simulate;
mod sts;

pub use authorise::{Reviewed, check, decode_message, encode_message, review};

use serde_json::Value;

use crate::account::{Account, Key};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::facts::Facts;
use arguments::Arguments;

/// What serves an operation of IAM.
type Serve = fn(&mut Asked<'_, '_>, &Arguments<'_>) -> Result<Value>;

/// An operation: its name, whose resource it is asked for, and what serves it.
type Operation = (&'static str, Of, Serve);

/// The resource that an operation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// None: `*`.
    Nothing,
    /// The user that `UserName` names; without it whoever calls.
    User,
    /// The group that `GroupName` names.
    Group,
    /// The role that `RoleName` names.
    Role,
    /// The policy that `PolicyArn` names.
    Policy,
    /// The policy that is made: `PolicyName`.
    NewPolicy,
    /// The instance profile that `InstanceProfileName` names.
    Profile,
    /// Whoever `PolicySourceArn` names.
    Source,
}

/// An account as an operation sees it, with whoever calls.
pub struct Asked<'a, 'e> {
    /// The account.
    pub account: &'a mut Account,
    /// Time and randomness.
    pub environment: &'a mut Environment<'e>,
    /// The key that signed.
    pub key: Key,
}

const FAMILIES: &[&[Operation]] = &[
    account::OPERATIONS,
    credential::OPERATIONS,
    entity::OPERATIONS,
    key::OPERATIONS,
    policy::OPERATIONS,
    profile::OPERATIONS,
    simulate::OPERATIONS,
];

/// Serves one call of IAM for the owner of a key. `facts` are what is known of the request beyond who calls.
///
/// Errors: `InvalidAction`, `AccessDenied`, and what the operation says.
pub fn call(account: &mut Account, environment: &mut Environment<'_>, key: &Key, operation: &str, arguments: &Value, facts: &Facts) -> Result<Value> {
    let found = FAMILIES.iter().flat_map(|family| family.iter()).find(|(name, ..)| *name == operation);
    let Some((name, of, serve)) = found else {
        return Err(Error::new(Code::InvalidAction, format!("Could not find operation {operation} for version 2010-05-08")));
    };
    if key.owner.has_session_token() {
        return Err(Error::new(Code::InvalidClientTokenId, "The security token included in the request is invalid"));
    }
    let arguments = Arguments::new(arguments)?;
    let resource = resource(account, key, *of, &arguments)?;
    check(account, key, &format!("iam:{name}"), &resource, facts.clone()).map_err(|denied| denied.access_denied())?;
    serve(&mut Asked { account, environment, key: key.clone() }, &arguments)
}

pub use sts::call as call_sts;

/// Names of all operations of IAM that are served, sorted.
pub fn operations() -> Vec<&'static str> {
    let mut names: Vec<_> = FAMILIES.iter().flat_map(|family| family.iter()).map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names
}

/// The type of resource that an operation of IAM is asked for, as resource names have it; none for `*` and for unknown operations.
pub fn resource_type(operation: &str) -> Option<&'static str> {
    let (_, of, _) = FAMILIES.iter().flat_map(|family| family.iter()).find(|(name, ..)| *name == operation)?;
    match of {
        Of::Nothing => None,
        Of::User | Of::Source => Some("user"),
        Of::Group => Some("group"),
        Of::Role => Some("role"),
        Of::Policy | Of::NewPolicy => Some("policy"),
        Of::Profile => Some("instance-profile"),
    }
}

/// Names of all operations of STS that are served, sorted.
pub fn sts_operations() -> &'static [&'static str] {
    sts::OPERATIONS
}

fn resource(account: &Account, key: &Key, of: Of, arguments: &Arguments<'_>) -> Result<String> {
    use crate::account::Kind;
    let named = |kind: Kind, name: &str| match account.entity(kind, name) {
        Ok(entity) => account.arn(entity),
        Err(_) => format!("arn:aws:iam::{}:{}{}{name}", account.id, kind.word(), arguments.text("Path").ok().flatten().unwrap_or("/")),
    };
    Ok(match of {
        Of::Nothing => "*".to_owned(),
        Of::User => match arguments.text("UserName")? {
            Some(name) => named(Kind::User, name),
            None => crate::operation::caller(account, key)?.arn,
        },
        Of::Group => named(Kind::Group, arguments.required("GroupName")?),
        Of::Role => named(Kind::Role, arguments.required("RoleName")?),
        Of::Policy => arguments.required("PolicyArn")?.to_owned(),
        Of::Source => arguments.required("PolicySourceArn")?.to_owned(),
        Of::NewPolicy => {
            let path = arguments.text("Path")?.unwrap_or("/");
            format!("arn:aws:iam::{}:policy{path}{}", account.id, arguments.required("PolicyName")?)
        }
        Of::Profile => {
            let name = arguments.required("InstanceProfileName")?;
            match account.profile(name) {
                Ok(profile) => account.profile_arn(profile),
                Err(_) => format!("arn:aws:iam::{}:instance-profile/{name}", account.id),
            }
        }
    })
}
