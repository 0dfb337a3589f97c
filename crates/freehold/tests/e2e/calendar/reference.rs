//! The reference client, `ots`, at our calendar: it stamps, completes and checks, and so do we with
//! what it has made.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use node::stamps::Attestation;

use crate::calendar::chain::Chain;
use crate::calendar::server::Calendar;
use crate::calendar::user::{File, User};
use crate::common::{programs, told, waiting, without_proxy};

/// The reference client, without a cache, allowed to ask one calendar.
struct Ots {
    program: PathBuf,
    home: PathBuf,
    calendar: String,
}

impl Ots {
    fn new(user: &User, calendar: &Calendar) -> Option<Self> {
        Some(Self {
            program: programs(&["venv/bin/ots"])?.join("venv/bin/ots"),
            home: user.scratch().to_owned(),
            calendar: calendar.url(),
        })
    }

    fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        let mut command = Command::new(&self.program);
        without_proxy(&mut command);
        command
            .args(["--no-cache", "--no-default-whitelist", "-l", &self.calendar])
            .args(args)
            .env("HOME", &self.home)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        waiting(|| command.output().unwrap())
    }

    fn ok<A: AsRef<OsStr>>(&self, args: &[A]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{}", told(&output));
        // It writes what it has done to standard error.
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .concat()
    }

    fn stamped(&self, user: &User, name: &str) -> File {
        let file = user.file(name);
        self.ok(&["stamp", "-c", &self.calendar, "-m", "1", file.name()]);
        file
    }
}

fn is_pending(file: &File) -> bool {
    matches!(file.attested().as_slice(), [Attestation::Pending(_)])
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_stamp_and_show_the_same() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let Some(ots) = Ots::new(&user, &calendar) else {
        return;
    };
    let theirs = ots.stamped(&user, "theirs");
    let ours = user.stamped("ours", &calendar);
    for file in [&theirs, &ours] {
        assert!(is_pending(file));
        assert_eq!(
            ots.ok(&["info", file.proof_name()]).trim(),
            user.ok(&["info", file.proof_name()]).trim()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_completes_the_others_proofs() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let Some(ots) = Ots::new(&user, &calendar) else {
        return;
    };
    let twice = |file: File| {
        let name = file.path().file_name().unwrap().to_str().unwrap();
        let copy = user.file(&format!("copy of {name}"));
        fs::copy(file.proof_name(), copy.proof_name()).unwrap();
        (file, copy)
    };
    for file in [
        ots.stamped(&user, "theirs"),
        user.stamped("ours", &calendar),
    ] {
        let (by_us, by_them) = twice(file);
        user.complete(&by_us, &calendar).await;
        // It changes the proof, and says that a stand-in is no Bitcoin.
        let said = ots.run(&["upgrade", by_them.proof_name()]);
        assert_eq!(said.status.code(), Some(1), "{}", told(&said));
        assert_eq!(by_us.proof_bytes(), by_them.proof_bytes());
        assert!(!is_pending(&by_us));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_clients_say_success_of_a_bitcoin_proof() {
    let (user, chain) = (User::new(), Chain::start());
    let ours = user.stamped("ours", &chain.calendar);
    let ots = Ots::new(&user, &chain.calendar);
    let theirs = ots.as_ref().map(|ots| ots.stamped(&user, "theirs"));
    chain.anchor().await;
    user.complete(&ours, &chain.calendar).await;
    let height = ours.height().unwrap();
    for by in [chain.by_esplora(), chain.by_node()] {
        let mut args = vec!["verify", ours.proof_name()];
        args.extend(by.iter().map(String::as_str));
        let said = User::new().ok(&args);
        assert!(
            said.starts_with(&format!("Success! Bitcoin block {height} ")),
            "{said}"
        );
    }
    let (Some(ots), Some(theirs)) = (ots, theirs) else {
        return;
    };
    let said = ots.ok(&["upgrade", theirs.proof_name()]);
    assert!(said.contains("Success! Timestamp complete"), "{said}");
    let node = chain.sandbox.url().replace("//", "//user:password@");
    for file in [&ours, &theirs] {
        let height = file.height().unwrap();
        assert_eq!(
            ots.ok(&["info", file.proof_name()]).trim(),
            user.ok(&["info", file.proof_name()]).trim()
        );
        let said = ots.ok(&[
            "--btc-regtest",
            "--bitcoin-node",
            &node,
            "verify",
            file.proof_name(),
        ]);
        let expected = format!("Success! Bitcoin block {height} attests");
        assert!(said.contains(&expected), "{said}");
        let mut args = vec!["verify", file.proof_name()];
        let by = chain.by_node();
        args.extend(by.iter().map(String::as_str));
        user.ok(&args);
    }
}
