//! Messages against what the real library (16.2.15) sent for the same calls.
//!
//! The fixture comes from a python3-rados client in crc mode under strace. Taken over from it, because they differ between
//! two runs of it anyway: epoch, mtime, and the cookie of the watch, which is an address there.

use bytes::{BufMut, Bytes};

use super::*;
use crate::osd::OsdOp;
use crate::osd::codes::{NO_SNAP, flag, op, watch, watch_event};
use crate::wire::types::{Pgid, Spg, Utime};
use crate::wire::{Message, MessageType};

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len() / 2).map(|n| digit(2 * n)).collect()
}

/// Front and data of a message of the fixture.
fn captured(name: &str) -> (Vec<u8>, Vec<u8>) {
    let line = include_str!("fixtures/osd_op.txt").lines().find(|line| line.split(' ').next() == Some(name));
    let words: Vec<&str> = line.unwrap().split(' ').collect();
    (hex(words[1]), hex(words[2]))
}

const READ: u32 = flag::READ | flag::ONDISK | flag::KNOWN_REDIR;
const WRITE: u32 = flag::WRITE | flag::ONDISK | flag::KNOWN_REDIR;

fn request<'a>(oid: &'a str, hash: u32, ops: &'a [OsdOp]) -> OpMessage<'a> {
    OpMessage {
        tid: 1,
        pgid: Spg { pgid: Pgid { pool: 2, seed: hash & 7 }, shard: -1 },
        hash,
        epoch: 8,
        flags: READ,
        mtime: Utime::default(),
        pool: 2,
        key: b"",
        namespace: b"",
        oid: oid.as_bytes(),
        ops,
        snap: NO_SNAP,
        snap_seq: 0,
        snaps: &[],
        attempt: 0,
        features: CLIENT_FEATURES,
    }
}

fn op(code: u16, union: impl FnOnce(&mut &mut [u8]), input: &[&[u8]]) -> OsdOp {
    let mut bytes = [0; 28];
    union(&mut &mut bytes[..]);
    OsdOp {
        code,
        flags: 0,
        union: bytes,
        input: input.iter().map(|piece| Bytes::copy_from_slice(piece)).collect(),
        sum: None,
    }
}

fn extent(offset: u64, length: u64) -> impl FnOnce(&mut &mut [u8]) {
    move |u| {
        u.put_u64_le(offset);
        u.put_u64_le(length);
    }
}

fn none(_: &mut &mut [u8]) {}

#[track_caller]
fn same(name: &str, message: OpMessage) {
    let (front, data) = captured(name);
    // Behind the PG (24 bytes), hash, epoch, flags, the request's id (27), trace (24) and incarnation.
    let mtime = Utime {
        seconds: u32::from_le_bytes(front[91..95].try_into().unwrap()),
        nanoseconds: u32::from_le_bytes(front[95..99].try_into().unwrap()),
    };
    let ours = OpMessage { mtime, ..message }.encode();
    assert_eq!(ours.front, front, "{name}");
    assert_eq!(ours.data.concat(), data, "{name}");
    assert_eq!((ours.version, ours.compat_version, ours.priority, ours.data_offset), (8, 3, 63, 0));
}

const OBJ1: u32 = 0x6cf8_deff;

#[test]
fn writes_and_reads() {
    let full = [op(op::WRITEFULL, extent(0, 11), &[b"hello world"])];
    same("write_full", OpMessage { flags: WRITE, ..request("obj1", OBJ1, &full) });
    let write = [op(op::WRITE, extent(3, 2), &[b"XY"])];
    same("write", OpMessage { flags: WRITE, ..request("obj1", OBJ1, &write) });
    same("read", request("obj1", OBJ1, &[op(op::READ, extent(0, 100), &[])]));
    let full = [op(op::WRITEFULL, extent(0, 14), &[b"in a namespace"])];
    let message =
        OpMessage { flags: WRITE, key: b"lkey", namespace: b"ns", ..request("obj2", 0x57c8_09a9, &full) };
    same("namespace_and_key", message);
}

#[test]
fn several_ops_and_snapshots() {
    let pairs = b"\x02\0\0\0\x02\0\0\0k1\x02\0\0\0v1\x02\0\0\0k2\x02\0\0\0v2";
    let ops = [
        op(op::OMAPSETVALS, extent(0, pairs.len() as u64), &[pairs]),
        op(op::WRITEFULL, extent(0, 4), &[b"data"]),
    ];
    same("omap_set_and_write_full", OpMessage { flags: WRITE, ..request("obj3", 0x61f6_8bb1, &ops) });
    let full = [op(op::WRITEFULL, extent(0, 10), &[b"after snap"])];
    let message =
        OpMessage { flags: WRITE, epoch: 9, snap_seq: 2, snaps: &[2], ..request("obj1", OBJ1, &full) };
    same("write_full_snapc", message);
}

