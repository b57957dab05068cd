//! `sim` as a person types them: exit codes, what is printed where, and that the same seed gives the same frames.

use std::process::{Command, Output};

use serde_json::Value;

const CLASSROOM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/classroom.yaml");

fn sim(words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["-f", CLASSROOM, "sim"]).args(words.split(' ')).env("NO_COLOR", "1");
    command.output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_exit_code_says_whether_it_came_through() {
    for (words, code, expected) in [
        ("ping pc-1 pc-4", 0, "1 sent, 1 received, 0% loss"),
        ("ping pc-1 10.0.3.99", 1, "0 received, 100% loss"),
        ("ping pc-1 10.200.0.1", 1, "unreachable"),
        ("check pc-1 server tcp/http", 0, "open"),
        ("check pc-1 server tcp/81", 1, "refused by 10.0.3.10 with RST"),
        ("traceroute pc-1 server", 0, "10.0.3.10"),
        ("http pc-1 server", 0, "200"),
        ("http pc-1 pc-4", 1, "refused"),
        ("domains", 0, "collision domain 1: "),
    ] {
        let done = sim(words);
        let said = text(&done.stdout).to_lowercase();
        assert!(done.status.code() == Some(code) && said.contains(&expected.to_lowercase()), "{words}: {:?}\n{said}\n{}", done.status, text(&done.stderr));
    }
}

#[test]
fn what_names_nothing_is_wrong_usage_and_prints_no_frames() {
    for (words, hint) in [
        ("ping pc-1 pc-44", "there are: pc-1"),
        ("ping pc-44 pc-1", "pc-44"),
        ("check pc-1 pc-4 tcp/htpp", "http"),
        ("ping pc-1 pc-4 --filter bogus:", "no word of a filter"),
        ("ping pc-1 pc-4 --tables bogus", "there are:"),
        ("run /nowhere/script", "/nowhere/script"),
    ] {
        let done = sim(words);
        let said = text(&done.stderr);
        assert!(matches!(done.status.code(), Some(2 | 3)) && done.stdout.is_empty() && said.contains(hint), "{words}: {:?} {said}", done.status);
    }
}

#[test]
fn the_same_seed_gives_the_same_frames_and_json_keeps_its_keys() {
    let json = |words: &str| -> Value {
        let done = sim(words);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{words}: {error}: {}", text(&done.stderr)))
    };
    let first = json("ping pc-1 server -o json --seed 7");
    assert_eq!(first, json("ping pc-1 server -o json --seed 7"));
    for key in ["schema", "seed", "ended_nanoseconds", "cut", "trace_hash", "result", "events"] {
        assert!(first.get(key).is_some(), "{key}");
    }
    assert_eq!((&first["schema"], &first["seed"]), (&Value::from("vpclab-sim/1"), &Value::from(7)));
}

/// Blocks of a pcapng file: type and body.
fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = word(bytes, 4) as usize;
        found.push((word(bytes, 0), &bytes[8..length - 4]));
        bytes = &bytes[length..];
    }
    found
}

#[test]
fn a_capture_goes_to_a_file_or_alone_to_a_pipe_and_obeys_the_filter() {
    let kinds = |bytes: &[u8]| -> (Vec<u8>, usize) {
        let blocks = blocks(bytes);
        let mut kinds: Vec<u8> = blocks.iter().filter(|(kind, _)| *kind == 1).map(|(_, body)| body[0]).collect();
        kinds.sort_unstable();
        kinds.dedup();
        (kinds, blocks.iter().filter(|(kind, _)| *kind == 6).count())
    };
    let (all, frames) = kinds(&sim("ping pc-1 server --pcap -").stdout);
    assert!(all == [1, 9] && frames > 10, "Ethernet and PPP: {all:?}, {frames}");
    let narrowed = |pcap: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        command.args(["-f", CLASSROOM, "sim", "ping", "pc-1", "server", "--filter", "node pc-1", "--pcap", pcap]);
        command.output().expect("it runs")
    };
    // tcpdump takes no file with interfaces of two kinds.
    let piped = narrowed("-");
    let (one, fewer) = kinds(&piped.stdout);
    assert!(one == [1] && fewer > 3 && fewer < frames, "{one:?}, {fewer} of {frames}");
    let path = scratch!("narrowed.pcapng");
    let filed = narrowed(&path);
    assert!(std::fs::read(&path).expect("the file") == piped.stdout && text(&filed.stdout).contains("1 received"));
    assert!(text(&filed.stderr).contains(&format!("{fewer} frames in {path}")), "{}", text(&filed.stderr));
}

