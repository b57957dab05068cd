//! What a container cannot see, reach or change: the host, its instance, its shim, what is masked.

use std::os::unix::fs::symlink;

use sandbox::container::spec::{Attach, ContainerMount, MountKind, ResourceLimit, Seccomp};
use sandbox::{CapabilitySet, ContainerUser, ExitStatus};

use crate::common::pod::Pod;
use crate::common::{eventually, output};

/// Lines of `/proc/self/status` by name.
fn status_of(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().to_owned()
}

#[test]
fn capabilities_filters_and_privileges_are_those_of_the_description() {
    let pod = Pod::new();
    let status = |change: &dyn Fn(&mut sandbox::ContainerSpec)| {
        let mut spec = pod.spec("one", ["cat", "/proc/self/status"]);
        change(&mut spec);
        pod.says(&spec)
    };
    let set = |text: &str, name: &str| u64::from_str_radix(&status_of(text, name), 16).unwrap();
    let all = |text: &str| ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(|name| set(text, name));
    let docker = CapabilitySet::DOCKER.bits();
    let text = status(&|_| {});
    assert_eq!(all(&text), [0, docker, docker, docker, 0]);
    assert_eq!((status_of(&text, "Seccomp:").as_str(), status_of(&text, "NoNewPrivs:").as_str()), ("2", "0"));
    assert_eq!(status_of(&text, "Seccomp_filters:"), "2");
    // But for the two that libc keeps to itself.
    assert_eq!(["SigBlk:", "SigIgn:"].map(|name| set(&text, name) & 0x7fff_ffff), [0, 0]);
    let text = status(&|spec| {
        spec.capabilities = CapabilitySet::NONE.with("NET_ADMIN").unwrap();
        spec.no_new_privileges = true;
        spec.seccomp = Seccomp::Unconfined;
    });
    assert_eq!(all(&text), [0, 1 << 12, 1 << 12, 1 << 12, 0]);
    // The instance's filter stays whatever is asked for.
    assert_eq!((status_of(&text, "Seccomp:").as_str(), status_of(&text, "Seccomp_filters:").as_str()), ("2", "1"));
    assert_eq!(status_of(&text, "NoNewPrivs:"), "1");
    let text = status(&|spec| spec.privileged = true);
    assert_eq!(set(&text, "CapEff:") & CapabilitySet::DOCKER.bits(), docker);
    assert!(set(&text, "CapEff:") & (1 << 21) != 0, "CAP_SYS_ADMIN");
    if pod.lab.client.stats().unwrap().instance_ids > 1 {
        let text = status(&|spec| spec.process.user = ContainerUser { uid: 7, gid: 8, ..ContainerUser::default() });
        assert_eq!(all(&text), [0, 0, 0, docker, 0]);
        assert_eq!(status_of(&text, "Uid:"), "7\t7\t7\t7");
        assert_eq!((status_of(&text, "Gid:"), status_of(&text, "Groups:")), ("8\t8\t8\t8".into(), "".into()));
    }
}

#[test]
fn commands_in_it_have_no_more_rights_than_it_has() {
    let pod = Pod::new();
    pod.start(&pod.spec("one", ["sleep", "1000"]));
    let status = pod.exec("one", "cat /proc/self/status; ls /proc/self/fd").1;
    assert_eq!(status_of(&status, "CapBnd:"), format!("{:016x}", CapabilitySet::DOCKER.bits()));
    assert_eq!(status_of(&status, "CapEff:"), format!("{:016x}", CapabilitySet::DOCKER.bits()));
    assert_eq!(status_of(&status, "Seccomp_filters:"), "2");
    assert!(status.ends_with("\n0\n1\n2\n3\n"), "3 is the directory that ls reads: {status}");
    assert_ne!(pod.exec("one", "mount -t tmpfs none /tmp").0, ExitStatus::Code(0));
    assert_ne!(pod.exec("one", "unshare -U true").0, ExitStatus::Code(0));
    let mut spec = sandbox::ContainerExecSpec::new(["mount", "-t", "tmpfs", "none", "/tmp"]);
    spec.privileged = true;
    let process = pod.lab.client.exec_in_container("one", spec, sandbox::Stdio::Null).unwrap();
    assert_eq!(process.wait().unwrap(), ExitStatus::Code(0));
}

