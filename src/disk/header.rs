//! The header object: format, epoch, root, snapshots (docs/format.md).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::log::{u16_at, u32_at, u64_at};
use super::shared::{epoch_is, epoch_of, get_epoch, run, set_epoch};
use super::ssd::{LocalMark, MARK_KEY};
use super::{DiskError, DiskNames, DiskResult, FormatParams, Lsn, SnapInfo, SnapshotId, WriterEpoch};
use crate::errno::Errno;
use crate::store::{Op, OpOut, Store};

pub(crate) const FORMAT_KEY: &str = "format";
pub(crate) const ROOT_KEY: &str = "root";
pub(crate) const SNAP_SEQ_KEY: &str = "snap_seq";
pub(crate) const SNAP_PREFIX: &str = "snap.";
const FORMAT_MAGIC: &[u8; 4] = b"LSVF";
const SNAP_MAGIC: &[u8; 4] = b"LSVN";
const VERSION: u16 = 1;
/// Of a format that has flags: readers that know only the first version refuse it.
const FLAGS_VERSION: u16 = 2;
const FORMAT_BYTES: usize = 32;
const FLAGS_FORMAT_BYTES: usize = 40;
/// The data pool is erasure-coded: segments may have payloads.
const FLAG_PAYLOADS: u32 = 1;
const SNAP_FIXED_BYTES: usize = 48;
/// Omap values asked for at once.
const PAGE: u64 = 512;

/// What never changes about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub uuid: [u8; 16],
    pub segment_bytes: u32,
    /// The data pool is erasure-coded and holds payloads; the segments are in the image's own pool.
    pub payloads: bool,
}

impl Format {
    pub fn encode(&self) -> Bytes {
        let (version, length) =
            if self.payloads { (FLAGS_VERSION, FLAGS_FORMAT_BYTES) } else { (VERSION, FORMAT_BYTES) };
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(FORMAT_MAGIC);
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&(length as u16).to_le_bytes());
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&self.segment_bytes.to_le_bytes());
        if self.payloads {
            out.extend_from_slice(&FLAG_PAYLOADS.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
        }
        out.extend_from_slice(&crate::crc::crc32c(&out).to_le_bytes());
        out.into()
    }

    pub fn decode(object: &str, raw: &[u8]) -> DiskResult<Format> {
        let corrupt = |detail: &str| corrupt(object, FORMAT_KEY, detail);
        if raw.len() < 8 || &raw[..4] != FORMAT_MAGIC {
            return Err(corrupt("bad magic"));
        }
        let found = u16_at(raw, 4);
        if found > FLAGS_VERSION {
            return Err(DiskError::NewerFormat { object: object.to_owned(), found, known: FLAGS_VERSION });
        }
        let length = if found == FLAGS_VERSION { FLAGS_FORMAT_BYTES } else { FORMAT_BYTES };
        if raw.len() != length || crate::crc::crc32c(&raw[..length - 4]) != u32_at(raw, length - 4) {
            return Err(corrupt("bad length or checksum"));
        }
        if found < VERSION || usize::from(u16_at(raw, 6)) != length {
            return Err(corrupt("version or length"));
        }
        let payloads = found == FLAGS_VERSION;
        if payloads && (u32_at(raw, 28) != FLAG_PAYLOADS || u32_at(raw, 32) != 0) {
            return Err(corrupt("flags or reserved bytes"));
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&raw[8..24]);
        let format = Format { uuid, segment_bytes: u32_at(raw, 24), payloads };
        FormatParams { size_bytes: 0, segment_bytes: format.segment_bytes, uuid, payloads }
            .check()
            .map_err(|_| corrupt("segment size"))?;
        Ok(format)
    }
}

fn corrupt(object: &str, key: &str, detail: &str) -> DiskError {
    DiskError::Corrupt { object: object.to_owned(), offset: 0, detail: format!("{key}: {detail}") }
}

/// A snapshot with the map that it pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub info: SnapInfo,
    pub root: Bytes,
}

impl Snapshot {
    pub fn key(id: SnapshotId) -> Bytes {
        Bytes::from(format!("{SNAP_PREFIX}{:016x}", id.0))
    }

