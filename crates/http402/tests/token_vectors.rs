//! Tokens as others write them.
#![allow(clippy::unwrap_used)]

use http402::xcashu::TokenOutline;

/// NUT-00 test vector: V4, one keyset, padded, with a memo.
const V4_ONE_KEYSET: &str = concat!(
    "cashuBpGF0gaJhaUgArSaMTR9YJmFwgaNhYQFhc3hAOWE2ZGJiODQ3YmQyMzJiYTc2ZGIwZGYxOTcyMTZiMjlkM2I4",
    "Y2MxNDU1M2NkMjc4MjdmYzFjYzk0MmZlZGI0ZWFjWCEDhhhUP_trhpXfStS6vN6So0qWvc2X3O4NfM-Y1HISZ5JhZGlU",
    "aGFuayB5b3VhbXVodHRwOi8vbG9jYWxob3N0OjMzMzhhdWNzYXQ=",
);

/// NUT-00 test vector: V4, two keysets, no memo.
const V4_TWO_KEYSETS: &str = concat!(
    "cashuBo2F0gqJhaUgA_9SLj17PgGFwgaNhYQFhc3hAYWNjMTI0MzVlN2I4NDg0YzNjZjE4NTAxNDkyMThhZjkwZjcx",
    "NmE1MmJmNGE1ZWQzNDdlNDhlY2MxM2Y3NzM4OGFjWCECRFODGd5IXVW-07KaZCvuWHk3WrnnpiDhHki6SCQh88-iYWlI",
    "AK0mjE0fWCZhcIKjYWECYXN4QDEzMjNkM2Q0NzA3YTU4YWQyZTIzYWRhNGU5ZjFmNDlmNWE1YjRhYzdiNzA4ZWIwZDYx",
    "ZjczOGY0ODMwN2U4ZWVhY1ghAjRWqhENhLSsdHrr2Cw7AFrKUL9Ffr1XN6RBT6w659lNo2FhAWFzeEA1NmJjYmNiYjdj",
    "YzY0MDZiM2ZhNWQ1N2QyMTc0ZjRlZmY4YjQ0MDJiMTc2OTI2ZDNhNTdkM2MzZGNiYjU5ZDU3YWNYIQJzEpxXGeWZN5qX",
    "SmJjY8MzxWyvwObQGr5G1YCCgHicY2FtdWh0dHA6Ly9sb2NhbGhvc3Q6MzMzOGF1Y3NhdA==",
);

/// NUT-00 test vector: V3.
const V3: &str = concat!(
    "cashuAeyJ0b2tlbiI6W3sibWludCI6Imh0dHBzOi8vODMzMy5zcGFjZTozMzM4IiwicHJvb2ZzIjpbeyJhbW91bnQi",
    "OjIsImlkIjoiMDA5YTFmMjkzMjUzZTQxZSIsInNlY3JldCI6IjQwNzkxNWJjMjEyYmU2MWE3N2UzZTZkMmFlYjRjNzI3",
    "OTgwYmRhNTFjZDA2YTZhZmMyOWUyODYxNzY4YTc4MzciLCJDIjoiMDJiYzkwOTc5OTdkODFhZmIyY2M3MzQ2YjVlNDM0",
    "NWE5MzQ2YmQyYTUwNmViNzk1ODU5OGE3MmYwY2Y4NTE2M2VhIn0seyJhbW91bnQiOjgsImlkIjoiMDA5YTFmMjkzMjUz",
    "ZTQxZSIsInNlY3JldCI6ImZlMTUxMDkzMTRlNjFkNzc1NmIwZjhlZTBmMjNhNjI0YWNhYTNmNGUwNDJmNjE0MzNjNzI4",
    "YzcwNTdiOTMxYmUiLCJDIjoiMDI5ZThlNTA1MGI4OTBhN2Q2YzA5NjhkYjE2YmMxZDVkNWZhMDQwZWExZGUyODRmNmVj",
    "NjlkNjEyOTlmNjcxMDU5In1dfV0sInVuaXQiOiJzYXQiLCJtZW1vIjoiVGhhbmsgeW91LiJ9",
);

