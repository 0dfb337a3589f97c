//! A chain as long as the network's, with a block that attests a file.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bitcoin::TxMerkleNode;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash as _;
use serde_json::{Value, json};
use timestamp::headers::{HeaderWriter, Params};
use timestamp::ots::Attestation;

const BLOCKS: u32 = 900_000;
/// The block that attests the file.
pub const HEIGHT: u32 = 850_000;
/// So that the last block is in the past: the first is of 2011.
const STEP_S: u32 = 400;
const CONTENT: &[u8] = b"This existed before block 850,000.\n";

/// Mines the headers (two hashes each), and stores them by the rules.
pub fn fill(dir: &Path) -> Value {
    let proof = super::proofs::complete(CONTENT);
    let attested = proof.attestations().unwrap();
    let root = attested.iter().find_map(|(message, attestation)| {
        matches!(attestation, Attestation::Bitcoin { .. }).then_some(message.as_slice())
    });
    let params = Arc::new(Params::regtest());
    let headers = mine(params.genesis(), root.unwrap().try_into().unwrap());
    let folder = dir.join("headers").join(params.name());
    fs::create_dir_all(&folder).unwrap();
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut writer = HeaderWriter::open(&folder, params).unwrap();
    writer.extend(0, &headers, now).unwrap();
    let (file, ots) = (dir.join("file"), dir.join("file.ots"));
    fs::write(&file, CONTENT).unwrap();
    fs::write(&ots, proof.to_bytes().unwrap()).unwrap();
    json!({"blocks": BLOCKS, "height": HEIGHT, "file": file, "proof": ots})
}

fn mine(genesis: Header, root: [u8; 32]) -> Vec<Header> {
    let mut headers = vec![genesis];
    for height in 1..=BLOCKS {
        let previous = headers[headers.len() - 1];
        let mut header = Header {
            version: Version::TWO,
            prev_blockhash: previous.block_hash(),
            merkle_root: TxMerkleNode::from_byte_array(match height {
                HEIGHT => root,
                _ => [7; 32],
            }),
            time: previous.time + STEP_S,
            bits: previous.bits,
            nonce: 0,
        };
        while !header.target().is_met_by(header.block_hash()) {
            header.nonce += 1;
        }
        headers.push(header);
    }
    headers
}
