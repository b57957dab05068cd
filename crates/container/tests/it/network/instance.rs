//! An instance with a host beyond it: `outside` 10.0.0.1 – 10.0.0.10 `eth0` of the instance, whose way out is `outside`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use container::network::apply::Namespaces;
use container::network::{
    self, Endpoint, Error, Network, NetworkOptions, Outcome, Plan, PublishedPort, Result, ipam,
    parse_publish, publish,
};
use netlink::rtnl::address::{self, Address};
use netlink::rtnl::link::{self, LinkKind, LinkSpec, Target};
use netlink::rtnl::route::{self, Route};
use netlink::{Batch, Protocol, Socket};

use crate::netlink_common::{Namespace, configure, ip};

pub const INSTANCE: &str = "i-1";
pub const INSTANCE_ADDRESS: &str = "10.0.0.10";
/// Longer than any packet takes here; only what must not arrive waits for it.
const PATIENCE: Duration = Duration::from_millis(400);

/// The namespaces of a test, with what its instance is to have.
pub struct Instance {
    spaces: BTreeMap<String, Namespace>,
    sockets: BTreeMap<(String, i32), Socket>,
    pub networks: Vec<Network>,
    pub endpoints: Vec<Endpoint>,
    /// So many more times the instance's rules and connections may be asked for; then whoever asks has died.
    pub lives: Option<usize>,
}

impl Instance {
    pub fn new() -> Instance {
        let mut instance = Instance {
            spaces: BTreeMap::new(),
            sockets: BTreeMap::new(),
            networks: Vec::new(),
            endpoints: Vec::new(),
            lives: None,
        };
        for key in [INSTANCE, "outside"] {
            instance.spaces.insert(key.into(), Namespace::new());
        }
        let far = LinkSpec {
            namespace: Some(instance.spaces["outside"].as_fd()),
            ..LinkSpec::named("eth0")
        };
        let near = LinkSpec {
            mtu: Some(1400),
            ..LinkSpec::named("eth0")
        };
        let mut batch = Batch::new();
        link::create(&mut batch, &near, &LinkKind::Veth(far));
        let mut inside = instance.spaces[INSTANCE].socket(Protocol::Route);
        inside.execute(&batch).unwrap();
        let mut outside = instance.spaces["outside"].socket(Protocol::Route);
        for (socket, address) in [(&mut inside, "10.0.0.10/24"), (&mut outside, "10.0.0.1/24")] {
            let device = link::get(socket, Target::Name("eth0")).unwrap().index;
            configure(socket, device, address);
        }
        let mut batch = Batch::new();
        let anywhere = "0.0.0.0/0".parse().unwrap();
        route::add(
            &mut batch,
            &Route::new(route::MAIN, anywhere).via(ip("10.0.0.1")),
        );
        inside.execute(&batch).unwrap();
        for key in [INSTANCE, "outside"] {
            instance.wait_until_running(key, "eth0");
        }
        instance
    }

    /// With `docker0`.
    pub fn with_docker0() -> Instance {
        let mut instance = Instance::new();
        let network = Network::default_bridge(id("bridge"), &[], 1400).unwrap();
        instance.networks.push(network);
        instance
    }

    /// A network of the user's; `change` says what is special about it.
    pub fn network(&mut self, name: &str, change: impl FnOnce(&mut NetworkOptions)) {
        let mut options = NetworkOptions::new(name, id(name));
        change(&mut options);
        let network = Network::create(options, &self.networks, &[], 1400).unwrap();
        self.networks.push(network);
    }

    pub fn network_named(&self, name: &str) -> &Network {
        self.networks.iter().find(|n| n.name == name).unwrap()
    }

    /// Puts a container into a network, the next free address, these ports published.
    pub fn connect(&mut self, name: &str, network: &str, ports: &[&str]) -> Ipv4Addr {
        let network = self.network_named(network).clone();
        let used = self.endpoints.iter().filter(|e| e.network == network.id);
        let used = used.map(|endpoint| endpoint.address).collect();
        let address = ipam::allocate_address(&network, &used, None).unwrap();
        let namespace = format!("container/{name}");
        self.spaces
            .entry(namespace.clone())
            .or_insert_with(Namespace::new);
        let mut endpoint = Endpoint::new(id(name), name, namespace, &network, address);
        let before = self.endpoints.iter().filter(|e| e.name == name).count();
        endpoint.interface = format!("eth{before}");
        let used = self.endpoints.iter().filter(|e| e.network == network.id);
        let used = used.filter_map(|endpoint| endpoint.address_v6).collect();
        endpoint.address_v6 = ipam::allocate_address_v6(&network, &used, None).unwrap();
        let has_v6 = endpoint.address_v6.is_some();
        endpoint.published = publish::of_families(published(ports), has_v6, &[]).unwrap();
        self.endpoints.push(endpoint);
        address
    }

