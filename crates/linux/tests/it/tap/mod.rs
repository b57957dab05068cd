//! The simulator's TCP and the kernel's, through a TAP device in a network namespace of the test.

mod ends;
mod wire;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use self::ends::{End, Handle, bytes, digest};
use ::wire::tcp::Flags;
use rustix::net::sockopt;
use sim::tcp::{Error, Terms};
use sim::{LinkSpec, Span};
use self::wire::{KERNEL, Passed, SIMULATED, Wire};

use crate::support::in_own_namespaces;

/// Longest time of anything that must happen: a machine with much to do takes longer than it needs.
const PATIENCE: Duration = Duration::from_secs(120);
const PORT: u16 = 7_000;
/// What the kernel's end holds, bytes.
const BUFFER: usize = 128 << 10;

/// A cable of 100 Mb/s and two milliseconds.
fn cable() -> LinkSpec {
    LinkSpec { rate_bits_per_second: 100_000_000, delay: Span::milliseconds(2), ..LinkSpec::default() }
}

/// Runs a test in namespaces of its own, with a host behind such a cable; says so where there are no TAP devices.
fn with_wire(test: &str, cable: LinkSpec, body: impl FnOnce(&mut Wire)) {
    in_own_namespaces(test, || match Wire::new(1, cable, Terms::default()) {
        Some(mut wire) => body(&mut wire),
        None => println!("not run: this system has no /dev/net/tun"),
    });
}

/// Something that the kernel's end does meanwhile, in a thread, because it waits.
fn meanwhile<T: Send + 'static>(wire: &mut Wire, what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(act);
    finish(wire, what, thread)
}

fn finish<T>(wire: &mut Wire, what: &str, thread: JoinHandle<T>) -> T {
    wire.until(PATIENCE, what, |_| thread.is_finished());
    thread.join().expect("the kernel's end")
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection that the kernel opened.
fn opened_by_kernel(wire: &mut Wire) -> (TcpStream, Handle) {
    let end = Handle::start(wire, End::listening(PORT));
    let to: SocketAddr = format!("{SIMULATED}:{PORT}").parse().unwrap();
    let stream = meanwhile(wire, "connecting", move || TcpStream::connect_timeout(&to, PATIENCE)).unwrap();
    wire.until(PATIENCE, "accepting", |wire| end.is_open(wire));
    sockopt::set_socket_send_buffer_size(&stream, BUFFER).unwrap();
    (patient(stream), end)
}

/// A connection that the simulated host opened.
fn opened_by_simulator(wire: &mut Wire) -> (TcpStream, Handle) {
    let listener = TcpListener::bind((KERNEL, PORT)).unwrap();
    // Or it grows until all of what a test sends fits.
    sockopt::set_socket_recv_buffer_size(&listener, BUFFER).unwrap();
    let end = Handle::start(wire, End::connecting(listener.local_addr().unwrap()));
    let (stream, _) = meanwhile(wire, "accepting", move || listener.accept()).unwrap();
    (patient(stream), end)
}

fn is_finished(wire: &mut Wire, end: Handle) -> bool {
    end.look(wire, |end| end.is_finished)
}

fn fins(wire: &Wire, by_kernel: bool) -> Vec<&Passed> {
    wire.passed.iter().filter(|passed| passed.by_kernel == by_kernel && passed.tcp.flags.has(Flags::FIN)).collect()
}

/// The number after a segment's last.
fn after(passed: &Passed) -> u32 {
    passed.tcp.sequence.wrapping_add(passed.length as u32 + u32::from(passed.tcp.flags.has(Flags::FIN)))
}

/// Segments with data that came after later ones: what was lost before it came here, or is sent again because it was lost then.
fn late(wire: &Wire, by_kernel: bool) -> usize {
    let carried = wire.passed.iter().filter(|passed| passed.by_kernel == by_kernel && passed.length > 0);
    let mut furthest: Option<u32> = None;
    let is_late = |passed: &&Passed| {
        let ahead = furthest.is_none_or(|furthest| after(passed).wrapping_sub(furthest).cast_signed() > 0);
        furthest = if ahead { Some(after(passed)) } else { furthest };
        !ahead
    };
    carried.filter(is_late).count()
}

/// Waits until both ends have acknowledged each other's FIN.
fn await_the_end(wire: &mut Wire) {
    wire.until(PATIENCE, "both FINs are acknowledged", |wire| {
        [true, false].into_iter().all(|by_kernel| {
            let Some(fin) = fins(wire, by_kernel).first().map(|fin| after(fin)) else { return false };
            wire.passed.iter().any(|passed| passed.by_kernel != by_kernel && passed.tcp.acknowledgement == fin)
        })
    });
}

/// A megabyte each way at once; both ends compare digests.
fn exchange(wire: &mut Wire, mut stream: TcpStream, end: Handle) {
    let (there, back) = (bytes(1, 1_000_000), bytes(2, 1_000_000));
    let (expected, sent) = (digest(&back), digest(&there));
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(&there).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    });
    end.give(wire, back);
    wire.until(PATIENCE, "the simulated end writes", |wire| end.has_written(wire));
    end.close(wire);
    finish(wire, "the kernel writes", writing);
    let got = finish(wire, "the kernel reads", reading);
    wire.until(PATIENCE, "the simulated end reads", |wire| is_finished(wire, end));
    assert_eq!((got.len(), digest(&got)), (1_000_000, expected));
    let got = end.look(wire, |end| (end.received.len(), digest(&end.received)));
    assert_eq!(got, (1_000_000, sent));
}

