//! From what people type to what they mean: a layer, a protocol, a port.

use model::service;

use super::{Protocol, layers};
use crate::trace::Layer;
use crate::view::nearest::nearest;

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The model as a whole.
    All,
    /// A layer.
    Layer(Layer),
    /// A protocol.
    Protocol(&'static Protocol),
    /// A port of TCP, UDP or either.
    Port {
        /// 6 or 17; nothing if both are meant.
        transport: Option<u8>,
        /// Its number.
        port: u16,
    },
}

/// A word that is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotFound {
    /// What is wrong.
    pub message: String,
    /// What may be meant.
    pub hint: String,
}

/// What a word means: nothing for all layers; `2`, `L2`, `layer 2`, `data link`, `frame`; `arp`; `443`, `tcp/443`, `443/tcp`,
/// `https`.
///
/// The numbers 1 to 7 are layers; as ports they are written with their protocol.
pub fn find(words: &str) -> Result<Topic, NotFound> {
    let text = words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    // The word alone, or many of it: all of them.
    if ["layer", "layers", "계층"].contains(&text.as_str()) {
        return Ok(Topic::All);
    }
    let bare = text.strip_prefix("layer").map_or(text.as_str(), |rest| rest.trim_start_matches([' ', '-']));
    if text.is_empty() {
        return Ok(Topic::All);
    }
    if bare != text {
        return layers::called(bare).map(Topic::Layer).ok_or_else(|| NotFound {
            message: format!("there is no layer `{bare}`"),
            hint: "layers are 1 to 7".to_owned(),
        });
    }
    if let Some(protocol) = Protocol::all().find(|protocol| protocol.is_called(&text)) {
        return Ok(Topic::Protocol(protocol));
    }
    if let Some(layer) = layers::called(&text) {
        return Ok(Topic::Layer(layer));
    }
    for (name, number) in [("tcp", model::traffic::protocol::TCP), ("udp", model::traffic::protocol::UDP)] {
        let behind = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(['/', ' ', ':']));
        let port = behind.or_else(|| text.strip_suffix(name).and_then(|rest| rest.strip_suffix(['/', ' '])));
        if let Some(port) = port {
            let number_of = port.parse().ok().or_else(|| service::port(port, number));
            let port = number_of.ok_or_else(|| no_port(port))?;
            return Ok(Topic::Port { transport: Some(number), port });
        }
    }
    let port = ["port ", "포트 ", ":"].iter().find_map(|before| text.strip_prefix(before)).unwrap_or(&text).trim_end_matches('번');
    if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Topic::Port { transport: None, port: port.parse().map_err(|_| no_port(port))? });
    }
    if let Some(service) = service::called(port) {
        return Ok(match super::service(service.name) {
            // A protocol's second port is a question about the port.
            Some((protocol, _)) if protocol.word == service.name && port == text => Topic::Protocol(protocol),
            _ => Topic::Port { transport: Some(service.protocol()), port: service.port },
        });
    }
    let names = Protocol::all().flat_map(|protocol| std::iter::once(protocol.word).chain(protocol.aliases.iter().copied()));
    let services = service::SERVICES.iter().map(|service| service.name);
    let hint = match nearest(&text, names.chain(services).chain(layers::names())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "a layer (1 to 7), a protocol (arp, tcp, dns), a port (443, udp/53) or nothing for all layers".to_owned(),
    };
    Err(NotFound { message: format!("`{}` is no layer, protocol or port that is known here", words.trim()), hint })
}

fn no_port(text: &str) -> NotFound {
    let near = nearest(text, service::SERVICES.iter().map(|service| service.name));
    let hint = near.map_or_else(
        || "ports are 0 to 65535, or a service such as `https`".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    NotFound { message: format!("`{text}` is no port"), hint }
}
