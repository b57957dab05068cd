//! Two accounts with networks in every region, and clients that sign.

use std::collections::BTreeMap;

use door::{Knock, Regions, Visit};
use iam::account::Key;
use iam::{Account, Environment};
use model::Timestamp;
use model::random::SplitMix64;
use query::endpoint::Authentication;
use query::sigv4::{Signer, sign};
use query::{Endpoint, Request, Response, form, parameters, reply, shapes};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "111122223333";
pub const OTHER: &str = "444455556666";
pub const REGION: &str = "ap-northeast-2";

/// Code and status of a refusal.
pub type Refused = (String, u16);

/// A client's key.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Client {
    pub fn of(key: &Key) -> Self {
        Self { id: key.id.clone(), secret: key.secret.clone(), token: None }
    }

    /// As answers of IAM (`AccessKey`) and STS (`Credentials`) have it.
    pub fn read(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Self { id: text("AccessKeyId").unwrap(), secret: text("SecretAccessKey").unwrap(), token: text("SessionToken") }
    }
}

pub struct World {
    pub accounts: BTreeMap<String, Account>,
    pub regions: Regions,
    pub endpoint: Endpoint,
    pub now: Timestamp,
    pub source_ip: std::net::IpAddr,
    pub region: &'static str,
    pub owner: Client,
    random: SplitMix64,
}

impl World {
    pub fn new() -> Self {
        Self::with(Authentication::Signed, Timestamp(1_795_597_200))
    }

    pub fn with(authentication: Authentication, now: Timestamp) -> Self {
        let mut random = SplitMix64(7);
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64() as u8);
        let mut environment = Environment { now, random: &mut fill };
        let mut account = Account::new(ACCOUNT);
        let owner = Client::of(&iam::operation::create_root_key(&mut account, &mut environment));
        let accounts = [account, Account::new(OTHER)].map(|account| (account.id.clone(), account));
        Self {
            accounts: BTreeMap::from(accounts),
            regions: Regions::seeded(3),
            endpoint: Endpoint::new(authentication, 1),
            now,
            source_ip: [127, 0, 0, 1].into(),
            region: REGION,
            owner,
            random,
        }
    }

    /// The owner's key of the other account.
    pub fn other_owner(&mut self) -> Client {
        let random = &mut self.random;
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64() as u8);
        let mut environment = Environment { now: self.now, random: &mut fill };
        Client::of(&iam::operation::create_root_key(self.accounts.get_mut(OTHER).unwrap(), &mut environment))
    }

    pub fn send(&mut self, request: &Request) -> Response {
        let random = &mut self.random;
        let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64() as u8);
        let environment = Environment { now: self.now, random: &mut fill };
        let knock = Knock::of(request, self.source_ip, false);
        let cloud = &mut self.regions;
        let mut visit = Visit { accounts: &mut self.accounts, cloud, environment, knock: &knock, home: ACCOUNT, made_key: None };
        self.endpoint.answer(&mut visit, request)
    }

    /// A call: `iam:CreateUser`, or the name of one of EC2's.
    pub fn call(&mut self, client: &Client, operation: &str, arguments: Value) -> Result<Value, Refused> {
        self.tell(client, operation, arguments).map_err(|(code, _, status)| (code, status))
    }

    /// The same with the message of a refusal.
    pub fn tell(&mut self, client: &Client, operation: &str, arguments: Value) -> Result<Value, (String, String, u16)> {
        let (service, name) = operation.split_once(':').unwrap_or(("ec2", operation));
        let service = shapes::service(service).unwrap();
        let operation = service.operation(name).unwrap();
        assert_eq!(parameters::strangers(service, operation, &arguments), [""; 0], "{name}");
        let mut pairs = parameters::write(service, operation, &arguments);
        pairs.extend([("Action".to_owned(), name.to_owned()), ("Version".to_owned(), service.version.to_owned())]);
        let form = form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let headers = vec![("Host".to_owned(), "127.0.0.1".to_owned()), ("User-Agent".to_owned(), "tests/1".to_owned())];
        let (method, path) = ("POST".to_owned(), "/".to_owned());
        let mut request = Request { method, path, headers, body: form.into_bytes(), ..Request::default() };
        let signer = Signer {
            access_key_id: &client.id,
            secret_access_key: &client.secret,
            session_token: client.token.as_deref(),
            region: self.region,
            service: service.name,
        };
        sign(&mut request, signer, self.now);
        let response = self.send(&request);
        let read = reply::read(service, operation, &response).unwrap();
        read.map_err(|refused| (refused.code, refused.message, response.status))
    }

    /// A call of the owner that must succeed.
    pub fn own(&mut self, operation: &str, arguments: Value) -> Value {
        let owner = self.owner.clone();
        self.call(&owner, operation, arguments).unwrap_or_else(|refused| panic!("{operation}: {refused:?}"))
    }

    /// A user with these statements, and its key.
    pub fn user(&mut self, name: &str, statements: Value) -> Client {
        self.own("iam:CreateUser", json!({"UserName": name}));
        self.give(name, statements);
        Client::read(&self.own("iam:CreateAccessKey", json!({"UserName": name}))["AccessKey"])
    }

    /// Other statements for a user.
    pub fn give(&mut self, name: &str, statements: Value) {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        self.own("iam:PutUserPolicy", json!({"UserName": name, "PolicyName": "p", "PolicyDocument": document}));
    }

    pub fn vpc(&mut self, block: &str) -> String {
        self.own("CreateVpc", json!({"CidrBlock": block}))["Vpc"]["VpcId"].as_str().unwrap().to_owned()
    }

    pub fn subnet(&mut self, vpc: &str, block: &str) -> String {
        let made = self.own("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": block}));
        made["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
    }

    pub fn image(&mut self) -> String {
        self.own("DescribeImages", json!({}))["Images"][0]["ImageId"].as_str().unwrap().to_owned()
    }
}

/// `UnauthorizedOperation`.
pub fn unauthorized() -> Refused {
    ("UnauthorizedOperation".to_owned(), 403)
}

/// The name of a resource of the first account.
pub fn arn(resource: &str) -> String {
    format!("arn:aws:ec2:{REGION}:{ACCOUNT}:{resource}")
}
