//! The holder's life: launching, namespaces and sockets, callers that come and go, the end.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use sandbox::{
    Client, Error, ExecSpec, ExitStatus, InstanceSpec, NetnsOwner, NetnsSpec, SocketSpec, Stdio,
    launch,
};

use crate::common::{Lab, PATIENCE, ended, eventually, spec, wait_ended};

#[test]
fn a_second_holder_on_one_socket_is_refused_and_the_first_lives() {
    let lab = Lab::launch();
    assert!(matches!(
        launch(&spec(lab.directory.path())),
        Err(Error::AlreadyRunning { .. })
    ));
    assert_eq!(lab.client.ping().unwrap().lab_name, "test");
}

#[test]
fn a_socket_left_by_a_killed_holder_is_replaced() {
    let lab = Lab::launch();
    rustix::process::pidfd_send_signal(&lab.handle.pidfd, rustix::process::Signal::KILL).unwrap();
    assert!(wait_ended(&lab.handle, PATIENCE));
    assert!(matches!(
        Client::connect(&lab.handle.socket),
        Err(Error::NotRunning { .. })
    ));
    let again = launch(&spec(lab.directory.path())).unwrap();
    again.client().unwrap().shutdown().unwrap();
}

#[test]
fn the_socket_admits_its_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::launch();
    let mode = std::fs::metadata(&lab.handle.socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_lab_of_one_owner_ends_when_the_owner_does() {
    let lab = Lab::with_instance("web");
    let owner = lab.handle.client().unwrap();
    owner.end_with_me().unwrap();
    assert!(lab.client.ping().is_ok());
    // As when the owner is killed: its descriptors close, nothing is said.
    drop(owner);
    let begun = std::time::Instant::now();
    while lab.client.ping().is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the holder lives on");
    }
    assert!(!lab.handle.socket.exists());
}

#[test]
fn shutdown_leaves_no_process_no_mount_and_no_file() {
    let lab = Lab::with_instance("one");
    lab.shell(
        "one",
        "sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 &",
    );
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let pid = lab.handle.pid;
    assert!(!descendants(pid).is_empty());
    let below = descendants(pid);
    let client = lab.handle.client().unwrap();
    client.shutdown().unwrap();
    assert!(wait_ended(&lab.handle, PATIENCE));
    for pid in below {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}/ns")).exists(),
            "{pid} survived"
        );
    }
    assert_eq!(
        std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
        mounts
    );
    let left: Vec<_> = std::fs::read_dir(lab.directory.path())
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["holder.log"]);
    assert_eq!(lab.log(), "");
}

fn descendants(of: i32) -> Vec<i32> {
    let children =
        std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let direct: Vec<i32> = children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    direct
        .iter()
        .flat_map(|pid| std::iter::once(*pid).chain(descendants(*pid)))
        .collect()
}

