//! Names of images: `lsvd_directory` (name <-> id) and `lsvd_id.<name>` (what an open reads).
//!
//! `lsvd_id.<name>` is what makes a name exist: it is created exclusively, and an image whose id object is gone is
//! gone. The directory is the index for lists and for ids; whoever meets an entry that a crash left behind puts it
//! right. Kinds of entries of the directory:
//!
//! | key | value |
//! |---|---|
//! | `name_<name>` | id |
//! | `id_<id>` | name |
//! | `removing_<id>` | name: a removal has begun, whoever comes along may finish it |
//! | `creating_<id>` | begun at (unix seconds, decimal), a space, name: objects of an image that does not exist yet |

use bytes::Bytes;

use super::error::{ImageResult, refuse};
use super::pool::{Pool, expect, set, unset};
use crate::env::Env;
use crate::errno::Errno;
use crate::store::{CmpMode, CmpValue, Op, StoreError};

pub const DIRECTORY: &str = "lsvd_directory";
const ID_PREFIX: &str = "lsvd_id.";
/// For names that would be too long with the other one. No longer than Ceph's own (`rbd_id.`), so that the longest name is
/// the same.
const ID_PREFIX_LONG: &str = "lsvd_i.";
/// The longest name with `ID_PREFIX`: an object's name has at most 2048 bytes (Ceph's `osd_max_object_name_len`).
const NAME_MAX: usize = 2048 - ID_PREFIX.len();
const HEADER_PREFIX: &str = "lsvd_header.";
/// Ceph's own directory, only looked at.
const NATIVE_DIRECTORY: &str = "rbd_directory";
/// Room for an id in an id object.
const ID_MAX_BYTES: u64 = 64;
/// Repeats the id object's content, so that a guard can tell which id it holds.
const ID_XATTR: &str = "lsvd.id";

pub fn id_object(name: &str) -> String {
    let prefix = if name.len() <= NAME_MAX { ID_PREFIX } else { ID_PREFIX_LONG };
    format!("{prefix}{name}")
}

pub fn header_object(id: &str) -> String {
    format!("{HEADER_PREFIX}{id}")
}

fn name_key(name: &str) -> String {
    format!("name_{name}")
}

fn id_key(id: &str) -> String {
    format!("id_{id}")
}

fn creating_key(id: &str) -> String {
    format!("creating_{id}")
}

fn removing_key(id: &str) -> String {
    format!("removing_{id}")
}

fn text(bytes: &[u8], what: &str) -> ImageResult<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => refuse(Errno::EIO, format!("{what} is not text")),
    }
}

/// A new id: 13 hexadecimal digits, so that `lsvd_data.<id>` fits `rbd_image_info_t::block_name_prefix`.
pub fn new_id(env: &dyn Env) -> String {
    format!("{:013x}", env.random_u64() >> 12)
}

/// 16 random bytes, for the disk.
pub fn new_uuid(env: &dyn Env) -> [u8; 16] {
    let mut uuid = [0; 16];
    uuid[..8].copy_from_slice(&env.random_u64().to_le_bytes());
    uuid[8..].copy_from_slice(&env.random_u64().to_le_bytes());
    uuid
}

/// The id of a name, from its id object.
pub async fn lookup(pool: &Pool, name: &str) -> ImageResult<Option<String>> {
    let oid = id_object(name);
    match pool.read_small(&oid, ID_MAX_BYTES).await? {
        Some(id) if !id.is_empty() => Ok(Some(text(&id, &oid)?)),
        _ => Ok(None),
    }
}

/// The id that a name stands for now. A rename that was cut short leaves two names with one id: the directory knows
/// which one is meant, as long as the other is claimed too.
pub async fn resolve(pool: &Pool, name: &str) -> ImageResult<Option<String>> {
    let Some(id) = lookup(pool, name).await? else { return Ok(None) };
    match name_of(pool, &id).await? {
        Some(other) if other != name && lookup(pool, &other).await?.as_deref() == Some(&id) => Ok(None),
        _ => Ok(Some(id)),
    }
}

/// The name of an id.
pub async fn name_of(pool: &Pool, id: &str) -> ImageResult<Option<String>> {
    match pool.omap_get_one(DIRECTORY, &id_key(id)).await? {
        Some(name) => Ok(Some(text(&name, DIRECTORY)?)),
        None => Ok(None),
    }
}

/// All images as (name, id), by name.
pub async fn list(pool: &Pool) -> ImageResult<Vec<(String, String)>> {
    let entries = pool.omap_list(DIRECTORY, "name_", "", usize::MAX).await?;
    entries
        .iter()
        .map(|(key, id)| Ok((text(&key["name_".len()..], DIRECTORY)?, text(id, DIRECTORY)?)))
        .collect()
}

/// Whether Ceph itself has an image of this name in the pool, in its newer or its older format.
pub async fn is_native(pool: &Pool, name: &str) -> ImageResult<bool> {
    Ok(pool.omap_get_one(NATIVE_DIRECTORY, &name_key(name)).await?.is_some()
        || pool.exists(&format!("rbd_id.{name}")).await?
        || pool.exists(&format!("{name}.rbd")).await?)
}

