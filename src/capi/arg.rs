//! Arguments: how C strings, buffers, vectors and out-parameters become Rust values. Null is EINVAL.

#![allow(clippy::disallowed_methods)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;

use crate::errno::Errno;
use crate::store::name::text_of;
use crate::wire::place::Room;

/// A required C string.
///
/// # Safety
/// `s` is null or a NUL-terminated string that lives through `'a`.
pub unsafe fn cstr<'a>(s: *const c_char) -> Result<&'a CStr, Errno> {
    // SAFETY: the caller's promise.
    unsafe { opt_cstr(s) }.ok_or(Errno::EINVAL)
}

/// A C string that may be absent.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn opt_cstr<'a>(s: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not null, and the caller's promise.
    (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) })
}

/// A required C string as UTF-8; anything else is EINVAL. Names in RADOS are bytes: use [`bytes`] for objects and keys.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn text<'a>(s: *const c_char) -> Result<&'a str, Errno> {
    // SAFETY: the caller's promise.
    unsafe { cstr(s) }?.to_str().map_err(|_| Errno::EINVAL)
}

/// The name of an object, attribute or locator: any bytes, held as `store::name` says.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn name<'a>(s: *const c_char) -> Result<Cow<'a, str>, Errno> {
    // SAFETY: the caller's promise.
    Ok(text_of(unsafe { bytes(s) }?))
}

/// A name that may be absent; none is the empty name.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn opt_name<'a>(s: *const c_char) -> Cow<'a, str> {
    // SAFETY: the caller's promise.
    text_of(unsafe { opt_bytes(s) })
}

/// A text that may be absent; bytes that are not UTF-8 are EINVAL.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn opt_text<'a>(s: *const c_char) -> Result<Option<&'a str>, Errno> {
    // SAFETY: the caller's promise.
    unsafe { opt_cstr(s) }.map(|s| s.to_str().map_err(|_| Errno::EINVAL)).transpose()
}

/// The bytes of a required C string, without its NUL.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn bytes<'a>(s: *const c_char) -> Result<&'a [u8], Errno> {
    // SAFETY: the caller's promise.
    Ok(unsafe { cstr(s) }?.to_bytes())
}

/// Input of a known length. Null is fine for no bytes; a length that no object can have is EINVAL.
///
/// # Safety
/// `p` is null or readable for `len` elements through `'a`.
pub unsafe fn slice<'a, T>(p: *const T, len: usize) -> Result<&'a [T], Errno> {
    if len == 0 {
        return Ok(&[]);
    }
    if p.is_null() || !p.is_aligned() || !fits::<T>(len) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, aligned, of a possible size, and readable by the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(p, len) })
}

/// [`slice`] for the many functions that declare bytes as `const char *`.
///
/// # Safety
/// As for [`slice`].
pub unsafe fn data<'a>(p: *const c_char, len: usize) -> Result<&'a [u8], Errno> {
    // SAFETY: the caller's promise.
    unsafe { slice(p.cast::<u8>(), len) }
}

/// An array of required C strings, as bytes.
///
/// # Safety
/// `p` is null or readable for `len` pointers, each as for [`cstr`].
pub unsafe fn strings<'a>(p: *const *const c_char, len: usize) -> Result<Vec<&'a [u8]>, Errno> {
    // SAFETY: the caller's promise, for the array and for each string.
    unsafe { slice(p, len)?.iter().map(|&s| bytes(s)).collect() }
}

/// Keys and values, each ended by a NUL, in turns; an empty key ends them. Of a key that comes twice the last value counts.
///
/// # Safety
/// `p` is null or such a list.
pub unsafe fn pairs(p: *const c_char) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Errno> {
    let mut pairs = BTreeMap::new();
    let mut at = p;
    loop {
        // SAFETY: `at` is where a string of the list begins, by the caller's promise.
        let key = unsafe { bytes(at)? };
        if key.is_empty() {
            return Ok(pairs);
        }
        // SAFETY: a key that is not empty has a value after its NUL, by the caller's promise.
        let value = unsafe {
            at = at.add(key.len() + 1);
            bytes(at)?
        };
        pairs.insert(key.to_vec(), value.to_vec());
        // SAFETY: after a value's NUL there is another string, if only an empty one.
        at = unsafe { at.add(value.len() + 1) };
    }
}

