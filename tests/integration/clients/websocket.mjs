// A client of WebSocket in Node. Arguments: the server's URL, one of the tasks below, and whether to compress ("deflate").
// Prints lines of JSON.

import http2 from "node:http2";

import { Receiver, Sender, WebSocket } from "ws";

const [base, task, compression] = process.argv.slice(2);
const options = { perMessageDeflate: compression === "deflate" };

function tell(what) {
  console.log(JSON.stringify(what));
}

function open(path, protocols = []) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(base + path, protocols, options);
    socket.messages = [];
    socket.on("message", (data, binary) => {
      socket.messages.push(binary ? data : data.toString());
      socket.emit("grown");
    });
    socket.on("open", () => resolve(socket));
    socket.on("error", reject);
  });
}

// The next message; those that have come are not lost.
async function next(socket) {
  while (!socket.messages.length) await new Promise((resolve) => socket.once("grown", resolve));
  return socket.messages.shift();
}

function closed(socket) {
  return new Promise((resolve) => socket.on("close", (code, reason) => resolve([code, reason.toString()])));
}

const tasks = {
  async echo() {
    const socket = await open("/echo/node");
    const large = "größer ".repeat(150000);
    const bytes = Buffer.from(Array.from({ length: 300000 }, (_, number) => (number * number) % 251));
    for (const message of ["", "héllo", large]) {
      socket.send(message);
      tell((await next(socket)) === message);
    }
    socket.send(bytes);
    tell(bytes.equals(await next(socket)));
    for (const part of ["in ", "three ", "parts"]) socket.send(part, { fin: part === "parts" });
    tell(await next(socket));
    tell(socket.extensions);
    const end = closed(socket);
    socket.close(4001, "bye");
    tell(await end);
  },
  async ping() {
    const socket = await open("/echo/node");
    const pong = new Promise((resolve) => socket.on("pong", (data) => resolve(data.toString())));
    socket.ping("are you there?");
    tell(await pong);
    socket.terminate();
  },
  async subprotocol() {
    const socket = await open("/echo/node", ["one", "two"]);
    tell(socket.protocol);
    socket.terminate();
  },
  async closed() {
    tell(await closed(await open("/close/3456/enough")));
  },
  async denied() {
    const status = (path) => open(path).catch((error) => error.message);
    tell([await status("/deny"), await status("/answer")]);
  },
  // RFC 8441: Node's HTTP/2 carries, and ws has the frames. Two WebSockets share a connection with a request.
  async http2() {
    const session = http2.connect(base.replace("ws:", "http:"));
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    tell(session.remoteSettings.enableConnectProtocol);
    const extended = { ":method": "CONNECT", ":protocol": "websocket", "sec-websocket-version": "13" };
    const large = "größer ".repeat(150000);
    async function echo(path) {
      const stream = session.request({ ...extended, ":path": path }, { endStream: false });
      const status = await new Promise((resolve) => stream.once("response", (response) => resolve(response[":status"])));
      const receiver = new Receiver({ isServer: false });
      const sender = new Sender(stream);
      const seen = [];
      const end = new Promise((resolve) => receiver.once("conclude", (code) => resolve(code)));
      stream.pipe(receiver);
      for (const message of ["héllo", large]) {
        const heard = new Promise((resolve) => receiver.once("message", (data) => resolve(data.toString() === message)));
        sender.send(message, { binary: false, mask: true, fin: true, compress: false });
        seen.push(await heard);
      }
      const pong = new Promise((resolve) => receiver.once("pong", (data) => resolve(data.toString())));
      sender.ping("there?", true);
      seen.push(await pong);
      sender.close(4003, "bye", true);
      return [status, ...seen, await end];
    }
    tell(await Promise.all([echo("/echo/h2a"), echo("/echo/h2b")]));
    const denied = session.request({ ...extended, ":path": "/answer" }, { endStream: false });
    tell(await new Promise((resolve) => denied.once("response", (response) => resolve(response[":status"]))));
    session.destroy();
  },
};

await tasks[task]();
