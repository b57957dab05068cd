//! Key pairs: names for public keys that the metadata service hands to instances (IMDS-9).

use serde::{Deserialize, Serialize};

use crate::{KeyPairId, Origin, Tags, Timestamp};

/// A key pair. The private half is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// Identifier.
    pub id: KeyPairId,
    /// Name, unique in the region.
    pub key_name: String,
    /// Fingerprint as the API prints it.
    pub key_fingerprint: String,
    /// Public key in OpenSSH form.
    pub public_key: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}
