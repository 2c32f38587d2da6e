//! Handshakes of librados with a cluster of Ceph 16.2.15, replayed: what we send must be what librados sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::sync::Mutex;
use crate::wire::denc::Decoder;
use crate::wire::types::EntityType;

const MON_CRC: &str = include_str!("fixtures/mon-crc-osd-secure.txt");
const MON_SECURE: &str = include_str!("fixtures/mon-secure-osd-crc.txt");

/// A clock that a test moves, and the numbers that it foresaw.
#[derive(Default)]
struct Script {
    now: Mutex<Duration>,
    random: Mutex<VecDeque<u64>>,
}

impl World for Script {
    fn now(&self) -> Duration {
        *self.now.lock()
    }

    fn random(&self) -> u64 {
        self.random.lock().pop_front().expect("a number that the test did not foresee")
    }
}

/// The AUTH frames of one client and the daemons that it spoke to.
struct Capture(Vec<(String, String, Vec<u8>)>);

impl Capture {
    fn parse(text: &str) -> Capture {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let frames = lines.filter_map(|line| {
            let [who, tag, bytes] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
            Some((who.to_string(), tag.to_string(), unhex(bytes)))
        });
        Capture(frames.collect())
    }

    fn frame(&self, who: &str, tag: &str) -> &[u8] {
        &self.0.iter().find(|(w, t, _)| w == who && t == tag).unwrap().2
    }

    /// Of a frame that is one blob.
    fn payload(&self, who: &str, tag: &str) -> &[u8] {
        Decoder::new(self.frame(who, tag)).blob().unwrap()
    }

    /// Global id, mode, payload.
    fn done(&self, who: &str) -> (u64, ConnectionMode, &[u8]) {
        let mut d = Decoder::new(self.frame(who, "AUTH_DONE"));
        let global_id = d.u64().unwrap();
        let mode = mode_of(d.u32().unwrap());
        (global_id, mode, d.blob().unwrap())
    }

    fn request(&self, who: &str) -> (u32, Vec<ConnectionMode>, Bytes) {
        let mut d = Decoder::new(self.frame(who, "AUTH_REQUEST"));
        let method = d.u32().unwrap();
        let modes = (0..d.u32().unwrap()).map(|_| mode_of(d.u32().unwrap())).collect();
        (method, modes, Bytes::copy_from_slice(d.blob().unwrap()))
    }
}

fn mode_of(number: u32) -> ConnectionMode {
    match number {
        1 => ConnectionMode::Crc,
        2 => ConnectionMode::Secure,
        other => panic!("mode {other}"),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..][..2], 16).unwrap()).collect()
}

fn options(mon_modes: &[ConnectionMode], service_modes: &[ConnectionMode]) -> AuthOptions {
    AuthOptions {
        name: PrincipalName::parse("client.admin").unwrap(),
        key: Ok(CryptoKey::parse("AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvQ==").unwrap()),
        methods: vec![Method::Cephx, Method::None],
        mon_modes: mon_modes.to_vec(),
        service_modes: service_modes.to_vec(),
    }
}

fn mon_secure() -> AuthOptions {
    use ConnectionMode::{Crc, Secure};
    options(&[Secure, Crc], &[Crc, Secure])
}

fn mon_crc() -> AuthOptions {
    options(&[ConnectionMode::Crc], &[ConnectionMode::Secure])
}

fn request(auth: &mut dyn Authenticator) -> (u32, Vec<ConnectionMode>, Bytes) {
    let request = auth.begin().unwrap();
    (request.method, request.modes, request.payload)
}

/// Authenticates to the captured monitor, up to AUTH_DONE.
fn meet_mon(client: &Arc<ClientAuth>, world: &Script, capture: &Capture) -> AuthDone {
    let more = capture.payload("mon", "AUTH_REQUEST_MORE");
    world.random.lock().push_back(u64::from_le_bytes(more[3..11].try_into().unwrap()));
    let mut auth = client.mon_authenticator(0);
    assert_eq!(request(&mut *auth), capture.request("mon"));
    assert_eq!(auth.more(capture.payload("mon", "AUTH_REPLY_MORE")).unwrap(), more);
    let (global_id, mode, payload) = capture.done("mon");
    let done = auth.done(global_id, mode, payload).unwrap();
    client.established(global_id).unwrap();
    assert_eq!(client.global_id(), global_id);
    done
}

/// The nonce of a captured authorizer: only with the session key can it be read.
fn nonce(authorizer: &[u8], session_key: &CryptoKey) -> u64 {
    let sealed = &authorizer[authorizer.len() - 32..];
    u64::from_le_bytes(session_key.open(sealed).unwrap()[1..9].try_into().unwrap())
}

fn begin_service(
    client: &Arc<ClientAuth>,
    world: &Script,
    capture: &Capture,
    who: &str,
    service: EntityType,
) -> Box<dyn Authenticator> {
    let authorizer = capture.request(who).2;
    let session_key = client.ticket(service).unwrap().session_key;
    world.random.lock().push_back(nonce(&authorizer, &session_key));
    client.service_authenticator(service).unwrap()
}

