//! What is known of a request besides its parameters, for conditions (IAM-15).

use std::net::IpAddr;

use iam::Facts;
use model::Timestamp;
use query::Request;

/// Where a request comes from, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knock {
    /// The address of the client, as the endpoint sees it.
    pub source_ip: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Whether it came through TLS.
    pub is_secure: bool,
}

impl Knock {
    /// Of a request as it came from an address.
    pub fn of(request: &Request, source_ip: IpAddr, is_secure: bool) -> Self {
        Self { source_ip: Some(source_ip), user_agent: request.header("user-agent").map(str::to_owned), is_secure }
    }

    /// The values of the keys that every request has.
    pub fn facts(&self, region: &str, now: Timestamp) -> Facts {
        let mut facts = Facts::new();
        facts.set("aws:CurrentTime", now.iso8601());
        facts.set("aws:EpochTime", now.0.to_string());
        facts.set("aws:SecureTransport", self.is_secure.to_string());
        facts.set("aws:RequestedRegion", region);
        if let Some(address) = self.source_ip {
            facts.set("aws:SourceIp", address.to_string());
        }
        if let Some(agent) = &self.user_agent {
            facts.set("aws:UserAgent", agent);
        }
        facts
    }
}