#[test]
fn a_capture_replaces_nothing_but_a_capture() {
    let path = scratch!("notes.txt");
    std::fs::write(&path, "my notes").expect("a file");
    let done = sim(&format!("ping pc-1 pc-2 --pcap {path}"));
    assert!(done.status.code() == Some(2) && text(&done.stderr).contains("is no capture"), "{}", text(&done.stderr));
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "my notes");
    std::fs::remove_file(&path).expect("it goes");
    for _ in 0..2 {
        assert_eq!(sim(&format!("ping pc-1 pc-2 --pcap {path}")).status.code(), Some(0), "a capture may be replaced");
    }
}

#[test]
fn the_picture_of_domains_in_the_documents_is_the_one_that_the_command_draws() {
    let (docs, drawn) = (concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/pictures/domains.svg"), scratch!("domains.svg"));
    assert!(sim(&format!("domains -w {drawn}")).status.success());
    let read = |path: &str| std::fs::read_to_string(path).expect("a picture");
    assert!(read(docs) == read(&drawn), "make docs draws it again");
    let wrong = sim("domains -w domains.bmp");
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains(".svg"), "{}", text(&wrong.stderr));
}

#[test]
fn a_link_that_is_down_is_named_among_the_domains() {
    let lan = scratch!("down.yaml");
    let text_of = "lans:\n  room:\n    switches: [sw-1, sw-2]\n    hosts: { a: 10.0.0.1/24, b: 10.0.0.2/24 }\n    links:\n      \
                   - a -- sw-1\n      - b -- sw-2\n      - sw-1 -- sw-2 down\n";
    std::fs::write(&lan, text_of).unwrap();
    let run = |words: &str| text(&Command::new(env!("CARGO_BIN_EXE_vpclab")).args(words.split(' ')).env("NO_COLOR", "1").output().unwrap().stdout);
    let said = run(&format!("-f {lan} sim domains"));
    assert!(said.starts_with("room: 4 nodes, 3 links, 3 collision domains, 1 broadcast domain\n"), "{said}");
    assert!(said.contains("\n  down, and counted as if it were up: sw-1 -- sw-2 down\n"), "{said}");
}

#[test]
fn sim_test_reports_to_machines_as_test_does() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
    for (format, begins) in [("tap", "TAP version 14"), ("junit", "<?xml")] {
        let run = |before: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
            command.args(["-f", shop]).args(before).args(["-o", format]).env("NO_COLOR", "1");
            let done = command.output().unwrap();
            (text(&done.stdout), done.status.code())
        };
        let (said, code) = run(&["sim", "test"]);
        assert!(said.starts_with(begins) && code == Some(0), "{format}: {said}");
        // How long each took differs.
        assert_eq!(said.lines().count(), run(&["test", "--engine", "sim"]).0.lines().count(), "{format}");
    }
}

#[test]
fn domains_have_colours_only_where_they_are_wanted() {
    let colours = |colour: &str| text(&sim(&format!("domains --color {colour}")).stdout).matches("\u{1b}[38;5;").count();
    assert!(colours("always") >= 8 && colours("never") == 0);
}

