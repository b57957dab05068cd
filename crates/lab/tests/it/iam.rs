//! Identities of lab files: what is written becomes an account, an account becomes a file again, and what is wrong is shown at its line.

use std::collections::BTreeMap;

use iam::account::{Account, Owner};
use iam::{Environment, Kind, operation};
use lab::{Action, Files, Lab, load};
use model::{Context, Model, Region, Timestamp};

const ACCOUNT: &str = "000000000000";

struct Several(BTreeMap<&'static str, String>);

impl Files for Several {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        self.0.get(name).map(|text| (name.to_owned(), text.clone())).ok_or_else(|| "no such file".to_owned())
    }
}

fn read(text: &str) -> Lab {
    load("lab.yaml", &Several(BTreeMap::from([("lab.yaml", text.to_owned())]))).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn made(text: &str) -> Account {
    read(text).identities(ACCOUNT).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn with_environment<T>(body: impl FnOnce(&mut Environment<'_>) -> T) -> T {
    let mut random = model::random::SplitMix64(9);
    let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64().to_be_bytes()[0]);
    body(&mut Environment { now: Timestamp(1_000), random: &mut fill })
}

const FILE: &str = r#"
iam:
  alias: shop
  policies:
    look: [allow ec2:Describe*]
    rich:
      description: all sorts
      path: /team/
      tags: { of: shop }
      statements:
        - allow ec2:StartInstances, ec2:StopInstances on instance/* if StringEquals ec2:ResourceTag/env dev, test and IpAddress aws:SourceIp 10.0.0.0/8
        - { Sid: NotIam, Effect: Deny, NotAction: "iam:*", Resource: "*", Condition: { Bool: { aws:SecureTransport: false } } }
        - allow ec2:CreateTags on arn:aws:ec2:*:*:instance/${aws:username}-*
    whole: { Version: 2008-10-17, Statement: [{ Effect: Allow, Action: "s3:*", Resource: "*" }] }
  groups:
    ops: [look, AdministratorAccess]
  users:
    kim: { groups: ops, policies: look, boundary: rich, path: /team/, tags: { a: b }, inline: { own: deny ec2:DeleteVpc } }
    lee:
    "a.b@example.com": arn:aws:iam::aws:policy/ReadOnlyAccess
  roles:
    app: { trust: ec2, max_session: 2h, description: of instances }
    deploy: { trust: [user kim, role app, account, account 111122223333, service lambda], policies: look }
    odd: { trust: { Version: 2012-10-17, Statement: { Effect: Allow, Principal: { AWS: "*" }, Action: sts:AssumeRole, Condition: { StringEquals: { sts:ExternalId: x } } } } }
  instance_profiles:
    web: app
    empty: {}
"#;

#[test]
fn what_a_file_says_becomes_an_account() {
    let account = made(FILE);
    let kim = account.entity(Kind::User, "Kim").unwrap();
    assert_eq!((kim.path.as_str(), kim.groups.len(), kim.inline.len()), ("/team/", 1, 1));
    assert_eq!(kim.boundary.as_deref(), Some("arn:aws:iam::000000000000:policy/team/rich"));
    let ops = account.entity(Kind::Group, "ops").unwrap();
    assert!(ops.attached.contains("arn:aws:iam::aws:policy/AdministratorAccess") && ops.attached.contains("arn:aws:iam::000000000000:policy/look"));
    let terms = |name: &str| account.entity(Kind::Role, name).unwrap().role.clone().unwrap();
    assert_eq!(terms("app").max_session_duration, 7_200);
    let trust = terms("deploy").trust.text().to_owned();
    for part in ["user/team/kim", "role/app", "000000000000:root", "111122223333:root", "lambda.amazonaws.com"] {
        assert!(trust.contains(part), "{part}: {trust}");
    }
    assert_eq!(account.profile("web").unwrap().role.as_deref(), Some("app"));
    assert_eq!(account.alias.as_deref(), Some("shop"));
}

#[test]
fn an_account_is_written_as_a_file_that_makes_it_again() {
    let account = made(FILE);
    let model = Model::new(ACCOUNT, Region::default(), Context::seeded(1, Timestamp::default()));
    let text = lab::export_with(&model, &account, "again").text;
    let twin = made(&text);
    let mut again = account.clone();
    let differences = with_environment(|environment| iam::converge(&mut again, &twin, environment));
    assert_eq!(differences, [], "{text}");
    assert_eq!(lab::export_with(&model, &twin, "again").text, text);
}

#[test]
fn an_edit_keeps_ids_keys_and_versions_and_takes_what_is_not_written() {
    let lab = read(FILE);
    let mut account = Account::new(ACCOUNT);
    let first = with_environment(|environment| lab.apply_identities(&account, environment)).unwrap();
    assert!(first.changes.iter().all(|change| change.action == Action::Create) && first.changes.len() > 10, "{:?}", first.changes);
    account = first.account;
    let kim = account.entity(Kind::User, "kim").unwrap().id.clone();
    with_environment(|environment| {
        operation::create_access_key(&mut account, environment, "kim").unwrap();
        operation::create_access_key(&mut account, environment, "lee").unwrap();
        operation::create_user(&mut account, environment, "by-api", None, Default::default()).unwrap();
    });
    let edited = FILE.replace("look: [allow ec2:Describe*]", "look: [allow ec2:Describe*, allow ec2:Get*]").replace("    lee:\n", "");
    let next = with_environment(|environment| read(&edited).apply_identities(&account, environment)).unwrap();
    let mut told: Vec<String> = next.changes.iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(told, ["- user by-api", "- user lee", "~ policy look: version v2"]);
    assert_eq!(next.account.entity(Kind::User, "kim").unwrap().id, kim);
    let owners: Vec<&Owner> = next.account.keys().map(|key| &key.owner).collect();
    assert_eq!(owners, [&Owner::User("kim".to_owned())]);
    let same = with_environment(|environment| read(&edited).apply_identities(&next.account, environment)).unwrap();
    assert_eq!((same.changes.len(), same.account == next.account), (0, true));
    let silent = with_environment(|environment| read("vpcs: {}").apply_identities(&next.account, environment)).unwrap();
    assert_eq!((silent.changes.len(), silent.account == next.account), (0, true), "a file without iam: says nothing of identities");
}

const WITH_ROLE: &str = "
vpcs: { net: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } } }
instances: { web: { subnet: a, role: app } }
iam: { roles: { app: { trust: ec2 }, other: { trust: ec2 } }, instance_profiles: { boxes: other } }
";

#[test]
fn an_instance_has_the_role_that_is_written_and_changes_it_in_place() {
    let mut model = Model::new(ACCOUNT, Region::default(), Context::seeded(1, Timestamp::default()));
    read(WITH_ROLE).apply(&mut model).unwrap();
    let of = |model: &Model| model.instances.values().map(|instance| (instance.id.clone(), instance.iam_instance_profile.clone().map(|profile| profile.arn))).collect::<Vec<_>>();
    let before = of(&model);
    assert_eq!(before[0].1.as_deref(), Some("arn:aws:iam::000000000000:instance-profile/app"));
    assert_eq!(made(WITH_ROLE).profile("app").unwrap().role.as_deref(), Some("app"));
    for (text, profile) in [
        (WITH_ROLE.replace("role: app }", "profile: boxes }"), Some("arn:aws:iam::000000000000:instance-profile/boxes")),
        (WITH_ROLE.replace(", role: app", ""), None),
    ] {
        let changes = read(&text).apply(&mut model).unwrap();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(of(&model), [(before[0].0.clone(), profile.map(str::to_owned))]);
    }
}

#[test]
fn policies_may_be_in_files_of_their_own() {
    let lab = "iam: { policies: { p: { file: p.json } } }".to_owned();
    let files = |policy: &str| Several(BTreeMap::from([("lab.yaml", lab.clone()), ("p.json", policy.to_owned())]));
    let good = load("lab.yaml", &files(r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}"#)).unwrap();
    assert!(good.identities(ACCOUNT).unwrap().own_policies().count() == 1);
    let bad = load("lab.yaml", &files("{")).unwrap().identities(ACCOUNT).unwrap_err().render(false);
    assert!(bad.contains("p.json") && bad.contains("Syntax errors in policy"), "{bad}");
}

#[test]
fn what_is_wrong_with_identities_is_shown_at_its_line() {
    let mistakes = [
        ("an unknown policy", "iam: { users: { kim: AdministratorAcess } }"),
        ("an unknown group", "iam: { groups: { ops: [] }, users: { kim: { groups: opps } } }"),
        ("an unknown role of an instance", "vpcs: { n: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } } }\ninstances: { web: { subnet: a, role: ap } }\niam: { roles: { app: { trust: ec2 } } }"),
        ("role and profile", "vpcs: { n: { cidr: 10.0.0.0/24, subnets: { a: { az: a, cidr: /28 } } } }\ninstances: { web: { subnet: a, role: app, profile: app } }\niam: { roles: { app: { trust: ec2 } } }"),
        ("a word that is no effect", "iam: { policies: { p: [alow ec2:*] } }"),
        ("no statement", "iam: { policies: { p: [] } }"),
        ("a document that cannot be", "iam:\n  policies:\n    p:\n      Version: 2012-10-17\n      Statement:\n        - { Effect: Allow, Action: ec2:*, Resource: \"*\" }\n        - { Effect: Permit, Action: ec2:*, Resource: \"*\" }"),
        ("a principal in an identity policy", "iam: { policies: { p: [{ Effect: Allow, Principal: \"*\", Action: ec2:*, Resource: \"*\" }] } }"),
        ("no trust", "iam: { roles: { app: {} } }"),
        ("nobody to trust", "iam: { roles: { app: { trust: usr kim } } }"),
        ("an unknown user to trust", "iam: { users: { kim: }, roles: { app: { trust: user kimm } } }"),
        ("a session too long", "iam: { roles: { app: { trust: ec2, max_session: 13h } } }"),
        ("a name that cannot be", "iam: { users: { \"kim lee\": } }"),
        ("a name twice", "iam: { users: { kim: , KIM: } }"),
        ("a key that is none", "iam: { user: { kim: } }"),
        ("a claim about an unknown action", "iam: { users: { kim: } }\nexpect:\n  - user kim ec2:TerminateInstance on instance web: denied"),
        ("a claim about nobody", "iam: { users: { kim: } }\nexpect:\n  - user kin ec2:TerminateInstances: denied"),
        ("a claim without a result", "iam: { users: { kim: } }\nexpect:\n  - user kim ec2:TerminateInstances"),
        ("a result of traffic", "iam: { users: { kim: } }\nexpect:\n  - \"user kim ec2:TerminateInstances: blocked\""),
    ];
    let message = |text: &str| {
        let mut model = Model::new(ACCOUNT, Region::default(), Context::seeded(1, Timestamp::default()));
        let files = Several(BTreeMap::from([("lab.yaml", text.to_owned())]));
        match load("lab.yaml", &files).and_then(|lab| lab.apply(&mut model)) {
            Ok(_) => panic!("accepted:\n{text}"),
            Err(problems) => problems.render(false),
        }
    };
    let all: String = mistakes.iter().map(|(what, text)| format!("## {what}\n{}\n", message(text))).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("mistakes", all) });
}
