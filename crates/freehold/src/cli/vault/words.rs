//! Vaults and proposals in words.

use node::{CheckedView, Description, ProposalState, ProposalView, VaultView};

use crate::cli::table::{pairs, table};
use crate::when;

/// What a policy means.
pub fn description(vault: &Description, rate: f64) -> String {
    let signers = vault.signers.iter();
    let signers = signers.map(|signer| {
        let kind = match signer.kind {
            node::SignerKind::Human => "human",
            node::SignerKind::Agent => "agent",
        };
        format!("  {} ({kind})", signer.name)
    });
    let paths = vault.paths.iter().map(|path| {
        format!(
            "  {}: {}\n      a coin adds {} vB: {} sat at {rate} sat/vB",
            path.name, path.words, path.input_vb, path.input_fee_sat
        )
    });
    let notes = vault.notes.iter().map(|note| format!("  - {note}"));
    [
        format!("vault {} ({}), id {}", vault.name, vault.network, vault.id),
        "signers".into(),
        lines(signers),
        "ways to spend, the cheapest first".into(),
        lines(paths),
        "to be known".into(),
        lines(notes),
        "descriptor for other wallets".into(),
        format!("  {}", vault.descriptor),
    ]
    .join("\n")
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// A vault and what it has.
pub fn vault(vault: &VaultView, rate: f64) -> String {
    let me = match &vault.me {
        Some(me) => format!("this node is {me}"),
        None => "this node only watches: its key isn't in the policy".into(),
    };
    let has = vault.balance.map_or_else(
        || "the chain wasn't asked: no source is configured".into(),
        |balance| {
            format!(
                "{} sat in {} coins, {} sat on their way (at block {})",
                balance.confirmed_sat, balance.coins, balance.pending_sat, balance.height
            )
        },
    );
    format!("{}\n{me}\n{has}", description(&vault.description, rate))
}

/// All vaults.
pub fn vaults(vaults: Vec<VaultView>) -> String {
    if vaults.is_empty() {
        return "no vaults yet: freehold vault new POLICY.toml".into();
    }
    let row = |vault: &VaultView| {
        let balance = vault.balance.unwrap_or(node::VaultBalance {
            confirmed_sat: 0,
            pending_sat: 0,
            coins: 0,
            height: 0,
        });
        [
            vault.description.name.clone(),
            vault.description.id.clone(),
            vault.me.clone().unwrap_or_else(|| "-".into()),
            balance.confirmed_sat.to_string(),
            balance.pending_sat.to_string(),
        ]
    };
    table(
        ["name", "id", "me", "sat", "pending"],
        vaults.iter().map(row).collect(),
    )
}

/// All proposals.
pub fn proposals(proposals: Vec<ProposalView>) -> String {
    if proposals.is_empty() {
        return "no proposals yet: freehold vault propose NAME --to ADDRESS --sat N".into();
    }
    let row = |proposal: &ProposalView| {
        let paid = proposal.checked.as_ref().map_or(0, paid_sat);
        [
            proposal.id.chars().take(12).collect(),
            proposal.vault.clone(),
            state(proposal.state).to_owned(),
            paid.to_string(),
            when::utc(proposal.created_ms),
            next(proposal),
        ]
    };
    table(
        ["id", "vault", "state", "sat", "since", "next"],
        proposals.iter().map(row).collect(),
    )
}

/// One proposal.
pub fn proposal(proposal: &ProposalView) -> String {
    let mut rows = vec![
        ("proposal", proposal.id.clone()),
        ("vault", proposal.vault.clone()),
        ("state", state(proposal.state).to_owned()),
    ];
    if !proposal.memo.is_empty() {
        rows.push(("memo", proposal.memo.clone()));
    }
    if let Some(checked) = &proposal.checked {
        rows.push(("path", checked.path.clone()));
        for paid in &checked.paid {
            rows.push(("pays", format!("{} sat to {}", paid.amount_sat, paid.to)));
        }
        rows.push(("change", format!("{} sat", checked.change_sat)));
        rows.push(("fee", format!("{} sat", checked.fee_sat)));
        rows.push(("signed by", checked.signed.join(", ")));
    }
    if let Some(problem) = &proposal.problem {
        rows.push(("problem", problem.clone()));
    }
    rows.push(("next", next(proposal)));
    pairs(&rows)
}

fn paid_sat(checked: &CheckedView) -> u64 {
    let paid = checked.paid.iter().map(|paid| paid.amount_sat);
    paid.fold(0, u64::saturating_add)
}

fn state(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Sent => "sent",
        ProposalState::Dropped => "dropped",
    }
}

fn next(proposal: &ProposalView) -> String {
    match (&proposal.checked, &proposal.problem) {
        (Some(checked), _) => checked.next.clone(),
        (None, Some(problem)) => problem.clone(),
        (None, None) => "nothing".into(),
    }
}
