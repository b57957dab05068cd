//! A lab that reaches the real internet: here, services of this machine only.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::Command;

use sandbox::uplink::Program;

use crate::shop::{SHOP, Shop, text};

/// This machine's address on the way to the internet; nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether a shell line of an instance reaches a service of this machine, as it must.
fn reaches(shop: &Shop, name: &str, own: IpAddr) -> bool {
    reaches_within(shop, name, own, 60)
}

/// Whether it reaches none, as it must not.
fn is_cut_off(shop: &Shop, name: &str, own: IpAddr) -> bool {
    !reaches_within(shop, name, own, 3)
}

fn reaches_within(shop: &Shop, name: &str, own: IpAddr, seconds: u8) -> bool {
    let outside = TcpListener::bind((own, 0)).unwrap();
    outside.set_nonblocking(true).unwrap();
    let line = format!("timeout {seconds} bash -c 'echo through >/dev/tcp/{own}/{}'", outside.local_addr().unwrap().port());
    let connected = shop.shell(name, &line).success();
    let mut said = String::new();
    if let Ok((mut stream, _)) = outside.accept() {
        stream.set_nonblocking(false).unwrap();
        stream.read_to_string(&mut said).unwrap();
    }
    assert_eq!(connected, said == "through\n", "{name}");
    connected
}

#[test]
fn instances_reach_the_real_internet_as_their_routes_let_them_and_only_while_it_is_on() {
    let shop = Shop::up();
    let tun = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    // Where the host has no network, or keeps taps to root, there is no way out to test.
    let (Some(own), Ok(_)) = (own_address(), tun) else { return };
    for program in Program::ALL.into_iter().filter(|one| one.find().is_some()) {
        assert!(is_cut_off(&shop, "web-1", own), "off unless asked for");
        for again in ["reaches", "still reaches"] {
            let done = shop.vpclab(&["uplink", "--program", program.name()]);
            assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
            assert!(text(&done.stdout).contains(&format!("the real internet by {}", program.name())));
            // By the internet gateway, and by the NAT gateway.
            for name in ["web-1", "db-1"] {
                assert!(reaches(&shop, name, own), "{name} {again} nothing by {}", program.name());
            }
        }
        let done = shop.vpclab(&["uplink", "--off"]);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    assert!(is_cut_off(&shop, "web-1", own));
}

#[test]
fn up_with_an_uplink_is_up_and_reaches_the_real_internet() {
    let shop = Shop::empty();
    let tun = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    let (Some(own), Ok(_)) = (own_address(), tun) else { return };
    if Program::ALL.iter().all(|one| one.find().is_none()) {
        return;
    }
    let done = shop.vpclab(&["up", SHOP, "--uplink"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("lab shop reaches the real internet by"), "{}", text(&done.stderr));
    assert!(reaches(&shop, "db-1", own));
    // Another `up` leaves it as it is, and `down` ends it.
    assert_eq!(shop.vpclab(&["up", SHOP]).status.code(), Some(0));
    assert!(reaches(&shop, "web-1", own));
    let socket = shop.paths().holder_socket("shop");
    let uplinks = || sandbox::uplink::running().into_iter().filter(|one| one.spec.holder == socket).count();
    assert_eq!(uplinks(), 1);
    assert_eq!(shop.vpclab(&["down", "shop"]).status.code(), Some(0));
    let begun = std::time::Instant::now();
    while uplinks() > 0 {
        assert!(begun.elapsed().as_secs() < 60, "the uplink outlives its lab");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn without_a_program_it_is_said_which_package_to_install() {
    let shop = Shop::up();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    // Nothing comes up without what was asked for.
    let mut up = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    up.args(["up", "--lab", "other", "--uplink", SHOP]).env("PATH", shop.home.path()).env("VPCLAB_HOME", shop.paths().home);
    assert_eq!(up.output().unwrap().status.code(), Some(3));
    assert!(shop.daemon.lab("other").unwrap().is_none());
    command.arg("uplink").env("PATH", shop.home.path()).env("VPCLAB_HOME", shop.paths().home).env_remove("VPCLAB_FILE");
    let done = command.current_dir(shop.home.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    let said = text(&done.stderr);
    assert!(said.contains("neither pasta nor slirp4netns is installed"), "{said}");
    assert!(said.contains("hint: sudo apt install passt"), "{said}");
}
