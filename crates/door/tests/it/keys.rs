//! Whose key it is: accounts, regions, sessions, keys that are switched off (SIG-2 … SIG-4, STS-1, STS-2).

use query::Request;
use query::endpoint::Authentication;
use serde_json::{Value, json};

use crate::world::{self, ACCOUNT, Client, OTHER, World};

fn everything() -> Value {
    json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
}

fn code<T: std::fmt::Debug>(result: Result<T, world::Refused>) -> String {
    result.unwrap_err().0
}

#[test]
fn every_account_has_networks_of_its_own_in_every_region() {
    let mut world = World::new();
    let other = world.other_owner();
    world.vpc("10.0.0.0/16");
    let vpcs = |world: &mut World, client: &Client| world.call(client, "DescribeVpcs", json!({})).unwrap()["Vpcs"].clone();
    let owner = world.owner.clone();
    assert_eq!(vpcs(&mut world, &owner).as_array().unwrap().len(), 1);
    assert_eq!(vpcs(&mut world, &other), json!([]));
    world.region = "eu-west-3";
    assert_eq!(vpcs(&mut world, &owner), json!([]));
    let vpc = world.vpc("10.9.0.0/16");
    let made = world.own("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.9.1.0/24"}));
    assert_eq!(made["Subnet"]["AvailabilityZone"], "eu-west-3a");
    let identity = world.call(&other, "sts:GetCallerIdentity", json!({})).unwrap();
    assert_eq!((&identity["Account"], &identity["Arn"]), (&json!(OTHER), &json!(format!("arn:aws:iam::{OTHER}:root"))));
}

#[test]
fn a_key_that_is_unknown_switched_off_or_deleted_is_refused_in_the_words_of_each_service() {
    let mut world = World::new();
    let dev = world.user("dev", everything());
    let ask = |world: &mut World, client: &Client| {
        ["DescribeVpcs", "iam:ListUsers", "sts:GetCallerIdentity"]
            .map(|operation| world.call(client, operation, json!({})).map_or_else(|refused| refused.0, |_| "ok".to_owned()))
    };
    let refused = ["AuthFailure", "InvalidClientTokenId", "InvalidClientTokenId"];
    assert_eq!(ask(&mut world, &dev), ["ok"; 3]);
    let status = |status: &str| json!({"UserName": "dev", "AccessKeyId": dev.id, "Status": status});
    world.own("iam:UpdateAccessKey", status("Inactive"));
    assert_eq!(ask(&mut world, &dev), refused);
    world.own("iam:UpdateAccessKey", status("Active"));
    assert_eq!(ask(&mut world, &dev), ["ok"; 3]);
    world.own("iam:DeleteAccessKey", json!({"UserName": "dev", "AccessKeyId": dev.id}));
    assert_eq!(ask(&mut world, &dev), refused);
    let nobody = Client { id: "AKIANOBODYHASTHISKEY".to_owned(), ..dev };
    assert_eq!(ask(&mut world, &nobody), refused);
}

#[test]
fn a_wrong_secret_is_no_signature() {
    let mut world = World::new();
    let wrong = Client { secret: "wrong".to_owned(), ..world.owner.clone() };
    assert_eq!(world.call(&wrong, "DescribeVpcs", json!({})), Err(("SignatureDoesNotMatch".to_owned(), 403)));
}

fn role(world: &mut World, trusted: &str) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}]});
    let role = world.own("iam:CreateRole", json!({"RoleName": "net", "AssumeRolePolicyDocument": trust.to_string()}));
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]});
    world.own("iam:PutRolePolicy", json!({"RoleName": "net", "PolicyName": "p", "PolicyDocument": document.to_string()}));
    role["Role"]["Arn"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_has_the_rights_of_its_role_needs_its_token_and_ends() {
    let mut world = World::new();
    let arn = role(&mut world, &format!("arn:aws:iam::{ACCOUNT}:root"));
    let dev = world.user("dev", everything());
    let assume = json!({"RoleArn": arn, "RoleSessionName": "s-1", "DurationSeconds": 900});
    let session = Client::read(&world.call(&dev, "sts:AssumeRole", assume).unwrap()["Credentials"]);
    let identity = world.call(&session, "sts:GetCallerIdentity", json!({})).unwrap();
    assert_eq!(identity["Arn"], format!("arn:aws:sts::{ACCOUNT}:assumed-role/net/s-1"));
    assert!(world.call(&session, "DescribeVpcs", json!({})).is_ok());
    assert_eq!(code(world.call(&session, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))), "UnauthorizedOperation");
    assert_eq!(code(world.call(&session, "iam:ListUsers", json!({}))), "AccessDenied");
    for token in [None, Some("other".to_owned())] {
        let bare = Client { token, ..session.clone() };
        assert_eq!(code(world.call(&bare, "DescribeVpcs", json!({}))), "AuthFailure");
        assert_eq!(code(world.call(&bare, "sts:GetCallerIdentity", json!({}))), "InvalidClientTokenId");
    }
    world.now = world.now.plus(900);
    assert_eq!(code(world.call(&session, "DescribeVpcs", json!({}))), "RequestExpired");
    assert_eq!(code(world.call(&session, "sts:GetCallerIdentity", json!({}))), "ExpiredToken");
}

