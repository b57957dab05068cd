//! Parameters: what is read, what is refused and in which words, and that nothing breaks the reader.

use proptest::prelude::*;
use query::form::{self, Node};
use query::shapes::{self, Operation, Service};
use query::{Refusal, parameters};
use serde_json::{Value, json};

use crate::values;

fn read(service: &str, operation: &str, form: &str) -> Result<Value, Refusal> {
    let service = shapes::service(service).unwrap();
    read_of(service, service.operation(operation).unwrap(), form)
}

fn read_of(service: &Service, operation: &Operation, form: &str) -> Result<Value, Refusal> {
    let pairs = form::pairs(form.as_bytes())?;
    let node = Node::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    parameters::read(service, operation, &node)
}

#[test]
fn names_of_the_form_become_members() {
    for (operation, form, expected) in [
        ("DescribeVpcs", "", json!({})),
        (
            "DescribeVpcs",
            "Filter.1.Name=tag%3AName&Filter.1.Value.1=web+1&Filter.1.Value.2=db*&MaxResults=5",
            json!({"Filters": [{"Name": "tag:Name", "Values": ["web 1", "db*"]}], "MaxResults": 5}),
        ),
        (
            "RunInstances",
            "ImageId=ami-1&MinCount=1&MaxCount=2&SecurityGroupId.1=sg-1&BlockDeviceMapping.1.Ebs.VolumeSize=8&\
             NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.PrivateIpAddresses.1.Primary=true&Monitoring.Enabled=FALSE",
            json!({
                "ImageId": "ami-1", "MinCount": 1, "MaxCount": 2, "SecurityGroupIds": ["sg-1"],
                "BlockDeviceMappings": [{"Ebs": {"VolumeSize": 8}}],
                "NetworkInterfaces": [{"DeviceIndex": 0, "PrivateIpAddresses": [{"Primary": true}]}],
                "Monitoring": {"Enabled": false},
            }),
        ),
        ("ImportKeyPair", "KeyName=k&PublicKeyMaterial=c3No+", json!({"KeyName": "k", "PublicKeyMaterial": "c3No"})),
        ("DescribeVpcs", "VpcId=vpc-1", json!({"VpcIds": ["vpc-1"]})),
    ] {
        assert_eq!(read("ec2", operation, form), Ok(expected), "{form}");
    }
    assert_eq!(
        read("iam", "CreateUser", "UserName=dev&Tags.member.1.Key=a&Tags.member.1.Value="),
        Ok(json!({"UserName": "dev", "Tags": [{"Key": "a", "Value": ""}]}))
    );
    assert_eq!(read("iam", "CreateUser", "UserName=dev&Tags="), Ok(json!({"UserName": "dev", "Tags": []})));
}

#[test]
fn numbers_of_a_list_say_its_order_and_may_leave_gaps() {
    let form = "VpcId.10=j&VpcId.2=b&VpcId.1=a&VpcId.4000000000=z";
    assert_eq!(read("ec2", "DescribeVpcs", form), Ok(json!({"VpcIds": ["a", "b", "j", "z"]})));
}

#[test]
fn for_ec2_an_empty_text_is_absent_unless_it_can_mean_something() {
    for (operation, form, expected) in [
        ("DescribeVpcs", "MaxResults=&DryRun=&NextToken=&VpcId=", json!({"NextToken": ""})),
        (
            "RunInstances",
            "MinCount=1&MaxCount=1&IamInstanceProfile.Name=&Placement.AvailabilityZone=&Placement.GroupName=",
            json!({"MinCount": 1, "MaxCount": 1}),
        ),
        (
            "ModifyNetworkInterfaceAttribute",
            "NetworkInterfaceId=eni-1&Description.Value=",
            json!({"NetworkInterfaceId": "eni-1", "Description": {"Value": ""}}),
        ),
        (
            "CreateTags",
            "ResourceId.1=vpc-1&Tag.1.Key=a&Tag.1.Value=",
            json!({"Resources": ["vpc-1"], "Tags": [{"Key": "a", "Value": ""}]}),
        ),
    ] {
        let mut read = read("ec2", operation, form).unwrap();
        let mut expected = expected;
        read.sort_all_objects();
        expected.sort_all_objects();
        assert_eq!(read, expected, "{form}");
    }
}

