//! NTP as a time server of a VPC speaks it (RFC 5905): read a client's question, write the answer.

use std::time::Duration;

use crate::read::{Malformed, octets, split};

/// A time: seconds since 1900 and their fraction, 32 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Seconds from 1900 to 1970.
    const EPOCH: u64 = 2_208_988_800;

    /// From a time since 1970. Eras (136 years) are not told apart, as in the protocol.
    pub fn from_unix(since: Duration) -> Timestamp {
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        Timestamp(since.as_secs().wrapping_add(Timestamp::EPOCH) << 32 | fraction)
    }

    /// The time since 1970; an era that ends in 2036.
    pub fn to_unix(self) -> Duration {
        let nanoseconds = ((self.0 & 0xffff_ffff) * 1_000_000_000) >> 32;
        Duration::new((self.0 >> 32).saturating_sub(Timestamp::EPOCH), nanoseconds as u32)
    }
}

/// A client's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// 1 to 4.
    pub version: u8,
    /// Log2 of the seconds between questions.
    pub poll: i8,
    /// When it was asked, by the client's clock.
    pub transmit: Timestamp,
}

/// Mode 3.
const CLIENT: u8 = 3;
/// Mode 4.
const SERVER: u8 = 4;
/// Bytes without extensions.
const LENGTH: usize = 48;

impl Request {
    /// A question of version 4.
    pub fn new(transmit: Timestamp) -> Request {
        Request { version: 4, poll: 6, transmit }
    }

    /// Reads a question of a client.
    pub fn parse(bytes: &[u8]) -> Result<Request, Malformed> {
        let (packet, _) = split("NTP", bytes, LENGTH)?;
        let (version, mode) = (packet[0] >> 3 & 7, packet[0] & 7);
        let wrong = |field, value: u8| Malformed::Field { header: "NTP", field, value: value.into() };
        if !(1..=4).contains(&version) {
            return Err(wrong("version", version));
        }
        if mode != CLIENT {
            return Err(wrong("mode", mode));
        }
        let transmit = Timestamp(u64::from_be_bytes(octets(packet, 40)));
        Ok(Request { version, poll: packet[2] as i8, transmit })
    }

    /// The question as bytes.
    pub fn emit(&self) -> [u8; LENGTH] {
        let mut packet = [0; LENGTH];
        packet[0] = self.version << 3 | CLIENT;
        packet[2] = self.poll as u8;
        packet[40..48].copy_from_slice(&self.transmit.0.to_be_bytes());
        packet
    }

    /// Answers it.
    pub fn reply(&self, stratum: u8, reference: [u8; 4], receive: Timestamp, transmit: Timestamp) -> Reply {
        Reply { version: self.version, poll: self.poll, stratum, reference, origin: self.transmit, receive, transmit }
    }
}

/// A server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// As in the question.
    pub version: u8,
    /// As in the question.
    pub poll: i8,
    /// 1: has its own source of time; 2 to 15: that many steps from one.
    pub stratum: u8,
    /// That source's name, or the address of the server one step nearer to it.
    pub reference: [u8; 4],
    /// The client's time in the question.
    pub origin: Timestamp,
    /// When the question came, by our clock.
    pub receive: Timestamp,
    /// When the answer went, by our clock.
    pub transmit: Timestamp,
}

impl Reply {
    /// The answer as bytes. The clock was "set" when the question came, and is precise to about a microsecond.
    pub fn emit(&self) -> [u8; LENGTH] {
        const PRECISION: i8 = -20;
        let mut packet = [0; LENGTH];
        packet[0] = self.version << 3 | SERVER;
        packet[1] = self.stratum;
        packet[2] = self.poll as u8;
        packet[3] = PRECISION as u8;
        packet[12..16].copy_from_slice(&self.reference);
        for (at, time) in [(16, self.receive), (24, self.origin), (32, self.receive), (40, self.transmit)] {
            packet[at..at + 8].copy_from_slice(&time.0.to_be_bytes());
        }
        packet
    }

    /// Reads an answer of a server.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Malformed> {
        let (packet, _) = split("NTP", bytes, LENGTH)?;
        if packet[0] & 7 != SERVER {
            return Err(Malformed::Field { header: "NTP", field: "mode", value: u32::from(packet[0] & 7) });
        }
        let time = |at| Timestamp(u64::from_be_bytes(octets(packet, at)));
        Ok(Reply {
            version: packet[0] >> 3 & 7,
            poll: packet[2] as i8,
            stratum: packet[1],
            reference: octets(packet, 12),
            origin: time(24),
            receive: time(32),
            transmit: time(40),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_epochs_are_70_years_apart() {
        // RFC 5905, figure 4: 1 January 1970 is 2,208,988,800.
        assert_eq!(Timestamp::from_unix(Duration::ZERO), Timestamp(2_208_988_800 << 32));
        assert_eq!(Timestamp::from_unix(Duration::from_millis(500)).0 as u32, 1 << 31);
    }

    #[test]
    fn only_clients_are_answered() {
        let mut packet = Request::new(Timestamp(7)).emit();
        assert_eq!(packet[0], 0x23);
        packet[0] = 0x24;
        assert_eq!(Request::parse(&packet), Err(Malformed::Field { header: "NTP", field: "mode", value: 4 }));
    }

    proptest! {
        #[test]
        fn question_and_answer_come_back(version in 1u8..=4, poll: i8, times: [u64; 3], stratum: u8, reference: [u8; 4]) {
            let [asked, receive, transmit] = times.map(Timestamp);
            let request = Request { version, poll, transmit: asked };
            prop_assert_eq!(Request::parse(&request.emit()), Ok(request));
            let reply = request.reply(stratum, reference, receive, transmit);
            prop_assert_eq!(reply.origin, asked);
            prop_assert_eq!(Reply::parse(&reply.emit()), Ok(reply));
        }

        #[test]
        fn unix_times_come_back(seconds in 0u64..2_000_000_000, nanoseconds in 0u32..1_000_000_000) {
            let time = Duration::new(seconds, nanoseconds);
            let back = Timestamp::from_unix(time).to_unix();
            prop_assert!(time - back <= Duration::from_nanos(1), "{:?} {:?}", time, back);
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = (Request::parse(&bytes), Reply::parse(&bytes));
        }
    }
}
