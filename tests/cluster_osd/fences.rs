//! A client that others have fenced.

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::osd::OsdError;

use crate::cluster::Cluster;
use crate::world::{Client, Ears, Heard, run};

#[test]
fn a_fenced_client_can_do_nothing_until_it_is_not_any_more() {
    let cluster = Cluster::start(&["--osds", "1", "--pool", "t:8"]);
    run(async {
        let client = Client::new(&cluster, "t").await;
        let object = client.object("x");
        client.osd().write_full(object.clone(), Bytes::from_static(b"mine")).await.unwrap();
        let (ears, mut hears) = Ears::new(&client, "x", true);
        client.osd().watch(object.clone(), 30, ears).await.unwrap();
        let addr = client.store.mon().own_addrs().0[0].to_string();
        let addr = addr.trim_start_matches("v2:").to_owned();
        cluster.ceph(&["osd", "blocklist", "add", &addr]);
        // By the map, or by an OSD that has it.
        let refused = client.osd().write_full(object.clone(), Bytes::from_static(b"more")).await;
        assert_eq!(refused.unwrap_err(), OsdError::Blocklisted);
        assert_eq!(hears.recv().await.unwrap(), Heard::Lost(Errno::ESHUTDOWN));
        let other = Client::new(&cluster, "t").await;
        assert_eq!(other.osd().read(object.clone(), 0, 0).await.unwrap(), &b"mine"[..]);

        cluster.ceph(&["osd", "blocklist", "rm", &addr]);
        let _ = client.osd().wait_for_latest_map().await;
        client.osd().write_full(object.clone(), Bytes::from_static(b"again")).await.unwrap();
        assert_eq!(other.osd().read(object, 0, 0).await.unwrap(), &b"again"[..]);
    });
}
