//! What the protocols need to know of each operation: members with their names on the wire, types and bounds.
//!
//! The facts are text files (`shapes/*.txt`, written by `generate/shapes.py` from the service models that botocore
//! ships), read at the first use ([`load`]). Text and not generated Rust: a new version of a service is a diff of names
//! that a person can read, nothing is compiled for 6,500 lines of tables, and reading all 230 kB takes 2 ms, once.

mod load;

use std::sync::OnceLock;

use regex::Regex;

/// How a service is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own: lists without a name in between, empty texts are absent, answers without a wrapper.
    Ec2,
    /// The one that STS and IAM share.
    Query,
}

/// A service in one version of its API.
#[derive(Debug)]
pub struct Service {
    /// Its name in a signature's scope: `ec2`, `sts`, `iam`.
    pub name: &'static str,
    /// The version of its API, a date.
    pub version: &'static str,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Namespace of its answers.
    pub namespace: &'static str,
    /// Operations that are described, sorted by name.
    operations: Vec<Operation>,
    /// Error codes that the service's model names, with their HTTP status; sorted.
    errors: Vec<(&'static str, u16)>,
    /// Operations that exist and are not described, sorted.
    others: Vec<&'static str>,
    shapes: Vec<Shape>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name, the `Action` of a request.
    pub name: &'static str,
    /// 1 and 2 as in the order of building; 3 for more.
    pub tier: u8,
    /// Structure of its parameters.
    pub input: Option<ShapeId>,
    /// Structure of its answer.
    pub output: Option<ShapeId>,
    /// Element around the answer (query protocol).
    pub wrapper: Option<&'static str>,
    /// How its answer is divided into pages.
    pub page: Option<Paging>,
}

/// The members that divide an answer into pages.
#[derive(Debug)]
pub struct Paging {
    /// Parameter with the token: `NextToken`, `Marker`.
    pub token_parameter: &'static str,
    /// Parameter with the size of a page: `MaxResults`, `MaxItems`.
    pub limit: &'static str,
    /// Where the answer has the token.
    pub token: &'static str,
    /// Where the answer says that there is more.
    pub more: Option<&'static str>,
    /// The list that is divided.
    pub list: &'static str,
    /// Members that tell one item from another; none: the item as a whole.
    pub identity: Vec<&'static str>,
}

/// A place in a service's table of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapeId(u32);

/// A type.
#[derive(Debug)]
pub enum Shape {
    /// A text, as it is.
    String,
    /// A text with bounds.
    Text(Text),
    /// One of several texts.
    Enum(Enum),
    /// A whole number.
    Number {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number with a fraction.
    Double,
    /// True or false.
    Boolean,
    /// A moment.
    Timestamp,
    /// Bytes; base64 in JSON and on the wire.
    Blob,
    /// A list.
    List {
        /// Element of an item; in requests of the query protocol a part of the name.
        item_name: &'static str,
        /// What it holds.
        item: ShapeId,
        /// Fewest items.
        min: usize,
        /// Most items.
        max: usize,
    },
    /// Names and values; in answers only.
    Map {
        /// Element of the name.
        key_name: &'static str,
        /// Type of the name.
        key: ShapeId,
        /// Element of the value.
        value_name: &'static str,
        /// Type of the value.
        value: ShapeId,
    },
    /// Named members.
    Structure(Vec<Member>),
}

/// A text with bounds.
#[derive(Debug)]
pub struct Text {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// What it must look like, a regular expression for the whole of it.
    pub pattern: Option<&'static str>,
    compiled: OnceLock<Option<Regex>>,
}

/// One of several texts.
#[derive(Debug)]
pub struct Enum {
    /// The texts between tabs: some lists are long, and few are ever looked at.
    values: &'static str,
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its name in requests.
    pub asked: &'static str,
    /// Its name in answers.
    pub answered: &'static str,
    /// Its type.
    pub shape: ShapeId,
    /// Whether a request must have it.
    pub is_required: bool,
    /// Whether it is a client token, which makes a repeated request harmless.
    pub is_token: bool,
    /// Whether it must not be logged.
    pub is_secret: bool,
}

/// All services, in the order EC2, STS, IAM.
pub fn services() -> &'static [Service] {
    static SERVICES: OnceLock<Vec<Service>> = OnceLock::new();
    SERVICES.get_or_init(|| {
        [
            include_str!("../../shapes/ec2.txt"),
            include_str!("../../shapes/sts.txt"),
            include_str!("../../shapes/iam.txt"),
        ]
        .into_iter()
        .map(load::read)
        .collect()
    })
}

/// The service of this name in a signature's scope.
pub fn service(name: &str) -> Option<&'static Service> {
    services().iter().find(|service| service.name == name)
}

