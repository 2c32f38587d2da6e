//! What new maps change.

use super::fake::*;
use crate::osd::OsdError;
use crate::osd::codes::flag;

#[tokio::test]
async fn requests_of_an_osd_that_went_down_move_and_others_stay() {
    let world = World::plain().await;
    world.advance(epoch::NOTFULL);
    let here = world.objects(0, epoch::BASE, 2);
    let there = world.objects(1, epoch::BASE, 3);
    let all: Vec<&String> = there.iter().chain(&here).chain(&there).collect();
    let waits: Vec<_> = all.iter().map(|oid| world.submit(write(oid))).collect();
    let (stays, dies) = (world.wire(0), world.wire(1));
    assert_eq!((stays.requests().len(), dies.requests().len()), (2, 6));
    world.advance(epoch::DOWN1);
    assert!(dies.is_closed() && !stays.is_closed());
    // In the order of the calls, object by object, wherever they are now.
    let map = map_at(epoch::DOWN1);
    let mut seen = Vec::new();
    for osd in [0, 2] {
        let Some(wire) = world.find(osd) else { continue };
        let again = wire.requests();
        assert!(again.windows(2).all(|two| two[0].tid < two[1].tid));
        for asked in &again {
            assert_eq!(map.pg_to_up_acting(asked.pgid.pgid).acting_primary, osd);
            assert_eq!((asked.attempt, asked.epoch > epoch::BASE), (1, true));
            world.answer(&wire, asked, 0);
        }
        seen.extend(again.into_iter().map(|asked| asked.tid));
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 6, 7, 8]);
    drop(waits);
}

#[tokio::test]
async fn an_osd_that_comes_back_with_another_address_is_asked_there() {
    let world = World::plain().await;
    world.advance(epoch::DOWN1);
    world.advance(epoch::UP1);
    let oid = &world.objects(1, epoch::UP1, 1)[0];
    let wait = world.submit(write(oid));
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], 0);
    wait.await.unwrap();
}

#[tokio::test]
async fn a_paused_cluster_is_not_asked() {
    let world = World::plain().await;
    world.advance(epoch::PAUSE);
    let oid = &world.objects(0, epoch::PAUSE, 1)[0];
    let waits = [world.submit(write(oid)), world.submit(read(oid))];
    assert!(world.find(0).is_none());
    world.advance(epoch::UNPAUSE);
    let wire = world.wire(0);
    let asked = wire.requests();
    assert_eq!(asked.iter().map(|asked| (asked.tid, asked.attempt)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    for asked in &asked {
        world.answer(&wire, asked, 0);
    }
    for wait in waits {
        wait.await.unwrap();
    }
}

#[tokio::test]
async fn writes_wait_while_a_pool_is_full() {
    let world = World::plain().await;
    world.advance(epoch::UNPAUSE);
    let oid = &world.objects(0, epoch::FULL, 1)[0];
    let before = world.submit(write(oid));
    let wire = world.wire(0);
    wire.requests();
    world.advance(epoch::FULL);
    let mut try_it = write(oid);
    try_it.flags |= flag::FULL_TRY;
    let mut waits = [world.submit(write(oid)), world.submit(try_it), world.submit(read(oid))];
    let tids = |asked: Vec<Asked>| asked.iter().map(|asked| asked.tid).collect::<Vec<_>>();
    assert_eq!(tids(wire.requests()), [3, 4]);
    assert!(is_pending(&mut waits[0]).await);
    world.advance(epoch::NOTFULL);
    // OSDs have dropped the first one without an answer, and perhaps the one that knew: with each map while the pool is
    // full, and with the one that ends that, it is sent again.
    assert_eq!(tids(wire.requests()), [3, 1, 2, 3]);
    drop(before);
}

#[tokio::test]
async fn requests_of_groups_that_split_are_sent_again() {
    let world = World::plain().await;
    world.advance(epoch::UP1);
    let oids: Vec<String> = (0..3).flat_map(|osd| world.objects(osd, epoch::UP1, 4)).collect();
    let _waits: Vec<_> = oids.iter().map(|oid| world.submit(write(oid))).collect();
    (0..3).for_each(|osd| drop(world.wire(osd).requests()));
    world.advance(epoch::SPLIT);
    let map = map_at(epoch::SPLIT);
    assert!(map.pool(pool()).unwrap().pg_num > 8, "the fixture splits");
    let mut again = Vec::new();
    for osd in 0..3 {
        let Some(wire) = world.find(osd) else { continue };
        for asked in wire.requests() {
            let raw = map.object_to_raw_pg(pool(), b"", b"", asked.oid.as_bytes()).unwrap();
            assert_eq!(asked.pgid.pgid, map.raw_pg_to_pg(raw).unwrap());
            again.push(asked.tid);
        }
    }
    again.sort_unstable();
    again.dedup();
    assert_eq!(again.len(), oids.len(), "every group of eight splits, or the pool says to send all again");
}

#[tokio::test]
async fn a_deleted_pool_answers_what_was_sent() {
    let world = World::plain().await;
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    *world.mon.elsewhere.lock() = true;
    world.advance(epoch::GONE);
    assert_eq!(wait.await.unwrap_err(), OsdError::NoPool(pool()));
}

#[tokio::test]
async fn a_fenced_client_is_told_and_may_go_on_when_it_is_not_any_more() {
    let world = World::plain().await;
    let oid = &world.objects(0, epoch::BLOCK, 1)[0];
    let wait = world.submit(write(oid));
    world.advance(epoch::BLOCK);
    assert_eq!(wait.await.unwrap_err(), OsdError::Blocklisted);
    assert_eq!(world.submit(read(oid)).await.unwrap_err(), OsdError::Blocklisted);
    world.advance(epoch::UNBLOCK);
    let wait = world.submit(read(oid));
    let wire = world.wire(0);
    let asked = wire.requests();
    world.answer(&wire, asked.last().unwrap(), 0);
    wait.await.unwrap();
}

#[tokio::test]
async fn a_gap_is_asked_for_and_old_maps_are_ignored() {
    let world = World::plain().await;
    world.advance(epoch::PAUSE);
    world.mon.wanted.lock().clear();
    let gap = maps(world.mon.fsid, epoch::PAUSE + 2..=epoch::FULL, false);
    world.client.take_maps(&gap).unwrap();
    assert_eq!(world.client.map().unwrap().epoch(), epoch::PAUSE);
    assert_eq!(*world.mon.wanted.lock(), [epoch::PAUSE + 1]);
    world.client.take_maps(&maps(world.mon.fsid, epoch::PAUSE..=epoch::PAUSE, true)).unwrap();
    assert_eq!(world.client.map().unwrap().epoch(), epoch::PAUSE);
    // Another cluster's.
    world.client.take_maps(&maps([9; 16], epoch::PAUSE + 1..=epoch::FULL, false)).unwrap();
    assert_eq!(world.client.map().unwrap().epoch(), epoch::PAUSE);
    let reached = world.client.wait_for_epoch(epoch::FULL);
    world.advance(epoch::FULL);
    reached.await.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_by_a_map_older_than_the_barrier() {
    let world = World::plain().await;
    world.client.set_epoch_barrier(epoch::UNPAUSE);
    let oid = &world.objects(0, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    assert!(world.find(0).is_none());
    world.advance(epoch::UNPAUSE);
    let wire = world.wire(0);
    world.answer(&wire, &wire.requests()[0], 0);
    wait.await.unwrap();
}
