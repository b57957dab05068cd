//! Answers: from boto3's JSON to XML, by the shapes of the operation.

use std::sync::Arc;

use serde_json::Value;

use model::moment::Moment;
use crate::refusal::Refusal;
use crate::shapes::{Member, Operation, Protocol, Service, Shape, ShapeId};
use crate::xml::Writer;

/// Writes the answer of a call. An empty list is an empty element; null and absent members are left out, and so are
/// members that the shape lacks ([`strangers`] finds them).
///
/// Errors: `InternalError` for a value that does not fit its member, which is a defect of whoever served the call.
pub fn write(service: &Service, operation: &Operation, answer: &Value, request_id: &str) -> Result<String, Refusal> {
    write_with(service, operation, answer, request_id, &[])
}

/// The same of an answer in which a number stands for an item of a list that is a structure: that piece, which was written before
/// ([`write_piece`]).
pub fn write_with(service: &Service, operation: &Operation, answer: &Value, request_id: &str, pieces: &[Arc<str>]) -> Result<String, Refusal> {
    let expected = pieces.iter().map(|piece| piece.len()).sum();
    let mut answering = Answering { service, xml: Writer::with_room_for(expected), places: Vec::new(), pieces };
    let root = format!("{}Response", operation.name);
    answering.xml.open_in(&root, service.namespace);
    match service.protocol {
        Protocol::Ec2 => {
            answering.xml.text("requestId", request_id);
            if operation.output.is_none() && answer.get("Return").is_some() {
                answering.xml.text("return", "true");
            }
            answering.members(operation.output, answer)?;
        }
        Protocol::Query => {
            if let Some(wrapper) = operation.wrapper {
                answering.xml.open(wrapper);
                answering.members(operation.output, answer)?;
                answering.xml.close(wrapper);
            }
            answering.xml.open("ResponseMetadata");
            answering.xml.text("RequestId", request_id);
            answering.xml.close("ResponseMetadata");
        }
    }
    answering.xml.close(&root);
    Ok(answering.xml.finish())
}

/// Writes an item of a list, to which these members of an operation's answer lead. Errors: as [`write()`]; there is no such list.
pub fn write_piece(service: &Service, operation: &Operation, path: &[&str], item: &Value) -> Result<String, Refusal> {
    let nowhere = || Refusal::new("InternalError", format!("The answer of {} has no list {}.", operation.name, path.join(".")));
    let mut shape = operation.output;
    let mut item_name = "";
    for name in path {
        let member = service.members(shape).iter().find(|member| member.name == *name).ok_or_else(nowhere)?;
        let Shape::List { item_name: name, item, .. } = service.shape(member.shape) else { return Err(nowhere()) };
        (shape, item_name) = (Some(*item), name);
    }
    let mut answering = Answering { service, xml: Writer::bare(), places: Vec::new(), pieces: &[] };
    let written = answering.element(shape.ok_or_else(nowhere)?, item_name, item);
    written.map_err(|misfit| misfit.unwrap_or_else(|| unfit(item_name, item)))?;
    Ok(answering.xml.finish())
}

/// An answer that is being written.
struct Answering<'s> {
    service: &'s Service,
    /// Items that were written before.
    pieces: &'s [Arc<str>],
    xml: Writer,
    /// By shape, where the member stands that the field at each place of the last structure was: things of one kind look alike, and a
    /// shape has up to a hundred members.
    places: Vec<(ShapeId, Vec<usize>)>,
}

fn unfit(name: &str, value: &Value) -> Refusal {
    let kind = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a structure",
    };
    Refusal::new("InternalError", format!("The answer has {kind} in {name}, which does not belong there."))
}

impl<'s> Answering<'s> {
    /// Elements in the order of the answer.
    fn members(&mut self, shape: Option<ShapeId>, value: &Value) -> Result<(), Refusal> {
        let Some(shape) = shape else { return Ok(()) };
        for (place, (name, value)) in value.as_object().into_iter().flatten().enumerate() {
            if value.is_null() {
                continue;
            }
            if let Some(member) = self.member(shape, place, name) {
                self.element(member.shape, member.answered, value).map_err(|misfit| misfit.unwrap_or_else(|| unfit(member.name, value)))?;
            }
        }
        Ok(())
    }

