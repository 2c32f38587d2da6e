//! Watches and notifications.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::fake::*;
use crate::errno::Errno;
use crate::osd::codes::{op, watch, watch_event};
use crate::osd::{OsdError, OsdOptions, WatchEvents};
use crate::sync::Mutex;
use crate::wire::denc::Encoder;
use crate::wire::{Message, MessageType};

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl WatchEvents for Heard {
    fn notify(&self, notify_id: u64, cookie: u64, notifier_gid: u64, payload: Bytes) {
        let payload = String::from_utf8_lossy(&payload).into_owned();
        self.0.lock().push(format!("{notify_id} {cookie} {notifier_gid} {payload}"));
    }

    fn error(&self, cookie: u64, errno: Errno) {
        self.0.lock().push(format!("{cookie} {errno}"));
    }
}

/// What a WATCH op says: cookie, kind, generation, timeout.
fn watch_of(asked: &Asked) -> (u64, u8, u32, u32) {
    assert_eq!(asked.codes, [op::WATCH]);
    let word = |at: usize| u32::from_le_bytes(asked.union[at..at + 4].try_into().unwrap());
    let cookie = u64::from_le_bytes(asked.union[..8].try_into().unwrap());
    (cookie, asked.union[16], word(17), word(21))
}

fn event(event: u8, cookie: u64, notify_id: u64, payload: &str, result: i32, replies: Bytes) -> Message {
    let mut e = Encoder::new();
    e.u8(1).u8(event).u64(cookie).u64(0).u64(notify_id).string(payload).u32(result as u32).u64(42);
    let mut message = Message::new(MessageType::WATCH_NOTIFY, 3, 1, e.finish());
    message.data.push(replies);
    message
}

/// A watch on an object of osd.1 that the OSD has accepted.
async fn watching(world: &World) -> (u64, Arc<Heard>, String) {
    let heard = Arc::new(Heard::default());
    let oid = world.objects(1, epoch::BASE, 1).remove(0);
    let made = world.client.watch(name(&oid), 12, heard.clone(), 0);
    let wire = world.wire(1);
    world.ready(&wire);
    let asked = wire.requests().remove(0);
    let (cookie, kind, generation, timeout) = watch_of(&asked);
    assert_eq!((kind, generation, timeout), (watch::WATCH, 0, 12));
    world.answer(&wire, &asked, 0);
    assert_eq!(made.await.unwrap().unwrap(), cookie);
    (cookie, heard, oid)
}

#[tokio::test]
async fn a_watch_that_the_osd_refuses_is_not_made() {
    let world = World::plain().await;
    let heard = Arc::new(Heard::default());
    let made = world.client.watch(name(&world.objects(1, epoch::BASE, 1)[0]), 0, heard.clone(), 0);
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], -2);
    let error = made.await.unwrap().unwrap_err();
    assert!(matches!(error, OsdError::Failed { errno: Errno::ENOENT, .. }));
    world.ready(&wire);
    world.reset(&wire);
    assert!(world.find(1).is_none() && heard.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_confirmed_and_survives_its_session() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    let wire = world.wire(1);
    world.say(&wire, event(watch_event::NOTIFY, cookie, 8, "news", 0, Bytes::new()));
    world.client.watch_flush().await;
    assert_eq!(heard.take(), [format!("8 {cookie} 42 news")]);

    tokio::time::sleep(Duration::from_millis(5100)).await;
    let pings = wire.requests();
    assert_eq!(pings.iter().map(watch_of).collect::<Vec<_>>(), [(cookie, watch::PING, 0, 0)]);
    assert!(world.client.watch_check(cookie).unwrap() > 5000);
    world.answer(&wire, &pings[0], 0);
    assert!(world.client.watch_check(cookie).unwrap() < 200);

    world.reset(&wire);
    let wire = world.wire(1);
    let again = wire.requests();
    assert_eq!(again.iter().map(watch_of).collect::<Vec<_>>(), [(cookie, watch::RECONNECT, 1, 0)]);
    // What an earlier registration was asked does not count any more.
    world.answer(&wire, &pings[0], -107);
    world.answer(&wire, &again[0], 0);
    settle().await;
    assert!(heard.take().is_empty());
    assert!(world.client.watch_check(cookie).is_ok());
}

