//! What backs the embedded mint: Lightning payments through this node's channels.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cdk::amount::Amount;
use cdk::cdk_payment::{
    Bolt11OutgoingPaymentOptions, Bolt11Settings, CreateIncomingPaymentResponse, Error, Event,
    IncomingPaymentOptions, MakePaymentResponse, MintPayment, OutgoingPaymentOptions,
    PaymentIdentifier, PaymentQuoteResponse, SettingsResponse, WaitPaymentResponse,
};
use cdk::nuts::{CurrencyUnit, MeltOptions, MeltQuoteState};
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::books::{BookedPayment, Holder, PaymentState};
use super::{Cashier, CashierError, Payment};
use crate::{MSAT_PER_SAT, msat_to_sat_ceil, sat_to_msat};

/// What the way may cost, in millionths of the amount, and at least.
const FEE_RESERVE_PPM: u64 = 10_000;
const FEE_RESERVE_MIN_SAT: u64 = 5;
/// How long an invoice of the mint is good for, if the mint doesn't say.
const INVOICE_EXPIRY_S: u32 = 3_600;

/// Takes in and pays out for the embedded mint.
pub struct Backing {
    cashier: Cashier,
    listening: AtomicBool,
    stop: CancellationToken,
}

impl Backing {
    /// Backs a mint with the channels that this cashier has.
    #[must_use]
    pub fn new(cashier: Cashier) -> Self {
        Self {
            cashier,
            listening: AtomicBool::new(false),
            stop: CancellationToken::new(),
        }
    }
}

#[async_trait]
impl MintPayment for Backing {
    type Err = Error;

    async fn get_settings(&self) -> Result<SettingsResponse, Error> {
        Ok(SettingsResponse {
            unit: CurrencyUnit::Sat.to_string(),
            bolt11: Some(Bolt11Settings {
                mpp: false,
                amountless: true,
                invoice_description: true,
            }),
            bolt12: None,
            onchain: None,
            custom: Default::default(),
        })
    }

    async fn create_incoming_payment_request(
        &self,
        options: IncomingPaymentOptions,
    ) -> Result<CreateIncomingPaymentResponse, Error> {
        let IncomingPaymentOptions::Bolt11(options) = options else {
            return Err(Error::UnsupportedPaymentOption);
        };
        let amount_sat = options.amount.convert_to(&CurrencyUnit::Sat)?.value();
        let now_s = self.cashier.now_ms().max(0).unsigned_abs() / 1_000;
        let expiry_s = match options.unix_expiry {
            Some(unix_expiry) => u32::try_from(unix_expiry.saturating_sub(now_s))
                .map_err(|_| Error::InvalidExpiry)?,
            None => INVOICE_EXPIRY_S,
        };
        let description = options.description.unwrap_or_default();
        let invoice = self
            .cashier
            .invoice(
                Holder::Mint,
                Some(sat_to_msat(amount_sat)),
                &description,
                expiry_s,
            )
            .await
            .map_err(failed)?;
        Ok(CreateIncomingPaymentResponse {
            request_lookup_id: PaymentIdentifier::PaymentHash(invoice.payment_hash.0),
            request: invoice.text,
            expiry: Some(now_s + u64::from(expiry_s)),
            extra_json: None,
        })
    }

    async fn get_payment_quote(
        &self,
        unit: &CurrencyUnit,
        options: OutgoingPaymentOptions,
    ) -> Result<PaymentQuoteResponse, Error> {
        let (options, amount_msat) = outgoing(unit, options)?;
        let amount_sat = msat_to_sat_ceil(amount_msat);
        let fee_sat =
            (amount_sat.saturating_mul(FEE_RESERVE_PPM) / 1_000_000).max(FEE_RESERVE_MIN_SAT);
        Ok(PaymentQuoteResponse {
            request_lookup_id: Some(lookup_id(&options)),
            amount: Amount::new(amount_sat, CurrencyUnit::Sat),
            fee: Amount::new(fee_sat, CurrencyUnit::Sat),
            state: MeltQuoteState::Unpaid,
            extra_json: None,
            estimated_blocks: None,
            fee_options: None,
        })
    }

