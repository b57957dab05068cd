//! Flow logs as clients make, read and delete them.

use serde_json::{Value, json};

use crate::client::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/flow-logs";

fn on(kind: &str, ids: &[&str]) -> Value {
    json!({
        "ResourceType": kind, "ResourceIds": ids, "TrafficType": "ALL", "LogGroupName": "flows", "DeliverLogsPermissionArn": ROLE,
    })
}

fn with(mut arguments: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        arguments[name] = value.clone();
    }
    arguments
}

#[test]
fn what_is_made_is_described_with_aws_defaults() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let made = client.call("CreateFlowLogs", with(on("VPC", &[&vpc]), json!({"ClientToken": "t-1"})));
    assert_eq!((&made["ClientToken"], &made["Unsuccessful"]), (&json!("t-1"), &json!([])));
    let answer = client.call("DescribeFlowLogs", Value::Null);
    let log = &answer["FlowLogs"][0];
    assert_eq!(made["FlowLogIds"], json!([log["FlowLogId"]]));
    for (field, value) in [
        ("FlowLogStatus", json!("ACTIVE")),
        ("DeliverLogsStatus", json!("SUCCESS")),
        ("ResourceId", json!(vpc)),
        ("TrafficType", json!("ALL")),
        ("LogDestinationType", json!("cloud-watch-logs")),
        ("LogDestination", json!("arn:aws:logs:ap-northeast-2:111122223333:log-group:flows")),
        ("LogGroupName", json!("flows")),
        ("DeliverLogsPermissionArn", json!(ROLE)),
        ("MaxAggregationInterval", json!(600)),
    ] {
        assert_eq!(log[field], value, "{field}");
    }
    assert!(log["LogFormat"].as_str().unwrap().starts_with("${version} ${account-id} ${interface-id} ${srcaddr}"), "{log}");
}

#[test]
fn a_bucket_is_named_by_its_arn_with_a_folder_and_options() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    let request = json!({
        "ResourceType": "Subnet", "ResourceIds": [subnet], "TrafficType": "REJECT", "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::my-logs/flow/", "MaxAggregationInterval": 60,
        "LogFormat": "${version} ${vpc-id} ${flow-direction}",
        "DestinationOptions": {"FileFormat": "plain-text", "HiveCompatiblePartitions": true, "PerHourPartition": true},
        "TagSpecifications": [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "team", "Value": "net"}]}],
    });
    client.call("CreateFlowLogs", request);
    let answer = client.call("DescribeFlowLogs", json!({"Filter": [{"Name": "tag:team", "Values": ["net"]}]}));
    let log = &answer["FlowLogs"][0];
    assert_eq!(log["LogDestination"], "arn:aws:s3:::my-logs/flow");
    assert_eq!(log["LogFormat"], "${version} ${vpc-id} ${flow-direction}");
    assert_eq!(log["MaxAggregationInterval"], 60);
    assert_eq!(log["DestinationOptions"]["PerHourPartition"], true);
    let tags = client.call("DescribeTags", json!({"Filters": [{"Name": "resource-type", "Values": ["vpc-flow-log"]}]}));
    assert_eq!(tags["Tags"][0]["Value"], "net");
}

#[test]
fn the_same_twice_already_exists_and_a_third_is_too_many() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    client.call("CreateFlowLogs", on("VPC", &[&vpc]));
    assert_eq!(client.refused("CreateFlowLogs", on("VPC", &[&vpc])), "FlowLogAlreadyExists");
    // Another interval makes no other configuration; another group, format or traffic does.
    let minute = with(on("VPC", &[&vpc]), json!({"MaxAggregationInterval": 60}));
    assert_eq!(client.refused("CreateFlowLogs", minute), "FlowLogAlreadyExists");
    client.call("CreateFlowLogs", with(on("VPC", &[&vpc]), json!({"TrafficType": "REJECT"})));
    let third = with(on("VPC", &[&vpc]), json!({"LogGroupName": "others"}));
    assert_eq!(client.refused("CreateFlowLogs", third), "FlowLogsLimitExceeded");
}