#[test]
fn what_ec2_does_not_take_is_named() {
    for (operation, form, code, message) in [
        ("CreateVpc", "Colour=red", "UnknownParameter", "The parameter Colour is not recognized"),
        ("CreateVpc", "CidrBlock.1=x", "UnknownParameter", "The parameter CidrBlock.1 is not recognized"),
        ("DescribeVpcs", "Filter.1.Colour.2=red", "UnknownParameter", "The parameter Filter.1.Colour.2 is not recognized"),
        ("DescribeVpcs", "Filter.x.Name=a", "UnknownParameter", "The parameter Filter.x is not recognized"),
        ("DescribeVpcs", "VpcId.0=a", "UnknownParameter", "The parameter VpcId.0 is not recognized"),
        ("DescribeVpcs", "VpcId.01=a", "UnknownParameter", "The parameter VpcId.01 is not recognized"),
        ("DescribeVpcs", "VpcId.-1=a", "UnknownParameter", "The parameter VpcId.-1 is not recognized"),
        ("DescribeVpcs", "VpcId.99999999999=a", "UnknownParameter", "The parameter VpcId.99999999999 is not recognized"),
        ("DescribeVpcs", "vpcId.1=a", "UnknownParameter", "The parameter vpcId.1 is not recognized"),
        ("DeleteVpc", "", "MissingParameter", "The request must contain the parameter VpcId"),
        ("DeleteVpc", "VpcId=", "MissingParameter", "The request must contain the parameter VpcId"),
        (
            "ModifySecurityGroupRules",
            "GroupId=sg-1&SecurityGroupRule.1.SecurityGroupRule.Description=a",
            "MissingParameter",
            "The request must contain the parameter SecurityGroupRule.1.SecurityGroupRuleId",
        ),
        (
            "DescribeVpcs",
            "MaxResults=4",
            "InvalidParameterValue",
            "Value (4) for parameter MaxResults is invalid. Member must have value greater than or equal to 5",
        ),
        (
            "DescribeVpcs",
            "MaxResults=5.5",
            "InvalidParameterValue",
            "Value (5.5) for parameter MaxResults is invalid. It is not a whole number in range.",
        ),
        (
            "CreateVpc",
            "InstanceTenancy=mine",
            "InvalidParameterValue",
            "Value (mine) for parameter InstanceTenancy is invalid. Member must satisfy enum value set: [default, \
             dedicated, host]",
        ),
        (
            "CreateVpc",
            "DryRun=maybe",
            "InvalidParameterValue",
            "Value (maybe) for parameter DryRun is invalid. Either true or false was expected.",
        ),
        (
            "ImportKeyPair",
            "KeyName=k&PublicKeyMaterial=%21",
            "InvalidParameterValue",
            "Value (!) for parameter PublicKeyMaterial is invalid. It is not base64.",
        ),
        (
            "RunInstances",
            "MinCount=1&MaxCount=1&Placement=x",
            "InvalidParameterValue",
            "Value (x) for parameter Placement is invalid. A structure was expected.",
        ),
        (
            "RunInstances",
            "MinCount=1&MaxCount=1&InstanceMarketOptions.SpotOptions.ValidUntil=soon",
            "InvalidParameterValue",
            "Value (soon) for parameter InstanceMarketOptions.SpotOptions.ValidUntil is invalid. It is not a date and \
             time of ISO 8601.",
        ),
    ] {
        let refusal = read("ec2", operation, form).unwrap_err();
        assert_eq!((&*refusal.code, refusal.message.as_str(), refusal.status), (code, message, 400), "{form}");
    }
}

#[test]
fn what_iam_and_sts_do_not_take_is_a_validation_error() {
    for (service, operation, form, message) in [
        ("iam", "CreateUser", "", "Value at 'userName' failed to satisfy constraint: Member must not be null"),
        (
            "iam",
            "CreateUser",
            "UserName=a%20b",
            "Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             [0-9A-Za-z_+=,.@-]+",
        ),
        (
            "iam",
            "CreateUser",
            "UserName=u&Tags.member.1.Value=x",
            "Value at 'tags.member.1.key' failed to satisfy constraint: Member must not be null",
        ),
        (
            "iam",
            "CreateUser",
            "UserName=u&Path=",
            "Value '' at 'path' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            "sts",
            "AssumeRole",
            "RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fa&RoleSessionName=me&DurationSeconds=60",
            "Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal \
             to 900",
        ),
    ] {
        let refusal = read(service, operation, form).unwrap_err();
        assert_eq!(refusal.code, "ValidationError", "{form}");
        assert_eq!(refusal.message, format!("1 validation error detected: {message}"));
    }
    assert_eq!(read("iam", "CreateUser", "UserName=u&Tags.1.Key=x").unwrap_err().code, "UnknownParameter");
}

