//! What must hold whenever everything has come to rest.

use std::time::{Duration, Instant};

use crate::common::token_sat;
use crate::crash::books::{self, Ledger, Payment, Purse, Sale};
use crate::crash::reply::Outcome;
use crate::crash::request::{Request, Way};
use crate::crash::tally::Tally;
use crate::crash::world::{World, keep};

/// A wallet may wait a while before it gives up on a mint's answer.
const DONE_WITHIN: Duration = Duration::from_secs(90);

/// Both nodes' books, as they are written down.
pub struct Written {
    payments: Vec<Payment>,
    sales: Vec<Sale>,
    income_msat: i64,
    calls_msat: i64,
}

impl Written {
    pub fn read(world: &World) -> rusqlite::Result<Self> {
        let seller = Ledger::open(&World::network_dir(&world.seller))?;
        let payer = Ledger::open(&World::network_dir(&world.payer))?;
        Ok(Self {
            payments: payer.payments()?,
            sales: seller.sales()?,
            income_msat: seller.balance_msat("income:inference")?,
            calls_msat: seller.posted_msat("call:")?,
        })
    }

    /// How far each side is with a request.
    pub fn states(&self, request: &Request) -> (&str, &str) {
        let mut sales = self.sales.iter().filter(|sale| sale.body == request.body);
        let payment = self
            .payments
            .iter()
            .find(|payment| payment.id == request.id);
        (
            payment.map_or("nothing yet", |payment| &payment.state),
            sales.next().map_or("nothing yet", |sale| &sale.state),
        )
    }

    /// Checks the end of one request against both sides' records.
    pub fn check(&self, request: &Request, outcome: &Outcome, tally: &mut Tally) {
        let sales: Vec<&Sale> = self
            .sales
            .iter()
            .filter(|s| s.body == request.body)
            .collect();
        let told = format!("{request:?} → {outcome:?}: {sales:?}");
        tally.check(sales.len() <= 1, || format!("sold twice: {told}"));
        let sale = sales.first().copied();
        tally.check(sale.is_none_or(|sale| sale.state == "settled"), || {
            format!("open: {told}")
        });
        match &request.way {
            Way::Fetch { .. } => {
                let payment = self
                    .payments
                    .iter()
                    .find(|payment| payment.id == request.id);
                check_fetch(outcome, payment, sale, &told, tally);
            }
            Way::Pay { sat, .. } => check_token(outcome, *sat, sale, &told, tally),
            Way::Call { .. } => {
                let fine = matches!(outcome, Outcome::Answered { .. } | Outcome::CutOff);
                tally.check(fine && sale.is_none(), || format!("a call: {told}"));
            }
        }
    }

    /// No sat is lost, made or spent beyond a budget.
    pub async fn check_sums(&self, world: &World, tally: &mut Tally) {
        let sold_sat: u64 = self.sales.iter().map(|sale| sale.price_sat).sum();
        let sold_msat = i64::try_from(sold_sat * 1_000).unwrap();
        let (income, calls) = (self.income_msat, self.calls_msat);
        tally.check(income == sold_msat + calls, || {
            format!("income is {income} msat, sales {sold_msat} and calls {calls}")
        });
        match held_sat(world).await {
            Ok((outstanding, held)) => tally.check(outstanding == held.iter().sum::<u64>(), || {
                format!("the mint has {outstanding} sat outstanding, the wallets hold {held:?}")
            }),
            Err(error) => tally.problem(format!("the wallets can't be read: {error}")),
        }
        self.check_budgets(world, tally).await;
    }

    async fn check_budgets(&self, world: &World, tally: &mut Tally) {
        for budget in &world.budgets {
            let ours = || self.payments.iter().filter(|p| p.purse == budget.purse);
            let spent: u64 = ours().filter_map(|payment| payment.spent_sat).sum();
            let most = budget.per_day_sat.min(budget.total_sat);
            tally.check(spent <= most, || format!("{budget:?} spent {spent}"));
            for payment in ours() {
                let fits = payment.handed_sat <= budget.per_payment_sat;
                tally.check(fits, || format!("{budget:?} paid {payment:?}"));
            }
            let said = world.spent_sat(&budget.purse).await;
            tally.check(said == Some(spent), || {
                format!("{budget:?} spent {spent}, and says {said:?}")
            });
        }
    }
}

