//! Pages: `MaxResults` and `NextToken` (in IAM `MaxItems` and `Marker`) for every operation whose shape has them.
//!
//! Whoever serves the call makes the whole list; here it is divided. A token names the last item shown, so that the next
//! page begins after it whatever came or went in between, and the request that it belongs to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::refusal::{Refusal, quoted};
use crate::shapes::{Operation, Paging, Protocol, Service};

/// Sizes of a page where the shape of EC2 has no bounds.
const EC2_SIZES: std::ops::RangeInclusive<u64> = 5..=1000;
/// Items of a page of IAM where the request says nothing.
const IAM_SIZE: u64 = 100;

/// Calls of EC2 that give either the things that are named or pages of all, the list of names, and what AWS calls that.
const NAMED_OR_PAGES: &[(&str, &str, &str)] = &[
    ("DescribeInstances", "InstanceIds", "instancesSet"),
    ("DescribeInstanceStatus", "InstanceIds", "instancesSet"),
    ("DescribeInstanceCreditSpecifications", "InstanceIds", "instancesSet"),
    ("DescribeNetworkInterfaces", "NetworkInterfaceIds", "networkInterfaceIdSet"),
    ("DescribeVolumes", "VolumeIds", "volumeIdsSet"),
    ("DescribeVolumeStatus", "VolumeIds", "volumeIdsSet"),
    ("DescribeImages", "ImageIds", "imageIdsSet"),
    ("DescribeSnapshots", "SnapshotIds", "snapshotSet"),
];

/// Which page a request wants.
#[derive(Debug, Clone)]
pub struct Page<'o> {
    paging: &'o Paging,
    limit: Option<usize>,
    after: Option<Place>,
    request: [u8; 8],
}

/// Where a page ended: how many items were shown, and the last one's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    shown: usize,
    identity: String,
}

impl<'o> Page<'o> {
    /// Takes what concerns pages out of the parameters; `None` for an operation that has no pages.
    ///
    /// Errors: `InvalidParameterCombination` for a size where things are named and the call takes one of the two;
    /// `InvalidParameterValue` for a size outside 5 … 1000 where the shape has no bounds of its own;
    /// `InvalidNextToken` (EC2), `ValidationError` (query protocol) for a token that nobody gave out, or that belongs to
    /// another request.
    pub fn take(service: &Service, operation: &'o Operation, parameters: &mut Value) -> Result<Option<Self>, Refusal> {
        let (Some(paging), Some(fields)) = (&operation.page, parameters.as_object_mut()) else { return Ok(None) };
        let limit = fields.shift_remove(paging.limit).and_then(|limit| limit.as_u64());
        let token = fields.shift_remove(paging.token_parameter);
        let token = token.as_ref().and_then(Value::as_str).filter(|token| !token.is_empty());
        let request = digest(operation.name, parameters);
        if limit.is_some() {
            named_as_well(service, operation, parameters)?;
        }
        let limit = match (service.protocol, limit) {
            (Protocol::Query, limit) => Some(limit.unwrap_or(IAM_SIZE)),
            (Protocol::Ec2, Some(size)) if !EC2_SIZES.contains(&size) && is_unbounded(service, operation, paging) => {
                let value = format!("Value ({size}) for parameter {} is invalid.", paging.limit);
                return Err(Refusal::new("InvalidParameterValue", value + " Expecting a value between 5 and 1000."));
            }
            (Protocol::Ec2, limit) => limit,
        };
        let after = match token {
            None => None,
            Some(token) => Some(Place::read(token, request).ok_or_else(|| refuse(service, paging, token))?),
        };
        Ok(Some(Self { paging, limit: limit.map(|limit| limit as usize), after, request }))
    }

    /// The answer with this page's items alone, and the token of the next.
    pub fn cut(&self, mut answer: Value) -> Value {
        let Some(fields) = answer.as_object_mut() else { return answer };
        let Some(Value::Array(items)) = fields.get_mut(self.paging.list) else { return answer };
        let start = self.after.as_ref().map_or(0, |place| place.find(self.paging, items));
        let end = self.limit.map_or(items.len(), |limit| (start + limit).min(items.len()));
        let next = (start < end && end < items.len()).then(|| {
            let place = Place { shown: end, identity: identity(self.paging, &items[end - 1]) };
            place.write(self.request)
        });
        items.truncate(end);
        items.drain(..start);
        self.tell(fields, next);
        answer
    }

