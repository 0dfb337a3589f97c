//! The public networks: what is known of their chains, and where their peers are.
//!
//! Hashes, work and seeds are those that Bitcoin Core 31 ships in `kernel/chainparams.cpp` (its
//! activation heights, `assumeutxo` blocks, `defaultAssumeValid` and `nMinimumChainWork`), and in
//! one case (709,631) those of the `bip157` crate. A checkpoint speeds nothing up and skips no
//! check here: it only rules out other chains.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Network, Work};

use super::{Checkpoint, Params};

impl Params {
    /// The public network of this name, or regtest.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "mainnet" => Some(Self::mainnet()),
            "signet" => Some(Self::signet()),
            "testnet4" => Some(Self::testnet4()),
            "regtest" => Some(Self::regtest()),
            _ => None,
        }
    }

    /// The network with real money.
    pub fn mainnet() -> Self {
        Self {
            name: "mainnet",
            checkpoints: checkpoints(&MAINNET),
            min_work: Work::from_be_bytes(MAINNET_MIN_WORK),
            port: 8333,
            seeds: &[
                "dnsseed.bluematt.me",
                "seed.bitcoin.jonasschnelli.ch",
                "seed.btc.petertodd.net",
                "seed.bitcoin.sprovoost.nl",
                "dnsseed.emzy.de",
                "seed.bitcoin.wiz.biz",
                "seed.mainnet.achownodes.xyz",
            ],
            ..Self::of(Network::Bitcoin)
        }
    }

    /// The public test network whose blocks are signed. See [`Params`] about that signature.
    pub fn signet() -> Self {
        Self {
            name: "signet",
            checkpoints: checkpoints(&SIGNET),
            min_work: Work::from_be_bytes(SIGNET_MIN_WORK),
            port: 38333,
            seeds: &[
                "seed.signet.bitcoin.sprovoost.nl",
                "seed.signet.achownodes.xyz",
            ],
            ..Self::of(Network::Signet)
        }
    }

    /// The public test network whose blocks are mined.
    pub fn testnet4() -> Self {
        Self {
            name: "testnet4",
            bip94: true,
            checkpoints: checkpoints(&TESTNET4),
            min_work: Work::from_be_bytes(TESTNET4_MIN_WORK),
            port: 48333,
            seeds: &[
                "seed.testnet4.bitcoin.sprovoost.nl",
                "seed.testnet4.wiz.biz",
            ],
            ..Self::of(Network::Testnet4)
        }
    }

    /// A network of one's own, where blocks cost nothing and so prove nothing.
    pub fn regtest() -> Self {
        Self {
            name: "regtest",
            port: 18444,
            ..Self::of(Network::Regtest)
        }
    }
}

/// A height, and the hash as everybody writes it: the bytes in reverse.
type Known = (u32, &'static str);

const MAINNET: [Known; 11] = [
    (
        227_931,
        "000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8",
    ),
    (
        363_725,
        "00000000000000000379eaa19dce8c9b722d46ae6a57c2f1a988119488b50931",
    ),
    (
        388_381,
        "000000000000000004c2b624ed5d7756c508d90fd0da2c7c679febfa6c4735f0",
    ),
    (
        419_328,
        "000000000000000004a1b34462cb8aeebd5799177f7a29cf28f2d1961716b5b5",
    ),
    (
        481_824,
        "0000000000000000001c8018d9cb3b742ef25114f27563e3fc4a1902167f9893",
    ),
    (
        709_631,
        "000000000000000000013712fc242ee6dd28476d0e9c931c75f83e6974c6bccc",
    ),
    (
        840_000,
        "0000000000000000000320283a032748cef8227873ff4872689bf23f1cda83a5",
    ),
    (
        880_000,
        "000000000000000000010b17283c3c400507969a9c2afd1dcf2082ec5cca2880",
    ),
    (
        910_000,
        "0000000000000000000108970acb9522ffd516eae17acddcb1bd16469194a821",
    ),
    (
        935_000,
        "0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee",
    ),
    (
        938_343,
        "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac",
    ),
];

const SIGNET: [Known; 3] = [
    (
        160_000,
        "0000003ca3c99aff040f2563c2ad8f8ec88bd0fd6b8f0895cfaf1ef90353a62c",
    ),
    (
        290_000,
        "0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0",
    ),
    (
        293_175,
        "00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329",
    ),
];

const TESTNET4: [Known; 3] = [
    (
        90_000,
        "0000000002ebe8bcda020e0dd6ccfbdfac531d2f6a81457191b99fc2df2dbe3b",
    ),
    (
        120_000,
        "000000000bd2317e51b3c5794981c35ba894ce27d3e772d5c39ecd9cbce01dc8",
    ),
    (
        123_613,
        "0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a",
    ),
];

const MAINNET_MIN_WORK: [u8; 32] =
    work(b"0000000000000000000000000000000000000001128750f82f4c366153a3a030");
const SIGNET_MIN_WORK: [u8; 32] =
    work(b"00000000000000000000000000000000000000000000000000000b463ea0a4b8");
const TESTNET4_MIN_WORK: [u8; 32] =
    work(b"0000000000000000000000000000000000000000000009a0fe15d0177d086304");

/// Hex to bytes, at compile time: a slip above doesn't compile.
const fn work(hex: &[u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 64 {
        let digit = match hex[at] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a hex digit"),
        };
        bytes[at / 2] = bytes[at / 2] << 4 | digit;
        at += 1;
    }
    bytes
}

fn checkpoints(known: &[Known]) -> Vec<Checkpoint> {
    known
        .iter()
        .map(|&(height, hash)| checkpoint(height, hash))
        .collect()
}

fn checkpoint(height: u32, hash: &str) -> Checkpoint {
    // The constants are of the right form, which a test makes sure of. Were one not, the zero
    // hash would refuse every chain, which is the safe side.
    let hash = hash.parse().unwrap_or_else(|_| BlockHash::all_zeros());
    Checkpoint { height, hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_in_order_and_have_the_work_of_their_network() {
        for params in [Params::mainnet(), Params::signet(), Params::testnet4()] {
            let known = params.checkpoints();
            assert!(known.is_sorted_by(|a, b| a.height < b.height));
            for checkpoint in known {
                assert_ne!(checkpoint.hash, BlockHash::all_zeros());
                assert!(params.limit.is_met_by(checkpoint.hash), "{}", params.name());
            }
        }
    }

    #[test]
    fn every_genesis_block_has_its_own_work_and_the_easiest_bits() {
        let all = [
            Params::mainnet(),
            Params::signet(),
            Params::testnet4(),
            Params::regtest(),
        ];
        for params in all {
            let genesis = params.genesis();
            let named = Params::named(params.name()).unwrap();
            assert_eq!(named.genesis(), genesis);
            assert_eq!(genesis.bits, params.easiest_bits(), "{}", params.name());
            assert!(
                params.limit.is_met_by(genesis.block_hash()),
                "{}",
                params.name()
            );
        }
    }

    #[test]
    fn periods_are_two_weeks() {
        for params in [Params::mainnet(), Params::signet(), Params::testnet4()] {
            assert_eq!(params.interval, 2016);
            assert_eq!(params.period_s(), 14 * 24 * 60 * 60);
        }
    }
}