/// A lab with every server, and clients that ask them.
const SERVERS: &str = "
lans:
  office:
    switches: [sw-1, sw-2]
    routers:
      r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 }, serve: [dhcp 10.0.1.100-10.0.1.110 gateway 10.0.1.1 dns 10.0.2.53] }
    hosts:
      pc-1: { address: 10.0.1.11/24, gateway: 10.0.1.1, dns: 10.0.2.53 }
      pc-2: dhcp
      pc-3: { address: 10.0.1.13/24, gateway: 10.0.1.1 }
      ns: { address: 10.0.2.53/24, gateway: 10.0.2.1, serve: [dns www.shop.test=10.0.2.80] }
      srv: { address: 10.0.2.80/24, gateway: 10.0.2.1, serve: [http, https, smtp, ftp, tftp, snmp, telnet, echo] }
    links:
      - pc-1, pc-2, pc-3, r-1:eth0 -- sw-1
      - ns, srv, r-1:eth1 -- sw-2
";

fn office(name: &str, words: &[&str]) -> Output {
    let file = scratch!("{name}.yaml");
    std::fs::write(&file, SERVERS).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["-f", &file, "sim"]).args(words).env("NO_COLOR", "1");
    command.output().expect("it runs")
}

#[test]
fn a_host_runs_the_client_of_every_server_and_says_what_came_of_it() {
    for (words, code, expected) in [
        ("ping pc-1 www.shop.test", 0, "1 sent, 1 answered"),
        ("traceroute pc-1 srv udp", 0, "reached with hop 2"),
        ("arping pc-1 10.0.1.13", 0, "it is at 02:"),
        ("arping pc-1 10.0.1.99", 1, "no answer"),
        ("connect pc-1 srv tcp/80", 0, "1 answered"),
        ("send pc-1 srv udp/7 hello", 0, "1 answered"),
        ("broadcast pc-1 udp/9 hello", 0, "nobody answered"),
        ("dns pc-1 www.shop.test", 0, "www.shop.test A 10.0.2.80"),
        ("dns pc-1 10.0.2.80", 0, "PTR www.shop.test"),
        ("dns pc-1 nowhere.test", 1, "the name does not exist"),
        ("dns pc-3 www.shop.test", 1, "the host knows no name server"),
        ("dns pc-3 www.shop.test ns", 0, "A 10.0.2.80"),
        ("dhcp pc-2", 0, "10.0.1.100 from 10.0.1.1"),
        ("http pc-1 www.shop.test", 0, "status 200, 4 bytes"),
        ("https pc-1 srv", 0, "status 200, 4 bytes"),
        ("http pc-1 pc-3", 1, "refused by 10.0.1.13 with RST"),
        ("smtp pc-1 srv hello there", 0, "the message was taken"),
        ("ftp pc-1 srv get readme.txt", 0, "4 bytes"),
        ("ftp pc-1 srv get readme.txt active", 0, "4 bytes"),
        ("ftp pc-1 srv get nothing", 1, "550 no such file"),
        ("tftp pc-1 srv get long.txt", 0, "bytes"),
        ("tftp pc-1 srv get nothing", 1, "error 1: file not found"),
        ("telnet pc-1 srv", 0, "logged in and out"),
        ("snmp pc-1 srv sysName ifNumber", 0, "1.3.6.1.2.1.1.5.0 = "),
        ("bulk pc-1 pc-3 100k", 0, "102400 bytes acknowledged in"),
        ("flow pc-1 srv udp/7 5 1ms", 0, "5 datagrams, 500 bytes sent"),
        ("flow pc-1 srv udp/9 5 1ms", 1, "nobody listens"),
        ("join pc-1 239.1.2.3", 0, "joined"),
    ] {
        let all: Vec<&str> = ["use"].into_iter().chain(words.split(' ')).chain(["--filter", "verb state"]).collect();
        let done = office("use", &all);
        let said = text(&done.stdout);
        assert!(done.status.code() == Some(code) && said.contains(expected), "{words}: {:?}\n{said}\n{}", done.status, text(&done.stderr));
    }
}

