//! AES-128-GCM of secure mode: the one place that knows the cipher.
//!
//! A connection has one key and a nonce a direction, which counts up with each sealed block and must never come twice.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes128Gcm, KeyInit, Nonce, Tag};

use super::frame::{FrameError, SEAL_BYTES};

const KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
/// What the connection secret must have at the least; it is longer (64 bytes).
const SECRET_BYTES: usize = KEY_BYTES + 2 * NONCE_BYTES;

/// Seals or opens what goes in one direction.
pub struct Cipher {
    gcm: Aes128Gcm,
    fixed: [u8; 4],
    counter: u64,
    first: u64,
    wrapped: bool,
}

impl Cipher {
    fn new(key: &[u8], nonce: &[u8]) -> Option<Cipher> {
        let gcm = Aes128Gcm::new_from_slice(key).ok()?;
        let (fixed, counter) = nonce.split_at(4);
        let first = u64::from_le_bytes(counter.try_into().ok()?);
        Some(Cipher { gcm, fixed: fixed.try_into().ok()?, counter: first, first, wrapped: false })
    }

    fn nonce(&mut self) -> Result<[u8; NONCE_BYTES], FrameError> {
        if self.wrapped {
            return Err(FrameError::NoncesUsedUp);
        }
        let mut nonce = [0; NONCE_BYTES];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        self.wrapped = self.counter == self.first;
        Ok(nonce)
    }

    /// Encrypts in place; the seal goes behind.
    pub fn seal(&mut self, plain: &mut [u8]) -> Result<[u8; SEAL_BYTES], FrameError> {
        let nonce = Nonce::from(self.nonce()?);
        let tag = self
            .gcm
            .encrypt_inout_detached(&nonce, &[], InOutBuf::from(plain))
            .map_err(|_| FrameError::Unauthentic)?;
        Ok(tag.into())
    }

    /// Decrypts in place a block that ends with its seal; its length without that.
    pub fn open(&mut self, block: &mut [u8]) -> Result<usize, FrameError> {
        let length = block.len().checked_sub(SEAL_BYTES).ok_or(FrameError::Unauthentic)?;
        let (text, seal) = block.split_at_mut(length);
        let seal: [u8; SEAL_BYTES] = (&*seal).try_into().map_err(|_| FrameError::Unauthentic)?;
        let nonce = Nonce::from(self.nonce()?);
        self.gcm
            .decrypt_inout_detached(&nonce, &[], InOutBuf::from(text), &Tag::from(seal))
            .map_err(|_| FrameError::Unauthentic)?;
        Ok(length)
    }
}

/// The ciphers for what one sends and what one receives, from the connection secret; `None` if that is too short.
pub fn ciphers(secret: &[u8], server: bool) -> Option<(Cipher, Cipher)> {
    let secret = secret.get(..SECRET_BYTES)?;
    let (key, nonces) = secret.split_at(KEY_BYTES);
    let (to_client, to_server) = nonces.split_at(NONCE_BYTES);
    let (send, receive) = if server { (to_client, to_server) } else { (to_server, to_client) };
    Some((Cipher::new(key, send)?, Cipher::new(key, receive)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_never_come_twice() {
        let mut secret = [7u8; 64];
        secret[20..28].copy_from_slice(&u64::MAX.to_le_bytes());
        let (mut send, _) = ciphers(&secret, true).unwrap();
        let (_, mut receive) = ciphers(&secret, false).unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut block = vec![1u8; 40];
            let seal = send.seal(&mut block).unwrap();
            block.extend(seal);
            assert!(!seen.contains(&block));
            seen.push(block.clone());
            assert_eq!(receive.open(&mut block), Ok(40));
            assert_eq!(block[..40], [1; 40]);
        }
        send.counter = u64::MAX - 1;
        send.seal(&mut []).unwrap();
        assert_eq!(send.seal(&mut []), Err(FrameError::NoncesUsedUp));
        assert!(ciphers(&[0; 39], false).is_none());
    }
}
