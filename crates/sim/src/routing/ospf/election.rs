//! Who is designated on a network of several routers, and who is its backup (RFC 2328 9.4).

use std::net::Ipv4Addr;

/// A router that may be designated, and whom it takes for designated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// How much it wants to be; 0 never.
    pub priority: u8,
    /// Its router id.
    pub id: Ipv4Addr,
    /// Its address on the network, which it is named by.
    pub address: Ipv4Addr,
    /// The designated router, to it.
    pub designated: Ipv4Addr,
    /// The backup, to it.
    pub backup: Ipv4Addr,
}

/// Steps 2 and 3: the designated router and the backup, unspecified where there is none.
fn choose(all: &[Candidate]) -> (Ipv4Addr, Ipv4Addr) {
    let best = |fits: &dyn Fn(&Candidate) -> bool| {
        let eligible = all.iter().filter(|one| one.priority > 0 && fits(one));
        eligible.max_by_key(|one| (one.priority, one.id)).map(|one| one.address)
    };
    let claims = |one: &Candidate| one.designated == one.address;
    let backup = best(&|one| !claims(one) && one.backup == one.address).or_else(|| best(&|one| !claims(one)));
    let backup = backup.unwrap_or(Ipv4Addr::UNSPECIFIED);
    (best(&claims).unwrap_or(backup), backup)
}

/// The designated router and the backup, as `own` sees it.
pub fn elect(own: Candidate, others: &[Candidate]) -> (Ipv4Addr, Ipv4Addr) {
    let vote = |own: Candidate| choose(&[&[own], others].concat());
    let (designated, backup) = vote(own);
    let is = |address: Ipv4Addr| address == own.address;
    // Step 4: what it is itself has changed, so that it is counted again with what it now says of itself.
    if (is(designated), is(backup)) == (is(own.designated), is(own.backup)) {
        return (designated, backup);
    }
    vote(Candidate { designated, backup, ..own })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: u8 = 0;

    /// Priority, number, and the numbers that it takes for designated and backup.
    fn candidate((priority, number, designated, backup): (u8, u8, u8, u8)) -> Candidate {
        let address = |number| {
            if number == NONE { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(10, 0, 0, number) }
        };
        let id = Ipv4Addr::new(1, 1, 1, number);
        Candidate { priority, id, address: address(number), designated: address(designated), backup: address(backup) }
    }

    #[test]
    fn the_highest_priority_then_the_highest_id_wins_and_who_is_designated_stays_so() {
        type Row<'a> = (&'a str, (u8, u8, u8, u8), &'a [(u8, u8, u8, u8)], (u8, u8));
        let table: &[Row<'_>] = &[
            ("alone", (1, 1, 0, 0), &[], (1, 0)),
            ("all new, seen by the highest", (1, 3, 0, 0), &[(1, 1, 0, 0), (1, 2, 0, 0)], (3, 2)),
            ("priority comes first", (1, 3, 0, 0), &[(2, 1, 0, 0), (1, 2, 0, 0)], (1, 3)),
            ("a newcomer changes nothing", (9, 3, 0, 0), &[(1, 1, 1, 2), (1, 2, 1, 2)], (1, 2)),
            ("no priority, no office", (0, 9, 0, 0), &[(1, 1, 0, 0)], (1, 1)),
            ("the backup moves up", (1, 2, 1, 2), &[(1, 3, 1, 2)], (2, 3)),
            ("two that were apart", (1, 1, 1, 2), &[(1, 2, 1, 2), (1, 4, 4, 3), (1, 3, 4, 3)], (4, 3)),
            ("nobody can", (0, 1, 0, 0), &[(0, 2, 0, 0)], (0, 0)),
        ];
        for (name, own, others, (designated, backup)) in table {
            let others: Vec<_> = others.iter().copied().map(candidate).collect();
            let address = |number: u8| candidate((0, number, 0, 0)).address;
            assert_eq!(elect(candidate(*own), &others), (address(*designated), address(*backup)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn only_those_who_may_are_elected(all in prop::collection::vec((0u8..3, 0u8..8, 0u8..8), 1..7)) {
            let numbered = (1u8..).zip(all);
            let all: Vec<_> = numbered.map(|(number, (priority, a, b))| candidate((priority, number, a, b))).collect();
            let (designated, backup) = elect(all[0], &all[1..]);
            for address in [designated, backup] {
                let may = all.iter().any(|one| one.address == address && one.priority > 0);
                prop_assert!(address.is_unspecified() || may);
            }
            let can = all.iter().any(|one| one.priority > 0);
            prop_assert_eq!(designated.is_unspecified(), !can);
        }
    }
}
