//! Lists of challenges, as `WWW-Authenticate` carries them (RFC 9110, section
//! 11.6.1).
//!
//! A server may send several challenges in several headers, and proxies join
//! headers with commas, which also separate a challenge's parameters. So an
//! element of the list is a parameter of the challenge before it if it has the
//! shape `name=value`, and begins a challenge otherwise.
//!
//! What is wrong in one challenge must not hide another that could be paid.
//! [`parse`] skips a challenge that cannot be read, up to the next element that
//! has the shape of a challenge's beginning, commas in quoted strings not
//! counted. Behind a quotation mark that is never closed there is nothing more.
//!
//! Read beyond the grammar, because servers write it: unquoted values with
//! characters that only quoted strings may have (`/`, `=`, `:`…), and spaces
//! instead of commas between parameters.

/// Bytes of a header value that is read.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// Challenges in one value.
pub const CHALLENGES_MAX: usize = 32;
/// Parameters in one challenge.
pub const PARAMS_MAX: usize = 32;

/// Why a list of challenges cannot be read, or a challenge not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The value is bigger than what is read.
    #[error("the header has too many {what} (at most {max})")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// No challenge of the list can be read; this is what is wrong in the first.
    #[error("the header holds no challenge that can be read: {0}")]
    Malformed(&'static str),
    /// A scheme, a parameter's name or its value cannot stand in a header.
    #[error("the challenge cannot be written: {0}")]
    Unwritable(&'static str),
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "www_authenticate_too_large",
            Self::Malformed(_) => "www_authenticate_malformed",
            Self::Unwritable(_) => "www_authenticate_unwritable",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Malformed(_) => {
                "report it to the seller: WWW-Authenticate must be a list as RFC 9110 has it"
            }
            Self::Unwritable(_) => "use tokens for names, and text without control characters",
        }
    }
}

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// The scheme, as the server spells it. Compare with [`Challenge::is`].
    pub scheme: String,
    /// What stands in place of parameters, as in `Basic dXNlcg==`.
    pub token68: Option<String>,
    /// Parameters in their order: the name in lower case, the value unquoted.
    /// A name that occurs twice is kept twice: see [`Challenge::repeated`].
    pub params: Vec<(String, String)>,
}

impl Challenge {
    /// A challenge without parameters.
    pub fn new(scheme: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            ..Self::default()
        }
    }

    /// The same challenge with one more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.params
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Whether this is the challenge of `scheme`, in whatever case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter by its lower-case name. Of a repeated one the
    /// first: what somebody appended later on the way does not count.
    pub fn param(&self, name: &str) -> Option<&str> {
        let (_, value) = self.params.iter().find(|(n, _)| n == name)?;
        Some(value)
    }

    /// The first name that occurs twice, which RFC 9110 forbids. It is for the
    /// protocol to say whether that spoils the challenge.
    pub fn repeated(&self) -> Option<&str> {
        let names = self.params.iter().enumerate();
        names
            .filter(|(n, (name, _))| self.params[..*n].iter().any(|(earlier, _)| earlier == name))
            .map(|(_, (name, _))| name.as_str())
            .next()
    }

    /// The challenge as a header value, each parameter's value as a quoted string.
    pub fn to_value(&self) -> Result<String, Error> {
        if !is_token(&self.scheme) {
            return Err(Error::Unwritable("its scheme is not a token"));
        }
        let mut text = self.scheme.clone();
        if let Some(token68) = &self.token68 {
            if !self.params.is_empty() || token68_len(token68.as_bytes()) != token68.len() {
                return Err(Error::Unwritable("its token68 is none, or not alone"));
            }
            text.push(' ');
            text.push_str(token68);
        }
        for (n, (name, value)) in self.params.iter().enumerate() {
            if !is_token(name) {
                return Err(Error::Unwritable("a parameter's name is not a token"));
            }
            text.push_str(if n == 0 { " " } else { ", " });
            text.push_str(name);
            text.push('=');
            push_quoted(&mut text, value)?;
        }
        Ok(text)
    }
}

/// Reads a list of challenges, of any schemes; an empty one has none.
///
/// Several headers are read by joining their values with commas. An error means
/// that there are challenges, and that not one of them can be read, or that the
/// value is too large to look at.
pub fn parse(value: &str) -> Result<Vec<Challenge>, Error> {
    check("bytes", value.len(), VALUE_BYTES_MAX)?;
    let mut cursor = Cursor { value, at: 0 };
    let mut challenges = Vec::new();
    let mut first_error = None;
    while cursor.skip_separators() {
        match cursor.challenge() {
            Ok(challenge) => {
                check("challenges", challenges.len() + 1, CHALLENGES_MAX)?;
                challenges.push(challenge);
            }
            Err(error) => {
                first_error.get_or_insert(error);
                cursor.skip_to_next_challenge();
            }
        }
    }
    match first_error {
        Some(error) if challenges.is_empty() => Err(error),
        _ => Ok(challenges),
    }
}

