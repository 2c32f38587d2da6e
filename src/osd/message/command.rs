//! MCommand and MCommandReply: `ceph tell osd.N` and `ceph pg ID`.

use bytes::Bytes;

use crate::wire::denc::{Decoder, Encoder, Malformed};
use crate::wire::message::{Message, MessageType};

pub fn encode_command(tid: u64, fsid: &[u8; 16], cmd: &[String], input: &Bytes) -> Message {
    let mut e = Encoder::new();
    e.raw(fsid).u32(cmd.len() as u32);
    for part in cmd {
        e.string(part);
    }
    let mut message = Message::new(MessageType::COMMAND, 1, 1, e.finish());
    message.tid = tid;
    if !input.is_empty() {
        message.data.push(input.clone());
    }
    message
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandReply {
    pub result: i32,
    /// For people.
    pub status: String,
    pub output: Bytes,
}

impl CommandReply {
    pub fn decode(message: &Message) -> Result<CommandReply, Malformed> {
        let d = &mut Decoder::new(&message.front);
        let result = d.u32()? as i32;
        let status = String::from_utf8_lossy(d.blob()?).into_owned();
        let output = message.data.first().cloned().unwrap_or_default();
        Ok(CommandReply { result, status, output })
    }
}
