//! The chat template: from messages to the prompt that the model was trained on.
//!
//! Model files carry their template as Jinja source. It is a program from a stranger, so it gets
//! limited fuel, depth and output.

mod clock;

use std::{
    io::{self, Write},
    time::SystemTime,
};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig};

use crate::{Error, Result, openai::Message};

/// The longest template that is accepted; real ones have up to some 20 KiB.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// The longest prompt that is accepted: the largest request, and some markup for each message.
const MAX_OUTPUT_BYTES: usize = 2 << 20;
/// A message costs a typical template some 50 steps, and a request has up to 1,024 of them.
const FUEL: u64 = 2_000_000;
const RECURSION_LIMIT: usize = 64;
const NAME: &str = "chat";

/// A model's chat template, ready to use.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl ChatTemplate {
    /// Compiles a template's source. The tokens are the texts that begin and end a sequence.
    ///
    /// # Errors
    /// [`Error::TemplateFailed`] if it isn't valid Jinja, or is too long.
    pub fn new(source: &str, bos_token: &str, eos_token: &str) -> Result<Self> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(Error::TemplateFailed {
                message: format!("it is longer than {MAX_SOURCE_BYTES} bytes"),
            });
        }
        let mut environment = environment().map_err(failed)?;
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(failed)?;
        Ok(Self {
            environment,
            bos_token: bos_token.to_owned(),
            eos_token: eos_token.to_owned(),
        })
    }

    /// Renders a conversation, up to where the assistant is to go on.
    ///
    /// # Errors
    /// [`Error::TemplateFailed`] if the template refuses the messages, or exceeds its limits.
    pub fn render(&self, messages: &[Message], now: SystemTime) -> Result<String> {
        let as_value = |message: &Message| {
            let (role, content) = (message.role.as_str(), &*message.content);
            context! { role => role, content => content }
        };
        let messages: Vec<Value> = messages.iter().map(as_value).collect();
        let variables = context! {
            messages => messages,
            add_generation_prompt => true,
            bos_token => &*self.bos_token,
            eos_token => &*self.eos_token,
            tools => Value::from(()),
            strftime_now => Value::from_function(move |format: &str| clock::format(now, format)),
        };
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let mut prompt = Limited(Vec::new());
        template
            .render_captured_to(variables, &mut prompt)
            .map_err(failed)?;
        String::from_utf8(prompt.0).map_err(|error| Error::TemplateFailed {
            message: error.to_string(),
        })
    }
}

/// An environment that behaves as templates expect: like Python's Jinja with the usual additions.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_LIMIT);
    environment.add_function("raise_exception", |message: String| -> Result<String, _> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    Ok(environment)
}

fn failed(error: minijinja::Error) -> Error {
    let line = error.line().map(|line| format!(" (line {line})"));
    let reason = error.detail().map_or_else(
        || error.kind().to_string(),
        |detail| detail.chars().take(500).collect(),
    );
    Error::TemplateFailed {
        message: reason + &line.unwrap_or_default(),
    }
}

/// A buffer that stops a template which wants to fill the memory.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("the prompt is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
