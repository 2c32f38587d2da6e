//! Frames through writer and reader in both modes, whole, in pieces and damaged.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::codec::{Frame, FrameReader, FrameWriter};
use super::compress::Algorithm;
use super::frame::{FrameError, Tag};
use super::secure;
use crate::crc::crc32c;

const LIMIT: usize = 1 << 20;

fn drain(writer: &mut FrameWriter) -> Vec<u8> {
    let mut out = Vec::new();
    while !writer.output.is_empty() {
        let mut slices = [IoSlice::new(&[]); 8];
        let used = writer.slices(&mut slices);
        let front: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        writer.output.advance(front.len());
        out.extend(front);
    }
    out
}

fn compressing(secret: Option<&[u8]>, algorithm: Option<Algorithm>) -> (FrameWriter, FrameReader) {
    let (mut writer, mut reader) = pair(secret);
    if let Some(algorithm) = algorithm {
        writer.compress(algorithm, 500);
        reader.decompress(algorithm);
    }
    (writer, reader)
}

fn algorithm() -> impl Strategy<Value = Option<Algorithm>> {
    prop_oneof![Just(None), Just(Some(Algorithm::Snappy)), Just(Some(Algorithm::Zstd))]
}

fn pair(secret: Option<&[u8]>) -> (FrameWriter, FrameReader) {
    let (mut writer, mut reader) = (FrameWriter::default(), FrameReader::new(LIMIT, true));
    if let Some(secret) = secret {
        writer.secure(secure::ciphers(secret, false).unwrap().0);
        reader.secure(secure::ciphers(secret, true).unwrap().1);
    }
    (writer, reader)
}

#[derive(Clone, Debug)]
enum Sent {
    Control(Vec<u8>),
    Message(Vec<u8>, Vec<u8>, Vec<u8>, Vec<Vec<u8>>),
}

fn sent() -> impl Strategy<Value = Sent> {
    // Some compress and some do not.
    let bytes = |max: usize| {
        prop_oneof![prop::collection::vec(any::<u8>(), 0..max), prop::collection::vec(0u8..2, 0..max)]
    };
    prop_oneof![
        bytes(200).prop_map(Sent::Control),
        (
            prop::collection::vec(any::<u8>(), 1..60),
            bytes(3000),
            bytes(40),
            prop::collection::vec(bytes(5000), 0..4)
        )
            .prop_map(|(header, front, middle, data)| Sent::Message(header, front, middle, data)),
    ]
}

fn write(writer: &mut FrameWriter, sent: &Sent) -> Frame {
    match sent {
        Sent::Control(payload) => {
            writer.control(Tag::Ack, payload).unwrap();
            let mut segments: [Bytes; 4] = Default::default();
            segments[0] = payload.clone().into();
            Frame::new(Tag::Ack, segments)
        }
        Sent::Message(header, front, middle, data) => {
            let (front, middle) = (Bytes::from(front.clone()), Bytes::from(middle.clone()));
            let pieces: Vec<Bytes> = data.iter().map(|piece| piece.clone().into()).collect();
            // Of every other piece the sum is known.
            let sums = (0..).zip(&pieces).step_by(2).map(|(at, piece)| (at, crc32c(piece)));
            writer.message(header, &front, &middle, &pieces, &sums.collect::<Vec<_>>()).unwrap();
            Frame::new(Tag::Message, [header.clone().into(), front, middle, data.concat().into()])
        }
    }
}

fn read(reader: &mut FrameReader, bytes: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    for part in bytes.chunks(step) {
        input.extend_from_slice(part);
        while let Some(frame) = reader.next(&mut input)? {
            frames.push(frame);
        }
        assert!(input.len() < reader.wants());
    }
    Ok(frames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_come_as_they_were_sent(
        all in prop::collection::vec(sent(), 1..6),
        secret in prop::option::of(prop::collection::vec(any::<u8>(), 64)),
        step in 1usize..6000,
        algorithm in algorithm(),
    ) {
        let (mut writer, mut reader) = compressing(secret.as_deref(), algorithm);
        let want: Vec<Frame> = all.iter().map(|sent| write(&mut writer, sent)).collect();
        let bytes = drain(&mut writer);
        prop_assert_eq!(read(&mut reader, &bytes, step).unwrap(), want);
    }

    #[test]
    fn a_changed_bit_is_never_taken(
        one in sent(),
        secret in prop::option::of(prop::collection::vec(any::<u8>(), 64)),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        algorithm in algorithm(),
    ) {
        let (mut writer, mut reader) = compressing(secret.as_deref(), algorithm);
        let want = write(&mut writer, &one);
        let mut bytes = drain(&mut writer);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // In crc mode some bits say nothing (upper half of the late status, sums of segments that are not there).
        if let Ok(frames) = read(&mut reader, &bytes, usize::MAX >> 1) {
            for frame in frames {
                prop_assert_eq!(&frame, &want);
                prop_assert!(secret.is_none());
            }
        }
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), secure: bool) {
        let (_, mut reader) = pair(secure.then_some(&[9; 64][..]));
        let _ = read(&mut reader, &bytes, 40);
    }
}

