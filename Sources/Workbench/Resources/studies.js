"use strict";
// Questions that take longer than a keystroke: search, sweep, explain.
let searching = null;

function settingsOf(entry) {
  const { layout, training } = entry, degrees = ["tensor", "pipeline", "virtual", "context", "expert", "expert_tensor", "sequence_parallel", "zero"];
  const set = degrees.map(key => "layout." + key + "=" + layout[key]);
  // A schedule and a deal of layers mean something under a pipeline only, and the data degree follows from the others.
  if (layout.pipeline > 1) set.push("layout.schedule=" + layout.schedule, "layout.stage_layers=" + (Array.isArray(layout.stage_layers) ? "[" + layout.stage_layers.join(", ") + "]" : layout.stage_layers));
  const layers = /^(\d+) layers$/.exec(training.recompute), rest = training.recompute.includes("/") ? null : layers ? "{layers: " + layers[1] + "}" : training.recompute;
  set.push("layout.data=auto", "training.micro_batch=" + training.micro_batch);
  if (rest) set.push("training.recompute=" + rest);
  return { set, remove: layout.pipeline > 1 ? [] : ["layout.schedule", "layout.stage_layers"].filter(key => values[key] !== undefined) };
}
function takeLayout(entry) { const { set, remove } = settingsOf(entry); change(set, remove); say("The layout stands in the scenario"); $("answer").focus(); window.scrollTo({ top: 0, behavior: "smooth" }); }
const layoutWords = ({ layout, training }) => "t" + layout.tensor + (layout.sequence_parallel ? "+sp" : "") + " p" + layout.pipeline + " d" + layout.data + (layout.context > 1 ? " c" + layout.context : "") + (layout.expert > 1 ? " e" + layout.expert : "")
  + " z" + layout.zero + " mb" + training.micro_batch + (layout.pipeline > 1 ? " " + layout.schedule + (layout.virtual > 1 ? " x" + layout.virtual : "") : "") + (training.recompute === "none" ? "" : ", recomputes " + training.recompute);

async function search(event) {
  event.preventDefault();
  const form = new FormData($("search-form")), body = { scenario: text(), objective: form.get("objective"), time_budget: Number(form.get("seconds")) || 20, wait: false };
  if (Number(form.get("memory")) > 0) body.memory = Number(form.get("memory"));
  fill($("found"));
  const started = await ask("/api/search", body);
  if (!started.ok) return fill($("found"), el("p.poor", { role: "alert" }, started.document.errors.map(words).join(". ")));
  const { id, events } = started.document, source = new EventSource(events);
  searching = id; $("cancel").hidden = false; $("search-progress").hidden = false; $("search-progress").value = 0;
  source.addEventListener("progress", message => { $("search-progress").value = JSON.parse(message.data).closed_percent; });
  source.addEventListener("end", async () => { source.close(); endSearch(); showFound(await ask("/api/search/" + id + "/result")); });
  source.onerror = () => { source.close(); endSearch(); fill($("found"), el("p.poor", {}, "The connection to the search was lost.")); };
}
function endSearch() { searching = null; $("cancel").hidden = true; $("search-progress").hidden = true; }

