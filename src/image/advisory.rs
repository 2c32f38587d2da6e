//! Advisory locks (`rbd_lock_exclusive`, `rbd_list_lockers`, ...): the same lock on the header, with the user's cookie.

use super::cls_lock::{self, LockInfo, LockType};
use super::directory::header_object;
use super::error::{ImageResult, refuse};
use super::image::Image;
use super::lock::LOCK_NAME;
use crate::errno::Errno;
use crate::store::StoreError;
use crate::wire::types::EntityName;

impl Image {
    /// EBUSY if others have it, EEXIST if this client has it with the same cookie.
    pub async fn advisory_lock(&self, kind: LockType, cookie: &str, tag: &str) -> ImageResult<()> {
        let oid = header_object(&self.id);
        match cls_lock::lock(&self.pool, &oid, LOCK_NAME, kind, cookie, tag).await {
            Err(StoreError::Op(Errno::EBUSY)) if self.readers_yield().await => {}
            done => return Ok(done?),
        }
        Ok(cls_lock::lock(&self.pool, &oid, LOCK_NAME, kind, cookie, tag).await?)
    }

    /// ENOENT if this client does not have it with that cookie.
    pub async fn advisory_unlock(&self, cookie: &str) -> ImageResult<()> {
        Ok(cls_lock::unlock(&self.pool, &header_object(&self.id), LOCK_NAME, cookie).await?)
    }

    /// Breaks the lock of `client` (as lists print it). EINVAL for what is no client, ENOENT if it is not its.
    pub async fn break_advisory_lock(&self, client: &str, cookie: &str) -> ImageResult<()> {
        let Some(name) = EntityName::parse(client) else {
            return refuse(Errno::EINVAL, format!("{client:?} is no client"));
        };
        let info = self.lockers().await?;
        let owner = info.lockers.iter().find(|owner| owner.name == name && owner.cookie == cookie);
        let Some(owner) = owner else {
            return refuse(Errno::ENOENT, format!("{client} has no lock {cookie:?}"));
        };
        let (fence, expire_s) = {
            let settings = self.settings.read();
            (settings.blocklist_on_break_lock, settings.blocklist_expire_s)
        };
        if fence && owner.name.gid() != self.pool.store.instance_id() {
            self.pool.store.blocklist_add(&owner.address, expire_s).await?;
        }
        Ok(cls_lock::break_lock(&self.pool, &header_object(&self.id), LOCK_NAME, owner).await?)
    }

    /// Who has the lock, managed or advisory.
    pub async fn lockers(&self) -> ImageResult<LockInfo> {
        cls_lock::info(&self.pool, &header_object(&self.id), LOCK_NAME).await
    }
}
