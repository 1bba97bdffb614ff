//! One run of one target.

use std::collections::HashSet;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::time::Instant;

use crate::budget::Budget;
use crate::corpus;
use crate::mutate::mutate;
use crate::random::Random;
use crate::shrink::shrink;

/// Inputs that are kept to be changed further, besides the corpus.
const MAX_KEPT: usize = 2_000;
/// Inputs between two looks at the clock.
const ROUND: usize = 64;

/// Gives `target` the corpus of that name, and then changes of it until the time is over. `words`
/// are what the target's parser knows. What the target answers says in which way it took an
/// input; one taken in a new way is changed further, which leads past the first checks.
///
/// # Panics
/// The target does; the smallest input for that is in the message.
pub fn fuzz<T: Hash + Eq>(name: &str, words: &[&str], target: impl Fn(&[u8]) -> T) {
    let budget = Budget::from_environment();
    let mut known = HashSet::new();
    let mut inputs = corpus::read(name);
    for input in &inputs {
        known.insert(attempt(name, budget, input, &target));
    }
    let max = inputs.len() + MAX_KEPT;

    let mut random = Random::new(budget.seed);
    let start = Instant::now();
    while start.elapsed() < budget.time {
        for _ in 0..ROUND {
            let one = &inputs[random.below(inputs.len())];
            let other = &inputs[random.below(inputs.len())];
            let input = mutate(one, other, words, &mut random);
            let way = attempt(name, budget, &input, &target);
            if inputs.len() < max && known.insert(way) {
                inputs.push(input);
            }
        }
    }
}

/// Gives the target one input, and reports the smallest that breaks it.
fn attempt<T>(name: &str, budget: Budget, input: &[u8], target: &impl Fn(&[u8]) -> T) -> T {
    let attempt = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| target(input)));
    attempt(input).unwrap_or_else(|_| {
        // Each try panics: once was enough to be told.
        let hook = take_hook();
        set_hook(Box::new(|_| ()));
        let smallest = shrink(input, |input| attempt(input).is_err());
        set_hook(hook);
        panic!(
            "{name} (FUZZ_SEED={}) is broken by b\"{}\"; put that into a file in fuzz/corpus/{name}/",
            budget.seed,
            smallest.escape_ascii()
        );
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_target_is_reported_with_a_small_input() {
        let panicked = catch_unwind(|| {
            fuzz("batch", &["broken"], |input| {
                assert!(!input.windows(6).any(|part| part == b"broken"));
                input.len() / 16
            });
        });

        let message = *panicked.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("batch (FUZZ_SEED="), "{message}");
        assert!(message.contains(r#"broken by b"broken";"#), "{message}");
    }
}
