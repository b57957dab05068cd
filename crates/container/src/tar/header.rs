//! The 512 bytes in front of an entry (POSIX.1-2024, pax, "ustar Interchange Format").

/// Everything in a tar file comes in blocks of this many bytes.
pub const BLOCK: usize = 512;

/// One header block.
pub struct Header<'a>(pub &'a [u8; BLOCK]);

impl Header<'_> {
    /// Bytes of a field up to the first NUL.
    pub fn text(&self, range: std::ops::Range<usize>) -> &[u8] {
        let field = &self.0[range];
        &field[..field.iter().position(|&b| b == 0).unwrap_or(field.len())]
    }

    /// The name, with the prefix that ustar has in front of it. GNU keeps times where the prefix is.
    pub fn path(&self) -> Vec<u8> {
        let prefix = if &self.0[257..263] == b"ustar\0" {
            self.text(345..500)
        } else {
            b""
        };
        match prefix {
            b"" => self.text(0..100).to_vec(),
            prefix => [prefix, b"/", self.text(0..100)].concat(),
        }
    }

    /// What kind of entry, as a letter.
    pub fn kind(&self) -> u8 {
        self.0[156]
    }

    /// Whether the checksum is right. Some programs add signed bytes.
    pub fn checks(&self) -> bool {
        let Some(told) = number(&self.0[148..156]) else {
            return false;
        };
        let byte = |index: usize| {
            if (148..156).contains(&index) {
                b' '
            } else {
                self.0[index]
            }
        };
        let unsigned: i64 = (0..BLOCK).map(|index| i64::from(byte(index))).sum();
        let signed: i64 = (0..BLOCK)
            .map(|index| i64::from(byte(index).cast_signed()))
            .sum();
        told == unsigned || told == signed
    }

    /// A field as a number.
    pub fn number(&self, range: std::ops::Range<usize>) -> Option<i64> {
        number(&self.0[range])
    }
}

/// Octal digits between spaces and NULs, or GNU's base 256, whose first bit is set. Nothing at all is zero.
pub fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        // The first byte has six bits of value and the sign; what does not fit into 64 bits is no size of anything.
        let negative = field[0] & 0x40 != 0;
        let mut value = if negative {
            i128::from(field[0].cast_signed())
        } else {
            i128::from(field[0] & 0x3f)
        };
        for &byte in &field[1..] {
            value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
        }
        return i64::try_from(value).ok();
    }
    let text = field
        .split(|&b| b == 0)
        .next()
        .unwrap_or_default()
        .trim_ascii();
    text.iter().try_fold(0i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777\0", Some(0o77_777_777_777)),
            (b"8\0\0\0", None),
            (b"-1\0\0", None),
            (b"\x80\0\0\0\0\0\0\x01\0\0\0\0", Some(1 << 32)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                Some(-1),
            ),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
