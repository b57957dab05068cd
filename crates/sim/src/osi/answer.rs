//! What is said about a topic, as text and as JSON.

use model::service;
use serde::Serialize;

use super::{Example, LAYERS, OsiLayer, Port, Protocol, Tongue, Topic, example_ko, ports_of};
use crate::trace::Layer;
use crate::view::columns;

/// Version of the JSON form; its keys stay.
pub const SCHEMA: &str = "vpclab-osi/1";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The layers that it is about.
    pub layers: Vec<AboutLayer>,
    /// The protocol that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<AboutProtocol>,
    /// The port that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<AboutPort>,
    /// A frame of the simulator as an example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
    #[serde(skip)]
    tongue: Tongue,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutLayer {
    /// What is known of it.
    #[serde(flatten)]
    pub layer: &'static OsiLayer,
    /// Its name.
    pub name: &'static str,
    /// Its protocols.
    pub protocols: Vec<AboutProtocol>,
}

/// A protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutProtocol {
    /// What is known of it.
    #[serde(flatten)]
    pub protocol: &'static Protocol,
    /// Its well-known ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutPort {
    /// Its number.
    pub port: u16,
    /// `reserved` (0), `well-known` (to 1023), `registered` (to 49151), `dynamic` (RFC 6335, section 6).
    pub range: &'static str,
    /// Services that live there.
    pub services: Vec<Port>,
    /// Their protocols.
    pub protocols: Vec<AboutProtocol>,
}

impl Answer {
    /// What is known of a topic.
    pub fn new(topic: Topic) -> Self {
        let about_layer = |layer: &'static OsiLayer| AboutLayer {
            layer,
            name: layer.layer.name(),
            protocols: Protocol::all().filter(|protocol| protocol.layer == layer.layer).map(about).collect(),
        };
        let (mut layers, mut protocol, mut port) = (Vec::new(), None, None);
        match topic {
            Topic::All => layers = LAYERS.iter().map(about_layer).collect(),
            Topic::Layer(layer) => layers = vec![about_layer(Tongue::English.layer(layer))],
            Topic::Protocol(known) => protocol = Some(about(known)),
            Topic::Port { transport, port: number } => port = Some(about_port(transport, number)),
        }
        Self { schema: SCHEMA, layers, protocol, port, example: None, tongue: Tongue::English }
    }

    /// With an example, which a small simulation makes; none where no program of the simulator speaks the protocol.
    #[must_use]
    pub fn with_example(self, topic: Topic) -> Self {
        Self { example: Example::of(topic), ..self }
    }

    /// The same in another language.
    #[must_use]
    pub fn in_tongue(mut self, tongue: Tongue) -> Self {
        let of_layers = self.layers.iter_mut().flat_map(|about| &mut about.protocols);
        let of_port = self.port.iter_mut().flat_map(|about| &mut about.protocols);
        for about in of_layers.chain(&mut self.protocol).chain(of_port) {
            about.protocol = tongue.protocol(about.protocol);
        }
        for about in &mut self.layers {
            (about.name, about.layer) = (tongue.name(about.layer.layer), tongue.layer(about.layer.layer));
        }
        Self { tongue, ..self }
    }

    /// The protocols that it is about.
    pub fn protocols(&self) -> Vec<&'static Protocol> {
        let of_layers = self.layers.iter().flat_map(|layer| &layer.protocols);
        let of_port = self.port.iter().flat_map(|port| &port.protocols);
        of_layers.chain(&self.protocol).chain(of_port).map(|about| about.protocol).collect()
    }

    /// As text.
    pub fn text(&self) -> String {
        let (tongue, mut text) = (self.tongue, String::new());
        match self.layers.as_slice() {
            [] => {}
            [one] => text += &layer(one, tongue),
            all => text += &model(all, tongue),
        }
        if let Some(about) = &self.protocol {
            text += &protocol(about, tongue);
        }
        if let Some(about) = &self.port {
            text += &port(about, tongue);
        }
        if let Some(example) = &self.example {
            let frame = match tongue {
                Tongue::English => example.frame.text(),
                Tongue::Korean => example_ko::frame(&example.frame.text()),
            };
            text += &format!("\n{}\n{frame}", tongue.example(&example.node, &example.what));
        }
        text
    }
}

fn about(protocol: &'static Protocol) -> AboutProtocol {
    AboutProtocol { protocol, ports: protocol.ports() }
}