#[test]
fn a_page_is_asked_for_by_a_name_that_the_hosts_own_name_server_knows() {
    let done = office("page", &["http", "pc-1", "https://www.shop.test/x", "--filter", "dns"]);
    let said = text(&done.stdout);
    assert!(done.status.success() && said.contains("A? www.shop.test") && said.contains("HTTPS 200 from www.shop.test (10.0.2.80)"), "{said}");
    let unknown = office("page-2", &["http", "pc-3", "www.shop.test"]);
    assert!(unknown.status.code() == Some(2) && text(&unknown.stderr).contains("there are:"), "{}", text(&unknown.stderr));
}

#[test]
fn a_word_that_means_nothing_has_a_caret_below_it() {
    let line = |words: &[&str]| {
        let done = office("wrong", words);
        assert!(done.status.code() == Some(2) && done.stdout.is_empty(), "{words:?}");
        text(&done.stderr)
    };
    for (words, caret, hint) in [
        ("ping pc-11 pc-1", "1│ ping pc-11 pc-1\n │      ^^^^^\n", "there are: "),
        ("ping pc-3 pc", "1│ ping pc-3 pc\n │           ^^", "there are: "),
        ("pong pc-1 pc-2", "1│ pong pc-1 pc-2\n │ ^^^^", "ping, traceroute"),
        ("ftp pc-1 srv put x", "│              ^^^", "ftp A B get FILE"),
        ("tftp pc-1 srv", "│           ^^^", "tftp A B get FILE"),
        ("connect pc-1 srv udp/80", "│                  ^^^^^^", ""),
        ("snmp pc-1 srv sysnam", "│               ^^^^^^", "sysName"),
        ("bulk pc-1 srv 10x", "│               ^^^", ""),
        ("join pc-1 10.0.0.1", "│           ^^^^^^^^", "224.0.0.0"),
        ("dhcp sw-1", "│      ^^^^", ""),
        ("ping pc-1 pc-3 1 more", "│                  ^^^^", "takes no more"),
    ] {
        let said = line(&["use"].into_iter().chain(words.split(' ')).collect::<Vec<_>>());
        assert!(said.contains(caret) && said.contains(hint), "{words}: {said}");
    }
    let script = scratch!("wrong.txt");
    for (content, expected) in [
        ("0s ping pc-3 pc-2\n1s ping pc-3 pc-33\n", ":2:14\n2│ 1s ping pc-3 pc-33\n │              ^^^^^"),
        ("0s link down r-1 sw-9\n", ":1:18\n"),
        ("0s link down pc-1 srv\n", "no link leads from pc-1 to srv"),
        ("1s ping pc-1 srv\n0s ping pc-1 srv\n", "this time is before the line above"),
        ("soon ping pc-1 srv\n", ":1:1\n"),
        ("# nothing\n", "the script does nothing"),
    ] {
        std::fs::write(&script, content).expect("a file");
        let said = line(&["run", &script]);
        assert!(said.contains(expected), "{content}: {said}");
    }
}

#[test]
fn a_script_runs_clients_and_waits_for_all_but_those_that_stay() {
    let script = scratch!("clients.txt");
    std::fs::write(&script, "0s join pc-3 239.1.2.3\n1s dns pc-1 www.shop.test\n2s tftp pc-1 srv get readme.txt\n").expect("a file");
    let done = office("script", &["run", &script, "-o", "json"]);
    let all: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&done.stderr)));
    let programs = all["result"]["programs"].as_array().expect("programs");
    let yes: Vec<&Value> = programs.iter().map(|program| &program["yes"]).collect();
    assert_eq!(yes, [true, true, true]);
    assert_eq!((&programs[1]["addresses"][0], &programs[2]["lines"][0]), (&Value::from("10.0.2.80"), &Value::from("srv")));
    let ended = all["ended_nanoseconds"].as_u64().expect("a time");
    assert!(ended < 100_000_000_000, "{ended}: 90 s before it, then some");
}

