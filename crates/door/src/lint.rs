//! What of an account looks wrong although every rule of IAM allows it: rights without bounds, ways to more rights, statements that say
//! nothing, keys that nobody uses.

use std::collections::BTreeSet;

use iam::account::{Account, Entity, Key, Owner};
use iam::policy::{ActionPattern, ArnPattern, Either, Statement};
use iam::{Document, Effect, Facts, Kind, Request, Subject, decision};
use model::{Model, Timestamp};

use crate::authorise::taken_by;
use crate::stock;

/// Seconds after which a key that was not used is old.
const UNUSED: u64 = 90 * 86_400;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Who has this has everything, or can get it.
    Error,
    /// More than anybody needs, or nothing where something is meant.
    Warning,
    /// Worth a look.
    Info,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Everything is allowed.
    Admin,
    /// Rights that lead to more rights.
    Escalation,
    /// A role that everybody may assume.
    OpenTrust,
    /// All actions of a service, or all resources for actions that change something.
    Wildcard,
    /// `NotAction` or `NotResource` with Allow.
    AllowNot,
    /// An action that no service has.
    UnknownAction,
    /// A statement that no request can match.
    NeverMatches,
    /// A resource by an id that nothing in the network has.
    NamesNothing,
    /// A managed policy that nobody has.
    UnusedPolicy,
    /// A key that was never used, or not for a long time.
    UnusedKey,
    /// A user with two keys that work.
    TwoKeys,
    /// A group without members.
    EmptyGroup,
    /// A boundary that leaves nothing.
    NothingLeft,
}

impl Check {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::Admin,
        Self::Escalation,
        Self::OpenTrust,
        Self::Wildcard,
        Self::AllowNot,
        Self::UnknownAction,
        Self::NeverMatches,
        Self::NamesNothing,
        Self::NothingLeft,
        Self::UnusedPolicy,
        Self::UnusedKey,
        Self::TwoKeys,
        Self::EmptyGroup,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Escalation => "escalation",
            Self::OpenTrust => "open-trust",
            Self::Wildcard => "wildcard",
            Self::AllowNot => "allow-not",
            Self::UnknownAction => "unknown-action",
            Self::NeverMatches => "never-matches",
            Self::NamesNothing => "names-nothing",
            Self::NothingLeft => "nothing-left",
            Self::UnusedPolicy => "unused-policy",
            Self::UnusedKey => "unused-key",
            Self::TwoKeys => "two-keys",
            Self::EmptyGroup => "empty-group",
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::Admin | Self::Escalation | Self::OpenTrust => Severity::Error,
            Self::Wildcard | Self::AllowNot | Self::UnknownAction | Self::NeverMatches | Self::NamesNothing => Severity::Warning,
            Self::NothingLeft | Self::UnusedKey => Severity::Warning,
            Self::UnusedPolicy | Self::TwoKeys | Self::EmptyGroup => Severity::Info,
        }
    }

    /// What it is about.
    pub fn about(self) -> &'static str {
        match self {
            Self::Admin => "everything is allowed on everything",
            Self::Escalation => "rights by which whoever has them gets more: passing roles, writing policies, making keys of others",
            Self::OpenTrust => "a role that everybody may assume",
            Self::Wildcard => "all actions of a service, or actions that change things, on everything",
            Self::AllowNot => "NotAction or NotResource with Allow: what comes later is allowed as well",
            Self::UnknownAction => "an action that the API does not have",
            Self::NeverMatches => "a statement that no request can match",
            Self::NamesNothing => "a resource of EC2 by an id that nothing in the lab has",
            Self::NothingLeft => "a permissions boundary under which nothing that is given is left",
            Self::UnusedPolicy => "a managed policy that nobody has",
            Self::UnusedKey => "a key that was never used, or not for 90 days",
            Self::TwoKeys => "a user with two keys that work",
            Self::EmptyGroup => "a group without members",
        }
    }
}

/// One thing that looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub check: Check,
    /// Where: `user dev: inline all, statement 1`.
    pub subject: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub hint: String,
}

/// All that looks wrong, worst first.
pub fn lint(account: &Account, network: &Model, now: Timestamp) -> Vec<Finding> {
    let mut lint = Lint { account, network, findings: Vec::new() };
    for (arn, policy) in account.own_policies() {
        if let Some(version) = policy.versions.get(&policy.default_version) {
            lint.document(&format!("policy {}", policy.name), &version.document);
        }
        if !lint.is_used(arn) {
            lint.note(Check::UnusedPolicy, format!("policy {}", policy.name), "nobody has it".to_owned(), "attach it, or delete it");
        }
    }
    for kind in [Kind::Group, Kind::User, Kind::Role] {
        account.entities(kind).for_each(|entity| lint.entity(entity));
    }
    account.keys().for_each(|key| lint.key(key, now));
    let mut findings = lint.findings;
    findings.sort_by_key(|finding| (finding.check.severity(), finding.check));
    findings
}

