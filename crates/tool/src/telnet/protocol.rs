//! The telnet protocol as a client that agrees to nothing (RFC 854, 855): options are refused, the rest of the
//! stream is text. Pure.

use crate::relay::Filter;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// Options that we let the server do: it echoes or not, and never waits for our turn (RFC 857, 858).
const SUPPRESS_GO_AHEAD: u8 = 3;

/// Ctrl-].
pub(crate) const ESCAPE: u8 = 0x1d;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    AfterCarriageReturn,
    Command,
    Negotiation(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// Both directions of one connection.
pub(crate) struct Telnet<E> {
    state: State,
    /// What to do when Ctrl-] is typed; false ends the connection.
    escape: E,
}

impl<E: FnMut() -> bool> Telnet<E> {
    pub(crate) fn new(escape: E) -> Self {
        Telnet { state: State::Text, escape }
    }
}

impl<E: FnMut() -> bool> Filter for Telnet<E> {
    /// A newline is CR LF on the wire, and IAC is doubled (RFC 854).
    fn typed(&mut self, bytes: &[u8], send: &mut Vec<u8>) -> bool {
        for byte in bytes {
            match *byte {
                ESCAPE => {
                    if !(self.escape)() {
                        return false;
                    }
                }
                b'\n' => send.extend_from_slice(b"\r\n"),
                IAC => send.extend_from_slice(&[IAC, IAC]),
                byte => send.push(byte),
            }
        }
        true
    }

    fn received(&mut self, bytes: &[u8], show: &mut Vec<u8>, send: &mut Vec<u8>) {
        for byte in bytes.iter().copied() {
            self.state = match (self.state, byte) {
                (State::Text | State::AfterCarriageReturn, IAC) => State::Command,
                // CR NUL is a carriage return alone (RFC 854).
                (State::AfterCarriageReturn, 0) => State::Text,
                (State::Text | State::AfterCarriageReturn, _) => {
                    show.push(byte);
                    if byte == b'\r' { State::AfterCarriageReturn } else { State::Text }
                }
                (State::Command, IAC) => {
                    show.push(IAC);
                    State::Text
                }
                (State::Command, WILL..=DONT) => State::Negotiation(byte),
                (State::Command, SB) => State::Subnegotiation,
                (State::Command, _) => State::Text,
                (State::Negotiation(verb), option) => {
                    match verb {
                        DO => send.extend_from_slice(&[IAC, WONT, option]),
                        WILL if option == SUPPRESS_GO_AHEAD => send.extend_from_slice(&[IAC, DO, option]),
                        WILL => send.extend_from_slice(&[IAC, DONT, option]),
                        // What we do not do anyway needs no answer (RFC 1143).
                        _ => {}
                    }
                    State::Text
                }
                (State::Subnegotiation, IAC) => State::SubnegotiationCommand,
                (State::Subnegotiation, _) => State::Subnegotiation,
                (State::SubnegotiationCommand, SE) => State::Text,
                (State::SubnegotiationCommand, _) => State::Subnegotiation,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(parts: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut show, mut send) = (Vec::new(), Vec::new());
        let mut telnet = Telnet::new(|| true);
        for part in parts {
            telnet.received(part, &mut show, &mut send);
        }
        (show, send)
    }

    #[test]
    fn negotiations_are_refused_wherever_a_read_cuts_them() {
        let stream = [b"ab".as_slice(), &[IAC, DO, 24, IAC, WILL, 1, IAC, WILL, 3, IAC, WONT, 5, IAC, SB, 24, 1, IAC, SE], b"c"].concat();
        let expected = (b"abc".to_vec(), vec![IAC, WONT, 24, IAC, DONT, 1, IAC, DO, 3]);
        assert_eq!(received(&[&stream]), expected);
        for cut in 0..stream.len() {
            assert_eq!(received(&[&stream[..cut], &stream[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn text_is_shown_as_it_is() {
        assert_eq!(received(&[b"SSH-2.0-x\r\n"]).0, b"SSH-2.0-x\r\n");
        assert_eq!(received(&[&[b'a', IAC, IAC, b'\r', 0, b'b']]).0, [b'a', IAC, b'\r', b'b']);
    }

    #[test]
    fn lines_end_with_both_characters_on_the_wire() {
        let mut send = Vec::new();
        assert!(Telnet::new(|| true).typed(&[b'a', b'\n', IAC], &mut send));
        assert_eq!(send, [b'a', b'\r', b'\n', IAC, IAC]);
    }

    #[test]
    fn ctrl_bracket_asks_and_may_end() {
        let mut send = Vec::new();
        let mut asked = 0;
        let mut telnet = Telnet::new(|| {
            asked += 1;
            asked < 2
        });
        assert!(telnet.typed(&[b'a', ESCAPE, b'b'], &mut send));
        assert!(!telnet.typed(&[ESCAPE, b'c'], &mut send));
        assert_eq!(send, b"ab");
    }
}
