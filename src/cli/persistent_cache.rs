//! `logrbd persistent-cache`: what only a local log has.

use std::sync::Arc;

use serde_json::json;

use logrbd::disk::DiskError;
use logrbd::disk::ssd::{LocalChanges, LocalMark};
use logrbd::image::{Image, ImageError, OpenOptions, Which};

use crate::args::{Args, CacheInvalidate, CacheStatus, Format, PersistentCache};
use crate::exit;
use crate::place::Place;

pub fn run(args: &Args, command: &PersistentCache) -> Result<u8, String> {
    match command {
        PersistentCache::Status(command) => status(args, command),
        PersistentCache::Flush(command) => flush(args, &command.image),
        PersistentCache::Invalidate(command) => invalidate(args, command),
    }
}

/// Opens an image, does something with it, closes it.
fn with_image<T>(
    args: &Args,
    name: &str,
    options: OpenOptions,
    work: impl AsyncFnOnce(&Arc<Image>) -> Result<T, String>,
) -> Result<T, String> {
    let place = Place::connect(args)?;
    let (pool, _, names) = place.images(Some(name), args)?;
    let [name] = &names[..] else { return Err(format!("{name}: no image")) };
    let said = |error: ImageError| format!("{name}: {error}");
    place.session.wait(async {
        let (conf, env) = (place.conf.clone(), place.env.clone());
        let image = Image::open(pool, Which::Name(name), options, conf, env).await.map_err(said)?;
        let outcome = work(&image).await;
        let closed = image.close().await.map_err(said);
        outcome.and_then(|value| closed.map(|()| value))
    })
}

async fn mark_of(image: &Arc<Image>) -> Result<Option<LocalMark>, String> {
    image.local_mark().await.map_err(|error| error.to_string())
}

/// Where the changes are, in words; also where the mark has rotted.
async fn log_of(image: &Arc<Image>) -> Result<Option<String>, String> {
    match image.local_mark().await {
        Ok(mark) => Ok(mark.map(|mark| format!("{} on host {}", mark.path, mark.host))),
        Err(ImageError::Disk(error @ DiskError::Corrupt { .. })) => {
            Ok(Some(format!("a log that cannot be told any more ({error})")))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn status(args: &Args, command: &CacheStatus) -> Result<u8, String> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let mark = with_image(args, &command.image, options, async |image| mark_of(image).await)?;
    match (command.format, mark) {
        (Format::Json, mark) => {
            let log = mark.map(|mark| json!({ "host": mark.host, "path": mark.path }));
            println!("{}", json!({ "image": command.image, "dirty": log.is_some(), "log": log }));
        }
        (Format::Plain, Some(mark)) => {
            println!(
                "{}: the newest changes may be only in {} on host {}",
                command.image, mark.path, mark.host
            );
        }
        (Format::Plain, None) => {
            println!("{}: all changes that were flushed are in the store", command.image)
        }
    }
    Ok(exit::CLEAN)
}

fn flush(args: &Args, name: &str) -> Result<u8, String> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    if with_image(args, name, options, async |image| mark_of(image).await)?.is_none() {
        println!("{name}: nothing to flush");
        return Ok(exit::CLEAN);
    }
    // Who takes the lock has the log drained, by its owner or by itself.
    with_image(args, name, OpenOptions::default(), async |image| {
        image.acquire_lock().await.map_err(|error| error.to_string())
    })?;
    println!("{name}: all that was flushed is in the store");
    Ok(exit::CLEAN)
}

fn invalidate(args: &Args, command: &CacheInvalidate) -> Result<u8, String> {
    let name = &command.image;
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let Some(log) = with_image(args, name, options, async |image| log_of(image).await)? else {
        println!("{name}: nothing to give up");
        return Ok(exit::CLEAN);
    };
    if !command.force {
        return Err(format!(
            "{name}: changes that were acknowledged are only in {log}, and would be lost for good. If that host lives, run \
             `logrbd persistent-cache flush` there; else add --force"
        ));
    }
    let options = OpenOptions { local: LocalChanges::GiveUp, ..OpenOptions::default() };
    with_image(args, name, options, async |_| Ok(()))?;
    println!("{name}: what only {log} had is given up");
    Ok(exit::CLEAN)
}
