//! A PSBT as QR codes in the terminal: one, or BBQr's parts below each other.

use node::{read_psbt, split_qr};

use super::files::refused;
use crate::cli::qr::draw;
use crate::failure::Result;

/// Characters in one code: more don't scan well from a screen.
const CODE_CHARS_MAX: usize = 800;

/// The codes, each with its number below.
pub fn codes(psbt: &str) -> Result<String> {
    let bytes = read_psbt(psbt.as_bytes()).map_err(refused)?.serialize();
    let parts = split_qr(&bytes, CODE_CHARS_MAX).map_err(refused)?;
    let mut drawn = Vec::with_capacity(parts.len());
    for (number, part) in (1..).zip(&parts) {
        let picture = draw(part)?;
        drawn.push(format!("{picture}\n{number} of {}", parts.len()));
    }
    Ok(drawn.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_psbt_makes_no_code() {
        assert!(codes("nonsense").is_err_and(|error| error.code == "vault_proposal_malformed"));
    }
}
