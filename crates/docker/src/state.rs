//! Whose containers a door shows, and what its requests share.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use container::engine::{Engine, Error, Record};

use crate::error::{Failure, Result};

/// The label that says in which instance something is to be made, where a door leads to several.
pub const INSTANCE_LABEL: &str = "vpclab.instance";

/// Which instances a door leads to.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The lab.
    pub lab: String,
    /// The holder's key of the one instance; none: all of the lab.
    pub only: Option<String>,
    /// Names of the lab's instances by the holder's keys; the daemon keeps them equal to the lab.
    pub names: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Scope {
    /// Instances that the door leads to: key and name, by key.
    pub fn instances(&self) -> Vec<(String, String)> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shown = |key: &String| self.only.as_ref().is_none_or(|only| only == key);
        names.iter().filter(|(key, _)| is_shown(key)).map(|(key, name)| (key.clone(), name.clone())).collect()
    }

    /// Whether what an instance has is shown.
    pub fn shows(&self, key: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == key)
    }

    /// An instance's name; its key where it has none.
    pub fn name_of(&self, key: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(key).cloned().unwrap_or_else(|| key.to_owned())
    }

    /// The key of an instance by its name or id.
    pub fn key_of(&self, name: &str) -> Option<String> {
        let is_meant = |(key, other): &(String, String)| other == name || key == name || key.rsplit('/').next() == Some(name);
        self.instances().into_iter().find(is_meant).map(|(key, _)| key)
    }
}

/// What all doors of a lab share.
pub struct Shared {
    /// Commands in containers, by the ids that clients got.
    pub execs: crate::exec::Execs,
    /// Who waits for containers that do not run yet.
    pub waiting: crate::streams::Waiting,
    /// That something happened.
    pub news: crate::events::Newspaper,
}

impl Shared {
    /// Of a lab. Called within a runtime.
    pub fn new(engine: &Engine) -> std::io::Result<Shared> {
        let news = crate::events::Newspaper::new(&engine.events)?;
        Ok(Shared { execs: Default::default(), waiting: Default::default(), news })
    }
}

/// One door: the containers behind it.
pub struct Docker {
    /// What does the work.
    pub engine: Arc<Engine>,
    /// Whose containers are shown.
    pub scope: Scope,
    /// What requests share.
    pub shared: Arc<Shared>,
}

impl Docker {
    /// All containers that are shown, the oldest first.
    pub fn records(&self) -> Result<Vec<Record>> {
        let mut all = self.engine.folder.list()?;
        all.retain(|record| self.scope.shows(&record.instance));
        Ok(all)
    }

    /// The container of a name, an id, the beginning of one, or, where several instances are shown, INSTANCE/NAME.
    pub fn find(&self, text: &str) -> Result<Record> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if let Some((instance, name)) = text.split_once('/') {
            let key = self.scope.key_of(instance).ok_or_else(|| Error::NoContainer(text.to_owned()))?;
            return Ok(self.engine.find(name, Some(&key))?);
        }
        let found = container::engine::folder::pick(self.records()?, text);
        found.map_err(|error| match error {
            Error::Ambiguous { ids, .. } => Failure::bad_request(format!(
                "several containers are called or begin with {text} ({}): write INSTANCE/NAME or a longer id",
                ids.join(", ")
            )),
            other => other.into(),
        })
    }

    /// The key of the instance in which something is to be made: the door's, the one that a label names, or the only one.
    /// Errors: 400 when that says nothing.
    pub fn place(&self, labels: &BTreeMap<String, String>) -> Result<String> {
        let there = self.scope.instances();
        if let Some(name) = labels.get(INSTANCE_LABEL) {
            return self.scope.key_of(name).ok_or_else(|| {
                Failure::bad_request(format!("label {INSTANCE_LABEL}={name}: lab {} has no such instance here", self.scope.lab))
            });
        }
        match (&self.scope.only, &there[..]) {
            (Some(only), _) => Ok(only.clone()),
            (None, [(key, _)]) => Ok(key.clone()),
            (None, _) => {
                let names: Vec<&str> = there.iter().map(|(_, name)| name.as_str()).collect();
                Err(Failure::bad_request(format!(
                    "lab {} has {} instances: say in which one with the label {INSTANCE_LABEL}=NAME ({}), or use an instance's own socket",
                    self.scope.lab,
                    there.len(),
                    names.join(", ")
                )))
            }
        }
    }
}

/// What routes get.
#[derive(Clone)]
pub struct Api(Arc<Docker>);

impl Api {
    /// Of a door.
    pub fn new(docker: Docker) -> Api {
        Api(Arc::new(docker))
    }
}

impl Deref for Api {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.0
    }
}

/// Runs what may wait for the holder, a lock or the disk where waiting is no harm. A client that goes away does not stop it.
pub async fn blocking<T, W>(api: &Api, work: W) -> Result<T>
where
    T: Send + 'static,
    W: FnOnce(&Docker) -> Result<T> + Send + 'static,
{
    let api = api.clone();
    let worked = tokio::task::spawn_blocking(move || work(&api)).await;
    worked.unwrap_or_else(|_| Err(Failure::failed("the daemon failed within; its log says more")))
}
