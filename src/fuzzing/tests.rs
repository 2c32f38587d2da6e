//! Every target on valid encodings and on seeded damage of them, so that `make check` runs what the fuzzer runs.
//!
//! A failure prints LOGRBD_SEED=n, which replays the one input. LOGRBD_FUZZ_CORPUS=DIR with the ignored test
//! `write_corpus` writes the valid encodings for cargo-fuzz to begin with.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::client::notify;
use crate::disk::checkpoint::{Object, Replay, RootBlob};
use crate::disk::header::{Format, Snapshot};
use crate::disk::log::{
    Extent, ExtentKind, RECORD_HEADER_BYTES, RecordHeader, RecordKind, SEGMENT_HEADER_BYTES, SegmentHeader,
    seal_slot,
};
use crate::disk::map::Region;
use crate::disk::pages::{Child, Dropped, Inner, Page, PageKey, PageRef, Tree, codec};
use crate::disk::segments::SegmentPage;
use crate::disk::testing::{Chance, with_seeds};
use crate::disk::{
    Lba, Loc, Lsn, MapObjectNumber, SLOT_BYTES, SegmentInfo, SegmentSeq, SegmentTotals, SnapInfo, SnapshotId,
    WriterEpoch,
};
use crate::errno::Errno;
use crate::image::notice::{Answer, Maintenance, Notice};
use crate::image::{Properties, Timestamp};
use crate::osd::crush::sample::hosts;
use crate::osd::map::sample;
use crate::store::lock::{
    AssertOp, BreakOp, LockInfo, LockOp, LockType, LockerId, LockerInfo, UnlockOp, encode_get_info,
    encode_names,
};
use crate::store::{NotifyAck, NotifyReply, PoolId};
use crate::wire::denc::Encoder;
use crate::wire::types::{EntityAddr, EntityName, Pgid};

/// Damaged inputs for each target.
const RUNS: u64 = 3000;

macro_rules! targets {
    ($($name:ident: $seeds:expr;)*) => {
        $(#[test]
        fn $name() {
            run(super::$name, &$seeds);
        })*

        #[test]
        #[ignore = "writes files: only with LOGRBD_FUZZ_CORPUS"]
        fn write_corpus() {
            let root = std::path::PathBuf::from(std::env::var_os("LOGRBD_FUZZ_CORPUS").expect("a folder"));
            for (name, seeds) in [$((stringify!($name), $seeds)),*] {
                let folder = root.join(name);
                std::fs::create_dir_all(&folder).unwrap();
                for (i, seed) in seeds.iter().enumerate() {
                    std::fs::write(folder.join(format!("valid-{i}")), seed).unwrap();
                }
            }
        }
    };
}

targets! {
    disk_segment: segments();
    disk_record: records();
    disk_slot: slots();
    disk_page: pages();
    disk_root: roots();
    disk_snapshot: snapshots();
    disk_format: formats();
    image_notice: notices();
    image_header: image_values();
    notify_reply: replies();
    cls_lock: locks();
    addresses: addrs();
    denc: encodings();
    wire_frames: super::wire::valid::wire_frames();
    wire_control: super::wire::valid::wire_control();
    wire_compressed: super::wire::valid::wire_compressed();
    wire_connection: super::wire::valid::wire_connection();
    mon_map: mon_maps();
    mon_message: mon_messages();
    mon_host: mon_hosts();
    dns_answer: dns_answers();
    crush_map: crush_maps();
    osd_map: osd_maps();
    osd_map_increment: osd_increments();
    cephx: authentications();
    keyring: keyrings();
    osd_message: osd_messages();
    conf_file: files();
    conf_value: values();
}

fn osd_messages() -> Vec<Vec<u8>> {
    crate::osd::message::received()
        .into_iter()
        .flat_map(|(name, message)| {
            let input = |front: &[u8], data: &[u8]| {
                let mut input = vec![message.version as u8];
                input.extend((front.len() as u16).to_le_bytes());
                input.extend([front, data].concat());
                input
            };
            let data = message.data.concat();
            let inner = matches!(name, "notify_complete" | "list").then(|| input(&data, &[]));
            [Some(input(&message.front, &data)), inner].into_iter().flatten().collect::<Vec<_>>()
        })
        .collect()
}

