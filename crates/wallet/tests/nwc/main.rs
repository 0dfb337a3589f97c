//! Nostr Wallet Connect through its public API, with a relay on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile;
mod purse;
mod relays;
mod replays;
mod someone;
mod trips;
mod unknown;
mod uris;
mod world;
