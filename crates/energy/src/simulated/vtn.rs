//! An OpenADR 3.1 VTN: gives a token, tells its events, takes reports.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::http::{Reply, Request, Served, serve_http};

const TOKEN: &str = "simulated-token";

/// The VTN. Client id and secret are `site` and `secret`.
pub struct Vtn {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _served: Served,
}

#[derive(Default)]
struct State {
    events: Vec<Value>,
    reports: Vec<Value>,
}

impl Vtn {
    /// Serves at an address.
    ///
    /// # Errors
    /// When the address can't be taken.
    pub async fn serve(address: SocketAddr) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let for_server = state.clone();
        let listening = Arc::new(Mutex::new(address));
        let for_answers = listening.clone();
        let answer = move |request: Request| {
            let address = *for_answers.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = for_server.lock().unwrap_or_else(PoisonError::into_inner);
            Some(answer(&mut state, address, &request))
        };
        let (address, served) = serve_http(address, answer).await?;
        *listening.lock().unwrap_or_else(PoisonError::into_inner) = address;
        Ok(Self {
            address,
            state,
            _served: served,
        })
    }

    /// The address for a VEN.
    pub fn url(&self) -> String {
        format!("http://{}/openadr3/3.1.0", self.address)
    }

    /// Has another event to tell, as the standard writes it.
    pub fn add_event(&self, event: Value) {
        self.lock().events.push(event);
    }

    /// What was reported.
    pub fn reports(&self) -> Vec<Value> {
        self.lock().reports.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(state: &mut State, address: SocketAddr, request: &Request) -> Reply {
    let path = request
        .path
        .strip_prefix("/openadr3/3.1.0")
        .unwrap_or_default();
    let token = request.authorization.as_deref().unwrap_or_default();
    let is_known = token.strip_prefix("Bearer ") == Some(TOKEN);
    match (request.method.as_str(), path) {
        ("GET", "/auth/server") => {
            let url = format!("http://{address}/openadr3/3.1.0/auth/token");
            Reply::ok(json!({ "tokenURL": url }).to_string())
        }
        ("POST", "/auth/token") => {
            let wanted = [
                "grant_type=client_credentials",
                "client_id=site",
                "client_secret=secret",
            ];
            if wanted
                .iter()
                .all(|part| request.body.split('&').any(|given| given == *part))
            {
                Reply::ok(
                    json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 })
                        .to_string(),
                )
            } else {
                Reply::status(403)
            }
        }
        _ if !is_known => Reply::status(401),
        ("GET", "/events") => {
            let program = request.query.strip_prefix("programID=").unwrap_or_default();
            let events: Vec<&Value> = state
                .events
                .iter()
                .filter(|event| event["programID"] == program)
                .collect();
            Reply::ok(json!(events).to_string())
        }
        ("POST", "/reports") => {
            state
                .reports
                .push(serde_json::from_str(&request.body).unwrap_or_default());
            Reply {
                status: 201,
                body: request.body.clone(),
            }
        }
        _ => Reply::status(404),
    }
}
