//! Pages as bytes. Decoding is total: any bytes give a page or the offset and reason why not.

use std::sync::Arc;

use super::page::{Child, FANOUT, Inner, Page, PageKey, PageRef, Tree};
use crate::disk::map::Region;
use crate::disk::names::MapObjectNumber;
use crate::disk::segments::SegmentPage;

const MAGIC: [u8; 4] = *b"LSVP";
const VERSION: u8 = 1;
pub(crate) const HEADER_BYTES: usize = 32;
const CRC_AT: usize = 28;
/// No page is longer; checked before memory is taken for one.
pub(crate) const MAX_PAGE_BYTES: u32 = 1 << 20;
const CHILD_BYTES: usize = 24;
const BITMAP_BYTES: usize = FANOUT / 8;

/// Why bytes are not the page that was asked for: byte offset in the page, reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bad {
    pub offset: usize,
    pub detail: String,
}

pub(crate) fn bad<T>(offset: usize, detail: impl Into<String>) -> Result<T, Bad> {
    Err(Bad { offset, detail: detail.into() })
}

/// What a page's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub key: PageKey,
    pub length: u32,
    body: Body,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Body {
    Inner = 0,
    Pieces = 1,
    Packed = 2,
    Segments = 3,
}

/// Appends the page to `out`; its length is returned.
pub(crate) fn encode(key: PageKey, page: &Page, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    let (body, count) = match page {
        Page::Inner(inner) => (Body::Inner, encode_inner(inner, out)),
        Page::Region(region) => {
            let (packed, count) = region.encode(out);
            (if packed { Body::Packed } else { Body::Pieces }, count)
        }
        Page::Segments(page) => (Body::Segments, page.encode(out)),
    };
    let length = (out.len() - start) as u32;
    let header = &mut out[start..start + HEADER_BYTES];
    header[0..4].copy_from_slice(&MAGIC);
    header[4] = VERSION;
    header[5] = match key.tree {
        Tree::Map => 0,
        Tree::Segments => 1,
    };
    header[6] = key.level;
    header[7] = body as u8;
    header[8..16].copy_from_slice(&key.index.to_le_bytes());
    header[16..20].copy_from_slice(&length.to_le_bytes());
    header[20..24].copy_from_slice(&count.to_le_bytes());
    let crc = checksum(&out[start..]);
    out[start + CRC_AT..start + CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    length
}

/// Reads the header of the page at the start of `bytes`, without looking at its checksum.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, Bad> {
    if bytes.len() < HEADER_BYTES {
        return bad(0, format!("{} bytes are too few for a page", bytes.len()));
    }
    if bytes[0..4] != MAGIC {
        return bad(0, "no page magic");
    }
    if bytes[4] != VERSION {
        return bad(4, format!("page version {}", bytes[4]));
    }
    let tree = match bytes[5] {
        0 => Tree::Map,
        1 => Tree::Segments,
        other => return bad(5, format!("tree {other}")),
    };
    let level = bytes[6];
    let body = match (bytes[7], level, tree) {
        (0, 1.., _) if level <= tree.top_level() => Body::Inner,
        (1, 0, Tree::Map) => Body::Pieces,
        (2, 0, Tree::Map) => Body::Packed,
        (3, 0, Tree::Segments) => Body::Segments,
        (kind, _, _) => return bad(7, format!("page kind {kind} at level {level} of {tree:?}")),
    };
    let index = get_u64(bytes, 8);
    if index >> (8 * u32::from(tree.top_level() - level)) != 0 {
        return bad(8, format!("page index {index} at level {level}"));
    }
    let length = get_u32(bytes, 16);
    if !(HEADER_BYTES as u32..=MAX_PAGE_BYTES).contains(&length) {
        return bad(16, format!("page length {length}"));
    }
    if get_u32(bytes, 24) != 0 {
        return bad(24, "reserved bytes are not zero");
    }
    Ok(Header { key: PageKey { tree, level, index }, length, body, count: get_u32(bytes, 20) })
}

