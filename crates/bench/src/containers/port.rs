//! Bytes through a published port: instance to instance, then DNAT, bridge and cable into a container. Beside it the same instances
//! without a container, and bare routed veth pairs with as many hops and no rule at all.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use container::network::PublishRequest;
use sandbox::container::spec::Attach;
use sandbox::{Client, SocketSpec};

use super::Wanted;
use super::place::{self, Place};
use crate::cli::Result;
use crate::cloud::instance;
use crate::figure::{Figure, table, verdict};
use crate::machine::load;
use crate::reference;

/// How long bytes flow in one run.
const TIME: Duration = Duration::from_millis(1_000);
/// The published port has so much of the bare way at least.
const LEAST: f64 = 0.95;
/// Open to everybody in the lab (see [`crate::cloud`]), and where the container listens.
const PORT: u16 = 80;
const INSIDE: u16 = 5_000;

/// Measures and prints.
pub fn measure(wanted: &Wanted, runs: usize) -> Result {
    let place = Place::up(&wanted.archive("busybox")?)?;
    let client = place.running.lab.client();
    let from = instance(place.running.lab.fabric(), "n-1")?;
    let published_at = instance(place.running.lab.fabric(), "n-2")?;
    let plain_at = instance(place.running.lab.fabric(), "m")?;
    let mut options = place::options(&["sleep", "1000"]);
    options.publish = vec![publish()?];
    let record = place.engine.create(&published_at.0, options, None)?;
    place.engine.start(&record.id, Attach::default())?;
    let inside = container::engine::networks::namespace(&record.id);
    let bare = reference::routed(client, 2)?;
    let any = Ipv4Addr::UNSPECIFIED;
    // The way in the container's instance that has no container is another subnet's: both are one hop by the VPC's router.
    let mut ways = [
        ("bare veth, two routers", listener(client, &bare.namespaces[1], any, INSIDE)?, (bare.namespaces[0].clone(), bare.addresses[1], INSIDE), Figure::default()),
        ("instance to instance", listener(client, &plain_at.0, any, PORT)?, (from.0.clone(), plain_at.1, PORT), Figure::default()),
        ("instance to a published port", listener(client, &inside, any, INSIDE)?, (from.0.clone(), published_at.1, PORT), Figure::default()),
    ];
    for run in 0..runs {
        for at in 0..ways.len() {
            let count = ways.len();
            let (_, listener, (namespace, address, port), figure) = &mut ways[(at + run) % count];
            figure.values.push(flow(client, listener, namespace, SocketAddr::from((*address, *port)))?);
        }
    }
    let rows: Vec<_> = ways
        .iter()
        .map(|(name, _, _, figure)| {
            let ratio = figure.ratio(&ways[0].3);
            vec![(*name).to_owned(), figure.show(2), format!("{ratio:.2}")]
        })
        .collect();
    let ratio = ways[2].3.ratio(&ways[0].3);
    table(&format!("TCP, one connection, GB/s, median of {runs} (load {})", load()), &["way", "GB/s", "÷ bare"], &rows);
    println!("\npublished ÷ bare {ratio:.2}, ≥ {LEAST}: {}", verdict(LEAST, ratio));
    println!("published ÷ instance to instance {:.2}", ways[2].3.ratio(&ways[1].3));
    place::remove(&place.engine, &record.id)?;
    place.down()
}

fn publish() -> Result<PublishRequest> {
    let all = container::network::publish::parse_publish(&format!("{PORT}:{INSIDE}"))?;
    Ok(all.into_iter().next().ok_or("nothing published")?)
}

fn listener(client: &Client, namespace: &str, address: Ipv4Addr, port: u16) -> Result<TcpListener> {
    Ok(TcpListener::from(client.open_socket(SocketSpec::tcp_listener(namespace, SocketAddr::from((address, port))))?))
}

/// Gigabytes a second that one connection carries.
fn flow(client: &Client, listener: &TcpListener, namespace: &str, to: SocketAddr) -> Result<f64> {
    let mut sender = connect(client, namespace, to)?;
    let (mut receiver, _) = listener.accept()?;
    let reading = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        let (mut all, start) = (0_u64, Instant::now());
        while let Ok(count @ 1..) = receiver.read(&mut buffer) {
            all += count as u64;
        }
        all as f64 / start.elapsed().as_secs_f64() / 1e9
    });
    let (buffer, start) = (vec![7; 1 << 20], Instant::now());
    while start.elapsed() < TIME {
        sender.write_all(&buffer)?;
    }
    drop(sender);
    reading.join().map_err(|_| "the receiver failed".into())
}

fn connect(client: &Client, namespace: &str, to: SocketAddr) -> Result<TcpStream> {
    let socket = client.open_socket(SocketSpec::tcp(namespace, false))?;
    rustix::net::connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}
