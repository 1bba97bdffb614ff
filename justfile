# Shortcuts; `./run` and `./test` need nothing of this.

# What there is
default:
    @just --list

# The whole platform in one process
run *flags:
    ./run {{ flags }}

# Everything that must hold
test *filter:
    ./test {{ filter }}

# Rust tests of one crate
unit crate *filter:
    cargo nextest run -p {{ crate }} {{ filter }}

# Formats the code
fmt:
    cargo fmt --all

# Lints as CI does
lint:
    cargo clippy --workspace --all-targets -- -Dwarnings

# Generates the gRPC code anew from proto/
gen:
    UPDATE=1 cargo nextest run -p proto

# The gRPC contracts
proto-lint:
    npm --prefix proto run --silent lint

# The official MCP suite against an endpoint, e.g. `MCP_KEY=… just conformance http://127.0.0.1:8000/api/v1/acme/mcp`
conformance url *revisions:
    node tests/conformance/run.mjs {{ url }} {{ revisions }}

# A real SDK client against an endpoint that serves server-everything
client sdk url connector="":
    MCP_URL={{ url }} MCP_CONNECTOR={{ connector }} node --test tests/clients/{{ sdk }}.test.mjs

# Speed: direct, through nginx, through Turnbuckle
bench *flags:
    bench/run {{ flags }}

# What a call of a native connector costs, beside one written by hand
bench-native *flags:
    bench/native {{ flags }}

# What calls pay for traces and limits
bench-options *flags:
    bench/options {{ flags }}

# What a cluster costs, and how it takes changes and faults
bench-cluster *flags:
    bench/cluster {{ flags }}
