//! Decisions by policies as people write them, each with the rule that it follows.

use iam::decision::{Named, Outcome, Source, decide, decide_trust};
use iam::policy::Caller;
use iam::{Facts, Policy, PolicyKind, Request, Subject};
use serde_json::{Value, json};

const VPC: &str = "arn:aws:ec2:ap-northeast-2:111122223333:vpc/vpc-1";

fn policy(statements: Value) -> Policy {
    Policy::read(&json!({"Version": "2012-10-17", "Statement": statements}), PolicyKind::Identity).unwrap()
}

fn facts(pairs: &[(&str, &[&str])]) -> Facts {
    let mut facts = Facts::new();
    for (key, values) in pairs {
        facts.set_all(key, values.iter().map(|value| (*value).to_owned()));
    }
    facts
}

fn outcome(policies: &[Policy], action: &str, resource: &str, facts: &Facts) -> Outcome {
    let identity = policies.iter().map(|policy| Named { name: "p".into(), policy }).collect();
    decide(&Subject { identity, ..Subject::default() }, Request { action, resource, facts }).outcome
}

const NOTHING: Outcome = Outcome::ImplicitDeny(Source::Identity);
const DENIED: Outcome = Outcome::ExplicitDeny(Source::Identity);

#[test]
fn iam_16_a_denial_wins_and_without_an_allowance_nothing_is_allowed() {
    let all = policy(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}));
    let no_deletes = policy(json!([{"Effect": "Deny", "Action": ["ec2:Delete*"], "Resource": "*"}]));
    let both = [all, no_deletes];
    for (action, expected) in [("ec2:CreateVpc", Outcome::Allowed), ("ec2:DeleteVpc", DENIED), ("iam:ListUsers", NOTHING)] {
        assert_eq!(outcome(&both, action, VPC, &Facts::new()), expected, "{action}");
    }
    assert_eq!(outcome(&[], "ec2:CreateVpc", VPC, &Facts::new()), NOTHING);
}

#[test]
fn iam_6_and_iam_7_case_counts_in_resources_and_not_in_actions() {
    let of = |resource: &str| [policy(json!({"Effect": "Allow", "Action": "EC2:deleteVPC", "Resource": resource}))];
    assert_eq!(outcome(&of("arn:aws:ec2:*:*:vpc/*"), "ec2:DeleteVpc", VPC, &Facts::new()), Outcome::Allowed);
    assert_eq!(outcome(&of("arn:aws:ec2:*:*:VPC/*"), "ec2:DeleteVpc", VPC, &Facts::new()), NOTHING);
}

#[test]
fn iam_8_what_is_not_listed_is_meant() {
    let but_iam = [policy(json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}))];
    assert_eq!(outcome(&but_iam, "ec2:DescribeVpcs", "*", &Facts::new()), Outcome::Allowed);
    assert_eq!(outcome(&but_iam, "iam:ListUsers", "*", &Facts::new()), NOTHING);
    let but_one = [
        policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})),
        policy(json!({"Effect": "Deny", "Action": "ec2:*", "NotResource": VPC})),
    ];
    assert_eq!(outcome(&but_one, "ec2:DeleteVpc", VPC, &Facts::new()), Outcome::Allowed);
    assert_eq!(outcome(&but_one, "ec2:DeleteVpc", "arn:aws:ec2:ap-northeast-2:111122223333:vpc/vpc-2", &Facts::new()), DENIED);
}

