//! Key pairs: a name for a public key. Making keys and fingerprints is a matter of formats, one room up.

use super::tag;
use crate::*;

/// Parameters of ImportKeyPair; CreateKeyPair comes here as well, with the public half of what it made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportKeyPair {
    /// Name, unique in the region.
    pub key_name: String,
    /// Public key in OpenSSH form (`ssh-ed25519 AAAA… comment`).
    pub public_key: String,
    /// Fingerprint as the API prints it.
    pub key_fingerprint: String,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// How a call names a key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPairName {
    /// By its name.
    Name(String),
    /// By its id.
    Id(KeyPairId),
}

/// Keeps a public key under a name.
///
/// Errors: `MissingParameter`, `InvalidParameterValue` (name), `InvalidKeyPair.Duplicate`, `InvalidKey.Format`,
/// those of tags.
pub fn import_key_pair(model: &mut Model, request: ImportKeyPair) -> Result<KeyPairId, ApiError> {
    let ImportKeyPair { key_name, public_key, key_fingerprint, tags, origin } = request;
    if key_name.is_empty() {
        let message = "The request must contain the parameter KeyName";
        return Err(ApiError::new(ErrorCode::MissingParameter, message));
    }
    if key_name.len() > 255 || !key_name.is_ascii() || key_name.trim() != key_name {
        let message = format!("Value ({key_name}) for parameter KeyName is invalid. Up to 255 ASCII characters.");
        return Err(ApiError::new(ErrorCode::InvalidParameterValue, message));
    }
    tag::check(&tags)?;
    if model.key_pairs.contains_key(&key_name) {
        let message = format!("The keypair '{key_name}' already exists.");
        return Err(ApiError::new(ErrorCode::InvalidKeyPairDuplicate, message));
    }
    if !matches!(public_key.split(' ').next(), Some("ssh-ed25519" | "ssh-rsa")) {
        let message = "Key is not in valid OpenSSH public key format";
        return Err(ApiError::new(ErrorCode::InvalidKeyFormat, message));
    }
    let id: KeyPairId = model.context.next_id();
    let create_time = model.context.now;
    let pair = KeyPair { id: id.clone(), key_name, key_fingerprint, public_key, create_time, tags, origin };
    model.key_pairs.insert(pair.key_name.clone(), pair);
    model.generation += 1;
    Ok(id)
}

/// Forgets a key pair; instances keep the key they were launched with. A name that nobody has is no error.
///
/// Errors: `InvalidKeyPair.NotFound` (an id that nobody has). Returns the id of what is gone.
pub fn delete_key_pair(model: &mut Model, name: &KeyPairName) -> Result<Option<KeyPairId>, ApiError> {
    let found = match name {
        KeyPairName::Name(name) => model.key_pairs.get(name),
        KeyPairName::Id(id) => Some(model.key_pairs.values().find(|pair| pair.id == *id).ok_or_else(|| {
            let message = format!("The key pair ID '{id}' does not exist");
            ApiError::new(ErrorCode::InvalidKeyPairNotFound, message)
        })?),
    };
    let Some(pair) = found else { return Ok(None) };
    let (id, name) = (pair.id.clone(), pair.key_name.clone());
    model.key_pairs.remove(&name);
    model.generation += 1;
    Ok(Some(id))
}
