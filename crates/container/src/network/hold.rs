//! Published ports are held by sockets in the instance, so that no program of it takes one: packets never come there, the
//! rules lead them away before. The lab's holder keeps the sockets, whatever becomes of the daemon.

use std::collections::BTreeSet;

use sandbox::{Client, SocketSpec};

use super::error::{Error, Holder, Result};
use super::publish::{PublishedPort, Transport};

/// Holds a container's published ports, and lets those go that it published before. All that are new or none. Errors:
/// [`Error::PortTaken`] where a program has one, [`Error::Plan`] for an address that the instance does not have.
pub fn hold(
    client: &Client,
    instance: &str,
    container: &str,
    ports: &[PublishedPort],
) -> Result<()> {
    let prefix = prefix(instance, container);
    let name = |port: &PublishedPort| format!("{prefix}{port}");
    let mut kept = client.list_kept()?;
    kept.retain(|kept| kept.starts_with(&prefix));
    let wanted: Vec<String> = ports.iter().map(name).collect();
    for gone in kept.iter().filter(|kept| !wanted.contains(kept)) {
        client.forget(gone)?;
    }
    let mut new = Vec::new();
    let held = ports.iter().try_for_each(|port| {
        let name = name(port);
        if kept.contains(&name) {
            return Ok(());
        }
        let spec = match port.transport {
            // It listens, because one that is only bound is no obstacle to those who reuse addresses, as most servers do.
            Transport::Tcp => SocketSpec {
                listen: Some(0),
                only_v6: true,
                ..SocketSpec::tcp_listener(instance, port.host())
            },
            Transport::Udp => SocketSpec {
                reuse_address: false,
                only_v6: true,
                ..SocketSpec::udp(instance, port.host())
            },
        };
        let socket = client
            .open_socket(spec)
            .map_err(|error| refused(error, port))?;
        client.keep(&name, socket)?;
        new.push(name);
        Ok(())
    });
    if held.is_err() {
        for name in &new {
            client.forget(name)?;
        }
    }
    held
}

fn refused(error: sandbox::Error, port: &PublishedPort) -> Error {
    let errno = match &error {
        sandbox::Error::Refused(fault) => fault.errno,
        _ => None,
    };
    match errno {
        Some(libc::EADDRINUSE) => Error::PortTaken {
            port: *port,
            holder: Holder::Program,
        },
        Some(libc::EADDRNOTAVAIL) => Error::Plan(format!(
            "Bind for {} failed: the instance has no address {}",
            port.host(),
            port.host_address
        )),
        _ => error.into(),
    }
}

/// Lets a container's ports go, and what [`super::dns::open`] left in its `namespace`: one question tells what there is, which
/// is nothing for most. Sockets that are held keep namespaces, so this is for whoever stops a container.
pub fn release(client: &Client, instance: &str, container: &str, namespace: &str) -> Result<()> {
    let prefix = prefix(instance, container);
    let of_names = super::dns::kept_names(namespace);
    for name in client.list_kept()? {
        if name.starts_with(&prefix) || of_names.contains(&name) {
            client.forget(&name)?;
        }
    }
    Ok(())
}

/// Lets the ports go that are held in an instance for containers other than these.
pub fn forget_others(client: &Client, instance: &str, known: &BTreeSet<&str>) -> Result<()> {
    for name in client.list_kept()? {
        if owner(&name).is_some_and(|(of, container)| of == instance && !known.contains(container)) {
            client.forget(&name)?;
        }
    }
    Ok(())
}

/// Instances in which ports are held for containers other than these.
pub fn instances_with_others(client: &Client, known: &BTreeSet<&str>) -> Result<BTreeSet<String>> {
    let kept = client.list_kept()?;
    let others = kept.iter().filter_map(|name| owner(name)).filter(|(_, container)| !known.contains(container));
    Ok(others.map(|(instance, _)| instance.to_owned()).collect())
}

/// Whose port is held under a name (`docker/INSTANCE/CONTAINER/HOST->PORT/TRANSPORT`): the instance, which may have slashes,
/// and the container.
fn owner(name: &str) -> Option<(&str, &str)> {
    let mut parts = name.strip_prefix("docker/")?.rsplitn(4, '/').skip(2);
    let (container, instance) = (parts.next()?, parts.next()?);
    Some((instance, container))
}

fn prefix(instance: &str, container: &str) -> String {
    format!("docker/{instance}/{container}/")
}
