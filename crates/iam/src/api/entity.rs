//! Users, groups and roles: made, told, changed, deleted; their tags and boundaries.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::page::page;
use super::shape::{self, done};
use super::{Asked, Of, Operation};
use crate::account::{Entity, Kind};
use crate::error::{Code, Error, Result};
use crate::operation::{self, CreateRole};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AddUserToGroup", Of::Group, add_user_to_group),
    ("CreateGroup", Of::Group, create_group),
    ("CreateRole", Of::Role, create_role),
    ("CreateUser", Of::User, create_user),
    ("DeleteGroup", Of::Group, |asked, arguments| delete(asked, Kind::Group, arguments.required("GroupName")?)),
    ("DeleteRole", Of::Role, |asked, arguments| delete(asked, Kind::Role, arguments.required("RoleName")?)),
    ("DeleteRolePermissionsBoundary", Of::Role, |asked, arguments| unbound(asked, Kind::Role, arguments.required("RoleName")?)),
    ("DeleteUser", Of::User, |asked, arguments| delete(asked, Kind::User, arguments.required("UserName")?)),
    ("DeleteUserPermissionsBoundary", Of::User, |asked, arguments| unbound(asked, Kind::User, arguments.required("UserName")?)),
    ("GetGroup", Of::Group, get_group),
    ("GetRole", Of::Role, get_role),
    ("GetUser", Of::User, get_user),
    ("ListGroups", Of::Nothing, |asked, arguments| list(asked, Kind::Group, "Groups", arguments)),
    ("ListGroupsForUser", Of::User, list_groups_for_user),
    ("ListRoles", Of::Nothing, |asked, arguments| list(asked, Kind::Role, "Roles", arguments)),
    ("ListRoleTags", Of::Role, |asked, arguments| tags(asked, Kind::Role, "RoleName", arguments)),
    ("ListUsers", Of::Nothing, |asked, arguments| list(asked, Kind::User, "Users", arguments)),
    ("ListUserTags", Of::User, |asked, arguments| tags(asked, Kind::User, "UserName", arguments)),
    ("PutRolePermissionsBoundary", Of::Role, |asked, arguments| bound(asked, Kind::Role, "RoleName", arguments)),
    ("PutUserPermissionsBoundary", Of::User, |asked, arguments| bound(asked, Kind::User, "UserName", arguments)),
    ("RemoveUserFromGroup", Of::Group, remove_user_from_group),
    ("TagRole", Of::Role, |asked, arguments| tag(asked, Kind::Role, "RoleName", arguments)),
    ("TagUser", Of::User, |asked, arguments| tag(asked, Kind::User, "UserName", arguments)),
    ("UntagRole", Of::Role, |asked, arguments| untag(asked, Kind::Role, "RoleName", arguments)),
    ("UntagUser", Of::User, |asked, arguments| untag(asked, Kind::User, "UserName", arguments)),
    ("UpdateAssumeRolePolicy", Of::Role, update_assume_role_policy),
    ("UpdateGroup", Of::Group, |asked, arguments| rename(asked, Kind::Group, ["GroupName", "NewGroupName"], arguments)),
    ("UpdateRole", Of::Role, update_role),
    ("UpdateRoleDescription", Of::Role, update_role_description),
    ("UpdateUser", Of::User, |asked, arguments| rename(asked, Kind::User, ["UserName", "NewUserName"], arguments)),
];

/// The names of a page's lists need their items without what only a single answer has.
fn listed(asked: &Asked<'_, '_>, entity: &Entity) -> Value {
    let mut shape = shape::entity(asked.account, entity);
    if let Some(fields) = shape.as_object_mut() {
        for only_single in ["Tags", "PermissionsBoundary", "RoleLastUsed"] {
            fields.shift_remove(only_single);
        }
    }
    shape
}

fn create_user(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let name = arguments.required("UserName")?;
    let boundary = arguments.text("PermissionsBoundary")?;
    if let Some(arn) = boundary {
        asked.account.policy(arn)?;
    }
    operation::create_user(asked.account, asked.environment, name, arguments.text("Path")?, arguments.tags()?)?;
    if let Some(arn) = boundary {
        operation::put_permissions_boundary(asked.account, Kind::User, name, arn)?;
    }
    Ok(json!({"User": shape::entity(asked.account, asked.account.entity(Kind::User, name)?)}))
}

fn create_group(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let name = arguments.required("GroupName")?;
    operation::create_group(asked.account, asked.environment, name, arguments.text("Path")?)?;
    Ok(json!({"Group": shape::entity(asked.account, asked.account.entity(Kind::Group, name)?)}))
}

fn create_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let name = arguments.required("RoleName")?;
    let boundary = arguments.text("PermissionsBoundary")?;
    if let Some(arn) = boundary {
        asked.account.policy(arn)?;
    }
    let request = CreateRole {
        name: name.to_owned(),
        path: arguments.text("Path")?.map(str::to_owned),
        trust: arguments.required("AssumeRolePolicyDocument")?.to_owned(),
        description: arguments.text("Description")?.map(str::to_owned),
        max_session_duration: arguments.number("MaxSessionDuration")?,
        tags: arguments.tags()?,
    };
    operation::check_trusted(asked.account, &request.trust)?;
    operation::create_role(asked.account, asked.environment, request)?;
    if let Some(arn) = boundary {
        operation::put_permissions_boundary(asked.account, Kind::Role, name, arn)?;
    }
    Ok(json!({"Role": shape::entity(asked.account, asked.account.entity(Kind::Role, name)?)}))
}

