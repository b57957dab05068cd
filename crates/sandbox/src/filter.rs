//! System calls that a command in an instance cannot make: those that no guest of a lab needs and that
//! reach into the kernel all labs share with the host.
//!
//! Namespaces stop most of them from doing harm by permission; this stops them from being tried, since a
//! fault in the code behind them is the host's. What people do in instances goes on to work: packet
//! filters, captures, further namespaces and containers, tracing of own processes.
//!
//! The filter is inherited by everything that a command starts, and nothing inside can take it off.

use std::io;

/// What a denied call returns. `ENOSYS` where programs look for a kernel without the feature and have
/// another way (runc without keys, runtimes without io_uring), `EPERM` where a refusal is expected.
struct Denied {
    errno: i32,
    calls: &'static [i64],
}

const DENIED: [Denied; 2] = [
    Denied {
        errno: libc::EPERM,
        calls: &[
            // Another kernel, or more code in this one.
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            // Files by number instead of by name, whatever the mounts show (CVE-2014-3519, "shocker").
            libc::SYS_open_by_handle_at,
            // The machine's own: clock, log with addresses in it, swap, accounting, quotas, ports.
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_syslog,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_iopl,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_ioperm,
            // Counters of the processor and pages served by a program: classic ways to win races.
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_bpf,
        ],
    },
    Denied {
        errno: libc::ENOSYS,
        calls: &[
            // Keys know no namespaces but the user's.
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_uselib,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lookup_dcookie,
        ],
    },
];

/// How many users exist where a filter is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Users {
    /// Root only: see [`PRETENDED`].
    Root,
    /// All that programs know.
    All,
}

/// Calls that change users or owners. Where only root exists the kernel refuses every other, and programs that
/// give up root's rights for safety (`tcpdump`, `apt`) would not run at all: there they are told that it is
/// done, and stay root of an instance whose root has no more rights outside than anybody who runs it.
const PRETENDED: &[i64] = &[
    libc::SYS_setgroups,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
];

/// Families of sockets that a guest of a VPC uses. The others load code that nobody looks at, or, like
/// AF_VSOCK, lead past all network namespaces to the host's hypervisor.
const FAMILIES: [i32; 6] = [
    libc::AF_UNSPEC,
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
];

/// Requests on terminals that type for the person who looks at one.
const TERMINAL_REQUESTS: [u32; 2] = [libc::TIOCSTI as u32, TIOCLINUX];
const TIOCLINUX: u32 = 0x541c; // asm-generic/ioctls.h

#[cfg(target_arch = "x86_64")]
pub(crate) const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64, linux/audit.h
#[cfg(target_arch = "aarch64")]
pub(crate) const ARCHITECTURE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

/// Offsets in `struct seccomp_data` (linux/seccomp.h). Arguments are 64 bits wide; both architectures are
/// little-endian, so the offset of one is also that of its low half, which is all that the kernel looks at.
pub(crate) const NUMBER: u32 = 0;
pub(crate) const ARCH: u32 = 4;
pub(crate) const ARGUMENT_0: u32 = 16;
const ARGUMENT_1: u32 = 24;

/// Installs the filter for this process and everything it starts. The caller has `CAP_SYS_ADMIN` in its
/// user namespace, as every command of an instance has before it becomes another user: so programs that
/// change their user (`su`, `sudo`) still may. Returns false where this kernel has no filters.
pub(crate) fn install(users: Users) -> io::Result<bool> {
    install_program(program(users))
}

/// Adds a filter to those that this process has; of several the strictest answer counts. The caller has
/// `CAP_SYS_ADMIN` in its user namespace, or has set no_new_privs.
pub(crate) fn install_program(mut program: Vec<libc::sock_filter>) -> io::Result<bool> {
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // JUSTIFICATION: no wrapper offers seccomp.
    // SAFETY: `filter` describes `program`, and both outlive the call, which copies them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0u32,
            &raw const filter,
        )
    };
    if result == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // No such call, or no such mode: see `capabilities`, which says so.
        Some(libc::ENOSYS | libc::EINVAL) if !is_supported() => Ok(false),
        _ => Err(error),
    }
}

/// Whether this kernel filters system calls by program.
pub(crate) fn is_supported() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // JUSTIFICATION: as above.
    // SAFETY: the call reads four bytes at the pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0u32,
            &raw const action,
        )
    };
    result == 0
}