/// What a form cannot say: an empty list of EC2, a structure with nothing in it, a text of EC2 that says nothing.
fn sayable(service: &Service, value: Value) -> Value {
    let is_ec2 = service.name == "ec2";
    let is_blank = |value: &Value| match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => is_ec2 && items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, sayable(service, value)));
            Value::Object(fields.filter(|(_, value)| !is_blank(value)).collect())
        }
        Value::Array(items) => {
            let items = items.into_iter().map(|value| sayable(service, value));
            Value::Array(items.filter(|value| !is_blank(value)).collect())
        }
        other => other,
    }
}

fn operations() -> impl Iterator<Item = (&'static Service, &'static Operation)> {
    shapes::services().iter().flat_map(|service| service.operations().iter().map(move |operation| (service, operation)))
}

fn written(service: &Service, operation: &Operation, parameters: &Value) -> String {
    let pairs = parameters::write(service, operation, parameters);
    form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

#[test]
fn what_is_written_is_read_back_for_every_operation() {
    for seed in 0..12 {
        let mut values = values::Values::new(seed);
        for (service, operation) in operations() {
            let parameters = operation.input.map_or(json!({}), |input| sayable(service, values.of(service, input)));
            let form = written(service, operation, &parameters);
            match read_of(service, operation, &form) {
                Ok(read) => assert_eq!(read, parameters, "{} {form}", operation.name),
                // A required list that is empty cannot be said in EC2's protocol.
                Err(refusal) => assert_eq!(refusal.code, "MissingParameter", "{} {refusal:?}", operation.name),
            }
        }
    }
}

#[test]
fn a_form_that_is_changed_anywhere_is_read_or_refused_as_the_clients_fault() {
    let mut values = values::Values::new(7);
    let (mut read, mut refused) = (0, 0);
    for (service, operation) in operations() {
        let parameters = operation.input.map_or(json!({}), |input| values.of(service, input));
        let form = written(service, operation, &parameters).into_bytes();
        for _ in 0..40 {
            let mut form = form.clone();
            for _ in 0..=values.below(3) {
                let at = values.below(form.len() as u64 + 1) as usize;
                match values.below(5) {
                    0 => form.insert(at, values.below(256) as u8),
                    1 => form.truncate(at),
                    2 if at < form.len() => form[at] = b"&=.%+0129Aa-"[values.below(12) as usize],
                    3 if at < form.len() => drop(form.remove(at)),
                    _ => form.extend_from_within(at.saturating_sub(40)..at),
                }
            }
            let outcome = form::pairs(&form).and_then(|pairs| {
                let node = Node::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
                parameters::read(service, operation, &node)
            });
            match outcome {
                Ok(_) => read += 1,
                Err(refusal) => {
                    refused += 1;
                    assert!((400..500).contains(&refusal.status), "{} {refusal:?}", operation.name);
                    assert!(refusal.message.len() < 2000, "{} {refusal:?}", operation.name);
                }
            }
        }
    }
    assert!(read > 500 && refused > 5000, "both happen: {read} {refused}");
}

#[test]
fn a_body_of_ten_megabytes_is_read_in_bounds() {
    let many: String = (1..400_000).map(|number| format!("&VpcId.{number}=vpc-{number}")).collect();
    assert_eq!(read("ec2", "DescribeVpcs", &many).unwrap()["VpcIds"].as_array().map(Vec::len), Some(399_999));
    let deep = "Filter.1.".repeat(1_000_000) + "=x";
    assert_eq!(read("ec2", "DescribeVpcs", &deep).unwrap_err().code, "MalformedQueryString");
    let wide: String = (1..300_000).map(|number| format!("&Parameter{number}=x")).collect();
    assert_eq!(read("ec2", "DescribeVpcs", &wide).unwrap_err().code, "UnknownParameter");
}

proptest! {
    #[test]
    fn no_form_is_too_strange(form in "(&?(Filter|Tags|[a-zé])(\\.[0-9]{1,3}|\\.Name|\\.Value)?(=[ -~é]{0,6})?){0,8}") {
        for (service, operation) in [("ec2", "DescribeVpcs"), ("iam", "CreateUser"), ("sts", "AssumeRole")] {
            if let Err(refusal) = read(service, operation, &form) {
                prop_assert!((400..500).contains(&refusal.status));
            }
        }
    }
}