    fn tell(&self, fields: &mut Map<String, Value>, next: Option<String>) {
        if let Some(more) = self.paging.more {
            fields.insert(more.to_owned(), next.is_some().into());
        }
        if let Some(token) = next {
            fields.insert(self.paging.token.to_owned(), token.into());
        }
    }
}

/// Errors: a request for a page names what it is about, where the call takes one of the two.
fn named_as_well(service: &Service, operation: &Operation, parameters: &Value) -> Result<(), Refusal> {
    let either = NAMED_OR_PAGES.iter().find(|(name, ..)| service.protocol == Protocol::Ec2 && *name == operation.name);
    let Some((_, names, called)) = either else { return Ok(()) };
    match parameters[*names].as_array().is_some_and(|names| !names.is_empty()) {
        true => {
            let message = format!("The parameter {called} cannot be used with the parameter maxResults");
            Err(Refusal::new("InvalidParameterCombination", message))
        }
        false => Ok(()),
    }
}

fn is_unbounded(service: &Service, operation: &Operation, paging: &Paging) -> bool {
    let limit = service.members(operation.input).iter().find(|member| member.name == paging.limit);
    let whole = (i64::from(i32::MIN), i64::from(i32::MAX));
    limit.is_some_and(|limit| match service.shape(limit.shape) {
        crate::shapes::Shape::Number { min, max } => (*min, *max) == whole,
        _ => false,
    })
}

fn refuse(service: &Service, paging: &Paging, token: &str) -> Refusal {
    let name = paging.token_parameter;
    match service.protocol {
        Protocol::Ec2 => Refusal::new("InvalidNextToken", format!("The specified {name} is not valid: {}", quoted(token))),
        Protocol::Query => Refusal::new("ValidationError", format!("Invalid {name}: {}", quoted(token))),
    }
}

/// What tells one item from another, as text.
fn identity(paging: &Paging, item: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match paging.identity.as_slice() {
        [] => text(item),
        members => members.iter().map(|member| text(&item[*member])).collect::<Vec<_>>().join("\n"),
    }
}

impl Place {
    /// Where the next page begins.
    fn find(&self, paging: &Paging, items: &[Value]) -> usize {
        let names: Vec<String> = items.iter().map(|item| identity(paging, item)).collect();
        match names.iter().position(|name| *name == self.identity) {
            Some(last) => last + 1,
            // The last item has gone: where items are in order, its place is still known.
            None if names.is_sorted() => names.partition_point(|name| *name < self.identity),
            None => self.shown.min(items.len()),
        }
    }

