//! QR codes in the terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::failure::{Failure, Result};

/// Draws a code, as sparse as it gets: screens don't get dirty.
pub fn draw(text: &str) -> Result<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| Failure::ours("qr_failed", error.to_string()))?;
    Ok(code.render::<Dense1x2>().build())
}
