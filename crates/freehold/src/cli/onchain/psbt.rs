//! `freehold onchain psbt`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use node::{FeeChoice, PsbtView, SendInput};
use serde_json::Value;

use super::fee::FeeFlags;
use super::{IdFlag, PaymentFlags, WalletFlag, show};
use crate::api::onchain::{PsbtInput, PsbtsInput};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What every partially signed transaction begins with (BIP-174).
const MAGIC: &[u8] = b"psbt\xff";
/// Larger ones can't be sent anyway.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What to do with a partially signed transaction. They are read from files, in base64 or as bytes,
/// and written in base64.
#[derive(Debug, Subcommand)]
pub enum PsbtCommand {
    /// Make a payment to be signed somewhere else
    Create {
        #[command(flatten)]
        payment: PaymentFlags,
        #[command(flatten)]
        wallet: WalletFlag,
        #[command(flatten)]
        out: OutFlag,
    },
    /// Show what one does
    Show {
        /// The file; `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        wallet: WalletFlag,
    },
    /// Sign with this wallet's keys
    Sign {
        /// The file; `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        fee: FeeFlags,
        #[command(flatten)]
        out: OutFlag,
    },
    /// Put together what several have signed, and finish it if nothing is missing
    Combine {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        out: OutFlag,
    },
    /// Finish one that all have signed, and send it
    Broadcast {
        /// The file; `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        wallet: WalletFlag,
        #[command(flatten)]
        id: IdFlag,
        #[command(flatten)]
        fee: FeeFlags,
    },
}

/// Where it is written to.
#[derive(Debug, Args)]
pub struct OutFlag {
    /// Write it to this file instead of standard output
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_PSBT_OUT",
        hide_env = true,
        value_name = "FILE"
    )]
    out: Option<PathBuf>,
}

pub async fn run(output: Output, client: &Client, command: PsbtCommand) -> Result<()> {
    match command {
        PsbtCommand::Create {
            payment,
            wallet,
            out,
        } => {
            let input = SendInput {
                wallet: wallet.wallet,
                ..payment.input()
            };
            let made = client.post("/api/onchain/psbt/create", &input).await?;
            out.write(output, made)
        }
        PsbtCommand::Show { file, wallet } => {
            let input = input(&file, wallet.wallet, None, FeeChoice::default())?;
            let shown = client.post("/api/onchain/psbt/show", &input).await?;
            output.show(shown, |view: PsbtView| show::psbt(&view))
        }
        PsbtCommand::Sign { file, fee, out } => {
            let input = input(&file, None, None, fee.choice())?;
            let signed = client.post("/api/onchain/psbt/sign", &input).await?;
            out.write(output, signed)
        }
        PsbtCommand::Combine { files, out } => {
            let psbts = files.iter().map(|file| read(file));
            let psbts = psbts.collect::<Result<_>>()?;
            let path = "/api/onchain/psbt/combine";
            let combined = client.post(path, &PsbtsInput { psbts }).await?;
            out.write(output, combined)
        }
        PsbtCommand::Broadcast {
            file,
            wallet,
            id,
            fee,
        } => {
            let input = input(&file, wallet.wallet, id.payment_id, fee.choice())?;
            let sent = client.post("/api/onchain/psbt/broadcast", &input).await?;
            output.show(sent, show::spend)
        }
    }
}

fn input(
    file: &Path,
    wallet: Option<String>,
    id: Option<String>,
    fee: FeeChoice,
) -> Result<PsbtInput> {
    Ok(PsbtInput {
        psbt: read(file)?,
        wallet,
        id,
        fee,
    })
}

impl OutFlag {
    /// The transaction is the data; what it does is for people.
    fn write(&self, output: Output, value: Value) -> Result<()> {
        let view: PsbtView = serde_json::from_value(value.clone()).map_err(|error| {
            Failure::ours("answer_unreadable", format!("the node's answer: {error}"))
        })?;
        if let Some(path) = &self.out {
            std::fs::write(path, format!("{}\n", view.psbt))
                .map_err(|error| Failure::file("write", path, &error))?;
        }
        if output.json {
            return output.json(&value);
        }
        output.note(&show::psbt(&view));
        match self.out {
            Some(_) => Ok(()),
            None => output.line(&view.psbt),
        }
    }
}

/// A transaction's base64, from a file that has that or the bytes themselves.
fn read(path: &Path) -> Result<String> {
    let cant = |error| Failure::file("read", path, &error);
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(cant)?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(cant)?;
    }
    if bytes.starts_with(MAGIC) {
        return Ok(STANDARD.encode(bytes));
    }
    String::from_utf8(bytes).map_err(|_| {
        Failure::user(
            "psbt_invalid",
            format!("{} is no partially signed transaction", path.display()),
            "export it again, in base64 or as a file",
        )
    })
}