/// An array of inputs, each of its own length.
///
/// # Safety
/// `p` and `lens` are null or readable for `len` elements, each pair of them as for [`data`].
pub unsafe fn datas<'a>(
    p: *const *const c_char,
    lens: *const usize,
    len: usize,
) -> Result<Vec<&'a [u8]>, Errno> {
    // SAFETY: the caller's promise, for the arrays and for each input.
    unsafe { slice(p, len)?.iter().zip(slice(lens, len)?).map(|(&p, &len)| data(p, len)).collect() }
}

/// The bytes of a C string, none if it is absent.
///
/// # Safety
/// As for [`cstr`].
pub unsafe fn opt_bytes<'a>(s: *const c_char) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { opt_cstr(s) }.map_or(&[], CStr::to_bytes)
}

fn fits<T>(len: usize) -> bool {
    len.checked_mul(size_of::<T>()).is_some_and(|size| isize::try_from(size).is_ok())
}

/// Writes to a required out-parameter.
///
/// # Safety
/// `p` is null or writable for one `T`.
pub unsafe fn out<T>(p: *mut T, value: T) -> Result<(), Errno> {
    if p.is_null() || !p.is_aligned() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, aligned, writable by the caller's promise; C's memory needs no drop.
    unsafe { p.write(value) };
    Ok(())
}

/// Writes to an out-parameter that may be absent.
///
/// # Safety
/// As for [`out`].
pub unsafe fn opt_out<T>(p: *mut T, value: T) {
    // SAFETY: the caller's promise. Null only means that nobody wants the value.
    let _ = unsafe { out(p, value) };
}

/// Writes to the first elements of an array of C's.
///
/// # Safety
/// `p` is null or writable for as many elements as `values` has.
pub unsafe fn out_slice<T: Copy>(p: *mut T, values: &[T]) -> Result<(), Errno> {
    if values.is_empty() {
        return Ok(());
    }
    if p.is_null() || !p.is_aligned() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, aligned, writable by the caller's promise; `values` is ours, so they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), p, values.len()) };
    Ok(())
}

/// Reads a required in/out parameter, such as the length of a buffer.
///
/// # Safety
/// `p` is null or readable for one initialised `T`.
pub unsafe fn read<T: Copy>(p: *const T) -> Result<T, Errno> {
    if p.is_null() || !p.is_aligned() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: not null, aligned, readable by the caller's promise.
    Ok(unsafe { p.read() })
}

/// Reads an input that may be absent.
///
/// # Safety
/// As for [`read`].
pub unsafe fn opt_read<T: Copy>(p: *const T) -> Option<T> {
    // SAFETY: the caller's promise.
    unsafe { read(p) }.ok()
}

/// The number that C passed for an enum; it may be none of the enum's values.
pub fn enum_value<T: Copy>(value: std::mem::MaybeUninit<T>) -> c_int {
    const { assert!(size_of::<T>() == size_of::<c_int>()) };
    // SAFETY: C passed an int-sized number in `value`, and every bit pattern is an int.
    unsafe { value.as_ptr().cast::<c_int>().read() }
}

/// Room that C gave us to write to, possibly after the call returned (aio).
///
/// Bytes are only ever copied into it: C's memory may be uninitialised, so there is never a `&mut [u8]` to it.
#[derive(Debug)]
pub struct OutBuf {
    start: *mut u8,
    len: usize,
}

// SAFETY: the buffer belongs to the request until it completes; nothing else of ours holds it.
unsafe impl Send for OutBuf {}
// SAFETY: shared references only give the length.
unsafe impl Sync for OutBuf {}

impl OutBuf {
    /// Null is fine for a length of zero.
    ///
    /// # Safety
    /// `p` is null or writable for `len` bytes until the buffer is dropped, and C does not touch it meanwhile.
    pub unsafe fn new(p: *mut c_char, len: usize) -> Result<OutBuf, Errno> {
        if (p.is_null() && len > 0) || !fits::<u8>(len) {
            return Err(Errno::EINVAL);
        }
        Ok(OutBuf { start: p.cast(), len })
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `from` to `at`. What does not fit is ERANGE, and nothing is written.
    pub fn write(&mut self, at: usize, from: &[u8]) -> Result<(), Errno> {
        if at.checked_add(from.len()).is_none_or(|end| end > self.len) {
            return Err(Errno::ERANGE);
        }
        if !from.is_empty() {
            // SAFETY: inside the buffer, which is writable and ours alone by `new`'s promise.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.start.add(at), from.len()) };
        }
        Ok(())
    }

    /// Writes `len` zero bytes at `at`. What does not fit is ERANGE, and nothing is written.
    pub fn zero(&mut self, at: usize, len: usize) -> Result<(), Errno> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Errno::ERANGE);
        }
        if len > 0 {
            // SAFETY: as in `write`.
            unsafe { std::ptr::write_bytes(self.start.add(at), 0, len) };
        }
        Ok(())
    }

    /// Copies a string and its NUL; ERANGE if both do not fit.
    pub fn write_cstr(&mut self, s: &[u8]) -> Result<(), Errno> {
        if s.len() >= self.len {
            return Err(Errno::ERANGE);
        }
        self.write(0, s)?;
        self.zero(s.len(), 1)
    }
}

