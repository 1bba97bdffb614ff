//! Inputs to start from, one a file.

use std::path::Path;

/// The corpus of a target, in the order of the files' names.
///
/// # Panics
/// There is none: without one a run would be a few random bytes.
pub(crate) fn read(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("fuzz/corpus/{target} cannot be read: {error}"))
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.sort();
    let inputs = files.iter().map(|file| {
        let input = std::fs::read(file);
        input.unwrap_or_else(|error| panic!("fuzz/corpus/{target} cannot be read: {error}"))
    });
    let inputs: Vec<_> = inputs.collect();
    assert!(!inputs.is_empty(), "fuzz/corpus/{target} is empty");
    inputs
}
