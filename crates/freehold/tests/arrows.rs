//! Holds the arrows of `ARCHITECTURE.md` (`freehold → node → rooms`), and a few habits of tidiness.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Where in the house a crate stands. That decides what it may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A subject of its own, which could be published alone.
    Room,
    /// A room that plays somebody else's server, which is all its subject: so it may use a web framework.
    Server,
    /// Composes the rooms.
    Hall,
    /// The doors' connections to the outside world, a crate of its own for the sake of its optimisation.
    Wire,
    /// What the outside world sees: the command line, the API, the pages.
    Doors,
}

/// Every crate of the workspace. A new one is entered here, and so gets its rules.
const HOUSE: [(&str, Place); 9] = [
    ("wallet", Place::Room),
    ("http402", Place::Room),
    ("timestamp", Place::Room),
    ("inference", Place::Room),
    ("energy", Place::Room),
    // An Esplora server for tests and for trying things out; nothing of the house is served by it.
    ("sandbox", Place::Server),
    ("node", Place::Hall),
    ("wire", Place::Wire),
    ("freehold", Place::Doors),
];

/// Crates that serve the web, which only the doors do. Clients such as `reqwest` are no matter here.
const WEB_FRAMEWORKS: [&str; 14] = [
    "axum",
    "axum-core",
    "axum-extra",
    "axum-server",
    "actix-web",
    "cdk-axum",
    "hyper",
    "hyper-util",
    "maud",
    "poem",
    "rocket",
    "salvo",
    "tower-http",
    "warp",
];

/// The longest that a file of Rust may be. Well before that it is time to look for the seam.
const LINES_MAX: usize = 600;

/// A crate and all that it names in `[dependencies]`, `[dev-dependencies]` and `[build-dependencies]`.
/// Tests are held to the arrows too: otherwise `cargo test -p timestamp` would soon build the wallet.
struct Crate {
    name: String,
    dependencies: Vec<Dependency>,
}

/// A crate that is named.
struct Dependency {
    name: String,
    is_for_tests: bool,
}

impl Crate {
    fn new(name: &str, dependencies: Vec<Dependency>) -> Self {
        Self {
            name: name.into(),
            dependencies,
        }
    }
}

impl Dependency {
    fn new(name: &str, is_for_tests: bool) -> Self {
        Self {
            name: name.into(),
            is_for_tests,
        }
    }
}

fn place_of(name: &str) -> Option<Place> {
    let (_, place) = HOUSE.iter().find(|(known, _)| *known == name)?;
    Some(*place)
}

/// Why a crate standing at `place` may not depend on `dependency`, if it may not.
fn objection(place: Place, dependency: &str) -> Option<&'static str> {
    match (place, place_of(dependency)) {
        (Place::Room | Place::Server | Place::Wire, Some(_)) => Some(
            "a room depends on no other crate of the house: take what it needs as a trait or a value, and let \
             `node` supply it",
        ),
        (Place::Hall, Some(Place::Hall | Place::Wire | Place::Doors)) => {
            Some("the hall knows only the rooms: whatever is above it calls it")
        }
        (Place::Doors, Some(Place::Room | Place::Server | Place::Doors)) => {
            Some("the doors speak to `node` only: give `Node` what they need from the room")
        }
        (Place::Room | Place::Hall, None) if WEB_FRAMEWORKS.contains(&dependency) => {
            Some("only the doors know the web: keep the framework in `freehold`")
        }
        _ => None,
    }
}

/// The room that also has a site's devices as servers, which the whole program is tried against.
const HAS_DEVICES: &str = "energy";

/// Whether it only plays the world outside, for tests: of the whole program, or of a room that speaks to a chain.
fn is_stage_set(place: Place, dependency: &str, is_for_tests: bool) -> bool {
    let is_server = place_of(dependency) == Some(Place::Server);
    let is_stage = match place {
        Place::Doors => is_server || dependency == HAS_DEVICES,
        Place::Room => is_server,
        _ => false,
    };
    is_for_tests && is_stage
}

/// One line for each arrow that points the wrong way, and for each crate that the table lacks.
fn wrong_arrows(crates: &[Crate]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Crate { name, dependencies } in crates {
        let Some(place) = place_of(name) else {
            wrong.push(format!(
                "{name} is new: enter it in HOUSE in crates/freehold/tests/arrows.rs, and draw it in ARCHITECTURE.md"
            ));
            continue;
        };
        for Dependency {
            name: dependency,
            is_for_tests,
        } in dependencies
        {
            let objection = objection(place, dependency);
            if let Some(why) = objection.filter(|_| !is_stage_set(place, dependency, *is_for_tests))
            {
                wrong.push(format!("{name} → {dependency}: {why}"));
            }
        }
    }
    wrong
}

/// The checkout. Asked for at run time, since a target directory may outlive the checkout that filled it.
fn workspace() -> PathBuf {
    let freehold = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this test"));
    freehold.ancestors().nth(2).unwrap().to_owned()
}

