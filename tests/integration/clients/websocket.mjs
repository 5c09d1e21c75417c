// A client of WebSocket in Node. Arguments: the server's URL, one of the tasks below, and whether to compress ("deflate").
// Prints lines of JSON.

import { WebSocket } from "ws";

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
};

await tasks[task]();
