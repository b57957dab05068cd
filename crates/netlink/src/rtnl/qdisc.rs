//! Queueing disciplines of devices: how fast, how late and how surely what is sent leaves. Three kinds: `netem` does all of
//! it, `tbf` keeps a rate, `pfifo` keeps a number of packets.
//!
//! Each may be missing in a kernel: then `ENOENT` refuses it.

use crate::message::{Batch, Body, CREATE, REPLACE};

const NEW: u16 = 36;
const DELETE: u16 = 37;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;

/// `TC_H_ROOT`.
const ROOT: u32 = u32::MAX;
/// Handle 1: of the first discipline of a device.
const FIRST: u32 = 0x0001_0000;
/// Handle 2: of the one inside it.
const SECOND: u32 = 0x0002_0000;

/// One of a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qdisc {
    /// Emulates a line.
    Netem(Netem),
    /// Keeps a rate; what waits is counted in packets.
    Tbf {
        /// Bits per second.
        rate_bits_per_second: u64,
        /// Bytes that may leave at once after a silence; at least a frame.
        burst_bytes: u32,
        /// Packets that wait at most.
        queue_packets: u32,
    },
    /// Leaves the rate to the device.
    Pfifo {
        /// Packets that wait at most.
        queue_packets: u32,
    },
}

/// What `netem` does to packets. Shares are of a million.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Netem {
    /// Bits per second.
    pub rate_bits_per_second: u64,
    /// Nanoseconds on the way.
    pub delay_nanoseconds: u64,
    /// Packets that wait or are on their way at most.
    pub limit_packets: u32,
    /// Packets that get lost.
    pub loss_per_million: u32,
    /// Packets that arrive twice.
    pub duplicate_per_million: u32,
    /// Packets that skip the delay, and so overtake.
    pub reorder_per_million: u32,
}

/// A share of a million as the kernel counts it: of 2^32 - 1.
fn share(per_million: u32) -> u32 {
    let share = u64::from(per_million.min(1_000_000)) * u64::from(u32::MAX) / 1_000_000;
    u32::try_from(share).unwrap_or(u32::MAX)
}

impl Netem {
    /// `struct tc_netem_qopt` and the attributes behind it.
    fn options(&self) -> Vec<u8> {
        const REORDER: u16 = 3;
        const RATE: u16 = 6;
        const RATE64: u16 = 8;
        const LATENCY64: u16 = 10;
        // The kernel's ticks are 64 ns; the exact time follows.
        let ticks = u32::try_from(self.delay_nanoseconds / 64).unwrap_or(u32::MAX);
        let gap = u32::from(self.reorder_per_million > 0);
        let mut bytes = Vec::new();
        for word in [ticks, self.limit_packets, share(self.loss_per_million), gap, share(self.duplicate_per_million), 0] {
            bytes.extend(word.to_ne_bytes());
        }
        let mut body = Body::on(&mut bytes);
        if self.reorder_per_million > 0 {
            let mut reorder = share(self.reorder_per_million).to_ne_bytes().to_vec();
            reorder.extend([0; 4]);
            body.bytes(REORDER, &reorder);
        }
        let bytes_per_second = self.rate_bits_per_second / 8;
        let short = u32::try_from(bytes_per_second).unwrap_or(u32::MAX);
        if short == u32::MAX {
            body.u64(RATE64, bytes_per_second);
        }
        // struct tc_netem_rate: rate, overhead of a packet, size and overhead of a cell.
        let mut rate = short.to_ne_bytes().to_vec();
        rate.extend([0; 12]);
        body.bytes(RATE, &rate).u64(LATENCY64, self.delay_nanoseconds);
        bytes
    }
}

