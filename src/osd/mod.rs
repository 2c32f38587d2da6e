//! The OSD client: the cluster's map, where objects are, and requests to them.

pub mod map;
pub mod op;

pub use map::{MapError, OsdMap, Pool, UpActing};
pub use op::{ObjectName, OpAnswer, OpOutcome, OpRequest, OsdOp};
