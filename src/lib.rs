//! logrbd: librados and librbd in Rust, with a log-structured virtual disk behind the RBD API.
