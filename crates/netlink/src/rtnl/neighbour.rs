//! Neighbours (ARP, NDP) and the settings of their tables.

use std::net::IpAddr;

use super::{Family, put_address};
use crate::error::{Error, Malformed};
use crate::message::{Batch, Body, CREATE, DUMP, Message, REPLACE};
use crate::socket::Socket;

const NEW: u16 = 28;
const DELETE: u16 = 29;
const GET: u16 = 30;
const SET_TABLE: u16 = 67;

const DESTINATION: u16 = 1;
const LINK_ADDRESS: u16 = 2;
const DEVICE: u16 = 8;

/// `NUD_*` states.
#[expect(missing_docs, reason = "the kernel's names")]
pub mod state {
    pub const INCOMPLETE: u16 = 0x01;
    pub const REACHABLE: u16 = 0x02;
    pub const STALE: u16 = 0x04;
    pub const DELAY: u16 = 0x08;
    pub const PROBE: u16 = 0x10;
    pub const FAILED: u16 = 0x20;
    pub const NO_ARP: u16 = 0x40;
    /// Never asked for, never forgotten.
    pub const PERMANENT: u16 = 0x80;
}

/// `NTF_PROXY`.
const PROXY: u8 = 0x08;

/// An entry of a neighbour table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Index of the device.
    pub device: u32,
    /// Whose.
    pub address: IpAddr,
    /// Its Ethernet address, if known.
    pub mac: Option<[u8; 6]>,
    /// See [`state`].
    pub state: u16,
    /// Not a neighbour: an address that this device answers for.
    pub proxy: bool,
}

impl Neighbour {
    /// An entry that is never asked for and never forgotten. Permanent entries do not count against
    /// the table's limits (`gc_thresh`).
    pub fn permanent(device: u32, address: IpAddr, mac: [u8; 6]) -> Neighbour {
        Neighbour { device, address, mac: Some(mac), state: state::PERMANENT, proxy: false }
    }

    /// An address that a device answers ARP or NDP for.
    pub fn proxy(device: u32, address: IpAddr) -> Neighbour {
        Neighbour { device, address, mac: None, state: state::PERMANENT, proxy: true }
    }

    fn write(&self, batch: &mut Batch, kind: u16, flags: u16) {
        batch.push(kind, flags, |body| {
            let family = Family::of(&self.address).number();
            body.raw(&header(family, self.device, self.state, if self.proxy { PROXY } else { 0 }));
            put_address(body, DESTINATION, self.address);
            if let Some(mac) = &self.mac {
                body.bytes(LINK_ADDRESS, mac);
            }
        });
    }

    /// Reads `RTM_NEWNEIGH`. `None`: no IP neighbour (a bridge's forwarding entry).
    pub fn parse(message: &Message<'_>) -> Result<Option<Neighbour>, Malformed> {
        let (header, attributes) = message.split(12)?;
        if Family::from_number(header[0]).is_none() {
            return Ok(None);
        }
        let address = attributes.get(DESTINATION).and_then(|a| a.address()).ok_or(Malformed("neighbour's address"))?;
        Ok(Some(Neighbour {
            device: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
            address,
            mac: attributes.get(LINK_ADDRESS).and_then(|a| a.mac()),
            state: u16::from_ne_bytes([header[8], header[9]]),
            proxy: header[10] & PROXY != 0,
        }))
    }
}

/// `struct ndmsg`.
fn header(family: u8, device: u32, state: u16, flags: u8) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = family;
    header[4..8].copy_from_slice(&device.to_ne_bytes());
    header[8..10].copy_from_slice(&state.to_ne_bytes());
    header[10] = flags;
    header
}

/// Adds an entry, or changes the one that is there.
pub fn replace(batch: &mut Batch, neighbour: &Neighbour) {
    neighbour.write(batch, NEW, CREATE | REPLACE);
}

/// Removes an entry.
pub fn delete(batch: &mut Batch, neighbour: &Neighbour) {
    neighbour.write(batch, DELETE, 0);
}

/// The neighbours of one family, of one device or all; `proxy` lists the addresses answered for instead. Sorted.
pub fn dump(socket: &mut Socket, family: Family, device: Option<u32>, proxy: bool) -> Result<Vec<Neighbour>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        body.raw(&header(family.number(), 0, 0, if proxy { PROXY } else { 0 }));
        if let Some(device) = device {
            body.u32(DEVICE, device);
        }
    });
    let wanted = |neighbour: &Neighbour| device.is_none_or(|device| neighbour.device == device);
    let mut found = socket.dump(&request, |message| Ok(Neighbour::parse(&message)?.filter(wanted)))?;
    found.sort();
    Ok(found)
}

/// A setting of a device's neighbour table (`/proc/sys/net/ipv4/neigh/DEVICE`, `NDTPA_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// How long an entry counts as reachable on average, ms.
    BaseReachableTime(u64),
    /// Between two questions, ms.
    RetransmitTime(u64),
    /// How long an unused entry stays, ms.
    StaleTime(u64),
    /// Before a stale entry that is used is probed, ms.
    DelayFirstProbe(u64),
    /// Questions to the known address before it counts as gone.
    UnicastProbes(u32),
    /// Questions to all before an address counts as absent.
    MulticastProbes(u32),
    /// Longest random delay of a proxy's answer, ms. 0 answers at once.
    ProxyDelay(u64),
    /// Questions that may wait for a proxy's answer.
    ProxyQueue(u32),
    /// Between two changes of an entry, ms.
    LockTime(u64),
}

impl Parameter {
    fn write(self, body: &mut Body<'_>) {
        match self {
            Parameter::BaseReachableTime(value) => body.u64(4, value),
            Parameter::RetransmitTime(value) => body.u64(5, value),
            Parameter::StaleTime(value) => body.u64(6, value),
            Parameter::DelayFirstProbe(value) => body.u64(7, value),
            Parameter::UnicastProbes(value) => body.u32(10, value),
            Parameter::MulticastProbes(value) => body.u32(11, value),
            Parameter::ProxyDelay(value) => body.u64(13, value),
            Parameter::ProxyQueue(value) => body.u32(14, value),
            Parameter::LockTime(value) => body.u64(15, value),
        };
    }
}

/// Changes the settings of one device's table.
pub fn set_parameters(batch: &mut Batch, family: Family, device: u32, parameters: &[Parameter]) {
    batch.push(SET_TABLE, 0, |body| {
        let name = match family {
            Family::V4 => "arp_cache",
            Family::V6 => "ndisc_cache",
        };
        body.raw(&[family.number(), 0, 0, 0]).string(1, name).nest(6, |body| {
            body.u32(1, device);
            for parameter in parameters {
                parameter.write(body);
            }
        });
    });
}
