//! What cephx is made of: AES-128-CBC with Ceph's fixed IV, its envelope around what is encrypted, and HMAC-SHA256.
//!
//! Facts from Ceph's documentation (dev/cephx_protocol) and from captured handshakes. The IV is fixed and nothing
//! authenticates a ciphertext but a magic number in its first block: that is the protocol, and no choice of ours.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::denc::{Decoder, Encoder, Malformed};

/// Bytes of an AES-128 key; Ceph uses the first so many of a longer secret.
pub const KEY_BYTES: usize = 16;

const BLOCK_BYTES: usize = 16;
const IV: [u8; BLOCK_BYTES] = *b"cephsageyudagreg";

/// AUTH_ENC_MAGIC: follows a version byte at the start of everything that is encrypted.
const MAGIC: u64 = 0xff00_9cad_8826_aa55;

/// AES-128-CBC with PKCS#7 padding.
pub fn encrypt(key: &[u8; KEY_BYTES], plain: &[u8]) -> Vec<u8> {
    let whole = (plain.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let mut bytes = vec![0; whole];
    cbc::Encryptor::<Aes128>::new(&(*key).into(), &IV.into())
        .encrypt_padded_b2b::<Pkcs7>(plain, &mut bytes)
        .expect("there is room for the padding");
    bytes
}

/// `Malformed`: no whole number of blocks, or the padding is wrong (as with another key, mostly).
pub fn decrypt(key: &[u8; KEY_BYTES], cipher: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut bytes = cipher.to_vec();
    let plain = cbc::Decryptor::<Aes128>::new(&(*key).into(), &IV.into())
        .decrypt_padded::<Pkcs7>(&mut bytes)
        .map_err(|_| Malformed)?
        .len();
    bytes.truncate(plain);
    Ok(bytes)
}

/// Encrypts what `body` encodes, within the envelope; no length before it.
pub fn seal(key: &[u8; KEY_BYTES], body: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut e = Encoder::new();
    e.u8(1).u64(MAGIC);
    body(&mut e);
    encrypt(key, &e.finish())
}

/// What was in the envelope. `Malformed`: it was encrypted with another key, or is no ciphertext at all.
pub fn open(key: &[u8; KEY_BYTES], cipher: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut plain = decrypt(key, cipher)?;
    let mut d = Decoder::new(&plain);
    d.u8()?;
    if d.u64()? != MAGIC {
        return Err(Malformed);
    }
    let header = plain.len() - d.remaining();
    plain.drain(..header);
    Ok(plain)
}

pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = *b"0123456789abcdef";

    #[test]
    fn envelopes_open_with_their_key_only() {
        for length in [0, 1, 6, 7, 8, 100] {
            let body = vec![7; length];
            let sealed = seal(&KEY, |e| {
                e.raw(&body);
            });
            assert_eq!(sealed.len(), (9 + length) / 16 * 16 + 16);
            assert_eq!(open(&KEY, &sealed).unwrap(), body);
            assert_eq!(open(b"fedcba9876543210", &sealed), Err(Malformed));
            assert_eq!(open(&KEY, &sealed[1..]), Err(Malformed));
        }
        assert_eq!(open(&KEY, &[]), Err(Malformed));
        assert_eq!(open(&KEY, &encrypt(&KEY, b"short")), Err(Malformed));
    }

    /// printf %s 'a message of 29 bytes, no more' | openssl enc -aes-128-cbc -K $(printf %s 0123456789abcdef | xxd -p) \
    ///   -iv $(printf %s cephsageyudagreg | xxd -p) | xxd -p
    #[test]
    fn the_cipher_is_openssls() {
        let cipher = encrypt(&KEY, b"a message of 29 bytes, no more");
        assert_eq!(hex(&cipher), "acacc96019c94537647bc7678e55a1e1c93485c57e1c0f6ab1c954ac6dd5a3c4");
        assert_eq!(decrypt(&KEY, &cipher).unwrap(), b"a message of 29 bytes, no more");
    }

    /// RFC 4231, test case 2.
    #[test]
    fn hmac() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
