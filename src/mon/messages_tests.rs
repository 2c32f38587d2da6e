//! Payloads beside what librados 16.2.15 sent for the same calls, and what monitors of 16.2.15 answered.
//!
//! Captured with `strace -f -e trace=network,read,readv,write,writev -xx` of python3-rados, with `ms_mon_client_mode = crc`.

use super::*;
use crate::mon::testing::hex;

const FSID: [u8; 16] = 0xa518_0643_8188_431d_9867_b2c0_faf7_75f9_u128.to_be_bytes();

fn reply(kind: MessageType, version: u16, front: &str) -> Message {
    Message::new(kind, version, 1, hex(front).into())
}

#[test]
fn requests_as_librados_sends_them() {
    let from = |start, once| Wanted { start, once };
    let subscribe = |wanted: &[(&str, Wanted)]| subscribe(wanted.iter().copied(), "vm");
    let pool_op = |code, pool, name: &str, snap, crush_rule, epoch| {
        PoolOp { code, pool, name: name.into(), snap, crush_rule, epoch }.encode(&FSID)
    };
    let dump = r#"{"prefix": "mon dump", "format": "json"}"#.to_owned();
    let version = r#"{"prefix": "version"}"#.to_owned();
    let pg_stat = r#"{"prefix": "pg stat"}"#.to_owned();
    let all = [
        (
            subscribe(&[("config", from(0, false)), ("monmap", from(0, false))]),
            (15, 3, 1),
            "0200000006000000636f6e666967000000000000000000060000006d6f6e6d617000000000000000000002000000766d",
        ),
        (
            subscribe(&[("osdmap", from(9, true))]),
            (15, 3, 1),
            "01000000060000006f73646d617009000000000000000102000000766d",
        ),
        (get_version(1, "osdmap"), (19, 1, 1), "0100000000000000060000006f73646d6170"),
        (
            statfs(&FSID, None),
            (13, 2, 1),
            "0000000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f900",
        ),
        (
            get_pool_stats(&FSID, &["rbd"], 5),
            (58, 1, 1),
            "0500000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f90100000003000000726264",
        ),
        (
            mon_command(&FSID, &[dump], Bytes::new()),
            (50, 1, 1),
            "0000000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f901000000280000007b22707265666978\
             223a20226d6f6e2064756d70222c2022666f726d6174223a20226a736f6e227d",
        ),
        (
            tell_command(&FSID, &[version], Bytes::new()),
            (97, 1, 1),
            "a51806438188431d9867b2c0faf775f901000000150000007b22707265666978223a202276657273696f6e227d",
        ),
        (
            mgr_command(&[pg_stat], Bytes::new()),
            (0x709, 1, 1),
            "0000000000000000000000000000000001000000150000007b22707265666978223a202270672073746174227d",
        ),
        (
            pool_op(PoolOpCode::CreateSnap, 2, "snap1", 0, 0, 0),
            (49, 4, 2),
            "0000000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f902000000110000000000000000000000\
             000000000000000005000000736e617031000000",
        ),
        (
            pool_op(PoolOpCode::Create, 0, "other", 0, -1, 9),
            (49, 4, 2),
            "0900000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f900000000010000000000000000000000\
             0000000000000000050000006f7468657200ffff",
        ),
        (
            pool_op(PoolOpCode::CreateSelfManagedSnap, 3, "", 0, 0, 10),
            (49, 4, 2),
            "0a00000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f903000000210000000000000000000000\
             000000000000000000000000000000",
        ),
        (
            pool_op(PoolOpCode::DeleteSelfManagedSnap, 3, "", 2, 0, 11),
            (49, 4, 2),
            "0b00000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f903000000220000000000000000000000\
             020000000000000000000000000000",
        ),
        (
            pool_op(PoolOpCode::Delete, 3, "delete", 0, 0, 12),
            (49, 4, 2),
            "0c00000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f903000000020000000000000000000000\
             00000000000000000600000064656c657465000000",
        ),
        (
            pool_op(PoolOpCode::DeleteSnap, 2, "snap1", 0, 0, 13),
            (49, 4, 2),
            "0d00000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f902000000120000000000000000000000\
             000000000000000005000000736e617031000000",
        ),
    ];
    for (ours, (kind, version, compat), theirs) in all {
        assert_eq!(ours.front[..], hex(theirs), "{:?}", ours.kind);
        assert_eq!((ours.kind.0, ours.version, ours.compat_version), (kind, version, compat));
        assert!(ours.data.is_empty());
    }
    assert_eq!(mon_command(&FSID, &[], "input".into()).data, ["input"]);
    let mut e = Encoder::new();
    paxos(&mut e, 0);
    e.raw(&FSID).u8(1).u64(5);
    assert_eq!(statfs(&FSID, Some(5)).front, e.finish());
}

#[test]
fn answers_of_monitors() {
    let version =
        reply(MessageType::MON_GET_VERSION_REPLY, 2, "010000000000000008000000000000000100000000000000");
    let version = VersionReply::decode(&version);
    assert_eq!(version, Ok(VersionReply { handle: 1, newest: 8, oldest: 1 }));
    let mut ack = reply(
        MessageType::MON_COMMAND_ACK,
        1,
        "0100000000000000ffff0000000000000000000000001500000064756d706564206d6f6e6d61702065706f63682031010000\
         00280000007b22707265666978223a20226d6f6e2064756d70222c2022666f726d6174223a20226a736f6e227d",
    );
    ack.data = vec!["a".into(), "b".into()];
    let ack = CommandReply::decode(&ack).unwrap();
    assert_eq!(ack, CommandReply { result: 0, status: "dumped monmap epoch 1".into(), output: "ab".into() });
    let told = CommandReply::decode(&reply(MessageType::COMMAND_REPLY, 1, "eaffffff0200000068ff")).unwrap();
    assert_eq!((told.result, told.status.as_str()), (-22, "h\u{fffd}"));
    let space = reply(
        MessageType::STATFS_REPLY,
        1,
        "a51806438188431d9867b2c0faf775f905000000000000000000000100000000c0880400000000004077fb0000000000000000\
         0000000000",
    );
    let space = Statfs::decode(&space);
    assert_eq!(space, Ok(Statfs { kb: 16777216, kb_used: 297152, kb_avail: 16480064, objects: 0 }));
    let snap = reply(
        MessageType::POOLOP_REPLY,
        1,
        "0b00000000000000ffff0000000000000000a51806438188431d9867b2c0faf775f9000000000b0000000108000000020000\
         0000000000",
    );
    let snap = PoolOpReply::decode(&snap).unwrap();
    assert_eq!((snap.result, snap.epoch, &snap.data[..]), (0, 11, &2u64.to_le_bytes()[..]));
    let config =
        reply(MessageType::CONFIG, 1, "010000000e0000007262645f63616368655f73697a65080000003132333435363738");
    assert_eq!(decode_config(&config).unwrap()["rbd_cache_size"], "12345678");
}
