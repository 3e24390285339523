// Sends the cases of a plan with Node's own clients: `node client.mjs http1|http2|fetch URL PLAN CLIENT`.
// `plan.py` says what a plan and an answer look like.

import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { crc32 } from "node:zlib";

const [kind, url, plan, client] = process.argv.slice(2);
const pairs = (text) => text.split("\x1f").filter(Boolean).map((line) => line.split(/: (.*)/s).slice(0, 2));
const pause = (millis) => new Promise((done) => setTimeout(done, millis));

const cases = readFileSync(plan, "utf8").trimEnd().split("\n").map((line) => {
  const [name, method, path, framing, count, flags, headers, trailers, parts] = line.split("\t");
  const decoded = parts ? parts.split(",").map((part) => Buffer.from(part, "base64")) : [];
  return { name, method, path, framing, count: Number(count), flags: new Set(flags.split(",")),
    headers: Object.fromEntries(pairs(headers)), trailers: Object.fromEntries(pairs(trailers)), parts: decoded };
});

const lengthOf = ({ parts, flags }) => parts.reduce((sum, part) => sum + part.length, 0) + (flags.has("cancel") ? 1000 : 0);

function headersOf(one, number) {
  const headers = { ...one.headers, "x-case": `${one.name}/${number}` };
  if (one.framing === "length") headers["content-length"] = String(lengthOf(one));
  return headers;
}

/** Writes the parts, then ends the request, or breaks it off. */
async function send(one, request, cancel) {
  for (const [at, part] of one.parts.entries()) {
    if (at > 0 && one.flags.has("pause")) await pause(20);
    request.write(part);
  }
  if (one.flags.has("cancel")) {
    await pause(30);
    cancel();
    return;
  }
  if (one.flags.has("pause")) await pause(20);
  request.end();
}

/** Waits for the server's leave, and not for ever, since hyper gives none over HTTP/2 (RFC 9110, section 10.1.1). */
async function sendWithLeave(one, request, cancel) {
  await Promise.race([new Promise((given) => request.on("continue", given)), pause(200)]);
  await send(one, request, cancel);
}

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function overHttp1() {
  const kept = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(url);
  const ask = (one, number) => new Promise((resolve, reject) => {
    const headers = headersOf(one, number);
    if (one.framing === "chunked") headers["transfer-encoding"] = "chunked";
    if (one.flags.has("expect")) headers.expect = "100-continue";
    // The server closes a connection whose request it left unread, which the next request would meet.
    const agent = one.flags.has("early") ? false : kept;
    const request = http.request({ agent, hostname, port, path: one.path, method: one.method, headers });
    request.on("error", reject);
    request.on("response", (answer) => {
      collected(answer).then((body) => resolve({ status: answer.statusCode, body }), reject);
    });
    if (Object.keys(one.trailers).length > 0) request.addTrailers(one.trailers);
    const cancel = () => request.destroy(new Error("cancelled"));
    if (one.framing === "none") request.end();
    else if (one.flags.has("expect")) sendWithLeave(one, request, cancel).catch(reject);
    else send(one, request, cancel).catch(reject);
  });
  return { ask, end: () => kept.destroy() };
}

function overHttp2() {
  const session = http2.connect(url);
  const ask = (one, number) => new Promise((resolve, reject) => {
    const headers = { ...headersOf(one, number), ":method": one.method, ":path": one.path };
    if (one.flags.has("expect")) headers.expect = "100-continue";
    const trailers = Object.keys(one.trailers).length > 0 ? one.trailers : null;
    const endStream = one.framing === "none";
    const request = session.request(headers, { endStream, waitForTrailers: trailers !== null });
    request.on("wantTrailers", () => request.sendTrailers(trailers));
    let status;
    request.on("error", reject);
    request.on("response", (head) => { status = head[":status"]; });
    // Not `close`, which ends the upload before it resets the stream.
    const cancel = () => request.destroy(new Error("cancelled"));
    collected(request).then((body) => resolve({ status, body }), reject);
    if (endStream) return;
    if (one.flags.has("expect")) sendWithLeave(one, request, cancel).catch(reject);
    else send(one, request, cancel).catch(reject);
  });
  return { ask, end: () => session.close() };
}

function overFetch() {
  const ask = async (one, number) => {
    const headers = headersOf(one, number);
    const cancelled = new AbortController();
    const options = { method: one.method, headers, signal: cancelled.signal };
    if (one.framing === "length") options.body = Buffer.concat(one.parts);
    if (one.framing === "chunked") {
      const parts = one.parts;
      options.duplex = "half";
      options.body = new ReadableStream({
        async start(body) {
          for (const [at, part] of parts.entries()) {
            if (at > 0 && one.flags.has("pause")) await pause(20);
            body.enqueue(new Uint8Array(part));
          }
          if (one.flags.has("pause")) await pause(20);
          if (!one.flags.has("cancel")) body.close();
        },
      });
    }
    const answer = fetch(url + one.path, options);
    if (one.flags.has("cancel")) setTimeout(() => cancelled.abort(), 50);
    const { status } = await answer;
    return { status, body: Buffer.from(await (await answer).arrayBuffer()) };
  };
  return { ask, end: () => {} };
}

const { ask, end } = { http1: overHttp1, http2: overHttp2, fetch: overFetch }[kind]();
for (const one of cases) {
  for (let number = 0; number < one.count; number += 1) {
    try {
      const { status, body } = await ask(one, `${number}/${client}`);
      const start = body.subarray(0, 300).toString("base64");
      console.log([one.name, number, status, crc32(body), start].join("\t"));
    } catch (error) {
      const why = `${error.message} ${error.cause?.message ?? ""}`.trim().replace(/\s+/g, " ");
      console.log([one.name, number, "error", why].join("\t"));
    }
  }
}
end();
