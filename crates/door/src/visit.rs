//! One request: whose key it is, whether it may, and who serves it.

use std::collections::BTreeMap;

use iam::account::{Key, Owner};
use iam::{Account, Environment};
use model::Timestamp;
use query::sigv4::Secret;
use query::{Backend, Call, Refusal};
use serde_json::Value;

use crate::authorise;
use crate::cloud::{Cloud, Kept};
use crate::knock::Knock;

/// How often a call is made anew when others change the network meanwhile.
const TRIES: usize = 20;

/// All that one request is served with.
pub struct Visit<'v, 'r> {
    /// The accounts by number.
    pub accounts: &'v mut BTreeMap<String, Account>,
    /// Their networks.
    pub cloud: &'v mut dyn Cloud,
    /// The time, and randomness for keys.
    pub environment: Environment<'r>,
    /// How the request came.
    pub knock: &'v Knock,
    /// The account whose owner callers without a key are, where nothing is signed.
    pub home: &'v str,
}

impl Visit<'_, '_> {
    /// The account that has a key, and the key.
    fn find(&self, access_key_id: &str) -> Option<(&Account, &Key)> {
        self.accounts.values().find_map(|account| Some((account, account.key(access_key_id)?)))
    }

    /// The key that a call is made with. Where nothing is signed that is the owner's of the account.
    fn key(&self, call: &Call<'_>) -> Result<Key, Refusal> {
        match call.access_key_id {
            None => Ok(Key::of_root()),
            // It was there when the signature was verified; between then and now it may have been deleted.
            Some(id) => self.find(id).map(|(_, key)| key.clone()).ok_or_else(|| unknown_key(call)),
        }
    }
}

fn unknown_key(call: &Call<'_>) -> Refusal {
    match call.service.name {
        "ec2" => Refusal::new("AuthFailure", "AWS was not able to validate the provided access credentials"),
        _ => Refusal::new("InvalidClientTokenId", "The security token included in the request is invalid."),
    }
}

fn refused(error: iam::Error) -> Refusal {
    Refusal { code: error.code.as_str().into(), status: error.code.http_status(), message: error.message }
}

impl Backend for Visit<'_, '_> {
    fn now(&self) -> Timestamp {
        self.environment.now
    }

    fn secret(&self, access_key_id: &str) -> Option<Secret> {
        let (_, key) = self.find(access_key_id).filter(|(_, key)| key.is_active)?;
        let session = match &key.owner {
            Owner::Session(session) => Some((session.token.clone(), session.expires)),
            Owner::Root | Owner::User(_) => None,
        };
        Some(Secret { secret_access_key: key.secret.clone(), session })
    }

    fn account(&self, access_key_id: Option<&str>) -> String {
        let found = access_key_id.and_then(|id| self.find(id));
        found.map_or(self.home, |(account, _)| &account.id).to_owned()
    }

    fn may(&self, call: &Call<'_>) -> Result<(), Refusal> {
        // IAM and STS know what their operations need, and ask while they serve.
        if call.service.name != "ec2" {
            return Ok(());
        }
        let account = self.accounts.get(call.account).ok_or_else(|| unknown_key(call))?;
        let request = authorise::Request {
            operation: call.operation.name,
            region: call.region,
            account: call.account,
            parameters: call.parameters,
            network: self.cloud.find(call.account, call.region),
        };
        let known = self.knock.facts(call.region, self.environment.now);
        authorise::authorise(account, &self.key(call)?, &request, &known)
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        self.note_use(call)?;
        match call.service.name {
            "ec2" => self.call_ec2(call),
            _ => self.call_identity(call),
        }
    }
}

impl Visit<'_, '_> {
    /// Keeps when and for what a key was used last. Errors: it cannot be kept.
    fn note_use(&mut self, call: &Call<'_>) -> Result<(), Refusal> {
        let (Some(id), now) = (call.access_key_id, self.environment.now) else { return Ok(()) };
        let is_news = self.accounts.get_mut(call.account).is_some_and(|account| account.note_use(id, now, call.region, call.service.name));
        if is_news { self.cloud.keep_accounts(self.accounts) } else { Ok(()) }
    }

    fn call_ec2(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        let (operation, now) = (call.operation.name, self.environment.now);
        let account = self.accounts.get(call.account).ok_or_else(|| unknown_key(call))?;
        let parameters = authorise::settle_profile(account, operation, call.parameters)?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                // What it touches may be something else by now.
                let _ = self.cloud.enter(call.account, call.region, now);
                self.may(call)?;
            }
            let network = self.cloud.enter(call.account, call.region, now).ok_or_else(|| {
                let message = format!("You are not subscribed to this service in the region {}.", call.region);
                Refusal { status: 403, ..Refusal::new("OptInRequired", message) }
            })?;
            network.advance_to(now.max(network.context.now));
            let answer = ec2::call(network, operation, &parameters).map_err(Refusal::from);
            // A refusal is kept too: one of instances that are protected ends others (INST-4).
            if authorise::is_reading(operation) || self.cloud.keep(call.account, call.region)? == Kept::Yes {
                return answer;
            }
        }
        Err(Refusal::new("Unavailable", "Others change this network all the time. Please try again."))
    }

    fn call_identity(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        let (operation, now) = (call.operation.name, self.environment.now);
        let (key, facts) = (self.key(call)?, self.knock.facts(call.region, now));
        let before = self.accounts.clone();
        let answer = match call.service.name {
            "sts" => iam::api::call_sts(self.accounts, &mut self.environment, (call.account, &key), operation, call.parameters, &facts),
            _ => {
                let account = self.accounts.get_mut(call.account).ok_or_else(|| unknown_key(call))?;
                iam::api::call(account, &mut self.environment, &key, operation, call.parameters, &facts)
            }
        };
        for account in self.accounts.values_mut() {
            iam::operation::expire(account, now);
        }
        if *self.accounts != before
            && let Err(refusal) = self.cloud.keep_accounts(self.accounts)
        {
            *self.accounts = before;
            return Err(refusal);
        }
        answer.map_err(refused)
    }
}
