//! Laws of patterns and documents, on random ones.

use iam::policy::Pattern;
use iam::{Facts, Policy, PolicyKind};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The meaning of a pattern, as short as it can be said.
fn means(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['*', rest @ ..], text) => (0..=text.len()).any(|taken| means(rest, &text[taken..])),
        (['?', rest @ ..], [_, after @ ..]) => means(rest, after),
        ([one, rest @ ..], [first, after @ ..]) => one == first && means(rest, after),
        (_, []) => false,
    }
}

fn documents() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "Version", "2012-10-17", "Statement", "Effect", "Allow", "Deny", "Action", "NotAction", "ec2:*", "*", "Resource", "NotResource",
        "arn:aws:ec2:*:*:*", "Condition", "StringEquals", "ForAllValues:StringLike", "NumericLessThan", "aws:TagKeys", "Principal", "AWS",
        "${aws:username}", "${", "Sid", "Null", "true", "Bool", "",
    ]);
    let leaf = prop_oneof![words.clone().prop_map(|word| json!(word)), any::<i32>().prop_map(|n| json!(n)), Just(Value::Null)];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((words.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_means(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let (units, characters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(Pattern::new(&pattern, true).matches(&text, &Facts::new()), Some(means(&units, &characters)));
    }

    #[test]
    fn any_document_is_read_or_refused(document in documents(), trust in any::<bool>()) {
        let kind = if trust { PolicyKind::Trust } else { PolicyKind::Identity };
        let _ = Policy::read(&document, kind);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = Policy::parse(&text, PolicyKind::Identity);
        let _ = Pattern::new(&text, true);
    }
}

#[test]
fn an_account_made_like_itself_is_unchanged() {
    let mut fill = |bytes: &mut [u8]| bytes.fill(3);
    let mut environment = iam::Environment { now: model::Timestamp(5), random: &mut fill };
    let mut account = iam::Account::new("111122223333");
    iam::operation::create_user(&mut account, &mut environment, "kim", None, Default::default()).unwrap();
    iam::operation::attach_policy(&mut account, iam::Kind::User, "kim", "arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap();
    let before = account.clone();
    assert_eq!(iam::converge(&mut account, &before, &mut environment), []);
    assert_eq!(account, before);
}
