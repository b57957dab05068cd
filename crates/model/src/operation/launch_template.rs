//! Launch templates: names, versions, the default one. What a version says is a text here; whoever knows the API reads it.

use std::collections::BTreeMap;

use crate::launch_template::LaunchTemplateVersion;
use crate::operation::tag;
use crate::*;

/// Versions that a template may have.
const VERSIONS: usize = 10_000;

/// How a call names a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchTemplateName {
    /// By its name.
    Name(String),
    /// By its id.
    Id(LaunchTemplateId),
}

/// Creates a template with its first version.
///
/// Errors: `InvalidLaunchTemplateName.MalformedException`, `InvalidLaunchTemplateName.AlreadyExistsException`, those of tags.
pub fn create_launch_template(
    model: &mut Model,
    name: &str,
    description: &str,
    parameters: String,
    tags: Tags,
) -> Result<LaunchTemplateId, ApiError> {
    tag::check(&tags)?;
    let sound = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(sound) {
        let message = "Launch template names have 3 to 128 letters, digits and characters of ( ) . - / _";
        return Err(ApiError::new(ErrorCode::InvalidLaunchTemplateNameMalformed, message));
    }
    if model.launch_templates.values().any(|template| template.name == name) {
        let message = "Launch template name already in use.";
        return Err(ApiError::new(ErrorCode::InvalidLaunchTemplateNameAlreadyExists, message));
    }
    let id: LaunchTemplateId = model.context.next_id();
    let create_time = model.context.now;
    let first = LaunchTemplateVersion { description: description.to_owned(), parameters, create_time };
    let template = LaunchTemplate {
        id: id.clone(),
        name: name.to_owned(),
        default_version: 1,
        latest_version: 1,
        versions: BTreeMap::from([(1, first)]),
        create_time,
        tags,
        origin: Origin::default(),
    };
    model.launch_templates.insert(id.clone(), template);
    model.generation += 1;
    Ok(id)
}

/// The template that is meant. Errors: `InvalidLaunchTemplateId.NotFound`, `InvalidLaunchTemplateName.NotFoundException`.
pub fn find_launch_template<'m>(model: &'m Model, name: &LaunchTemplateName) -> Result<&'m LaunchTemplate, ApiError> {
    match name {
        LaunchTemplateName::Id(id) => model.launch_template(id),
        LaunchTemplateName::Name(name) => model.launch_templates.values().find(|template| template.name == *name).ok_or_else(|| {
            let message = format!("The specified launch template, with template name {name}, does not exist.");
            ApiError::new(ErrorCode::InvalidLaunchTemplateNameNotFound, message)
        }),
    }
}

/// The number of a version: `$Default`, `$Latest` or a number. Errors: `InvalidLaunchTemplateId.VersionNotFound`,
/// `InvalidParameterValue`.
pub fn find_launch_template_version(template: &LaunchTemplate, text: &str) -> Result<u64, ApiError> {
    let number = match text {
        "$Default" => template.default_version,
        "$Latest" => template.versions.keys().next_back().copied().unwrap_or(template.default_version),
        other => other.parse().map_err(|_| {
            let message = format!("Launch template version '{other}' is not valid: a number, $Default or $Latest");
            ApiError::new(ErrorCode::InvalidParameterValue, message)
        })?,
    };
    match template.versions.contains_key(&number) {
        true => Ok(number),
        false => Err(version_not_found(&template.id, number)),
    }
}

fn version_not_found(id: &LaunchTemplateId, number: u64) -> ApiError {
    let message = format!("Could not find launch template version {number} of {id}");
    ApiError::new(ErrorCode::InvalidLaunchTemplateIdVersionNotFound, message)
}

/// Adds a version; returns its number. Errors: those of [`find_launch_template`], `VersionLimitExceeded`.
pub fn create_launch_template_version(
    model: &mut Model,
    name: &LaunchTemplateName,
    description: &str,
    parameters: String,
) -> Result<u64, ApiError> {
    let id = find_launch_template(model, name)?.id.clone();
    let create_time = model.context.now;
    let template = model.launch_template_mut(&id)?;
    if template.versions.len() >= VERSIONS {
        let message = format!("Launch template {id} has {VERSIONS} versions, which is the most.");
        return Err(ApiError::new(ErrorCode::VersionLimitExceeded, message));
    }
    template.latest_version += 1;
    let version = LaunchTemplateVersion { description: description.to_owned(), parameters, create_time };
    let number = template.latest_version;
    template.versions.insert(number, version);
    model.generation += 1;
    Ok(number)
}

/// Chooses the default version. Errors: those of [`find_launch_template`] and [`find_launch_template_version`].
pub fn modify_launch_template(model: &mut Model, name: &LaunchTemplateName, version: &str) -> Result<LaunchTemplateId, ApiError> {
    let template = find_launch_template(model, name)?;
    let (id, number) = (template.id.clone(), find_launch_template_version(template, version)?);
    model.launch_template_mut(&id)?.default_version = number;
    model.generation += 1;
    Ok(id)
}

/// Deletes a template with all versions; instances stay. Errors: those of [`find_launch_template`].
pub fn delete_launch_template(model: &mut Model, name: &LaunchTemplateName) -> Result<LaunchTemplate, ApiError> {
    let gone = find_launch_template(model, name)?.clone();
    model.launch_templates.remove(&gone.id);
    model.generation += 1;
    Ok(gone)
}

/// Deletes one version. Errors: `InvalidLaunchTemplateId.VersionNotFound`, `OperationNotPermitted` (the default one), those of
/// [`find_launch_template`].
pub fn delete_launch_template_version(model: &mut Model, name: &LaunchTemplateName, number: u64) -> Result<(), ApiError> {
    let template = find_launch_template(model, name)?;
    let id = template.id.clone();
    if number == template.default_version {
        let message = format!("Cannot delete the default version of launch template {id}.");
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message));
    }
    if model.launch_template_mut(&id)?.versions.remove(&number).is_none() {
        return Err(version_not_found(&id, number));
    }
    model.generation += 1;
    Ok(())
}
