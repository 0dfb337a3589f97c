//! A receipt for people who don't have this program: its statement, and a plain `.ots` of it.

use timestamp::proof::ReceiptProof;

use crate::error::Result;

/// Two files: what the node says, and the proof of when.
#[derive(Clone, Debug)]
pub struct ExportedReceipt {
    /// What to call the files. Safe as a file's name, whoever made the receipt.
    pub name: String,
    /// The statement: to be kept byte by byte.
    pub statement: String,
    /// Its OpenTimestamps proof.
    pub ots: Vec<u8>,
    /// What it is anchored in, in plain words.
    pub anchor: String,
}

/// Makes the two files of a receipt's proof, which is checked first.
///
/// # Errors
/// `not_anchored` if there is nothing yet that the proof could lead to; or what doesn't hold.
pub fn export_receipt(json: &[u8]) -> Result<ExportedReceipt> {
    let proof = ReceiptProof::from_json(json)?;
    let verified = proof.verify(None)?;
    let (statement, ots) = proof.to_ots()?;
    Ok(ExportedReceipt {
        name: file_name(&verified.id).unwrap_or_else(|| verified.leaf_hash.to_string()),
        statement,
        ots: ots.to_bytes().map_err(timestamp::Error::from)?,
        anchor: verified.anchoring.words(),
    })
}

/// An id that can't leave its folder or hide in it. A stranger's may be anything visible.
fn file_name(id: &str) -> Option<String> {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!id.starts_with('-') && id.chars().all(is_safe)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_strangers_id_is_no_path() {
        for id in ["01890a5d-ac96-774b", "receipt_1"] {
            assert_eq!(file_name(id).as_deref(), Some(id));
        }
        for id in [
            "../x",
            "/etc/passwd",
            "a/b",
            "..",
            ".hidden",
            "-rf",
            "a\\b",
            "a:b",
        ] {
            assert_eq!(file_name(id), None, "{id}");
        }
    }
}
