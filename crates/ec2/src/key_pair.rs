//! Key pairs: making them, reading public keys, fingerprints.
//!
//! A made key comes from the machine's own randomness: identifiers of the model are drawn from a seed, and anybody who
//! sees one could compute a key drawn the same way. Kept is the public half alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use model::operation::{self, ImportKeyPair, KeyPairName};
use model::{ApiError, ErrorCode, KeyPair, Model};
use serde_json::{Value, json};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};

use crate::Operation;
use crate::arguments::{Arguments, read};
use crate::filter::Describe;
use crate::shape::{present, tags, text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateKeyPair", create_key_pair),
    ("DeleteKeyPair", delete_key_pair),
    ("DescribeKeyPairs", describe_key_pairs),
    ("ImportKeyPair", import_key_pair),
];

/// Makes an ED25519 pair, also when no type is given (AWS would make an RSA one); the answer is the only place where the private half is ever seen.
fn create_key_pair(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (key_name, tags) = read(arguments, |a| {
        match a.text("KeyType")? {
            None | Some("ed25519") => {}
            Some("rsa") => {
                let message = "Key pairs of type rsa are not made here.";
                let hint = "leave KeyType out for ed25519, or import the public half of an RSA key";
                return Err(ApiError::new(ErrorCode::UnsupportedOperation, message).with_hint(hint));
            }
            Some(other) => return Err(a.invalid("KeyType", &other.into(), "Either rsa or ed25519 was expected.")),
        }
        match a.text("KeyFormat")? {
            None | Some("pem") => Ok((a.required_text("KeyName")?.to_owned(), a.tags("key-pair")?)),
            Some(other) => Err(a.invalid("KeyFormat", &other.into(), "Only pem is supported.")),
        }
    })?;
    let failed = |error: ssh_key::Error| ApiError::new(ErrorCode::InternalError, format!("no key was made: {error}"));
    let mut private = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    private.set_comment(key_name.clone());
    let material = private.to_openssh(LineEnding::LF).map_err(failed)?;
    let mut answer = import(model, private.public_key(), key_name, tags)?;
    answer["KeyMaterial"] = material.as_str().into();
    Ok(answer)
}

fn import_key_pair(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (key_name, key, tags) = read(arguments, |a| {
        Ok((a.required_text("KeyName")?.to_owned(), public_key(a)?, a.tags("key-pair")?))
    })?;
    import(model, &key, key_name, tags)
}

fn import(model: &mut Model, key: &PublicKey, key_name: String, key_tags: model::Tags) -> Result<Value, ApiError> {
    let request = ImportKeyPair {
        public_key: key.to_openssh().map_err(|_| bad_format())?,
        key_fingerprint: fingerprint(key)?,
        key_name: key_name.clone(),
        tags: key_tags,
        ..ImportKeyPair::default()
    };
    operation::import_key_pair(model, request)?;
    let pair = model.key_pairs.get(&key_name).ok_or_else(|| ApiError::new(ErrorCode::InternalError, "no key is kept"))?;
    Ok(json!({
        "KeyFingerprint": pair.key_fingerprint,
        "KeyName": pair.key_name,
        "KeyPairId": text(&pair.id),
        "Tags": tags(&pair.tags),
    }))
}

/// `PublicKeyMaterial` is bytes, so base64 in JSON; OpenSSH text as it stands is understood too.
fn public_key(a: &Arguments<'_>) -> Result<PublicKey, ApiError> {
    let given = a.required_text("PublicKeyMaterial")?.trim();
    let decoded = match given.starts_with("ssh-") {
        true => given.to_owned(),
        false => STANDARD.decode(given).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad_format)?,
    };
    PublicKey::from_openssh(decoded.trim()).map_err(|_| bad_format())
}

fn bad_format() -> ApiError {
    ApiError::new(ErrorCode::InvalidKeyPairFormat, "Key is not in valid OpenSSH public key format")
}

