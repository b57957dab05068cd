//! Calls of IAM and STS as clients make them.

use std::collections::BTreeMap;

use iam::account::{Account, Key};
use iam::api::{self, call_sts};
use iam::{Code, Environment, Error, Facts, Kind};
use model::Timestamp;
use model::random::SplitMix64;
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";

/// Two accounts with their owners' keys, a clock and a seed.
struct Cloud {
    accounts: BTreeMap<String, Account>,
    owner: Key,
    random: SplitMix64,
    now: Timestamp,
}

impl Cloud {
    fn new() -> Self {
        let accounts = [ACCOUNT, "444455556666"].map(|id| (id.to_owned(), Account::new(id)));
        let mut random = SplitMix64(7);
        let mut accounts = BTreeMap::from(accounts);
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64() as u8);
        let mut environment = Environment { now: Timestamp(1_000), random: &mut fill };
        let owner = iam::operation::create_root_key(accounts.get_mut(ACCOUNT).unwrap(), &mut environment);
        Self { accounts, owner, random, now: Timestamp(1_000) }
    }

    fn by(&mut self, key: &Key, operation: &str, arguments: Value) -> Result<Value, Error> {
        let random = &mut self.random;
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64() as u8);
        let mut environment = Environment { now: self.now, random: &mut fill };
        let facts = Facts::new();
        match operation.strip_prefix("sts:") {
            Some(operation) => call_sts(&mut self.accounts, &mut environment, (ACCOUNT, key), operation, &arguments, &facts),
            None => api::call(self.accounts.get_mut(ACCOUNT).unwrap(), &mut environment, key, operation, &arguments, &facts),
        }
    }

    fn call(&mut self, operation: &str, arguments: Value) -> Value {
        let owner = self.owner.clone();
        self.by(&owner, operation, arguments).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    fn refused(&mut self, operation: &str, arguments: Value) -> Code {
        let owner = self.owner.clone();
        self.by(&owner, operation, arguments).unwrap_err().code
    }

    fn user(&mut self, name: &str, policies: &[Value]) -> Key {
        self.call("CreateUser", json!({"UserName": name}));
        for (index, policy) in policies.iter().enumerate() {
            let policy = json!({"Version": "2012-10-17", "Statement": policy}).to_string();
            self.call("PutUserPolicy", json!({"UserName": name, "PolicyName": format!("p{index}"), "PolicyDocument": policy}));
        }
        let created = self.call("CreateAccessKey", json!({"UserName": name}));
        self.key(&created["AccessKey"])
    }

    fn key(&self, answer: &Value) -> Key {
        let id = answer["AccessKeyId"].as_str().unwrap();
        self.accounts.values().find_map(|account| account.key(id)).unwrap().clone()
    }
}

fn allow(action: &str, resource: &str) -> Value {
    json!([{"Effect": "Allow", "Action": action, "Resource": resource}])
}

