//! The way from a log's entry to its root, in operations that every OpenTimestamps client knows.
//!
//! | step | operations |
//! |---|---|
//! | entry → leaf hash | `prepend 00`, `sha256` |
//! | a left child → its parent | `append <sibling>`, `prepend 01`, `sha256` |
//! | a right child → its parent | `prepend 01‖<sibling>`, `sha256` |

use super::verify::{Side, sides};
use crate::ots::{Arg, Op};
use crate::{Hash, Result};

const LEAF: u8 = 0x00;
const NODE: u8 = 0x01;

/// The operations that lead from entry `index` of the tree of `size` leaves to its root, if
/// `path` is the inclusion path. Whether they do arrive there is for
/// [`verify_inclusion`](super::verify_inclusion) to say.
///
/// At most three a level: a tree of a million leaves takes 62 of the 255 that a proof may have.
pub fn path_ops(index: u64, size: u64, path: &[Hash]) -> Result<Vec<Op>> {
    let mut ops = vec![Op::Prepend(Arg::new(&[LEAF])?), Op::SHA256];
    for (side, sibling) in sides(index, size, path)?.into_iter().zip(path) {
        match side {
            Side::Left => {
                let pair = [&[NODE], sibling.as_bytes().as_slice()].concat();
                ops.push(Op::Prepend(Arg::new(&pair)?));
            }
            Side::Right => {
                ops.push(Op::Append(Arg::from(sibling.as_bytes())));
                ops.push(Op::Prepend(Arg::new(&[NODE])?));
            }
        }
        ops.push(Op::SHA256);
    }
    Ok(ops)
}
