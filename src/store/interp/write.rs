//! Ops that change an object.

use bytes::Bytes;

use super::{Done, MAX_OBJECT_SIZE, MAX_XATTR_NAME, Mutation, Run};
use crate::errno::Errno;
use crate::store::OpOut;

const DONE: Done = Ok((0, OpOut::None));

/// EFBIG if the range leaves the largest object.
fn check_range(offset: u64, length: u64) -> Result<(), Errno> {
    let fits = offset < MAX_OBJECT_SIZE && length <= MAX_OBJECT_SIZE && offset + length <= MAX_OBJECT_SIZE;
    if fits { Ok(()) } else { Err(Errno::EFBIG) }
}

impl Run<'_> {
    fn push(&mut self, mutation: Mutation) {
        self.modified = true;
        self.mutations.push(mutation);
    }

    /// Makes the object if it does not exist; it counts as modified in any case.
    pub(super) fn touch(&mut self) -> Done {
        if self.size.is_none() {
            self.size = Some(0);
            self.push(Mutation::Create);
        }
        self.modified = true;
        DONE
    }

    pub(super) fn create(&mut self, exclusive: bool) -> Done {
        if exclusive && self.size.is_some() {
            return Err(Errno::EEXIST.into());
        }
        self.touch()
    }

    pub(super) fn write(&mut self, offset: u64, data: &Bytes) -> Done {
        check_range(offset, data.len() as u64)?;
        self.touch()?;
        let size = self.size.unwrap_or(0);
        if data.is_empty() {
            // Nothing to write, but the object reaches up to the offset.
            if offset > size {
                self.size = Some(offset);
                self.push(Mutation::Truncate { size: offset });
            }
            return DONE;
        }
        self.size = Some(size.max(offset + data.len() as u64));
        self.push(Mutation::Write { offset, data: data.clone(), op: self.op });
        DONE
    }

    pub(super) fn write_full(&mut self, data: &Bytes) -> Done {
        check_range(0, data.len() as u64)?;
        self.touch()?;
        self.size = Some(data.len() as u64);
        self.push(Mutation::Truncate { size: 0 });
        if !data.is_empty() {
            self.push(Mutation::Write { offset: 0, data: data.clone(), op: self.op });
        }
        DONE
    }

    pub(super) fn write_same(&mut self, offset: u64, length: u64, data: &Bytes) -> Done {
        check_range(offset, length)?;
        if length == 0 {
            return DONE;
        }
        if data.is_empty() || !length.is_multiple_of(data.len() as u64) {
            return Err(Errno::EINVAL.into());
        }
        let repeated: Bytes = data.repeat((length / data.len() as u64) as usize).into();
        self.write(offset, &repeated)
    }

    pub(super) fn append(&mut self, data: &Bytes) -> Done {
        let size = self.size.unwrap_or(0);
        self.write(size, data)
    }

    /// Never extends; a range that reaches the object's end cuts it.
    pub(super) fn zero(&mut self, offset: u64, length: u64) -> Done {
        check_range(offset, length)?;
        let Some(size) = self.size else { return DONE };
        if length == 0 || offset >= size {
            return DONE;
        }
        if offset + length >= size {
            return self.truncate(offset);
        }
        self.push(Mutation::Zero { offset, length });
        DONE
    }

    pub(super) fn truncate(&mut self, size: u64) -> Done {
        check_range(size, 0)?;
        if self.size.is_some() {
            self.size = Some(size);
            self.push(Mutation::Truncate { size });
        }
        DONE
    }

    pub(super) fn remove(&mut self) -> Done {
        self.must_exist()?;
        self.size = None;
        self.push(Mutation::Remove);
        DONE
    }

    pub(super) fn set_xattr(&mut self, name: &str, value: &Bytes) -> Done {
        if name.len() > MAX_XATTR_NAME {
            return Err(Errno::ENAMETOOLONG.into());
        }
        self.touch()?;
        self.push(Mutation::SetXattr { name: name.to_owned(), value: value.clone() });
        DONE
    }

    pub(super) fn rm_xattr(&mut self, name: &str) -> Done {
        self.must_exist()?;
        self.push(Mutation::RmXattr { name: name.to_owned() });
        DONE
    }

    pub(super) fn omap_create(&mut self, mutation: Mutation) -> Done {
        self.touch()?;
        self.push(mutation);
        DONE
    }

    pub(super) fn omap_change(&mut self, mutation: Mutation) -> Done {
        self.must_exist()?;
        self.push(mutation);
        DONE
    }
}
