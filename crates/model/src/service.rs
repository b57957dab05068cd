//! Well-known ports and the names of their services (IANA "Service Name and Transport Protocol Port Number Registry"), so
//! that a name stands wherever a port goes: `tcp/http`.

use crate::traffic::protocol;

/// A service and its well-known port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// As it is shown.
    pub name: &'static str,
    /// What else people call it.
    pub aliases: &'static [&'static str],
    /// Its port.
    pub port: u16,
    /// Whether it is spoken over TCP.
    pub tcp: bool,
    /// Whether it is spoken over UDP.
    pub udp: bool,
}

impl Service {
    const fn over_tcp(name: &'static str, aliases: &'static [&'static str], port: u16) -> Self {
        Self { name, aliases, port, tcp: true, udp: false }
    }

    const fn over_udp(name: &'static str, aliases: &'static [&'static str], port: u16) -> Self {
        Self { name, aliases, port, tcp: false, udp: true }
    }

    const fn over_both(name: &'static str, aliases: &'static [&'static str], port: u16) -> Self {
        Self { name, aliases, port, tcp: true, udp: true }
    }

    /// Whether it is spoken over this IP protocol.
    pub const fn is_over(&self, number: u8) -> bool {
        match number {
            protocol::TCP => self.tcp,
            protocol::UDP => self.udp,
            _ => false,
        }
    }

    /// The IP protocol that it is spoken over first of all: TCP, unless UDP is its home.
    pub const fn protocol(&self) -> u8 {
        // DNS and Kerberos ask over UDP first (RFC 1035 4.2, RFC 4120 7.2.1).
        if self.tcp && !matches!(self.port, 53 | 88) { protocol::TCP } else { protocol::UDP }
    }

    /// Whether people call it so, in capitals or not.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }
}

/// The services, by port.
pub const SERVICES: &[Service] = &[
    Service::over_both("echo", &[], 7),
    Service::over_both("discard", &[], 9),
    Service::over_both("daytime", &[], 13),
    Service::over_both("chargen", &[], 19),
    Service::over_tcp("ftp-data", &[], 20),
    Service::over_tcp("ftp", &[], 21),
    Service::over_tcp("ssh", &["sftp", "scp"], 22),
    Service::over_tcp("telnet", &[], 23),
    Service::over_tcp("smtp", &[], 25),
    Service::over_both("dns", &["domain"], 53),
    Service::over_udp("dhcp", &["bootps", "dhcp-server"], 67),
    Service::over_udp("dhcp-client", &["bootpc"], 68),
    Service::over_udp("tftp", &[], 69),
    Service::over_tcp("http", &["www"], 80),
    Service::over_both("kerberos", &[], 88),
    Service::over_tcp("pop3", &["pop-3"], 110),
    Service::over_both("sunrpc", &["portmapper", "rpcbind"], 111),
    Service::over_udp("ntp", &[], 123),
    Service::over_tcp("imap", &["imap2", "imap4"], 143),
    Service::over_udp("snmp", &[], 161),
    Service::over_udp("snmptrap", &["snmp-trap"], 162),
    Service::over_tcp("bgp", &[], 179),
    Service::over_both("ldap", &[], 389),
    Service::over_both("https", &["http-tls"], 443),
    Service::over_tcp("smb", &["microsoft-ds", "cifs"], 445),
    Service::over_tcp("submissions", &["smtps"], 465),
    Service::over_udp("isakmp", &["ike"], 500),
    Service::over_udp("syslog", &[], 514),
    Service::over_udp("rip", &[], 520),
    Service::over_udp("dhcpv6-client", &[], 546),
    Service::over_udp("dhcpv6", &["dhcpv6-server"], 547),
    Service::over_tcp("submission", &[], 587),
    Service::over_tcp("ldaps", &[], 636),
    Service::over_tcp("imaps", &[], 993),
    Service::over_tcp("pop3s", &[], 995),
    Service::over_tcp("mssql", &["ms-sql-s", "sqlserver"], 1433),
    Service::over_tcp("oracle", &[], 1521),
    Service::over_both("nfs", &[], 2049),
    Service::over_tcp("docker", &[], 2375),
    Service::over_tcp("mysql", &["mariadb"], 3306),
    Service::over_tcp("rdp", &["ms-wbt-server"], 3389),
    Service::over_udp("ipsec-nat-t", &["nat-t"], 4500),
    Service::over_both("sip", &[], 5060),
    Service::over_udp("mdns", &[], 5353),
    Service::over_tcp("postgresql", &["postgres", "pgsql"], 5432),
    Service::over_tcp("amqp", &["rabbitmq"], 5672),
    Service::over_tcp("redis", &[], 6379),
    Service::over_tcp("http-alt", &["webcache"], 8080),
    Service::over_tcp("kafka", &[], 9092),
    Service::over_tcp("elasticsearch", &[], 9200),
    Service::over_tcp("memcached", &["memcache"], 11_211),
    Service::over_tcp("mongodb", &["mongo"], 27_017),
];

/// The service of a name.
pub fn called(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.is_called(name))
}

/// The port of a name, if that service is spoken over this IP protocol.
pub fn port(name: &str, number: u8) -> Option<u16> {
    called(name).filter(|service| service.is_over(number)).map(|service| service.port)
}

/// The service at a port of an IP protocol.
pub fn at(number: u8, port: u16) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.port == port && service.is_over(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_one_to_one_and_in_order() {
        assert!(SERVICES.windows(2).all(|pair| pair[0].port < pair[1].port));
        let names: Vec<&str> =
            SERVICES.iter().flat_map(|service| [service.name].into_iter().chain(service.aliases.iter().copied())).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{name} is said twice");
            assert!(name.bytes().any(|byte| byte.is_ascii_alphabetic()), "{name} reads as a number");
        }
    }

    #[test]
    fn a_name_has_a_port_only_over_the_protocols_that_carry_it() {
        for (name, tcp, udp) in [
            ("http", Some(80), None),
            ("HTTPS", Some(443), Some(443)),
            ("dns", Some(53), Some(53)),
            ("domain", Some(53), Some(53)),
            ("postgres", Some(5432), None),
            ("tftp", None, Some(69)),
            ("nonsense", None, None),
            ("", None, None),
        ] {
            assert_eq!((port(name, protocol::TCP), port(name, protocol::UDP)), (tcp, udp), "{name}");
        }
        assert_eq!(port("dns", protocol::ICMP), None);
    }

    #[test]
    fn a_port_has_the_name_of_its_service() {
        assert_eq!(at(protocol::TCP, 22).map(|service| service.name), Some("ssh"));
        assert_eq!(at(protocol::UDP, 22), None);
        assert_eq!(at(protocol::UDP, 53).map(Service::protocol), Some(protocol::UDP));
    }
}
