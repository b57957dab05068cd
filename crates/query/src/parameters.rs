//! Parameters of a call: from the names and texts of a form to JSON, by the shapes of the operation, and back.
//!
//! Nothing here knows an operation. What a shape says is checked: names, required members, bounds, choices, patterns.
//! Identifiers are left to who serves the call, because their codes differ by kind. Numbers, booleans and moments leave
//! as JSON has them; bytes stay base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use crate::form::{Node, unknown};
use model::moment::Moment;
use crate::refusal::{Refusal, quoted};
use crate::shapes::{Enum, Member, Operation, Protocol, Service, Shape, ShapeId, Text};

/// Reads the parameters of a call; the form must be without `Action` and `Version`.
///
/// Errors of EC2: `UnknownParameter`, `MissingParameter`, `InvalidParameterValue`; of the query protocol
/// `UnknownParameter`, `ValidationError`.
pub fn read(service: &Service, operation: &Operation, form: &Node<'_>) -> Result<Value, Refusal> {
    let reader = Reader { service };
    let root = Path { above: None, part: "" };
    let members = service.members(operation.input);
    let fields = reader.structure(members, form, &root)?;
    reader.require(members, &fields, &root)?;
    Ok(Value::Object(fields))
}

/// Writes parameters as a form, as the SDKs do. What is null or has no shape is left out.
pub fn write(service: &Service, operation: &Operation, parameters: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Some(input) = operation.input {
        flatten(service, input, parameters, String::new(), &mut pairs);
    }
    pairs
}

/// Dotted names of parameters that the operation does not have: [`write()`] leaves them out, SDKs refuse them.
pub fn strangers(service: &Service, operation: &Operation, parameters: &Value) -> Vec<String> {
    crate::answer::strangers_to(service, operation.input, parameters)
}

fn flatten(service: &Service, shape: ShapeId, value: &Value, name: String, pairs: &mut Vec<(String, String)>) {
    match (service.shape(shape), value) {
        (_, Value::Null) => {}
        (Shape::Structure(members), Value::Object(fields)) => {
            for (member, value) in members.iter().filter_map(|member| Some((member, fields.get(member.name)?))) {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(service, member.shape, value, format!("{name}{dot}{}", member.asked), pairs);
            }
        }
        (Shape::List { item_name, item, .. }, Value::Array(items)) => {
            let is_query = service.protocol == Protocol::Query;
            if items.is_empty() && is_query {
                pairs.push((name.clone(), String::new()));
            }
            let name = if is_query { format!("{name}.{item_name}") } else { name };
            for (index, value) in (1..).zip(items) {
                flatten(service, *item, value, format!("{name}.{index}"), pairs);
            }
        }
        (_, Value::String(text)) => pairs.push((name, text.clone())),
        (_, value @ (Value::Bool(_) | Value::Number(_))) => pairs.push((name, value.to_string())),
        _ => {}
    }
}

/// Where a value stands in the form; made into text when it must be named.
struct Path<'p> {
    above: Option<&'p Path<'p>>,
    part: &'p str,
}

impl Path<'_> {
    fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<_> = std::iter::successors(Some(self), |path| path.above).map(|path| path.part).collect();
        parts.pop();
        parts.reverse();
        parts
    }

    fn name(&self) -> String {
        self.parts().join(".")
    }

    /// As the query protocol names it in messages: `tags.1.member.key`.
    fn lower_name(&self) -> String {
        let lower = |part: &str| match part.chars().next() {
            Some(first) => format!("{}{}", first.to_ascii_lowercase(), &part[first.len_utf8()..]),
            None => String::new(),
        };
        self.parts().into_iter().map(lower).collect::<Vec<_>>().join(".")
    }
}

struct Reader<'s> {
    service: &'s Service,
}

