//! The verdict on a digest, with a block of the real chain.

use bitcoin::hashes::Hash;
use timestamp::headers::{Error, Header, check_bitcoin};

const HEIGHT: u32 = 358_391;
const HEADER: &str = "02000000b96394585a281b7e5f438fd1c9ed492645a1fd61cb3802040000000000000000007ee445d23ad061af4a36b809501fab1ac4f2d7e7a739817dd0cbb7ec661b8a1e376755f58616186272def6";
const ROOT_AS_SHOWN: &str = "8a1b66ecb7cbd07d8139a7e7d7f2c41aab1f5009b8364aaf61d03ad245e47e00";

pub fn block_358391() -> Header {
    bitcoin::consensus::encode::deserialize_hex(HEADER).unwrap()
}

pub fn root_358391() -> Vec<u8> {
    let mut root = hex::decode(ROOT_AS_SHOWN).unwrap();
    root.reverse();
    root
}

#[test]
fn the_root_of_a_block_is_attested_by_it() {
    let header = block_358391();
    let attested = check_bitcoin(&root_358391(), HEIGHT, &header, HEIGHT + 99).unwrap();
    assert_eq!(attested.height, HEIGHT);
    assert_eq!(attested.time_unix_s, 1_432_827_678);
    assert_eq!(attested.confirmations, 100);
    assert_eq!(attested.block_hash, header.block_hash());
    assert!(
        attested
            .to_string()
            .starts_with("block 358391 (0000000000000000"),
        "{attested}"
    );
    assert_eq!(
        check_bitcoin(&root_358391(), HEIGHT, &header, HEIGHT)
            .unwrap()
            .confirmations,
        1
    );
}

#[test]
fn other_digests_are_not() {
    let header = block_358391();
    let check = |digest: &[u8], tip| check_bitcoin(digest, HEIGHT, &header, tip);
    let mut backwards = root_358391();
    backwards.reverse();
    for wrong in [
        backwards,
        vec![0; 32],
        header.block_hash().as_byte_array().to_vec(),
    ] {
        let error = check(&wrong, HEIGHT).unwrap_err();
        assert_eq!(error.code(), "attestation_root_mismatch");
        assert!(error.to_string().contains(ROOT_AS_SHOWN), "{error}");
    }
    for length in [0, 20, 31, 33, 64] {
        let error = check(&vec![0; length], HEIGHT).unwrap_err();
        assert_eq!(
            error,
            Error::DigestLength {
                found: length,
                expected: 32
            }
        );
    }
    let error = check(&root_358391(), HEIGHT - 1).unwrap_err();
    assert_eq!(error.code(), "header_not_stored");
}
