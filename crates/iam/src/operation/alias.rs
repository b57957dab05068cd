//! The account's other name.

use crate::account::Account;
use crate::error::{Code, Error, Result};

/// Gives the account its other name, instead of the one that it has. Errors: `ValidationError` (3 to 63 of lower-case letters, digits
/// and single dashes that neither begin nor end it).
pub fn create_account_alias(account: &mut Account, alias: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_number = alias.len() == 12 && alias.bytes().all(|byte| byte.is_ascii_digit());
    let is_sound = (3..=63).contains(&alias.len()) && alias.bytes().all(fits) && !alias.contains("--") && !is_number;
    if !is_sound || alias.starts_with('-') || alias.ends_with('-') {
        let message = format!("1 validation error detected: Value '{alias}' at 'accountAlias' failed to satisfy constraint: 3 to 63 of a-z, 0-9 and single dashes within");
        return Err(Error::new(Code::ValidationError, message));
    }
    account.alias = Some(alias.to_owned());
    Ok(())
}

/// Takes the other name. Errors: `NoSuchEntity`.
pub fn delete_account_alias(account: &mut Account, alias: &str) -> Result<()> {
    if account.alias.as_deref() != Some(alias) {
        return Err(Error::new(Code::NoSuchEntity, format!("The account alias {alias} was not found.")));
    }
    account.alias = None;
    Ok(())
}
