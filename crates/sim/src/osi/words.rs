//! The words of answers in each language: what labels are called, and layers and protocols in Korean, read from `ko.txt`.
//!
//! A paragraph of it is a key and a line for each text: of a layer its name, role, unit, address, devices and trouble; of a
//! protocol its name, its sentence and, where it has one, what it is known by. Fields of frames keep the names of their RFCs.

use std::sync::LazyLock;

use super::{LAYERS, OsiLayer, Protocol};
use crate::trace::Layer;

/// A language of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tongue {
    /// English.
    #[default]
    English,
    /// Korean.
    Korean,
}

/// What is written beside the facts of an answer.
pub(super) struct Labels {
    pub layer: &'static str,
    pub unit: &'static str,
    pub address: &'static str,
    pub devices: &'static str,
    pub trouble: &'static str,
    pub carried_by: &'static str,
    pub known_by: &'static str,
    pub ports: &'static str,
    pub standard: &'static str,
    pub range: &'static str,
    pub services: &'static str,
    pub no_services: &'static str,
    pub port: &'static str,
    pub model: [&'static str; 6],
    pub protocols: [&'static str; 3],
    pub well_known: &'static str,
    pub registered: &'static str,
    pub dynamic: &'static str,
    pub reserved: &'static str,
}

const ENGLISH: Labels = Labels {
    layer: "layer",
    unit: "unit",
    address: "address",
    devices: "devices",
    trouble: "trouble",
    carried_by: "carried by",
    known_by: "known by",
    ports: "ports",
    standard: "standard",
    range: "range",
    services: "services",
    no_services: "none that is known here",
    port: "port",
    model: ["LAYER", "NAME", "UNIT", "ADDRESS", "DEVICES", "PROTOCOLS"],
    protocols: ["PROTOCOL", "PORTS", "WHAT FOR"],
    well_known: "well-known (0 to 1023): assigned to a service, and only the system may listen there",
    registered: "registered (1024 to 49151): assigned to a service on request",
    dynamic: "dynamic (49152 to 65535): a client's own end of a connection",
    reserved: "reserved: nobody listens at port 0; a program that asks for it is given any port that is free",
};

const KOREAN: Labels = Labels {
    layer: "계층",
    unit: "단위",
    address: "주소",
    devices: "장비",
    trouble: "문제",
    carried_by: "아래 계층",
    known_by: "식별",
    ports: "포트",
    standard: "표준",
    range: "범위",
    services: "서비스",
    no_services: "알려진 것이 없음",
    port: "포트",
    model: ["계층", "이름", "단위", "주소", "장비", "프로토콜"],
    protocols: ["프로토콜", "포트", "하는 일"],
    well_known: "잘 알려진 포트(0~1023): 서비스마다 정해져 있고, 시스템만 들을 수 있습니다",
    registered: "등록된 포트(1024~49151): 신청하면 서비스에 배정됩니다",
    dynamic: "임시 포트(49152~65535): 클라이언트가 연결의 자기 쪽 끝에 씁니다",
    reserved: "예약됨: 0번에서는 아무도 듣지 않습니다. 프로그램이 0번을 달라고 하면 비어 있는 포트를 받습니다",
};

/// Units of protocols.
const UNITS: &[(&str, &str)] = &[
    ("bit", "비트"),
    ("frame", "프레임"),
    ("BPDU", "BPDU"),
    ("packet", "패킷"),
    ("segment", "세그먼트"),
    ("datagram", "데이터그램"),
    ("data", "데이터"),
    ("record", "레코드"),
    ("message", "메시지"),
];

/// The layers and the protocols in Korean.
struct Translated {
    names: Vec<&'static str>,
    layers: Vec<OsiLayer>,
    protocols: Vec<Protocol>,
}

static TRANSLATED: LazyLock<Translated> = LazyLock::new(|| {
    let paragraphs: Vec<Vec<&'static str>> =
        include_str!("ko.txt").split("\n\n").map(|paragraph| paragraph.trim().lines().collect()).collect();
    let texts = |key: &str| paragraphs.iter().find(|lines| lines.first() == Some(&key)).map_or(&[][..], |lines| &lines[1..]);
    let layer = |english: &OsiLayer| match texts(&format!("layer {}", english.layer.number())) {
        [name, role, unit, address, devices, trouble] => {
            (*name, OsiLayer { layer: english.layer, role, unit, address, devices, trouble })
        }
        _ => (english.layer.name(), *english),
    };
    let protocol = |english: &Protocol| {
        let unit = UNITS.iter().find(|(known, _)| *known == english.unit).map_or(english.unit, |(_, unit)| unit);
        let mut protocol = Protocol { unit, ..*english };
        if let [name, sentence, rest @ ..] = texts(english.word) {
            (protocol.name, protocol.sentence) = (name, sentence);
            protocol.identified_by = rest.first().copied().unwrap_or(english.identified_by);
        }
        protocol
    };
    let (names, layers) = LAYERS.iter().map(layer).unzip();
    Translated { names, layers, protocols: Protocol::all().map(protocol).collect() }
});

impl Tongue {
    pub(super) fn labels(self) -> &'static Labels {
        match self {
            Self::English => &ENGLISH,
            Self::Korean => &KOREAN,
        }
    }

    /// What a layer is called.
    pub(super) fn name(self, layer: Layer) -> &'static str {
        match self {
            Self::English => layer.name(),
            Self::Korean => TRANSLATED.names[usize::from(layer.number()) - 1],
        }
    }

