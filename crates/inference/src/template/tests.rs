use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::openai::Role;

const CHATML: &str = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const ALTERNATING: &str = r"{{ bos_token }}
{%- if messages[0].role == 'system' -%}
    {%- set system = messages[0].content | trim + '\n\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set system = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('roles must alternate') }}
    {%- endif -%}
    {{ '[' + message.role.upper() + '] ' + (system if loop.first else '') + message['content'].strip() }}
    {%- if message.role == 'assistant' %}{{ eos_token }}{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt %} [ASSISTANT]{% endif -%}";

const NAMESPACED: &str = r#"{%- set ns = namespace(system='', turns=0) -%}
{%- for message in messages %}
    {%- if message.role == "system" %}
        {%- set ns.system = ns.system ~ message.content %}
    {%- endif %}
{%- endfor -%}
Today is {{ strftime_now("%d %B %Y") }}.
{{ ns.system }}
{% for message in messages if message.role != "system" %}
    {%- set ns.turns = ns.turns + 1 %}
    {%- if message.role == "assistant" and "</think>" in message.content %}
        {%- set content = message.content.split("</think>")[-1].lstrip("\n") %}
    {%- else %}
        {%- set content = message.content %}
    {%- endif %}
{{ ns.turns }}:{{ message.role }}:{{ content }}
    {%- if not loop.last %} {% endif %}
{%- endfor %}
{%- if tools is defined and tools is not none %}tools!{% endif %}"#;

fn render(source: &str, messages: &[(Role, &str)]) -> Result<String> {
    let messages: Vec<Message> = messages
        .iter()
        .map(|&(role, content)| Message::new(role, content))
        .collect();
    let now = UNIX_EPOCH + Duration::from_secs(951_782_400);
    ChatTemplate::new(source, "<s>", "</s>")?.render(&messages, now)
}

#[test]
fn chatml_adds_its_own_system_message() {
    let prompt = render(CHATML, &[(Role::User, "Hi")]).unwrap();
    assert_eq!(
        prompt,
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging \
         Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    );
    let prompt = render(CHATML, &[(Role::System, "Be brief."), (Role::User, "Hi")]).unwrap();
    assert!(prompt.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user"));
}

#[test]
fn python_methods_slices_and_filters_work() {
    let turns = [
        (Role::System, " Be kind. "),
        (Role::User, " Hi "),
        (Role::Assistant, "Hello\n"),
        (Role::User, "Bye"),
    ];
    assert_eq!(
        render(ALTERNATING, &turns).unwrap(),
        "<s>[USER] Be kind.\n\nHi[ASSISTANT] Hello</s>[USER] Bye [ASSISTANT]"
    );
}

#[test]
fn a_template_may_refuse_messages() {
    let error = render(ALTERNATING, &[(Role::Assistant, "Hi")]).unwrap_err();
    assert_eq!(error.code(), "template_failed");
    assert!(
        error.to_string().contains("roles must alternate"),
        "{error}"
    );
}

#[test]
fn namespaces_dates_and_splitting_work() {
    let turns = [
        (Role::System, "Be kind."),
        (Role::User, "Hi"),
        (Role::Assistant, "<think>Hm.</think>\n\nHello"),
    ];
    assert_eq!(
        render(NAMESPACED, &turns).unwrap(),
        "Today is 29 February 2000.\nBe kind.\n1:user:Hi 2:assistant:Hello"
    );
}

#[test]
fn hostile_templates_are_stopped() {
    for source in [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(90000) %}{{ '0123456789abcdef0123456789abcdef' }}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% include 'chat' %}",
        "{{ unknown_function() }}",
    ] {
        let error = render(source, &[(Role::User, "Hi")]).unwrap_err();
        assert_eq!(error.code(), "template_failed", "{source}");
    }
}

#[test]
fn broken_or_giant_sources_are_refused() {
    assert!(ChatTemplate::new("{% if %}", "", "").is_err());
    assert!(ChatTemplate::new(&"x".repeat(MAX_SOURCE_BYTES + 1), "", "").is_err());
}

#[test]
fn the_largest_request_fits_the_limits() {
    let text = "x".repeat(crate::openai::MAX_TEXT_BYTES / crate::openai::MAX_MESSAGES);
    let turns = vec![(Role::User, text.as_str()); crate::openai::MAX_MESSAGES];
    assert!(render(CHATML, &turns).is_ok());
    assert!(render(NAMESPACED, &turns).is_ok());
}
