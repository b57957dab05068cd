//! One request: whose key it is, whether it may, and who serves it.

use std::collections::BTreeMap;

use ec2::key_pair::MadeKey;
use iam::{Account, Environment};
use model::Timestamp;
use query::sigv4::Secret;
use query::{Backend, Call, Refusal};
use serde_json::Value;

use crate::authorise;
use crate::caller;
use crate::cloud::{Cloud, Kept, Made};
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
    /// A key that was made for the call, so that nobody waits for it here; where there is none and the call needs one, it is made.
    pub made_key: Option<MadeKey>,
}

impl Backend for Visit<'_, '_> {
    fn now(&self) -> Timestamp {
        self.environment.now
    }

    fn secret(&self, access_key_id: &str) -> Option<Secret> {
        caller::secret(self.accounts, access_key_id)
    }

    fn account(&self, access_key_id: Option<&str>) -> String {
        caller::account_of(self.accounts, access_key_id, self.home)
    }

    fn may(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let network = self.cloud.find(call.account, call.region);
        caller::may(self.accounts, network, self.knock, self.environment.now, call)
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
    /// Notes when and for what a key was used last. Errors: it cannot be kept.
    fn note_use(&mut self, call: &Call<'_>) -> Result<(), Refusal> {
        let (Some(id), now) = (call.access_key_id, self.environment.now) else { return Ok(()) };
        let is_news = self.accounts.get_mut(call.account).is_some_and(|account| account.note_use(id, now, call.region, call.service.name));
        if is_news { self.cloud.note_use(self.accounts) } else { Ok(()) }
    }

    fn call_ec2(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        let (operation, now) = (call.operation.name, self.environment.now);
        let account = self.accounts.get(call.account).ok_or_else(|| caller::unknown(call))?;
        let mut parameters = authorise::settle_profile(account, self.cloud.find(call.account, call.region), operation, call.parameters)?;
        // What is made again must not be another key.
        let key = match (operation, self.made_key.take()) {
            ("CreateKeyPair", Some(made)) => Some(made),
            ("CreateKeyPair", None) => Some(MadeKey::of(call.parameters)?),
            _ => None,
        };
        if let Some(key) = &key {
            key.name(parameters.to_mut())?;
        }
        let made = Made { account: call.account, region: call.region, operation, parameters: &parameters, at: now };
        for attempt in 0..TRIES {
            if attempt > 0 {
                // What it touches may be something else by now.
                let _ = self.cloud.enter(call.account, call.region, now);
                self.may(call)?;
            }
            let network = self.cloud.enter(call.account, call.region, now).ok_or_else(|| caller::no_region(call.region))?;
            network.advance_to(now.max(network.context.now));
            let mut answer = ec2::call(network, operation, &parameters).map_err(Refusal::from);
            if let (Ok(answer), Some(key)) = (&mut answer, &key) {
                answer["KeyMaterial"] = key.material.clone().into();
            }
            // A refusal is kept too: one of instances that are protected ends others (INST-4).
            if authorise::is_reading(operation) || self.cloud.keep(&made)? == Kept::Yes {
                return answer;
            }
        }
        Err(Refusal::new("Unavailable", "Others change this network all the time. Please try again."))
    }

    fn call_identity(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        let (operation, now) = (call.operation.name, self.environment.now);
        let (key, facts) = (caller::key(self.accounts, call)?, self.knock.facts(call.region, now));
        let before = self.accounts.clone();
        let answer = match call.service.name {
            "sts" => iam::api::call_sts(self.accounts, &mut self.environment, (call.account, &key), operation, call.parameters, &facts),
            _ => {
                let account = self.accounts.get_mut(call.account).ok_or_else(|| caller::unknown(call))?;
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
        answer.map_err(caller::refused)
    }
}