#[test]
fn what_is_masked_shows_nothing_and_what_is_read_only_cannot_be_written() {
    let pod = Pod::new();
    let said = pod.says(&pod.shell(
        "one",
        "wc -c < /proc/keys; wc -c < /proc/timer_list; wc -c < /proc/interrupts; ls -A /sys/firmware; \
         echo 1 > /proc/sys/kernel/domainname || echo refused; echo 1 > /proc/irq/default_smp_affinity || echo refused; \
         echo x > /sys/kernel/uevent_seqnum || echo refused; umount /proc/keys || echo refused; \
         mount -o remount,rw /proc/sys || echo refused; mknod /tmp/disk b 254 0 || echo refused",
    ));
    assert!(said.starts_with(&format!("0\n0\n0\n{}", "refused\n".repeat(6))), "{said}");
    let mut spec = pod.shell("two", "echo 77 > /proc/sys/net/ipv4/ip_default_ttl && cat /proc/sys/net/ipv4/ip_default_ttl");
    spec.privileged = true;
    assert_eq!(pod.says(&spec), "77\n");
}

#[test]
fn devices_are_the_harmless_ones() {
    let pod = Pod::new();
    let said = pod.says(&pod.shell("one", "ls /dev; head -c 3 /dev/zero | wc -c; echo x > /dev/null; stat -f -c %T /dev /dev/shm /dev/pts"));
    let listed = "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(said, format!("{listed}3\ntmpfs\ntmpfs\ndevpts\n"));
    let mut spec = pod.shell("two", "dd if=/dev/zero of=/dev/shm/f bs=1M count=3 2>/dev/null; stat -c %s /dev/shm/f");
    spec.shm_bytes = 2 << 20;
    assert_eq!(pod.says(&spec), format!("{}\n", 2 << 20));
}

#[test]
fn nothing_of_the_host_is_left_in_its_mounts_and_descriptors() {
    let pod = Pod::new();
    let mounts = pod.says(&pod.shell("one", "cut -d' ' -f5 /proc/self/mountinfo; ls -l /proc/self/fd | grep -c ' -> '"));
    let own = ["/", "/proc", "/sys", "/dev"];
    for mount in mounts.lines().filter(|line| line.starts_with('/')) {
        let below = own[1..].iter().any(|place| mount.starts_with(&format!("{place}/")));
        assert!(own.contains(&mount) || below, "{mounts}");
    }
    assert!(mounts.ends_with("\n4\n"), "{mounts}");
    // By the name that the host gives it, and through every door that /proc has.
    let secret = pod.lab.directory.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    pod.start(&pod.spec("two", ["sleep", "1000"]));
    for way in ["", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../../.."] {
        assert_ne!(pod.exec("two", &format!("cat {way}{}", secret.display())).0, ExitStatus::Code(0), "{way}");
    }
    let told = pod.exec("two", "for i in 1 2 3 4 5 6 7 8 9; do umount -l /proc /sys /dev /; done; ls /; ls /../..").1;
    assert!(!told.contains("work"), "{told}");
    assert_ne!(pod.exec("two", "chroot /proc/1/root/../.. ls /work").0, ExitStatus::Code(0));
    // A working directory or program by way of a descriptor is looked for when none of the host's is open.
    for way in ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/fd/10/../../.."] {
        let mut spec = pod.spec("three", ["ls", "."]);
        spec.process.working_directory = way.into();
        pod.refusal(&spec);
        let mut spec = pod.spec("three", [format!("{way}/bin/ls")]);
        spec.process.working_directory = "/".into();
        pod.refusal(&spec);
    }
}

