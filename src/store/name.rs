//! Names that are not UTF-8: how bytes become the text that our structures hold, and back.
//!
//! RADOS names are bytes. Valid UTF-8 stays as it is. Every byte that is not becomes one character of a range in the
//! last private-use plane, and so do the bytes of characters that are in that range themselves: each name has exactly
//! one text. Whoever sends names elsewhere (a cluster, C) turns them back with [`bytes_of`].

use std::borrow::Cow;

/// Stands for byte 0; the 255 that follow for the others.
const BASE: u32 = 0x10_fe00;

/// All characters of the range begin with this byte in UTF-8.
const LEAD: u8 = 0xf4;

fn is_stand_in(c: char) -> bool {
    (BASE..BASE + 256).contains(&u32::from(c))
}

/// The text for a name.
pub fn text_of(name: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(name)
        && !(name.contains(&LEAD) && text.chars().any(is_stand_in))
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(name.len() * 2);
    let stand_ins = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|byte| char::from_u32(BASE + u32::from(*byte))));
    };
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_stand_in(c) {
                stand_ins(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(c);
            }
        }
        stand_ins(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// The name behind a text that [`text_of`] made.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&LEAD) || !text.chars().any(is_stand_in) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut name = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_stand_in(c) {
            name.push((u32::from(c) - BASE) as u8);
        } else {
            name.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_left_alone() {
        for name in ["", "rbd_header.1", "é %\n", "\u{10ffff}", "\u{10fdff}"] {
            assert!(matches!(text_of(name.as_bytes()), Cow::Borrowed(text) if text == name));
            assert!(matches!(bytes_of(name), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn stand_ins_have_stand_ins() {
        let name = "\u{10fe41}".as_bytes();
        assert_eq!(text_of(name).chars().count(), 4);
        assert_eq!(&*bytes_of(&text_of(name)), name);
        assert_ne!(text_of(name), text_of(b"\xff"));
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in prop::collection::vec(prop_oneof![any::<u8>(), 0xf0u8..=0xff, 0x80u8..0x90], 0..40)) {
            let text = text_of(&name);
            prop_assert_eq!(&*bytes_of(&text), &name[..]);
        }
    }
}
