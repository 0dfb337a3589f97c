//! The HTTP/1 connections of the doors: [`server`] takes them in, [`Upstream`] makes them.
//!
//! A crate of its own because `hyper` is generic: all of it that a request passes through is compiled where its types
//! become known. Here that is done once and at full optimisation, which the doors around it, for the sake of building
//! them quickly, don't get.

pub mod server;
mod upstream;

pub use upstream::Upstream;
