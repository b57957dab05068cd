//! Promises of a lab (`expect:`) and what the prover finds about them, in words.

use fabric::Fabric;
use fabric::engine::Leg;
use model::claim::{Blocker, Ends, Expected, Sources, Waypoint};
use model::{Claim, Selector};
use proof::claim::{Breach, Broken, Prover, Seen, Undecided};

use crate::finding::Both;
use crate::particle::Particle::{Called, Object, To};

/// What a promise says; in English it is as a lab file writes it.
pub fn sentence(claim: &Claim) -> Both {
    Both::new(claim.to_string(), korean(claim))
}

fn korean(claim: &Claim) -> String {
    let from = match &claim.sources {
        Sources::Each(ends) => format!("{}에서", people(ends)),
        Sources::Only(ends) => format!("{}에서만", people(ends)),
        Sources::NothingElse => "그 밖의 곳에서".to_owned(),
    };
    let to = match claim.destinations.of.as_slice() {
        [] => String::new(),
        _ => format!("{} ", To.after(&people(&claim.destinations))),
    };
    let traffic = match claim.traffic.to_string().as_str() {
        "all" => "모든 트래픽".to_owned(),
        traffic => traffic.to_owned(),
    };
    let traffic = match claim.over {
        Some(family) => format!("{}로 {traffic}", family.name()),
        None => traffic,
    };
    let way = [&claim.through, &claim.via].into_iter().flatten();
    let way: String = way.map(|node| format!("{} 거쳐 ", Object.after(&place(node)))).collect();
    format!("{from} {to}{traffic}: {way}{}", expected(&claim.expected))
}

/// How Korean documentation of AWS calls it.
const EGRESS_ONLY: &str = "송신 전용 인터넷 게이트웨이";
const TRANSIT: &str = "전송 게이트웨이";

fn people(ends: &Ends) -> String {
    let list = |selectors: &[Selector]| {
        let name = |selector: &Selector| match selector {
            Selector::Internet => "인터넷".to_owned(),
            other => other.to_string(),
        };
        selectors.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    match ends.except.as_slice() {
        [] => list(&ends.of),
        except => format!("{}({} 제외)", list(&ends.of), list(except)),
    }
}

fn place(node: &Waypoint) -> String {
    match node {
        Waypoint::Nat => "NAT 게이트웨이".to_owned(),
        Waypoint::InternetGateway => "인터넷 게이트웨이".to_owned(),
        Waypoint::EgressOnlyInternetGateway => EGRESS_ONLY.to_owned(),
        Waypoint::Peering => "VPC 피어링".to_owned(),
        Waypoint::TransitGateway => TRANSIT.to_owned(),
        Waypoint::Named(name) => name.clone(),
    }
}

fn expected(expected: &Expected) -> String {
    let blocker = match expected {
        Expected::Allowed => return "허용된다".to_owned(),
        Expected::Open => return "열려 있다".to_owned(),
        Expected::Refused => return "거절된다".to_owned(),
        Expected::NoRoute => return "경로가 없다".to_owned(),
        Expected::NoPublicAddress => return "공인 주소가 없어 보낼 수 없다".to_owned(),
        Expected::Blocked(None) => return "막힌다".to_owned(),
        Expected::Blocked(Some(blocker)) => blocker,
    };
    let named = |kind: &str, name: &Option<String>| match name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    };
    let by = match blocker {
        Blocker::SecurityGroup(name) => named("보안 그룹", name),
        Blocker::NetworkAcl(name) => named("네트워크 ACL", name),
        Blocker::InternetGateway => "인터넷 게이트웨이".to_owned(),
        Blocker::EgressOnlyInternetGateway => EGRESS_ONLY.to_owned(),
        Blocker::Nat => "NAT 게이트웨이".to_owned(),
        Blocker::Peering => "VPC 피어링".to_owned(),
        Blocker::TransitGateway => TRANSIT.to_owned(),
        Blocker::SourceDestCheck => "출발지/목적지 확인".to_owned(),
    };
    format!("{by}에서 막힌다")
}

/// Why a promise cannot be judged.
pub fn undecided(why: &Undecided) -> Both {
    let korean = match why {
        Undecided::Unknown { name, .. } => format!("{} 이름이 랩 파일에 없다", Called.after(name)),
        Undecided::Several(_) => "한 이름을 여럿이 쓴다".to_owned(),
        Undecided::Nobody(what) => format!("{what}에 해당하는 것이 없다"),
        Undecided::NoAddress(what, family) => format!("{what}에 {} 주소가 없다", family.name()),
        Undecided::NoPair => "해당하는 출발지와 목적지가 없다".to_owned(),
        Undecided::Engine(_) => "증명할 수 없다".to_owned(),
    };
    Both::new(why.to_string(), korean)
}

/// A pair that is not as promised.
pub fn broken(prover: &Prover<'_>, fabric: &Fabric, broken: &Broken) -> Both {
    let because = prover.because(broken);
    let why = because.why.first().map_or_else(String::new, |why| format!("; {}", why.trim()));
    let (from, to, packet) = (&broken.from.name, &broken.to.name, broken.packet);
    let english = format!("{from} -> {to} {packet}: {}{why}", because.seen);
    let seen = match prover.seen(&broken.from, &broken.to, broken.packet) {
        Ok((seen, _)) => found(&seen, fabric),
        Err(_) => "알 수 없다".to_owned(),
    };
    let breach = match &broken.breach {
        Breach::Result => String::new(),
        Breach::Exposed => ", 요청이 도착한다".to_owned(),
        Breach::OnlyOthers => ", 허용하기로 한 출발지가 아니다".to_owned(),
        Breach::Unstated => ", 이것을 허용하는 약속이 없다".to_owned(),
        Breach::Bypasses(node) => {
            let node = if node == "nat" { "NAT 게이트웨이" } else { node };
            format!(", {} 거치지 않는다", Object.after(node))
        }
    };
    Both::new(english, format!("{from} -> {to} {packet}: {seen}{breach}"))
}

fn found(seen: &Seen, fabric: &Fabric) -> String {
    let (what, at) = match seen {
        Seen::Open => return "열려 있다".to_owned(),
        Seen::Refused => return "거절됨, 듣는 프로그램이 없다".to_owned(),
        Seen::NoPublicAddress => return "공인 주소가 없다".to_owned(),
        Seen::Dropped { leg: Leg::Forward, at } => ("요청", at),
        Seen::Dropped { leg: Leg::Return, at } => ("응답", at),
    };
    match at {
        Some(at) => format!("{what}이 {}에서 버려진다", at.label(fabric)),
        None => format!("{what}이 도중에 사라진다"),
    }
}
