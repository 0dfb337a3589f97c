//! Reading and writing requests and responses.

use super::*;

fn call(json: &str) -> Result<Call, ErrorCode> {
    Request::parse(json)
        .unwrap()
        .call
        .map_err(|failure| failure.code)
}

#[test]
fn what_is_written_is_read() {
    let calls = [
        Call::GetBudget,
        Call::PayInvoice(PayInvoice {
            invoice: "lnbc1".into(),
            amount_msat: Some(5),
        }),
        Call::MakeInvoice(MakeInvoice {
            amount_msat: 7,
            expiry_s: Some(60),
            ..MakeInvoice::default()
        }),
        Call::ListTransactions(ListTransactions {
            from_s: Some(1),
            unpaid: Some(true),
            ..ListTransactions::default()
        }),
    ];
    for written in calls {
        let read = Request::parse(&Request::write(&written)).unwrap();
        assert_eq!(read.method, written.method().as_str());
        assert_eq!(read.call, Ok(written));
    }
}

#[test]
fn parameters_may_be_missing_where_none_are_needed() {
    for params in [
        "",
        r#","params":null"#,
        r#","params":{}"#,
        r#","params":{"new":1}"#,
    ] {
        let json = format!(r#"{{"method":"get_balance"{params}}}"#);
        assert_eq!(call(&json), Ok(Call::GetBalance), "{json}");
    }
    assert_eq!(
        call(r#"{"method":"list_transactions"}"#),
        Ok(Call::ListTransactions(ListTransactions::default()))
    );
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(
        call(r#"{"method":"sign_message"}"#),
        Err(ErrorCode::NotImplemented)
    );
    assert_eq!(call(r#"{"method":"pay_invoice"}"#), Err(ErrorCode::Other));
    let negative = r#"{"method":"make_invoice","params":{"amount":-1}}"#;
    assert_eq!(call(negative), Err(ErrorCode::Other));
    for nonsense in ["", "[]", "{}", r#"{"method":1}"#, &"[".repeat(10_000)] {
        assert!(Request::parse(nonsense).is_err());
    }
}

#[test]
fn codes_are_those_of_nip_47_and_unknown_ones_are_read_as_other() {
    let failure = Failure::new(ErrorCode::QuotaExceeded, "no");
    let json = Response::refused("pay_invoice", failure).write();
    assert_eq!(
        json,
        r#"{"result_type":"pay_invoice","error":{"code":"QUOTA_EXCEEDED","message":"no"},"result":null}"#
    );
    let json = r#"{"result_type":"x","error":{"code":"BRAND_NEW","message":"?"}}"#;
    let error = Response::parse(json)
        .unwrap()
        .result::<Value>()
        .unwrap_err();
    assert_eq!(error.refusal(), Some(ErrorCode::Other));
}

#[test]
fn a_list_that_is_too_long_loses_its_end() {
    let transactions: Vec<_> = (0..50)
        .map(|n| json!({ "n": n, "x": "y".repeat(2_000) }))
        .collect();
    let result = json!({ "transactions": transactions });
    let json = Response::done(Method::ListTransactions, result).write();
    assert!(json.len() <= ANSWER_BYTES_MAX);
    let read = Response::parse(&json).unwrap().result.unwrap();
    let left = read["transactions"].as_array().unwrap();
    assert!(left.len() > 10);
    assert_eq!(left[0]["n"], 0);
}
