//! How entities look in answers.

use model::Timestamp;
use model::tag::Tags;
use serde_json::{Map, Value, json};

use crate::account::{Account, Entity, InstanceProfile, Key, Kind, ManagedPolicy};

/// An answer without content.
pub fn done() -> Value {
    Value::Object(Map::new())
}

/// A moment, as the SDKs write it.
pub fn time(moment: Timestamp) -> Value {
    moment.iso8601().into()
}

/// Tags as a list.
pub fn tags(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// A document as it goes over the wire: every byte but letters, digits and `-_.~` in percent notation (RFC 3986).
pub fn document(text: &str) -> Value {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded.into()
}

/// A user, group or role.
pub fn entity(account: &Account, entity: &Entity) -> Value {
    let word = match entity.kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::Role => "Role",
    };
    let mut fields = Map::new();
    fields.insert("Path".to_owned(), entity.path.clone().into());
    fields.insert(format!("{word}Name"), entity.name.clone().into());
    fields.insert(format!("{word}Id"), entity.id.clone().into());
    fields.insert("Arn".to_owned(), account.arn(entity).into());
    fields.insert("CreateDate".to_owned(), time(entity.created));
    if let Some(terms) = &entity.role {
        fields.insert("AssumeRolePolicyDocument".to_owned(), document(terms.trust.text()));
        fields.insert("MaxSessionDuration".to_owned(), terms.max_session_duration.into());
        if let Some(description) = &terms.description {
            fields.insert("Description".to_owned(), description.clone().into());
        }
        let used = terms.last_used.map_or_else(done, |used| json!({"LastUsedDate": time(used)}));
        fields.insert("RoleLastUsed".to_owned(), used);
    }
    if let Some(boundary) = &entity.boundary {
        let boundary = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary});
        fields.insert("PermissionsBoundary".to_owned(), boundary);
    }
    if !entity.tags.is_empty() {
        fields.insert("Tags".to_owned(), tags(&entity.tags));
    }
    Value::Object(fields)
}

/// A managed policy.
pub fn policy(account: &Account, arn: &str, policy: &ManagedPolicy) -> Value {
    let (mut attached, mut bounded) = (0, 0);
    for kind in [Kind::User, Kind::Group, Kind::Role] {
        attached += account.entities(kind).filter(|entity| entity.attached.contains(arn)).count();
        bounded += account.entities(kind).filter(|entity| entity.boundary.as_deref() == Some(arn)).count();
    }
    let mut shape = json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default_version),
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounded,
        "IsAttachable": true,
        "CreateDate": time(policy.created),
        "UpdateDate": time(policy.updated),
        "Tags": tags(&policy.tags),
    });
    if let (Some(fields), Some(description)) = (shape.as_object_mut(), &policy.description) {
        fields.insert("Description".to_owned(), description.clone().into());
    }
    shape
}

/// An instance profile with its role.
pub fn profile(account: &Account, profile: &InstanceProfile) -> Value {
    let role = profile.role.as_deref().and_then(|role| account.entity(Kind::Role, role).ok());
    json!({
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": account.profile_arn(profile),
        "CreateDate": time(profile.created),
        "Roles": role.iter().map(|role| entity(account, role)).collect::<Value>(),
        "Tags": tags(&profile.tags),
    })
}

/// A key without its secret.
pub fn key(user: &str, key: &Key) -> Value {
    let status = if key.is_active { "Active" } else { "Inactive" };
    json!({"UserName": user, "AccessKeyId": key.id, "Status": status, "CreateDate": time(key.created)})
}
