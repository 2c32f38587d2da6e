//! MOSDOpReply: the answer to a request (versions 5 and later: all that Pacific to Tentacle send).

use bytes::Bytes;

use crate::osd::{OpAnswer, OpOutcome};
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::message::Message;
use crate::wire::types::{Eversion, ObjectLocator, Pgid};

/// Where a request should go instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    pub locator: ObjectLocator,
    /// Empty: the same name.
    pub oid: Vec<u8>,
}

impl Redirect {
    fn decode(d: &mut Decoder) -> Result<Redirect, Malformed> {
        let (_, mut body) = d.section(1)?;
        let locator = ObjectLocator::decode(&mut body)?;
        Ok(Redirect { locator, oid: body.blob()?.to_vec() })
    }

    fn is_empty(&self) -> bool {
        self.locator.pool < 0 && self.oid.is_empty()
    }
}

#[derive(Clone, Debug)]
pub struct OpReply {
    pub tid: u64,
    /// The OSD's.
    pub epoch: u32,
    /// The attempt that this answers; negative: unknown.
    pub attempt: i32,
    pub redirect: Option<Redirect>,
    pub answer: OpAnswer,
}

/// `struct ceph_osd_op`; only the length of its output (the last field) matters in a reply.
const OP_BYTES: usize = 38;

impl OpReply {
    /// The data of the answer are slices of the message's, not copies. Data in a place are one op's output, or make no sense.
    pub fn decode(message: &Message) -> Result<OpReply, Malformed> {
        if message.version < 5 || message.compat_version > 8 {
            return Err(Malformed);
        }
        let d = &mut Decoder::new(&message.front);
        d.blob()?; // oid
        Pgid::decode(d)?;
        d.u64()?; // flags
        let result = d.u32()? as i32;
        Eversion::decode(d)?; // what clients of before Dumpling take for the version
        let epoch = d.u32()?;
        let count = d.u32()? as usize;
        if count > d.remaining() / OP_BYTES {
            return Err(Malformed);
        }
        let lengths = d.raw(count * OP_BYTES)?;
        let attempt = d.u32()? as i32;
        let mut rvals = Decoder::new(d.raw(count * 4)?);
        let replay_version = Eversion::decode(d)?;
        let user_version = d.u64()?;
        let redirect = match message.version {
            0..=5 => None,
            6 => Some(Redirect::decode(d)?).filter(|redirect| !redirect.is_empty()),
            7.. => match d.u8()? {
                0 => None,
                _ => Some(Redirect::decode(d)?),
            },
        };

        let mut placed = message.placed.clone();
        let mut data = match message.data.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        };
        let mut ops = Vec::with_capacity(count);
        for op in lengths.chunks_exact(OP_BYTES) {
            let length = Decoder::new(&op[OP_BYTES - 4..]).u32()? as usize;
            let rval = rvals.u32()? as i32;
            if length > 0
                && let Some(placed) = placed.take()
            {
                if length != placed.len() || !data.is_empty() {
                    return Err(Malformed);
                }
                ops.push(OpOutcome { rval, output: Bytes::new(), placed: Some(placed) });
                continue;
            }
            if length > data.len() {
                return Err(Malformed);
            }
            ops.push(OpOutcome { rval, output: data.split_to(length), placed: None });
        }
        if placed.is_some() {
            return Err(Malformed);
        }
        let answer = OpAnswer { result, user_version, replay_version, ops };
        Ok(OpReply { tid: message.tid, epoch, attempt, redirect, answer })
    }
}