    fn write(&self, request: [u8; 8]) -> String {
        let mut bytes = request.to_vec();
        bytes.extend(u32::try_from(self.shown).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(self.identity.bytes());
        let check = Sha256::digest(&bytes);
        bytes.extend(&check[..4]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(token: &str, request: [u8; 8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (bytes, check) = bytes.split_last_chunk::<4>()?;
        let (owner, place) = bytes.split_first_chunk::<8>()?;
        let (shown, identity) = place.split_first_chunk::<4>()?;
        let is_ours = *owner == request && Sha256::digest(bytes)[..4] == *check;
        let identity = String::from_utf8(identity.to_vec()).ok()?;
        is_ours.then(|| Self { shown: u32::from_be_bytes(*shown) as usize, identity })
    }
}

fn digest(operation: &str, parameters: &Value) -> [u8; 8] {
    let hash = Sha256::new().chain_update(operation).chain_update(parameters.to_string()).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::shapes;

    /// Walks through all pages; `between` changes the list after each.
    fn walk(operation: &str, limit: u64, mut ids: Vec<String>, between: impl Fn(&mut Vec<String>)) -> Vec<String> {
        let mut services = shapes::services().iter();
        let (service, operation) = services.find_map(|s| Some((s, s.operation(operation)?))).unwrap();
        let paging = operation.page.as_ref().unwrap();
        let mut parameters = json!({paging.limit: limit, "Filters": []});
        let mut seen = Vec::new();
        loop {
            let mut taken = parameters.clone();
            let page = Page::take(service, operation, &mut taken).unwrap().unwrap();
            assert_eq!(taken, json!({"Filters": []}));
            let items: Value = ids.iter().map(|id| json!({paging.identity[0]: id, "State": "x"})).collect();
            let answer = page.cut(json!({paging.list: items}));
            let shown = answer[paging.list].as_array().unwrap();
            assert!(shown.len() <= limit as usize);
            seen.extend(shown.iter().map(|item| item[paging.identity[0]].as_str().unwrap().to_owned()));
            match answer.get(paging.token) {
                None => return seen,
                Some(token) => parameters[paging.token_parameter] = token.clone(),
            }
            between(&mut ids);
        }
    }

    fn ids(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|number| format!("vpc-{number:03}")).collect()
    }

    #[test]
    fn pages_follow_one_another_until_all_is_shown() {
        for count in [0, 1, 4, 5, 6, 10, 23] {
            assert_eq!(walk("DescribeVpcs", 5, ids(0..count), |_| ()), ids(0..count));
            assert_eq!(walk("ListUsers", 1, ids(0..count), |_| ()), ids(0..count));
        }
    }

    #[test]
    fn what_comes_and_goes_between_pages_neither_hides_nor_repeats_the_rest() {
        let seen = walk("DescribeVpcs", 5, ids(0..20), |ids| drop(ids.remove(0)));
        assert_eq!(seen, ids(0..20));
        let seen = walk("DescribeVpcs", 5, ids(0..20), |ids| ids.retain(|id| id != "vpc-004" && id != "vpc-009"));
        assert_eq!(seen, [ids(0..9), ids(10..20)].concat(), "the last one shown has gone");
        let seen = walk("DescribeVpcs", 5, ids(10..30), |ids| ids.insert(0, "vpc-000".to_owned()));
        assert_eq!(seen, ids(10..30), "one that comes before what was shown is not shown");
    }

    #[test]
    fn a_page_of_what_is_named_is_refused_where_aws_gives_one_or_the_other() {
        let ec2 = shapes::service("ec2").unwrap();
        let take = |name: &str, parameters: Value| Page::take(ec2, ec2.operation(name).unwrap(), &mut parameters.clone()).map(|_| ());
        for (name, list, called) in NAMED_OR_PAGES {
            let refusal = take(name, json!({*list: ["x-1"], "MaxResults": 5})).unwrap_err();
            assert_eq!(refusal.code, "InvalidParameterCombination", "{name}");
            assert_eq!(refusal.message, format!("The parameter {called} cannot be used with the parameter maxResults"));
            for fine in [json!({*list: ["x-1"]}), json!({"MaxResults": 5}), json!({*list: [], "MaxResults": 5})] {
                take(name, fine).unwrap();
            }
        }
        take("DescribeVpcs", json!({"VpcIds": ["vpc-1"], "MaxResults": 5})).unwrap();
    }

    #[test]
    fn sizes_and_tokens_are_held_to_what_was_given_out() {
        let ec2 = shapes::service("ec2").unwrap();
        let code = |operation: &str, mut parameters: Value| {
            Page::take(ec2, ec2.operation(operation).unwrap(), &mut parameters).unwrap_err().code
        };
        assert_eq!(code("DescribeInstances", json!({"MaxResults": 4})), "InvalidParameterValue");
        assert_eq!(code("DescribeVpcs", json!({"NextToken": "made-up"})), "InvalidNextToken");
        let token = Place { shown: 5, identity: "vpc-1".to_owned() }.write(digest("DescribeVpcs", &json!({"VpcIds": []})));
        assert_eq!(code("DescribeVpcs", json!({"NextToken": token})), "InvalidNextToken", "of another request");
        assert!(Place::read(&token, digest("DescribeVpcs", &json!({"VpcIds": []}))).is_some());
    }
}
