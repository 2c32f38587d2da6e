//! Requests and their answers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::*;
use crate::errno::Errno;
use crate::osd::codes::{flag, op};
use crate::osd::{OsdError, OsdOptions};
use crate::wire::types::ObjectLocator;

#[tokio::test]
async fn a_request_goes_to_the_primary_and_its_answer_comes_back() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let wait = world.submit(read(oid));
    let wire = world.wire(1);
    let asked = wire.requests();
    assert_eq!(asked.len(), 1);
    let one = &asked[0];
    assert_eq!((one.oid.as_str(), one.attempt, one.epoch), (oid.as_str(), 0, epoch::BASE));
    assert_eq!(one.flags, flag::READ | flag::ONDISK | flag::KNOWN_REDIR);
    let raw = map_at(epoch::BASE).object_to_raw_pg(pool(), b"", b"", oid.as_bytes()).unwrap();
    assert_eq!((one.hash, one.pgid.pgid, one.pgid.shard), (raw.seed, pg_of(raw.seed % 8), -1));
    world.say(&wire, reply(one, 0, &[(3, b"abc"), (-61, b""), (2, b"de")], None));
    let answer = wait.await.unwrap();
    let ops: Vec<_> = answer.ops.iter().map(|op| (op.rval, &op.output[..])).collect();
    assert_eq!(ops, [(3, &b"abc"[..]), (-61, b""), (2, b"de")]);
    assert_eq!((answer.result, answer.user_version, answer.replay_version.epoch), (0, 9, 3));
    // One connection an OSD.
    world.submit(write(oid));
    assert_eq!((world.connections(), wire.requests().len()), (1, 1));
}

#[tokio::test]
async fn the_limit_holds_back_in_order() {
    let world = World::new(OsdOptions { inflight_ops: 2, ..OsdOptions::default() }).await;
    let oids = world.objects(0, epoch::BASE, 5);
    let waits: Vec<_> = oids.iter().map(|oid| world.submit(write(oid))).collect();
    let wire = world.wire(0);
    let first = wire.requests();
    assert_eq!(first.iter().map(|asked| &asked.oid).collect::<Vec<_>>(), [&oids[0], &oids[1]]);
    world.answer(&wire, &first[1], 0);
    let next = wire.requests();
    assert_eq!(next.iter().map(|asked| &asked.oid).collect::<Vec<_>>(), [&oids[2]]);
    world.answer(&wire, &first[0], 0);
    world.answer(&wire, &next[0], 0);
    for asked in wire.requests() {
        world.answer(&wire, &asked, 0);
    }
    for wait in waits {
        wait.await.unwrap();
    }
}