#[test]
fn a_link_that_is_absurdly_slow_ends_with_a_word() {
    let file = scratch!("absurd.yaml");
    std::fs::write(&file, "lans: { l: { hosts: { a: 10.0.0.1/24, b: 10.0.0.2/24 }, links: [a -- b 1b 10s queue 1] } }").expect("a file");
    let run = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_vpclab")).args(["-f", &file, "sim"]).args(words).output().expect("it runs");
    // A bit a second: the first frame alone takes over ten minutes.
    let slow = run(&["ping", "a", "b"]);
    assert!(slow.status.code() == Some(1) && text(&slow.stdout).contains("0 received, 100% loss"), "{}", text(&slow.stdout));
}

#[test]
fn lessons_are_told_in_the_language_of_a_locale() {
    let learn = |code: &str| Command::new(env!("CARGO_BIN_EXE_vpclab")).arg("learn").env("VPCLAB_LANG", code).output().expect("it runs");
    let [korean, locale] = ["ko", "ko_KR.UTF-8"].map(|code| text(&learn(code).stdout));
    assert!(korean == locale && korean.contains("허브"), "{locale}");
    assert_eq!(text(&learn("C.UTF-8").stdout), text(&learn("en").stdout));
    let other = learn("fr");
    assert!(other.status.code() == Some(2) && text(&other.stderr).contains("en, ko"), "{}", text(&other.stderr));
}

