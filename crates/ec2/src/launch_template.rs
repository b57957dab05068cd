//! Launch templates: keeping parameters of launches, showing them, and launching by them.
//!
//! A template's parameters are kept as they came. What is wrong with them is said when they come; what this cloud does not model
//! is warned of then, and refused by the launch.

use std::collections::BTreeMap;

use model::launch_template::LaunchTemplateVersion;
use model::operation::{self, LaunchTemplateName};
use model::{ApiError, ErrorCode, LaunchTemplate, LaunchTemplateId, Model};
use serde_json::{Map, Value, json};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::{Describe, FilterTable, Filters};
use crate::identifier::form;
use crate::instance::launch;
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateLaunchTemplate", create_launch_template),
    ("CreateLaunchTemplateVersion", create_launch_template_version),
    ("DeleteLaunchTemplate", delete_launch_template),
    ("DeleteLaunchTemplateVersions", delete_launch_template_versions),
    ("DescribeLaunchTemplateVersions", describe_launch_template_versions),
    ("DescribeLaunchTemplates", describe_launch_templates),
    ("GetLaunchTemplateData", get_launch_template_data),
    ("ModifyLaunchTemplate", modify_launch_template),
];

/// The template that a call names, be it one that need not. Errors: `InvalidParameterCombination`, `InvalidLaunchTemplateId.Malformed`.
fn name(a: &Arguments<'_>) -> Result<Option<LaunchTemplateName>, ApiError> {
    let id = a.id::<LaunchTemplateId>("LaunchTemplateId")?.map(LaunchTemplateName::Id);
    let name = a.text("LaunchTemplateName")?.map(|name| LaunchTemplateName::Name(name.to_owned()));
    match (id, name) {
        (None, None) => Ok(None),
        (id, name) => a.exactly_one("LaunchTemplateId or LaunchTemplateName", [id, name].into_iter().flatten().collect()).map(Some),
    }
}

fn required_name(a: &Arguments<'_>) -> Result<LaunchTemplateName, ApiError> {
    a.required("LaunchTemplateId or LaunchTemplateName", name(a)?)
}

/// The parameters of a launch with those of its template below them, and which template that is.
///
/// Errors: those of templates that are not there.
pub fn resolve(model: &Model, arguments: &Value) -> Result<(Value, Option<(LaunchTemplateId, u64)>), ApiError> {
    let Value::Object(asked) = arguments else { return Ok((arguments.clone(), None)) };
    let mut asked = asked.clone();
    let Some(named) = asked.shift_remove("LaunchTemplate").filter(|named| !named.is_null()) else {
        return Ok((Value::Object(asked), None));
    };
    let specification = json!({"LaunchTemplate": named});
    let (name, version) = crate::arguments::within(&specification, "LaunchTemplate", |t| {
        Ok((required_name(t)?, t.text("Version")?.unwrap_or("$Default").to_owned()))
    })?;
    let template = operation::find_launch_template(model, &name)?;
    let number = operation::find_launch_template_version(template, &version)?;
    let below = template.versions.get(&number).map(parameters).unwrap_or_default();
    Ok((Value::Object(merged(below, asked)), Some((template.id.clone(), number))))
}

/// What a version says.
fn parameters(version: &LaunchTemplateVersion) -> Map<String, Value> {
    serde_json::from_str(&version.parameters).unwrap_or_default()
}

/// Names that templates write in another way than launches.
const RENAMED: [(&str, &str); 2] = [("RamDiskId", "RamdiskId"), ("ElasticGpuSpecifications", "ElasticGpuSpecification")];

/// What a launch says over what its template says: structures member by member (an instance profile as one), interfaces by their index, disks by
/// their name; tags of both.
fn merged(below: Map<String, Value>, asked: Map<String, Value>) -> Map<String, Value> {
    let mut all = below;
    for (theirs, ours) in RENAMED {
        if let Some(value) = all.shift_remove(theirs) {
            all.insert(ours.to_owned(), value);
        }
    }
    let is_given = |value: &Value| !value.is_null() && value.as_str() != Some("");
    for (name, value) in asked.into_iter().filter(|(_, value)| is_given(value)) {
        let groups = ["SecurityGroupIds", "SecurityGroups"];
        if groups.contains(&name.as_str()) {
            groups.iter().for_each(|name| drop(all.shift_remove(*name)));
        }
        let value = match (all.shift_remove(&name), value) {
            (Some(Value::Array(below)), Value::Array(over)) => match name.as_str() {
                "NetworkInterfaces" => by_key("DeviceIndex", below, over),
                "BlockDeviceMappings" => by_key("DeviceName", below, over),
                "TagSpecifications" => below.into_iter().chain(over).collect(),
                _ => over.into(),
            },
            // One profile or another: by its name, or by its resource name.
            (Some(Value::Object(mut below)), Value::Object(over)) if name != "IamInstanceProfile" => {
                below.extend(over.into_iter().filter(|(_, value)| is_given(value)));
                below.into()
            }
            (_, value) => value,
        };
        all.insert(name, value);
    }
    all
}

