//! Regions and availability zones (GEO-1 … GEO-5), by table.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A region by its code, such as `ap-northeast-2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(pub String);

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AvailabilityZone {
    /// Name, such as `ap-northeast-2a`; per account (GEO-2).
    pub name: String,
    /// Account-independent name, such as `apne2-az1` (GEO-2).
    pub id: String,
}

/// A row of the table of regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionEntry {
    /// Code.
    pub code: &'static str,
    /// What zone ids start with.
    zone_prefix: &'static str,
    /// Letters of the zone names, in order.
    letters: &'static str,
    /// Numbers of the zone ids, in the order of the letters.
    numbers: &'static str,
    /// Whether an account must ask for the region first.
    pub opt_in: bool,
}

const fn row(code: &'static str, zone_prefix: &'static str, zones: (&'static str, &'static str), opt_in: bool) -> RegionEntry {
    RegionEntry { code, zone_prefix, letters: zones.0, numbers: zones.1, opt_in }
}

const THREE: (&str, &str) = ("abc", "123");

/// The commercial regions, sorted by code. The map of letters to ids is fixed here (GEO-3).
pub const REGIONS: &[RegionEntry] = &[
    row("af-south-1", "afs1", THREE, true),
    row("ap-east-1", "ape1", THREE, true),
    row("ap-east-2", "ape2", THREE, true),
    row("ap-northeast-1", "apne1", ("acd", "412"), false),
    row("ap-northeast-2", "apne2", ("abcd", "1234"), false),
    row("ap-northeast-3", "apne3", THREE, false),
    row("ap-south-1", "aps1", ("abc", "132"), false),
    row("ap-south-2", "aps2", THREE, true),
    row("ap-southeast-1", "apse1", THREE, false),
    row("ap-southeast-2", "apse2", THREE, false),
    row("ap-southeast-3", "apse3", THREE, true),
    row("ap-southeast-4", "apse4", THREE, true),
    row("ap-southeast-5", "apse5", THREE, true),
    row("ap-southeast-7", "apse7", THREE, true),
    row("ca-central-1", "cac1", ("abd", "124"), false),
    row("ca-west-1", "caw1", THREE, true),
    row("eu-central-1", "euc1", ("abc", "231"), false),
    row("eu-central-2", "euc2", THREE, true),
    row("eu-north-1", "eun1", THREE, false),
    row("eu-south-1", "eus1", THREE, true),
    row("eu-south-2", "eus2", THREE, true),
    row("eu-west-1", "euw1", THREE, false),
    row("eu-west-2", "euw2", THREE, false),
    row("eu-west-3", "euw3", THREE, false),
    row("il-central-1", "ilc1", THREE, true),
    row("me-central-1", "mec1", THREE, true),
    row("me-south-1", "mes1", THREE, true),
    row("mx-central-1", "mxc1", THREE, true),
    row("sa-east-1", "sae1", THREE, false),
    row("us-east-1", "use1", ("abcdef", "123456"), false),
    row("us-east-2", "use2", THREE, false),
    row("us-west-1", "usw1", ("ac", "13"), false),
    row("us-west-2", "usw2", ("abcd", "1234"), false),
];

impl RegionEntry {
    /// The zones, by name.
    pub fn zones(&self) -> impl Iterator<Item = AvailabilityZone> + '_ {
        self.letters.chars().zip(self.numbers.chars()).map(|(letter, number)| AvailabilityZone {
            name: format!("{}{letter}", self.code),
            id: format!("{}-az{number}", self.zone_prefix),
        })
    }
}

impl Region {
    /// The region's row, if AWS has such a region.
    pub fn entry(&self) -> Option<&'static RegionEntry> {
        REGIONS.iter().find(|entry| entry.code == self.0)
    }

    /// Its zones by name; none for a region that AWS does not have.
    pub fn zones(&self) -> Vec<AvailabilityZone> {
        self.entry().into_iter().flat_map(RegionEntry::zones).collect()
    }

    /// A zone by its name or its id.
    pub fn zone(&self, name_or_id: &str) -> Option<AvailabilityZone> {
        self.zones().into_iter().find(|zone| zone.name == name_or_id || zone.id == name_or_id)
    }

    /// Domain of private names (DHCP-2, DNS-3).
    pub fn internal_domain(&self) -> String {
        match self.0.as_str() {
            "us-east-1" => "ec2.internal".to_owned(),
            code => format!("{code}.compute.internal"),
        }
    }

    /// The private name of an address (DNS-3).
    pub fn private_name(&self, address: Ipv4Addr) -> String {
        format!("ip-{}.{}", dashed(address), self.internal_domain())
    }

    /// The public name of an address (DNS-5).
    pub fn public_name(&self, address: Ipv4Addr) -> String {
        format!("ec2-{}.{}", dashed(address), self.public_domain())
    }

    /// Domain of public names (DNS-5).
    pub fn public_domain(&self) -> String {
        match self.0.as_str() {
            "us-east-1" => "compute-1.amazonaws.com".to_owned(),
            code => format!("{code}.compute.amazonaws.com"),
        }
    }
}

fn dashed(address: Ipv4Addr) -> String {
    address.to_string().replace('.', "-")
}

impl Default for Region {
    fn default() -> Self {
        Self("ap-northeast-2".to_owned())
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seoul_has_four_zones_in_order() {
        let zones: Vec<_> = Region::default().zones().into_iter().map(|z| (z.name, z.id)).collect();
        let expected = ["a", "b", "c", "d"].into_iter().zip(1..);
        let expected: Vec<_> =
            expected.map(|(l, n)| (format!("ap-northeast-2{l}"), format!("apne2-az{n}"))).collect();
        assert_eq!(zones, expected, "GEO-3");
    }

    #[test]
    fn the_table_is_sorted_and_every_zone_has_a_number_of_its_own() {
        assert!(REGIONS.is_sorted_by_key(|entry| entry.code));
        for entry in REGIONS {
            assert_eq!(entry.letters.len(), entry.numbers.len(), "{}", entry.code);
            let mut ids: Vec<_> = entry.zones().map(|zone| zone.id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), entry.letters.len(), "{}", entry.code);
        }
    }
}
