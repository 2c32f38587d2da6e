//! An object from its creation to its end, and what the monitors say meanwhile: `cargo run --example object_lifecycle -- POOL`.
//! The cluster is the one of CEPH_CONF.

use std::error::Error;

use bytes::Bytes;
use logrbd::conf::{Config, Process};
use logrbd::mon::MonTarget;
use logrbd::osd::{Compare, ObjectName, OpRequest, OsdError, OsdOp};
use logrbd::store::cluster::Connector;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pool] = arguments.as_slice() else { return Err("usage: object_lifecycle POOL".into()) };
    let conf = Config::of_process("client.admin", &Process)?;
    let cluster = Connector::new(&conf, tokio::runtime::Handle::current())?.connect().await?;
    let (mon, osd) = (cluster.mon(), cluster.osd());

    let (newest, oldest) = mon.get_version("osdmap").await?;
    osd.wait_for_latest_map().await?;
    println!("OSD maps {oldest} to {newest}, here is {}", osd.map().epoch());
    let command = r#"{"prefix": "health", "format": "json"}"#.to_owned();
    let reply = mon.command(MonTarget::Any, vec![command], Bytes::new()).await?;
    println!("health: {}", String::from_utf8_lossy(&reply.output));

    let pool = osd.map().pool_by_name(pool).ok_or("no such pool")?;
    let object = ObjectName::new(pool, "object_lifecycle");
    let made = vec![
        OsdOp::create(true),
        OsdOp::write(0, Bytes::from_static(b"first")),
        OsdOp::setxattr(b"owner", Bytes::from_static(b"me")),
    ];
    osd.run(OpRequest::writing(object.clone(), made)).await?;
    println!("made: {} bytes", osd.stat(object.clone()).await?.size);

    osd.write(object.clone(), 5, Bytes::from_static(b" and more")).await?;
    println!("read: {:?}", osd.read(object.clone(), 0, 0).await?);

    // A list is all or nothing: the guard fails, so nothing is written.
    let guarded = vec![
        OsdOp::cmpxattr(b"owner", Compare::Eq, Bytes::from_static(b"you")),
        OsdOp::write_full(Bytes::from_static(b"stolen")),
    ];
    let refused = osd.run(OpRequest::writing(object.clone(), guarded)).await;
    println!(
        "guarded write: {}",
        refused.map(|_| "done".to_owned()).unwrap_or_else(|error| error.to_string())
    );

    osd.delete(object.clone()).await?;
    match osd.stat(object).await {
        Err(OsdError::Failed { errno, .. }) => println!("after its end: {errno}"),
        other => return Err(format!("it is still there: {other:?}").into()),
    }
    cluster.end().await;
    Ok(())
}
