//! MuSig2's values in a PSBT (BIP-373). The `bitcoin` crate leaves these fields in `unknown`.

use std::collections::BTreeMap;

use bitcoin::Psbt;
use bitcoin::psbt::Input;
use bitcoin::psbt::raw::{Key, ProprietaryKey};
use bitcoin::secp256k1::PublicKey;
use musig2::{PartialSignature, PubNonce};

use crate::vault::aggregate::Group;
use crate::vault::error::VaultError;

/// `PSBT_IN_MUSIG2_PARTICIPANT_PUBKEYS`.
const PARTICIPANTS: u8 = 0x1a;
/// `PSBT_IN_MUSIG2_PUB_NONCE`.
const NONCE: u8 = 0x1b;
/// `PSBT_IN_MUSIG2_PARTIAL_SIG`.
const PARTIAL: u8 = 0x1c;
/// A compressed key.
const KEY_BYTES: usize = 33;
/// Our own field: the number of the round, so that a new round wins over what is left of the old.
const OUR_PREFIX: &[u8] = b"freehold";
const ROUND: u8 = 0;
/// Nobody has the patience for more rounds.
const ROUNDS_MAX: u32 = 1_000;

/// What the signers gave for one input so far.
pub(super) struct Given {
    pub nonces: BTreeMap<usize, PubNonce>,
    pub partials: BTreeMap<usize, PartialSignature>,
}

/// Says whose keys the aggregate is made of, for other programs that sign.
pub(in crate::vault) fn name_participants(input: &mut Input, group: &Group) {
    let key = Key {
        type_value: PARTICIPANTS,
        key: group.key().serialize().to_vec(),
    };
    let keys: Vec<u8> = group.keys.iter().flat_map(PublicKey::serialize).collect();
    input.unknown.insert(key, keys);
}

fn key_of(kind: u8, participant: &PublicKey, output_key: &PublicKey) -> Key {
    Key {
        type_value: kind,
        key: [participant.serialize(), output_key.serialize()].concat(),
    }
}

pub(super) fn put_nonce(
    input: &mut Input,
    participant: &PublicKey,
    output_key: &PublicKey,
    nonce: &PubNonce,
) {
    let key = key_of(NONCE, participant, output_key);
    input.unknown.insert(key, nonce.serialize().to_vec());
}

pub(super) fn put_partial(
    input: &mut Input,
    participant: &PublicKey,
    output_key: &PublicKey,
    partial: &PartialSignature,
) {
    let key = key_of(PARTIAL, participant, output_key);
    input.unknown.insert(key, partial.serialize().to_vec());
}

/// Reads what the members of the group gave. Values of others, or for other keys, are refused:
/// nobody honest puts them there.
pub(super) fn read(
    input: &Input,
    group: &Group,
    output_key: &PublicKey,
) -> Result<Given, VaultError> {
    let malformed = || VaultError::Malformed("its MuSig2 fields are damaged".into());
    let mut given = Given {
        nonces: BTreeMap::new(),
        partials: BTreeMap::new(),
    };
    for (key, value) in &input.unknown {
        if !matches!(key.type_value, NONCE | PARTIAL) {
            continue;
        }
        let (participant, aggregate) = key.key.split_at_checked(KEY_BYTES).ok_or_else(malformed)?;
        let member = group
            .keys
            .iter()
            .position(|known| known.serialize() == *participant);
        let signer = member.and_then(|place| group.signers.get(place));
        let signer = *signer.ok_or_else(malformed)?;
        if *aggregate != output_key.serialize() {
            return Err(malformed());
        }
        if key.type_value == NONCE {
            let nonce = PubNonce::from_bytes(value).map_err(|_| malformed())?;
            given.nonces.insert(signer, nonce);
        } else {
            let partial = PartialSignature::from_slice(value).map_err(|_| malformed())?;
            given.partials.insert(signer, partial);
        }
    }
    Ok(given)
}

fn round_key() -> ProprietaryKey {
    ProprietaryKey {
        prefix: OUR_PREFIX.to_vec(),
        subtype: ROUND,
        key: Vec::new(),
    }
}

/// The round that a PSBT is in. The first is 0.
pub(in crate::vault) fn round(psbt: &Psbt) -> u32 {
    let value = psbt.proprietary.get(&round_key());
    let value = value.and_then(|value| <[u8; 4]>::try_from(value.as_slice()).ok());
    value.map_or(0, u32::from_le_bytes)
}

/// Drops what was given, and begins the next round.
pub(in crate::vault) fn restart(psbt: &mut Psbt) -> Result<(), VaultError> {
    let next = round(psbt).saturating_add(1);
    if next > ROUNDS_MAX {
        let why = "it went through too many rounds: propose anew";
        return Err(VaultError::Malformed(why.into()));
    }
    for input in &mut psbt.inputs {
        input.unknown.retain(|key, _| !is_given(key));
    }
    let value = next.to_le_bytes().to_vec();
    psbt.proprietary.insert(round_key(), value);
    Ok(())
}

fn is_given(key: &Key) -> bool {
    matches!(key.type_value, NONCE | PARTIAL)
}

/// Takes over what `other` was given. The later round wins; within one round, two values for one
/// thing are a contradiction.
pub(in crate::vault) fn merge(psbt: &mut Psbt, other: &Psbt) -> Result<(), VaultError> {
    let (ours, theirs) = (round(psbt), round(other));
    if theirs > ROUNDS_MAX {
        let why = "it went through too many rounds: propose anew";
        return Err(VaultError::Malformed(why.into()));
    }
    if theirs < ours {
        return Ok(());
    }
    if theirs > ours {
        for input in &mut psbt.inputs {
            input.unknown.retain(|key, _| !is_given(key));
        }
        let value = theirs.to_le_bytes().to_vec();
        psbt.proprietary.insert(round_key(), value);
    }
    for (input, from) in psbt.inputs.iter_mut().zip(&other.inputs) {
        for (key, value) in from.unknown.iter().filter(|(key, _)| is_given(key)) {
            let known = input.unknown.entry(key.clone());
            if known.or_insert_with(|| value.clone()) != value {
                let signer = "a signer".into();
                return Err(VaultError::Contradiction { signer });
            }
        }
    }
    Ok(())
}