    pub fn encode(&self) -> Bytes {
        let info = &self.info;
        let mut out = Vec::with_capacity(SNAP_FIXED_BYTES + info.name.len() + self.root.len() + 4);
        out.extend_from_slice(SNAP_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&u16::from(info.protected).to_le_bytes());
        for number in [info.id.0, info.lsn.0, info.size_bytes, info.timestamp_ns] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(info.name.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.root.len() as u32).to_le_bytes());
        out.extend_from_slice(info.name.as_bytes());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&crate::crc::crc32c(&out).to_le_bytes());
        out.into()
    }

    pub fn decode(object: &str, raw: &Bytes) -> DiskResult<Snapshot> {
        let corrupt = |detail: &str| corrupt(object, SNAP_PREFIX, detail);
        if raw.len() < 8 || &raw[..4] != SNAP_MAGIC {
            return Err(corrupt("bad magic"));
        }
        let found = u16_at(raw, 4);
        if found > VERSION {
            return Err(DiskError::NewerFormat { object: object.to_owned(), found, known: VERSION });
        }
        if raw.len() < SNAP_FIXED_BYTES + 4 {
            return Err(corrupt("cut off"));
        }
        let end = raw.len() - 4;
        if crate::crc::crc32c(&raw[..end]) != u32_at(raw, end) {
            return Err(corrupt("bad checksum"));
        }
        if found != VERSION {
            return Err(corrupt("version"));
        }
        let name_end = SNAP_FIXED_BYTES.saturating_add(u32_at(raw, 40) as usize);
        if name_end > end || name_end.saturating_add(u32_at(raw, 44) as usize) != end || u16_at(raw, 6) > 1 {
            return Err(corrupt("lengths or flags"));
        }
        let name = std::str::from_utf8(&raw[SNAP_FIXED_BYTES..name_end]).map_err(|_| corrupt("name"))?;
        let info = SnapInfo {
            id: SnapshotId(u64_at(raw, 8)),
            name: name.to_owned(),
            lsn: Lsn(u64_at(raw, 16)),
            size_bytes: u64_at(raw, 24),
            timestamp_ns: u64_at(raw, 32),
            protected: u16_at(raw, 6) & 1 != 0,
        };
        Ok(Snapshot { info, root: raw.slice(name_end..end) })
    }
}

/// What the header held at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub format: Format,
    pub epoch: WriterEpoch,
    pub root: Bytes,
    /// A log has changes that the store does not have. An error where the mark has rotted: reading goes on without it.
    pub local_mark: DiskResult<Option<LocalMark>>,
    /// Version of the header object when it was read.
    pub version: u64,
}

