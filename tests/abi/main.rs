//! The C ABI: symbols, linking, headers. Compares with Debian's librados-dev and librbd-dev 16.2.15, which must be there.

#![allow(clippy::unwrap_used)]

mod compare;
mod conf;
mod headers;
mod libs;
mod link;
mod symbols;
