//! Who may do what: from a lab file to the API, from the API to a file, and in instances.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::home::{Done, Home, find};

fn example() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/iam.yaml")).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn promises_about_rights_are_judged_and_failures_say_why() {
    let home = Home::with_lab(&example());
    let told = home.yes(&["test", "--engine", "proof"]);
    assert!(told.contains("ok   user dev ec2:StopInstances on instance web: denied") && told.ends_with("9 passed, 0 failed\n"), "{told}");
    let wrong = example().replace("on instance web: denied", "on instance web: allowed").replace("- user dev ec2:TerminateInstances: denied", "- user dev ec2:TerminateInstances on web, sandbx: denied");
    home.write("lab.yaml", wrong);
    let told = home.run(&["test", "--engine", "proof", "user dev"]);
    assert_eq!(told.code, 1);
    for expected in [
        "FAIL user dev ec2:StopInstances on instance web: allowed\n       ec2:StopInstances on instance web: denied because no identity-based policy allows it\n",
        "no instance is called `sandbx`; did you mean `sandbox`?",
    ] {
        assert!(told.stdout.contains(expected), "{}", told.stdout);
    }
    let told = json(&home.run(&["test", "--engine", "proof", "contractor", "-o", "json"]).stdout);
    assert_eq!((told[0]["status"].as_str(), told[0]["engine"].as_str()), (Some("passed"), Some("iam")), "{told}");
}

#[test]
fn a_decision_is_told_statement_by_statement() {
    let home = Home::with_lab(&example());
    let denied = home.run(&["iam", "why", "dev", "ec2:StopInstances", "web"]);
    assert_eq!(denied.code, 1);
    for expected in ["user dev ec2:StopInstances on instance web: denied", "group developers: operate, statement 2: allow", "ec2:ResourceTag/env is prod"] {
        assert!(denied.stdout.contains(expected), "{expected}: {}", denied.stdout);
    }
    let allowed = home.run(&["iam", "why", "dev", "ec2:StopInstances", "instance", "sandbox"]);
    assert_eq!(allowed.code, 0, "{}", allowed.stdout);
    let bounded = home.run(&["iam", "why", "contractor", "iam:CreateUser"]);
    assert!(bounded.code == 1 && bounded.stdout.contains("permissions boundary"), "{}", bounded.stdout);
    let told = json(&home.run(&["iam", "why", "role/app", "ec2:TerminateInstances", "web", "-o", "json"]).stdout);
    assert_eq!((told[0]["outcome"].as_str(), told[0]["allowed"].as_bool()), (Some("implicit-deny"), Some(false)));
    assert!(told[0]["statements"].as_array().is_some_and(|all| !all.is_empty()) && told[0]["context"]["ec2:resourcetag/env"][0] == "prod", "{told}");
    for (arguments, hint) in [
        (&["iam", "why", "dev", "ec2:StopInstance"][..], "did you mean `ec2:StopInstances`?"),
        (&["iam", "why", "def", "ec2:StopInstances"], "did you mean `dev`?"),
        (&["iam", "why", "dev", "ec2:StopInstances", "wed"], "did you mean `web`?"),
        (&["iam", "why", "dev", "ec2:DescribeInstances", "web"], "leave it out"),
        (&["iam", "why", "dev", "ec2:StopInstances", "--context", "x=y"], "--context aws:SourceIp"),
    ] {
        let done = home.run(arguments);
        assert!(done.code == 2 && done.stderr.contains(hint), "{arguments:?}: {}", done.stderr);
    }
}

#[test]
fn statements_about_other_actions_are_counted_and_not_told() {
    let lab = "iam:
  users:
    u:
      inline:
        look: [allow ec2:Describe*, allow s3:Get*, allow sqs:*]
        run: [allow ec2:RunInstances, deny iam:*]
        rest: [allow sns:*, allow sts:*]
";
    let home = Home::with_lab(lab);
    let told = home.yes(&["iam", "why", "u", "ec2:RunInstances"]);
    assert!(told.contains("\n  6 statements are about other actions: "), "{told}");
    assert!(told.contains("look (1, 2, 3)") && told.contains("run (2)") && told.contains("rest (1, 2)"), "{told}");
    assert!(told.contains("run, statement 1: allow") && told.contains("    applies\n") && !told.contains("its actions do not include"), "{told}");
    let wide = home.yes(&["iam", "why", "u", "ec2:RunInstances", "-o", "wide"]);
    assert_eq!(wide.matches("its actions do not include ec2:RunInstances").count(), 6, "{wide}");
    let one = home.run(&["iam", "why", "u", "kms:Decrypt", "--json"]);
    assert_eq!(json(&one.stdout)[0]["statements"].as_array().unwrap().len(), 7, "{}", one.stdout);
}