/// A connection may receive into it.
impl Room for OutBuf {
    fn bytes(&self) -> usize {
        self.len
    }

    fn rest(&mut self, at: usize) -> &mut [MaybeUninit<u8>] {
        if at >= self.len {
            return &mut [];
        }
        // SAFETY: inside the buffer, which is writable and ours alone by `new`'s promise; it need not be initialised.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at).cast(), self.len - at) }
    }
}

/// Several buffers seen as one: the target of a vectored read.
#[derive(Debug, Default)]
pub struct OutBufs {
    parts: Vec<OutBuf>,
    len: usize,
}

impl OutBufs {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `from` to byte `at` of the whole, across the parts. What does not fit is ERANGE, and nothing is written.
    pub fn write(&mut self, at: usize, from: &[u8]) -> Result<(), Errno> {
        self.each(at, from.len(), |part, offset, done, len| part.write(offset, &from[done..done + len]))
    }

    /// Writes `len` zero bytes at byte `at` of the whole.
    pub fn zero(&mut self, at: usize, len: usize) -> Result<(), Errno> {
        self.each(at, len, |part, offset, _, len| part.zero(offset, len))
    }

    fn each(
        &mut self,
        at: usize,
        len: usize,
        mut f: impl FnMut(&mut OutBuf, usize, usize, usize) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Errno::ERANGE);
        }
        let (mut skip, mut done) = (at, 0);
        for part in &mut self.parts {
            if done == len {
                break;
            }
            if skip >= part.len {
                skip -= part.len;
                continue;
            }
            let here = (part.len - skip).min(len - done);
            f(part, skip, done, here)?;
            (skip, done) = (0, done + here);
        }
        Ok(())
    }
}

impl From<OutBuf> for OutBufs {
    fn from(buf: OutBuf) -> OutBufs {
        OutBufs { len: buf.len, parts: vec![buf] }
    }
}

/// The iovecs of a vectored read. A negative count, a null part or a total past `isize::MAX` is EINVAL.
///
/// # Safety
/// `iov` is null or readable for `count` elements, each as for [`OutBuf::new`].
pub unsafe fn out_iovecs(iov: *const libc::iovec, count: c_int) -> Result<OutBufs, Errno> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    let mut bufs = OutBufs::default();
    // SAFETY: the caller's promise, for the array and for each part.
    unsafe {
        for v in slice(iov, count)? {
            bufs.parts.push(OutBuf::new(v.iov_base.cast(), v.iov_len)?);
            bufs.len = bufs.len.checked_add(v.iov_len).filter(|&l| fits::<u8>(l)).ok_or(Errno::EINVAL)?;
        }
    }
    Ok(bufs)
}

/// The iovecs of a vectored write, as slices.
///
/// # Safety
/// `iov` is null or readable for `count` elements, each as for [`slice`].
pub unsafe fn in_iovecs<'a>(iov: *const libc::iovec, count: c_int) -> Result<Vec<&'a [u8]>, Errno> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the caller's promise, for the array and for each part.
    unsafe {
        slice(iov, count)?.iter().map(|v| slice(v.iov_base.cast::<u8>().cast_const(), v.iov_len)).collect()
    }
}

/// C's memory to read from, possibly after the call returned (aio).
#[derive(Debug)]
pub struct InBufs(Vec<(*const u8, usize)>);

// SAFETY: only read, and C leaves it alone until the request completes.
unsafe impl Send for InBufs {}
// SAFETY: as above.
unsafe impl Sync for InBufs {}

