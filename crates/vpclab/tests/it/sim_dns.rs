//! Names of a cloud in the simulator, as a person asks for them: whom instances ask, what they learn, and what they are told where
//! nobody knows.

use std::process::Command;

use super::shop::SHOP;

#[test]
fn instances_of_a_lab_know_their_name_server_and_it_answers() {
    for (words, code, expected) in [
        ("use dns bastion web-1", 0, "web-1.ap-northeast-2.compute.internal A 192.168.0."),
        ("use dns bastion web-1.ap-northeast-2.compute.internal 169.254.169.253", 0, "1 record"),
        ("use dns bastion 192.168.0.4 192.168.0.2", 0, "PTR ip-192-168-0-4.ap-northeast-2.compute.internal"),
        ("use dns bastion office", 0, "office A 203.0.113.7"),
        ("use dns bastion nowhere.test", 1, "the name does not exist"),
        ("use dns office web-1.ap-northeast-2.compute.internal", 1, "the name does not exist"),
        ("ping bastion ip-192-168-0-4.ap-northeast-2.compute.internal --filter icmp", 1, "(192.168.0.4) from bastion"),
        ("http web-2 web-1.ap-northeast-2.compute.internal", 0, "HTTP 200"),
        ("check bastion 192.168.0.2 udp/53", 0, "udp/53: open"),
        ("check bastion 192.168.0.2 tcp/53", 0, "tcp/53: open"),
        ("ping bastion wbe-1", 2, "its name servers were asked: the name does not exist"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
        let done = command.args(["-f", SHOP, "sim"]).args(words.split(' ')).env("NO_COLOR", "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(expected), "{words}: {:?}\n{said}", done.status);
    }
}