struct Lint<'a> {
    account: &'a Account,
    network: &'a Model,
    findings: Vec<Finding>,
}

/// Actions by which whoever may do them gets more rights, and what they do with them. Two of one line are needed together.
const ESCALATIONS: &[(&[&str], &str)] = &[
    (&["iam:CreatePolicyVersion"], "writes another version of a policy that it has"),
    (&["iam:SetDefaultPolicyVersion"], "goes back to a version of a policy that gave more"),
    (&["iam:AttachUserPolicy"], "attaches AdministratorAccess to itself"),
    (&["iam:AttachGroupPolicy"], "attaches AdministratorAccess to a group that it is in"),
    (&["iam:AttachRolePolicy", "sts:AssumeRole"], "attaches AdministratorAccess to a role and assumes it"),
    (&["iam:PutUserPolicy"], "gives itself a policy"),
    (&["iam:PutGroupPolicy"], "gives a group that it is in a policy"),
    (&["iam:PutRolePolicy", "sts:AssumeRole"], "gives a role a policy and assumes it"),
    (&["iam:AddUserToGroup"], "goes into a group that has more"),
    (&["iam:CreateAccessKey"], "makes a key of a user that has more"),
    (&["iam:UpdateAssumeRolePolicy", "sts:AssumeRole"], "lets itself assume a role that has more"),
    (&["iam:PassRole", "ec2:RunInstances"], "launches an instance with a role that has more, and takes its credentials"),
    (&["iam:PassRole", "ec2:AssociateIamInstanceProfile"], "gives an instance a role that has more, and takes its credentials"),
    (&["iam:DeleteUserPermissionsBoundary"], "takes its boundary away"),
    (&["iam:PutUserPermissionsBoundary"], "puts another boundary in the place of its own"),
];

