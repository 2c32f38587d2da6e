//! The OSD client: the cluster's map, where objects are, and requests to them.

mod build;
mod client;
pub mod codes;
pub mod crush;
pub mod hobject;
mod list;
pub mod map;
pub mod message;
mod monitors;
mod objecter;
mod objects;
pub mod op;
mod options;
mod slot;
mod target;

pub use build::Compare;
pub use client::{BoxFuture, CommandTarget, Listed, OsdClient, WatchEvents};
pub use map::{MapError, OsdMap, Pool, UpActing};
pub use message::{CommandReply, ListedObject, NotifyReplies};
pub use objects::ObjectStat;
pub use op::{ObjectName, OpAnswer, OpOutcome, OpRequest, OsdError, OsdOp};
pub use options::{OpTimeout, OsdOptions};
