//! A slot: a block's 4096 bytes and the trailer that proves them.

use super::{FormatError, u64_at};
use crate::crc::{Sum, crc32c};
use crate::disk::sabotage::{Sabotage, broken};
use crate::disk::{BLOCK_BYTES, Lba, Lsn, SLOT_BYTES};

const DATA: usize = BLOCK_BYTES as usize;
const SLOT: usize = SLOT_BYTES as usize;
const WHAT: &str = "block";

/// What a whole slot sums up to, whatever is in it: bytes followed by their own CRC32C always have this one.
pub(crate) const SLOT_SUM: Sum = Sum { crc: 0x4867_4bc7, bytes: SLOT_BYTES };

/// Writes the trailer for the data that is in the slot.
pub(crate) fn seal_slot(slot: &mut [u8], lba: Lba, birth: Lsn) {
    slot[DATA..DATA + 8].copy_from_slice(&lba.0.to_le_bytes());
    slot[DATA + 8..DATA + 12].copy_from_slice(&(birth.0 as u32).to_le_bytes());
    let crc = crc32c(&slot[..SLOT - 4]);
    slot[SLOT - 4..SLOT].copy_from_slice(&crc.to_le_bytes());
}

pub(crate) fn slot_data(slot: &[u8]) -> &[u8] {
    &slot[..DATA]
}

/// Checks a slot that must hold the block at `lba`; its data.
pub(crate) fn verify_slot(slot: &[u8], lba: Lba) -> Result<&[u8], FormatError> {
    if slot.len() < SLOT {
        return Err(FormatError::Short { what: WHAT });
    }
    verify_summed(slot, lba, crc32c(&slot[..SLOT]))
}

/// [`verify_slot`] of a whole slot whose sum is known, all of its bytes included.
pub(crate) fn verify_summed(slot: &[u8], lba: Lba, sum: u32) -> Result<&[u8], FormatError> {
    if slot.len() < SLOT {
        return Err(FormatError::Short { what: WHAT });
    }
    if sum != SLOT_SUM.crc && !broken(Sabotage::ReadUnchecked) {
        return Err(FormatError::Checksum { what: WHAT });
    }
    if u64_at(slot, DATA) != lba.0 {
        return Err(FormatError::Nonsense { what: WHAT, detail: "belongs to another address" });
    }
    Ok(slot_data(slot))
}
