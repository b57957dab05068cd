//! What a host shows of itself: its tables.

use crate::app::End;
use crate::table::Table;
use crate::time::Time;

use super::Host;
use super::socket::Socket;
use super::spec::Protocol;

impl Host {
    pub(crate) fn tables(&self, now: Time) -> Vec<Table> {
        let own = [
            self.interface_table(),
            self.neighbor_table(now, true),
            self.neighbor_table(now, false),
            self.route_table(),
            self.socket_table(),
            self.tcp_table(),
            self.fragment_table(now),
            self.nat_table(now),
            self.filter_table(now),
            self.app_table(),
            self.counter_table(),
        ];
        let balancer = self.balancer.iter().flat_map(|balancer| balancer.tables(now));
        own.into_iter().chain(balancer).chain(self.apps.tables(self, now)).collect()
    }

    pub(crate) fn name(&self, interface: u16) -> String {
        self.interfaces.get(interface as usize).map_or_else(String::new, |interface| interface.name.to_string())
    }

    fn interface_table(&self) -> Table {
        let mut table = Table::new("interfaces", &["name", "mac", "addresses", "mtu"]);
        for interface in &self.interfaces {
            let tentative = |is: bool| if is { " (tentative)" } else { "" };
            let addresses = interface.addresses.iter().map(|own| format!("{}{}", own.net, tentative(own.is_tentative)));
            let addresses = addresses.collect::<Vec<_>>().join(" ");
            let mtu = if interface.mtu == 0 { "link".to_string() } else { interface.mtu.to_string() };
            table.row([interface.name.to_string(), interface.mac.to_string(), addresses, mtu]);
        }
        table
    }

    fn neighbor_table(&self, now: Time, is_v4: bool) -> Table {
        let name = if is_v4 { "arp" } else { "neighbors" };
        let mut table = Table::new(name, &["address", "mac", "interface", "state", "age"]);
        for neighbor in self.neighbors.iter().filter(|neighbor| neighbor.address.is_ipv4() == is_v4) {
            let mac = if neighbor.mac == wire::Mac::default() { String::new() } else { neighbor.mac.to_string() };
            let (interface, state, age) = (self.name(neighbor.interface), neighbor.word(now), now.since(neighbor.since));
            table.row([neighbor.address.to_string(), mac, interface, state.to_string(), age.to_string()]);
        }
        table
    }

    fn route_table(&self) -> Table {
        let mut table = Table::new("routes", &["destination", "via", "interface", "metric", "origin"]);
        for route in self.routes.iter() {
            let via = route.via.map_or_else(|| "on link".to_string(), |via| via.to_string());
            let (interface, metric) = (self.name(route.interface), route.metric.to_string());
            table.row([route.destination.to_string(), via, interface, metric, route.origin.word().to_string()]);
        }
        table
    }

    fn socket_table(&self) -> Table {
        let mut table = Table::new("sockets", &["protocol", "local", "remote", "state", "program"]);
        let any = || "*".to_string();
        let port = |number: u16| if number == 0 { any() } else { number.to_string() };
        for Socket { protocol, port: number, local, remote, app, .. } in self.sockets.iter() {
            let local = format!("{}:{}", local.map_or_else(any, |local| local.to_string()), port(*number));
            let remote = remote.map_or_else(any, |(remote, number)| format!("{remote}:{}", port(number)));
            let state = if remote == "*" { "open" } else { "connected" };
            table.row([Protocol(*protocol).to_string(), local, remote, state.to_string(), app.0.to_string()]);
        }
        for (number, app) in self.streams.listeners() {
            table.row(["tcp".to_string(), format!("*:{number}"), any(), "LISTEN".to_string(), app.0.to_string()]);
        }
        for (protocol, number) in &self.services.open {
            table.row([protocol.to_string(), format!("*:{number}"), any(), "service".to_string(), String::new()]);
        }
        for stream in self.streams.iter() {
            let local = std::net::SocketAddr::new(stream.flow.local, stream.flow.port).to_string();
            let remote = std::net::SocketAddr::new(stream.flow.remote, stream.flow.remote_port).to_string();
            let program = stream.app.map_or_else(String::new, |app| app.0.to_string());
            table.row(["tcp".to_string(), local, remote, stream.connection.state().name().to_string(), program]);
        }
        table
    }

