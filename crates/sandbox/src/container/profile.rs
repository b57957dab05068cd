//! Which system calls a container may make by default: those of Docker's profile (moby `profiles/seccomp`), as facts
//! about names, in a program of our own.
//!
//! A list of what is allowed is three hundred numbers. `seccompiler` tests them one after the other, for each call and,
//! when the filter is installed, for each number that the kernel asks the filter about in advance; here neighbours are
//! one range and ranges are halved, about ten steps for any. The builder of instructions is that of [`crate::filter`],
//! whose filter stays below this one.

use super::capability::CapabilitySet;
use crate::filter::{ARCH, ARCHITECTURE, ARGUMENT_0, NUMBER, answer, instruction, jump_if_at_least, jump_if_equal, load, refuse};

/// Allowed whatever the capabilities.
const ALLOWED: &[i64] = &[
    libc::SYS_accept, libc::SYS_accept4, libc::SYS_adjtimex, libc::SYS_bind, libc::SYS_brk, libc::SYS_capget,
    libc::SYS_capset, libc::SYS_chdir, libc::SYS_clock_adjtime, libc::SYS_clock_getres, libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep, libc::SYS_close, libc::SYS_close_range, libc::SYS_connect, libc::SYS_copy_file_range,
    libc::SYS_dup, libc::SYS_dup3, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2, libc::SYS_eventfd2, libc::SYS_execve, libc::SYS_execveat, libc::SYS_exit,
    libc::SYS_exit_group, libc::SYS_faccessat, libc::SYS_faccessat2, libc::SYS_fadvise64, libc::SYS_fallocate,
    libc::SYS_fanotify_mark, libc::SYS_fchdir, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_fchown,
    libc::SYS_fchownat, libc::SYS_fcntl, libc::SYS_fdatasync, libc::SYS_fgetxattr, libc::SYS_flistxattr,
    libc::SYS_flock, libc::SYS_fremovexattr, libc::SYS_fsetxattr, libc::SYS_fstat, libc::SYS_fstatfs, libc::SYS_fsync,
    libc::SYS_ftruncate, libc::SYS_futex, libc::SYS_futex_waitv, libc::SYS_getcpu, libc::SYS_getcwd,
    libc::SYS_getdents64, libc::SYS_getegid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getgroups,
    libc::SYS_getitimer, libc::SYS_getpeername, libc::SYS_getpgid, libc::SYS_getpid, libc::SYS_getppid,
    libc::SYS_getpriority, libc::SYS_getrandom, libc::SYS_getresgid, libc::SYS_getresuid, libc::SYS_getrlimit,
    libc::SYS_get_robust_list, libc::SYS_getrusage, libc::SYS_getsid, libc::SYS_getsockname, libc::SYS_getsockopt,
    libc::SYS_gettid, libc::SYS_gettimeofday, libc::SYS_getuid, libc::SYS_getxattr, libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1, libc::SYS_inotify_rm_watch, libc::SYS_io_cancel, libc::SYS_ioctl, libc::SYS_io_destroy,
    libc::SYS_io_getevents, libc::SYS_ioprio_get, libc::SYS_ioprio_set, libc::SYS_io_setup,
    libc::SYS_io_submit, libc::SYS_kill, libc::SYS_landlock_add_rule, libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self, libc::SYS_lgetxattr, libc::SYS_linkat, libc::SYS_listen, libc::SYS_listxattr,
    libc::SYS_llistxattr, libc::SYS_lremovexattr, libc::SYS_lseek, libc::SYS_lsetxattr, libc::SYS_madvise,
    libc::SYS_membarrier, libc::SYS_memfd_create, libc::SYS_memfd_secret, libc::SYS_mincore, libc::SYS_mkdirat,
    libc::SYS_mknodat, libc::SYS_mlock, libc::SYS_mlock2, libc::SYS_mlockall, libc::SYS_mmap, libc::SYS_mprotect,
    libc::SYS_mq_getsetattr, libc::SYS_mq_notify, libc::SYS_mq_open, libc::SYS_mq_timedreceive,
    libc::SYS_mq_timedsend, libc::SYS_mq_unlink, libc::SYS_mremap, libc::SYS_msgctl, libc::SYS_msgget,
    libc::SYS_msgrcv, libc::SYS_msgsnd, libc::SYS_msync, libc::SYS_munlock, libc::SYS_munlockall, libc::SYS_munmap,
    libc::SYS_name_to_handle_at, libc::SYS_nanosleep, libc::SYS_newfstatat, libc::SYS_openat, libc::SYS_openat2,
    libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal, libc::SYS_pipe2, libc::SYS_pkey_alloc, libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect, libc::SYS_ppoll, libc::SYS_prctl, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_preadv2,
    libc::SYS_prlimit64, libc::SYS_process_mrelease, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_pselect6, libc::SYS_ptrace, libc::SYS_pwrite64, libc::SYS_pwritev, libc::SYS_pwritev2, libc::SYS_read,
    libc::SYS_readahead, libc::SYS_readlinkat, libc::SYS_readv, libc::SYS_recvfrom, libc::SYS_recvmmsg,
    libc::SYS_recvmsg, libc::SYS_remap_file_pages, libc::SYS_removexattr, libc::SYS_renameat, libc::SYS_renameat2,
    libc::SYS_restart_syscall, libc::SYS_rseq, libc::SYS_rt_sigaction, libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_sigreturn, libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait, libc::SYS_rt_tgsigqueueinfo, libc::SYS_sched_getaffinity, libc::SYS_sched_getattr,
    libc::SYS_sched_getparam, libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getscheduler, libc::SYS_sched_rr_get_interval, libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr, libc::SYS_sched_setparam, libc::SYS_sched_setscheduler, libc::SYS_sched_yield,
    libc::SYS_seccomp, libc::SYS_semctl, libc::SYS_semget, libc::SYS_semop, libc::SYS_semtimedop, libc::SYS_sendfile,
    libc::SYS_sendmmsg, libc::SYS_sendmsg, libc::SYS_sendto, libc::SYS_setfsgid, libc::SYS_setfsuid, libc::SYS_setgid,
    libc::SYS_setgroups, libc::SYS_setitimer, libc::SYS_setpgid, libc::SYS_setpriority, libc::SYS_setregid,
    libc::SYS_setresgid, libc::SYS_setresuid, libc::SYS_setreuid, libc::SYS_setrlimit, libc::SYS_set_robust_list,
    libc::SYS_setsid, libc::SYS_setsockopt, libc::SYS_set_tid_address, libc::SYS_setuid, libc::SYS_setxattr,
    libc::SYS_shmat, libc::SYS_shmctl, libc::SYS_shmdt, libc::SYS_shmget, libc::SYS_shutdown, libc::SYS_sigaltstack,
    libc::SYS_signalfd4, libc::SYS_socketpair, libc::SYS_splice, libc::SYS_statfs, libc::SYS_statx,
    libc::SYS_symlinkat, libc::SYS_sync, libc::SYS_sync_file_range, libc::SYS_syncfs, libc::SYS_sysinfo, libc::SYS_tee,
    libc::SYS_tgkill, libc::SYS_timer_create, libc::SYS_timer_delete, libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime, libc::SYS_timer_settime, libc::SYS_timerfd_create, libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime, libc::SYS_times, libc::SYS_tkill, libc::SYS_truncate, libc::SYS_umask, libc::SYS_uname,
    libc::SYS_unlinkat, libc::SYS_utimensat, libc::SYS_vmsplice, libc::SYS_wait4, libc::SYS_waitid, libc::SYS_write,
    libc::SYS_writev,
    // cachestat, fchmodat2, map_shadow_stack, futex_wake, futex_wait, futex_requeue, statmount, listmount, mseal,
    // setxattrat, getxattrat, listxattrat, removexattrat: the same numbers everywhere.
    451, 452, 453, 454, 455, 456, 457, 458, 462, 463, 464, 465, 466,
];
/// Older forms that newer architectures never had.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLDER: &[i64] = &[
    libc::SYS_access, libc::SYS_alarm, libc::SYS_arch_prctl, libc::SYS_chmod, libc::SYS_chown, libc::SYS_creat,
    libc::SYS_dup2, libc::SYS_epoll_create, libc::SYS_epoll_ctl_old, libc::SYS_epoll_wait, libc::SYS_epoll_wait_old,
    libc::SYS_eventfd, libc::SYS_fork, libc::SYS_futimesat, libc::SYS_getdents, libc::SYS_getpgrp,
    libc::SYS_get_thread_area, libc::SYS_inotify_init, libc::SYS_lchown, libc::SYS_link, libc::SYS_lstat,
    libc::SYS_mkdir, libc::SYS_mknod, libc::SYS_modify_ldt, libc::SYS_open, libc::SYS_pause, libc::SYS_pipe,
    libc::SYS_poll, libc::SYS_readlink, libc::SYS_rename, libc::SYS_rmdir, libc::SYS_select, libc::SYS_set_thread_area,
    libc::SYS_signalfd, libc::SYS_stat, libc::SYS_symlink, libc::SYS_time, libc::SYS_unlink, libc::SYS_utime,
    libc::SYS_utimes, libc::SYS_vfork, 333, 335, // io_pgetevents, uretprobe
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLDER: &[i64] = &[];

