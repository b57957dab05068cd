//! Changes of which the kernel sees nothing: tags other than `Name`, which name instances, hosts and files. Metadata services say them,
//! and nothing else of a running lab does, so that a cloud of a thousand instances is not gone through for a label.

use model::{Model, Tags, tag};

/// Whether two clouds differ in nothing but such tags. What is not looked at for tags has to be the same.
pub fn is_unseen(before: &Model, now: &Model) -> bool {
    let mut same = now.clone();
    (same.generation, same.context) = (before.generation, before.context.clone());
    macro_rules! with_tags_of_before {
        ($($table:ident)*) => {
            $(
                for row in now.$table.rows_unlike(&before.$table) {
                    let Some(old) = before.$table.get(&row.0) else { return false };
                    if old.tags != row.1.tags && may_differ(&old.tags, &row.1.tags)
                        && let Some(row) = same.$table.get_mut(&row.0)
                    {
                        row.tags.clone_from(&old.tags);
                    }
                }
            )*
        };
    }
    with_tags_of_before! {
        vpcs subnets instances network_interfaces security_groups network_acls route_tables internet_gateways nat_gateways
        vpc_endpoints vpc_peering_connections addresses ebs_volumes
    }
    same == *before
}

fn may_differ(one: &Tags, other: &Tags) -> bool {
    tag::name(one) == tag::name(other)
}

#[cfg(test)]
mod tests {
    use model::operation::{CreateSubnet, CreateTags, CreateVpc, create_subnet, create_tags, create_vpc};
    use model::{Context, Region, Timestamp};

    use super::*;

    #[test]
    fn only_tags_that_are_no_names_are_unseen() {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        let vpc = create_vpc(&mut model, CreateVpc { cidr_block: "10.0.0.0/16".parse().unwrap(), ..CreateVpc::default() }).unwrap();
        let before = model.clone();
        let tagged = |key: &str| {
            let mut model = before.clone();
            let tags = Tags::from([(key.to_owned(), "x".to_owned())]);
            create_tags(&mut model, CreateTags { resources: vec![vpc.to_string()], tags }).unwrap();
            assert!(model != before);
            model
        };
        assert!(is_unseen(&before, &before) && is_unseen(&before, &tagged("team")));
        assert!(is_unseen(&tagged("team"), &before), "taken away");
        assert!(!is_unseen(&before, &tagged("Name")));
        create_subnet(&mut model, CreateSubnet::new(vpc.clone(), "10.0.1.0/24".parse().unwrap())).unwrap();
        assert!(!is_unseen(&before, &model) && !is_unseen(&model, &before));
        let mut both = tagged("team");
        both.vpcs.get_mut(&vpc).unwrap().enable_dns_hostnames ^= true;
        assert!(!is_unseen(&before, &both));
    }
}
