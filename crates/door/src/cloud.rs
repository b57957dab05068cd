//! Where the networks of accounts are, and where all that changes is kept.

use std::collections::BTreeMap;

use iam::Account;
use model::{Context, Model, Region, Timestamp};
use query::Refusal;
use serde_json::Value;

/// What came of keeping a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is kept, and may be answered.
    Yes,
    /// Somebody else changed the network meanwhile: the call is made anew, on what it is now.
    Again,
}

/// A call as it was made on a network: the same call makes the same of the same network again.
#[derive(Debug, Clone, Copy)]
pub struct Made<'m> {
    /// Twelve digits.
    pub account: &'m str,
    /// The region's code.
    pub region: &'m str,
    /// `CreateVpc`.
    pub operation: &'m str,
    /// Parameters, with what accounts say of them.
    pub parameters: &'m Value,
    /// When.
    pub at: Timestamp,
}

/// The networks of accounts, one in each region of each; and their keeper.
pub trait Cloud {
    /// The network as it is; none where nothing was made yet.
    fn find(&self, account: &str, region: &str) -> Option<&Model>;

    /// The network, to be changed; none where there cannot be one.
    fn enter(&mut self, account: &str, region: &str, now: Timestamp) -> Option<&mut Model>;

    /// Keeps what a call made of a network that was entered, before it is answered. Errors: it cannot be kept, and the network
    /// is what it was.
    fn keep(&mut self, made: &Made<'_>) -> Result<Kept, Refusal> {
        let _ = made;
        Ok(Kept::Yes)
    }

    /// Keeps accounts that a call changed, before it is answered. Errors: they cannot be kept.
    fn keep_accounts(&mut self, accounts: &BTreeMap<String, Account>) -> Result<(), Refusal> {
        let _ = accounts;
        Ok(())
    }

    /// Notes in accounts that a key was used. Errors: it cannot be kept, where it is kept at once.
    fn note_use(&mut self, accounts: &BTreeMap<String, Account>) -> Result<(), Refusal> {
        self.keep_accounts(accounts)
    }
}

/// A single network: the others cannot be entered.
impl Cloud for Model {
    fn find(&self, account: &str, region: &str) -> Option<&Model> {
        (self.account_id == account && self.region.0 == region).then_some(self)
    }

    fn enter(&mut self, account: &str, region: &str, _: Timestamp) -> Option<&mut Model> {
        (self.account_id == account && self.region.0 == region).then_some(self)
    }
}

/// Networks in every region that AWS has, empty until somebody enters.
#[derive(Debug, Clone)]
pub struct Regions {
    models: BTreeMap<(String, String), Model>,
    seed: u64,
}

impl Regions {
    /// No network yet; their ids repeat for the same seed and the same order of first visits.
    pub fn seeded(seed: u64) -> Self {
        Self { models: BTreeMap::new(), seed }
    }
}

impl Cloud for Regions {
    fn find(&self, account: &str, region: &str) -> Option<&Model> {
        self.models.get(&(account.to_owned(), region.to_owned()))
    }

    fn enter(&mut self, account: &str, region: &str, now: Timestamp) -> Option<&mut Model> {
        let place = Region(region.to_owned());
        place.entry()?;
        let seed = self.seed.wrapping_add(self.models.len() as u64);
        let make = || Model::new(account, place, Context::seeded(seed, now));
        Some(self.models.entry((account.to_owned(), region.to_owned())).or_insert_with(make))
    }
}
