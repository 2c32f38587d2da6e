//! Entry points for fuzzing: every decoder of bytes from outside, one function each (see fuzz/README.md).
//!
//! A target takes any bytes. Whatever its decoder accepts is encoded and decoded again and must be the same then. A
//! checksum keeps chance out of what lies behind it, so targets decode their input twice: as it is, and with its
//! checksums (and lengths that only repeat the input's own) put right. A target says whether anything was accepted.

mod auth;
mod conf;
mod disk;
mod mon;
mod osd;
mod osdmap;
mod proto;
#[cfg(test)]
mod tests;
mod wire;

pub use auth::{cephx, keyring};
pub use conf::{conf_file, conf_value};
pub use disk::{disk_format, disk_page, disk_record, disk_root, disk_segment, disk_slot, disk_snapshot};
pub use mon::{dns_answer, mon_host, mon_map, mon_message};
pub use osd::osd_message;
pub use osdmap::{crush_map, osd_map, osd_map_increment};
pub use proto::{addresses, cls_lock, denc, image_header, image_notice, notify_reply};
pub use wire::{wire_compressed, wire_connection, wire_control, wire_frames};

/// What was accepted once, and encoded, must be accepted again and be the same.
fn same<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(value: &T, again: Result<T, E>) {
    match again {
        Ok(again) => assert_eq!(&again, value, "decoded, encoded, decoded"),
        Err(error) => panic!("{value:?} was accepted; encoded anew it is refused: {error:?}"),
    }
}

/// Runs a target's body on the bytes as they are and with their checksum put right.
fn twice(data: &[u8], seal: impl Fn(&mut [u8]), body: impl Fn(&[u8]) -> bool) -> bool {
    let mut sealed = data.to_vec();
    seal(&mut sealed);
    // Both always run.
    body(data) | body(&sealed)
}

/// Puts the CRC32C of all bytes before `at` at `at`, if there is room for it.
fn seal_at(bytes: &mut [u8], at: usize) {
    if bytes.len() >= at + 4 {
        let crc = crate::crc::crc32c(&bytes[..at]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Puts the CRC32C of all other bytes into the last four.
fn seal_end(bytes: &mut [u8]) {
    if let Some(at) = bytes.len().checked_sub(4) {
        seal_at(bytes, at);
    }
}
