//! Roles of instances through the wire: who may pass one, which profile there is, what is shown (IAM-3, semantics §17).

use serde_json::{Value, json};

use crate::world::{ACCOUNT, Client, World};

const EC2: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

struct Scene {
    world: World,
    instance: String,
    launch: Value,
}

fn scene() -> Scene {
    let mut world = World::new();
    for role in ["app", "db"] {
        world.own("iam:CreateRole", json!({"RoleName": role, "AssumeRolePolicyDocument": EC2}));
        world.own("iam:CreateInstanceProfile", json!({"InstanceProfileName": role}));
        world.own("iam:AddRoleToInstanceProfile", json!({"InstanceProfileName": role, "RoleName": role}));
    }
    world.own("iam:CreateInstanceProfile", json!({"InstanceProfileName": "empty"}));
    let vpc = world.own("CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))["Vpc"]["VpcId"].clone();
    let subnet = world.own("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": "10.0.1.0/24"}))["Subnet"]["SubnetId"].clone();
    let image = world.own("DescribeImages", json!({}))["Images"][0]["ImageId"].clone();
    let launch = json!({"ImageId": image, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet});
    let instance = world.own("RunInstances", launch.clone())["Instances"][0]["InstanceId"].as_str().unwrap().to_owned();
    Scene { world, instance, launch }
}

impl Scene {
    fn with_profile(&self, profile: Value) -> Value {
        let mut launch = self.launch.clone();
        launch["IamInstanceProfile"] = profile;
        launch
    }

    fn refused(&mut self, client: &Client, operation: &str, arguments: Value) -> (String, String) {
        let (code, message, _) = self.world.tell(client, operation, arguments).unwrap_err();
        (code, message)
    }
}

#[test]
fn a_launch_with_a_role_needs_the_right_to_pass_that_role() {
    let mut scene = scene();
    let launch = scene.with_profile(json!({"Name": "app"}));
    let dev = scene.world.user("dev", json!([{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]));
    let (code, message) = scene.refused(&dev, "RunInstances", launch.clone());
    assert!(code == "UnauthorizedOperation" && message.contains("iam:PassRole on resource: arn:aws:iam::111122223333:role/app"), "{message}");
    let pass = |condition: Value| {
        json!([
            {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/app", "Condition": condition},
        ])
    };
    scene.world.give("dev", pass(json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})));
    assert_eq!(scene.refused(&dev, "RunInstances", launch.clone()).0, "UnauthorizedOperation");
    scene.world.give("dev", pass(json!({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}, "ArnLike": {"iam:AssociatedResourceArn": "arn:aws:ec2:*:*:instance/*"}})));
    let launched = scene.world.call(&dev, "RunInstances", launch).unwrap();
    let profile = &launched["Instances"][0]["IamInstanceProfile"];
    assert_eq!(profile["Arn"], format!("arn:aws:iam::{ACCOUNT}:instance-profile/app"));
    assert!(profile["Id"].as_str().unwrap().starts_with("AIPA"), "{profile}");
    let other = scene.with_profile(json!({"Arn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/db")}));
    assert_eq!(scene.refused(&dev, "RunInstances", other).0, "UnauthorizedOperation");
}

