//! Listening.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use super::options::{Options, Role};
use super::{addresses, exchange, said};
use crate::socket;

pub(super) fn run(options: &Options) -> Result<bool, String> {
    let Role::Server { address, port, again } = &options.role else {
        return Ok(false);
    };
    let address = match address {
        Some(address) => addresses(options, address)?[0],
        None if options.only_ipv4 == Some(false) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let local = SocketAddr::new(address, *port);
    let failed = |error: io::Error| socket::text(&error);
    let tell = |word: &str, address: SocketAddr| {
        if options.verbose {
            eprintln!("{word} on {} {}", address.ip(), address.port());
        }
    };
    if options.udp {
        loop {
            let socket = UdpSocket::bind(local).map_err(failed)?;
            tell("Bound", local);
            // Whoever speaks first is whom we talk to; the datagram itself is read with the rest.
            let (_, peer) = socket.peek_from(&mut [0; 1]).map_err(failed)?;
            socket.connect(peer).map_err(failed)?;
            tell("Connection received", peer);
            socket.set_nonblocking(true).map_err(failed)?;
            let result = said(exchange(options, &socket));
            if !*again {
                return result;
            }
            report(result);
        }
    }
    let listener = TcpListener::bind(local).map_err(failed)?;
    tell("Listening", local);
    loop {
        let (stream, peer) = listener.accept().map_err(failed)?;
        tell("Connection received", peer);
        stream.set_nonblocking(true).map_err(failed)?;
        let result = said(exchange(options, &stream));
        if !*again {
            return result;
        }
        report(result);
    }
}

/// One connection that broke is no reason not to wait for the next.
fn report(result: Result<bool, String>) {
    if let Err(sentence) = result {
        eprintln!("nc: {sentence}");
    }
}
