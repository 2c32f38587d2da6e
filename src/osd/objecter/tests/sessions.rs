//! Connections that break, OSDs that ask for peace.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::fake::*;
use crate::crc::crc32c;
use crate::errno::Errno;
use crate::net::Connection;
use crate::osd::codes::{backoff, flag};
use crate::osd::hobject;
use crate::osd::message::Backoff;
use crate::osd::{OpRequest, OsdError, OsdOp, OsdOptions};
use crate::wire::place::{Place, Placed, Room, Wish};
use crate::wire::types::Hobject;
use crate::wire::{Message, MessageType};

#[tokio::test]
async fn what_was_not_answered_is_sent_again_in_order() {
    let world = World::plain().await;
    let oids = world.objects(1, epoch::BASE, 3);
    let mut waits: Vec<_> = oids.iter().chain(&oids).map(|oid| world.submit(write(oid))).collect();
    let old = world.wire(1);
    world.ready(&old);
    let sent = old.requests();
    world.answer(&old, &sent[1], 0);
    waits.remove(1).await.unwrap();
    world.reset(&old);

    let wire = world.wire(1);
    let again = wire.requests();
    let expected: Vec<_> =
        sent.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, asked)| asked.tid).collect();
    assert_eq!(again.iter().map(|asked| asked.tid).collect::<Vec<_>>(), expected);
    assert!(again.iter().all(|asked| asked.attempt == 1 && asked.flags & flag::RETRY != 0));
    // What the old connection still brings is not an answer, nor is an answer to the first attempt.
    world.answer(&old, &again[0], 0);
    world.answer(&wire, &sent[0], 0);
    assert!(is_pending(&mut waits[0]).await);
    for asked in &again {
        world.answer(&wire, asked, 0);
    }
    for wait in waits {
        wait.await.unwrap();
    }
    // Nothing to do: no new connection.
    world.reset(&wire);
    assert_eq!((world.connections(), world.find(1).is_none()), (2, true));
}

struct Memory([MaybeUninit<u8>; 8]);

impl Room for Memory {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn rest(&mut self, at: usize) -> &mut [MaybeUninit<u8>] {
        self.0.get_mut(at..).unwrap_or_default()
    }
}

/// The answer's data have begun to come.
fn enter(wire: &Arc<Wire>, asked: &Asked, bytes: usize) -> Option<Placed> {
    let connection: Arc<dyn Connection> = wire.clone();
    match wire.handler.place(&connection, MessageType::OSD_OPREPLY, asked.tid, bytes)? {
        Wish::Place(placed) => Some(placed),
        Wish::Chunks(_) => None,
    }
}

#[tokio::test]
async fn a_place_is_written_by_the_connection_whose_answer_counts() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let place = Place::new(Memory([MaybeUninit::new(0); 8]));
    let mut wait = world.submit(OpRequest { place: Some(place.clone()), ..read(oid) });
    let old = world.wire(1);
    world.ready(&old);
    let first = old.requests().remove(0);
    let stale = enter(&old, &first, 8).unwrap();
    assert!(enter(&old, &first, 9).is_none(), "there is no room");
    world.reset(&old);

    let wire = world.wire(1);
    world.ready(&wire);
    let again = wire.requests().remove(0);
    assert!(enter(&old, &first, 8).is_none(), "not its connection any more");
    let placed = enter(&wire, &again, 8).unwrap();
    assert!(!stale.is_last_in(&place) && placed.is_last_in(&place));
    let mut answer = reply(&again, 0, &[(0, b"8 bytes.")], None);
    answer.data.clear();
    answer.placed = Some(placed.clone());
    // One that says less of it than came, or more, is none.
    let mut wrong = reply(&again, 0, &[(0, b"7 bytes")], None);
    (wrong.data, wrong.placed) = (Vec::new(), Some(placed.clone()));
    world.say(&old, answer.clone());
    assert!(is_pending(&mut wait).await);
    world.say(&wire, wrong);
    assert!(wire.is_closed());

    let wire = world.wire(1);
    world.ready(&wire);
    let again = wire.requests().remove(0);
    let placed = enter(&wire, &again, 8).unwrap();
    let mut answer = reply(&again, 0, &[(0, b"8 bytes.")], None);
    (answer.data, answer.placed) = (Vec::new(), Some(placed.clone()));
    world.say(&wire, answer);
    let ops = wait.await.unwrap().ops;
    assert_eq!((ops[0].placed.as_ref(), ops[0].output.len()), (Some(&placed), 0));
    assert!(enter(&wire, &again, 8).is_none(), "it was answered");
}

#[tokio::test(start_paused = true)]
async fn an_osd_that_cannot_be_reached_is_tried_less_and_less_often() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    for pause in [200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000] {
        let before = world.connections();
        world.reset(&world.wire(1));
        assert!(world.mon.wanted.lock().contains(&(epoch::BASE + 1)), "a newer map may know more");
        tokio::time::sleep(Duration::from_millis(pause - 10)).await;
        assert_eq!(world.connections(), before, "before {pause} ms");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(world.connections(), before + 1, "after {pause} ms");
    }
    let wire = world.wire(1);
    world.ready(&wire);
    world.answer(&wire, &wire.requests()[0], 0);
    wait.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_ticket_it_is_tried_again() {
    let world = World::plain().await;
    *world.mon.no_tickets.lock() = true;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    assert_eq!(world.connections(), 0);
    *world.mon.no_tickets.lock() = false;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], 0);
    wait.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up_but_not_one_that_was_not_asked() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let _wait = world.submit(write(oid));
    let wire = world.wire(1);
    world.ready(&wire);
    // As if it had been idle for long.
    *wire.silent.lock() = Duration::from_secs(3600);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(wire.keepalives.load(Ordering::Relaxed) > 0 && !wire.is_closed());
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert!(wire.is_closed());
    assert_eq!(world.wire(1).requests()[0].attempt, 1);
}

