//! Security groups, network ACLs, prefix lists: a plain list, or a mapping that says more.

use ipnet::IpNet;

use super::{AclPhrase, RulePhrase, document};
use crate::decode::{OneOrMany, Pairs};
use crate::source::Located;

document! {
    /// A security group in its long form.
    SecurityGroup: "a list of rules, or a mapping with `rules`", short rules {
        /// The VPC it belongs to. Default: the only one.
        vpc: Option<Located<String>>,
        /// Description. Default: the name.
        description: Option<Located<String>>,
        /// Rules. None = closed; egress is open unless an `out` rule is written.
        rules: Vec<RulePhrase>,
        /// Whether everything may leave where no `out` rule is written. Default: true.
        egress: Option<Located<bool>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A network ACL in its long form.
    Acl: "a list of entries, or a mapping with `rules`", short rules {
        /// The VPC it belongs to. Default: the only one.
        vpc: Option<Located<String>>,
        /// Entries. None = everything is denied.
        rules: Vec<AclPhrase>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A prefix list in its long form.
    PrefixList: "a list of blocks, or a mapping with `entries`", short entries {
        /// Blocks of one address family.
        entries: OneOrMany<Located<IpNet>>,
        /// What a rule that names the list counts as. Default: the number of entries.
        max_entries: Option<Located<u32>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

