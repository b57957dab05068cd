//! Instance types and where they are on offer.

use model::instance_type::{self, Architecture, InstanceType};
use model::{ApiError, ErrorCode, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{Describe, FilterTable, Filters};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("DescribeInstanceTypeOfferings", describe_instance_type_offerings),
    ("DescribeInstanceTypes", describe_instance_types),
];

fn shape(kind: &InstanceType) -> Value {
    let cores = (kind.vcpus / kind.threads_per_core()).max(1);
    let valid_threads: Vec<u32> = (1..=kind.threads_per_core()).collect();
    let valid_cores: Vec<u32> = (1..=cores).filter(|count| count % 2 == 0 || *count == 1).collect();
    let architectures = match kind.architecture {
        // T2 also runs what is older.
        Architecture::X86_64 if !kind.nitro => json!(["i386", "x86_64"]),
        one => json!([one.as_str()]),
    };
    let boot_modes = match kind.architecture {
        Architecture::Arm64 => json!(["uefi"]),
        Architecture::X86_64 => json!(["legacy-bios", "uefi"]),
    };
    json!({
        "AutoRecoverySupported": true,
        "BareMetal": false,
        "BurstablePerformanceSupported": kind.burstable,
        "CurrentGeneration": true,
        "DedicatedHostsSupported": !kind.burstable || kind.nitro,
        "EbsInfo": {
            "EbsOptimizedSupport": if kind.nitro { "default" } else { "unsupported" },
            "EncryptionSupport": "supported",
            "NvmeSupport": if kind.nitro { "required" } else { "unsupported" },
        },
        "FreeTierEligible": matches!(kind.name().as_str(), "t2.micro" | "t3.micro"),
        "HibernationSupported": false,
        "Hypervisor": if kind.nitro { "nitro" } else { "xen" },
        "InstanceStorageSupported": false,
        "InstanceType": kind.name(),
        "MemoryInfo": {"SizeInMiB": kind.memory_mib},
        "NetworkInfo": {
            "DefaultNetworkCardIndex": 0,
            "EfaSupported": false,
            "EnaSupport": if kind.nitro { "required" } else { "unsupported" },
            "EncryptionInTransitSupported": false,
            "Ipv4AddressesPerInterface": kind.addresses_per_interface,
            "Ipv6AddressesPerInterface": kind.addresses_per_interface,
            "Ipv6Supported": true,
            "MaximumNetworkCards": 1,
            "MaximumNetworkInterfaces": kind.max_interfaces,
            "NetworkCards": [{"MaximumNetworkInterfaces": kind.max_interfaces, "NetworkCardIndex": 0}],
        },
        "NitroEnclavesSupport": "unsupported",
        "NitroTpmSupport": "unsupported",
        "PlacementGroupInfo": {"SupportedStrategies": []},
        "ProcessorInfo": {"SupportedArchitectures": architectures},
        "SupportedBootModes": boot_modes,
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedVirtualizationTypes": ["hvm"],
        "VCpuInfo": {
            "DefaultCores": cores,
            "DefaultThreadsPerCore": kind.threads_per_core(),
            "DefaultVCpus": kind.vcpus,
            "ValidCores": valid_cores,
            "ValidThreadsPerCore": valid_threads,
        },
    })
}

