//! Placement hash of object names: the lookup3-like "rjenkins" hash with which Ceph places and lists objects.

/// Bob Jenkins' 96-bit mix (public domain, 1996), on which the hash is built.
fn mix(mut a: u32, mut b: u32, mut c: u32) -> (u32, u32, u32) {
    a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> 13);
    b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << 8);
    c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> 13);
    a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> 12);
    b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << 16);
    c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> 5);
    a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> 3);
    b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << 10);
    c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> 15);
    (a, b, c)
}

/// Bob Jenkins' 1996 string hash with an initial value of 0.
pub fn rjenkins(data: &[u8]) -> u32 {
    const GOLDEN_RATIO: u32 = 0x9e37_79b9;
    let (mut a, mut b, mut c) = (GOLDEN_RATIO, GOLDEN_RATIO, 0u32);
    let mut chunks = data.chunks_exact(12);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |acc, &byte| (acc << 8) | u32::from(byte));
    for chunk in chunks.by_ref() {
        a = a.wrapping_add(word(&chunk[0..4]));
        b = b.wrapping_add(word(&chunk[4..8]));
        c = c.wrapping_add(word(&chunk[8..12]));
        (a, b, c) = mix(a, b, c);
    }
    let rest = chunks.remainder();
    c = c.wrapping_add(data.len() as u32);
    let part = |from: usize, to: usize| word(&rest[from.min(rest.len())..to.min(rest.len())]);
    a = a.wrapping_add(part(0, 4));
    b = b.wrapping_add(part(4, 8));
    // The lowest byte of c holds the length.
    c = c.wrapping_add(part(8, 11) << 8);
    mix(a, b, c).2
}

/// The placement hash of an object: of its locator key, or of its name if it has none; a namespace goes in front.
pub fn placement_hash(namespace: &str, key: &str, oid: &str) -> u32 {
    let name = if key.is_empty() { oid } else { key };
    if namespace.is_empty() {
        return rjenkins(name.as_bytes());
    }
    let mut full = Vec::with_capacity(namespace.len() + 1 + name.len());
    full.extend_from_slice(namespace.as_bytes());
    full.push(0x1f);
    full.extend_from_slice(name.as_bytes());
    rjenkins(&full)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: `ceph osd map POOL OBJECT [NAMESPACE]` of Ceph 16.2.15 prints the hash.
    #[test]
    fn hashes_as_ceph_does() {
        for (namespace, oid, expected) in REFERENCE {
            assert_eq!(placement_hash(namespace, "", oid), *expected, "{namespace:?} {oid:?}");
        }
    }

    const REFERENCE: &[(&str, &str, u32)] = &[
        ("", "a", 0x29ee_c818),
        ("", "foo", 0x7fc1_f406),
        ("", "rbd_directory", 0x30a9_8c1c),
        ("", "12345678", 0x3720_9781),
        ("", "123456789012", 0xf7e4_5e60),
        ("", "1234567890123", 0x8f57_066a),
        ("", "lsvd_data.0123456789ab.00000000000000000001", 0x942e_df55),
        ("", "0123456789012345678901234567890123", 0xebed_fc17),
        ("ns1", "foo", 0xf456_9544),
    ];
}
