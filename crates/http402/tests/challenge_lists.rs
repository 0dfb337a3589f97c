//! Lists of challenges: what is read, what is skipped, what is written.
#![allow(clippy::unwrap_used)]

use http402::www_authenticate::{
    CHALLENGES_MAX, Challenge, Error, PARAMS_MAX, VALUE_BYTES_MAX, parse,
};
use proptest::{collection::vec, prelude::*};

/// One line for each challenge, so that a case fits on a line.
fn outline(value: &str) -> String {
    let lines = parse(value).unwrap().into_iter().map(|challenge| {
        let params = challenge.params.iter().map(|(n, v)| format!(" {n}={v}"));
        let token68 = challenge.token68.iter().map(|t| format!(" [{t}]"));
        challenge.scheme.clone() + &token68.chain(params).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("; ")
}

fn check(value: &str, expected: &str) {
    assert_eq!(outline(value), expected, "{value}");
}

#[test]
fn what_servers_send_is_read() {
    check("", "");
    check(" , ,", "");
    check("Basic realm=\"x\"", "Basic realm=x");
    check(
        "L402 macaroon=\"AgE=\", invoice=\"lnbc1\"",
        "L402 macaroon=AgE= invoice=lnbc1",
    );
    check(
        "LSAT  Macaroon = \"AgE=\" ,invoice= lnbc1",
        "LSAT macaroon=AgE= invoice=lnbc1",
    );
    check(
        "L402 macaroon=AgE/+A==, invoice=lnbc1",
        "L402 macaroon=AgE/+A== invoice=lnbc1",
    );
    check(
        "L402 macaroon=\"A\" invoice=\"B\"",
        "L402 macaroon=A invoice=B",
    );
    check("Negotiate", "Negotiate");
    check("Negotiate, Basic realm=x", "Negotiate; Basic realm=x");
    check(
        "Negotiate a87421000492aa874209af8bc028==",
        "Negotiate [a87421000492aa874209af8bc028==]",
    );
    check("A b, C d=e, F g==,H", "A [b]; C d=e; F [g==]; H");
    check(
        "Newauth realm=\"apps\", type=1, Basic realm=\"simple\"",
        "Newauth realm=apps type=1; Basic realm=simple",
    );
    check("A a=1,,  , b=2 , , B c=3", "A a=1 b=2; B c=3");
    check("A , a=1", "A a=1");
    check("A a=\"\"", "A a=");
    check(
        "A a=\"x, B b=\\\"y\\\", \\\\\", c=d",
        "A a=x, B b=\"y\", \\ c=d",
    );
    check("A a=\"tab\there, caf\u{e9}\"", "A a=tab\there, caf\u{e9}");
    check("A a=1, a=2", "A a=1 a=2");
}

#[test]
fn a_broken_challenge_hides_no_other() {
    check("A a=, B b=c", "A [a=]; B b=c"); // A token68, by the grammar.
    check("A b=1, a=, B b=c", "B b=c");
    check("A a=\"1\"x, b=2, B b=c", "B b=c");
    check("A \"x, C c=d\", B b=c", "B b=c");
    check("=, a=b, ,B b=c", "B b=c");
    check("a=b, B b=c", "B b=c");
    check("B b=c, A a=\"\u{7}, C c=d\", D d=e", "B b=c; D d=e");
    check("B b=c, A a=\"never closed, C c=d", "B b=c");
    check("A t68 t68, B b=c", "B b=c");
    check("\u{20ac} a=b, B b=c", "B b=c");
    check("A a=\u{20ac}, B b=c", "B b=c");
    check("A a=x\\y, B b=c", "B b=c");
    let many = (0..=PARAMS_MAX)
        .map(|n| format!("p{n}=1"))
        .collect::<Vec<_>>();
    check(&format!("A {}, B b=c", many.join(", ")), "B b=c");
}

#[test]
fn nothing_readable_is_an_error() {
    for (value, reason) in [
        ("A a=\"\\", "a quotation mark is never closed"),
        ("A a=\"x", "a quotation mark is never closed"),
        ("A b=1, a=", "a parameter has no value"),
        ("a=b", "a scheme is not followed by a space"),
        ("\"A b=c\"", "a challenge does not begin with a scheme"),
        ("A b c", "a scheme is followed by no parameter"),
        ("A a=\"b\"c", "something stands behind a parameter"),
        ("A a=\"\r\n\"", "a value has control characters"),
    ] {
        assert_eq!(parse(value), Err(Error::Malformed(reason)), "{value:?}");
    }
}

#[test]
fn too_much_is_not_looked_at() {
    let most = vec!["A"; CHALLENGES_MAX].join(",");
    assert_eq!(parse(&most).unwrap().len(), CHALLENGES_MAX);
    let code = |value: String| parse(&value).unwrap_err().code();
    assert_eq!(code(most + ",A"), "www_authenticate_too_large");
    assert_eq!(
        code(" ".repeat(VALUE_BYTES_MAX + 1)),
        "www_authenticate_too_large"
    );
}

#[test]
fn a_repeated_parameter_is_told() {
    let list = parse("A a=1, b=2, A=3").unwrap();
    assert_eq!(
        (list[0].repeated(), list[0].param("a")),
        (Some("a"), Some("1"))
    );
    assert_eq!(
        Challenge::new("A").with("a", "1").with("b", "1").repeated(),
        None
    );
}

#[test]
fn what_could_inject_a_header_is_not_written() {
    let refused = [
        Challenge::new("A b"),
        Challenge::new(""),
        Challenge::new("A").with("a b", "c"),
        Challenge::new("A").with("", "c"),
        Challenge::new("A").with("a", "b\r\nSet-Cookie: c=d"),
        Challenge::new("A").with("a", "b\0"),
        Challenge {
            token68: Some("a b".to_owned()),
            ..Challenge::new("A")
        },
        Challenge {
            token68: Some("a".to_owned()),
            ..Challenge::new("A").with("a", "b")
        },
    ];
    for challenge in refused {
        assert_eq!(
            challenge.to_value().unwrap_err().code(),
            "www_authenticate_unwritable"
        );
    }
}

prop_compose! {
    fn challenge()(
        scheme in "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}",
        params in vec(("[a-z0-9!#$%&'*+.^_`|~-]{1,8}", "[^\\x00-\\x08\\x0a-\\x1f\\x7f]{0,24}"), 0..5),
        token68 in "[A-Za-z0-9._~+/-]{1,12}={0,2}",
    ) -> Challenge {
        let token68 = params.is_empty().then_some(token68);
        Challenge { scheme, token68, params }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(list in vec(challenge(), 1..6), separator in "[ \t]{0,2},[ \t,]{0,3}") {
        let values: Vec<String> = list.iter().map(|c| c.to_value().unwrap()).collect();
        prop_assert_eq!(parse(&values.join(&separator)).unwrap(), list);
    }

    #[test]
    fn a_challenge_survives_any_neighbour_without_quotes(
        before in "[ !#-\\[\\]-~]{0,40}", challenge in challenge(),
    ) {
        let value = challenge.to_value().unwrap();
        let list = parse(&format!("{before}, {value}, X y=z")).unwrap();
        prop_assert!(list.contains(&challenge), "{list:?}");
        prop_assert!(list.contains(&Challenge::new("X").with("y", "z")), "{list:?}");
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(?s).{0,300}") {
        if let Ok(list) = parse(&text) {
            let values: Vec<String> = list.iter().map(|c| c.to_value().unwrap()).collect();
            prop_assert_eq!(parse(&values.join(", ")).unwrap(), list);
        }
    }

    #[test]
    fn any_near_list_is_read_without_panic(text in "[AB a=\",\\\\\u{e9}]{0,60}") {
        _ = parse(&text);
    }
}