#[test]
fn class_calls_and_watches() {
    let (_, data) = captured("lock_exclusive");
    let call = op(
        op::CALL,
        |u| {
            u.put_slice(&[4, 4, 0]);
            u.put_u32_le(data.len() as u32 - 8);
        },
        &[b"lock", b"lock", &data[8..]],
    );
    same("lock_exclusive", OpMessage { flags: WRITE, ..request("obj1", OBJ1, &[call]) });
    let watch = op(
        op::WATCH,
        |u| {
            u.put_u64_le(0x043a_8470);
            u.put_u64_le(0);
            u.put_u8(watch::WATCH);
        },
        &[],
    );
    same("watch", OpMessage { flags: WRITE, ..request("obj1", OBJ1, &[watch]) });
}

#[test]
fn listings() {
    let pgnls = |cursor: &crate::wire::types::Hobject| {
        let mut e = crate::wire::denc::Encoder::new();
        cursor.encode(&mut e);
        let union = |u: &mut &mut [u8]| {
            u.put_u64_le(1024);
            u.put_u32_le(8);
        };
        op(op::PGNLS, union, &[&e.finish()])
    };
    let first = crate::osd::hobject::min();
    let ops = [pgnls(&first)];
    let flags = READ | flag::IGNORE_OVERLAY;
    same("list_first", OpMessage { flags, ..request("", 0, &ops) });
    let next = crate::wire::types::Hobject { snap: NO_SNAP, hash: 4, pool: 2, ..first };
    let ops = [pgnls(&next)];
    same("list_next", OpMessage { flags, ..request("", 4, &ops) });
}

#[test]
fn fronts_have_the_size_that_was_reserved() {
    let ops = [op(op::STAT, none, &[]), op(op::STAT, none, &[])];
    let message = OpMessage { key: b"k", namespace: b"ns", snaps: &[3, 2], ..request("object", 1, &ops) };
    let front = message.encode().front;
    assert!(front.try_into_mut().is_ok_and(|bytes| bytes.capacity() == bytes.len()));
}

/// Messages that OSDs of 16.2.15 sent.
pub(crate) fn received() -> Vec<(&'static str, Message)> {
    let lines = include_str!("fixtures/received.txt").lines().filter(|line| !line.starts_with('#'));
    let message = |line: &'static str| {
        let words: Vec<&str> = line.split(' ').collect();
        let version = words[1].parse().unwrap();
        let mut message = Message::new(MessageType::OSD_OPREPLY, version, 1, hex(words[2]).into());
        if words[3] != "-" {
            message.data.push(hex(words[3]).into());
        }
        (words[0], message)
    };
    lines.map(message).collect()
}

fn got(name: &str) -> Message {
    received().into_iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn answers() {
    let read = OpReply::decode(&got("read")).unwrap();
    assert_eq!((read.attempt, read.answer.result, read.redirect), (0, 0, None));
    assert_eq!(read.answer.ops[0].output, "helXY world");
    let stat = OpReply::decode(&got("stat")).unwrap().answer;
    assert_eq!(stat.ops[0].output[..8], 11u64.to_le_bytes());
    assert!(stat.user_version > 0);
    let gone = OpReply::decode(&got("stat_enoent")).unwrap().answer;
    assert_eq!((gone.result, gone.ops.len()), (-2, 1));
    assert_eq!(OpReply::decode(&got("two_writes")).unwrap().answer.ops.len(), 2);
    let listed = OpReply::decode(&got("list")).unwrap().answer;
    let listed = ListResponse::decode(&listed.ops[0].output).unwrap();
    assert_eq!((&listed.entries[0].oid[..], listed.next.hash), (&b"obj3"[..], 5));
}

#[test]
fn notifications() {
    let notify = WatchNotify::decode(&got("notify")).unwrap();
    assert_eq!((notify.event, &notify.payload[..]), (watch_event::NOTIFY, &b"payload"[..]));
    assert!(notify.notifier_gid > 0);
    let end = WatchNotify::decode(&got("notify_complete")).unwrap();
    assert_eq!((end.event, end.result), (watch_event::NOTIFY_COMPLETE, 0));
    let replies = NotifyReplies::decode(&end.replies).unwrap();
    assert_eq!((replies.acks[0].1, &replies.acks[0].2[..]), (notify.cookie, &b"ack"[..]));
    assert!(replies.timeouts.is_empty());
}
