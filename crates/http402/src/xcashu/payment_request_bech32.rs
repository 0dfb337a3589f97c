//! Payment requests as `CREQB1…`: bech32m over type-length-value fields (NUT-26).
//!
//! A field is a tag of one byte, a length of two bytes (big-endian) and a value. Unknown tags are skipped.

use bech32::{Bech32, Bech32m, Checksum, Hrp, primitives::decode::CheckedHrpstring};

use super::limits::REQUEST_BYTES_MAX;
use super::{Nut10Option, PaymentRequest, Transport};
use crate::Error;

const HRP: &str = "creqb";
/// The longest text that bech32m's checksum is good for, and that wallets read.
pub(super) const BECH32_CHARS_MAX: usize = 1023;

/// The units and kinds that have a number.
const SAT: u8 = 0;
const TRANSPORTS: [&str; 2] = ["nostr", "post"];
const LOCKS: [&str; 2] = ["P2PK", "HTLC"];
/// The key under which a Nostr transport keeps its relays.
const RELAY: &str = "r";

mod tag {
    pub(super) const ID: u8 = 1;
    pub(super) const AMOUNT: u8 = 2;
    pub(super) const UNIT: u8 = 3;
    pub(super) const SINGLE_USE: u8 = 4;
    pub(super) const MINT: u8 = 5;
    pub(super) const DESCRIPTION: u8 = 6;
    pub(super) const TRANSPORT: u8 = 7;
    pub(super) const NUT10: u8 = 8;
    /// Inside a transport or a lock.
    pub(super) const KIND: u8 = 1;
    pub(super) const VALUE: u8 = 2;
    pub(super) const TUPLE: u8 = 3;
}

const fn malformed(what: &'static str) -> Error {
    Error::ChallengeMalformed(what)
}

/// Whether a text is meant to be in this format.
pub(super) fn is_bech32(text: &str) -> bool {
    let prefix = text.get(..HRP.len() + 1);
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("creqb1"))
}

/// Writes upper case, which QR codes hold in less space.
pub(super) fn encode(request: &PaymentRequest) -> Result<String, Error> {
    let mut fields = Fields::default();
    fields.text(tag::ID, request.id.as_deref())?;
    if let Some(amount) = request.amount {
        fields.push(tag::AMOUNT, &amount.to_be_bytes())?;
    }
    match request.unit.as_deref() {
        Some("sat") => fields.push(tag::UNIT, &[SAT])?,
        unit => fields.text(tag::UNIT, unit)?,
    }
    if let Some(single_use) = request.single_use {
        fields.push(tag::SINGLE_USE, &[u8::from(single_use)])?;
    }
    for mint in &request.mints {
        fields.push(tag::MINT, mint.as_bytes())?;
    }
    fields.text(tag::DESCRIPTION, request.description.as_deref())?;
    for transport in &request.transports {
        fields.push(tag::TRANSPORT, &transport_fields(transport)?)?;
    }
    if let Some(lock) = &request.nut10 {
        let kind = kind_number(&lock.kind, LOCKS)?;
        fields.push(
            tag::NUT10,
            &sub_fields(kind, lock.data.as_bytes(), &lock.tags)?,
        )?;
    }
    let hrp = Hrp::parse(HRP).map_err(|_| malformed("its prefix is no bech32"))?;
    let max = BECH32_CHARS_MAX;
    bech32::encode_upper::<Bech32m>(hrp, &fields.0).map_err(|_| Error::ChallengeTooLarge {
        what: "characters for bech32m: write creqA",
        max,
    })
}

