//! Instance types, by table: how many interfaces and addresses an instance may have (ENI-4), and what clients
//! ask of DescribeInstanceTypes.

use serde::{Deserialize, Serialize};

/// What a type's processor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// An instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceType {
    /// Family, such as `t3`.
    pub family: &'static str,
    /// Size, such as `micro`.
    pub size: &'static str,
    /// What it runs.
    pub architecture: Architecture,
    /// Whether it earns and spends CPU credits.
    pub burstable: bool,
    /// Whether it runs on the Nitro hypervisor rather than on Xen.
    pub nitro: bool,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Most interfaces an instance may have (ENI-4).
    pub max_interfaces: u32,
    /// Most private IPv4 addresses of one interface, and as many IPv6 ones (ENI-4).
    pub addresses_per_interface: u32,
}

impl InstanceType {
    /// The full name, such as `t3.micro`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.family, self.size)
    }

    /// Whether CPU credits are unlimited unless somebody says otherwise: with every burstable family but T2.
    pub fn is_unlimited_by_default(&self) -> bool {
        self.burstable && self.family != "t2"
    }

    /// Hardware threads of a core: Arm processors and T2 have one, the others two.
    pub fn threads_per_core(&self) -> u32 {
        if self.architecture == Architecture::Arm64 || !self.nitro { 1 } else { 2 }
    }
}

/// The type to take when nobody says which.
pub const DEFAULT: &str = "t3.micro";

/// The type with this name.
pub fn find(name: &str) -> Option<InstanceType> {
    let (family, size) = name.split_once('.')?;
    all().find(|instance_type| instance_type.family == family && instance_type.size == size)
}

/// All types on offer, in the order of the table.
pub fn all() -> impl Iterator<Item = InstanceType> {
    FAMILIES.iter().flat_map(|family| {
        let Family { name, architecture, burstable, nitro, sizes } = *family;
        sizes.iter().map(move |&(size, vcpus, memory_mib, max_interfaces, addresses_per_interface)| InstanceType {
            family: name,
            size,
            architecture,
            burstable,
            nitro,
            vcpus,
            memory_mib,
            max_interfaces,
            addresses_per_interface,
        })
    })
}

struct Family {
    name: &'static str,
    architecture: Architecture,
    burstable: bool,
    nitro: bool,
    sizes: &'static [Size],
}

