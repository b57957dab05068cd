//! System calls that neither std nor rustix offers safely. Nothing here decides anything.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

/// A new process with these namespaces (`CLONE_NEW…`), as `fork` would make it; `None` in the child.
/// With `CLONE_PARENT` it becomes a sibling.
///
/// Only for processes with one thread: the child may then do anything that its parent may.
pub(crate) fn clone3(flags: i32) -> io::Result<Option<Pid>> {
    // JUSTIFICATION: no safe wrapper makes a process and its namespaces in one call.
    // SAFETY: an all-zero clone_args is valid; it asks for no shared memory and no stack, so the child
    // runs on a copy of everything, like after fork. The caller has one thread, so no lock is held by
    // a thread that the child lacks.
    let pid = unsafe {
        let mut arguments: libc::clone_args = std::mem::zeroed();
        arguments.flags = flags.cast_unsigned().into();
        // The kernel wants no exit signal with CLONE_PARENT: the sibling inherits the parent's.
        if flags & libc::CLONE_PARENT == 0 {
            arguments.exit_signal = libc::SIGCHLD as u64;
        }
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<libc::clone_args>(),
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(pid as i32))
}

/// `fork` for a process with one thread; `None` in the child.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // JUSTIFICATION: std can only start other programs; the child here goes on in this one first.
    // SAFETY: the process has one thread (every caller is a holder, an init or a probe).
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(Pid::from_raw(pid))
    }
}

/// Runs the child's side of [`clone3`] or [`fork`] and ends the process with its code: nothing of the
/// parent's stack is unwound or dropped in the child.
pub(crate) fn child(body: impl FnOnce() -> i32) -> ! {
    let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(125);
    // JUSTIFICATION: std's exit runs handlers that belong to the parent.
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Ends this process at once, when going on would be worse.
pub(crate) fn exit_now(code: i32) -> ! {
    child(|| code)
}

/// Makes `descriptor` number `number`, open across exec, whatever was there before.
pub(crate) fn install(descriptor: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // JUSTIFICATION: rustix's dup2 wants to own the target, and 0, 1, 2 have no owner.
    // SAFETY: the caller means to replace `number`; callers do so in fresh children, where the numbers
    // below the ones they hold belong to nobody.
    if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes every descriptor from `first` up. For children that start over.
pub(crate) fn close_from(first: RawFd) {
    // JUSTIFICATION: a child must not keep its parent's descriptors, and a loop over 20,000 is slow.
    // SAFETY: the child's copies have no owner that will ever drop them: see `child`.
    unsafe {
        libc::syscall(libc::SYS_close_range, first.cast_unsigned(), u32::MAX, 0u32);
    }
}

/// Takes over a descriptor number that [`install`] filled.
pub(crate) fn adopt(number: RawFd) -> OwnedFd {
    // JUSTIFICATION: `install` has no owner to hand back.
    // SAFETY: callers pass a number they installed themselves, once.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Takes over a descriptor that came through exec and that nobody has taken yet; it closes on exec from
/// then on. `None` when the number is closed, or was opened or taken by this process.
pub(crate) fn take_inherited(number: RawFd) -> Option<OwnedFd> {
    // Between reading the flag and setting it another thread must not read it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // JUSTIFICATION: std has no owner for what a parent passes beyond the three standard streams.
    // SAFETY: F_GETFD and F_SETFD touch no memory, and fail for a number that is not open. An open one
    // without FD_CLOEXEC was not opened by std, rustix or this crate, which set the flag in the same call
    // that opens, so it came through exec and has no owner here; the flag set below keeps it from being
    // taken twice.
    unsafe {
        let flags = libc::fcntl(number, libc::F_GETFD);
        if flags < 0 || flags & libc::FD_CLOEXEC != 0 {
            return None;
        }
        if libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) < 0 {
            return None;
        }
        Some(OwnedFd::from_raw_fd(number))
    }
}

/// Blocks these signals and delivers them as reads of the returned descriptor.
pub(crate) fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    if signals.contains(&libc::SIGCHLD) {
        // Under a parent that ignores it, which survives exec, children that end would leave no status.
        default_signal(libc::SIGCHLD);
    }
    // JUSTIFICATION: rustix has no signalfd.
    // SAFETY: the set is initialised by sigemptyset before use; the descriptor is new and ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(OwnedFd::from_raw_fd(descriptor))
        }
    }
}

