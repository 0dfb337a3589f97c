//! The smallest worker program; the integration tests run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    match inference::worker::run() {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has been told, and a test reads its words.
        Err(_) => ExitCode::FAILURE,
    }
}
