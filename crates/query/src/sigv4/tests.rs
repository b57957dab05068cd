//! Requests that are signed rightly and wrongly.

use model::Timestamp;

use super::*;
use crate::http::Request;
use model::moment::Moment;
use crate::refusal::Refusal;

const NOW: Timestamp = Timestamp(1_795_597_200);
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn signer() -> Signer<'static> {
    Signer { access_key_id: KEY, secret_access_key: SECRET, session_token: None, region: "eu-west-1", service: "ec2" }
}

fn request() -> Request {
    Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![("Host".to_owned(), "127.0.0.1:4566".to_owned())],
        body: b"Action=DescribeVpcs&Version=2016-11-15".to_vec(),
        ..Request::default()
    }
}

fn signed(signer: Signer<'_>) -> Request {
    let mut request = request();
    sign(&mut request, signer, NOW);
    request
}

fn find(session: Option<(&str, u64)>) -> impl FnOnce(&str) -> Option<Secret> {
    let session = session.map(|(token, end)| (token.to_owned(), Timestamp(end)));
    move |key| (key == KEY).then(|| Secret { secret_access_key: SECRET.to_owned(), session })
}

fn code(outcome: Result<Signed, Refusal>) -> (String, u16) {
    let refusal = outcome.expect_err("a refusal");
    (refusal.code.into_owned(), refusal.status)
}

fn set(request: &mut Request, name: &str, change: impl FnOnce(&mut String)) {
    let header = request.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)).expect("the header");
    change(&mut header.1);
}

#[test]
fn the_figures_that_aws_publishes_come_out() {
    // The worked example of the Signature Version 4 documentation: ListUsers on 2015-08-30.
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("Host", "iam.amazonaws.com"),
        ("X-Amz-Date", "20150830T123600Z"),
    ];
    let request = Request {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        query: "Action=ListUsers&Version=2010-05-08".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: Vec::new(),
    };
    let names = ["content-type", "host", "x-amz-date"].map(str::to_owned);
    let canonical = canonical::request(&request, &names);
    assert_eq!(key::hash(canonical.as_bytes()), "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59");
    let scope = Scope { date: "20150830".to_owned(), region: "us-east-1".to_owned(), service: "iam".to_owned() };
    assert_eq!(
        key::signature(SECRET, &scope, "20150830T123600Z", &canonical),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn a_request_that_its_holder_signed_says_who_and_for_where() {
    let expected = Signed { access_key_id: KEY.to_owned(), region: "eu-west-1".to_owned(), service: "ec2".to_owned() };
    assert_eq!(verify(&signed(signer()), NOW, find(None)), Ok(expected));
}

#[test]
fn whatever_changes_on_the_way_is_noticed() {
    let changes: [fn(&mut Request); 7] = [
        |request| request.body.push(b'x'),
        |request| request.method = "GET".to_owned(),
        |request| request.path = "/other".to_owned(),
        |request| request.query = "DryRun=false".to_owned(),
        |request| set(request, "host", |host| host.push('0')),
        |request| set(request, "authorization", |header| *header = header.replace("Signature=", "Signature=00")),
        |request| set(request, "authorization", |header| *header = header.replace("eu-west-1", "eu-west-2")),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut request = signed(signer());
        change(&mut request);
        assert_eq!(code(verify(&request, NOW, find(None))), ("SignatureDoesNotMatch".to_owned(), 403), "{index}");
    }
    let forged = Signer { secret_access_key: "guessed", ..signer() };
    assert_eq!(code(verify(&signed(forged), NOW, find(None))).0, "SignatureDoesNotMatch");
}

#[test]
fn a_body_is_what_its_hash_says() {
    let mut request = request();
    request.headers.push(("X-Amz-Content-Sha256".to_owned(), key::hash(b"another")));
    sign(&mut request, signer(), NOW);
    assert_eq!(code(verify(&request, NOW, find(None))).0, "SignatureDoesNotMatch");
    set(&mut request, "x-amz-content-sha256", |hash| *hash = "UNSIGNED-PAYLOAD".to_owned());
    assert_eq!(code(verify(&request, NOW, find(None))).0, "SignatureDoesNotMatch");
}

#[test]
fn clocks_may_be_a_quarter_of_an_hour_apart() {
    for service in ["ec2", "sts"] {
        let request = signed(Signer { service, ..signer() });
        for apart in [-900_i64, 0, 900] {
            assert!(verify(&request, Timestamp((NOW.0 as i64 + apart) as u64), find(None)).is_ok(), "{apart}");
        }
        let expected = if service == "ec2" { ("RequestExpired", 400) } else { ("SignatureDoesNotMatch", 403) };
        let expected = (expected.0.to_owned(), expected.1);
        for apart in [-901_i64, 901] {
            let then = Timestamp((NOW.0 as i64 + apart) as u64);
            assert_eq!(code(verify(&request, then, find(None))), expected, "{service} {apart}");
        }
    }
}

#[test]
fn unknown_keys_are_refused_in_the_words_of_each_service() {
    for (service, expected) in [("ec2", ("AuthFailure", 401)), ("iam", ("InvalidClientTokenId", 403))] {
        let request = signed(Signer { service, access_key_id: "AKIANOBODY", ..signer() });
        let (code, status) = code(verify(&request, NOW, find(None)));
        assert_eq!((code.as_str(), status), expected);
    }
}

#[test]
fn a_scope_names_a_region_a_service_and_the_day() {
    for wrong in [Signer { region: "atlantis-1", ..signer() }, Signer { service: "s3", ..signer() }] {
        let refusal = verify(&signed(wrong), NOW, find(None)).unwrap_err();
        assert!(refusal.code == "SignatureDoesNotMatch" && refusal.message.contains("scoped to"), "{refusal:?}");
    }
    let mut request = signed(signer());
    set(&mut request, "authorization", |header| *header = header.replace("/20261125/", "/20261124/"));
    assert!(verify(&request, NOW, find(None)).unwrap_err().message.contains("Date in Credential scope"));
}

#[test]
fn what_is_missing_or_cannot_be_read_is_incomplete() {
    assert_eq!(code(verify(&request(), NOW, find(None))), ("MissingAuthenticationToken".to_owned(), 403));
    let whole = signed(signer()).header("authorization").unwrap().to_owned();
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("AWS4-HMAC-SHA256 ", "Basic "),
        ("Credential=", "Credentials="),
        ("SignedHeaders=", "Headers="),
        ("Signature=", "Sig="),
        ("/aws4_request", "/aws3_request"),
        ("/eu-west-1/", "//"),
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host"),
        ("host;x-amz-date", "x-amz-date"),
        ("host;x-amz-date", "Host;x-amz-date"),
    ] {
        let mut request = signed(signer());
        set(&mut request, "authorization", |header| *header = whole.replace(from, to));
        assert_eq!(code(verify(&request, NOW, find(None))), ("IncompleteSignature".to_owned(), 400), "{from} -> {to}");
    }
    let mut request = signed(signer());
    request.headers.retain(|(name, _)| name != "X-Amz-Date");
    assert_eq!(code(verify(&request, NOW, find(None))).0, "IncompleteSignature");
    let mut request = signed(signer());
    request.headers.push(("X-Amz-Target".to_owned(), "unsigned".to_owned()));
    assert_eq!(code(verify(&request, NOW, find(None))).0, "IncompleteSignature");
    let mut request = signed(signer());
    request.query = "X-Amz-Signature=0".to_owned();
    assert_eq!(code(verify(&request, NOW, find(None))).0, "IncompleteSignature", "both at once");
    let mut request = signed(signer());
    request.headers.push(("Authorization".to_owned(), whole));
    assert_eq!(code(verify(&request, NOW, find(None))).0, "IncompleteSignature", "two headers");
}