#[test]
fn a_role_that_a_launch_template_names_is_passed_like_any_other() {
    let mut scene = scene();
    let launch = scene.launch.clone();
    let data = json!({"ImageId": launch["ImageId"], "IamInstanceProfile": {"Name": "app"}});
    scene.world.own("CreateLaunchTemplate", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let by_template = json!({"MinCount": 1, "MaxCount": 1, "SubnetId": launch["SubnetId"], "LaunchTemplate": {"LaunchTemplateName": "web"}});
    let dev = scene.world.user("dev", json!([{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]));
    let (code, message) = scene.refused(&dev, "RunInstances", by_template.clone());
    assert!(code == "UnauthorizedOperation" && message.contains("iam:PassRole on resource: arn:aws:iam::111122223333:role/app"), "{message}");
    scene.world.give("dev", json!([
        {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/app"},
    ]));
    let launched = scene.world.call(&dev, "RunInstances", by_template.clone()).unwrap();
    let profile = &launched["Instances"][0]["IamInstanceProfile"];
    assert_eq!(profile["Arn"], format!("arn:aws:iam::{ACCOUNT}:instance-profile/app"));
    assert!(profile["Id"].as_str().unwrap().starts_with("AIPA"), "{profile}");
    // What the launch says comes before what the template says.
    let mut over = by_template.clone();
    over["IamInstanceProfile"] = json!({"Name": "db"});
    let (code, message) = scene.refused(&dev, "RunInstances", over);
    assert!(code == "UnauthorizedOperation" && message.contains("role/db"), "{message}");
    // A profile that went away since the template was made.
    let data = json!({"ImageId": launch["ImageId"], "IamInstanceProfile": {"Name": "gone"}});
    scene.world.own("CreateLaunchTemplateVersion", json!({"LaunchTemplateName": "web", "LaunchTemplateData": data}));
    let mut latest = by_template;
    latest["LaunchTemplate"]["Version"] = "$Latest".into();
    let owner = scene.world.owner.clone();
    assert_eq!(scene.refused(&owner, "RunInstances", latest).0, "InvalidParameterValue");
}

#[test]
fn profiles_that_are_not_there_and_those_without_a_role_are_refused() {
    let mut scene = scene();
    let owner = scene.world.owner.clone();
    for (profile, code, part) in [
        (json!({"Name": "nobody"}), "InvalidParameterValue", "Value (nobody) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"),
        (json!({"Arn": "arn:aws:iam::111122223333:instance-profile/nobody"}), "InvalidParameterValue", "Invalid IAM Instance Profile ARN"),
        (json!({"Name": "empty"}), "InvalidParameterValue", "has no associated IAM Roles"),
        (json!({"Name": "app", "Arn": "arn:aws:iam::111122223333:instance-profile/app"}), "InvalidParameterCombination", "in combination with"),
    ] {
        let launch = scene.with_profile(profile);
        let (found, message) = scene.refused(&owner, "RunInstances", launch);
        assert!(found == code && message.contains(part), "{found}: {message}");
    }
}

#[test]
fn a_profile_is_associated_replaced_and_taken_away() {
    let mut scene = scene();
    let (owner, instance) = (scene.world.owner.clone(), scene.instance.clone());
    let associate = |name: &str| json!({"InstanceId": instance, "IamInstanceProfile": {"Name": name}});
    let made = scene.world.own("AssociateIamInstanceProfile", associate("app"))["IamInstanceProfileAssociation"].clone();
    assert_eq!((&made["State"], &made["InstanceId"]), (&json!("associating"), &json!(instance)));
    assert_eq!(scene.refused(&owner, "AssociateIamInstanceProfile", associate("db")).0, "IncorrectState");
    let replaced = scene.world.own("ReplaceIamInstanceProfileAssociation", json!({"AssociationId": made["AssociationId"], "IamInstanceProfile": {"Name": "db"}}));
    let id = replaced["IamInstanceProfileAssociation"]["AssociationId"].clone();
    assert_ne!(id, made["AssociationId"]);
    let filters = json!([{"Name": "instance-id", "Values": [instance]}, {"Name": "state", "Values": ["associated"]}]);
    let shown = scene.world.own("DescribeIamInstanceProfileAssociations", json!({"Filters": filters}));
    assert_eq!(shown["IamInstanceProfileAssociations"][0]["AssociationId"], id);
    assert_eq!(scene.refused(&owner, "DisassociateIamInstanceProfile", json!({"AssociationId": made["AssociationId"]})).0, "InvalidAssociationID.NotFound");

    // What is taken away is the instance's: that is what is asked for.
    let tagged = json!([{"Effect": "Allow", "Action": "ec2:DisassociateIamInstanceProfile", "Resource": "arn:aws:ec2:*:*:instance/*", "Condition": {"StringEquals": {"ec2:ResourceTag/env": "dev"}}}]);
    let dev = scene.world.user("dev", tagged);
    assert_eq!(scene.refused(&dev, "DisassociateIamInstanceProfile", json!({"AssociationId": id})).0, "UnauthorizedOperation");
    scene.world.own("CreateTags", json!({"Resources": [instance], "Tags": [{"Key": "env", "Value": "dev"}]}));
    scene.world.call(&dev, "DisassociateIamInstanceProfile", json!({"AssociationId": id})).unwrap();
    assert_eq!(scene.world.own("DescribeIamInstanceProfileAssociations", json!({}))["IamInstanceProfileAssociations"], json!([]));
    scene.world.own("TerminateInstances", json!({"InstanceIds": [instance]}));
    let after = scene.refused(&owner, "AssociateIamInstanceProfile", associate("app")).0;
    assert_eq!(after, "IncorrectInstanceState");
}

#[test]
fn when_a_key_was_used_last_is_kept_to_the_minute() {
    let mut scene = scene();
    let dev = scene.world.user("dev", json!([{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]));
    let used = |scene: &mut Scene| scene.world.own("iam:GetAccessKeyLastUsed", json!({"AccessKeyId": dev.id}))["AccessKeyLastUsed"].clone();
    assert_eq!(used(&mut scene)["ServiceName"], "N/A");
    scene.world.call(&dev, "DescribeVpcs", json!({})).unwrap();
    let first = used(&mut scene);
    assert_eq!((&first["ServiceName"], &first["Region"]), (&json!("ec2"), &json!("ap-northeast-2")));
    scene.world.now = scene.world.now.plus(30);
    scene.world.call(&dev, "DescribeVpcs", json!({})).unwrap();
    assert_eq!(used(&mut scene), first);
    scene.world.now = scene.world.now.plus(60);
    scene.world.call(&dev, "DescribeVpcs", json!({})).unwrap();
    assert_ne!(used(&mut scene)["LastUsedDate"], first["LastUsedDate"]);
}
