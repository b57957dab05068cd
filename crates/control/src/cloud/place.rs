//! Where the network of an account in a region lives: each is a lab, the one whose door it is or a part of that.

use model::{Context, Model, Region, Timestamp};

use crate::api::LabView;

/// The account and region of the lab that a door belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The lab.
    pub lab: String,
    /// Twelve digits.
    pub account: String,
    /// The region's code.
    pub region: String,
}

impl Home {
    /// Of a lab.
    pub fn of(lab: &LabView) -> Self {
        Self { lab: lab.name.clone(), account: lab.model.account_id.clone(), region: lab.model.region.0.clone() }
    }

    /// The name of the lab that an account's network in a region is; `None`: AWS has no such region.
    pub fn place(&self, account: &str, region: &str) -> Option<String> {
        Region(region.to_owned()).entry()?;
        Some(match (account == self.account, region == self.region) {
            (true, true) => self.lab.clone(),
            (true, false) => format!("{}.{region}", self.lab),
            (false, _) => format!("{}.{account}.{region}", self.lab),
        })
    }

    /// Whether a lab is this one or a part of it.
    pub fn has(&self, lab: &LabView) -> bool {
        lab.name == self.lab || lab.part_of.as_ref() == Some(&self.lab)
    }

    /// A network with nothing in it.
    pub fn nothing(account: &str, region: &str, seed: u64, at: Timestamp) -> Model {
        Model::new(account, Region(region.to_owned()), Context::seeded(seed, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_and_region_has_a_place_of_its_own() {
        let home = Home { lab: "shop".to_owned(), account: "111122223333".to_owned(), region: "eu-west-1".to_owned() };
        for (account, region, place) in [
            ("111122223333", "eu-west-1", Some("shop")),
            ("111122223333", "us-east-1", Some("shop.us-east-1")),
            ("444455556666", "eu-west-1", Some("shop.444455556666.eu-west-1")),
            ("111122223333", "mars-north-1", None),
        ] {
            assert_eq!(home.place(account, region).as_deref(), place, "{account} {region}");
        }
    }
}
