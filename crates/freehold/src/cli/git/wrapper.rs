//! `freehold git wrapper`

use clap::Args;

use crate::failure::{Failure, Result};
use crate::output::Output;

/// What the script is to say.
#[derive(Debug, Args)]
pub struct WrapperArgs {
    /// Flags for `freehold git gpg`, such as `-c URL` or `--offline`
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Git's setting names a program and nothing else, so a script says the rest.
pub fn run(output: Output, args: &WrapperArgs) -> Result<()> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::ours("program_unknown", error.to_string()))?;
    let words = [program.display().to_string(), "git".into(), "gpg".into()];
    let words: Vec<String> = words
        .iter()
        .chain(&args.flags)
        .map(|word| quoted(word))
        .collect();
    let script = format!("#!/bin/sh\nexec {} -- \"$@\"\n", words.join(" "));
    output.bytes(script.as_bytes())?;
    output.note(
        "Save it as a file, and then:\n  chmod +x FILE\n  git config --global gpg.program \"$(realpath FILE)\"",
    );
    Ok(())
}

/// One word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_one_word() {
        assert_eq!(quoted("https://a.example:1/x"), "https://a.example:1/x");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