impl Lint<'_> {
    fn note(&mut self, check: Check, subject: String, text: String, hint: &str) {
        self.findings.push(Finding { check, subject, text, hint: hint.to_owned() });
    }

    fn is_used(&self, arn: &str) -> bool {
        let has = |entity: &Entity| entity.attached.contains(arn) || entity.boundary.as_deref() == Some(arn);
        [Kind::User, Kind::Group, Kind::Role].into_iter().any(|kind| self.account.entities(kind).any(has))
    }

    fn entity(&mut self, entity: &Entity) {
        let who = format!("{} {}", entity.kind.word(), entity.name);
        for (name, document) in &entity.inline {
            self.document(&format!("{who}: {name}"), document);
        }
        if let Some(terms) = &entity.role {
            self.trust(&who, &terms.trust);
        }
        if entity.kind == Kind::Group {
            let key = entity.name.to_ascii_lowercase();
            if !self.account.entities(Kind::User).any(|user| user.groups.contains(&key)) {
                self.note(Check::EmptyGroup, who, "nobody is in it".to_owned(), "add users, or delete it");
            }
            return;
        }
        let key = if entity.kind == Kind::User { Key::of_user(&entity.name) } else { Key::of_role(&entity.name, "lint") };
        let Ok(subject) = iam::operation::subject(self.account, &key) else { return };
        self.powers(&who, entity, &subject);
    }

    /// What somebody can do with everything that is given and limited.
    fn powers(&mut self, who: &str, entity: &Entity, subject: &Subject<'_>) {
        let mut facts = Facts::new();
        facts.set("iam:PassedToService", "ec2.amazonaws.com");
        let may = |action: &str, resource: &str| decision::decide(subject, Request { action, resource, facts: &facts }).is_allowed();
        let arn = |resource: &str| format!("arn:aws:iam::{}:{resource}", self.account.id);
        if may("iam:CreateUser", &arn("user/x")) && may("ec2:TerminateInstances", "arn:aws:ec2:any:any:instance/i-0") && may("lint:Everything", "*") {
            let from: BTreeSet<String> = subject.identity.iter().filter(|named| named.policy.statements.iter().any(is_admin)).map(|named| named.name.to_string()).collect();
            let from = if from.is_empty() { "its policies together".to_owned() } else { from.into_iter().collect::<Vec<_>>().join(", ") };
            self.note(Check::Admin, who.to_owned(), format!("may do everything ({from})"), "name the actions that are needed; a boundary limits what policies can give");
            return;
        }
        if entity.boundary.is_some() && !subject.identity.is_empty() {
            let is_left = |statement: &Statement| is_open(statement) || examples(statement).iter().any(|(action, resource)| may(action, resource));
            let gives = |statement: &&Statement| statement.effect == Effect::Allow && statement.conditions.is_empty();
            let given: Vec<&Statement> = subject.identity.iter().flat_map(|named| &named.policy.statements).filter(gives).collect();
            if !given.is_empty() && !given.iter().any(|statement| is_left(statement)) {
                self.note(Check::NothingLeft, who.to_owned(), "its boundary allows nothing of what its policies give".to_owned(), "what both allow is what is left");
            }
        }
        let mut told = BTreeSet::new();
        for (needed, what) in ESCALATIONS {
            let all = needed.iter().all(|action| self.can(&may, entity, action));
            if all && told.insert(needed[0]) {
                let text = format!("with {} {what}", needed.join(" and "));
                self.note(Check::Escalation, who.to_owned(), text, "name the resources that it is needed for, or limit who has it by a boundary");
            }
        }
    }

    /// Whether somebody may do what leads to more, on something that has more than they have.
    fn can(&self, may: &dyn Fn(&str, &str) -> bool, own: &Entity, action: &str) -> bool {
        let others = |kind: Kind| self.account.entities(kind).filter(|entity| entity.id != own.id || entity.kind != own.kind);
        let any = |kind: Kind| others(kind).any(|entity| may(action, &self.account.arn(entity)));
        let own_arn = self.account.arn(own);
        let any_arn = |kind: &str| may(action, &format!("arn:aws:iam::{}:{kind}/any", self.account.id));
        match action {
            "ec2:RunInstances" => may(action, "arn:aws:ec2:any:any:instance/*") || self.network.instances.keys().any(|id| may(action, &instance(self.network, id.as_str()))),
            "ec2:AssociateIamInstanceProfile" => self.network.instances.keys().any(|id| may(action, &instance(self.network, id.as_str()))) || may(action, "arn:aws:ec2:any:any:instance/*"),
            "sts:AssumeRole" | "iam:PassRole" => any(Kind::Role) || any_arn("role"),
            "iam:AttachRolePolicy" | "iam:PutRolePolicy" | "iam:UpdateAssumeRolePolicy" => any(Kind::Role) || any_arn("role"),
            "iam:CreatePolicyVersion" | "iam:SetDefaultPolicyVersion" => self.account.own_policies().any(|(arn, _)| may(action, arn)) || any_arn("policy"),
            "iam:AttachGroupPolicy" | "iam:PutGroupPolicy" => {
                own.groups.iter().filter_map(|group| self.account.entity(Kind::Group, group).ok()).any(|group| may(action, &self.account.arn(group)))
            }
            "iam:AddUserToGroup" => own.kind == Kind::User && (any(Kind::Group) || any_arn("group")),
            "iam:CreateAccessKey" => any(Kind::User) || any_arn("user"),
            "iam:DeleteUserPermissionsBoundary" | "iam:PutUserPermissionsBoundary" => own.boundary.is_some() && may(action, &own_arn),
            _ => own.kind == Kind::User && may(action, &own_arn),
        }
    }

    fn trust(&mut self, who: &str, document: &Document) {
        for statement in &document.policy().statements {
            let is_open = match &statement.principals {
                Some(Either::These(principals)) => principals.everybody,
                Some(Either::AllBut(_)) => true,
                None => false,
            };
            if statement.effect == Effect::Allow && is_open && statement.conditions.is_empty() {
                self.note(Check::OpenTrust, format!("{who}: trust"), "everybody may assume it, of any account".to_owned(), "name an account, a user, a role or a service");
            }
        }
    }

    fn document(&mut self, place: &str, document: &Document) {
        for (statement, number) in document.policy().statements.iter().zip(1..) {
            let subject = format!("{place}, statement {}", statement.sid.clone().unwrap_or_else(|| format!("{number}")));
            self.statement(&subject, statement);
        }
    }

    fn statement(&mut self, subject: &str, statement: &Statement) {
        let allows = statement.effect == Effect::Allow;
        self.named(subject, statement);
        if allows && is_admin(statement) {
            self.note(Check::Admin, subject.to_owned(), format!("gives everything: {statement}"), "name the actions that are needed");
            return;
        }
        if allows && (matches!(statement.actions, Either::AllBut(_)) || matches!(statement.resources, Some(Either::AllBut(_)))) {
            let text = format!("gives all that is not listed: {statement}");
            self.note(Check::AllowNot, subject.to_owned(), text, "name what is allowed, or deny what is not");
        }
        let Either::These(actions) = &statement.actions else { return };
        let mut can_match = false;
        for action in actions {
            match self.known(action) {
                Known::Elsewhere => can_match = true,
                Known::Nothing => {
                    let text = format!("there is no action `{}`", action.text());
                    self.note(Check::UnknownAction, subject.to_owned(), text, "actions are called as the operations of the API; `vpclab iam actions ec2` lists them");
                }
                Known::These(names) => can_match |= names.iter().any(|name| fits(statement, name)),
            }
        }
        let is_known = actions.iter().any(|action| !matches!(self.known(action), Known::Nothing));
        if is_known && !can_match {
            let text = format!("no action of it can be asked for its resources: {statement}");
            self.note(Check::NeverMatches, subject.to_owned(), text, "what only looks (Describe…, List…) has no resource: `*`; others name their own type");
        }
        if let Some(clause) = statement.conditions.iter().find(|clause| contradicts(statement, clause)) {
            self.note(Check::NeverMatches, subject.to_owned(), format!("`{clause}` and another condition exclude each other"), "all conditions of a statement must hold");
        }
        let everywhere = matches!(&statement.resources, Some(Either::These(resources)) if resources.contains(&ArnPattern::Everything));
        if allows && everywhere && statement.conditions.is_empty() {
            let wide: Vec<&str> = actions.iter().filter(|action| is_wide(action)).map(ActionPattern::text).collect();
            if !wide.is_empty() {
                let text = format!("gives {} on everything", wide.join(", "));
                self.note(Check::Wildcard, subject.to_owned(), text, "name the actions, the resources, or a condition such as a tag");
            }
        }
    }

    /// Resources of the network by ids that nothing has: an Allow gives nothing, a Deny keeps nobody from anything.
    fn named(&mut self, subject: &str, statement: &Statement) {
        let (Some(Either::These(resources)) | Some(Either::AllBut(resources))) = &statement.resources else { return };
        let absent: Vec<String> = resources.iter().filter_map(|resource| absent(self.network, resource)).collect();
        if !absent.is_empty() {
            let text = format!("nothing in the lab is {}: {statement}", absent.join(", "));
            self.note(Check::NamesNothing, subject.to_owned(), text, "ids are others whenever a thing is made anew; a condition on a tag (ec2:ResourceTag/…) is about it still");
        }
    }

    fn known(&self, action: &ActionPattern) -> Known {
        let Some(service) = action.service() else { return Known::Elsewhere };
        let Some(served) = query::shapes::service(&service) else { return Known::Elsewhere };
        let others = iam::policy::WITHOUT_A_CALL.iter().map(|name| (*name).to_owned());
        let all = served.operation_names().map(|name| format!("{}:{name}", served.name)).chain(others);
        let names: Vec<String> = all.filter(|name| action.matches(name)).collect();
        if names.is_empty() { Known::Nothing } else { Known::These(names) }
    }

    fn key(&mut self, key: &Key, now: Timestamp) {
        let Owner::User(name) = &key.owner else { return };
        let Ok(user) = self.account.entity(Kind::User, name) else { return };
        let subject = format!("user {}: key {}", user.name, key.id);
        let is_first = self.account.keys().find(|other| other.owner == key.owner).is_some_and(|first| first.id == key.id);
        let active = self.account.keys().filter(|other| other.owner == key.owner && other.is_active).count();
        if is_first && active > 1 {
            self.note(Check::TwoKeys, format!("user {}", user.name), "has two keys that work".to_owned(), "one is enough but while it is changed for another");
        }
        if !key.is_active {
            return;
        }
        match &key.last_used {
            None if now > key.created.plus(86_400) => {
                self.note(Check::UnusedKey, subject, "was never used".to_owned(), "delete it: aws iam delete-access-key");
            }
            Some((at, _, _)) if now > at.plus(UNUSED) => {
                self.note(Check::UnusedKey, subject, format!("was last used at {}", at.iso8601()), "delete it: aws iam delete-access-key");
            }
            _ => {}
        }
    }
}