#[test]
fn a_filter_that_makes_no_sense_lists_what_would() {
    for (filter, listed) in [
        ("verb zzz", "there are: send, receive, drop"),
        ("reason zzz", "queue-full"),
        ("stage zzz", "route-table"),
        ("node zzz", "hub-1, pc-1, pc-2"),
        ("protocol zzz", "arp"),
        ("layer 9", "layers are 1 to 7"),
        ("zzzz", "`verb drop`, `reason no-route`"),
        ("verb", "there are: send"),
        ("port", "port 80"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        let done = command.args(["-f", CLASSROOM, "sim", "ping", "pc-1", "pc-4", "--filter", filter]).output().expect("it runs");
        let said = text(&done.stderr);
        assert!(done.status.code() == Some(2) && said.contains("hint: ") && said.contains(listed), "{filter}: {said}");
    }
}

#[test]
fn a_transfer_that_the_other_end_cuts_short_is_no_success() {
    for (words, code, expected) in [
        ("use bulk pc-1 server 10k tcp/80 --filter layer7", 2, ""),
        ("use bulk pc-1 server 10k tcp/80", 1, "bytes were acknowledged"),
        ("use bulk pc-1 server 10k", 0, "10240 bytes acknowledged"),
    ] {
        let done = sim(words);
        assert!(done.status.code() == Some(code) && text(&done.stdout).contains(expected), "{words}: {:?}\n{}", done.status, text(&done.stderr));
    }
}

#[test]
fn what_standard_output_does_not_take_is_a_failure() {
    for words in ["-f CLASSROOM sim domains", "-f CLASSROOM sim ping pc-1 pc-4 -o json", "-f CLASSROOM sim ping pc-1 pc-4 --pcap -", "completion bash", "man", "osi 3", "--help"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        let done = command.args(words.split(' ').map(|word| if word == "CLASSROOM" { CLASSROOM } else { word })).stdout(full).output().expect("it runs");
        assert!(done.status.code() == Some(3) && text(&done.stderr).contains("standard output"), "{words}: {:?} {}", done.status, text(&done.stderr));
    }
}

#[test]
fn the_word_layer_alone_means_all_and_a_page_of_a_command_makes_no_folder() {
    let folder = scratch_folder!("man");
    for (words, code, expected) in [("osi layer", 0, "application"), ("man sim", 0, ".TH"), ("man sim ping", 0, ".TH"), ("man smi", 2, "did you mean `sim`?")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        let done = command.args(words.split(' ')).current_dir(&folder).output().expect("it runs");
        let said = text(&done.stdout) + &text(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(expected), "{words}: {:?} {said}", done.status);
    }
    assert_eq!(std::fs::read_dir(&folder).expect("it").count(), 0);
}

/// A file of the examples or of a lesson, in the simulator.
fn in_lab(file: &str, words: &str) -> Output {
    let file = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(["-f", &file, "sim"]).args(words.split(' ')).env("NO_COLOR", "1");
    command.output().expect("it runs")
}

#[test]
fn an_instance_asks_over_ipv6_from_its_global_address() {
    let done = in_lab("examples/dual-stack.yaml", "check web-1 2406:da12:0:1::10 tcp/8080");
    let said = text(&done.stdout);
    assert!(done.status.success() && said.contains("tcp/8080: open") && said.contains("IP6 2406:da12::10.49152 > "), "{said}");
}

#[test]
fn an_answer_that_is_lost_is_told_apart_from_a_question_that_is() {
    for (words, word, place) in [
        ("check internet web-1 tcp/80", "tcp/80: reply filtered\n", "acl-out:front"),
        ("check internet web-1 tcp/22", "tcp/22: filtered\n", "acl-in:front"),
    ] {
        let done = in_lab("crates/lesson/lessons/groups-and-acls/lab.yaml", words);
        let said = text(&done.stdout);
        let row = said.lines().find(|line| line.starts_with("dropped at ")).unwrap_or_default();
        assert!(done.status.code() == Some(1) && said.contains(word) && row.contains(place), "{words}: {said}");
    }
}

#[test]
fn promises_by_simulated_packets_are_told_as_such_and_take_no_other_engine() {
    let help = text(&sim("test --help").stdout);
    assert!(help.contains("--mutate") && !help.contains("real packets") && !help.contains("--engine"), "{help}");
    let done = in_lab("examples/shop.yaml", "test --engine linux");
    assert!(done.status.code() == Some(2) && text(&done.stderr).contains("--engine"), "{}", text(&done.stderr));
}

#[test]
fn what_is_not_done_when_its_time_is_over_runs_and_is_neither_lost_nor_refused() {
    for (words, code, expected) in [
        ("check pc-1 server tcp/80 --until 100us", 4, "tcp/80: running\n"),
        ("http pc-1 server --until 150us", 4, "no page from server (10.0.3.10) yet: running\n"),
        ("ping pc-1 pc-4 -c 20 --until 4500ms", 0, "5 of 20 sent, 5 received, 0 without an answer yet: running\n"),
        ("ping pc-1 server --until 100us", 4, "1 of 1 sent, 0 received, 1 without an answer yet: running\n"),
        ("traceroute pc-1 server --until 100us", 4, "not there yet: running\n"),
        ("use ping pc-1 pc-4 2 --until 500ms", 0, "running (1 sent, 1 answered)\n"),
        ("use bulk pc-1 pc-2 10g --until 500ms", 4, "bytes acknowledged so far)\n"),
        ("use flow pc-4 pc-5 udp/7 100 100ms --until 450ms", 4, "running (5 datagrams sent so far)\n"),
        ("use http pc-1 server --until 100us", 4, ": running\n"),
    ] {
        let done = sim(words);
        let said = text(&done.stdout);
        let is_right = done.status.code() == Some(code) && said.ends_with(expected) && !said.contains("dropped at");
        assert!(is_right && text(&done.stderr).contains("--until"), "{words}: {:?}\n{said}\n{}", done.status, text(&done.stderr));
        let json: Value = serde_json::from_slice(&sim(&format!("{words} -o json")).stdout).expect("JSON");
        assert_eq!(json["cut"], true, "{words}");
    }
    let check = |words: &str| -> Value { serde_json::from_slice(&sim(words).stdout).expect("JSON") };
    let cut = check("check pc-1 server tcp/80 --until 100us -o json");
    assert_eq!(cut["result"]["result"], "running");
    let whole = check("check pc-1 server tcp/80 --until 20s -o json");
    assert_eq!((&whole["result"]["result"], &whole["cut"]), (&Value::from("open"), &Value::from(false)));
    let bulk = check("use bulk pc-1 pc-2 10g --until 500ms -o json");
    assert!(bulk["result"]["bytes_sent"].as_u64() > Some(10_000), "{}", bulk["result"]);
}

#[test]
fn a_script_that_is_ended_early_says_what_runs_and_is_no_refusal() {
    let script = format!("{}/early.txt", env!("CARGO_TARGET_TMPDIR"));
    let run = |content: &str, until: &str| {
        std::fs::write(&script, content).expect("a file");
        office("early", &["run", &script, "--until", until, "-o", "json"])
    };
    for (content, code) in [
        ("0s ping pc-1 srv\n0s bulk pc-1 pc-3 10g\n", 4),
        ("0s http pc-1 pc-3\n0s bulk pc-1 pc-3 10g\n", 1),
        ("0s ping pc-1 srv\n", 0),
    ] {
        let done = run(content, "1s");
        let all: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&done.stderr)));
        assert_eq!((done.status.code(), &all["cut"]), (Some(code), &Value::from(content.contains("bulk"))), "{content}");
    }
    // A byte order mark is no word; a port that nobody may have is none.
    assert!(run("\u{feff}0s ping pc-1 srv\n", "1s").status.success());
    for words in ["broadcast pc-1 udp/0", "send pc-1 srv udp/0", "connect pc-1 srv tcp/0", "bulk pc-1 srv 1k tcp/0"] {
        let done = run(&format!("0s {words}\n"), "1s");
        assert!(done.status.code() == Some(2) && text(&done.stderr).contains("port 0 is reserved"), "{words}: {}", text(&done.stderr));
    }
}

