//! The sandbox from outside. One program, since each links Bitcoin Core's engine.
#![allow(clippy::unwrap_used)]

mod chain;
mod esplora;
mod esplora_edges;
mod mempool;
mod outside_bytes;
mod rpc;
mod support;
