//! Instances (INST-1 … INST-9, UD-1, IMDS-3 … IMDS-7): launching, changing state and attributes.
//!
//! A passing state ends by the clock: [`settle_instance`] is what time does to one instance.

mod attribute;
mod profile;
mod run;
mod state;

pub use attribute::*;
pub use profile::*;
pub use run::*;
pub use state::*;

use crate::instance::MetadataOptions;
use crate::*;

/// Metadata settings as they are asked for; what is `None` stays as it is, or as the image has it (IMDS-7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetadataOptionsRequest {
    /// IMDS-3.
    pub http_tokens_required: Option<bool>,
    /// IMDS-5: 1 to 64.
    pub http_put_response_hop_limit: Option<u8>,
    /// IMDS-4.
    pub http_endpoint_enabled: Option<bool>,
    /// IMDS-9.
    pub instance_metadata_tags: Option<bool>,
}

impl MetadataOptionsRequest {
    /// The settings that follow from `present` ones. Errors: `InvalidParameterValue` (hop limit).
    fn apply_to(self, present: &MetadataOptions) -> Result<MetadataOptions, ApiError> {
        if let Some(limit) = self.http_put_response_hop_limit
            && !(1..=64).contains(&limit)
        {
            let message = format!(
                "Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. The value must be between 1 and 64."
            );
            return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
        }
        Ok(MetadataOptions {
            http_tokens_required: self.http_tokens_required.unwrap_or(present.http_tokens_required),
            http_put_response_hop_limit: self
                .http_put_response_hop_limit
                .unwrap_or(present.http_put_response_hop_limit),
            http_endpoint_enabled: self.http_endpoint_enabled.unwrap_or(present.http_endpoint_enabled),
            instance_metadata_tags: self.instance_metadata_tags.unwrap_or(present.instance_metadata_tags),
        })
    }
}

/// UD-1: 16 KiB before encoding. Errors: `InvalidParameterValue`.
fn check_user_data(user_data: &[u8]) -> Result<(), ApiError> {
    match user_data.len() <= 16 * 1024 {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::InvalidParameterValue, "User data is limited to 16384 bytes")),
    }
}

fn find_type(name: &str) -> Result<instance_type::InstanceType, ApiError> {
    instance_type::find(name).ok_or_else(|| {
        let message = format!("Invalid value '{name}' for InstanceType.");
        let known: Vec<_> = instance_type::all().map(|t| t.name()).filter(|known| similar(known, name)).collect();
        let hint = match known.is_empty() {
            true => "DescribeInstanceTypes lists the types on offer".to_owned(),
            false => format!("on offer: {}", known.join(", ")),
        };
        ApiError::new(ErrorCode::InvalidParameterValue, message).with_hint(hint)
    })
}

/// Same family or same size: near enough to be named in a hint.
fn similar(known: &str, asked: &str) -> bool {
    known.split_once('.').map(|(family, _)| family) == asked.split_once('.').map(|(family, _)| family)
}
