//! Every filter that AWS documents for a call is known to it: clients that use one get an answer and no refusal.

use serde_json::json;

use crate::client::*;

/// What a call needs besides filters.
fn required(operation: &str) -> serde_json::Value {
    match operation {
        "GetManagedPrefixListEntries" => json!({"PrefixListId": "pl-0"}),
        "GetSubnetCidrReservations" => json!({"SubnetId": "subnet-0"}),
        "DescribeLaunchTemplateVersions" => json!({"Versions": ["$Latest"]}),
        "GetIpamPoolAllocations" => json!({"IpamPoolId": "ipam-pool-0"}),
        _ if operation.contains("TransitGatewayRoute") && !operation.starts_with("Describe") => json!({"TransitGatewayRouteTableId": "tgw-rtb-0"}),
        _ => json!({}),
    }
}

#[test]
fn every_filter_that_aws_documents_is_known() {
    let mut unknown = Vec::new();
    for line in include_str!("../filters.txt").lines().filter(|line| !line.starts_with('#')) {
        let (operation, filters) = line.split_once(' ').unwrap();
        for filter in filters.split(' ') {
            for parameter in ["Filters", "Filter"] {
                let mut client = Client::new();
                let mut arguments = required(operation);
                arguments[parameter] = json!([{"Name": filter, "Values": ["10.0.0.0/8"]}]);
                match ec2::call(&mut client.model, operation, &arguments) {
                    Err(error) if error.message.contains("filter") => unknown.push(format!("{operation} {filter}")),
                    _ => {}
                }
            }
        }
    }
    unknown.dedup();
    assert_eq!(unknown, [""; 0], "{} filters", unknown.len());
}