impl Header {
    pub async fn read(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<Header> {
        let target = names.header();
        let keys = [FORMAT_KEY, ROOT_KEY, MARK_KEY].map(|key| Bytes::from_static(key.as_bytes())).to_vec();
        let mut reply = run(store, &target, vec![get_epoch(), Op::OmapGetValsByKeys { keys }])
            .await
            .map_err(|error| match error.store_errno() {
                // A header without an epoch was not made by `format`.
                Some(Errno::ENODATA) => corrupt(&target.oid, "lsvd.epoch", "missing"),
                Some(_) | None => error,
            })?;
        let epoch = epoch_of(&mut reply, 0, &target)?;
        let mut pairs: BTreeMap<Bytes, Bytes> = match reply.ops.pop().map(|op| op.out) {
            Some(OpOut::Pairs { pairs, .. }) => pairs.into_iter().collect(),
            Some(_) | None => BTreeMap::new(),
        };
        let mut take =
            |key: &str| pairs.remove(key.as_bytes()).ok_or_else(|| corrupt(&target.oid, key, "missing"));
        let format = Format::decode(&target.oid, &take(FORMAT_KEY)?)?;
        let root = take(ROOT_KEY)?;
        let mark = pairs.remove(MARK_KEY.as_bytes());
        let local_mark = mark.map(|raw| LocalMark::decode(&target.oid, &raw)).transpose();
        Ok(Header { format, epoch, root, local_mark, version: reply.version })
    }

    /// Makes the header of a new image.
    pub async fn create(
        store: &Arc<dyn Store>,
        names: &DiskNames,
        format: &Format,
        root: Bytes,
    ) -> DiskResult<()> {
        let pairs = BTreeMap::from([
            (Bytes::from_static(FORMAT_KEY.as_bytes()), format.encode()),
            (Bytes::from_static(ROOT_KEY.as_bytes()), root),
            (Bytes::from_static(SNAP_SEQ_KEY.as_bytes()), Bytes::from_static(b"0")),
        ]);
        let ops = vec![Op::Create { exclusive: true }, set_epoch(WriterEpoch(0)), Op::OmapSet { pairs }];
        run(store, &names.header(), ops).await.map(drop)
    }

    /// Takes the epoch after `current`; `None` if someone else changed it meanwhile.
    pub async fn take_epoch(
        store: &Arc<dyn Store>,
        names: &DiskNames,
        current: WriterEpoch,
    ) -> DiskResult<Option<WriterEpoch>> {
        let next =
            current.0.checked_add(1).map(WriterEpoch).ok_or(DiskError::Invalid {
                detail: format!("{}: no epochs are left", names.header().oid),
            })?;
        match run(store, &names.header(), vec![epoch_is(current), set_epoch(next)]).await {
            Ok(_) => Ok(Some(next)),
            Err(error) if error.store_errno() == Some(Errno::ECANCELED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All snapshots, ascending by id. With an epoch: as its writer, `Fenced` if there is a newer one.
    pub async fn snapshots(
        store: &Arc<dyn Store>,
        names: &DiskNames,
        writer: Option<WriterEpoch>,
    ) -> DiskResult<Vec<Snapshot>> {
        let target = names.header();
        let mut snapshots = Vec::new();
        let mut after = Bytes::new();
        loop {
            let prefix = Bytes::from_static(SNAP_PREFIX.as_bytes());
            let mut ops: Vec<Op> = writer.map(epoch_is).into_iter().collect();
            ops.push(Op::OmapGetVals { after: after.clone(), prefix, max: PAGE });
            let mut reply = match run(store, &target, ops).await {
                Err(error) if error.store_errno() == Some(Errno::ECANCELED) => {
                    return Err(fenced(store, names, writer.unwrap_or_default()).await?);
                }
                reply => reply?,
            };
            let Some(OpOut::Pairs { pairs, more }) = reply.ops.pop().map(|op| op.out) else { break };
            for (key, value) in &pairs {
                let snapshot = Snapshot::decode(&target.oid, value)?;
                if *key != Snapshot::key(snapshot.info.id) {
                    return Err(corrupt(&target.oid, SNAP_PREFIX, "key and id differ"));
                }
                snapshots.push(snapshot);
            }
            match pairs.into_iter().next_back() {
                Some((last, _)) if more => after = last,
                Some(_) | None => break,
            }
        }
        Ok(snapshots)
    }

    pub async fn snapshot(store: &Arc<dyn Store>, names: &DiskNames, id: SnapshotId) -> DiskResult<Snapshot> {
        let target = names.header();
        let keys = vec![Snapshot::key(id)];
        let mut reply = run(store, &target, vec![Op::OmapGetValsByKeys { keys }]).await?;
        match reply.ops.pop().map(|op| op.out) {
            Some(OpOut::Pairs { pairs, .. }) => match pairs.first() {
                Some((_, value)) => Snapshot::decode(&target.oid, value),
                None => Err(DiskError::NoSnapshot),
            },
            Some(_) | None => Err(DiskError::NoSnapshot),
        }
    }

    /// The greatest snapshot id ever given.
    pub async fn snap_seq(store: &Arc<dyn Store>, names: &DiskNames) -> DiskResult<u64> {
        let target = names.header();
        let keys = vec![Bytes::from_static(SNAP_SEQ_KEY.as_bytes())];
        let mut reply = run(store, &target, vec![Op::OmapGetValsByKeys { keys }]).await?;
        let text = match reply.ops.pop().map(|op| op.out) {
            Some(OpOut::Pairs { mut pairs, .. }) => pairs.pop().map(|(_, value)| value).unwrap_or_default(),
            Some(_) | None => Bytes::new(),
        };
        std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| corrupt(&target.oid, SNAP_SEQ_KEY, "is no number"))
    }

    /// Changes omap keys of the header as the writer of `epoch`: nothing happens if there is a newer one.
    pub async fn update(
        store: &Arc<dyn Store>,
        names: &DiskNames,
        epoch: WriterEpoch,
        set: BTreeMap<Bytes, Bytes>,
        remove: Vec<Bytes>,
    ) -> DiskResult<()> {
        let target = names.header();
        let mut ops = vec![epoch_is(epoch)];
        if !set.is_empty() {
            ops.push(Op::OmapSet { pairs: set });
        }
        if !remove.is_empty() {
            ops.push(Op::OmapRmKeys { keys: remove });
        }
        match run(store, &target, ops).await {
            Ok(_) => Ok(()),
            Err(error) if error.store_errno() == Some(Errno::ECANCELED) => {
                Err(fenced(store, names, epoch).await?)
            }
            Err(error) => Err(error),
        }
    }
}

/// The error of a writer whose epoch is not that of the header any more.
async fn fenced(store: &Arc<dyn Store>, names: &DiskNames, mine: WriterEpoch) -> DiskResult<DiskError> {
    let target = names.header();
    let mut reply = run(store, &target, vec![get_epoch()]).await?;
    Ok(DiskError::Fenced { mine: mine.0, theirs: epoch_of(&mut reply, 0, &target)?.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a right checksum, so that only the field itself can tell.
    fn with_u16(entry: &[u8], at: usize, value: u16) -> Bytes {
        let mut bytes = entry[..entry.len() - 4].to_vec();
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        bytes.extend_from_slice(&crate::crc::crc32c(&bytes).to_le_bytes());
        bytes.into()
    }

    #[test]
    fn entries_of_no_known_version_are_refused() {
        let format = Format { uuid: [7; 16], segment_bytes: 8 << 20, payloads: false };
        let raw = format.encode();
        assert_eq!(Format::decode("o", &with_u16(&raw, 4, VERSION)).unwrap(), format);
        assert!(Format::decode("o", &with_u16(&raw, 4, 0)).is_err());
        assert!(Format::decode("o", &with_u16(&raw, 6, 31)).is_err());
        let info = SnapInfo {
            id: SnapshotId(1),
            name: "n".into(),
            lsn: Lsn(1),
            size_bytes: 1,
            timestamp_ns: 1,
            protected: false,
        };
        let raw = Snapshot { info, root: Bytes::new() }.encode();
        assert!(Snapshot::decode("o", &with_u16(&raw, 4, VERSION)).is_ok());
        assert!(Snapshot::decode("o", &with_u16(&raw, 4, 0)).is_err());
    }
}
