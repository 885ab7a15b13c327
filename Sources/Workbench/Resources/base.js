"use strict";
// What all parts of the page use: elements, numbers in words, and the way to the server.
window.addEventListener("error", event => { document.documentElement.dataset.error = String(event.message); });
window.addEventListener("unhandledrejection", event => { document.documentElement.dataset.error = String(event.reason); });
// The timeline's script finds its data here.
const page = { runs: [] }, redraws = [];
const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const $ = id => document.getElementById(id);

// An element; attributes by name, functions as listeners, texts and elements as children. Text is never read as HTML.
function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const node = ["svg", "g", "path", "circle", "line", "text", "rect", "title", "polyline"].includes(name) && attributes.svg !== false
    ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  if (classes.length) node.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "svg" || value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value); else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined));
  return node;
}
const fill = (node, ...children) => { node.replaceChildren(...children.flat(Infinity).filter(Boolean)); return node; };

const digits = (value, most = 4) => Number(value.toPrecision(most)).toLocaleString("en", { maximumSignificantDigits: most });
function seconds(value, span) {
  const scale = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]].find(s => Math.abs(span ?? value) >= s[0]) ?? [1, "s"];
  const shown = value / scale[0];
  const places = Math.abs(shown) >= 1000 ? 0 : span === undefined ? Math.max(0, 3 - Math.floor(Math.log10(Math.abs(shown) || 1))) : 3;
  return shown.toLocaleString("en", { maximumFractionDigits: Math.min(places, 6) }) + " " + scale[1];
}
const long = value => value === null ? "never" : value >= 172800 ? digits(value / 86400) + " days" : value >= 7200 ? digits(value / 3600) + " h" : value >= 600 ? digits(value / 60) + " min" : seconds(value);
const percent = (value, places = 1) => (100 * value).toFixed(places) + " %";
const gigabytes = value => (value / 1e9).toLocaleString("en", { maximumFractionDigits: 1 }) + " GB";
const counted = value => { const s = [[1e15, " P"], [1e12, " T"], [1e9, " B"], [1e6, " M"], [1e4, " k"]].find(s => Math.abs(value) >= s[0]); return s ? digits(value / (s[0] === 1e4 ? 1e3 : s[0])) + s[1] : digits(value); };
const dollars = value => value >= 1e6 ? digits(value / 1e6) + " M USD" : value >= 1000 ? Math.round(value).toLocaleString("en") + " USD" : digits(value, 3) + " USD";
// A figure that may be a distribution.
const mean = value => value !== null && typeof value === "object" ? value.mean : value;

// Asks the server; the answer is the document, with the status beside it. What another question made obsolete is given up.
async function ask(path, body, signal) {
  const response = await fetch(path, body === undefined ? { signal } : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });
  const text = await response.text();
  let document = null;
  try { document = JSON.parse(text); } catch { document = { errors: [{ line: 0, column: 0, key: "", reason: "the server answered " + response.status, suggestion: "" }] }; }
  return { status: response.status, ok: response.ok, document, text };
}
const words = fault => (fault.key ? fault.key + ": " : "") + fault.reason + (fault.suggestion ? "; " + fault.suggestion : "");
function say(text) { $("said").textContent = text; clearTimeout(say.timer); say.timer = setTimeout(() => { $("said").textContent = ""; }, 4000); }
function save(name, type, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link); link.click(); link.remove(); setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
