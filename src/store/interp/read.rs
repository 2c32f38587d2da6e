//! Ops that read, and guards on existence and version.

use bytes::Bytes;

use super::{Done, MAX_OMAP_ENTRIES, Run};
use crate::errno::Errno;
use crate::store::OpOut;

impl Run<'_> {
    pub(super) fn stat(&mut self) -> Done {
        let size = self.must_exist()?;
        let mtime_ns = self.before.map_or(0, |state| state.mtime_ns);
        Ok((0, OpOut::Stat { size, mtime_ns }))
    }

    pub(super) fn assert_version(&mut self, version: u64) -> Done {
        let current = self.before.map_or(0, |state| state.version);
        if version == 0 {
            return Err(Errno::EINVAL.into());
        }
        match version.cmp(&current) {
            std::cmp::Ordering::Less => Err(Errno::ERANGE.into()),
            std::cmp::Ordering::Greater => Err(Errno::EOVERFLOW.into()),
            std::cmp::Ordering::Equal => Ok((0, OpOut::None)),
        }
    }

    /// The part of a range that lies in the object as it was before the list; a length of 0 means all that follows.
    fn clip(&self, offset: u64, length: u64) -> (u64, u64) {
        let size = self.before.map_or(0, |state| state.size);
        let left = size.saturating_sub(offset);
        (offset, if length == 0 { left } else { length.min(left) })
    }

    /// What a read of the range gives: shorter at the object's end.
    pub(super) fn read_range(&mut self, offset: u64, length: u64) -> Result<Bytes, super::Stop> {
        let (offset, length) = self.clip(offset, length);
        if length == 0 {
            return Ok(Bytes::new());
        }
        Ok(self.view.read(offset, length)?)
    }

    pub(super) fn read(&mut self, offset: u64, length: u64) -> Done {
        self.must_exist()?;
        Ok((0, OpOut::Data(self.read_range(offset, length)?)))
    }

    pub(super) fn sparse_read(&mut self, offset: u64, length: u64) -> Done {
        self.must_exist()?;
        if length == 0 {
            return Err(Errno::EINVAL.into());
        }
        let (offset, length) = self.clip(offset, length);
        if length == 0 {
            return Ok((0, OpOut::Sparse { extents: vec![], data: Bytes::new() }));
        }
        let extents = self.view.allocated(offset, length)?;
        let mut data = Vec::with_capacity(extents.iter().map(|(_, length)| *length as usize).sum());
        for (offset, length) in &extents {
            data.extend_from_slice(&self.view.read(*offset, *length)?);
        }
        Ok((0, OpOut::Sparse { extents, data: data.into() }))
    }

    pub(super) fn checksum(&mut self, kind: u8, init: &Bytes, offset: u64, length: u64, chunk: u64) -> Done {
        self.must_exist()?;
        if chunk > 0 && !length.is_multiple_of(chunk) {
            return Err(Errno::EINVAL.into());
        }
        let data = self.read_range(offset, length)?;
        let chunk = if chunk == 0 { data.len().max(1) } else { chunk as usize };
        let sums = super::checksum::of_chunks(kind, init, &data, chunk).ok_or(Errno::EINVAL)?;
        Ok((0, OpOut::Data(sums)))
    }

    pub(super) fn get_xattr(&mut self, name: &str) -> Done {
        self.must_exist()?;
        let value = self.view.xattr(name)?.ok_or(Errno::ENODATA)?;
        Ok((0, OpOut::Data(value)))
    }

    pub(super) fn get_xattrs(&mut self) -> Done {
        self.must_exist()?;
        Ok((0, OpOut::Xattrs(self.view.xattrs()?)))
    }

    pub(super) fn omap_get_keys(&mut self, after: &Bytes, max: u64) -> Done {
        self.must_exist()?;
        let (pairs, more) = self.view.omap_page(after, &Bytes::new(), max.min(MAX_OMAP_ENTRIES))?;
        Ok((0, OpOut::Keys { keys: pairs.into_iter().map(|(key, _)| key).collect(), more }))
    }

    pub(super) fn omap_get_vals(&mut self, after: &Bytes, prefix: &Bytes, max: u64) -> Done {
        self.must_exist()?;
        let (pairs, more) = self.view.omap_page(after, prefix, max.min(MAX_OMAP_ENTRIES))?;
        Ok((0, OpOut::Pairs { pairs, more }))
    }

    pub(super) fn omap_get_by_keys(&mut self, keys: &[Bytes]) -> Done {
        self.must_exist()?;
        let mut wanted: Vec<&Bytes> = keys.iter().collect();
        wanted.sort();
        wanted.dedup();
        let mut pairs = Vec::new();
        for key in wanted {
            if let Some(value) = self.view.omap_value(key)? {
                pairs.push((key.clone(), value));
            }
        }
        Ok((0, OpOut::Pairs { pairs, more: false }))
    }

    pub(super) fn omap_get_header(&mut self) -> Done {
        self.must_exist()?;
        Ok((0, OpOut::Data(self.view.omap_header()?)))
    }
}
