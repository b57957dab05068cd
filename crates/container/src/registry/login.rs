//! Who one is: tokens and passwords, as a registry asks for them (the distribution project's token specification).

use std::io::Read;
use std::sync::{Arc, PoisonError};

use serde::Deserialize;
use ureq::Body;
use ureq::http::{Method, Response, Uri};

use super::Failure;
use super::answer::{or, said};
use super::challenge;
use super::client::{Ask, Client, Sent, Trouble};
use super::credentials::Login;
use super::failure::tame;
use super::host::join;

/// Bytes that an answer with a token may have.
const LONGEST: u64 = 256 << 10;

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client<'_> {
    /// Proves who one is, as the answer asks for. Several threads may find out at once that they have to.
    pub(super) fn authenticate(
        &self,
        response: Response<Body>,
        used: Option<Arc<str>>,
        what: &str,
    ) -> Result<(), Trouble> {
        let mut authorization = self
            .authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *authorization != used {
            return Ok(());
        }
        let challenges = challenge::all(response.headers());
        let refused = |why: String| Failure::Unauthorized {
            registry: self.registry.clone(),
            what: what.into(),
            why,
            helper: self.job.settings.credentials.helper_of(&self.registry),
        };
        let login = self.job.settings.credentials.of(&self.registry);
        let scheme = |name: &str| {
            challenges
                .iter()
                .find(|one| one.scheme.eq_ignore_ascii_case(name))
        };
        let proof = if let Some(bearer) = scheme("bearer") {
            let realm = bearer
                .parameter("realm")
                .and_then(|realm| join(&self.base, realm));
            let realm = realm.ok_or_else(|| self.odd("it does not say where tokens are"))?;
            self.check_plain(&self.base, &realm)?;
            self.token(&realm, bearer.parameter("service"), login, &refused)?
        } else if scheme("basic").is_some() {
            let words = said(response);
            match login {
                Some(Login::Password(name, password)) => {
                    let proof = basic(name, password);
                    // The same again is no better.
                    if used.as_deref() == Some(&proof) {
                        return Err(refused(or(words, "name and password are not accepted")).into());
                    }
                    proof
                }
                Some(_) => {
                    return Err(refused(
                        "it asks for a password, and there is only a token".into(),
                    )
                    .into());
                }
                None => {
                    return Err(refused(or(words, "no name and password are known for it")).into());
                }
            }
        } else {
            return Err(refused(or(said(response), "it does not say how")).into());
        };
        *authorization = Some(proof.into());
        Ok(())
    }

    /// Gets a token for the repository.
    fn token(
        &self,
        realm: &Uri,
        service: Option<&str>,
        login: Option<&Login>,
        refused: &dyn Fn(String) -> Failure,
    ) -> Result<String, Trouble> {
        let scope = format!("repository:{}:{}", self.repository, self.actions);
        let mut fields = vec![("scope", scope.as_str())];
        fields.extend(service.map(|service| ("service", service)));
        let form;
        let mut headers = Vec::new();
        let mut uri = realm.clone();
        let what = format!("a token for {}", self.repository);
        let (method, body) = match login {
            Some(Login::Refresh(token)) => {
                fields.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", "vpclab"),
                    ("refresh_token", token),
                ]);
                form = encoded(&fields);
                headers.push((
                    "content-type",
                    "application/x-www-form-urlencoded".to_owned(),
                ));
                (Method::POST, Sent::Bytes(form.as_bytes()))
            }
            _ => {
                let between = if realm.query().is_some() { '&' } else { '?' };
                let whole = format!("{realm}{between}{}", encoded(&fields));
                uri = whole.parse().map_err(|_| {
                    self.odd(format!("it has tokens at `{}`", tame(&realm.to_string())))
                })?;
                (Method::GET, Sent::None)
            }
        };
        let proof = match login {
            Some(Login::Password(name, password)) => Some(basic(name, password)),
            _ => None,
        };
        let ask = Ask {
            method,
            uri,
            headers,
            body,
            what,
            accepted: &[],
        };
        let response = self.send(&ask, &ask.uri, proof.as_deref())?;
        match response.status().as_u16() {
            200..=299 => {}
            400 | 401 | 403 => {
                let why = if login.is_some() {
                    "the login that is written down is not accepted"
                } else {
                    "no login is known for it"
                };
                return Err(refused(or(said(response), why)).into());
            }
            _ => return Err(self.refusal(response, &ask, &ask.uri)),
        }
        let mut bytes = Vec::new();
        let read = response
            .into_body()
            .into_reader()
            .take(LONGEST)
            .read_to_end(&mut bytes);
        read.map_err(|error| self.cut(error, &ask.what))?;
        let token = serde_json::from_slice::<Token>(&bytes)
            .ok()
            .and_then(|it| it.token.or(it.access_token));
        // What is no header could be several.
        let token = token
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| self.odd("what it sends as a token is none"))?;
        Ok(format!("Bearer {token}"))
    }
}

fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {pair}")
}

/// Fields of a query or a form.
fn encoded(fields: &[(&str, &str)]) -> String {
    let value = |text: &str| {
        let mut all = String::new();
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z'
                | b'a'..=b'z'
                | b'0'..=b'9'
                | b'-'
                | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'/'
                | b',' => all.push(byte.into()),
                _ => all.push_str(&format!("%{byte:02X}")),
            }
        }
        all
    };
    fields
        .iter()
        .map(|(name, text)| format!("{name}={}", value(text)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_as_a_field_is_one_field() {
        assert_eq!(
            encoded(&[
                ("scope", "repository:a/b:pull,push"),
                ("service", "a b&c=d\r\né")
            ]),
            "scope=repository:a/b:pull,push&service=a%20b%26c%3Dd%0D%0A%C3%A9"
        );
    }
}
