//! The scripts of this folder, as far as can be told without measuring anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Those that measure, each with its `--quick`, and the one that only runs.
const SCRIPTS: [&str; 5] = ["cluster", "native", "options", "run", "soak"];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of the folder that are scripts, whether they are known here or not.
fn scripts() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).expect("the folder of the bench");
    let files = files.map(|file| file.expect("a file").path());
    let is_script = |path: &PathBuf| path.is_file() && holds_script(path);
    let mut scripts: Vec<PathBuf> = files.filter(is_script).collect();
    scripts.sort();
    scripts
}

fn holds_script(path: &Path) -> bool {
    fs::read(path)
        .expect("a file that can be read")
        .starts_with(b"#!")
}

#[test]
fn each_script_can_be_read_and_the_readme_tells_of_it() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let scripts = scripts();

    let names = scripts.iter().map(|path| path.file_name().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), SCRIPTS);
    for path in scripts.iter().chain([&folder().join("lib.sh")]) {
        let read = Command::new("bash").arg("-n").arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() && said.is_empty(), "{path:?}: {said}");
    }
    for name in SCRIPTS {
        assert!(readme.contains(&format!("bench/{name}")), "{name}");
    }
}

#[test]
fn what_a_script_does_not_know_it_refuses_before_it_does_anything() {
    for name in SCRIPTS {
        // By its own name: it must be one that can be run.
        let refused = Command::new(folder().join(name))
            .arg("--slow")
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();

        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{name}: {said}");
        assert!(
            said.starts_with(&format!("usage: bench/{name} [")),
            "{said}"
        );
        assert!(refused.stdout.is_empty());
    }
}