fn run(target: fn(&[u8]) -> bool, valid: &[Vec<u8>]) {
    for (i, input) in valid.iter().enumerate() {
        assert!(target(input), "valid input {i} is refused");
    }
    let (runs, accepted) = (Cell::new(0), Cell::new(0));
    with_seeds(RUNS, |chance| {
        let input = damage(chance, valid);
        runs.set(runs.get() + 1);
        accepted.set(accepted.get() + u64::from(target(&input)));
    });
    if runs.get() == RUNS {
        // Else the damage would be too little or too much to test anything.
        assert!(accepted.get() > RUNS / 100 && accepted.get() < RUNS, "{} accepted", accepted.get());
    }
}

/// One of the inputs with a few changes.
fn damage(chance: &mut Chance, valid: &[Vec<u8>]) -> Vec<u8> {
    const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, 1 << 63, u64::MAX];
    let pick = |chance: &mut Chance| &valid[chance.below(valid.len() as u64) as usize];
    let mut bytes = pick(chance).clone();
    for _ in 0..1 + chance.below(3) {
        let at = chance.below(bytes.len() as u64 + 1) as usize;
        match chance.below(8) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
            2 if at < bytes.len() => bytes[at] = chance.next() as u8,
            3 | 4 => {
                let number = NUMBERS[chance.below(NUMBERS.len() as u64) as usize];
                let width = 1 << chance.below(4);
                let to = (at + width).min(bytes.len());
                bytes[at..to].copy_from_slice(&number.to_le_bytes()[..to - at]);
            }
            5 => bytes.truncate(at),
            6 => {
                let more =
                    bytes[at..].iter().copied().take(1 + chance.below(40) as usize).collect::<Vec<_>>();
                bytes.splice(at..at, more);
            }
            _ => {
                let other = pick(chance);
                let from = at.min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

fn crush_maps() -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (1..=5).map(|alg| hosts(4, 3, alg, 6 - alg)).collect();
    all[4].choose_args = Some((0, 0, vec![0x1_0000, 0, 0x2_0000, 0x1_0000]));
    all.iter().map(|sample| sample.encode()).collect()
}

fn osd_maps() -> Vec<Vec<u8>> {
    let group = |seed| Pgid { pool: 1 + i64::from(seed % 2), seed };
    let plain = sample::map(hosts(4, 3, 5, 5).encode());
    let mut full = sample::map(hosts(4, 3, 1, 3).encode());
    full.affinities = vec![0x1_0000; 12];
    full.affinities[3] = 0x4000;
    full.temp.insert(group(0), vec![1, 2, 3]);
    full.primary_temp.insert(group(1), 4);
    full.upmap.insert(group(5), vec![1, 2, 3]);
    full.upmap_items.insert(group(5), vec![(1, 7), (3, 9)]);
    full.upmap_primaries.insert(group(5), 2);
    full.pools.get_mut(&2).unwrap().nonprimary_shards = Some(6);
    full.pools.get_mut(&2).unwrap().flags |= crate::osd::map::pool_flag::EC_OPTIMIZATIONS;
    vec![plain.encode(), full.encode()]
}

fn osd_increments() -> Vec<Vec<u8>> {
    let mut increment = sample::Increment::to(2);
    increment.states = vec![(1, 0), (2, 1)];
    increment.temp =
        vec![(Pgid { pool: 1, seed: 5 }, vec![1, 2, 3]), (Pgid { pool: 1, seed: 0 }, Vec::new())];
    increment.max_osd = 14;
    increment.crush = hosts(2, 5, 5, 2).encode();
    increment.pools = sample::map(Vec::new()).pools;
    let pair = |(full, increment): (Vec<u8>, Vec<u8>)| {
        let mut bytes = (full.len() as u32).to_le_bytes().to_vec();
        bytes.extend(full);
        bytes.extend(increment);
        bytes
    };
    osd_maps().into_iter().map(|full| pair((full, increment.encode()))).collect()
}

fn segments() -> Vec<Vec<u8>> {
    let mut out = [0; SEGMENT_HEADER_BYTES];
    let header = SegmentHeader {
        uuid: [5; 16],
        seq: SegmentSeq(9),
        epoch: WriterEpoch(2),
        segment_bytes: 8 << 20,
        prev_lsn: Lsn(77),
        payload: None,
    };
    header.encode(&mut out);
    let mut stub = out;
    SegmentHeader { payload: Some(4 << 20), ..header }.encode(&mut stub);
    vec![out.to_vec(), stub.to_vec()]
}

fn records() -> Vec<Vec<u8>> {
    let one = |kind, extents: &[(u64, u32, ExtentKind)]| {
        let source = (kind == RecordKind::Gc).then_some(Loc { segment: SegmentSeq(3), unit: 8 });
        let mut index = Vec::new();
        for &(lba, blocks, kind) in extents {
            Extent { lba: Lba(lba), blocks, kind, source }.encode(&mut index);
        }
        let data = extents.iter().filter(|(_, _, kind)| *kind == ExtentKind::Data);
        let header = RecordHeader {
            kind,
            lsn: Lsn(100),
            epoch: WriterEpoch(2),
            extents: extents.len() as u32,
            slots: data.map(|(_, blocks, _)| blocks).sum(),
            durable: Lsn(90),
            extents_crc: crate::crc::crc32c(&index),
            local: crate::disk::LocalSeq(0),
        };
        let mut out = vec![0; RECORD_HEADER_BYTES];
        header.encode(&mut out);
        [out, index].concat()
    };
    let (data, hole) = (ExtentKind::Data, ExtentKind::Hole);
    vec![
        one(RecordKind::Data, &[(1, 3, data), (1 << 30, 4096, hole), (0, 1, data)]),
        one(RecordKind::Gc, &[(8, 2, data), (100, 1, data)]),
        one(RecordKind::EpochStart { last: Lsn(88) }, &[]),
        one(RecordKind::Resize { size_bytes: 1 << 40 }, &[]),
        one(RecordKind::SnapCreate { snapshot: 4 }, &[]),
        one(RecordKind::Rollback { snapshot: 4 }, &[]),
    ]
}

fn slots() -> Vec<Vec<u8>> {
    let mut slot = vec![0xa5; SLOT_BYTES as usize];
    seal_slot(&mut slot, Lba(12), Lsn(34));
    vec![slot]
}

fn page_ref(offset: u32) -> PageRef {
    PageRef { object: MapObjectNumber(1 << 32 | 5), offset, length: 64 }
}

fn pages() -> Vec<Vec<u8>> {
    let page = |tree, level, page| {
        let mut out = Vec::new();
        codec::encode(PageKey { tree, level, index: 0 }, &page, &mut out);
        out
    };
    let mut inner = Inner::new();
    inner.children[3] = Some(Child { page: page_ref(64), count: 10 });
    inner.children[255] = Some(Child { page: page_ref(128), count: 1 });
    let region = |runs: u32, apart: u64| {
        let mut region = Region::new();
        for i in 0..runs {
            let loc = Loc { segment: SegmentSeq(1 + u64::from(i % 7) * apart), unit: 8 + i * 514 };
            region.set(i * 3, 2, Some(loc));
        }
        Page::Region(region.into())
    };
    let mut table = SegmentPage::new();
    let info = SegmentInfo {
        birth: Lsn(1),
        changed: Lsn(9),
        age: Lsn(3),
        blocks: 90,
        live: 4,
        bytes: 1 << 20,
        payload: true,
    };
    table.set(0, Some(info));
    table.set(511, Some(SegmentInfo { live: 0, ..info }));
    vec![
        page(Tree::Map, 2, Page::Inner(inner.into())),
        page(Tree::Map, 0, region(5, 1)),
        page(Tree::Map, 0, region(1300, 1)),
        page(Tree::Map, 0, region(1300, 1 << 60)),
        page(Tree::Segments, 0, Page::Segments(table.into())),
    ]
}

fn root() -> RootBlob {
    let object = Object { born: 3, died: 0, bytes: 4096, live: 100 };
    RootBlob {
        epoch: WriterEpoch(2),
        checkpoint: 4,
        lsn: Lsn(99),
        replay: Replay { segment: SegmentSeq(5), offset: 4096 },
        size_bytes: 1 << 30,
        used_blocks: 77,
        local: crate::disk::LocalSeq(0),
        totals: SegmentTotals { segments: 5, live: 77, blocks: 100, bytes: 1 << 20, payload_bytes: 0 },
        last_object: 3,
        tops: [Some(Child { page: page_ref(0), count: 77 }), None],
        objects: BTreeMap::from([
            (MapObjectNumber(1 << 32 | 5), object),
            (MapObjectNumber(1 << 32 | 6), Object { died: 4, live: 0, ..object }),
        ]),
        dropped: vec![Dropped {
            key: PageKey { tree: Tree::Map, level: 1, index: 8 },
            page: page_ref(64),
            lsn: Lsn(50),
        }],
        payloads: Vec::new(),
    }
}

fn roots() -> Vec<Vec<u8>> {
    let mut with_payloads = root();
    with_payloads.totals.payload_bytes = 1 << 19;
    with_payloads.payloads = vec![(SegmentSeq(2), WriterEpoch(1)), (SegmentSeq(4), WriterEpoch(2))];
    let bare = RootBlob { objects: BTreeMap::new(), dropped: Vec::new(), ..root() };
    let local = RootBlob { local: crate::disk::LocalSeq(9), ..root() };
    let all = RootBlob { local: local.local, ..with_payloads.clone() };
    [root(), local, bare, with_payloads, all].iter().map(RootBlob::encode).collect()
}

fn snapshots() -> Vec<Vec<u8>> {
    let short = root().snapshot().encode();
    let info = SnapInfo {
        id: SnapshotId(4),
        name: "before".into(),
        lsn: Lsn(99),
        size_bytes: 1 << 30,
        timestamp_ns: 1 << 60,
        protected: true,
    };
    let entry = Snapshot { info, root: Bytes::from(short.clone()) }.encode().to_vec();
    vec![short, entry]
}

fn formats() -> Vec<Vec<u8>> {
    let format = |payloads| Format { uuid: [7; 16], segment_bytes: 8 << 20, payloads }.encode().to_vec();
    vec![format(false), format(true)]
}

fn notices() -> Vec<Vec<u8>> {
    let name = || "snapshot".to_owned();
    vec![
        Notice::RequestLock.encode(),
        Notice::Maintain(Maintenance::Resize { size: 1 << 40, allow_shrink: true }).encode(),
        Notice::Maintain(Maintenance::SnapRename { from: name(), to: name() }).encode(),
        Notice::Maintain(Maintenance::SnapProtect { name: name(), protect: false }).encode(),
        Answer::Refused(Errno::EROFS).encode(),
        Answer::Done.encode(),
    ]
}

fn image_values() -> Vec<Vec<u8>> {
    let created = Timestamp { seconds: 1 << 31, nanoseconds: 5 };
    let properties =
        Properties { order: 22, stripe_unit: 4 << 20, stripe_count: 1, created, data_pool: Some(PoolId(3)) };
    vec![properties.encode(), created.encode(), crate::image::header::encode_u64(61)]
}

fn replies() -> Vec<Vec<u8>> {
    let ack = |n, payload| NotifyAck { notifier_gid: n, cookie: n, payload: Bytes::from_static(payload) };
    let reply = NotifyReply { acks: vec![ack(5, b"yes"), ack(7, b"")], timeouts: vec![(9, 10), (1, 2)] };
    vec![notify::encode(&reply), notify::encode(&NotifyReply::default())]
}

fn locks() -> Vec<Vec<u8>> {
    let name = || "rbd_lock".to_owned();
    let locker = EntityName::client(4711);
    let mut info = LockInfo { kind: LockType::Shared, tag: "tag".into(), ..LockInfo::default() };
    for addr in ["127.0.0.1:0/99", "v2:[::1]:6800/1"] {
        let addr = EntityAddr::parse(addr).unwrap();
        let about = LockerInfo { expiration: (1, 2), addr, description: "d".into() };
        info.lockers.insert(LockerId { name: locker, cookie: format!("auto {}", addr.nonce) }, about);
    }
    let op = LockOp { name: name(), kind: LockType::Exclusive, cookie: "auto 1".into(), ..LockOp::default() };
    let assert = AssertOp { name: name(), new_cookie: Some("auto 2".into()), ..AssertOp::default() };
    [
        op.encode(),
        UnlockOp { name: name(), cookie: "auto 1".into() }.encode(),
        BreakOp { name: name(), locker, cookie: "auto 1".into() }.encode(),
        assert.encode(),
        info.encode(),
        encode_get_info("rbd_lock"),
        encode_names(&[name(), String::new()]),
    ]
    .map(|bytes| bytes.to_vec())
    .to_vec()
}

fn addrs() -> Vec<Vec<u8>> {
    let texts = ["v1:10.0.0.1:6789/0", "any:[fe80::1]:80/7", "10.0.0.1", "client.4711"];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    for text in &texts[..2] {
        let mut encoder = Encoder::new();
        EntityAddr::parse(text).unwrap().encode(&mut encoder, crate::wire::features::MSG_ADDR2);
        all.push(encoder.finish().to_vec());
    }
    // As before msgr2: type, nonce, sockaddr_storage with a big-endian family.
    let mut old = vec![0; 136];
    old[4..14].copy_from_slice(&[7, 0, 0, 0, 0, 2, 0x1a, 0x85, 127, 0]);
    all.push(old);
    all
}

fn encodings() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new();
    encoder.section(1, 1, |e| {
        e.u32(7);
    });
    encoder.u64(8).string("text").u8(1).u16(2).u32(3).blob(b"blob").raw(b"x");
    let input = encoder.finish();
    let mut script = vec![8 + 7, 3, 5, 0, 1, 2, 4, 8 + 6];
    script.resize(input.len(), 0);
    vec![[&script[..], &input[..]].concat()]
}