impl Reader<'_> {
    fn is_ec2(&self) -> bool {
        self.service.protocol == Protocol::Ec2
    }

    fn structure(&self, members: &[Member], node: &Node<'_>, path: &Path<'_>) -> Result<Map<String, Value>, Refusal> {
        let mut fields = Map::new();
        for (part, node) in &node.below {
            let path = Path { above: Some(path), part };
            let Some(member) = members.iter().find(|member| member.asked == *part) else {
                let separator = if node.below.is_empty() { "" } else { "." };
                return Err(unknown(&format!("{}{separator}{}", path.name(), node.first_name())));
            };
            if let Some(value) = self.value(member.shape, node, &path)? {
                fields.insert(member.name.to_owned(), value);
            }
        }
        Ok(fields)
    }

    /// A structure inside another one, or `None` where it says nothing.
    fn inner(&self, members: &[Member], node: &Node<'_>, path: &Path<'_>) -> Result<Option<Value>, Refusal> {
        let fields = self.structure(members, node, path)?;
        let is_attribute = matches!(members, [only] if only.name == "Value");
        // EC2's clients send every member of an empty structure as an empty text; an attribute is emptied that way.
        if self.is_ec2() && !is_attribute && fields.values().all(|value| value == "") {
            return Ok(None);
        }
        self.require(members, &fields, path)?;
        Ok(Some(Value::Object(fields)))
    }

    fn require(&self, members: &[Member], fields: &Map<String, Value>, path: &Path<'_>) -> Result<(), Refusal> {
        let is_there = |member: &Member| match fields.get(member.name) {
            None => false,
            Some(value) => !self.is_ec2() || value != "",
        };
        match members.iter().find(|member| member.is_required && !is_there(member)) {
            None => Ok(()),
            Some(member) => Err(self.missing(&Path { above: Some(path), part: member.asked })),
        }
    }

    fn value(&self, shape: ShapeId, node: &Node<'_>, path: &Path<'_>) -> Result<Option<Value>, Refusal> {
        match self.service.shape(shape) {
            Shape::Structure(members) => match node.value {
                None | Some("") => self.inner(members, node, path),
                Some(text) => Err(self.invalid(path, text, "A structure was expected.")),
            },
            Shape::List { item_name, item, min, max } => {
                let items = self.items(item_name, *item, node, path)?;
                if let Some(count) = items.as_ref().map(Vec::len).filter(|count| !(*min..=*max).contains(count)) {
                    return Err(self.out_of_range(path, count, *min, *max, "length"));
                }
                Ok(items.map(Value::Array))
            }
            shape => {
                if let Some((part, node)) = node.below.iter().next() {
                    let path = Path { above: Some(path), part };
                    let dot = if node.below.is_empty() { "" } else { "." };
                    return Err(unknown(&format!("{}{dot}{}", path.name(), node.first_name())));
                }
                match node.value {
                    None => Ok(None),
                    Some(text) => self.scalar(shape, text, path),
                }
            }
        }
    }

    fn items(&self, name: &str, item: ShapeId, node: &Node<'_>, path: &Path<'_>) -> Result<Option<Vec<Value>>, Refusal> {
        let is_scalar = !matches!(self.service.shape(item), Shape::Structure(_) | Shape::List { .. });
        match node.value {
            Some("") if node.below.is_empty() => return Ok((!self.is_ec2()).then(Vec::new)),
            // EC2 takes a single value without a number.
            Some(text) if self.is_ec2() && is_scalar && node.below.is_empty() => {
                return Ok(self.scalar(self.service.shape(item), text, path)?.map(|value| vec![value]));
            }
            Some(text) if !text.is_empty() => return Err(self.invalid(path, text, "A list was expected.")),
            _ => {}
        }
        if self.is_ec2() {
            return self.numbered(item, node, path).map(Some);
        }
        let Some(numbered) = node.below.get(name) else {
            return Err(unknown(&format!("{}.{}", path.name(), node.first_name())));
        };
        if let Some((part, _)) = node.below.iter().find(|(part, _)| **part != name) {
            return Err(unknown(&format!("{}.{part}", path.name())));
        }
        self.numbered(item, numbered, &Path { above: Some(path), part: name }).map(Some)
    }

    /// Items by their numbers, in that order; numbers may be left out.
    fn numbered(&self, item: ShapeId, node: &Node<'_>, path: &Path<'_>) -> Result<Vec<Value>, Refusal> {
        let mut items = Vec::with_capacity(node.below.len());
        for (part, node) in &node.below {
            let number = part.parse::<u32>().ok().filter(|number| *number > 0 && number.to_string() == **part);
            match number {
                Some(number) => items.push((number, *part, node)),
                None => return Err(unknown(&Path { above: Some(path), part }.name())),
            }
        }
        items.sort_unstable_by_key(|(number, ..)| *number);
        let values = items.into_iter().map(|(_, part, node)| {
            let path = Path { above: Some(path), part };
            match self.service.shape(item) {
                Shape::Structure(members) if matches!(node.value, None | Some("")) => {
                    let fields = self.structure(members, node, &path)?;
                    self.require(members, &fields, &path)?;
                    Ok(Some(Value::Object(fields)))
                }
                _ => self.value(item, node, &path),
            }
        });
        values.filter_map(Result::transpose).collect()
    }

    /// `None` for an empty text that is neither a text nor, in the query protocol, an answer to anything.
    fn scalar(&self, shape: &Shape, text: &str, path: &Path<'_>) -> Result<Option<Value>, Refusal> {
        let invalid = |why: &str| self.invalid(path, text, why);
        let is_text = matches!(shape, Shape::String | Shape::Text(_) | Shape::Enum(_));
        if text.is_empty() && self.is_ec2() {
            return Ok(is_text.then(|| Value::from("")));
        }
        Ok(Some(match shape {
            Shape::Text(bounds) => {
                self.bounded(bounds, text, path)?;
                text.into()
            }
            Shape::Enum(choices) => {
                self.chosen(choices, text, path)?;
                text.into()
            }
            Shape::Number { min, max } => match text.parse::<i64>() {
                Ok(number) if (*min..=*max).contains(&number) => number.into(),
                Ok(number) => return Err(self.out_of_range(path, number, *min, *max, "value")),
                Err(_) => return Err(invalid("It is not a whole number in range.")),
            },
            Shape::Double => match text.parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => return Err(invalid("It is not a number.")),
            },
            Shape::Boolean => match text {
                _ if text.eq_ignore_ascii_case("true") => true.into(),
                _ if text.eq_ignore_ascii_case("false") => false.into(),
                _ => return Err(invalid("Either true or false was expected.")),
            },
            Shape::Timestamp => match Moment::parse(text) {
                Some(moment) => moment.shortest().into(),
                None => return Err(invalid("It is not a date and time of ISO 8601.")),
            },
            Shape::Blob => {
                let compact: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
                match STANDARD.decode(&compact) {
                    Ok(_) => compact.into(),
                    Err(_) => return Err(invalid("It is not base64.")),
                }
            }
            Shape::String | Shape::List { .. } | Shape::Map { .. } | Shape::Structure(_) => text.into(),
        }))
    }

    fn bounded(&self, bounds: &Text, text: &str, path: &Path<'_>) -> Result<(), Refusal> {
        let length = text.chars().count();
        if !(bounds.min..=bounds.max).contains(&length) {
            let (constraint, limit) = match length < bounds.min {
                true => ("greater than or equal to", bounds.min),
                false => ("less than or equal to", bounds.max),
            };
            return Err(self.invalid(path, text, &format!("Member must have length {constraint} {limit}")));
        }
        if !bounds.fits(text) {
            let pattern = bounds.pattern.unwrap_or_default();
            let why = format!("Member must satisfy regular expression pattern: {pattern}");
            return Err(self.invalid(path, text, &why));
        }
        Ok(())
    }

    fn chosen(&self, choices: &Enum, text: &str, path: &Path<'_>) -> Result<(), Refusal> {
        if choices.has(text) {
            return Ok(());
        }
        let some: Vec<_> = choices.values().take(12).collect();
        let more = if choices.values().nth(12).is_some() { ", …" } else { "" };
        let why = format!("Member must satisfy enum value set: [{}{more}]", some.join(", "));
        Err(self.invalid(path, text, &why))
    }

    fn missing(&self, path: &Path<'_>) -> Refusal {
        match self.service.protocol {
            Protocol::Ec2 => {
                let message = format!("The request must contain the parameter {}", path.name());
                Refusal::new("MissingParameter", message)
            }
            Protocol::Query => {
                let name = path.lower_name();
                let constraint = "failed to satisfy constraint: Member must not be null";
                Refusal::new("ValidationError", format!("1 validation error detected: Value at '{name}' {constraint}"))
            }
        }
    }

    fn invalid(&self, path: &Path<'_>, text: &str, why: &str) -> Refusal {
        let text = quoted(text);
        match self.service.protocol {
            Protocol::Ec2 => {
                let message = format!("Value ({text}) for parameter {} is invalid. {why}", path.name());
                Refusal::new("InvalidParameterValue", message)
            }
            Protocol::Query => {
                let name = path.lower_name();
                let value = format!("1 validation error detected: Value '{text}' at '{name}'");
                Refusal::new("ValidationError", format!("{value} failed to satisfy constraint: {why}"))
            }
        }
    }

    fn out_of_range<N: PartialOrd + std::fmt::Display>(
        &self,
        path: &Path<'_>,
        number: N,
        min: N,
        max: N,
        of: &str,
    ) -> Refusal {
        let (constraint, limit) = match number < min {
            true => ("greater than or equal to", min),
            false => ("less than or equal to", max),
        };
        self.invalid(path, &number.to_string(), &format!("Member must have {of} {constraint} {limit}"))
    }
}
