//! The local store: against the model, over several processes, killed, damaged, full.

mod r#gen;
mod model;