/// `getEncodedToken` of @cashu/cashu-ts 4.8: two keysets, mint with a slash, memo.
const CASHU_TS: &str = concat!(
    "cashuBpGFteBlodHRwczovL21pbnQuZXhhbXBsZS5jb20vYXVjc2F0YXSComFpSACaHykyU-QeYXCCo2FhAmFzeEA0",
    "MDc5MTViYzIxMmJlNjFhNzdlM2U2ZDJhZWI0YzcyNzk4MGJkYTUxY2QwNmE2YWZjMjllMjg2MTc2OGE3ODM3YWNYIQK8",
    "kJeZfYGvssxzRrXkNFqTRr0qUG63lYWYpy8M-FFj6qNhYQhhc3hAZmUxNTEwOTMxNGU2MWQ3NzU2YjBmOGVlMGYyM2E2",
    "MjRhY2FhM2Y0ZTA0MmY2MTQzM2M3MjhjNzA1N2I5MzFiZWFjWCECvJCXmX2Br7LMc0a15DRak0a9KlBut5WFmKcvDPhR",
    "Y-qiYWlIAK0mjE0fWCZhcIGjYWEBYXN4QDlhNmRiYjg0N2JkMjMyYmE3NmRiMGRmMTk3MjE2YjI5ZDNiOGNjMTQ1NTNj",
    "ZDI3ODI3ZmMxY2M5NDJmZWRiNGVhY1ghAryQl5l9ga-yzHNGteQ0WpNGvSpQbreVhZinLwz4UWPqYWRuZm9yIHRoZSBh",
    "bnN3ZXI",
);

#[test]
fn reads_one_keyset() {
    let token = TokenOutline::parse(V4_ONE_KEYSET).unwrap();
    assert_eq!(token.mint, "http://localhost:3338");
    assert_eq!((token.amount, token.unit.as_str()), (1, "sat"));
    assert_eq!(token.proof_count, 1);
    assert_eq!(token.keyset_ids, ["00ad268c4d1f5826"]);
    assert_eq!(token.memo.as_deref(), Some("Thank you"));
    assert!(!token.locked);
    // SHA-256 over one length-prefixed secret, computed with coreutils.
    assert_eq!(
        token.id.to_string(),
        "22bb6ceb3ffb229d5eb68954e7eb54d9a4819952cc07b6a7b566723e86d9b0e6"
    );
}

#[test]
fn reads_two_keysets() {
    let token = TokenOutline::parse(V4_TWO_KEYSETS).unwrap();
    assert_eq!((token.amount, token.proof_count), (4, 3));
    assert_eq!(token.keyset_ids, ["00ad268c4d1f5826", "00ffd48b8f5ecf80"]);
    assert_eq!(token.memo, None);
}

#[test]
fn reads_version_3() {
    let token = TokenOutline::parse(V3).unwrap();
    assert_eq!(token.mint, "https://8333.space:3338");
    assert_eq!((token.amount, token.proof_count), (10, 2));
    assert_eq!(token.keyset_ids, ["009a1f293253e41e"]);
    assert_eq!(token.memo.as_deref(), Some("Thank you."));
}

#[test]
fn reads_what_cashu_ts_writes() {
    let token = TokenOutline::parse(CASHU_TS).unwrap();
    assert_eq!(token.mint, "https://mint.example.com");
    assert_eq!((token.amount, token.proof_count), (11, 3));
    assert_eq!(token.keyset_ids, ["009a1f293253e41e", "00ad268c4d1f5826"]);
    assert_eq!(token.memo.as_deref(), Some("for the answer"));
}

/// NUT-00's list of strings that are no tokens.
#[test]
fn refuses_a_wrong_prefix() {
    for text in [
        V3.replacen("cashuA", "casshuA", 1),
        V3.replacen("cashuA", "", 1),
    ] {
        assert_eq!(
            TokenOutline::parse(&text).unwrap_err().code(),
            "payment_malformed"
        );
    }
}

#[test]
fn hands_on_the_token_in_the_form_that_every_wallet_reads() {
    let written_otherwise = format!(
        " cashu:{} ",
        V4_ONE_KEYSET.replace('-', "+").replace('_', "/")
    );
    let token = TokenOutline::parse(&written_otherwise).unwrap();
    assert_eq!(token.token(), V4_ONE_KEYSET);
}

#[test]
fn debug_output_holds_no_money() {
    let shown = format!("{:?}", TokenOutline::parse(V4_ONE_KEYSET).unwrap());
    assert!(!shown.contains("9a6dbb847bd232ba"), "{shown}");
    assert!(!shown.contains("cashuB"), "{shown}");
    assert!(shown.contains("http://localhost:3338"), "{shown}");
}