#[test]
fn promises_about_rights_that_speak_of_nothing_are_not_legal() {
    let promise = |text: &str| format!("{}expect: [\"{text}\"]\n", example().split("expect:").next().unwrap());
    for (lab, said) in [
        (promise("user dev ec2:StopInstances on instance nope: denied"), "no instance is called `nope`"),
        (promise("user dve ec2:StopInstances: denied"), "did you mean `dev`?"),
        (promise("user dev ec2:StopInstances on vpc shop: denied"), "ec2:StopInstances does not touch vpc"),
        ("expect: ['user x ec2:StopInstances on instance nope: denied']\n".to_owned(), "no instance is called `nope`"),
    ] {
        let home = Home::with_lab(&lab);
        let done = home.run(&["validate"]);
        assert!(done.code == 2 && done.stderr.contains(said) && done.stderr.contains("lab.yaml:") && done.stdout.is_empty(), "{}{}", done.stdout, done.stderr);
    }
    // Whom clients of AWS will make, no file without `iam:` can know.
    let home = Home::with_lab("expect: ['user x ec2:RunInstances: denied']\n");
    let done = home.run(&["validate"]);
    assert!(done.code == 0 && done.stderr.contains("note: this file has no `iam:`, so user x has to be made by clients of AWS"), "{}{}", done.stdout, done.stderr);
    let test = home.run(&["test", "--engine", "proof"]);
    assert!(test.code != 0 && test.stdout.contains("there is no user called `x`; no user is there at all: `users:` under `iam:`"), "{}{}", test.stdout, test.stderr);
    Home::with_lab(&example()).yes(&["validate"]);
}

