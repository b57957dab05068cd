//! The endpoint before a cloud: requests as clients send them, answers as they read them.

use model::{Context, Model, Region, Timestamp};
use query::endpoint::Authentication;
use query::sigv4::{Secret, Signer, sign};
use query::{Backend, Call, Endpoint, Refusal, Request, Response, answer};
use serde_json::{Value, json};

use crate::values;

const NOW: Timestamp = Timestamp(1_795_597_200);
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCOUNT: &str = "111122223333";
const SIGNER: Signer<'static> =
    Signer { access_key_id: KEY, secret_access_key: SECRET, session_token: None, region: "us-east-1", service: "ec2" };

/// A cloud of one account and region, with one key.
struct Cloud {
    model: Model,
    now: Timestamp,
    calls: usize,
    region: String,
}

impl Backend for Cloud {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn secret(&self, access_key_id: &str) -> Option<Secret> {
        (access_key_id == KEY).then(|| Secret { secret_access_key: SECRET.to_owned(), session: None })
    }

    fn account(&self, _: Option<&str>) -> String {
        ACCOUNT.to_owned()
    }

    fn call(&mut self, call: &Call<'_>) -> Result<Value, Refusal> {
        self.calls += 1;
        self.region = call.region.to_owned();
        if call.service.name == "sts" {
            return Ok(json!({"Account": call.account, "UserId": call.access_key_id}));
        }
        let answer = ec2::call(&mut self.model, call.operation.name, call.parameters)?;
        assert_eq!(answer::strangers(call.service, call.operation, &answer), [""; 0], "{}", call.operation.name);
        Ok(answer)
    }
}

struct World {
    endpoint: Endpoint,
    cloud: Cloud,
}

impl World {
    fn new(authentication: Authentication) -> Self {
        let model = Model::new(ACCOUNT, Region::default(), Context::seeded(3, NOW));
        Self { endpoint: Endpoint::new(authentication, 1), cloud: Cloud { model, now: NOW, calls: 0, region: String::new() } }
    }

    fn open() -> Self {
        Self::new(Authentication::Off { region: "us-east-1".to_owned() })
    }

    fn send(&mut self, request: &Request) -> Response {
        self.endpoint.answer(&mut self.cloud, request)
    }

    fn ec2(&mut self, form: &str) -> Response {
        self.send(&post(&format!("Version=2016-11-15&{form}")))
    }

    fn succeeds(&mut self, form: &str) -> String {
        let response = self.ec2(form);
        assert_eq!(response.status, 200, "{form}: {}", response.body);
        response.body
    }

    fn refused(&mut self, form: &str) -> (String, u16) {
        let response = self.ec2(form);
        (code(&response), response.status)
    }
}

fn post(form: &str) -> Request {
    let headers = vec![("Host".to_owned(), "127.0.0.1:4566".to_owned())];
    let (method, path) = ("POST".to_owned(), "/".to_owned());
    Request { method, path, headers, body: form.as_bytes().to_vec(), ..Request::default() }
}

/// The text of the first element of this name.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
}

fn code(response: &Response) -> String {
    let code = element(&response.body, "Code").unwrap_or_else(|| panic!("no refusal: {}", response.body));
    assert_eq!(response.code.as_ref(), Some(&code));
    code
}

#[test]
fn a_signed_request_is_served_and_an_unsigned_one_is_not() {
    let mut world = World::new(Authentication::Signed);
    let mut request = post("Action=DescribeVpcs&Version=2016-11-15");
    let response = world.send(&request);
    assert_eq!((code(&response).as_str(), response.status), ("MissingAuthenticationToken", 403));
    sign(&mut request, SIGNER, NOW);
    let response = world.send(&request);
    assert_eq!((response.status, response.operation.as_deref(), response.code), (200, Some("DescribeVpcs"), None));
    assert!(response.body.contains("<vpcSet/>"), "{}", response.body);
    assert_eq!(response.headers[1].1, element(&response.body, "requestId").unwrap());
    world.cloud.now = NOW.plus(901);
    assert_eq!(code(&world.send(&request)), "RequestExpired");
}

