//! `freehold up`

use std::io::ErrorKind::AddrInUse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::FalseyValueParser;
use node::{Config, Network, Node, NodeError};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wire::server::{self, Stop};

use super::Context;
use super::status::network;
use super::table::pairs;
use crate::api::{self, App, login};
use crate::client;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// How to start.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Listen beyond this machine too. Whoever can reach the node can buy answers; all else needs
    /// a token, and travels unencrypted unless a proxy in front adds TLS
    #[arg(long, env = "FREEHOLD_UP_ALLOW_REMOTE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    allow_remote: bool,
}

pub async fn run(context: &Context, args: &UpArgs) -> Result<()> {
    let mut config = context.config.clone();
    check_listen(&config, args.allow_remote)?;
    let listener = bind(&config).await?;
    let bound = listener
        .local_addr()
        .map_err(|e| no_listener(&config, &e))?;
    config.listen = bound;
    config.is_server = true;

    // Whoever stops the program while it starts wants it stopped then.
    let mut stop = stop_signal()?;
    let node = tokio::select! {
        node = Node::open(config, client::worker()?) => node?,
        _ = stop.requested() => return Ok(()),
    };
    let result = serve(context.output, node.clone(), listener, stop).await;
    node::retract(node.config());
    node.shutdown().await;
    result
}

async fn serve(output: Output, node: Node, listener: TcpListener, mut stop: Stop) -> Result<()> {
    let app = App::new(node.clone());
    let router = api::router(app.clone()).await;
    let router = router.map_err(|error| Failure::ours("router_failed", error.to_string()))?;
    let url = local_url(node.config().listen);
    node::announce(node.config(), &url)?;
    let server = tokio::spawn(server::serve(
        listener,
        router,
        stop.clone(),
        server::CONNECTIONS_MAX,
    ));

    let ready = async {
        let model = start(&node).await;
        greet(output, &app, &url, model)
    };
    let greeted = tokio::select! {
        greeted = ready => greeted,
        _ = stop.requested() => Ok(()),
    };
    if let Err(failure) = greeted {
        // Nobody reads where to go next; the node serves all the same.
        tracing::debug!(?failure, "the greeting wasn't written");
    }
    server
        .await
        .map_err(|error| Failure::ours("server_failed", error.to_string()))?;
    output.note("stopped");
    Ok(())
}

/// Starts the model; says why there is none if there is none, and goes on without.
async fn start(node: &Node) -> Result<Option<String>, NodeError> {
    node.start().await?;
    Ok(node.status().await?.model)
}

fn check_listen(config: &Config, allow_remote: bool) -> Result<()> {
    let listen = config.listen;
    if !listen.ip().is_loopback() && !allow_remote {
        return Err(Failure::user(
            "listen_remote",
            format!("{listen} can be reached from other machines"),
            "add --allow-remote if that is meant, or listen on 127.0.0.1",
        ));
    }
    // Payment requests name our mint, and a wildcard is no address to pay at.
    if listen.ip().is_unspecified() && config.public_url.is_none() {
        return Err(Failure::user(
            "public_url_missing",
            format!("{listen} doesn't say how others reach this node"),
            "add --public-url http://ADDRESS:PORT, or listen on that address",
        ));
    }
    Ok(())
}

/// A node that is killed while it starts its model's process leaves the address taken until
/// that has really begun: so this is tried for a moment.
async fn bind(config: &Config) -> Result<TcpListener> {
    let deadline = Instant::now() + BIND_WITHIN;
    loop {
        match TcpListener::bind(config.listen).await {
            Err(error) if error.kind() == AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result.map_err(|error| no_listener(config, &error)),
        }
    }
}

const BIND_WITHIN: Duration = Duration::from_millis(500);