/// Allowed to those who have the capability.
const ALLOWED_WITH: &[(&str, &[i64])] = &[
    (
        "SYS_ADMIN",
        &[
            libc::SYS_bpf, libc::SYS_clone, libc::SYS_clone3, libc::SYS_fanotify_init, libc::SYS_fsconfig,
            libc::SYS_fsmount, libc::SYS_fsopen, libc::SYS_fspick, libc::SYS_mount, libc::SYS_mount_setattr,
            libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_perf_event_open, libc::SYS_quotactl,
            libc::SYS_quotactl_fd, libc::SYS_setdomainname, libc::SYS_sethostname, libc::SYS_setns, libc::SYS_syslog,
            libc::SYS_umount2, libc::SYS_unshare, 459, 460, 461, 467, // lsm_*, open_tree_attr
        ],
    ),
    ("SYS_BOOT", &[libc::SYS_reboot]),
    ("SYS_CHROOT", &[libc::SYS_chroot]),
    ("SYS_MODULE", &[libc::SYS_delete_module, libc::SYS_init_module, libc::SYS_finit_module]),
    ("SYS_PACCT", &[libc::SYS_acct]),
    ("SYS_PTRACE", &[libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_process_madvise]),
    #[cfg(target_arch = "x86_64")]
    ("SYS_RAWIO", &[libc::SYS_iopl, libc::SYS_ioperm]),
    ("SYS_TIME", &[libc::SYS_settimeofday, libc::SYS_clock_settime]),
    ("SYS_TTY_CONFIG", &[libc::SYS_vhangup]),
    ("SYS_NICE", &[libc::SYS_get_mempolicy, libc::SYS_mbind, libc::SYS_set_mempolicy, 450]), // set_mempolicy_home_node
    ("SYSLOG", &[libc::SYS_syslog]),
    ("DAC_READ_SEARCH", &[libc::SYS_open_by_handle_at]),
    ("BPF", &[libc::SYS_bpf]),
    ("PERFMON", &[libc::SYS_perf_event_open]),
];

