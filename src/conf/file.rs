//! The syntax of ceph.conf, as the parser of 16.2.15 takes it.
//!
//! ```text
//! # comment                       ; also a comment
//! [section]
//! some key = value                # blanks around both are dropped
//! key = "quoted value"            # no bare # or ; inside; \ makes the next character plain
//! key = a long \
//!     value
//! ```
//! Learnt by feeding files to rados_conf_read_file of Ceph's library (capi-tests/conf/syntax.txt), oddities included: a value must end
//! with a newline; before the first section a line of nothing but blanks is an error; a header must not be indented; a
//! file without a header may hold one key only; nothing outside comments may be other than ASCII.

use crate::errno::Errno;

/// The keys and values of one section, in the file's order. A section may appear several times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    pub name: String,
    /// Keys are folded (see `options::fold`), values unquoted, metavariables as they stand.
    pub keys: Vec<(String, String)>,
}

/// Parses a whole file. EINVAL: it is no configuration file; nothing of it may be used.
pub fn parse(bytes: &[u8]) -> Result<Vec<Section>, Errno> {
    let text = std::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let mut at = Cursor { bytes: text.as_bytes(), at: 0 };
    sections(&mut at).or_else(|| headless(&mut Cursor { bytes: text.as_bytes(), at: 0 })).ok_or(Errno::EINVAL)
}

fn sections(at: &mut Cursor) -> Option<Vec<Section>> {
    loop {
        let before = at.at;
        let continued = at.continuation_len();
        at.at += continued;
        if continued > 0 || at.eol() {
            continue;
        }
        at.blanks();
        if !at.comment() {
            at.at = before;
            break;
        }
    }
    let mut sections = Vec::new();
    while !at.end() {
        let mut section = Section { name: at.header()?, keys: Vec::new() };
        at.rest_of_line()?;
        loop {
            at.empty_lines();
            if at.end() || at.peek() == Some(b'[') {
                break;
            }
            section.keys.push(at.key_value()?);
        }
        sections.push(section);
    }
    Some(sections)
}

/// A file that is one key and value, which count as `[global]`.
fn headless(at: &mut Cursor) -> Option<Vec<Section>> {
    let pair = at.key_value()?;
    at.empty_lines();
    at.end().then(|| vec![Section { name: "global".to_string(), keys: vec![pair] }])
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn eol(&mut self) -> bool {
        let len = self.eol_len(self.at);
        self.at += len;
        len > 0
    }

    fn eol_len(&self, at: usize) -> usize {
        match self.bytes.get(at..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r' | b'\n', ..]) => 1,
            _ => 0,
        }
    }

    /// The length of a backslash and its newline.
    fn continuation_len(&self) -> usize {
        if self.peek() != Some(b'\\') {
            return 0;
        }
        match self.eol_len(self.at + 1) {
            0 => 0,
            len => len + 1,
        }
    }

    /// Blanks and continued lines.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                _ => match self.continuation_len() {
                    0 => return,
                    len => self.at += len,
                },
            }
        }
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// A comment, up to its newline.
    fn comment(&mut self) -> bool {
        if !matches!(self.peek(), Some(b'#' | b';')) {
            return false;
        }
        while !self.end() && self.eol_len(self.at) == 0 {
            self.at += 1;
        }
        true
    }

    /// Lines of blanks and comments, ended by a continuation too; the last comment may lack its newline.
    fn empty_lines(&mut self) {
        loop {
            let before = self.at;
            self.spaces();
            let comment = self.comment();
            let continued = self.continuation_len();
            self.at += continued;
            if continued == 0 && !self.eol() && !(comment && self.end()) {
                // Blanks before a key belong to the key; before anything else they are an error there.
                self.at = before;
                return;
            }
        }
    }

    /// Blanks, a comment perhaps, and a newline.
    fn rest_of_line(&mut self) -> Option<()> {
        self.spaces();
        self.comment();
        self.eol().then_some(())
    }

    fn header(&mut self) -> Option<String> {
        if self.peek() != Some(b'[') {
            return None;
        }
        self.at += 1;
        let name = self.text(|c| c == b']')?;
        if name.is_empty() || self.peek() != Some(b']') {
            return None;
        }
        self.at += 1;
        Some(name)
    }

    /// ASCII text up to a stop, a comment or a newline, with `\c` as c and continued lines joined.
    fn text(&mut self, stop: impl Fn(u8) -> bool) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let continued = self.continuation_len();
            if continued > 0 {
                self.at += continued;
            } else if c == b'\\' {
                text.push(self.ascii(self.at + 1)?);
                self.at += 2;
            } else if stop(c) || matches!(c, b'#' | b';' | b'\n' | b'\r') {
                break;
            } else {
                text.push(self.ascii(self.at)?);
                self.at += 1;
            }
        }
        Some(text)
    }

    fn ascii(&self, at: usize) -> Option<char> {
        self.bytes.get(at).filter(|c| c.is_ascii()).map(|&c| char::from(c))
    }

    fn key_value(&mut self) -> Option<(String, String)> {
        self.blanks();
        let mut key = String::new();
        while self.peek()? != b'=' {
            match self.peek()? {
                // A continued line inside a key leaves a gap, unlike one beside it.
                _ if self.continuation_len() > 0 => {
                    self.at += self.continuation_len();
                    key.push('\t');
                }
                b'#' | b';' | b'[' | b'\n' | b'\r' => return None,
                _ => {
                    key.push(self.ascii(self.at)?);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        let folded = super::options::fold(&key);
        if folded.is_empty() {
            return None;
        }
        // A quote counts first thing on a continued line, but not after blanks there.
        self.spaces();
        while self.continuation_len() > 0 {
            self.at += self.continuation_len();
        }
        let value = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
            _ => self.text(|_| false)?,
        };
        self.rest_of_line()?;
        Some((folded, value.trim_ascii().to_string()))
    }

    fn quoted(&mut self, quote: u8) -> Option<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let escaped = self.peek()? == b'\\';
            self.at += usize::from(escaped);
            match self.peek()? {
                b'\n' | b'\r' => return None,
                c if !escaped && c == quote => break,
                b'#' | b';' if !escaped => return None,
                _ => text.push(self.ascii(self.at)?),
            }
            self.at += 1;
        }
        self.at += 1;
        Some(text)
    }
}
