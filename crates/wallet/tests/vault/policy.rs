//! What a policy file may say, and where the mistake is when it can't be used.

use wallet::vault::{Keychain, Place, Vault, VaultError};

use crate::support::{key, policy, policy_with, vault};

/// The mistake's code and line.
fn mistake(toml: &str) -> (&'static str, Option<usize>) {
    match Vault::from_toml(toml).unwrap_err() {
        VaultError::Policy(error) => {
            assert!(!error.hint().is_empty());
            (error.code(), error.line)
        }
        other => panic!("{other}"),
    }
}

fn line_of(toml: &str, text: &str) -> Option<usize> {
    toml.lines()
        .position(|line| line.contains(text))
        .map(|line| line + 1)
}

fn changed(from: &str, to: &str) -> String {
    let toml = policy();
    assert!(toml.contains(from), "{from}");
    toml.replacen(from, to, 1)
}

#[test]
fn mistakes_are_told_with_their_line() {
    let cases = [
        ("needs = 2", "needs = 4", "policy_needs", "needs = 4"),
        ("needs = 2", "needs = 0", "policy_needs", "needs = 0"),
        ("needs = 2", "needs = two", "policy_syntax", "needs = two"),
        (
            "\"scout\"]",
            "\"mallory\"]",
            "policy_signer_unknown",
            "mallory",
        ),
        (
            "\"bob\", \"scout\"]",
            "\"bob\", \"bob\"]",
            "policy_signer_twice",
            "\"bob\", \"bob\"",
        ),
        ("30 blocks", "2 years", "policy_delay", "2 years"),
        ("30 blocks", "soon", "policy_delay", "soon"),
        ("regtest", "testnet9", "policy_syntax", "testnet9"),
        ("regtest", "mainnet", "policy_key", "key = "),
        (
            "name = \"family\"",
            "name = \"My Family\"",
            "policy_name",
            "My Family",
        ),
        (
            "\"recovery\"",
            "\"alone\"",
            "policy_path_twice",
            "who = [\"bob\"]",
        ),
        (
            "sat_per_day",
            "sat_per_hour",
            "policy_syntax",
            "sat_per_hour",
        ),
        (
            "agent = \"scout\"",
            "agent = \"bob\"",
            "policy_allowance",
            "[allowance]",
        ),
        (
            "with = \"alice\"",
            "with = \"scout\"",
            "policy_allowance",
            "[allowance]",
        ),
    ];
    for (from, to, code, place) in cases {
        let toml = changed(from, to);
        let (found, line) = mistake(&toml);
        assert_eq!(found, code, "{to}");
        let expected = line_of(&toml, place).unwrap();
        let line = line.unwrap();
        // A table's span begins at its header.
        assert!(
            line.abs_diff(expected) <= 2,
            "{to}: line {line}, not {expected}"
        );
    }
}

#[test]
fn a_key_twice_is_refused() {
    let alice = key("alice").account_key().to_string();
    let bob = key("bob").account_key().to_string();
    let toml = changed(&bob, &alice);
    let (code, line) = mistake(&toml);
    assert_eq!(code, "policy_key_twice");
    let twice = toml
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(&alice));
    assert_eq!(line, twice.map(|(place, _)| place + 1).last());
    // Not even under another origin.
    let disguised = format!("[00000000{}", &alice[9..]);
    assert_eq!(mistake(&changed(&bob, &disguised)).0, "policy_key_twice");
}

#[test]
fn bad_keys_are_refused_and_private_ones_not_repeated() {
    let alice = key("alice").account_key().to_string();
    let (_, xpub) = alice.split_once(']').unwrap();
    for bad in [
        xpub,
        "[12345678/48h]",
        &alice[..alice.len() - 1],
        &alice.replace("/3h", ""),
    ] {
        assert_eq!(mistake(&changed(&alice, bad)).0, "policy_key", "{bad}");
    }
    let secret = "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK";
    let toml = changed(&alice, &format!("[12345678/48h]{secret}"));
    let error = Vault::from_toml(&toml).unwrap_err().to_string();
    assert!(
        error.contains("private key") && !error.contains("tprv8"),
        "{error}"
    );
}

#[test]
fn agents_never_decide_alone() {
    assert_eq!(
        mistake(&changed("needs = 2", "needs = 1")).0,
        "policy_agents_alone"
    );
    assert_eq!(
        mistake(&changed("who = [\"bob\"]", "who = [\"scout\"]")).0,
        "policy_agents_alone"
    );
    let two = policy().replacen("kind = \"human\"", "kind = \"agent\"", 1);
    assert_eq!(mistake(&two).0, "policy_agents_alone");
}

