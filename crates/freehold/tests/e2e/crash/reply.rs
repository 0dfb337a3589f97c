//! What became of a paid request, as far as it must stay the same whenever one asks again.

use serde_json::Value;

/// The end of a paid request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Paid for and answered.
    Answered {
        text: String,
        price_sat: u64,
        change: Option<String>,
        receipt: String,
    },
    /// Taken and given back.
    Refunded {
        code: String,
        change: Option<String>,
    },
    /// Nothing was ever taken for good.
    Voided,
    /// Not let in; nothing was taken.
    Refused { code: String },
    /// A call that nobody heard the end of. Its money shows in the ledger.
    CutOff,
}

impl Outcome {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answered { .. } => "answered",
            Self::Refunded { .. } => "refunded",
            Self::Voided => "voided",
            Self::Refused { .. } => "refused",
            Self::CutOff => "cut off",
        }
    }

    pub fn change(&self) -> Option<&str> {
        match self {
            Self::Answered { change, .. } | Self::Refunded { change, .. } => change.as_deref(),
            _ => None,
        }
    }
}

/// An answer over HTTP, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let found = all.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The stable code of an error.
    pub fn error_code(&self) -> String {
        let code = &self.json()["error"]["code"];
        code.as_str().unwrap_or("unknown").to_owned()
    }

    /// What it says for good; none if one has to ask again.
    pub fn outcome(&self) -> Option<Outcome> {
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return stream_outcome(std::str::from_utf8(&self.body).ok()?);
        }
        let change = self.header("x-cashu").filter(|c| c.starts_with("cashuB"));
        let change = change.map(str::to_owned);
        let price_sat = self.header("freehold-price-sat");
        match self.status {
            200 => Some(Outcome::Answered {
                text: self.json()["choices"][0]["message"]["content"]
                    .as_str()?
                    .to_owned(),
                price_sat: price_sat?.parse().ok()?,
                change,
                receipt: receipt_id(&self.json()["payment"]["receipt"]).unwrap_or_default(),
            }),
            _ if change.is_some() || price_sat.is_some() => Some(Outcome::Refunded {
                code: self.error_code(),
                change,
            }),
            400..=428 => Some(Outcome::Refused {
                code: self.error_code(),
            }),
            _ => None,
        }
    }
}

fn receipt_id(proof: &Value) -> Option<String> {
    let id = &proof["signed_receipt"]["receipt"]["id"];
    Some(id.as_str()?.to_owned())
}

/// A stream says it at its end, in the object `payment`.
fn stream_outcome(body: &str) -> Option<Outcome> {
    let (mut text, mut payment, mut error, mut is_done) = (String::new(), None, None, false);
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            is_done = true;
            continue;
        }
        let mut event: Value = serde_json::from_str(data).ok()?;
        text += event["choices"][0]["delta"]["content"]
            .as_str()
            .unwrap_or_default();
        if let Some(code) = event["error"]["code"].as_str() {
            error = Some(code.to_owned());
        }
        if let Some(said) = event.get_mut("payment") {
            payment = Some(said.take());
        }
    }
    let payment = payment.filter(|_| is_done)?;
    let change = payment["change"].as_str().map(str::to_owned);
    Some(match error {
        Some(code) => Outcome::Refunded { code, change },
        None => Outcome::Answered {
            text,
            price_sat: payment["price_sat"].as_u64()?,
            change,
            receipt: receipt_id(&payment["receipt"]).unwrap_or_default(),
        },
    })
}
