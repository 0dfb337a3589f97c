//! Wallets on the chain in words.

use node::{
    AddressView, CoinView, Descriptors, OnchainBalance, PsbtView, Spend, SpendKind, SpendState,
    TxView, WatchedWallet,
};

use crate::cli::table::{pairs, table};
use crate::when;

pub fn address(address: AddressView) -> String {
    address.address
}

pub fn addresses(addresses: Vec<AddressView>) -> String {
    if addresses.is_empty() {
        return "none was given out yet: freehold onchain address".into();
    }
    let row = |view: &AddressView| {
        [
            view.index.to_string(),
            view.address.clone(),
            if view.is_used { "used" } else { "free" }.to_owned(),
            view.label.clone().unwrap_or_default(),
        ]
    };
    let rows = addresses.iter().map(row).collect();
    table(["no.", "address", "state", "label"], rows)
}

pub fn balance(view: OnchainBalance) -> String {
    let sat = |sat: u64| format!("{sat} sat");
    let balance = view.balance;
    let mut lines = vec![
        ("wallet", view.wallet),
        ("confirmed", sat(balance.confirmed_sat)),
        ("pending", sat(balance.pending_sat)),
    ];
    if balance.frozen_sat > 0 {
        lines.push(("frozen", sat(balance.frozen_sat)));
    }
    if balance.immature_sat > 0 {
        lines.push(("immature", sat(balance.immature_sat)));
    }
    lines.push(("block", view.height.to_string()));
    lines.extend(view.trouble.map(|why| ("out of date", why)));
    pairs(&lines)
}

pub fn coins(coins: Vec<CoinView>) -> String {
    if coins.is_empty() {
        return "no coins; be paid at the address of: freehold onchain address".into();
    }
    let row = |coin: &CoinView| {
        [
            coin.outpoint.clone(),
            coin.amount_sat.to_string(),
            coin.confirmations.to_string(),
            if coin.is_frozen { "frozen" } else { "" }.to_owned(),
            if coin.is_change { "change" } else { "" }.to_owned(),
            coin.label.clone().unwrap_or_default(),
        ]
    };
    let rows = coins.iter().map(row).collect();
    table(["coin", "sat", "blocks", "state", "kind", "label"], rows)
}

pub fn history(transactions: Vec<TxView>) -> String {
    if transactions.is_empty() {
        return "no transactions yet".into();
    }
    let row = |tx: &TxView| {
        let mined = tx.block_unix_s.and_then(|s| i64::try_from(s).ok());
        [
            tx.txid.clone(),
            tx.net_sat.to_string(),
            tx.fee_sat.map(|fee| fee.to_string()).unwrap_or_default(),
            tx.confirmations.to_string(),
            mined.map_or_else(
                || "waits".to_owned(),
                |s| when::utc(s.saturating_mul(1_000)),
            ),
            tx.label.clone().unwrap_or_default(),
        ]
    };
    let rows = transactions.iter().map(row).collect();
    table(
        ["transaction", "sat", "fee", "blocks", "mined", "label"],
        rows,
    )
}

pub fn spends(spends: Vec<Spend>) -> String {
    if spends.is_empty() {
        return "no payments yet: freehold onchain send ADDRESS AMOUNT".into();
    }
    let row = |spend: &Spend| {
        [
            spend.id.clone(),
            kind(spend.kind).to_owned(),
            spend.amount_sat.to_string(),
            spend.fee_sat.to_string(),
            state(spend.state).to_owned(),
            spend.txid.clone(),
        ]
    };
    let rows = spends.iter().map(row).collect();
    table(
        ["payment", "kind", "sat", "fee", "state", "transaction"],
        rows,
    )
}

pub fn spend(spend: Spend) -> String {
    let rate = spend.fee_rate_sat_per_vb;
    let mut lines = vec![
        ("payment", spend.id),
        ("transaction", spend.txid),
        ("state", state(spend.state).to_owned()),
        ("amount", format!("{} sat", spend.amount_sat)),
        ("fee", format!("{} sat, {rate:.1} sat/vB", spend.fee_sat)),
    ];
    lines.extend(spend.address.map(|address| ("to", address)));
    lines.extend(spend.replaces.map(|txid| ("replaces", txid)));
    let shown = pairs(&lines);
    match spend.state {
        SpendState::Recorded => format!(
            "{shown}\n\nThe chain source didn't take it yet: it is recorded, and sent when it does."
        ),
        _ => shown,
    }
}

pub fn descriptors(view: Descriptors) -> String {
    let mut lines = vec![("receiving", view.external)];
    lines.extend(view.internal.map(|internal| ("change", internal)));
    pairs(&lines)
}

pub fn watched(wallets: Vec<WatchedWallet>) -> String {
    if wallets.is_empty() {
        return "no wallet is watched: freehold onchain watch add NAME XPUB".into();
    }
    let rows = wallets
        .into_iter()
        .map(|wallet| [wallet.name, wallet.script, wallet.descriptor])
        .collect();
    table(["wallet", "script", "descriptor"], rows)
}

pub fn psbt(view: &PsbtView) -> String {
    let complete = match view.is_complete {
        true => "all signatures are there",
        false => "signatures are missing",
    };
    let fee = view
        .fee_sat
        .map_or("not known".to_owned(), |fee| format!("{fee} sat"));
    let mut lines = vec![
        ("transaction", view.txid.clone()),
        ("signatures", complete.to_owned()),
        ("fee", fee),
    ];
    for output in &view.outputs {
        let label = if output.is_ours { "back to us" } else { "pays" };
        lines.push((
            label,
            format!("{} sat to {}", output.amount_sat, output.address),
        ));
    }
    pairs(&lines)
}

const fn state(state: SpendState) -> &'static str {
    match state {
        SpendState::Recorded => "recorded",
        SpendState::Sent => "sent",
        SpendState::Confirmed => "in a block",
        SpendState::Replaced => "replaced",
        SpendState::Refused => "refused",
    }
}

const fn kind(kind: SpendKind) -> &'static str {
    match kind {
        SpendKind::Send => "payment",
        SpendKind::Replace => "replacement",
        SpendKind::PayForParent => "for its parent",
        SpendKind::Sweep => "savings",
        SpendKind::Psbt => "signed elsewhere",
    }
}
