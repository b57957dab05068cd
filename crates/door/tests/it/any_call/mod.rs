//! Calls that nobody would make: for every operation by its shape, values that fit, that nearly fit and that do not, at every parameter.

use model::random::SplitMix64;
use query::form;
use query::shapes::{Member, Operation, Service, Shape, ShapeId};

/// Names and values of a form.
pub type Pairs = Vec<(String, String)>;

/// Texts that are wrong nearly everywhere.
const STRANGE: [&str; 26] = [
    "", " ", "-1", "0", "1", "99999999999999999999999999", "-9223372036854775808", "9223372036854775807", "1.5", "1e9", "0x10", "true", "None", "*", "a*b?",
    "한글 \u{1F600}", "<a href=\"&\">", "'; --", "../../etc/passwd", "\u{FEFF}x", "a\tb\nc", "{\"a\":[1]}", "[]", "%00", "aws:reserved", "\u{202E}",
];
/// Ids that are none, or nobody's.
const IDS: [&str; 14] = [
    "vpc-", "vpc-zz", "vpc-0123456789abcdef0", "VPC-0123456789ABCDEF0", "i-1", "subnet-12345678", "sg-0000", "eni--1", "rtb-0123456789abcdef01234", "ami-", "-", "vpc-0123456789abcdeg0",
    "igw-０１２３４５６７", "eipalloc-0",
];
/// Blocks and addresses, right and wrong.
const BLOCKS: [&str; 20] = [
    "10.0.0.0/16", "10.0.0.0/8", "10.0.1.0/24", "10.0.1.0/28", "10.0.1.0/29", "10.0.1.7/24", "0.0.0.0/0", "::/0", "fd00::/56", "2001:db8::/64", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/24",
    "300.0.0.0/16", "10.0.1.5", "10.0.1.255", "169.254.169.254", "::1", "224.0.0.1", "255.255.255.255/32",
];
/// Words that some operation knows.
const WORDS: [&str; 24] = [
    "default", "tcp", "udp", "icmp", "-1", "6", "vpc", "instance", "available", "running", "tag:Name", "tag-key", "vpc-id", "state", "cidr-block", "t3.micro", "t3.nano", "ap-northeast-2a",
    "ap-northeast-2", "com.amazonaws.ap-northeast-2.s3", "web", "dev", "arn:aws:iam::111122223333:policy/p", "arn:aws:iam::111122223333:role/r",
];

/// What calls are made of.
pub struct Maker {
    pub random: SplitMix64,
    /// Ids and names that things have.
    pub known: Vec<String>,
}

impl Maker {
    /// A form for an operation, without its action.
    pub fn form(&mut self, service: &Service, operation: &Operation) -> Pairs {
        let mut pairs = Pairs::new();
        let members = service.members(operation.input);
        self.members(service, members, "", 0, &mut pairs);
        match self.random.below(60) {
            0 => pairs.push(("Unknown.1.Parameter".to_owned(), "x".to_owned())),
            1 => pairs.extend(pairs.first().cloned()),
            2 => pairs.push((format!("Filter{}", ".1".repeat(self.random.below(40))), "x".to_owned())),
            3 => pairs.push(("DryRun".to_owned(), self.random.pick(&["true", "false", "maybe", ""]).to_owned())),
            _ => {}
        }
        pairs
    }

    /// Bytes of a form, now and then with bytes that are no text.
    pub fn bytes(&mut self, pairs: &Pairs) -> Vec<u8> {
        let mut bytes = form::write(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).into_bytes();
        if self.random.chance(3) {
            let at = self.random.below(bytes.len());
            let strange: &[u8] = self.random.pick(&[&b"%FF"[..], b"%00", b"%", b"\xFF\xFE", b"&&=&", b"%ED%A0%80", b".1.1.1=", b"=="]);
            bytes.splice(at..at, strange.iter().copied());
        }
        bytes
    }

    fn members(&mut self, service: &Service, members: &[Member], above: &str, depth: usize, pairs: &mut Pairs) {
        // Few of many, or most of them would be wrong for what another one says.
        let share = if members.len() > 8 { 10 } else { 40 };
        for member in members {
            let is_in = match member.is_required {
                true => self.random.chance(97),
                false => member.name != "DryRun" && self.random.chance(share),
            };
            if is_in {
                let dot = if above.is_empty() { "" } else { "." };
                self.value(service, member.shape, &format!("{above}{dot}{}", member.asked), depth + 1, pairs);
            }
        }
    }