/// In the end nothing is half done but change that nobody has redeemed yet.
pub async fn check_operations(world: &World, tally: &mut Tally) {
    let deadline = Instant::now() + DONE_WITHIN;
    loop {
        let stuck = half_done(world).unwrap_or_else(|error| vec![error.to_string()]);
        if stuck.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            keep(world, tally.problems.len());
            return tally.problem(format!("half done for ever: {stuck:?}"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn half_done(world: &World) -> rusqlite::Result<Vec<String>> {
    let mut all = Vec::new();
    for (node, wallet) in [
        (&world.seller, "till"),
        (&world.seller, "purses"),
        (&world.payer, "purses"),
    ] {
        let operations = Purse::open(&World::network_dir(node), wallet)?.operations()?;
        let stuck = operations
            .into_iter()
            .filter(|operation| !operation.ends_with("token_created"));
        all.extend(stuck.map(|operation| format!("{wallet} of {}: {operation}", node.url())));
    }
    Ok(all)
}

/// What the mint owes, and what each wallet has.
async fn held_sat(world: &World) -> rusqlite::Result<(u64, [u64; 4])> {
    let seller = World::network_dir(&world.seller);
    let payer = World::network_dir(&world.payer);
    let held = [
        Purse::open(&payer, "purses")?.unspent_sat()?,
        Purse::open(&seller, "purses")?.unspent_sat()?,
        Purse::open(&seller, "till")?.unspent_sat()?,
        world.outsider.balance().await,
    ];
    Ok((books::mint_outstanding_sat(&seller)?, held))
}

/// The payer's record, the seller's and what the agent saw say the same.
fn check_fetch(
    outcome: &Outcome,
    payment: Option<&Payment>,
    sale: Option<&Sale>,
    told: &str,
    tally: &mut Tally,
) {
    let told = || format!("a fetch: {payment:?} for {told}");
    let fine = match (outcome, payment, sale) {
        (
            Outcome::Answered {
                price_sat, receipt, ..
            },
            Some(payment),
            Some(sale),
        ) => {
            payment.state == "settled"
                && payment.status == Some(200)
                && payment.spent_sat == Some(*price_sat)
                && sale.price_sat == *price_sat
                && *price_sat <= payment.handed_sat
                && sale.error.is_none()
                && !receipt.is_empty()
        }
        (Outcome::Refunded { .. }, Some(payment), Some(sale)) => {
            payment.state == "settled"
                && payment.spent_sat == Some(0)
                && sale.price_sat == 0
                && sale.error.is_some()
        }
        (Outcome::Voided, Some(payment), None) => {
            payment.state == "voided" && payment.spent_sat == Some(0)
        }
        (Outcome::Refused { code }, None, None) => code.starts_with("budget_"),
        _ => false,
    };
    tally.check(fine, told);
}

/// Change and price add up to the token, or all of it came back.
fn check_token(outcome: &Outcome, sat: u64, sale: Option<&Sale>, told: &str, tally: &mut Tally) {
    let change_sat = outcome.change().map_or(0, token_sat);
    let received = sale.is_some_and(|sale| sale.received_sat == sat);
    let fine = match (outcome, sale) {
        (
            Outcome::Answered {
                price_sat, receipt, ..
            },
            Some(sale),
        ) => {
            price_sat + change_sat == sat
                && sale.price_sat == *price_sat
                && sale.error.is_none()
                && !receipt.is_empty()
        }
        (Outcome::Refunded { .. }, Some(sale)) => {
            change_sat == sat && sale.price_sat == 0 && sale.error.is_some()
        }
        _ => false,
    };
    tally.check(fine && received, || format!("a token: {told}"));
}