    fn tcp_table(&self) -> Table {
        let columns = [
            "connection",
            "state",
            "snd_una",
            "snd_nxt",
            "rcv_nxt",
            "snd_wnd",
            "rcv_wnd",
            "mss",
            "cwnd",
            "ssthresh",
            "flight",
            "rto",
            "srtt",
            "retransmissions",
            "send queue",
            "receive queue",
            "timer",
        ];
        let mut table = Table::new("tcp", &columns);
        for stream in self.streams.iter() {
            let view = stream.connection.inspect();
            let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
            table.row([
                stream.flow.to_string(),
                view.state.name().to_string(),
                view.snd_una.0.to_string(),
                view.snd_nxt.0.to_string(),
                view.rcv_nxt.0.to_string(),
                view.snd_wnd.to_string(),
                view.rcv_wnd.to_string(),
                view.mss.to_string(),
                view.cwnd.to_string(),
                or_dash(view.ssthresh.map(|threshold| threshold.to_string())),
                view.flight.to_string(),
                view.rto.to_string(),
                or_dash(view.srtt.map(|srtt| srtt.to_string())),
                view.retransmissions.to_string(),
                view.send_queue.to_string(),
                view.receive_queue.to_string(),
                or_dash(stream.connection.next_timer().map(|due| due.to_string())),
            ]);
        }
        table
    }

    fn fragment_table(&self, now: Time) -> Table {
        let mut table = Table::new("fragments", &["source", "destination", "protocol", "id", "bytes", "of", "time left"]);
        for pending in &self.fragments {
            let (protocol, id, have) = (Protocol(pending.protocol), pending.id, pending.have());
            let total = pending.total.map_or_else(|| "?".to_string(), |total| total.to_string());
            let (source, destination) = (pending.source.to_string(), pending.destination.to_string());
            let left = pending.until.since(now).to_string();
            table.row([source, destination, protocol.to_string(), id.to_string(), have.to_string(), total, left]);
        }
        table
    }

    fn nat_table(&self, now: Time) -> Table {
        let mut table = Table::new("nat", &["protocol", "inside", "outside", "remote", "state", "time left"]);
        let Some(nat) = self.nat.as_deref() else { return table };
        let end = |address, port| std::net::SocketAddr::new(address, port).to_string();
        for forward in nat.forwards() {
            let (outside, inside) = (format!("*:{}", forward.port), end(forward.to, forward.to_port));
            let [remote, state, left] = ["*", "forward", ""].map(String::from);
            table.row([forward.protocol.to_string(), inside, outside, remote, state, left]);
        }
        for entry in nat.iter(now) {
            let (inside, outside) = (entry.inside, entry.outside);
            table.row([
                Protocol(entry.protocol).to_string(),
                end(inside.local, inside.port),
                end(outside.local, outside.port),
                end(outside.remote, outside.remote_port),
                entry.progress.word().to_string(),
                entry.until.since(now).to_string(),
            ]);
        }
        table
    }

    fn filter_table(&self, now: Time) -> Table {
        let mut table = Table::new("filter", &["protocol", "first sender", "other end", "state", "time left"]);
        for (number, passed) in self.filter.iter().flat_map(|filter| filter.states(now)) {
            let end = |address, port| std::net::SocketAddr::new(address, port).to_string();
            let (first, other) =
                (end(passed.first.local, passed.first.port), end(passed.first.remote, passed.first.remote_port));
            let (state, left) = (passed.progress.word().to_string(), passed.until.since(now).to_string());
            table.row([Protocol(number).to_string(), first, other, state, left]);
        }
        table
    }

    fn app_table(&self) -> Table {
        let mut table = Table::new("programs", &["number", "program", "state", "sent", "replies", "errors"]);
        for (id, kind, runs, outcome) in self.apps.iter() {
            let state = if runs && outcome.end == End::Running { "running".to_string() } else { outcome.end.to_string() };
            let counts = [outcome.sent.to_string(), outcome.replies.len().to_string(), outcome.errors.len().to_string()];
            let [sent, replies, errors] = counts;
            table.row([id.0.to_string(), kind.to_string(), state, sent, replies, errors]);
        }
        table
    }

    fn counter_table(&self) -> Table {
        let mut table = Table::new("counters", &["name", "value"]);
        for (name, value) in self.counters.rows() {
            table.row([name.to_string(), value.to_string()]);
        }
        table
    }
}