fn by_key(key: &str, below: Vec<Value>, over: Vec<Value>) -> Value {
    // Absent is the first: an interface without an index is that at index 0.
    let of = |item: &Value| item.get(key).filter(|key| !key.is_null()).map_or_else(|| "0".to_owned(), |key| key.to_string().replace('"', ""));
    let mut all: BTreeMap<String, Value> = below.into_iter().map(|item| (of(&item), item)).collect();
    for item in over {
        let known = all.remove(&of(&item)).unwrap_or_else(|| json!({}));
        let (Value::Object(mut known), Value::Object(item)) = (known, item.clone()) else {
            all.insert(of(&item), item);
            continue;
        };
        known.extend(item);
        let known = Value::Object(known);
        all.insert(of(&known), known);
    }
    all.into_values().collect()
}

/// Whether parameters can be those of a launch in an account. Errors: what is wrong with them. What is right and not modelled here is a warning.
fn check(data: &Map<String, Value>, account: &str) -> Result<Option<Value>, ApiError> {
    let mut launching = merged(data.clone(), Map::new());
    let warning = |error: ApiError| {
        let hint = format!("A launch by this version will be refused: {}", error.message);
        json!({"Errors": [{"Code": error.code.as_str(), "Message": hint}]})
    };
    if launching.shift_remove("InstanceRequirements").is_some_and(|wanted| !wanted.is_null()) {
        let message = "The parameter InstanceRequirements is not supported.";
        return Ok(Some(warning(ApiError::new(ErrorCode::UnsupportedOperation, message))));
    }
    for (name, value) in [("MinCount", json!(1)), ("MaxCount", json!(1)), ("ImageId", json!("ami-00000000000000000"))] {
        launching.entry(name).or_insert(value);
    }
    match read(&Value::Object(launching), |a| launch(a, account)) {
        Ok(_) => Ok(None),
        Err(error) if error.code == ErrorCode::UnsupportedOperation => Ok(Some(warning(error))),
        Err(error) => Err(error),
    }
}

/// The parameters that come with a call, without what is absent.
fn data(a: &Arguments<'_>) -> Result<Map<String, Value>, ApiError> {
    match a.value("LaunchTemplateData") {
        Some(Value::Object(data)) => Ok(data.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()),
        Some(other) => Err(a.invalid("LaunchTemplateData", other, "A structure was expected.")),
        None => Err(crate::arguments::missing("LaunchTemplateData")),
    }
}

fn description(a: &Arguments<'_>) -> Result<String, ApiError> {
    Ok(a.text("VersionDescription")?.unwrap_or_default().to_owned())
}

fn create_launch_template(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (name, description, data, tags) = read(arguments, |a| {
        a.refuse(&["Operator"])?;
        Ok((a.required_text("LaunchTemplateName")?.to_owned(), description(a)?, data(a)?, a.tags("launch-template")?))
    })?;
    let warning = check(&data, &model.account_id)?;
    let id = operation::create_launch_template(model, &name, &description, Value::Object(data).to_string(), tags)?;
    Ok(present(json!({"LaunchTemplate": shape(model, model.launch_template(&id)?), "Warning": warning})))
}

fn create_launch_template_version(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (name, source, description, data) = read(arguments, |a| {
        a.ignore(&["ResolveAlias"]);
        Ok((required_name(a)?, a.text("SourceVersion")?.map(str::to_owned), description(a)?, data(a)?))
    })?;
    let template = operation::find_launch_template(model, &name)?;
    let data = match source {
        None => data,
        Some(source) => {
            let number = operation::find_launch_template_version(template, &source)?;
            let mut all = template.versions.get(&number).map(parameters).unwrap_or_default();
            all.extend(data);
            all
        }
    };
    let warning = check(&data, &model.account_id)?;
    let number = operation::create_launch_template_version(model, &name, &description, Value::Object(data).to_string())?;
    let template = operation::find_launch_template(model, &name)?;
    let made = template.versions.get(&number).map(|version| version_shape(model, template, number, version));
    Ok(present(json!({"LaunchTemplateVersion": made, "Warning": warning})))
}

