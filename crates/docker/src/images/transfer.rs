//! Images as archives: out, in, and root file systems that become images.

use std::io::BufWriter;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use container::build::config::apply_changes;
use container::engine::Moment;
use container::import::{Settings, root_file_system};
use container::load::{self, Options};
use container::oci::Process;
use container::{Image, Reference};
use serde_json::json;

use super::{find, named, tell};
use crate::error::{Failure, Result};
use crate::progress;
use crate::query::Query;
use crate::state::{Api, Docker};
use crate::upload::Upload;

const TAR: &str = "application/x-tar";

pub(super) async fn save_several(State(api): State<Api>, query: Query) -> Result<Response> {
    let names: Vec<String> = query.all("names").flat_map(|names| names.split(',')).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Failure::bad_request("no image is named"));
    }
    save(&api, names).await
}

pub(super) async fn save(api: &Api, names: Vec<String>) -> Result<Response> {
    progress::stream(api, TAR, move |docker, progress| {
        let images = wanted(docker, &names)?;
        // Whoever goes away ends it: what is written to nobody is an error.
        let output = BufWriter::with_capacity(1 << 16, progress.clone());
        match container::save::archive(&docker.engine.store, &images, output) {
            Err(_) if progress.is_closed() => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                images.iter().for_each(|(image, _)| tell(docker, "save", image.id.to_string(), &image.id.to_string()));
                Ok(())
            }
        }
    })
    .await
}

/// By name an image leaves under that name; by id under none.
fn wanted(docker: &Docker, names: &[String]) -> Result<Vec<(Image, Vec<Reference>)>> {
    let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
    for text in names {
        let image = find(docker, text)?;
        let named: Vec<Reference> = text.parse::<Reference>().ok().filter(|name| image.names.contains(name)).into_iter().collect();
        match images.iter_mut().find(|(known, _)| known.id == image.id) {
            Some((_, known)) => known.extend(named.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>()),
            None => images.push((image, named)),
        }
    }
    Ok(images)
}

pub(super) async fn load(State(api): State<Api>, query: Query, body: Body) -> Result<Response> {
    let quiet = query.flag("quiet");
    let upload = Upload::new(body);
    progress::lines(&api, move |docker, progress| {
        if !quiet {
            progress.say(&json!({"status": "Loading layer", "progressDetail": {}, "id": "archive"}));
        }
        let images = load::archive_with_names(&docker.engine.store, upload, "the archive", &Options::default())?;
        for (image, names) in images {
            tell(docker, "load", image.id.to_string(), &image.id.to_string());
            for name in names.iter().filter(|name| name.tag.is_some()) {
                progress.say(&json!({"stream": format!("Loaded image: {}\n", name.familiar())}));
            }
            if names.is_empty() {
                progress.say(&json!({"stream": format!("Loaded image ID: {}\n", image.id)}));
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn import(api: &Api, source: &str, query: &Query, body: Body) -> Result<Response> {
    if source != "-" {
        return Err(Failure::not_built("an image is made of what the client sends: use fromSrc=-"));
    }
    let name = query.get("repo").map(|repository| named(repository, query.get("tag"))).transpose()?;
    let mut process = Process::default();
    let changes: Vec<String> = query.all("changes").filter(|change| !change.trim().is_empty()).map(str::to_owned).collect();
    apply_changes(&mut process, &changes).map_err(|error| Failure::bad_request(error.to_string()))?;
    let comment = query.get("message").map(str::to_owned);
    let created = Some(Moment::now().to_string());
    let settings = Settings { name, platform: None, process, comment, created };
    let upload = Upload::new(body);
    progress::lines(api, move |docker, progress| {
        let image = root_file_system(&docker.engine.store, upload, "the archive", &settings)?;
        tell(docker, "import", image.id.to_string(), &image.id.to_string());
        progress.say(&json!({"status": image.id}));
        Ok(())
    })
    .await
}
