//! A secret key of cephx, as keyrings, `key` options and tickets hold it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::crypto::{self, KEY_BYTES};
use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::types::Utime;

/// CEPH_CRYPTO_AES
const TYPE_AES: u16 = 1;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// CryptoKey: AES only. Its encoding is type (u16, 1), creation time (utime), length of the secret (u16), secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CryptoKey {
    created: Utime,
    /// At least [`KEY_BYTES`].
    secret: Vec<u8>,
}

impl CryptoKey {
    pub fn decode(d: &mut Decoder) -> Result<CryptoKey, Malformed> {
        let kind = d.u16()?;
        let created = Utime::decode(d)?;
        let length = d.u16()?;
        let secret = d.raw(length.into())?.to_vec();
        if kind != TYPE_AES || secret.len() < KEY_BYTES {
            return Err(Malformed);
        }
        Ok(CryptoKey { created, secret })
    }

    pub fn encode(&self, e: &mut Encoder) {
        e.u16(TYPE_AES);
        self.created.encode(e);
        e.u16(self.secret.len() as u16).raw(&self.secret);
    }

    /// The base64 text of keyrings; ends of lines in it do not count, as in Ceph, nor what follows the key in its bytes.
    pub fn parse(text: &str) -> Result<CryptoKey, Malformed> {
        let bytes = BASE64.decode(text.replace('\n', "")).map_err(|_| Malformed)?;
        CryptoKey::decode(&mut Decoder::new(&bytes))
    }

    /// The whole secret, for HMACs.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn aes(&self) -> &[u8; KEY_BYTES] {
        self.secret.first_chunk().expect("decode looks at the length")
    }

    /// See [`crypto::seal`].
    pub fn seal(&self, body: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        crypto::seal(self.aes(), body)
    }

    /// See [`crypto::open`].
    pub fn open(&self, cipher: &[u8]) -> Result<Vec<u8>, Malformed> {
        crypto::open(self.aes(), cipher)
    }
}

/// Says nothing of the secret.
impl std::fmt::Debug for CryptoKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CryptoKey(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes() {
        let key = CryptoKey::parse("AQAYkglrAAAAABAA\nFEV83lc6phK9NsDOVgqAvQ==\n").unwrap();
        assert_eq!(key.secret().len(), 16);
        assert_eq!(key.created, Utime { seconds: 0x6b09_9218, nanoseconds: 0 });
        let mut e = Encoder::new();
        key.encode(&mut e);
        assert_eq!(CryptoKey::decode(&mut Decoder::new(&e.finish())).unwrap(), key);
        assert_eq!(format!("{key:?}"), "CryptoKey(...)");
        for bad in [
            "",
            " AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==",
            "AQAY",
            "no base64!",
            "AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ",
            "AAAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==",
        ] {
            assert!(CryptoKey::parse(bad).is_err(), "{bad}");
        }
    }
}