#[test]
fn a_frame_that_was_given_up_is_skipped() {
    let (mut writer, mut reader) = pair(None);
    let message = Sent::Message(vec![1; 41], vec![2; 10], vec![], vec![]);
    let want = write(&mut writer, &message);
    let mut bytes = drain(&mut writer);
    let late = bytes.len() - 13;
    let mut given_up = bytes.clone();
    given_up[late] = 1;
    given_up.append(&mut bytes);
    assert_eq!(read(&mut reader, &given_up, 50).unwrap(), [want]);
    let mut senseless = given_up;
    senseless[late] = 3;
    assert_eq!(read(&mut pair(None).1, &senseless, 50), Err(FrameError::LateStatus(3)));
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
    let (mut writer, mut reader) = pair(None);
    writer.message(&[1; 41], &Bytes::from(vec![0; LIMIT]), &Bytes::new(), &[], &[]).unwrap();
    let bytes = drain(&mut writer);
    assert_eq!(
        read(&mut reader, &bytes[..32], 32),
        Err(FrameError::TooLong { bytes: LIMIT as u64 + 41, limit: LIMIT })
    );
}

#[test]
fn checksums_of_data_are_looked_at_only_if_wanted() {
    let (mut writer, _) = pair(None);
    writer.message(&[1; 41], &Bytes::new(), &Bytes::new(), &[Bytes::from(vec![5; 4096])], &[]).unwrap();
    let mut bytes = drain(&mut writer);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(read(&mut FrameReader::new(LIMIT, false), &bytes, 999).unwrap().len(), 1);
    let error = FrameError::SegmentChecksum { segment: 3, bytes: 4096 };
    assert_eq!(read(&mut FrameReader::new(LIMIT, true), &bytes, 999), Err(error));
}

#[test]
fn a_frame_may_hold_no_more_than_the_limit_when_it_is_inflated() {
    for algorithm in Algorithm::ALL {
        // Each segment is within the limit, all together are not.
        for (length, fits) in [(LIMIT / 2 - 100, true), (LIMIT / 2, false)] {
            let (mut writer, mut reader) = compressing(None, Some(algorithm));
            let zeros = Bytes::from(vec![0; length]);
            assert!(
                writer.message(&[1; 41], &zeros, &Bytes::new(), std::slice::from_ref(&zeros), &[]).unwrap()
            );
            let bytes = drain(&mut writer);
            assert!(bytes.len() < LIMIT / 10);
            let end = read(&mut reader, &bytes, usize::MAX >> 1);
            assert_eq!(end.is_ok(), fits);
            assert!(fits || matches!(end, Err(FrameError::TooLong { .. })), "{end:?}");
        }
    }
}

#[test]
fn what_does_not_shrink_goes_as_it_is() {
    let (mut writer, mut reader) = compressing(None, Some(Algorithm::Snappy));
    let mut state = 7u64;
    let noise = Bytes::from_iter((0..16_000).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    }));
    assert!(!writer.message(&noise.slice(..41), &noise, &Bytes::new(), &[], &[]).unwrap());
    let bytes = drain(&mut writer);
    // Nobody needs to have agreed to anything to read it.
    assert_eq!(read(&mut pair(None).1, &bytes, 999), read(&mut reader, &bytes, 999));
}

#[test]
fn a_piece_that_is_not_what_its_sum_was_made_of_is_refused() {
    let data = [Bytes::from(vec![1; 5000]), Bytes::from(vec![2; 9]), Bytes::from(vec![3; 4112])];
    let sums = [(0, crc32c(&data[0])), (2, crc32c(&data[2]))];
    for changed in [None, Some(0), Some(2)] {
        let mut sent = data.clone();
        if let Some(n) = changed {
            let mut bytes = sent[n].to_vec();
            bytes[777] ^= 0x10;
            sent[n] = bytes.into();
        }
        let (mut writer, mut reader) = (FrameWriter::default(), FrameReader::new(LIMIT, true));
        writer.message(&[1; 41], &Bytes::new(), &Bytes::new(), &sent, &sums).unwrap();
        let read = read(&mut reader, &drain(&mut writer), 3000);
        match changed {
            None => assert_eq!(read.unwrap()[0].segments[3], data.concat()),
            Some(_) => assert_eq!(read, Err(FrameError::SegmentChecksum { segment: 3, bytes: 9121 })),
        }
    }
}
