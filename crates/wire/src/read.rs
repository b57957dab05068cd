//! Reading fields out of bytes, with an error that says which header was cut or wrong.

/// Why bytes are not the header they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside the header.
    #[error("{header} is cut: {have} bytes of at least {need}")]
    Truncated {
        /// Which header.
        header: &'static str,
        /// Bytes that there are.
        have: usize,
        /// Bytes that there should be.
        need: usize,
    },
    /// A field has a value that it cannot have.
    #[error("{header} has {field} {value}")]
    Field {
        /// Which header.
        header: &'static str,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
}

/// The first `need` bytes and the rest.
pub(crate) fn split<'a>(header: &'static str, bytes: &'a [u8], need: usize) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    bytes.split_at_checked(need).ok_or(Malformed::Truncated { header, have: bytes.len(), need })
}

/// 16 bits, network order, at `at`; 0 behind the end, which callers have excluded with [`split`].
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array_at(bytes, at).map_or(0, u16::from_be_bytes)
}

/// 32 bits, network order, at `at`; see [`u16_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array_at(bytes, at).map_or(0, u32::from_be_bytes)
}

/// `N` bytes at `at`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// `N` bytes at `at`, zeros behind the end; see [`u16_at`].
pub(crate) fn octets<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    array_at(bytes, at).unwrap_or([0; N])
}
