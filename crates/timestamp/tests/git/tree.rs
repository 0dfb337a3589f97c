//! The tree's root, by the cases of the reference's own tests, and each file's way to it.

use sha2::{Digest as _, Sha256};
use timestamp::git::{
    Commitment, Digest, Error, FileInTree, Hashes, MAX_TREE_DEPTH, ObjectId, TreeTimestamper,
};
use timestamp::ots::{Attestation, Timestamp};

use crate::memory::{Failure, Memory};
use crate::sample::Rng;

fn sha256(parts: &[&[u8]]) -> Digest {
    Sha256::digest(parts.concat()).into()
}

fn file(memory: &mut Memory, tree: &ObjectId, path: &str) -> Result<FileInTree, Failure> {
    TreeTimestamper::new(memory, &mut Hashes::new()).file(tree, path.as_bytes())
}

#[test]
fn a_single_file_is_the_root() {
    let mut memory = Memory::default();
    let tree = memory.files(&[("empty", b"")]);
    assert_eq!(memory.root(&tree), Ok(sha256(&[])));
}

/// "Git tree with a two files", and within another folder: roots from the reference's tests.
#[test]
fn two_files_have_the_root_of_the_reference() {
    let mut memory = Memory::default();
    let two = memory.files(&[("a", b"a\n"), ("b", b"b\n")]);
    let root = "730ec268d4b3a5d4e60ee9b274894095c8635f4633".to_owned() + "81613dc2d47179af8ea087";
    assert_eq!(memory.root(&two).map(hex::encode), Ok(root));
}

#[test]
fn a_submodule_is_the_hash_of_its_name() {
    let mut memory = Memory::default();
    let commit = "48b96efa66e2958e955a31a7d9b8f2ac8384b8b9".parse().unwrap();
    let tree = memory.folder(vec![("160000", "sub".to_owned(), commit)]);
    assert_eq!(memory.root(&tree), Ok(sha256(&[commit.as_bytes()])));
    let link = memory.add("blob", b"does-not-exist");
    let tree = memory.folder(vec![("120000", "link".to_owned(), link)]);
    assert_eq!(memory.root(&tree), Ok(sha256(&[b"does-not-exist"])));
}

#[test]
fn every_file_leads_to_the_root() {
    let mut rng = Rng(7);
    let mut found = 0;
    for _ in 0..60 {
        let (mut memory, mut paths) = (Memory::default(), Vec::new());
        let tree = memory.random(&mut rng, "", &mut paths);
        let root = memory.root(&tree).unwrap();
        for path in paths {
            let FileInTree { digest, ops } = file(&mut memory, &tree, &path).unwrap();
            let mut message = digest.to_vec();
            ops.iter().for_each(|op| op.apply(&mut message).unwrap());
            assert_eq!(message, root, "{path}");
            found += 1;
        }
    }
    assert!(found > 100, "{found}");
}

#[test]
fn a_files_proof_ends_where_the_objects_proof_does() {
    let mut memory = Memory::default();
    let tree = memory.files(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    let root = memory.root(&tree).unwrap();
    let commitment = Commitment::new(sha256(&[b"the commit"]), Some(root));
    let block = Timestamp::attested(Attestation::Bitcoin { height: 9 });
    let timestamp = commitment.timestamp(block);
    let expected = (
        commitment.digest().to_vec(),
        Attestation::Bitcoin { height: 9 },
    );
    let found = timestamp.attestations(commitment.message()).unwrap();
    assert_eq!(found, std::slice::from_ref(&expected));
    let b = file(&mut memory, &tree, "b").unwrap();
    let proof = commitment.file(&timestamp, &b).unwrap();
    assert_eq!(proof.digest(), sha256(&[b"2"]));
    assert_eq!(proof.attestations().unwrap(), [expected]);
    // Another tree's file, and a timestamp without a tree, have nothing to do with it.
    let other = Commitment::new(*commitment.message(), Some(sha256(&[b"other"])));
    assert_eq!(other.file(&timestamp, &b), Err(Error::WithoutTree));
    let bare = Commitment::new(*commitment.message(), None);
    assert_eq!(bare.file(&timestamp, &b), Err(Error::WithoutTree));
    assert_eq!((commitment.minor_version(), bare.minor_version()), (1, 0));
}

#[test]
fn what_is_no_file_has_no_proof() {
    let mut memory = Memory::default();
    let files = memory.files(&[("f", b"x")]);
    let link = memory.add("blob", b"f");
    let tree = memory.folder(vec![
        ("40000", "d".to_owned(), files),
        ("120000", "l".to_owned(), link),
    ]);
    assert!(file(&mut memory, &tree, "d/f").is_ok());
    for path in ["", "x", "d/x", "d/f/x", "l/f", "/d/f", "d//f"] {
        let found = file(&mut memory, &tree, path);
        assert!(
            matches!(found, Err(Failure::Git(Error::NoSuchPath { .. }))),
            "{path}"
        );
    }
    for path in ["d", "l"] {
        let found = file(&mut memory, &tree, path);
        assert!(
            matches!(found, Err(Failure::Git(Error::NotAFile { .. }))),
            "{path}"
        );
    }
}

#[test]
fn an_empty_folder_is_refused() {
    let mut memory = Memory::default();
    let tree = memory.folder(Vec::new());
    assert_eq!(memory.root(&tree), Err(Failure::Git(Error::EmptyTree)));
}

/// A tree of a few kilobytes, with 10 to the power of 200 files.
#[test]
fn a_bomb_takes_no_longer_than_its_objects() {
    let mut memory = Memory::default();
    let mut tree = memory.files(&[("f", b"boom")]);
    for _ in 0..200 {
        let ten = (0..10).map(|index| ("40000", index.to_string(), tree));
        tree = memory.folder(ten.collect());
    }
    assert!(memory.root(&tree).is_ok());
    assert_eq!(memory.asked, 202);
}

#[test]
fn folders_end_somewhere() {
    let mut memory = Memory::default();
    let mut tree = memory.files(&[("f", b"")]);
    for _ in 1..MAX_TREE_DEPTH {
        tree = memory.folder(vec![("40000", "d".to_owned(), tree)]);
    }
    assert!(memory.root(&tree).is_ok());
    tree = memory.folder(vec![("40000", "d".to_owned(), tree)]);
    let max = MAX_TREE_DEPTH;
    assert_eq!(
        memory.root(&tree),
        Err(Failure::Git(Error::TreeTooDeep { max }))
    );
}
