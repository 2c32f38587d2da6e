//! Frames to bytes and back, in crc and secure mode.

use std::io::IoSlice;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};

use super::buffers::POOL;
use super::chunks::Counter;
use super::compress::Algorithm;
use super::frame::{
    self, BLOCK_BYTES, CRC_SEED, FrameError, INLINE_BYTES, LATE_COMPLETE, MAX_SEGMENTS, PREAMBLE_BYTES,
    Preamble, SECURE_EPILOGUE_BYTES, SECURE_PREAMBLE_BYTES, Tag,
};
use super::output::Output;
use super::place::{Placed, Wish};
use super::secure::Cipher;
use crate::crc::Sum;

/// Makes bytes of frames.
#[derive(Default)]
pub struct FrameWriter {
    pub output: Output,
    cipher: Option<Box<Cipher>>,
    /// With messages of this many bytes and more.
    compress: Option<(Algorithm, usize)>,
}

impl FrameWriter {
    /// From here on, frames are sealed.
    pub fn secure(&mut self, cipher: Cipher) {
        self.cipher = Some(Box::new(cipher));
    }

    /// From here on, messages of `min_bytes` and more are compressed where that makes them shorter.
    pub fn compress(&mut self, algorithm: Algorithm, min_bytes: usize) {
        self.compress = Some((algorithm, min_bytes));
    }

    /// A frame with one segment.
    pub fn control(&mut self, tag: Tag, payload: &[u8]) -> Result<(), FrameError> {
        let preamble = Preamble::new(tag, [payload.len() as u32, 0, 0, 0]);
        if self.cipher.is_some() {
            return self.sealed(&preamble, payload, &[]);
        }
        self.output.small(&preamble.encode());
        self.first(payload);
        Ok(())
    }

    /// A frame with the segments of a message: header, front, middle and data, the last in pieces, of some of which the sums are known
    /// ([`Message::sums`](super::Message)). Data always has its checksum, whatever `ms_crc_data` says: there are peers that look at it.
    /// Whether it was compressed.
    pub fn message(
        &mut self,
        header: &[u8],
        front: &Bytes,
        middle: &Bytes,
        data: &[Bytes],
        sums: &[(usize, u32)],
    ) -> Result<bool, FrameError> {
        let data_bytes: usize = data.iter().map(Bytes::len).sum();
        let lengths = [header.len(), front.len(), middle.len(), data_bytes];
        if lengths.iter().any(|length| *length > u32::MAX as usize) {
            return Err(FrameError::TooLong { bytes: data_bytes as u64, limit: u32::MAX as usize });
        }
        let preamble = Preamble::new(Tag::Message, lengths.map(|length| length as u32));
        let others = [std::slice::from_ref(front), std::slice::from_ref(middle), data];
        match self.compressed(&preamble, header, &others) {
            Some((preamble, header, others)) => {
                let others = others.each_ref().map(std::slice::from_ref);
                self.segments(&preamble, &header, &others, &[]).map(|()| true)
            }
            None => self.segments(&preamble, header, &others, sums).map(|()| false),
        }
    }

    /// The same segments compressed, each by itself; `None` where that is not to be done or does not make them shorter. An empty
    /// segment stays empty.
    fn compressed(
        &self,
        plain: &Preamble,
        header: &[u8],
        others: &[&[Bytes]; 3],
    ) -> Option<(Preamble, Vec<u8>, [Bytes; 3])> {
        let total = |lengths: &[u32; MAX_SEGMENTS]| lengths.iter().map(|n| *n as usize).sum::<usize>();
        let (algorithm, _) = self.compress.filter(|(_, min_bytes)| total(&plain.lengths) >= *min_bytes)?;
        let compress = |segment: &[u8]| match segment {
            [] => Some(Vec::new()),
            // One that does not shrink is compressed all the same: the flag is the whole frame's.
            _ => algorithm.compress(segment),
        };
        let header = compress(header)?;
        let mut made: [Bytes; 3] = Default::default();
        for (made, pieces) in made.iter_mut().zip(others) {
            *made = match pieces {
                [piece] => compress(piece)?.into(),
                pieces => compress(&pieces.concat())?.into(),
            };
        }
        let [front, middle, data] = made.each_ref().map(|segment| segment.len() as u32);
        let preamble = Preamble::new(Tag::Message, [header.len() as u32, front, middle, data]);
        (total(&preamble.lengths) < total(&plain.lengths)).then_some((
            Preamble { compressed: true, ..preamble },
            header,
            made,
        ))
    }

