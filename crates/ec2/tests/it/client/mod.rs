//! A client in tests: calls that must work, calls that must not, and the usual first resources.

use model::{Context, Model, Region, Timestamp};
use serde_json::{Value, json};

/// A client of an empty region.
pub struct Client {
    pub model: Model,
}

impl Client {
    pub fn new() -> Self {
        Self { model: Model::new("111122223333", Region::default(), Context::seeded(3, Timestamp(1_795_597_709))) }
    }

    /// A call that must succeed.
    pub fn call(&mut self, operation: &str, arguments: Value) -> Value {
        ec2::call(&mut self.model, operation, &arguments).unwrap_or_else(|e| panic!("{operation} {arguments}: {e}"))
    }

    /// A call that must be refused and change nothing; its code.
    pub fn refused(&mut self, operation: &str, arguments: Value) -> &'static str {
        let before = self.model.clone();
        let error = ec2::call(&mut self.model, operation, &arguments)
            .err()
            .unwrap_or_else(|| panic!("{operation} {arguments} must be refused"));
        assert!(self.model == before, "{operation} was refused and changed the model");
        error.code.as_str()
    }

    /// A call whose answer has an identifier at `pointer`.
    pub fn id(&mut self, operation: &str, arguments: Value, pointer: &str) -> String {
        let answer = self.call(operation, arguments);
        answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {answer}")).to_owned()
    }

    pub fn vpc(&mut self, block: &str) -> String {
        self.id("CreateVpc", json!({"CidrBlock": block}), "/Vpc/VpcId")
    }

    pub fn subnet(&mut self, vpc: &str, block: &str) -> String {
        self.id("CreateSubnet", json!({"VpcId": vpc, "CidrBlock": block}), "/Subnet/SubnetId")
    }

    pub fn igw(&mut self, vpc: &str) -> String {
        let id = self.id("CreateInternetGateway", Value::Null, "/InternetGateway/InternetGatewayId");
        self.call("AttachInternetGateway", json!({"InternetGatewayId": id, "VpcId": vpc}));
        id
    }

    pub fn wait(&mut self, seconds: u64) {
        self.model.advance_to(self.model.context.now.plus(seconds));
    }
}

/// The identifiers at `field` in the list `key` of an answer.
pub fn listed<'a>(answer: &'a Value, key: &str, field: &str) -> Vec<&'a str> {
    answer[key].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}