function showFound({ ok, document: found }) {
  if (!ok) return fill($("found"), el("p.poor", { role: "alert" }, found.errors.map(words).join(". ")));
  const ranked = found.ranked, priced = ranked.some(entry => entry.bill.usd_per_million_tokens > 0);
  if (!ranked.length) return fill($("found"), el("p.poor", {}, "None of the " + found.space.toLocaleString("en") + " legal layouts fits."));
  const own = found.own ? mean(found.own.step.time_s) : null;
  const row = (entry, place) => el("tr", {}, el("td", {}, place), el("td", {}, layoutWords(entry)), el("td.n", {}, seconds(mean(entry.step.time_s)), own && place !== "own" ? el(mean(entry.step.time_s) <= own ? "span.good-delta" : "span.bad-delta", {}, " " + (mean(entry.step.time_s) / own - 1 <= 0 ? "−" : "+") + percent(Math.abs(mean(entry.step.time_s) / own - 1))) : null), el("td.n", {}, percent(entry.step.mfu)),
    el("td.n", {}, counted(entry.step.tokens_per_s_per_gpu)), el("td.n", {}, gigabytes(entry.memory.peak_bytes)), priced ? el("td.n", {}, digits(entry.bill.usd_per_million_tokens, 3)) : null,
    el("td", {}, place === "own" ? "" : el("button.pick-layout", { type: "button", onclick: () => takeLayout(entry), "aria-label": "Use layout " + place }, "use")));
  const head = ["#", "Layout", "Step", "MFU", "Tokens/s/GPU", "Memory", ...(priced ? ["USD/M tokens"] : []), ""];
  fill($("found"), el("p.remark", {}, found.space.toLocaleString("en") + " legal layouts, " + found.simulated.toLocaleString("en") + " simulated; " + (found.proven ? "no layout of the space is better." : "cut short: others may be better.") + " A dot of the picture takes its layout."),
    el("div.picture", {}, scatter(ranked)), el("div.scroll", {}, el("table.wide", {}, el("thead", {}, el("tr", {}, head.map((name, index) => el(index > 1 && name ? "th.n" : "th", { scope: "col" }, name)))), el("tbody", {}, ranked.slice(0, 12).map((entry, index) => row(entry, String(index + 1))), found.own ? row(found.own, "own") : null))));
}

// Step time against memory; what nothing beats in both is filled.
function scatter(ranked) {
  const points = ranked.map(entry => ({ entry, x: mean(entry.step.time_s), y: entry.memory.peak_bytes / 1e9 }));
  return plot({ points, x: "step time, s", y: "memory, GB", out: p => points.some(q => q.x <= p.x && q.y <= p.y && (q.x < p.x || q.y < p.y)), name: p => layoutWords(p.entry) + ": " + seconds(p.x) + ", " + p.y.toFixed(1) + " GB", pick: p => takeLayout(p.entry) });
}

function plot({ points, x, y, out = () => false, name, pick, line = false, ideal = null }) {
  const [w, h, l, b] = [440, 280, 56, 36], span = values => { const low = Math.min(...values), high = Math.max(...values), pad = (high - low || Math.abs(high) || 1) * .08; return [low - pad, high + pad]; };
  const xs = span(points.map(p => p.x)), ys = span([...points.map(p => p.y), ...(ideal ?? []).map(p => p.y)]);
  const X = v => l + (v - xs[0]) / (xs[1] - xs[0]) * (w - l - 10), Y = v => 10 + (ys[1] - v) / (ys[1] - ys[0]) * (h - b - 10);
  const ticks = ([low, high]) => { const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find(f => f * power >= raw), all = []; for (let v = Math.ceil(low / step) * step; v <= high; v += step) all.push(v); return all; };
  return el("svg.plot", { viewBox: "0 0 " + w + " " + h, role: "group", "aria-label": y + " over " + x },
    ticks(xs).map(v => [el("line.axis", { x1: X(v), x2: X(v), y1: 10, y2: h - b }), el("text", { x: X(v), y: h - b + 14, "text-anchor": "middle" }, digits(v, 3))]), ticks(ys).map(v => [el("line.axis", { x1: l, x2: w - 10, y1: Y(v), y2: Y(v) }), el("text", { x: l - 6, y: Y(v) + 4, "text-anchor": "end" }, digits(v, 3))]),
    el("text", { x: (l + w) / 2, y: h - 4, "text-anchor": "middle" }, x), el("text", { x: 12, y: h / 2, "text-anchor": "middle", transform: "rotate(-90 12 " + h / 2 + ")" }, y),
    ideal ? el("polyline.ideal", { points: ideal.map(p => X(p.x) + "," + Y(p.y)).join(" ") }) : null, line ? el("polyline.line", { points: points.filter(p => !out(p)).map(p => X(p.x) + "," + Y(p.y)).join(" ") }) : null,
    points.map(p => el(out(p) ? "circle.dot.out" : "circle.dot", { cx: X(p.x), cy: Y(p.y), r: 5, tabindex: pick ? 0 : null, role: pick ? "button" : "img", "aria-label": name(p), onclick: pick ? () => pick(p) : () => {}, onkeydown: event => { if (pick && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); pick(p); } } }, el("title", {}, name(p)))));
}

