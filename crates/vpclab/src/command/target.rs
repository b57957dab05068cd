//! Which cloud a probing command asks: the running lab that is meant, else one that is made for this command of a lab
//! file or of AWS's output.

use std::path::Path;
use std::sync::Arc;

use iam::Account;
use lab::assumed::Teller;
use model::Model;
use model::claim::Claim;

use super::gaps::Gaps;
use super::listening;
use super::meant::file_of_environment;
use super::running::Running;
use super::source::{Described, describe, find, find_if_any, is_plan, is_same};
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::Output;

/// The cloud that is asked.
pub struct Target {
    /// The lab's name.
    pub name: String,
    /// What it is; of one that nobody carries with what may listen where nobody said it.
    pub model: Arc<Model>,
    /// What its file promises.
    pub claims: Vec<Claim>,
    /// What its file promises about rights.
    pub rights: Vec<iam::Claim>,
    /// Who may do what with it, as its file says; none where it has no file that says so.
    identities: Option<Account>,
    /// What its source lacks.
    pub gaps: Gaps,
    /// Who carries it; `None`: nobody yet.
    pub running: Option<Arc<Running>>,
}

impl Target {
    /// The running lab that `--lab` or the file names, with a word about changes of the file that are not up; else what
    /// the file says. Without either, the only lab that is up.
    pub fn find(global: &Global, output: &Output) -> Result<Target> {
        match (&global.lab, find_if_any(None, global)?) {
            // What is no file may be the name of a lab that is up.
            (None, Some(path)) if !path.exists() => match path.to_str().filter(|name| *name != "-").map(Running::find).transpose()?.flatten() {
                Some(running) => Ok(Target::of(running)),
                None => Target::of_file(&path, output),
            },
            (None, Some(path)) => Target::of_file(&path, output),
            (Some(name), _) => match Running::find(name)? {
                Some(running) => Ok(Target::of(running)),
                None => match file_of_environment(global)? {
                    Some(path) => Target::of_file(&path, output),
                    None => Err(Failure::usage(format!("lab {name} is not up")).hint("vpclab ls shows what is")),
                },
            },
            (None, None) => match Running::only()? {
                Some(running) => Ok(Target::of(running)),
                None => find(None, global).and_then(|path| Target::of_file(&path, output)),
            },
        }
    }

    /// The same, for answers that hang on what listens: where nobody said it of a lab that is up, its instances are looked at.
    pub fn find_listening(global: &Global, output: &Output) -> Result<Target> {
        let target = Target::find(global, output)?;
        let model = target.running.as_deref().map_or_else(|| target.model.clone(), listening::as_it_runs);
        Ok(Target { model, ..target })
    }

    fn of_file(path: &Path, output: &Output) -> Result<Target> {
        let Described { name, mut model, claims, rights, identities, lab, gaps, .. } = describe(path, output)?;
        match &lab {
            Some(_) => listening::assume(&mut model, Teller::LabFile),
            None if is_plan(path) => listening::assume(&mut model, Teller::Nobody),
            // AWS's output was looked through when it was read, and a snapshot holds what was known.
            None => {}
        }
        let model = Arc::new(model);
        // The process ends with its command: to take a large cloud apart first would take longer than many an answer.
        std::mem::forget(model.clone());
        let Some(lab) = lab else { return Ok(Target { name, model, claims, rights, identities, gaps, running: None }) };
        if let Some(running) = Running::find(&lab.name)? {
            let from = running.file.clone();
            let changes = lab.plan(&running.model).map_or(0, |changes| changes.len());
            let target = Target::of(running);
            if let Some(from) = from.filter(|from| !is_same(path, from)) {
                let (name, path, from) = (&lab.name, path.display(), from.display());
                output.note(format!("lab {name} came from {from}; what is asked for here stands in {path}"));
            }
            if changes > 0 {
                let many = if changes == 1 { "1 change that is".to_owned() } else { format!("{changes} changes that are") };
                let (name, path) = (&lab.name, path.display());
                output.note(format!("lab {name} is up and is what is asked; {path} has {many} not up (vpclab up)"));
            }
            return Ok(Target { claims, rights, ..target });
        }
        let identities = lab.identities(&model.account_id).map_err(|e| Failure::usage(e.render(output.colour())))?;
        Ok(Target { name, model, claims, rights, identities: Some(identities), gaps, running: None })
    }

    /// An example's lab, which nobody carries.
    #[cfg(test)]
    pub fn of_example(name: &str) -> Target {
        let path = format!("{}/../../examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let lab = lab::load(&path, &super::source::Disk).unwrap();
        let mut model = super::source::empty(&lab);
        lab.apply(&mut model).unwrap();
        Target { name: lab.name.clone(), model: Arc::new(model), claims: Vec::new(), rights: Vec::new(), identities: None, gaps: Gaps::default(), running: None }
    }

    /// A lab that is up.
    pub fn of(running: Running) -> Target {
        let (name, model, claims) = (running.name.clone(), running.model.clone(), running.claims.clone());
        let rights = running.rights.clone();
        Target { name, model, claims, rights, identities: None, gaps: Gaps::default(), running: Some(Arc::new(running)) }
    }

    /// The account with its users, roles and policies: of the lab that is up, else of the file.
    pub fn account(&self) -> Result<Arc<Account>> {
        if let Some(running) = &self.running {
            return Ok(running.daemon().identities(&running.name)?.account.into());
        }
        Ok(self.identities.clone().unwrap_or_else(|| Account::new(&self.model.account_id)).into())
    }
}
