//! Instance profiles of instances. Whoever serves accounts has made sure that a profile is there and may be passed, and says its
//! identifier (`Id`), which clients cannot.

use model::instance::InstanceProfileAssociation;
use model::operation::{self, InstanceProfile};
use model::{ApiError, ErrorCode, InstanceId, InstanceProfileAssociationId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::{Arguments, missing, read};
use crate::filter::{Describe, FilterTable};
use crate::identifier::form;
use crate::shape::{text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("AssociateIamInstanceProfile", associate),
    ("DescribeIamInstanceProfileAssociations", describe),
    ("DisassociateIamInstanceProfile", disassociate),
    ("ReplaceIamInstanceProfileAssociation", replace),
];

/// The profile that a call names, by resource name or by name. Errors: `InvalidParameterCombination` (both).
pub fn asked(a: &Arguments<'_>, account: &str) -> Result<Option<InstanceProfile>, ApiError> {
    let read = a.within("IamInstanceProfile", |p| Ok((p.text("Arn")?, p.text("Name")?, p.text("Id")?)))?;
    let Some((arn, name, id)) = read else { return Ok(None) };
    let arn = match (arn, name) {
        (Some(_), Some(_)) => {
            let message = "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'";
            return Err(ApiError::new(ErrorCode::InvalidParameterCombination, message));
        }
        (Some(arn), None) => arn.to_owned(),
        (None, Some(name)) => format!("arn:aws:iam::{account}:instance-profile/{name}"),
        (None, None) => return Ok(None),
    };
    Ok(Some(InstanceProfile { arn, id: id.unwrap_or_default().to_owned() }))
}

/// A profile as instances show it.
pub fn shape(profile: &InstanceProfileAssociation) -> Value {
    json!({"Arn": profile.arn, "Id": profile.profile_id})
}

fn association(instance: &InstanceId, profile: &InstanceProfileAssociation, state: &str) -> Value {
    json!({
        "AssociationId": text(&profile.id),
        "InstanceId": text(instance),
        "IamInstanceProfile": shape(profile),
        "State": state,
        "Timestamp": time(profile.since),
    })
}

fn required(a: &Arguments<'_>, account: &str) -> Result<InstanceProfile, ApiError> {
    asked(a, account)?.ok_or_else(|| missing("IamInstanceProfile"))
}

fn associate(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, profile): (InstanceId, _) = read(arguments, |a| Ok((a.required_id("InstanceId")?, required(a, &model.account_id)?)))?;
    let made = operation::associate_iam_instance_profile(model, &id, profile)?;
    Ok(json!({"IamInstanceProfileAssociation": association(&id, &made, "associating")}))
}

fn disassociate(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: InstanceProfileAssociationId = read(arguments, |a| a.required_id("AssociationId"))?;
    let (instance, gone) = operation::disassociate_iam_instance_profile(model, &id)?;
    Ok(json!({"IamInstanceProfileAssociation": association(&instance, &gone, "disassociating")}))
}

fn replace(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, profile): (InstanceProfileAssociationId, _) =
        read(arguments, |a| Ok((a.required_id("AssociationId")?, required(a, &model.account_id)?)))?;
    let (instance, made) = operation::replace_iam_instance_profile_association(model, &id, profile)?;
    Ok(json!({"IamInstanceProfileAssociation": association(&instance, &made, "associating")}))
}

const FILTERS: FilterTable = &[("instance-id", &["InstanceId"]), ("state", &["State"])];

fn describe(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let all = model.instances.values().filter_map(|instance| {
        let profile = instance.iam_instance_profile.as_ref()?;
        Some(association(&instance.id, profile, "associated"))
    });
    let describe = Describe {
        ids: "AssociationIds",
        id_path: "AssociationId",
        answer: "IamInstanceProfileAssociations",
        filters: FILTERS,
        form: form::<InstanceProfileAssociationId>,
        not_found: |id| ApiError::new(ErrorCode::InvalidAssociationIdNotFound, format!("An invalid association-id of '{id}' was given")),
    };
    let all: Vec<Value> = all.collect();
    describe.serve(arguments, all)
}
