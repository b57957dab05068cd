//! Many pairs as few products, and many names as one label.

use std::collections::{BTreeMap, BTreeSet};

use fabric::called::shared;

/// Names that are listed one by one.
const LISTED: usize = 3;

/// Pairs as products of a set of senders with a set of receivers: those who send to the same are together. Where all of
/// some reach each other, they are one product with itself, in which nobody is paired with himself. Every pair is in
/// exactly one product; in order of their first pairs.
pub fn products<T: Copy + Ord>(
    pairs: impl IntoIterator<Item = (T, T)>,
) -> Vec<(BTreeSet<T>, BTreeSet<T>)> {
    let mut receivers: BTreeMap<T, BTreeSet<T>> = BTreeMap::new();
    for (from, to) in pairs {
        receivers.entry(from).or_default().insert(to);
    }
    // With themselves, the members of a clique all reach the same.
    let mut cliques: BTreeMap<BTreeSet<T>, BTreeSet<T>> = BTreeMap::new();
    for (from, to) in &receivers {
        let mut with_self = to.clone();
        with_self.insert(*from);
        cliques.entry(with_self).or_default().insert(*from);
    }
    let mut found: Vec<(BTreeSet<T>, BTreeSet<T>)> = Vec::new();
    let mut plain: BTreeMap<BTreeSet<T>, BTreeSet<T>> = BTreeMap::new();
    for (to, from) in cliques {
        match from.len() {
            1 => {
                for sender in from {
                    let to = receivers.remove(&sender).unwrap_or_default();
                    plain.entry(to).or_default().insert(sender);
                }
            }
            _ => found.push((from, to)),
        }
    }
    found.extend(plain.into_iter().map(|(to, from)| (from, to)));
    found.sort();
    found
}

/// Numbers that no other tells apart, together, in the order of their first: `cell` is what one finds at another, and of
/// one at itself what its members find at each other, if it has several. Only those that `may` be together are.
pub fn alike<C: PartialEq>(
    count: usize,
    may: impl Fn(usize, usize) -> bool,
    cell: impl Fn(usize, usize) -> Option<C>,
) -> Vec<Vec<usize>> {
    let same = |one: usize, other: usize| {
        let between = cell(one, other);
        let within = [cell(one, one), cell(other, other)];
        may(one, other)
            && between == cell(other, one)
            && within
                .into_iter()
                .all(|within| within.is_none() || within == between)
            && (0..count)
                .filter(|third| *third != one && *third != other)
                .all(|third| {
                    cell(one, third) == cell(other, third) && cell(third, one) == cell(third, other)
                })
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..count {
        // Being alike is transitive: the first of a group speaks for it.
        match groups.iter_mut().find(|group| same(group[0], row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// A few names for people: up to three in full, else how many and what they share: `12 web (web-1 … web-12)`.
pub fn label(names: &[&str]) -> String {
    if names.len() <= LISTED {
        return names.join(", ");
    }
    if names
        .iter()
        .all(|name| *name == "internet" || name.starts_with("internet ("))
    {
        return format!("internet ({} of its blocks)", names.len());
    }
    let (first, last) = (names[0], names[names.len() - 1]);
    format!("{} ({first} … {last})", short(names))
}

/// How many there are, and what they share: `4 web`; a single one by its name.
pub fn short(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        names => match stem(names) {
            Some(stem) => format!("{} {stem}", names.len()),
            None => format!("{} places", names.len()),
        },
    }
}

/// `web` of `web-1`, `web-2`.
fn stem(names: &[&str]) -> Option<String> {
    let own = |name: &str| {
        let word = shared(name).trim_end_matches(|c: char| c.is_ascii_digit());
        word.trim_end_matches(['-', '_', '.', '/']).to_owned()
    };
    let first = own(names.first()?);
    let is_shared = !first.is_empty() && names.iter().all(|name| own(name) == first);
    is_shared.then_some(first)
}

/// A key by which `web-2` comes before `web-10`.
pub fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, tail) = rest.split_at(digits);
        let end = tail
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (number, tail) = tail.split_at(end);
        parts.push((word.to_owned(), number.parse().unwrap_or(0)));
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pair_is_in_exactly_one_product(pairs in proptest::collection::btree_set((0_u8..7, 0_u8..7), 0..30)) {
            let pairs: BTreeSet<(u8, u8)> = pairs.into_iter().filter(|(a, b)| a != b).collect();
            let mut seen = Vec::new();
            for (from, to) in products(pairs.iter().copied()) {
                for a in &from {
                    seen.extend(to.iter().filter(|b| *b != a).map(|b| (*a, *b)));
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, pairs.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn those_who_send_to_the_same_are_together() {
        let pairs = [(1, 8), (1, 9), (2, 8), (2, 9), (3, 9)];
        let set = |all: &[i32]| all.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(
            products(pairs),
            [(set(&[1, 2]), set(&[8, 9])), (set(&[3]), set(&[9]))]
        );
        let clique = [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)];
        assert_eq!(products(clique), [(set(&[1, 2, 3]), set(&[1, 2, 3]))]);
    }

    #[test]
    fn rows_that_no_column_tells_apart_are_together() {
        // 0 and 1 reach 2 and each other; 3 reaches 0 alone; 4 is as 3 would be, and must not be with it.
        let open = [
            (0, 1),
            (1, 0),
            (0, 2),
            (1, 2),
            (3, 0),
            (3, 1),
            (4, 0),
            (4, 1),
        ];
        let cell = |a: usize, b: usize| (a != b).then(|| open.contains(&(a, b)));
        assert_eq!(
            alike(5, |_, _| true, cell),
            [vec![0, 1], vec![2], vec![3, 4]]
        );
        assert_eq!(
            alike(5, |a, b| a + b != 7, cell),
            [vec![0, 1], vec![2], vec![3], vec![4]]
        );
        // One way only: they can be told apart.
        let cell = |a: usize, b: usize| (a != b).then_some((a, b) == (0, 1));
        assert_eq!(alike(2, |_, _| true, cell), [vec![0], vec![1]]);
        // Members of a group that find each other otherwise than the groups find each other.
        let within = |a: usize, b: usize| Some(a == b && a == 0);
        assert_eq!(alike(2, |_, _| true, within), [vec![0], vec![1]]);
    }

    #[test]
    fn many_names_become_one() {
        assert_eq!(label(&["web-1", "db-1"]), "web-1, db-1");
        let many = ["web-1", "web-2", "web-3", "web-10"];
        assert_eq!(label(&many), "4 web (web-1 … web-10)");
        assert_eq!(short(&many), "4 web");
        assert_eq!(short(&["a", "b"]), "2 places");
        let blocks = [
            "internet",
            "internet (3.5.0.1)",
            "internet (8.8.8.8)",
            "internet (9.9.9.9)",
        ];
        assert_eq!(label(&blocks), "internet (4 of its blocks)");
        let mut names = vec!["web-10", "web-9", "db"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["db", "web-9", "web-10"]);
    }
}
