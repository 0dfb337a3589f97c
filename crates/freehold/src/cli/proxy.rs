//! `freehold proxy`

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::{Protocol, PurseName};
use serde_json::json;
use tokio::net::TcpListener;
use wire::server;

use super::Context;
use super::args::purse_name;
use super::up::{local_url, stop_signal};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::forward_proxy::{self, Terms};

/// The most connections at a time.
const CONNECTIONS_MAX: usize = 128;

/// How to buy for others.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// The purse that pays, within its limits
    #[arg(
        long,
        env = "FREEHOLD_PROXY_PURSE",
        hide_env = true,
        value_name = "NAME"
    )]
    #[arg(value_parser = purse_name)]
    purse: PurseName,
    /// The most that one request may cost, fees included
    #[arg(
        long,
        env = "FREEHOLD_PROXY_MAX_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    #[arg(default_value_t = 100)]
    max_sat: u64,
    /// Pay by one of these only: x-cashu, mpp-charge, l402 [default: by the cheapest]
    #[arg(
        long = "rail",
        env = "FREEHOLD_PROXY_RAIL",
        hide_env = true,
        value_name = "RAIL"
    )]
    #[arg(value_delimiter = ',')]
    rails: Vec<Protocol>,
    /// Where to listen; port 0 takes any free one
    #[arg(long = "proxy-listen", env = "FREEHOLD_PROXY_LISTEN", hide_env = true)]
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8403")]
    listen: SocketAddr,
    /// Listen beyond this machine too: whoever reaches it spends from the purse
    #[arg(long = "proxy-allow-remote", env = "FREEHOLD_PROXY_ALLOW_REMOTE")]
    #[arg(hide_env = true, value_parser = FalseyValueParser::new())]
    allow_remote: bool,
}

pub async fn run(context: &Context, args: ProxyArgs) -> Result<()> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(Failure::user(
            "listen_remote",
            format!("{} can be reached from other machines", args.listen),
            "add --proxy-allow-remote if others may spend from this purse, or listen on 127.0.0.1",
        ));
    }
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|error| no_listener(args.listen, &error))?;
    let bound = listener
        .local_addr()
        .map_err(|e| no_listener(args.listen, &e))?;
    let stop = stop_signal()?;
    let client = Arc::new(Client::connect(&context.config).await?);
    // That the purse is there is found out now, not by the first request.
    let path = format!("/api/purses/{}", args.purse);
    client.get(&path).await?;
    let terms = Terms {
        purse: args.purse.to_string(),
        max_sat: args.max_sat,
        rails: args.rails,
    };
    greet(context, &local_url(bound), &terms)?;
    let router = forward_proxy::router(Arc::clone(&client), terms);
    server::serve(listener, router, stop, CONNECTIONS_MAX).await;
    if let Some(client) = Arc::into_inner(client) {
        client.close().await;
    }
    Ok(())
}

fn greet(context: &Context, url: &str, terms: &Terms) -> Result<()> {
    let output = context.output;
    if output.json {
        let view = json!({"proxy": url, "purse": terms.purse, "max_sat": terms.max_sat});
        return output.json(&view);
    }
    output.line(&format!(
        "buying through {url} from purse {}, at most {} sat a request",
        terms.purse, terms.max_sat
    ))?;
    output.note(&format!(
        "http_proxy={url} is for http:// addresses; what goes by CONNECT (https://) passes through unread, and unpaid"
    ));
    Ok(())
}

fn no_listener(listen: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::user(
        "listen_failed",
        format!("can't listen on {listen}: {error}"),
        "use an address of this machine, and a free port above 1023",
    )
}
