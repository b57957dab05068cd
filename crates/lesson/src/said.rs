//! How a program of the simulator ended, in words.

use sim::Reason;
use sim::app::{End, IcmpError, Outcome};

use crate::finding::Both;

/// How a program ended, with what was said on the way.
pub fn said(outcome: &Outcome) -> Both {
    let error = outcome.errors.last();
    match (outcome.end, error) {
        (End::Answered, _) => Both::new("answered", "응답이 왔다"),
        (End::Running, _) => Both::new("frames go round without an end", "프레임이 끝없이 돈다"),
        (_, Some(error)) if error.is_time_exceeded() => told(error),
        (End::Refused(_), _) => Both::new("refused: nobody listens there", "거절됨: 그 포트에서 듣는 프로그램이 없다"),
        (End::Unreachable(error), _) => told(&error),
        (_, Some(error)) => told(error),
        (End::Nothing, _) => Both::new("no answer", "응답이 없다"),
        (End::Failed(reason), _) => {
            Both::new(format!("it could not be sent: {}", reason.sentence()), format!("보낼 수 없었다{}", failed(reason)))
        }
        (End::Done, _) => Both::new("done", "끝났다"),
        (End::Cancelled, _) => Both::new("cancelled", "취소되었다"),
    }
}

fn told(error: &IcmpError) -> Both {
    Both::new(format!("{} says: {}", error.from, error.meaning()), format!("{}의 답: {}", error.from, meaning(error)))
}

/// What an ICMP error means (RFC 792, 1122; RFC 4443).
fn meaning(error: &IcmpError) -> String {
    match (error.from.is_ipv4(), error.kind, error.code) {
        (true, 11, _) | (false, 3, _) => "시간 초과(time exceeded)".to_owned(),
        (true, 3, 0) | (false, 1, 0) => "네트워크에 도달할 수 없음(network unreachable), 경로가 없다".to_owned(),
        (true, 3, 1) | (false, 1, 3) => "호스트에 도달할 수 없음(host unreachable), 그 주소에서 ARP 응답이 없다".to_owned(),
        (true, 3, 3) | (false, 1, 4) => "포트에 도달할 수 없음(port unreachable)".to_owned(),
        (true, 3, 4) | (false, 2, 0) => "패킷이 너무 커서 단편화해야 함(fragmentation needed)".to_owned(),
        (true, 3, 9 | 10 | 13) | (false, 1, 1) => "관리자가 막음(administratively prohibited)".to_owned(),
        (_, kind, code) => format!("ICMP 타입 {kind} 코드 {code}"),
    }
}

/// What the sender's own host lacks.
fn failed(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRoute => ": 목적지에 맞는 경로가 없다",
        Reason::PacketTooBig | Reason::FragmentationNeeded => ": 패킷이 링크의 MTU보다 크다",
        _ => "",
    }
}
