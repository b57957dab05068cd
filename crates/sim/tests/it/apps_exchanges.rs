//! Mail, files, objects and logins: what goes over the wire step by step, by ports and bytes, and how the programs end.

use std::collections::BTreeMap;

use sim::app::http;
use sim::app::smtp::Mail;
use sim::app::snmp::{COMMUNITY, DESCRIPTION, INTERFACES, NAME, Oid, UP_TIME};
use sim::app::{AppId, End, FtpSpec, GetSpec, RefusedBy, SmtpSpec, SnmpSpec, TelnetSpec, TftpSpec, ftp, https, smtp, snmp, telnet, tftp};
use sim::{FrameId, LinkSpec, NodeId, Reason, Verb};
use wire::tcp::Flags;

use crate::hosts_net::{Net, address};

const B: &str = "10.0.0.2";

/// a - b
fn pair() -> (Net, NodeId, NodeId) {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.0.1/24", "2001:db8::1/64"]], "");
    let b = net.host("b", &[&["10.0.0.2/24", "2001:db8::2/64"]], "");
    net.connect((a, 0), (b, 0));
    (net, a, b)
}

/// A segment or datagram that was sent: by whom, from and to which port, its flags if it is TCP's, and what it carries.
struct Sent {
    by: NodeId,
    ports: (u16, u16),
    flags: Option<Flags>,
    data: Vec<u8>,
}

fn sent(net: &Net) -> Vec<Sent> {
    let is_sent = |event: &sim::TraceEvent| event.verb == Verb::Send && event.reason == Reason::Wire && event.frame != FrameId::NONE;
    let read = |event: sim::TraceEvent| {
        let frame = net.sim.frames().bytes(event.frame);
        let (ether_type, packet) = (frame.get(12..14)?, frame.get(14..)?);
        let (number, upper) = match ether_type {
            [0x08, 0x00] => wire::Ipv4::parse(packet).ok().map(|(ip, upper)| (ip.protocol, upper))?,
            [0x86, 0xdd] => (*packet.get(6)?, packet.get(40..)?),
            _ => return None,
        };
        let (ports, flags, data) = match number {
            6 => wire::Tcp::parse(upper).ok().map(|(tcp, data)| ((tcp.source_port, tcp.destination_port), Some(tcp.flags), data))?,
            17 => wire::Udp::parse(upper).ok().map(|(udp, data)| ((udp.source_port, udp.destination_port), None, data))?,
            _ => return None,
        };
        Some(Sent { by: event.node, ports, flags, data: data.to_vec() })
    };
    net.events().iter().filter(is_sent).filter_map(read).collect()
}

/// The lines that both ends said to each other, each with the port of who listens.
fn talk(net: &Net, server: NodeId) -> Vec<String> {
    let spoken = sent(net).into_iter().filter(|sent| !sent.data.is_empty());
    let line = |sent: Sent| {
        let (mark, port) = if sent.by == server { ("<", sent.ports.0) } else { (">", sent.ports.1) };
        format!("{port}{mark} {}", String::from_utf8_lossy(&sent.data).replace("\r\n", "|"))
    };
    spoken.map(line).collect()
}

/// Connections in the order of their opening: who opened them, and to which port; active ones from where.
fn opened(net: &Net) -> Vec<(NodeId, (u16, u16))> {
    let is_first = |sent: &Sent| sent.flags.is_some_and(|flags| flags.has(Flags::SYN) && !flags.has(Flags::ACK));
    sent(net).into_iter().filter(is_first).map(|sent| (sent.by, sent.ports)).collect()
}

