// A server that answers every request, for `limits.py`: `node small.mjs PORT http1|http2 REQUESTS MILLISECONDS STREAMS`. After so
// many requests, or when it is idle for so long, it closes a connection; over HTTP/2 it admits so many streams.

import http from "node:http";
import http2 from "node:http2";

const [port, version, requests, idle, streams] = process.argv.slice(2).map((word) => (isNaN(word) ? word : Number(word)));

if (version === "http1") {
  const server = http.createServer({ keepAliveTimeout: idle, keepAliveTimeoutBuffer: 0 }, (_, response) => response.end("whole"));
  server.maxRequestsPerSocket = requests;
  server.listen(port, "127.0.0.1");
} else {
  const server = http2.createServer({ settings: { maxConcurrentStreams: streams } });
  server.on("session", (session) => {
    let served = 0;
    session.setTimeout(idle, () => session.close());
    session.on("error", () => {});
    session.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200 });
      stream.end("whole");
      served += 1;
      if (served === requests) session.close();
    });
  });
  server.listen(port, "127.0.0.1");
}