impl InBufs {
    /// One buffer. Null is fine for no bytes.
    ///
    /// # Safety
    /// `p` is null or readable for `len` bytes until the buffers are dropped, and C does not change it meanwhile.
    pub unsafe fn new(p: *const c_char, len: usize) -> Result<InBufs, Errno> {
        // SAFETY: the caller's promise.
        let data = unsafe { data(p, len)? };
        Ok(InBufs(vec![(data.as_ptr(), data.len())]))
    }

    /// The iovecs of a vectored write; the array itself is not needed any more when this returns.
    ///
    /// # Safety
    /// As for [`in_iovecs`], and the buffers as for [`InBufs::new`].
    pub unsafe fn from_iovecs(iov: *const libc::iovec, count: c_int) -> Result<InBufs, Errno> {
        // SAFETY: the caller's promise.
        let parts = unsafe { in_iovecs(iov, count)? };
        parts
            .iter()
            .try_fold(0usize, |sum, part| sum.checked_add(part.len()).filter(|&sum| fits::<u8>(sum)))
            .ok_or(Errno::EINVAL)?;
        Ok(InBufs(parts.iter().map(|part| (part.as_ptr(), part.len())).collect()))
    }

    pub fn slices(&self) -> Vec<&[u8]> {
        self.0.iter().map(|&(start, len)| self.part(start, len)).collect()
    }

    /// The first buffer.
    pub fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], |&(start, len)| self.part(start, len))
    }

    fn part(&self, start: *const u8, len: usize) -> &[u8] {
        // SAFETY: each part was a valid slice when this was made, and stays so by the maker's promise.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

/// A pointer of the caller that is only handed back: the `arg` of callbacks.
#[derive(Clone, Copy, Debug)]
pub struct Cookie(pub *mut c_void);

impl Cookie {
    /// For closures, which then hold the whole cookie and not the pointer in it.
    pub fn get(&self) -> *mut c_void {
        self.0
    }
}

// SAFETY: never followed here. C passes it on the understanding that callbacks come on other threads.
unsafe impl Send for Cookie {}
// SAFETY: as above.
unsafe impl Sync for Cookie {}

/// An out-parameter that is written after the call that named it, when its request completes.
#[derive(Debug)]
pub struct Later<T>(*mut T);

// SAFETY: the place belongs to the request until it completes; nothing else of ours holds it.
unsafe impl<T: Copy> Send for Later<T> {}

impl<T: Copy> Later<T> {
    /// Null, or a place that is not for a `T`: nobody wants the value.
    ///
    /// # Safety
    /// `p` is null or writable for one `T` until the request completes, and C does not touch it meanwhile.
    pub unsafe fn new(p: *mut T) -> Later<T> {
        Later(p)
    }

    pub fn is_wanted(&self) -> bool {
        !self.0.is_null()
    }

    pub fn set(&self, value: T) {
        // SAFETY: null is checked; writable by `new`'s promise.
        unsafe { opt_out(self.0, value) }
    }
}

/// A buffer from malloc that C frees (`free`, `rados_buffer_free`, the `_cleanup` functions). Null only for want of memory.
pub fn malloc_bytes(from: &[u8]) -> Result<*mut c_char, Errno> {
    // SAFETY: malloc may be called with any size; one byte at least gives a pointer that can be freed.
    let p = unsafe { libc::malloc(from.len().max(1)) }.cast::<u8>();
    if p.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: `p` has room for `from` and is new, so they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), p, from.len()) };
    Ok(p.cast())
}

/// A NUL-terminated copy from malloc. A NUL inside ends the string for C, as with strdup.
pub fn malloc_cstr(from: &[u8]) -> Result<*mut c_char, Errno> {
    let mut with_nul = Vec::with_capacity(from.len() + 1);
    with_nul.extend_from_slice(from);
    with_nul.push(0);
    malloc_bytes(&with_nul)
}

/// An array from malloc.
pub fn malloc_array<T: Copy>(from: &[T]) -> Result<*mut T, Errno> {
    // SAFETY: as in `malloc_bytes`; malloc aligns for every C type.
    let p = unsafe { libc::malloc(size_of_val(from).max(1)) }.cast::<T>();
    if p.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: `p` has room for `from` and is new.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), p, from.len()) };
    Ok(p)
}

/// Frees what the `malloc_` functions gave out. Null is fine.
///
/// # Safety
/// `p` is null or from malloc, and not used again.
pub unsafe fn free<T>(p: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(p.cast()) }
}

#[cfg(test)]
#[path = "arg_tests.rs"]
mod tests;