#[test]
fn namespaces_are_made_listed_entered_and_removed() {
    let lab = Lab::launch();
    let mut specs: Vec<NetnsSpec> = ["router", "igw", "nat"].map(NetnsSpec::lab).into();
    specs.push(NetnsSpec::instance("web"));
    specs[0]
        .sysctls
        .push(("net/ipv4/ip_forward".into(), "1".into()));
    lab.client.create_netnses(&specs).unwrap();
    let list = lab.client.list_netnses().unwrap();
    let seen: Vec<_> = list
        .iter()
        .map(|one| (one.key.as_str(), one.owner))
        .collect();
    assert_eq!(
        seen,
        [
            ("igw", NetnsOwner::Lab),
            ("nat", NetnsOwner::Lab),
            ("router", NetnsOwner::Lab),
            ("web", NetnsOwner::Instance)
        ]
    );
    let read = |key: &str, path: &str| {
        String::from_utf8(lab.client.read_file(key, path).unwrap()).unwrap()
    };
    assert_eq!(read("router", "/proc/sys/net/ipv4/ip_forward"), "1\n");
    assert_eq!(read("igw", "/proc/sys/net/ipv4/ip_forward"), "0\n");
    for key in ["router", "web"] {
        assert_eq!(
            read(key, "/proc/sys/net/ipv6/conf/default/disable_ipv6"),
            "1\n"
        );
        lab.client
            .write_sysctls(key, &[("net/ipv4/ip_default_ttl", "33")])
            .unwrap();
        assert_eq!(read(key, "/proc/sys/net/ipv4/ip_default_ttl"), "33\n");
        assert!(!read(key, "/proc/net/if_inet6").contains("lo"));
    }
    assert_eq!(read("nat", "/proc/sys/net/ipv4/ip_default_ttl"), "64\n");
    let descriptors = lab.client.netns_fds(&["igw", "web"]).unwrap();
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
    assert_eq!(
        [inode(&descriptors[0]), inode(&descriptors[1])],
        [list[0].inode, list[3].inode]
    );
    assert!(
        lab.client
            .create_netns(NetnsSpec::lab("nat"))
            .unwrap_err()
            .is_already_exists()
    );
    lab.client.remove_netnses(&["nat", "unknown"]).unwrap();
    assert!(lab.client.netns_fd("nat").unwrap_err().is_not_found());
}

#[test]
fn sockets_live_in_their_namespace_and_work_for_the_caller() {
    let lab = Lab::launch();
    lab.client
        .create_netnses(&[NetnsSpec::lab("a"), NetnsSpec::instance("b")])
        .unwrap();
    for key in ["a", "b"] {
        // Port 80: the right to low ports comes from the namespace. The same port twice: two namespaces.
        let address = "127.0.0.1:80".parse().unwrap();
        let listener = lab
            .client
            .open_socket(SocketSpec::tcp_listener(key, address))
            .unwrap();
        let listener = std::net::TcpListener::from(listener);
        let stream = lab.client.open_socket(SocketSpec::tcp(key, false)).unwrap();
        rustix::net::connect(&stream, &address).unwrap();
        let mut stream = std::net::TcpStream::from(stream);
        stream.write_all(key.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = String::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_string(&mut heard)
            .unwrap();
        assert_eq!(heard, key);
    }
    let refused = lab.client.open_socket(SocketSpec::tcp_listener(
        "a",
        "192.0.2.1:80".parse().unwrap(),
    ));
    assert!(
        matches!(refused, Err(Error::Refused(fault)) if fault.errno == Some(libc::EADDRNOTAVAIL))
    );
    let sockets = [
        SocketSpec::raw("b", false, libc::IPPROTO_ICMP),
        SocketSpec::packet("a", "lo"),
    ];
    assert_eq!(lab.client.open_sockets(&sockets).unwrap().len(), 2);
}

/// RTM_NEWLINK that sets the group of `lo`, with an acknowledgement.
fn set_link_group() -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&40u32.to_ne_bytes());
    message.extend_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0, 0, 0, 0]);
    message.extend_from_slice(&1i32.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&8u16.to_ne_bytes());
    message.extend_from_slice(&libc::IFLA_GROUP.to_ne_bytes());
    message.extend_from_slice(&7u32.to_ne_bytes());
    message
}