fn trust(principal: &str) -> String {
    let statement = json!([{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

#[test]
fn iam_1_and_iam_4_a_user_from_its_making_to_its_end() {
    let mut cloud = Cloud::new();
    let made = cloud.call("CreateUser", json!({"UserName": "dev", "Path": "/team/", "Tags": [{"Key": "env", "Value": "test"}]}));
    assert_eq!(made["User"]["Arn"], "arn:aws:iam::111122223333:user/team/dev");
    assert!(made["User"]["UserId"].as_str().unwrap().starts_with("AIDA"), "{made}");
    assert_eq!(cloud.refused("CreateUser", json!({"UserName": "DEV"})), Code::EntityAlreadyExists);
    assert_eq!(cloud.refused("CreateUser", json!({"UserName": "a b"})), Code::ValidationError);
    assert_eq!(cloud.refused("CreateUser", json!({})), Code::ValidationError);
    for _ in 0..2 {
        let key = cloud.call("CreateAccessKey", json!({"UserName": "dev"}));
        assert_eq!(key["AccessKey"]["SecretAccessKey"].as_str().map(str::len), Some(40));
    }
    assert_eq!(cloud.refused("CreateAccessKey", json!({"UserName": "dev"})), Code::LimitExceeded);
    assert_eq!(cloud.refused("DeleteUser", json!({"UserName": "dev"})), Code::DeleteConflict);
    let keys = cloud.call("ListAccessKeys", json!({"UserName": "dev"}));
    for key in keys["AccessKeyMetadata"].as_array().unwrap() {
        assert!(key.get("SecretAccessKey").is_none());
        cloud.call("DeleteAccessKey", json!({"UserName": "dev", "AccessKeyId": key["AccessKeyId"]}));
    }
    cloud.call("DeleteUser", json!({"UserName": "Dev"}));
    assert_eq!(cloud.refused("GetUser", json!({"UserName": "dev"})), Code::NoSuchEntity);
}

#[test]
fn iam_2_groups_give_their_rights_to_members_and_are_renamed_with_them() {
    let mut cloud = Cloud::new();
    let dev = cloud.user("dev", &[]);
    cloud.call("CreateGroup", json!({"GroupName": "readers"}));
    let policy = json!({"Version": "2012-10-17", "Statement": allow("iam:List*", "*")}).to_string();
    cloud.call("PutGroupPolicy", json!({"GroupName": "readers", "PolicyName": "lists", "PolicyDocument": policy}));
    assert_eq!(cloud.by(&dev, "ListUsers", json!({})).unwrap_err().code, Code::AccessDenied);
    cloud.call("AddUserToGroup", json!({"GroupName": "readers", "UserName": "dev"}));
    assert_eq!(cloud.by(&dev, "ListUsers", json!({})).unwrap()["Users"][0]["UserName"], "dev");
    cloud.call("UpdateGroup", json!({"GroupName": "readers", "NewGroupName": "Viewers"}));
    assert!(cloud.by(&dev, "ListUsers", json!({})).is_ok());
    assert_eq!(cloud.call("GetGroup", json!({"GroupName": "viewers"}))["Users"][0]["UserName"], "dev");
    assert_eq!(cloud.refused("DeleteGroup", json!({"GroupName": "viewers"})), Code::DeleteConflict);
    cloud.call("RemoveUserFromGroup", json!({"GroupName": "viewers", "UserName": "dev"}));
    assert_eq!(cloud.by(&dev, "ListUsers", json!({})).unwrap_err().code, Code::AccessDenied);
}

#[test]
fn a_renamed_user_keeps_its_keys() {
    let mut cloud = Cloud::new();
    let dev = cloud.user("dev", &[]);
    cloud.call("UpdateUser", json!({"UserName": "dev", "NewUserName": "ops"}));
    let dev = cloud.key(&json!({"AccessKeyId": dev.id}));
    assert_eq!(cloud.by(&dev, "sts:GetCallerIdentity", json!({})).unwrap()["Arn"], "arn:aws:iam::111122223333:user/ops");
}

#[test]
fn versions_of_a_managed_policy_and_who_has_it() {
    let mut cloud = Cloud::new();
    let document = |action: &str| json!({"Version": "2012-10-17", "Statement": allow(action, "*")}).to_string();
    let made = cloud.call("CreatePolicy", json!({"PolicyName": "lists", "PolicyDocument": document("iam:Get*")}));
    let arn = made["Policy"]["Arn"].clone();
    assert_eq!(arn, "arn:aws:iam::111122223333:policy/lists");
    let dev = cloud.user("dev", &[]);
    cloud.call("AttachUserPolicy", json!({"UserName": "dev", "PolicyArn": arn}));
    assert_eq!(cloud.by(&dev, "ListUsers", json!({})).unwrap_err().code, Code::AccessDenied);
    for number in 2..=5 {
        let next = json!({"PolicyArn": arn, "PolicyDocument": document("iam:List*"), "SetAsDefault": number == 5});
        assert_eq!(cloud.call("CreatePolicyVersion", next)["PolicyVersion"]["VersionId"], format!("v{number}"));
    }
    assert!(cloud.by(&dev, "ListUsers", json!({})).is_ok());
    let sixth = json!({"PolicyArn": arn, "PolicyDocument": document("*")});
    assert_eq!(cloud.refused("CreatePolicyVersion", sixth), Code::LimitExceeded);
    assert_eq!(cloud.refused("DeletePolicyVersion", json!({"PolicyArn": arn, "VersionId": "v5"})), Code::DeleteConflict);
    assert_eq!(cloud.refused("DeletePolicy", json!({"PolicyArn": arn})), Code::DeleteConflict);
    assert_eq!(cloud.call("ListEntitiesForPolicy", json!({"PolicyArn": arn}))["PolicyUsers"][0]["UserName"], "dev");
    cloud.call("DetachUserPolicy", json!({"UserName": "dev", "PolicyArn": arn}));
    for number in 1..=4 {
        cloud.call("DeletePolicyVersion", json!({"PolicyArn": arn, "VersionId": format!("v{number}")}));
    }
    cloud.call("DeletePolicy", json!({"PolicyArn": arn}));
    assert_eq!(cloud.refused("GetPolicy", json!({"PolicyArn": arn})), Code::NoSuchEntity);
    assert_eq!(cloud.refused("CreatePolicy", json!({"PolicyName": "x", "PolicyDocument": "{"})), Code::MalformedPolicyDocument);
}

#[test]
fn sts_2_a_role_is_assumed_by_whom_its_trust_and_own_policies_let() {
    let mut cloud = Cloud::new();
    let arn = "arn:aws:iam::111122223333:role/netadmin";
    cloud.call("CreateRole", json!({"RoleName": "netadmin", "AssumeRolePolicyDocument": trust("arn:aws:iam::111122223333:root")}));
    let all = json!({"Version": "2012-10-17", "Statement": allow("iam:*", "*")}).to_string();
    cloud.call("PutRolePolicy", json!({"RoleName": "netadmin", "PolicyName": "all", "PolicyDocument": all}));
    let (dev, ops) = (cloud.user("dev", &[]), cloud.user("ops", &[allow("sts:AssumeRole", arn)]));
    let ask = json!({"RoleArn": arn, "RoleSessionName": "s1"});
    assert_eq!(cloud.by(&dev, "sts:AssumeRole", ask.clone()).unwrap_err().code, Code::AccessDenied);
    let answer = cloud.by(&ops, "sts:AssumeRole", ask).unwrap();
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::111122223333:assumed-role/netadmin/s1");
    let session = cloud.key(&answer["Credentials"]);
    assert!(session.id.starts_with("ASIA"), "{}", session.id);
    assert!(cloud.by(&session, "ListUsers", json!({})).is_ok());
    let narrow = json!({"Version": "2012-10-17", "Statement": allow("ec2:*", "*")}).to_string();
    let ask = json!({"RoleArn": arn, "RoleSessionName": "s2", "Policy": narrow});
    let narrow = cloud.by(&ops, "sts:AssumeRole", ask).unwrap();
    let narrow = cloud.key(&narrow["Credentials"]);
    assert_eq!(cloud.by(&narrow, "ListUsers", json!({})).unwrap_err().code, Code::AccessDenied);
    // STS-3, and the hour of chained sessions.
    let error = cloud.by(&session, "sts:GetSessionToken", json!({})).unwrap_err();
    assert_eq!(error.code, Code::AccessDenied);
    for (name, duration, code) in [("s", 3_600, Code::ValidationError), ("s1", 899, Code::ValidationError), ("s1", 3_601, Code::ValidationError)] {
        let ask = json!({"RoleArn": arn, "RoleSessionName": name, "DurationSeconds": duration});
        assert_eq!(cloud.by(&ops, "sts:AssumeRole", ask).unwrap_err().code, code, "{name} {duration}");
    }
    let nowhere = json!({"RoleArn": "arn:aws:iam::111122223333:role/nobody", "RoleSessionName": "s1"});
    assert_eq!(cloud.by(&ops, "sts:AssumeRole", nowhere).unwrap_err().code, Code::AccessDenied);
}

#[test]
fn iam_17_a_role_of_another_account_needs_both_sides() {
    let mut cloud = Cloud::new();
    let arn = "arn:aws:iam::444455556666:role/visitor";
    let (dev, ops) = (cloud.user("dev", &[]), cloud.user("ops", &[allow("sts:*", arn)]));
    let mut fill = |bytes: &mut [u8]| bytes.fill(9);
    let mut environment = Environment { now: Timestamp(1_000), random: &mut fill };
    let other = cloud.accounts.get_mut("444455556666").unwrap();
    let role = iam::operation::CreateRole {
        name: "visitor".to_owned(),
        trust: json!({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": [ACCOUNT, "arn:aws:iam::111122223333:user/dev"]}}]}).to_string(),
        ..Default::default()
    };
    iam::operation::create_role(other, &mut environment, role).unwrap();
    let ask = json!({"RoleArn": arn, "RoleSessionName": "s1"});
    assert_eq!(cloud.by(&dev, "sts:AssumeRole", ask.clone()).unwrap_err().code, Code::AccessDenied);
    let answer = cloud.by(&ops, "sts:AssumeRole", ask).unwrap();
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::444455556666:assumed-role/visitor/s1");
}

#[test]
fn sts_1_who_calls_is_told_whatever_is_denied() {
    let mut cloud = Cloud::new();
    let dev = cloud.user("dev", &[json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}])]);
    assert_eq!(cloud.by(&dev, "sts:GetCallerIdentity", json!({})).unwrap()["Arn"], "arn:aws:iam::111122223333:user/dev");
    let token = cloud.call("sts:GetSessionToken", json!({"DurationSeconds": 900}));
    let root = cloud.key(&token["Credentials"]);
    assert_eq!(cloud.by(&root, "sts:GetCallerIdentity", json!({})).unwrap()["Arn"], "arn:aws:iam::111122223333:root");
}

#[test]
fn iam_3_an_instance_profile_has_one_role_and_gives_its_rights() {
    let mut cloud = Cloud::new();
    let ec2 = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}).to_string();
    for role in ["web", "db"] {
        cloud.call("CreateRole", json!({"RoleName": role, "AssumeRolePolicyDocument": ec2}));
    }
    cloud.call("CreateInstanceProfile", json!({"InstanceProfileName": "web"}));
    cloud.call("AddRoleToInstanceProfile", json!({"InstanceProfileName": "web", "RoleName": "web"}));
    assert_eq!(cloud.refused("AddRoleToInstanceProfile", json!({"InstanceProfileName": "web", "RoleName": "db"})), Code::LimitExceeded);
    assert_eq!(cloud.refused("DeleteRole", json!({"RoleName": "web"})), Code::DeleteConflict);
    let shown = cloud.call("GetInstanceProfile", json!({"InstanceProfileName": "web"}));
    assert_eq!(shown["InstanceProfile"]["Roles"][0]["RoleName"], "web");
    cloud.call("RemoveRoleFromInstanceProfile", json!({"InstanceProfileName": "web", "RoleName": "web"}));
    cloud.call("DeleteInstanceProfile", json!({"InstanceProfileName": "web"}));
    cloud.call("DeleteRole", json!({"RoleName": "web"}));
}

#[test]
fn lists_come_in_pages() {
    let mut cloud = Cloud::new();
    for index in 0..5 {
        cloud.call("CreateUser", json!({"UserName": format!("u{index}")}));
    }
    let (mut names, mut marker) = (Vec::new(), Value::Null);
    loop {
        let page = cloud.call("ListUsers", json!({"MaxItems": 2, "Marker": marker}));
        names.extend(page["Users"].as_array().unwrap().iter().map(|user| user["UserName"].as_str().unwrap().to_owned()));
        if page["IsTruncated"] == false {
            break;
        }
        marker = page["Marker"].clone();
    }
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4"]);
    assert_eq!(cloud.refused("ListUsers", json!({"MaxItems": 0})), Code::ValidationError);
    assert_eq!(cloud.refused("ListUsers", json!({"Marker": "elsewhere"})), Code::ValidationError);
}

#[test]
fn ec2a_5_a_refusal_can_be_explained() {
    let mut cloud = Cloud::new();
    let dev = cloud.user("dev", &[json!([{"Sid": "No", "Effect": "Deny", "Action": "ec2:*", "Resource": "*"}])]);
    let account = &cloud.accounts[ACCOUNT];
    let denied = api::check(account, &dev, "ec2:CreateVpc", "arn:aws:ec2:eu-west-1:111122223333:vpc/*", Facts::new()).unwrap_err();
    let expected = "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: ec2:CreateVpc on resource: \
        arn:aws:ec2:eu-west-1:111122223333:vpc/* with an explicit deny in an identity-based policy";
    assert_eq!(denied.sentence(), expected);
    let encoded = api::encode_message(&denied);
    let answer = cloud.call("sts:DecodeAuthorizationMessage", json!({"EncodedMessage": encoded}));
    let message: Value = serde_json::from_str(answer["DecodedMessage"].as_str().unwrap()).unwrap();
    assert_eq!((&message["explicitDeny"], &message["context"]["action"]), (&json!(true), &json!("ec2:CreateVpc")));
    assert_eq!(message["matchedStatements"]["items"][0]["statementId"], "No");
    let denied = cloud.by(&dev, "sts:DecodeAuthorizationMessage", json!({"EncodedMessage": encoded})).unwrap_err();
    assert_eq!(denied.code, Code::AccessDenied);
    assert_eq!(cloud.refused("sts:DecodeAuthorizationMessage", json!({"EncodedMessage": "???"})), Code::InvalidAuthorizationMessageException);
}

#[test]
fn tags_and_a_source_identity_of_a_session_are_rights_of_their_own() {
    let mut cloud = Cloud::new();
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/tagged");
    let trusts = |actions: Value| {
        let principal = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:user/dev")});
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": actions}]}).to_string()
    };
    let dev = cloud.user("dev", &[]);
    cloud.call("CreateRole", json!({"RoleName": "tagged", "AssumeRolePolicyDocument": trusts(json!(["sts:AssumeRole"]))}));
    let ask = |more: Value| {
        let mut ask = json!({"RoleArn": arn, "RoleSessionName": "s1"});
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask
    };
    let tags = json!({"Tags": [{"Key": "dept", "Value": "eng"}]});
    let identity = json!({"SourceIdentity": "bob"});
    cloud.by(&dev, "sts:AssumeRole", ask(json!({}))).unwrap();
    for (more, action) in [(&tags, "sts:TagSession"), (&identity, "sts:SetSourceIdentity")] {
        let denied = cloud.by(&dev, "sts:AssumeRole", ask(more.clone())).unwrap_err();
        assert!(denied.code == Code::AccessDenied && denied.message.contains(action), "{denied:?}");
    }
    let all = trusts(json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]));
    cloud.call("UpdateAssumeRolePolicy", json!({"RoleName": "tagged", "PolicyDocument": all}));
    assert!(cloud.by(&dev, "sts:AssumeRole", ask(tags.clone())).is_ok());
    assert_eq!(cloud.by(&dev, "sts:AssumeRole", ask(identity)).unwrap()["SourceIdentity"], "bob");
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "sts:TagSession", "Resource": "*"}]});
    cloud.call("PutUserPolicy", json!({"UserName": "dev", "PolicyName": "no", "PolicyDocument": deny.to_string()}));
    assert_eq!(cloud.by(&dev, "sts:AssumeRole", ask(tags)).unwrap_err().code, Code::AccessDenied);
}

