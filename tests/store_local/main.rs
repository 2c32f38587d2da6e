//! The local store: against the model, over several processes, killed, damaged, full.

mod admin;
mod child;
mod damage;
mod folder;
mod full;
mod r#gen;
mod kill;
mod model;
mod processes;
mod speed;
