use proptest::prelude::*;
use timestamp::merkle::{
    Tree, empty_root, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
use timestamp::{Error, Hash};

/// The leaves and roots of the Certificate Transparency project's reference tree.
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn reference_tree() -> Tree {
    LEAVES
        .iter()
        .map(|leaf| leaf_hash(&hex::decode(leaf).unwrap()))
        .collect()
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// MTH of RFC 9162, 2.1.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH of RFC 9162, 2.1.3.1, word for word.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if index < middle {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - middle, right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF of RFC 9162, 2.1.4.1, word for word.
fn naive_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![naive_root(leaves)]
        };
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = if old <= middle {
        (naive_subproof(old, left, whole), naive_root(right))
    } else {
        (naive_subproof(old - middle, right, false), naive_root(left))
    };
    path.push(sibling);
    path
}

#[test]
fn roots_of_the_reference_tree() {
    let tree = reference_tree();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(tree.root_at(size as u64).unwrap().to_string(), *root);
    }
    assert_eq!(tree.root().to_string(), ROOTS[8]);
    assert_eq!(Tree::new().root(), empty_root());
}

#[test]
fn paths_of_the_reference_tree() {
    let tree = reference_tree();
    assert_eq!(tree.inclusion_path(0, 1).unwrap(), []);
    let to_first = hashes(&[
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]);
    assert_eq!(tree.inclusion_path(0, 8).unwrap(), to_first);
    assert_eq!(tree.inclusion_path(2, 3).unwrap(), hashes(&[ROOTS[2]]));
    assert_eq!(tree.consistency_path(1, 8).unwrap(), to_first);
    let six_to_eight = hashes(&[
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]);
    assert_eq!(tree.consistency_path(6, 8).unwrap(), six_to_eight);
    let two_to_five = hashes(&[
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]);
    assert_eq!(tree.consistency_path(2, 5).unwrap(), two_to_five);
}

#[test]
fn asking_beyond_the_tree_is_an_error() {
    let tree = reference_tree();
    let out_of_range = |error: Error| assert_eq!(error.code(), "out_of_range");
    out_of_range(tree.root_at(9).unwrap_err());
    out_of_range(tree.root_at(u64::MAX).unwrap_err());
    out_of_range(tree.inclusion_path(0, 9).unwrap_err());
    out_of_range(tree.inclusion_path(3, 3).unwrap_err());
    out_of_range(tree.inclusion_path(0, 0).unwrap_err());
    out_of_range(tree.consistency_path(1, 9).unwrap_err());
    out_of_range(tree.consistency_path(5, 4).unwrap_err());
    out_of_range(verify_inclusion(&empty_root(), 0, 0, &[], &empty_root()).unwrap_err());
}

#[test]
fn every_small_tree_agrees_with_the_rfc_and_is_verified() {
    let leaves = leaves(40);
    let tree: Tree = leaves.iter().copied().collect();
    for size in 1..=leaves.len() {
        let part = &leaves[..size];
        let root = naive_root(part);
        assert_eq!(tree.root_at(size as u64).unwrap(), root);
        for (index, leaf) in part.iter().enumerate() {
            let path = tree.inclusion_path(index as u64, size as u64).unwrap();
            assert_eq!(path, naive_path(index, part));
            verify_inclusion(leaf, index as u64, size as u64, &path, &root).unwrap();
        }
        for old in 1..=size {
            let path = tree.consistency_path(old as u64, size as u64).unwrap();
            assert_eq!(path, naive_subproof(old, part, true));
            let old_root = naive_root(&leaves[..old]);
            verify_consistency(old as u64, size as u64, &old_root, &root, &path).unwrap();
        }
    }
}

#[test]
fn consistency_with_the_empty_tree_and_with_itself() {
    let tree = reference_tree();
    let root = tree.root();
    assert_eq!(tree.consistency_path(0, 8).unwrap(), []);
    verify_consistency(0, 8, &empty_root(), &root, &[]).unwrap();
    verify_consistency(8, 8, &root, &root, &[]).unwrap();
    verify_consistency(0, 0, &empty_root(), &empty_root(), &[]).unwrap();
    for (old, new, old_root, path) in [
        (0, 8, root, vec![]),
        (0, 0, root, vec![]),
        (0, 8, empty_root(), vec![root]),
        (8, 8, root, vec![root]),
        (8, 8, empty_root(), vec![]),
        (4, 8, root, vec![]),
    ] {
        let error = verify_consistency(old, new, &old_root, &root, &path).unwrap_err();
        assert_eq!(error, Error::Inconsistent);
    }
}

#[test]
fn a_path_is_bounded() {
    let path = vec![empty_root(); 65];
    let error = verify_inclusion(&path[0], 0, u64::MAX, &path, &path[0]).unwrap_err();
    assert_eq!(error.code(), "too_large");
    let error = verify_consistency(1, u64::MAX, &path[0], &path[0], &path).unwrap_err();
    assert_eq!(error.code(), "too_large");
}

fn flip(hash: &mut Hash, bit: usize) {
    hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
}

proptest! {
    #[test]
    fn agrees_with_the_rfc(size in 1_usize..200, a: prop::sample::Index, b: prop::sample::Index) {
        let leaves = leaves(size as u64);
        let tree: Tree = leaves.iter().copied().collect();
        let (index, old) = (a.index(size), b.index(size) + 1);
        prop_assert_eq!(tree.root(), naive_root(&leaves));
        prop_assert_eq!(tree.inclusion_path(index as u64, size as u64)?, naive_path(index, &leaves));
        let path = tree.consistency_path(old as u64, size as u64)?;
        prop_assert_eq!(path, naive_subproof(old, &leaves, true));
    }

    #[test]
    fn an_altered_inclusion_never_verifies(
        size in 1_u64..200, at: prop::sample::Index, other in 0_u64..200, which: prop::sample::Index, bit in 0_usize..256,
    ) {
        let leaves = leaves(size);
        let tree: Tree = leaves.iter().copied().collect();
        let index = at.index(leaves.len()) as u64;
        let (leaf, root) = (leaves[index as usize], tree.root());
        let path = tree.inclusion_path(index, size)?;
        if other != index {
            prop_assert!(verify_inclusion(&leaf, other, size, &path, &root).is_err());
        }
        let mut changed = [vec![leaf, root], path.clone()].concat();
        flip(&mut changed[which.index(path.len() + 2)], bit);
        prop_assert!(verify_inclusion(&changed[0], index, size, &changed[2..], &changed[1]).is_err());
        let longer = [path.as_slice(), &[root]].concat();
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        if let Some((_, shorter)) = path.split_last() {
            prop_assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
        }
    }

    #[test]
    fn an_altered_history_never_verifies(
        old in 1_u64..150, grown in 1_u64..50, which: prop::sample::Index, bit in 0_usize..256,
    ) {
        let new = old + grown;
        let tree: Tree = leaves(new).into_iter().collect();
        let (old_root, new_root) = (tree.root_at(old)?, tree.root());
        let path = tree.consistency_path(old, new)?;
        let mut changed = [vec![old_root, new_root], path.clone()].concat();
        flip(&mut changed[which.index(path.len() + 2)], bit);
        prop_assert!(verify_consistency(old, new, &changed[0], &changed[1], &changed[2..]).is_err());
    }

    #[test]
    fn arbitrary_paths_never_panic(
        a: u64, b: u64, path in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        let root = empty_root();
        prop_assert!(verify_inclusion(&root, a, b, &path, &root).is_err() || path.is_empty());
        let _ = verify_consistency(a, b, &root, &root, &path);
    }
}
