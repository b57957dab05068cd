//! Amazon resource names: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`.

use std::fmt;

/// Types of IAM's resources, as their names have them.
pub const TYPES: &[&str] = &["group", "instance-profile", "policy", "role", "user"];

/// A resource name, taken apart at its first five colons; the resource itself may have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`.
    pub partition: &'a str,
    /// `ec2`, `iam`, `sts`.
    pub service: &'a str,
    /// Empty for services that have none, as IAM.
    pub region: &'a str,
    /// Twelve digits; empty for public images.
    pub account: &'a str,
    /// `vpc/vpc-0a1b`, `user/dev`, `root`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes a name apart; none where it has fewer than six parts or begins otherwise.
    pub fn parse(text: &'a str) -> Option<Self> {
        let [arn, partition, service, region, account, resource] = segments(text)?;
        (arn == "arn").then_some(Self { partition, service, region, account, resource })
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:{}:{}:{}:{}", self.partition, self.service, self.region, self.account, self.resource)
    }
}

/// The six parts of a name or of a pattern of names.
pub(crate) fn segments(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next();
    Some([next()?, next()?, next()?, next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_at_its_first_five_colons_and_put_together_again() {
        let text = "arn:aws:sts::111122223333:assumed-role/netadmin/a:b";
        let arn = Arn::parse(text).unwrap();
        assert_eq!((arn.service, arn.region, arn.account), ("sts", "", "111122223333"));
        assert_eq!(arn.resource, "assumed-role/netadmin/a:b");
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "*", "arn:aws:ec2", "nra:aws:ec2:r:a:x", "vpc-0a1b"] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