#[test]
fn the_shim_and_commands_on_their_way_cannot_be_looked_into() {
    let pod = Pod::new();
    let started = pod.start(&pod.spec("one", ["sleep", "1000"]));
    let shim = output(&pod.lab, "i", &format!("cut -d' ' -f4 /proc/{}/stat", started.instance_pid));
    let shim = shim.trim();
    assert_eq!(output(&pod.lab, "i", &format!("cat /proc/{shim}/cmdline | tr '\\0' ' '")).trim(), "container-shim");
    let doors = ["cat P/exe", "ls P/fd/", "ls P/root/", "ls P/cwd/", "cat P/environ", "cat P/maps", "head -c 1 P/mem", "readlink P/exe"];
    for door in doors {
        let line = door.replace('P', &format!("/proc/{shim}"));
        assert_ne!(pod.lab.shell("i", &line).0, ExitStatus::Code(0), "{door}");
    }
    for kind in ["mnt", "user", "pid", "net"] {
        assert_ne!(pod.lab.shell("i", &format!("readlink /proc/{shim}/ns/{kind}")).0, ExitStatus::Code(0), "{kind}");
    }
    // With an init, a copy of the holder is pid 1 in the container's own sight.
    let mut spec = pod.spec("two", ["sleep", "1000"]);
    spec.init = true;
    spec.privileged = true;
    pod.start(&spec);
    for door in doors {
        assert_ne!(pod.exec("two", &door.replace('P', "/proc/1")).0, ExitStatus::Code(0), "{door}");
    }
}

#[test]
fn links_of_the_image_send_mounts_nowhere_but_inside() {
    let pod = Pod::new();
    let outside = pod.lab.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let layer = pod.layer("links", "mkdir etc srv");
    let links = [
        ("etc/hosts", outside.join("hosts")),
        ("data", outside.clone()),
        ("srv/up", "../../../../../../../..".into()),
        ("srv/magic", "/proc/self/fd".into()),
    ];
    for (name, leads_to) in &links {
        symlink(leads_to, layer.join(name)).unwrap();
    }
    let memory = |target: &str| ContainerMount {
        kind: MountKind::Tmpfs { size_bytes: None, mode: None },
        target: target.into(),
        read_only: false,
    };
    let mut spec = pod.shell("one", "stat -f -c %T /data/ /srv/up/made; cat /etc/hosts");
    spec.root.lower.push(layer.clone());
    spec.files.insert("/etc/hosts".into(), "inside\n".into());
    spec.mounts = vec![memory("/data"), memory("/srv/up/made")];
    assert_eq!(pod.says(&spec), "tmpfs\ntmpfs\ninside\n");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    for target in ["/srv/magic/3", "/srv/magic/5/x"] {
        spec.mounts = vec![memory(target)];
        pod.refusal(&spec);
    }
    // Places of the kernel are no links.
    for name in ["proc", "dev", "sys"] {
        let layer = pod.layer(&format!("link-{name}"), "");
        symlink("etc", layer.join(name)).unwrap();
        let mut spec = pod.shell("two", "true");
        spec.root.lower.push(layer);
        assert!(pod.refusal(&spec).to_string().contains("is no directory"), "{name}");
    }
}

#[test]
fn mounts_inside_reach_neither_instance_nor_host() {
    let pod = Pod::new();
    let shared = pod.lab.directory.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let mut spec = pod.shell("one", "mount -t tmpfs mine /in && touch /in/here; exec sleep 1000");
    spec.privileged = true;
    spec.mounts.push(ContainerMount {
        kind: MountKind::Bind {
            source: shared.clone(),
            recursive: true,
            propagation: sandbox::container::spec::Propagation::Shared,
        },
        target: "/in".into(),
        read_only: false,
    });
    pod.start(&spec);
    eventually("it is mounted", || pod.exec("one", "ls /in").1 == "here\n");
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
    let holder = std::fs::read_to_string(format!("/proc/{}/mountinfo", pod.lab.handle.pid)).unwrap_or_default();
    assert!(!holder.contains("mine"));
}

#[test]
fn setuid_programs_give_rights_only_inside_and_not_at_all_when_asked() {
    let pod = Pod::new();
    if pod.lab.client.stats().unwrap().instance_ids == 1 {
        return;
    }
    let layer = pod.layer("setuid", "mkdir bin; cp /bin/cat bin/root-cat; chmod 4755 bin/root-cat; mkdir root; echo own > root/f; chmod 700 root");
    let mut spec = pod.shell("one", "root-cat /root/f /proc/self/status");
    spec.root.lower.push(layer);
    spec.process.user = ContainerUser { uid: 1000, gid: 1000, ..ContainerUser::default() };
    let said = pod.says(&spec);
    assert!(said.starts_with("own\n"), "{said}");
    // Outside it is an id that is nobody's.
    assert_eq!(status_of(&said, "Uid:"), "1000\t0\t0\t0");
    spec.no_new_privileges = true;
    let (status, said) = pod.run(&spec);
    assert_ne!(status, ExitStatus::Code(0));
    assert!(said.contains("Permission denied"), "{said}");
}

