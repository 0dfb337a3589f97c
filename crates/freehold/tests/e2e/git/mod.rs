//! `freehold git` with real repositories, a real calendar, real signatures where gpg is installed,
//! and the reference's own wrapper where `scripts/compat-setup` has installed it.

mod key;
mod notes;
mod reference;
mod refusals;
mod repo;
mod signed;
