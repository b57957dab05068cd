//! Containers, volumes and images of containers. AWS knows none of it, so the codes are the nearest ones of AWS.

use std::collections::{BTreeMap, BTreeSet};

use crate::container::*;
use crate::*;

/// Gives an instance these containers, all of them: what had another name before is gone, what has the same name and
/// another spec is another container.
///
/// Errors: `InvalidInstanceID.NotFound`, `IncorrectInstanceState` (it is terminated), `InvalidParameterValue` (a name that
/// is none, an image that is none, ports out of range, a port published twice or listened on by the instance, a target
/// that is not absolute or mounted twice, a volume that is not declared, a container that is not there to wait for, or a
/// circle of them, a limit out of range).
pub fn set_containers(
    model: &mut Model,
    instance: &InstanceId,
    containers: BTreeMap<String, ContainerSpec>,
) -> Result<(), ApiError> {
    let state = model.instance(instance)?.state;
    if state == InstanceState::Terminated {
        let message = format!("The instance '{instance}' is terminated.");
        return Err(ApiError::new(ErrorCode::IncorrectInstanceState, message));
    }
    check_containers(model, instance, &containers)?;
    match containers.is_empty() {
        true => drop(model.containers.remove(instance)),
        false => drop(model.containers.insert(instance.clone(), containers)),
    }
    model.generation += 1;
    Ok(())
}

/// Declares a volume, or gives it other labels. What is in it belongs to whoever runs the lab. Errors:
/// `InvalidParameterValue` (a name that is none).
pub fn set_volume(model: &mut Model, name: &str, volume: Volume) -> Result<(), ApiError> {
    name_problem(name).map_or(Ok(()), |why| Err(invalid(why)))?;
    model.volumes.insert(name.to_owned(), volume);
    model.generation += 1;
    Ok(())
}

/// Takes a volume back. Errors: `InvalidParameterValue` (there is none), `DependencyViolation` (a container mounts it).
pub fn remove_volume(model: &mut Model, name: &str) -> Result<(), ApiError> {
    if !model.volumes.contains_key(name) {
        return Err(invalid(format!("there is no volume `{name}`")));
    }
    let mounts = |spec: &ContainerSpec| spec.mounts.iter().any(|m| matches!(&m.source, MountSource::Volume { name: own, .. } if own == name));
    let mut all = model.containers.iter().flat_map(|(id, own)| own.iter().map(move |(name, spec)| (id, name, spec)));
    if let Some((instance, container, _)) = all.find(|(.., spec)| mounts(spec)) {
        let message = format!("volume `{name}` is mounted by container `{container}` of instance '{instance}'");
        return Err(ApiError::new(ErrorCode::DependencyViolation, message));
    }
    model.volumes.remove(name);
    model.generation += 1;
    Ok(())
}

/// Says where the image of a name comes from. Errors: `InvalidParameterValue` (a name or a reference that is none).
pub fn set_container_image(model: &mut Model, name: &str, image: ContainerImage) -> Result<(), ApiError> {
    name_problem(name).or_else(|| reference_problem(name)).map_or(Ok(()), |why| Err(invalid(why)))?;
    if let ImageSource::Pull(reference) = &image.source
        && let Some(why) = reference_problem(reference)
    {
        return Err(invalid(why));
    }
    model.container_images.insert(name.to_owned(), image);
    model.generation += 1;
    Ok(())
}

/// Forgets where the image of a name comes from: containers that name it mean a reference then. Errors:
/// `InvalidParameterValue` (there is none).
pub fn remove_container_image(model: &mut Model, name: &str) -> Result<(), ApiError> {
    match model.container_images.remove(name) {
        Some(_) => {
            model.generation += 1;
            Ok(())
        }
        None => Err(invalid(format!("there is no image `{name}`"))),
    }
}

