//! The labs of `examples/`, proved.

use crate::support::{Proved, example};

#[test]
fn the_shop_lets_in_what_its_rules_say_and_nothing_else() {
    let shop = Proved::of(example("examples/shop.yaml").1);
    for (from, to, traffic) in [
        ("internet", "web-1", "tcp/80,443"),
        ("internet", "bastion", "nothing"),
        ("internet", "db-1", "nothing"),
        ("office", "bastion", "tcp/22"),
        ("bastion", "web-2", "tcp/22,80,443"),
        ("web-1", "db-1", "tcp/3306"),
        ("bastion", "db-1", "nothing"),
        ("db-1", "web-1", "tcp/80,443"),
        ("db-1", "internet", "tcp udp icmp/8,13"),
        ("web-1", "internet", "all"),
    ] {
        let between = shop.between(from, to);
        assert_eq!(between.both.to_string(), traffic, "{from} -> {to}");
        assert_eq!(between.request, between.both, "{from} -> {to}");
    }
}
