//! Regions, zones and the account (GEO-1 … GEO-5).

use model::region::{REGIONS, RegionEntry};
use model::{ApiError, ErrorCode, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{FilterTable, Filters};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("DescribeAccountAttributes", describe_account_attributes),
    ("DescribeAvailabilityZones", describe_availability_zones),
    ("DescribeRegions", describe_regions),
];

const REGION_FILTERS: FilterTable =
    &[("endpoint", &["Endpoint"]), ("opt-in-status", &["OptInStatus"]), ("region-name", &["RegionName"])];

fn describe_regions(_: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (names, all, filters) = read(arguments, |a| {
        Ok((
            a.texts("RegionNames")?,
            a.boolean("AllRegions")?.unwrap_or(false),
            Filters::read(a, REGION_FILTERS)?,
        ))
    })?;
    if let Some(unknown) = names.iter().find(|name| !REGIONS.iter().any(|entry| entry.code == **name)) {
        let message = format!("Invalid region name: [{unknown}]");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let shown = |entry: &&RegionEntry| match names.is_empty() {
        true => all || !entry.opt_in,
        false => names.contains(&entry.code),
    };
    let regions = REGIONS.iter().filter(shown).map(|entry| {
        json!({
            "OptInStatus": if entry.opt_in { "not-opted-in" } else { "opt-in-not-required" },
            "RegionName": entry.code,
            "Endpoint": format!("ec2.{}.amazonaws.com", entry.code),
        })
    });
    Ok(json!({"Regions": regions.filter(|region| filters.keep(region)).collect::<Value>()}))
}

const ZONE_FILTERS: FilterTable = &[
    ("group-long-name", &["GroupLongName"]),
    ("group-name", &["GroupName"]),
    ("message", &["Messages.Message"]),
    ("opt-in-status", &["OptInStatus"]),
    ("parent-zone-id", &["ParentZoneId"]),
    ("parent-zone-name", &["ParentZoneName"]),
    ("region-name", &["RegionName"]),
    ("state", &["State"]),
    ("zone-id", &["ZoneId"]),
    ("zone-name", &["ZoneName"]),
    ("zone-type", &["ZoneType"]),
];

fn describe_availability_zones(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (mut wanted, ids, filters) = read(arguments, |a| {
        a.ignore(&["AllAvailabilityZones"]);
        Ok((a.texts("ZoneNames")?, a.texts("ZoneIds")?, Filters::read(a, ZONE_FILTERS)?))
    })?;
    wanted.extend(ids);
    if let Some(unknown) = wanted.iter().find(|wanted| model.region.zone(wanted).is_none()) {
        let message = format!("Invalid availability zone: [{unknown}]");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    let zones = model.region.zones().into_iter().filter(|zone| {
        wanted.is_empty() || wanted.contains(&zone.name.as_str()) || wanted.contains(&zone.id.as_str())
    });
    let zones = zones.map(|zone| {
        json!({
            "OptInStatus": "opt-in-not-required",
            "Messages": [],
            "RegionName": model.region.0,
            "ZoneName": zone.name,
            "ZoneId": zone.id,
            "GroupName": model.region.0,
            "NetworkBorderGroup": model.region.0,
            "ZoneType": "availability-zone",
            "State": "available",
        })
    });
    Ok(json!({"AvailabilityZones": zones.filter(|zone| filters.keep(zone)).collect::<Value>()}))
}

fn describe_account_attributes(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let wanted = read(arguments, |a| a.texts("AttributeNames"))?;
    let default_vpc = model.vpcs.values().find(|vpc| vpc.is_default);
    let default_vpc = default_vpc.map_or("none".to_owned(), |vpc| vpc.id.to_string());
    let attributes = [
        ("supported-platforms", "VPC".to_owned()),
        ("default-vpc", default_vpc),
        ("max-instances", "20".to_owned()),
        ("vpc-max-security-groups-per-interface", model.quotas.security_groups_per_interface.to_string()),
        ("max-elastic-ips", model.quotas.addresses_per_region.to_string()),
        ("vpc-max-elastic-ips", model.quotas.addresses_per_region.to_string()),
    ];
    let shown = attributes.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
    let shown = shown.map(|(name, value)| {
        json!({"AttributeName": name, "AttributeValues": [{"AttributeValue": value}]})
    });
    Ok(json!({"AccountAttributes": shown.collect::<Value>()}))
}