const TYPES: Describe = Describe {
    ids: "InstanceTypes",
    id_path: "InstanceType",
    answer: "InstanceTypes",
    filters: &[
        ("auto-recovery-supported", &["AutoRecoverySupported"]),
        ("bare-metal", &["BareMetal"]),
        ("burstable-performance-supported", &["BurstablePerformanceSupported"]),
        ("current-generation", &["CurrentGeneration"]),
        ("dedicated-hosts-supported", &["DedicatedHostsSupported"]),
        ("ebs-info.attachment-limit-type", &["EbsInfo.AttachmentLimitType"]),
        ("ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps", &["EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps"]),
        ("ebs-info.ebs-optimized-info.baseline-iops", &["EbsInfo.EbsOptimizedInfo.BaselineIops"]),
        ("ebs-info.ebs-optimized-info.baseline-throughput-in-mbps", &["EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps"]),
        ("ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", &["EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps"]),
        ("ebs-info.ebs-optimized-info.maximum-iops", &["EbsInfo.EbsOptimizedInfo.MaximumIops"]),
        ("ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", &["EbsInfo.EbsOptimizedInfo.MaximumThroughputInMBps"]),
        ("ebs-info.ebs-optimized-support", &["EbsInfo.EbsOptimizedSupport"]),
        ("ebs-info.encryption-support", &["EbsInfo.EncryptionSupport"]),
        ("ebs-info.maximum-ebs-attachments", &["EbsInfo.MaximumEbsAttachments"]),
        ("ebs-info.nvme-support", &["EbsInfo.NvmeSupport"]),
        ("free-tier-eligible", &["FreeTierEligible"]),
        ("hibernation-supported", &["HibernationSupported"]),
        ("hypervisor", &["Hypervisor"]),
        ("instance-storage-info.disk.count", &["InstanceStorageInfo.Disks.Count"]),
        ("instance-storage-info.disk.size-in-gb", &["InstanceStorageInfo.Disks.SizeInGB"]),
        ("instance-storage-info.disk.type", &["InstanceStorageInfo.Disks.Type"]),
        ("instance-storage-info.encryption-support", &["InstanceStorageInfo.EncryptionSupport"]),
        ("instance-storage-info.nvme-support", &["InstanceStorageInfo.NvmeSupport"]),
        ("instance-storage-info.total-size-in-gb", &["InstanceStorageInfo.TotalSizeInGB"]),
        ("instance-storage-supported", &["InstanceStorageSupported"]),
        ("instance-type", &["InstanceType"]),
        ("memory-info.size-in-mib", &["MemoryInfo.SizeInMiB"]),
        ("network-info.bandwidth-weightings", &["NetworkInfo.BandwidthWeightings"]),
        ("network-info.efa-info.maximum-efa-interfaces", &["NetworkInfo.EfaInfo.MaximumEfaInterfaces"]),
        ("network-info.efa-supported", &["NetworkInfo.EfaSupported"]),
        ("network-info.ena-support", &["NetworkInfo.EnaSupport"]),
        ("network-info.encryption-in-transit-supported", &["NetworkInfo.EncryptionInTransitSupported"]),
        ("network-info.flexible-ena-queues-support", &["NetworkInfo.FlexibleEnaQueuesSupport"]),
        ("network-info.ipv4-addresses-per-interface", &["NetworkInfo.Ipv4AddressesPerInterface"]),
        ("network-info.ipv6-addresses-per-interface", &["NetworkInfo.Ipv6AddressesPerInterface"]),
        ("network-info.ipv6-supported", &["NetworkInfo.Ipv6Supported"]),
        ("network-info.maximum-network-cards", &["NetworkInfo.MaximumNetworkCards"]),
        ("network-info.maximum-network-interfaces", &["NetworkInfo.MaximumNetworkInterfaces"]),
        ("network-info.network-performance", &["NetworkInfo.NetworkPerformance"]),
        ("nitro-enclaves-support", &["NitroEnclavesSupport"]),
        ("nitro-tpm-info.supported-versions", &["NitroTpmInfo.SupportedVersions"]),
        ("nitro-tpm-support", &["NitroTpmSupport"]),
        ("processor-info.supported-architecture", &["ProcessorInfo.SupportedArchitectures"]),
        ("processor-info.supported-features", &["ProcessorInfo.SupportedFeatures"]),
        ("processor-info.sustained-clock-speed-in-ghz", &["ProcessorInfo.SustainedClockSpeedInGhz"]),
        ("reboot-migration-support", &["RebootMigrationSupport"]),
        ("supported-boot-mode", &["SupportedBootModes"]),
        ("supported-root-device-type", &["SupportedRootDeviceTypes"]),
        ("supported-usage-class", &["SupportedUsageClasses"]),
        ("supported-virtualization-type", &["SupportedVirtualizationTypes"]),
        ("vcpu-info.default-cores", &["VCpuInfo.DefaultCores"]),
        ("vcpu-info.default-threads-per-core", &["VCpuInfo.DefaultThreadsPerCore"]),
        ("vcpu-info.default-vcpus", &["VCpuInfo.DefaultVCpus"]),
        ("vcpu-info.valid-cores", &["VCpuInfo.ValidCores"]),
        ("vcpu-info.valid-threads-per-core", &["VCpuInfo.ValidThreadsPerCore"]),
    ],
    form: |_| Ok(()),
    not_found: |name| {
        let message = format!("The following supplied instance types do not exist: [{name}]");
        ApiError::new(ErrorCode::InvalidInstanceType, message)
    },
};

fn describe_instance_types(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    TYPES.serve_with(arguments, instance_type::all().map(|kind| shape(&kind)), |a| {
        // Every type of the catalogue is on offer in every region.
        a.ignore(&["IncludeUnsupportedInRegion"]);
        Ok(())
    })
}

const OFFERING_FILTERS: FilterTable = &[("instance-type", &["InstanceType"]), ("location", &["Location"])];

/// Every type is offered in every zone.
fn describe_instance_type_offerings(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (location, filters) = read(arguments, |a| {
        Ok((a.text("LocationType")?.unwrap_or("region"), Filters::read(a, OFFERING_FILTERS)?))
    })?;
    let zones = model.region.zones();
    let places: Vec<String> = match location {
        "region" => vec![model.region.0.clone()],
        "availability-zone" => zones.into_iter().map(|zone| zone.name).collect(),
        "availability-zone-id" => zones.into_iter().map(|zone| zone.id).collect(),
        other => return Err(crate::arguments::invalid("LocationType", other, "Unknown type of location.")),
    };
    let offered = places.iter().flat_map(|place| {
        let offer = move |kind: InstanceType| {
            json!({"InstanceType": kind.name(), "LocationType": location, "Location": place})
        };
        instance_type::all().map(offer)
    });
    Ok(json!({"InstanceTypeOfferings": offered.filter(|offer| filters.keep(offer)).collect::<Value>()}))
}
