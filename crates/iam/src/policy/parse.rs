//! Reading a policy from JSON (IAM-5). What cannot be meant is refused with its place, in the words of IAM where they are known.

use serde_json::{Map, Value};

use super::condition::{Clause, Operator, Test};
use super::pattern::{ArnPattern, Pattern};
use super::principal::Principals;
use super::{ActionPattern, Effect, Either, Policy, PolicyKind, Statement};

/// The version with variables.
const CURRENT: &str = "2012-10-17";
/// The one without, which is meant where none is written.
const OLD: &str = "2008-10-17";

/// A document that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", place(.path))]
pub struct PolicyError {
    /// Where in the document, as `Statement[0].Action`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" ({path})") }
}

type Result<T> = std::result::Result<T, PolicyError>;

fn wrong<T>(path: &str, message: impl Into<String>) -> Result<T> {
    Err(PolicyError { path: path.to_owned(), message: message.into() })
}

impl Policy {
    /// Reads the text of a document. Errors: no JSON, or what it says cannot be meant.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self> {
        match serde_json::from_str(text) {
            Ok(value) => Self::read(&value, kind),
            Err(error) => wrong("", format!("Syntax errors in policy: {error}")),
        }
    }

    /// Reads a document. Errors: what it says cannot be meant.
    pub fn read(document: &Value, kind: PolicyKind) -> Result<Self> {
        let Value::Object(fields) = document else { return wrong("", "Syntax errors in policy: a policy is an object") };
        only(fields, &["Version", "Id", "Statement"], "")?;
        let has_variables = match fields.get("Version") {
            None => false,
            Some(Value::String(version)) if version == CURRENT => true,
            Some(Value::String(version)) if version == OLD => false,
            Some(_) => return wrong("Version", format!("The policy must contain a valid version string: {CURRENT} or {OLD}")),
        };
        let reader = Reader { kind, has_variables };
        let statements = match fields.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => {
                let places = statements.iter().enumerate();
                places.map(|(index, statement)| reader.statement(statement, &format!("Statement[{index}]"))).collect::<Result<Vec<_>>>()?
            }
            Some(statement @ Value::Object(_)) => vec![reader.statement(statement, "Statement")?],
            _ => return wrong("Statement", "Syntax errors in policy: a policy has at least one statement"),
        };
        for (index, statement) in statements.iter().enumerate() {
            let again = |earlier: &Statement| earlier.sid.is_some() && earlier.sid == statement.sid;
            if statements[..index].iter().any(again) {
                return wrong(&format!("Statement[{index}].Sid"), "Statement IDs (SID) in a single policy must be unique");
            }
        }
        Ok(Self { statements })
    }
}

struct Reader {
    kind: PolicyKind,
    has_variables: bool,
}

const ELEMENTS: &[&str] = &[
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
];

impl Reader {
    fn statement(&self, statement: &Value, path: &str) -> Result<Statement> {
        let Value::Object(fields) = statement else { return wrong(path, "Syntax errors in policy: a statement is an object") };
        only(fields, ELEMENTS, path)?;
        let sid = match fields.get("Sid") {
            None => None,
            Some(Value::String(sid)) if sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Some(sid.clone()).filter(|sid| !sid.is_empty()),
            Some(_) => return wrong(&format!("{path}.Sid"), "Statement IDs (SID) must be alpha-numeric"),
        };
        let effect = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            Some(other) => return wrong(&format!("{path}.Effect"), format!("Invalid effect: {other}; it is Allow or Deny")),
            None => return wrong(path, "Missing required field Effect"),
        };
        let Some((actions, at)) = element(fields, "Action", "NotAction", path)? else {
            return wrong(path, "Policy statement must contain actions.");
        };
        let actions = either(actions, |value| texts(value, &at)?.into_iter().map(|text| action(&text, &at)).collect())?;
        let resources = element(fields, "Resource", "NotResource", path)?;
        let principals = element(fields, "Principal", "NotPrincipal", path)?;
        let (resources, principals) = match (self.kind, resources, principals) {
            (PolicyKind::Identity, _, Some((_, at))) => return wrong(&at, "Policy document should not specify a principal."),
            (PolicyKind::Identity, None, None) => return wrong(path, "Policy statement must contain resources."),
            (PolicyKind::Identity, Some((resources, at)), None) => {
                let read = |value: &Value| texts(value, &at)?.into_iter().map(|text| self.resource(&text, &at)).collect();
                (Some(either(resources, read)?), None)
            }
            (PolicyKind::Trust, Some((_, at)), _) => return wrong(&at, "Has prohibited field Resource"),
            (PolicyKind::Trust, None, None) => return wrong(path, "Missing required field Principal"),
            (PolicyKind::Trust, None, Some((principals, at))) => (None, Some(either(principals, |value| self::principals(value, &at))?)),
        };
        let conditions = match fields.get("Condition") {
            None => Vec::new(),
            Some(Value::Object(operators)) => self.conditions(operators, &format!("{path}.Condition"))?,
            Some(_) => return wrong(&format!("{path}.Condition"), "Syntax errors in policy: a condition is an object"),
        };
        Ok(Statement { sid, effect, principals, actions, resources, conditions })
    }

    fn resource(&self, text: &str, path: &str) -> Result<ArnPattern> {
        match ArnPattern::new(text, self.has_variables) {
            Some(pattern) if text == "*" || text.starts_with("arn:") => Ok(pattern),
            _ => wrong(path, format!("Resource {text} must be in ARN format or \"*\".")),
        }
    }

    fn conditions(&self, operators: &Map<String, Value>, path: &str) -> Result<Vec<Clause>> {
        let mut clauses = Vec::new();
        for (name, keys) in operators {
            let path = format!("{path}.{name}");
            let Some(operator) = Operator::parse(name) else { return wrong(&path, format!("Invalid Condition type : {name}")) };
            let Value::Object(keys) = keys else { return wrong(&path, "Syntax errors in policy: an operator has keys and values") };
            for (key, values) in keys {
                let path = format!("{path}.{key}");
                if !key.contains(':') {
                    return wrong(&path, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
                }
                let written = texts(values, &path)?;
                let values = written.iter().map(|text| self.value(operator, text, &path)).collect::<Result<_>>()?;
                clauses.push(Clause { name: name.clone(), operator, key: key.clone(), written, values });
            }
        }
        Ok(clauses)
    }

    fn value(&self, operator: Operator, text: &str, path: &str) -> Result<Pattern> {
        let pattern = Pattern::new(text, self.has_variables);
        let refused = match operator.test {
            _ if pattern.has_variables() => None,
            Test::Null if !["true", "false"].contains(&text.to_ascii_lowercase().as_str()) => Some("is not true or false"),
            Test::Null => None,
            Test::Compares(comparison) | Test::Differs(comparison) => comparison.refuses(text),
        };
        match refused {
            Some(why) => wrong(path, format!("`{text}` {why}")),
            None => Ok(pattern),
        }
    }
}

