//! Tests of the crate through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod anchor;
mod checkpoint;
mod cosigner;
mod log;
mod merkle;
mod mutation;
mod note;
mod proof;
mod receipt;
mod sample;
mod tiles;
