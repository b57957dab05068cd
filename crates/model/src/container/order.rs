//! Who comes before whom, and whether anybody can.

use std::collections::{BTreeMap, BTreeSet};

/// A circle of containers that wait for each other, from the alphabetically first one round to itself; `None` when there
/// is none. Names without a container lead nowhere.
pub fn dependency_circle<'n>(waits_for: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> Option<Vec<&'n str>> {
    // Whoever waits for nobody can start; what is left when nobody can any more waits in a circle, or for one.
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, Vec<&'n str>> = BTreeMap::new();
    for (name, others) in waits_for {
        let others: Vec<_> = others.iter().filter(|other| waits_for.contains_key(*other)).collect();
        left.insert(name, others.len());
        others.into_iter().for_each(|other| waiting.entry(other).or_default().push(name));
    }
    let mut ready: Vec<&str> = left.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        left.remove(name);
        for other in waiting.get(name).into_iter().flatten() {
            if let Some(count) = left.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    ready.push(other);
                }
            }
        }
    }
    let (mut at, _) = waits_for.get_key_value(*left.keys().next()?)?;
    let mut way: Vec<&'n str> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    loop {
        if let Some(first) = seen.insert(at, way.len()) {
            let mut circle = way.split_off(first);
            let least = circle.iter().enumerate().min_by_key(|(_, name)| **name).map_or(0, |(place, _)| place);
            circle.rotate_left(least);
            circle.push(circle[0]);
            return Some(circle);
        }
        way.push(at);
        at = waits_for.get(at)?.iter().find(|other| left.contains_key(*other))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_however_long_and_whoever_waits_for_them() {
        fn circle(pairs: &[(&'static str, &[&'static str])]) -> Option<Vec<&'static str>> {
            dependency_circle(&pairs.iter().map(|(name, others)| (*name, others.iter().copied().collect())).collect())
        }
        assert_eq!(circle(&[("a", &["b"]), ("b", &["c", "nobody"]), ("c", &[])]), None);
        assert_eq!(circle(&[("a", &["a"])]), Some(vec!["a", "a"]));
        // `a` and `b` only wait for the circle; a round begins at its first name.
        let round = circle(&[("a", &["b"]), ("b", &["z"]), ("d", &["z"]), ("e", &["d"]), ("z", &["e"])]);
        assert_eq!(round, Some(vec!["d", "z", "e", "d"]));
    }
}