fn files() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 3] = [
        b"# about\n[global]\n fsid = 1\nmon host = \"a\\;b\" # why\nlog \\\n file = /x\\#y\\\n  z\n\n[client.a\\]b]\r\nkey='v'\r\n",
        b"mon_host = 1.2.3.4 ; one key and no section\n",
        b"[a]\n[b]\nrbd cache = false\n[a]\nx = \n",
    ];
    texts.map(<[u8]>::to_vec).to_vec()
}

fn values() -> Vec<Vec<u8>> {
    let value = |kind: u8, text: &str| [&[kind, 17, 3][..], text.as_bytes()].concat();
    vec![
        value(0, "layering,exclusive-lock"),
        value(1, "-12K"),
        value(2, "18E"),
        value(3, "64MiB".trim_end_matches("iB")),
        value(4, "0x1.8p-3"),
        value(4, "1e308"),
        value(5, "True"),
        value(6, "1h 30m 5"),
        value(7, "250"),
        value(8, "{0123456789abcdef0123456789ABCDEF}"),
        value(9, "v2:[::1]:3300/5"),
        value(10, "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]"),
        value(11, "1/5"),
    ]
}

fn mon_maps() -> Vec<Vec<u8>> {
    let addrs = |n: u8| {
        let socket = std::net::SocketAddr::from(([10, 0, 0, n], 3300));
        crate::wire::types::AddrVec(vec![EntityAddr::msgr2(socket, 0)])
    };
    let mut map = crate::mon::MonMap::made_up((0..3).map(|n| (format!("m{n}"), addrs(n))).collect());
    let plain = map.encode().to_vec();
    map.mons.get_mut("m1").expect("made up").location.insert("host".into(), "h".into());
    map.removed_ranks.extend([4, 5]);
    map.disallowed_leaders.insert("m2".into());
    vec![plain, map.encode().to_vec()]
}

