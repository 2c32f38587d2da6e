//! The OSD client: the cluster's map, where objects are, and requests to them.

pub mod op;

pub use op::{ObjectName, OpAnswer, OpOutcome, OpRequest, OsdOp};