#[test]
fn a_lease_that_is_not_granted_is_missing_at_the_server_and_not_at_the_bystanders_of_the_question() {
    let file = format!("{}/full.yaml", env!("CARGO_TARGET_TMPDIR"));
    let lab = "lans: { l: { switches: [sw-1], routers: { r-1: { interfaces: { eth0: 10.0.1.1/24 }, serve: [dhcp 10.0.1.100-10.0.1.100] } }, \
        hosts: { a: 10.0.1.11/24, b: 10.0.1.12/24, c: dhcp, d: dhcp }, links: [a, b, c, d, 'r-1:eth0 -- sw-1'] } }";
    std::fs::write(&file, lab.replace("a, b, c, d, 'r-1:eth0 -- sw-1'", "'a, b, c, d, r-1:eth0 -- sw-1'")).expect("a file");
    // Of two that ask for one address one has none.
    let said = ["c", "d"].map(|host| {
        let done = Command::new(env!("CARGO_BIN_EXE_vpclab")).args(["-f", &file, "sim", "use", "dhcp", host, "--filter", "verb state"]).output().expect("it runs");
        text(&done.stdout)
    });
    let refused: Vec<&String> = said.iter().filter(|said| said.contains("every address of the pool is lent")).collect();
    assert!(refused.len() == 1 && refused[0].contains("not granted at r-1: every address of the pool is lent"), "{said:?}");
    assert!(!refused[0].contains("nobody listens"), "{said:?}");
}

#[test]
fn who_announces_his_own_address_in_a_vpc_is_not_told_that_nobody_has_it() {
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");
    let done = Command::new(env!("CARGO_BIN_EXE_vpclab")).args(["-f", shop, "sim", "use", "dhcp", "bastion", "--filter", "arp"]).output().expect("it runs");
    let said = text(&done.stdout);
    assert!(said.contains("a station announces its own address") && !said.contains("nobody in the subnet has"), "{said}");
}
