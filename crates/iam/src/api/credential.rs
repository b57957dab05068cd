//! What users can have in AWS besides access keys: passwords, MFA devices, keys for SSH, certificates, passwords of services. Nobody
//! has any here, and whoever removes a user asks for each.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::{Asked, Of, Operation};
use crate::account::Kind;
use crate::error::{Code, Error, Result};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("DeleteLoginProfile", Of::User, no_password),
    ("GetLoginProfile", Of::User, no_password),
    ("ListMFADevices", Of::User, |a, g| of_user(a, g, "MFADevices")),
    ("ListSSHPublicKeys", Of::User, |a, g| of_user(a, g, "SSHPublicKeys")),
    ("ListServiceSpecificCredentials", Of::User, |a, g| of_user(a, g, "ServiceSpecificCredentials")),
    ("ListSigningCertificates", Of::User, |a, g| of_user(a, g, "Certificates")),
    ("ListVirtualMFADevices", Of::Nothing, |_, g| page("VirtualMFADevices", Vec::new(), g)),
];

/// None, of a user who is there. Errors: `NoSuchEntity`.
fn of_user(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>, list: &'static str) -> Result<Value> {
    if let Some(name) = arguments.text("UserName")? {
        asked.account.entity(Kind::User, name)?;
    }
    match list {
        "ServiceSpecificCredentials" => Ok(json!({list: []})),
        _ => page(list, Vec::new(), arguments),
    }
}

fn no_password(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let user = &asked.account.entity(Kind::User, arguments.required("UserName")?)?.name;
    Err(Error::new(Code::NoSuchEntity, format!("Login Profile for User {user} cannot be found.")))
}
