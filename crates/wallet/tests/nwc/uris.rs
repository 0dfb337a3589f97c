//! Connection URIs and requests, from any bytes.

use proptest::prelude::*;
use wallet::nwc::{
    ClientSecret, ConnectionUri, InvoiceFacts, Request, Response, WalletKey, parse_relay,
};

proptest! {
    #[test]
    fn what_is_written_is_read(secret in any::<[u8; 32]>(), wallet in any::<[u8; 32]>(), hosts in prop::collection::vec("[a-z]{1,12}\\.example", 1..4)) {
        let (Ok(secret), Ok(wallet)) = (ClientSecret::new(&secret), WalletKey::from_secret(&wallet)) else {
            return Ok(());
        };
        let relays: Vec<_> = hosts.iter().map(|host| parse_relay(&format!("wss://{host}")).unwrap()).collect();
        let read: ConnectionUri = secret.uri(&wallet, relays.clone()).parse().unwrap();
        prop_assert_eq!(read.client(), secret.public());
        prop_assert_eq!(read.wallet(), wallet.public());
        prop_assert_eq!(read.relays(), relays);
    }

    #[test]
    fn nonsense_is_an_error(text in ".{0,200}") {
        prop_assert!(text.parse::<ConnectionUri>().is_err());
        let _ = Request::parse(&text);
        let _ = Response::parse(&text);
        prop_assert!(InvoiceFacts::read(&text).is_err());
    }

    #[test]
    fn almost_a_uri_never_panics(key in "[0-9a-fA-F]{60,66}", query in "[a-z0-9=&%:/?#.]{0,120}") {
        if let Ok(uri) = format!("nostr+walletconnect://{key}?{query}").parse::<ConnectionUri>() {
            prop_assert!(!uri.relays().is_empty());
        }
    }

    #[test]
    fn almost_a_request_never_panics(method in "(pay_invoice|make_invoice|list_transactions|x)", params in "\\{(\"[a-z]{1,7}\":[0-9]{1,25},?){0,4}\\}?") {
        let _ = Request::parse(&format!(r#"{{"method":"{method}","params":{params}}}"#));
    }
}