/// A batch that makes table `t` of family inet.
fn make_table() -> Vec<u8> {
    let mut batch = Vec::new();
    let mut add = |kind: u16, flags: i32, family: u8, resource: u16, attribute: &[u8]| {
        batch.extend_from_slice(&(20 + attribute.len() as u32).to_ne_bytes());
        batch.extend_from_slice(&kind.to_ne_bytes());
        batch.extend_from_slice(&((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
        batch.extend_from_slice(&[0; 8]);
        batch.extend_from_slice(&[family, 0]);
        batch.extend_from_slice(&resource.to_be_bytes());
        batch.extend_from_slice(attribute);
    };
    add(libc::NFNL_MSG_BATCH_BEGIN as u16, 0, 0, 10, &[]);
    let name = [6u16.to_ne_bytes(), 1u16.to_ne_bytes(), *b"t\0", [0, 0]].concat();
    add(10 << 8, libc::NLM_F_ACK | libc::NLM_F_CREATE, 1, 0, &name);
    add(libc::NFNL_MSG_BATCH_END as u16, 0, 0, 10, &[]);
    batch
}

fn acknowledged(socket: &OwnedFd, request: &[u8]) -> i32 {
    rustix::net::send(socket, request, rustix::net::SendFlags::empty()).unwrap();
    let mut answer = [0; 4096];
    let (count, _) =
        rustix::net::recv(socket, &mut answer, rustix::net::RecvFlags::empty()).unwrap();
    assert!(count >= 20 && u16::from_ne_bytes([answer[4], answer[5]]) == libc::NLMSG_ERROR as u16);
    -i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]])
}

#[test]
fn netlink_sockets_passed_out_may_change_what_the_caller_owns() {
    let lab = Lab::launch();
    lab.client
        .create_netnses(&[NetnsSpec::lab("router"), NetnsSpec::instance("web")])
        .unwrap();
    lab.client
        .start_instance(InstanceSpec::new("live", "live"))
        .unwrap();
    for key in ["router", "web", "live"] {
        let route = lab
            .client
            .open_socket(SocketSpec::netlink(key, libc::NETLINK_ROUTE))
            .unwrap();
        assert_eq!(
            acknowledged(&route, &set_link_group()),
            0,
            "rtnetlink in {key}"
        );
        let filter = lab
            .client
            .open_socket(SocketSpec::netlink(key, libc::NETLINK_NETFILTER))
            .unwrap();
        assert_eq!(
            acknowledged(&filter, &make_table()),
            0,
            "nf_tables in {key}"
        );
    }
}

#[test]
fn kept_sockets_outlive_the_caller() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("a")).unwrap();
    let address = "127.0.0.1:53".parse().unwrap();
    let first = lab.handle.client().unwrap();
    let listener = first
        .open_socket(SocketSpec::tcp_listener("a", address))
        .unwrap();
    first.keep("dns", listener).unwrap();
    drop(first);
    assert_eq!(lab.client.list_kept().unwrap(), ["dns"]);
    let listener = std::net::TcpListener::from(lab.client.fetch("dns").unwrap());
    assert_eq!(listener.local_addr().unwrap(), address);
    lab.client.forget("dns").unwrap();
    assert!(lab.client.fetch("dns").unwrap_err().is_not_found());
}

/// Plays the caller that is killed: started by the test below as a process of its own.
#[test]
fn caller_that_will_be_killed() {
    let Ok(socket) = std::env::var("SANDBOX_TEST_SOCKET") else {
        return;
    };
    let client = Client::connect(socket.as_ref()).unwrap();
    let (read, write) = std::io::pipe().unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let bound = ExecSpec {
        kill_on_disconnect: true,
        ..ExecSpec::new(["sleep", "1001"])
    };
    client.exec("one", bound, Stdio::Null).unwrap();
    let streams = [read.into(), write.into(), null.into()];
    client
        .exec(
            "one",
            ExecSpec::new(["sleep", "1000"]),
            Stdio::Descriptors(streams),
        )
        .unwrap();
    loop {
        client.stats().unwrap();
    }
}

