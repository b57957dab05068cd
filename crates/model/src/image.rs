//! The machine images on offer, by table. What an instance really runs is the lab's business; an image decides
//! architecture and metadata defaults (IMDS-7) and gives clients something to choose from.

use crate::instance_type::Architecture;
use crate::{ImageId, Region};

/// A machine image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Identifier, the same in every run, different in every region.
    pub id: ImageId,
    /// Name as published.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// What it runs on.
    pub architecture: Architecture,
    /// Account of the publisher.
    pub owner_id: &'static str,
    /// Word for the publisher, if it is Amazon.
    pub owner_alias: Option<&'static str>,
    /// Name of the root device.
    pub root_device_name: &'static str,
    /// Whether it is marked `ImdsSupport=v2.0` (IMDS-7).
    pub requires_imds_v2: bool,
    /// When it was published.
    pub creation_date: &'static str,
}

struct Offer(&'static str, &'static str, Architecture, Publisher, &'static str);

#[derive(Clone, Copy)]
enum Publisher {
    /// Amazon Linux 2023: metadata v2 only.
    Amazon,
    /// Amazon Linux 2, from before that mark.
    AmazonEarlier,
    Debian,
    Canonical,
}

const X86: Architecture = Architecture::X86_64;
const ARM: Architecture = Architecture::Arm64;

/// The first entry of an architecture is its default.
const OFFERS: [Offer; 8] = [
    Offer("al2023-ami-2023.9.20251117.1-kernel-6.1-x86_64", "Amazon Linux 2023 AMI 2023.9 x86_64 HVM kernel-6.1", X86, Publisher::Amazon, "2025-11-18T00:00:00.000Z"),
    Offer("al2023-ami-2023.9.20251117.1-kernel-6.1-arm64", "Amazon Linux 2023 AMI 2023.9 arm64 HVM kernel-6.1", ARM, Publisher::Amazon, "2025-11-18T00:00:00.000Z"),
    Offer("amzn2-ami-hvm-2.0.20251110.1-x86_64-gp2", "Amazon Linux 2 AMI 2.0 x86_64 HVM gp2", X86, Publisher::AmazonEarlier, "2025-11-11T00:00:00.000Z"),
    Offer("amzn2-ami-hvm-2.0.20251110.1-arm64-gp2", "Amazon Linux 2 AMI 2.0 arm64 HVM gp2", ARM, Publisher::AmazonEarlier, "2025-11-11T00:00:00.000Z"),
    Offer("debian-12-amd64-20251112-2294", "Debian 12 (20251112-2294)", X86, Publisher::Debian, "2025-11-12T00:00:00.000Z"),
    Offer("debian-12-arm64-20251112-2294", "Debian 12 (20251112-2294)", ARM, Publisher::Debian, "2025-11-12T00:00:00.000Z"),
    Offer("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251022", "Canonical, Ubuntu, 24.04, amd64 noble image", X86, Publisher::Canonical, "2025-10-22T00:00:00.000Z"),
    Offer("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20251022", "Canonical, Ubuntu, 24.04, arm64 noble image", ARM, Publisher::Canonical, "2025-10-22T00:00:00.000Z"),
];

/// All images of a region, in the order of the table.
pub fn offered(region: &Region) -> Vec<Image> {
    OFFERS.iter().map(|offer| image(region, offer)).collect()
}

/// The image with this identifier, if the region offers it.
pub fn find(region: &Region, id: &ImageId) -> Option<Image> {
    offered(region).into_iter().find(|image| image.id == *id)
}

/// The image to take when nobody says which.
pub fn default_for(region: &Region, architecture: Architecture) -> ImageId {
    let offer = OFFERS.iter().find(|offer| offer.2 == architecture).unwrap_or(&OFFERS[0]);
    image(region, offer).id
}

fn image(region: &Region, offer: &Offer) -> Image {
    let Offer(name, description, architecture, publisher, creation_date) = *offer;
    let (owner_id, owner_alias, root_device_name, requires_imds_v2) = match publisher {
        Publisher::Amazon => ("137112412989", Some("amazon"), "/dev/xvda", true),
        Publisher::AmazonEarlier => ("137112412989", Some("amazon"), "/dev/xvda", false),
        Publisher::Debian => ("136693071363", None, "/dev/xvda", false),
        Publisher::Canonical => ("099720109477", None, "/dev/sda1", true),
    };
    let id = id_of(&region.0, name);
    Image { id, name, description, architecture, owner_id, owner_alias, root_device_name, requires_imds_v2, creation_date }
}

/// FNV-1a over region and name: an identifier of the right shape that never changes.
fn id_of(region: &str, name: &str) -> ImageId {
    let hash = region.bytes().chain([b'/']).chain(name.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ImageId::from(crate::id::RawId(u128::from(hash)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn identifiers_differ_by_image_and_region_and_stay_the_same() {
        let regions = [Region("ap-northeast-2".into()), Region("us-east-1".into())];
        let all = |region| offered(region).into_iter().map(|image| image.id).collect::<BTreeSet<_>>();
        assert_eq!(all(&regions[0]).len(), OFFERS.len());
        assert!(all(&regions[0]).is_disjoint(&all(&regions[1])));
        assert_eq!(all(&regions[0]), all(&regions[0]));
        let chosen = default_for(&regions[0], Architecture::Arm64);
        assert_eq!(find(&regions[0], &chosen).unwrap().architecture, Architecture::Arm64);
        assert_eq!(find(&regions[1], &chosen), None);
    }
}
