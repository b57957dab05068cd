//! What came of a condition, in words.

use serde::Serialize;

use crate::condition::{Collisions, Condition, Port};
use crate::particle::Particle::{And, Subject, To, Topic};
use crate::{Language, promise};

/// A sentence in each language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Both {
    /// English.
    pub en: String,
    /// Korean.
    pub ko: String,
}

impl Both {
    /// The two of them.
    pub fn new(en: impl Into<String>, ko: impl Into<String>) -> Self {
        Self { en: en.into(), ko: ko.into() }
    }

    /// One of them.
    pub fn say(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::Korean => &self.ko,
        }
    }
}

/// Whether a lab meets a condition, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it does.
    pub holds: bool,
    /// What was seen.
    pub seen: Both,
}

impl Condition {
    /// What is asked for, as a sentence.
    pub fn sentence(&self) -> Both {
        match self {
            Self::Ping { from, to, answered: true } => {
                Both::new(format!("{to} answers a ping of {from}"), format!("{from}의 핑에 {to}의 응답이 온다"))
            }
            Self::Ping { from, to, answered: false } => Both::new(
                format!("a ping of {from} to {to} gets no answer"),
                format!("{from}에서 {} 보낸 핑에는 응답이 없다", To.after(to)),
            ),
            Self::Tcp { from, to, port, result } => {
                let (en, ko) = match result {
                    Port::Open => ("open", "열려 있다"),
                    Port::Refused => ("refused", "거절된다"),
                    Port::Silent => ("silent", "아무 응답이 없다"),
                };
                Both::new(
                    format!("tcp/{port} of {to} is {en} to {from}"),
                    format!("{from}에서 볼 때 {to}의 tcp/{port}: {ko}"),
                )
            }
            Self::Crowd { from, to, port } => {
                let many = from.len();
                Both::new(
                    format!("{many} connections to tcp/{port} of {to} are open at once"),
                    format!("{to}의 tcp/{port}에 연결 {many}개가 동시에 맺어진다"),
                )
            }
            Self::SeenAs { from, to, address, .. } => Both::new(
                format!("{to} sees {from} as {address}"),
                format!("{to}에게는 {from}의 주소가 {} 보인다", To.after(&address.to_string())),
            ),
            Self::Unreachable { from, address } => Both::new(
                format!("{from} is told that no route leads to {address}"),
                format!("{} {} 가는 경로가 없다는 답을 받는다", Topic.after(from), To.after(&address.to_string())),
            ),
            Self::Private { from, to, third } => Both::new(
                format!("{third} does not hear what {from} and {to} say to each other"),
                format!("{} {} 주고받는 프레임이 {third}에 도착하지 않는다", And.after(from), Subject.after(to)),
            ),
            Self::Collisions { a, b, result: Collisions::Never } => Both::new(
                format!("frames of {a} and {b} never collide"),
                format!("{} {b}의 프레임은 충돌하지 않는다", And.after(a)),
            ),
            Self::Collisions { a, b, result: Collisions::Noticed } => Both::new(
                format!("{a} and {b} notice every collision while they still send"),
                format!("{} {} 모든 충돌을 전송 중에 알아챈다", And.after(a), Topic.after(b)),
            ),
            Self::CollisionDomains(number) => {
                Both::new(format!("there {}", counted(*number, "collision domain")), format!("충돌 도메인이 {number}개다"))
            }
            Self::BroadcastDomains(number) => Both::new(
                format!("there {}", counted(*number, "broadcast domain")),
                format!("브로드캐스트 도메인이 {number}개다"),
            ),
            Self::Neighbours { a, b, shared: true } => Both::new(
                format!("{a} and {b} are in one broadcast domain"),
                format!("{} {} 같은 브로드캐스트 도메인에 있다", And.after(a), Topic.after(b)),
            ),
            Self::Neighbours { a, b, shared: false } => Both::new(
                format!("{a} and {b} are in different broadcast domains"),
                format!("{} {} 서로 다른 브로드캐스트 도메인에 있다", And.after(a), Topic.after(b)),
            ),
            Self::Publishes { instance, outer, inner } => Both::new(
                format!("tcp/{outer} of {instance} leads to port {inner} of a container"),
                format!("{instance}의 tcp/{outer} 포트가 컨테이너의 {inner}번 포트로 이어진다"),
            ),
            Self::Claim(claim) => promise::sentence(claim),
        }
    }
}

/// `is 1 domain`, `are 4 domains`.
fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("is 1 {what}") } else { format!("are {number} {what}s") }
}
