//! Typed reading of a call's parameters, and the words for what is wrong with them.
//!
//! [`read`] hands the parameters to a closure and refuses whatever the closure did not ask for
//! (`UnknownParameter`). Numbers and booleans may come as text, because the Query protocol knows only text; an
//! empty text counts as absent, because clients send it so.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{ApiError, ErrorCode, Tags};
use serde_json::{Map, Value};

use crate::identifier::Identifier;

/// How parameters were met while [`noting`]: dotted names, without the numbers of list items.
#[derive(Debug, Default)]
pub struct Noted {
    /// Asked for.
    pub read: BTreeSet<String>,
    /// Accepted without a difference.
    pub ignored: BTreeSet<String>,
    /// Refused, as this cloud does not model them.
    pub refused: BTreeSet<String>,
}

thread_local! {
    static NOTED: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Runs `body` and says which parameters the calls in it know; for the page that says what is built.
pub fn noting<T>(body: impl FnOnce() -> T) -> (T, Noted) {
    NOTED.set(Some(Noted::default()));
    let value = body();
    (value, NOTED.take().unwrap_or_default())
}

/// The parameters of a call, or of one structure inside it.
pub struct Arguments<'a> {
    fields: Option<&'a Map<String, Value>>,
    /// What stands before a name in messages, such as `IpPermissions.1.`.
    path: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

/// Reads all parameters of a call through `body`. Errors: those of `body`, else `UnknownParameter` for the
/// first parameter that `body` did not ask for. `ClientToken` is always known and has no effect.
pub fn read<'a, T>(
    arguments: &'a Value,
    body: impl FnOnce(&Arguments<'a>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let arguments = Arguments::of(arguments, String::new())?;
    arguments.ignore(&["ClientToken"]);
    let value = body(&arguments)?;
    arguments.finish()?;
    Ok(value)
}

/// Reads one structure of a call and leaves the rest alone. Errors: those of `body`, `MissingParameter`, `UnknownParameter` in it.
pub fn within<'a, T>(
    arguments: &'a Value,
    name: &'static str,
    body: impl FnOnce(&Arguments<'a>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let arguments = Arguments::of(arguments, String::new())?;
    let value = arguments.within(name, body)?;
    arguments.required(name, value)
}

/// `MissingParameter` in AWS's words.
pub fn missing(name: &str) -> ApiError {
    ApiError::new(ErrorCode::MissingParameter, format!("The request must contain the parameter {name}"))
}

/// `InvalidParameterValue` in AWS's words.
pub fn invalid(name: &str, value: impl std::fmt::Display, why: &str) -> ApiError {
    let message = format!("Value ({value}) for parameter {name} is invalid. {why}");
    ApiError::new(ErrorCode::InvalidParameterValue, message.trim_end())
}

impl<'a> Arguments<'a> {
    fn of(value: &'a Value, path: String) -> Result<Self, ApiError> {
        let fields = match value {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            other => return Err(invalid(path.trim_end_matches('.'), other, "A structure was expected.")),
        };
        Ok(Self { fields, path, asked: RefCell::default() })
    }

    fn finish(&self) -> Result<(), ApiError> {
        let asked = self.asked.borrow();
        match self.fields.into_iter().flatten().find(|(name, _)| !asked.contains(name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::new(
                ErrorCode::UnknownParameter,
                format!("The parameter {}{name} is not recognized", self.path),
            )),
        }
    }

    /// The raw value; `None` when it is absent, null or an empty text.
    pub fn value(&self, name: &'static str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name);
        self.note(&[name], |noted| &mut noted.read);
        let value = self.fields?.get(name)?;
        match value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            value => Some(value),
        }
    }

    /// Whether the parameter was given, be it as an empty text.
    pub fn is_given(&self, name: &'static str) -> bool {
        self.asked.borrow_mut().insert(name);
        self.note(&[name], |noted| &mut noted.read);
        self.fields.is_some_and(|fields| fields.get(name).is_some_and(|value| !value.is_null()))
    }

    /// Accepts parameters that make no difference here.
    pub fn ignore(&self, names: &[&'static str]) {
        self.asked.borrow_mut().extend(names);
        self.note(names, |noted| &mut noted.ignored);
    }

    fn note(&self, names: &[&str], kind: impl FnOnce(&mut Noted) -> &mut BTreeSet<String>) {
        NOTED.with_borrow_mut(|noted| {
            if let Some(noted) = noted {
                let path = self.path.split_inclusive('.').filter(|part| part.trim_end_matches('.').parse::<usize>().is_err());
                let path: String = path.collect();
                kind(noted).extend(names.iter().map(|name| format!("{path}{name}")));
            }
        });
    }

    /// Refuses parameters that AWS knows and this cloud does not model; `false` asks for nothing. Errors:
    /// `UnsupportedOperation`.
    pub fn refuse(&self, names: &[&'static str]) -> Result<(), ApiError> {
        self.note(names, |noted| &mut noted.refused);
        let asks = |value: &Value| *value != Value::Bool(false) && value.as_str() != Some("false");
        match names.iter().find(|name| self.value(name).is_some_and(asks)) {
            None => Ok(()),
            Some(name) => Err(self.unsupported(name)),
        }
    }

    /// One call changes one attribute. Errors: `InvalidParameterCombination`.
    pub fn one_attribute(&self, names: &[&'static str]) -> Result<(), ApiError> {
        let given: Vec<&str> = names.iter().copied().filter(|name| self.is_given(name)).collect();
        if given.len() > 1 {
            let message = format!("Fields for multiple attribute types specified: {}", given.join(", "));
            return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message).with_hint("one call changes one attribute"));
        }
        Ok(())
    }

    /// `UnsupportedOperation` for a parameter, or for what it asks for.
    pub fn unsupported(&self, name: &str) -> ApiError {
        self.note(&[name], |noted| &mut noted.refused);
        ApiError::new(ErrorCode::UnsupportedOperation, format!("The parameter {}{name} is not supported.", self.path))
    }

    /// A text.
    pub fn text(&self, name: &'static str) -> Result<Option<&'a str>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.invalid(name, other, "A text was expected.")),
        }
    }

    /// A text that must be there.
    pub fn required_text(&self, name: &'static str) -> Result<&'a str, ApiError> {
        self.required(name, self.text(name)?)
    }

    /// A boolean.
    pub fn boolean(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(other) => Err(self.invalid(name, other, "Either true or false was expected.")),
        }
    }

    /// A boolean in an attribute structure: `{"Value": true}`.
    pub fn attribute_boolean(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        Ok(self.within(name, |attribute| attribute.boolean("Value"))?.flatten())
    }

    /// A whole number that fits the wanted type.
    pub fn integer<N: TryFrom<i64>>(&self, name: &'static str) -> Result<Option<N>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number.and_then(|number| N::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.invalid(name, value, "It is not a whole number in range.")),
        }
    }

    /// Anything that is written as text; `what` says what was expected.
    pub fn parsed<T: FromStr>(&self, name: &'static str, what: &str) -> Result<Option<T>, ApiError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => match text.trim().parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(self.invalid(name, &text.into(), what)),
            },
        }
    }

    /// An IPv4 or IPv6 address.
    pub fn address<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ApiError> {
        self.parsed(name, "This is not a valid IP address.")
    }

    /// An IPv4 block, host bits as given.
    pub fn ipv4_net(&self, name: &'static str) -> Result<Option<Ipv4Net>, ApiError> {
        self.parsed(name, "This is not a valid CIDR block.")
    }

    /// An IPv6 block, host bits as given.
    pub fn ipv6_net(&self, name: &'static str) -> Result<Option<Ipv6Net>, ApiError> {
        self.parsed(name, "This is not a valid CIDR block.")
    }

    /// A block of either family, host bits as given.
    pub fn ip_net(&self, name: &'static str) -> Result<Option<IpNet>, ApiError> {
        self.parsed(name, "This is not a valid CIDR block.")
    }

    /// An identifier. Errors: the kind's code for a malformed one.
    pub fn id<Id: Identifier>(&self, name: &'static str) -> Result<Option<Id>, ApiError> {
        self.text(name)?.map(Id::parse).transpose()
    }

    /// An identifier that must be there.
    pub fn required_id<Id: Identifier>(&self, name: &'static str) -> Result<Id, ApiError> {
        self.required(name, self.id(name)?)
    }

    /// A list of identifiers; absent = empty.
    pub fn ids<Id: Identifier>(&self, name: &'static str) -> Result<Vec<Id>, ApiError> {
        self.texts(name)?.into_iter().map(Id::parse).collect()
    }

    /// A list of texts; absent = empty. A single text stands for a list of one.
    pub fn texts(&self, name: &'static str) -> Result<Vec<&'a str>, ApiError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(|| self.invalid(name, item, "A text was expected.")))
                .collect(),
            Some(other) => Err(self.invalid(name, other, "A list of texts was expected.")),
        }
    }

    /// A list of things written as text.
    pub fn parsed_list<T: FromStr>(&self, name: &'static str, what: &str) -> Result<Vec<T>, ApiError> {
        let parse = |text: &str| text.trim().parse().map_err(|_| self.invalid(name, &text.into(), what));
        self.texts(name)?.into_iter().map(parse).collect()
    }

    /// A structure, read through `body`; what `body` leaves is unknown.
    pub fn within<T>(
        &self,
        name: &'static str,
        body: impl FnOnce(&Arguments<'a>) -> Result<T, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let inner = Arguments::of(value, format!("{}{name}.", self.path))?;
        let value = body(&inner)?;
        inner.finish()?;
        Ok(Some(value))
    }

    /// A list of structures, each read through `body`; absent = empty.
    pub fn each<T>(
        &self,
        name: &'static str,
        mut body: impl FnMut(&Arguments<'a>) -> Result<T, ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let items = match self.value(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.invalid(name, other, "A list was expected.")),
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let inner = Arguments::of(item, format!("{}{name}.{}.", self.path, index + 1))?;
            values.push(body(&inner)?);
            inner.finish()?;
        }
        Ok(values)
    }

    /// The tags in `TagSpecifications` for a resource of this type (`vpc`, `security-group`, …).
    /// Errors: `InvalidParameterValue` for another type; the rules of tags are checked by the operation.
    pub fn tags(&self, resource_type: &str) -> Result<Tags, ApiError> {
        let mut tags = Tags::new();
        self.each("TagSpecifications", |specification| {
            let given = specification.required_text("ResourceType")?;
            if given != resource_type {
                let why = format!("'{given}' is not a valid taggable resource type for this operation.");
                return Err(ApiError::new(ErrorCode::InvalidParameterValue, why));
            }
            tags.extend(specification.tag_list("Tags")?);
            Ok(())
        })?;
        Ok(tags)
    }

    /// A list of `{"Key", "Value"}`; a missing value is empty. Errors: `InvalidParameterValue` for a key that stands twice.
    pub fn tag_list(&self, name: &'static str) -> Result<Vec<(String, String)>, ApiError> {
        let mut seen = BTreeSet::new();
        self.each(name, |tag| {
            let key = tag.required_text("Key")?.to_owned();
            if !seen.insert(key.clone()) {
                return Err(ApiError::new(ErrorCode::InvalidParameterValue, format!("Duplicate tag key '{key}' specified.")));
            }
            Ok((key, tag.text("Value")?.unwrap_or_default().to_owned()))
        })
    }

    /// The only one of several alternatives that was given. Errors: `MissingParameter` for none,
    /// `InvalidParameterCombination` for more.
    pub fn exactly_one<T>(&self, names: &str, given: Vec<T>) -> Result<T, ApiError> {
        let mut given = given.into_iter();
        match (given.next(), given.next()) {
            (None, _) => Err(missing(&format!("{}{names}", self.path))),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(ApiError::new(
                ErrorCode::InvalidParameterCombination,
                format!("Only one of the parameters {}{names} can be given", self.path),
            )),
        }
    }

    /// Turns an absent value into `MissingParameter`.
    pub fn required<T>(&self, name: &'static str, value: Option<T>) -> Result<T, ApiError> {
        value.ok_or_else(|| missing(&format!("{}{name}", self.path)))
    }

    /// `InvalidParameterValue` for the parameter.
    pub fn invalid(&self, name: &str, value: &Value, why: &str) -> ApiError {
        let name = format!("{}{name}", self.path);
        match value {
            Value::String(text) => invalid(&name, text, why),
            other => invalid(&name, other, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::VpcId;
    use serde_json::json;

    use super::*;

    fn code<T>(result: Result<T, ApiError>) -> ErrorCode {
        result.err().expect("an error").code
    }

    #[test]
    fn what_nobody_asks_for_is_unknown_at_every_depth() {
        let flat = json!({"VpcId": "vpc-1", "Colour": "red"});
        assert_eq!(code(read(&flat, |a| a.required_id::<VpcId>("VpcId"))), ErrorCode::UnknownParameter);
        let deep = json!({"List": [{"A": "1"}, {"A": "2", "B": "3"}]});
        let error = read(&deep, |a| a.each("List", |i| i.required_text("A"))).unwrap_err();
        assert_eq!(error.message, "The parameter List.2.B is not recognized");
    }

    #[test]
    fn values_may_come_as_text_and_empty_text_is_absent() {
        let value = json!({"Flag": "true", "Count": "7", "Empty": "", "Attribute": {"Value": "false"}, "One": "x"});
        read(&value, |a| {
            assert_eq!(a.boolean("Flag")?, Some(true));
            assert_eq!(a.integer::<u16>("Count")?, Some(7));
            assert_eq!(a.text("Empty")?, None);
            assert_eq!(a.attribute_boolean("Attribute")?, Some(false));
            assert_eq!(a.texts("One")?, ["x"]);
            Ok(())
        })
        .unwrap();
        assert_eq!(code(read(&json!({}), |a| a.required_text("Name").map(drop))), ErrorCode::MissingParameter);
        for wrong in [json!({"Count": 70_000}), json!({"Count": "x"}), json!({"Count": 1.5}), json!({"Count": []})] {
            assert_eq!(code(read(&wrong, |a| a.integer::<u16>("Count"))), ErrorCode::InvalidParameterValue, "{wrong}");
        }
    }

    #[test]
    fn what_a_call_asks_for_can_be_noted() {
        let value = json!({"List": [{"A": "1", "B": ""}]});
        let (outcome, noted) = noting(|| {
            read(&value, |a| {
                a.ignore(&["Colour"]);
                a.refuse(&["Size"])?;
                a.each("List", |item| Ok((item.text("A")?, item.text("B")?)))
            })
        });
        assert!(outcome.is_ok());
        assert!(["List", "List.A", "List.B"].iter().all(|name| noted.read.contains(*name)), "{noted:?}");
        assert!(noted.ignored.contains("Colour") && noted.refused.contains("Size"), "{noted:?}");
    }

    #[test]
    fn tags_belong_to_the_type_that_is_made() {
        let value = json!({"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "a"}]}]});
        assert_eq!(read(&value, |a| a.tags("vpc")).unwrap()["Name"], "a");
        assert_eq!(code(read(&value, |a| a.tags("subnet"))), ErrorCode::InvalidParameterValue);
    }
}