#[test]
fn what_looks_wrong_is_told_worst_first() {
    let home = Home::with_lab(
        "iam:
  policies:
    unused: [allow ec2:Describe*]
    typo: [allow ec2:DescribeInstance, deny ec2:DescribeVpcs on vpc/*]
  users:
    boss: AdministratorAccess
    sly: { inline: { pass: ['allow iam:PassRole on role/*', 'allow ec2:RunInstances'] } }
    wide: { inline: { wide: allow ec2:* }, policies: typo }
  roles: { open: { trust: { Version: 2012-10-17, Statement: { Effect: Allow, Principal: \"*\", Action: sts:AssumeRole } } } }
",
    );
    let done = home.run(&["iam", "lint"]);
    assert_eq!(done.code, 1);
    for expected in [
        "error: user boss: may do everything (user boss: AdministratorAccess) [admin]",
        "error: user sly: with iam:PassRole and ec2:RunInstances launches an instance",
        "error: role open: trust: everybody may assume it",
        "warning: user wide: wide, statement 1: gives ec2:* on everything [wildcard]",
        "warning: policy typo, statement 1: there is no action `ec2:DescribeInstance` [unknown-action]",
        "warning: policy typo, statement 2: no action of it can be asked for its resources",
        "info: policy unused: nobody has it [unused-policy]",
    ] {
        assert!(done.stdout.contains(expected), "{expected}: {}", done.stdout);
    }
    assert!(done.stdout.find("[admin]") < done.stdout.find("[wildcard]"));
    let quiet = home.run(&["iam", "lint", "--allow", "admin,escalation,open-trust,wildcard,unknown-action,never-matches"]);
    assert_eq!(quiet.code, 0, "{}", quiet.stdout);
    assert_eq!(home.run(&["iam", "lint", "--allow", "admn"]).code, 2);
    home.write("lab.yaml", example());
    assert_eq!(home.run(&["iam", "lint", "--allow", "wildcard"]), Done { code: 0, stdout: "nothing looks wrong\n".into(), stderr: String::new() });
}

/// Runs a line of the shell with the settings that `env` prints for a user.
fn by(home: &Home, user: &str, line: &str) -> (i32, String) {
    let arguments: &[&str] = if user.is_empty() { &["env"] } else { &["env", "--user", user] };
    let settings = home.yes(arguments);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{settings}\nexport AWS_PAGER='' no_proxy=127.0.0.1\n{line}")]).current_dir(home.path(""));
    let output = shell.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A signed call by curl.
fn call(service: &str, form: &str) -> String {
    format!(
        "curl -s --aws-sigv4 \"aws:amz:$AWS_DEFAULT_REGION:{service}\" --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" -d '{form}' \"$AWS_ENDPOINT_URL/\""
    )
}

#[test]
fn a_lab_of_a_file_serves_its_users_and_an_edit_keeps_their_keys() {
    if find("curl").is_none() {
        panic!("curl is needed: apt-get install curl");
    }
    let home = Home::with_lab(&example());
    let up = home.yes(&["up"]);
    assert!(up.contains("+ user dev") && up.contains("+ role app"), "{up}");
    assert!(home.yes(&["up"]).contains("no changes"));
    assert!(home.run(&["env", "--user", "dev"]).stderr.contains("vpclab serve --ec2"));
    home.yes(&["serve", "--ec2", "127.0.0.1:0"]);
    let key = home.yes(&["iam", "key", "dev"]);
    assert_eq!(home.yes(&["iam", "key", "dev"]), key, "one that is there is shown again");
    let describe = call("ec2", "Action=DescribeInstances&Version=2016-11-15");
    let (_, told) = by(&home, "dev", &describe);
    assert!(told.contains("<instanceId>i-") && told.contains("instance-profile/app") && told.contains("<id>AIPA"), "{told}");
    let id = |name: &str| home.yes(&["ls", "instances", "-o", "json", "--filter", &format!("name={name}"), "--query", "[0].id"]).trim().trim_matches('"').to_owned();
    let stop = |id: &str| call("ec2", &format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}"));
    let (_, told) = by(&home, "dev", &stop(&id("web")));
    assert!(told.contains("<Code>UnauthorizedOperation</Code>") && told.contains("user/dev is not authorized to perform: ec2:StopInstances"), "{told}");
    let encoded = told.split("Encoded authorization failure message: ").nth(1).unwrap().split('<').next().unwrap();
    let (_, told) = by(&home, "", &call("sts", &format!("Action=DecodeAuthorizationMessage&Version=2011-06-15&EncodedMessage={encoded}")));
    assert!(told.contains("ec2:StopInstances") && told.contains("explicitDeny"), "{told}");
    let (_, told) = by(&home, "dev", &stop(&id("sandbox")));
    assert!(told.contains("<name>stopping</name>"), "{told}");
    let users = home.yes(&["ls", "users", "-o", "json"]);
    let dev = json(&users).as_array().unwrap().iter().find(|user| user["name"] == "dev").unwrap().clone();
    assert_ne!(dev["last_used"], "-", "{users}");
    assert!(home.yes(&["inspect", "dev"]).contains("kind: user") && home.yes(&["ls", "roles"]).contains("ec2.amazonaws.com"));

    // Passing a role is a right of its own.
    let launch = "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&ImageId=$IMAGE&IamInstanceProfile.Name=app&DryRun=true";
    let image = home.yes(&["ls", "instances", "-o", "json"]);
    assert!(image.contains("web"));
    let (_, told) = by(&home, "contractor", &call("ec2", "Action=DescribeImages&Version=2016-11-15"));
    let image = told.split("<imageId>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let subnet = home.yes(&["ls", "subnets", "-o", "json", "--query", "[0].id"]).trim().trim_matches('"').to_owned();
    let launch = format!("{}&SubnetId={subnet}", launch.replace("$IMAGE", &image));
    let (_, told) = by(&home, "contractor", &call("ec2", &launch));
    assert!(told.contains("UnauthorizedOperation") && told.contains("iam:PassRole"), "{told}");
    let (_, told) = by(&home, "", &call("ec2", &launch));
    assert!(told.contains("DryRunOperation"), "{told}");
    let (_, told) = by(&home, "", &call("ec2", &launch.replace("Name=app", "Name=nobody")));
    assert!(told.contains("Invalid IAM Instance Profile name"), "{told}");

    // An edit takes a right, and the key goes on to be the same.
    home.write("lab.yaml", example().replace("dev: { groups: developers }", "dev:").replace("  - user dev ec2:StopInstances on instance sandbox: allowed\n", ""));
    for command in [&["plan"][..], &["diff", "lab", "lab.yaml"]] {
        let told = home.yes(command);
        assert!(told.contains("~ user dev: groups: -developers"), "{told}");
    }
    home.yes(&["up"]);
    assert_eq!(home.yes(&["iam", "key", "dev"]), key);
    assert!(by(&home, "dev", &describe).1.contains("UnauthorizedOperation"));

    // What the API makes is written as a file that is the same lab.
    let (_, told) = by(&home, "", &call("iam", "Action=CreateUser&Version=2010-05-08&UserName=made"));
    assert!(told.contains("<UserName>made</UserName>"), "{told}");
    home.yes(&["start", "sandbox"]);
    home.yes(&["export", "lab", "-w", "again.yaml"]);
    let again = std::fs::read_to_string(home.path("again.yaml")).unwrap();
    assert!(again.contains("made: {}") && again.contains("profile: \"app\"") && !again.contains(key.lines().next().unwrap()), "{again}");
    let name = "lab";
    let plan = home.yes(&["plan", "again.yaml", "--lab", name]);
    assert!(!plan.contains("user") && !plan.contains("role") && !plan.contains("policy"), "{plan}\n{again}");
}

#[test]
fn an_instance_acts_as_its_role_by_the_credentials_of_its_metadata() {
    let home = Home::with_lab(&example());
    home.yes(&["up"]);
    let inside = |line: &str| home.run(&["exec", "web", "--", "sh", "-c", line]);
    let token = "T=$(curl -s -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')";
    let get = |path: &str| inside(&format!("{token}; curl -s -H \"X-aws-ec2-metadata-token: $T\" http://169.254.169.254/latest/meta-data/iam/{path}")).stdout;
    assert_eq!(get("security-credentials/"), "app");
    let info = json(&get("info"));
    assert!(info["InstanceProfileArn"].as_str().unwrap().ends_with(":instance-profile/app") && info["InstanceProfileId"].as_str().unwrap().starts_with("AIPA"), "{info}");
    let credentials = json(&get("security-credentials/app"));
    assert!(credentials["Code"] == "Success" && credentials["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{credentials}");
    assert_eq!(json(&get("security-credentials/app"))["AccessKeyId"], credentials["AccessKeyId"], "the same until they end soon");
    assert_eq!(home.run(&["exec", "sandbox", "--", "curl", "-sf", "http://169.254.169.254/latest/meta-data/iam/info"]).code, 22, "no role, nothing");

    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let signed = |service: &str, form: &str| {
        let call = call(service, form).replace(" -d ", &format!(" -H 'X-Amz-Security-Token: {}' -d ", text("Token")));
        let keys = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", text("AccessKeyId"), text("SecretAccessKey"));
        inside(&format!("export {keys}; {call}"))
    };
    let who = signed("sts", "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(who.stdout.contains("assumed-role/app/i-"), "{}{}", who.stdout, who.stderr);
    let looked = signed("ec2", "Action=DescribeInstances&Version=2016-11-15");
    assert!(looked.stdout.contains("<instanceId>"), "{}", looked.stdout);
    let refused = signed("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.9.0.0/16");
    assert!(refused.stdout.contains("UnauthorizedOperation") && refused.stdout.contains("assumed-role/app/"), "{}", refused.stdout);
    // Whoever cannot reach the internet cannot reach the API.
    home.write("lab.yaml", example().replace("sg: web, public_ip: true, listen: tcp/80, role", "sg: web, public_ip: false, listen: tcp/80, role").replace("  - internet -> web tcp/80: open\n", ""));
    home.yes(&["up"]);
    let lost = inside("curl -s -m 2 \"$AWS_ENDPOINT_URL\"");
    assert_ne!(lost.code, 0, "{}", lost.stdout);
}