fn run(net: &mut Net, node: NodeId, start: impl FnOnce(&mut sim::host::Host, &mut sim::Context<'_>) -> AppId) -> AppId {
    let app = net.at(node, start);
    net.run(20);
    app
}

#[test]
fn mail_is_handed_over_in_seven_steps() {
    let (mut net, a, b) = pair();
    let server = net.at(b, |host, context| host.run(context, smtp::Server::new(25, "mail.lab")));
    let spec = SmtpSpec::new(address(B), "kim@a.lab", "lee@b.lab", "Subject: hello\n\n.dots\nare kept\n");
    let app = run(&mut net, a, |host, context| host.smtp_send(context, spec));
    assert_eq!(net.outcome(a, app).end, End::Answered);
    assert_eq!(talk(&net, b), [
        "25< 220 mail.lab SMTP|",
        "25> HELO client|",
        "25< 250 pleased to meet you|",
        "25> MAIL FROM:<kim@a.lab>|",
        "25< 250 sender ok|",
        "25> RCPT TO:<lee@b.lab>|",
        "25< 250 recipient ok|",
        "25> DATA|",
        "25< 354 end data with <CR><LF>.<CR><LF>|",
        "25> Subject: hello||..dots|are kept|.|",
        "25< 250 message taken|",
        "25> QUIT|",
        "25< 221 mail.lab closes|",
    ]);
    let codes: Vec<u32> = net.outcome(a, app).replies.iter().map(|reply| reply.sequence).collect();
    assert_eq!(codes, [220, 250, 250, 250, 354, 250, 221]);
    let mails = &net.host_ref(b).app_ref::<smtp::Server>(server).expect("it runs").mails;
    let lines = ["Subject: hello", "", ".dots", "are kept"].map(str::to_owned).to_vec();
    assert_eq!(mails[0], Mail { from: "kim@a.lab".to_owned(), to: vec!["lee@b.lab".to_owned()], lines });
    assert_eq!(net.table(b, "mail"), [["kim@a.lab", "lee@b.lab", "4"]]);
}

#[test]
fn mail_without_a_recipient_is_refused() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, smtp::Server::new(25, "mail.lab")));
    let spec = SmtpSpec { to: vec![], ..SmtpSpec::new(address(B), "kim@a.lab", "", "x") };
    let app = run(&mut net, a, |host, context| host.smtp_send(context, spec));
    assert_eq!(net.outcome(a, app).end, End::Failed(Reason::Rejected));
    assert_eq!(net.outcome(a, app).replies.last().map(|reply| reply.sequence), Some(503));
}

fn file() -> Vec<u8> {
    (0..1_200_u32).map(|at| at as u8).collect()
}

fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("a.bin".to_owned(), file()), ("block.bin".to_owned(), file()[..512].to_vec())])
}

#[test]
fn a_passive_transfer_is_opened_by_the_client_and_an_active_one_by_the_server_from_port_20() {
    for (is_passive, place) in [(true, "21> PASV|"), (false, "21> PORT 10,0,0,1,192,1|")] {
        let (mut net, a, b) = pair();
        net.at(b, |host, context| host.run(context, ftp::Server::new(21, "files.lab", files())));
        let spec = FtpSpec { is_passive, ..FtpSpec::new(address(B), "a.bin") };
        let app = run(&mut net, a, |host, context| host.ftp_get(context, spec));
        let outcome = net.outcome(a, app);
        assert_eq!((outcome.end, &outcome.data), (End::Answered, &file()), "passive: {is_passive}");
        let data = if is_passive { (a, (49_153, 49_152)) } else { (b, (20, 49_153)) };
        assert_eq!(opened(&net), [(a, (49_152, 21)), data]);
        let commands: Vec<String> = talk(&net, b).into_iter().filter(|line| line.starts_with("21>")).collect();
        let expected = ["21> USER anonymous|", "21> PASS guest|", "21> TYPE I|", place, "21> RETR a.bin|", "21> QUIT|"];
        assert_eq!(commands, expected);
        let codes: Vec<u32> = outcome.replies.iter().map(|reply| reply.sequence).collect();
        let placed = if is_passive { 227 } else { 200 };
        assert_eq!(codes, [220, 331, 230, 200, placed, 150, 226, 221]);
        net.run(200);
        assert!(net.table(a, "tcp").is_empty() && net.table(b, "tcp").is_empty(), "both ends close everything");
        let listening: Vec<_> = net.table(b, "sockets").into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(listening, ["*:21"], "the port for the file is free again");
    }
}

