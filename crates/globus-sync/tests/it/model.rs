//! Whatever happens in a tree: after the events, and after a walk, the manifest holds what the tree does.

use crate::tree::World;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

#[derive(Clone, Debug)]
enum Operation {
    Write(PathBuf, usize),
    Append(PathBuf),
    MakeDirectory(PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    MoveOut(PathBuf),
    MoveIn(PathBuf),
    Link(PathBuf, PathBuf),
    HardLink(PathBuf, PathBuf),
    /// Lets the events come in so far
    Follow,
}

fn path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(prop_oneof!["[abc]", Just("a-b".to_owned()), Just("a b".to_owned())], 1..4)
        .prop_map(|names| names.iter().collect())
}

/// Without hard links: of a file that was written under a name that is gone before anyone looks, the kernel
/// says nothing under its other names, so that only a walk can see it.
fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (path(), 0..20_usize).prop_map(|(path, size)| Operation::Write(path, size)),
        2 => path().prop_map(Operation::Append),
        2 => path().prop_map(Operation::MakeDirectory),
        2 => path().prop_map(Operation::Remove),
        4 => (path(), path()).prop_map(|(from, to)| Operation::Rename(from, to)),
        1 => path().prop_map(Operation::MoveOut),
        1 => path().prop_map(Operation::MoveIn),
        1 => (path(), path()).prop_map(|(to, at)| Operation::Link(to, at)),
        2 => Just(Operation::Follow),
    ]
}

fn operation_or_hard_link() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => operation(),
        1 => (path(), path()).prop_map(|(of, at)| Operation::HardLink(of, at)),
    ]
}

impl Operation {
    /// Many don't fit the tree as it is; then nothing happens.
    fn run(&self, world: &World) {
        let outside = world.folder.path().join("outside");
        let at = |path: &PathBuf| world.path(path);
        let parent = |path: &PathBuf| fs::create_dir_all(at(path).parent().unwrap());
        let _ = match self {
            Operation::Write(path, size) => {
                parent(path).and_then(|()| fs::write(at(path), "x".repeat(*size)))
            }
            Operation::Append(path) => fs::OpenOptions::new()
                .append(true)
                .open(at(path))
                .and_then(|mut file| std::io::Write::write_all(&mut file, b"more")),
            Operation::MakeDirectory(path) => fs::create_dir_all(at(path)),
            Operation::Remove(path) => match at(path).symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(at(path)),
                _ => fs::remove_file(at(path)),
            },
            Operation::Rename(from, to) => parent(to).and_then(|()| fs::rename(at(from), at(to))),
            Operation::MoveOut(path) => {
                let _ = fs::remove_dir_all(&outside).or_else(|_| fs::remove_file(&outside));
                fs::rename(at(path), &outside)
            }
            Operation::MoveIn(path) => parent(path).and_then(|()| fs::rename(&outside, at(path))),
            Operation::Link(to, path) => parent(path).and_then(|()| std::os::unix::fs::symlink(to, at(path))),
            Operation::HardLink(of, path) => parent(path).and_then(|()| fs::hard_link(at(of), at(path))),
            Operation::Follow => Ok(()),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn events_tell_all(operations in prop::collection::vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut follower = world.follow().await;
            for operation in &operations {
                operation.run(&world);
                if matches!(operation, Operation::Follow) {
                    world.until_same(&mut follower).await;
                }
            }
            world.until_same(&mut follower).await;
        });
    }

    #[test]
    fn a_walk_tells_all(rounds in prop::collection::vec(prop::collection::vec(operation_or_hard_link(), 1..40), 1..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for operations in &rounds {
                operations.iter().for_each(|operation| operation.run(&world));
                world.walk().await;
                assert_eq!(world.known().await, world.there());
                assert_eq!(world.walk().await.changes, Default::default(), "a second walk finds nothing");
            }
        });
    }
}
