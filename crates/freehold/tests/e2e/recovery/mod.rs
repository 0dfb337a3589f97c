//! Recovery with the real program: a node is wiped, and comes back from its phrase or from a backup.

mod house;
mod kept;
mod lightning;
mod mint;
mod phrase;
mod refusals;
mod spent;