#[test]
fn ipv6_has_other_words_for_the_place_of_the_file() {
    for (is_passive, words) in [(true, "EPSV"), (false, "EPRT |2|2001:db8::1|")] {
        let (mut net, a, b) = pair();
        net.at(b, |host, context| host.run(context, ftp::Server::new(21, "files.lab", files())));
        let spec = FtpSpec { is_passive, ..FtpSpec::new(address("2001:db8::2"), "a.bin") };
        let app = run(&mut net, a, |host, context| host.ftp_get(context, spec));
        assert_eq!((net.outcome(a, app).end, &net.outcome(a, app).data), (End::Answered, &file()));
        assert!(talk(&net, b).iter().any(|line| line.starts_with(&format!("21> {words}"))), "{words}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, ftp::Server::new(21, "files.lab", files())));
    net.at(b, |host, context| host.run(context, tftp::Server::new(69, files())));
    let ftp = run(&mut net, a, |host, context| host.ftp_get(context, FtpSpec::new(address(B), "b.bin")));
    let tftp = run(&mut net, a, |host, context| host.tftp_get(context, TftpSpec::new(address(B), "b.bin")));
    assert_eq!(net.outcome(a, ftp).end, End::Failed(Reason::Rejected));
    assert_eq!(net.outcome(a, ftp).replies.last().map(|reply| reply.sequence), Some(550));
    assert_eq!(net.outcome(a, tftp).end, End::Failed(Reason::Rejected));
}

#[test]
fn tftp_blocks_come_from_a_new_port_and_each_is_acknowledged() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, tftp::Server::new(69, files())));
    let app = run(&mut net, a, |host, context| host.tftp_get(context, TftpSpec::new(address(B), "a.bin")));
    assert_eq!((net.outcome(a, app).end, &net.outcome(a, app).data), (End::Answered, &file()));
    let steps: Vec<_> = sent(&net).into_iter().map(|sent| (sent.by, sent.ports, sent.data[..4].to_vec(), sent.data.len())).collect();
    let (up, down) = ((49_152, 49_152), (49_152, 49_152));
    assert_eq!(steps, [
        (a, (49_152, 69), vec![0, 1, b'a', b'.'], 14),
        (b, down, vec![0, 3, 0, 1], 516),
        (a, up, vec![0, 4, 0, 1], 4),
        (b, down, vec![0, 3, 0, 2], 516),
        (a, up, vec![0, 4, 0, 2], 4),
        (b, down, vec![0, 3, 0, 3], 4 + 1_200 - 1_024),
        (a, up, vec![0, 4, 0, 3], 4),
    ]);
}

#[test]
fn a_file_of_whole_blocks_ends_with_an_empty_one() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, tftp::Server::new(69, files())));
    let app = run(&mut net, a, |host, context| host.tftp_get(context, TftpSpec::new(address(B), "block.bin")));
    let sizes: Vec<u32> = net.outcome(a, app).replies.iter().map(|reply| reply.bytes).collect();
    assert_eq!((net.outcome(a, app).end, sizes), (End::Answered, vec![512, 0]));
}

#[test]
fn a_link_that_loses_delays_tftp_and_changes_nothing_else() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, tftp::Server::new(69, files())));
    let link = net.sim.link_between(a, b).expect("a link");
    net.sim.set_spec(link, LinkSpec { loss_per_million: 200_000, ..LinkSpec::default() });
    for _ in 0..5 {
        let app = net.at(a, |host, context| host.tftp_get(context, TftpSpec::new(address(B), "a.bin")));
        net.run(60);
        assert_eq!((net.outcome(a, app).end, &net.outcome(a, app).data), (End::Answered, &file()));
    }
    assert!(net.drops().iter().any(|(_, reason)| *reason == Reason::Lost));
}

#[test]
fn an_agent_tells_what_it_knows_in_two_datagrams() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, snmp::Agent::new(161, "b")));
    net.run(12);
    net.sim.clear_trace();
    let spec = SnmpSpec::new(address(B), &[NAME, DESCRIPTION, INTERFACES, UP_TIME, &[1, 3, 6, 1, 9]]);
    let app = net.at(a, |host, context| host.snmp_get(context, spec));
    net.run(5);
    assert_eq!(net.outcome(a, app).end, End::Answered);
    let text = String::from_utf8_lossy(&net.outcome(a, app).data).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines, [
        "1.3.6.1.2.1.1.5.0 = \"b\"",
        "1.3.6.1.2.1.1.1.0 = \"simulated host\"",
        "1.3.6.1.2.1.2.1.0 = 1",
        "1.3.6.1.2.1.1.3.0 = 12.00 s",
        "1.3.6.1.9 = no such object",
    ]);
    let steps: Vec<_> = sent(&net).into_iter().map(|sent| (sent.by, sent.ports, sent.data[..13].to_vec())).collect();
    assert_eq!(steps.iter().map(|step| (step.0, step.1)).collect::<Vec<_>>(), [(a, (49_152, 161)), (b, (161, 49_152))]);
    assert!(steps.iter().all(|(_, _, head)| head.ends_with(b"\x04\x06publi") || head.windows(8).any(|part| part == b"\x04\x06public")));
}