/// The filter: foreign instruction sets end the process, then numbers, then the arguments of two calls.
fn program(users: Users) -> Vec<libc::sock_filter> {
    let mut program = vec![
        load(ARCH),
        jump_if_equal(ARCHITECTURE, 1, 0),
        // The tables above are of the native set; 32-bit programs have their own numbers.
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    {
        const X32: u32 = 0x4000_0000; // asm/unistd.h
        program.push(jump_if_at_least(X32, 0, 1));
        program.push(refuse(libc::ENOSYS));
    }
    for denied in &DENIED {
        for call in denied.calls {
            program.push(jump_if_equal(number(*call), 0, 1));
            program.push(refuse(denied.errno));
        }
    }
    if users == Users::Root {
        for call in PRETENDED {
            program.push(jump_if_equal(number(*call), 0, 1));
            // No error: the call is not made, and returns 0.
            program.push(refuse(0));
        }
    }
    program.push(jump_if_equal(
        number(libc::SYS_socket),
        0,
        FAMILIES.len() as u8 + 2,
    ));
    program.push(load(ARGUMENT_0));
    for (at, family) in FAMILIES.iter().enumerate() {
        let to_allow = (FAMILIES.len() - at) as u8;
        program.push(jump_if_equal(family.cast_unsigned(), to_allow, 0));
    }
    program.push(refuse(libc::EAFNOSUPPORT));
    // A socket of a good family ends up here too, with its family in place of the number.
    program.push(load(NUMBER));
    program.push(jump_if_equal(
        number(libc::SYS_ioctl),
        0,
        TERMINAL_REQUESTS.len() as u8 + 1,
    ));
    program.push(load(ARGUMENT_1));
    for (at, request) in TERMINAL_REQUESTS.iter().enumerate() {
        let to_refuse = (TERMINAL_REQUESTS.len() - at) as u8;
        program.push(jump_if_equal(*request, to_refuse, 0));
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program.push(refuse(libc::EPERM));
    program
}

pub(crate) fn number(call: i64) -> u32 {
    // System call numbers are small.
    call as u32
}

pub(crate) fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

/// Skips so many instructions when the value is `value`, or is not.
pub(crate) fn jump_if_equal(value: u32, when_equal: u8, otherwise: u8) -> libc::sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    instruction(code, value, when_equal, otherwise)
}

pub(crate) fn jump_if_at_least(value: u32, when_so: u8, otherwise: u8) -> libc::sock_filter {
    let code = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    instruction(code, value, when_so, otherwise)
}

pub(crate) fn refuse(errno: i32) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

pub(crate) fn answer(action: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

pub(crate) fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn run(architecture: u32, call: u32, arguments: [u32; 2]) -> u32 {
        run_for(Users::All, architecture, call, arguments)
    }

    fn run_for(users: Users, architecture: u32, call: u32, arguments: [u32; 2]) -> u32 {
        evaluate(&program(users), architecture, call, arguments)
    }

    /// What the kernel makes of a program (linux/filter.h), for the instructions that filters here consist of.
    pub(crate) fn evaluate(program: &[libc::sock_filter], architecture: u32, call: u32, arguments: [u32; 2]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            let jump = |taken: bool| usize::from(if taken { step.jt } else { step.jf });
            if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
                value = match step.k {
                    NUMBER => call,
                    ARCH => architecture,
                    ARGUMENT_0 => arguments[0],
                    ARGUMENT_1 => arguments[1],
                    other => panic!("offset {other}"),
                };
            } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
                at += jump(value == step.k);
            } else if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K {
                at += jump(value >= step.k);
            } else if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K {
                at += jump(value & step.k != 0);
            } else if code == libc::BPF_JMP | libc::BPF_JA {
                at += step.k as usize;
            } else {
                assert_eq!(code, libc::BPF_RET | libc::BPF_K);
                return step.k;
            }
        }
    }

    fn errno(errno: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | errno as u32
    }

    #[test]
    fn every_denied_call_is_refused_with_its_error_and_every_other_number_passes() {
        let denied = |call: u32| {
            DENIED
                .iter()
                .find(|denied| denied.calls.contains(&i64::from(call)))
                .map(|denied| errno(denied.errno))
        };
        for call in 0..1024 {
            let expected = denied(call).unwrap_or(libc::SECCOMP_RET_ALLOW);
            let arguments = [libc::AF_INET as u32, 0];
            assert_eq!(run(ARCHITECTURE, call, arguments), expected, "call {call}");
        }
    }

    #[test]
    fn changing_users_is_pretended_where_only_root_exists_and_nowhere_else() {
        for call in 0..1024 {
            let arguments = [libc::AF_INET as u32, 0];
            let all = run_for(Users::All, ARCHITECTURE, call, arguments);
            let root = run_for(Users::Root, ARCHITECTURE, call, arguments);
            if PRETENDED.contains(&i64::from(call)) {
                assert_eq!((all, root), (libc::SECCOMP_RET_ALLOW, errno(0)), "{call}");
            } else {
                assert_eq!(all, root, "{call}");
            }
        }
    }

    #[test]
    fn sockets_pass_by_family_and_terminal_requests_by_what_they_do() {
        let socket = |family: u32| run(ARCHITECTURE, libc::SYS_socket as u32, [family, 0]);
        for family in 0..64 {
            let passes = FAMILIES.contains(&(family as i32));
            let expected = if passes {
                libc::SECCOMP_RET_ALLOW
            } else {
                errno(libc::EAFNOSUPPORT)
            };
            assert_eq!(socket(family), expected, "family {family}");
        }
        let request = |number: u32| run(ARCHITECTURE, libc::SYS_ioctl as u32, [0, number]);
        for request_number in TERMINAL_REQUESTS {
            assert_eq!(request(request_number), errno(libc::EPERM));
        }
        for fine in [libc::TIOCGWINSZ as u32, libc::TIOCSCTTY as u32, 0, u32::MAX] {
            assert_eq!(request(fine), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn another_instruction_set_is_no_way_around() {
        const I386: u32 = 0x4000_0003;
        for call in [0, 1, 129, 283] {
            assert_eq!(run(I386, call, [0, 0]), libc::SECCOMP_RET_KILL_PROCESS);
        }
        #[cfg(target_arch = "x86_64")]
        for call in [0, libc::SYS_bpf as u32] {
            let x32 = 0x4000_0000 | call;
            assert_eq!(run(ARCHITECTURE, x32, [0, 0]), errno(libc::ENOSYS));
        }
    }
}
