//! What a seller's answer says about the payment.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http402::xcashu::{self, TokenOutline};
use serde_json::Value;
use timestamp::proof::ReceiptProof;

use super::HttpAnswer;

/// The change in the answer's header, or at the end of a stream.
pub(super) fn change_of(answer: &HttpAnswer) -> Option<String> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    if let Ok(Some(outline)) = xcashu::change(headers) {
        return Some(outline.token().to_owned());
    }
    let payment = stream_payment(answer)?;
    let outline = TokenOutline::parse(payment.get("change")?.as_str()?).ok()?;
    Some(outline.token().to_owned())
}

/// The receipt in the answer's header, or at the end of a stream.
pub(super) fn receipt_of(answer: &HttpAnswer) -> Option<ReceiptProof> {
    if let Some(text) = answer.header("freehold-receipt") {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        return ReceiptProof::from_json(&json).ok();
    }
    let receipt = stream_payment(answer)?.get("receipt")?.to_string();
    ReceiptProof::from_json(receipt.as_bytes()).ok()
}

/// The object `payment` in one of the last events of a stream.
fn stream_payment(answer: &HttpAnswer) -> Option<Value> {
    last_events(answer)
        .into_iter()
        .find_map(|mut event| event.get_mut("payment").map(Value::take))
}

/// A stream has said 200 long before it fails. One that ends with an error and doesn't
/// say what was paid isn't the seller's last word.
pub(super) fn was_interrupted(answer: &HttpAnswer) -> bool {
    let events = last_events(answer);
    events.iter().any(|event| event.get("error").is_some())
        && !events.iter().any(|event| event.get("payment").is_some())
}

/// The last few events of a stream, newest first; none if it isn't one.
fn last_events(answer: &HttpAnswer) -> Vec<Value> {
    let is_stream = answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    text.lines()
        .rev()
        .filter(|_| is_stream)
        .filter_map(|line| line.strip_prefix("data:"))
        .take(8)
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(body: &str) -> HttpAnswer {
        let headers = vec![("Content-Type".to_owned(), "text/event-stream".to_owned())];
        HttpAnswer {
            status: 200,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_interrupted_stream_is_not_the_last_word() {
        let cut = stream("data: {\"choices\":[]}\n\ndata: {\"error\":{}}\n\ndata: [DONE]\n\n");
        assert!(was_interrupted(&cut));
        let refunded =
            stream("data: {\"error\":{},\"payment\":{\"change\":null}}\n\ndata: [DONE]\n\n");
        assert!(!was_interrupted(&refunded));
        let whole = stream("data: {\"payment\":{\"price_sat\":3}}\n\ndata: [DONE]\n\n");
        assert!(!was_interrupted(&whole));
        assert_eq!(stream_payment(&whole).unwrap()["price_sat"], 3);
    }

    #[test]
    fn a_body_that_is_no_stream_is_not_read_as_one() {
        let mut answer = stream("data: {\"error\":{},\"payment\":{}}");
        answer.headers.clear();
        assert!(!was_interrupted(&answer) && stream_payment(&answer).is_none());
    }
}
