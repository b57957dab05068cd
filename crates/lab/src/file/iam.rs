//! Identities: users, groups, roles, policies, instance profiles. Names are IAM's own: letters, digits and `+=,.@_-`.

use serde_json::{Map, Value as Json};

use super::{Milliseconds, Phrase, document};
use crate::code::Code;
use crate::decode::{Decode, Decoder, OneOrMany, Pairs};
use crate::diagnostic::Diagnostic;
use crate::sentence::parse_statement;
use crate::source::{Located, Span};
use crate::yaml::{Node, Value};

document! {
    /// Who may do what with the lab's API.
    Iam: "a mapping such as `users:`" {
        /// The account's other name.
        alias: Option<Located<String>>,
        /// Managed policies by name: statements, a document of AWS's, or `file: PATH` each.
        policies: Pairs<ManagedPolicy>,
        /// Groups by name: policies, or a mapping that says more.
        groups: Pairs<Group>,
        /// Users by name: policies, or a mapping that says more.
        users: Pairs<User>,
        /// Roles by name.
        roles: Pairs<Role>,
        /// Instance profiles by name: the role, or a mapping that says more. A role that an instance names has one of its own name.
        instance_profiles: Pairs<InstanceProfile>,
    }
}

document! {
    /// A user.
    User: "policies, or a mapping such as `{ groups: developers }`", short policies {
        /// Groups that the user is in.
        groups: OneOrMany<Located<String>>,
        /// Managed policies by name, of this file or of AWS, or by resource name.
        policies: Policies,
        /// Policies of the user's own, by name.
        inline: Pairs<Policy>,
        /// What all policies together can give at most: a managed policy.
        boundary: Option<Located<String>>,
        /// Where the user is filed. Default: /.
        path: Option<Located<String>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A group of users.
    Group: "policies, or a mapping such as `{ policies: ReadOnlyAccess }`", short policies {
        /// Managed policies by name, of this file or of AWS, or by resource name.
        policies: Policies,
        /// Policies of the group's own, by name.
        inline: Pairs<Policy>,
        /// Where the group is filed. Default: /.
        path: Option<Located<String>>,
    }
}

document! {
    /// A role.
    Role: "a mapping such as `{ trust: ec2, policies: AmazonEC2ReadOnlyAccess }`" {
        /// Who may assume it: `ec2`, `user NAME`, `role NAME`, `account [NUMBER]`, `service NAME`, a resource name, several of them,
        /// or a document of AWS's.
        trust: Option<Trust>,
        /// Managed policies by name, of this file or of AWS, or by resource name.
        policies: Policies,
        /// Policies of the role's own, by name.
        inline: Pairs<Policy>,
        /// What all policies together can give at most: a managed policy.
        boundary: Option<Located<String>>,
        /// How long it is assumed at most, 1h to 12h. Default: 1h.
        max_session: Option<Located<Milliseconds>>,
        /// Description.
        description: Option<Located<String>>,
        /// Where the role is filed. Default: /.
        path: Option<Located<String>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// What gives instances the rights of a role.
    InstanceProfile: "a role, or a mapping such as `{ role: app }`", short role {
        /// The role.
        role: Option<Located<String>>,
        /// Where the profile is filed. Default: /.
        path: Option<Located<String>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

document! {
    /// A managed policy with what people say of it.
    DescribedPolicy: "statements, a document of AWS's, or a mapping with `statements`" {
        /// What it says.
        statements: Option<Policy>,
        /// Description.
        description: Option<Located<String>>,
        /// Where the policy is filed. Default: /.
        path: Option<Located<String>>,
        /// Tags.
        tags: Pairs<Located<String>>,
    }
}

/// Managed policies that something has: one, several, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies(pub Vec<Located<String>>);

impl Decode for Policies {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.is_null() {
            true => Some(Self::default()),
            false => OneOrMany::decode(node, decoder).map(|list| Self(list.0)),
        }
    }
}

/// What a policy says, with the places of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// In AWS's form; none where it is in a file.
    pub document: Option<Json>,
    /// The path of the file, counted from the lab file.
    pub file: Option<Located<String>>,
    /// Where the parts stand, by their paths in the document: `Statement[0].Action`.
    pub places: Vec<(String, Span)>,
    /// Where the policy stands.
    pub span: Span,
}

/// A managed policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// What it says.
    pub policy: Policy,
    /// Description.
    pub description: Option<Located<String>>,
    /// Where it is filed.
    pub path: Option<Located<String>>,
    /// Tags.
    pub tags: Pairs<Located<String>>,
}

/// Who may assume a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// As words.
    Words(Vec<Located<String>>),
    /// As a document of AWS's.
    Document(Policy),
}

impl Default for Trust {
    fn default() -> Self {
        Self::Words(Vec::new())
    }
}

