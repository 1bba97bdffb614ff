//! Small MCP servers over stdio, well-behaved and not, and a look at what runs of them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A server written in Python, in a folder of its own that goes with this value.
///
/// Its tools: `echo {text}`, `pid`, `environment`, `folder`, `fill {bytes}` (an answer of that
/// size), `die {code}` (ends in mid-call), `hang` (never answers), `chatter {lines}` (prints no
/// JSON to standard output, then answers), `complain {lines}` (writes to standard error),
/// `garble` (an answer that is no JSON), `progress {steps}`, `batch` (its answer in an array),
/// `ask` (pings back and answers what it got), `announce {method}` (a notification),
/// `flood {requests, replies}` (asks for roots so often and answers what it got for so many),
/// `spawn` (leaves processes behind: a child, and a
/// daemon of two forks in a session of its own).
///
/// Its arguments: `--modern` speaks 2026-07-28 and nothing else (notifications go to the listens
/// that wait), `--exit CODE` ends at once, `--silent` answers nothing, `--deaf` does not even
/// read, `--stubborn` ignores SIGTERM and the end of its input, `--spawn` does at the start what
/// the tool does, `--marker TEXT` does nothing but stand in the process list.
#[derive(Debug)]
pub struct StdioServer {
    folder: tempfile::TempDir,
}

impl StdioServer {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let server = Self { folder };
        std::fs::write(server.script(), SCRIPT).expect("the temporary folder can be written");
        server
    }

    /// The command that runs it.
    pub fn command(&self, args: &[&str]) -> Vec<String> {
        let script = self.script().to_string_lossy().into_owned();
        let mut command = vec!["python3".to_owned(), "-u".to_owned(), script];
        command.extend(args.iter().map(|arg| (*arg).to_owned()));
        command
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("server.py")
    }
}

impl Default for StdioServer {
    fn default() -> Self {
        Self::new()
    }
}

/// Ids of the living processes whose command line holds `marker`.
pub fn processes_with(marker: &str) -> Vec<u32> {
    let folder = std::fs::read_dir("/proc").expect("Linux has /proc");
    folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        // Ended ones have an empty command line.
        .filter(|pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
        })
        .collect()
}

/// Waits until no process with `marker` is left, and says how long that took.
///
/// # Panics
/// After `within`, with the ids of those that are left.
pub async fn until_gone(marker: &str, within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        let left = processes_with(marker);
        if left.is_empty() {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < within,
            "still there after {within:?}: {left:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const SCRIPT: &str = r#"
import json, os, signal, subprocess, sys, time

args = sys.argv[1:]

def write(message):
    sys.stdout.write(message if isinstance(message, str) else json.dumps(message))
    sys.stdout.write("\n")
    sys.stdout.flush()

def leave_processes_behind():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"] + args)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for descriptor in (0, 1, 2):
                os.close(descriptor)
            time.sleep(600)
        os._exit(0)
    os.wait()

if "--exit" in args:
    print("cannot go on", file=sys.stderr)
    sys.exit(int(args[args.index("--exit") + 1]))
if "--spawn" in args:
    leave_processes_behind()
if "--stubborn" in args:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "--deaf" in args:
    time.sleep(600)

modern = "--modern" in args
listens = []

def text(value):
    return {"content": [{"type": "text", "text": value}]}

def call(id, name, arguments, token):
    if name == "echo":
        return text(arguments["text"])
    if name == "pid":
        return text(str(os.getpid()))
    if name == "environment":
        return text(json.dumps(dict(os.environ)))
    if name == "folder":
        return text(json.dumps({"path": os.getcwd(), "files": os.listdir(".")}))
    if name == "fill":
        return text("x" * arguments["bytes"])
    if name == "die":
        os._exit(arguments["code"])
    if name == "chatter":
        for n in range(arguments["lines"]):
            write("\x1b[32mlistening\x1b[0m on stdio " + str(n))
        return text("done")
    if name == "complain":
        for n in range(arguments["lines"]):
            print("complaint", n, file=sys.stderr)
        return text("done")
    if name == "garble":
        write('{"jsonrpc":"2.0","id":%s,"result":{"content":[}}' % json.dumps(id))
        return None
    if name == "progress":
        for n in range(arguments["steps"]):
            write({"jsonrpc": "2.0", "method": "notifications/progress",
                   "params": {"progressToken": token, "progress": n + 1}})
        return text("done")
    if name == "batch":
        write([{"jsonrpc": "2.0", "method": "notifications/message", "params": {}},
               {"jsonrpc": "2.0", "id": id, "result": text("batched")}])
        return None
    if name == "ask":
        write({"jsonrpc": "2.0", "id": "mine", "method": "ping"})
        return text(sys.stdin.readline().strip())
    if name == "announce":
        notification = {"jsonrpc": "2.0", "method": arguments["method"]}
        for listen in listens if modern else [None]:
            params = arguments.get("params", {})
            if listen is not None:
                meta = {"io.modelcontextprotocol/subscriptionId": listen}
                params = dict(params, _meta=meta)
            write(dict(notification, params=params))
        return text(json.dumps(listens))
    if name == "flood":
        for n in range(arguments["requests"]):
            write({"jsonrpc": "2.0", "id": "flood-" + str(n), "method": "roots/list"})
        replies = [json.loads(sys.stdin.readline()) for _ in range(arguments["replies"])]
        return text(json.dumps(replies))
    if name == "spawn":
        leave_processes_behind()
        return text("done")
    return None

TOOLS = ["echo", "pid", "environment", "folder", "fill", "die", "hang", "chatter", "complain",
         "garble", "progress", "batch", "ask", "announce", "flood", "spawn"]

while True:
    line = sys.stdin.readline()
    if not line:
        if "--stubborn" in args:
            time.sleep(600)
        break
    if "--silent" in args:
        continue
    message = json.loads(line)
    if message.get("method") == "notifications/cancelled":
        gone = message["params"]["requestId"]
        listens = [listen for listen in listens if listen != gone]
    if "id" not in message or "method" not in message:
        continue
    id, method, params = message["id"], message["method"], message.get("params", {})
    if method == "server/discover" and modern:
        result = {"supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
                  "capabilities": {"tools": {}, "resources": {"subscribe": True}}}
    elif method == "subscriptions/listen" and modern:
        listens.append(id)
        write({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
               "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": id},
                          "notifications": params["notifications"]}})
        continue
    elif method == "initialize" and not modern:
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "fake", "version": "1"}}
    elif method == "ping":
        result = {}
    elif method == "tools/list":
        result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
    elif method == "tools/call":
        token = params.get("_meta", {}).get("progressToken")
        result = call(id, params["name"], params.get("arguments", {}), token)
        if result is None:
            continue
    else:
        write({"jsonrpc": "2.0", "id": id,
               "error": {"code": -32601, "message": "Method not found"}})
        continue
    if modern:
        result["resultType"] = "complete"
    write({"jsonrpc": "2.0", "id": id, "result": result})
"#;