fn get_user(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let caller = operation::caller(asked.account, &asked.key)?;
    let name = match (arguments.text("UserName")?, &caller.user_name) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) if caller.is_root() => return Ok(json!({"User": {"UserId": caller.user_id, "Arn": caller.arn, "Path": "/"}})),
        (None, None) => return Err(Error::new(Code::ValidationError, "Must specify userName when calling with non-User credentials")),
    };
    Ok(json!({"User": shape::entity(asked.account, asked.account.entity(Kind::User, name)?)}))
}

fn get_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    Ok(json!({"Role": shape::entity(asked.account, asked.account.entity(Kind::Role, arguments.required("RoleName")?)?)}))
}

fn get_group(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let group = asked.account.entity(Kind::Group, arguments.required("GroupName")?)?;
    let key = group.name.to_ascii_lowercase();
    let members = asked.account.entities(Kind::User).filter(|user| user.groups.contains(&key));
    let members = members.map(|user| listed(asked, user)).collect();
    let mut answer = page("Users", members, arguments)?;
    answer["Group"] = shape::entity(asked.account, group);
    Ok(answer)
}

fn list(asked: &mut Asked<'_, '_>, kind: Kind, name: &str, arguments: &Arguments<'_>) -> Result<Value> {
    let prefix = arguments.text("PathPrefix")?.unwrap_or("/");
    let entities = asked.account.entities(kind).filter(|entity| entity.path.starts_with(prefix));
    page(name, entities.map(|entity| listed(asked, entity)).collect(), arguments)
}

fn list_groups_for_user(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let user = asked.account.entity(Kind::User, arguments.required("UserName")?)?;
    let groups = user.groups.iter().map(|group| Ok(listed(asked, asked.account.entity(Kind::Group, group)?)));
    page("Groups", groups.collect::<Result<_>>()?, arguments)
}

fn add_user_to_group(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::add_user_to_group(asked.account, arguments.required("GroupName")?, arguments.required("UserName")?)?;
    Ok(done())
}

fn remove_user_from_group(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    operation::remove_user_from_group(asked.account, arguments.required("GroupName")?, arguments.required("UserName")?)?;
    Ok(done())
}

fn rename(asked: &mut Asked<'_, '_>, kind: Kind, names: [&str; 2], arguments: &Arguments<'_>) -> Result<Value> {
    let [name, to] = names;
    operation::rename(asked.account, kind, arguments.required(name)?, arguments.text(to)?, arguments.text("NewPath")?)?;
    Ok(done())
}

fn update_role(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let description = arguments.text("Description")?.map(str::to_owned);
    operation::update_role(asked.account, arguments.required("RoleName")?, description, arguments.number("MaxSessionDuration")?)?;
    Ok(done())
}

fn update_role_description(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let name = arguments.required("RoleName")?;
    operation::update_role(asked.account, name, Some(arguments.required("Description")?.to_owned()), None)?;
    get_role(asked, arguments)
}

fn update_assume_role_policy(asked: &mut Asked<'_, '_>, arguments: &Arguments<'_>) -> Result<Value> {
    let trust = arguments.required("PolicyDocument")?;
    operation::check_trusted(asked.account, trust)?;
    operation::update_trust(asked.account, arguments.required("RoleName")?, trust)?;
    Ok(done())
}

fn delete(asked: &mut Asked<'_, '_>, kind: Kind, name: &str) -> Result<Value> {
    operation::delete_entity(asked.account, kind, name)?;
    Ok(done())
}

fn bound(asked: &mut Asked<'_, '_>, kind: Kind, name: &str, arguments: &Arguments<'_>) -> Result<Value> {
    operation::put_permissions_boundary(asked.account, kind, arguments.required(name)?, arguments.required("PermissionsBoundary")?)?;
    Ok(done())
}

fn unbound(asked: &mut Asked<'_, '_>, kind: Kind, name: &str) -> Result<Value> {
    operation::delete_permissions_boundary(asked.account, kind, name)?;
    Ok(done())
}

fn tags(asked: &mut Asked<'_, '_>, kind: Kind, name: &str, arguments: &Arguments<'_>) -> Result<Value> {
    let entity = asked.account.entity(kind, arguments.required(name)?)?;
    page("Tags", entity.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect(), arguments)
}

fn tag(asked: &mut Asked<'_, '_>, kind: Kind, name: &str, arguments: &Arguments<'_>) -> Result<Value> {
    operation::tag_entity(asked.account, kind, arguments.required(name)?, arguments.tags()?)?;
    Ok(done())
}

fn untag(asked: &mut Asked<'_, '_>, kind: Kind, name: &str, arguments: &Arguments<'_>) -> Result<Value> {
    operation::untag_entity(asked.account, kind, arguments.required(name)?, &arguments.texts("TagKeys")?)?;
    Ok(done())
}
