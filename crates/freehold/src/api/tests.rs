//! The router as a whole, over a real node without a model.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use node::checkpoint::Checkpoint;
use node::note::{CosignerKey, Identity};
use node::{Config, Node, Overrides, Worker};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::login::link_path;
use super::{App, router};

struct House {
    app: App,
    router: Router,
    _dir: TempDir,
}

impl House {
    async fn open() -> Self {
        // As `main` does.
        _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            config_file: Some("/dev/null".into()),
            data_dir: Some(dir.path().join("data")),
            ..Overrides::default()
        };
        let worker = Worker {
            program: "/bin/false".into(),
            args: Vec::new(),
        };
        let config = Config::load(&overrides).unwrap();
        let app = App::new(Node::open(config, worker).await.unwrap());
        let router = router(app.clone()).await.unwrap();
        Self {
            app,
            router,
            _dir: dir,
        }
    }

    /// Sends a request with these headers, and gives status, headers and body.
    async fn send(
        &self,
        request: (Method, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let mut builder = Request::builder().method(request.0).uri(request.1);
        if !headers.iter().any(|(name, _)| *name == "host") {
            builder = builder.header(header::HOST, "127.0.0.1:8402");
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, body)
    }

    /// Expects a failure with this status and code, in the shape of all failures.
    async fn refuses(
        &self,
        request: (Method, &str),
        headers: &[(&str, &str)],
        body: &str,
        expected: (u16, &str),
    ) {
        let what = format!("{request:?} {headers:?}");
        let (status, headers, body) = self.send(request, headers, body).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let error = &body["error"];
        let code = error["code"].as_str().unwrap();
        assert_eq!((status.as_u16(), code), expected, "{what}");
        assert_eq!(headers["content-type"], "application/json", "{what}");
        for name in ["message", "type", "hint"] {
            assert!(error[name].is_string(), "{what}: {name}");
        }
        assert!(error["param"].is_null(), "{what}");
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.app.node.owner_token())
    }
}

/// A request, its headers and its body, and what it is refused with.
type Refusal<'a> = (
    (&'a Method, &'a str),
    &'a [(&'a str, &'a str)],
    &'a str,
    (u16, &'a str),
);

