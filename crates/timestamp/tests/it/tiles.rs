use proptest::prelude::*;
use timestamp::Hash;
use timestamp::merkle::{Tree, leaf_hash, node_hash};
use timestamp::tiles::{Content, TILE_WIDTH, TileAddress, bundle};

fn tree(size: u64) -> Tree {
    (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn address(text: &str) -> TileAddress {
    text.parse().unwrap()
}

/// The root over hashes of full subtrees, paired as RFC 9162 pairs them.
fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

fn hashes(tile: &[u8]) -> Vec<Hash> {
    let hashes = tile
        .chunks_exact(32)
        .map(|hash| Hash(hash.try_into().unwrap()));
    hashes.collect()
}

#[test]
fn addresses_are_those_of_the_specification() {
    for (text, level, index, width) in [
        ("0/000", 0, 0, 256),
        ("0/x001/x234/067", 0, 1_234_067, 256),
        ("1/999", 1, 999, 256),
        ("1/x001/000.p/1", 1, 1_000, 1),
        (
            "63/x018/x446/x744/x073/x709/x551/615.p/255",
            63,
            u64::MAX,
            255,
        ),
    ] {
        let expected = TileAddress {
            content: Content::Hashes { level },
            index,
            width,
        };
        assert_eq!(address(text), expected);
        assert_eq!(expected.to_string(), text);
    }
    let entries = address("entries/x001/002.p/17");
    assert_eq!(entries.content, Content::Entries);
    assert_eq!((entries.index, entries.width), (1_002, 17));
    assert_eq!(entries.range(), Some((256_512, 256_529)));
}

#[test]
fn nonsense_is_no_address() {
    for text in [
        "",
        "/",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "00/000",
        "+0/000",
        "64/000",
        "256/000",
        "-1/000",
        "x/000",
        "0/x000/000",
        "0/x000/001",
        "0/001/002",
        "0/x01/002",
        "0/x0001/002",
        "0/+01",
        "0/x+01/000",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/00",
        "0/000.p/01",
        "0/000.p/256",
        "0/000.p/+1",
        "0/000.p/65536",
        "0/000.p/1/",
        "0/000.p/1.p/1",
        "0/000/",
        "0//000",
        "0/000?",
        "Entries/000",
        "entries",
        "0/x018/x446/x744/x073/x709/x551/616",
        "0/x001/x001/x001/x001/x001/x001/x001/001",
        "0/٠٠٠",
    ] {
        assert!(text.parse::<TileAddress>().is_err(), "{text:?}");
    }
}

/// The example of the specification: a tree of 70,000.
#[test]
fn a_tree_has_the_tiles_that_it_should_have() {
    let tree = tree(70_000);
    let has = |text: &str| tree.tile(&address(text)).map(|tile| tile.len() / 32);
    assert_eq!(has("0/272"), Some(256));
    assert_eq!(has("0/273"), None);
    assert_eq!(has("0/273.p/112"), Some(112));
    assert_eq!(has("0/273.p/113"), None);
    assert_eq!(has("1/000"), Some(256));
    assert_eq!(has("1/001"), None);
    assert_eq!(has("1/001.p/17"), Some(17));
    assert_eq!(has("1/001.p/18"), None);
    assert_eq!(has("2/000.p/1"), Some(1));
    assert_eq!(has("2/000.p/2"), None);
    for beyond in ["3/000.p/1", "8/000.p/1", "63/000.p/1", "entries/000"] {
        assert_eq!(has(beyond), None, "{beyond}");
    }
    assert_eq!(has("0/x018/x446/x744/x073/x709/x551/615.p/255"), None);
}

#[test]
fn a_bundle_has_each_entry_after_its_length() {
    assert!(bundle(&[]).is_empty());
    let bundle = bundle(&[Hash([1; 32]), Hash([2; 32])]);
    assert_eq!(bundle.len(), 68);
    assert_eq!(bundle[..3], [0, 32, 1]);
    assert_eq!(bundle[34..37], [0, 32, 2]);
}

/// A reader needs nothing but the highest tiles' hashes to know the root.
#[test]
fn the_root_follows_from_the_tiles_of_any_level() {
    for size in [1_u64, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_793] {
        let tree = tree(size);
        let width = u64::from(TILE_WIDTH);
        let mut ragged: Vec<Hash> = Vec::new();
        let (mut level, mut count) = (0, size);
        // From the right edge: on each level the hashes that aren't in a full tile.
        while count > 0 {
            let (full, rest) = (count / width, count % width);
            if rest > 0 {
                let tile = tree.tile(&address(&format!("{level}/{full:03}.p/{rest}")));
                ragged.splice(0..0, hashes(&tile.unwrap()));
            }
            if full > 0 {
                // A full tile's root stands on the next level.
                let parent = tree.tile(&TileAddress {
                    content: Content::Hashes { level: level + 1 },
                    index: 0,
                    width: u16::try_from(full.min(width)).unwrap(),
                });
                let tile = tree.tile(&address(&format!("{level}/000"))).unwrap();
                assert_eq!(hashes(&parent.unwrap())[0], root(&hashes(&tile)));
            }
            (level, count) = (level + 1, full);
        }
        assert_eq!(fold(&ragged, size), tree.root(), "{size}");
    }
}

/// The root over full subtrees of falling size, from the right.
fn fold(subtrees: &[Hash], size: u64) -> Hash {
    // Each level's rest is a row of equal subtrees; its own powers of two come out of pairing.
    let mut parts: Vec<Hash> = Vec::new();
    let (mut at, mut level) = (0, size.ilog(256) + 1);
    while level > 0 {
        level -= 1;
        let count = (size / 256_u64.pow(level) % 256) as usize;
        let mut row = &subtrees[at..at + count];
        at += count;
        while !row.is_empty() {
            let (full, rest) = row.split_at(1 << row.len().ilog2());
            parts.push(root(full));
            row = rest;
        }
    }
    let last = parts.pop().unwrap();
    parts
        .iter()
        .rev()
        .fold(last, |right, left| node_hash(left, &right))
}

proptest! {
    #[test]
    fn an_address_is_read_back(level in 0_u8..64, index: u64, width in 1_u16..=256, entries: bool) {
        let content = if entries { Content::Entries } else { Content::Hashes { level } };
        let address = TileAddress { content, index, width };
        prop_assert_eq!(address.to_string().parse::<TileAddress>()?, address);
    }

    #[test]
    fn arbitrary_text_never_panics_and_has_one_spelling(
        text in "(entries|[0-9]{1,3}|\\PC{0,3})(/x?[0-9]{1,4}){0,8}(.p/[0-9]{0,4})?",
    ) {
        if let Ok(address) = text.parse::<TileAddress>() {
            prop_assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn tiles_are_slices_of_the_tree(size in 1_u64..1_500, index in 0_u64..8, width in 1_u16..=256) {
        let tree = tree(size);
        let address = TileAddress { content: Content::Hashes { level: 0 }, index, width };
        let (start, end) = address.range().unwrap();
        match tree.tile(&address) {
            Some(tile) => {
                let leaves: Vec<_> = (start..end).map(|at| tree.leaf(at).unwrap()).collect();
                prop_assert_eq!(hashes(&tile), leaves);
            }
            None => prop_assert!(end > size),
        }
    }
}