fn instance(network: &Model, id: &str) -> String {
    format!("arn:aws:ec2:{}:{}:instance/{id}", network.region, network.account_id)
}

/// The type and id of a resource that would be the network's, and is not there.
fn absent(network: &Model, resource: &ArnPattern) -> Option<String> {
    let [_, _, service, region, account, name] = resource.parts()?;
    let (kind, id) = name.split_once('/')?;
    let is_here = |part: &str, own: &str| part.is_empty() || part == own || part.contains(['*', '?', '$']);
    let is_ours = service == "ec2" && is_here(&region, &network.region.0) && is_here(&account, &network.account_id);
    let is_one = !name.contains(['*', '?', '$']);
    let is_absent = is_ours && is_one && stock::is_there(network, kind, id) == Some(false);
    is_absent.then(|| format!("{kind} {id}"))
}

/// What a pattern of actions stands for.
enum Known {
    /// Actions of a service that the lab does not serve, or of all.
    Elsewhere,
    /// None.
    Nothing,
    /// These.
    These(Vec<String>),
}

fn is_admin(statement: &Statement) -> bool {
    let all = matches!(&statement.actions, Either::These(actions) if actions.iter().any(ActionPattern::is_everything));
    let everywhere = matches!(&statement.resources, Some(Either::These(resources)) if resources.contains(&ArnPattern::Everything));
    statement.effect == Effect::Allow && all && everywhere && statement.conditions.is_empty()
}

