//! The reference of layers, protocols and ports.

use std::collections::BTreeSet;

use sim::Layer;
use sim::osi::{self, Answer, Example, Protocol, Tongue, Topic, find};

fn word(topic: Topic) -> String {
    match topic {
        Topic::All => "all".to_owned(),
        Topic::Layer(layer) => format!("layer {}", layer.number()),
        Topic::Protocol(protocol) => protocol.word.to_owned(),
        Topic::Port { transport, port } => {
            format!("{} {port}", transport.map_or("any".to_owned(), |number| number.to_string()))
        }
    }
}

#[test]
fn a_word_is_a_layer_a_protocol_or_a_port() {
    for (text, expected) in [
        ("", "all"),
        ("2", "layer 2"),
        ("L3", "layer 3"),
        ("layer 4", "layer 4"),
        ("layer-7", "layer 7"),
        ("Data Link", "layer 2"),
        ("data-link", "layer 2"),
        ("network", "layer 3"),
        ("ARP", "arp"),
        ("ssl", "tls"),
        ("ping", "icmp"),
        ("http", "http"),
        ("443", "any 443"),
        ("tcp/443", "6 443"),
        ("tcp/7", "6 7"),
        ("udp/dns", "17 53"),
        ("tcp ssh", "6 22"),
        ("imaps", "6 993"),
        ("postgres", "postgresql"),
        ("dhcpv6", "17 547"),
        ("tcp", "tcp"),
        ("22/tcp", "6 22"),
        ("ssh/tcp", "6 22"),
        ("53/udp", "17 53"),
        (":8080", "any 8080"),
        ("port 22", "any 22"),
        ("80번", "any 80"),
        ("0", "any 0"),
        ("L 2", "layer 2"),
        ("layer two", "layer 2"),
        ("transport layer", "layer 4"),
        ("bits", "layer 1"),
        ("hub", "layer 1"),
        ("frame", "layer 2"),
        ("switches", "layer 2"),
        ("MAC address", "layer 2"),
        ("packet", "layer 3"),
        ("router", "layer 3"),
        ("segment", "layer 4"),
        ("port", "layer 4"),
        ("message", "layer 7"),
        ("4계층", "layer 4"),
        ("전송 계층", "layer 4"),
        ("데이터 링크", "layer 2"),
        ("프레임", "layer 2"),
        ("quic", "quic"),
        ("HTTP/3", "http3"),
        ("tls1.3", "tls"),
        ("wifi", "wifi"),
    ] {
        assert_eq!(find(text).map(word), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_word_that_is_none_of_these_has_a_hint() {
    for (text, message, hint) in [
        ("htpp", "`htpp` is no layer, protocol or port that is known here", "did you mean `http`?"),
        ("layer 8", "there is no layer `8`", "layers are 1 to 7"),
        ("70000", "`70000` is no port", "ports are 0 to 65535, or a service such as `https`"),
        ("tcp/htps", "`htps` is no port", "did you mean `https`?"),
        ("udp/http", "`http` is no port", "did you mean `http`?"),
        ("99999/tcp", "`99999` is no port", "ports are 0 to 65535, or a service such as `https`"),
        ("segmnet", "`segmnet` is no layer, protocol or port that is known here", "did you mean `segment`?"),
        (
            "something else",
            "`something else` is no layer, protocol or port that is known here",
            "a layer (1 to 7), a protocol (arp, tcp, dns), a port (443, udp/53) or nothing for all layers",
        ),
    ] {
        let error = find(text).expect_err(text);
        assert_eq!((error.message.as_str(), error.hint.as_str()), (message, hint));
    }
}

#[test]
fn every_protocol_is_found_by_its_names_and_by_no_other() {
    let mut names = BTreeSet::new();
    for protocol in Protocol::all() {
        for name in std::iter::once(&protocol.word).chain(protocol.aliases) {
            assert!(names.insert(name.to_lowercase()), "{name} is two protocols");
            assert_eq!(find(name).map(word), Ok(protocol.word.to_owned()), "{name}");
        }
    }
}

#[test]
fn what_carries_a_protocol_is_known_and_lies_below_it() {
    for protocol in Protocol::all() {
        for carrier in protocol.over {
            let below =
                Protocol::all().find(|known| known.word == *carrier).unwrap_or_else(|| panic!("{carrier} is not known"));
            // Encodings are carried by what says them.
            let is_encoding = matches!(protocol.word, "utf-8" | "ascii");
            assert!(below.layer <= protocol.layer || is_encoding, "{} over {carrier}", protocol.word);
        }
        let reaches_ports = protocol.over.iter().any(|carrier| matches!(*carrier, "tcp" | "udp"));
        let has_ports = !protocol.ports().is_empty();
        assert!(
            !has_ports || reaches_ports || protocol.over.contains(&"tls") || protocol.word == "nfs",
            "{} has ports",
            protocol.word
        );
    }
}

#[test]
fn every_service_belongs_to_a_protocol_or_is_named_as_one_that_does_not() {
    let plain = ["discard", "daytime", "chargen", "oracle", "elasticsearch"];
    for service in model::service::SERVICES {
        let known = osi::service(service.name);
        assert_eq!(known.is_none(), plain.contains(&service.name), "{}", service.name);
        assert!(known.is_none_or(|(_, port)| port == service.port));
    }
    assert_eq!(osi::service("www").map(|(protocol, port)| (protocol.word, port)), Some(("http", 80)));
}

#[test]
fn every_layer_has_protocols_and_all_texts() {
    let answer = Answer::new(Topic::All);
    assert_eq!(answer.layers.iter().map(|about| about.layer.layer).collect::<Vec<_>>(), Layer::ALL);
    for about in &answer.layers {
        assert!(!about.protocols.is_empty(), "{}", about.name);
    }
    for protocol in Protocol::all() {
        assert!(
            protocol.sentence.ends_with('.') && !protocol.standard.is_empty() && !protocol.unit.is_empty(),
            "{}",
            protocol.word
        );
    }
}

#[test]
fn a_protocol_is_described_in_a_few_lines() {
    let text = Answer::new(find("dns").expect("a protocol")).text();
    let expected = "dns: domain name system\n\
        Answers which addresses belong to a name, from servers that each know their part of the tree of names.\n\n  \
        layer       7 application\n  \
        unit        message\n  \
        carried by  udp, tcp\n  \
        ports       tcp/53, udp/53\n  \
        standard    RFC 1034, RFC 1035\n";
    assert_eq!(text, expected);
}

#[test]
fn a_port_names_its_services_and_their_protocols() {
    let text = Answer::new(find("443").expect("a port")).text();
    assert!(text.starts_with("port 443\n  layer       4 transport\n  range       well-known"), "{text}");
    assert!(text.contains("services    https (tcp/443), https (udp/443)\n") && text.contains("\nhttps: HTTP over TLS\n"), "{text}");
    let nobody = Answer::new(find("50000").expect("a port")).text();
    assert!(nobody.contains("range       dynamic") && nobody.contains("services    none that is known here"), "{nobody}");
}

#[test]
fn the_model_is_drawn_from_the_application_down() {
    let text = Answer::new(Topic::All).text();
    let first: Vec<&str> = text.lines().map(|line| line.split_whitespace().next().unwrap_or("")).collect();
    assert_eq!(first, ["LAYER", "7", "6", "5", "4", "3", "2", "1"]);
}

#[test]
fn the_json_has_stable_keys() {
    let json = serde_json::to_value(Answer::new(find("arp").expect("a protocol"))).expect("JSON");
    let expected = serde_json::json!({
        "schema": "vpclab-osi/1", "layers": [],
        "protocol": {
            "word": "arp", "name": "address resolution protocol", "layer": 2, "unit": "message", "over": ["ethernet"],
            "identified_by": "Ethernet type 0x0806", "standard": "RFC 826",
            "sentence": "Asks everybody on the link who has an IPv4 address; the one who answers says its MAC address.",
        },
    });
    assert_eq!(json, expected);
    let json = serde_json::to_value(Answer::new(find("2").expect("a layer"))).expect("JSON");
    assert_eq!((json["layers"][0]["number"].as_u64(), json["layers"][0]["name"].as_str()), (Some(2), Some("data link")));
    let json = serde_json::to_value(Answer::new(find("udp/53").expect("a port"))).expect("JSON");
    assert_eq!(json["port"]["services"], serde_json::json!([{"transport": "udp", "port": 53, "service": "dns"}]));
}

#[test]
fn most_protocols_have_a_live_frame_that_speaks_them() {
    let without = ["csma-cd", "wifi", "vlan", "stp", "ospf", "esp", "quic", "socks", "mdns", "http3", "websocket", "ike"];
    for protocol in Protocol::all() {
        let example = Example::of(Topic::Protocol(protocol));
        assert_eq!(example.is_none(), without.contains(&protocol.word), "{}", protocol.word);
        let Some(example) = example else { continue };
        assert!(!example.what.is_empty() && !example.bytes.is_empty(), "{}", protocol.word);
        let is_there = example.frame.layers.iter().any(|level| level.layer == protocol.layer.number());
        // Of a service that no program speaks yet there is the beginning of a connection to its port.
        let is_beginning = example.what.contains("Flags [S]")
            && protocol.ports().iter().any(|port| example.what.contains(&format!(".{}:", port.port)));
        assert!(is_there || is_beginning, "{}: {}", protocol.word, example.what);
    }
}

#[test]
fn an_example_is_what_the_question_is_about() {
    for (text, expected) in [
        ("arp", "ARP, Request who-has 10.0.0.254 tell 10.0.0.1"),
        ("icmp", "IP 10.0.0.1 > 10.0.1.2: ICMP echo request, id 1, seq 0, length 64"),
        ("dns", "A? www.example.com."),
        ("dhcp", "IP 0.0.0.0.68 > 255.255.255.255.67: DHCP DHCPDISCOVER from 02:00:00:00:00:01"),
        ("67", "DHCP DHCPDISCOVER"),
        ("68", "DHCP DHCPOFFER"),
        ("tls", "TLS: ClientHello"),
        ("https", "TLS: application data"),
        ("smtp", "SMTP: 220"),
        ("telnet", "Telnet"),
        ("udp/50000", "10.0.1.2.50000: UDP"),
        ("snmp", "SNMPv2c GetRequest"),
        ("tftp", "TFTP RRQ \"boot.img\""),
        ("rip", "RIPv2, request, routes: 1"),
        ("igmp", "igmp membership report v2 224.0.0.251"),
        ("ndp", "ICMP6, neighbor solicitation, who has 2001:db8::ff"),
        ("http", "HTTP: GET / HTTP/1.1"),
        ("utf-8", "HTTP: HTTP/1.1 200 OK"),
        ("ssh", "10.0.1.2.22: Flags [S]"),
        ("8443", "10.0.1.2.8443: Flags [S]"),
        ("udp/53", "A? www.example.com."),
    ] {
        let example = Example::of(find(text).expect(text)).expect(text);
        assert!(example.what.contains(expected), "{text}: {}", example.what);
    }
}

#[test]
fn the_example_of_a_layer_ends_at_that_layer() {
    for layer in Layer::ALL {
        let example = Example::of(Topic::Layer(layer)).expect("a frame");
        assert_eq!(example.frame.layers.iter().map(|level| level.layer).max(), Some(layer.number()));
        assert_eq!(example.frame.carried.is_empty(), layer == Layer::Application);
    }
    let text = Answer::new(Topic::Layer(Layer::Network)).with_example(Topic::Layer(Layer::Network)).text();
    assert!(text.contains("\nexample: pc-1 sends IP 10.0.0.1.49152 > 10.0.1.2.80: "), "{text}");
}

#[test]
fn what_nobody_speaks_has_no_example() {
    for text in ["0", "tcp/0", "udp/547", "udp/162", "quic"] {
        assert_eq!(Example::of(find(text).expect(text)), None, "{text}");
    }
    let text = Answer::new(find("0").expect("a port")).text();
    assert!(text.contains("range       reserved: nobody listens at port 0"), "{text}");
}

#[test]
fn what_is_for_everybody_or_a_group_is_so_on_the_wire_too() {
    // RFC 1112, 6.4: the last 23 bits of the group.
    for (text, to) in [("dhcp", "ffffffffffff"), ("rip", "01005e000009"), ("igmp", "01005e0000fb")] {
        let example = Example::of(find(text).expect("a protocol")).expect("a frame");
        assert!(example.bytes.starts_with(&format!("{to}020000000001")), "{text}: {}", example.bytes);
    }
}

#[test]
fn an_answer_in_korean_says_the_same_with_the_same_keys() {
    for text in ["", "4", "arp", "443", "0"] {
        let answer = Answer::new(find(text).expect(text));
        let korean = answer.clone().in_tongue(Tongue::Korean);
        fn keys(value: &serde_json::Value) -> String {
            match value {
                serde_json::Value::Object(map) => map.iter().map(|(key, value)| format!("{key}({})", keys(value))).collect(),
                serde_json::Value::Array(all) => all.iter().map(keys).collect(),
                _ => String::new(),
            }
        }
        let json = |answer: &Answer| serde_json::to_value(answer).expect("JSON");
        assert_eq!(keys(&json(&answer)), keys(&json(&korean)), "{text}");
        assert_eq!(answer.text().lines().count(), korean.text().lines().count(), "{text}");
    }
    let text = Answer::new(find("2").expect("a layer")).in_tongue(Tongue::Korean).text();
    assert!(text.starts_with("2계층, 데이터 링크 계층\n") && text.contains("\n  단위        프레임\n"), "{text}");
}

#[test]
fn https_over_udp_is_quic() {
    let text = Answer::new(find("udp/443").expect("a port")).text();
    assert!(text.contains("services    https (udp/443)\n"), "{text}");
    assert!(text.contains("\nquic\n") && !text.contains("HTTP over TLS"), "{text}");
    let example = Example::of(find("udp/443").expect("a port")).expect("a datagram");
    assert!(example.frame.text().contains("UDP: source port"), "{}", example.frame.text());
    let text = Answer::new(find("tcp/443").expect("a port")).text();
    assert!(text.contains("HTTP over TLS") && !text.contains("quic"), "{text}");
}
