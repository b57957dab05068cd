//! Where the networks of accounts are kept.

use std::collections::BTreeMap;

use model::{Context, Model, Region, Timestamp};

/// The networks of accounts, one in each region of each.
pub trait Networks {
    /// The network as it is; none where nothing was made yet.
    fn find(&self, account: &str, region: &str) -> Option<&Model>;

    /// The network, to be changed; none where there cannot be one.
    fn enter(&mut self, account: &str, region: &str, now: Timestamp) -> Option<&mut Model>;
}

/// A single network: the others cannot be entered.
impl Networks for Model {
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

impl Networks for Regions {
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
