//! Managed prefix lists (RT-21, SG-15).

use model::operation::{self, ModifyManagedPrefixList};
use model::prefix_list::PrefixListEntry;
use model::{ApiError, ErrorCode, Model, PrefixList, PrefixListId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::identifier::form;
use crate::shape::{present, tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateManagedPrefixList", create_managed_prefix_list),
    ("DeleteManagedPrefixList", delete_managed_prefix_list),
    ("DescribeManagedPrefixLists", describe_managed_prefix_lists),
    ("DescribePrefixLists", describe_prefix_lists),
    ("GetManagedPrefixListEntries", get_managed_prefix_list_entries),
    ("ModifyManagedPrefixList", modify_managed_prefix_list),
];

fn entry(e: &Arguments<'_>) -> Result<PrefixListEntry, ApiError> {
    let description = e.text("Description")?.unwrap_or_default().to_owned();
    Ok(PrefixListEntry { cidr: e.required("Cidr", e.ip_net("Cidr")?)?, description })
}

fn create_managed_prefix_list(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let is_ipv6 = match a.required_text("AddressFamily")? {
            "IPv4" => false,
            "IPv6" => true,
            other => return Err(a.invalid("AddressFamily", &other.into(), "Either IPv4 or IPv6 was expected.")),
        };
        Ok(operation::CreateManagedPrefixList {
            prefix_list_name: a.required_text("PrefixListName")?.to_owned(),
            is_ipv6,
            max_entries: a.required("MaxEntries", a.integer("MaxEntries")?)?,
            entries: a.each("Entries", entry)?,
            tags: a.tags("prefix-list")?,
            ..Default::default()
        })
    })?;
    let id = operation::create_managed_prefix_list(model, request)?;
    Ok(json!({"PrefixList": shape(model, model.prefix_list(&id)?)}))
}

fn modify_managed_prefix_list(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        Ok(ModifyManagedPrefixList {
            prefix_list_id: a.required_id("PrefixListId")?,
            current_version: a.integer("CurrentVersion")?,
            prefix_list_name: a.text("PrefixListName")?.map(str::to_owned),
            max_entries: a.integer("MaxEntries")?,
            add_entries: a.each("AddEntries", entry)?,
            remove_entries: a.each("RemoveEntries", |e| e.required("Cidr", e.ip_net("Cidr")?))?,
        })
    })?;
    let id = request.prefix_list_id.clone();
    operation::modify_managed_prefix_list(model, request)?;
    Ok(json!({"PrefixList": shape(model, model.prefix_list(&id)?)}))
}

fn delete_managed_prefix_list(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: PrefixListId = read(arguments, |a| a.required_id("PrefixListId"))?;
    let mut last = shape(model, model.prefix_list(&id)?);
    operation::delete_managed_prefix_list(model, &id)?;
    last["State"] = "delete-in-progress".into();
    Ok(json!({"PrefixList": last}))
}

fn get_managed_prefix_list_entries(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, version): (PrefixListId, Option<u64>) =
        read(arguments, |a| Ok((a.required_id("PrefixListId")?, a.integer("TargetVersion")?)))?;
    let list = model.prefix_list(&id)?;
    // Only the newest version is kept: users always follow it (RT-21).
    if let Some(other) = version.filter(|version| *version != list.version) {
        let message = format!("Version {other} of {id} is not kept; the newest is {}.", list.version);
        return Err(ApiError::new(ErrorCode::UnsupportedOperation, message));
    }
    let shown = list.entries.iter().map(|e| {
        let description = (!e.description.is_empty()).then_some(&e.description);
        present(json!({"Cidr": text(e.cidr), "Description": description}))
    });
    Ok(json!({"Entries": shown.collect::<Value>()}))
}

fn shape(model: &Model, list: &PrefixList) -> Value {
    let owner = if list.is_aws_managed { "AWS" } else { model.account_id.as_str() };
    present(json!({
        "PrefixListId": text(&list.id),
        "AddressFamily": if list.is_ipv6 { "IPv6" } else { "IPv4" },
        "State": if list.is_modified { "modify-complete" } else { "create-complete" },
        "PrefixListArn": format!("arn:aws:ec2:{}:{}:prefix-list/{}", model.region, if list.is_aws_managed { "aws" } else { owner }, list.id),
        "PrefixListName": list.name,
        "MaxEntries": if list.is_aws_managed { Value::Null } else { list.max_entries.into() },
        "Version": list.version,
        "Tags": tags(&list.tags),
        "OwnerId": owner,
    }))
}

const MANAGED: Describe = Describe {
    ids: "PrefixListIds",
    id_path: "PrefixListId",
    answer: "PrefixLists",
    filters: &[
        ("owner-id", &["OwnerId"]),
        ("prefix-list-id", &["PrefixListId"]),
        ("prefix-list-name", &["PrefixListName"]),
    ],
    form: form::<PrefixListId>,
    not_found: PrefixListId::not_found,
};

fn describe_managed_prefix_lists(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    MANAGED.serve(arguments, model.prefix_lists.values().map(|list| shape(model, list)))
}

const OF_SERVICES: Describe = Describe {
    ids: "PrefixListIds",
    id_path: "PrefixListId",
    answer: "PrefixLists",
    filters: &[("prefix-list-id", &["PrefixListId"]), ("prefix-list-name", &["PrefixListName"])],
    form: form::<PrefixListId>,
    not_found: PrefixListId::not_found,
};

/// Lists of services with gateway endpoints, made on first need.
fn describe_prefix_lists(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let is_there = |name: &str| model.prefix_lists.values().any(|list| list.is_aws_managed && list.name == name);
    let gateways = model.region.endpoint_services().into_iter().filter(|service| service.has_gateway);
    let absent: Vec<_> = gateways.filter(|service| !is_there(&service.name)).collect();
    if absent.is_empty() {
        return OF_SERVICES.serve(arguments, of_services(model));
    }
    // A call that is refused changes nothing, not even what it would have made on first need.
    let mut draft = model.clone();
    for service in absent {
        operation::aws_managed_prefix_list(&mut draft, &service.name)?;
    }
    let answer = OF_SERVICES.serve(arguments, of_services(&draft))?;
    *model = draft;
    Ok(answer)
}

fn of_services(model: &Model) -> impl Iterator<Item = Value> {
    model.prefix_lists.values().filter(|list| list.is_aws_managed).map(|list| {
        json!({
            "Cidrs": list.entries.iter().map(|e| text(e.cidr)).collect::<Value>(),
            "PrefixListId": text(&list.id),
            "PrefixListName": list.name,
        })
    })
}
