//! What registries and the way to them do wrong, in words a person can act on.

use std::time::Duration;

/// Why a registry did not give or take what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    /// 401: who asks is not known, or not well enough.
    #[error("{registry} wants a login for {what}: {why}")]
    Unauthorized {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: String,
        /// What it said, or what was tried.
        why: String,
        /// The helper that keeps the user's credentials for it, which is not asked.
        helper: Option<String>,
    },
    /// 403: who asks is known, and may not.
    #[error("{registry} denies {what}: {why}")]
    Denied {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// 404.
    #[error("{registry} has no {what}{}", if why.is_empty() { String::new() } else { format!(": {why}") })]
    Missing {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// 429, to the end, or for longer than is waited.
    #[error("{registry} has had too many requests{}: {why}", again(*wait))]
    Busy {
        /// Its host.
        registry: String,
        /// What it asks for.
        wait: Option<Duration>,
        /// What it said.
        why: String,
    },
    /// Another answer than those that are expected.
    #[error("{registry} answered {status} when asked for {what}: {why}")]
    Status {
        /// Its host.
        registry: String,
        /// HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// No connection.
    #[error("{registry} cannot be reached: {why}")]
    Unreachable {
        /// Its host.
        registry: String,
        /// Why.
        why: String,
    },
    /// Its certificate, or what it speaks, is not to be trusted.
    #[error("{registry} cannot be trusted: {why}")]
    Untrusted {
        /// Its host.
        registry: String,
        /// Why.
        why: String,
    },
    /// No byte for a while.
    #[error("{registry} said nothing for {seconds:.1} s when asked for {what}")]
    Stalled {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: String,
        /// How long.
        seconds: f64,
    },
    /// Fewer bytes than promised.
    #[error("{registry} broke off in the middle of {what}: {why}")]
    CutOff {
        /// Its host.
        registry: String,
        /// What was asked for.
        what: String,
        /// How far it came, or what the system said.
        why: String,
    },
    /// It sends one to where the connection could be read by others.
    #[error("{registry} points to {address}, which would be asked without encryption")]
    Plain {
        /// Its host.
        registry: String,
        /// Where to.
        address: String,
    },
    /// What no registry says.
    #[error("{registry} is no registry, or broken: {why}")]
    Odd {
        /// Its host.
        registry: String,
        /// What it said.
        why: String,
    },
    /// Another part of the same work failed.
    #[error("given up, as another part failed")]
    GivenUp,
}

/// When a registry wants to be asked again.
fn again(wait: Option<Duration>) -> String {
    let words = |wait: Duration| format!(" and asks to come again in {} s", wait.as_secs());
    wait.map_or(String::new(), words)
}

/// Words of a stranger for a terminal: bounded, and no control characters.
pub(crate) fn tame(words: &str) -> String {
    let words = words.trim();
    let mut tame: String = words
        .chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if words.chars().nth(300).is_some() {
        tame.push('…');
    }
    tame
}
