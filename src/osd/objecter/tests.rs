//! Requests over a messenger and monitors that are the test itself.
