//! What commands of an instance may ask of the kernel, tried from inside.

use std::collections::BTreeMap;

use sandbox::{ExecSpec, ExitStatus, InstanceSpec, Tool};

use crate::common::{Lab, output, run};

/// A lab whose instance `one` has this test program as `calls`.
fn lab() -> Lab {
    let lab = Lab::launch();
    let mut spec = InstanceSpec::new("one", "one");
    spec.root.tools.push(Tool {
        name: "calls".into(),
        executable: std::env::current_exe().unwrap(),
        preferred: true,
    });
    lab.client.start_instance(spec).unwrap();
    lab
}

#[test]
fn calls_that_reach_into_the_shared_kernel_are_refused_for_every_program_and_user() {
    let lab = lab();
    assert_eq!(
        output(
            &lab,
            "one",
            "grep -E '^Seccomp' /proc/self/status | tr -d ' \\t'"
        ),
        "Seccomp:2\nSeccomp_filters:1\n"
    );
    // Those that this kernel would answer with something else.
    let expected = BTreeMap::from([
        ("add_key", libc::ENOSYS),
        ("keyctl", libc::ENOSYS),
        ("request_key", libc::ENOSYS),
        ("io_uring_setup", libc::ENOSYS),
        ("perf_event_open", libc::EPERM),
        ("userfaultfd", libc::EPERM),
        ("bpf", libc::EPERM),
        ("quotactl", libc::EPERM),
        ("socket vsock", libc::EAFNOSUPPORT),
        ("socket alg", libc::EAFNOSUPPORT),
        ("socket key", libc::EAFNOSUPPORT),
        ("socket inet", 0),
        ("socket packet", 0),
        ("socket netlink", 0),
        ("tiocsti", libc::EPERM),
        ("tiocgwinsz", libc::ENOTTY),
    ]);
    let line = "calls --exact filter::report_calls --nocapture";
    let mut spec = ExecSpec::new(["sh", "-c", line]);
    spec.environment
        .insert("SANDBOX_TEST_CALLS".into(), "1".into());
    let (status, said) = run(&lab.client, "one", spec);
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    let seen: BTreeMap<&str, i32> = said
        .lines()
        .filter_map(|line| line.strip_prefix("call ")?.split_once(": "))
        .map(|(call, errno)| (call, errno.parse().unwrap()))
        .collect();
    assert_eq!(seen, expected);
    assert_ne!(lab.shell("one", "dmesg").0, ExitStatus::Code(0));
}

/// Runs inside an instance: makes calls and prints the kernel's answers.
#[test]
fn report_calls() {
    if std::env::var_os("SANDBOX_TEST_CALLS").is_none() {
        return;
    }
    let null = std::ptr::null::<libc::c_void>();
    let call = |name: &str, number: i64, first: i64, second: i64| {
        // SAFETY: every pointer is null and every descriptor closed or of an unrelated kind.
        let result = unsafe { libc::syscall(number, first, second, null, null, null) };
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap();
        println!("call {name}: {}", if result < 0 { errno } else { 0 });
    };
    println!();
    call("add_key", libc::SYS_add_key, 0, 0);
    call("keyctl", libc::SYS_keyctl, 1, 0);
    call("request_key", libc::SYS_request_key, 0, 0);
    call("io_uring_setup", libc::SYS_io_uring_setup, 1, 0);
    call("perf_event_open", libc::SYS_perf_event_open, 0, 0);
    call("userfaultfd", libc::SYS_userfaultfd, 1, 0);
    call("bpf", libc::SYS_bpf, 0, 0);
    call("quotactl", libc::SYS_quotactl, 0, 0);
    let socket = |name: &str, family: i32, kind: i32| {
        call(name, libc::SYS_socket, family.into(), kind.into());
    };
    socket("socket vsock", libc::AF_VSOCK, libc::SOCK_STREAM);
    socket("socket alg", libc::AF_ALG, libc::SOCK_SEQPACKET);
    socket("socket key", libc::AF_KEY, libc::SOCK_RAW);
    socket("socket inet", libc::AF_INET, libc::SOCK_STREAM);
    socket("socket packet", libc::AF_PACKET, libc::SOCK_RAW);
    socket("socket netlink", libc::AF_NETLINK, libc::SOCK_RAW);
    call("tiocsti", libc::SYS_ioctl, 0, libc::TIOCSTI as i64);
    call("tiocgwinsz", libc::SYS_ioctl, 0, libc::TIOCGWINSZ as i64);
}

#[test]
fn what_people_do_in_instances_works_under_the_filter() {
    let lab = lab();
    let has = |program: &str| {
        lab.shell("one", &format!("command -v {program}"))
            .0
            .success()
    };
    assert!(has("unshare"), "these tests need util-linux");
    // A container is this and an image: namespaces, a root of its own, an interface into it.
    let inside = "mount -t tmpfs t /mnt && mkdir /mnt/old && hostname inner && hostname && \
                  pivot_root /mnt /mnt/old && echo pivoted";
    assert_eq!(
        output(
            &lab,
            "one",
            &format!("unshare -Urmnpuif --mount-proc sh -c '{inside}'")
        ),
        "inner\npivoted\n"
    );
    output(
        &lab,
        "one",
        "unshare -n true && unshare -m mount -t tmpfs t /mnt",
    );
    if has("ip") {
        let line = "ip link add v0 type veth peer name v1 && ip netns add x && ip link set v1 netns x && \
                    ip -n x link show v1 >/dev/null && ip netns del x";
        output(&lab, "one", line);
    }
    if has("nft") {
        output(
            &lab,
            "one",
            "nft add table ip t && nft 'add chain ip t c { type nat hook postrouting priority 100; }' && \
                             nft add rule ip t c masquerade && nft delete table ip t",
        );
    }
    if has("tcpdump") {
        let line = "timeout 10 tcpdump -c1 -ni lo icmp >/tmp/seen 2>&1 & \
                    while kill -0 $! 2>/dev/null; do ping -c1 -W1 127.0.0.1; done >/tmp/said 2>&1; \
                    cat /tmp/seen /tmp/said";
        if has("ping") {
            let seen = output(&lab, "one", line);
            assert!(seen.contains("ICMP echo"), "{seen}");
        }
    }
    if has("strace") {
        assert!(
            output(&lab, "one", "strace -f -e trace=getpid sh -c : 2>&1").contains("exited with 0")
        );
    }
    // Another user's programs, and a change of user back, as `su` does it.
    if lab.client.stats().unwrap().instance_ids > 1 {
        let spec = ExecSpec {
            uid: 33,
            gid: 33,
            ..ExecSpec::new(["grep", "-c", "^Seccomp:.2$", "/proc/self/status"])
        };
        assert_eq!(
            run(&lab.client, "one", spec),
            (ExitStatus::Code(0), "1\n".into())
        );
    }
    // Programs that give up being root run, whether another user exists or not.
    output(
        &lab,
        "one",
        "setpriv --reuid 33 --regid 33 --clear-groups true && touch /tmp/file && chown 33:33 /tmp/file",
    );
}
