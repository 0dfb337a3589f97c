//! The model store against a web server that cuts, hangs, lies and forgets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "store/downloads.rs"]
mod downloads;
#[path = "store/house.rs"]
mod house;
#[path = "store/server.rs"]
mod server;
#[path = "store/shelf.rs"]
mod shelf;
#[path = "store/sources.rs"]
mod sources;
