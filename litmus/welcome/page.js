
"use strict";
// Fills the page's fields each second, from the WebSocket /live, or from /stats where none can be opened. page.py does the
// same before the page is sent; keep the two alike.

const NOTHING = "–";
const PERIOD = 1000;
const PATIENCE = 5000;
const SAMPLES = 60;
const STALLED_MS = 1000;
const LEVELS = { ready: "good", booting: "warn", draining: "warn", stopped: "bad" };

// How a value is written: text, and for some forms a level or the width of a bar.
const FORMS = {
  text: value => ({ text: String(value) }),
  count: value => ({ text: count(value) }),
  failures: value => ({ text: count(value), level: value ? "warn" : "" }),
  build: compiled => ({ text: compiled ? "compiled" : "pure Python" }),
  state: value => ({ text: value, level: LEVELS[value] || "warn" }),
  tick: ms => ({ text: duration(ms / 1000), level: ms > STALLED_MS ? "bad" : "" }),
  cpu: seconds => ({ text: seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds) }),
  bar: share => ({ text: "", width: `${(share * 100).toFixed(2)}%` }),
  duration: seconds => ({ text: duration(seconds) }),
  size: bytes => ({ text: size(bytes) }),
};

function count(value) {
  return Math.round(value).toLocaleString("en-US");
}

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  const s = Math.floor(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (d) return `${d}d ${h % 24}h`;
  if (h) return `${h}h ${m % 60}m`;
  return m ? `${m}m ${s % 60}s` : `${s} s`;
}

function size(bytes) {
  let unit = "B";
  for (const larger of ["KiB", "MiB", "GiB", "TiB"]) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = larger;
  }
  return `${bytes.toFixed(1).replace(/\.0$/, "")} ${unit}`;
}

function responses({ totals }) {
  const entries = Object.entries(totals.responses_by_class);
  const total = entries.reduce((sum, [, n]) => sum + n, 0);
  return entries.map(([name, n]) => ({ class: name, count: n, share: total ? n / total : 0 }));
}

function slabs({ workers }) {
  const classes = new Map();
  for (const each of workers.flatMap(worker => worker.slab)) {
    const sum = classes.get(each.size) || { size: each.size, total: 0, in_use: 0, acquired: 0, failed: 0 };
    for (const name of ["total", "in_use", "acquired", "failed"]) sum[name] += each[name];
    sum.share = sum.total ? sum.in_use / sum.total : 0;
    classes.set(each.size, sum);
  }
  return [...classes.values()].sort((a, b) => a.size - b.size);
}

// The value at a dotted path; through a list it is the sum over the items.
function find(data, path) {
  const [name, ...rest] = path.split(".");
  const value = data[name];
  if (!rest.length || value == null) return value;
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + (find(item, rest.join(".")) || 0), 0);
  return find(value, rest.join("."));
}

function fill(elements, data) {
  for (const element of elements) {
    const value = find(data, element.dataset.field);
    const { text, level, width } = value == null ? { text: NOTHING } : FORMS[element.dataset.as](value);
    if (element.textContent !== text) element.textContent = text;
    if (level) element.dataset.level = level;
    else delete element.dataset.level;
    if (width) element.setAttribute("width", width);
  }
}

function show(report) {
  const data = { ...report, responses: responses(report), slabs: slabs(report) };
  fill(document.querySelectorAll("[data-field]:not(tbody *)"), data);
  for (const template of document.querySelectorAll("template[data-each]")) {
    const body = template.parentElement, items = data[template.dataset.each];
    while (body.rows.length > items.length) body.deleteRow(-1);
    while (body.rows.length < items.length) body.append(template.content.cloneNode(true));
    items.forEach((item, index) => fill(body.rows[index].querySelectorAll("[data-field]"), item));
  }
}

// Requests per second, from one report to the next, and the line of the last minute.
const rates = [];
let before = null;

function measure({ arbiter, totals }, now) {
  const last = before;
  before = { pid: arbiter.pid, requests: totals.requests, now };
  if (!last || last.pid !== arbiter.pid) {
    rates.length = 0;
    return;
  }
  rates.push(Math.max(0, totals.requests - last.requests) * 1000 / (now - last.now));
  if (rates.length > SAMPLES) rates.shift();
  const top = Math.max(4, ...rates) * 1.1, first = SAMPLES - rates.length;
  const points = rates.map((rate, index) => `${first + index},${(24 - rate / top * 24).toFixed(2)}`).join(" ");
  const tile = document.getElementById("rate");
  tile.querySelector(".value").textContent = count(rates.at(-1));
  tile.querySelector("polyline").setAttribute("points", points);
  tile.querySelector("polygon").setAttribute("points", `${first},24 ${points} ${SAMPLES - 1},24`);
}

function pulse(alive) {
  const element = document.getElementById("pulse");
  element.hidden = false;
  element.dataset.level = alive ? "good" : "bad";
  const text = alive ? (socket ? "live, by WebSocket" : "live") : "no answer, trying again";
  if (element.textContent !== text) element.textContent = text;
}

// The WebSocket, if it is open. One that can't be opened is not tried again: a proxy may not let it pass.
let socket = null, possible = true;

function connect() {
  return new Promise(resolve => {
    const url = new URL("live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const opening = new WebSocket(url);
    opening.onopen = () => resolve(socket = opening);
    opening.onerror = () => resolve(possible = false);
    opening.onclose = () => socket = null;
  });
}

function heard(from) {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(patience);
      socket = null;
      from.close();
      reject(new Error("no answer"));
    };
    const patience = setTimeout(giveUp, PATIENCE);
    from.onclose = giveUp;
    from.onmessage = message => {
      clearTimeout(patience);
      resolve(JSON.parse(message.data));
    };
    from.send("stats");
  });
}

async function latest() {
  if (possible && !socket) await connect();
  if (socket) return heard(socket);
  const response = await fetch("stats", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) throw new Error(response.statusText);
  return response.json();
}

async function refresh() {
  try {
    if (!document.hidden) {
      const report = await latest();
      show(report);
      measure(report, performance.now());
      pulse(true);
    }
  } catch {
    pulse(false);
  }
  setTimeout(refresh, PERIOD);
}

document.getElementById("rate").hidden = false;
refresh();