#[test]
fn bulk_arrives_whole_though_the_cable_loses_frames_both_ways() {
    let lossy = LinkSpec { loss_per_million: 20_000, ..cable() };
    with_wire("tap::bulk_arrives_whole_though_the_cable_loses_frames_both_ways", lossy, |wire| {
        let (stream, end) = opened_by_kernel(wire);
        exchange(wire, stream, end);
        assert!(late(wire, true) > 0 && late(wire, false) > 0, "of 1,300 segments, one in fifty is lost and sent again");
    });
}

#[test]
fn bulk_arrives_whole_over_a_connection_that_the_simulator_opened_though_frames_are_lost_doubled_and_late() {
    let name = "tap::bulk_arrives_whole_over_a_connection_that_the_simulator_opened_though_frames_are_lost_doubled_and_late";
    let bad = LinkSpec { loss_per_million: 10_000, duplicate_per_million: 10_000, reorder_per_million: 10_000, ..cable() };
    with_wire(name, bad, |wire| {
        let (stream, end) = opened_by_simulator(wire);
        exchange(wire, stream, end);
    });
}

#[test]
fn the_simulator_waits_while_the_kernel_s_window_is_zero() {
    with_wire("tap::the_simulator_waits_while_the_kernel_s_window_is_zero", cable(), |wire| {
        let (mut stream, end) = opened_by_simulator(wire);
        let all = bytes(3, 2_000_000);
        let expected = digest(&all);
        end.give(wire, all);
        wire.until(PATIENCE, "the window closes", |wire| {
            end.has_written(wire);
            wire.passed.iter().any(|passed| passed.by_kernel && passed.tcp.window == 0 && !passed.tcp.flags.has(Flags::RST))
        });
        // Whoever probes is answered that there is still no room, at least once.
        let closed = wire.passed.len();
        wire.until(PATIENCE, "the simulator asks whether there is room", |wire| {
            let probe = wire.passed[closed..].iter().position(|passed| !passed.by_kernel);
            probe.is_some_and(|at| wire.passed[closed + at..].iter().any(|passed| passed.by_kernel && passed.tcp.window == 0))
        });
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        });
        wire.until(PATIENCE, "the simulated end writes", |wire| end.has_written(wire));
        end.close(wire);
        let got = finish(wire, "the kernel reads", reading);
        assert_eq!((got.len(), digest(&got)), (2_000_000, expected));
    });
}

#[test]
fn the_kernel_waits_while_the_simulator_s_window_is_zero() {
    with_wire("tap::the_kernel_waits_while_the_simulator_s_window_is_zero", cable(), |wire| {
        let (mut stream, end) = opened_by_kernel(wire);
        end.read(wire, false);
        let all = bytes(4, 2_000_000);
        let expected = digest(&all);
        let writing = std::thread::spawn(move || {
            stream.write_all(&all).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            stream
        });
        let is_shut = |passed: &Passed| !passed.by_kernel && passed.tcp.flags.has(Flags::ACK) && passed.tcp.window == 0;
        wire.until(PATIENCE, "the window closes", |wire| wire.passed.iter().any(is_shut));
        let closed = wire.passed.len();
        wire.until(PATIENCE, "the kernel asks whether there is room", |wire| {
            let probe = wire.passed[closed..].iter().position(|passed| passed.by_kernel);
            probe.is_some_and(|at| wire.passed[closed + at..].iter().any(is_shut))
        });
        assert!(!writing.is_finished(), "the kernel cannot have written all of it");
        end.read(wire, true);
        let stream = finish(wire, "the kernel writes", writing);
        wire.until(PATIENCE, "the simulated end reads", |wire| is_finished(wire, end));
        let got = end.look(wire, |end| (end.received.len(), digest(&end.received)));
        assert_eq!(got, (2_000_000, expected));
        drop(stream);
    });
}

