"""Runs deploy/nginx.conf before servers that stand in for the roles, and looks at what gets where.

Names become loopback addresses and ports free ones; `resolve` goes away, which Debian 12's nginx
does not know. Nothing else of the file is changed.
"""

import contextlib
import http.client
import http.server
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

CONF = pathlib.Path(__file__).parents[1] / "nginx.conf"
ROLES = {"gateway-1:8000": "gateway", "gateway-2:8000": "gateway",
         "control-plane-1:8001": "control-plane", "control-plane-2:8001": "control-plane"}


class Role(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def begin(self, status=200, **fields):
        self.send_response(status)
        self.send_header("X-Role", self.server.role)
        self.send_header("X-Name", self.server.name)
        self.send_header("X-Host", self.headers.get("Host", ""))
        self.send_header("X-From", self.headers.get("X-Forwarded-For", ""))
        self.send_header("X-Connection", self.headers.get("Connection", ""))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            self.begin(101, Upgrade="websocket", Connection="Upgrade")
            self.connection.sendall(b"up:" + self.connection.recv(64))
            self.close_connection = True
        elif self.path.endswith("/events"):
            self.begin(Content_Type="text/event-stream", Transfer_Encoding="chunked")
            self.chunk(b"data: one\n\n")
            # Not before the test has seen the first.
            self.server.go_on.wait(10)
            self.chunk(b"data: two\n\n")
            self.chunk(b"")
        else:
            self.begin(Content_Length="0")

    def do_POST(self):
        """Answers once the first bytes are there: they came before the client has sent all."""
        self.begin(Transfer_Encoding="chunked")
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.rfile.readline()
        self.chunk(self.rfile.read(5))
        self.chunk(b"")
        self.close_connection = True


def serve(name, role):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Role)
    server.daemon_threads = True
    server.name, server.role, server.go_on = name, role, threading.Event()
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    return server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def proxy(nginx, servers):
    port = free_port()
    text = CONF.read_text()
    with tempfile.TemporaryDirectory() as folder:
        for name, server in servers.items():
            text, count = re.subn(re.escape(name) + " resolve ", f"127.0.0.1:{server.server_port} ", text)
            assert count == 1, f"{name} is in nginx.conf {count} times"
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{folder}/")
        text = text.replace("/dev/stdout", f"{folder}/access").replace("/dev/stderr", f"{folder}/error")
        text = re.sub(r"worker_processes .*?;", "worker_processes 1;", text)
        text = re.sub(r"(worker_rlimit_nofile .*?;|worker_connections .*?;)", lambda one: "worker_connections 256;"
                      if "connections" in one[0] else "", text)
        path = pathlib.Path(folder, "nginx.conf")
        path.write_text(text)
        if os.getuid() == 0:
            os.chmod(folder, 0o777)
        command = [nginx, "-e", f"{folder}/error", "-p", folder, "-c", path]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30)
        if tested.returncode:
            sys.exit(f"nginx -t: {tested.stderr}")
        process = subprocess.Popen([*command, "-g", "daemon off;"])
        try:
            until = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        sys.exit("nginx does not start: " + pathlib.Path(folder, "error").read_text())
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def main():
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    servers = {name: serve(name, role) for name, role in ROLES.items()}
    failures = []

    def expect(holds, what):
        if not holds:
            failures.append(what)

    # A client that reads slowly must hold its gateway back instead of filling the proxy: nothing
    # that is seen with events as small as these.
    expect(re.search(r"^ +proxy_buffering off;", CONF.read_text(), re.M), "proxy_buffering is off")

    with proxy(nginx, servers) as port:
        def connect():
            return http.client.HTTPConnection("127.0.0.1", port, timeout=10)

        def get(path, **headers):
            connection = connect()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer

        for path, role in {
            "/api/v1/admin/tenants": "control-plane", "/api/v1/openapi.json": "control-plane",
            "/connect/x": "control-plane", "/api/v1/oauth/callback": "control-plane",
            "/oauth/client.json": "control-plane",
            "/docs": "control-plane", "/docs/": "control-plane", "/docs/index.html": "control-plane",
            "/api/v1/acme/mcp": "gateway", "/api/v1/acme/connectors/docs/mcp": "gateway",
            "/api/v1/acme/openapi.json": "gateway", "/api/v1/administrators/mcp": "gateway",
            "/mcp": "gateway", "/": "gateway", "/health/ready": "gateway", "/metrics": "gateway",
        }.items():
            got = get(path).getheader("X-Role")
            expect(got == role, f"{path} goes to {got}, not to {role}")
        answer = get("/mcp", Host="mcp.example.com:8443", **{"X-Forwarded-For": "6.6.6.6"})
        expect(answer.getheader("X-Host") == "mcp.example.com:8443", "the Host of the client arrives")
        expect(answer.getheader("X-From") == "127.0.0.1", "the address of the client is what it is")
        expect(answer.getheader("X-Connection") == "", "connections to the roles are kept")
        expect(get("/proxy-health").status == 204, "the proxy says that it is there")
        names = {get("/mcp").getheader("X-Name") for _ in range(8)}
        expect(names == {"gateway-1:8000", "gateway-2:8000"}, f"both gateways are used: {names}")

        connection = connect()
        connection.request("GET", "/api/v1/acme/mcp/events", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        expect(answer.readline() == b"data: one\n", "an event arrives before the next is made")
        for server in servers.values():
            server.go_on.set()
        expect(b"data: two" in answer.read(), "and the next after it")

        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            plain.sendall(b"GET /api/v1/acme/mcp/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                          b"Upgrade: websocket\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got:
                got += plain.recv(4096) or sys.exit(f"no upgrade: {got}")
            expect(got.startswith(b"HTTP/1.1 101"), f"WebSockets pass: {got[:40]}")
            plain.sendall(b"hello")
            got = got.partition(b"\r\n\r\n")[2]
            while len(got) < 8:
                got += plain.recv(64) or sys.exit("the WebSocket ended")
            expect(got == b"up:hello", f"and what is sent over them: {got}")

        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            plain.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nfirst")
            got = b""
            while b"first" not in got:
                got += plain.recv(4096) or sys.exit(f"a body is held back: {got}")

        # A gateway that is gone costs no request.
        gone = servers["gateway-1:8000"]
        gone.shutdown()
        gone.server_close()
        answers = [get("/mcp") for _ in range(6)]
        expect(all(one.status == 200 for one in answers), f"with one gateway: {[one.status for one in answers]}")
    if failures:
        sys.exit("\n".join(failures))
    print("deploy/nginx.conf: nginx takes it; paths, events, WebSockets and bodies get where they should, at once")


main()