fn replay(text: &str, options: AuthOptions) {
    let (capture, world) = (Capture::parse(text), Arc::new(Script::default()));
    let client = ClientAuth::new(options, world.clone());
    let done = meet_mon(&client, &world, &capture);
    let secret_bytes = |mode| if mode == ConnectionMode::Secure { 64 } else { 0 };
    assert_eq!(done.connection_secret.len(), secret_bytes(capture.done("mon").1));
    assert_eq!(done.session_key.unwrap().len(), 16);

    for (who, service) in [("osd", EntityType::OSD), ("mgr", EntityType::MGR)] {
        let mut auth = begin_service(&client, &world, &capture, who, service);
        assert_eq!(request(&mut *auth), capture.request(who));
        let more = auth.more(capture.payload(who, "AUTH_REPLY_MORE")).unwrap();
        assert_eq!(more, capture.payload(who, "AUTH_REQUEST_MORE"));
        assert!(auth.more(capture.payload(who, "AUTH_REPLY_MORE")).is_err(), "challenged twice");
        let (global_id, mode, payload) = capture.done(who);
        let done = auth.done(global_id, mode, payload).unwrap();
        assert_eq!(done.connection_secret.len(), secret_bytes(mode));
        assert!(done.session_key.is_some());
    }
    // Times are those of the cluster's defaults: 72 h for the ticket of auth, 1 h for the others.
    assert_eq!(client.next_renewal(), Some(Duration::from_secs(2700)));
    assert!(client.renewal_request().is_none());
}

#[test]
fn default_modes() {
    replay(MON_SECURE, mon_secure());
}

#[test]
fn modes_the_other_way_round() {
    replay(MON_CRC, mon_crc());
}

#[test]
fn a_wrong_key_is_noticed_here_too() {
    let capture = Capture::parse(MON_SECURE);
    let world = Arc::new(Script::default());
    world.random.lock().push_back(1);
    let mut options = mon_secure();
    options.key = Ok(CryptoKey::parse("AQAYkglrAAAAABAAFEV83lc6phK9NsDOVgqAvA==").unwrap());
    let client = ClientAuth::new(options, world);
    let mut auth = client.mon_authenticator(0);
    auth.begin().unwrap();
    auth.more(capture.payload("mon", "AUTH_REPLY_MORE")).unwrap();
    let (global_id, mode, payload) = capture.done("mon");
    assert!(matches!(auth.done(global_id, mode, payload), Err(AuthError::Malformed { .. })));
    assert!(client.established(global_id).is_err());
}

#[test]
fn a_daemon_that_cannot_read_the_ticket_is_unproven() {
    let (capture, world) = (Capture::parse(MON_CRC), Arc::new(Script::default()));
    let client = ClientAuth::new(mon_crc(), world.clone());
    meet_mon(&client, &world, &capture);
    let (global_id, mode, payload) = capture.done("osd");

    let mut auth = begin_service(&client, &world, &capture, "osd", EntityType::OSD);
    let mut bent = payload.to_vec();
    bent[10] ^= 1;
    assert!(matches!(auth.done(global_id, mode, &bent), Err(AuthError::Malformed { .. })));

    // The reply to another nonce.
    world.random.lock().push_back(5);
    let mut auth = client.service_authenticator(EntityType::OSD).unwrap();
    assert!(matches!(auth.done(global_id, mode, payload), Err(AuthError::Malformed { .. })));

    // Secure mode without a secret.
    let crc_capture = Capture::parse(MON_SECURE);
    let world = Arc::new(Script::default());
    let client = ClientAuth::new(mon_secure(), world.clone());
    meet_mon(&client, &world, &crc_capture);
    let mut auth = begin_service(&client, &world, &crc_capture, "osd", EntityType::OSD);
    let (global_id, _, payload) = crc_capture.done("osd");
    assert!(matches!(
        auth.done(global_id, ConnectionMode::Secure, payload),
        Err(AuthError::Malformed { .. })
    ));
}

