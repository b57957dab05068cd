//! `iam actions` and `iam policies`: what policies can name.

use ::iam::Kind;
use ::iam::account::{Account, ManagedPolicy};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::command::source::did_you_mean;
use crate::command::target::Target;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `iam actions`.
#[derive(Debug, Args)]
pub struct ActionsArgs {
    /// ec2, iam or sts, or a pattern such as ec2:Describe*
    #[arg(value_name = "SERVICE|PATTERN")]
    pub pattern: Option<String>,
}

/// `iam policies`.
#[derive(Debug, Args)]
pub struct PoliciesArgs {
    /// Print what this one says
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// Lists actions with what each is asked for.
pub fn actions(arguments: &ActionsArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let pattern = arguments.pattern.as_deref().unwrap_or("*");
    let wanted = if pattern.contains(':') || pattern == "*" { pattern.to_owned() } else { format!("{pattern}:*") };
    let matching = ::iam::policy::ActionPattern::new(&wanted).ok_or_else(|| Failure::usage(format!("`{pattern}` is no action")).hint("vpclab iam actions ec2:Describe*"))?;
    let mut rows = Vec::new();
    for service in query::shapes::services() {
        for name in service.operation_names() {
            let action = format!("{}:{name}", service.name);
            if matching.matches(&action) {
                rows.push(row(service.name, name, action));
            }
        }
    }
    for action in ::iam::policy::WITHOUT_A_CALL.iter().filter(|action| matching.matches(action)) {
        rows.push(vec![(*action).to_owned(), "role".to_owned(), "asked while others are served".to_owned()]);
    }
    rows.sort();
    if rows.is_empty() {
        let services: Vec<&str> = query::shapes::services().iter().map(|service| service.name).collect();
        return Err(Failure::usage(format!("no action is called `{pattern}`")).hint(format!("services: {}", services.join(", "))));
    }
    match output.format {
        Format::Json => output.json(&rows.iter().map(|row| json!({"action": row[0], "resources": row[1], "served": row[2]})).collect::<Vec<Value>>())?,
        _ => output.table(&["action", "resources", "served"], &rows),
    }
    super::done()
}

fn row(service: &str, name: &str, action: String) -> Vec<String> {
    let (kinds, is_served) = match service {
        "ec2" => (door::authorise::taken_by(name), ec2::operations().contains(&name)),
        "iam" => (::iam::api::resource_type(name).into_iter().collect(), ::iam::api::operations().contains(&name)),
        _ => (if name == "AssumeRole" { vec!["role"] } else { Vec::new() }, ::iam::api::sts_operations().contains(&name)),
    };
    let kinds = if kinds.is_empty() { "*".to_owned() } else { kinds.join(", ") };
    vec![action, kinds, if is_served { "yes" } else { "no" }.to_owned()]
}

/// Lists managed policies, those of AWS and the lab's own.
pub fn policies(arguments: &PoliciesArgs, global: &Global, output: &Output) -> Result {
    let account = match Target::find(global, output) {
        Ok(target) => target.account()?,
        // Those of AWS are there without a lab.
        Err(_) if global.file.is_none() && global.lab.is_none() => Account::new("000000000000").into(),
        Err(failure) => return Err(failure),
    };
    if let Some(name) = &arguments.name {
        return policy(&account, name, output);
    }
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let own: Vec<&str> = account.own_policies().map(|(arn, _)| arn).collect();
    let row = |(arn, policy): (&str, &ManagedPolicy)| {
        let of = if own.contains(&arn) { "lab" } else { "AWS" };
        let has = [Kind::User, Kind::Group, Kind::Role].into_iter().flat_map(|kind| account.entities(kind)).filter(|entity| entity.attached.contains(arn)).count();
        vec![policy.name.clone(), of.to_owned(), has.to_string(), policy.description.clone().unwrap_or_default(), arn.to_owned()]
    };
    let rows: Vec<Vec<String>> = account.policies().map(row).collect();
    match output.format {
        Format::Json => {
            let shape = |row: &Vec<String>| json!({"name": row[0], "of": row[1], "attached": row[2], "description": row[3], "arn": row[4]});
            output.json(&rows.iter().map(shape).collect::<Vec<_>>())?;
        }
        _ => output.table(&["name", "of", "attached", "description", "arn"], &rows),
    }
    super::done()
}

fn policy(account: &Account, name: &str, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let is_called = |(arn, policy): &(&str, &ManagedPolicy)| *arn == name || policy.name.eq_ignore_ascii_case(name);
    let Some((_, policy)) = account.policies().find(is_called) else {
        let known: Vec<&str> = account.policies().map(|(_, policy)| policy.name.as_str()).collect();
        return Err(Failure::usage(format!("no policy is called `{name}`")).hint(did_you_mean(name, "policy", &known)));
    };
    let Some(version) = policy.versions.get(&policy.default_version) else { return super::done() };
    match output.format {
        Format::Json => output.json(&serde_json::from_str::<Value>(version.document.text()).unwrap_or_default())?,
        _ => version.document.policy().statements.iter().for_each(|statement| output.line(format!("- {statement}"))),
    }
    super::done()
}