    async fn make_payment(
        &self,
        unit: &CurrencyUnit,
        options: OutgoingPaymentOptions,
    ) -> Result<MakePaymentResponse, Error> {
        let (options, amount_msat) = outgoing(unit, options)?;
        let fee_max_sat = match &options.max_fee_amount {
            Some(fee) => fee.convert_to(&CurrencyUnit::Sat)?.value(),
            None => FEE_RESERVE_MIN_SAT,
        };
        let payment = Payment {
            holder: Holder::Mint,
            request: options.bolt11.to_string(),
            amount_msat: Some(amount_msat),
            fee_max_msat: sat_to_msat(fee_max_sat),
        };
        let paid = match self.cashier.pay(payment).await {
            Ok(paid) => response(lookup_id(&options), Some(paid)),
            // Nothing was sent, and nothing will be.
            Err(error) if error.is_definitive() => {
                tracing::info!(%error, "the mint can't pay an invoice");
                MakePaymentResponse {
                    status: MeltQuoteState::Failed,
                    ..response(lookup_id(&options), None)
                }
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(paid)
    }

    async fn wait_payment_event(&self) -> Result<Pin<Box<dyn Stream<Item = Event> + Send>>, Error> {
        self.listening.store(true, Ordering::Relaxed);
        let (cashier, stop) = (self.cashier.clone(), self.stop.clone());
        let received = cashier.received();
        let stream = futures::stream::unfold(
            (cashier, received, stop),
            |(cashier, mut received, stop)| async move {
                loop {
                    let hash = tokio::select! {
                        hash = received.recv() => hash,
                        () = stop.cancelled() => return None,
                    };
                    let hash = match hash {
                        Ok(hash) => hash,
                        // Whoever asks for the quote is told all the same: it is looked up then.
                        Err(RecvError::Lagged(_)) => continue,
                        Err(RecvError::Closed) => return None,
                    };
                    if let Ok(Some(event)) = incoming(&cashier, hash).await {
                        let event = Event::PaymentReceived(event);
                        return Some((event, (cashier, received, stop)));
                    }
                }
            },
        );
        Ok(Box::pin(stream))
    }

    fn is_payment_event_stream_active(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    fn cancel_payment_event_stream(&self) {
        self.stop.cancel();
        self.listening.store(false, Ordering::Relaxed);
    }

    async fn check_incoming_payment_status(
        &self,
        payment_identifier: &PaymentIdentifier,
    ) -> Result<Vec<WaitPaymentResponse>, Error> {
        let hash = payment_hash(payment_identifier)?;
        let found = incoming(&self.cashier, hash).await.map_err(failed)?;
        Ok(found.into_iter().collect())
    }

    async fn check_outgoing_payment(
        &self,
        payment_identifier: &PaymentIdentifier,
    ) -> Result<MakePaymentResponse, Error> {
        let hash = payment_hash(payment_identifier)?;
        let booked = self
            .cashier
            .payment(hex::encode(hash))
            .await
            .map_err(failed)?;
        // One of the owner's is another payment, which says nothing of the mint's.
        let ours = booked.filter(|payment| payment.holder == Holder::Mint);
        Ok(response(payment_identifier.clone(), ours))
    }
}

/// What is to be paid, if the mint's rails can.
fn outgoing(
    unit: &CurrencyUnit,
    options: OutgoingPaymentOptions,
) -> Result<(Bolt11OutgoingPaymentOptions, u64), Error> {
    if *unit != CurrencyUnit::Sat {
        return Err(Error::UnsupportedUnit);
    }
    let OutgoingPaymentOptions::Bolt11(options) = options else {
        return Err(Error::UnsupportedPaymentOption);
    };
    let amount_msat = match (
        &options.melt_options,
        options.bolt11.amount_milli_satoshis(),
    ) {
        (None, Some(amount_msat)) => amount_msat,
        (Some(MeltOptions::Amountless { amountless }), None) => amountless.amount_msat.into(),
        _ => return Err(Error::UnsupportedPaymentOption),
    };
    Ok((*options, amount_msat))
}

fn lookup_id(options: &Bolt11OutgoingPaymentOptions) -> PaymentIdentifier {
    PaymentIdentifier::PaymentHash(*options.bolt11.payment_hash().as_ref())
}

fn payment_hash(identifier: &PaymentIdentifier) -> Result<[u8; 32], Error> {
    match identifier {
        PaymentIdentifier::PaymentHash(hash) => Ok(*hash),
        _ => Err(Error::UnsupportedPaymentOption),
    }
}

/// An invoice of the mint that was paid.
async fn incoming(
    cashier: &Cashier,
    hash: [u8; 32],
) -> Result<Option<WaitPaymentResponse>, CashierError> {
    let payment_hash = hex::encode(hash);
    let invoice = cashier.booked_invoice(payment_hash.clone()).await?;
    let received_msat = invoice
        .filter(|invoice| invoice.holder == Holder::Mint)
        .and_then(|invoice| invoice.received_msat);
    Ok(received_msat.map(|received_msat| WaitPaymentResponse {
        payment_identifier: PaymentIdentifier::PaymentHash(hash),
        payment_amount: Amount::new(received_msat / MSAT_PER_SAT, CurrencyUnit::Sat),
        payment_id: payment_hash,
    }))
}

/// How the mint is told of a payment. Of one that isn't booked nothing was sent.
fn response(id: PaymentIdentifier, booked: Option<BookedPayment>) -> MakePaymentResponse {
    let status = match booked.as_ref().map(|payment| payment.state) {
        None => MeltQuoteState::Unpaid,
        Some(PaymentState::Pending) => MeltQuoteState::Pending,
        Some(PaymentState::Succeeded) => MeltQuoteState::Paid,
        Some(PaymentState::Failed) => MeltQuoteState::Failed,
    };
    let spent_msat = match &booked {
        Some(payment) if payment.state == PaymentState::Succeeded => {
            payment.amount_msat + payment.fee_msat.unwrap_or(payment.fee_max_msat)
        }
        _ => 0,
    };
    MakePaymentResponse {
        payment_lookup_id: id,
        payment_proof: booked.and_then(|payment| payment.preimage),
        status,
        total_spent: Amount::new(msat_to_sat_ceil(spent_msat), CurrencyUnit::Sat),
    }
}

fn failed(error: CashierError) -> Error {
    Error::Backend(Box::new(error))
}
