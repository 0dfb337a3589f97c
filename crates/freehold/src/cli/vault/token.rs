//! `freehold vault token`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use node::{TokenRequestView, TokenView};

use super::files;
use crate::api::vaults::{TokenInput, TokenRequestInput};
use crate::client::{Client, escape};
use crate::failure::Result;
use crate::output::Output;

/// What to do with locked ecash. Tokens are in files: they are money.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Ask for ecash that is locked to the vault's signers; any wallet can pay
    Request {
        /// The vault
        name: String,
        /// How much to pay
        #[arg(long, env = "FREEHOLD_VAULT_SAT", hide_env = true, value_name = "SAT")]
        #[arg(id = "vault_sat")]
        sat: u64,
    },
    /// Show how far a locked token is signed
    Show {
        /// The vault
        name: String,
        /// The file with the token
        file: PathBuf,
    },
    /// Sign a locked token
    Sign {
        /// The vault
        name: String,
        /// The file with the token
        file: PathBuf,
        /// Write what comes of it to a file
        #[arg(long, env = "FREEHOLD_VAULT_OUT", hide_env = true, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub async fn run(output: Output, client: &Client, command: TokenCommand) -> Result<()> {
    let path = |name: &str, what: &str| format!("/api/vaults/{}/{what}", escape(name));
    match command {
        TokenCommand::Request { name, sat } => {
            let input = TokenRequestInput { amount_sat: sat };
            let made = client.post(&path(&name, "token-requests"), &input).await?;
            output.show(made, |made: TokenRequestView| made.request)
        }
        TokenCommand::Show { name, file } => {
            let view = client
                .post(&path(&name, "tokens/show"), &read(&file)?)
                .await?;
            output.show(view, |view: TokenView| words(&view))
        }
        TokenCommand::Sign { name, file, out } => {
            let view = client
                .post(&path(&name, "tokens/sign"), &read(&file)?)
                .await?;
            let Some(out) = out else {
                // The token is the data.
                return output.show(view, |view: TokenView| view.token);
            };
            files::write_private(&out, view["token"].as_str().unwrap_or_default())?;
            output.show(view, |view: TokenView| words(&view))
        }
    }
}

fn read(file: &Path) -> Result<TokenInput> {
    let token = files::text(file)?.trim().to_owned();
    Ok(TokenInput { token })
}

fn words(view: &TokenView) -> String {
    let standing = &view.standing;
    let signed = match standing.signed.as_slice() {
        [] => "nobody".to_owned(),
        signed => signed.join(", "),
    };
    let state = match standing.is_open {
        true => "it can be redeemed now",
        false => "it needs more signatures, or time",
    };
    format!("{} sat, signed by {signed}: {state}", standing.amount_sat)
}