/// As AWS prints it: SHA-256 of an ED25519 key in base64, MD5 of an RSA key's DER form in hexadecimal.
/// Errors: `InvalidKeyPair.Format` for other kinds of keys.
fn fingerprint(key: &PublicKey) -> Result<String, ApiError> {
    match key.key_data() {
        KeyData::Ed25519(_) => Ok(STANDARD.encode(key.fingerprint(HashAlg::Sha256).as_bytes())),
        KeyData::Rsa(rsa) => {
            let digest = Md5::digest(subject_public_key_info(rsa));
            Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
        }
        _ => Err(bad_format().with_hint("ED25519 and RSA keys are supported")),
    }
}

/// SubjectPublicKeyInfo of an RSA key (RFC 3279 section 2.3.1) in DER (X.690).
fn subject_public_key_info(key: &RsaPublicKey) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    // rsaEncryption, 1.2.840.113549.1.1.1, with its NULL parameters.
    const ALGORITHM: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [element(0x02, key.n.as_bytes()), element(0x02, key.e.as_bytes())].concat();
    // A bit string starts with how many bits of its last byte are unused: none.
    let bits = [vec![0], element(SEQUENCE, &numbers)].concat();
    element(SEQUENCE, &[element(SEQUENCE, &ALGORITHM), element(0x03, &bits)].concat())
}

/// Tag, length and contents of a DER element; lengths from 128 on take as many bytes as they need.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut bytes = vec![tag];
    if contents.len() >= 128 {
        bytes.push(0x80 | significant.len() as u8);
    }
    bytes.extend(significant);
    bytes.extend(contents);
    bytes
}

fn delete_key_pair(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let name = read(arguments, |a| match a.id("KeyPairId")? {
        Some(id) => Ok(KeyPairName::Id(id)),
        None => Ok(KeyPairName::Name(a.required_text("KeyName")?.to_owned())),
    })?;
    let gone = operation::delete_key_pair(model, &name)?;
    Ok(present(json!({"Return": true, "KeyPairId": gone.map(text)})))
}

const DESCRIBE: Describe = Describe {
    ids: "KeyNames",
    id_path: "KeyName",
    answer: "KeyPairs",
    filters: &[
        ("fingerprint", &["KeyFingerprint"]),
        ("key-name", &["KeyName"]),
        ("key-pair-id", &["KeyPairId"]),
    ],
    not_found: |name| not_found(&format!("The key pair '{name}' does not exist")),
};

fn not_found(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidKeyPairNotFound, message)
}

fn describe_key_pairs(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (mut ids, mut with_key) = (Vec::new(), false);
    let mut answer = DESCRIBE.serve_with(arguments, model.key_pairs.values().map(shape), |a| {
        ids = a.texts("KeyPairIds")?.into_iter().map(str::to_owned).collect();
        with_key = a.boolean("IncludePublicKey")?.unwrap_or(false);
        Ok(())
    })?;
    if let Some(absent) = ids.iter().find(|id| !model.key_pairs.values().any(|pair| pair.id.as_str() == **id)) {
        return Err(not_found(&format!("The key pair ID '{absent}' does not exist")));
    }
    if let Some(pairs) = answer["KeyPairs"].as_array_mut() {
        pairs.retain(|pair| ids.is_empty() || ids.iter().any(|id| pair["KeyPairId"] == **id));
        for pair in pairs.iter_mut().filter_map(Value::as_object_mut).filter(|_| !with_key) {
            pair.shift_remove("PublicKey");
        }
    }
    Ok(answer)
}

fn shape(pair: &KeyPair) -> Value {
    let key_type = if pair.public_key.starts_with("ssh-rsa") { "rsa" } else { "ed25519" };
    json!({
        "KeyPairId": text(&pair.id),
        "KeyType": key_type,
        "Tags": tags(&pair.tags),
        "PublicKey": pair.public_key,
        "CreateTime": time(pair.create_time),
        "KeyName": pair.key_name,
        "KeyFingerprint": pair.key_fingerprint,
    })
}
