# shellcheck shell=bash
# What bench/run, cluster, native and options share: the build, the processes that calls go through,
# what these use, and load. Sourced; it begins a work folder, and ends what was started when the
# script ends.
#
# Sets: here, root, profile, target, folder, work, pids, hertz.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-$root/target}
folder=$profile
[ "$profile" = dev ] && folder=debug
# shellcheck disable=SC2034 # the scripts use it
hertz=$(getconf CLK_TCK)
export PATH=$PATH:/usr/local/sbin:/usr/sbin

work=$(mktemp -d)
chmod 755 "$work"
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# need COMMAND=PACKAGE…: installs what is missing, or says what to install.
need() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "bench: please install: ${missing[*]} (Debian's names)" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# open_files COUNT: allows as many.
open_files() {
  if [ "$(ulimit -n)" -lt "$1" ] && ! ulimit -n "$1" 2>/dev/null; then
    echo "bench: $1 open files are needed; ulimit -n allows $(ulimit -Hn)" >&2
    exit 1
  fi
}

build() {
  [ -n "${BUILT:-}" ] || cargo build --locked --manifest-path "$root/Cargo.toml" -p turnbuckle -p bench \
    --bins --profile "$profile" --target-dir "$target"
}

# await FILE PATTERN [TRIES]: waits until a line of the file matches, and prints it.
await() {
  local line
  for _ in $(seq "${3:-500}"); do
    line=$(grep -m1 "$2" "$1" 2>/dev/null) && { echo "$line"; return; }
    sleep 0.02
  done
  echo "bench: $1 never said $2" >&2
  cat "$1" >&2
  return 1
}

# Sets direct (its URL), authority and upstream_pid.
start_upstream() {
  "$target/$folder/bench-upstream" >"$work/upstream" &
  upstream_pid=$!
  pids+=("$upstream_pid")
  direct=$(await "$work/upstream" ^http)
  authority=${direct#http://}
  authority=${authority%/mcp}
}

# start_nginx STREAMS: a plain reverse proxy before the upstream; sets nginx_url and nginx_pid.
start_nginx() {
  local port
  nginx_url=
  mkdir -p "$work/nginx"
  # nginx takes no port 0: try some.
  for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    sed -e "s/PORT/$port/; s/UPSTREAM/$authority/; s/USER/$(id -un)/; s/STREAMS/$1/" "$here/nginx.conf" >"$work/nginx.conf"
    nginx -p "$work/nginx" -c "$work/nginx.conf" 2>"$work/nginx.log" &
    nginx_pid=$!
    for _ in $(seq 100); do
      (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && nginx_url=http://127.0.0.1:$port/mcp && break
      kill -0 "$nginx_pid" 2>/dev/null || break
      sleep 0.02
    done
    [ -n "$nginx_url" ] && break
  done
  [ -n "$nginx_url" ] || { cat "$work/nginx.log" >&2; exit 1; }
  pids+=("$nginx_pid")
}

# start_embedded CONFIG [NAME]: `turnbuckle up`, of several each with its name; sets embedded_url,
# embedded_admin_url, embedded_pid, and cli, which speaks to it.
start_embedded() {
  local home=$work/${2:-turnbuckle} url='*: *"\([^"]*\)".*/\1/p'
  # Not by a function: the id must be the process' own, not that of a shell around it.
  "$target/$folder/turnbuckle" up --config "$1" --data-dir "$home" --listen 127.0.0.1:0 \
    --admin-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 --ready-file "$home.ready.json" \
    >"$home.greeting" 2>"$home.log" &
  embedded_pid=$!
  pids+=("$embedded_pid")
  await "$home.ready.json" '"url"' >/dev/null
  embedded_url=$(sed -n "s/.*\"url\" $url" "$home.ready.json")
  embedded_url=${embedded_url%/}
  embedded_admin_url=$(sed -n "s/.*\"admin_url\" $url" "$home.ready.json")
  embedded_admin_url=${embedded_admin_url%/}
  cli=("$target/$folder/turnbuckle" --data-dir "$home" -o json)
}

# new_key TENANT: the secret of a key at the embedded platform, as a line.
new_key() {
  "${cli[@]}" key create --tenant "$1" --scope tenant_user --name bench |
    sed -n 's/.*"secret": *"\([^"]*\)".*/\1/p'
}

# nginx and its workers.
nginx_pids() { echo "$nginx_pid" && pgrep -P "$nginx_pid"; }

# CPU time of processes so far, in clock ticks.
ticks() {
  local sum=0 pid
  for pid in "$@"; do
    sum=$((sum + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{print $12 + $13}')))
  done
  echo "$sum"
}

memory_kib() {
  local sum=0 pid
  for pid in "$@"; do
    sum=$((sum + $(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")))
  done
  echo "$sum"
}

# load WORKLOAD SECONDS CONNECTIONS URL KEYS: prints "calls micros p50 p99 failures". KEYS may be
# none, one, or several with commas between them, which take turns.
load() {
  local method=tools/call
  [ "$1" = list ] && method=tools/list
  if [ "$1" = cycles ]; then
    BENCH_KEY=$5 "$target/$folder/bench-sessions" cycles "$4" "$2" "$3" | sed -n 's/^RESULT //p'
  else
    BENCH_KEY=$5 BENCH_METHOD=$method BENCH_TOOL=$1 \
      wrk -t2 -c"$3" -d"$2s" -s "$here/call.lua" "$4" | sed -n 's/^RESULT //p'
  fi
}

# all_good WHAT CALLS FAILURES: ends the bench where a call failed, or none was made.
all_good() {
  if [ "$3" != 0 ] || [ "$2" = 0 ]; then
    echo "bench: $1: $3 of $2 calls failed" >&2
    exit 1
  fi
}

# median FILE COLUMN: of the lines of a file.
median() { cut -d' ' -f"$2" "$1" | sort -n | awk '{v[NR]=$1} END {print v[int((NR + 1) / 2)]}'; }
