//! Lans: a switch is a bridge, a hub a bridge that forgets, whoever speaks IP a namespace of its own, a link a pair of
//! Ethernet devices. What the kernel cannot do is said in [`notes`]: collisions, framing of serial lines, daemons.
//!
//! A loop in which nobody runs a spanning tree would be a storm on this machine's own processors: the links that close one
//! stay down, and that is said too.

mod device;
mod filter;
mod lease;
mod link;
pub(crate) mod note;
mod routing;
mod vpn;
mod wiring;

use fabric::Fabric;
use model::lan::{Device, Lan, Switch};
use netlink::rtnl::link::BridgeSettings;

pub use device::{addresses, name_servers};
pub use note::notes;

use super::{Options, Plan};
use crate::naming::{BRIDGE, device_namespace};
use wiring::Wiring;

/// Lans by name.
pub type Lans = model::Table<String, Lan>;

/// Queueing disciplines that a kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shaping {
    /// `netem`: rates, delays, losses, duplicates, reordering, queues.
    pub netem: bool,
    /// `tbf`, and `pfifo` in it: rates and queues.
    pub tbf: bool,
}

impl Default for Shaping {
    fn default() -> Self {
        Shaping { netem: true, tbf: true }
    }
}

impl Plan {
    /// Adds the devices and links of lans to the plan of the fabric beside them.
    pub fn add_lans(&mut self, lans: &Lans, fabric: &Fabric, options: Options) {
        for lan in lans.values() {
            let wiring = Wiring::at(lan, fabric);
            let learned = routing::converged(&wiring);
            for (name, device) in &lan.devices {
                match device {
                    Device::Hub(_) | Device::Repeater(_) => self.bridge(name, device, forgetful()),
                    Device::Switch(switch) | Device::Bridge(switch) => self.bridge(name, device, learning(switch)),
                    Device::Host(_) | Device::Router(_) | Device::Balancer(_) => device::plan(&wiring, name, device, &learned, self),
                }
            }
            link::plan(&wiring, options.shaping, self);
            vpn::plan(&wiring, fabric, options.shaping, self);
        }
    }

    fn bridge(&mut self, name: &str, device: &Device, settings: BridgeSettings) {
        let namespace = self.namespace(&device_namespace(name, device));
        namespace.is_instance = true;
        namespace.bridges.insert(BRIDGE.to_owned(), settings);
    }
}

/// A hub: it learns nobody's place, so every frame goes everywhere.
fn forgetful() -> BridgeSettings {
    BridgeSettings { ageing_seconds: 0, spanning_tree: None, multicast_snooping: false, most_learned: 0 }
}

fn learning(switch: &Switch) -> BridgeSettings {
    BridgeSettings {
        ageing_seconds: switch.ageing_seconds,
        spanning_tree: switch.spanning_tree.then_some(switch.priority),
        multicast_snooping: switch.igmp_snooping,
        most_learned: switch.table_entries,
    }
}
