//! `freehold model`. The store is a folder that any number of processes share, so only `use`
//! has to ask the node.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use node::{DEFAULT_MODEL, InstalledModel, ModelStore, PullOptions};
use serde_json::{Value, json};

use super::Context;
use super::progress;
use super::table::table;
use crate::client::Client;
use crate::failure::{Failure, Result};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Fetch a model of the catalogue, or take in a GGUF file of your own
    Pull {
        /// A name from `freehold model list`, or the path of a GGUF file
        #[arg(default_value = DEFAULT_MODEL, value_name = "NAME|PATH")]
        model: String,
        /// Take the catalogue's model from this file, if it is the same
        #[arg(
            long,
            env = "FREEHOLD_MODEL_FROM",
            hide_env = true,
            value_name = "FILE"
        )]
        from: Option<PathBuf>,
    },
    /// List what is installed and what the catalogue has
    List,
    /// Remove an installed model
    Remove {
        /// Which
        name: String,
    },
    /// Choose the model that answers
    Use {
        /// Which
        name: String,
    },
}

pub async fn run(context: &Context, command: ModelCommand) -> Result<()> {
    let output = context.output;
    let store = node::model_store(&context.config)?;
    match command {
        ModelCommand::Pull { model, from } => pull(context, &store, &model, from).await,
        ModelCommand::List => {
            let catalogue = described(&store)?;
            output.show(catalogue, |models: Vec<Value>| listed(&models))
        }
        ModelCommand::Remove { name } => {
            store.remove(&name)?;
            output.show(json!({"removed": name}), |_: Value| {
                format!("{name} is removed")
            })
        }
        ModelCommand::Use { name } => {
            let client = Client::connect(&context.config).await?;
            let model = client.post("/api/models/use", &json!({"name": name})).await;
            client.close().await;
            output.show(model?, |_: Value| format!("{name} answers from now on"))
        }
    }
}

async fn pull(
    context: &Context,
    store: &ModelStore,
    model: &str,
    from: Option<PathBuf>,
) -> Result<()> {
    let output = context.output;
    let bar = progress::Bar::new(output.quiet);
    let pulled = match (own_file(model), from) {
        (Some(path), None) => {
            let name = own_name(&path)?;
            store.import(&path, &name, "unknown", &bar.sink()).await
        }
        (Some(_), Some(_)) => {
            let hint = "give the catalogue's name with --from, or the path alone";
            return Err(Failure::user("usage", "two files were given", hint));
        }
        (None, from) => {
            let spec = node::find(model)?;
            let spec = match from {
                Some(path) => spec.with_local_path(path),
                None => spec,
            };
            store
                .pull(&spec, &PullOptions::discover(), &bar.sink())
                .await
        }
    };
    bar.finish();
    let model = pulled?;
    let value = json!(model);
    output.show(value, |_: Value| {
        let (name, licence) = (&model.spec.name, &model.spec.licence);
        format!(
            "{name} is installed ({}, licence {licence}, from {})",
            size(model.spec.size_bytes),
            model.origin
        )
    })
}

/// A path, rather than a name: names have neither slashes nor the format's suffix.
fn own_file(model: &str) -> Option<PathBuf> {
    let path = Path::new(model);
    let is_gguf = path
        .extension()
        .is_some_and(|suffix| suffix.eq_ignore_ascii_case("gguf"));
    (is_gguf || model.contains(std::path::MAIN_SEPARATOR)).then(|| path.to_owned())
}

/// A model's name from its file's: lowercase, and `-` for whatever a name can't have.
fn own_name(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let keep = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_alphanumeric() || ".-_".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(keep).collect();
    let name = name.trim_matches(['-', '.', '_']).to_owned();
    if name.is_empty() {
        let message = format!("{} doesn't give the model a name", path.display());
        let hint = "rename the file to what the model is to be called";
        return Err(Failure::user("invalid_name", message, hint));
    }
    Ok(name)
}

/// What is installed, and what could be.
fn described(store: &ModelStore) -> Result<Value> {
    let (installed, selected) = (store.list()?, store.selected()?);
    let is_selected = |model: &InstalledModel| {
        selected
            .as_ref()
            .is_some_and(|selected| selected.spec.name == model.spec.name)
    };
    let row = |model: &InstalledModel| {
        let mut value = json!(model);
        value["installed"] = json!(true);
        value["selected"] = json!(is_selected(model));
        value
    };
    let mut rows: Vec<Value> = installed.iter().map(row).collect();
    for spec in node::catalog() {
        if !installed.iter().any(|model| model.spec.name == spec.name) {
            let mut value = json!(spec);
            value["installed"] = json!(false);
            value["selected"] = json!(false);
            rows.push(value);
        }
    }
    Ok(json!(rows))
}

fn listed(models: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |model: &Value| {
        let state = match (&model["installed"], &model["selected"]) {
            (_, Value::Bool(true)) => "in use",
            (Value::Bool(true), _) => "installed",
            _ => "can be pulled",
        };
        [
            text(&model["name"]),
            size(model["size_bytes"].as_u64().unwrap_or_default()),
            text(&model["licence"]),
            state.to_owned(),
            text(&model["description"]),
        ]
    };
    let rows = models.iter().map(row).collect();
    table(["name", "size", "licence", "state", "description"], rows)
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        assert_eq!(own_file("smollm2-135m-instruct"), None);
        assert!(own_file("model.GGUF").is_some());
        assert!(own_file("./model").is_some());
    }

    #[test]
    fn a_file_gives_its_model_a_name() {
        let name = |path: &str| own_name(Path::new(path));
        assert_eq!(name("/x/My Model.Q4_1.gguf").unwrap(), "my-model.q4_1");
        assert!(name("/x/---.gguf").is_err());
    }
}