    /// The member of this name, looked for first where it was the last time.
    fn member(&mut self, shape: ShapeId, place: usize, name: &str) -> Option<&'s Member> {
        let members = self.service.members(Some(shape));
        let known = self.places.iter().position(|(of, _)| *of == shape).unwrap_or_else(|| {
            self.places.push((shape, Vec::new()));
            self.places.len() - 1
        });
        let places = &mut self.places[known].1;
        let guess = places.get(place).and_then(|index| members.get(*index)).filter(|member| member.name == name);
        if guess.is_some() {
            return guess;
        }
        let found = members.iter().position(|member| member.name == name)?;
        places.resize(places.len().max(place + 1), usize::MAX);
        places[place] = found;
        members.get(found)
    }

    /// One element; an error without a refusal is a misfit that the caller can name.
    fn element(&mut self, id: ShapeId, name: &str, value: &Value) -> Result<(), Option<Refusal>> {
        let service = self.service;
        match (service.shape(id), value) {
            (Shape::Structure(_), Value::Object(_)) => {
                self.xml.open(name);
                self.members(Some(id), value).map_err(Some)?;
                self.xml.close(name);
            }
            (Shape::Structure(_), Value::Number(number)) => {
                let piece = number.as_u64().and_then(|number| self.pieces.get(usize::try_from(number).ok()?)).ok_or(None)?;
                self.xml.piece(piece);
            }
            (Shape::List { .. }, Value::Array(items)) if items.is_empty() => self.xml.empty(name),
            (Shape::List { item_name, item, .. }, Value::Array(items)) => {
                self.xml.open(name);
                for value in items {
                    self.element(*item, item_name, value)?;
                }
                self.xml.close(name);
            }
            (Shape::Map { key_name, key, value_name, value: value_shape }, Value::Object(fields)) => {
                self.xml.open(name);
                for (field, value) in fields {
                    self.xml.open("entry");
                    self.element(*key, key_name, &field.as_str().into())?;
                    self.element(*value_shape, value_name, value)?;
                    self.xml.close("entry");
                }
                self.xml.close(name);
            }
            (Shape::Timestamp, Value::String(text)) => {
                let moment = Moment::parse(text).ok_or(None)?;
                let text = match service.protocol {
                    Protocol::Ec2 => moment.with_milliseconds(),
                    Protocol::Query => moment.shortest(),
                };
                self.xml.text(name, &text);
            }
            (Shape::String | Shape::Text(_) | Shape::Enum(_) | Shape::Blob, Value::String(text)) => self.xml.text(name, text),
            (Shape::Boolean, Value::Bool(value)) => self.xml.text(name, if *value { "true" } else { "false" }),
            (Shape::Number { .. }, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.xml.text(name, &number.to_string());
            }
            (Shape::Double, Value::Number(number)) => self.xml.text(name, &number.to_string()),
            _ => return Err(None),
        }
        Ok(())
    }
}

/// Dotted names of members in an answer that its shape lacks: clients would never see them.
pub fn strangers(service: &Service, operation: &Operation, answer: &Value) -> Vec<String> {
    strangers_to(service, operation.output, answer)
}

/// The same for any shape; without one nothing is looked at.
pub(crate) fn strangers_to(service: &Service, shape: Option<ShapeId>, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(shape) = shape {
        look(service, shape, value, "", &mut found);
    }
    found
}

fn look(service: &Service, id: ShapeId, value: &Value, path: &str, found: &mut Vec<String>) {
    match (service.shape(id), value) {
        (Shape::Structure(members), Value::Object(fields)) => {
            for (name, value) in fields {
                let path = format!("{path}{}{name}", if path.is_empty() { "" } else { "." });
                match members.iter().find(|member| member.name == name) {
                    None => found.push(path),
                    Some(member) => look(service, member.shape, value, &path, found),
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.iter().for_each(|value| look(service, *item, value, path, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shapes;

    fn written(service: &str, operation: &str, answer: Value) -> String {
        let service = shapes::service(service).unwrap();
        let text = write(service, service.operation(operation).unwrap(), &answer, "r-1").unwrap();
        text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap().to_owned()
    }

    #[test]
    fn an_answer_of_ec2_has_its_names_and_empty_lists() {
        let tags = json!([{"Key": "a", "Value": ""}]);
        let vpc = json!({"VpcId": "vpc-1", "IsDefault": false, "CidrBlockAssociationSet": [], "Tags": tags});
        assert_eq!(
            written("ec2", "DescribeVpcs", json!({"Vpcs": [vpc], "NextToken": null})),
            "<DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId>\
             <vpcSet><item><vpcId>vpc-1</vpcId><isDefault>false</isDefault><cidrBlockAssociationSet/><tagSet><item>\
             <key>a</key><value></value></item></tagSet></item></vpcSet></DescribeVpcsResponse>"
        );
        assert!(written("ec2", "DescribeVpcs", json!({"Vpcs": []})).contains("<vpcSet/>"));
        assert!(written("ec2", "DeleteVpc", json!({"Return": true})).contains("<return>true</return>"));
    }

    #[test]
    fn moments_are_written_as_each_service_does() {
        let moment = "2026-11-25T09:00:00Z";
        let volumes = json!({"Volumes": [{"CreateTime": moment}]});
        assert!(written("ec2", "DescribeVolumes", volumes).contains("<createTime>2026-11-25T09:00:00.000Z</createTime>"));
        let user = json!({"User": {"CreateDate": moment}});
        assert!(written("iam", "GetUser", user).contains("<CreateDate>2026-11-25T09:00:00Z</CreateDate>"));
    }

    #[test]
    fn an_answer_of_the_query_protocol_is_wrapped() {
        assert_eq!(
            written("sts", "GetCallerIdentity", json!({"Account": "111122223333"})),
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Account>111122223333</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId>\
             </ResponseMetadata></GetCallerIdentityResponse>"
        );
        assert!(!written("iam", "DeleteUser", Value::Null).contains("Result"));
        let summary = written("iam", "GetAccountSummary", json!({"SummaryMap": {"Users": 3}}));
        assert!(summary.contains("<SummaryMap><entry><key>Users</key><value>3</value></entry></SummaryMap>"));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let ec2 = shapes::service("ec2").unwrap();
        let describe = ec2.operation("DescribeVpcs").unwrap();
        let refused = |answer: Value| write(ec2, describe, &answer, "r").unwrap_err().message;
        assert_eq!(refused(json!({"Vpcs": 1})), "The answer has a number in Vpcs, which does not belong there.");
        let inner = json!({"Vpcs": [{"IsDefault": "yes"}]});
        assert_eq!(refused(inner), "The answer has a text in IsDefault, which does not belong there.");
        let stranger = json!({"Vpcs": [{"Colour": "red", "Tags": [{"Note": 1}]}]});
        assert_eq!(strangers(ec2, describe, &stranger), ["Vpcs.Colour", "Vpcs.Tags.Note"]);
    }
}