#[test]
fn somebody_must_be_able_to_spend_at_once_and_everybody_somehow() {
    let toml = changed("needs = 2", "needs = 2\nafter = \"1 day\"");
    assert_eq!(mistake(&toml), ("policy_no_open_path", None));
    let toml = changed("\"alice\", \"bob\", \"scout\"", "\"alice\", \"bob\"");
    let toml = toml.split("[allowance]").next().unwrap();
    let (code, line) = mistake(toml);
    assert_eq!((code, line.is_some()), ("policy_signer_idle", true));
}

#[test]
fn only_who_may_spend_anyway_can_cooperate() {
    for (head, code) in [
        ("cooperate = [\"scout\"]", "policy_together"),
        ("cooperate = [\"alice\"]", "policy_together"),
        ("cooperate = [\"alice\", \"alice\"]", "policy_signer_twice"),
        ("cooperate = [\"mallory\"]", "policy_signer_unknown"),
        ("cooperate = 3", "policy_syntax"),
    ] {
        assert_eq!(mistake(&policy_with(head)).0, code, "{head}");
    }
    // Hardware that can't do MuSig2 stays out, as long as the others may spend.
    let toml = policy().replacen("kind = \"human\"", "kind = \"human\"\nmusig2 = false", 1);
    let vault = Vault::from_toml(&toml).unwrap();
    assert_eq!(vault.group().unwrap().signers.len(), 2);
    let toml = toml.replacen("needs = 2", "needs = 3", 1);
    let toml = toml.split("[allowance]").next().unwrap();
    assert!(Vault::from_toml(toml).unwrap().group().is_none());
}

#[test]
fn files_of_any_size_and_shape_are_only_refused() {
    assert_eq!(mistake(&"#".repeat(70_000)).0, "policy_syntax");
    assert_eq!(mistake("").0, "policy_syntax");
    let many: String = (0..30)
        .map(|n| format!("[[path]]\nname = \"p{n}\"\nwho = [\"alice\"]\nneeds = 1\n"))
        .collect();
    let toml = policy().replace("[allowance]", &format!("{many}\n[allowance]"));
    assert_eq!(mistake(&toml).0, "policy_size");
}

#[test]
fn it_is_told_in_plain_words_with_its_costs() {
    let words = vault().describe(10.0).unwrap();
    let paths: Vec<_> = words
        .paths
        .iter()
        .map(|path| {
            (
                path.name.as_str(),
                path.words.as_str(),
                path.input_vb,
                path.input_fee_sat,
            )
        })
        .collect();
    assert_eq!(
        paths,
        [
            (
                "together",
                "alice, bob and scout together, at once: with one signature, so that it looks like any payment",
                57.5,
                575
            ),
            (
                "everyday",
                "any 2 of alice, bob and scout, at once",
                paths[1].2,
                paths[1].3
            ),
            (
                "alone",
                "alice alone, once a coin is 10 blocks old",
                paths[2].2,
                paths[2].3
            ),
            (
                "recovery",
                "bob alone, once a coin is 30 blocks old",
                paths[3].2,
                paths[3].3
            ),
        ]
    );
    assert!(paths.iter().all(|path| path.2 < 150.0));
    let notes = words.notes.join("\n");
    assert!(
        notes.contains("alice's node signs along with scout"),
        "{notes}"
    );
    assert!(notes.contains("50000 sat"), "{notes}");
    assert!(notes.contains("keep a copy"), "{notes}");
    let alone = Vault::from_toml(&policy_with("cooperate = false")).unwrap();
    let notes = alone.describe(1.0).unwrap().notes.join("\n");
    assert!(notes.contains("nobody knows"), "{notes}");
}

#[test]
fn other_wallets_read_the_descriptor_and_come_to_the_same_addresses() {
    use bdk_wallet::KeychainKind;
    let vault = vault();
    let text = vault.descriptor();
    assert!(
        text.starts_with("tr(") && text.contains("/<0;1>/*") && text.contains('#'),
        "{text}"
    );
    // Alice's and Bob's second uses have other keychains than the first.
    assert_eq!(text.matches("/<2;3>/*").count(), 2, "{text}");
    let wallet = bdk_wallet::Wallet::create_from_two_path_descriptor(text)
        .network(bitcoin::Network::Regtest)
        .create_wallet_no_persist()
        .unwrap();
    for index in [0, 1, 77] {
        for (kind, keychain) in [
            (KeychainKind::External, Keychain::Receive),
            (KeychainKind::Internal, Keychain::Change),
        ] {
            let ours = vault.address(Place { keychain, index }).unwrap();
            assert_eq!(wallet.peek_address(kind, index).address, ours);
        }
    }
    // The same policy comes to the same vault, another one doesn't.
    assert_eq!(vault.id(), Vault::from_toml(&policy()).unwrap().id());
    let other = Vault::from_toml(&changed("30 blocks", "31 blocks")).unwrap();
    assert_ne!(vault.id(), other.id());
}