    /// What is known of a layer.
    pub(super) fn layer(self, layer: Layer) -> &'static OsiLayer {
        let index = usize::from(layer.number()) - 1;
        match self {
            Self::English => &LAYERS[index],
            Self::Korean => &TRANSLATED.layers[index],
        }
    }

    /// What is known of a protocol.
    pub(super) fn protocol(self, protocol: &'static Protocol) -> &'static Protocol {
        match self {
            Self::English => protocol,
            Self::Korean => TRANSLATED.protocols.iter().find(|known| known.word == protocol.word).unwrap_or(protocol),
        }
    }

    /// `Layer 2, data link`.
    pub(super) fn title(self, layer: Layer) -> String {
        match self {
            Self::English => format!("Layer {}, {}", layer.number(), layer.name()),
            Self::Korean => format!("{}계층, {} 계층", layer.number(), self.name(layer)),
        }
    }

    /// `example: pc-1 sends …`.
    pub(super) fn example(self, node: &str, what: &str) -> String {
        match self {
            Self::English => format!("example: {node} sends {what}"),
            Self::Korean => format!("예: {node}에서 보내는 {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_korean(text: &str) -> bool {
        text.chars().any(|c| ('가'..='힣').contains(&c))
    }

    #[test]
    fn every_layer_and_protocol_is_told_in_korean() {
        for english in LAYERS {
            let layer = Tongue::Korean.layer(english.layer);
            for text in [Tongue::Korean.name(english.layer), layer.role, layer.unit, layer.address, layer.devices, layer.trouble] {
                assert!(is_korean(text), "layer {}: {text}", english.layer.number());
            }
        }
        for english in Protocol::all() {
            let protocol = Tongue::Korean.protocol(english);
            assert!(is_korean(protocol.sentence) && protocol.sentence.ends_with('.'), "{}", english.word);
            assert_eq!(protocol.identified_by == english.identified_by, english.identified_by.is_empty(), "{}", english.word);
            assert!(UNITS.iter().any(|(unit, _)| *unit == english.unit), "{}: {}", english.word, english.unit);
        }
    }

    #[test]
    fn the_korean_texts_are_about_layers_and_protocols_and_each_once() {
        let keys: Vec<&str> = include_str!("ko.txt").split("\n\n").filter_map(|text| text.trim().lines().next()).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{key} is there twice");
            assert!(key.starts_with("layer ") || Protocol::all().any(|protocol| protocol.word == *key), "{key}");
        }
    }
}
