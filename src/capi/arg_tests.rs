//! Tests of arg.rs.

use super::*;

#[test]
fn null_is_einval_unless_it_is_empty() {
    // SAFETY: null is allowed everywhere here.
    unsafe {
        assert_eq!(cstr(std::ptr::null()).err(), Some(Errno::EINVAL));
        assert_eq!(opt_text(std::ptr::null()), Ok(None));
        assert_eq!(slice::<u8>(std::ptr::null(), 0), Ok(&[][..]));
        assert_eq!(slice::<u8>(std::ptr::null(), 1).err(), Some(Errno::EINVAL));
        assert_eq!(out::<u64>(std::ptr::null_mut(), 1), Err(Errno::EINVAL));
        assert!(OutBuf::new(std::ptr::null_mut(), 1).is_err());
        assert!(out_iovecs(std::ptr::null(), -1).is_err());
        opt_out::<u64>(std::ptr::null_mut(), 1);
    }
}

#[test]
fn impossible_lengths_are_einval() {
    let byte = 0u8;
    // SAFETY: the lengths are refused before anything is read.
    unsafe {
        assert_eq!(slice(&raw const byte, usize::MAX).err(), Some(Errno::EINVAL));
        assert!(OutBuf::new((&raw const byte).cast_mut().cast(), usize::MAX).is_err());
    }
}

#[test]
fn strings_stop_at_nul_and_fit_or_fail() {
    let mut room = [b'x'; 4];
    // SAFETY: `room` outlives `buf`.
    let mut buf = unsafe { OutBuf::new(room.as_mut_ptr().cast(), 4) }.unwrap();
    assert_eq!(buf.write_cstr(b"abcd"), Err(Errno::ERANGE));
    assert_eq!(buf.write_cstr(b"abc"), Ok(()));
    assert_eq!(buf.write(3, b"yz"), Err(Errno::ERANGE));
    assert_eq!(&room, b"abc\0");
}

#[test]
fn a_write_crosses_iovecs() {
    let (mut a, mut b, mut c) = ([0u8; 3], [0u8; 1], [0u8; 4]);
    let iov = [&mut a[..], &mut [], &mut b[..], &mut c[..]]
        .map(|s| libc::iovec { iov_base: s.as_mut_ptr().cast(), iov_len: s.len() });
    // SAFETY: the arrays outlive `bufs`.
    let mut bufs = unsafe { out_iovecs(iov.as_ptr(), 4) }.unwrap();
    assert_eq!(bufs.len(), 8);
    bufs.write(2, b"12345").unwrap();
    bufs.zero(3, 1).unwrap();
    assert_eq!(bufs.write(4, b"12345"), Err(Errno::ERANGE));
    // SAFETY: as above.
    assert_eq!(unsafe { in_iovecs(iov.as_ptr(), 4) }.unwrap().concat(), b"\0\x001\x00345\0");
}

#[test]
fn malloc_copies_are_whole() {
    let p = malloc_cstr(b"name").unwrap();
    // SAFETY: `p` is a new NUL-terminated string from malloc.
    unsafe {
        assert_eq!(bytes(p), Ok(&b"name"[..]));
        free(p);
    }
}

#[test]
fn pairs_end_at_an_empty_key_and_the_last_value_counts() {
    let list = b"a\0one\0empty\0\0a\0two\0\0after\0the end\0\0";
    // SAFETY: a list as `pairs` wants it; one that is empty at once; none.
    let (some, none, null) =
        unsafe { (pairs(list.as_ptr().cast()), pairs(c"".as_ptr()), pairs(std::ptr::null())) };
    let want = [(b"a".to_vec(), b"two".to_vec()), (b"empty".to_vec(), vec![])];
    assert_eq!(some, Ok(want.into()));
    assert_eq!(none, Ok(Default::default()));
    assert_eq!(null, Err(Errno::EINVAL));
}