    fn segments(
        &mut self,
        preamble: &Preamble,
        header: &[u8],
        others: &[&[Bytes]; 3],
        sums: &[(usize, u32)],
    ) -> Result<(), FrameError> {
        if self.cipher.is_some() {
            return self.sealed(preamble, header, others);
        }
        self.output.small(&preamble.encode());
        self.first(header);
        if preamble.count == 1 {
            return Ok(());
        }
        let mut epilogue = [0; frame::CRC_EPILOGUE_BYTES];
        epilogue[0] = LATE_COMPLETE;
        for (n, pieces) in others.iter().enumerate() {
            if n + 1 >= preamble.count {
                break;
            }
            let mut sum = CRC_SEED;
            let mut known = sums.iter().filter(|_| n == 2).peekable();
            for (at, piece) in pieces.iter().enumerate() {
                sum = match known.next_if(|(of, _)| *of == at) {
                    Some((_, crc)) => frame::crc_then(sum, Sum { crc: *crc, bytes: piece.len() as u64 }),
                    None => frame::crc(sum, piece),
                };
                self.output.piece(piece);
            }
            epilogue[1 + 4 * n..5 + 4 * n].copy_from_slice(&sum.to_le_bytes());
        }
        self.output.small(&epilogue);
        Ok(())
    }

    /// The first segment in crc mode.
    fn first(&mut self, segment: &[u8]) {
        if !segment.is_empty() {
            self.output.small(segment);
            self.output.small(&frame::crc(CRC_SEED, segment).to_le_bytes());
        }
    }

    fn sealed(&mut self, preamble: &Preamble, first: &[u8], others: &[&[Bytes]]) -> Result<(), FrameError> {
        let inline = first.len().min(INLINE_BYTES);
        self.output.small(&preamble.encode());
        self.output.small(&first[..inline]);
        self.output.zeros(INLINE_BYTES - inline);
        self.seal(PREAMBLE_BYTES + INLINE_BYTES)?;
        let rest = &first[inline..];
        if !rest.is_empty() {
            self.output.small(rest);
            self.output.zeros(frame::padded(rest.len()) - rest.len());
            self.seal(frame::padded(rest.len()))?;
        }
        if preamble.count > 1 {
            let mut block = 0;
            for (n, pieces) in others.iter().enumerate().take(preamble.count - 1) {
                for piece in *pieces {
                    self.output.small(piece);
                }
                let length = preamble.length(n + 1);
                self.output.zeros(frame::padded(length) - length);
                block += frame::padded(length);
            }
            self.output.small(&[LATE_COMPLETE]);
            self.output.zeros(SECURE_EPILOGUE_BYTES - 1);
            self.seal(block + SECURE_EPILOGUE_BYTES)?;
        }
        Ok(())
    }

    /// Seals the last `count` bytes.
    fn seal(&mut self, count: usize) -> Result<(), FrameError> {
        let cipher = self.cipher.as_mut().expect("only frames of secure mode are sealed");
        let seal = cipher.seal(self.output.last_mut(count))?;
        self.output.small(&seal);
        Ok(())
    }

    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.output.slices(slices)
    }
}

/// A frame as it came. Segments that it has not are empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub tag: Tag,
    pub segments: [Bytes; MAX_SEGMENTS],
    /// Where its data are, if they are not in the last segment.
    pub placed: Option<Placed>,
}

impl Frame {
    pub fn new(tag: Tag, segments: [Bytes; MAX_SEGMENTS]) -> Frame {
        Frame { tag, segments, placed: None }
    }
}

