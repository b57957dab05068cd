//! Machine images: those on offer, by table, and what an account's own ones are. What an instance really runs is the lab's
//! business; an image decides architecture, disks and metadata defaults (IMDS-7) and gives clients something to choose from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ebs::{BlockDevice, VolumeType};
use crate::id::RawId;
use crate::instance_type::Architecture;
use crate::{ImageId, InstanceId, Model, Region, SnapshotId, Tags, Timestamp};

/// A machine image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Identifier; of those on offer the same in every run, different in every region.
    pub id: ImageId,
    /// Name as published.
    pub name: Cow<'static, str>,
    /// One sentence.
    pub description: Cow<'static, str>,
    /// What it runs on.
    pub architecture: Architecture,
    /// Account of the publisher.
    pub owner_id: Cow<'static, str>,
    /// Word for the publisher, if it is Amazon.
    pub owner_alias: Option<Cow<'static, str>>,
    /// Name of the root device.
    pub root_device_name: Cow<'static, str>,
    /// The disks that an instance of it begins with.
    pub block_devices: Vec<BlockDevice>,
    /// Whether it is marked `ImdsSupport=v2.0` (IMDS-7).
    pub requires_imds_v2: bool,
    /// When it was published.
    pub creation_date: Cow<'static, str>,
    /// When it is no longer `pending`; of those on offer long ago.
    pub available_at: Timestamp,
    /// Accounts that may launch it; `all` = everybody.
    pub launch_permissions: Vec<String>,
    /// When it counts as out of date, as it was given.
    pub deprecation_time: Option<String>,
    /// The instance it was made of.
    pub source_instance_id: Option<InstanceId>,
    /// The image it is a copy of.
    pub source_image_id: Option<ImageId>,
    /// Tags.
    pub tags: Tags,
}

impl Image {
    /// Whether everybody may launch it.
    pub fn is_public(&self) -> bool {
        self.launch_permissions.iter().any(|account| account == "all")
    }

    /// The disk that an instance boots from.
    pub fn root(&self) -> Option<&BlockDevice> {
        self.block_devices.iter().find(|device| device.device_name == self.root_device_name)
    }
}

impl Model {
    /// The image with this identifier: one of the account's own, or one that the region offers.
    pub fn image(&self, id: &ImageId) -> Option<Image> {
        self.images.get(id).cloned().or_else(|| find(&self.region, id))
    }
}

struct Offer(&'static str, &'static str, Architecture, Publisher, &'static str);

#[derive(Clone, Copy, PartialEq)]
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
    let kind = if publisher == Publisher::AmazonEarlier { VolumeType::Gp2 } else { VolumeType::Gp3 };
    let root = BlockDevice {
        device_name: root_device_name.to_owned(),
        size_gib: Some(ROOT_GIB),
        kind: Some(kind),
        snapshot_id: Some(SnapshotId::from(hash_of(&region.0, "snapshot of ", name))),
        delete_on_termination: Some(true),
        ..BlockDevice::default()
    };
    Image {
        id: ImageId::from(hash_of(&region.0, "", name)),
        name: name.into(),
        description: description.into(),
        architecture,
        owner_id: owner_id.into(),
        owner_alias: owner_alias.map(Cow::Borrowed),
        root_device_name: root_device_name.into(),
        block_devices: vec![root],
        requires_imds_v2,
        creation_date: creation_date.into(),
        available_at: Timestamp(0),
        launch_permissions: vec!["all".to_owned()],
        deprecation_time: None,
        source_instance_id: None,
        source_image_id: None,
        tags: Tags::new(),
    }
}

/// GiB of the root volume of every image on offer.
const ROOT_GIB: u32 = 8;

/// FNV-1a over region and name: an identifier of the right shape that never changes.
fn hash_of(region: &str, of: &str, name: &str) -> RawId {
    let bytes = region.bytes().chain([b'/']).chain(of.bytes()).chain(name.bytes());
    RawId(u128::from(bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })))
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
