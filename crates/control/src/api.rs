//! What is said over the daemon's socket: HTTP/1.1 with JSON under `/v1`. The command line uses it, and so may others.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/version` | [`Version`] |
//! | `GET /v1/labs` | [`LabSummary`] of each, by name |
//! | `GET /v1/labs/NAME` | [`LabView`] |
//! | `PUT /v1/labs/NAME` ([`Wanted`]) | [`Applied`] once the lab is up and equal to what was sent |
//! | `DELETE /v1/labs/NAME` | [`Gone`] once everything of it is gone but volumes with names; `?volumes=true`: those too |
//! | `POST /v1/labs/NAME/probes` ([`Probes`]) | [`Answers`] in the same order |
//! | `GET /v1/labs/NAME/flow-logs` | [`FlowLogsView`] once what passed until now is counted |
//! | `GET /v1/labs/NAME/cloud` | [`CloudServed`] where clients of AWS are answered for the lab; `?account=…`: with that account's key |
//! | `POST /v1/labs/NAME/cloud` ([`CloudWanted`]) | [`CloudServed`] once clients of AWS are answered for the lab |
//! | `GET /v1/labs/NAME/identities` | [`Identities`] of the lab's own account |
//! | `PUT /v1/labs/NAME/identities` ([`Identities`]) | [`Identities`] once they are kept; 409 when they were others by then |
//! | `POST /v1/exit` | nothing: the daemon ends, labs go on |
//!
//! A refusal is a [`Problem`] with status 400, 404, 409, 500 or 503.

use std::net::SocketAddr;
use std::path::PathBuf;

use fabric::engine::{Answer, Request};
use model::claim::Claim;
use model::{Model, Timestamp};
use serde::{Deserialize, Serialize};

use crate::flow_log::OpenWindow;

/// Version of this program and so of the API: both sides are one binary.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Version of the daemon's program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// What went wrong when it began and its user must know: damaged state that was put aside.
    pub notice: Option<String>,
}

/// A lab in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabSummary {
    /// Name.
    pub name: String,
    /// Whether packets flow.
    pub is_up: bool,
    /// The file it came from last.
    pub file: Option<PathBuf>,
    /// When it was first brought up.
    pub created: Timestamp,
    /// How many VPCs, subnets and instances it has.
    pub vpcs: usize,
    /// Subnets.
    pub subnets: usize,
    /// Instances that are not terminated.
    pub instances: usize,
    /// Devices of its lans.
    #[serde(default)]
    pub devices: usize,
    /// Why clients of AWS are not answered although they are to be; none: they are, or nobody asked for it.
    #[serde(default)]
    pub door_shut: Option<String>,
    /// The lab that it is a part of: the network of another account or region.
    #[serde(default)]
    pub part_of: Option<String>,
    /// What the kernel refused of it.
    #[serde(default)]
    pub refused: Option<Refused>,
}

/// A cloud that the kernel does not follow: packets meet what was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The generation that was refused.
    pub generation: u64,
    /// Why.
    pub why: String,
    /// What to type.
    pub hint: Option<String>,
    /// What the cloud has and the kernel has not.
    pub lacks: Vec<Lack>,
}

impl Refused {
    /// In a sentence, with a few of the things by name.
    pub fn sentence(&self) -> String {
        const SHOWN: usize = 6;
        // Those of one launch have one name.
        let mut counts: Vec<(String, usize)> = Vec::new();
        for lack in &self.lacks {
            let name = format!("{} {}", lack.kind, lack.name);
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        let shown = counts.iter().take(SHOWN);
        let mut named: Vec<String> = shown.map(|(name, count)| if *count > 1 { format!("{name} ({count} of them)") } else { name.clone() }).collect();
        if counts.len() > SHOWN {
            named.push(format!("{} more", counts.iter().skip(SHOWN).map(|(_, count)| count).sum::<usize>()));
        }
        let lacks = if named.is_empty() { String::new() } else { format!("; without: {}", named.join(", ")) };
        format!("packets meet what was there before the last change, which this machine refuses: {}{lacks}", self.why)
    }
}

/// A thing that a cloud has and the kernel has not, or not so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// `instance`, `subnet`, …
    pub kind: String,
    /// Its name, or its id.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// Everything about a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabView {
    /// Name.
    pub name: String,
    /// Whether packets flow.
    pub is_up: bool,
    /// The file it came from last.
    pub file: Option<PathBuf>,
    /// When it was first brought up.
    pub created: Timestamp,
    /// The cloud.
    pub model: Model,
    /// What the file promises.
    pub claims: Vec<Claim>,
    /// The lab that it is a part of: the network of another account or region.
    #[serde(default)]
    pub part_of: Option<String>,
    /// What the file promises about rights.
    #[serde(default)]
    pub rights: Vec<iam::Claim>,
    /// What the kernel refused of it.
    #[serde(default)]
    pub refused: Option<Refused>,
}

