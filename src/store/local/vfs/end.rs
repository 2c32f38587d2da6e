//! Where the log ends, and whether it was a crash that cut it off there.
//!
//! When SQLite recovers a log, it takes the first frame that does not match for the torn end of a transaction that was not
//! acknowledged. If a bit flipped there, or the file was cut off, acknowledged commits would be gone and nobody would say so. So before
//! that, if no client lives, we look:
//!
//! - A frame that follows a commit's last one and goes on from its checksum was written after that commit was synced. So all before it was
//!   sound once; if it is not now, it is damaged.
//! - `store.db-end` remembers the last commit that was synced. It is written after the log was synced, and not synced itself, so it
//!   may be older than the log but never newer. It is emptied, and that is synced, before the log is emptied or removed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::PAGE;
use super::wal::{self, FRAME_HEADER, HEADER};
use crate::store::{StoreError, StoreResult};

/// A commit: the last frame of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    salts: [u8; 8],
    frame: u64,
    sum: [u8; 8],
}

const MAGIC: &[u8; 4] = b"LREN";
const BYTES: usize = 32;

/// The file that remembers the end of a log.
fn path_of(log: &Path) -> PathBuf {
    log.with_extension("db-end")
}

impl End {
    /// The end that a frame's header makes, if that is a commit's last.
    pub fn of_frame(frame: u64, header: &[u8]) -> Option<End> {
        let header: &[u8; FRAME_HEADER] = header.try_into().ok()?;
        wal::is_commit(header).then(|| End { salts: wal::salts(header), frame, sum: wal::stored_sum(header) })
    }

    pub fn encode(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        out[..4].copy_from_slice(MAGIC);
        out[4..12].copy_from_slice(&self.salts);
        out[12..20].copy_from_slice(&self.frame.to_le_bytes());
        out[20..28].copy_from_slice(&self.sum);
        let crc = crate::crc::crc32c(&out[..28]);
        out[28..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<End> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let sound = bytes[..4] == *MAGIC && bytes[28..] == crate::crc::crc32c(&bytes[..28]).to_le_bytes();
        let array = |at: usize| std::array::from_fn::<u8, 8, _>(|index| bytes[at + index]);
        sound.then(|| End { salts: array(4), frame: u64::from_le_bytes(array(12)), sum: array(20) })
    }

    /// `None`: empty, not there, or damaged. It only ever adds to what the log itself shows.
    fn read(log: &Path) -> Option<End> {
        std::fs::read(path_of(log)).ok().and_then(|bytes| End::decode(&bytes))
    }

    /// The file for it, to be overwritten with each commit.
    pub fn create(log: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path_of(log))
    }

    /// Durably, as the log is about to go.
    pub fn forget(log: &Path) -> io::Result<()> {
        let file = match OpenOptions::new().write(true).open(path_of(log)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() > 0 {
            file.set_len(0)?;
            file.sync_all()?;
        }
        Ok(())
    }
}

/// Looks whether commits of the log are damaged, and would be taken for torn. Only while no client lives. `Corrupt`: so it is.
pub(in crate::store::local) fn check_log(db: &Path) -> StoreResult<()> {
    let log = db.with_extension("db-wal");
    let look = || {
        find_damage(&log)
            .map_err(|error| StoreError::Io { object: log.display().to_string(), detail: error.to_string() })
    };
    // A client that has just ended may still be at work on the log; what is seen twice is so.
    match (look()?, look()?) {
        (Some(first), Some(second)) if first == second => {
            Err(StoreError::Corrupt { object: log.display().to_string(), detail: second.into() })
        }
        _ => Ok(()),
    }
}

/// What is wrong, in words.
fn find_damage(log: &Path) -> io::Result<Option<String>> {
    let end = End::read(log);
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(end.map(|_| "it is gone, and had commits".into()));
        }
        Err(error) => return Err(error),
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut head = [0; HEADER as usize];
    let head = if read_whole(&mut file, &mut head)? { wal::head(&head) } else { None };
    // What went before, and whether it was the last of a commit.
    let mut before = head.map(|(_, sum)| (sum, false));
    // Frames up to here are sound.
    let (mut sound, mut whole) = (0, head.is_some());
    let mut end_found = false;
    let (mut header, mut page) = ([0; FRAME_HEADER], vec![0; PAGE]);
    let mut frame = 0;
    while read_whole(&mut file, &mut header)? && read_whole(&mut file, &mut page)? {
        let current = head.is_none_or(|(salts, _)| wal::salts(&header) == salts);
        let follows = before.filter(|(sum, _)| current && wal::is_sound(*sum, &header, &page));
        whole = whole && follows.is_some();
        if whole {
            sound = frame + 1;
            end_found |= end.is_some_and(|end| (end.frame, end.sum) == (frame, wal::stored_sum(&header)));
        } else if follows.is_some_and(|(_, is_commit)| is_commit) {
            return Ok(Some(damaged(sound, "later commits follow it")));
        }
        before = current.then(|| (wal::stored_sum(&header), wal::is_commit(&header)));
        frame += 1;
    }
    let lost = end.is_some_and(|end| head.is_none_or(|(salts, _)| salts == end.salts) && !end_found);
    Ok(lost.then(|| damaged(sound, "store.db-end knows a later commit")))
}

fn damaged(frame: u64, why: &str) -> String {
    format!("frame {frame}, at {}, is damaged or missing: {why}", wal::header_at(frame))
}

/// False at the end of the file.
fn read_whole(file: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
