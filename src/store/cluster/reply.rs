//! An OSD's answers as ours: results, and the output of each op decoded.

use std::sync::Arc;

use bytes::Bytes;

use crate::osd::{OpAnswer, OpOutcome, OsdError};
use crate::store::name::text_of;
use crate::store::{Op, OpOut, OpResult, Reply, Request, SnapId, StoreError, StoreResult, interp};
use crate::wire::denc::{Decoder, Malformed};
use crate::wire::types::{EntityAddr, EntityName, Utime};

impl From<OsdError> for StoreError {
    fn from(error: OsdError) -> StoreError {
        match error {
            OsdError::NoPool(_) => StoreError::NoPool,
            OsdError::Full => StoreError::NoSpace,
            OsdError::QuotaReached => StoreError::Op(crate::errno::Errno::EDQUOT),
            OsdError::Blocklisted => StoreError::Blocklisted,
            OsdError::TimedOut { .. } => StoreError::TimedOut,
            OsdError::ShutDown => StoreError::ShutDown,
            OsdError::Failed { errno, .. } => StoreError::Op(errno),
        }
    }
}

/// How one op's output is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    None,
    Data,
    /// As `Data`, of a failed op too: what a class method says beside its error.
    Exec,
    Sparse,
    Stat,
    Xattrs,
    Keys,
    Pairs {
        more: bool,
    },
    Watchers,
    Snaps,
}

impl Kind {
    fn of(op: &Op) -> Kind {
        match op {
            Op::Read { .. } | Op::GetXattr { .. } | Op::OmapGetHeader | Op::Checksum { .. } => Kind::Data,
            Op::Exec { .. } => Kind::Exec,
            Op::SparseRead { .. } => Kind::Sparse,
            Op::Stat => Kind::Stat,
            Op::GetXattrs => Kind::Xattrs,
            Op::OmapGetKeys { .. } => Kind::Keys,
            Op::OmapGetVals { .. } => Kind::Pairs { more: true },
            Op::OmapGetValsByKeys { .. } => Kind::Pairs { more: false },
            Op::ListWatchers => Kind::Watchers,
            Op::ListSnaps => Kind::Snaps,
            // On the wire it is a stat, but nobody asked for that; and an OSD sends no output of a list that writes.
            Op::AssertExists
            | Op::AssertVersion(_)
            | Op::CmpXattr { .. }
            | Op::CmpExt { .. }
            | Op::OmapCmp { .. }
            | Op::Create { .. }
            | Op::Write { .. }
            | Op::WriteFull { .. }
            | Op::WriteSame { .. }
            | Op::Append { .. }
            | Op::Zero { .. }
            | Op::Truncate { .. }
            | Op::Remove
            | Op::SetAllocHint { .. }
            | Op::Rollback { .. }
            | Op::SetXattr { .. }
            | Op::RmXattr { .. }
            | Op::OmapSetHeader { .. }
            | Op::OmapSet { .. }
            | Op::OmapRmKeys { .. }
            | Op::OmapRmRange { .. }
            | Op::OmapClear => Kind::None,
        }
    }
}

/// What must be remembered of a request to read its answer.
pub(super) struct Shape {
    oid: Arc<str>,
    kinds: Vec<Kind>,
    writes: bool,
}

impl Shape {
    pub(super) fn of(request: &Request) -> Shape {
        let kinds = request.ops.iter().map(|(op, _)| Kind::of(op)).collect();
        Shape { oid: request.target.oid.clone(), kinds, writes: interp::is_write(request) }
    }

    /// The answer to the request. EIO if an output makes no sense: nobody may take it for data.
    pub(super) fn reply(&self, answer: OpAnswer) -> StoreResult<Reply> {
        let mut ops = Vec::with_capacity(answer.ops.len());
        for (kind, outcome) in self.kinds.iter().zip(answer.ops) {
            let rval = outcome.rval;
            // Nothing comes of an op behind the one that failed, nor of what reads in a list that writes (an OSD would not
            // have it for a list that is sent twice).
            let out = if (answer.result < 0 || self.writes)
                && outcome.output.is_empty()
                && outcome.placed.is_none()
            {
                OpOut::None
            } else {
                output(*kind, outcome).map_err(|Malformed| StoreError::Corrupt {
                    object: self.oid.to_string(),
                    detail: "an OSD's answer makes no sense".into(),
                })?
            };
            ops.push(OpResult { rval, out });
        }
        Ok(Reply { result: answer.result, version: answer.user_version, ops })
    }
}