#[test]
fn a_session_token_without_a_second_factor_calls_nothing_of_iam() {
    let mut cloud = Cloud::new();
    let dev = cloud.user("dev", &[allow("*", "*")]);
    let answer = cloud.by(&dev, "sts:GetSessionToken", json!({})).unwrap();
    let session = cloud.key(&answer["Credentials"]);
    assert_eq!(cloud.by(&session, "ListUsers", json!({})).unwrap_err().code, Code::InvalidClientTokenId);
    assert_eq!(cloud.by(&session, "sts:GetAccessKeyInfo", json!({"AccessKeyId": dev.id})).unwrap_err().code, Code::AccessDenied);
    assert!(cloud.by(&session, "sts:GetCallerIdentity", json!({})).is_ok());
    assert!(cloud.by(&dev, "ListUsers", json!({})).is_ok());
}

#[test]
fn an_account_is_written_and_read_back_as_it_was() {
    let mut cloud = Cloud::new();
    cloud.user("dev", &[allow("ec2:*", "*")]);
    cloud.call("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust(ACCOUNT)}));
    let account = &cloud.accounts[ACCOUNT];
    let bytes = postcard::to_stdvec(account).unwrap();
    assert_eq!(&postcard::from_bytes::<Account>(&bytes).unwrap(), account);
    assert_eq!(account.entities(Kind::User).count(), 1);
}

#[test]
fn an_account_is_written_as_json_too() {
    let mut cloud = Cloud::new();
    cloud.user("dev", &[allow("ec2:*", "*")]);
    let account = &cloud.accounts[ACCOUNT];
    let text = serde_json::to_string(account).unwrap();
    assert_eq!(&serde_json::from_str::<Account>(&text).unwrap(), account);
}

#[test]
fn the_account_has_another_name_and_is_told_as_a_whole() {
    let mut cloud = Cloud::new();
    for bad in ["ab", "-shop", "shop-", "sh--op", "Shop", "111122223333"] {
        assert_eq!(cloud.refused("CreateAccountAlias", json!({"AccountAlias": bad})), Code::ValidationError, "{bad}");
    }
    cloud.call("CreateAccountAlias", json!({"AccountAlias": "my-shop"}));
    assert_eq!(cloud.call("ListAccountAliases", json!({}))["AccountAliases"], json!(["my-shop"]));
    assert_eq!(cloud.refused("DeleteAccountAlias", json!({"AccountAlias": "other"})), Code::NoSuchEntity);
    cloud.call("DeleteAccountAlias", json!({"AccountAlias": "my-shop"}));
    assert_eq!(cloud.call("ListAccountAliases", json!({}))["AccountAliases"], json!([]));

    cloud.user("dev", &[allow("ec2:*", "*")]);
    cloud.call("AttachUserPolicy", json!({"UserName": "dev", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}));
    cloud.call("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust(ACCOUNT)}));
    assert_eq!(cloud.call("GetAccountSummary", json!({}))["SummaryMap"]["Users"], 1);
    let all = cloud.call("GetAccountAuthorizationDetails", json!({"Filter": ["User", "Role"]}));
    assert_eq!((all["UserDetailList"][0]["AttachedManagedPolicies"][0]["PolicyName"].as_str(), all["RoleDetailList"].as_array().map(Vec::len)), (Some("ReadOnlyAccess"), Some(1)));
    assert_eq!((&all["Policies"], &all["GroupDetailList"]), (&json!([]), &json!([])));
    assert_eq!(cloud.refused("GetAccountAuthorizationDetails", json!({"Filter": ["Users"]})), Code::ValidationError);
}

#[test]
fn policies_of_aws_are_attached_and_changed_by_nobody() {
    let mut cloud = Cloud::new();
    let arn = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess";
    let dev = cloud.user("dev", &[]);
    assert_eq!(cloud.by(&dev, "GetPolicy", json!({"PolicyArn": arn})).unwrap_err().code, Code::AccessDenied);
    cloud.call("AttachUserPolicy", json!({"UserName": "dev", "PolicyArn": arn}));
    assert_eq!(cloud.call("GetPolicy", json!({"PolicyArn": arn}))["Policy"]["AttachmentCount"], 1);
    assert_eq!(cloud.refused("DeletePolicy", json!({"PolicyArn": arn})), Code::AccessDenied);
    assert_eq!(cloud.refused("AttachUserPolicy", json!({"UserName": "dev", "PolicyArn": "arn:aws:iam::aws:policy/Nothing"})), Code::NoSuchEntity);
    let listed = |cloud: &mut Cloud, scope: &str| cloud.call("ListPolicies", json!({"Scope": scope, "MaxItems": 1000}))["Policies"].as_array().unwrap().len();
    assert_eq!((listed(&mut cloud, "Local"), listed(&mut cloud, "AWS") > 10), (0, true));
}

#[test]
fn what_would_come_of_calls_is_simulated_with_the_same_decision() {
    let mut cloud = Cloud::new();
    let only_dev = json!([
        {"Effect": "Allow", "Action": "ec2:StopInstances", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/env": "dev"}}},
        {"Effect": "Deny", "Action": "ec2:DeleteVpc", "Resource": "*"},
    ]);
    cloud.user("dev", &[only_dev]);
    let ask = |cloud: &mut Cloud, more: Value| {
        let mut arguments = json!({"PolicySourceArn": "arn:aws:iam::111122223333:user/dev", "ActionNames": ["ec2:StopInstances", "ec2:DeleteVpc"]});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cloud.call("SimulatePrincipalPolicy", arguments)["EvaluationResults"].clone()
    };
    let plain = ask(&mut cloud, json!({}));
    assert_eq!((&plain[0]["EvalDecision"], &plain[1]["EvalDecision"]), (&json!("implicitDeny"), &json!("explicitDeny")));
    assert_eq!((&plain[0]["MissingContextValues"], &plain[1]["MatchedStatements"][0]["SourcePolicyId"]), (&json!(["ec2:ResourceTag/env"]), &json!("user dev: p0")));
    let entry = json!([{"ContextKeyName": "ec2:ResourceTag/env", "ContextKeyValues": ["dev"], "ContextKeyType": "string"}]);
    assert_eq!(ask(&mut cloud, json!({"ContextEntries": entry}))[0]["EvalDecision"], "allowed");
    let nothing = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}).to_string();
    let bounded = ask(&mut cloud, json!({"ContextEntries": entry, "PermissionsBoundaryPolicyInputList": [nothing]}));
    assert_eq!((&bounded[0]["EvalDecision"], &bounded[0]["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]), (&json!("implicitDeny"), &json!(false)));

    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "arn:aws:ec2:*:*:instance/${aws:username}"}}).to_string();
    let custom = cloud.call("SimulateCustomPolicy", json!({"PolicyInputList": [policy], "ActionNames": ["ec2:StopInstances"], "ResourceArns": ["arn:aws:ec2:r:a:instance/i-1"]}));
    assert_eq!((&custom["EvaluationResults"][0]["EvalDecision"], &custom["EvaluationResults"][0]["MissingContextValues"]), (&json!("implicitDeny"), &json!(["aws:username"])));
    let keys = cloud.call("GetContextKeysForCustomPolicy", json!({"PolicyInputList": [policy]}));
    assert_eq!(keys["ContextKeyNames"], json!(["aws:username"]));
    let keys = cloud.call("GetContextKeysForPrincipalPolicy", json!({"PolicySourceArn": "arn:aws:iam::111122223333:user/dev"}));
    assert_eq!(keys["ContextKeyNames"], json!(["ec2:ResourceTag/env"]));
    for bad in ["arn:aws:iam::111122223333:policy/x", "dev", "arn:aws:iam::111122223333:root"] {
        assert_eq!(cloud.refused("SimulatePrincipalPolicy", json!({"PolicySourceArn": bad, "ActionNames": ["ec2:StopInstances"]})), Code::InvalidInput, "{bad}");
    }
    assert_eq!(cloud.refused("SimulatePrincipalPolicy", json!({"PolicySourceArn": "arn:aws:iam::111122223333:user/dev", "ActionNames": ["StopInstances"]})), Code::InvalidInput);
}

#[test]
fn credentials_that_nobody_has_are_none_of_those_who_are_there() {
    let mut cloud = Cloud::new();
    cloud.user("dev", &[]);
    let dev = json!({"UserName": "dev"});
    for (operation, list) in [
        ("ListMFADevices", "MFADevices"),
        ("ListSSHPublicKeys", "SSHPublicKeys"),
        ("ListServiceSpecificCredentials", "ServiceSpecificCredentials"),
        ("ListSigningCertificates", "Certificates"),
    ] {
        assert_eq!(cloud.call(operation, dev.clone())[list], json!([]), "{operation}");
        assert_eq!(cloud.refused(operation, json!({"UserName": "nobody"})), Code::NoSuchEntity, "{operation}");
    }
    assert_eq!(cloud.call("ListVirtualMFADevices", json!({}))["VirtualMFADevices"], json!([]));
    for operation in ["GetLoginProfile", "DeleteLoginProfile"] {
        assert_eq!(cloud.refused(operation, dev.clone()), Code::NoSuchEntity, "{operation}");
    }
}