fn mon_messages() -> Vec<Vec<u8>> {
    let message = |which: u8, body: &dyn Fn(&mut Encoder)| {
        let mut e = Encoder::new();
        e.u8(which).u8(2);
        body(&mut e);
        e.finish().to_vec()
    };
    let paxos = |e: &mut Encoder| {
        e.u64(3).u16(0).u64(0);
    };
    let name = |e: &mut Encoder| {
        e.u32(1).string("a").u8(1).u64(0);
        crate::wire::types::AddrVec::default().encode(e, u64::MAX);
    };
    vec![
        message(0, &|e| {
            paxos(e);
            e.u32(0).string("done").u32(0);
        }),
        message(1, &|e| {
            e.u32(0).string("done");
        }),
        message(2, &|e| {
            e.u64(1).u64(2).u64(3);
        }),
        message(3, &|e| {
            e.raw(&[0; 56]);
        }),
        message(4, &|e| {
            paxos(e);
            e.raw(&[0; 16]).u32(0).u32(7).u8(1).blob(&[0; 8]);
        }),
        message(5, &|e| {
            e.u32(2).u32(0).u64(1).blob(b"tickets");
        }),
        message(6, &|e| {
            e.u32(1).string("key").string("value");
        }),
        message(7, &|e| {
            paxos(e);
            e.raw(&[0; 16]).u32(1).section(5, 5, |e| {
                name(e);
                e.u64(1).u64(2).u16(1).string("text").string("cluster");
            });
        }),
        message(8, &|e| {
            e.section(11, 6, |e| {
                e.u32(1);
                crate::wire::types::AddrVec::default().encode(e, u64::MAX);
                e.u64(5).u8(1).string("x");
            });
        }),
        message(9, &|e| {
            paxos(e);
            e.raw(&[0; 16]).u32(1).string("rbd").section(7, 5, |e| {
                e.section(2, 2, |e| {
                    e.section(20, 14, |e| {
                        (0..11).for_each(|n| {
                            e.u64(n);
                        });
                    });
                });
            });
        }),
        message(10, &|e| {
            e.u32(5).u32(5).u32(0).u8(0);
        }),
    ]
}