/// Reads the page that `bytes` begin with and checks all of it.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Header, Page), Bad> {
    let header = decode_header(bytes)?;
    let Some(bytes) = bytes.get(..header.length as usize) else {
        return bad(bytes.len(), format!("page of {} bytes is cut off", header.length));
    };
    let stored = get_u32(bytes, CRC_AT);
    let computed = checksum(bytes);
    if stored != computed {
        return bad(CRC_AT, format!("page checksum {stored:08x}, but its bytes have {computed:08x}"));
    }
    let body = &bytes[HEADER_BYTES..];
    let count = header.count as usize;
    let page = match header.body {
        Body::Inner => Page::Inner(Arc::new(decode_inner(body, count)?)),
        Body::Pieces => Page::Region(Arc::new(Region::decode_pieces(body, count)?)),
        Body::Packed => Page::Region(Arc::new(Region::decode_packed(body, count)?)),
        Body::Segments => Page::Segments(Arc::new(SegmentPage::decode(body, count)?)),
    };
    Ok((header, page))
}

/// Reads the page `key` of `length` bytes.
pub(crate) fn decode_page(key: PageKey, length: u32, bytes: &[u8]) -> Result<Page, Bad> {
    let (header, page) = decode(bytes)?;
    if header.key != key || header.length != length {
        return bad(
            5,
            format!("{key:?} of {length} bytes expected, found {:?} of {}", header.key, header.length),
        );
    }
    Ok(page)
}

fn checksum(page: &[u8]) -> u32 {
    let crc = crate::crc::crc32c(&page[..CRC_AT]);
    crate::crc::append(crc, &page[CRC_AT + 4..])
}

fn encode_inner(inner: &Inner, out: &mut Vec<u8>) -> u32 {
    let bitmap = out.len();
    out.resize(bitmap + BITMAP_BYTES, 0);
    let mut count = 0;
    for (slot, child) in inner.children.iter().enumerate() {
        if let Some(child) = child {
            out[bitmap + slot / 8] |= 1 << (slot % 8);
            put_ref(out, child.page);
            out.extend_from_slice(&child.count.to_le_bytes());
            count += 1;
        }
    }
    count
}

fn decode_inner(body: &[u8], count: usize) -> Result<Inner, Bad> {
    if count > FANOUT || body.len() != BITMAP_BYTES + count * CHILD_BYTES {
        return bad(20, format!("inner page with {count} children in {} bytes", body.len()));
    }
    let (bitmap, entries) = body.split_at(BITMAP_BYTES);
    if bitmap.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() != count {
        return bad(HEADER_BYTES, "bitmap does not have as many children as the header says");
    }
    let mut inner = Inner::new();
    let slots = (0..FANOUT).filter(|slot| bitmap[slot / 8] >> (slot % 8) & 1 == 1);
    for (slot, entry) in slots.zip(entries.chunks_exact(CHILD_BYTES)) {
        inner.children[slot] = Some(Child { page: get_ref(entry, 0)?, count: get_u64(entry, 16) });
    }
    Ok(inner)
}

pub(crate) fn put_ref(out: &mut Vec<u8>, page: PageRef) {
    out.extend_from_slice(&page.object.0.to_le_bytes());
    out.extend_from_slice(&page.offset.to_le_bytes());
    out.extend_from_slice(&page.length.to_le_bytes());
}

/// Reads a reference of 16 bytes; its length is within bounds.
pub(crate) fn get_ref(bytes: &[u8], at: usize) -> Result<PageRef, Bad> {
    let page = PageRef {
        object: MapObjectNumber(get_u64(bytes, at)),
        offset: get_u32(bytes, at + 8),
        length: get_u32(bytes, at + 12),
    };
    let sane = (HEADER_BYTES as u32..=MAX_PAGE_BYTES).contains(&page.length)
        && page.offset.checked_add(page.length).is_some();
    if sane { Ok(page) } else { bad(at, format!("reference to {page:?}")) }
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

pub(crate) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