#[test]
fn limits_of_processes_hold_and_what_cannot_be_given_is_said() {
    let pod = Pod::new();
    let limit = |name: &str, soft, hard| ResourceLimit { name: name.into(), soft, hard };
    let mut spec = pod.shell("one", "cat /proc/self/limits; cat /proc/self/oom_score_adj");
    spec.rlimits = vec![limit("nofile", 50, 60), limit("core", 0, 0)];
    spec.oom_score_adj = Some(500);
    let said = pod.says(&spec);
    let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(line("Max open files"), "Max open files 50 60 files");
    assert_eq!(line("Max core file size"), "Max core file size 0 0 bytes");
    let mut spec = pod.spec("two", ["sleep", "1000"]);
    spec.oom_score_adj = Some(500);
    let started = pod.start(&spec);
    assert_eq!(pod.exec("two", "cat /proc/1/oom_score_adj").1, "500\n");
    assert_eq!(started.warnings, Vec::<String>::new());
    let mut spec = pod.spec("three", ["sleep", "1000"]);
    spec.rlimits = vec![limit("nofile", 1 << 40, 1 << 40)];
    spec.limits.memory_bytes = Some(1 << 30);
    let warnings = pod.start(&spec).warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with("ulimit nofile")), "{warnings:?}");
    let enforced = pod.lab.client.stats().unwrap().enforced;
    assert_eq!(warnings.iter().any(|warning| warning.contains("not enforced")), enforced.is_empty(), "{warnings:?}");
    let mut spec = pod.spec("four", ["true"]);
    spec.rlimits = vec![limit("no-such", 1, 1)];
    assert!(pod.refusal(&spec).to_string().contains("invalid ulimit type"));
    pod.lab.client.start_container(&pod.spec("five", ["true"]), Attach::default()).unwrap();
}