/// Whether these may be the containers of an instance. Errors: as [`set_containers`].
pub fn check_containers(
    model: &Model,
    instance: &InstanceId,
    containers: &BTreeMap<String, ContainerSpec>,
) -> Result<(), ApiError> {
    for (name, spec) in containers {
        let problem = name_problem(name)
            .or_else(|| reference_problem(&spec.image))
            .or_else(|| spec.publish.iter().find_map(mapping_problem))
            .or_else(|| mounts_problem(model, spec))
            .or_else(|| network_problem(containers, spec))
            .or_else(|| limits_problem(&spec.resources));
        if let Some(why) = problem {
            return Err(invalid(format!("container `{name}`: {why}")));
        }
        if let Some(other) = spec.depends_on.keys().find(|other| !containers.contains_key(*other)) {
            return Err(invalid(format!("container `{name}` waits for `{other}`, which is not a container of the instance")));
        }
    }
    check_ports(model.guests.get(instance).map(|guest| guest.listen.as_slice()).unwrap_or_default(), containers)?;
    let waits = |spec: &'_ ContainerSpec| -> Vec<String> {
        let shares = match &spec.network {
            NetworkChoice::Container(other) => Some(other.clone()),
            _ => None,
        };
        spec.depends_on.keys().cloned().chain(shares).collect()
    };
    let waits: BTreeMap<&str, Vec<String>> = containers.iter().map(|(name, spec)| (name.as_str(), waits(spec))).collect();
    let waits = waits.iter().map(|(name, others)| (*name, others.iter().map(String::as_str).collect())).collect();
    match dependency_circle(&waits) {
        Some(circle) => Err(invalid(format!("containers wait for each other in a circle: {}", circle.join(" -> ")))),
        None => Ok(()),
    }
}

fn mapping_problem(mapping: &PortMapping) -> Option<String> {
    let PortMapping { host, container, .. } = mapping;
    if host.from == 0 || container.from == 0 || host.from > host.to || container.from > container.to {
        return Some(format!("`{mapping}` has ports out of range: 1 to 65535, the lower one first"));
    }
    (host.to - host.from != container.to - container.from).then(|| format!("`{mapping}` has more ports on one side"))
}

fn mounts_problem(model: &Model, spec: &ContainerSpec) -> Option<String> {
    let mut targets = BTreeSet::new();
    for mount in &spec.mounts {
        if let Some(why) = target_problem(&mount.target) {
            return Some(why);
        }
        let own = mount.target.trim_end_matches('/');
        if !targets.insert(own) {
            return Some(format!("two things are mounted at `{own}`"));
        }
        match &mount.source {
            MountSource::Volume { name, .. } if !model.volumes.contains_key(name) => {
                return Some(format!("there is no volume `{name}`"));
            }
            MountSource::Bind { path } if path.is_empty() => return Some("a path to mount is missing".to_owned()),
            _ => {}
        }
    }
    spec.working_directory.as_ref().filter(|path| !path.starts_with('/')).map(|path| format!("`{path}` is not absolute"))
}

fn network_problem(containers: &BTreeMap<String, ContainerSpec>, spec: &ContainerSpec) -> Option<String> {
    match &spec.network {
        NetworkChoice::Named(names) if names.is_empty() => Some("it names no network".to_owned()),
        NetworkChoice::Named(names) => names.iter().find_map(|name| name_problem(name)),
        NetworkChoice::Container(other) if !containers.contains_key(other) => {
            Some(format!("it shares the network of `{other}`, which is not a container of the instance"))
        }
        NetworkChoice::Bridge => None,
        // Nothing stands between these and the instance, or nothing leads to them: there is nothing to publish.
        other if !spec.publish.is_empty() => Some(format!("in network {other} no port can be published")),
        _ => None,
    }
}

fn limits_problem(limits: &Resources) -> Option<String> {
    let memory = limits.memory_bytes.filter(|bytes| *bytes < LEAST_MEMORY);
    let memory = memory.map(|bytes| format!("{bytes} bytes of memory are too few: at least {} MiB", LEAST_MEMORY >> 20));
    let none = [limits.nano_cpus, limits.pids, limits.shm_bytes].contains(&Some(0));
    memory.or_else(|| none.then(|| "a limit of nothing leaves nothing to run".to_owned()))
}

/// No port of an instance has two that want it: containers, and built-in listeners.
pub(crate) fn check_ports(listen: &[Listener], containers: &BTreeMap<String, ContainerSpec>) -> Result<(), ApiError> {
    let own = listen.iter().map(|listener| (PortMapping::of_listener(*listener), None));
    let theirs = containers.iter().flat_map(|(name, spec)| spec.publish.iter().map(move |mapping| (*mapping, Some(name))));
    let (mappings, names): (Vec<_>, Vec<_>) = own.chain(theirs).unzip();
    if mappings.len() - listen.len() > MOST_PUBLISHED {
        return Err(invalid(format!("an instance publishes at most {MOST_PUBLISHED} ports or ranges")));
    }
    let Some((first, second)) = collisions(&mappings).into_iter().find(|(_, second)| names[*second].is_some()) else {
        return Ok(());
    };
    let (ports, name) = (mappings[second].host, names[second].map_or("", String::as_str));
    Err(invalid(match names[first] {
        Some(other) => format!("containers `{other}` and `{name}` both publish port {ports} of the instance"),
        None => format!("container `{name}` publishes port {ports}, on which the instance listens itself"),
    }))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, message)
}