#[test]
fn the_simulator_answers_after_the_kernel_closed_its_half() {
    with_wire("tap::the_simulator_answers_after_the_kernel_closed_its_half", cable(), |wire| {
        let (mut stream, end) = opened_by_kernel(wire);
        stream.write_all(b"a question").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        wire.until(PATIENCE, "the simulated end hears of it", |wire| is_finished(wire, end));
        assert_eq!(end.look(wire, |end| end.received.clone()), b"a question");
        let answer = bytes(5, 200_000);
        let expected = digest(&answer);
        end.give(wire, answer);
        wire.until(PATIENCE, "the simulated end writes", |wire| end.has_written(wire));
        end.close(wire);
        let got = meanwhile(wire, "the kernel reads", move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        });
        assert_eq!((got.len(), digest(&got)), (200_000, expected));
        await_the_end(wire);
        wire.until(PATIENCE, "the simulated end is over", |wire| end.look(wire, |end| end.ended.is_some()));
        assert_eq!(end.look(wire, |end| end.ended), Some(None), "in order");
    });
}

#[test]
fn the_kernel_answers_after_the_simulator_closed_its_half() {
    with_wire("tap::the_kernel_answers_after_the_simulator_closed_its_half", cable(), |wire| {
        let (mut stream, end) = opened_by_simulator(wire);
        end.give(wire, b"a question".to_vec());
        end.close(wire);
        let answer = bytes(6, 200_000);
        let expected = digest(&answer);
        let question = meanwhile(wire, "the kernel reads and answers", move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&answer).unwrap();
            all
        });
        assert_eq!(question, b"a question");
        wire.until(PATIENCE, "the simulated end reads", |wire| is_finished(wire, end));
        let got = end.look(wire, |end| (end.received.len(), digest(&end.received)));
        assert_eq!(got, (200_000, expected));
        await_the_end(wire);
    });
}

#[test]
fn ends_that_close_at_once_both_come_to_an_end() {
    // So long a cable that both FINs are on it.
    let long = LinkSpec { delay: Span::milliseconds(400), ..cable() };
    with_wire("tap::ends_that_close_at_once_both_come_to_an_end", long, |wire| {
        let (mut stream, end) = opened_by_kernel(wire);
        stream.shutdown(Shutdown::Write).unwrap();
        end.close(wire);
        await_the_end(wire);
        let (ours, theirs) = (after(fins(wire, false)[0]), after(fins(wire, true)[0]));
        let knew = |by_kernel: bool, fin: u32| fins(wire, by_kernel)[0].tcp.acknowledgement == fin;
        assert!(!knew(false, theirs) && !knew(true, ours), "each FIN left before the other came: {:?}", wire.passed);
        wire.until(PATIENCE, "the simulated end hears of it", |wire| is_finished(wire, end));
        let mut rest = Vec::new();
        let read = meanwhile(wire, "the kernel reads", move || stream.read_to_end(&mut rest)).unwrap();
        assert_eq!(read, 0);
        let resets = wire.passed.iter().filter(|passed| passed.tcp.flags.has(Flags::RST)).count();
        assert_eq!(resets, 0);
    });
}

#[test]
fn a_reset_by_the_kernel_ends_the_simulated_end() {
    with_wire("tap::a_reset_by_the_kernel_ends_the_simulated_end", cable(), |wire| {
        let (stream, end) = opened_by_kernel(wire);
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        wire.until(PATIENCE, "the simulated end hears of it", |wire| end.look(wire, |end| end.ended.is_some()));
        assert_eq!(end.look(wire, |end| end.ended), Some(Some(Error::Reset)));
    });
}

#[test]
fn a_reset_by_the_simulator_ends_the_kernel_s_end() {
    with_wire("tap::a_reset_by_the_simulator_ends_the_kernel_s_end", cable(), |wire| {
        let (mut stream, end) = opened_by_simulator(wire);
        end.abort(wire);
        let error = meanwhile(wire, "the kernel reads", move || stream.read(&mut [0]).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn each_end_refuses_a_port_where_nobody_listens() {
    with_wire("tap::each_end_refuses_a_port_where_nobody_listens", cable(), |wire| {
        let to: SocketAddr = format!("{SIMULATED}:{PORT}").parse().unwrap();
        let error = meanwhile(wire, "connecting", move || TcpStream::connect_timeout(&to, PATIENCE)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let end = Handle::start(wire, End::connecting(format!("{KERNEL}:{PORT}").parse().unwrap()));
        wire.until(PATIENCE, "the simulated end hears of it", |wire| end.look(wire, |end| end.ended.is_some()));
        assert_eq!(end.look(wire, |end| end.ended), Some(Some(Error::Refused)));
    });
}
