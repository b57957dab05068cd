//! A certificate as TLS shows it (X.509 version 3, RFC 5280, in DER, X.690): a name in the right shape, whose key and signature
//! are the bytes that its caller gives. It vouches for nothing.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// dNSName in a GeneralName (RFC 5280 4.2.1.6).
const DNS_NAME: u8 = 0x82;
/// The version, in front of a certificate's fields (RFC 5280 4.1).
const VERSION: u8 = 0xa0;
/// Its extensions, behind them.
const EXTENSIONS: u8 = 0xa3;

/// 1.2.840.113549.1.1.1, rsaEncryption (RFC 3279 2.3.1).
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.2.840.113549.1.1.11, sha256WithRSAEncryption (RFC 4055 5).
const RSA_WITH_SHA_256: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
/// 2.5.4.3, commonName.
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAME: [u8; 3] = [0x55, 29, 17];
/// Longest common name, characters (RFC 5280, appendix A.1, ub-common-name).
const LONGEST_COMMON_NAME: usize = 64;

/// A value with its type and length (X.690 8.1).
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend(content);
    out
}

fn algorithm(object: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[&value(OBJECT, &[object]), &value(NULL, &[])])
}

/// The certificate of a server of a name: vouched for by itself, for as long as simulations are likely to run. `modulus` is of the
/// public key, `signature` what is said to sign it; both are 256 bytes in real ones.
pub(super) fn certificate(name: &str, modulus: &[u8], signature: &[u8]) -> Vec<u8> {
    let common: String = name.chars().take(LONGEST_COMMON_NAME).collect();
    let attribute = value(SEQUENCE, &[&value(OBJECT, &[&COMMON_NAME]), &value(UTF8, &[common.as_bytes()])]);
    let owner = value(SEQUENCE, &[&value(SET, &[&attribute])]);
    let time = |text: &str| value(UTC_TIME, &[text.as_bytes()]);
    let validity = value(SEQUENCE, &[&time("250101000000Z"), &time("491231235959Z")]);
    // A byte of zeros in front: neither number is negative.
    let numbers = value(SEQUENCE, &[&value(INTEGER, &[&[0], modulus]), &value(INTEGER, &[&[1, 0, 1]])]);
    let key = value(SEQUENCE, &[&algorithm(&RSA), &value(BIT_STRING, &[&[0], &numbers])]);
    let names = value(SEQUENCE, &[&value(DNS_NAME, &[name.as_bytes()])]);
    let alternative = value(SEQUENCE, &[&value(OBJECT, &[&ALTERNATIVE_NAME]), &value(OCTET_STRING, &[&names])]);
    let fields = value(
        SEQUENCE,
        &[
            &value(VERSION, &[&value(INTEGER, &[&[2]])]),
            &value(INTEGER, &[&[1]]),
            &algorithm(&RSA_WITH_SHA_256),
            &owner,
            &validity,
            &owner,
            &key,
            &value(EXTENSIONS, &[&value(SEQUENCE, &[&alternative])]),
        ],
    );
    value(SEQUENCE, &[&fields, &algorithm(&RSA_WITH_SHA_256), &value(BIT_STRING, &[&[0], signature])])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that bytes are made of, if they are nothing else.
    fn values(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
        let mut found = Vec::new();
        while let [tag, first, rest @ ..] = bytes {
            let (length, rest) = match (first, rest) {
                (0..=0x7f, _) => (usize::from(*first), rest),
                (0x81, [length @ 0x80..=0xff, rest @ ..]) => (usize::from(*length), rest),
                (0x82, [high @ 1..=0xff, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
                _ => return None,
            };
            let (content, rest) = rest.split_at_checked(length)?;
            found.push((*tag, content));
            bytes = rest;
        }
        bytes.is_empty().then_some(found)
    }

    #[test]
    fn rfc_5280_4_1_it_has_the_fields_of_a_certificate_and_nothing_beside() {
        for name in ["srv", "www.shop.test", &"a".repeat(255)] {
            let bytes = certificate(name, &[0xc1; 256], &[0x55; 256]);
            let whole = values(&bytes).expect("DER");
            let [(SEQUENCE, parts)] = whole[..] else { panic!("{whole:x?}") };
            let parts = values(parts).expect("DER");
            assert_eq!(parts.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [SEQUENCE, SEQUENCE, BIT_STRING]);
            let fields = values(parts[0].1).expect("DER");
            let tags: Vec<u8> = fields.iter().map(|(tag, _)| *tag).collect();
            assert_eq!(tags, [VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, EXTENSIONS]);
            assert_eq!(fields[2].1, parts[1].1, "both say how it is signed");
            let whom = format!("{}{name}", char::from(name.len() as u8 % 128));
            assert!(name.len() > 127 || fields[7].1.windows(whom.len()).any(|at| at == whom.as_bytes()), "{name}");
        }
    }
}