fn modify_launch_template(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (name, version) = read(arguments, |a| {
        let version = a.text("DefaultVersion")?.map(str::to_owned);
        Ok((required_name(a)?, a.required("DefaultVersion", version)?))
    })?;
    let id = operation::modify_launch_template(model, &name, &version)?;
    Ok(json!({"LaunchTemplate": shape(model, model.launch_template(&id)?)}))
}

fn delete_launch_template(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let name = read(arguments, required_name)?;
    let gone = operation::delete_launch_template(model, &name)?;
    Ok(json!({"LaunchTemplate": shape(model, &gone)}))
}

/// Each version by itself: what is refused is listed beside what was done.
fn delete_launch_template_versions(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (name, versions) = read(arguments, |a| {
        let versions: Vec<String> = a.texts("Versions")?.into_iter().map(str::to_owned).collect();
        Ok((required_name(a)?, a.required("Versions", Some(versions).filter(|versions| !versions.is_empty()))?))
    })?;
    let template = operation::find_launch_template(model, &name)?.clone();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for version in versions {
        let number: u64 = version.parse().map_err(|_| {
            let message = format!("Launch template version '{version}' is not a number.");
            ApiError::new(ErrorCode::InvalidParameterValue, message)
        })?;
        let mut item = json!({
            "LaunchTemplateId": text(&template.id),
            "LaunchTemplateName": template.name,
            "VersionNumber": number,
        });
        match operation::delete_launch_template_version(model, &name, number) {
            Ok(()) => done.push(item),
            Err(error) => {
                let code = match error.code {
                    ErrorCode::InvalidLaunchTemplateIdVersionNotFound => "launchTemplateVersionDoesNotExist",
                    _ => "unexpectedError",
                };
                item["ResponseError"] = json!({"Code": code, "Message": error.message});
                failed.push(item);
            }
        }
    }
    Ok(json!({"SuccessfullyDeletedLaunchTemplateVersions": done, "UnsuccessfullyDeletedLaunchTemplateVersions": failed}))
}

fn owner(model: &Model) -> String {
    format!("arn:aws:iam::{}:root", model.account_id)
}

fn shape(model: &Model, template: &LaunchTemplate) -> Value {
    json!({
        "LaunchTemplateId": text(&template.id),
        "LaunchTemplateName": template.name,
        "CreateTime": time(template.create_time),
        "CreatedBy": owner(model),
        "DefaultVersionNumber": template.default_version,
        "LatestVersionNumber": template.latest_version,
        "Tags": tags(&template.tags),
    })
}

fn version_shape(model: &Model, template: &LaunchTemplate, number: u64, version: &LaunchTemplateVersion) -> Value {
    let description = (!version.description.is_empty()).then_some(&version.description);
    present(json!({
        "LaunchTemplateId": text(&template.id),
        "LaunchTemplateName": template.name,
        "VersionNumber": number,
        "VersionDescription": description,
        "CreateTime": time(version.create_time),
        "CreatedBy": owner(model),
        "DefaultVersion": number == template.default_version,
        "LaunchTemplateData": parameters(version),
    }))
}

const DESCRIBE: Describe = Describe {
    ids: "LaunchTemplateIds",
    id_path: "LaunchTemplateId",
    answer: "LaunchTemplates",
    filters: &[("create-time", &["CreateTime"]), ("launch-template-name", &["LaunchTemplateName"])],
    form: form::<LaunchTemplateId>,
    not_found: LaunchTemplateId::not_found,
};

fn describe_launch_templates(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let mut names = Vec::new();
    let mut answer = DESCRIBE.serve_with(arguments, model.launch_templates.values().map(|template| shape(model, template)), |a| {
        a.ignore(&["IncludeManagedResources"]);
        names = a.texts("LaunchTemplateNames")?.into_iter().map(|name| LaunchTemplateName::Name(name.to_owned())).collect();
        Ok(())
    })?;
    let named = names.iter().map(|name| Ok(operation::find_launch_template(model, name)?.id.to_string()));
    let named = named.collect::<Result<Vec<_>, ApiError>>()?;
    if let Some(templates) = answer["LaunchTemplates"].as_array_mut() {
        templates.retain(|template| named.is_empty() || named.iter().any(|id| template["LaunchTemplateId"] == **id));
    }
    Ok(answer)
}

