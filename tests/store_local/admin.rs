//! Pools, applications and commands: the same on the model and on the local store, as on Ceph.

use std::sync::Arc;

use bytes::Bytes;
use logrbd::errno::Errno;
use logrbd::store::model::ModelCluster;
use logrbd::store::{CommandTarget, Op, PoolId, Request, Store, StoreError, StoreResult, Target};

use crate::model::open;

fn errno<T: std::fmt::Debug>(result: StoreResult<T>) -> Errno {
    Errno::from(&result.unwrap_err())
}

async fn pools(store: Arc<dyn Store>) {
    assert_eq!(errno(store.pool_lookup("none").await), Errno::ENOENT);
    assert_eq!(errno(store.pool_name(PoolId(99)).await), Errno::ENOENT);
    assert_eq!(errno(store.pool_create("", None).await), Errno::EINVAL);
    assert_eq!(errno(store.pool_create("rbd", None).await), Errno::EEXIST);
    assert_eq!(errno(store.pool_create("p", Some(200)).await), Errno::ENOENT);
    let pool = store.pool_create("p", Some(0)).await.unwrap();
    assert_eq!(store.pool_name(pool).await.unwrap(), "p");
    store.application_enable(pool, "a", false).await.unwrap();
    store.application_enable(pool, "a", false).await.unwrap();
    assert_eq!(errno(store.application_enable(pool, "b", false).await), Errno::EPERM);
    store.application_enable(pool, "b", true).await.unwrap();
    assert_eq!(store.application_list(pool).await.unwrap(), vec!["a".to_owned(), "b".to_owned()]);
    store.application_metadata_set(pool, "a", "k", Some("v")).await.unwrap();
    assert_eq!(errno(store.application_metadata_set(pool, "c", "k", Some("v")).await), Errno::ENOENT);
    assert_eq!(store.application_metadata(pool, "a").await.unwrap(), vec![("k".to_owned(), "v".to_owned())]);
    store.application_metadata_set(pool, "a", "k", None).await.unwrap();
    store.application_metadata_set(pool, "a", "k", None).await.unwrap();
    let object = |pool| Target::new(pool, "", "o");
    let data = Bytes::from(vec![1; 2 << 20]);
    let write = Request::new(object(pool), vec![Op::WriteFull { data }]);
    store.operate(write.clone()).await.unwrap().ok().unwrap();
    let stat = store.pool_stat(pool).await.unwrap();
    assert_eq!((stat.bytes, stat.objects), (2 << 20, 1));
    store.pool_delete("p").await.unwrap();
    assert_eq!(errno(store.pool_delete("p").await), Errno::ENOENT);
    assert_eq!(store.operate(write).await, Err(StoreError::NoPool));
    assert_eq!(errno(store.pool_stat(pool).await), Errno::ENOENT);
    // Numbers are not used again.
    assert!(store.pool_create("p", None).await.unwrap() > pool);
}

#[tokio::test]
async fn pools_on_the_model() {
    pools(ModelCluster::new().client()).await;
}

#[tokio::test]
async fn pools_on_the_local_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    pools(store.clone()).await;
    store.shutdown().await;
}

#[tokio::test]
async fn commands_answer_as_a_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"));
    let fsid = store.fsid();
    for (command, result, output, status) in [
        (r#"{"prefix":"fsid"}"#, 0, format!("{fsid}\n"), ""),
        (r#"{"prefix":"osd pool ls","format":"json"}"#, 0, r#"["rbd"]"#.to_owned(), ""),
        (r#"{"prefix":"osd pool create","pool":"p"}"#, 0, String::new(), "pool 'p' created"),
        (r#"{"prefix":"osd pool create","pool":"p"}"#, 0, String::new(), "pool 'p' already exists"),
        (r#"{"prefix":"osd lspools"}"#, 0, "1 rbd\n2 p\n".to_owned(), ""),
        (
            r#"{"prefix":"osd pool delete","pool":"p","pool2":"p","yes_i_really_really_mean_it":true}"#,
            0,
            String::new(),
            "pool 'p' removed",
        ),
        (
            r#"{"prefix":"osd blocklist","blocklistop":"rm","addr":"127.0.0.1:0/9"}"#,
            0,
            String::new(),
            "127.0.0.1:0/9 isn't blocklisted",
        ),
        (r#"{"prefix":"osd blocklist ls"}"#, 0, String::new(), "listed 0 entries"),
        (r#"{"prefix":"nonsense"}"#, -22, String::new(), "command not known"),
        (r#"{"foo":1}"#, -22, String::new(), "command prefix not found"),
        ("no json", -22, String::new(), "unparseable JSON no json"),
    ] {
        let reply = store.command(CommandTarget::Mon, vec![command.to_owned()], Bytes::new()).await.unwrap();
        let got = (reply.result, String::from_utf8(reply.output.to_vec()).unwrap(), reply.status);
        assert_eq!(got, (result, output, status.to_owned()), "{command}");
    }
    let delete = r#"{"prefix":"osd pool delete","pool":"rbd"}"#.to_owned();
    assert_eq!(store.command(CommandTarget::Mon, vec![delete], Bytes::new()).await.unwrap().result, -1);
    store.shutdown().await;
}
