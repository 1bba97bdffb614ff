//! The checked-in code is what the contracts say. `UPDATE=1` rewrites it.

use std::fs;
use std::path::{Path, PathBuf};

use protox::Compiler;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PACKAGES: [&str; 2] = ["turnbuckle/admin/v1", "turnbuckle/fabric/v1"];

/// Messages that hold secrets.
const SECRET: [&str; 6] = [
    "turnbuckle.fabric.v1.AccountTokens",
    "turnbuckle.fabric.v1.Call",
    "turnbuckle.fabric.v1.GetPlatformResponse",
    "turnbuckle.fabric.v1.Key",
    "turnbuckle.fabric.v1.LeaseResponse",
    "turnbuckle.fabric.v1.MissingAccount",
];

/// Every contract of `packages`, as the paths that they import each other by.
fn contracts(root: &Path, packages: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for package in packages {
        for entry in fs::read_dir(root.join(package))? {
            files.push(entry?.path().strip_prefix(root)?.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

fn generate(root: &Path, out: &Path) -> Result<()> {
    let mut compiler = Compiler::new([root])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(contracts(root, &PACKAGES)?)?;
    tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        // JSON parts are slices of what came in, not copies.
        .bytes(".turnbuckle.fabric.v1")
        // They hold secrets: what is printed of them is written by hand.
        .skip_debug(SECRET)
        .compile_fds(compiler.file_descriptor_set())?;

    // For reflection, of what is public: names and types; comments would triple it.
    let mut compiler = Compiler::new([root])?;
    let public = contracts(root, &PACKAGES[..1])?;
    compiler.include_imports(true).open_files(public)?;
    fs::write(
        out.join("turnbuckle.admin.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    Ok(())
}

#[test]
fn the_generated_code_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/generated");
    let fresh = tempfile::tempdir().unwrap();

    generate(root, fresh.path()).unwrap();

    for name in [
        "turnbuckle.admin.v1.rs",
        "turnbuckle.admin.v1.bin",
        "turnbuckle.fabric.v1.rs",
    ] {
        let wanted = fs::read(fresh.path().join(name)).unwrap();
        let target = checked_in.join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&target, &wanted).unwrap();
        }
        let found = fs::read(&target).unwrap_or_default();
        assert!(
            found == wanted,
            "proto/src/generated/{name} is out of date: run `UPDATE=1 cargo test -p proto`"
        );
    }
}