// More is better for the last of each.
const figures = { tokens: ["tokens/s/GPU", r => r.step.tokens_per_s_per_gpu, counted, true], step: ["step time", r => mean(r.step.time_s), seconds, false], mfu: ["MFU", r => r.step.mfu, v => percent(v), true], memory: ["memory", r => r.memory.peak_bytes, gigabytes, false], usd: ["USD/M tokens", r => r.bill.usd_per_million_tokens || null, v => digits(v, 3), false] };
let lastSweep = null;

async function sweep(event) {
  event.preventDefault();
  const form = new FormData($("sweep-form")), vary = [1, 2].filter(n => form.get("key" + n).trim() && form.get("values" + n).trim()).map(n => form.get("key" + n).trim() + "=" + form.get("values" + n).trim());
  const isScaling = vary.some(axis => axis.startsWith("cluster.gpus="));
  fill($("swept"), el("p.remark", {}, "Sweeping …"));
  const answer = await ask("/api/sweep", { scenario: text(), vary, ...(isScaling ? { scaling: "strong" } : {}) });
  if (!answer.ok) return fill($("swept"), el("p.poor", { role: "alert" }, answer.document.errors.map(words).join(". ")));
  lastSweep = answer.document; showSwept();
}

function showSwept() {
  if (!lastSweep) return;
  const [title, value, show, more] = figures[new FormData($("sweep-form")).get("figure")], keys = Object.keys(lastSweep.axes).slice(0, 2), runs = lastSweep.runs;
  const all = runs.filter(run => run.result && value(run.result) !== null).map(run => value(run.result)), low = Math.min(...all), high = Math.max(...all);
  const shade = v => { const share = high > low ? (v - low) / (high - low) : 1; return Math.round(7 * (more ? share : 1 - share)); };
  const find = (a, b) => runs.find(run => run.point[keys[0]] === a && (keys.length < 2 || run.point[keys[1]] === b));
  const take = run => change(keys.map(key => key + "=" + run.point[key]), []);
  const cell = run => {
    if (!run || !run.result || value(run.result) === null) return el("td.none", { title: run?.reason ?? "" }, run?.reason ? "not possible" : "–");
    const own = value(run.result);
    return el("td.h" + shade(own) + (run.result.valid ? "" : ".out"), { title: run.result.valid ? "" : "does not fit" }, el("button", { type: "button", "aria-label": keys.map(key => key + " " + run.point[key]).join(", ") + ": " + show(own) + (run.result.valid ? "" : ", does not fit") + "; use it", onclick: () => take(run) }, show(own)), run.result.valid ? "" : " ✗");
  };
  const columns = keys.length > 1 ? lastSweep.axes[keys[1]] : [""];
  const table = el("table.heat", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, keys.join(" \\ ")), columns.map(name => el("th", { scope: "col" }, name || title)))), el("tbody", {}, lastSweep.axes[keys[0]].map(name => el("tr", {}, el("th", { scope: "row" }, name), columns.map(other => cell(find(name, other)))))));
  const parts = [el("p.remark", {}, title + (runs.some(run => run.result && !run.result.valid) ? "; ✗ does not fit" : "") + ". A cell takes its values.")];
  const numbers = lastSweep.axes[keys[0]].map(Number);
  if (keys.length === 1 && numbers.length > 1 && numbers.every(Number.isFinite)) {
    const points = runs.filter(run => run.result && value(run.result) !== null).map(run => ({ x: Number(run.point[keys[0]]), y: value(run.result), run }));
    const first = points.find(p => p.run.result.valid), ideal = keys[0] === "cluster.gpus" && first && title === "tokens/s/GPU" ? points.map(p => ({ x: p.x, y: first.y })) : keys[0] === "cluster.gpus" && first && title === "step time" ? points.map(p => ({ x: p.x, y: first.y * first.x / p.x })) : null;
    if (points.length > 1) parts.push(el("div.split2", {}, plot({ points, x: keys[0], y: title, line: true, ideal, out: p => !p.run.result.valid, name: p => keys[0] + " " + p.x + ": " + show(p.y) + (p.run.result.valid ? "" : ", does not fit"), pick: p => take(p.run) }), el("div.scroll", {}, table)));
    else parts.push(el("div.scroll", {}, table));
  } else parts.push(el("div.scroll", {}, table));
  fill($("swept"), parts);
}