#[test]
fn a_role_of_another_account_acts_there() {
    let mut world = World::new();
    let owner = world.other_owner();
    let arn = role(&mut world, &format!("arn:aws:iam::{OTHER}:root"));
    world.vpc("10.0.0.0/16");
    let visit = json!({"RoleArn": arn, "RoleSessionName": "visit"});
    assert_eq!(code(world.call(&owner, "sts:AssumeRole", visit.clone())), "AccessDenied", "the root of an account assumes no role");
    world.call(&owner, "iam:CreateUser", json!({"UserName": "ops"})).unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": everything()}).to_string();
    world.call(&owner, "iam:PutUserPolicy", json!({"UserName": "ops", "PolicyName": "all", "PolicyDocument": policy})).unwrap();
    let key = world.call(&owner, "iam:CreateAccessKey", json!({"UserName": "ops"})).unwrap();
    let other = Client::read(&key["AccessKey"]);
    let assumed = world.call(&other, "sts:AssumeRole", visit).unwrap();
    let session = Client::read(&assumed["Credentials"]);
    assert_eq!(world.call(&session, "DescribeVpcs", json!({})).unwrap()["Vpcs"].as_array().unwrap().len(), 1);
    assert_eq!(world.call(&other, "DescribeVpcs", json!({})).unwrap()["Vpcs"], json!([]));
}

#[test]
fn a_session_ends_with_the_role_that_it_stands_for() {
    let mut world = World::new();
    let ops = world.user("ops", everything());
    let arn = role(&mut world, &format!("arn:aws:iam::{ACCOUNT}:user/ops"));
    let assumed = world.call(&ops, "sts:AssumeRole", json!({"RoleArn": arn, "RoleSessionName": "work"})).unwrap();
    let session = Client::read(&assumed["Credentials"]);
    world.call(&session, "sts:GetCallerIdentity", json!({})).unwrap();
    let name = arn.rsplit('/').next().unwrap().to_owned();
    let policies = world.own("iam:ListRolePolicies", json!({"RoleName": name}));
    for policy in policies["PolicyNames"].as_array().unwrap() {
        world.own("iam:DeleteRolePolicy", json!({"RoleName": name, "PolicyName": policy}));
    }
    world.own("iam:DeleteRole", json!({"RoleName": name}));
    assert_eq!(code(world.call(&session, "sts:GetCallerIdentity", json!({}))), "InvalidClientTokenId");
    assert_eq!(code(world.call(&session, "DescribeVpcs", json!({}))), "AuthFailure");
    world.now = world.now.plus(1);
    role(&mut world, &format!("arn:aws:iam::{ACCOUNT}:user/ops"));
    assert_eq!(code(world.call(&session, "DescribeVpcs", json!({}))), "AuthFailure", "another role of the same name");
}

#[test]
fn whom_a_role_trusts_of_its_own_account_is_there() {
    let mut world = World::new();
    let owner = world.owner.clone();
    let trust = |principal: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]}).to_string();
    for (principal, expected) in [
        (format!("arn:aws:iam::{ACCOUNT}:user/nobody"), "MalformedPolicyDocument"),
        (format!("arn:aws:iam::{ACCOUNT}:role/nothing"), "MalformedPolicyDocument"),
        (format!("arn:aws:iam::{ACCOUNT}:root"), "ok"),
        (format!("arn:aws:iam::{OTHER}:user/somebody"), "ok"),
        (ACCOUNT.to_owned(), "ok"),
    ] {
        let arguments = json!({"RoleName": format!("r{}", principal.len()), "AssumeRolePolicyDocument": trust(&principal)});
        let said = world.call(&owner, "iam:CreateRole", arguments).map_or_else(|refused| refused.0, |_| "ok".to_owned());
        assert_eq!(said, expected, "{principal}");
    }
}

#[test]
fn without_authentication_everybody_is_the_owner_of_the_account_at_home() {
    let mut world = World::with(Authentication::Off { region: world::REGION.to_owned() }, model::Timestamp(1_795_597_200));
    let ask = |form: &str| Request { method: "POST".to_owned(), path: "/".to_owned(), body: form.as_bytes().to_vec(), ..Request::default() };
    let made = world.send(&ask("Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16"));
    assert_eq!(made.status, 200, "{}", made.body);
    let identity = world.send(&ask("Action=GetCallerIdentity&Version=2011-06-15"));
    assert!(identity.body.contains(&format!("<Arn>arn:aws:iam::{ACCOUNT}:root</Arn>")), "{}", identity.body);
    assert_eq!(world.send(&ask("Action=ListUsers&Version=2010-05-08")).status, 200);
}

#[test]
fn a_list_of_more_than_a_page_is_told_page_by_page_and_whole() {
    let mut world = World::new();
    for number in 0..130 {
        world.own("iam:CreateUser", json!({"UserName": format!("user-{number:03}")}));
    }
    let mut list = |asked: Value| {
        let answer = world.own("iam:ListUsers", asked);
        let users = answer["Users"].as_array().unwrap().iter().map(|user| user["UserName"].clone()).collect::<Vec<_>>();
        (users, answer["IsTruncated"] == true, answer["Marker"].clone())
    };
    let (first, is_more, marker) = list(json!({}));
    assert_eq!((first.len(), is_more), (100, true));
    let (second, is_more, _) = list(json!({"Marker": marker}));
    assert_eq!((second.len(), is_more), (30, false));
    let (all, is_more, _) = list(json!({"MaxItems": 1000}));
    assert_eq!((all, is_more), ([first, second].concat(), false));
}
