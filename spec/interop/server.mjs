// An HTTP server that has busboy read each upload and answers what it read, in the form of a media object.
// It ends when its standard input does.
// SPDX-License-Identifier: MIT
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import busboy from "busboy";

function answer(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

const server = createServer((request, response) => {
  const seen = { order: [], fields: {}, file: null, chunked: request.headers["transfer-encoding"] === "chunked" };
  const refuse = (error) => {
    request.unpipe();
    request.resume();
    if (!response.headersSent) answer(response, 400, { code: "unreadable", message: String(error.message) });
  };

  let parser;
  try {
    // busboy takes header parameters for Latin-1 unless told; browsers, and loomta, send UTF-8.
    parser = busboy({ headers: request.headers, defParamCharset: "utf8" });
  } catch (error) {
    return refuse(error);
  }

  parser.on("field", (name, value) => {
    seen.order.push(name);
    seen.fields[name] = value;
  });
  parser.on("file", (name, stream, { filename, mimeType }) => {
    const hash = createHash("sha256");
    let size = 0;
    seen.order.push(name);
    stream.on("data", (chunk) => {
      hash.update(chunk);
      size += chunk.length;
    });
    stream.on("end", () => {
      seen.file = { name, filename, mimeType, size, sha256: hash.digest("hex") };
    });
  });
  parser.on("error", refuse);
  parser.on("close", () => {
    if (!response.headersSent) answer(response, 201, { id: randomUUID(), status: "READY", seen });
  });
  request.pipe(parser);
});

server.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
