//! Rules, network ACL entries, claims, selectors and probes of any text: an answer, with places inside the text; what
//! was understood reads back as it prints.

#![no_main]

use lab::sentence::{
    parse_acl_entry, parse_claim, parse_filter_rule, parse_link, parse_probe, parse_rule, parse_selector, parse_service, parse_static_route,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse_rule(text) {
        Ok((rule, _)) => assert_eq!(parse_rule(&rule.to_string()).map(|(again, _)| again), Ok(rule)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    match parse_acl_entry(text) {
        Ok((entry, _)) => assert_eq!(parse_acl_entry(&entry.to_string()).map(|(again, _)| again), Ok(entry)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    match parse_claim(text) {
        Ok((claim, _)) => assert_eq!(parse_claim(&claim.to_string()).map(|(again, _)| again), Ok(claim)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    if let Ok(selector) = parse_selector(text) {
        assert_eq!(parse_selector(&selector.to_string()), Ok(selector));
    }
    match parse_static_route(text) {
        Ok(route) => assert_eq!(parse_static_route(&route.to_string()), Ok(route)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    match parse_filter_rule(text) {
        Ok(rule) => assert_eq!(parse_filter_rule(&rule.to_string()), Ok(rule)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    match parse_service(text) {
        Ok(service) => assert_eq!(parse_service(&service.to_string()), Ok(service)),
        Err(error) => assert!(is_inside(text, &error.range)),
    }
    if let Err(error) = parse_link(text) {
        assert!(is_inside(text, &error.range));
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let _ = parse_probe(&words);
});

/// An error at the end points one past it: there something is missing.
fn is_inside(text: &str, range: &std::ops::Range<usize>) -> bool {
    range.start <= range.end && range.end <= text.len() + 1
}
