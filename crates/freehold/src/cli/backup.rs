//! `freehold backup`

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use node::backup::{self, CopyView, Phrase, Written};
use serde_json::{Value, json};

use super::Context;
use super::table::pairs;
use crate::api::backup::BackupInput;
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// Longer than a whole phrase in one line.
const LINE_BYTES_MAX: u64 = 1_000;
const COLUMNS: usize = 4;

/// What to back up.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    /// Where to write it [default: where the node keeps it current, and its copies]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<BackupCommand>,
}

/// What else there is to recovery.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Show the recovery phrase, and ask for some of its words: once that is done, real money may come
    Phrase(SecretArgs),
    /// Show the key with which `age` opens the backups, for when there is no freehold at hand
    Identity(SecretArgs),
    /// How the backups are
    Status,
}

/// How to show a secret.
#[derive(Clone, Copy, Debug, Args)]
pub struct SecretArgs {
    /// Print the secret although the output isn't a terminal
    #[arg(long, env = "FREEHOLD_YES_PRINT", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    yes_print: bool,
}

impl BackupArgs {
    /// Whether it needs no node, and so works before the phrase is confirmed.
    pub const fn is_offline(&self) -> bool {
        matches!(
            self.command,
            Some(BackupCommand::Phrase(_) | BackupCommand::Identity(_))
        )
    }
}

pub fn offline(context: &Context, args: BackupArgs) -> Result<()> {
    match args.command {
        Some(BackupCommand::Phrase(args)) => phrase(context, args),
        Some(BackupCommand::Identity(args)) => identity(context, args),
        _ => Ok(()),
    }
}

pub async fn run(output: Output, client: &Client, args: BackupArgs) -> Result<()> {
    if args.command.is_some() {
        return output.show(client.get("/api/backup").await?, super::status::backup);
    }
    let path = args.file.map(std::path::absolute).transpose();
    let path = path
        .map_err(|error| Failure::user("file_error", error.to_string(), "name a file to write"))?;
    let written = client.post("/api/backup", &BackupInput { path }).await?;
    output.show(written, written_words)
}

fn written_words(written: Written) -> String {
    let mut lines = vec![
        ("backup", written.path.display().to_string()),
        ("as of", when::utc(written.created_ms)),
        ("size", format!("{} bytes", written.bytes)),
    ];
    lines.extend(written.left_out.into_iter().map(|what| ("LEFT OUT", what)));
    lines.extend(written.copies.iter().map(copy));
    pairs(&lines)
}

pub fn copy(copy: &CopyView) -> (&'static str, String) {
    let path = copy.path.display();
    match &copy.error {
        Some(error) => ("NO COPY", format!("{path}: {error}")),
        None => ("copy", path.to_string()),
    }
}

/// A secret in a file or a pipe is read by more than eyes.
fn require_terminal(args: SecretArgs) -> Result<()> {
    if args.yes_print || io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::user(
        "not_a_terminal",
        "the secret would be written to a file or a pipe",
        "run it in a terminal, or add --yes-print if that is meant",
    ))
}

fn phrase(context: &Context, args: SecretArgs) -> Result<()> {
    require_terminal(args)?;
    let output = context.output;
    let phrase = Phrase::of(&context.config)?;
    let questions = phrase.questions(|count| rand::random_range(0..count));
    if output.json {
        output.json(&json!({"words": phrase.words(), "questions": questions}))?;
    } else {
        output.line(&words(phrase.words()))?;
        output.note(
            "\nWrite these words down on paper, in their order. Whoever has them has the money; without them\n\
             a backup can't be read. Then answer, to show that you have them:",
        );
    }
    let mut answers = Vec::new();
    for position in questions {
        if !output.json {
            output.note(&format!("word {position}?"));
        }
        match read_line()? {
            Some(word) => answers.push((position, word)),
            None => break,
        }
    }
    phrase.confirm(&answers)?;
    output.note("confirmed: the phrase is written down");
    Ok(())
}

/// The words with their numbers, to be read down the columns.
fn words(words: &[String]) -> String {
    let rows = words.len().div_ceil(COLUMNS);
    let cell = |row: usize, column: usize| {
        let index = column * rows + row;
        let word = words.get(index)?;
        Some(format!("{:>2}  {word:<12}", index + 1))
    };
    let line = |row| {
        (0..COLUMNS)
            .filter_map(|column| cell(row, column))
            .collect::<String>()
    };
    let lines: Vec<String> = (0..rows).map(line).collect();
    lines
        .iter()
        .map(|line| line.trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A line of standard input; none at its end.
pub fn read_line() -> Result<Option<String>> {
    let mut line = String::new();
    let read = io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line);
    let count = read.map_err(|error| {
        Failure::user(
            "input_unreadable",
            error.to_string(),
            "type the answer as text",
        )
    })?;
    Ok((count > 0).then(|| line.trim().to_owned()))
}

fn identity(context: &Context, args: SecretArgs) -> Result<()> {
    require_terminal(args)?;
    let (identity, recipient) = backup::identity(&context.config)?;
    let value = json!({"identity": *identity, "recipient": recipient});
    context.output.show(value, |value: Value| {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        format!("# public key: {}\n{}", text("recipient"), text("identity"))
    })
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_numbered_down_the_columns() {
        let all: Vec<String> = (1..=24).map(|n| format!("word{n}")).collect();
        let text = words(&all);
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(text.lines().count(), 6);
        for part in [" 1  word1", " 7  word7", "13  word13", "19  word19"] {
            assert!(first.contains(part), "{first}");
        }
    }
}
