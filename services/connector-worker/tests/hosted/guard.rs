//! The guard of hosted servers as what it is: a program.

use std::process::{Command, Output};

fn guard(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hosted-guard"))
        .args(args)
        .output()
        .unwrap()
}

fn watch(command: &[&str]) -> Output {
    let us = std::process::id().to_string();
    let mut args = vec![
        "--owner-pid",
        &us,
        "--grace-ms",
        "100",
        "--mark",
        "mark",
        "--",
    ];
    args.extend(command);
    guard(&args)
}

#[test]
fn the_guard_ends_as_its_command_did() {
    let done = watch(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let killed = watch(&["sh", "-c", "kill -9 $$"]);
    let missing = watch(&["turnbuckle-no-such-program"]);

    assert_eq!(
        (done.status.code(), &*done.stdout),
        (Some(7), &b"out\n"[..])
    );
    let errors = String::from_utf8(done.stderr).unwrap();
    assert!(
        errors.contains("err\n") && errors.contains("\nmark exited 7\n"),
        "{errors}"
    );
    assert_eq!(killed.status.code(), Some(128 + 9));
    assert_eq!(missing.status.code(), Some(127));
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("\nmark cannot-run 2\n")
    );
}

#[test]
fn the_guard_starts_nothing_for_an_owner_that_is_not_its_parent() {
    let output = guard(&[
        "--owner-pid",
        "1",
        "--grace-ms",
        "1",
        "--mark",
        "m",
        "--",
        "echo",
        "x",
    ]);

    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(125), &b""[..])
    );
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "hosted guard: the owner is gone\n"
    );
}

#[test]
fn a_guard_that_is_called_by_hand_says_so() {
    let output = guard(&[]);

    assert_eq!(output.status.code(), Some(125));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        errors,
        "hosted guard: this is started by a worker, not by hand\n"
    );
}