/// From this size on it pays that data have memory of their own from the first byte on ([`FrameReader::stream`]).
pub const STREAM_BYTES: usize = 32 << 10;
/// As many bytes are received in one piece, and then summed up while they are in the processor's cache.
pub const PIECE_BYTES: usize = 256 << 10;
/// Data that are longer than this get room only as they come.
const TRUSTED_BYTES: usize = 16 << 20;

/// How far the frame at the front of the input has been looked at.
enum Stage {
    Preamble,
    /// Its preamble is taken off the input; in secure mode the inline part as well.
    Rest(Preamble),
    /// All before its data is taken off as well.
    Data(Box<Incoming>),
}

/// A message whose data come.
struct Incoming {
    preamble: Preamble,
    /// All but the data.
    segments: [Bytes; MAX_SEGMENTS],
    /// Somebody may still say where they go.
    unasked: bool,
    data: Data,
    got: usize,
    sum: u32,
    /// Sums up in place of `sum`.
    chunks: Option<Counter>,
    /// Whether `sum` is wanted.
    summed: bool,
}

enum Data {
    Own(Vec<u8>),
    Placed(Placed),
    /// The place is not to be written any more: nobody will look at them, but their checksum is to be right.
    Dropped(Placed),
}

impl Incoming {
    fn missing(&self) -> usize {
        self.preamble.length(3) - self.got
    }

    fn count(&mut self, bytes: &[u8]) {
        match &mut self.chunks {
            Some(chunks) => chunks.add(bytes),
            None if self.summed => self.sum = frame::crc(self.sum, bytes),
            None => {}
        }
        self.got += bytes.len();
    }

    /// Takes what of the data is in the input.
    fn take(&mut self, input: &mut BytesMut) {
        while self.missing() > 0 && !input.is_empty() {
            let piece = input.split_to(self.missing().min(input.len()).min(PIECE_BYTES));
            match &mut self.data {
                Data::Own(own) => {
                    make_room(own, piece.len(), self.preamble.length(3));
                    own.extend_from_slice(&piece);
                }
                Data::Placed(placed) => {
                    let to_place = |room: &mut [MaybeUninit<u8>]| {
                        room[..piece.len()].write_copy_of_slice(&piece);
                    };
                    if !placed.write(self.got, piece.len(), to_place) {
                        self.drop_them();
                    }
                }
                Data::Dropped(_) => {}
            }
            self.count(&piece);
        }
    }

    fn drop_them(&mut self) {
        if let Data::Placed(placed) = &self.data {
            self.data = Data::Dropped(placed.clone());
        }
    }

    fn whole(self, epilogue: &[u8]) -> Result<Option<Frame>, FrameError> {
        if !frame::is_complete(epilogue[0])? {
            return Ok(None);
        }
        let Incoming { preamble, mut segments, data, sum, chunks, summed, .. } = self;
        let sum = chunks.as_ref().map_or(sum, |chunks| frame::crc_then(CRC_SEED, chunks.total()));
        let wrong = |segment: usize| FrameError::SegmentChecksum { segment, bytes: preamble.length(segment) };
        for n in 1..MAX_SEGMENTS {
            let want = &epilogue[4 * n - 3..4 * n + 1];
            let sum = if n == 3 { sum } else { frame::crc(CRC_SEED, &segments[n]) };
            if (n < 3 || summed) && *want != sum.to_le_bytes() {
                return Err(wrong(n));
            }
        }
        let placed = match data {
            Data::Own(own) => {
                segments[3] = POOL.freeze(own);
                if let Some(chunks) = chunks {
                    chunks.tell(&segments[3]);
                }
                None
            }
            Data::Placed(placed) | Data::Dropped(placed) => Some(placed),
        };
        Ok(Some(Frame { tag: preamble.tag, segments, placed }))
    }
}

/// For all that is to come (`length`), within reason, where there is not enough for `bytes` more.
fn make_room(own: &mut Vec<u8>, bytes: usize, length: usize) {
    if own.capacity() - own.len() < bytes {
        let more = length.saturating_sub(own.len()).min(TRUSTED_BYTES).max(bytes);
        match own.is_empty() {
            true => *own = POOL.take(more),
            false => own.reserve_exact(more),
        }
    }
}

