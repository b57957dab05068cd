//! Clients of AWS inside a lab: an instance reaches the API at its public address ([`linux::plan::AWS_API`]) as it would AWS's, by
//! whatever way its routes give it. The connection is the lab's, who answers is its door.

use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;

/// What is done with a client: the name of its lab, its connection, and where it comes from.
type Receive = dyn Fn(&str, TcpStream, SocketAddr) + Send + Sync;

/// Where clients go who come from inside. Nobody is received before the daemon can answer.
#[derive(Default)]
pub struct Reception(OnceLock<Box<Receive>>);

impl Reception {
    /// Begins to receive; once.
    pub fn open(&self, receive: impl Fn(&str, TcpStream, SocketAddr) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(receive));
    }

    /// Takes a client in, or closes its connection.
    pub fn receive(&self, lab: &str, stream: TcpStream, from: SocketAddr) {
        if let Some(receive) = self.0.get() {
            receive(lab, stream, from);
        }
    }
}

impl std::fmt::Debug for Reception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() { "Reception(open)" } else { "Reception(closed)" })
    }
}
