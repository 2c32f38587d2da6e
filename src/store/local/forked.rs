//! Which stores this process has open, so that a process that is forked meanwhile does not open them again.
//!
//! SQLite notes within the process which locks its connections hold, and takes a lock from the kernel only for the
//! first of them. A forked child inherits the notes and not the locks: a connection that it made to the same file
//! would read and write without any. So the child is refused; a process that forks before it connects, after it has
//! shut down, or that starts another program, is not concerned.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::io_error;
use super::folder::refused;
use crate::store::StoreResult;
use crate::sync::Mutex;

/// Device and inode of a store's folder.
type Place = (u64, u64);

struct Open {
    pid: u32,
    clients: usize,
}

static OPEN: Mutex<Option<HashMap<Place, Open>>> = Mutex::new(None);

/// Held for as long as a client has connections to the store.
pub(super) struct Opened(Place);

impl Opened {
    /// `Refused` in a process that was forked off one that has the store open.
    pub fn enter(folder: &Path) -> StoreResult<Opened> {
        let found = std::fs::metadata(folder).map_err(|error| io_error(folder, "look at", &error))?;
        let place = (found.dev(), found.ino());
        let pid = std::process::id();
        let mut all = OPEN.lock();
        let open = all.get_or_insert_default().entry(place).or_insert(Open { pid, clients: 0 });
        if open.pid != pid {
            return Err(refused(
                folder,
                "open in the process that this one was forked off; connect there after the fork, or start another program here",
            ));
        }
        open.clients += 1;
        Ok(Opened(place))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut all = OPEN.lock();
        let Some(open) = all.as_mut().and_then(|all| all.get_mut(&self.0)) else { return };
        // Of a parent's clients the child has only the memory.
        if open.pid != std::process::id() {
            return;
        }
        open.clients -= 1;
        if open.clients == 0
            && let Some(all) = all.as_mut()
        {
            all.remove(&self.0);
        }
    }
}
