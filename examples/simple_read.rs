//! Reads one object to standard output: `cargo run --example simple_read -- POOL OBJECT`. The cluster is the one of CEPH_CONF.

use std::error::Error;
use std::io::Write;

use logrbd::conf::{Config, Process};
use logrbd::osd::ObjectName;
use logrbd::store::cluster::Connector;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pool, object] = arguments.as_slice() else {
        return Err("usage: simple_read POOL OBJECT".into());
    };
    let conf = Config::of_process("client.admin", &Process)?;
    let cluster = Connector::new(&conf, tokio::runtime::Handle::current())?.connect().await?;
    let osd = cluster.osd();
    let pool = osd.map().pool_by_name(pool).ok_or("no such pool")?;
    let data = osd.read(ObjectName::new(pool, object.clone()), 0, 0).await?;
    std::io::stdout().write_all(&data)?;
    cluster.end().await;
    Ok(())
}
