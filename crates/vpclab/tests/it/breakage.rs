//! A hidden mistake: made, felt, hinted at, repaired, taken back.
#![cfg(target_os = "linux")]

use crate::shop::{SHOP, Shop, text};

#[test]
fn a_mistake_is_felt_and_taken_back() {
    let shop = Shop::up();
    let made = shop.vpclab(&["break", "--kind", "lost-nat-gateway", "--seed", "7"]);
    assert_eq!(text(&made.stdout), "something is wrong in lab shop now (seed 7)\n", "{}", text(&made.stderr));
    // What was done is not said; that it is felt is.
    let out = shop.vpclab(&["check", "--lab", "shop", "db-1", "internet", "tcp/443"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stdout));
    let check = shop.vpclab(&["break", "check"]);
    assert_eq!(check.status.code(), Some(1));
    assert_eq!(text(&check.stdout), "not repaired yet: lab shop does not carry what it carried before\n");
    let again = shop.vpclab(&["break"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).starts_with("error: a mistake is in lab shop already\n"), "{}", text(&again.stderr));
    assert_eq!(text(&shop.vpclab(&["break", "hint"]).stdout), "look at how packets are routed, there and back\n");
    let reveal = text(&shop.vpclab(&["break", "reveal"]).stdout);
    assert!(reveal.contains("it was deleted; routes to it are blackholes"), "{reveal}");
    assert_eq!(shop.vpclab(&["break", "undo"]).status.code(), Some(0));
    let out = shop.vpclab(&["check", "--lab", "shop", "db-1", "internet", "tcp/443"]);
    assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
    let none = shop.vpclab(&["break", "check"]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn bringing_up_what_the_file_says_repairs_it() {
    let shop = Shop::empty();
    let up = || shop.vpclab(&["up", "-f", SHOP]);
    assert_eq!(up().status.code(), Some(0));
    assert_eq!(shop.vpclab(&["break", "--seed", "3"]).status.code(), Some(0));
    assert_eq!(shop.vpclab(&["break", "check"]).status.code(), Some(1));
    assert_eq!(up().status.code(), Some(0));
    let check = shop.vpclab(&["break", "check", "-o", "json"]);
    assert!(text(&check.stdout).contains("\"repaired\": true"), "{}{}", text(&check.stdout), text(&check.stderr));
    assert_eq!(check.status.code(), Some(0));
}

#[test]
fn the_same_seed_makes_the_same_mistake_and_a_kind_that_is_not_offered_is_refused() {
    let shop = Shop::up();
    let mut revealed = Vec::new();
    for _ in 0..2 {
        shop.vpclab(&["break", "--seed", "11"]);
        revealed.push(text(&shop.vpclab(&["break", "reveal"]).stdout));
        assert_eq!(shop.vpclab(&["break", "undo"]).status.code(), Some(0));
    }
    assert!(!revealed[0].is_empty());
    assert_eq!(revealed[0], revealed[1]);
    let refused = shop.vpclab(&["break", "--kind", "lost-rout"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("hint: did you mean `lost-route`?"), "{}", text(&refused.stderr));
}