#[test]
fn killing_a_caller_leaves_holder_and_instances_running() {
    let lab = Lab::with_instance("one");
    let mut caller = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder::caller_that_will_be_killed"])
        .env("SANDBOX_TEST_SOCKET", &lab.handle.socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("both commands run", || {
        lab.client.stats().unwrap().processes == 2
    });
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("the bound command ends with its caller", || {
        lab.client.stats().unwrap().processes == 1
    });
    let left: Vec<_> = lab
        .client
        .list_processes()
        .unwrap()
        .into_iter()
        .filter(|one| one.status.is_none())
        .collect();
    assert_eq!(left[0].argv, ["sleep", "1000"]);
    // A restarted caller takes hold of it again.
    let process = lab.client.attach(left[0].process).unwrap();
    lab.client.signal(left[0].process, libc::SIGTERM).unwrap();
    assert_eq!(process.wait().unwrap(), ExitStatus::Signal(libc::SIGTERM));
    assert_eq!(lab.shell("one", "echo still here").1, "still here\n");
}

#[test]
fn garbage_and_half_requests_cost_the_sender_its_connection_only() {
    let lab = Lab::launch();
    let address = rustix::net::SocketAddrUnix::new(&lab.handle.socket).unwrap();
    let connect = || {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            // Of others that start meanwhile, none inherits it, and none takes it for something that it inherited.
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        socket
    };
    let mut half = Vec::new();
    half.extend_from_slice(&0x5643_4c31u32.to_ne_bytes());
    half.extend_from_slice(&2u32.to_ne_bytes());
    half.extend_from_slice(&[0; 16]);
    let mut wrong_json = Vec::new();
    wrong_json.extend_from_slice(&0x5643_4c31u32.to_ne_bytes());
    wrong_json.extend_from_slice(&0u32.to_ne_bytes());
    wrong_json.extend_from_slice(&9u64.to_ne_bytes());
    wrong_json.extend_from_slice(&11u64.to_ne_bytes());
    wrong_json.extend_from_slice(b"{\"Exec\": 1}");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 24],
        &half,
        &wrong_json,
        &[0; 9000],
    ] {
        let socket = connect();
        rustix::net::send(&socket, garbage, rustix::net::SendFlags::empty()).unwrap();
        drop(socket);
        assert_eq!(lab.client.ping().unwrap().lab_name, "test");
    }
    assert!(!ended(&lab.handle));
}

#[test]
fn signals_from_outside_do_not_end_a_holder() {
    let lab = Lab::launch();
    for signal in [
        rustix::process::Signal::TERM,
        rustix::process::Signal::INT,
        rustix::process::Signal::HUP,
    ] {
        rustix::process::pidfd_send_signal(&lab.handle.pidfd, signal).unwrap();
    }
    assert_eq!(lab.client.ping().unwrap().lab_name, "test");
}

#[test]
fn our_own_program_runs_inside_a_namespace_with_inherited_descriptors() {
    let lab = Lab::launch();
    lab.client.create_netns(NetnsSpec::lab("a")).unwrap();
    let (mut read, write) = std::io::pipe().unwrap();
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let mut spec = ExecSpec::new(["vpclab", "--exact", "holder::report_from_inside"]);
    spec.environment
        .insert("SANDBOX_TEST_REPORT".into(), "1".into());
    let process = lab
        .client
        .run(
            "a",
            spec,
            [null(), null(), null()],
            vec![write.into(), null()],
        )
        .unwrap();
    let mut report = String::new();
    read.read_to_string(&mut report).unwrap();
    assert_eq!(process.wait().unwrap(), ExitStatus::Code(0));
    let list = lab.client.list_netnses().unwrap();
    assert_eq!(report, format!("net:[{}]", list[0].inode));
}

/// Plays the part of the product that runs in a namespace.
#[test]
fn report_from_inside() {
    if std::env::var_os("SANDBOX_TEST_REPORT").is_none() {
        return;
    }
    // Opened by this process, so never taken for an inherited one.
    let own = std::fs::File::open("/dev/null").unwrap();
    let mut inherited = sandbox::entry::inherited(1);
    assert_eq!(inherited.len(), 1);
    assert_eq!(inherited[0].as_raw_fd(), 3);
    let flags = rustix::io::fcntl_getfd(&inherited[0]).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    // 3 is taken, so the list ends before 4; nothing is owned twice.
    assert!(sandbox::entry::inherited(10).is_empty());
    drop(own);
    let network = std::fs::read_link("/proc/self/ns/net").unwrap();
    let mut report = std::fs::File::from(inherited.pop().unwrap());
    report
        .write_all(network.display().to_string().as_bytes())
        .unwrap();
}

