//! What VPCs offer their instances, from the room that serves it, as the walker asks for it.

use std::collections::BTreeMap;

use control::service::dns::{Resolver, answer};
use control::service::metadata::{self, Tokens};
use fabric::engine::EngineError;
use fabric::walker::{HttpAnswer, Services};
use fabric::{Fabric, InstanceIndex, VpcIndex};
use model::{Model, Timestamp};
use wire::dns::{Code, Data, Kind, Query};

/// TTL of answers whose hops nobody limits.
const DEFAULT_TTL: u8 = 64;

/// Resolver and metadata service.
#[derive(Default)]
pub struct InVpc {
    tokens: Tokens,
}

impl Services for InVpc {
    fn dns(
        &mut self,
        _: &Model,
        fabric: &Fabric,
        resolver: Option<VpcIndex>,
        name: &str,
        record_type: &str,
    ) -> Result<(u8, Vec<String>), EngineError> {
        let kind = match record_type {
            "A" => Kind::A,
            "AAAA" => Kind::AAAA,
            "PTR" => Kind::PTR,
            "CNAME" => Kind::CNAME,
            other => return Err(EngineError::BadProbe(format!("records of type {other} cannot be asked for"))),
        };
        let resolver = resolver.map_or(Resolver::Public, Resolver::Vpc);
        let response = answer(fabric, resolver, &Query::new(0, name, kind));
        let text = |data: &Data| match data {
            Data::A(address) => address.to_string(),
            Data::Aaaa(address) => address.to_string(),
            Data::Ptr(name) | Data::Cname(name) => name.clone(),
        };
        let code = match response.code {
            Code::NoError => 0,
            Code::ServerFailure => 2,
            Code::NoSuchName => 3,
            Code::Refused => 5,
            _ => 1,
        };
        Ok((code, response.records.iter().map(|record| text(&record.data)).collect()))
    }

    fn metadata(
        &mut self,
        model: &Model,
        fabric: &Fabric,
        instance: InstanceIndex,
        now: Timestamp,
        (method, path, headers): (&str, &str, &BTreeMap<String, String>),
    ) -> Result<HttpAnswer, EngineError> {
        let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let request = metadata::Request { method: method.to_owned(), path: path.to_owned(), headers };
        let response = metadata::answer(model, fabric, instance, &mut self.tokens, now, &request, None);
        let mut headers: BTreeMap<String, String> =
            response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        headers.insert("content-type".to_owned(), response.content_type.to_owned());
        Ok(HttpAnswer {
            status: response.status,
            headers,
            body: String::from_utf8_lossy(&response.body).into_owned(),
            ttl: response.hop_limit.unwrap_or(DEFAULT_TTL),
        })
    }

    fn reset(&mut self) {
        self.tokens = Tokens::default();
    }
}