    fn value(&mut self, service: &Service, shape: ShapeId, name: &str, depth: usize, pairs: &mut Pairs) {
        if depth > 9 {
            return;
        }
        match service.shape(shape) {
            Shape::Structure(_) if self.random.chance(1) => pairs.push((name.to_owned(), "x".to_owned())),
            Shape::Structure(members) => self.members(service, members, name, depth, pairs),
            Shape::List { item, item_name, .. } => {
                let between = if service.name == "ec2" { String::new() } else { format!(".{item_name}") };
                if self.random.chance(1) {
                    let index = self.random.pick(&["0", "-1", "x", "4294967296", "01", ""]);
                    return self.value(service, *item, &format!("{name}{between}.{index}"), depth + 1, pairs);
                }
                let count = self.random.pick(&[0, 1, 1, 1, 2, 3]);
                for index in 1..=count {
                    self.value(service, *item, &format!("{name}{between}.{index}"), depth + 1, pairs);
                }
                if self.random.chance(1) {
                    (4..300).for_each(|index| pairs.push((format!("{name}{between}.{index}"), "x".to_owned())));
                }
            }
            shape => {
                let value = self.scalar(shape, name);
                pairs.push((name.to_owned(), value));
            }
        }
    }

    fn scalar(&mut self, shape: &Shape, name: &str) -> String {
        if self.random.chance(4) {
            return match self.random.below(12) {
                0 => "x".repeat(self.random.pick(&[128, 256, 1_000, 70_000])),
                _ => self.random.pick(&STRANGE).to_owned(),
            };
        }
        match shape {
            Shape::Enum(choices) => {
                let all: Vec<&str> = choices.values().collect();
                self.random.pick(&all).to_owned()
            }
            Shape::Boolean => self.random.pick(&["true", "false"]).to_owned(),
            Shape::Number { min, max } => {
                let small = self.random.below(100) as i64;
                self.random.pick(&[*min, *max, 0, 1, small, small, 22, 80, -1, 65_536]).to_string()
            }
            Shape::Double => "1.5".to_owned(),
            Shape::Timestamp => self.random.pick(&["2026-11-25T09:00:00Z", "2026-11-25", "9999-12-31T23:59:59Z", "yesterday"]).to_owned(),
            Shape::Blob => self.random.pick(&["eHg=", "!", ""]).to_owned(),
            _ => self.text(name),
        }
    }

    fn text(&mut self, name: &str) -> String {
        let last = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
        let is_block = ["Cidr", "Ip", "Address", "Prefix"].iter().any(|word| last.contains(word)) && !last.contains("Id");
        if is_block && self.random.chance(85) {
            return self.random.pick(&BLOCKS).to_owned();
        }
        if last.ends_with("Id") || last.ends_with("Name") || last.contains("Arn") {
            // An id of the kind that is asked for, most of the time.
            let prefix = prefix_of(last);
            let fitting: Vec<String> = self.known.iter().filter(|id| id.rsplit_once('-').is_some_and(|(own, _)| own == prefix)).cloned().collect();
            if !fitting.is_empty() && self.random.chance(85) {
                return self.random.pick(&fitting);
            }
            if !self.known.is_empty() && self.random.chance(30) {
                let known = std::mem::take(&mut self.known);
                let id = self.random.pick(&known);
                self.known = known;
                return id;
            }
            if self.random.chance(30) {
                return self.random.pick(&IDS).to_owned();
            }
        }
        if last.contains("Document") || last == "Policy" {
            return self.random.pick(&[
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
                "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Deny\",\"NotAction\":\"ec2:*\",\"NotResource\":\"arn:*\",\"Condition\":{\"StringLikeIfExists\":{\"aws:x\":[1,true,null]}}}}",
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"},\"Action\":\"sts:AssumeRole\"}]}",
                "{\"Statement\":[]}",
                "{",
            ]).to_owned();
        }
        self.random.pick(&WORDS).to_owned()
    }
}

/// What ids start with that a parameter of this name wants.
fn prefix_of(parameter: &str) -> &'static str {
    let known = [
        ("RouteTable", "rtb"),
        ("InternetGateway", "igw"),
        ("NatGateway", "nat"),
        ("NetworkInterface", "eni"),
        ("NetworkAcl", "acl"),
        ("SecurityGroupRule", "sgr"),
        ("Group", "sg"),
        ("Allocation", "eipalloc"),
        ("Instance", "i"),
        ("Subnet", "subnet"),
        ("VpcPeering", "pcx"),
        ("VpcEndpoint", "vpce"),
        ("Image", "ami"),
        ("Volume", "vol"),
        ("Snapshot", "snap"),
        ("LaunchTemplate", "lt"),
        ("PrefixList", "pl"),
        ("DhcpOptions", "dopt"),
        ("VpnGateway", "vgw"),
        ("TransitGateway", "tgw"),
        ("FlowLog", "fl"),
        ("Vpc", "vpc"),
    ];
    known.iter().find(|(word, _)| parameter.contains(word)).map_or("", |(_, prefix)| prefix)
}
