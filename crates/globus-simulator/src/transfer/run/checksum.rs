//! Checksums by the names that Transfer gives the algorithms.

use md5::digest::DynDigest;

/// The algorithm when none is named.
pub(crate) const USUAL: &str = "MD5";

/// None for an algorithm that isn't offered.
pub(crate) fn hasher(name: &str) -> Option<Box<dyn DynDigest>> {
    Some(match name.to_uppercase().replace('-', "").as_str() {
        "MD5" => Box::new(md5::Md5::default()),
        "SHA1" => Box::new(sha1::Sha1::default()),
        "SHA256" => Box::new(sha2::Sha256::default()),
        "SHA512" => Box::new(sha2::Sha512::default()),
        _ => return None,
    })
}

/// As hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        let sum = |name: &str| {
            let mut hasher = hasher(name).unwrap();
            hasher.update(b"abc");
            hex(&hasher.finalize())
        };
        assert_eq!(sum("MD5"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(sum("sha-1"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(sum("SHA256").starts_with("ba7816bf"));
        assert!(hasher("CRC32").is_none());
    }
}
