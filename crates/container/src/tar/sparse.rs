//! Maps of holes: which parts of a sparse file are in the archive.

/// A part that is there: where it lies in the file, and its bytes.
pub type Part = (u64, u64);

/// Parts in order that do not overlap, lie within the file, and make up exactly what is stored.
pub fn check(parts: Vec<Part>, stored: u64, size: u64) -> Result<Vec<Part>, String> {
    let mut end = 0;
    let mut sum: u64 = 0;
    for &(offset, length) in &parts {
        if offset < end {
            return Err("parts of a sparse file overlap or are not in order".into());
        }
        end = offset
            .checked_add(length)
            .filter(|&end| end <= size)
            .ok_or("a part of a sparse file lies behind its end")?;
        sum += length;
    }
    if sum != stored {
        return Err(format!(
            "parts of a sparse file are {sum} bytes, and {stored} are stored"
        ));
    }
    Ok(parts)
}

/// Numbers in turn as parts.
pub fn pairs(numbers: &[u64]) -> Result<Vec<Part>, String> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a map of holes has half a part".into());
    }
    Ok(pairs
        .iter()
        .map(|&[offset, length]| (offset, length))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_lies_is_refused() {
        assert!(check(vec![(0, 2), (10, 3), (20, 0)], 5, 20).is_ok());
        for (parts, stored, size) in [
            (vec![(0, 2)], 1, 10),
            (vec![(0, 2), (1, 2)], 4, 10),
            (vec![(5, 2), (0, 2)], 4, 10),
            (vec![(9, 2)], 2, 10),
            (vec![(u64::MAX, 2)], 2, u64::MAX),
        ] {
            assert!(check(parts.clone(), stored, size).is_err(), "{parts:?}");
        }
        assert!(pairs(&[1, 2, 3]).is_err());
    }
}