async function explain() {
  $("explain").disabled = true;
  const { ok, document: answer } = await ask("/api/explain", { scenario: text() });
  $("explain").disabled = false;
  if (!ok) return fill($("explained"), el("p.poor", { role: "alert" }, answer.errors.map(words).join(". ")));
  const rows = answer.constants.filter(entry => entry.step_time_effect > 1e-4).slice(0, 12);
  fill($("explained"), el("p.remark", {}, "Stack " + answer.stack + ". " + answer.calibration), el("div.scroll", {}, el("table.wide", {}, el("thead", {}, el("tr", {}, ["Constant", "Value", "Moves the step by", "Why"].map(name => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map(entry => el("tr", {}, el("td", {}, entry.constant.replaceAll("_", " ")), el("td.n", {}, digits(entry.value) + (entry.unit ? " " + entry.unit : "")), el("td.n", {}, "± " + percent(entry.step_time_effect)), el("td", {}, entry.why)))))));
}

async function showArchive() {
  const { ok, document: entries } = await ask("/api/archive");
  if (!ok) return fill($("archived"), el("p.poor", { role: "alert" }, entries.errors.map(words).join(". ")));
  const load = async (entry, use) => { const got = await ask("/api/archive/" + entry.id); if (got.ok && got.document.scenario) use(got.document); else say("This entry has no scenario"); };
  const pin = (entry, kept) => ask("/api/view", { scenario: kept.scenario }).then(({ ok, document: view }) => { if (!ok) return say(view.errors.map(words).join(". ")); pins.push({ name: entry.name + " (archive " + entry.id + ")", view }); showPins(current); say("Pinned"); });
  fill($("archived"), entries.length ? el("div.scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, ["#", "When", "Command", "Name", "Step", "MFU", "USD", "Tags", ""].map(name => el("th", { scope: "col" }, name)))),
    el("tbody", {}, entries.map(entry => el("tr", {}, el("td", {}, String(entry.id)), el("td", {}, entry.time.slice(0, 16).replace("T", " ")), el("td", {}, entry.command), el("td", {}, entry.name), el("td.n", {}, entry.step_time_s === null ? "–" : seconds(entry.step_time_s)), el("td.n", {}, entry.mfu === null ? "–" : percent(entry.mfu)), el("td.n", {}, entry.total_usd === null ? "–" : dollars(entry.total_usd)), el("td", {}, entry.tags.join(" ")),
      el("td", {}, entry.command === "validate" ? "" : [el("button", { type: "button", "aria-label": "Open entry " + entry.id, onclick: () => load(entry, kept => setText(kept.scenario)) }, "open"), " ", el("button", { type: "button", "aria-label": "Pin entry " + entry.id, onclick: () => load(entry, kept => pin(entry, kept)) }, "pin")])))))) : el("p.remark", {}, "Nothing is kept yet."));
}

$("archive").addEventListener("click", showArchive);
$("search-form").addEventListener("submit", search);
$("cancel").addEventListener("click", () => { if (searching) fetch("/api/search/" + searching, { method: "DELETE" }); });
$("sweep-form").addEventListener("submit", sweep);
$("sweep-form").addEventListener("change", event => { if (event.target.name === "figure") showSwept(); });
$("explain").addEventListener("click", explain);
