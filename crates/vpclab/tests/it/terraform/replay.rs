//! Calls as a client made them once, made again: what the lab named then is named otherwise now, so ids are bound as they come.
//!
//! A recording (clients/terraform/record.py writes it) has two lines a call: the form, with `{kind.number}` for what earlier
//! answers named, and behind `=` the status, the code of a refusal, and what this answer names: `kind.number@place`, the place
//! among the names of that kind that are new in it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use model::Timestamp;
use query::Request;
use query::sigv4::{Signer, sign};

use crate::cloud::{Cloud, exchange};

pub struct Replay<'c> {
    cloud: &'c Cloud,
    bound: BTreeMap<String, String>,
}

impl<'c> Replay<'c> {
    pub fn new(cloud: &'c Cloud) -> Self {
        Self { cloud, bound: BTreeMap::new() }
    }

    /// Makes each call of a recording; each is answered as it was.
    pub fn play(&mut self, recording: &str) {
        let lines: Vec<&str> = recording.lines().filter(|line| !line.starts_with('#')).collect();
        for call in lines.chunks(2) {
            let [form, answer] = call else { panic!("{call:?}: a call has two lines") };
            let mut answer = answer.strip_prefix("= ").unwrap_or_else(|| panic!("{answer}")).split(' ');
            let form = self.filled(form);
            let (status, body) = self.send(&form);
            assert_eq!(status.to_string(), answer.next().unwrap(), "{form}: {body}");
            let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("-", |(code, _)| code);
            assert_eq!(code, answer.next().unwrap(), "{form}: {body}");
            let names = names(&body);
            let is_new = |name: &&(String, String)| !self.bound.values().any(|known| *known == name.1);
            let new: Vec<(String, String)> = names.iter().filter(is_new).cloned().collect();
            for named in answer {
                let (name, place) = named.split_once('@').unwrap();
                let kind = name.split_once('.').unwrap().0;
                let found = new.iter().filter(|(other, _)| other == kind).nth(place.parse().unwrap());
                let (_, value) = found.unwrap_or_else(|| panic!("{form}: no {name} at place {place} of {body}"));
                self.bound.insert(name.to_owned(), value.clone());
            }
        }
    }

    fn filled(&self, form: &str) -> String {
        let mut filled = String::new();
        for (number, part) in form.split('{').enumerate() {
            match part.split_once('}') {
                Some((name, rest)) if number > 0 => {
                    filled += self.bound.get(name).unwrap_or_else(|| panic!("{form}: nothing named {name} yet"));
                    filled += rest;
                }
                _ => filled += part,
            }
        }
        filled
    }

    fn send(&self, form: &str) -> (u16, String) {
        let service = match form {
            _ if form.contains("Version=2010-05-08") => "iam",
            _ if form.contains("Version=2011-06-15") => "sts",
            _ => "ec2",
        };
        let headers = vec![("Host".to_owned(), self.cloud.address.clone())];
        let body = form.as_bytes().to_vec();
        let mut request = Request { method: "POST".to_owned(), path: "/".to_owned(), headers, body, ..Request::default() };
        let now = Timestamp(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
        let Cloud { region, key, secret, .. } = self.cloud;
        sign(&mut request, Signer { access_key_id: key, secret_access_key: secret, session_token: None, region, service }, now);
        let mut text = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n", request.body.len());
        request.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        exchange(&self.cloud.address, &[(text + "\r\n").as_bytes(), &request.body].concat()).expect("an answer")
    }
}

/// What a text names, each once, in its order: kind and name. Ids of AWS (`vpc-0123456789abcdef0`) and access keys.
fn names(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
    for word in text.split(|c| !is_inner(c)) {
        let id = word.rsplit_once('-').filter(|(_, digits)| digits.len() == 17 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let named = match id {
            Some((kind, _)) => Some((kind.to_owned(), word.to_owned())),
            None if word.len() == 20 && word.starts_with("AKIA") => Some(("key".to_owned(), word.to_owned())),
            None => None,
        };
        found.extend(named.filter(|named| !found.contains(named)));
    }
    found
}