fn about_port(transport: Option<u8>, port: u16) -> AboutPort {
    let known = service::SERVICES.iter().filter(|service| service.port == port);
    let known: Vec<_> = known.filter(|service| transport.is_none_or(|number| service.is_over(number))).collect();
    let word = match transport {
        Some(model::traffic::protocol::TCP) => Some("tcp"),
        Some(_) => Some("udp"),
        None => None,
    };
    let services = known.iter().flat_map(|service| ports_of(service));
    let services: Vec<Port> = services.filter(|port| word.is_none_or(|word| port.transport == word)).collect();
    let protocols = Protocol::all().filter(|protocol| services.iter().any(|port| protocol.lives_at(port)));
    let protocols = protocols.map(about).collect();
    let range = match port {
        0 => "reserved",
        1..1_024 => "well-known",
        1_024..49_152 => "registered",
        _ => "dynamic",
    };
    AboutPort { port, range, services, protocols }
}

/// The whole model, from the application down as it is drawn.
fn model(layers: &[AboutLayer], tongue: Tongue) -> String {
    let mut rows = vec![tongue.labels().model.map(str::to_owned)];
    for about in layers.iter().rev() {
        let short = |text: &str| text.split([':', ';', ',']).next().unwrap_or(text).to_owned();
        let protocols: Vec<&str> = about.protocols.iter().map(|about| about.protocol.word).take(8).collect();
        let more = if about.protocols.len() > 8 { ", …" } else { "" };
        rows.push([
            about.layer.layer.number().to_string(),
            about.name.to_owned(),
            about.layer.unit.to_owned(),
            short(about.layer.address),
            about.layer.devices.split(';').next().unwrap_or_default().to_owned(),
            format!("{}{more}", protocols.join(", ")),
        ]);
    }
    columns::aligned(&rows, &[])
}

fn layer(about: &AboutLayer, tongue: Tongue) -> String {
    let (layer, labels) = (about.layer, tongue.labels());
    let mut text = format!("{}\n{}\n\n", tongue.title(layer.layer), layer.role);
    text += &facts(&[
        (labels.unit, layer.unit),
        (labels.address, layer.address),
        (labels.devices, layer.devices),
        (labels.trouble, layer.trouble),
    ]);
    if !about.protocols.is_empty() {
        let row = |about: &AboutProtocol| {
            [about.protocol.word.to_owned(), ports(&about.ports), about.protocol.sentence.to_owned()]
        };
        let heading = labels.protocols.map(str::to_owned);
        let rows: Vec<_> = std::iter::once(heading).chain(about.protocols.iter().map(row)).collect();
        text += &format!("\n{}", columns::aligned(&rows, &[]));
    }
    text
}

fn protocol(about: &AboutProtocol, tongue: Tongue) -> String {
    let (known, labels) = (about.protocol, tongue.labels());
    let title = if known.name.eq_ignore_ascii_case(known.word) { String::new() } else { format!(": {}", known.name) };
    let layer = format!("{} {}", known.layer.number(), tongue.name(known.layer));
    let (over, ports) = (known.over.join(", "), ports(&about.ports));
    let mut text = format!("{}{title}\n{}\n\n", known.word, known.sentence);
    text += &facts(&[
        (labels.layer, &layer),
        (labels.unit, known.unit),
        (labels.carried_by, &over),
        (labels.known_by, known.identified_by),
        (labels.ports, &ports),
        (labels.standard, known.standard),
    ]);
    text
}

fn port(about: &AboutPort, tongue: Tongue) -> String {
    let labels = tongue.labels();
    let range = match about.range {
        "reserved" => labels.reserved,
        "well-known" => labels.well_known,
        "registered" => labels.registered,
        _ => labels.dynamic,
    };
    let layer = format!("{} {}", Layer::Transport.number(), tongue.name(Layer::Transport));
    let services: Vec<String> = about.services.iter().map(|port| format!("{} ({port})", port.service)).collect();
    let services = if services.is_empty() { labels.no_services.to_owned() } else { services.join(", ") };
    let mut text = format!("{} {}\n", labels.port, about.port);
    text += &facts(&[(labels.layer, &layer), (labels.range, range), (labels.services, &services)]);
    for about in &about.protocols {
        text += &format!("\n{}", protocol(about, tongue));
    }
    text
}

/// `tcp/80, udp/53`.
fn ports(ports: &[Port]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Names and values, those that there are.
fn facts(facts: &[(&str, &str)]) -> String {
    let known = facts.iter().filter(|(_, value)| !value.is_empty());
    let padded = |name: &str| format!("{name}{}", " ".repeat(11_usize.saturating_sub(columns::width(name))));
    known.map(|(name, value)| format!("  {} {value}\n", padded(name))).collect()
}
