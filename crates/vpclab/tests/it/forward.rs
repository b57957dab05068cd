//! Ports of this machine that lead into a running lab, as a person makes, lists and ends them.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use control::client::Daemon;
use serde_json::Value;

use crate::shop::{Shop, text};

fn forward(shop: &Shop, arguments: &[&str]) -> Output {
    shop.vpclab(&[&["forward"], arguments].concat())
}

/// A new forward and where it listens.
fn made(shop: &Shop, arguments: &[&str]) -> (SocketAddr, Output) {
    let done = forward(shop, &[arguments, &["-o", "json"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let made: Value = serde_json::from_slice(&done.stdout).unwrap();
    (made["listen"].as_str().unwrap().parse().unwrap(), done)
}

fn list(shop: &Shop) -> Vec<Value> {
    let done = forward(shop, &["ls", "-o", "json"]);
    serde_json::from_slice::<Value>(&done.stdout).unwrap().as_array().unwrap().clone()
}

/// What answers at the other end of a forward.
fn ask(door: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(door)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn refused(done: &Output, code: i32, words: &[&str]) {
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(done.stdout.is_empty());
}

#[test]
fn a_forward_leads_in_from_outside_outlives_the_daemon_and_ends_with_the_lab() {
    let shop = Shop::up();
    let (door, _) = made(&shop, &["127.0.0.1:0", "web-1:80"]);
    assert!(ask(door).unwrap().contains("web-1"));
    let all = list(&shop);
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0]["to"], &all[0]["leads_to"], &all[0]["lab"]), (&"web-1:80".into(), &"web-1".into(), &"shop".into()));
    let table = text(&forward(&shop, &["ls"]).stdout);
    assert!(table.contains(&door.to_string()) && table.contains("web-1:80"), "{table}");
    shop.daemon.leave().unwrap();
    assert!(ask(door).unwrap().contains("web-1"), "the forward needs no daemon");
    // Nobody knows what the address is now, and the forward is listed all the same.
    assert_eq!(list(&shop)[0]["leads_to"], Value::Null);
    // The daemon comes back for the next command that needs it.
    let (_, _) = Daemon::reach(shop.paths()).unwrap();
    assert_eq!(list(&shop)[0]["leads_to"], "web-1");
    shop.daemon.take_down("shop").unwrap();
    let begun = Instant::now();
    while !list(&shop).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the forward outlives its lab");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Another process may have been given the port by now.
    assert!(!ask(door).is_ok_and(|answer| answer.contains("web-1")));
}

#[test]
fn security_groups_see_where_a_forward_comes_from() {
    let shop = Shop::up();
    // tcp/22 of the bastion is open to the office only.
    let (office, quiet) = made(&shop, &["0", "bastion:22", "--from", "office"]);
    assert_eq!(text(&quiet.stderr), "");
    assert!(ask(office).unwrap().contains("bastion"));
    let (anybody, warned) = made(&shop, &["0", "bastion:22"]);
    assert!(text(&warned.stderr).contains("bastion:22 does not answer now"), "{}", text(&warned.stderr));
    assert!(text(&warned.stderr).contains("vpclab check internet bastion tcp/22"));
    assert!(ask(anybody).is_err(), "from the internet the bastion is closed");
    // Nothing listens at 443, which everybody may reach.
    let (closed, warned) = made(&shop, &["0", "web-1:443"]);
    assert!(text(&warned.stderr).contains("web-1:443 refuses connections now"));
    assert_eq!(ask(closed).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let done = forward(&shop, &["rm", &office.to_string(), &anybody.port().to_string()]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(list(&shop).len(), 1);
    assert!(TcpStream::connect(office).is_err() && TcpStream::connect(anybody).is_err());
}

#[test]
fn what_cannot_be_is_said_with_what_to_type_instead() {
    let shop = Shop::up();
    refused(&forward(&shop, &["0", "db-1:3306"]), 1, &["db-1 has no public address", "hint: `public_ip: true`"]);
    refused(&forward(&shop, &["0", "web-9:80"]), 2, &["no instance `web-9`", "there are: bastion, db-1, web-1, web-2"]);
    refused(&forward(&shop, &["0", "web-1:80", "--from", "moon"]), 2, &["`moon` is no place outside", "office, internet"]);
    refused(&forward(&shop, &["0.0.0.0:0", "web-1:80"]), 2, &["can be reached by other machines", "--bind-any"]);
    refused(&forward(&shop, &["192.0.2.99:0", "web-1:80", "--bind-any"]), 2, &["192.0.2.99 is no address of this machine"]);
    refused(&forward(&shop, &["here", "web-1:80"]), 2, &["`here` is no address", "127.0.0.1:8080"]);
    for (wrong, said) in [
        ("web-1", "`web-1` names no instance and port"),
        ("web-1:", "`web-1:` names no port"),
        (":80", "`:80` names no instance"),
        ("web-1:0", "`0` is no port (1 to 65535)"),
        ("web-1:8x", "`8x` is no port (1 to 65535)"),
        ("web-1:65536", "`65536` is no port (1 to 65535)"),
    ] {
        refused(&forward(&shop, &["0", wrong]), 2, &[said, "web-1:80"]);
    }
    for wrong in ["8x", "localhost:8x", "127.0.0.1:8x", ":8x"] {
        refused(&forward(&shop, &[wrong, "web-1:80"]), 2, &["`8x` is no port (0 to 65535)", "127.0.0.1:8080"]);
    }
    refused(&forward(&shop, &["web-1", "8x"]), 2, &["`web-1` is no address", "first where to listen, then where it leads"]);
    refused(&forward(&shop, &["8080"]), 2, &["TARGET"]);
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = foreign.local_addr().unwrap().to_string();
    refused(&forward(&shop, &[&taken, "web-1:80"]), 1, &["is in use", "ss -ltnp"]);
    let (door, _) = made(&shop, &["localhost:0", "web-1:80"]);
    let door = door.to_string();
    refused(&forward(&shop, &[&door, "web-2:80"]), 1, &["is in use", "leads to web-1:80", &format!("vpclab forward rm {door}")]);
    refused(&forward(&shop, &["rm", "1"]), 1, &["nothing is forwarded from 127.0.0.1:1", &format!("there are: {door}")]);
    assert_eq!(list(&shop).len(), 1);
    let (any, _) = made(&shop, &["0.0.0.0:0", "web-1:80", "--bind-any"]);
    assert!(any.ip().is_unspecified());
}
