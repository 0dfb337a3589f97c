//! What a seller's answer says about the payment.

use http402::xcashu::{self, TokenOutline};
use serde::Deserialize;
use serde_json::Value;
use timestamp::proof::ReceiptProof;

use super::HttpAnswer;

/// The change in the answer's header, or in its body.
pub(super) fn change_of(answer: &HttpAnswer) -> Option<String> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    if let Ok(Some(outline)) = xcashu::change(headers) {
        return Some(outline.token().to_owned());
    }
    let payment = payment_of(answer)?;
    let outline = TokenOutline::parse(payment.get("change")?.as_str()?).ok()?;
    Some(outline.token().to_owned())
}

/// The receipt in the answer's body.
pub(super) fn receipt_of(answer: &HttpAnswer) -> Option<ReceiptProof> {
    let receipt = payment_of(answer)?.get("receipt")?.to_string();
    ReceiptProof::from_json(receipt.as_bytes()).ok()
}

/// The object `payment` in a JSON body, or in one of the last events of a stream.
fn payment_of(answer: &HttpAnswer) -> Option<Value> {
    /// The rest of the body is skipped.
    #[derive(Deserialize)]
    struct Whole {
        payment: Value,
    }
    if has_type(answer, "application/json") {
        let whole: Whole = serde_json::from_slice(&answer.body).ok()?;
        return Some(whole.payment);
    }
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
    events(answer).take(8).collect()
}

/// The events of a stream that are JSON on one line, newest first; none if it isn't one.
pub(super) fn events(answer: &HttpAnswer) -> impl Iterator<Item = Value> {
    let is_stream = has_type(answer, "text/event-stream");
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    text.lines()
        .rev()
        .filter(move |_| is_stream)
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
}

fn has_type(answer: &HttpAnswer, wanted: &str) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.starts_with(wanted)
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
            carrier: super::super::Carrier::Headers,
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
        assert_eq!(payment_of(&whole).unwrap()["price_sat"], 3);
    }

    #[test]
    fn a_body_that_is_no_stream_is_not_read_as_one() {
        let mut answer = stream("data: {\"error\":{},\"payment\":{}}");
        answer.headers.clear();
        assert!(!was_interrupted(&answer) && payment_of(&answer).is_none());
    }

    #[test]
    fn a_whole_answer_says_it_too() {
        let mut answer = stream(r#"{"choices":[{}],"payment":{"price_sat":3}}"#);
        assert!(payment_of(&answer).is_none());
        answer.headers[0].1 = "application/json; charset=utf-8".into();
        assert_eq!(payment_of(&answer).unwrap()["price_sat"], 3);
        for no_payment in ["", "{}", "[]", "{\"payment\":"] {
            answer.body = no_payment.into();
            assert!(payment_of(&answer).is_none());
        }
    }
}