/// Otherwise the OSD would give it up, and with it went an image's lock.
#[tokio::test(start_paused = true)]
async fn a_watch_is_confirmed_while_its_pool_is_full() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    let wire = world.wire(1);
    // A pause of the cluster came and went.
    world.advance(epoch::FULL - 1);
    world.answer(&wire, &wire.requests().remove(0), 0);
    world.advance(epoch::FULL);
    assert!(wire.requests().is_empty());
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(5100)).await;
        let pings = wire.requests();
        assert_eq!(pings.iter().map(watch_of).collect::<Vec<_>>(), [(cookie, watch::PING, 1, 0)]);
        world.answer(&wire, &pings[0], 0);
        assert!(world.client.watch_check(cookie).unwrap() < 1000);
    }
    world.advance(epoch::NOTFULL);
    let again = wire.requests();
    assert_eq!(again.iter().map(watch_of).collect::<Vec<_>>(), [(cookie, watch::RECONNECT, 2, 0)]);
    world.answer(&wire, &again[0], 0);
    assert!(world.client.watch_check(cookie).is_ok() && heard.take().is_empty());
}

/// A pool becomes full while a watch is being made, and the OSD, which has made it, gives it up meanwhile: nobody confirms it.
#[tokio::test(start_paused = true)]
async fn a_watch_that_times_out_on_a_full_pool_before_it_is_known_is_made_all_the_same() {
    let world = World::plain().await;
    world.advance(epoch::FULL - 1);
    let heard = Arc::new(Heard::default());
    let oid = world.objects(0, epoch::FULL, 1).remove(0);
    let mut made = world.client.watch(name(&oid), 12, heard.clone(), 0);
    let wire = world.wire(0);
    world.ready(&wire);
    let first = wire.requests().remove(0);
    let (cookie, ..) = watch_of(&first);

    world.advance(epoch::FULL);
    world.answer(&wire, &first, 0);
    world.say(&wire, event(watch_event::DISCONNECT, cookie, 0, "", 0, Bytes::new()));
    world.client.watch_flush().await;
    assert!(made.try_recv().is_err() && heard.take().is_empty() && wire.requests().is_empty());

    world.advance(epoch::NOTFULL);
    let again: Vec<Asked> = wire.requests();
    assert_eq!(again.iter().map(watch_of).collect::<Vec<_>>(), [(cookie, watch::WATCH, 0, 12)]);
    world.answer(&wire, &again[0], 0);
    assert_eq!(made.await.unwrap().unwrap(), cookie);
    assert!(world.client.watch_check(cookie).is_ok() && heard.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_watch_is_reported_once() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    let wire = world.wire(1);
    world.reset(&wire);
    let wire = world.wire(1);
    world.ready(&wire);
    world.answer(&wire, &wire.requests()[0], -2);
    world.say(&wire, event(watch_event::DISCONNECT, cookie, 0, "", 0, Bytes::new()));
    world.client.watch_flush().await;
    assert_eq!(heard.take(), [format!("{cookie} ENOTCONN")]);
    let error = world.client.watch_check(cookie).unwrap_err();
    assert!(matches!(error, OsdError::Failed { errno: Errno::ENOTCONN, .. }));
    // It is not asked for any more.
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.reset(&wire);
    assert!(world.find(1).is_none_or(|wire| wire.requests().is_empty()));
}

#[tokio::test]
async fn a_watch_moves_with_its_object() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    world.advance(epoch::DOWN1);
    let wire = [0, 2].into_iter().find_map(|osd| world.find(osd)).unwrap();
    let again = wire.requests();
    let last = watch_of(again.last().unwrap());
    assert_eq!((last.0, last.1), (cookie, watch::RECONNECT));
    world.answer(&wire, again.last().unwrap(), 0);
    *world.mon.elsewhere.lock() = true;
    world.advance(epoch::GONE);
    world.client.watch_flush().await;
    assert_eq!(heard.take(), [format!("{cookie} ENOTCONN")]);
}