fn check(what: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        return Err(Error::TooLarge { what, max });
    }
    Ok(())
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// What no header may contain. A tab may stand in a quoted string, and bytes
/// above ASCII may too (`obs-text`).
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// The length of the token68 that `bytes` begin with; 0 if they don't.
fn token68_len(bytes: &[u8]) -> usize {
    let is_body = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(b);
    let body = bytes.iter().take_while(|b| is_body(b)).count();
    if body == 0 {
        return 0;
    }
    body + bytes[body..].iter().take_while(|b| **b == b'=').count()
}

fn push_quoted(text: &mut String, value: &str) -> Result<(), Error> {
    if value.bytes().any(is_control) {
        return Err(Error::Unwritable(
            "a parameter's value has control characters",
        ));
    }
    text.push('"');
    for c in value.chars() {
        if c == '"' || c == '\\' {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Ok(())
}

/// A place in the value. Every method leaves it on a character's boundary: it
/// only ever stops before or behind an ASCII character.
struct Cursor<'a> {
    value: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.value.as_bytes()[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let len = self.rest().iter().take_while(|b| accept(**b)).count();
        let taken = &self.value[self.at..self.at + len];
        self.at += len;
        taken
    }

    /// Skips commas and spaces; whether anything follows.
    fn skip_separators(&mut self) -> bool {
        self.take_while(|b| is_space(b) || b == b',');
        self.peek().is_some()
    }

    fn at_element_end(&self) -> bool {
        matches!(self.peek(), None | Some(b','))
    }

    fn challenge(&mut self) -> Result<Challenge, Error> {
        let mut challenge = Challenge::new(self.take_while(is_token_byte));
        if challenge.scheme.is_empty() {
            return Err(Error::Malformed("a challenge does not begin with a scheme"));
        }
        let spaces = self.take_while(is_space);
        if self.at_element_end() {
            self.skip_separators();
        } else if spaces.is_empty() {
            return Err(Error::Malformed("a scheme is not followed by a space"));
        } else if let Some(token68) = self.token68() {
            challenge.token68 = Some(token68.to_owned());
            return Ok(challenge);
        } else if !self.looks_like_param() {
            return Err(Error::Malformed("a scheme is followed by no parameter"));
        }
        while self.looks_like_param() {
            check("parameters", challenge.params.len() + 1, PARAMS_MAX)?;
            challenge.params.push(self.param()?);
            let spaces = self.take_while(is_space);
            if self.at_element_end() {
                self.skip_separators();
            } else if spaces.is_empty() || !self.looks_like_param() {
                return Err(Error::Malformed("something stands behind a parameter"));
            }
        }
        Ok(challenge)
    }

    /// A token68 is one only if nothing else stands in its element.
    fn token68(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at += token68_len(self.rest());
        let token68 = &self.value[start..self.at];
        self.take_while(is_space);
        if token68.is_empty() || !self.at_element_end() {
            self.at = start;
            return None;
        }
        Some(token68)
    }

    fn looks_like_param(&self) -> bool {
        let mut ahead = Cursor { ..*self };
        let name = ahead.take_while(is_token_byte);
        ahead.take_while(is_space);
        !name.is_empty() && ahead.peek() == Some(b'=')
    }

    fn looks_like_challenge(&self) -> bool {
        let mut ahead = Cursor { ..*self };
        let scheme = ahead.take_while(is_token_byte);
        let spaces = ahead.take_while(is_space);
        let follows = ahead.at_element_end() || (!spaces.is_empty() && ahead.peek() != Some(b'='));
        !scheme.is_empty() && follows
    }

    /// `name = value`, of which the name and the sign are known to be there.
    fn param(&mut self) -> Result<(String, String), Error> {
        let name = self.take_while(is_token_byte).to_ascii_lowercase();
        self.take_while(is_space);
        self.at += 1;
        self.take_while(is_space);
        if self.peek() == Some(b'"') {
            return Ok((name, self.quoted()?));
        }
        let value = self.take_while(|b| b.is_ascii_graphic() && !b"\",\\".contains(&b));
        if value.is_empty() {
            return Err(Error::Malformed("a parameter has no value"));
        }
        Ok((name, value.to_owned()))
    }

    /// A quoted string, the cursor on its first mark. Read to its last mark
    /// even if it is not valid, so that what follows is not taken for quoted.
    fn quoted(&mut self) -> Result<String, Error> {
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|b| b != b'"' && b != b'\\'));
            let mark = self.peek();
            self.at = self.value.len().min(self.at + 1);
            if mark == Some(b'"') {
                break;
            }
            let Some(escaped) = self.value[self.at..].chars().next() else {
                return Err(Error::Malformed("a quotation mark is never closed"));
            };
            text.push(escaped);
            self.at += escaped.len_utf8();
        }
        if text.bytes().any(is_control) {
            return Err(Error::Malformed("a value has control characters"));
        }
        Ok(text)
    }

    /// Behind an error: to the next element that looks like a challenge's first.
    fn skip_to_next_challenge(&mut self) {
        loop {
            self.take_while(|b| b != b',' && b != b'"');
            if self.peek() == Some(b'"') {
                _ = self.quoted();
            } else if !self.skip_separators() || self.looks_like_challenge() {
                return;
            }
        }
    }
}
