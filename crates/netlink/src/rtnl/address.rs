//! Addresses of devices.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Family, put_address};
use crate::error::{Error, Malformed};
use crate::message::{Batch, CREATE, DUMP, EXCLUSIVE, Message, REPLACE};
use crate::socket::Socket;

const NEW: u16 = 20;
const DELETE: u16 = 21;
const GET: u16 = 22;

/// `IFA_F_NODAD`: usable at once, without asking whether someone else has it (IPv6).
pub const NO_DUPLICATE_DETECTION: u32 = 0x02;
/// `IFA_F_NOPREFIXROUTE`: no route to its prefix.
pub const NO_PREFIX_ROUTE: u32 = 0x200;

/// An address on a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Index of the device.
    pub device: u32,
    /// The address and the length of its network.
    pub address: IpNet,
    /// The other end of a point-to-point link; the prefix length is then the peer's.
    pub peer: Option<IpAddr>,
    /// See [`NO_PREFIX_ROUTE`], [`NO_DUPLICATE_DETECTION`].
    pub flags: u32,
}

impl Address {
    /// An ordinary address.
    pub fn new(device: u32, address: IpNet) -> Address {
        Address { device, address, peer: None, flags: 0 }
    }

    fn write(&self, batch: &mut Batch, kind: u16, flags: u16) {
        const ADDRESS: u16 = 1;
        const LOCAL: u16 = 2;
        const FLAGS: u16 = 8;
        batch.push(kind, flags, |body| {
            let local = self.address.addr();
            body.raw(&header(Family::of(&local).number(), self.address.prefix_len(), self.device));
            put_address(body, LOCAL, local);
            put_address(body, ADDRESS, self.peer.unwrap_or(local));
            if self.flags != 0 {
                body.u32(FLAGS, self.flags);
            }
        });
    }

    /// Reads `RTM_NEWADDR`.
    pub fn parse(message: &Message<'_>) -> Result<Address, Malformed> {
        let (header, attributes) = message.split(8)?;
        let device = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
        let remote = attributes.get(1).and_then(|a| a.address());
        let local = attributes.get(2).and_then(|a| a.address()).or(remote).ok_or(Malformed("address"))?;
        let flags = attributes.get(8).and_then(|a| a.u32()).unwrap_or(u32::from(header[2]));
        let address = IpNet::new(local, header[1]).map_err(|_| Malformed("prefix length"))?;
        Ok(Address { device, address, peer: remote.filter(|remote| *remote != local), flags })
    }
}

/// `struct ifaddrmsg`.
fn header(family: u8, length: u8, device: u32) -> [u8; 8] {
    let [a, b, c, d] = device.to_ne_bytes();
    [family, length, 0, 0, a, b, c, d]
}

/// Adds an address that is not there yet.
pub fn add(batch: &mut Batch, address: &Address) {
    address.write(batch, NEW, CREATE | EXCLUSIVE);
}

/// Adds an address or changes the flags of the one that is there.
pub fn replace(batch: &mut Batch, address: &Address) {
    address.write(batch, NEW, CREATE | REPLACE);
}

/// Removes an address.
pub fn delete(batch: &mut Batch, address: &Address) {
    address.write(batch, DELETE, 0);
}

/// Every address of the namespace, or of one device, of one family or both; sorted.
pub fn dump(socket: &mut Socket, family: Option<Family>, device: Option<u32>) -> Result<Vec<Address>, Error> {
    let mut request = Batch::new();
    request.push(GET, DUMP, |body| {
        body.raw(&header(family.map_or(0, Family::number), 0, device.unwrap_or(0)));
    });
    let mut addresses = socket.dump(&request, |message| Address::parse(&message).map(Some))?;
    addresses.sort();
    Ok(addresses)
}