/// Where bytes that are received now belong ([`FrameReader::space`]).
pub enum Space<'a> {
    /// To the input.
    Input,
    /// Behind what is in here, at most so many.
    Own(&'a mut Vec<u8>, usize),
    /// To a place, with [`FrameReader::place_bytes`].
    Placed,
}

/// Takes frames off the front of what was received.
pub struct FrameReader {
    stage: Stage,
    inline: Bytes,
    cipher: Option<Box<Cipher>>,
    /// Of all segments of a frame together.
    limit: usize,
    check_data: bool,
    /// What the peer may compress with.
    compression: Option<Algorithm>,
    /// Data of at least so many bytes are streamed.
    streamed: usize,
}

impl FrameReader {
    /// `check_data`: whether checksums of data segments are looked at in crc mode.
    pub fn new(limit: usize, check_data: bool) -> FrameReader {
        FrameReader {
            stage: Stage::Preamble,
            inline: Bytes::new(),
            cipher: None,
            limit,
            check_data,
            compression: None,
            streamed: usize::MAX,
        }
    }

    /// From here on, data of `min_bytes` and more that are neither sealed nor compressed are taken as they come, to where
    /// [`FrameReader::place`] says.
    pub fn stream(&mut self, min_bytes: usize) {
        self.streamed = min_bytes.max(1);
    }

    fn is_streamed(&self, preamble: &Preamble) -> bool {
        self.cipher.is_none()
            && !preamble.compressed
            && preamble.tag == Tag::Message
            && preamble.length(3) >= self.streamed
    }

    /// The header of a message whose data are to come, and their length; once for each.
    pub fn asks_for_place(&mut self) -> Option<(Bytes, usize)> {
        let Stage::Data(incoming) = &mut self.stage else { return None };
        std::mem::take(&mut incoming.unasked)
            .then(|| (incoming.segments[0].clone(), incoming.preamble.length(3)))
    }

    /// Answers [`FrameReader::asks_for_place`], before anything else is done.
    pub fn place(&mut self, wish: Wish) {
        let Stage::Data(incoming) = &mut self.stage else { return };
        match wish {
            Wish::Place(placed) if incoming.got == 0 && placed.len() == incoming.preamble.length(3) => {
                incoming.data = Data::Placed(placed);
            }
            Wish::Chunks(chunks) if incoming.got == 0 && incoming.summed => {
                incoming.chunks = Some(Counter::new(chunks));
            }
            Wish::Place(_) | Wish::Chunks(_) => {}
        }
    }

