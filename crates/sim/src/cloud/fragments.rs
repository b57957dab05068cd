//! Later fragments have no ports: what the first one said is remembered for them, as stateful devices do.

use std::collections::VecDeque;
use std::net::IpAddr;

use fabric::{Header, Transport};

use super::bytes::Fragment;

/// Packets whose first fragment is remembered; the oldest is forgotten for a new one.
const REMEMBERED: usize = 256;

type Key = (IpAddr, IpAddr, u8, u16);

/// Transport headers of packets in fragments.
#[derive(Debug, Clone, Default)]
pub struct Fragments {
    known: VecDeque<(Key, Transport)>,
}

impl Fragments {
    /// Remembers a first fragment, and gives a later one the transport header of its packet. One that came before its first
    /// stays without.
    pub fn complete(&mut self, header: &mut Header, fragment: Fragment) {
        let key = (header.source, header.destination, header.protocol(), fragment.identification);
        let place = self.known.iter().position(|(known, _)| *known == key);
        match (fragment.is_first, place) {
            (true, Some(place)) => self.known[place].1 = header.transport.clone(),
            (true, None) => {
                if self.known.len() == REMEMBERED {
                    self.known.pop_front();
                }
                self.known.push_back((key, header.transport.clone()));
            }
            (false, Some(place)) => header.transport = self.known[place].1.clone(),
            (false, None) => {}
        }
    }
}