/// The version with variables.
const VERSION: &str = "2012-10-17";
const EXAMPLE: &str = "allow ec2:Describe*";

impl Decode for Policy {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut policy = Self { span: node.span, ..Self::default() };
        match &node.value {
            Value::Sequence(items) if items.is_empty() => missing(node, decoder),
            Value::Sequence(items) => {
                let read: Vec<Option<Json>> = items.iter().zip(0..).map(|(item, index)| policy.statement(item, index, decoder)).collect();
                let statements: Option<Vec<Json>> = read.into_iter().collect();
                policy.document = Some(serde_json::json!({"Version": VERSION, "Statement": statements?}));
                Some(policy)
            }
            Value::Mapping(_) => match (node.get("file"), node.get("Statement")) {
                (Some(file), None) => {
                    policy.file = Some(Decode::decode(file, decoder)?);
                    Some(policy)
                }
                (None, Some(_)) => {
                    policy.document = Some(policy.json(node, String::new(), decoder)?);
                    Some(policy)
                }
                // One statement in AWS's words.
                (None, None) if node.get("Effect").is_some() => {
                    let statement = policy.json(node, "Statement[0]".to_owned(), decoder)?;
                    policy.document = Some(serde_json::json!({"Version": VERSION, "Statement": [statement]}));
                    Some(policy)
                }
                _ => missing(node, decoder),
            },
            Value::Scalar { .. } if node.is_null() => missing(node, decoder),
            Value::Scalar { .. } => {
                let statement = policy.statement(node, 0, decoder)?;
                policy.document = Some(serde_json::json!({"Version": VERSION, "Statement": [statement]}));
                Some(policy)
            }
        }
    }

    fn is_cut_by_a_comma(items: &[Node], decoder: &mut Decoder) -> bool {
        let _ = (items, decoder);
        false
    }
}

fn missing<T>(node: &Node, decoder: &mut Decoder) -> Option<T> {
    let problem = Diagnostic::new(Code::BadPolicy, node.span, "a policy is statements, a document of AWS's (`Statement: …`), or `file: PATH`");
    decoder.problem(problem.label("no policy").hint(format!("such as `- {EXAMPLE}`")));
    None
}

impl Policy {
    /// Reads one statement: a sentence, or a mapping in AWS's words.
    fn statement(&mut self, node: &Node, index: usize, decoder: &mut Decoder) -> Option<Json> {
        let path = format!("Statement[{index}]");
        match &node.value {
            Value::Mapping(_) => self.json(node, path, decoder),
            Value::Scalar { .. } if !node.is_null() => {
                let phrase = Phrase::new(node, decoder.sources)?;
                self.places.push((path, node.span));
                match parse_statement(phrase.text) {
                    Ok(statement) => Some(statement),
                    Err(error) => {
                        decoder.problem(phrase.problem(error));
                        None
                    }
                }
            }
            _ => missing(node, decoder),
        }
    }

    /// A node as JSON; its parts' places are noted. All words are texts: policies take `false` and `"false"` alike.
    fn json(&mut self, node: &Node, path: String, decoder: &mut Decoder) -> Option<Json> {
        self.places.push((path.clone(), node.span));
        match &node.value {
            Value::Scalar { text, .. } => Some(text.as_str().into()),
            Value::Sequence(items) => {
                let items = items.iter().zip(0..).map(|(item, index): (_, usize)| self.json(item, format!("{path}[{index}]"), decoder));
                items.collect::<Option<Vec<_>>>().map(Json::Array)
            }
            Value::Mapping(entries) => {
                let mut fields = Map::new();
                for (key, value) in entries {
                    let name = decoder.scalar(key, "a word")?.0.to_owned();
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    let value = self.json(value, path, decoder)?;
                    fields.insert(name, value);
                }
                Some(Json::Object(fields))
            }
        }
    }

    /// The place of a part of the document, or of the nearest part around it.
    pub fn place(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some((_, span)) = self.places.iter().find(|(known, _)| known == path) {
                return *span;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.span,
            }
        }
    }
}

impl Decode for ManagedPolicy {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let is_described = DescribedPolicy::KEYS.iter().any(|key| node.get(key).is_some());
        if !is_described {
            return Policy::decode(node, decoder).map(|policy| Self { policy, ..Self::default() });
        }
        let DescribedPolicy { statements, description, path, tags, .. } = DescribedPolicy::decode(node, decoder)?;
        match statements {
            Some(policy) => Some(Self { policy, description, path, tags }),
            None if node.get("statements").is_some() => None,
            None => missing(node, decoder),
        }
    }
}

impl Decode for Trust {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::Mapping(_) => Policy::decode(node, decoder).map(Self::Document),
            _ => OneOrMany::decode(node, decoder).map(|words| Self::Words(words.0)),
        }
    }
}
