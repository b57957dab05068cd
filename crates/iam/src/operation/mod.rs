//! Operations on an account: each checks everything, then changes. One file for each thing that changes.

mod alias;
mod attach;
mod entity;
mod key;
mod name;
mod policy;
mod profile;
mod session;
mod tag;

pub use alias::{create_account_alias, delete_account_alias};
pub use attach::{
    attach_policy, delete_inline_policy, delete_permissions_boundary, detach_policy, put_inline_policy, put_permissions_boundary,
};
pub use entity::{
    check_trusted,
    CreateRole, add_user_to_group, create_group, create_role, create_user, delete_entity, remove_user_from_group, rename, update_role,
    update_trust,
};
pub use key::{create_access_key, create_root_key, delete_access_key, update_access_key};
pub use policy::{
    CreatePolicy, create_policy, create_policy_version, delete_policy, delete_policy_version, set_default_policy_version,
};
pub use profile::{add_role_to_profile, create_profile, delete_profile, remove_role_from_profile};
pub use session::{
    AssumeRole, Identity, assume_role, caller, expire, instance_role, instance_session, role_by_arn, session_token, subject,
    subject_of_group,
};
pub use tag::{check_tags, tag_entity, tag_policy, tag_profile, untag_entity, untag_policy, untag_profile};
