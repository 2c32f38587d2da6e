//! Writes one object: `cargo run --example simple_write -- POOL OBJECT TEXT`. The cluster is the one of CEPH_CONF.

use std::error::Error;

use bytes::Bytes;
use logrbd::conf::{Config, Process};
use logrbd::osd::ObjectName;
use logrbd::store::cluster::Connector;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pool, object, text] = arguments.as_slice() else {
        return Err("usage: simple_write POOL OBJECT TEXT".into());
    };
    let conf = Config::of_process("client.admin", &Process)?;
    let cluster = Connector::new(&conf, tokio::runtime::Handle::current())?.connect().await?;
    let osd = cluster.osd();
    let pool = osd.map().pool_by_name(pool).ok_or("no such pool")?;
    osd.write_full(ObjectName::new(pool, object.clone()), Bytes::from(text.clone())).await?;
    println!("wrote {} bytes", text.len());
    cluster.end().await;
    Ok(())
}
