//! Questions over TCP (RFC 7766): for answers that no datagram takes. Few and slow, so each has a thread of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wire::dns::{DnsError, Query, Response};

use super::forward::PORT;
use super::server::{Opener, Served, failure, in_words};

/// Connections at once; beyond, they are closed.
const CONNECTIONS: usize = 64;
/// Questions on one connection.
const QUESTIONS: usize = 100;
/// How long a side may be silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes a connection and serves it in a thread.
pub(super) fn accept(
    opener: &Arc<dyn Opener>,
    served: &Arc<Served>,
    listener: &TcpListener,
    connections: &Arc<AtomicUsize>,
) {
    // It was readable, but the caller may have gone since.
    let _ = listener.set_nonblocking(true);
    let Ok((stream, _)) = listener.accept() else {
        return;
    };
    if connections.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
        connections.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let (opener, served, done) = (opener.clone(), served.clone(), connections.clone());
    let thread = std::thread::Builder::new()
        .name("docker-dns-tcp".to_owned())
        .stack_size(256 << 10)
        .spawn(move || {
            let _ = serve(opener.as_ref(), &served, stream);
            done.fetch_sub(1, Ordering::AcqRel);
        });
    if thread.is_err() {
        connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(opener: &dyn Opener, served: &Served, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    patient(&stream)?;
    for _ in 0..QUESTIONS {
        let Some(bytes) = read(&mut stream)? else {
            return Ok(());
        };
        let reply = match Query::parse(&bytes) {
            Ok(query) => match served.answer(&query, usize::from(u16::MAX)) {
                Some(reply) => Some(reply),
                None => forward(opener, served, &query, &bytes).or_else(|| failure(&query)),
            },
            Err(DnsError::Unsupported { answer }) => Some(answer),
            Err(_) => None,
        };
        let Some(reply) = reply else { return Ok(()) };
        write(&mut stream, &reply)?;
    }
    Ok(())
}

fn forward(opener: &dyn Opener, served: &Served, query: &Query, bytes: &[u8]) -> Option<Vec<u8>> {
    let servers = served.zone().forward_to().to_vec();
    let answer = servers.into_iter().find_map(|server| {
        let socket = opener.tcp(&served.namespace).ok()?;
        let stream = TcpStream::from(socket);
        patient(&stream).ok()?;
        // The send timeout holds for connecting, too (socket(7)).
        rustix::net::connect(&stream, &SocketAddr::new(server, PORT)).ok()?;
        let mut stream = stream;
        write(&mut stream, bytes).ok()?;
        let answer = read(&mut stream).ok()??;
        let (id, response) = Response::parse(&answer).ok()?;
        (id == query.id).then(|| {
            served.note(query, format!("{} by {server}", in_words(&response)));
            answer
        })
    });
    if answer.is_none() {
        served.note(query, "no server answered");
    }
    answer
}

fn patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))
}

/// A message with its length before it; none at the end.
fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    stream.write_all(&bytes)
}
