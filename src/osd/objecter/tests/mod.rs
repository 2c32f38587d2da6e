//! Requests over a messenger and monitors that the test itself plays. The maps are a real cluster's (three OSDs, pool `t` of
//! size 2): a whole one, and what each change to the cluster added.

mod fake;
mod lingers;
mod maps;
mod requests;
mod sessions;
