//! Tags of users, roles, policies and instance profiles.

use model::tag::Tags;

use super::name::limit;
use crate::account::{Account, Kind};
use crate::error::{Code, Error, Result};

/// Most tags of one thing.
const MOST: usize = 50;

/// Refuses tags that nothing can have: over 50, keys over 128 or values over 256 characters, or keys of AWS's own.
pub fn check_tags(tags: &Tags) -> Result<()> {
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Error::new(Code::InvalidInput, format!("The tag {key} is invalid: keys have 1 to 128 characters, values at most 256, and aws: is reserved.")));
        }
    }
    if tags.len() > MOST { Err(limit("TagsPerResource", MOST)) } else { Ok(()) }
}

fn tag(own: &mut Tags, tags: Tags) -> Result<()> {
    let mut all = own.clone();
    all.extend(tags);
    check_tags(&all)?;
    *own = all;
    Ok(())
}

fn untag(own: &mut Tags, keys: &[String]) {
    own.retain(|key, _| !keys.contains(key));
}

/// Tags a user or role. Errors: `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
pub fn tag_entity(account: &mut Account, kind: Kind, name: &str, tags: Tags) -> Result<()> {
    tag(&mut account.entity_mut(kind, name)?.tags, tags)
}

/// Takes tags from a user or role. Errors: `NoSuchEntity`.
pub fn untag_entity(account: &mut Account, kind: Kind, name: &str, keys: &[String]) -> Result<()> {
    untag(&mut account.entity_mut(kind, name)?.tags, keys);
    Ok(())
}

/// Tags a managed policy. Errors: `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
pub fn tag_policy(account: &mut Account, arn: &str, tags: Tags) -> Result<()> {
    tag(&mut super::policy::own_policy(account, arn)?.tags, tags)
}

/// Takes tags from a managed policy. Errors: `NoSuchEntity`.
pub fn untag_policy(account: &mut Account, arn: &str, keys: &[String]) -> Result<()> {
    untag(&mut super::policy::own_policy(account, arn)?.tags, keys);
    Ok(())
}

/// Tags an instance profile. Errors: `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
pub fn tag_profile(account: &mut Account, name: &str, tags: Tags) -> Result<()> {
    tag(&mut super::profile::profile_mut(account, name)?.tags, tags)
}

/// Takes tags from an instance profile. Errors: `NoSuchEntity`.
pub fn untag_profile(account: &mut Account, name: &str, keys: &[String]) -> Result<()> {
    untag(&mut super::profile::profile_mut(account, name)?.tags, keys);
    Ok(())
}
