//! The hashes that place objects and placement groups: Bob Jenkins' 1996 hash of names and of a few integers.

/// Bob Jenkins' 96-bit mix (public domain, 1996), on which the hashes are built.
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

/// Bob Jenkins' 1996 string hash with an initial value of 0 (CEPH_STR_HASH_RJENKINS).
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

/// The hash of names that pools of Ceph's first years have (CEPH_STR_HASH_LINUX).
pub fn dcache(data: &[u8]) -> u32 {
    data.iter().fold(0u32, |hash, &byte| {
        let byte = u32::from(byte);
        hash.wrapping_add(byte << 4).wrapping_add(byte >> 4).wrapping_mul(11)
    })
}

/// What is hashed to place an object: its locator key, or its name if it has none; a namespace goes in front.
pub fn placement_name<'a>(namespace: &[u8], key: &'a [u8], oid: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
    let name = if key.is_empty() { oid } else { key };
    if namespace.is_empty() {
        return name.into();
    }
    let mut full = Vec::with_capacity(namespace.len() + 1 + name.len());
    full.extend_from_slice(namespace);
    full.push(0x1f);
    full.extend_from_slice(name);
    full.into()
}

/// The placement hash of an object in a pool that hashes names with rjenkins, as all do that are not from Ceph's first years.
pub fn placement_hash(namespace: &str, key: &str, oid: &str) -> u32 {
    rjenkins(&placement_name(namespace.as_bytes(), key.as_bytes(), oid.as_bytes()))
}

/// CRUSH's hash of integers (CRUSH_HASH_RJENKINS1): the numbers are mixed with each other and with two constants; in which
/// order is part of the definition.
const SEED: u32 = 1_315_423_911;
const X: u32 = 231_232;
const Y: u32 = 1232;

fn stir(a: &mut u32, b: &mut u32, hash: &mut u32) {
    (*a, *b, *hash) = mix(*a, *b, *hash);
}

pub fn crush2(mut a: u32, mut b: u32) -> u32 {
    let (mut x, mut y, mut hash) = (X, Y, SEED ^ a ^ b);
    stir(&mut a, &mut b, &mut hash);
    stir(&mut x, &mut a, &mut hash);
    stir(&mut b, &mut y, &mut hash);
    hash
}

pub fn crush3(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    let (mut x, mut y, mut hash) = (X, Y, SEED ^ a ^ b ^ c);
    stir(&mut a, &mut b, &mut hash);
    stir(&mut c, &mut x, &mut hash);
    stir(&mut y, &mut a, &mut hash);
    stir(&mut b, &mut x, &mut hash);
    stir(&mut y, &mut c, &mut hash);
    hash
}

pub fn crush4(mut a: u32, mut b: u32, mut c: u32, mut d: u32) -> u32 {
    let (mut x, mut y, mut hash) = (X, Y, SEED ^ a ^ b ^ c ^ d);
    stir(&mut a, &mut b, &mut hash);
    stir(&mut c, &mut d, &mut hash);
    stir(&mut a, &mut x, &mut hash);
    stir(&mut y, &mut b, &mut hash);
    stir(&mut c, &mut x, &mut hash);
    stir(&mut y, &mut d, &mut hash);
    hash
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