#[tokio::test]
async fn a_fenced_client_loses_its_watches() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    world.advance(epoch::BLOCK);
    world.client.watch_flush().await;
    assert_eq!(heard.take(), [format!("{cookie} ESHUTDOWN")]);
}

#[tokio::test]
async fn the_end_of_a_watch_is_its_end_at_once() {
    let world = World::plain().await;
    let (cookie, heard, _) = watching(&world).await;
    let wire = world.wire(1);
    let request = world.client.unwatch(cookie).unwrap();
    world.say(&wire, event(watch_event::NOTIFY, cookie, 9, "late", 0, Bytes::new()));
    let wait = world.submit(request);
    let asked = wire.requests();
    assert_eq!(watch_of(&asked[0]), (cookie, watch::UNWATCH, 0, 0));
    world.answer(&wire, &asked[0], 0);
    wait.await.unwrap();
    world.client.watch_flush().await;
    assert!(heard.take().is_empty());
    assert!(world.client.unwatch(cookie).is_err());
}

#[tokio::test]
async fn a_notification_ends_with_its_answers() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let heard = world.client.notify(name(oid), Bytes::from_static(b"hello"), 3000);
    let wire = world.wire(1);
    world.ready(&wire);
    // The session breaks before anything is known: it is sent anew.
    world.reset(&wire);
    let wire = world.wire(1);
    let asked = wire.requests().remove(0);
    assert_eq!(asked.codes, [op::NOTIFY]);
    let cookie = u64::from_le_bytes(asked.union[..8].try_into().unwrap());
    world.say(&wire, reply(&asked, 0, &[(0, &[7, 0, 0, 0, 0, 0, 0, 0])], None));
    let mut e = Encoder::new();
    e.u32(1).u64(11).u64(12).string("ack").u32(1).u64(21).u64(22);
    let replies = e.finish();
    // Of another notification.
    world.say(&wire, event(watch_event::NOTIFY_COMPLETE, cookie, 6, "", 0, Bytes::new()));
    world.say(&wire, event(watch_event::NOTIFY_COMPLETE, cookie, 7, "", -110, replies));
    let heard = heard.await.unwrap().unwrap();
    assert_eq!(heard.acks, [(11, 12, Bytes::from_static(b"ack"))]);
    assert_eq!(heard.timeouts, [(21, 22)]);
}

#[tokio::test]
async fn a_notification_of_an_object_that_is_not_there_fails() {
    let world = World::plain().await;
    let oid = &world.objects(1, epoch::BASE, 1)[0];
    let heard = world.client.notify(name(oid), Bytes::new(), 0);
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], -2);
    let error = heard.await.unwrap().unwrap_err();
    assert!(matches!(error, OsdError::Failed { errno: Errno::ENOENT, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_not_waited_for_longer_than_a_request() {
    let options = OsdOptions { op_timeout: crate::osd::OpTimeout::seconds(3), ..OsdOptions::default() };
    let world = World::new(options).await;
    let heard = Arc::new(Heard::default());
    let made = world.client.watch(name(&world.objects(1, epoch::BASE, 1)[0]), 0, heard.clone(), 0);
    let begun = tokio::time::Instant::now();
    assert_eq!(made.await.unwrap().unwrap_err(), OsdError::TimedOut { seconds: 3 });
    assert_eq!(begun.elapsed().as_secs(), 3);
    // What is left of it is nobody's.
    let wire = world.wire(1);
    world.answer(&wire, &wire.requests()[0], 0);
    assert!(heard.take().is_empty());
}