/// The next signal of a [`signal_descriptor`].
pub(crate) fn next_signal(descriptor: &OwnedFd) -> Option<i32> {
    let mut record = [0; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(descriptor, &mut record) {
        Ok(count) if count == record.len() => {
            let number = [record[0], record[1], record[2], record[3]];
            Some(u32::from_ne_bytes(number).cast_signed())
        }
        _ => None,
    }
}

/// Ignores a signal; children inherit that until exec by std, which restores SIGPIPE.
pub(crate) fn ignore_signal(signal: i32) {
    // JUSTIFICATION: rustix leaves signal dispositions to libc.
    // SAFETY: SIG_IGN runs no code.
    unsafe {
        libc::signal(signal, libc::SIG_IGN);
    }
}

/// Restores what a fresh program expects of all signals. Whoever began the lab may ignore some, and that survives exec: a
/// shell's background job has no SIGINT, what nohup starts has no SIGHUP.
pub(crate) fn default_signals() {
    (1..=libc::SIGRTMAX()).for_each(default_signal);
}

/// The same of one. Those that cannot be changed are as they should be.
fn default_signal(signal: i32) {
    // JUSTIFICATION: as above.
    // SAFETY: SIG_DFL runs no code.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

/// Blocks nothing: the mask survives exec, and a program started with SIGTERM blocked cannot be ended.
pub(crate) fn unblock_signals() {
    // JUSTIFICATION: std restores the mask when it spawns, not when it only execs.
    // SAFETY: the set is initialised by sigemptyset; the call changes this thread's mask only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Sends any signal, real-time ones included; `group` addresses the process group of that number.
pub(crate) fn kill(pid: i32, signal: i32, group: bool) -> io::Result<()> {
    let target = if group { -pid } else { pid };
    // JUSTIFICATION: rustix's typed signals leave out real-time ones.
    // SAFETY: kill has no memory effects.
    if unsafe { libc::kill(target, signal) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Every process of this pid namespace but the caller and, for pid 1 of it, nobody above.
pub(crate) fn kill_all(signal: i32) {
    // JUSTIFICATION: rustix refuses pid -1.
    // SAFETY: no memory effects. Callers are pid 1 of a pid namespace of ours (checked), so it reaches
    // nothing else.
    unsafe {
        if libc::getpid() == 1 {
            libc::kill(-1, signal);
        }
    }
}

/// A new session keyring: the user's keys (Kerberos, encrypted folders) are not inherited.
pub(crate) fn leave_session_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: i32 = 1;
    // JUSTIFICATION: no wrapper offers keyctl.
    // SAFETY: a null name asks for an anonymous keyring. A kernel without keys has none to leave.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        );
    }
}

/// Sets `lo` up in the caller's network namespace.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // JUSTIFICATION: one ioctl instead of a netlink exchange; this crate has no netlink.
    // SAFETY: an all-zero ifreq is valid, `lo` fits its name with the terminating zero, and the kernel
    // reads and writes only the structure.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        if libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw mut request,
        ) < 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Enters a namespace for good.
pub(crate) fn enter(namespace: BorrowedFd<'_>, kind: LinkNameSpaceType) -> io::Result<()> {
    rustix::thread::move_into_link_name_space(namespace, Some(kind)).map_err(io::Error::from)
}

/// Leaves namespaces for new ones.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // JUSTIFICATION: rustix marks unshare unsafe because of CLONE_FILES.
    // SAFETY: callers pass namespace flags only, which leave the descriptor table alone.
    unsafe { rustix::thread::unshare_unsafe(flags).map_err(io::Error::from) }
}

/// Binds a packet socket to an interface of the caller's network namespace.
pub(crate) fn bind_packet(socket: impl AsFd, interface: &str, protocol: i32) -> io::Result<()> {
    let name = std::ffi::CString::new(interface)?;
    // JUSTIFICATION: rustix has no address type for AF_PACKET.
    // SAFETY: the name is a C string, the address an initialised sockaddr_ll of the length given; both
    // outlive the calls.
    unsafe {
        let index = libc::if_nametoindex(name.as_ptr());
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (protocol as u16).to_be();
        address.sll_ifindex = index.cast_signed();
        bind_raw(socket.as_fd(), &address)
    }
}

/// Binds a netlink socket, with a port number of the kernel's choice, to multicast groups.
pub(crate) fn bind_netlink(socket: impl AsFd, groups: u32) -> io::Result<()> {
    // JUSTIFICATION: rustix offers netlink addresses under another feature than the workspace's.
    // SAFETY: an initialised sockaddr_nl of the length given, which outlives the call.
    unsafe {
        let mut address: libc::sockaddr_nl = std::mem::zeroed();
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = groups;
        bind_raw(socket.as_fd(), &address)
    }
}

/// # Safety
/// `A` is a socket address structure that begins with its family.
unsafe fn bind_raw<A>(socket: BorrowedFd<'_>, address: &A) -> io::Result<()> {
    // JUSTIFICATION: the two callers above.
    // SAFETY: the pointer and length describe `address`.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(address).cast(),
            size_of::<A>() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// `socket` with numbers as they come; close-on-exec.
pub(crate) fn open_socket(
    family: i32,
    kind: i32,
    protocol: i32,
    nonblocking: bool,
) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 };
    // JUSTIFICATION: rustix's types cannot say every family and protocol.
    // SAFETY: the descriptor is new and ours.
    unsafe {
        let descriptor = libc::socket(family, kind | flags, protocol);
        if descriptor < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(OwnedFd::from_raw_fd(descriptor))
        }
    }
}