#[test]
fn of_several_resources_those_that_fail_are_listed() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let (a, b) = (client.subnet(&vpc, "10.0.1.0/24"), client.subnet(&vpc, "10.0.2.0/24"));
    client.call("CreateFlowLogs", on("Subnet", &[&a]));
    let answer = client.call("CreateFlowLogs", on("Subnet", &[&a, &b, "subnet-0"]));
    assert_eq!(answer["FlowLogIds"].as_array().map(Vec::len), Some(1));
    let failed = answer["Unsuccessful"].as_array().unwrap();
    let codes: Vec<_> = failed.iter().map(|item| (&item["ResourceId"], &item["Error"]["Code"])).collect();
    assert_eq!(codes, [(&json!(a), &json!("FlowLogAlreadyExists")), (&json!("subnet-0"), &json!("InvalidSubnetID.NotFound"))]);
}

#[test]
fn what_goes_takes_its_logs_along_and_what_is_deleted_is_gone() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let subnet = client.subnet(&vpc, "10.0.1.0/24");
    client.call("CreateFlowLogs", on("Subnet", &[&subnet]));
    let made = client.call("CreateFlowLogs", on("VPC", &[&vpc]));
    let id = made["FlowLogIds"][0].clone();
    client.call("DeleteSubnet", json!({"SubnetId": subnet}));
    assert_eq!(listed(&client.call("DescribeFlowLogs", Value::Null), "FlowLogs", "FlowLogId"), [id.as_str().unwrap()]);
    assert_eq!(client.refused("DeleteFlowLogs", json!({"FlowLogIds": [id, "fl-0"]})), "InvalidFlowLogId.NotFound");
    assert_eq!(client.call("DeleteFlowLogs", json!({"FlowLogIds": [id]}))["Unsuccessful"], json!([]));
    assert_eq!(client.refused("DescribeFlowLogs", json!({"FlowLogIds": [id]})), "InvalidFlowLogId.NotFound");
}

#[test]
fn what_cannot_be_is_refused_in_aws_words() {
    let mut client = Client::new();
    let vpc = client.vpc("10.0.0.0/16");
    let good = on("VPC", &[&vpc]);
    let s3 = |destination: &str| {
        json!({"ResourceType": "VPC", "ResourceIds": [vpc], "TrafficType": "ALL", "LogDestinationType": "s3", "LogDestination": destination})
    };
    for (request, code) in [
        (on("VPC", &[]), "MissingParameter"),
        (on("VPC", &["vpc-0"]), "InvalidVpcID.NotFound"),
        (on("TransitGateway", &["tgw-0"]), "UnsupportedOperation"),
        (on("Instance", &["i-0"]), "InvalidParameterValue"),
        (with(good.clone(), json!({"TrafficType": "SOME"})), "InvalidParameterValue"),
        (with(good.clone(), json!({"TrafficType": null})), "MissingParameter"),
        (with(good.clone(), json!({"MaxAggregationInterval": 120})), "InvalidParameter"),
        (with(good.clone(), json!({"LogFormat": "${colour}"})), "InvalidParameter"),
        (with(good.clone(), json!({"LogDestination": "arn:aws:logs:ap-northeast-2:1:log-group:x"})), "InvalidParameter"),
        (with(good.clone(), json!({"LogGroupName": null})), "InvalidParameter"),
        (with(good.clone(), json!({"LogGroupName": "../../etc"})), "InvalidParameterValue"),
        (with(good.clone(), json!({"DeliverLogsPermissionArn": null})), "InvalidParameter"),
        (with(good.clone(), json!({"LogDestinationType": "kinesis-data-firehose"})), "UnsupportedOperation"),
        (with(good, json!({"LogDestinationType": "s3"})), "InvalidParameter"),
        (s3("my-logs"), "InvalidParameterValue"),
        (s3("arn:aws:s3:::My_Logs"), "InvalidParameterValue"),
        (s3("arn:aws:s3:::my-logs/AWSLogs"), "InvalidParameterValue"),
        (s3("arn:aws:s3:::my-logs/../x"), "InvalidParameterValue"),
        (with(s3("arn:aws:s3:::my-logs"), json!({"DestinationOptions": {"FileFormat": "parquet"}})), "UnsupportedOperation"),
    ] {
        assert_eq!(client.refused("CreateFlowLogs", request.clone()), code, "{request}");
    }
}