fn output(kind: Kind, outcome: OpOutcome) -> Result<OpOut, Malformed> {
    let OpOutcome { rval, output: bytes, placed } = outcome;
    let mut d = Decoder::new(&bytes);
    if rval < 0 && kind != Kind::Exec {
        return Ok(OpOut::None);
    }
    if let Some(placed) = placed {
        // Only a request with one read has a place.
        return if kind == Kind::Data { Ok(OpOut::Placed(placed)) } else { Err(Malformed) };
    }
    Ok(match kind {
        Kind::None => OpOut::None,
        Kind::Data | Kind::Exec => OpOut::Data(bytes),
        Kind::Sparse => {
            let count = d.u32()?;
            let count = bounded(&d, count, 16)?;
            let extents =
                (0..count).map(|_| Ok((d.u64()?, d.u64()?))).collect::<Result<Vec<_>, Malformed>>()?;
            let data = bytes.slice_ref(d.blob()?);
            let total = extents.iter().try_fold(0u64, |sum, (_, length)| sum.checked_add(*length));
            if total != Some(data.len() as u64) {
                return Err(Malformed);
            }
            OpOut::Sparse { extents, data }
        }
        Kind::Stat => OpOut::Stat { size: d.u64()?, mtime_ns: Utime::decode(&mut d)?.as_ns() },
        Kind::Xattrs => {
            let pairs = pairs(&bytes, &mut d)?;
            OpOut::Xattrs(
                pairs.into_iter().map(|(name, value)| (text_of(&name).into_owned(), value)).collect(),
            )
        }
        Kind::Keys => {
            let count = d.u32()?;
            let count = bounded(&d, count, 4)?;
            let keys =
                (0..count).map(|_| Ok(bytes.slice_ref(d.blob()?))).collect::<Result<Vec<_>, Malformed>>()?;
            OpOut::Keys { keys, more: d.u8()? != 0 }
        }
        Kind::Pairs { more } => {
            let pairs = pairs(&bytes, &mut d)?;
            OpOut::Pairs { pairs, more: more && d.u8()? != 0 }
        }
        Kind::Watchers => OpOut::Watchers(watchers(&mut d)?),
        Kind::Snaps => snaps(&mut d)?,
    })
}

/// A count of things of at least `least` bytes each, that the rest of the input can hold.
fn bounded(d: &Decoder, count: u32, least: usize) -> Result<u32, Malformed> {
    if count as usize > d.remaining() / least { Err(Malformed) } else { Ok(count) }
}

/// A map of strings to bytes.
fn pairs(bytes: &Bytes, d: &mut Decoder) -> Result<Vec<(Bytes, Bytes)>, Malformed> {
    let count = d.u32()?;
    let count = bounded(d, count, 8)?;
    (0..count).map(|_| Ok((bytes.slice_ref(d.blob()?), bytes.slice_ref(d.blob()?)))).collect()
}

/// obj_list_watch_response_t, in the words of [`OpOut::Watchers`].
fn watchers(d: &mut Decoder) -> Result<Vec<(String, u64, u64, u32)>, Malformed> {
    let (_, mut body) = d.section(1)?;
    let count = body.u32()?;
    let count = bounded(&body, count, 6)?;
    (0..count)
        .map(|_| {
            let (version, mut item) = body.section(2)?;
            let name = EntityName::decode(&mut item)?;
            let cookie = item.u64()?;
            let timeout_s = item.u32()?;
            let addr = if version >= 2 { EntityAddr::decode(&mut item)? } else { EntityAddr::BLANK };
            Ok((addr.plain(), name.gid(), cookie, timeout_s))
        })
        .collect()
}

/// obj_list_snap_response_t.
fn snaps(d: &mut Decoder) -> Result<OpOut, Malformed> {
    let (version, mut body) = d.section(2)?;
    let count = body.u32()?;
    let count = bounded(&body, count, 6)?;
    let mut clones = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (_, mut clone) = body.section(1)?;
        let id = SnapId(clone.u64()?);
        let count = clone.u32()?;
        let count = bounded(&clone, count, 8)?;
        let snaps = (0..count).map(|_| Ok(SnapId(clone.u64()?))).collect::<Result<Vec<_>, Malformed>>()?;
        let overlaps = clone.u32()?;
        for _ in 0..bounded(&clone, overlaps, 16)? {
            clone.raw(16)?;
        }
        clones.push((id, snaps, clone.u64()?));
    }
    let seq = if version >= 2 { body.u64()? } else { 0 };
    Ok(OpOut::Snaps { clones, seq })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::denc::Encoder;

    fn decoded(op: &Op, body: impl FnOnce(&mut Encoder) -> &mut Encoder) -> Result<OpOut, Malformed> {
        let mut e = Encoder::new();
        body(&mut e);
        output(Kind::of(op), OpOutcome { rval: 0, output: e.finish(), placed: None })
    }

    #[test]
    fn counts_are_bounded_by_the_input() {
        for op in [
            Op::GetXattrs,
            Op::OmapGetKeys { after: Bytes::new(), max: 1 },
            Op::OmapGetValsByKeys { keys: vec![] },
            Op::SparseRead { offset: 0, length: 1 },
        ] {
            assert_eq!(decoded(&op, |e| e.u32(u32::MAX)), Err(Malformed));
        }
    }

    #[test]
    fn an_assertion_has_no_output_even_if_the_osd_sends_one() {
        assert_eq!(decoded(&Op::AssertExists, |e| e), Ok(OpOut::None));
        assert_eq!(decoded(&Op::AssertExists, |e| e.u64(1).u64(0)), Ok(OpOut::None));
    }

    #[test]
    fn a_sparse_read_has_all_the_bytes_of_its_extents() {
        let op = Op::SparseRead { offset: 0, length: 100 };
        let good = decoded(&op, |e| e.u32(2).u64(0).u64(2).u64(8).u64(1).blob(b"abc"));
        let data = Bytes::from_static(b"abc");
        assert_eq!(good, Ok(OpOut::Sparse { extents: vec![(0, 2), (8, 1)], data }));
        assert_eq!(decoded(&op, |e| e.u32(1).u64(0).u64(4).blob(b"abc")), Err(Malformed));
    }
}