/// Reads upper or lower case. The caller has bounded the length and checks the fields' sizes.
pub(super) fn decode(text: &str) -> Result<PaymentRequest, Error> {
    let bytes = bech32_bytes::<Bech32m>(HRP, text).ok_or(malformed("it is not bech32m"))?;
    let mut request = PaymentRequest::default();
    for field in fields(&bytes) {
        let (tag, value) = field?;
        match tag {
            tag::ID => once(&mut request.id, utf8(value)?)?,
            tag::AMOUNT => {
                let amount = value
                    .try_into()
                    .map_err(|_| malformed("its amount hasn't eight bytes"))?;
                once(&mut request.amount, u64::from_be_bytes(amount))?;
            }
            tag::UNIT if value == [SAT] => once(&mut request.unit, "sat".to_owned())?,
            tag::UNIT => once(&mut request.unit, utf8(value)?)?,
            tag::SINGLE_USE => once(
                &mut request.single_use,
                value.first().is_some_and(|byte| *byte != 0),
            )?,
            tag::MINT => request.mints.push(utf8(value)?),
            tag::DESCRIPTION => once(&mut request.description, utf8(value)?)?,
            tag::TRANSPORT => request.transports.push(transport(value)?),
            tag::NUT10 => {
                let Sub { kind, value, tags } = Sub::read(value)?;
                let lock = Nut10Option {
                    data: utf8(value)?,
                    kind: kind_name(kind, LOCKS),
                    tags,
                };
                once(&mut request.nut10, lock)?;
            }
            _ => {}
        }
    }
    Ok(request)
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed("a field stands in it twice")),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("a text in it is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Fields that are being written.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn push(&mut self, tag: u8, value: &[u8]) -> Result<(), Error> {
        let max = REQUEST_BYTES_MAX;
        let what = "bytes in a field";
        let length =
            u16::try_from(value.len()).map_err(|_| Error::ChallengeTooLarge { what, max })?;
        self.0.push(tag);
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
        Ok(())
    }

    fn text(&mut self, tag: u8, text: Option<&str>) -> Result<(), Error> {
        text.map_or(Ok(()), |text| self.push(tag, text.as_bytes()))
    }
}

/// Takes fields apart. After an error nothing more comes.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), Error>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = bytes
            .split_first_chunk::<3>()
            .and_then(|([tag, high, low], rest)| {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                Some((*tag, rest.split_at_checked(length)?))
            });
        let Some((tag, (value, rest))) = field else {
            bytes = &[];
            return Some(Err(malformed("a field in it is cut off")));
        };
        bytes = rest;
        Some(Ok((tag, value)))
    })
}

/// A transport or a lock: they have the same fields.
struct Sub<'a> {
    kind: u8,
    value: &'a [u8],
    tags: Vec<Vec<String>>,
}

impl<'a> Sub<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut kind, mut target, mut tags) = (None, None, Vec::new());
        for field in fields(bytes) {
            match field? {
                (tag::KIND, [number]) => once(&mut kind, *number)?,
                (tag::VALUE, value) => once(&mut target, value)?,
                (tag::TUPLE, value) => tags.push(tuple(value)?),
                _ => {}
            }
        }
        let kind = kind.ok_or(malformed("a transport or lock in it has no kind"))?;
        Ok(Self {
            kind,
            value: target.unwrap_or_default(),
            tags,
        })
    }
}

fn sub_fields(kind: u8, value: &[u8], tags: &[Vec<String>]) -> Result<Vec<u8>, Error> {
    let mut fields = Fields::default();
    fields.push(tag::KIND, &[kind])?;
    fields.push(tag::VALUE, value)?;
    for tag in tags {
        fields.push(tag::TUPLE, &tuple_bytes(tag)?)?;
    }
    Ok(fields.0)
}

/// A tag: each of its texts is preceded by its length in one byte.
fn tuple(mut bytes: &[u8]) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let cut = rest.split_at_checked(usize::from(*length));
        let (text, rest) = cut.ok_or(malformed("a tag in it is cut off"))?;
        texts.push(utf8(text)?);
        bytes = rest;
    }
    Ok(texts)
}

fn tuple_bytes(tag: &[String]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for text in tag {
        let what = "characters in a tag for bech32m: write creqA";
        let length =
            u8::try_from(text.len()).map_err(|_| Error::ChallengeTooLarge { what, max: 255 })?;
        bytes.push(length);
        bytes.extend(text.as_bytes());
    }
    Ok(bytes)
}

