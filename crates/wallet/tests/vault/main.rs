//! Vaults through their public API, on a chain that Bitcoin Core's own engine validates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod ecash;
mod files;
mod paths;
mod permits;
mod policy;
mod properties;
mod support;
mod tampering;
mod together;
