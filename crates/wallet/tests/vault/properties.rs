//! Any policy that is accepted compiles, is described, and each of its paths spends when it is due.

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, OutPoint, TxOut, Txid};
use proptest::prelude::*;
use wallet::vault::{
    ChainView, Coin, Keychain, NonceSeed, Payment, Place, SpendPath, Vault, VaultError, propose,
    read_psbt,
};
use zeroize::Zeroizing;

use crate::support::key;

const NAMES: [&str; 5] = ["ann", "ben", "cho", "dan", "eve"];

/// A path: a mask of signers, how many of them, and a delay.
type Rule = (u8, usize, Option<u16>);

fn toml(kinds: u8, rules: &[Rule]) -> String {
    let mut text = "name = \"random\"\nnetwork = \"regtest\"\n".to_owned();
    let named = |mask: u8| {
        NAMES
            .iter()
            .enumerate()
            .filter(move |(n, _)| mask & (1 << n) != 0)
    };
    let all = rules.iter().fold(0, |all, rule| all | rule.0);
    for (place, name) in named(all) {
        let kind = if kinds & (1 << place) != 0 {
            "agent"
        } else {
            "human"
        };
        let line = key(name).account_key();
        text += &format!("[signers.{name}]\nkind = \"{kind}\"\nkey = \"{line}\"\n");
    }
    for (mask, needs, delay) in rules {
        let who: Vec<_> = named(*mask).map(|(_, name)| format!("{name:?}")).collect();
        text += &format!("[[path]]\nwho = [{}]\nneeds = {needs}\n", who.join(", "));
        if let Some(blocks) = delay {
            text += &format!("after = \"{blocks} blocks\"\n");
        }
    }
    text
}

fn view(vault: &Vault, delay_blocks: u32) -> ChainView {
    let place = |index| Place {
        keychain: Keychain::Receive,
        index,
    };
    let coin = |index: u32| Coin {
        outpoint: OutPoint::new(Txid::from_byte_array([index as u8 + 1; 32]), index),
        output: TxOut {
            value: Amount::from_sat(50_000),
            script_pubkey: vault.address(place(index)).unwrap().script_pubkey(),
        },
        place: place(index),
        height: Some(1_000),
    };
    ChainView {
        height: 1_000 + delay_blocks.max(1) - 1,
        coins: (0..2).map(coin).collect(),
        next_index: [2, 0],
    }
}

fn spend(vault: &Vault, path: SpendPath) -> Result<(), VaultError> {
    let view = view(vault, vault.delay_blocks(path));
    let payment = Payment {
        to: vault.address(view.coins[0].place)?,
        amount_sat: Some(70_000),
    };
    let psbt = propose(vault, &view, path, &payment, 5.0)?;
    let bytes = psbt.serialize();
    let psbt = read_psbt(&bytes)?;
    assert_eq!(psbt, read_psbt(psbt.to_string().as_bytes())?);
    let name = |signer: usize| vault.policy().name_of(signer).to_owned();
    let mut reviewed = vault.review(psbt, &view)?;
    let who = vault.who(path);
    // The last ones, so that it isn't always the first keys that sign.
    let signing = &who[who.len() - vault.needs(path)..];
    let seed = |signer: usize| NonceSeed::new(Zeroizing::new([signer as u8; 32]));
    for &signer in signing {
        match path {
            SpendPath::Together => reviewed.give_nonces(&key(&name(signer)), &seed(signer))?,
            SpendPath::Rule(_) => reviewed.sign(&key(&name(signer)), &[3; 32])?,
        }
    }
    if path == SpendPath::Together {
        for &signer in signing {
            reviewed.sign_together(&key(&name(signer)), seed(signer))?;
        }
    }
    let again = vault.review(reviewed.into_psbt(), &view)?;
    assert!(again.is_complete());
    let tx = again.finish()?;
    let paid: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
    assert_eq!(again.fee_sat(), 100_000 - paid);
    let rate = again.fee_sat() as f64 / tx.vsize() as f64;
    assert!((4.9..5.4).contains(&rate), "{rate} sat/vB");
    // A block earlier, a delayed path isn't due.
    let mut early = view;
    if vault.delay_blocks(path) > 1 {
        early.height -= 1;
        let refused = propose(vault, &early, path, &payment, 5.0).unwrap_err();
        assert_eq!(refused.code(), "vault_path_not_due");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_path_of_every_policy_spends(
        kinds in prop::sample::select(vec![0_u8, 1, 2, 16, 18, 31]),
        mut rules in prop::collection::vec((1_u8..32, 0_usize..5, prop::option::of(1_u16..)), 1..5),
    ) {
        // Mostly sensible ones: what is refused teaches little.
        rules[0].2 = None;
        for (mask, needs, _) in &mut rules {
            *needs = 1 + *needs % mask.count_ones() as usize;
        }
        let text = toml(kinds, &rules);
        match Vault::from_toml(&text) {
            Err(VaultError::Policy(error)) => prop_assert!(error.code().starts_with("policy_")),
            Err(other) => prop_assert!(false, "{other}\n{text}"),
            Ok(vault) => {
                let words = vault.describe(1.0).unwrap();
                prop_assert_eq!(words.paths.len(), vault.paths().len());
                for path in vault.paths() {
                    if let Err(error) = spend(&vault, path) {
                        prop_assert!(false, "{}: {error}\n{text}", vault.path_name(path));
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_makes_the_policy_panic(text in ".{0,200}") {
        let _ = Vault::from_toml(&text);
    }

    #[test]
    fn no_bytes_make_a_psbt_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_psbt(&bytes);
        let _ = read_psbt(&[b"psbt\xff", bytes.as_slice()].concat());
    }
}