fn mon_hosts() -> Vec<Vec<u8>> {
    let texts = [
        "10.0.0.1",
        "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[v2:[::1]:3300]",
        "v2:[::1]:3300/9 10.0.0.2;any:1.1.1.1:6789",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

fn dns_answers() -> Vec<Vec<u8>> {
    vec![crate::mon::dns_answer()]
}

/// Parts for each reply of `cephx`, the key in them that of its target.
fn authentications() -> Vec<Vec<u8>> {
    let key = crate::auth::cephx::testing::ticket().session_key;
    let part = |out: &mut Encoder, bytes: &[u8]| {
        out.u16(bytes.len() as u16).raw(bytes);
    };
    let mut grant = Encoder::new();
    grant.u8(1);
    key.encode(&mut grant);
    grant.u32(3600).u32(0);
    let grant = grant.finish();
    let mut bare = Encoder::new();
    bare.u8(1).u64(7).blob(&[1, 2, 3]);
    let bare = bare.finish();
    let mut secret = Encoder::new();
    secret.blob(&[9; 64]);
    let (secret, mut extra) = (secret.finish(), Encoder::new());
    extra.u8(1).u32(1).u32(4).u8(1).blob(&key.seal(|e| {
        e.raw(&grant);
    }));
    extra.u8(0).blob(&bare);
    let mut whole = Encoder::new();
    whole.u8(1);
    for bytes in [&grant, &bare, &secret, &extra.finish()] {
        part(&mut whole, bytes);
    }
    let mut services = Encoder::new();
    services.u8(2);
    part(&mut services, &grant);
    part(&mut services, &bare);
    let (mut challenge, mut reply, mut plain) = (Encoder::new(), Encoder::new(), Encoder::new());
    challenge.u8(3).u8(1).u64(4711);
    reply.u8(4).u8(2).u64(8).blob(&[9; 64]);
    plain.u8(5);
    key.encode(&mut plain);
    let all = [whole, services, challenge, reply, plain];
    all.into_iter().map(|e| e.finish().to_vec()).collect()
}

fn keyrings() -> Vec<Vec<u8>> {
    let key = "AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==";
    vec![
        format!("[client.admin]\n\tkey = {key}\n\tcaps mon = \"allow *\"\n").into_bytes(),
        format!("# two\n[client.other]\n auid = 1\n key = {key}\n[client.admin]\n key = {key}\n")
            .into_bytes(),
    ]
}