#[test]
fn a_temporary_key_needs_its_token_and_ends() {
    for (service, unknown, ended) in
        [("ec2", "AuthFailure", "RequestExpired"), ("sts", "InvalidClientTokenId", "ExpiredToken")]
    {
        let with = |session_token| signed(Signer { service, session_token, ..signer() });
        let end = NOW.0 + 1;
        assert!(verify(&with(Some("token")), NOW, find(Some(("token", end)))).is_ok());
        assert_eq!(code(verify(&with(None), NOW, find(Some(("token", end))))).0, unknown);
        assert_eq!(code(verify(&with(Some("other")), NOW, find(Some(("token", end))))).0, unknown);
        assert_eq!(code(verify(&with(Some("token")), NOW, find(None))).0, unknown);
        assert_eq!(code(verify(&with(Some("token")), NOW, find(Some(("token", NOW.0))))).0, ended);
    }
}

/// A presigned request, made by hand from the same parts.
fn presigned(expires: &str) -> Request {
    let date = model::moment::basic(NOW);
    let scope = Scope { date: date[..8].to_owned(), region: "us-east-1".to_owned(), service: "sts".to_owned() };
    let credential = format!("{KEY}/{scope}").replace('/', "%2F");
    let mut request = Request { method: "GET".to_owned(), body: Vec::new(), ..request() };
    request.query = format!(
        "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}\
         &X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
    );
    let canonical = canonical::request(&request, &["host".to_owned()]);
    request.query += &format!("&X-Amz-Signature={}", key::signature(SECRET, &scope, &date, &canonical));
    request
}

#[test]
fn a_presigned_request_is_good_for_as_long_as_it_says_and_seven_days_at_most() {
    let ok = |expires: &str, later: u64| verify(&presigned(expires), NOW.plus(later), find(None));
    assert!(ok("60", 0).is_ok() && ok("60", 60).is_ok() && ok("604800", 604_800).is_ok());
    assert_eq!(code(ok("60", 61)).0, "SignatureDoesNotMatch");
    for wrong in ["604801", "0", "-1", "x", ""] {
        assert_eq!(code(ok(wrong, 0)).0, "IncompleteSignature", "{wrong}");
    }
    let mut changed = presigned("60");
    changed.query = changed.query.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_eq!(code(verify(&changed, NOW, find(None))).0, "SignatureDoesNotMatch");
}

proptest::proptest! {
    #[test]
    fn no_header_is_too_strange(header in "(AWS4-HMAC-SHA256 )?[ -~é]{0,120}", query in "(X-Amz-Signature=)?[ -~é]{0,80}") {
        let mut request = request();
        request.headers.push(("Authorization".to_owned(), header));
        let header_alone = verify(&request, NOW, find(None));
        request.query = query;
        let both = verify(&request, NOW, find(None));
        proptest::prop_assert!(header_alone.is_err() && both.is_err());
        let _ = Moment::parse_basic(&request.query);
    }
}
