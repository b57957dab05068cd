//! Images that go: by name or id, and those that nobody needs.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use container::engine::events::{Event, Kind};
use container::engine::{Record, Status, lab};
use container::store::Removed;
use container::{Digest, Image, Reference};
use serde_json::{Value, json};

use super::describe::{FILTERS, Wanted};
use super::{find, tell};
use crate::error::{Failure, Result};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// All containers of all labs: they share the images.
pub(crate) fn all_records(docker: &Docker) -> Result<Vec<Record>> {
    let own = docker.engine.folder.root();
    let Some(labs) = own.parent().and_then(std::path::Path::parent) else {
        return Ok(docker.engine.folder.list()?);
    };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(labs).into_iter().flatten().flatten() {
        all.extend(lab::folder(&entry.path()).list()?);
    }
    Ok(all)
}

/// Images that containers are made of.
fn used(docker: &Docker) -> Result<BTreeSet<Digest>> {
    Ok(all_records(docker)?.iter().map(|record| record.image.id).collect())
}

fn users<'a>(records: &'a [Record], image: &Image) -> Option<&'a Record> {
    let mut users: Vec<&Record> = records.iter().filter(|record| record.image.id == image.id).collect();
    users.sort_by_key(|record| !record.state.status.is_alive());
    users.first().copied()
}

pub(super) fn remove(docker: &Docker, text: &str, force: bool) -> Result<Value> {
    let store = &docker.engine.store;
    let image = find(docker, text)?;
    let records = all_records(docker)?;
    let user = users(&records, &image);
    let named = text.parse::<Reference>().ok().filter(|name| image.names.contains(name));
    let conflict = |message: String| Err(Failure::conflict(message));
    if let Some(name) = &named {
        if image.names.len() == 1
            && let Some(record) = user
        {
            if !force {
                return conflict(format!(
                    "conflict: unable to remove repository reference \"{}\" (must force) - container {} is using its referenced image {}",
                    text,
                    record.id.short(),
                    image.id.short()
                ));
            }
            store.untag(name)?;
            tell(docker, "untag", image.id.to_string(), &image.id.to_string());
            return Ok(json!([{"Untagged": name.familiar()}]));
        }
    } else {
        let short = image.id.short();
        let repositories: BTreeSet<String> = image.names.iter().map(Reference::familiar_repository).collect();
        match user {
            Some(record) if record.state.status.is_alive() || record.state.status == Status::Restarting => {
                let container = record.id.short();
                return conflict(format!("conflict: unable to delete {short} (cannot be forced) - image is being used by running container {container}"));
            }
            // It could not be started again: its files would be gone.
            Some(record) => {
                let (force, container) = (if force { "cannot be forced" } else { "must be forced" }, record.id.short());
                return conflict(format!("conflict: unable to delete {short} ({force}) - image is being used by stopped container {container}"));
            }
            None if repositories.len() > 1 && !force => {
                return conflict(format!("conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"));
            }
            None => {}
        }
    }
    let whole = named.is_none();
    let removed = store.remove(text, force || whole)?;
    gone(docker, &image.id, &removed);
    Ok(lines(&removed.untagged, &removed.deleted))
}

fn gone(docker: &Docker, id: &Digest, removed: &Removed) {
    removed.untagged.iter().for_each(|_| tell(docker, "untag", id.to_string(), &id.to_string()));
    removed.deleted.iter().for_each(|id| tell(docker, "delete", id.to_string(), &id.to_string()));
}

fn lines(untagged: &[String], deleted: &[Digest]) -> Value {
    let untagged = untagged.iter().map(|name| json!({"Untagged": name}));
    untagged.chain(deleted.iter().map(|id| json!({"Deleted": id}))).collect()
}

pub(super) async fn prune(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let filters = query.filters(&FILTERS)?;
        let all = filters.flag("dangling")? == Some(false);
        let wanted = Wanted::new(docker, &filters)?;
        let used = used(docker)?;
        let images = docker.engine.store.images()?;
        let kept = images.iter().filter(|image| !wanted.fits_but_dangling(image)).map(|image| image.id);
        let kept: BTreeSet<Digest> = used.into_iter().chain(kept).collect();
        let removed = docker.engine.store.prune(all, &kept)?;
        removed.deleted.iter().for_each(|id| tell(docker, "delete", id.to_string(), &id.to_string()));
        docker.engine.events.say(&Event::new(Kind::Image, "prune", "").with("reclaimed", removed.bytes.to_string()));
        let deleted = match lines(&removed.untagged, &removed.deleted) {
            Value::Array(lines) if lines.is_empty() => Value::Null,
            lines => lines,
        };
        Ok(Json(json!({"ImagesDeleted": deleted, "SpaceReclaimed": removed.bytes})))
    })
    .await
}