/// Sets an integer or string socket option.
pub(crate) fn set_socket_option(
    socket: impl AsFd,
    level: i32,
    name: i32,
    value: &[u8],
) -> io::Result<()> {
    // JUSTIFICATION: IP_FREEBIND and IP_TRANSPARENT have no common setter.
    // SAFETY: pointer and length describe `value`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Raises this process's soft limit of open descriptors to the hard one, and returns what it was. A
/// daemon that receives a descriptor an instance calls this once; the holder does for itself.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // A refusal leaves the old limit, which shows when descriptors run out.
    let _ = setrlimit(Resource::Nofile, raised);
    limit.current
}

/// User id of the other end of a unix socket, as this process's user namespace numbers it.
pub(crate) fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    // JUSTIFICATION: rustix's version has no room for a peer outside this pid namespace, whose pid is 0.
    // SAFETY: the kernel writes at most `length` bytes of `peer`, which any bytes make valid.
    unsafe {
        let mut peer: libc::ucred = std::mem::zeroed();
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        let result = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        );
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(peer.uid)
        }
    }
}

/// Makes a mount and all below it read-only (Linux 5.12); flags that are locked stay as they are.
pub(crate) fn set_read_only(target: &std::path::Path) -> io::Result<()> {
    restrict_mount(target, libc::MOUNT_ATTR_RDONLY)
}

