//! The doors of Freehold: the command line, the HTTP API and the home page.
//!
//! None of them decides anything about money or models: they speak to [`node::Node`], and to
//! nothing behind it. The command line speaks to the HTTP API, of the node that runs or of one
//! that it opens in its own process, so there is one way to do each thing.

pub mod api;
pub mod calendar;
pub mod cli;
pub mod client;
pub mod energy;
pub mod failure;
mod forward_proxy;
mod hop_by_hop;
pub mod output;
mod proxy;
mod sse;
pub mod web;
mod when;

pub use cli::main;
