//! The guard of hosted servers as a program of its own: for a worker that is embedded in another
//! program, whose executable cannot be started again as guard.

use std::process::ExitCode;

fn main() -> ExitCode {
    connector_worker::hosted::guard::main(std::env::args_os().skip(1))
}
