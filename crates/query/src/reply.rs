//! The client's half of an answer: from XML to the JSON that boto3 gives, or to the code of a refusal.

use serde_json::{Map, Value};

use crate::http::Response;
use crate::shapes::{Operation, Protocol, Service, Shape, ShapeId};

/// A response that is none: what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// The code and the message of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// AWS's code.
    pub code: String,
    /// The sentence.
    pub message: String,
}

/// Reads a response as boto3 does: members that are not there are left out, empty lists are lists.
///
/// Errors: [`Malformed`] for a body that is no XML, or not of this operation.
pub fn read(service: &Service, operation: &Operation, response: &Response) -> Result<Result<Value, Refused>, Malformed> {
    let root = Element::parse(&response.body)?;
    if response.status != 200 {
        let error = root.find("Error").ok_or_else(|| Malformed("a refusal without Error".to_owned()))?;
        let text = |name: &str| error.child(name).map(|child| child.text.clone()).unwrap_or_default();
        return Ok(Err(Refused { code: text("Code"), message: text("Message") }));
    }
    let expected = format!("{}Response", operation.name);
    if root.name != expected {
        return Err(Malformed(format!("{} instead of {expected}", root.name)));
    }
    let within = match (service.protocol, operation.wrapper) {
        (Protocol::Query, Some(wrapper)) => {
            root.child(wrapper).ok_or_else(|| Malformed(format!("{expected} without {wrapper}")))?
        }
        _ => &root,
    };
    match operation.output {
        None => Ok(Ok(Value::Object(Map::new()))),
        Some(output) => value(service, output, within).map(Ok),
    }
}

fn value(service: &Service, id: ShapeId, element: &Element) -> Result<Value, Malformed> {
    let misfit = || Malformed(format!("{}: `{}` does not fit", element.name, element.text));
    Ok(match service.shape(id) {
        Shape::Structure(members) => {
            let mut fields = Map::new();
            for member in members {
                if let Some(child) = element.child(member.answered) {
                    fields.insert(member.name.to_owned(), value(service, member.shape, child)?);
                }
            }
            Value::Object(fields)
        }
        Shape::List { item_name, item, .. } => {
            let items = element.children.iter().filter(|child| child.name == *item_name);
            Value::Array(items.map(|child| value(service, *item, child)).collect::<Result<_, _>>()?)
        }
        Shape::Map { key_name, value_name, value: shape, .. } => {
            let mut fields = Map::new();
            for entry in element.children.iter().filter(|child| child.name == "entry") {
                let (Some(key), Some(held)) = (entry.child(key_name), entry.child(value_name)) else { return Err(misfit()) };
                fields.insert(key.text.clone(), value(service, *shape, held)?);
            }
            Value::Object(fields)
        }
        Shape::Number { .. } => element.text.parse::<i64>().map_err(|_| misfit())?.into(),
        Shape::Double => element.text.parse::<f64>().map_err(|_| misfit())?.into(),
        Shape::Boolean => match element.text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(misfit()),
        },
        Shape::String | Shape::Text(_) | Shape::Enum(_) | Shape::Timestamp | Shape::Blob => element.text.clone().into(),
    })
}

/// An element: its text or what is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first element of this name, however deep.
    fn find(&self, name: &str) -> Option<&Self> {
        self.child(name).or_else(|| self.children.iter().find_map(|child| child.find(name)))
    }

    /// Reads what the endpoint writes: a declaration, elements, text; no comments, no sections.
    fn parse(text: &str) -> Result<Self, Malformed> {
        let broken = |why: &str| Malformed(why.to_owned());
        let mut rest = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).ok_or_else(|| broken("no declaration"))?.1;
        let mut open: Vec<Self> = Vec::new();
        loop {
            let (before, tag_and_rest) = rest.split_once('<').ok_or_else(|| broken("it ends within an element"))?;
            if let Some(element) = open.last_mut() {
                element.text.push_str(&unescape(before)?);
            }
            let (tag, after) = tag_and_rest.split_once('>').ok_or_else(|| broken("it ends within a tag"))?;
            rest = after;
            if !tag.starts_with('/') {
                let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
                open.push(Self { name: name.to_owned(), ..Self::default() });
            }
            if tag.starts_with('/') || tag.ends_with('/') {
                let element = open.pop().ok_or_else(|| broken("an end without a beginning"))?;
                if tag.strip_prefix('/').is_some_and(|name| name != element.name) {
                    return Err(Malformed(format!("{} ends as {tag}", element.name)));
                }
                match open.last_mut() {
                    Some(above) => above.children.push(element),
                    None => return Ok(element),
                }
            }
        }
    }
}

fn unescape(text: &str) -> Result<String, Malformed> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let unknown = || Malformed(format!("&{} is no character", after.chars().take(8).collect::<String>()));
        let (name, after) = after.split_once(';').ok_or_else(unknown)?;
        plain.push_str(before);
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let digits = name.strip_prefix("#x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
                digits.and_then(char::from_u32).ok_or_else(unknown)?
            }
        });
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{answer, shapes};

    fn respond(status: u16, body: String) -> Response {
        Response { status, headers: Vec::new(), body, operation: None, code: None }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (service, operation, answer) in [
            ("ec2", "DescribeVpcs", json!({"Vpcs": [{"VpcId": "vpc-1", "IsDefault": false, "Tags": [{"Key": "a<&\"b", "Value": ""}]}]})),
            ("ec2", "DescribeVpcs", json!({"Vpcs": []})),
            ("ec2", "DescribeSecurityGroupRules", json!({"SecurityGroupRules": [{"FromPort": -1, "IsEgress": true}]})),
            ("sts", "GetCallerIdentity", json!({"UserId": "A", "Account": "1", "Arn": "arn:\r\n"})),
            ("iam", "GetAccountSummary", json!({"SummaryMap": {"Users": 3}})),
            ("iam", "DeleteUser", json!({})),
        ] {
            let service = shapes::service(service).unwrap();
            let operation = service.operation(operation).unwrap();
            let body = answer::write(service, operation, &answer, "r-1").unwrap();
            assert_eq!(read(service, operation, &respond(200, body)), Ok(Ok(answer)), "{}", operation.name);
        }
    }

    #[test]
    fn refusals_of_both_protocols_are_read() {
        for name in ["ec2", "iam"] {
            let service = shapes::service(name).unwrap();
            let refusal = crate::Refusal::new("AccessDenied", "no <way>");
            let body = refusal.write(service.protocol, service.namespace, "r-1");
            let refused = Refused { code: "AccessDenied".to_owned(), message: "no <way>".to_owned() };
            assert_eq!(read(service, &service.operations()[0], &respond(403, body)), Ok(Err(refused)), "{name}");
        }
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        let service = shapes::service("ec2").unwrap();
        let operation = service.operation("DescribeVpcs").unwrap();
        let root = "<DescribeVpcsResponse>";
        for body in [
            String::new(),
            "<?xml?>".to_owned(),
            format!("<?xml?>{root}"),
            format!("<?xml?>{root}</x>"),
            format!("<?xml?>{root}&nbsp;</DescribeVpcsResponse>"),
            "<?xml?></x>".to_owned(),
            "<?xml?><OtherResponse/>".to_owned(),
            format!("<?xml?>{root}<vpcSet><item><isDefault>maybe</isDefault></item></vpcSet></DescribeVpcsResponse>"),
        ] {
            assert!(read(service, operation, &respond(200, body.clone())).is_err(), "{body}");
        }
    }
}
