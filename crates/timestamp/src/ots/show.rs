//! A proof as text, line by line as the reference client prints it.

use std::fmt::Write;

use bitcoin::Transaction;
use bitcoin::consensus::deserialize;

use super::{Attestation, DetachedProof, Digester, Op, Result, Timestamp};

/// The smallest transaction: no use to look for one in less.
const MIN_TRANSACTION_BYTES: usize = 60;

/// How much to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether each operation's result is shown too.
    pub shows_results: bool,
}

impl DetachedProof {
    /// The proof as text.
    ///
    /// # Errors
    /// As [`Timestamp::replay`].
    pub fn describe(&self, style: Style) -> Result<String> {
        let (name, digest) = (self.digester().name(), hex::encode(self.digest()));
        let tree = self.timestamp().describe(self.digest(), style)?;
        Ok(format!("File {name} hash: {digest}\nTimestamp:\n{tree}"))
    }
}

impl Timestamp {
    /// The tree as text, for a message.
    ///
    /// # Errors
    /// As [`Timestamp::replay`].
    pub fn describe(&self, message: &[u8], style: Style) -> Result<String> {
        let mut text = String::new();
        describe(&self.ops, self, message.to_vec(), style, 0, &mut text)?;
        Ok(text)
    }
}

/// Writes the operations, and then what is at their end.
fn describe(
    ops: &[Op],
    end: &Timestamp,
    mut message: Vec<u8>,
    style: Style,
    indent: usize,
    text: &mut String,
) -> Result<()> {
    for op in ops {
        transaction(&message, '#', indent, text);
        step(op, &mut message, "", style, indent, text)?;
    }
    let space = " ".repeat(indent);
    for attestation in &end.attestations {
        push(text, format_args!("{space}verify {attestation}"));
        let chain = match attestation {
            Attestation::Bitcoin { .. } => "Bitcoin",
            Attestation::Litecoin { .. } => "Litecoin",
            _ => continue,
        };
        let root = reversed_hex(&message);
        push(
            text,
            format_args!("{space}# {chain} block merkle root {root}"),
        );
    }
    // With attestations beside it, a single branch is a fork here, and none to the reference.
    let is_fork = end.branches.len() > 1;
    for branch in &end.branches {
        let Some((first, rest)) = branch.ops.split_first() else {
            continue;
        };
        let (mark, arrow, inner) = if is_fork {
            ('*', " -> ", indent + 4)
        } else {
            ('#', "", indent)
        };
        transaction(&message, mark, indent, text);
        let mut result = message.clone();
        step(first, &mut result, arrow, style, indent, text)?;
        describe(rest, branch, result, style, inner, text)?;
    }
    Ok(())
}

fn step(
    op: &Op,
    message: &mut Vec<u8>,
    arrow: &str,
    style: Style,
    indent: usize,
    text: &mut String,
) -> Result<()> {
    op.apply(message)?;
    let space = " ".repeat(indent);
    if style.shows_results {
        let result = hex::encode(&*message);
        push(text, format_args!("{space}{arrow}{op} == {result}"));
    } else {
        push(text, format_args!("{space}{arrow}{op}"));
    }
    Ok(())
}

/// Says which transaction the message is, if it is one.
fn transaction(message: &[u8], mark: char, indent: usize, text: &mut String) {
    if message.len() >= MIN_TRANSACTION_BYTES && deserialize::<Transaction>(message).is_ok() {
        let digester = Digester::Sha256;
        let id = reversed_hex(&digester.digest(&digester.digest(message)));
        let space = " ".repeat(indent);
        push(text, format_args!("{space}{mark} Transaction id {id}"));
    }
}

/// Bitcoin shows its hashes backwards.
fn reversed_hex(bytes: &[u8]) -> String {
    hex::encode(bytes.iter().rev().copied().collect::<Vec<_>>())
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}