#[test]
fn a_walk_goes_from_object_to_object() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, snmp::Agent::new(161, "b")));
    let mut names = vec!["1.3.6.1".to_owned()];
    for _ in 0..10 {
        let objects = vec![names.last().and_then(|name| name.parse::<Oid>().ok()).expect("a name")];
        let spec = SnmpSpec { objects, is_next: true, ..SnmpSpec::new(address(B), &[]) };
        let app = run(&mut net, a, |host, context| host.snmp_get(context, spec));
        let text = String::from_utf8_lossy(&net.outcome(a, app).data).into_owned();
        let (name, value) = text.trim_end().split_once(" = ").expect("a line");
        if value == "nothing more" {
            break;
        }
        names.push(name.to_owned());
    }
    let mib = |rest: &str| format!("1.3.6.1.2.1.{rest}");
    let expected = ["1.1.0", "1.3.0", "1.5.0", "2.1.0", "2.2.1.2.1", "2.2.1.6.1"].map(mib);
    assert_eq!(names[1..], expected);
}

#[test]
fn who_does_not_know_the_community_hears_nothing() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, snmp::Agent::new(161, "b")));
    assert_eq!(COMMUNITY, "public");
    let spec = SnmpSpec { community: "private".to_owned(), ..SnmpSpec::new(address(B), &[NAME]) };
    let app = run(&mut net, a, |host, context| host.snmp_get(context, spec));
    assert_eq!((net.outcome(a, app).end, net.outcome(a, app).sent), (End::Nothing, 3));
}

#[test]
fn a_login_goes_over_the_wire_for_everybody_to_read() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, telnet::Server::new(23, "b")));
    let app = run(&mut net, a, |host, context| host.telnet(context, TelnetSpec::new(address(B), "kim", "secret")));
    assert_eq!(net.outcome(a, app).end, End::Answered);
    let read = String::from_utf8_lossy(&net.outcome(a, app).data).into_owned();
    assert_eq!(read, "b login: Password: \r\nWelcome to b\r\n$ logout\r\n");
    let typed: Vec<String> = talk(&net, b).into_iter().filter(|line| line.starts_with("23>") && line.ends_with('|')).collect();
    assert!(typed.iter().any(|line| line.contains("kim")) && typed.contains(&"23> secret|".to_owned()), "{typed:?}");
    let wrong = run(&mut net, a, |host, context| host.telnet(context, TelnetSpec::new(address(B), "kim", "guess")));
    assert_eq!(net.outcome(a, wrong).end, End::Failed(Reason::Rejected));
}

/// Types of the TLS records of a node, and of the handshake messages in them.
fn records(net: &Net, node: NodeId) -> Vec<(u8, u8)> {
    let bytes: Vec<u8> = sent(net).into_iter().filter(|sent| sent.by == node).flat_map(|sent| sent.data).collect();
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Ok(Some((kind, content, length))) = sim::app::tls::read_record(rest) {
        found.push((kind, if kind == 22 { content[0] } else { 0 }));
        rest = &rest[length..];
    }
    assert!(rest.is_empty(), "nothing but records");
    found
}

#[test]
fn a_page_over_https_comes_in_records_after_a_handshake() {
    let (mut net, a, b) = pair();
    let body = vec![b'x'; 20_000];
    net.at(b, |host, context| host.run(context, https::Server::new(443, "b.lab", &body)));
    let spec = GetSpec { host: "b.lab".to_owned(), ..GetSpec::new(address(B), 443) };
    let app = run(&mut net, a, |host, context| host.https_get(context, spec));
    let outcome = net.outcome(a, app);
    let (code, start) = http::status(&outcome.data).expect("a status");
    assert_eq!((outcome.end, code, &outcome.data[start..]), (End::Answered, 200, &body[..]));
    assert_eq!(opened(&net), [(a, (49_152, 443))]);
    assert_eq!(records(&net, a), [(22, 1), (22, 16), (20, 0), (22, 20), (23, 0), (21, 0)]);
    assert_eq!(records(&net, b), [(22, 2), (22, 11), (22, 14), (20, 0), (22, 20), (23, 0), (23, 0), (21, 0)]);
}

