//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::ethernet::{EtherType, Ethernet, Mac};
use crate::read::{Malformed, octets, split, u16_at, u32_at};

/// Question or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has it.
    Reply,
}

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Question or answer.
    pub operation: Operation,
    /// Who sends.
    pub sender_mac: Mac,
    /// Who sends.
    pub sender: Ipv4Addr,
    /// Who is asked or answered; zeros in a question.
    pub target_mac: Mac,
    /// Who is asked for or answered.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Bytes of the packet.
    pub const LENGTH: usize = 28;

    /// Asks who has `target`.
    pub fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Arp {
        Arp { operation: Operation::Request, sender_mac, sender, target_mac: Mac::default(), target }
    }

    /// Answers this question: `mac` has the address.
    #[must_use]
    pub fn reply(&self, mac: Mac) -> Arp {
        Arp {
            operation: Operation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// Reads a packet. Other hardware and protocols than Ethernet and IPv4 are malformed.
    pub fn parse(bytes: &[u8]) -> Result<Arp, Malformed> {
        let (packet, _) = split("ARP", bytes, Arp::LENGTH)?;
        let wrong = |field, value: u32| Malformed::Field { header: "ARP", field, value };
        // Hardware 1 (Ethernet), protocol IPv4; then their lengths.
        for (at, expected, field) in [(0, 0x0001_0800, "hardware and protocol"), (2, 0x0800_0604, "address lengths")] {
            let found = u32_at(packet, at);
            if found != expected {
                return Err(wrong(field, found));
            }
        }
        let operation = match u16_at(packet, 6) {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => return Err(wrong("operation", u32::from(other))),
        };
        Ok(Arp {
            operation,
            sender_mac: Mac(octets(packet, 8)),
            sender: octets::<4>(packet, 14).into(),
            target_mac: Mac(octets(packet, 18)),
            target: octets::<4>(packet, 24).into(),
        })
    }

    /// Appends the packet.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0]);
        out.push(match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        });
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&self.sender.octets());
        out.extend_from_slice(&self.target_mac.0);
        out.extend_from_slice(&self.target.octets());
    }

    /// The packet in a frame: questions to all, answers to who asked.
    pub fn frame(&self) -> Vec<u8> {
        let destination = match self.operation {
            Operation::Request => Mac::BROADCAST,
            Operation::Reply => self.target_mac,
        };
        let mut frame = Vec::with_capacity(Ethernet::LENGTH + Arp::LENGTH);
        Ethernet { destination, source: self.sender_mac, ether_type: EtherType::ARP }.emit(&mut frame);
        self.emit(&mut frame);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKER: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OWNER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_question_has_the_layout_of_rfc_826() {
        let frame = Arp::request(ASKER, Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 1)).frame();
        let expected = [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6][..],
            &[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1],
        ];
        assert_eq!(frame, expected.concat());
    }

    #[test]
    fn an_answer_goes_back_to_the_asker_and_comes_back() {
        let question = Arp::request(ASKER, Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(10, 0, 0, 1));
        let answer = question.reply(OWNER);
        let frame = answer.frame();
        let (ethernet, rest) = Ethernet::parse(&frame).unwrap();
        assert_eq!((ethernet.destination, ethernet.source), (ASKER, OWNER));
        assert_eq!(Arp::parse(rest), Ok(answer));
        assert_eq!((answer.sender, answer.target), (question.target, question.sender));
    }

    #[test]
    fn other_hardware_is_refused() {
        let mut bytes = Vec::new();
        Arp::request(ASKER, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).emit(&mut bytes);
        for at in [0, 2, 4, 5, 7] {
            let mut wrong = bytes.clone();
            wrong[at] = 9;
            assert!(matches!(Arp::parse(&wrong), Err(Malformed::Field { .. })), "byte {at}");
        }
    }
}