/// The newest number above; later ones do not exist as far as a container knows, so that programs look for an older way.
const NEWEST: u32 = 467;
/// Flags of clone(2) that make namespaces.
const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
/// Execution domains: Linux, Linux with 32-bit addresses or `uname -r` as 2.6, and the question which it is.
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x0002_0000, 0x0002_0008, 0xffff_ffff];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Allow,
    Refuse(i32),
    /// By its argument.
    Personality,
    Clone,
    Socket,
}

/// The filter of a container with these capabilities.
pub(super) fn program(capabilities: CapabilitySet) -> Vec<libc::sock_filter> {
    let mut program = vec![
        load(ARCH),
        jump_if_equal(ARCHITECTURE, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    program.extend(halve(&ranges(capabilities)));
    program
}

/// The answer for every number up to one beyond the newest, which stands for all that follow.
fn decisions(capabilities: CapabilitySet) -> Vec<Decision> {
    let mut all = vec![Decision::Refuse(libc::EPERM); NEWEST as usize + 1];
    all.push(Decision::Refuse(libc::ENOSYS));
    let mut set = |call: i64, decision| {
        if let Some(place) = usize::try_from(call).ok().and_then(|call| all.get_mut(call)) {
            *place = decision;
        }
    };
    // Its flags are in memory, which a filter cannot read: programs fall back to clone.
    set(libc::SYS_clone3, Decision::Refuse(libc::ENOSYS));
    set(libc::SYS_personality, Decision::Personality);
    set(libc::SYS_clone, Decision::Clone);
    set(libc::SYS_socket, Decision::Socket);
    let granted = ALLOWED_WITH.iter().filter(|(name, _)| capabilities.has(name)).map(|(_, calls)| *calls);
    for call in granted.chain([ALLOWED, ALLOWED_OLDER]).flatten() {
        set(*call, Decision::Allow);
    }
    all
}

/// Runs of numbers with the same answer: the first of each.
fn ranges(capabilities: CapabilitySet) -> Vec<(u32, Decision)> {
    let mut ranges: Vec<(u32, Decision)> = Vec::new();
    for (call, decision) in (0..).zip(decisions(capabilities)) {
        if ranges.last().is_none_or(|(_, last)| *last != decision) {
            ranges.push((call, decision));
        }
    }
    ranges
}

fn halve(ranges: &[(u32, Decision)]) -> Vec<libc::sock_filter> {
    let (below, above) = match ranges {
        [] => return vec![refuse(libc::ENOSYS)],
        [(_, decision)] => return leaf(*decision),
        more => more.split_at(more.len() / 2),
    };
    let (first, below, above) = (above[0].0, halve(below), halve(above));
    let mut program = match u8::try_from(below.len()) {
        Ok(length) => vec![jump_if_at_least(first, length, 0)],
        // A jump with a condition is short.
        Err(_) => vec![
            jump_if_at_least(first, 0, 1),
            instruction(libc::BPF_JMP | libc::BPF_JA, below.len() as u32, 0, 0),
        ],
    };
    program.extend(below);
    program.extend(above);
    program
}

fn leaf(decision: Decision) -> Vec<libc::sock_filter> {
    let allow = || answer(libc::SECCOMP_RET_ALLOW);
    match decision {
        Decision::Allow => vec![allow()],
        Decision::Refuse(errno) => vec![refuse(errno)],
        Decision::Clone => vec![
            load(ARGUMENT_0),
            instruction(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, NEW_NAMESPACES, 1, 0),
            allow(),
            refuse(libc::EPERM),
        ],
        Decision::Socket => vec![
            load(ARGUMENT_0),
            jump_if_equal(libc::AF_VSOCK.cast_unsigned(), 1, 0),
            allow(),
            refuse(libc::EPERM),
        ],
        Decision::Personality => {
            let mut program = vec![load(ARGUMENT_0)];
            for (at, known) in PERSONALITIES.iter().enumerate() {
                program.push(jump_if_equal(*known, (PERSONALITIES.len() - at) as u8, 0));
            }
            program.extend([refuse(libc::EPERM), allow()]);
            program
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::tests::evaluate;

    fn run(capabilities: CapabilitySet, call: i64, argument: u32) -> u32 {
        evaluate(&program(capabilities), ARCHITECTURE, call as u32, [argument, 0])
    }

    const fn errno(errno: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | errno as u32
    }

    #[test]
    fn the_program_answers_for_every_number_as_the_lists_say() {
        let sets = [CapabilitySet::DOCKER, CapabilitySet::NONE, CapabilitySet::ALL];
        for set in sets {
            let (program, decisions) = (program(set), decisions(set));
            for call in (0..1024).chain([u32::MAX, 0x4000_0000, 0x4000_0001]) {
                let decision = decisions.get(call as usize).or(decisions.last());
                let expected = match decision.copied().unwrap() {
                    Decision::Allow => libc::SECCOMP_RET_ALLOW,
                    Decision::Refuse(number) => errno(number),
                    // Argument 0 is fine for all three.
                    _ => libc::SECCOMP_RET_ALLOW,
                };
                assert_eq!(evaluate(&program, ARCHITECTURE, call, [0, 0]), expected, "call {call}");
            }
        }
    }

    #[test]
    fn known_refusals_of_dockers_profile() {
        for call in [
            libc::SYS_mount, libc::SYS_umount2, libc::SYS_setns, libc::SYS_unshare, libc::SYS_bpf, libc::SYS_keyctl,
            libc::SYS_reboot, libc::SYS_init_module, libc::SYS_open_by_handle_at, libc::SYS_pivot_root,
            libc::SYS_kexec_load, libc::SYS_userfaultfd, libc::SYS_perf_event_open, libc::SYS_syslog,
            libc::SYS_io_uring_setup, libc::SYS_move_mount, libc::SYS_swapon, libc::SYS_clock_settime,
        ] {
            assert_eq!(run(CapabilitySet::DOCKER, call, 0), errno(libc::EPERM), "{call}");
        }
        assert_eq!(run(CapabilitySet::DOCKER, libc::SYS_clone3, 0), errno(libc::ENOSYS));
        assert_eq!(run(CapabilitySet::DOCKER, 100_000, 0), errno(libc::ENOSYS));
        assert_eq!(run(CapabilitySet::DOCKER, libc::SYS_chroot, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(CapabilitySet::NONE, libc::SYS_chroot, 0), errno(libc::EPERM));
        let admin = CapabilitySet::DOCKER.with("SYS_ADMIN").unwrap();
        for call in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_setns, libc::SYS_clone3] {
            assert_eq!(run(admin, call, 0), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn arguments_decide_about_clone_personality_and_socket() {
        let docker = |call, argument| run(CapabilitySet::DOCKER, call, argument) == libc::SECCOMP_RET_ALLOW;
        assert!(docker(libc::SYS_clone, libc::SIGCHLD as u32 | libc::CLONE_VM as u32));
        for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWPID, libc::CLONE_NEWNET] {
            assert!(!docker(libc::SYS_clone, flag as u32));
        }
        for known in PERSONALITIES {
            assert!(docker(libc::SYS_personality, known));
        }
        assert!(!docker(libc::SYS_personality, 0x0040_0000), "ADDR_NO_RANDOMIZE");
        assert!(docker(libc::SYS_socket, libc::AF_INET as u32) && !docker(libc::SYS_socket, libc::AF_VSOCK as u32));
        assert_eq!(evaluate(&program(CapabilitySet::ALL), 0x4000_0003, 1, [0, 0]), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn a_decision_takes_few_steps_and_the_program_fits() {
        let program = program(CapabilitySet::DOCKER);
        assert!(program.len() < 400, "{} instructions", program.len());
    }
}
