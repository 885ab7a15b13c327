"use strict";
// Keeps text, fields and result together: every change of the text asks for a view, and the last question wins.
let current = null, running = null, answered = null;
const history_ = { texts: [], at: -1 };
const text = () => $("yaml").value;

function remember(value) {
  if (history_.texts[history_.at] === value) return;
  history_.texts.splice(history_.at + 1); history_.texts.push(value);
  if (history_.texts.length > 200) history_.texts.shift();
  history_.at = history_.texts.length - 1; showHistory();
}
function showHistory() { $("undo").disabled = history_.at <= 0; $("redo").disabled = history_.at >= history_.texts.length - 1; }
function step(by) {
  const at = history_.at + by;
  if (at < 0 || at >= history_.texts.length) return;
  history_.at = at; $("yaml").value = history_.texts[at]; showHistory(); view({ scenario: text() });
}

function setText(value) { $("yaml").value = value; remember(value); view({ scenario: value }); }
// Lays settings over the text; the server writes them into it. Changes that come while one is under way are laid on top of it.
let pending = { set: [], remove: [] };
function change(set, remove) {
  const names = [...set.map(setting => setting.slice(0, setting.indexOf("="))), ...remove];
  pending = { set: [...pending.set.filter(setting => !names.includes(setting.slice(0, setting.indexOf("=")))), ...set], remove: [...pending.remove.filter(key => !names.includes(key)), ...remove] };
  view({ scenario: text(), set: pending.set, remove: pending.remove });
}

async function view(body) {
  running?.abort();
  const own = running = new AbortController(), isTyped = !body.set, started = performance.now();
  if (isTyped) pending = { set: [], remove: [] };
  $("answer").setAttribute("aria-busy", "true");
  let answer;
  try { answer = await ask("/api/view", body, own.signal); } catch (error) {
    if (error.name === "AbortError") return;
    answer = { ok: false, document: { errors: [{ line: 0, column: 0, key: "", reason: "the server does not answer", suggestion: "start it again: orrery serve" }] } };
  }
  if (own !== running) return;
  pending = { set: [], remove: [] };
  const { document: got } = answer;
  faults = got.errors ?? [];
  if (got.values) values = got.values;
  if (got.yaml !== undefined && !isTyped) { $("yaml").value = got.yaml; remember(got.yaml); }
  showFields(); showFaults();
  $("answer").setAttribute("aria-busy", "false");
  if (answer.ok) { current = got; fields.get("cluster.gpus").control.placeholder = String(got.overview.gpus); showRun(got); showPins(got); answered = performance.now() - started; } else {
    fill($("banner"), el("div.banner.bad", { role: "alert" }, el("p", {}, el("strong", {}, current ? "The figures below are those before the last change." : "There is no result yet.")), el("ul", {}, faults.map(fault => el("li", {}, (fault.line > 0 ? "line " + fault.line + ": " : "") + words(fault))))));
  }
  document.documentElement.dataset.views = Number(document.documentElement.dataset.views ?? 0) + 1;
  document.documentElement.dataset.took = Math.round(performance.now() - started);
}

// The scenario in the address, compressed where the browser can: everything behind # stays in the browser.
const bytesToText = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const textToBytes = value => Uint8Array.from(atob(value.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
const through = async (stream, bytes) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
async function link() {
  const bytes = new TextEncoder().encode(text());
  const packed = "CompressionStream" in window ? "z=" + bytesToText(await through(new CompressionStream("deflate-raw"), bytes)) : "y=" + bytesToText(bytes);
  return location.origin + "/#" + packed;
}
async function linked() {
  const [kind, packed] = [location.hash.slice(1, 3), location.hash.slice(3)];
  try {
    if (kind === "z=") return new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), textToBytes(packed)));
    if (kind === "y=") return new TextDecoder().decode(textToBytes(packed));
  } catch { say("The link is damaged"); }
  return null;
}
async function share() {
  const address = await link();
  history.replaceState(null, "", address);
  try { await navigator.clipboard.writeText(address); say("The link is in the clipboard and in the address"); } catch { say("The link stands in the address"); }
}

async function start() {
  const [catalogue, keys, presets, about] = (await Promise.all(["/api/catalogue", "/api/keys", "/api/presets", "/api/version"].map(path => ask(path)))).map(answer => answer.document);
  const names = { models: "model", gpus: "gpu", links: "link", frameworks: "framework", prices: "prices", clusters: "cluster" };
  for (const [list, column] of Object.entries(names)) fill($("names-" + list), catalogue[list].map(row => el("option", { value: row[column] }, list === "gpus" ? row.bf16 + ", " + row.memory + ", " + row.source : row.source)));
  fill($("names-keys"), keys.filter(entry => entry.available && !entry.type.startsWith("mapping")).map(entry => el("option", { value: entry.key }, entry.meaning)));
  $("archive-section").hidden = !about.archive;
  buildForm(keys, [...new Set(catalogue.failures.map(row => row.fleet))]);
  fill($("presets"), el("option", { value: "" }, "choose …"), presets.map(preset => el("option", { value: preset.name }, preset.title)));
  $("presets").addEventListener("change", () => { const preset = presets.find(preset => preset.name === $("presets").value); if (preset) setText(named(preset)); });
  setText(await linked() ?? named(presets[0]));
  document.documentElement.dataset.ready = "yes";
}

// A text has no file whose name it could have, so it says its own.
const named = preset => /^name:/m.test(preset.yaml) ? preset.yaml : preset.yaml.replace(/^(?=[a-z])/m, "name: " + preset.name + "\n");

let typing = null;
$("yaml").addEventListener("input", () => { showGutter(); clearTimeout(typing); typing = setTimeout(() => { remember(text()); view({ scenario: text() }); }, 200); });
$("undo").addEventListener("click", () => step(-1)); $("redo").addEventListener("click", () => step(1));
document.addEventListener("keydown", event => {
  if (!(event.ctrlKey || event.metaKey) || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "z") { event.preventDefault(); step(event.shiftKey ? 1 : -1); } else if (event.key === "y") { event.preventDefault(); step(1); }
});
$("pin").addEventListener("click", () => { if (current) { pins.push({ name: current.result.scenario + " " + (pins.length + 1), view: current }); if (pins.length > 6) pins.shift(); showPins(current); say("Pinned"); } });
$("share").addEventListener("click", share);
const stem = () => (current?.result.scenario ?? "scenario").replaceAll(/[^\w.-]+/g, "-");
$("save-yaml").addEventListener("click", () => save(stem() + ".yaml", "text/yaml", text()));
$("save-json").addEventListener("click", async () => { const answer = await ask("/api/run", { scenario: text() }); if (answer.ok) save(stem() + ".json", "application/json", answer.text); else say(answer.document.errors.map(words).join(". ")); });
$("save-html").addEventListener("click", async () => { const response = await fetch("/api/report", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ scenario: text() }) }); if (response.ok) save(stem() + ".html", "text/html", await response.text()); else say("The report could not be made"); });
window.addEventListener("hashchange", async () => { const value = await linked(); if (value !== null && value !== text()) setText(value); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (current) showRun(current); });
start();
