//! The C boundary: every exported function, each checking, converting, calling one safe function, mapping the error.
//!
//! Raw pointers become Rust values in [`handle`] and [`arg`] and nowhere else (clippy.toml bans the conversions).
//! Each export's body is one `entry!` or one `stub!`; symbols.tsv says which symbols work.

#![allow(unsafe_code)]
// The C API fixes names and argument counts; its safety contract is the header's documentation.
#![allow(non_camel_case_types, clippy::missing_safety_doc, clippy::too_many_arguments)]

#[macro_use]
mod entry;

pub mod arg;
mod build_info;
pub mod handle;
pub mod rados;
pub mod rbd;
pub mod types;
