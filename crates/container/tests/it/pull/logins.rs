//! To whom a login and a token are shown, and to whom never.

use container::registry::credentials::Login;
use container::registry::{Credentials, Failure, Settings};

use super::desk::{failure, is_empty, layer, settings, shelf, take};
use crate::common::server::*;
use crate::common::*;

#[test]
fn a_token_is_got_where_the_registry_says_and_again_when_it_ends() {
    let shelf = shelf(&[layer("a"), layer("b"), layer("c"), layer("d")]);
    let realm = Server::start(|asked, before| {
        let query = asked.path.split_once('?').unwrap().1;
        assert_eq!(query, "scope=repository:a/b:pull&service=the%20shop");
        // me:se:cret
        match asked.header("authorization") {
            Some("Basic bWU6c2U6Y3JldA==") => Answer::status(200).body(format!(r#"{{"token":"t{before}"}}"#)),
            _ => Answer::error(401, "wrong password"),
        }
    });
    let challenge = format!(r#"Bearer realm="http://{}/token",service="the shop""#, realm.host());
    let registry = Server::start(move |asked, before| {
        // The first token is good for a while only.
        let good = if asked.path.contains("/blobs/") && before == 0 { "Bearer t1" } else { "Bearer t0" };
        match asked.header("authorization") {
            Some(token) if token == good || token == "Bearer t1" => shelf.answer(asked),
            _ => Answer::error(401, "who are you").with("www-authenticate", &challenge),
        }
    });
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", registry.host());
    let mut known = settings();
    known.credentials.add(&registry.host(), Login::Password("me".into(), "se:cret".into()));
    take(&store, &name, &known).unwrap();
    assert_eq!(realm.asked().len(), 2, "threads share what one of them got");
    let (_other, store) = crate::common::store();
    known.credentials.add(&registry.host(), Login::Password("me".into(), "wrong".into()));
    let error = failure(take(&store, &name, &known).unwrap_err());
    let Failure::Unauthorized { why, helper: None, .. } = &error else { panic!("{error}") };
    assert_eq!(why, "wrong password");
    // Without a login the helper that would know is named.
    let helped = Credentials::parse(br#"{"auths":{},"credsStore":"desktop"}"#, "it").unwrap();
    let error = failure(take(&store, &name, &Settings { credentials: helped, ..settings() }).unwrap_err());
    let Failure::Unauthorized { helper, .. } = &error else { panic!("{error}") };
    assert_eq!(helper.as_deref(), Some("docker-credential-desktop"));
    is_empty(&store);
}

#[test]
fn a_token_that_renews_goes_by_post() {
    let shelf = shelf(&[layer("a")]);
    let realm = Server::start(|asked, _| {
        let body = String::from_utf8(asked.body.clone()).unwrap();
        assert_eq!(body, "scope=repository:a/b:pull&service=s&grant_type=refresh_token&client_id=vpclab&refresh_token=r%3D1");
        assert_eq!(asked.header("authorization"), None);
        match asked.method.as_str() {
            "POST" => Answer::status(200).body(r#"{"access_token":"t"}"#),
            _ => Answer::status(405),
        }
    });
    let challenge = format!(r#"Bearer realm="http://{}/token",service="s""#, realm.host());
    let registry = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Bearer t") => shelf.answer(asked),
        _ => Answer::status(401).with("www-authenticate", &challenge),
    });
    let (_folder, store) = store();
    let mut known = settings();
    known.credentials.add(&registry.host(), Login::Refresh("r=1".into()));
    take(&store, &format!("{}/a/b:1", registry.host()), &known).unwrap();
}

#[test]
fn a_password_is_enough_where_no_token_is_wanted() {
    let shelf = shelf(&[layer("a")]);
    let registry = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Basic bWU6eA==") => shelf.answer(asked),
        _ => Answer::error(401, "authentication required").with("www-authenticate", r#"Basic realm="it""#),
    });
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", registry.host());
    let error = failure(take(&store, &name, &settings()).unwrap_err());
    assert!(matches!(&error, Failure::Unauthorized { why, .. } if why == "authentication required"), "{error}");
    let with = |password: &str| {
        let mut known = settings();
        known.credentials.add(&registry.host(), Login::Password("me".into(), password.into()));
        known
    };
    registry.forget();
    let error = failure(take(&store, &name, &with("wrong")).unwrap_err());
    assert!(matches!(error, Failure::Unauthorized { .. }), "{error}");
    assert!(registry.asked().len() < 6, "a wrong password is not tried for ever");
    take(&store, &name, &with("x")).unwrap();
}

#[test]
fn elsewhere_nobody_is_shown_the_token() {
    let shelf = shelf(&[layer("a")]);
    let blobs = shelf.clone();
    let storage = Server::start(move |asked, _| {
        assert_eq!(asked.header("authorization"), None);
        let path = asked.path.strip_prefix("/storage").unwrap().to_owned();
        blobs.answer(&Asked { path, ..asked.clone() })
    });
    let place = storage.host();
    let registry = Server::start(move |asked, _| match asked.header("authorization") {
        None => Answer::status(401).with("www-authenticate", "Basic realm=x"),
        Some(_) if asked.path.contains("/blobs/") => {
            Answer::status(307).with("location", format!("http://{place}/storage{}", asked.path))
        }
        Some(_) => shelf.answer(asked),
    });
    let (_folder, store) = store();
    let mut known = settings();
    known.credentials.add(&registry.host(), Login::Password("me".into(), "x".into()));
    take(&store, &format!("{}/a/b:1", registry.host()), &known).unwrap();
    assert_eq!(storage.asked().len(), 2);
}

#[test]
fn nobody_is_led_to_where_others_can_listen() {
    let shelf = shelf(&[layer("a")]);
    for target in ["http://storage.example/x", "//storage.example/x"] {
        let shelf = shelf.clone();
        let registry = Server::start(move |asked, _| match asked.path.contains("/blobs/") {
            true => Answer::status(302).with("location", target),
            false => shelf.answer(asked),
        });
        let (_folder, store) = store();
        let error = failure(take(&store, &format!("{}/a/b:1", registry.host()), &settings()).unwrap_err());
        assert!(matches!(&error, Failure::Plain { address, .. } if address == "http://storage.example/x"), "{error}");
        is_empty(&store);
    }
    // The same of who has the tokens.
    let registry =
        Server::start(|_, _| Answer::status(401).with("www-authenticate", r#"Bearer realm="http://auth.example/token""#));
    let (_folder, store) = store();
    let error = failure(take(&store, &format!("{}/a/b:1", registry.host()), &settings()).unwrap_err());
    assert!(matches!(error, Failure::Plain { .. }), "{error}");
    // In a circle one is led not for ever.
    let registry = Server::start(|asked, _| Answer::status(302).with("location", &asked.path));
    let error = failure(take(&store, &format!("{}/a/b:1", registry.host()), &settings()).unwrap_err());
    assert!(matches!(&error, Failure::Odd { why, .. } if why.contains("without end")), "{error}");
}
