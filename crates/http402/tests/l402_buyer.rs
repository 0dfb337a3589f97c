//! L402 as a buyer sees it: which challenges are understood, and what is sent.
#![allow(clippy::unwrap_used)]

use http402::l402::{ClientStep, Error, Issuer, Offer, Terms, next_step};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const PREIMAGE: [u8; 32] = [7; 32];
const INVOICE: &str = "lnbc10n1pexample";

fn macaroon() -> String {
    let hash = Sha256::digest(PREIMAGE).into();
    let issuer = Issuer::new(&[1; 32], "shop.example");
    issuer
        .mint(hash, [2; 32], &Terms::new("meter"))
        .unwrap()
        .to_base64()
}

fn step(status: u16, values: &[&str]) -> Result<ClientStep, Error> {
    next_step(
        status,
        values.iter().map(|value| ("www-AUTHENTICATE", *value)),
    )
}

fn offer(value: &str) -> Offer {
    match step(402, &[value]) {
        Ok(ClientStep::Pay(offer)) => offer,
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn the_spellings_of_servers_are_understood() {
    let m = macaroon();
    let bare = m.trim_end_matches('=');
    for value in [
        format!("L402 macaroon=\"{m}\", invoice=\"{INVOICE}\", version=\"0\", token=\"{m}\""),
        format!("l402 invoice={INVOICE},macaroon={m}"),
        format!("L402 macaroon=\"{m}\" invoice=\"{INVOICE}\""),
        format!("L402 version=\"0\", token=\"{m}\", invoice=\"{INVOICE}\""),
        format!("L402 Macaroon=\"{m}\", INVOICE=\"lightning:{INVOICE}\", amount=\"5\""),
        format!(
            "Basic realm=\"x, L402 y\", L402 macaroon=\"{m}\", invoice=\"{INVOICE}\", Payment id=\"1\""
        ),
        format!(
            "LSAT macaroon=\"A\", invoice=\"{INVOICE}\", L402 macaroon=\"{m}\", invoice=\"{INVOICE}\""
        ),
        format!("L402 macaroon=\"no invoice\", L402 macaroon=\"{m}\", invoice=\"{INVOICE}\""),
    ] {
        let offer = offer(&value);
        assert_eq!(offer.invoice(), INVOICE, "{value}");
        assert_eq!(offer.identifier().unwrap().token_id, [2; 32]);
        let expected = format!("L402 {m}:{}", "07".repeat(32));
        assert_eq!(offer.authorization(&PREIMAGE).unwrap(), expected);
    }
    let lsat = offer(&format!("LSAT macaroon=\"{bare}\", invoice=\"{INVOICE}\""));
    assert!(
        lsat.authorization(&PREIMAGE)
            .unwrap()
            .starts_with(&format!("LSAT {bare}:"))
    );
}

/// Also where it is none: one popular library has signed JSON, and no comma before it.
#[test]
fn a_macaroon_of_another_form_is_presented_as_it_came() {
    let offer = offer(&format!(
        "L402 version=\"0\" token=\"eyJhIjoxfQ.c2ln-_\", invoice=\"{INVOICE}\""
    ));
    assert_eq!(offer.identifier(), None);
    assert_eq!(offer.check_invoice(&[0; 32]), Ok(()));
    let expected = format!("L402 eyJhIjoxfQ.c2ln-_:{}", "07".repeat(32));
    assert_eq!(offer.authorization(&PREIMAGE), Ok(expected));
}

#[test]
fn an_invoice_that_buys_nothing_is_noticed() {
    let offer = offer(&format!(
        "L402 macaroon=\"{}\", invoice=\"{INVOICE}\"",
        macaroon()
    ));
    assert_eq!(
        offer.check_invoice(&Sha256::digest(PREIMAGE).into()),
        Ok(())
    );
    assert_eq!(offer.check_invoice(&[0; 32]), Err(Error::InvoiceMismatch));
    assert_eq!(offer.authorization(&[0; 32]), Err(Error::PreimageWrong));
}

#[test]
fn answers_without_an_offer_are_told_apart() {
    let good = format!("L402 macaroon=\"{}\", invoice=\"{INVOICE}\"", macaroon());
    assert_eq!(step(200, &[&good]), Ok(ClientStep::Done));
    assert!(matches!(step(401, &[&good]), Ok(ClientStep::Pay(_))));
    assert!(matches!(step(402, &["\"", &good]), Ok(ClientStep::Pay(_))));
    assert_eq!(step(401, &["Basic realm=\"x\""]), Ok(ClientStep::Done));
    assert_eq!(
        step(402, &["Payment id=\"x\""]),
        Err(Error::ChallengeMissing)
    );
    assert_eq!(step(402, &[]), Err(Error::ChallengeMissing));
    for bad in [
        "L402".to_owned(),
        format!("L402 macaroon=\"{}\"", macaroon()),
        format!("L402 invoice=\"{INVOICE}\""),
        format!("{good}, version=\"1\""),
        format!("{good}, token=\"AAAA\""),
        format!("{good}, invoice=\"lnbc1other\""),
        format!("L402 macaroon=\"\", invoice=\"{INVOICE}\""),
        format!("L402 macaroon=\"a:b\", invoice=\"{INVOICE}\""),
        format!("L402 macaroon=\"a\tb\", invoice=\"{INVOICE}\""),
        format!(
            "L402 macaroon=\"{}\", invoice=\"{INVOICE}\"",
            "A".repeat(9000)
        ),
        "L402 macaroon=\"AAAA\", invoice=\"\"".to_owned(),
        "L402 macaroon=\"AAAA\", invoice=\"http://x\"".to_owned(),
        format!("L402 macaroon=\"AAAA\", invoice=\"ln{}\"", "b".repeat(5000)),
    ] {
        assert_eq!(
            step(402, &[&bad]).unwrap_err().code(),
            "l402_challenge_malformed",
            "{bad}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(L402 )?[a-z=\", ]{0,60}|.{0,200}") {
        if let Ok(ClientStep::Pay(offer)) = step(402, &[&text])
            && let Ok(value) = offer.authorization(&PREIMAGE)
        {
            // Nothing of the server's can end the header or begin another.
            prop_assert!(value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        }
    }
}
