//! Layer 1: the bits of a frame on its medium, and what the frame gets for the way: preamble, padding, check sequence.

use super::super::View;
use super::Shown;
use crate::frame::{CHECK_SEQUENCE, PREAMBLE, SHORTEST};
use crate::link::Framing;
use crate::network::Plug;
use crate::node::NodeId;
use crate::time::Span;

/// Fields of layer 1 at a port.
pub(super) fn fields(view: &View<'_>, node: NodeId, port: u16, frame: &[u8]) -> Vec<Shown> {
    let mut fields = Vec::new();
    let mut say = |name, value: String| fields.push(Shown { name, value, was: None });
    let rate = view.sim().rate(node, port);
    let framing = view.link(node, port).map_or(Framing::Ethernet, |link| link.spec().framing);
    match view.plug(node, port) {
        Plug::Open => say("medium", "nothing is plugged in".to_owned()),
        Plug::Link(..) => {
            let what = if framing == Framing::Ethernet { "full-duplex link" } else { "serial link" };
            let delay = view.link(node, port).map_or(Span::ZERO, |link| link.spec().delay);
            say("medium", format!("{what}, {delay} long"));
        }
        Plug::Station(medium, _) => {
            let stations = super::repeating::on(view, medium).count();
            say("medium", format!("shared, half duplex: one collision domain of {stations} stations"));
        }
    }
    if rate > 0 {
        say("rate", format!("{} (a bit takes {})", bits_per_second(rate), bit_time(rate)));
    }
    let own = 8 * frame.len();
    let (total, parts) = match framing {
        Framing::Ethernet => {
            let (preamble, padding, check) = (8 * PREAMBLE, 8 * padding(frame.len()), 8 * CHECK_SEQUENCE);
            let padded = if padding > 0 { format!(" + padding {padding}") } else { String::new() };
            (preamble + own + padding + check, format!("preamble {preamble} + frame {own}{padded} + check sequence {check}"))
        }
        Framing::Ppp | Framing::Hdlc => (8 + own + 16, format!("flag 8 + frame {own} + check sequence 16")),
    };
    say("bits", format!("{total} = {parts}"));
    if rate > 0 {
        say("time to send", Span::of_bits(total as u64, rate).to_string());
    }
    fields
}

/// What closes a frame at layer 2: padding and the check sequence.
pub(super) fn trailer(frame: &[u8], framing: Framing) -> Vec<Shown> {
    let shown = |name, value| Shown { name, value, was: None };
    match framing {
        Framing::Ethernet => {
            let mut padded = frame.to_vec();
            padded.resize(frame.len() + padding(frame.len()), 0);
            let mut fields = Vec::new();
            if padded.len() > frame.len() {
                fields.push(shown("padding", format!("{} bytes to the shortest frame", padded.len() - frame.len())));
            }
            fields.push(shown("frame check sequence", format!("{:#010x}", crc32fast::hash(&padded))));
            fields
        }
        Framing::Ppp | Framing::Hdlc => vec![shown("frame check sequence", format!("{:#06x}", check_16(frame)))],
    }
}

fn padding(length: usize) -> usize {
    SHORTEST.saturating_sub(length)
}

/// The check sequence of 16 bits (RFC 1662, appendix C.1), bit by bit.
fn check_16(bytes: &[u8]) -> u16 {
    let mut check = 0xffff_u16;
    for byte in bytes {
        check ^= u16::from(*byte);
        for _ in 0..8 {
            check = if check & 1 == 1 { check >> 1 ^ 0x8408 } else { check >> 1 };
        }
    }
    !check
}

/// `1 Gb/s`.
fn bits_per_second(rate: u64) -> String {
    for (unit, name) in [(1_000_000_000, "Gb/s"), (1_000_000, "Mb/s"), (1_000, "kb/s")] {
        if rate >= unit {
            return format!("{} {name}", hundredths(rate, unit));
        }
    }
    format!("{rate} b/s")
}

/// With at most two digits behind the point.
fn hundredths(number: u64, unit: u64) -> String {
    let (whole, rest) = (number / unit, number % unit * 100 / unit);
    match (rest, rest % 10) {
        (0, _) => whole.to_string(),
        (_, 0) => format!("{whole}.{}", rest / 10),
        _ => format!("{whole}.{rest:02}"),
    }
}

fn bit_time(rate: u64) -> String {
    let picoseconds = 1_000_000_000_000 / rate;
    if picoseconds < 1_000 { format!("{picoseconds} ps") } else { Span(picoseconds / 1_000).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sequences_are_those_of_the_standards() {
        // The check value of CRC-32 and of CRC-16/X-25 over the digits 1 to 9.
        assert_eq!((crc32fast::hash(b"123456789"), check_16(b"123456789")), (0xcbf4_3926, 0x906e));
    }

    #[test]
    fn rates_and_bit_times_are_in_the_unit_that_fits() {
        for (rate, text, bit) in [
            (10_000_000, "10 Mb/s", "100 ns"),
            (1_000_000_000, "1 Gb/s", "1 ns"),
            (2_500_000_000, "2.5 Gb/s", "400 ps"),
            (1_544_000, "1.54 Mb/s", "647 ns"),
            (300, "300 b/s", "3.333333 ms"),
        ] {
            assert_eq!((bits_per_second(rate).as_str(), bit_time(rate).as_str()), (text, bit));
        }
    }
}
