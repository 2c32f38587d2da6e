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

mod places {
    use std::mem::MaybeUninit;
    use std::sync::Arc;

    use bytes::BytesMut;

    use super::*;
    use crate::wire::chunks::ChunkSums;
    use crate::wire::codec::{Frame, FrameReader, FrameWriter, Space};
    use crate::wire::frame::{FrameError, Tag};
    use crate::wire::place::{Place, Wish};

    const LIMIT: usize = 1 << 24;
    const OLD: u8 = 0xee;

    /// The caller's memory, and a place there. It is looked at when nobody writes.
    fn place(memory: &mut [u8]) -> Arc<Place> {
        // SAFETY: each test keeps the memory for as long as the place.
        Place::new(unsafe { OutBuf::new(memory.as_mut_ptr().cast(), memory.len()) }.unwrap())
    }

    fn data(bytes: usize, seed: u8) -> Vec<u8> {
        (0..bytes).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed) ^ (n >> 8) as u8).collect()
    }

    /// Frames of these messages' data.
    fn frames(all: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = FrameWriter::default();
        for data in all {
            writer
                .message(&[7; 41], &b"front"[..].into(), &b"mid"[..].into(), &[data.clone().into()], &[])
                .unwrap();
        }
        let mut slices = [std::io::IoSlice::new(&[]); 64];
        let used = writer.slices(&mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    /// Receives as the driver does, `step` bytes at once; `ask` is asked for places.
    fn receive(
        bytes: &[u8],
        step: usize,
        mut ask: impl FnMut(usize, usize, &mut FrameReader),
    ) -> Result<Vec<Frame>, FrameError> {
        let (mut reader, mut input) = (FrameReader::new(LIMIT, true), BytesMut::new());
        reader.stream(100);
        let (mut frames, mut at) = (Vec::new(), 0);
        loop {
            loop {
                if let Some(frame) = reader.next(&mut input)? {
                    frames.push(frame);
                } else if let Some((header, bytes)) = reader.asks_for_place() {
                    assert_eq!(&header[..], [7; 41]);
                    ask(frames.len(), bytes, &mut reader);
                } else {
                    break;
                }
            }
            let rest = &bytes[at..];
            if rest.is_empty() {
                return Ok(frames);
            }
            let take = |most: usize| &rest[..most.min(step).min(rest.len())];
            let placed = match reader.space() {
                Space::Input => {
                    let part = take(usize::MAX);
                    input.extend_from_slice(part);
                    at += part.len();
                    continue;
                }
                Space::Own(own, most) => {
                    let part = take(most);
                    own.extend_from_slice(part);
                    at += part.len();
                    reader.received(part.len());
                    continue;
                }
                Space::Placed => reader.place_bytes(|room: &mut [MaybeUninit<u8>], got| {
                    let part = take(room.len());
                    got(room[..part.len()].write_copy_of_slice(part));
                    part.len()
                }),
            };
            at += placed.unwrap_or(0);
        }
    }

    #[test]
    fn data_are_received_in_their_places_or_in_memory_of_their_own() {
        let all = [data(5000, 1), data(99, 2), data(100, 3), data(700_000, 4), data(3000, 5)];
        let bytes = frames(&all);
        for step in [1000, 70_000, usize::MAX] {
            let mut memory = [vec![OLD; 5000], vec![], vec![], vec![OLD; 700_001], vec![OLD; 2999]];
            let places = memory.each_mut().map(|memory| place(memory));
            let got = receive(&bytes, step, |n, bytes, reader| {
                assert_eq!(bytes, all[n].len());
                if let Some(placed) = places[n].enter(bytes) {
                    reader.place(Wish::Place(placed));
                }
            })
            .unwrap();
            let is_placed: Vec<bool> = got.iter().map(|frame| frame.placed.is_some()).collect();
            assert_eq!(is_placed, [true, false, false, true, false]);
            for (n, frame) in got.iter().enumerate() {
                assert_eq!((frame.tag, &frame.segments[1][..]), (Tag::Message, &b"front"[..]));
                match &frame.placed {
                    Some(placed) => {
                        assert!(frame.segments[3].is_empty() && placed.is_last_in(&places[n]));
                        assert!(memory[n][..all[n].len()] == all[n]);
                    }
                    None => assert!(frame.segments[3] == all[n]),
                }
            }
            // Nothing behind the data, and nothing where they did not fit.
            assert_eq!((memory[3][700_000], &memory[4]), (OLD, &vec![OLD; 2999]));
        }
    }

    #[test]
    fn chunks_of_data_are_summed_up_as_they_come() {
        let all = [data(700_000, 1), data(4112, 2), data(99, 3), data(5000, 4)];
        let bytes = frames(&all);
        for step in [1000, 70_000, usize::MAX] {
            let wishes = all.each_ref().map(|_| ChunkSums::new(4112));
            let got =
                receive(&bytes, step, |n, _, reader| reader.place(Wish::Chunks(wishes[n].clone()))).unwrap();
            for (n, frame) in got.iter().enumerate() {
                assert!(frame.segments[3] == all[n] && frame.placed.is_none());
                let sums: Vec<u32> = all[n].chunks_exact(4112).map(crate::crc::crc32c).collect();
                // What is too little to be streamed is not summed up in chunks.
                assert_eq!(wishes[n].of(&frame.segments[3]), (n != 2).then_some(sums), "{n}, step {step}");
            }
        }
    }

    #[test]
    fn who_takes_its_memory_back_has_it() {
        let all = [data(300_000, 1), data(300_000, 2)];
        let bytes = frames(&all);
        for end in ["close", "enter"] {
            let mut memory = vec![OLD; 300_000];
            let place = place(&mut memory);
            let (mut reader, mut input) = (FrameReader::new(LIMIT, true), BytesMut::new());
            reader.stream(100);
            input.extend_from_slice(&bytes[..1000]);
            assert_eq!(reader.next(&mut input), Ok(None));
            assert!(reader.asks_for_place().is_some());
            reader.place(Wish::Place(place.enter(300_000).unwrap()));
            assert_eq!(reader.next(&mut input), Ok(None));
            match end {
                "close" => place.close(),
                _ => drop(place.enter(300_000).unwrap()),
            }
            let before = memory.clone();
            assert!(memory.starts_with(&all[0][..500]) && memory.ends_with(&[OLD; 9]));
            // It goes on where it was, into no memory at all; the next message is as ever.
            assert!(matches!(reader.space(), Space::Placed));
            assert_eq!(reader.place_bytes(|_, _| panic!("taken back")), None::<()>);
            assert!(matches!(reader.space(), Space::Input) && reader.is_dropping());
            input.extend_from_slice(&bytes[1000..]);
            let frame = reader.next(&mut input).unwrap().unwrap();
            assert_eq!(frame.placed.unwrap().is_last_in(&place), end == "close");
            assert!(memory == before);
            assert_eq!(place.enter(1).is_some(), end != "close");
            assert_eq!(reader.next(&mut input), Ok(None));
            assert!(reader.asks_for_place().is_some());
            assert!(reader.next(&mut input).unwrap().unwrap().segments[3] == all[1]);
            assert!(place.put(b"new") && !place.put(&[0; 300_001]));
            assert_eq!(&memory[..3], b"new");
        }
    }

    #[test]
    fn a_wrong_byte_of_streamed_data_is_never_taken() {
        let all = [data(2000, 1)];
        let good = frames(&all);
        let mut memory = vec![OLD; 2000];
        let (place, chunks) = (place(&mut memory), ChunkSums::new(300));
        for way in ["own", "placed", "chunks"] {
            for at in 0..good.len() {
                let mut bytes = good.clone();
                bytes[at] ^= 4;
                let got = receive(&bytes, 700, |_, bytes, reader| {
                    let turn = place.enter(bytes).filter(|_| way == "placed").map(Wish::Place);
                    if let Some(wish) = turn.or((way == "chunks").then(|| Wish::Chunks(chunks.clone()))) {
                        reader.place(wish);
                    }
                });
                // The header's own bytes are for who decodes it; here it has a checksum as well.
                assert!(got.is_err() || got.as_ref().is_ok_and(Vec::is_empty), "{at}: {got:?}");
            }
        }
    }
}
