//! A buyer that wants more than it paid for: it shows its payments twice, elsewhere, at once and later, damages them, and
//! invents some. Whether it gets anything, `deeds` knows.

use std::rc::Rc;

use http402::mpp::{self, ClientSession, Preimage, Quote};
use http402::{l402, xcashu};

use super::ecash::EcashWallet;
use super::network::{Call, Reply, send};
use super::rail::{self, Outcome};
use super::town::HOSTS;
use super::world::{HOUR_MS, MINUTE_MS, OUTSIDE, SECOND_MS, W};

const NAME: &str = "mallory";

pub(crate) async fn cheat(world: W) {
    world.mint.borrow_mut().fund(NAME, 1_000_000);
    world.rail.borrow_mut().fund(NAME, 1_000_000);
    let wallet = EcashWallet::new(&world, OUTSIDE, NAME);
    loop {
        world.sleep(world.between(2 * HOUR_MS, 30 * HOUR_MS)).await;
        if !world.faults.is_on.get() {
            return;
        }
        let host = HOSTS[world.below(2) as usize];
        let path = ["/answer", "/bundle", "/session"][world.below(3) as usize];
        let Ok(asked) = send(&world, Call::get(host, path, Vec::new()), MINUTE_MS).await else {
            continue;
        };
        match world.below(3) {
            0 => spend_token(&world, &wallet, host, path, &asked).await,
            1 => show_proof(&world, host, path, &asked).await,
            _ => open_twice(&world, &wallet, host, &asked).await,
        };
    }
}

fn headers(reply: &Reply) -> impl Iterator<Item = (&str, &str)> {
    reply
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
}

/// Shows a credential at these places, all at once, and again later.
fn show(world: &W, places: &[(&str, &str)], name: &str, value: &str) {
    for (host, path) in places {
        for delay_ms in [0, 0, 10 * SECOND_MS, 2 * HOUR_MS] {
            let call = Call::get(host, path, vec![(name.to_owned(), value.to_owned())]);
            let world = Rc::clone(world);
            let later = Rc::clone(&world);
            world.spawn(OUTSIDE, async move {
                later
                    .sleep(delay_ms + later.between(0, 2 * SECOND_MS))
                    .await;
                later.count("fault: credential shown again");
                let _ = send(&later, call, MINUTE_MS).await;
            });
        }
    }
}

fn flipped(world: &W, text: &str) -> String {
    let at = world.below(text.len() as u64) as usize;
    let flip = |(n, c): (usize, char)| {
        if n == at {
            if c == 'a' { 'b' } else { 'a' }
        } else {
            c
        }
    };
    text.chars().enumerate().map(flip).collect()
}

async fn spend_token(
    world: &W,
    wallet: &EcashWallet,
    host: &str,
    path: &str,
    asked: &Reply,
) -> Option<()> {
    let Ok(xcashu::ClientStep::Pay(request)) = xcashu::next_step(asked.status, headers(asked))
    else {
        return None;
    };
    let issued = wallet.issue(request.amount?).await.ok()?;
    let damaged = flipped(world, &issued.token);
    show(world, &[(host, path)], "X-Cashu", &damaged);
    let places = [
        (host, path),
        (host, "/answer"),
        (HOSTS[0], "/session"),
        (HOSTS[1], "/bundle"),
    ];
    show(world, &places, "X-Cashu", &issued.token);
    Some(())
}

async fn show_proof(world: &W, host: &str, path: &str, asked: &Reply) -> Option<()> {
    let Ok(l402::ClientStep::Pay(offer)) = l402::next_step(asked.status, headers(asked)) else {
        return None;
    };
    let hash = offer.identifier()?.payment_hash;
    let invented = format!(
        "L402 {}:{}",
        text_of(&offer, asked)?,
        hex::encode(world.bytes::<32>())
    );
    show(world, &[(host, path)], "Authorization", &invented);
    let preimage = pay(world, &hex::encode(hash), amount_msat(offer.invoice())?).await?;
    let authorization = offer.authorization(&preimage).ok()?;
    let places = [
        (host, path),
        (host, "/dear"),
        (HOSTS[0], path),
        (HOSTS[1], path),
    ];
    show(world, &places, "Authorization", &authorization);
    show(
        world,
        &[(host, path)],
        "Authorization",
        &flipped(world, &authorization),
    );
    for challenge in mpp::challenges(headers(asked))
        .into_iter()
        .filter(|one| one.intent == mpp::CHARGE)
    {
        let credential = mpp::charge_credential(&challenge, &Preimage::from(preimage));
        show(world, &places, "Authorization", &credential.to_header());
    }
    Some(())
}

fn text_of(offer: &l402::Offer, asked: &Reply) -> Option<String> {
    let header = headers(asked)
        .find(|(_, value)| value.contains(offer.invoice()))?
        .1;
    let from = header.find("macaroon=\"")? + 10;
    Some(header[from..].split('"').next()?.to_owned())
}

fn amount_msat(invoice: &str) -> Option<u64> {
    mpp::InvoiceHead::parse(invoice)?.amount_msat
}

async fn pay(world: &W, hash: &str, amount_msat: u64) -> Option<[u8; 32]> {
    rail::send(world, NAME, None, hash, amount_msat, 5_000).ok()?;
    for _ in 0..200 {
        world.sleep(5 * SECOND_MS).await;
        let outcome = world.rail.borrow().outcome(NAME, hash);
        match outcome? {
            Outcome::Paid { preimage, .. } => return Some(preimage),
            Outcome::Failed => return None,
            Outcome::Open => {}
        }
    }
    None
}

/// One token for two sessions, and for a call.
async fn open_twice(world: &W, wallet: &EcashWallet, host: &str, asked: &Reply) -> Option<()> {
    let now_s = world.now_ms().unsigned_abs() / 1_000;
    let quotes = mpp::challenges(headers(asked))
        .into_iter()
        .filter_map(|one| mpp::quote(one, now_s).ok());
    let is_ecash = |quote: &Quote| matches!(quote, Quote::Session { challenge, .. } if challenge.method == mpp::CASHU);
    let quote = quotes.into_iter().find(is_ecash)?;
    let Quote::Session { request, .. } = &quote else {
        return None;
    };
    let deposit_sat = request.deposit_sat?;
    let issued = wallet.issue(deposit_sat).await.ok()?;
    for _ in 0..2 {
        let session = ClientSession::begin_ecash(
            quote.clone(),
            world.bytes(),
            issued.token.clone(),
            deposit_sat,
        );
        let credential = session.ok()?.deposit_credential()?;
        show(
            world,
            &[(host, "/session"), (host, "/answer")],
            "Authorization",
            &credential.to_header(),
        );
    }
    show(
        world,
        &[(host, "/session"), (HOSTS[0], "/dear")],
        "X-Cashu",
        &issued.token,
    );
    Some(())
}
