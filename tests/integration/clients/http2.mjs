// A client of HTTP/2 in Node. Arguments: the server's URL, and which of the tasks below. Prints lines of JSON.

import http2 from "node:http2";

const [base, task] = process.argv.slice(2);
const session = http2.connect(base);
session.on("error", (error) => tell({ error: String(error) }));

function tell(what) {
  console.log(JSON.stringify(what));
}

// One request; resolves to all that came.
function ask(headers, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const got = { status: 0, hints: [], trailers: {}, body: "" };
    stream.setEncoding("latin1");
    stream.on("headers", (hint) => got.hints.push({ status: hint[":status"], link: hint.link }));
    stream.on("response", (response) => (got.status = response[":status"]));
    stream.on("trailers", (trailers) => Object.assign(got.trailers, trailers));
    stream.on("data", (data) => (got.body += data));
    stream.on("end", () => resolve(got));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
  });
}

const tasks = {
  async many() {
    const paths = Array.from({ length: 100 }, (_, number) => `/work/${number}`);
    tell((await Promise.all(paths.map((path) => ask({ ":path": path })))).map((got) => got.body.split(" ")[1]));
  },
  async upload() {
    const body = Buffer.alloc(5 << 20, "litmus");
    const sent = Array.from({ length: 3 }, (_, number) => ask({ ":method": "POST", ":path": `/upload/${number}` }, body));
    tell((await Promise.all(sent)).map((got) => got.body));
  },
  async download() {
    tell((await Promise.all([ask({ ":path": "/download/80" }), ask({ ":path": "/download/160" })])).map((got) => got.body.length));
  },
  async trailers() {
    const got = await ask({ ":path": "/trailers", te: "trailers" });
    tell({ ...got, body: got.body.length });
  },
  async hints() {
    tell(await ask({ ":path": "/hints" }));
  },
  async failing() {
    const late = await ask({ ":path": "/boom-late" }).catch((error) => ({ code: error.code }));
    tell([(await ask({ ":path": "/boom" })).status, late.code, (await ask({ ":path": "/work" })).status]);
  },
  // A request that is under way when the server says GOAWAY, and another one that it was told to end.
  async goaway() {
    const stream = session.request({ ":method": "POST", ":path": "/held/node" }, { endStream: false });
    let body = "";
    stream.setEncoding("latin1");
    const done = new Promise((resolve) => stream.on("end", resolve));
    const gone = new Promise((resolve) => session.on("goaway", (code, last) => resolve([code, last])));
    stream.once("data", () => tell("held"));
    stream.on("data", (data) => (body += data));
    tell({ goaway: await gone });
    stream.end("2");
    await done;
    tell({ body: body.split("\n")[1], closed: await new Promise((resolve) => session.on("close", () => resolve(true))) });
  },
};

await tasks[task]();
session.close();
