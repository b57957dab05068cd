//! Links: where they end, how they frame, how long a signal takes.

use super::*;

impl Lan {
    /// The places of this lan where VPCs are attached: index of the link and name of the VPC, in the order of the links.
    pub fn vpcs(&self) -> impl Iterator<Item = (usize, &str)> {
        self.links.iter().enumerate().flat_map(|(index, link)| {
            [&link.a, &link.b].into_iter().filter_map(move |end| match end {
                End::Vpc(name) => Some((index, name.as_str())),
                End::Device { .. } => None,
            })
        })
    }

    /// The links at a device, in their order.
    pub fn links_of<'l>(&'l self, device: &'l str) -> impl Iterator<Item = &'l Link> {
        self.links.iter().filter(move |link| [&link.a, &link.b].iter().any(|end| end.device() == Some(device)))
    }
}

impl End {
    /// The device, unless it ends at a VPC.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Device { device, .. } => Some(device),
            Self::Vpc(_) => None,
        }
    }

    /// The interface, unless it ends at a VPC.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Device { interface, .. } => Some(interface),
            Self::Vpc(_) => None,
        }
    }
}

impl Framing {
    /// Whether it is a serial line: no addresses of its own, two ends.
    pub fn is_serial(self) -> bool {
        self != Self::Ethernet
    }
}

impl CableKind {
    /// Time that a signal needs for a metre, picoseconds. The slowest that IEEE 802.3 counts with: 0.585 of the speed of
    /// light in twisted pair, 0.66 in glass, 0.77 in coaxial cable.
    pub fn picoseconds_per_metre(self) -> u64 {
        match self {
            Self::Utp => 5_700,
            Self::Fiber => 5_050,
            Self::Coax => 4_330,
        }
    }
}

impl Cable {
    /// Time from one end to the other, nanoseconds, rounded to the nearest.
    pub fn delay_nanoseconds(self) -> u64 {
        let picoseconds = u128::from(self.length_centimetres) * u128::from(self.kind.picoseconds_per_metre()) / 100;
        u64::try_from((picoseconds + 500) / 1000).unwrap_or(u64::MAX)
    }
}
