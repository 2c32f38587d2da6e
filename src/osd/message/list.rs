//! What a placement group answers when asked for its objects (CEPH_OSD_OP_PGNLS).

use bytes::Bytes;

use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::Hobject;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedObject {
    pub namespace: Bytes,
    pub oid: Bytes,
    /// Locator key; empty if none.
    pub key: Bytes,
}

/// pg_nls_response_t.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListResponse {
    /// Where to go on.
    pub next: Hobject,
    pub entries: Vec<ListedObject>,
}

impl ListResponse {
    pub fn decode(bytes: &Bytes) -> Result<ListResponse, Malformed> {
        let (_, mut body) = Decoder::new(bytes).section(1)?;
        let next = Hobject::decode(&mut body)?;
        let count = body.u32()? as usize;
        if count > body.remaining() / 12 {
            return Err(Malformed);
        }
        let mut text = || Ok(bytes.slice_ref(body.blob()?));
        let entries = (0..count)
            .map(|_| Ok(ListedObject { namespace: text()?, oid: text()?, key: text()? }))
            .collect::<Result<_, Malformed>>()?;
        Ok(ListResponse { next, entries })
    }
}