    pub fn disconnect(&mut self, name: &str, network: &str) {
        let network = self.network_named(network).id.clone();
        self.endpoints
            .retain(|e| e.name != name || e.network != network);
    }

    pub fn endpoint(&mut self, name: &str) -> &mut Endpoint {
        self.endpoints.iter_mut().find(|e| e.name == name).unwrap()
    }

    pub fn plan(&self) -> Plan {
        Plan::new(&self.networks, &self.endpoints).unwrap()
    }

    pub fn try_apply(&mut self) -> Result<Outcome> {
        let plan = self.plan();
        network::apply(self, INSTANCE, &plan)
    }

    /// Applies, and waits until every cable carries packets.
    pub fn apply(&mut self) -> Outcome {
        let outcome = self.try_apply().unwrap();
        for cable in self.plan().cables.values() {
            self.wait_until_running(INSTANCE, &cable.host_device);
            self.wait_until_running(INSTANCE, &cable.bridge);
            self.wait_until_running(&cable.namespace, &cable.interface);
            if let Some(net) = cable.address_v6 {
                self.wait_until_heard(&cable.namespace, &cable.interface, net.addr());
            }
        }
        for bridge in self.plan().bridges.values() {
            if let Some(net) = bridge.address_v6 {
                self.wait_until_heard(INSTANCE, &bridge.name, net.addr());
            }
        }
        outcome
    }

