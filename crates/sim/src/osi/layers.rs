//! The seven layers.

use serde::Serialize;

use crate::trace::Layer;

/// A layer of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OsiLayer {
    /// Which.
    #[serde(serialize_with = "super::number", rename = "number")]
    pub layer: Layer,
    /// What it is for.
    pub role: &'static str,
    /// What one of its things is called.
    pub unit: &'static str,
    /// What tells one end from another.
    pub address: &'static str,
    /// What looks up to this layer and no higher.
    pub devices: &'static str,
    /// What breaks at this layer, and how it looks.
    pub trouble: &'static str,
}

/// The layers, from the wire up.
pub const LAYERS: [OsiLayer; 7] = [
    OsiLayer {
        layer: Layer::Physical,
        role: "Moves bits as signals over a medium: voltage, light, radio; at a rate, over a distance, one way or both.",
        unit: "bit",
        address: "none: everybody on the medium hears everything",
        devices: "cable, connector, repeater, hub",
        trouble: "a cable that is unplugged, collisions on a shared medium, noise",
    },
    OsiLayer {
        layer: Layer::DataLink,
        role: "Brings frames from a station to its neighbour on the same medium, and notices when bits were damaged.",
        unit: "frame",
        address: "MAC address, 48 bits, one for each interface; it counts up to the next router",
        devices: "switch, bridge, network interface",
        trouble: "a loop without spanning tree, an address that is not in the MAC table, an unanswered ARP question",
    },
    OsiLayer {
        layer: Layer::Network,
        role: "Finds a way for packets from network to network, hop by hop, by the destination address and route tables.",
        unit: "packet",
        address: "IP address, 32 or 128 bits, with a prefix that says its network; it counts from end to end",
        devices: "router, gateway, address translator",
        trouble: "a route that is missing, a time to live that is used up, a packet longer than the next link takes",
    },
    OsiLayer {
        layer: Layer::Transport,
        role: "Connects programs by ports; with TCP in order, without loss, and no faster than the receiver reads.",
        unit: "segment (TCP), datagram (UDP)",
        address: "port, 16 bits, one for each program that listens or asks",
        devices: "host, balancer, stateful filter",
        trouble: "a port where nobody listens, segments that are lost and sent again, a window that is closed",
    },
    OsiLayer {
        layer: Layer::Session,
        role: "Keeps apart who talks to whom, from the beginning of a conversation to its end.",
        unit: "data",
        address: "socket pair: both addresses and both ports",
        devices: "host; on the internet programs and TCP do this themselves",
        trouble: "a connection that was idle for too long, a login that ran out",
    },
    OsiLayer {
        layer: Layer::Presentation,
        role: "Agrees how data is written: characters, numbers, compression, encryption.",
        unit: "data",
        address: "none",
        devices: "host; on the internet programs and TLS do this themselves",
        trouble: "a certificate that is not trusted, characters in the wrong encoding",
    },
    OsiLayer {
        layer: Layer::Application,
        role: "Says what the conversation is about: a page, a mail, a name, a file.",
        unit: "data (a message)",
        address: "name: a host name, a URL, a mail address",
        devices: "host, application gateway",
        trouble: "a page that does not exist, a name that nobody knows, a password that is wrong",
    },
];

/// The layer of the model.
pub(super) fn of(layer: Layer) -> &'static OsiLayer {
    &LAYERS[usize::from(layer.number()) - 1]
}
