//! Captures read back by a reader that knows the draft only, not the writer: draft-ietf-opsawg-pcapng, little-endian.
#![allow(clippy::unwrap_used, reason = "what cannot be prepared or read is a failed test")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use wire::pcapng::{Captured, Direction, LinkType, Writer};

type Options = BTreeMap<u16, Vec<u8>>;

#[derive(Debug, Default, PartialEq)]
struct Read {
    interfaces: Vec<(u16, u32, Options)>,
    packets: Vec<(u32, u64, Vec<u8>, u32, Options)>,
    names: Vec<(u16, Vec<u8>)>,
    statistics: Vec<(u32, u64, Options)>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

/// Options, or records of names: code, length, value, padding, until code 0.
fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (code, length) = (half(bytes, 0), usize::from(half(bytes, 2)));
        if code == 0 {
            assert_eq!((length, bytes.len()), (0, 4), "the end is the end");
            return found;
        }
        found.push((code, bytes[4..4 + length].to_vec()));
        let padded = length.next_multiple_of(4);
        assert!(bytes[4 + length..4 + padded].iter().all(|byte| *byte == 0), "padding is zero");
        bytes = &bytes[4 + padded..];
    }
    found
}

fn read(mut bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let mut first = true;
    while !bytes.is_empty() {
        let (kind, length) = (word(bytes, 0), word(bytes, 4) as usize);
        assert!(length % 4 == 0 && length >= 12, "blocks are whole words");
        assert_eq!(word(bytes, length - 4) as usize, length, "a block ends with its length");
        let body = &bytes[8..length - 4];
        assert_eq!(kind == 0x0a0d_0d0a, first, "one section, at the start");
        let time = |at: usize| u64::from(word(body, at)) << 32 | u64::from(word(body, at + 4));
        match kind {
            0x0a0d_0d0a => assert_eq!((word(body, 0), half(body, 4), half(body, 6)), (0x1a2b_3c4d, 1, 0)),
            1 => read.interfaces.push((half(body, 0), word(body, 4), options(&body[8..]).into_iter().collect())),
            4 => read.names.extend(options(body)),
            5 => read.statistics.push((word(body, 0), time(4), options(&body[12..]).into_iter().collect())),
            6 => {
                let (captured, original) = (word(body, 12) as usize, word(body, 16));
                let rest = &body[20 + captured.next_multiple_of(4)..];
                let packet = body[20..20 + captured].to_vec();
                read.packets.push((word(body, 0), time(4), packet, original, options(rest).into_iter().collect()));
            }
            other => panic!("block of kind {other}"),
        }
        bytes = &bytes[length..];
        first = false;
    }
    read
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        packets in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..90), 0usize..50, 0usize..3, "[a-z]{0,5}"), 0..8),
        names in prop::collection::btree_map(any::<IpAddr>(), "[a-z-]{1,9}", 0..4),
    ) {
        let mut writer = Writer::new(Vec::new(), "test").unwrap();
        let interfaces = ["web-1", "shop router", "igw"].map(|name| writer.interface(name, "x", LinkType::ETHERNET, 262_144).unwrap());
        writer.names(&names).unwrap();
        for (time, bytes, cut, interface, comment) in &packets {
            let whole = Captured::new(Duration::from_nanos(*time), bytes);
            let captured = Captured { original_length: bytes.len() + cut, direction: Direction::Inbound, comment, ..whole };
            writer.packet(interfaces[*interface], &captured).unwrap();
        }
        writer.statistics(interfaces[1], Duration::from_nanos(9), 5, 2).unwrap();
        let read = read(&writer.into_inner());

        let called: Vec<&[u8]> = read.interfaces.iter().map(|(_, _, options)| &options[&2][..]).collect();
        prop_assert_eq!(called, [&b"web-1"[..], b"shop router", b"igw"]);
        prop_assert!(read.interfaces.iter().all(|(link, snap, options)| (*link, *snap) == (1, 262_144) && options[&9] == [9]));
        let record = |(address, name): (&IpAddr, &String)| match address {
            IpAddr::V4(address) => (1, [&address.octets()[..], name.as_bytes(), &[0]].concat()),
            IpAddr::V6(address) => (2, [&address.octets()[..], name.as_bytes(), &[0]].concat()),
        };
        prop_assert_eq!(read.names, names.iter().map(record).collect::<Vec<_>>());
        let written: Vec<_> = packets.into_iter().map(|(time, bytes, cut, interface, comment)| {
            let length = (bytes.len() + cut) as u32;
            let comment = (!comment.is_empty()).then(|| (1, comment.into_bytes()));
            (interface as u32, time, bytes, length, comment.into_iter().chain([(2, vec![1, 0, 0, 0])]).collect::<Options>())
        }).collect();
        prop_assert_eq!(read.packets, written);
        let counts = Options::from([(4, 5u64.to_le_bytes().to_vec()), (5, 2u64.to_le_bytes().to_vec())]);
        prop_assert_eq!(read.statistics, [(1, 9, counts)]);
    }
}