#[test]
fn the_region_is_the_one_that_was_signed_for_verified_or_not() {
    let form = "Action=DescribeVpcs&Version=2016-11-15";
    for (authentication, secret_access_key) in
        [(Authentication::Signed, SECRET), (Authentication::Off { region: "us-east-1".to_owned() }, "anything")]
    {
        let mut world = World::new(authentication);
        let mut request = post(form);
        sign(&mut request, Signer { region: "eu-west-3", secret_access_key, ..SIGNER }, NOW);
        assert_eq!(world.send(&request).status, 200);
        assert_eq!(world.cloud.region, "eu-west-3");
    }
    let mut world = World::open();
    world.succeeds("Action=DescribeVpcs");
    assert_eq!(world.cloud.region, "us-east-1");
}

#[test]
fn the_service_of_the_scope_is_the_one_that_is_asked() {
    let mut world = World::new(Authentication::Signed);
    let signed = |form: &str, service| {
        let mut request = post(form);
        sign(&mut request, Signer { service, ..SIGNER }, NOW);
        request
    };
    let response = world.send(&signed("Action=GetCallerIdentity&Version=2011-06-15", "sts"));
    assert_eq!(element(&response.body, "Account").as_deref(), Some(ACCOUNT));
    assert_eq!(element(&response.body, "UserId").as_deref(), Some(KEY));
    assert_eq!(code(&world.send(&signed("Action=GetCallerIdentity&Version=2011-06-15", "ec2"))), "NoSuchVersion");
    let refused = world.send(&signed("Action=GetCallerIdentity&Version=2011-06-15", "s3"));
    assert!(refused.body.starts_with("<?xml") && refused.body.contains("<ErrorResponse"), "{}", refused.body);
}

#[test]
fn what_does_not_say_what_it_wants_is_refused() {
    let mut world = World::open();
    for (form, expected) in [
        ("", "MissingAction"),
        ("Version=2016-11-15", "MissingAction"),
        ("Action=&Version=2016-11-15", "MissingAction"),
        ("Action=DescribeVpcs", "MissingParameter"),
        ("Action=DescribeVpcs&Version=2014-02-30", "NoSuchVersion"),
        ("Action=DescribeTheMoon&Version=2016-11-15", "InvalidAction"),
        ("Action=CreateFleet&Version=2016-11-15", "InvalidAction"),
        ("Action=describevpcs&Version=2016-11-15", "InvalidAction"),
        ("Action=DescribeVpcs&Action=DeleteVpc&Version=2016-11-15", "InvalidQueryParameter"),
        ("Action=DescribeVpcs&Version=2016-11-15&A=%", "MalformedQueryString"),
    ] {
        let response = world.send(&post(form));
        assert_eq!((code(&response).as_str(), response.status), (expected, 400), "{form}");
    }
    let response = world.ec2("Action=CreateFleet");
    assert_eq!(response.operation.as_deref(), Some("CreateFleet"), "for the log");
    let put = Request { method: "PUT".to_owned(), ..post("Action=DescribeVpcs&Version=2016-11-15") };
    assert_eq!(world.send(&put).status, 405);
    let get = Request { method: "GET".to_owned(), query: "Action=DescribeVpcs&Version=2016-11-15".to_owned(), ..post("") };
    assert_eq!(world.send(&get).status, 200);
}