    /// Where bytes are to be received; what was received is to be told by [`FrameReader::received`], but for those of the input.
    pub fn space(&mut self) -> Space<'_> {
        match &mut self.stage {
            Stage::Data(incoming) if incoming.missing() > 0 => {
                let most = incoming.missing().min(PIECE_BYTES);
                match &mut incoming.data {
                    Data::Own(own) => {
                        make_room(own, 1, incoming.preamble.length(3));
                        Space::Own(own, most)
                    }
                    Data::Placed(_) => Space::Placed,
                    // Their bytes are taken off the input.
                    Data::Dropped(_) => Space::Input,
                }
            }
            Stage::Data(_) | Stage::Preamble | Stage::Rest(_) => Space::Input,
        }
    }

    /// Whether data come that nobody wants.
    pub fn is_dropping(&self) -> bool {
        matches!(&self.stage, Stage::Data(incoming) if matches!(incoming.data, Data::Dropped(_)))
    }

    /// So many bytes were received behind those of [`Space::Own`].
    pub fn received(&mut self, bytes: usize) {
        if let Stage::Data(incoming) = &mut self.stage {
            let incoming = &mut **incoming;
            let Data::Own(own) = &incoming.data else { return };
            let new = &own[own.len().saturating_sub(bytes)..];
            match &mut incoming.chunks {
                Some(chunks) => chunks.add(new),
                None if incoming.summed => incoming.sum = frame::crc(incoming.sum, new),
                None => {}
            }
            incoming.got = own.len();
        }
    }

    /// Has `receive` receive bytes of [`Space::Placed`]: it gets the room for them, and says what it put at its front by giving it
    /// to its second argument. `None`: they have no place any more, and belong to the input.
    pub fn place_bytes<T>(
        &mut self,
        receive: impl FnOnce(&mut [MaybeUninit<u8>], &mut dyn FnMut(&[u8])) -> T,
    ) -> Option<T> {
        let Stage::Data(incoming) = &mut self.stage else { return None };
        let incoming = &mut **incoming;
        let Data::Placed(placed) = &incoming.data else { return None };
        let (placed, at) = (placed.clone(), incoming.got);
        let mut result = None;
        if !placed.write(at, PIECE_BYTES, |room| {
            result = Some(receive(room, &mut |bytes| incoming.count(bytes)));
        }) {
            incoming.drop_them();
        }
        result
    }

    /// From here on, frames are sealed.
    pub fn secure(&mut self, cipher: Cipher) {
        self.cipher = Some(Box::new(cipher));
    }

    /// From here on, the peer may compress frames.
    pub fn decompress(&mut self, algorithm: Algorithm) {
        self.compression = Some(algorithm);
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that the input must hold for the next step to be made.
    pub fn wants(&self) -> usize {
        match (&self.stage, &self.cipher) {
            (Stage::Preamble, None) => PREAMBLE_BYTES,
            (Stage::Preamble, Some(_)) => SECURE_PREAMBLE_BYTES,
            (Stage::Rest(preamble), None) if self.is_streamed(preamble) => preamble.crc_before_data(),
            (Stage::Rest(preamble), None) => preamble.crc_rest(),
            (Stage::Rest(preamble), Some(_)) => preamble.secure_remainder() + preamble.secure_others(),
            // Any of the data is of use.
            (Stage::Data(incoming), _) if incoming.missing() > 0 => 1,
            (Stage::Data(_), _) => frame::CRC_EPILOGUE_BYTES,
        }
    }

    /// The next frame, if the input has all of it. Before the data of a message that is streamed, `None` as well: see
    /// [`FrameReader::asks_for_place`].
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Stage::Data(incoming) = &mut self.stage {
                if incoming.unasked {
                    return Ok(None);
                }
                incoming.take(input);
            }
            if input.len() < self.wants() {
                return Ok(None);
            }
            let part = input.split_to(self.wants());
            match std::mem::replace(&mut self.stage, Stage::Preamble) {
                Stage::Preamble => {
                    let preamble = self.preamble(part)?;
                    self.stage = Stage::Rest(preamble);
                }
                Stage::Rest(preamble) if self.is_streamed(&preamble) => {
                    self.stage = Stage::Data(self.incoming(preamble, part.freeze())?);
                }
                Stage::Rest(preamble) => {
                    let segments = match self.cipher {
                        Some(_) => self.secure_segments(&preamble, part)?,
                        None => self.crc_segments(&preamble, part.freeze())?,
                    };
                    if let Some(mut segments) = segments {
                        if preamble.compressed {
                            self.inflate(&mut segments)?;
                        }
                        return Ok(Some(Frame::new(preamble.tag, segments)));
                    }
                }
                Stage::Data(incoming) => {
                    if let Some(frame) = incoming.whole(&part)? {
                        return Ok(Some(frame));
                    }
                }
            }
        }
    }

    /// All before the data is in `head`.
    fn incoming(&self, preamble: Preamble, mut head: Bytes) -> Result<Box<Incoming>, FrameError> {
        let mut segments: [Bytes; MAX_SEGMENTS] = Default::default();
        segments[0] = self.first_segment(&preamble, &mut head)?;
        for (n, segment) in segments.iter_mut().enumerate().take(3).skip(1) {
            *segment = head.split_to(preamble.length(n));
        }
        Ok(Box::new(Incoming {
            preamble,
            segments,
            unasked: true,
            data: Data::Own(Vec::new()),
            got: 0,
            sum: CRC_SEED,
            chunks: None,
            summed: self.check_data,
        }))
    }

    /// Taken off the front of `rest`, with its checksum.
    fn first_segment(&self, preamble: &Preamble, rest: &mut Bytes) -> Result<Bytes, FrameError> {
        let first = rest.split_to(preamble.length(0));
        if !first.is_empty() {
            let sum = rest.split_to(frame::CRC_BYTES);
            if sum[..] != frame::crc(CRC_SEED, &first).to_le_bytes() {
                return Err(FrameError::SegmentChecksum { segment: 0, bytes: first.len() });
            }
        }
        Ok(first)
    }

    fn preamble(&mut self, mut block: BytesMut) -> Result<Preamble, FrameError> {
        if let Some(cipher) = &mut self.cipher {
            cipher.open(&mut block)?;
        }
        let head = block.first_chunk().ok_or(FrameError::PreambleChecksum)?;
        let preamble = Preamble::decode(head, self.limit)?;
        if preamble.compressed && self.compression.is_none() {
            return Err(FrameError::Flags(frame::FLAG_COMPRESSED));
        }
        if self.cipher.is_some() {
            let block = block.freeze();
            self.inline = block.slice(PREAMBLE_BYTES..PREAMBLE_BYTES + preamble.length(0).min(INLINE_BYTES));
        }
        Ok(preamble)
    }

    /// The limit holds for what comes out as well.
    fn inflate(&self, segments: &mut [Bytes; MAX_SEGMENTS]) -> Result<(), FrameError> {
        let algorithm = self.compression.ok_or(FrameError::Compressed)?;
        let mut left = self.limit;
        for segment in segments.iter_mut().filter(|segment| !segment.is_empty()) {
            *segment = algorithm.decompress(segment, left)?;
            left -= segment.len();
        }
        Ok(())
    }

    fn crc_segments(&self, preamble: &Preamble, mut rest: Bytes) -> Result<Option<[Bytes; 4]>, FrameError> {
        let wrong = |segment: usize| FrameError::SegmentChecksum { segment, bytes: preamble.length(segment) };
        let mut segments: [Bytes; MAX_SEGMENTS] = Default::default();
        segments[0] = self.first_segment(preamble, &mut rest)?;
        if preamble.count == 1 {
            return Ok(Some(segments));
        }
        for (n, segment) in segments.iter_mut().enumerate().take(preamble.count).skip(1) {
            *segment = rest.split_to(preamble.length(n));
        }
        let epilogue = rest;
        if !frame::is_complete(epilogue[0])? {
            return Ok(None);
        }
        for (n, segment) in segments.iter().enumerate().take(preamble.count).skip(1) {
            let sum = &epilogue[4 * n - 3..4 * n + 1];
            if (n < 3 || self.check_data) && *sum != frame::crc(CRC_SEED, segment).to_le_bytes() {
                return Err(wrong(n));
            }
        }
        Ok(Some(segments))
    }

    fn secure_segments(
        &mut self,
        preamble: &Preamble,
        mut rest: BytesMut,
    ) -> Result<Option<[Bytes; 4]>, FrameError> {
        let cipher = self.cipher.as_mut().expect("only frames of secure mode are opened");
        let mut segments: [Bytes; MAX_SEGMENTS] = Default::default();
        segments[0] = std::mem::take(&mut self.inline);
        if preamble.secure_remainder() > 0 {
            let mut block = rest.split_to(preamble.secure_remainder());
            cipher.open(&mut block)?;
            let mut whole = BytesMut::with_capacity(preamble.length(0));
            whole.extend_from_slice(&segments[0]);
            whole.extend_from_slice(&block[..preamble.length(0) - INLINE_BYTES]);
            segments[0] = whole.freeze();
        }
        if preamble.count == 1 {
            return Ok(Some(segments));
        }
        cipher.open(&mut rest)?;
        let mut rest = rest.freeze();
        for (n, segment) in segments.iter_mut().enumerate().take(preamble.count).skip(1) {
            let mut padded = rest.split_to(frame::padded(preamble.length(n)));
            padded.truncate(preamble.length(n));
            *segment = padded;
        }
        debug_assert_eq!(rest.len(), BLOCK_BYTES + frame::SEAL_BYTES);
        Ok(frame::is_complete(rest[0])?.then_some(segments))
    }
}