#[test]
fn tls_and_plain_text_do_not_understand_each_other() {
    let (mut net, a, b) = pair();
    net.at(b, |host, context| host.run(context, https::Server::new(443, "b.lab", b"x")));
    net.at(b, |host, context| host.run(context, http::Server::new(80, b"x")));
    let plain = run(&mut net, a, |host, context| host.http_get(context, GetSpec::new(address(B), 443)));
    let sealed = run(&mut net, a, |host, context| host.https_get(context, GetSpec { timeout: sim::Span::seconds(5), ..GetSpec::new(address(B), 80) }));
    assert_eq!(net.outcome(a, plain).end, End::Failed(Reason::Encoding));
    assert_eq!(net.outcome(a, sealed).end, End::Nothing, "the server waits for the end of a request");
}

#[test]
fn nobody_listens_and_every_client_says_so() {
    let (mut net, a, _) = pair();
    let to = address(B);
    let apps = net.at(a, |host, context| {
        [
            host.smtp_send(context, SmtpSpec::new(to, "a", "b", "c")),
            host.ftp_get(context, FtpSpec::new(to, "a")),
            host.telnet(context, TelnetSpec::new(to, "a", "b")),
            host.https_get(context, GetSpec::new(to, 443)),
            host.tftp_get(context, TftpSpec::new(to, "a")),
            host.snmp_get(context, SnmpSpec::new(to, &[NAME])),
        ]
    });
    net.run(5);
    for (at, app) in apps.into_iter().enumerate() {
        let end = net.outcome(a, app).end;
        let is_right = if at < 4 { matches!(end, End::Refused(RefusedBy::Reset { .. })) } else { matches!(end, End::Refused(RefusedBy::Icmp(_))) };
        assert!(is_right, "{at}: {end}");
    }
}

/// All servers at one host.
fn serve_all(net: &mut Net, node: NodeId) {
    net.at(node, |host, context| {
        host.run(context, smtp::Server::new(25, "b"));
        host.run(context, ftp::Server::new(21, "b", files()));
        host.run(context, telnet::Server::new(23, "b"));
        host.run(context, https::Server::new(443, "b", b"x"));
        host.run(context, tftp::Server::new(69, files()));
        host.run(context, snmp::Agent::new(161, "b"));
    });
}

fn ask_all(net: &mut Net, node: NodeId) -> Vec<AppId> {
    let to = address(B);
    let apps = net.at(node, |host, context| {
        vec![
            host.smtp_send(context, SmtpSpec::new(to, "a", "b", "c")),
            host.ftp_get(context, FtpSpec::new(to, "a.bin")),
            host.telnet(context, TelnetSpec::new(to, "a", "secret")),
            host.https_get(context, GetSpec::new(to, 443)),
            host.tftp_get(context, TftpSpec::new(to, "a.bin")),
            host.snmp_get(context, SnmpSpec::new(to, &[NAME])),
        ]
    });
    net.run(20);
    apps
}

#[test]
fn the_same_seed_gives_the_same_bytes_of_every_exchange() {
    let hash = || {
        let (mut net, a, b) = pair();
        serve_all(&mut net, b);
        let apps = ask_all(&mut net, a);
        assert!(apps.iter().all(|app| net.outcome(a, *app).end == End::Answered));
        net.sim.trace_hash()
    };
    assert_eq!(hash(), hash());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_upset_a_server(bytes: Vec<u8>, line in "(USER|PASS|PORT|EPRT|PASV|RETR|MAIL|DATA|RCPT)? ?[ -~]{0,30}\n") {
        let (mut net, a, b) = pair();
        serve_all(&mut net, b);
        let bytes = [line.as_bytes(), &bytes].concat();
        for port in [21, 23, 25, 443] {
            let spec = sim::app::ConnectSpec { keep_open: true, ..sim::app::ConnectSpec::new(address(B), port) };
            let app = net.at(a, |host, context| host.connect(context, spec));
            net.run(1);
            net.at(a, |host, context| host.send_on(context, app, &bytes));
        }
        for port in [69, 161] {
            let spec = sim::app::DatagramSpec::new(address(B), port, &bytes[line.len()..]);
            net.at(a, |host, context| host.datagram(context, spec));
        }
        net.run(20);
        let apps = ask_all(&mut net, a);
        proptest::prop_assert!(apps.iter().all(|app| net.outcome(a, *app).end == End::Answered));
    }
}