/// An ordinary start inherits nothing, whatever it has opened.
#[test]
fn descriptors_of_our_own_are_not_taken_for_inherited_ones() {
    let own: Vec<_> = (0..20)
        .map(|_| std::fs::File::open("/dev/null").unwrap())
        .collect();
    // What a test runner may have passed is nobody's here, and may be taken.
    let taken = sandbox::entry::inherited(100);
    for file in &own {
        assert!(!taken.iter().any(|fd| fd.as_raw_fd() == file.as_raw_fd()));
        rustix::io::fcntl_getfd(file).unwrap();
    }
}

/// What doctor plans with is what a holder needs.
#[test]
fn an_instance_with_a_command_costs_no_more_descriptors_than_are_planned() {
    use sandbox::capabilities::{Size, limits};
    const COUNT: u64 = 40;
    let lab = Lab::launch();
    let descriptors = || {
        let folder = format!("/proc/{}/fd", lab.handle.pid);
        std::fs::read_dir(folder).unwrap().count() as u64
    };
    let before = descriptors();
    let key = |n: u64| format!("i{n}");
    let specs: Vec<_> = (0..COUNT)
        .map(|n| InstanceSpec::new(key(n), "host"))
        .collect();
    assert!(lab.client.start_instances(&specs).unwrap().is_empty());
    let _running: Vec<_> = (0..COUNT)
        .map(|n| {
            let sleep = ExecSpec::new(["sleep", "100"]);
            lab.client.exec(&key(n), sleep, Stdio::Null).unwrap()
        })
        .collect();
    let needed = |instances| {
        let all = limits(Size { instances });
        let of = all.iter().find(|limit| limit.name == "descriptors");
        of.unwrap().needed
    };
    let used = descriptors() - before;
    let planned = needed(COUNT + 1) - needed(1);
    assert!(used <= planned, "{used} used, {planned} planned");
    assert!(used * 3 > planned, "{planned} planned for {used}");
    assert!(before < needed(1));
}

/// `SANDBOX_TEST_INSTANCES` measures other numbers; times are printed, not judged.
#[test]
fn two_hundred_instances_start_and_stop() {
    let count = std::env::var("SANDBOX_TEST_INSTANCES").map_or(200, |count| count.parse().unwrap());
    let lab = Lab::launch();
    let specs: Vec<_> = (0..count)
        .map(|n| InstanceSpec::new(format!("i{n:04}"), format!("i{n:04}")))
        .collect();
    let start = Instant::now();
    assert_eq!(
        lab.client.start_instances(&specs).unwrap(),
        Default::default()
    );
    let up = start.elapsed();
    let keys: Vec<_> = specs.iter().map(|spec| spec.key.clone()).collect();
    let start = Instant::now();
    let descriptors = lab.client.netns_fds(&keys).unwrap();
    let passed = start.elapsed();
    let inodes: std::collections::BTreeSet<u64> = descriptors
        .iter()
        .map(|fd| rustix::fs::fstat(fd).unwrap().st_ino)
        .collect();
    assert_eq!(inodes.len(), count);
    let stats = lab.client.stats().unwrap();
    assert_eq!((stats.instances, stats.namespaces), (count, count));
    let start = Instant::now();
    let (status, _) = lab.shell(&keys[count - 1], "true");
    assert!(status.success());
    let (first, start) = (start.elapsed(), Instant::now());
    lab.shell(&keys[count - 1], "true");
    let second = start.elapsed();
    drop(descriptors);
    let start = Instant::now();
    lab.handle.client().unwrap().shutdown().unwrap();
    println!(
        "{count} instances: up {up:?}, descriptors {passed:?}, first exec {first:?}, second {second:?}, down {:?}, \
         holder {} KiB",
        start.elapsed(),
        stats.resident_kib
    );
}