/// Sets these `MOUNT_ATTR_…` for a mount and those below it.
pub(crate) fn restrict_mount(target: &std::path::Path, attributes_set: u64) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(target.as_os_str().as_bytes())?;
    // JUSTIFICATION: rustix lacks mount_setattr, and remounting would have to repeat every locked flag.
    // SAFETY: a C string and an initialised mount_attr of the size given, both of which outlive the call.
    let result = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = attributes_set;
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw mut attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sets and clears `MOUNT_ATTR_…` of the mount that `mount` leads to, of those below it if `recursive`; a propagation
/// (`MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`; 0: as it is) with them.
pub(crate) fn change_mount(mount: BorrowedFd<'_>, attributes_set: u64, propagation: u64, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // JUSTIFICATION: as above.
    // SAFETY: an empty C string and an initialised mount_attr of the size given, both of which outlive the call.
    let result = unsafe {
        let mut attributes: libc::mount_attr = std::mem::zeroed();
        attributes.attr_set = attributes_set;
        attributes.propagation = propagation;
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw mut attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// In a fresh child: of all descriptors only these and the three standard ones stay, as 3, 4, …, closed on exec. The
/// parent's copies have no owner here any more.
pub(crate) fn keep_only(descriptors: Vec<OwnedFd>) -> io::Result<Vec<OwnedFd>> {
    let first_free = 3 + descriptors.len() as RawFd;
    let mut lifted = Vec::with_capacity(descriptors.len());
    for descriptor in descriptors {
        lifted.push(rustix::io::fcntl_dupfd_cloexec(&descriptor, first_free)?.into_raw_fd());
        let _ = descriptor.into_raw_fd();
    }
    let mut kept = Vec::with_capacity(lifted.len());
    for (number, from) in (3..).zip(lifted) {
        // JUSTIFICATION: as for `install`; the flag keeps it from the programs that follow.
        // SAFETY: the numbers from 3 up belonged to owners that were given up above or live in the parent.
        unsafe {
            if libc::dup3(from, number, libc::O_CLOEXEC) < 0 {
                return Err(io::Error::last_os_error());
            }
            kept.push(OwnedFd::from_raw_fd(number));
        }
    }
    close_from(first_free);
    Ok(kept)
}

/// Becomes another program. Returns only why not.
pub(crate) fn execute(path: &std::ffi::CStr, arguments: &[std::ffi::CString], environment: &[std::ffi::CString]) -> io::Error {
    let pointers = |strings: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // JUSTIFICATION: std sorts the environment and has a search of its own.
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Gives up a capability for good, for this process and all that it starts. Errors: `EINVAL` for a number that this
/// kernel has not.
pub(crate) fn drop_from_bounding_set(capability: i32) -> io::Result<()> {
    // JUSTIFICATION: rustix takes only capabilities that it knows.
    // SAFETY: no memory effects.
    if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Effective and permitted capabilities; none is inheritable or ambient.
pub(crate) fn set_capabilities(bits: u64) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522; // _LINUX_CAPABILITY_VERSION_3, linux/capability.h
    let header = [VERSION_3, 0];
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    let data = [low, low, 0, high, high, 0];
    // JUSTIFICATION: rustix takes only capabilities that it knows.
    // SAFETY: the header and two `struct __user_cap_data_struct` (effective, permitted, inheritable), as version 3 wants.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // JUSTIFICATION: as above. SAFETY: no memory effects. A kernel before 4.3 has no ambient ones to clear.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    Ok(())
}

/// Sends a signal to every process of this pid namespace but its first, from a process that was put into it.
pub(crate) fn kill_all_others(signal: i32) {
    // JUSTIFICATION: rustix refuses pid -1.
    // SAFETY: no memory effects. A process without a parent that is not the first was put into a namespace of ours from
    // above, so it reaches nothing else.
    unsafe {
        if libc::getpid() > 1 && libc::getppid() == 0 {
            libc::kill(-1, signal);
        }
    }
}

/// Sends any signal through a pidfd.
pub(crate) fn kill_by_descriptor(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // JUSTIFICATION: rustix's typed signals leave out real-time ones.
    // SAFETY: a null siginfo asks for that of kill.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0u32)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts `name` where this process's arguments stand, and calls it so: in an instance nobody needs to read how the holder
/// was started. Errors: `/proc` does not tell where they are.
pub(crate) fn rename_process(name: &std::ffi::CStr) -> io::Result<()> {
    rustix::thread::set_name(name)?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // proc(5): arg_start and arg_end are fields 48 and 49; the second field is a name in brackets that may hold spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |number: usize| fields.split_whitespace().nth(number - 3).and_then(|text| text.parse::<usize>().ok());
    let (start, end) = field(48).zip(field(49)).filter(|(start, end)| 0 < *start && start < end).ok_or(io::ErrorKind::NotFound)?;
    let text = name.to_bytes_with_nul();
    let kept = text.len().min(end - start);
    // JUSTIFICATION: PR_SET_MM needs a capability that a process without privileges has not.
    // SAFETY: the kernel says that the arguments of this process stand from `start` to `end`, in writable memory of its
    // stack. Nothing reads them any more: std copied what it was asked for, and after `fork` this memory is the child's
    // own. The process has one thread.
    unsafe {
        std::ptr::write_bytes(start as *mut u8, 0, end - start);
        std::ptr::copy_nonoverlapping(text.as_ptr(), start as *mut u8, kept);
        // A line that is longer than its room still ends.
        *((end - 1) as *mut u8) = 0;
    }
    Ok(())
}
