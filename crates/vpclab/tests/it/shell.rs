//! `version`, `env` and `graph` with a lab that is up, and with none.

use crate::console::Desk;

#[test]
fn the_version_is_said_without_starting_a_daemon() {
    let desk = Desk::new("version");
    let version = env!("CARGO_PKG_VERSION");
    let out = desk.run("vpclab version");
    assert!(out.starts_with(&format!("vpclab {version}\ndaemon not running\nkernel ")), "{out}");
    assert_eq!(desk.run("vpclab version -o json | grep daemon"), "  \"daemon\": null,\n");
    assert_eq!(desk.run("vpclab daemon status; echo $?"), "not running\n1\n");
    desk.run("vpclab up -q -f examples/bastion.yaml");
    let out = desk.run("vpclab version");
    assert!(out.starts_with(&format!("vpclab {version}\ndaemon {version}, process ")), "{out}");
}

#[test]
fn a_shell_that_read_env_means_the_lab_from_everywhere() {
    let desk = Desk::new("env");
    assert!(!desk.run("vpclab env").contains("VPCLAB_LAB"), "no lab here, none up");
    desk.run("mkdir 'my labs' && cp examples/bastion.yaml \"my labs/bastion.yaml\" && vpclab up -q -f 'my labs/bastion.yaml'");
    assert!(desk.run("vpclab env").contains("export VPCLAB_LAB=bastion\n"), "the only one that is up");
    let there = "eval \"$(vpclab env -q -f 'my labs/bastion.yaml')\" && cd / && unset HOME && vpclab";
    assert_eq!(desk.run(&format!("{there} exec web-1 -- hostname")), "web-1\n");
    assert_eq!(desk.run(&format!("{there} validate")), "bastion is legal\n");
}

#[test]
fn a_lab_that_is_up_is_drawn_as_it_is_and_a_file_as_it_is_written() {
    let desk = Desk::new("graph");
    assert!(desk.run("vpclab graph; echo $?").ends_with("2\n"), "nothing to draw");
    desk.run("cp examples/bastion.yaml bastion.yaml && vpclab up -q -f bastion.yaml");
    desk.run("sed -i 's/tcp.3306 from sg:web/tcp\\/3307 from sg:web/' bastion.yaml");
    assert!(desk.run("vpclab graph").contains("tcp/3306 from sg:web"), "the only lab that is up");
    assert!(desk.run("vpclab graph -l bastion").contains("tcp/3306 from sg:web"));
    assert!(desk.run("vpclab graph bastion.yaml").contains("tcp/3307 from sg:web"));
    // In the order in which they are drawn: stopped instances say so.
    desk.run("vpclab stop -l bastion db-1");
    assert!(desk.run("vpclab graph -l bastion").contains("tcp/22,tcp/3306  stopped"), "{}", desk.run("vpclab graph -l bastion"));
    assert!(desk.run("vpclab graph -l nowhere").contains("lab nowhere is not up"));
}
