//! Whom a trust policy names, and who it is that asks (IAM-3, IAM-17, STS-2).

use crate::arn::Arn;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// `arn:aws:iam::ACCOUNT:user/NAME`, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, `arn:aws:iam::ACCOUNT:root`.
    pub arn: &'a str,
    /// For sessions of a role, the role's name `arn:aws:iam::ACCOUNT:role/NAME`.
    pub role: Option<&'a str>,
    /// A service of AWS that asks for itself, as `ec2.amazonaws.com` for an instance's role.
    pub service: Option<&'a str>,
}

/// How far naming somebody goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The account is named: its own policies say who of it (STS-2).
    Account,
    /// Whoever asks is named, or everybody is.
    Direct,
}

/// Principals of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principals {
    /// `"*"`, or `{"AWS": "*"}`.
    pub everybody: bool,
    /// Names and account numbers, as written.
    pub aws: Vec<String>,
    /// Services, as `ec2.amazonaws.com`.
    pub services: Vec<String>,
    /// Identity providers; nobody here comes by one.
    pub federated: Vec<String>,
}

impl Principals {
    /// Whether they name a caller, and how.
    pub fn names(&self, caller: &Caller<'_>) -> Option<Trust> {
        if let Some(service) = caller.service {
            return self.services.iter().any(|named| named.eq_ignore_ascii_case(service)).then_some(Trust::Direct);
        }
        if self.everybody {
            return Some(Trust::Direct);
        }
        self.aws.iter().filter_map(|named| trust(named, caller)).max()
    }
}

fn trust(named: &str, caller: &Caller<'_>) -> Option<Trust> {
    if named == caller.arn || caller.role == Some(named) {
        return Some(Trust::Direct);
    }
    let account = Arn::parse(caller.arn)?.account;
    let is_account = named == account || Arn::parse(named).is_some_and(|arn| {
        arn.service == "iam" && arn.resource == "root" && arn.account == account
    });
    is_account.then_some(Trust::Account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_a_user_a_role_and_a_session_are_named() {
        let user = Caller { arn: "arn:aws:iam::111122223333:user/dev", role: None, service: None };
        let session = Caller {
            arn: "arn:aws:sts::111122223333:assumed-role/ops/s1",
            role: Some("arn:aws:iam::111122223333:role/ops"),
            service: None,
        };
        for (named, caller, expected) in [
            ("arn:aws:iam::111122223333:root", user, Some(Trust::Account)),
            ("111122223333", session, Some(Trust::Account)),
            ("999999999999", user, None),
            ("arn:aws:iam::111122223333:user/dev", user, Some(Trust::Direct)),
            ("arn:aws:iam::111122223333:user/ops", user, None),
            ("arn:aws:iam::111122223333:role/ops", session, Some(Trust::Direct)),
            ("arn:aws:sts::111122223333:assumed-role/ops/s1", session, Some(Trust::Direct)),
            ("arn:aws:sts::111122223333:assumed-role/ops/s2", session, None),
        ] {
            let principals = Principals { aws: vec![named.to_owned()], ..Principals::default() };
            assert_eq!(principals.names(&caller), expected, "{named}");
        }
    }

    #[test]
    fn a_service_is_named_as_such_and_by_nothing_else() {
        let ec2 = Caller { arn: "ec2.amazonaws.com", role: None, service: Some("ec2.amazonaws.com") };
        let named = Principals { services: vec!["ec2.amazonaws.com".to_owned()], ..Principals::default() };
        assert_eq!(named.names(&ec2), Some(Trust::Direct));
        assert_eq!(Principals { everybody: true, ..Principals::default() }.names(&ec2), None);
    }
}
