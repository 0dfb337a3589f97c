//! Looks at everything that a node needs, by trying it.

use std::os::unix::fs::PermissionsExt;

use inference::openai::ChatRequest;
use inference::store::silent;
use serde::{Deserialize, Serialize};

use crate::boxed;
use crate::error::Result;
use crate::node::Node;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked.
    pub check: String,
    /// True if it is as it must be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    fn new(check: &str, result: Result<String>) -> Self {
        let check = check.to_owned();
        match result {
            Ok(detail) => Self {
                check,
                ok: true,
                detail,
                hint: None,
            },
            Err(error) => Self {
                check,
                ok: false,
                detail: error.to_string(),
                hint: Some(error.hint()),
            },
        }
    }
}

impl Node {
    /// Checks secrets, ledger, ecash, backup, mint, model file and model, in this order.
    ///
    /// # Errors
    /// Never for what is found wrong: that is in the findings.
    #[boxed]
    pub async fn doctor(&self) -> Result<Vec<Finding>> {
        Ok(vec![
            self.check_secrets(),
            self.check_ledger().await,
            self.check_backup(),
            Finding::new("mint", self.try_mint().await),
            Finding::new("model file", self.verify_model().await),
            Finding::new("model", self.try_model().await),
        ])
    }

    fn check_secrets(&self) -> Finding {
        let dir = self.inner.config.network_dir();
        let exposed: Vec<_> = ["", "seed", "owner.token"]
            .iter()
            .map(|name| dir.join(name))
            .filter(|path| {
                let mode = std::fs::metadata(path).map(|data| data.permissions().mode());
                mode.is_ok_and(|mode| mode & 0o077 != 0)
            })
            .map(|path| path.display().to_string())
            .collect();
        Finding {
            check: "secrets".into(),
            ok: exposed.is_empty(),
            detail: if exposed.is_empty() {
                format!("only you can read {}", dir.display())
            } else {
                format!("others can read {}", exposed.join(", "))
            },
            hint: (!exposed.is_empty()).then(|| "run `chmod go-rwx` on them".into()),
        }
    }

    async fn check_ledger(&self) -> Finding {
        match self.ledger_check().await {
            Ok(audit) if audit.sound => Finding::new(
                "ledger",
                Ok(format!(
                    "{} transfers balance; {} sat of ecash are booked, {} sat are held",
                    audit.transfers, audit.ecash_booked_sat, audit.ecash_held_sat
                )),
            ),
            Ok(audit) => Finding {
                check: "ledger".into(),
                ok: false,
                detail: audit.findings.join("; "),
                hint: Some("make a copy of the data directory before anything else".into()),
            },
            Err(error) => Finding::new("ledger", Err(error)),
        }
    }

    /// Backups that fail are a fault on any network; that there is none is one where there is real money.
    fn check_backup(&self) -> Finding {
        let view = self.backup_view();
        let is_real = self.inner.config.network == crate::config::Network::Mainnet;
        let (ok, detail, hint) = match (view.trouble(), view.written_ms, view.is_phrase_confirmed) {
            (Some(trouble), ..) => (
                false,
                trouble,
                "check the path, its permissions and the disk's free space",
            ),
            (None, None, _) => (
                !is_real,
                "there is no backup yet".into(),
                "run `freehold backup`",
            ),
            (None, Some(_), false) => (
                !is_real,
                "there is a backup, but nobody confirmed to have the recovery phrase".into(),
                "run `freehold backup phrase`",
            ),
            (None, Some(_), true) => (true, format!("{} is kept current", view.path.display()), ""),
        };
        Finding {
            check: "backup".into(),
            ok,
            detail,
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }

    async fn try_mint(&self) -> Result<String> {
        self.inner.purses.fee_bound_sat().await?;
        let embedded = if self.inner.mint.is_some() {
            ", embedded, PLAY MONEY"
        } else {
            ""
        };
        Ok(format!(
            "{} answers{embedded}",
            self.inner.purses.mint_url()
        ))
    }

    async fn verify_model(&self) -> Result<String> {
        let model = self
            .inner
            .engines
            .selected()?
            .ok_or(crate::error::NodeError::ModelMissing)?;
        let store = crate::engine::model_store(&self.inner.config)?;
        let model = store.verify(&model.spec.name, &silent()).await?;
        Ok(format!(
            "{} is whole ({} bytes)",
            model.spec.name, model.spec.size_bytes
        ))
    }

    async fn try_model(&self) -> Result<String> {
        let running = self.inner.engines.get().await?;
        let body = br#"{"model":"default","messages":[{"role":"user","content":"Say hello."}]}"#;
        let request = ChatRequest::from_json(body)?;
        let (_, summary) = running
            .engine
            .generate(request, 16)
            .await?
            .collect_text()
            .await?;
        let seconds = f64::from(u32::try_from(summary.generation_ms.max(1)).unwrap_or(1)) / 1_000.0;
        let speed = f64::from(summary.completion_tokens) / seconds;
        Ok(format!(
            "{} answers, {speed:.0} tokens/s",
            running.model.spec.name
        ))
    }
}