/// The service whose API has this version; versions differ between the three.
pub fn service_of_version(version: &str) -> Option<&'static Service> {
    services().iter().find(|service| service.version == version)
}

impl Service {
    /// The operation of this name, if it is described.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        let found = self.operations.binary_search_by(|operation| operation.name.cmp(name));
        found.ok().map(|index| &self.operations[index])
    }

    /// All operations that are described, sorted by name.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Names of operations that the service has and that are not described, sorted.
    pub fn other_operations(&self) -> &[&'static str] {
        &self.others
    }

    /// Names of all operations that the service has, described or not.
    pub fn operation_names(&self) -> impl Iterator<Item = &'static str> {
        self.operations.iter().map(|operation| operation.name).chain(self.others.iter().copied())
    }

    /// Whether the service has an operation of this name.
    pub fn has_operation(&self, name: &str) -> bool {
        self.operation(name).is_some() || self.others.binary_search(&name).is_ok()
    }

    /// The HTTP status of an error code, where the service's model names it.
    pub fn status(&self, code: &str) -> Option<u16> {
        let found = self.errors.binary_search_by(|(known, _)| (*known).cmp(code));
        found.ok().map(|index| self.errors[index].1)
    }

    /// The type at a place.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0 as usize]
    }

    /// The members of a structure; none for any other type.
    pub fn members(&self, id: Option<ShapeId>) -> &[Member] {
        match id.map(|id| self.shape(id)) {
            Some(Shape::Structure(members)) => members,
            _ => &[],
        }
    }

    /// The parameter with the client token of an operation, if it has one.
    pub fn token_of(&self, operation: &Operation) -> Option<&Member> {
        self.members(operation.input).iter().find(|member| member.is_token || member.name == "ClientToken")
    }
}

impl Text {
    /// Whether the text looks as it must; an absent pattern fits everything.
    pub fn fits(&self, text: &str) -> bool {
        let compile = || self.pattern.and_then(|pattern| Regex::new(&format!("^(?:{pattern})$")).ok());
        self.compiled.get_or_init(compile).as_ref().is_none_or(|pattern| pattern.is_match(text))
    }
}

impl Enum {
    /// The texts, in the order of the service's model.
    pub fn values(&self) -> impl Iterator<Item = &'static str> {
        self.values.split('\t')
    }

    /// Whether the text is one of them.
    pub fn has(&self, text: &str) -> bool {
        self.values().any(|value| value == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one_that_can_be_read() {
        for service in services() {
            for shape in &service.shapes {
                if let Shape::Text(Text { pattern: Some(pattern), .. }) = shape {
                    assert!(Regex::new(pattern).is_ok(), "{}: {pattern}", service.name);
                }
            }
        }
    }

    #[test]
    fn names_on_the_wire_are_those_of_each_protocol() {
        let ec2 = service("ec2").unwrap();
        let run = ec2.members(ec2.operation("RunInstances").unwrap().input);
        let member = |members: &'static [Member], name: &str| members.iter().find(|m| m.name == name).unwrap();
        let groups = member(run, "SecurityGroupIds");
        assert_eq!((groups.asked, groups.is_required), ("SecurityGroupId", false));
        assert!(member(run, "ClientToken").is_token && member(run, "UserData").is_secret);
        let vpcs = ec2.members(ec2.operation("DescribeVpcs").unwrap().output);
        assert_eq!(member(vpcs, "Vpcs").answered, "vpcSet");
        let sts = service("sts").unwrap();
        assert_eq!(sts.operation("GetCallerIdentity").unwrap().wrapper, Some("GetCallerIdentityResult"));
    }

    #[test]
    fn what_is_known_of_a_service_is_sorted_and_found() {
        for service in services() {
            assert!(service.operations.is_sorted_by_key(|operation| operation.name), "{}", service.name);
            assert!(service.errors.is_sorted() && service.others.is_sorted(), "{}", service.name);
            assert!(service.operations.iter().all(|operation| service.operation(operation.name).is_some()));
        }
        let ec2 = service("ec2").unwrap();
        assert_eq!(ec2.operations.iter().filter(|operation| operation.tier < 3).count(), 137 + 44);
        assert_eq!(ec2.operations.len() + ec2.others.len(), 765);
        assert_eq!(service("iam").unwrap().status("NoSuchEntity"), Some(404));
        assert_eq!(service_of_version("2010-05-08").map(|service| service.name), Some("iam"));
    }
}