/// A kind that has no name keeps its number, so that it isn't lost.
fn kind_name(number: u8, names: [&str; 2]) -> String {
    let name = names.get(usize::from(number));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn kind_number(name: &str, names: [&str; 2]) -> Result<u8, Error> {
    let known = (0..2_u8).find(|n| names[usize::from(*n)] == name);
    known
        .or_else(|| {
            name.parse()
                .ok()
                .filter(|n: &u8| *n > 1 && n.to_string() == name)
        })
        .ok_or(malformed(
            "a transport or lock in it has no number in NUT-26",
        ))
}

/// A Nostr transport's target is `npub` or `nprofile` in text, and here a public key with relays among the tags.
fn transport_fields(transport: &Transport) -> Result<Vec<u8>, Error> {
    let kind = kind_number(&transport.kind, TRANSPORTS)?;
    if kind != 0 {
        return sub_fields(kind, transport.target.as_bytes(), &transport.tags);
    }
    let (key, relays) =
        nostr_target(&transport.target).ok_or(malformed("a Nostr target in it is no profile"))?;
    let mut tags = transport.tags.clone();
    tags.extend(
        relays
            .into_iter()
            .map(|relay| vec![RELAY.to_owned(), relay]),
    );
    sub_fields(kind, &key, &tags)
}

fn transport(bytes: &[u8]) -> Result<Transport, Error> {
    let Sub {
        kind,
        value,
        mut tags,
    } = Sub::read(bytes)?;
    let kind_text = kind_name(kind, TRANSPORTS);
    if kind != 0 {
        return Ok(Transport {
            target: utf8(value)?,
            tags,
            kind: kind_text,
        });
    }
    let is_relay = |tag: &Vec<String>| tag.first().is_some_and(|key| key == RELAY);
    let relays: Vec<String> = tags
        .iter()
        .filter(|tag| is_relay(tag))
        .flat_map(|tag| tag[1..].to_vec())
        .collect();
    tags.retain(|tag| !is_relay(tag));
    let target =
        nostr_text(value, &relays).ok_or(malformed("a Nostr target in it is no public key"))?;
    Ok(Transport {
        target,
        tags,
        kind: kind_text,
    })
}

/// The public key and the relays of an `npub` or `nprofile` (NIP-19).
fn nostr_target(text: &str) -> Option<([u8; 32], Vec<String>)> {
    if let Some(key) = bech32_bytes::<Bech32>("npub", text) {
        return Some((key.try_into().ok()?, Vec::new()));
    }
    let bytes = bech32_bytes::<Bech32>("nprofile", text)?;
    let (mut key, mut relays, mut rest) = (None, Vec::new(), bytes.as_slice());
    while let Some(([kind, length], after)) = rest.split_first_chunk::<2>() {
        let (value, after) = after.split_at_checked(usize::from(*length))?;
        match kind {
            0 => key = value.try_into().ok(),
            1 => relays.push(std::str::from_utf8(value).ok()?.to_owned()),
            _ => {}
        }
        rest = after;
    }
    Some((key?, relays))
}

fn nostr_text(key: &[u8], relays: &[String]) -> Option<String> {
    if key.len() != 32 {
        return None;
    }
    if relays.is_empty() {
        return bech32::encode::<Bech32>(Hrp::parse("npub").ok()?, key).ok();
    }
    let mut bytes = vec![0, 32];
    bytes.extend(key);
    for relay in relays {
        bytes.extend([1, u8::try_from(relay.len()).ok()?]);
        bytes.extend(relay.as_bytes());
    }
    bech32::encode::<Bech32>(Hrp::parse("nprofile").ok()?, &bytes).ok()
}

fn bech32_bytes<Ck: Checksum>(hrp: &str, text: &str) -> Option<Vec<u8>> {
    let checked = CheckedHrpstring::new::<Ck>(text).ok()?;
    checked
        .hrp()
        .as_str()
        .eq_ignore_ascii_case(hrp)
        .then(|| checked.byte_iter().collect())
}
