"""The measured proxies: how each is found, configured and started."""

import json
import os
import shutil
import socket
import time
import urllib.request
from contextlib import contextmanager

from processes import Process, Trouble

BODY_BYTES = 2 << 20  # that each of them holds in memory: more than the largest body
# For our proxy if all requests must be copied; otherwise its defaults apply, as for the other proxies.
ROOM = ["--max-in-flight", 1024, "--max-buffered-bytes", 64 << 20]  # 1024 is the default of Envoy's circuit breakers
DEFAULT_BUDGET_BYTES = 16 << 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, limit=10):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        process.check()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise Trouble(f"nothing listens on {port}:\n{process.tail()}")


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def port_of(address):
    return int(address.rpartition(":")[2])


class Proxy:
    """A running proxy."""

    def __init__(self, process, port, says=lambda: {}):
        self.process = process
        self.port = port
        self.says = says  # its own count of the copies


class Ours:
    """The proxy of this repository."""

    def __init__(self, name, binary):
        self.name = name
        self.binary = binary

    @contextmanager
    def start(self, folder, cores, primary, shadow, roomy):
        command = [self.binary, "--listen", "127.0.0.1:0", "--workers", 1, "--primary", f"http://127.0.0.1:{primary}"]
        if shadow:
            command += ["--shadow", f"http://127.0.0.1:{shadow}", "--admin", "127.0.0.1:0", *(ROOM if roomy else [])]
        with Process(command, cores.proxy, cores.nice, folder / f"{self.name}.log") as process:
            port = port_of(process.said("listening on "))
            if not shadow:
                yield Proxy(process, port)
                return
            admin = port_of(process.said("admin on "))
            yield Proxy(process, port, lambda: self.outcomes(admin))

    @staticmethod
    def outcomes(admin):
        return json.loads(get(f"http://127.0.0.1:{admin}/stats"))["outcomes"]


class Naive:
    """The mirror written by hand."""

    name = "naive"

    def __init__(self, binary):
        self.binary = binary

    @contextmanager
    def start(self, folder, cores, primary, shadow, roomy):
        command = [self.binary, "--primary", f"127.0.0.1:{primary}"]
        if shadow:
            command += ["--shadow", f"127.0.0.1:{shadow}"]
        with Process(command, cores.proxy, cores.nice, folder / "naive.log") as process:
            yield Proxy(process, port_of(process.said("listening on ")))


class Envoy:
    """Envoy with `request_mirror_policies`, as in the examples of its documentation."""

    COUNTERS = r"cluster\..*(upstream_rq_total|overflow|retry_or_shadow_abandoned|upstream_rq_timeout)$"

    def __init__(self, binary, lean=False):
        self.name = "envoy-lean" if lean else "envoy"
        self.binary = binary
        self.lean = lean

    @contextmanager
    def start(self, folder, cores, primary, shadow, roomy):
        port, admin = free_port(), free_port()
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self.config(port, admin, primary, shadow), indent=1))
        command = [self.binary, "-c", path, "--concurrency", 1, "--disable-hot-restart", "--log-level", "error"]
        with Process(command, cores.proxy, cores.nice, folder / f"{self.name}.log") as process:
            wait_for(port, process)
            yield Proxy(process, port, lambda: self.counters(admin))

    def config(self, port, admin, primary, shadow):
        route = {"cluster": "primary"}
        if shadow:
            # No `runtime_fraction`: all requests.
            route["request_mirror_policies"] = [{"cluster": "shadow"}]
        router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "ingress_http",
            "route_config": {
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    # A mirrored body is buffered completely, so it must fit.
                    "request_body_buffer_limit": BODY_BYTES,
                    "routes": [{"match": {"prefix": "/"}, "route": route}],
                }],
            },
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        }
        if self.lean:
            manager["generate_request_id"] = False
            router["suppress_envoy_headers"] = True
        clusters = [self.cluster("primary", primary)]
        if shadow:
            clusters.append(self.cluster("shadow", shadow))
        return {
            "admin": {"address": self.address(admin)},
            "static_resources": {
                "listeners": [{
                    "address": self.address(port),
                    "filter_chains": [{
                        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
                    }],
                }],
                "clusters": clusters,
            },
        }

    def cluster(self, name, port):
        return {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": self.address(port)}}]}],
            },
        }

    @staticmethod
    def address(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def counters(self, admin):
        text = get(f"http://127.0.0.1:{admin}/stats?usedonly&filter={urllib.request.quote(self.COUNTERS)}")
        pairs = (line.rpartition(": ") for line in text.splitlines())
        return {name: int(count) for name, _, count in pairs if count.isdigit()}


class Nginx:
    """nginx with its mirror module, bodies in memory and upstream connections kept."""

    name = "nginx"

    def __init__(self, binary):
        self.binary = binary

    @contextmanager
    def start(self, folder, cores, primary, shadow, roomy):
        port = free_port()
        home = folder / "nginx"
        home.mkdir(exist_ok=True)
        (home / "nginx.conf").write_text(self.config(home, port, primary, shadow))
        command = [self.binary, "-p", home, "-c", "nginx.conf", "-e", "stderr"]
        with Process(command, cores.proxy, cores.nice, folder / "nginx.log") as process:
            wait_for(port, process)
            yield Proxy(process, port)

    @staticmethod
    def config(home, port, primary, shadow):
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "\n".join(
            f"    {kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        mirror, second, location = "", "", ""
        if shadow:
            mirror = "mirror /mirror; mirror_request_body on;"
            second = f"upstream shadow {{ server 127.0.0.1:{shadow}; keepalive 256; keepalive_requests 1000000; }}"
            location = f"""
        location = /mirror {{
            internal;
            proxy_pass http://shadow$request_uri;
        }}"""
        return f"""{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
    access_log off;
{temporary}
    keepalive_requests 1000000;
    client_max_body_size {BODY_BYTES};
    client_body_buffer_size {BODY_BYTES};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    upstream primary {{ server 127.0.0.1:{primary}; keepalive 256; keepalive_requests 1000000; }}
    {second}
    server {{
        listen 127.0.0.1:{port};
        location / {{ {mirror} proxy_pass http://primary; }}{location}
    }}
}}
"""


def find(program, variable):
    """Finds the program: by the variable, on PATH, or in the folder of Debian, which may not be on the PATH of a user."""
    given = os.environ.get(variable)
    return given or shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