/// `struct tc_tbf_qopt` and the attributes that make its old parts superfluous.
fn tbf(rate_bits_per_second: u64, burst_bytes: u32, queue_packets: u32, body: &mut Body<'_>) {
    const PARAMETERS: u16 = 1;
    const RATE64: u16 = 4;
    const BURST: u16 = 6;
    let bytes_per_second = rate_bits_per_second / 8;
    let short = u32::try_from(bytes_per_second).unwrap_or(u32::MAX);
    // struct tc_ratespec, twice (no peak rate): a table of times is not needed for Ethernet (linklayer 1).
    let mut parameters = vec![0, 1, 0, 0, 0, 0, 0, 0];
    parameters.extend(short.to_ne_bytes());
    parameters.extend([0; 12]);
    // Limit in bytes, of the queue that the one in packets takes the place of; buffer and mtu stand in attributes.
    parameters.extend(queue_packets.saturating_mul(burst_bytes).max(burst_bytes).to_ne_bytes());
    parameters.extend([0; 8]);
    body.bytes(PARAMETERS, &parameters);
    if short == u32::MAX {
        body.u64(RATE64, bytes_per_second);
    }
    body.u32(BURST, burst_bytes);
}

/// `struct tcmsg`.
fn header(body: &mut Body<'_>, index: u32, handle: u32, parent: u32) {
    let mut header = [0; 20];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&handle.to_ne_bytes());
    header[12..16].copy_from_slice(&parent.to_ne_bytes());
    body.raw(&header);
}

fn one(batch: &mut Batch, index: u32, (handle, parent): (u32, u32), kind: &str, options: impl FnOnce(&mut Body<'_>)) {
    batch.push(NEW, CREATE | REPLACE, |body| {
        header(body, index, handle, parent);
        options(body.string(KIND, kind));
    });
}

/// Gives a device this discipline, in the place of one of the same kind if it has that. Errors: `ENOENT` (the kernel has none of
/// this kind), `EINVAL` (the device has one of another kind: [`clear`] it first).
pub fn set(batch: &mut Batch, device: u32, qdisc: &Qdisc) {
    let root = (FIRST, ROOT);
    match qdisc {
        Qdisc::Netem(netem) => one(batch, device, root, "netem", |body| {
            body.bytes(OPTIONS, &netem.options());
        }),
        Qdisc::Tbf { rate_bits_per_second, burst_bytes, queue_packets } => {
            one(batch, device, root, "tbf", |body| {
                body.nest(OPTIONS, |body| tbf(*rate_bits_per_second, *burst_bytes, *queue_packets, body));
            });
            let inside = (SECOND, FIRST | 1);
            one(batch, device, inside, "pfifo", |body| {
                body.u32(OPTIONS, *queue_packets);
            });
        }
        Qdisc::Pfifo { queue_packets } => one(batch, device, root, "pfifo", |body| {
            body.u32(OPTIONS, *queue_packets);
        }),
    }
}

/// Takes a device's discipline away: it has the kernel's default again. Errors: `ENOENT` or `EINVAL` for one that has none.
pub fn clear(batch: &mut Batch, device: u32) {
    batch.push(DELETE, 0, |body| header(body, device, 0, ROOT));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_that_32_bits_hold() {
        assert_eq!([share(0), share(500_000), share(1_000_000)], [0, u32::MAX / 2, u32::MAX]);
    }

    #[test]
    fn netem_is_written_as_tc_writes_it() {
        let netem = Netem {
            rate_bits_per_second: 10_000_000,
            delay_nanoseconds: 10_000_000,
            limit_packets: 100,
            loss_per_million: 10_000,
            duplicate_per_million: 20_000,
            reorder_per_million: 250_000,
        };
        // `tc qdisc add dev v0 root netem limit 100 delay 10ms reorder 25% loss 1% duplicate 2% rate 10mbit`, which rounds up.
        let words = [156_250, 100, 0x028f_5c29 - 1, 1, 0x051e_b852 - 1, 0].map(u32::to_ne_bytes).concat();
        let reorder = [&[12_u8, 0, 3, 0][..], &(0x4000_0000_u32 - 1).to_ne_bytes(), &[0; 4]].concat();
        let rate = [&[20_u8, 0, 6, 0][..], &1_250_000_u32.to_ne_bytes(), &[0; 12]].concat();
        let latency = [&[12_u8, 0, 10, 0][..], &10_000_000_u64.to_ne_bytes()].concat();
        assert_eq!(netem.options(), [words, reorder, rate, latency].concat());
    }

    #[test]
    fn a_rate_beyond_32_bits_is_written_in_64_too() {
        let written = |rate| {
            let netem = Netem { rate_bits_per_second: rate, ..Netem::default() };
            netem.options().len()
        };
        assert_eq!(written(100_000_000_000) - written(10_000_000), 12);
    }
}
