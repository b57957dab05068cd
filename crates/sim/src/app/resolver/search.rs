//! What a name may be short for (resolv.conf(5): `search`, `ndots:1`).

use wire::dns::{Kind, Query};

use super::LookupSpec;

/// The most domains that are tried (glibc's bound, until it had none).
const MOST: usize = 6;

/// The names that are asked for, one after another: a name without a dot first below each search domain, one with a dot first as it
/// is. A dot at the end says that the name is whole, and names of addresses always are. What no message can carry is left out.
pub(super) fn candidates(spec: &LookupSpec, domains: &[String]) -> Vec<String> {
    let is_name = |name: &String| Query::new(0, name.clone(), Kind::A).emit().is_ok();
    let mut names = match spec.name.strip_suffix('.') {
        Some(whole) => vec![whole.to_owned()],
        None if spec.kinds.contains(&Kind::PTR) => vec![spec.name.clone()],
        None => {
            let below = domains.iter().take(MOST).map(|domain| format!("{}.{domain}", spec.name));
            match spec.name.contains('.') {
                true => std::iter::once(spec.name.clone()).chain(below).collect(),
                false => below.chain([spec.name.clone()]).collect(),
            }
        }
    };
    names.retain(is_name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_completed_first_and_a_long_one_last() {
        let domains = ["a.test".to_owned(), "b.test".to_owned()];
        let of = |name: &str, domains: &[String]| candidates(&LookupSpec::new(name), domains);
        assert_eq!(of("web", &domains), ["web.a.test", "web.b.test", "web"]);
        assert_eq!(of("web.shop", &domains), ["web.shop", "web.shop.a.test", "web.shop.b.test"]);
        assert_eq!(of("web.", &domains), ["web"]);
        assert_eq!(of("web", &[]), ["web"]);
        assert_eq!(candidates(&LookupSpec::reverse([10, 0, 0, 5].into()), &domains), ["5.0.0.10.in-addr.arpa"]);
        let long = vec!["x".repeat(62); 4].join(".");
        assert_eq!(of(&long, &domains), [long], "below the domains it would be longer than names may be");
    }
}