/// Name, virtual processors, memory in MiB, interfaces, IPv4 addresses per interface.
type Size = (&'static str, u32, u32, u32, u32);

const FAMILIES: &[Family] = &[
    Family { name: "t2", architecture: Architecture::X86_64, burstable: true, nitro: false, sizes: SIZES_T2 },
    Family { name: "t3", architecture: Architecture::X86_64, burstable: true, nitro: true, sizes: SIZES_T3 },
    Family { name: "t3a", architecture: Architecture::X86_64, burstable: true, nitro: true, sizes: SIZES_T3A },
    Family { name: "t4g", architecture: Architecture::Arm64, burstable: true, nitro: true, sizes: SIZES_T3 },
    Family { name: "m5", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_M5 },
    Family { name: "m6i", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_M5 },
    Family { name: "m7i", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_M5 },
    Family { name: "m6g", architecture: Architecture::Arm64, burstable: false, nitro: true, sizes: SIZES_M6G },
    Family { name: "m7g", architecture: Architecture::Arm64, burstable: false, nitro: true, sizes: SIZES_M6G },
    Family { name: "c5", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_C5 },
    Family { name: "c6i", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_C6I },
    Family { name: "c7g", architecture: Architecture::Arm64, burstable: false, nitro: true, sizes: SIZES_C7G },
    Family { name: "r5", architecture: Architecture::X86_64, burstable: false, nitro: true, sizes: SIZES_R5 },
    Family { name: "r6g", architecture: Architecture::Arm64, burstable: false, nitro: true, sizes: SIZES_R6G },
];

/// Sizes of `t2`.
const SIZES_T2: &[Size] = &[
    ("nano", 1, 512, 2, 2),
    ("micro", 1, 1_024, 2, 2),
    ("small", 1, 2_048, 3, 4),
    ("medium", 2, 4_096, 3, 6),
    ("large", 2, 8_192, 3, 12),
    ("xlarge", 4, 16_384, 3, 15),
    ("2xlarge", 8, 32_768, 3, 15),
];

/// Sizes of `t3`, `t4g`.
const SIZES_T3: &[Size] = &[
    ("nano", 2, 512, 2, 2),
    ("micro", 2, 1_024, 2, 2),
    ("small", 2, 2_048, 3, 4),
    ("medium", 2, 4_096, 3, 6),
    ("large", 2, 8_192, 3, 12),
    ("xlarge", 4, 16_384, 4, 15),
    ("2xlarge", 8, 32_768, 4, 15),
];

/// Sizes of `t3a`.
const SIZES_T3A: &[Size] = &[
    ("nano", 2, 512, 2, 2),
    ("micro", 2, 1_024, 2, 2),
    ("small", 2, 2_048, 2, 4),
    ("medium", 2, 4_096, 3, 6),
    ("large", 2, 8_192, 3, 12),
    ("xlarge", 4, 16_384, 4, 15),
    ("2xlarge", 8, 32_768, 4, 15),
];

/// Sizes of `m5`, `m6i`, `m7i`.
const SIZES_M5: &[Size] = &[
    ("large", 2, 8_192, 3, 10),
    ("xlarge", 4, 16_384, 4, 15),
    ("2xlarge", 8, 32_768, 4, 15),
    ("4xlarge", 16, 65_536, 8, 30),
    ("8xlarge", 32, 131_072, 8, 30),
    ("12xlarge", 48, 196_608, 8, 30),
    ("16xlarge", 64, 262_144, 15, 50),
    ("24xlarge", 96, 393_216, 15, 50),
];

/// Sizes of `m6g`, `m7g`.
const SIZES_M6G: &[Size] = &[
    ("medium", 1, 4_096, 2, 4),
    ("large", 2, 8_192, 3, 10),
    ("xlarge", 4, 16_384, 4, 15),
    ("2xlarge", 8, 32_768, 4, 15),
    ("4xlarge", 16, 65_536, 8, 30),
    ("8xlarge", 32, 131_072, 8, 30),
    ("12xlarge", 48, 196_608, 8, 30),
    ("16xlarge", 64, 262_144, 15, 50),
];

/// Sizes of `c5`.
const SIZES_C5: &[Size] = &[
    ("large", 2, 4_096, 3, 10),
    ("xlarge", 4, 8_192, 4, 15),
    ("2xlarge", 8, 16_384, 4, 15),
    ("4xlarge", 16, 32_768, 8, 30),
    ("9xlarge", 36, 73_728, 8, 30),
    ("12xlarge", 48, 98_304, 8, 30),
    ("18xlarge", 72, 147_456, 15, 50),
    ("24xlarge", 96, 196_608, 15, 50),
];

/// Sizes of `c6i`.
const SIZES_C6I: &[Size] = &[
    ("large", 2, 4_096, 3, 10),
    ("xlarge", 4, 8_192, 4, 15),
    ("2xlarge", 8, 16_384, 4, 15),
    ("4xlarge", 16, 32_768, 8, 30),
    ("8xlarge", 32, 65_536, 8, 30),
    ("12xlarge", 48, 98_304, 8, 30),
    ("16xlarge", 64, 131_072, 15, 50),
    ("24xlarge", 96, 196_608, 15, 50),
];

/// Sizes of `c7g`.
const SIZES_C7G: &[Size] = &[
    ("medium", 1, 2_048, 2, 4),
    ("large", 2, 4_096, 3, 10),
    ("xlarge", 4, 8_192, 4, 15),
    ("2xlarge", 8, 16_384, 4, 15),
    ("4xlarge", 16, 32_768, 8, 30),
    ("8xlarge", 32, 65_536, 8, 30),
    ("12xlarge", 48, 98_304, 8, 30),
    ("16xlarge", 64, 131_072, 15, 50),
];

/// Sizes of `r5`.
const SIZES_R5: &[Size] = &[
    ("large", 2, 16_384, 3, 10),
    ("xlarge", 4, 32_768, 4, 15),
    ("2xlarge", 8, 65_536, 4, 15),
    ("4xlarge", 16, 131_072, 8, 30),
    ("8xlarge", 32, 262_144, 8, 30),
    ("12xlarge", 48, 393_216, 8, 30),
    ("16xlarge", 64, 524_288, 15, 50),
    ("24xlarge", 96, 786_432, 15, 50),
];

/// Sizes of `r6g`.
const SIZES_R6G: &[Size] = &[
    ("medium", 1, 8_192, 2, 4),
    ("large", 2, 16_384, 3, 10),
    ("xlarge", 4, 32_768, 4, 15),
    ("2xlarge", 8, 65_536, 4, 15),
    ("4xlarge", 16, 131_072, 8, 30),
    ("8xlarge", 32, 262_144, 8, 30),
    ("12xlarge", 48, 393_216, 8, 30),
    ("16xlarge", 64, 524_288, 15, 50),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_semantics_table() {
        for (name, interfaces, addresses) in [
            ("t3.nano", 2, 2),
            ("t3.micro", 2, 2),
            ("t3.small", 3, 4),
            ("t3.medium", 3, 6),
            ("t3.large", 3, 12),
            ("t2.micro", 2, 2),
            ("t4g.micro", 2, 2),
            ("m5.large", 3, 10),
            ("c5.large", 3, 10),
        ] {
            let found = find(name).unwrap();
            assert_eq!((found.max_interfaces, found.addresses_per_interface), (interfaces, addresses), "ENI-4 {name}");
            assert_eq!(found.name(), name);
        }
        assert_eq!(find("t3.gigantic"), None);
    }
}
