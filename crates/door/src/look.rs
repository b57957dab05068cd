//! One request that only looks: many of them are served at a time, each from the state that was there when it came.

use std::sync::Arc;

use model::{Model, Timestamp};
use query::sigv4::Secret;
use query::{Backend, Call, Refusal};
use serde_json::Value;

use crate::authorise;
use crate::caller::{self, Accounts};
use crate::knock::Knock;
use crate::pieces::Pieces;

/// Whether an operation changes nothing, and so can be served by a [`Look`].
pub fn is_reading(service: &str, operation: &str) -> bool {
    match service {
        "ec2" => authorise::is_reading(operation),
        "sts" => matches!(operation, "DecodeAuthorizationMessage" | "GetAccessKeyInfo" | "GetCallerIdentity"),
        _ => ["Get", "List", "Simulate"].iter().any(|verb| operation.starts_with(verb)),
    }
}

/// All that a request which looks is served with.
pub struct Look<'v> {
    /// The accounts by number.
    pub accounts: &'v Accounts,
    /// The network of an account in a region, a copy of its own; none where there cannot be one.
    pub network: &'v dyn Fn(&str, &str) -> Option<Model>,
    /// The time.
    pub now: Timestamp,
    /// How the request came.
    pub knock: &'v Knock,
    /// The account whose owner callers without a key are, where nothing is signed.
    pub home: &'v str,
    /// Instances as they were written for others who looked.
    pub pieces: &'v Pieces,
    /// Texts that numbers stand for in the answer to the last call ([`query::Endpoint::write_with`]).
    pub texts: Vec<Arc<str>>,
}

impl Backend for Look<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn secret(&self, access_key_id: &str) -> Option<Secret> {
        caller::secret(self.accounts, access_key_id)
    }

    fn account(&self, access_key_id: Option<&str>) -> String {
        caller::account_of(self.accounts, access_key_id, self.home)
    }

    /// What looks is asked for `*` (EC2A-2): no network decides.
    fn may(&self, call: &Call<'_>) -> Result<(), Refusal> {
        caller::may(self.accounts, None, self.knock, self.now, call)
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        let operation = call.operation.name;
        if call.service.name == "ec2" {
            let mut network = (self.network)(call.account, call.region).ok_or_else(|| caller::no_region(call.region))?;
            network.advance_to(self.now.max(network.context.now));
            if let Some(answer) = self.pieces.answer(call, &network) {
                let (value, texts) = answer?;
                self.texts = texts;
                return Ok(value);
            }
            return ec2::call(&mut network, operation, call.parameters).map_err(Refusal::from);
        }
        // They are served by what may change accounts, so they get copies; what looks needs no randomness.
        let (key, facts) = (caller::key(self.accounts, call)?, self.knock.facts(call.region, self.now));
        let mut environment = iam::Environment { now: self.now, random: &mut |bytes| bytes.fill(0) };
        let answer = match call.service.name {
            "sts" => {
                let (mut accounts, caller) = (self.accounts.clone(), (call.account, &key));
                iam::api::call_sts(&mut accounts, &mut environment, caller, operation, call.parameters, &facts)
            }
            _ => {
                let mut account = self.accounts.get(call.account).ok_or_else(|| caller::unknown(call))?.clone();
                iam::api::call(&mut account, &mut environment, &key, operation, call.parameters, &facts)
            }
        };
        answer.map_err(caller::refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_keys_or_changes_anything_is_no_looking() {
        for (service, operation, is_looking) in [
            ("ec2", "DescribeVpcs", true),
            ("ec2", "GetConsoleOutput", true),
            ("ec2", "CreateVpc", false),
            ("sts", "GetCallerIdentity", true),
            ("sts", "GetSessionToken", false),
            ("sts", "AssumeRole", false),
            ("iam", "ListUsers", true),
            ("iam", "PutUserPolicy", false),
        ] {
            assert_eq!(is_reading(service, operation), is_looking, "{service}:{operation}");
        }
    }
}