const VERSION_FILTERS: FilterTable = &[
    ("create-time", &["CreateTime"]),
    ("ebs-optimized", &["LaunchTemplateData.EbsOptimized"]),
    ("host-resource-group-arn", &["LaunchTemplateData.Placement.HostResourceGroupArn"]),
    ("http-endpoint", &["LaunchTemplateData.MetadataOptions.HttpEndpoint"]),
    ("http-protocol-ipv4", &["LaunchTemplateData.MetadataOptions.HttpEndpoint"]),
    ("http-tokens", &["LaunchTemplateData.MetadataOptions.HttpTokens"]),
    ("iam-instance-profile", &["LaunchTemplateData.IamInstanceProfile.Name", "LaunchTemplateData.IamInstanceProfile.Arn"]),
    ("image-id", &["LaunchTemplateData.ImageId"]),
    ("instance-type", &["LaunchTemplateData.InstanceType"]),
    ("is-default-version", &["DefaultVersion"]),
    ("kernel-id", &["LaunchTemplateData.KernelId"]),
    ("license-configuration-arn", &["LaunchTemplateData.LicenseSpecifications.LicenseConfigurationArn"]),
    ("network-card-index", &["LaunchTemplateData.NetworkInterfaces.NetworkCardIndex"]),
    ("ram-disk-id", &["LaunchTemplateData.RamDiskId"]),
];

/// Versions of one template, newest first; without a template the latest or the default one of all.
fn describe_launch_template_versions(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (name, wanted, range, filters) = read(arguments, |a| {
        a.ignore(&["ResolveAlias", "IncludeManagedResources"]);
        let wanted: Vec<String> = a.texts("Versions")?.into_iter().map(str::to_owned).collect();
        let range = (a.parsed::<u64>("MinVersion", "A number was expected.")?, a.parsed::<u64>("MaxVersion", "A number was expected.")?);
        Ok((name(a)?, wanted, range, Filters::read(a, VERSION_FILTERS)?))
    })?;
    let is_alias = |version: &String| version == "$Latest" || version == "$Default";
    let templates: Vec<&LaunchTemplate> = match &name {
        Some(name) => vec![operation::find_launch_template(model, name)?],
        None if !wanted.is_empty() && wanted.iter().all(is_alias) => model.launch_templates.values().collect(),
        None => {
            let message = "The request must contain the parameter LaunchTemplateId or LaunchTemplateName, or only $Latest and $Default as versions";
            return Err(ApiError::new(ErrorCode::MissingParameter, message));
        }
    };
    let mut shown = Vec::new();
    for template in templates {
        let numbers = wanted.iter().map(|version| operation::find_launch_template_version(template, version));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let is_wanted = |number: &u64| {
            (numbers.is_empty() || numbers.contains(number))
                && range.0.is_none_or(|least| least <= *number)
                && range.1.is_none_or(|most| *number <= most)
        };
        let versions = template.versions.iter().rev().filter(|(number, _)| is_wanted(number));
        shown.extend(versions.map(|(number, version)| version_shape(model, template, *number, version)).filter(|item| filters.keep(item)));
    }
    Ok(json!({"LaunchTemplateVersions": shown}))
}

/// The parameters by which another instance like this one is launched.
fn get_launch_template_data(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: model::InstanceId = read(arguments, |a| a.required_id("InstanceId"))?;
    let instance = model.instance(&id)?;
    let user_data = instance.user_data.as_ref().map(|data| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(data)
    });
    let interfaces = model.interfaces_of(&id).into_iter().map(|eni| {
        let attachment = eni.attachment.as_ref();
        json!({
            "DeviceIndex": attachment.map(|attachment| attachment.device_index),
            "DeleteOnTermination": attachment.map(|attachment| attachment.delete_on_termination),
            "SubnetId": text(&eni.subnet_id),
            "Groups": eni.groups.iter().map(text).collect::<Value>(),
            "Description": eni.description,
        })
    });
    let disks = model.volumes_of(&id).into_iter().map(|(volume, attachment)| {
        json!({
            "DeviceName": attachment.device,
            "Ebs": present(json!({
                "DeleteOnTermination": attachment.delete_on_termination,
                "VolumeSize": volume.spec.size_gib,
                "VolumeType": volume.spec.kind.as_str(),
                "SnapshotId": volume.snapshot_id.as_ref().map(text),
                "Encrypted": volume.encrypted,
            })),
        })
    });
    Ok(json!({"LaunchTemplateData": present(json!({
        "ImageId": text(&instance.image_id),
        "InstanceType": instance.instance_type,
        "KeyName": instance.key_name,
        "UserData": user_data,
        "EbsOptimized": instance.options.ebs_optimized,
        "DisableApiTermination": instance.disable_api_termination,
        "DisableApiStop": instance.disable_api_stop,
        "InstanceInitiatedShutdownBehavior": if instance.terminate_on_shutdown { "terminate" } else { "stop" },
        "Monitoring": {"Enabled": instance.monitoring},
        "Placement": {"AvailabilityZone": instance.availability_zone},
        "NetworkInterfaces": interfaces.collect::<Value>(),
        "BlockDeviceMappings": disks.collect::<Value>(),
    }))}))
}