#[tokio::test]
async fn the_limit_counts_bytes_too() {
    let world = World::new(OsdOptions { inflight_bytes: 100, ..OsdOptions::default() }).await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let sized = |bytes: usize| {
        let mut request = write(oid);
        request.ops[0].input = vec![vec![0; bytes].into()];
        request
    };
    // More than the limit by itself, but alone.
    let large = world.submit(sized(101));
    let small = world.submit(sized(1));
    let wire = world.wire(0);
    let asked = wire.requests();
    assert_eq!(asked.len(), 1);
    world.answer(&wire, &asked[0], 0);
    large.await.unwrap();
    world.answer(&wire, &wire.requests()[0], 0);
    small.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_times_out() {
    let options = OsdOptions { op_timeout: crate::osd::OpTimeout::seconds(7), ..OsdOptions::default() };
    let world = World::new(options).await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let begun = tokio::time::Instant::now();
    let early = world.submit(write(oid));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let late = world.submit(write(oid));
    assert_eq!(early.await.unwrap_err(), OsdError::TimedOut { seconds: 7 });
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(late.await.unwrap_err(), OsdError::TimedOut { seconds: 7 });
    assert_eq!(begun.elapsed().as_secs(), 10);
    // An answer that comes after all that is nobody's.
    let wire = world.wire(0);
    world.answer(&wire, &wire.requests()[0], 0);
}

#[tokio::test(start_paused = true)]
async fn each_request_has_the_time_that_there_is_when_it_begins() {
    let timeout = crate::osd::OpTimeout::seconds(0);
    let options = OsdOptions { op_timeout: timeout.clone(), ..OsdOptions::default() };
    let world = World::new(options).await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let begun = tokio::time::Instant::now();
    let after = |seconds: u64| {
        timeout.set_seconds(seconds);
        world.submit(write(oid))
    };
    let (never, nine, two, five) = (after(0), after(9), after(2), after(5));
    for (request, seconds) in [(two, 2), (five, 5), (nine, 9)] {
        assert_eq!(request.await.unwrap_err(), OsdError::TimedOut { seconds });
        assert_eq!(begun.elapsed().as_secs(), seconds);
    }
    let wire = world.wire(0);
    world.answer(&wire, &wire.requests()[0], 0);
    never.await.unwrap();
}

#[tokio::test]
async fn a_replica_that_cannot_answer_sends_the_read_to_the_primary() {
    let world = World::plain().await;
    let map = map_at(epoch::BASE);
    let mut request = read(&world.objects(0, epoch::BASE, 1)[0]);
    request.flags |= flag::BALANCE_READS;
    // Some of many go to a replica.
    let waits: Vec<_> = (0..40).map(|_| world.submit(request.clone())).collect();
    let (primary, rest): (Vec<i32>, Vec<i32>) = (0..map.max_osd()).partition(|osd| *osd == 0);
    let replica = rest.iter().find_map(|osd| world.find(*osd)).unwrap();
    let wire = world.wire(primary[0]);
    let (to_replica, to_primary) = (replica.requests(), wire.requests());
    assert_eq!(to_replica.len() + to_primary.len(), 40);
    assert!(to_replica.len() > 5 && to_primary.len() > 5);
    for asked in &to_replica {
        world.answer(&replica, asked, -Errno::EAGAIN.0);
    }
    let again = wire.requests();
    assert_eq!(again.len(), to_replica.len());
    assert!(again.iter().all(|asked| asked.tid > 40 && asked.attempt == 0));
    assert!(again.iter().all(|asked| asked.flags & flag::BALANCE_READS == 0));
    for asked in to_primary.iter().chain(&again) {
        world.answer(&wire, asked, 0);
    }
    for wait in waits {
        wait.await.unwrap();
    }
}

#[tokio::test]
async fn a_localised_read_goes_to_the_nearest_replica() {
    let map = map_at(epoch::BASE);
    let name = |osd: i32| map.crush().item_name(osd).unwrap().to_owned();
    for near in [1, 2] {
        // As if this client were inside of that OSD: they are all on one host.
        let crush_location = vec![("osd".to_owned(), name(near)), ("root".to_owned(), "default".to_owned())];
        let world = World::new(OsdOptions { crush_location, ..OsdOptions::default() }).await;
        for oid in world.objects(0, epoch::BASE, 20) {
            let mut request = read(&oid);
            request.flags |= flag::LOCALIZE_READS;
            let _wait = world.submit(request);
            let raw = map.object_to_raw_pg(pool(), b"", b"", oid.as_bytes()).unwrap();
            let has_it = map.pg_to_up_acting(map.raw_pg_to_pg(raw).unwrap()).acting.contains(&near);
            let asked = world.wire(if has_it { near } else { 0 }).requests();
            assert_eq!(asked.len(), 1, "{oid} from osd.{near}");
            let _write = world.submit(write(&oid));
            assert_eq!(world.wire(0).requests().len(), 1, "writes go to the primary");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_followed() {
    let world = World::plain().await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let wait = world.submit(read(oid));
    let wire = world.wire(0);
    let asked = &wire.requests()[0];
    // To the same name in the same pool, but with a key of an object that another OSD has.
    let key = world.objects(1, epoch::BASE, 1)[0].clone();
    let to = ObjectLocator { pool: pool(), key: key.into(), namespace: vec![], hash: -1 };
    world.say(&wire, reply(asked, -2, &[], Some(&to)));
    let wire = world.wire(1);
    let again = &wire.requests()[0];
    let added = flag::REDIRECTED | flag::IGNORE_CACHE | flag::IGNORE_OVERLAY;
    assert_eq!((again.oid.as_str(), again.flags), (oid.as_str(), asked.flags | added));
    world.answer(&wire, again, 0);
    wait.await.unwrap();
}

#[tokio::test]
async fn a_pool_that_is_not_in_the_newest_map_does_not_exist() {
    let world = World::plain().await;
    let mut request = read("x");
    request.object.pool = 99;
    assert_eq!(world.submit(request.clone()).await.unwrap_err(), OsdError::NoPool(99));
    // The monitors have a newer map, in which it may be.
    world.mon.newest.store(epoch::PAUSE, Ordering::Relaxed);
    let mut wait = world.submit(request);
    assert!(is_pending(&mut wait).await);
    world.advance(epoch::PAUSE);
    assert_eq!(wait.await.unwrap_err(), OsdError::NoPool(99));
}

#[tokio::test]
async fn the_end_answers_everything() {
    let world = World::plain().await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    let wire = world.wire(0);
    world.client.shutdown();
    assert_eq!(wait.await.unwrap_err(), OsdError::ShutDown);
    assert!(wire.is_closed());
    assert_eq!(world.submit(write(oid)).await.unwrap_err(), OsdError::ShutDown);
    assert_eq!(world.client.wait_for_epoch(u32::MAX).await.unwrap_err(), OsdError::ShutDown);
    assert_eq!(world.connections(), 1);
}

#[tokio::test]
async fn listings_go_to_the_group_of_the_cursor() {
    let world = World::plain().await;
    let cursor =
        crate::wire::types::Hobject { hash: 0x0000_0103, pool: pool(), ..crate::osd::hobject::min() };
    let request = crate::osd::list::request(pool(), None, &cursor, 10, None, epoch::BASE);
    let _wait = world.submit(request);
    let asked = (0..3).find_map(|osd| world.find(osd)).unwrap().requests().remove(0);
    assert_eq!((asked.pgid.pgid, asked.hash, asked.codes), (pg_of(3), 3, vec![op::PGNLS]));
}