    fn wait_until_running(&self, key: &str, device: &str) {
        let mut socket = self.spaces[key].socket(Protocol::Route);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !link::get(&mut socket, Target::Name(device))
            .unwrap()
            .is_running()
        {
            assert!(
                Instant::now() < deadline,
                "{device} of {key} never carries packets"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Gives the instance IPv6 towards the outside: fc10::10 there, fc10::1 here.
    pub fn give_v6(&self) {
        for (key, address) in [(INSTANCE, "fc10::10/64"), ("outside", "fc10::1/64")] {
            let mut socket = self.space(key).socket(Protocol::Route);
            let device = link::get(&mut socket, Target::Name("eth0")).unwrap().index;
            let mut batch = Batch::new();
            // Whoever forwards asks for neighbours by an address of the link; its own one is not usable for a second.
            let of_link = address.replace("fc10::", "fe80::");
            for address in [address, &of_link] {
                let address = Address {
                    flags: address::NO_DUPLICATE_DETECTION,
                    ..Address::new(device, address.parse().unwrap())
                };
                address::add(&mut batch, &address);
            }
            if key == INSTANCE {
                let anywhere = "::/0".parse().unwrap();
                let route = Route::new(route::MAIN, anywhere);
                route::add(&mut batch, &route.via(ip("fc10::1")).device(device));
            }
            socket.execute(&batch).unwrap();
            let own: ipnet::Ipv6Net = address.parse().unwrap();
            self.wait_until_heard(key, "eth0", own.addr());
        }
    }

    /// Waits until a device listens to the group that asks for an address (RFC 4291 2.7.1): the kernel joins it a moment after
    /// the address is there, and whoever asked before asks again only after a second.
    fn wait_until_heard(&self, key: &str, device: &str, address: Ipv6Addr) {
        let [.., a, b, c] = address.octets();
        let group = format!("ff0200000000000000000001ff{a:02x}{b:02x}{c:02x}");
        let deadline = Instant::now() + Duration::from_secs(5);
        let is_joined = || {
            let read = || std::fs::read_to_string("/proc/thread-self/net/igmp6").unwrap();
            let groups = self.spaces[key].enter(read);
            groups.lines().any(|line| {
                line.contains(&group) && line.split_whitespace().any(|word| word == device)
            })
        };
        while !is_joined() {
            assert!(
                Instant::now() < deadline,
                "{device} of {key} never listens for {address}"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Starts a container anew: another namespace under the same key. The old one lives as long as what is returned.
    pub fn restart(&mut self, name: &str) -> Namespace {
        let key = format!("container/{name}");
        self.sockets.retain(|(held, _), _| *held != key);
        self.spaces.insert(key, Namespace::new()).unwrap()
    }

    /// The namespace of a container, of the instance (`i-1`) or `outside`.
    pub fn space(&self, name: &str) -> &Namespace {
        let container = format!("container/{name}");
        self.spaces
            .get(&container)
            .unwrap_or_else(|| &self.spaces[name])
    }

    /// What somebody outside needs to reach containers directly.
    pub fn route_from_outside(&self, subnet: &str) {
        let mut batch = Batch::new();
        let route = Route::new(route::MAIN, subnet.parse().unwrap()).via(ip(INSTANCE_ADDRESS));
        route::add(&mut batch, &route);
        let mut socket = self.space("outside").socket(Protocol::Route);
        socket.execute(&batch).unwrap();
    }

    pub fn route_from_outside_v6(&self, subnet: &str) {
        let mut batch = Batch::new();
        let route = Route::new(route::MAIN, subnet.parse().unwrap()).via(ip("fc10::10"));
        route::add(&mut batch, &route);
        let mut socket = self.space("outside").socket(Protocol::Route);
        socket.execute(&batch).unwrap();
    }

    pub fn give_default_route(&self, name: &str, gateway: &str) {
        let anywhere = "0.0.0.0/0".parse().unwrap();
        let mut batch = Batch::new();
        let route = Route::new(route::MAIN, anywhere).via(ip(gateway));
        route::add(&mut batch, &route);
        let mut socket = self.space(name).socket(Protocol::Route);
        socket.execute(&batch).unwrap();
    }

    pub fn listen(&self, name: &str, address: &str) -> TcpListener {
        self.space(name)
            .enter(|| TcpListener::bind(address).unwrap())
    }

    pub fn udp(&self, name: &str, address: &str) -> UdpSocket {
        self.space(name).udp(address)
    }

    /// Connects and has a word both ways; who the listener saw, or `None` where no connection came about.
    pub fn tcp(&self, from: &str, to: &str, at: &TcpListener) -> Option<IpAddr> {
        let to: SocketAddr = to.parse().unwrap();
        let connected = self
            .space(from)
            .enter(|| TcpStream::connect_timeout(&to, PATIENCE));
        let mut client = match connected {
            Ok(client) => client,
            Err(error) => {
                let refused = [ErrorKind::TimedOut, ErrorKind::NetworkUnreachable];
                assert!(
                    refused.contains(&error.kind()),
                    "{from} to {to}: silence was expected, not {error}"
                );
                return None;
            }
        };
        let (mut server, peer) = accept(at);
        for stream in [&client, &server] {
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
        }
        let mut word = [0; 5];
        client.write_all(b"hello").unwrap();
        server.read_exact(&mut word).unwrap();
        server.write_all(&word).unwrap();
        client.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"hello");
        Some(peer.ip())
    }
}

/// The connection that has come about; it may be another listener's by mistake, so this waits for no more than a while.
fn accept(at: &TcpListener) -> (TcpStream, SocketAddr) {
    at.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match at.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(false).unwrap();
                return (stream, peer);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(Instant::now() < deadline, "connected to another listener");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// That somebody arrived from this address.
pub fn seen(address: &str) -> Option<IpAddr> {
    Some(ip(address))
}

/// Sends a datagram and says from where it came; `None` if it did not.
pub fn datagram(from: &UdpSocket, to: &str, at: &UdpSocket) -> Option<SocketAddr> {
    // A refusal of an earlier one (ICMP) is reported here.
    let _ = from.send_to(b"x", to).or_else(|_| from.send_to(b"x", to));
    at.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 16];
    at.recv_from(&mut buffer).ok().map(|(_, source)| source)
}

impl Namespaces for Instance {
    fn socket(&mut self, key: &str, protocol: Protocol) -> Result<&mut Socket> {
        if let (INSTANCE, Protocol::Netfilter, Some(lives)) = (key, protocol, self.lives) {
            let left = lives.checked_sub(1);
            self.lives = Some(left.ok_or_else(|| Error::Plan("died".into()))?);
        }
        let space = &self.spaces[key];
        let place = (key.to_owned(), protocol as i32);
        Ok(self
            .sockets
            .entry(place)
            .or_insert_with(|| space.socket(protocol)))
    }

    fn descriptor(&mut self, key: &str) -> Result<OwnedFd> {
        Ok(self.spaces[key].as_fd().try_clone_to_owned().unwrap())
    }

    fn read_sysctls(&mut self, key: &str, paths: &[&str]) -> Result<Vec<Option<String>>> {
        let read = |path: &&str| std::fs::read_to_string(format!("/proc/sys/{path}")).ok();
        Ok(self.spaces[key].enter(|| paths.iter().map(read).collect()))
    }

    fn write_sysctl(&mut self, key: &str, path: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{path}");
        self.spaces[key].enter(|| std::fs::write(&path, value).unwrap());
        Ok(())
    }

    fn identities(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>> {
        let inode = |key: &str| rustix::fs::fstat(&self.spaces[key]).unwrap().st_ino;
        Ok(keys
            .iter()
            .map(|key| ((*key).to_owned(), inode(key)))
            .collect())
    }
}

/// An id that follows from a name.
pub fn id(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")[..64].to_owned()
}

pub fn published(ports: &[&str]) -> Vec<PublishedPort> {
    let requests: Vec<_> = ports
        .iter()
        .flat_map(|p| parse_publish(p).unwrap())
        .collect();
    publish::allocate(&requests, &[]).unwrap()
}