#[test]
fn iam_9_to_iam_13_conditions() {
    let there = facts(&[
        ("aws:RequestTag/env", &["dev"]), ("aws:TagKeys", &["env", "owner"]), ("ec2:InstanceType", &["t3.micro"]),
        ("aws:SourceIp", &["10.1.2.3"]), ("aws:SecureTransport", &["false"]), ("aws:CurrentTime", &["2026-11-26T09:00:00Z"]),
        ("aws:MultiFactorAuthAge", &["300"]), ("ec2:Vpc", &[VPC]), ("empty:Keys", &[]),
    ]);
    for (condition, expected) in [
        (json!({"StringEquals": {"aws:requesttag/env": ["prod", "dev"]}}), true),
        (json!({"StringEquals": {"aws:RequestTag/env": "dev", "ec2:InstanceType": "t3.large"}}), false),
        (json!({"StringNotEquals": {"aws:RequestTag/env": ["prod", "dev"]}}), false),
        (json!({"StringNotEquals": {"aws:RequestTag/env": ["prod", "test"]}}), true),
        (json!({"StringEqualsIgnoreCase": {"aws:RequestTag/env": "DEV"}}), true),
        (json!({"StringLike": {"ec2:InstanceType": "t3.*"}}), true),
        (json!({"StringEquals": {"ec2:InstanceType": "t3.*"}}), false),
        // A key that is absent (IAM-10).
        (json!({"StringEquals": {"ec2:Subnet": "x"}}), false),
        (json!({"StringNotEquals": {"ec2:Subnet": "x"}}), true),
        (json!({"StringEqualsIfExists": {"ec2:Subnet": "x"}}), true),
        (json!({"StringLikeIfExists": {"ec2:InstanceType": "m5.*"}}), false),
        (json!({"NotIpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}), true),
        (json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:ec2:*:*:vpc/*"}}), true),
        (json!({"Null": {"ec2:Subnet": "true"}}), true),
        (json!({"Null": {"aws:RequestTag/env": true}}), false),
        (json!({"Null": {"aws:RequestTag/env": "false"}}), true),
        // Several values of the request (IAM-11, IAM-12).
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["env", "owner", "team"]}}), true),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["env"]}}), false),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["env"]}}), true),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}}), false),
        (json!({"ForAllValues:StringEquals": {"empty:Keys": "x"}}), true),
        (json!({"ForAnyValue:StringEquals": {"empty:Keys": "x"}}), false),
        (json!({"ForAllValues:StringEquals": {"absent:Keys": "x"}}), true),
        (json!({"ForAnyValue:StringEquals": {"absent:Keys": "x"}}), false),
        (json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": "env"}}), true),
        (json!({"ForAllValues:StringNotEquals": {"aws:TagKeys": "env"}}), false),
        // Other comparisons.
        (json!({"IpAddress": {"aws:SourceIp": ["192.168.0.0/16", "10.0.0.0/8"]}}), true),
        (json!({"NotIpAddress": {"aws:SourceIp": "10.1.2.3"}}), false),
        (json!({"Bool": {"aws:SecureTransport": false}}), true),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), false),
        (json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}), true),
        (json!({"NumericGreaterThanEquals": {"aws:MultiFactorAuthAge": 301}}), false),
        (json!({"NumericNotEquals": {"aws:MultiFactorAuthAge": "300.0"}}), false),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}), true),
        (json!({"DateLessThanEquals": {"aws:CurrentTime": "2026-11-26T08:59:59Z"}}), false),
        (json!({"ArnEquals": {"ec2:Vpc": "arn:aws:ec2:*:111122223333:vpc/vpc-?"}}), true),
        // Operators are joined by and (IAM-9).
        (json!({"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"ec2:InstanceType": "t3.large"}}), false),
    ] {
        let of = [policy(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*", "Condition": condition}))];
        let expected = if expected { Outcome::Allowed } else { NOTHING };
        assert_eq!(outcome(&of, "ec2:RunInstances", VPC, &there), expected, "{:?}", of[0].statements[0].conditions);
    }
}

#[test]
fn iam_14_a_variable_without_a_value_matches_nothing_and_opposites_match_it() {
    let home = "arn:aws:ec2:*:*:key-pair/${aws:username}";
    let of = |condition: Value, resource: &str| {
        [policy(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": resource, "Condition": condition}))]
    };
    let (dev, nobody) = (facts(&[("aws:username", &["dev"])]), Facts::new());
    let key = "arn:aws:ec2:ap-northeast-2:111122223333:key-pair/dev";
    assert_eq!(outcome(&of(json!({}), home), "ec2:DeleteKeyPair", key, &dev), Outcome::Allowed);
    assert_eq!(outcome(&of(json!({}), home), "ec2:DeleteKeyPair", key, &nobody), NOTHING);
    let owner = |operator: &str| json!({operator: {"ec2:ResourceTag/owner": "${aws:username}"}});
    let tagged = facts(&[("ec2:ResourceTag/owner", &["dev"])]);
    assert_eq!(outcome(&of(owner("StringEquals"), "*"), "ec2:DeleteKeyPair", key, &tagged), NOTHING);
    assert_eq!(outcome(&of(owner("StringNotEquals"), "*"), "ec2:DeleteKeyPair", key, &tagged), Outcome::Allowed);
}

#[test]
fn iam_16_boundaries_and_sessions_limit_and_give_nothing() {
    let all = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let reads = policy(json!({"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}));
    let (all, reads) = (Named { name: "all".into(), policy: &all }, Named { name: "reads".into(), policy: &reads });
    let facts = Facts::new();
    let ask = |subject: &Subject<'_>, action| decide(subject, Request { action, resource: "*", facts: &facts }).outcome;
    let bounded = Subject { identity: vec![all.clone()], boundary: Some(reads.clone()), ..Subject::default() };
    assert_eq!(ask(&bounded, "ec2:DescribeVpcs"), Outcome::Allowed);
    assert_eq!(ask(&bounded, "ec2:CreateVpc"), Outcome::ImplicitDeny(Source::Boundary));
    let session = Subject { identity: vec![reads.clone()], session: Some(vec![all.clone()]), ..Subject::default() };
    assert_eq!(ask(&session, "ec2:CreateVpc"), NOTHING);
    let narrowed = Subject { identity: vec![all.clone()], session: Some(vec![reads]), ..Subject::default() };
    assert_eq!(ask(&narrowed, "ec2:CreateVpc"), Outcome::ImplicitDeny(Source::Session));
    let only_bounded = Subject { boundary: Some(all), ..Subject::default() };
    assert_eq!(ask(&only_bounded, "ec2:CreateVpc"), NOTHING);
    assert_eq!(ask(&Subject { is_root: true, ..Subject::default() }, "ec2:CreateVpc"), Outcome::Allowed);
}

#[test]
fn sts_2_the_account_delegates_and_whoever_is_named_needs_no_policy() {
    let facts = Facts::new();
    let role = "arn:aws:iam::111122223333:role/netadmin";
    let request = Request { action: "sts:AssumeRole", resource: role, facts: &facts };
    let may = policy(json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}));
    let may_not = policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
    let dev = Caller { arn: "arn:aws:iam::111122223333:user/dev", role: None, service: None };
    let ask = |principal: &str, own: &[&Policy], same_account: bool| {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]});
        let trust = Policy::read(&document, PolicyKind::Trust).unwrap();
        let identity = own.iter().map(|policy| Named { name: "own".into(), policy }).collect();
        let subject = Subject { identity, ..Subject::default() };
        decide_trust(&subject, &dev, Named { name: "trust".into(), policy: &trust }, same_account, request).outcome
    };
    let (account, named, other) = ("111122223333", "arn:aws:iam::111122223333:user/dev", "999999999999");
    assert_eq!(ask(account, &[], true), NOTHING);
    assert_eq!(ask(account, &[&may], true), Outcome::Allowed);
    assert_eq!(ask(named, &[], true), Outcome::Allowed);
    assert_eq!(ask(named, &[], false), NOTHING);
    assert_eq!(ask(named, &[&may_not], true), DENIED);
    assert_eq!(ask(other, &[&may], true), Outcome::ImplicitDeny(Source::Trust));
}

#[test]
fn a_decision_names_the_statements_that_made_it() {
    let mixed = policy(json!([
        {"Sid": "Reads", "Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"},
        {"Sid": "NotThis", "Effect": "Deny", "Action": "ec2:*", "Resource": VPC},
    ]));
    let facts = Facts::new();
    let subject = Subject { identity: vec![Named { name: "dev: inline".into(), policy: &mixed }], ..Subject::default() };
    let decision = decide(&subject, Request { action: "ec2:DeleteVpc", resource: VPC, facts: &facts });
    let deciding: Vec<_> = decision.deciding().map(|statement| statement.sid.as_deref()).collect();
    assert_eq!(deciding, [Some("NotThis")]);
    assert_eq!(decision.considered[0].mismatch, Some(iam::policy::Mismatch::Action));
    assert_eq!(decision.outcome.to_string(), "with an explicit deny in an identity-based policy");
}

#[test]
fn iam_5_documents_that_cannot_be_meant_are_refused_with_their_place() {
    let statement = |more: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"});
        for (key, value) in more.as_object().unwrap() {
            match value {
                Value::Null => statement.as_object_mut().unwrap().shift_remove(key),
                value => statement.as_object_mut().unwrap().insert(key.clone(), value.clone()),
            };
        }
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    for (document, path) in [
        (json!("x"), ""), (json!({"Version": "2012-10-17"}), "Statement"), (json!({"Version": "2012-10-17", "Statement": []}), "Statement"),
        (json!({"Version": "2025-01-01", "Statement": []}), "Version"), (json!({"Statements": []}), ""),
        (statement(json!({"Effect": "allow"})), "Statement[0].Effect"), (statement(json!({"Effect": null})), "Statement[0]"),
        (statement(json!({"Action": null})), "Statement[0]"), (statement(json!({"NotAction": "*"})), "Statement[0]"),
        (statement(json!({"Action": "DescribeVpcs"})), "Statement[0].Action"), (statement(json!({"Action": [[]]})), "Statement[0].Action"),
        (statement(json!({"Resource": null})), "Statement[0]"), (statement(json!({"Resource": "vpc-1"})), "Statement[0].Resource"),
        (statement(json!({"Principal": "*"})), "Statement[0].Principal"), (statement(json!({"Action ": "*"})), "Statement[0]"),
        (statement(json!({"Sid": "no spaces"})), "Statement[0].Sid"),
        (statement(json!({"Condition": {"StringIs": {"aws:x": "y"}}})), "Statement[0].Condition.StringIs"),
        (statement(json!({"Condition": {"Bool": {"aws:x": "y"}}})), "Statement[0].Condition.Bool.aws:x"),
        (statement(json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}}})), "Statement[0].Condition.IpAddress.aws:SourceIp"),
        (statement(json!({"Condition": {"StringEquals": {"env": "y"}}})), "Statement[0].Condition.StringEquals.env"),
        (statement(json!({"Condition": {"StringEquals": "y"}})), "Statement[0].Condition.StringEquals"),
    ] {
        let error = Policy::read(&document, PolicyKind::Identity).unwrap_err();
        assert_eq!(error.path, path, "{document}: {error}");
    }
    let twice = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "A", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Sid": "A", "Effect": "Deny", "Action": "*", "Resource": "*"}]});
    assert_eq!(Policy::read(&twice, PolicyKind::Identity).unwrap_err().path, "Statement[1].Sid");
    let error = Policy::parse("{", PolicyKind::Identity).unwrap_err();
    assert!(error.message.starts_with("Syntax errors in policy"), "{error}");
}

#[test]
fn trust_policies_have_principals_and_no_resources() {
    let trust = |principal: Value| {
        Policy::read(&json!({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}), PolicyKind::Trust)
    };
    for good in [json!("*"), json!({"AWS": "*"}), json!({"AWS": ["111122223333", "arn:aws:iam::111122223333:user/dev"]}), json!({"Service": "ec2.amazonaws.com"})] {
        assert!(trust(good.clone()).is_ok(), "{good}");
    }
    for bad in [json!("dev"), json!({}), json!({"AWS": "dev"}), json!({"AWS": "arn:aws:iam::111122223333:user/*"}), json!({"Users": "dev"}), json!([])] {
        assert!(trust(bad.clone()).is_err(), "{bad}");
    }
    let with_resource = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}});
    assert!(Policy::read(&with_resource, PolicyKind::Trust).is_err());
    let without = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}});
    assert!(Policy::read(&without, PolicyKind::Trust).is_err());
}
