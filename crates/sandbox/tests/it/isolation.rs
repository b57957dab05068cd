//! What an instance cannot see, reach or change: the host, the lab, its neighbours.

use sandbox::{Bind, Error, ExecSpec, ExitStatus, InstanceSpec, NetnsSpec, RootBase, Stdio};

use crate::common::{Lab, output, path, run};

#[test]
fn nothing_of_the_hosts_homes_sockets_and_credentials_is_visible() {
    let lab = Lab::with_instance("one");
    for empty in [
        "/home", "/root", "/tmp", "/var/tmp", "/mnt", "/srv", "/media", "/var/lib", "/dev/shm",
    ] {
        assert_eq!(
            output(&lab, "one", &format!("ls -A {empty}")),
            "",
            "{empty}"
        );
    }
    assert_eq!(output(&lab, "one", "ls -A /run"), "lock\n");
    // Everything that can be reached, whatever it is called.
    let found = output(
        &lab,
        "one",
        "find / -xdev -type s 2>/dev/null; find /etc /opt /usr/local/etc -xdev \\( -type s -o -type p \\); \
         find /etc -xdev -type f ! -perm -o=r; ls -d /etc/*shadow* /etc/sudoers* /etc/ssh/ssh_host* \
         /etc/ssl/private /etc/krb5.keytab /etc/security/opasswd /etc/machine-id 2>/dev/null || true",
    );
    assert_eq!(found, "");
    // The directory of this test, by its path and through every door that /proc has.
    let secret = path(&lab, "secret");
    std::fs::write(&secret, "secret").unwrap();
    let secret = secret.display();
    for way in [
        "",
        "/proc/1/root",
        "/proc/self/root",
        "/proc/1/cwd",
        "/proc/self/cwd/..",
    ] {
        assert_ne!(
            lab.shell("one", &format!("cat {way}{secret}")).0,
            ExitStatus::Code(0),
            "{way}"
        );
    }
    let mounts = output(&lab, "one", "cat /proc/self/mountinfo");
    for host_disk in std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
    {
        let source = host_disk
            .split(" - ")
            .nth(1)
            .and_then(|rest| rest.split(' ').nth(1))
            .unwrap();
        assert!(
            !source.starts_with("/dev/") || !mounts.contains(source),
            "{source} is mounted inside"
        );
    }
}

#[test]
fn the_instances_root_cannot_uncover_what_is_hidden() {
    let lab = Lab::with_instance("one");
    lab.shell(
        "one",
        "for i in 1 2 3; do umount -l /etc; umount -l /usr; umount -l /; done 2>/dev/null; true",
    );
    let lab = Lab::with_instance("two");
    let tries = "mkdir -p /tmp/u /tmp/w /tmp/m; \
         mount -t overlay o -o lowerdir=/etc,upperdir=/tmp/u,workdir=/tmp/w,userxattr /tmp/m 2>/dev/null; \
         ls /tmp/m/shadow /etc/shadow /tmp/m/gshadow 2>/dev/null; \
         cat /proc/1/mountinfo 2>/dev/null | grep -c ' /home'; true";
    assert_eq!(output(&lab, "two", tries), "0\n");
    // What umount uncovers is the new root's own empty directory, not the host's.
    assert_eq!(
        output(
            &lab,
            "two",
            "cd /; /bin/sh -c 'umount -l /etc; echo /etc/*'"
        ),
        "/etc/*\n"
    );
}

#[test]
fn host_processes_and_the_init_are_out_of_reach() {
    let lab = Lab::with_instance("one");
    let mut victim = std::process::Command::new("sleep")
        .arg("100")
        .spawn()
        .unwrap();
    let seen = output(
        &lab,
        "one",
        "ls /proc | grep -c '^[0-9]' ; cat /proc/1/comm",
    );
    let count: u32 = seen.lines().next().unwrap().parse().unwrap();
    assert!(count < 8, "{seen}");
    lab.shell(
        "one",
        &format!(
            "kill -9 {} {}; kill -9 -1; true",
            victim.id(),
            lab.handle.pid
        ),
    );
    assert!(victim.try_wait().unwrap().is_none());
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Pid 1 holds the channel to the holder: neither its descriptors nor its memory open, nor does it die.
    for door in [
        "ls /proc/1/fd",
        "cat /proc/1/environ",
        "cat /proc/1/maps",
        "head -c1 /proc/1/mem",
        "ls /proc/1/root/",
    ] {
        let (status, said) = lab.shell("one", door);
        assert_ne!(status, ExitStatus::Code(0), "{door}: {said}");
    }
    // Its command line is one door that Linux leaves open; paths of the host do not stand behind it.
    let line = output(&lab, "one", "tr -d '\\000' < /proc/1/cmdline; echo; cat /proc/1/comm");
    assert_eq!(line, "init\ninit\n");
    lab.shell("one", "kill -9 1; kill -11 1; kill -2 1");
    assert_eq!(output(&lab, "one", "echo alive"), "alive\n");
}