#[test]
fn tickets_expire_are_refused_and_are_asked_for_again() {
    let (capture, world) = (Capture::parse(MON_CRC), Arc::new(Script::default()));
    let client = ClientAuth::new(mon_crc(), world.clone());
    assert!(matches!(
        client.service_authenticator(EntityType::OSD),
        Err(AuthError::NoTicket { service: "osd" })
    ));
    assert_eq!(client.next_renewal(), None);
    meet_mon(&client, &world, &capture);

    *world.now.lock() = Duration::from_secs(2700);
    assert_eq!(client.next_renewal(), Some(Duration::ZERO));
    world.random.lock().push_back(77);
    let (method, payload) = client.renewal_request().unwrap();
    assert_eq!((method, &payload[..2]), (2, &[0, 2][..]));
    assert_eq!(payload[payload.len() - 4..], [0x15, 0, 0, 0]);
    assert!(client.renewal_request().is_none(), "asked already");
    assert_eq!(client.next_renewal(), Some(Duration::from_secs(10)));
    assert_eq!(
        client.handle_auth_reply(-13, &[]),
        Err(AuthError::Refused {
            errno: crate::errno::Errno::EACCES,
            detail: "the monitor gives no new tickets".into()
        })
    );

    world.random.lock().extend([78, 79]);
    assert!(client.service_authenticator(EntityType::OSD).is_ok(), "not yet expired");
    let mut auth = client.service_authenticator(EntityType::OSD).unwrap();
    assert!(matches!(auth.bad_method(2, -13, &[2], &[1, 2]), Err(AuthError::Refused { .. })));
    assert!(matches!(client.service_authenticator(EntityType::OSD), Err(AuthError::NoTicket { .. })));
    *world.now.lock() = Duration::from_secs(3600);
    assert!(matches!(client.service_authenticator(EntityType::MGR), Err(AuthError::NoTicket { .. })));

    // After three quarters of 72 h the ticket of auth is renewed too, by the way of the first time.
    *world.now.lock() = Duration::from_secs(194_400);
    world.random.lock().push_back(80);
    let (_, payload) = client.renewal_request().unwrap();
    assert_eq!(payload[..3], [0, 1, 3]);
    assert_eq!(payload[payload.len() - 4..], [0x35, 0, 0, 0]);
    assert!(client.handle_auth_reply(0, &[]).is_err());
}

#[test]
fn a_reconnect_shows_the_ticket_of_the_global_id() {
    let (capture, world) = (Capture::parse(MON_CRC), Arc::new(Script::default()));
    let client = ClientAuth::new(mon_crc(), world.clone());
    meet_mon(&client, &world, &capture);
    let old = client.ticket(EntityType::AUTH).unwrap().blob;
    world.random.lock().push_back(9);
    let mut auth = client.mon_authenticator(client.global_id());
    let payload = auth.begin().unwrap().payload;
    assert_eq!(payload[payload.len() - 8..], client.global_id().to_le_bytes());
    let more = auth.more(capture.payload("mon", "AUTH_REPLY_MORE")).unwrap();
    assert!(more.windows(old.blob.len()).any(|window| window == old.blob));
    let (global_id, mode, payload) = capture.done("mon");
    assert!(auth.done(global_id + 1, mode, payload).is_err(), "not our global id");
}

#[test]
fn without_authentication() {
    let world = Arc::new(Script::default());
    let mut options = mon_secure();
    options.methods = vec![Method::None];
    let client = ClientAuth::new(options, world);
    let mut auth = client.mon_authenticator(0);
    let (method, modes, _) = request(&mut *auth);
    assert_eq!((method, &modes[..]), (1, &[ConnectionMode::Crc][..]));
    assert!(auth.more(&[]).is_err());
    assert!(auth.done(77, ConnectionMode::Crc, &[]).unwrap().session_key.is_none());
    client.established(77).unwrap();
    let mut auth = client.service_authenticator(EntityType::OSD).unwrap();
    let (method, _, payload) = request(&mut *auth);
    assert_eq!(method, 1);
    assert_eq!(
        payload,
        unhex("010800000005000000")
            .into_iter()
            .chain(*b"admin")
            .chain(77u64.to_le_bytes())
            .collect::<Bytes>()
    );
    assert!(auth.done(0, ConnectionMode::Crc, &[]).unwrap().session_key.is_none());
    assert_eq!((client.renewal_request(), client.next_renewal()), (None, None));
}

#[test]
fn methods_are_tried_in_order() {
    let client = ClientAuth::new(mon_secure(), Arc::new(Script::default()));
    let mut auth = client.mon_authenticator(0);
    assert_eq!(auth.begin().unwrap().method, 2);
    assert_eq!(auth.bad_method(2, -95, &[1], &[1, 2]).unwrap().method, 1);
    assert!(matches!(auth.bad_method(1, -95, &[2], &[1, 2]), Err(AuthError::NoCommonMethod { .. })));

    let mut auth = client.mon_authenticator(0);
    auth.begin().unwrap();
    let refused = auth.bad_method(2, -13, &[2], &[1, 2]);
    assert!(matches!(refused, Err(AuthError::Refused { errno: crate::errno::Errno::EACCES, .. })));
}

#[test]
fn nothing_that_is_printed_has_a_secret() {
    let (capture, world) = (Capture::parse(MON_SECURE), Arc::new(Script::default()));
    let client = ClientAuth::new(mon_secure(), world.clone());
    meet_mon(&client, &world, &capture);
    let ticket = client.ticket(EntityType::OSD).unwrap();
    assert_eq!(format!("{:?}", ticket.session_key), "CryptoKey(...)");
    let all = format!("{client:?} {:?} {:?}", ticket, mon_secure());
    assert!(!all.contains("AQAY") && !all.contains("20, 69, 124"), "{all}");
}
