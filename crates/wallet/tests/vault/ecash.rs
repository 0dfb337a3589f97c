//! The same policy for ecash, at an embedded mint that enforces locks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdk::nuts::MintInfo;
use wallet::ecash::{EcashWallet, EmbeddedMint, MintAccess, enforces_locks};
use wallet::vault::{EcashLock, Policy};

use crate::support::{code, key, policy, signers};

const MINT_URL: &str = "http://127.0.0.1:1/mint";
const BLOCK_S: u64 = 600;

/// Two of the three at once, Bob alone later.
fn lockable_toml() -> String {
    format!(
        "name = \"till\"\nnetwork = \"regtest\"\n{}\n\
         [[path]]\nname = \"both\"\nwho = [\"alice\", \"scout\"]\nneeds = 2\n\
         [[path]]\nname = \"later\"\nwho = [\"bob\"]\nneeds = 1\nafter = \"1 block\"\n",
        signers()
    )
}

fn lockable() -> Policy {
    Policy::from_toml(&lockable_toml()).unwrap()
}

fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

struct Till {
    _dir: tempfile::TempDir,
    payer: EcashWallet,
    receiver: EcashWallet,
}

impl Till {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mint = EmbeddedMint::play(&path("mint.db"), &[1; 64], MINT_URL)
            .await
            .unwrap();
        let wallet = async |name: &str, seed| {
            let access = MintAccess::Embedded(mint.clone());
            EcashWallet::open(&path(name), MINT_URL, [seed; 64], access)
                .await
                .unwrap()
        };
        let payer = wallet("payer.db", 2).await;
        let receiver = wallet("receiver.db", 3).await;
        let quote = payer.quote_funding(100).await.unwrap();
        payer.fund(&quote.id).await.unwrap();
        Self {
            _dir: dir,
            payer,
            receiver,
        }
    }

    async fn locked(&self, lock: &EcashLock, amount_sat: u64) -> String {
        let conditions = lock.conditions().clone();
        let issued = self
            .payer
            .issue_locked(amount_sat, conditions)
            .await
            .unwrap();
        issued.token.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_machines_open_a_lock() {
    let (till, policy) = (Till::open().await, lockable());
    let lock = EcashLock::new(&policy, 0, now_s()).unwrap();
    let token = till.locked(&lock, 21).await;
    assert!(till.receiver.redeem(&token).await.is_err());

    let read = EcashLock::of_token(&policy, &token).unwrap();
    assert_eq!(read, lock);
    let sign = |token: &str, name: &str| read.sign(&policy, token, &key(name), now_s());
    // The agent isn't the first to sign, and Bob not before his time.
    assert_eq!(code(sign(&token, "scout")), "vault_human_first");
    assert_eq!(code(sign(&token, "bob")), "vault_path_not_due");
    assert_eq!(code(sign(&token, "mallory")), "vault_not_a_signer");
    let one = sign(&token, "alice").unwrap();
    assert_eq!(sign(&one, "alice").unwrap(), one);
    let standing = read.standing(&policy, &one, now_s()).unwrap();
    assert_eq!(
        (standing.amount_sat, standing.signed, standing.is_open),
        (21, vec!["alice".to_owned()], false)
    );
    assert!(till.receiver.redeem(&one).await.is_err());
    let both = sign(&one, "scout").unwrap();
    assert!(read.standing(&policy, &both, now_s()).unwrap().is_open);
    assert_eq!(till.receiver.redeem(&both).await.unwrap(), 21);
    assert!(till.receiver.redeem(&both).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_path_opens_with_its_time() {
    let (till, policy) = (Till::open().await, lockable());
    // As if it had been made almost a block ago, so that it opens in seconds.
    let opens = now_s() + 3;
    let lock = EcashLock::new(&policy, 1, opens - BLOCK_S).unwrap();
    assert_eq!(lock.opens_unix_s(), Some(opens));
    let token = till.locked(&lock, 34).await;
    let bob = |now_s| lock.sign(&policy, &token, &key("bob"), now_s);
    assert_eq!(code(bob(opens - 1)), "vault_path_not_due");
    // Signed by a machine with a wrong clock, the mint doesn't take it.
    let early = bob(opens).unwrap();
    if now_s() < opens {
        assert!(till.receiver.redeem(&early).await.is_err());
    }
    while now_s() <= opens {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(lock.standing(&policy, &early, now_s()).unwrap().is_open);
    assert_eq!(till.receiver.redeem(&early).await.unwrap(), 34);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_arent_locked_like_this_arent_signed() {
    let (till, policy) = (Till::open().await, lockable());
    let plain = till.payer.issue(5).await.unwrap().token.clone();
    let read = |token: &str| EcashLock::of_token(&policy, token);
    assert_eq!(code(read(&plain)), "vault_not_lockable");
    let lock = EcashLock::new(&policy, 2, now_s()).unwrap();
    let token = till.locked(&lock, 5).await;
    assert_eq!(read(&token).unwrap(), lock);
    // The same people with another rule.
    let other = Policy::from_toml(&lockable_toml().replace("needs = 2", "needs = 1")).unwrap_err();
    assert_eq!(other.code(), "policy_agents_alone");
    let other = lockable_toml().replace("1 block", "2 blocks");
    let other = Policy::from_toml(&other).unwrap();
    let refused = lock.sign(&other, &token, &key("mallory"), now_s());
    assert_eq!(code(refused), "vault_not_a_signer");
    for bad in ["", "cashuB", "cashuBo2F0", "nonsense"] {
        assert_eq!(code(read(bad)), "vault_proposal_malformed", "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_wallet_can_pay_a_request_for_it() {
    let (till, policy) = (Till::open().await, lockable());
    let lock = EcashLock::new(&policy, 200, now_s()).unwrap();
    till.payer.check_locks().await.unwrap();
    let request = lock.request(MINT_URL, 13).unwrap();
    let request: cdk::nuts::PaymentRequest = request.parse().unwrap();
    assert_eq!(request.amount, Some(13.into()));
    let asked = request.nut10.unwrap();
    let token = till.locked(&lock, 13).await;
    assert_eq!(EcashLock::of_token(&policy, &token).unwrap(), lock);
    let conditions = lock.conditions().clone();
    assert_eq!(
        asked,
        cdk::nuts::nut18::Nut10SecretRequest::try_from(conditions).unwrap()
    );
}

#[test]
fn what_a_lock_cant_say_is_refused() {
    let whole = Policy::from_toml(&policy()).unwrap();
    assert_eq!(code(EcashLock::new(&whole, 0, 0)), "vault_not_lockable");
}

#[test]
fn a_mint_must_say_that_it_enforces_locks() {
    let silent: MintInfo = serde_json::from_str(
        r#"{"nuts":{"4":{"methods":[],"disabled":false},"5":{"methods":[],"disabled":false}}}"#,
    )
    .unwrap();
    assert!(!enforces_locks(&silent));
    let half: MintInfo = serde_json::from_str(r#"{"nuts":{"4":{"methods":[],"disabled":false},"5":{"methods":[],"disabled":false},"10":{"supported":true}}}"#).unwrap();
    assert!(!enforces_locks(&half));
}