#[test]
fn an_instance_cannot_enter_another_network_and_owns_its_own() {
    let lab = Lab::with_instance("one");
    lab.client.create_netns(NetnsSpec::lab("router")).unwrap();
    lab.client
        .start_instance(InstanceSpec::new("two", "two"))
        .unwrap();
    let inodes = |key: &str| {
        lab.client
            .list_netnses()
            .unwrap()
            .iter()
            .find(|one| one.key == key)
            .unwrap()
            .inode
    };
    let own = output(&lab, "one", "readlink /proc/self/ns/net");
    assert_eq!(own.trim(), format!("net:[{}]", inodes("one")));
    // Every namespace that its /proc shows is its own.
    let nets = output(
        &lab,
        "one",
        "for p in /proc/[0-9]*; do readlink $p/ns/net; done | sort -u",
    );
    assert_eq!(nets, own);
    assert_eq!(
        output(
            &lab,
            "one",
            "cat /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward"
        ),
        "0\n1\n"
    );
    for other in ["router", "two"] {
        assert_eq!(
            lab.client
                .read_file(other, "/proc/sys/net/ipv4/ip_forward")
                .unwrap(),
            b"0\n"
        );
    }
    // And the host's settings are not its to write.
    for setting in [
        "kernel/core_pattern",
        "vm/overcommit_memory",
        "kernel/sysrq",
        "fs/file-max",
    ] {
        let line = format!("cat /proc/sys/{setting} > /proc/sys/{setting}");
        assert_ne!(lab.shell("one", &line).0, ExitStatus::Code(0), "{setting}");
    }
    assert_ne!(
        lab.shell("one", "echo h > /proc/sysrq-trigger").0,
        ExitStatus::Code(0)
    );
    if lab.shell("one", "command -v ip").0.success() {
        output(
            &lab,
            "one",
            "ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0 && ip link set docker0 up",
        );
    }
    if lab.shell("one", "command -v nft").0.success() {
        output(
            &lab,
            "one",
            "nft add table ip x && nft list tables | grep -q 'table ip x'",
        );
    }
    if lab.shell("one", "command -v ping").0.success() {
        output(&lab, "one", "ping -c1 -W2 127.0.0.1");
    }
}

#[test]
fn a_root_of_layers_cannot_write_outside_itself() {
    let lab = Lab::launch();
    let layers: Vec<_> = ["low", "high"].map(|name| path(&lab, name)).into();
    let outside = path(&lab, "outside");
    std::fs::create_dir(&outside).unwrap();
    for (layer, text) in layers.iter().zip(["low", "high"]) {
        for directory in ["usr", "data"] {
            std::fs::create_dir_all(layer.join(directory)).unwrap();
        }
        std::fs::write(layer.join("data/which"), text).unwrap();
        std::fs::write(layer.join(format!("data/{text}")), "").unwrap();
    }
    // An image whose /etc and /dev lead to the host's directories.
    std::os::unix::fs::symlink(&outside, layers[1].join("etc")).unwrap();
    std::os::unix::fs::symlink(outside.join("dev"), layers[1].join("dev")).unwrap();
    let mut spec = InstanceSpec::new("one", "one");
    spec.root.base = RootBase::Layers {
        lower: layers,
        upper: None,
    };
    spec.root.files.insert("/etc/hosts".into(), "inside".into());
    for name in ["/usr", "/bin", "/lib", "/lib64"] {
        if std::path::Path::new(name).exists() {
            spec.root.binds.push(Bind {
                source: name.into(),
                target: name.into(),
                read_only: true,
            });
        }
    }
    lab.client.start_instance(spec).unwrap();
    // It starts: the links lead to places inside, where what they name is made.
    assert_eq!(output(&lab, "one", "cat /etc/hosts"), "inside");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn other_ids_exist_exactly_where_they_are_promised() {
    let lab = Lab::with_instance("one");
    let spec = ExecSpec {
        uid: 33,
        gid: 33,
        ..ExecSpec::new(["id", "-u"])
    };
    if lab.client.stats().unwrap().instance_ids > 1 {
        assert_eq!(
            run(&lab.client, "one", spec),
            (ExitStatus::Code(0), "33\n".into())
        );
    } else {
        let refused = lab.client.exec("one", spec, Stdio::Null);
        assert!(matches!(refused, Err(Error::Refused(fault)) if fault.errno == Some(libc::EINVAL)));
    }
}

#[test]
fn root_inside_is_never_root_of_this_machine() {
    let lab = Lab::with_instance("one");
    // What the host sees of a program inside.
    let (mut read, write) = std::io::pipe().unwrap();
    let null = || std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let spec = ExecSpec::new([
        "sh",
        "-c",
        "read line </proc/self/uid_map; echo $line; exec sleep 20",
    ]);
    let streams = [null(), write.into(), null()];
    let _process = lab
        .client
        .exec("one", spec, Stdio::Descriptors(streams))
        .unwrap();
    let mut map = [0; 64];
    let length = std::io::Read::read(&mut read, &mut map).unwrap();
    let map = String::from_utf8_lossy(&map[..length]).into_owned();
    let fields: Vec<u32> = map
        .split_whitespace()
        .map(|field| field.parse().unwrap())
        .collect();
    let ids = lab.client.stats().unwrap().instance_ids;
    assert_eq!((fields[0], fields[2]), (0, ids), "{map}");
    let seen = descendants(lab.handle.pid);
    assert!(seen.len() > 1, "{seen:?}");
    let launcher = rustix::process::getuid().as_raw();
    for (pid, uid) in seen {
        // Without ids of their own, programs inside are the launching user; root has ids of its own to give.
        let expected = if ids > 1 {
            uid > 65_535 || (65_520..65_534).contains(&uid)
        } else {
            uid == launcher
        };
        assert!(
            expected && (uid != 0 || ids == 1),
            "process {pid} runs as {uid}"
        );
    }
}

/// Processes of instances below a holder with their user id on the host; inits excepted, which are ours.
fn descendants(holder: i32) -> Vec<(i32, u32)> {
    let children = |pid: i32| -> Vec<i32> {
        let text =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    };
    let uid = |pid: i32| -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let inits = children(holder);
    let programs = inits
        .iter()
        .flat_map(|init| children(*init))
        .collect::<Vec<_>>();
    inits
        .into_iter()
        .chain(programs)
        .map(|pid| (pid, uid(pid)))
        .collect()
}
