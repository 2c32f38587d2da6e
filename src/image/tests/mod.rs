//! Images on the model store.

mod names;
mod openers;
mod readahead;
mod rules;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pool::set;
use super::*;
use crate::disk::DiffRun;
use crate::env::{Env, TokioEnv};
use crate::errno::Errno;
use crate::image::directory::{self, DIRECTORY, header_object, id_object};
use crate::store::Store;
use crate::store::model::{ModelCluster, ModelStore};

const MIB: u64 = 1 << 20;

async fn pool_of(client: Arc<dyn Store>) -> Pool {
    let id = client.pool_lookup("rbd").await.unwrap();
    Pool::new(client, id, "")
}

fn env() -> Arc<dyn Env> {
    TokioEnv::current()
}

async fn make(pool: &Pool, name: &str, size: u64) -> ImageResult<String> {
    let params = CreateParams::from_options(pool, &no_conf(), &ImageOptions::default()).await?;
    create(pool, name, size, &params, env().as_ref()).await
}

async fn open_with(pool: &Pool, name: &str, options: OpenOptions) -> ImageResult<Arc<Image>> {
    Image::open(pool.clone(), Which::Name(name), options, no_conf(), env()).await
}

async fn open(pool: &Pool, name: &str) -> Arc<Image> {
    open_with(pool, name, OpenOptions::default()).await.unwrap()
}

async fn read(image: &Arc<Image>, offset: u64, length: u64) -> Vec<u8> {
    let mut data = vec![0xee; length as usize];
    let read = image.read(offset, length, &mut data).await.unwrap();
    data.truncate(read as usize);
    data
}

async fn drop_image(pool: &Pool, name: &str) -> ImageResult<()> {
    remove(pool, name, &no_conf(), env(), no_progress()).await
}

fn errno<T>(result: ImageResult<T>) -> Errno {
    result.err().map(|error| error.errno()).expect("an error")
}

async fn names(pool: &Pool) -> Vec<String> {
    list(pool).await.unwrap().into_iter().map(|(name, _)| name).collect()
}

/// All objects of the pool but the directory.
async fn objects(pool: &Pool) -> Vec<String> {
    let cursor = crate::store::ListCursor::begin();
    let (found, _) = pool.store.list(pool.id, None, cursor, 10_000).await.unwrap();
    let mut names: Vec<String> =
        found.iter().map(|entry| entry.oid.to_string()).filter(|name| name != DIRECTORY).collect();
    names.sort();
    names
}
