//! `freehold-sandbox FOLDER`: the chain in that folder, served until standard input ends.
//!
//! The first line of its output is the address of the Esplora server, which speaks JSON-RPC too. A program of its own,
//! because Bitcoin Core's engine gathers randomness for a tenth of a second whenever a program that holds it starts.

use std::env;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use sandbox::Sandbox;

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // With nobody left to tell, the exit code says it.
            let _ = writeln!(io::stderr(), "freehold-sandbox: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let folder = env::args_os().nth(1);
    let folder = folder.ok_or("usage: freehold-sandbox FOLDER")?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sandbox = Sandbox::open(Path::new(&folder), any_port).map_err(|why| why.to_string())?;
    let mut out = io::stdout();
    let said = writeln!(out, "{}", sandbox.url()).and_then(|()| out.flush());
    said.map_err(|why| why.to_string())?;
    // Whoever started it holds the other end: it goes when they go, also when they are killed.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    Ok(())
}