#[tokio::test]
async fn a_malformed_message_ends_the_connection() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let wait = world.submit(write(oid));
    let wire = world.wire(1);
    world.ready(&wire);
    world.say(&wire, Message::new(MessageType::OSD_OPREPLY, 8, 2, vec![1, 2, 3].into()));
    assert!(wire.is_closed());
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], 0);
    wait.await.unwrap();
}

#[tokio::test]
async fn objects_that_the_osd_does_not_want_to_hear_of_wait() {
    let world = World::plain().await;
    let oids = world.objects(1, epoch::BASE, 12);
    let first = world.submit(write(&oids[0]));
    let wire = world.wire(1);
    let asked = wire.requests().remove(0);
    let group = asked.pgid;
    let of_group = |oid: &String| {
        let raw = map_at(epoch::BASE).object_to_raw_pg(pool(), b"", b"", oid.as_bytes()).unwrap();
        raw.seed % 8 == group.pgid.seed
    };
    let other = oids.iter().find(|oid| !of_group(oid)).unwrap();
    let block = Backoff {
        pgid: group,
        epoch: asked.epoch,
        op: backoff::BLOCK,
        id: 5,
        begin: Hobject { pool: pool(), ..hobject::min() },
        end: hobject::max(),
    };
    world.say(&wire, block.encode());
    let acks = wire.take(MessageType::OSD_BACKOFF);
    assert_eq!(Backoff::decode(&acks[0].front).unwrap(), Backoff { op: backoff::ACK_BLOCK, ..block.clone() });
    // Nothing goes to this group; other groups are not concerned.
    let second = world.submit(read(&oids[0]));
    let elsewhere = world.submit(read(other));
    let sent = wire.requests();
    assert_eq!(sent.iter().map(|asked| &asked.oid).collect::<Vec<_>>(), [other]);
    world.answer(&wire, &sent[0], 0);
    elsewhere.await.unwrap();
    world.say(&wire, Backoff { op: backoff::UNBLOCK, ..block.clone() }.encode());
    let again = wire.requests();
    assert_eq!(again.iter().map(|asked| (asked.tid, asked.attempt)).collect::<Vec<_>>(), [(1, 1), (2, 0)]);
    for asked in &again {
        world.answer(&wire, asked, 0);
    }
    first.await.unwrap();
    second.await.unwrap();

    // A session's end ends them too.
    world.say(&wire, block.encode());
    let third = world.submit(read(&oids[0]));
    assert!(wire.requests().is_empty());
    world.ready(&wire);
    world.reset(&wire);
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], 0);
    third.await.unwrap();
}

#[tokio::test]
async fn an_object_alone_can_be_blocked() {
    let world = World::new(OsdOptions::default()).await;
    let oids = world.objects(1, epoch::BASE, 40);
    let _first = world.submit(write(&oids[0]));
    let wire = world.wire(1);
    let asked = wire.requests().remove(0);
    let object = Hobject {
        oid: oids[0].clone().into(),
        snap: crate::osd::codes::NO_SNAP,
        hash: asked.hash,
        pool: pool(),
        ..hobject::min()
    };
    let block = Backoff {
        pgid: asked.pgid,
        epoch: asked.epoch,
        op: backoff::BLOCK,
        id: 1,
        begin: object.clone(),
        end: object,
    };
    world.say(&wire, block.encode());
    let of_group = |oid: &&String| {
        map_at(epoch::BASE).object_to_raw_pg(pool(), b"", b"", oid.as_bytes()).unwrap().seed % 8
            == asked.pgid.pgid.seed
    };
    let neighbour = oids[1..].iter().find(of_group).unwrap();
    let _waits = [world.submit(read(&oids[0])), world.submit(read(neighbour))];
    let sent = wire.requests();
    assert_eq!(sent.iter().map(|asked| &asked.oid).collect::<Vec<_>>(), [neighbour]);
}

#[tokio::test]
async fn what_has_changed_in_memory_is_given_up_and_not_sent_again_for_ever() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let data = Bytes::from_static(b"data");
    let request =
        |sum: u32| OpRequest { ops: vec![OsdOp::write(0, data.clone()).summed(Some(sum))], ..write(oid) };
    let good = world.submit(request(crc32c(&data)));
    let bad = world.submit(request(!crc32c(&data)));
    let old = world.wire(1);
    world.ready(&old);
    assert_eq!(old.requests().len(), 2);
    // The OSD does not like what it gets, and drops the connection.
    world.reset(&old);
    let wire = world.wire(1);
    let again = wire.requests();
    assert_eq!(again.len(), 1);
    world.answer(&wire, &again[0], 0);
    good.await.unwrap();
    assert!(matches!(bad.await, Err(OsdError::Failed { errno: Errno::EIO, .. })));
}
