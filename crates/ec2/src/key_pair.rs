//! Key pairs: making them, reading public keys, fingerprints.
//!
//! A made key comes from the machine's own randomness: identifiers of the model are drawn from a seed, and anybody who
//! sees one could compute a key drawn the same way. Kept is the public half alone. So whoever makes calls again, to get the same cloud,
//! makes the key apart from the call ([`MadeKey`]) and has the call name its public half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use model::operation::{self, ImportKeyPair, KeyPairName};
use model::{ApiError, ErrorCode, KeyPair, Model};
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding as PemLineEnding};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, Mpint, PrivateKey, PublicKey};

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

/// Bits of an RSA key that is made.
const RSA_BITS: usize = 2_048;
/// Bits that an RSA key may have which is imported.
const RSA_LENGTHS: [usize; 3] = [1_024, 2_048, 4_096];

/// Parameters by which a call names the public half of a key that was made apart from it; no client has words for them.
const PUBLIC_HALF: [&str; 2] = ["MadePublicKey", "MadeFingerprint"];

/// A key that is made apart from the call that asks for it.
pub struct MadeKey {
    public: PublicKey,
    fingerprint: String,
    /// The private half: PKCS#1 (RFC 8017) of RSA, OpenSSH's own form of ED25519, in PEM.
    pub material: String,
}

impl MadeKey {
    /// The key that a CreateKeyPair asks for; of RSA unless it says otherwise. Finding primes takes some tenths of a second. Errors: those of
    /// its parameters.
    pub fn of(arguments: &Value) -> Result<Self, ApiError> {
        let is_rsa = match arguments["KeyType"].as_str().filter(|kind| !kind.is_empty()) {
            None | Some("rsa") => true,
            Some("ed25519") => false,
            Some(other) => return Err(crate::arguments::invalid("KeyType", other, "Either rsa or ed25519 was expected.")),
        };
        if is_rsa { Self::rsa() } else { Self::ed25519(arguments["KeyName"].as_str().unwrap_or_default()) }
    }

    fn rsa() -> Result<Self, ApiError> {
        let private = RsaPrivateKey::new(&mut OsRng, RSA_BITS).map_err(not_made)?;
        let material = private.to_pkcs1_pem(PemLineEnding::LF).map_err(not_made)?.to_string();
        let pkcs8 = private.to_pkcs8_der().map_err(not_made)?;
        let number = |number: &BigUint| Mpint::from_positive_bytes(&number.to_bytes_be()).map_err(not_made);
        let key = RsaPublicKey { e: number(private.e())?, n: number(private.n())? };
        Ok(Self { public: KeyData::Rsa(key).into(), fingerprint: colons(&Sha1::digest(pkcs8.as_bytes())), material })
    }

    fn ed25519(comment: &str) -> Result<Self, ApiError> {
        let mut private = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(not_made)?;
        private.set_comment(comment);
        let material = private.to_openssh(LineEnding::LF).map_err(not_made)?.to_string();
        let public = private.public_key().clone();
        Ok(Self { fingerprint: fingerprint(&public)?, public, material })
    }

    /// Has a call name the public half.
    pub fn name(&self, arguments: &mut Value) -> Result<(), ApiError> {
        let [public, fingerprint] = PUBLIC_HALF;
        arguments[public] = self.public.to_openssh().map_err(not_made)?.into();
        arguments[fingerprint] = self.fingerprint.clone().into();
        Ok(())
    }
}

fn not_made(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::InternalError, format!("no key was made: {error}"))
}

/// `1f:51:ae:…`.
fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Makes a pair, unless the call names the public half of one that was made; the answer is the only place where the private half is
/// ever seen.
fn create_key_pair(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (key_name, given, tags) = read(arguments, |a| {
        // Read by whoever makes the key.
        a.text("KeyType")?;
        match a.text("KeyFormat")? {
            None | Some("pem") => {}
            Some(other) => return Err(a.invalid("KeyFormat", &other.into(), "Only pem is supported.")),
        }
        let [public, fingerprint] = PUBLIC_HALF;
        let given = a.text(public)?.map(str::to_owned).zip(a.text(fingerprint)?.map(str::to_owned));
        Ok((a.required_text("KeyName")?.to_owned(), given, a.tags("key-pair")?))
    })?;
    let made = match &given {
        Some(_) => None,
        None => Some(MadeKey::of(arguments)?),
    };
    let (mut public, key_fingerprint) = match (given, &made) {
        (Some((public, fingerprint)), _) => (PublicKey::from_openssh(&public).map_err(not_made)?, fingerprint),
        (None, Some(made)) => (made.public.clone(), made.fingerprint.clone()),
        (None, None) => return Err(not_made("nobody made one")),
    };
    public.set_comment(key_name.as_str());
    let mut answer = import(model, &public, key_fingerprint, key_name, tags)?;
    if let Some(made) = made {
        answer["KeyMaterial"] = made.material.into();
    }
    Ok(answer)
}

fn import_key_pair(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (key_name, key, tags) = read(arguments, |a| {
        Ok((a.required_text("KeyName")?.to_owned(), public_key(a)?, a.tags("key-pair")?))
    })?;
    let key_fingerprint = fingerprint(&key)?;
    import(model, &key, key_fingerprint, key_name, tags)
}

fn import(model: &mut Model, key: &PublicKey, key_fingerprint: String, key_name: String, key_tags: model::Tags) -> Result<Value, ApiError> {
    let request = ImportKeyPair {
        public_key: key.to_openssh().map_err(|_| bad_format())?,
        key_fingerprint,
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
    ApiError::new(ErrorCode::InvalidKeyFormat, "Key is not in valid OpenSSH public key format")
}

/// As AWS prints it for a key that was made elsewhere: SHA-256 of an ED25519 key in base64, MD5 of an RSA key's SubjectPublicKeyInfo
/// (RFC 3279 section 2.3.1) in hexadecimal. Errors: `InvalidKey.Format` for other kinds of keys and lengths.
fn fingerprint(key: &PublicKey) -> Result<String, ApiError> {
    match key.key_data() {
        KeyData::Ed25519(_) => Ok(STANDARD.encode(key.fingerprint(HashAlg::Sha256).as_bytes())),
        KeyData::Rsa(own) => {
            let number = |number: &Mpint| number.as_positive_bytes().map(BigUint::from_bytes_be).ok_or_else(bad_format);
            let own = rsa::RsaPublicKey::new(number(&own.n)?, number(&own.e)?).map_err(|_| bad_format())?;
            if !RSA_LENGTHS.contains(&own.n().bits()) {
                return Err(bad_format().with_hint("RSA keys of 1024, 2048 and 4096 bits are supported"));
            }
            Ok(colons(&Md5::digest(own.to_public_key_der().map_err(|_| bad_format())?)))
        }
        _ => Err(bad_format().with_hint("ED25519 and RSA keys are supported")),
    }
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
    form: |_| Ok(()),
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