/// The workspace as cargo sees it: names are those of the packages, whatever they are renamed to.
fn crates() -> Vec<Crate> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {complaint}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let named = dependencies.iter().map(|dependency| {
                Dependency::new(name_of(dependency), dependency["kind"] == "dev")
            });
            Crate::new(name_of(package), named.collect())
        })
        .collect()
}

fn name_of(value: &Value) -> &str {
    value["name"].as_str().expect("it has a name")
}

/// All Rust files below a folder, without what was built.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `tests.rs` and `…_tests.rs` belong to the module beside them, and what that says holds for them.
fn is_test_module(file: &Path) -> bool {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"))
}

/// Whether a manifest takes the workspace's lints, by the section that says so.
fn takes_workspace_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n  {}\n", wrong.join("\n  "));
}

#[test]
fn every_arrow_points_inwards() {
    assert_none(&wrong_arrows(&crates()));
}

#[test]
fn the_table_has_no_crate_that_is_gone() {
    let crates = crates();
    for (name, _) in HOUSE {
        let found = crates.iter().any(|c| c.name == name);
        assert!(found, "{name} is in HOUSE, but not in the workspace");
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for Crate { name, .. } in crates() {
        let manifest = workspace().join("crates").join(&name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("a crate's folder has its name");
        let takes = takes_workspace_lints(&text);
        assert!(
            takes,
            "{name}: its Cargo.toml lacks [lints] workspace = true"
        );
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut wrong = Vec::new();
    for file in rust_files(&workspace().join("crates")) {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(workspace()).unwrap().display();
        let in_src = file.components().any(|part| part.as_os_str() == "src");
        if in_src && !is_test_module(&file) && !text.starts_with("//!") {
            wrong.push(format!(
                "{shown}: begin with a //! comment that says what it is for"
            ));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{shown}: {lines} lines, {LINES_MAX} at most"));
        }
    }
    assert_none(&wrong);
}

/// The check itself: what it objects to in a house with one more crate, or one more arrow.
#[track_caller]
fn check(name: &str, dependency: &str, expected: Option<&str>) {
    check_named(name, Dependency::new(dependency, false), expected);
}

/// The same for what only tests use.
#[track_caller]
fn check_for_tests(name: &str, dependency: &str, expected: Option<&str>) {
    check_named(name, Dependency::new(dependency, true), expected);
}

#[track_caller]
fn check_named(name: &str, dependency: Dependency, expected: Option<&str>) {
    let shown = dependency.name.clone();
    let found = wrong_arrows(&[Crate::new(
        name,
        vec![Dependency::new("serde", false), dependency],
    )]);
    match expected {
        None => assert_none(&found),
        Some(part) => {
            assert_eq!(found.len(), 1, "{name} → {shown}: {found:?}");
            assert!(
                found[0].contains(part),
                "{found:?} says nothing of {part:?}"
            );
        }
    }
}

#[test]
fn right_arrows_pass() {
    check("freehold", "node", None);
    check("freehold", "axum", None);
    check("freehold", "wire", None);
    check("wire", "hyper", None);
    check("node", "wallet", None);
    check("node", "reqwest", None);
    check("inference", "reqwest", None);
    check("sandbox", "axum", None);
    check("node", "sandbox", None);
    check_for_tests("freehold", "sandbox", None);
}

#[test]
fn a_room_that_leaves_its_room_is_caught() {
    check("wallet", "timestamp", Some("wallet → timestamp"));
    check("http402", "node", Some("as a trait or a value"));
    check("timestamp", "freehold", Some("timestamp → freehold"));
    check("wallet", "cdk-axum", Some("only the doors"));
    check("sandbox", "wallet", Some("as a trait or a value"));
    check("wire", "node", Some("as a trait or a value"));
    check_for_tests("wallet", "timestamp", Some("wallet → timestamp"));
    // A room that speaks to a chain is tested with one.
    check_for_tests("wallet", "sandbox", None);
    check("wallet", "sandbox", Some("as a trait or a value"));
}

#[test]
fn a_hall_that_looks_outside_is_caught() {
    check("node", "freehold", Some("node → freehold"));
    check("node", "wire", Some("node → wire"));
    check("node", "axum", Some("only the doors"));
}

#[test]
fn a_door_that_reaches_past_the_hall_is_caught() {
    check("freehold", "wallet", Some("speak to `node` only"));
    check("freehold", "sandbox", Some("speak to `node` only"));
    check_for_tests("freehold", "wallet", Some("speak to `node` only"));
}

#[test]
fn a_crate_that_the_table_lacks_is_caught() {
    check("attic", "axum", Some("attic is new"));
}

#[test]
fn lints_that_are_not_the_workspaces_are_caught() {
    assert!(takes_workspace_lints(
        "[package]\n\n[lints]\nworkspace = true\n"
    ));
    assert!(!takes_workspace_lints("[package]\nworkspace = true\n"));
    assert!(!takes_workspace_lints(
        "[lints.rust]\nunsafe_code = \"allow\"\n"
    ));
}