async fn all_refused(house: &House, refusals: &[Refusal<'_>]) {
    for ((method, path), headers, body, expected) in refusals {
        let request = ((*method).clone(), *path);
        house.refuses(request, headers, body, *expected).await;
    }
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;

#[tokio::test]
async fn what_is_no_route_or_too_large_or_for_another_host_is_refused_in_one_shape() {
    let house = House::open().await;
    let foreign = [("host", "evil.example")];
    let large = "x".repeat((2 << 20) + 1);
    let too_large = (413, "request_too_large");
    all_refused(
        &house,
        &[
            ((&GET, "/nope"), &[], "", (404, "not_found")),
            ((&POST, "/v1/models"), &[], "", (405, "method_not_allowed")),
            ((&GET, "/healthz"), &foreign, "", (421, "host_not_ours")),
            (
                (&GET, "/mint/v1/info"),
                &foreign,
                "",
                (421, "host_not_ours"),
            ),
            ((&POST, "/v1/chat/completions"), &[], &large, too_large),
            ((&POST, "/mint/v1/swap"), &[], &large, too_large),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_the_owner_is_asked_wrongly_is_refused_in_one_shape() {
    let house = House::open().await;
    let bearer = house.bearer();
    let owner = [("authorization", bearer.as_str())];
    let unknown = [("authorization", "Bearer x")];
    let basic = [("authorization", "Basic x")];
    let (missing, invalid) = ((401, "token_missing"), (401, "token_invalid"));
    let (nameless, no_uri) = (r#"{"name":"No!"}"#, r#"{"uri":"x"}"#);
    let back = "/api/purses/scout/back";
    all_refused(
        &house,
        &[
            ((&GET, "/api/status"), &[], "", missing),
            ((&GET, "/api/status"), &unknown, "", invalid),
            ((&GET, "/api/status"), &basic, "", invalid),
            (
                (&POST, "/api/purses"),
                &owner,
                "{",
                (400, "malformed_request"),
            ),
            (
                (&POST, "/api/purses"),
                &owner,
                nameless,
                (400, "invalid_name"),
            ),
            (
                (&GET, "/api/purses/nobody"),
                &owner,
                "",
                (404, "purse_unknown"),
            ),
            ((&GET, "/api/purse"), &owner, "", (400, "no_own_purse")),
            ((&GET, "/api/nwc"), &[], "", missing),
            ((&POST, "/api/nwc"), &[], "{}", missing),
            (
                (&POST, "/api/nwc/nope/revoke"),
                &owner,
                "",
                (404, "not_found"),
            ),
            ((&POST, back), &owner, no_uri, (400, "nwc_uri_invalid")),
            (
                (&GET, "/api/ledger?limit=x"),
                &owner,
                "",
                (400, "malformed_query"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_receipt_and_no_tile_is_refused_in_one_shape() {
    let house = House::open().await;
    let bearer = house.bearer();
    let owner = [("authorization", bearer.as_str())];
    let by_answer = format!("/api/receipts/by-answer/{}", "ab".repeat(32));
    let no_digest = "/api/receipts/by-answer/NOPE";
    let malformed = (400, "malformed_address");
    all_refused(
        &house,
        &[
            ((&GET, "/api/receipts/nope"), &owner, "", (404, "not_found")),
            ((&GET, no_digest), &owner, "", (400, "malformed_digest")),
            ((&GET, &by_answer), &owner, "", (404, "not_found")),
            ((&GET, &by_answer), &[], "", (401, "token_missing")),
            ((&GET, "/log/tile/0/000"), &[], "", (404, "not_found")),
            ((&GET, "/log/tile/0/0"), &[], "", malformed),
            ((&GET, "/log/tile/64/000.p/1"), &[], "", malformed),
            ((&GET, "/log/tile/entries/../000"), &[], "", malformed),
        ],
    )
    .await;
}

#[tokio::test]
async fn anyone_may_read_the_logs_head_and_its_keys() {
    let house = House::open().await;
    let get = async |path| house.send((Method::GET, path), &[], "").await;
    let (status, headers, note) = get("/log/checkpoint").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache");
    let (_, _, keys) = get("/api/receipt-key").await;
    let keys: node::ReceiptKeys = serde_json::from_str(&keys).unwrap();
    let cosigner: CosignerKey = keys.ml_dsa_44.parse().unwrap();
    let key = keys.ed25519.parse().unwrap();
    let head = Checkpoint::open(note.as_bytes(), &key, Some(&cosigner)).unwrap();
    assert_eq!(head.size, 0);
    let identity: Identity = keys.key.parse().unwrap();
    assert_eq!(identity, Identity::new(key, &cosigner).unwrap());
}

#[tokio::test]
async fn a_purse_may_look_at_itself_and_no_further() {
    let house = House::open().await;
    let bearer = house.bearer();
    let input = json!({"name": "scout", "policy": {"per_payment_sat": 7}}).to_string();
    let owner = [("authorization", bearer.as_str())];
    let (status, _, body) = house
        .send((Method::POST, "/api/purses"), &owner, &input)
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(made["purse"]["policy"]["per_payment_sat"], 7);

    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let purse = [("authorization", bearer.as_str())];
    let (_, _, body) = house.send((Method::GET, "/api/purse"), &purse, "").await;
    assert!(body.contains("scout"));
    for path in [
        "/api/purses",
        "/api/status",
        "/api/ledger",
        "/api/receipts",
        "/api/nwc",
    ] {
        let expected = (403, "owner_only");
        house
            .refuses((Method::GET, path), &purse, "", expected)
            .await;
    }
    let fetch = r#"{"url": "http://x", "purse": "other"}"#;
    let request = (Method::POST, "/api/fetch");
    house
        .refuses(request, &purse, fetch, (403, "not_your_purse"))
        .await;
}

#[tokio::test]
async fn a_cookie_opens_the_home_page_but_acts_only_from_our_pages() {
    let house = House::open().await;
    let (_, headers, body) = house.send((Method::GET, "/"), &[], "").await;
    assert!(body.contains("Is this your node?") && !body.contains("Purses"));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));

    let link = link_path(&house.app);
    let (status, headers, _) = house.send((Method::GET, &link), &[], "").await;
    assert_eq!(status, StatusCode::OK);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"));
    let cookie = cookie.split(';').next().unwrap();
    let (status, ..) = house.send((Method::GET, &link), &[], "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);

    let session = [("cookie", cookie)];
    let (_, _, body) = house.send((Method::GET, "/"), &session, "").await;
    assert!(body.contains("Purses"));
    let (request, input) = ((Method::POST, "/api/purses"), r#"{"name":"scout"}"#);
    let refused = (403, "foreign_origin");
    house
        .refuses(request.clone(), &session, input, refused)
        .await;
    let evil = [("cookie", cookie), ("origin", "http://evil.example")];
    house.refuses(request.clone(), &evil, input, refused).await;
    let ours = [("cookie", cookie), ("origin", "http://127.0.0.1:8402")];
    let (status, ..) = house.send(request, &ours, input).await;
    assert_eq!(status, StatusCode::CREATED);

    let (_, headers, _) = house.send((Method::POST, "/logout"), &ours, "").await;
    assert!(
        headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    house
        .refuses(
            (Method::GET, "/api/status"),
            &session,
            "",
            (401, "token_missing"),
        )
        .await;
}
