//! The same requests through a socket that somebody else opened: in another namespace, at a chosen address.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::options::Options;
use super::report::{Figures, Report};
use super::{Said, Sender, exchange};
use crate::socket::Raw;
use crate::sys::Interrupt;

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo<'a> {
    /// What the lines call the destination.
    pub host: &'a str,
    /// The destination.
    pub target: IpAddr,
    /// The sender, if the first line is to say it.
    pub source: Option<IpAddr>,
    /// How many; none: until interrupted.
    pub count: Option<u64>,
    /// From one request to the next.
    pub interval: Duration,
    /// How long to wait for answers after the last request.
    pub timeout: Duration,
    /// Bytes of data in each request.
    pub size: usize,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// Requests sent.
    pub transmitted: u64,
    /// Replies that came, each request counted once.
    pub received: u64,
    /// Times, if any reply came.
    pub times: Option<Figures>,
}

/// Sends through a raw socket of ICMP, or of ICMPv6 for a destination of IPv6, that does not block, until `count`, `interrupt`, or an error of `speak`: a reader that
/// went away. What there is to say is said as it comes.
pub fn through(
    socket: OwnedFd,
    echo: &Echo<'_>,
    interrupt: &Interrupt,
    mut speak: impl FnMut(Said<'_>) -> io::Result<()>,
) -> io::Result<Tally> {
    let options = Options {
        host: echo.host.to_owned(),
        count: echo.count,
        interval: echo.interval,
        timeout: Some(echo.timeout),
        deadline: None,
        ttl: None,
        size: echo.size,
        discovery: None,
        from: None,
        is_v6: None,
        numeric: true,
        quiet: false,
        timestamps: false,
        outstanding: false,
    };
    let sender = Sender { socket: Raw::of(socket, echo.target.is_ipv6())?, target: echo.target, source: echo.source };
    let mut report = Report::new(echo.host, echo.target, echo.source, echo.size, std::process::id() as u16);
    let start = Instant::now();
    speak(Said::Frame(&report.header()))?;
    exchange(&options, &sender, interrupt, &mut report, &mut speak, start)?;
    speak(Said::Frame(&report.summary(start.elapsed())))?;
    let (transmitted, received) = report.counts();
    Ok(Tally { transmitted, received, times: report.figures() })
}