/// The holder's program when it is run for a script that names `/proc/self/exe`: it waits to be attacked.
extern "C" fn wait_as_an_interpreter() {
    if std::env::args().nth(1).is_some_and(|script| script.ends_with("/entry")) {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}

// JUSTIFICATION: as for `reexec_in_tests`.
// SAFETY: as there.
#[used]
#[unsafe(link_section = ".init_array")]
static WAIT_AS_AN_INTERPRETER: extern "C" fn() = wait_as_an_interpreter;

#[test]
fn the_holders_program_cannot_be_overwritten_by_way_of_proc() {
    use std::os::unix::fs::MetadataExt;
    let pod = Pod::new();
    let own = std::env::current_exe().unwrap();
    let facts = || std::fs::metadata(&own).map(|found| (found.len(), found.mtime(), found.mtime_nsec())).unwrap();
    let before = facts();
    let layer = pod.layer("script", "mkdir bin; printf '#!/proc/self/exe\\n' > bin/entry; chmod 755 bin/entry");
    let mut spec = pod.spec("one", ["entry"]);
    spec.root.lower.push(layer);
    spec.privileged = true;
    pod.start(&spec);
    // By its inode: the name of a file in a mount that is nowhere says nothing.
    let inode = format!("{}\n", std::fs::metadata(&own).unwrap().ino());
    eventually("the kernel runs the holder's file for it", || pod.exec("one", "stat -L -c %i /proc/1/exe").1 == inode);
    // And a command on its way in: the program of the image is the trap, not what starts the container.
    let entered = pod.lab.client.exec_in_container("one", sandbox::ContainerExecSpec::new(["entry"]), sandbox::Stdio::Null).unwrap();
    let inode = inode.trim();
    let all = format!("for p in /proc/[0-9]*; do test \"$(stat -L -c %i $p/exe 2>/dev/null)\" = {inode} && echo $p; done; true");
    eventually("it runs for a command that came in, too", || pod.exec("one", &all).1.lines().count() == 2);
    // As root of the container, with every right that there is inside: while it runs, and by a descriptor of it.
    let attack = format!(
        "for p in $({all}); do (echo overwritten > $p/exe) 2>&1; exec 9< $p/exe; (echo overwritten > /proc/self/fd/9) 2>&1; \
         mount -c -o remount,rw,bind none /proc/self/fd/9 && echo remounted; \
         touch /m; mount -c --bind /proc/self/fd/9 /m && mount -c -o remount,rw,bind none /m && (echo overwritten > /m) 2>&1; done; true"
    );
    let mut command = sandbox::ContainerExecSpec::new(["sh", "-c", &attack]);
    command.privileged = true;
    let (read, write) = std::io::pipe().unwrap();
    let streams = [std::fs::File::open("/dev/null").unwrap().into(), write.try_clone().unwrap().into(), write.into()];
    let process = pod.lab.client.exec_in_container("one", command, sandbox::Stdio::Descriptors(streams)).unwrap();
    let told = std::io::read_to_string(read).unwrap();
    process.wait().unwrap();
    assert_eq!(told.matches("Read-only file system").count(), 4, "{told}");
    assert!(!told.contains("remounted") && !told.contains("create /m"), "{told}");
    assert_eq!(facts(), before);
    drop(entered);
}

/// The holder's program when it is run for a script `parents`: what the kernel says when it is asked for the namespaces
/// around those that it is in, by number of the error; 0: a descriptor.
extern "C" fn ask_for_parents() {
    /// `ioctl_ns(2)`: `_IO(0xb7, 2)`.
    const NS_GET_PARENT: libc::Ioctl = 0xb702;
    if std::env::args().nth(1).is_some_and(|script| script.ends_with("/parents")) {
        for kind in ["pid", "user"] {
            let own = std::fs::File::open(format!("/proc/self/ns/{kind}")).unwrap();
            // SAFETY: the call takes no argument and gives a descriptor or an error.
            let parent = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&own), NS_GET_PARENT) };
            let error = if parent < 0 { std::io::Error::last_os_error().raw_os_error().unwrap() } else { 0 };
            println!("{kind} {error}");
        }
        std::process::exit(0);
    }
}

// JUSTIFICATION: as for `reexec_in_tests`.
// SAFETY: as there.
#[used]
#[unsafe(link_section = ".init_array")]
static ASK_FOR_PARENTS: extern "C" fn() = ask_for_parents;

#[test]
fn no_namespace_but_its_own_can_be_entered() {
    let pod = Pod::new();
    pod.start(&pod.spec("other", ["sleep", "1000"]));
    let layer = pod.layer("script", "mkdir bin; printf '#!/proc/self/exe\\n' > bin/parents; chmod 755 bin/parents");
    // With every right that there is inside.
    let privileged = |mut spec: sandbox::ContainerSpec| {
        spec.privileged = true;
        spec
    };
    // What its /proc shows, and one that is mounted anew, is its own: there is nothing else to give to setns.
    let look = "mount -t proc proc /tmp; for proc in /proc /tmp; do for p in $proc/[0-9]*; do readlink $p/ns/net $p/ns/pid $p/ns/mnt; done; done | sort -u | wc -l";
    assert_eq!(pod.says(&privileged(pod.shell("one", look))), "3\n");
    let enter = "own=$(readlink /proc/self/ns/net); nsenter -t 1 -n readlink /proc/self/ns/net | grep -cF \"$own\"; \
                 for pid in $(seq 2 400); do nsenter -t $pid -m -n -p true 2>/dev/null && readlink /proc/$pid/ns/net; done | grep -vF \"$own\"; true";
    assert_eq!(pod.says(&privileged(pod.shell("two", enter))), "1\n");
    // And the kernel gives nobody the namespaces around his own.
    let mut spec = privileged(pod.spec("three", ["parents"]));
    spec.root.lower.push(layer);
    assert_eq!(pod.says(&spec), format!("pid {0}\nuser {0}\n", libc::EPERM));
}