#[test]
fn a_network_is_built_through_the_wire() {
    let mut world = World::open();
    let tags = "TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=a%3Cb";
    let vpc = element(&world.succeeds(&format!("Action=CreateVpc&CidrBlock=10.0.0.0/16&{tags}")), "vpcId").unwrap();
    let subnet = world.succeeds(&format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.1.0/24"));
    let subnet = element(&subnet, "subnetId").unwrap();
    let image = element(&world.succeeds("Action=DescribeImages"), "imageId").unwrap();
    let image = format!("Action=RunInstances&ImageId={image}&InstanceType=t3.micro&MinCount=1&MaxCount=1");
    let empty = "IamInstanceProfile.Name=&Placement.AvailabilityZone=&Placement.GroupName=";
    let run = world.succeeds(&format!("{image}&SubnetId={subnet}&{empty}"));
    assert_eq!(element(&run, "subnetId").as_ref(), Some(&subnet));
    let launched = element(&run, "launchTime").unwrap();
    assert!(launched.ends_with(".000Z"), "{launched}");
    let found = world.succeeds("Action=DescribeVpcs&Filter.1.Name=tag:Name&Filter.1.Value.1=a*");
    assert!(found.contains("<tagSet><item><key>Name</key><value>a&lt;b</value></item></tagSet>"), "{found}");
    assert_eq!(world.refused(&format!("Action=DeleteVpc&VpcId={vpc}")), ("DependencyViolation".to_owned(), 400));
    assert_eq!(world.refused("Action=DeleteVpc&VpcId=vpc-0123456789abcdef0"), ("InvalidVpcID.NotFound".to_owned(), 400));
    assert_eq!(world.refused("Action=CreateVpc&CidrBlock=10.9.0.0/16&DryRun=true"), ("DryRunOperation".to_owned(), 412));
    assert_eq!(world.succeeds("Action=DescribeVpcs").matches("<vpcId>").count(), 1);
}

#[test]
fn a_request_that_is_repeated_with_its_token_happens_once() {
    let mut world = World::open();
    let create = "Action=CreateManagedPrefixList&PrefixListName=a&MaxEntries=1&AddressFamily=IPv4&ClientToken=t-1";
    let id = |body: &str| element(body, "prefixListId").unwrap();
    let first = id(&world.succeeds(create));
    assert_eq!(id(&world.succeeds(create)), first);
    assert_eq!(world.cloud.calls, 1);
    assert_eq!(world.refused(&create.replace("MaxEntries=1", "MaxEntries=2")).0, "IdempotentParameterMismatch");
    assert_ne!(id(&world.succeeds(&create.replace("t-1", "t-2"))), first);
    let dry = create.replace("t-1", "t-3") + "&DryRun=true";
    assert_eq!(world.refused(&dry).1, 412);
    world.succeeds(&create.replace("t-1", "t-3"));
    world.cloud.now = NOW.plus(86_400);
    assert_ne!(id(&world.succeeds(create)), first, "a day later it is a new request");
}

#[test]
fn long_lists_come_in_pages() {
    let mut world = World::open();
    let vpc = element(&world.succeeds("Action=CreateVpc&CidrBlock=10.0.0.0/16"), "vpcId").unwrap();
    for number in 0..12 {
        world.succeeds(&format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.{number}.0/24"));
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = world.succeeds(&format!("Action=DescribeSubnets&MaxResults=5&NextToken={token}"));
        let subnets: Vec<String> = page.split("<subnetId>").skip(1).map(|rest| rest[..24].to_owned()).collect();
        assert!(subnets.len() <= 5);
        seen.extend(subnets);
        match element(&page, "nextToken") {
            Some(next) => token = next,
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 12);
    assert_eq!(world.refused("Action=DescribeSubnets&MaxResults=5&NextToken=abc").0, "InvalidNextToken");
    assert_eq!(world.refused(&format!("Action=DescribeVpcs&NextToken={token}")).0, "InvalidNextToken");
    assert_eq!(world.refused("Action=DescribeSubnets&MaxResults=4").0, "InvalidParameterValue");
    assert_eq!(world.refused("Action=DescribeInstances&MaxResults=1001").0, "InvalidParameterValue");
}

#[test]
fn whatever_is_sent_to_any_operation_gets_an_answer_or_a_refusal_that_is_the_clients_fault() {
    let mut world = World::open();
    let ec2 = query::shapes::service("ec2").unwrap();
    let (mut values, mut answered) = (values::Values::new(11), 0);
    for operation in ec2.operations() {
        for round in 0..30 {
            let mut parameters = operation.input.map_or(json!({}), |input| values.of(ec2, input));
            // One member alone, some, or all of them.
            if let Some(fields) = parameters.as_object_mut() {
                fields.retain(|name, _| name != "DryRun" && (round % 3 == 2 || values.below(3) == 0));
            }
            let pairs = query::parameters::write(ec2, operation, &parameters);
            let form = query::form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let response = world.ec2(&format!("Action={}&{form}", operation.name));
            assert!(response.status < 500, "{form}: {}", response.body);
            answered += usize::from(response.status == 200);
        }
    }
    assert!(answered > 100, "{answered}");
}