/// What a lab shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// [`Model::generation`] of the lab that `model` was made from; `None`: of no lab. The request is refused with 409
    /// when the lab is at another by now.
    pub base_generation: Option<u64>,
    /// The file it comes from.
    pub file: Option<PathBuf>,
    /// The cloud.
    pub model: Model,
    /// What the file promises.
    pub claims: Vec<Claim>,
    /// What the file promises about rights.
    #[serde(default)]
    pub rights: Vec<iam::Claim>,
}

/// The users, groups, roles and policies of a lab's own account, with the keys that there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identities {
    /// What the account was when it was read, as one number; a change of anything else is refused.
    pub revision: u64,
    /// The account.
    pub account: iam::Account,
}

/// A lab equals what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its generation.
    pub generation: u64,
    /// What of it this machine's kernel does not do, in sentences.
    pub notes: Vec<String>,
}

/// A lab is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Whether there was anything.
    pub existed: bool,
    /// Instances that ended with it.
    pub instances: usize,
    /// Devices of lans that ended with it.
    #[serde(default)]
    pub devices: usize,
}

/// Probes to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// Generation that the caller knows: answers name things by their place in its fabric. 409 at another.
    pub generation: u64,
    /// The probes.
    pub requests: Vec<Request>,
}

/// What came of probes, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// An answer, or why there is none.
    pub answers: Vec<Result<Answer, String>>,
}

/// Where a lab's flow logs are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLogsView {
    /// The folder with records and destinations.
    pub folder: PathBuf,
    /// What windows hold that are not over.
    pub open: Vec<OpenWindow>,
}

/// Where clients of EC2, STS and IAM are to be answered for a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudWanted {
    /// An address of this machine's own; port 0: one that is free, or the one that is open already.
    pub address: SocketAddr,
    /// Whether requests need no signature: whoever can open a connection then has all rights.
    pub is_open: bool,
    /// How long things take; `None`: as the door has it that is open, or at once.
    #[serde(default)]
    pub pace: Option<Pace>,
    /// The account whose owner's key is wanted, twelve digits; made when there is none. `None`: the lab's own.
    #[serde(default)]
    pub account: Option<String>,
}

/// How long what clients of AWS begin takes until it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// No time: the next look finds it `running`, `available`, `deleted`.
    #[default]
    Instant,
    /// Seconds, as at AWS: it passes through `pending`, `stopping`, `deleting`, and what needs it is refused until then.
    AwsLike,
}

/// Where they are answered, and the key of the account's owner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudServed {
    /// The address.
    pub address: SocketAddr,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The owner's key.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
    /// Whether requests need no signature.
    pub is_open: bool,
    /// How long things take.
    #[serde(default)]
    pub pace: Pace,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// What and why.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The request makes no sense.
    BadRequest,
    /// There is no such lab, or it is down.
    NotFound,
    /// Somebody else changed the lab meanwhile.
    Conflict,
    /// The machine lacks something.
    Environment,
    /// The kernel, the disk or the holder refused.
    Failed,
}

impl ProblemKind {
    /// HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Environment => 503,
            Self::Failed => 500,
        }
    }
}

impl Problem {
    /// A refusal without a hint.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Problem {
        Problem { kind, message: message.into(), hint: None }
    }

    /// The same with what to type next.
    pub fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }
}