/// Whether an action with wildcards stands for calls that change something.
fn is_wide(action: &ActionPattern) -> bool {
    let name = action.text().split_once(':').map_or("*", |(_, name)| name);
    let only_looks = ["describe", "get", "list", "search", "simulate", "generate"].iter().any(|verb| name.to_ascii_lowercase().starts_with(verb));
    name.contains('*') && !only_looks
}

/// Whether an action can be asked for a resource of the statement.
fn fits(statement: &Statement, action: &str) -> bool {
    let Some(Either::These(resources)) = &statement.resources else { return true };
    let Some((service, operation)) = action.split_once(':') else { return true };
    let kinds: Vec<&str> = match service {
        "ec2" => taken_by(operation),
        "iam" if operation == "PassRole" => vec!["role"],
        // An operation that is not built: nobody here knows what it takes.
        "iam" if !iam::api::operations().contains(&operation) => return true,
        "iam" => match iam::api::resource_type(operation) {
            Some("user") if operation.contains("Principal") => vec!["user", "group", "role"],
            kind => kind.into_iter().collect(),
        },
        "sts" if operation.starts_with("AssumeRole") || operation == "TagSession" || operation == "SetSourceIdentity" => vec!["role"],
        _ => Vec::new(),
    };
    // The same: what it takes is not known.
    if service == "ec2" && kinds.is_empty() && !crate::authorise::is_reading(operation) {
        return true;
    }
    resources.iter().any(|resource| match resource.parts() {
        None => true,
        Some([_, _, of, _, _, name]) => {
            let kind = name.split('/').next().unwrap_or(&name);
            // Roles are IAM's, whoever assumes them.
            let owner = if service == "sts" { "iam" } else { service };
            let is_service = of == owner || of.contains('*');
            is_service && (kind.contains(['*', '?', '$']) || kinds.iter().any(|known| *known == kind))
        }
    })
}

/// Whether another condition of a statement asks for other values of the same key.
fn contradicts(statement: &Statement, clause: &iam::policy::Clause) -> bool {
    use iam::policy::{Quantifier, Test};
    let is_plain = |clause: &iam::policy::Clause| clause.operator.quantifier == Quantifier::None && clause.name == "StringEquals";
    let is_absent = |clause: &iam::policy::Clause| clause.operator.test == Test::Null && clause.written.iter().any(|value| value == "true");
    let same = |other: &&iam::policy::Clause| other.key.eq_ignore_ascii_case(&clause.key) && !std::ptr::eq(*other, clause);
    is_plain(clause) && statement.conditions.iter().filter(same).any(|other| is_absent(other) || (is_plain(other) && !other.written.iter().any(|value| clause.written.contains(value))))
}

/// Whether a statement speaks of actions that nobody can list: then something is left.
fn is_open(statement: &Statement) -> bool {
    match &statement.actions {
        Either::These(actions) => actions.iter().any(ActionPattern::is_everything),
        Either::AllBut(_) => true,
    }
}

/// Requests that a statement speaks of: one of each of its actions.
fn examples(statement: &Statement) -> Vec<(String, String)> {
    let Either::These(actions) = &statement.actions else { return Vec::new() };
    let resource = match &statement.resources {
        Some(Either::These(resources)) => resources.first().map_or_else(|| "*".to_owned(), ArnPattern::to_string),
        _ => "*".to_owned(),
    };
    let mut all = Vec::new();
    for action in actions {
        let named = action.service().and_then(|service| query::shapes::service(&service));
        let matching = named.map(|service| service.operation_names().map(|name| format!("{}:{name}", service.name)).filter(|name| action.matches(name)));
        match matching {
            Some(names) => all.extend(names.map(|name| (name, resource.clone()))),
            None => all.push((action.text().replace('*', "x"), resource.clone())),
        }
    }
    all
}