fn no_listener(config: &Config, error: &std::io::Error) -> Failure {
    let listen = config.listen;
    match (error.kind(), node::running(config)) {
        (AddrInUse, Some(running)) => Failure::user(
            "already_running",
            format!("a node is already running at {}", running.url),
            "`freehold status` shows how it is doing",
        ),
        (AddrInUse, None) => Failure::user(
            "address_in_use",
            format!("another program listens on {listen}"),
            "stop it, or choose another port: --listen 127.0.0.1:0 takes any free one",
        ),
        _ => Failure::user(
            "listen_failed",
            format!("can't listen on {listen}: {error}"),
            "use an address of this machine, and a port above 1023",
        ),
    }
}

/// Where this machine reaches the node: a wildcard address isn't one to connect to.
pub(super) fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// Becomes true at Ctrl-C or SIGTERM. The second time ends the program at once.
pub(super) fn stop_signal() -> Result<Stop> {
    let failed = |error: std::io::Error| Failure::ours("no_signals", error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            if sender.send_replace(true) {
                std::process::exit(code);
            }
        }
    });
    Ok(Stop::new(receiver))
}

fn greet(
    output: Output,
    app: &App,
    url: &str,
    model: Result<Option<String>, NodeError>,
) -> Result<()> {
    let config = app.node.config();
    let home = format!("{url}{}", login::link_path(app));
    if output.json {
        let model = model.ok().flatten();
        let network = config.network.to_string();
        return output.json(&json!({
            "url": url, "login_url": home, "network": network, "mint_url": config.mint(),
            "model": model,
        }));
    }
    let model = match &model {
        Ok(Some(model)) => model.clone(),
        Ok(None) => "none".into(),
        Err(error) => format!("none: {error}\n           hint: {}", error.hint()),
    };
    let lines = pairs(&[
        ("home page", format!("{home}  (works once, for 10 minutes)")),
        ("API", format!("{url}/v1  (as OpenAI's)")),
        ("mint", config.mint()),
        ("model", model),
    ]);
    output.line(&format!(
        "Freehold {} is up on network {}\n\n{lines}\n\nIn another shell:\n{}\n\nCtrl-C stops it.",
        env!("CARGO_PKG_VERSION"),
        network(&config.network.to_string()),
        suggestions(config.network),
    ))
}

/// What to type next. Commands find the node by its network, so another one than the default is named.
fn suggestions(network: Network) -> String {
    let program = match network {
        Network::Play => "freehold".to_owned(),
        other => format!("freehold --network {other}"),
    };
    [
        "ask \"What is a merkle tree?\"",
        "purse new scout",
        "status",
    ]
    .map(|command| format!("  {program} {command}"))
    .join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_to_type_next_names_the_network() {
        assert!(suggestions(Network::Play).ends_with("\n  freehold status"));
        let sandbox = suggestions(Network::Sandbox);
        assert!(sandbox.ends_with("\n  freehold --network sandbox status"));
    }

    fn check(listen: &str, public_url: Option<&str>, allow_remote: bool) -> Option<String> {
        let mut config = Config::load(&node::Overrides {
            config_file: Some("/dev/null".into()),
            data_dir: Some("/nowhere".into()),
            ..Default::default()
        })
        .unwrap();
        config.listen = address(listen);
        config.public_url = public_url.map(str::to_owned);
        let checked = check_listen(&config, allow_remote);
        checked.err().map(|failure| failure.code.into_owned())
    }

    #[test]
    fn other_machines_are_let_in_only_when_told() {
        assert_eq!(check("127.0.0.1:1", None, false), None);
        assert_eq!(check("[::1]:1", None, false), None);
        assert_eq!(check("10.0.0.1:1", None, false).unwrap(), "listen_remote");
        assert_eq!(check("10.0.0.1:1", None, true), None);
        assert_eq!(
            check("0.0.0.0:1", None, true).unwrap(),
            "public_url_missing"
        );
        assert_eq!(check("0.0.0.0:1", Some("http://house"), true), None);
    }

    #[test]
    fn a_wildcard_is_reached_by_loopback() {
        assert_eq!(local_url(address("0.0.0.0:80")), "http://127.0.0.1:80");
        assert_eq!(local_url(address("[::]:80")), "http://[::1]:80");
        assert_eq!(local_url(address("10.0.0.1:80")), "http://10.0.0.1:80");
    }
}