fn action(text: &str, path: &str) -> Result<ActionPattern> {
    match ActionPattern::new(text) {
        Some(pattern) => Ok(pattern),
        None => wrong(path, format!("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {text}")),
    }
}

fn principals(value: &Value, path: &str) -> Result<Principals> {
    let mut principals = Principals::default();
    let fields = match value {
        Value::String(text) if text == "*" => return Ok(Principals { everybody: true, ..principals }),
        Value::Object(fields) if !fields.is_empty() => fields,
        _ => return wrong(path, "Invalid principal in policy: it is \"*\", or an object with AWS, Service or Federated"),
    };
    for (kind, value) in fields {
        let path = format!("{path}.{kind}");
        let named = texts(value, &path)?;
        match kind.as_str() {
            "AWS" => {
                principals.everybody |= named.iter().any(|name| name == "*");
                if let Some(other) = named.iter().find(|name| *name != "*" && !is_aws_principal(name)) {
                    return wrong(&path, format!("Invalid principal in policy: \"AWS\":\"{other}\""));
                }
                principals.aws.extend(named.into_iter().filter(|name| name != "*"));
            }
            "Service" => principals.services.extend(named),
            "Federated" => principals.federated.extend(named),
            "CanonicalUser" => return wrong(&path, "Invalid principal in policy: canonical users are S3's"),
            _ => return wrong(&path, format!("Invalid principal in policy: {kind} is none of AWS, Service, Federated")),
        }
    }
    Ok(principals)
}

fn is_aws_principal(name: &str) -> bool {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_account(name) || crate::Arn::parse(name).is_some_and(|arn| is_account(arn.account) && !arn.resource.contains('*'))
}

/// The element of one of two names, which exclude each other; with its place.
fn element<'a>(fields: &'a Map<String, Value>, name: &str, not: &str, path: &str) -> Result<Option<(Either<&'a Value>, String)>> {
    match (fields.get(name), fields.get(not)) {
        (Some(_), Some(_)) => wrong(path, format!("Syntax errors in policy: {name} and {not} exclude each other")),
        (Some(value), None) => Ok(Some((Either::These(value), format!("{path}.{name}")))),
        (None, Some(value)) => Ok(Some((Either::AllBut(value), format!("{path}.{not}")))),
        (None, None) => Ok(None),
    }
}

fn either<T>(value: Either<&Value>, read: impl Fn(&Value) -> Result<T>) -> Result<Either<T>> {
    Ok(match value {
        Either::These(value) => Either::These(read(value)?),
        Either::AllBut(value) => Either::AllBut(read(value)?),
    })
}

/// A text or several; numbers and booleans as JSON writes them.
fn texts(value: &Value, path: &str) -> Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => wrong(path, "Syntax errors in policy: a text or a list of texts is wanted"),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn only(fields: &Map<String, Value>, known: &[&str], path: &str) -> Result<()> {
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => wrong(path, format!("Syntax errors in policy: there is no element {other}")),
        None => Ok(()),
    }
}
