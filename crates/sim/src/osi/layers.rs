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

/// What else means a layer: its units, addresses and devices, and its names in Korean; of each layer, from the wire up.
const ALSO: [&[&str]; 7] = [
    &["bit", "bits", "cable", "hub", "repeater", "물리", "비트", "케이블", "허브", "리피터"],
    &["link", "frame", "switch", "bridge", "mac address", "nic", "데이터 링크", "데이터링크", "프레임", "스위치", "브리지", "mac 주소"],
    &["packet", "router", "gateway", "ip address", "routing", "네트워크", "패킷", "라우터", "게이트웨이", "ip 주소", "라우팅"],
    &["segment", "datagram", "port", "balancer", "load balancer", "전송", "세그먼트", "데이터그램", "포트", "로드 밸런서"],
    &["세션"],
    &["encoding", "encryption", "표현", "인코딩", "암호화"],
    &["data", "message", "url", "응용", "애플리케이션", "데이터", "메시지"],
];

/// Words for the numbers of layers.
const NUMBERS: [&str; 7] = ["one", "two", "three", "four", "five", "six", "seven"];

/// The layer that a word in small letters means: `2`, `l2`, `data link`, `frame`, `4계층`.
pub(super) fn called(text: &str) -> Option<Layer> {
    let text = text.strip_suffix(" layer").or_else(|| text.strip_suffix("계층")).unwrap_or(text).trim_end();
    let number = text.strip_prefix('l').unwrap_or(text).trim_start_matches([' ', '-']);
    let singular = [text.strip_suffix('s'), text.strip_suffix("es")].map(|word| word.unwrap_or(text));
    Layer::ALL.iter().copied().find(|layer| {
        let (name, index) = (layer.name(), usize::from(layer.number()) - 1);
        let also = |word: &str| ALSO[index].contains(&word) || ALSO[index].contains(&word.replace('-', " ").as_str());
        number == layer.number().to_string()
            || text == NUMBERS[index]
            || [name.to_owned(), name.replace(' ', "-"), name.replace(' ', "")].iter().any(|name| text == name)
            || also(text)
            || singular.iter().any(|word| also(word))
    })
}

/// Words that mean layers, for who mistypes one.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    Layer::ALL.iter().map(|layer| layer.name()).chain(ALSO.iter().flat_map(|words| words.iter().copied()))
}
