//! The chain: starting, mining, funding, and changing one's mind.

use std::time::Instant;

use crate::support::{Purse, coin_of};
use sandbox::{Error, Sandbox};

#[test]
fn it_starts_quickly_with_a_chain_of_now() {
    let start = Instant::now();
    let sandbox = Sandbox::start().unwrap();
    println!("started in {} ms", start.elapsed().as_millis());
    assert_eq!(sandbox.tip().height, 101);
    assert!(sandbox.url().starts_with("http://127.0.0.1:"));
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age_s = since.unwrap().as_secs() - u64::from(sandbox.header(101).unwrap().time);
    assert!(age_s < 60, "the tip is {age_s} s old");
}

#[test]
fn several_live_side_by_side_and_leave_nothing() {
    let sandboxes: Vec<_> = (0..3).map(|_| Sandbox::start().unwrap()).collect();
    sandboxes[0].mine(2).unwrap();
    assert_eq!(sandboxes[0].tip().height, 103);
    assert_eq!(sandboxes[1].tip().height, 101);
    let address = sandboxes[2].url().replace("http://", "");
    for sandbox in sandboxes {
        sandbox.stop();
    }
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_chain_in_a_folder_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let any_port = "127.0.0.1:0".parse().unwrap();
    let open = || Sandbox::open(folder.path(), any_port).unwrap();
    let sandbox = open();
    let address = Purse::new(7).address();
    let txid = sandbox.fund(address.clone(), 50_000).unwrap();
    sandbox.mine(4).unwrap();
    // In the first of the four blocks; a branch has to be longer by one to win.
    sandbox.reorg(2).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(5));
    let tip = sandbox.tip();
    drop(sandbox);

    let sandbox = open();
    assert_eq!(sandbox.tip(), tip);
    assert_eq!(sandbox.confirmations(&txid), Some(5));
    let more = sandbox.fund(address, 60_000).unwrap();
    let mined = sandbox.mine(1).unwrap();
    assert_eq!(sandbox.tip().height, tip.height + 1);
    drop(sandbox);

    let sandbox = open();
    assert_eq!(sandbox.tip().hash, mined[0]);
    assert_eq!(sandbox.confirmations(&more), Some(1));
}

#[test]
fn blocks_build_on_each_other() {
    let sandbox = Sandbox::start().unwrap();
    let hashes = sandbox.mine(3).unwrap();
    assert_eq!(hashes.len(), 3);
    assert_eq!(sandbox.tip().hash, hashes[2]);
    for height in 1..=sandbox.tip().height {
        let header = sandbox.header(height).unwrap();
        let previous = sandbox.header(height - 1).unwrap();
        assert_eq!(header.prev_blockhash, previous.block_hash());
        assert!(header.validate_pow(header.target()).is_ok());
    }
    let error = sandbox.header(105).unwrap_err();
    assert_eq!(error.code(), "no_such_height");
}

#[test]
fn rewards_go_where_they_are_sent_and_halve() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(1);
    sandbox.mine_to(purse.address(), 49).unwrap();
    let reward_sat = |height| {
        let block = sandbox.block(height).unwrap();
        let output = &block.txdata[0].output[0];
        assert_eq!(output.script_pubkey, purse.script());
        output.value.to_sat()
    };
    assert_eq!(reward_sat(149), 5_000_000_000);
    assert_eq!(reward_sat(150), 2_500_000_000);
}

#[test]
fn funds_arrive_and_can_be_spent() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(1);
    let coin = purse.funded(&sandbox, 1_000_000);
    assert_eq!(sandbox.confirmations(&coin.outpoint.txid), Some(0));
    let spend = purse.spend(&[&coin], 1_000);
    let spend = sandbox.submit(spend).unwrap();
    sandbox.mine(1).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&coin.outpoint.txid), Some(2));
    assert_eq!(sandbox.confirmations(&spend), Some(2));
    assert!(sandbox.mempool_txids().is_empty());
    // Parent and child went into one block, with their fees.
    let block = sandbox.block(102).unwrap();
    assert_eq!(block.txdata.len(), 3);
    assert!(block.check_witness_commitment() && block.check_merkle_root());
    assert!(block.txdata[0].output[0].value.to_sat() > 5_000_001_000);
}

#[test]
fn many_can_be_funded_without_a_block_between() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(1);
    for _ in 0..60 {
        sandbox.fund(purse.taproot_address(), 150_000_000).unwrap();
    }
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.block(102).unwrap().txdata.len(), 61);
    let error = sandbox
        .fund(purse.address(), 100 * 100_000_000)
        .unwrap_err();
    assert!(matches!(error, Error::InsufficientFunds { .. }), "{error}");
    assert!(error.hint().contains("mine"));
}

#[test]
fn a_reorg_of_6_gives_its_transactions_back() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(1);
    let coin = purse.funded(&sandbox, 1_000_000);
    sandbox.mine(1).unwrap();
    let spend = sandbox.submit(purse.spend(&[&coin], 500)).unwrap();
    sandbox.mine(5).unwrap();
    let waiting = sandbox.submit(purse.spend(&[&coin_of(&sandbox, &spend, &purse.script())], 700));
    let abandoned = sandbox.tip();
    assert_eq!(abandoned.height, 107);

    let branch = sandbox.reorg(6).unwrap();
    assert_eq!(branch.len(), 7);
    assert_eq!(sandbox.tip().height, 108);
    assert_eq!(sandbox.tip().hash, branch[6]);
    assert_ne!(sandbox.header(107).unwrap().block_hash(), abandoned.hash);
    // All three are back, parents first.
    let expected = vec![coin.outpoint.txid, spend, waiting.unwrap()];
    assert_eq!(sandbox.mempool_txids(), expected);
    assert_eq!(sandbox.confirmations(&spend), Some(0));
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&spend), Some(1));
    assert!(sandbox.mempool_txids().is_empty());
}

#[test]
fn a_reorg_keeps_what_lies_below_it() {
    let sandbox = Sandbox::start().unwrap();
    let txid = sandbox.fund(Purse::new(1).address(), 1_000_000).unwrap();
    sandbox.mine(3).unwrap();
    sandbox.reorg(2).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(4));
    sandbox.reorg(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(5));
}

#[test]
fn a_reorg_below_genesis_is_refused() {
    let sandbox = Sandbox::start().unwrap();
    for depth in [0, 102, u32::MAX] {
        let error = sandbox.reorg(depth).unwrap_err();
        assert_eq!(error.code(), "reorg_depth");
    }
    // All but genesis may go. Then all rewards are too young.
    sandbox.reorg(101).unwrap();
    assert_eq!(sandbox.tip().height, 102);
    sandbox.fund(Purse::new(1).address(), 1_000_000).unwrap();
}

#[test]
fn what_spent_an_abandoned_reward_is_dropped() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(1);
    sandbox.mine_to(purse.address(), 1).unwrap();
    sandbox.mine(100).unwrap();
    let reward = sandbox.block(102).unwrap().txdata[0].compute_txid();
    let coin = coin_of(&sandbox, &reward, &purse.script());
    let spend = sandbox.submit(purse.spend(&[&coin], 500)).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&spend), Some(1));
    sandbox.reorg(102).unwrap();
    assert_eq!(sandbox.confirmations(&spend), None);
    assert!(sandbox.mempool_txids().is_empty());
}