/// Takes a name. EEXIST if it is taken.
pub async fn claim(pool: &Pool, name: &str, id: &str) -> ImageResult<()> {
    let id = Bytes::copy_from_slice(id.as_bytes());
    let ops = vec![
        Op::Create { exclusive: true },
        Op::WriteFull { data: id.clone() },
        Op::SetXattr { name: ID_XATTR.into(), value: id },
    ];
    pool.run(&id_object(name), ops).await?;
    Ok(())
}

/// Gives a name back if it still belongs to `id`.
pub async fn unclaim(pool: &Pool, name: &str, id: &str) -> ImageResult<()> {
    let guard = Op::CmpXattr {
        name: ID_XATTR.into(),
        mode: CmpMode::Eq,
        value: CmpValue::Bytes(Bytes::copy_from_slice(id.as_bytes())),
    };
    match pool.run(&id_object(name), vec![guard, Op::Remove]).await {
        Ok(_) | Err(StoreError::Op(Errno::ENOENT | Errno::ECANCELED)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lists an image. Whatever the name meant before is stale: its id object says that it is `id`'s.
pub async fn enlist(pool: &Pool, name: &str, id: &str) -> ImageResult<()> {
    let (name_bytes, id_bytes) = (name.to_owned().into_bytes(), id.to_owned().into_bytes());
    let ops = vec![
        set(&name_key(name), id_bytes),
        set(&id_key(id), name_bytes),
        unset(&[&removing_key(id), &creating_key(id)]),
    ];
    pool.run_creating(DIRECTORY, ops).await?;
    Ok(())
}

/// Notes that objects of a new image are about to be made.
pub async fn begin_creation(pool: &Pool, name: &str, id: &str, now_s: u64) -> ImageResult<()> {
    pool.run_creating(DIRECTORY, vec![set(&creating_key(id), format!("{now_s} {name}"))]).await?;
    Ok(())
}

/// The note is not needed any more: the objects are gone.
pub async fn end_creation(pool: &Pool, id: &str) -> ImageResult<()> {
    pool.run(DIRECTORY, vec![unset(&[&creating_key(id)])]).await?;
    Ok(())
}

/// Creations that have begun and not ended, as (id, name, seconds since 1970).
pub async fn creations(pool: &Pool) -> ImageResult<Vec<(String, String, u64)>> {
    let entries = pool.omap_list(DIRECTORY, "creating_", "", usize::MAX).await?;
    let mut found = Vec::new();
    for (key, note) in &entries {
        let note = text(note, DIRECTORY)?;
        if let Some((begun, name)) = note.split_once(' ')
            && let Ok(begun) = begun.parse()
        {
            found.push((text(&key["creating_".len()..], DIRECTORY)?, name.to_owned(), begun));
        }
    }
    Ok(found)
}

/// Replaces a name in one step. ENOENT if `from` is not `id`'s any more.
pub async fn relist(pool: &Pool, from: &str, to: &str, id: &str) -> ImageResult<()> {
    let ops = vec![
        expect(&name_key(from), id.to_owned().into_bytes()),
        unset(&[&name_key(from)]),
        set(&name_key(to), id.to_owned().into_bytes()),
        set(&id_key(id), to.to_owned().into_bytes()),
    ];
    match pool.run(DIRECTORY, ops).await {
        Ok(_) => Ok(()),
        Err(StoreError::Op(Errno::ECANCELED)) => refuse(Errno::ENOENT, format!("{from} is not listed")),
        Err(error) => Err(error.into()),
    }
}

/// Takes an image off the list and notes that its removal has begun.
pub async fn begin_removal(pool: &Pool, name: &str, id: &str) -> ImageResult<()> {
    let listed = pool.omap_get_one(DIRECTORY, &name_key(name)).await?;
    let mut ops = vec![unset(&[&id_key(id)]), set(&removing_key(id), name.to_owned().into_bytes())];
    if listed.is_some_and(|listed| listed == id.as_bytes()) {
        ops.insert(0, unset(&[&name_key(name)]));
        ops.insert(0, expect(&name_key(name), id.to_owned().into_bytes()));
    }
    pool.run_creating(DIRECTORY, ops).await?;
    Ok(())
}

pub async fn end_removal(pool: &Pool, id: &str) -> ImageResult<()> {
    match pool.run(DIRECTORY, vec![unset(&[&removing_key(id)])]).await {
        Ok(_) | Err(StoreError::Op(Errno::ENOENT)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removals that have begun, as (id, name).
pub async fn removals(pool: &Pool) -> ImageResult<Vec<(String, String)>> {
    let entries = pool.omap_list(DIRECTORY, "removing_", "", usize::MAX).await?;
    entries
        .iter()
        .map(|(key, name)| Ok((text(&key["removing_".len()..], DIRECTORY)?, text(name, DIRECTORY)?)))
        .collect()
}
