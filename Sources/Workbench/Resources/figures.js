"use strict";
// A run as figures and pictures, and several beside each other.
const tile = (label, value, remark) => el("div.tile", {}, el("div.label", {}, label), el("div.value", {}, value), el("p.remark", {}, remark));
const swatch = key => { const mark = el("i.swatch"); mark.style.background = color(key) || color("other"); return mark; };

function showRun(view) {
  const { result, overview, picture } = view, step = result.step, byTokens = step.tokens_per_s !== step.samples_per_s, interval = result.evidence.interval90;
  $("title").textContent = result.scenario;
  $("lead").textContent = overview.model + " on " + overview.cluster + " · " + overview.layout + ", " + overview.rules + " · " + overview.training;
  fill($("banner"), overview.unfit ? el("div.banner.bad", { role: "alert" }, el("pre", {}, overview.unfit)) : null, overview.never_ends ? el("div.banner.bad", { role: "alert" }, el("pre", {}, overview.never_ends)) : null);
  const spread = typeof step.time_s === "object" ? "p5 " + seconds(step.time_s.p5) + " · p95 " + seconds(step.time_s.p95) : interval ? "90 % of runs: " + seconds(interval[0]) + " to " + seconds(interval[1]) : overview.error;
  const tiles = [
    tile("Step time", seconds(mean(step.time_s)), spread),
    tile("MFU", percent(step.mfu), overview.peak + " · HFU " + percent(step.hfu)),
    tile(byTokens ? "Tokens/s/GPU" : "Samples/s", counted(byTokens ? step.tokens_per_s_per_gpu : step.samples_per_s), byTokens ? counted(step.tokens_per_s) + " tokens/s in all" : ""),
    tile("TFLOP/s/GPU", digits(step.model_tflops_per_gpu), digits(step.hardware_tflops_per_gpu) + " executed"),
    tile("Peak memory", gigabytes(result.memory.peak_bytes), percent(result.memory.peak_bytes / result.memory.capacity_bytes, 0) + " of " + gigabytes(result.memory.capacity_bytes)),
  ];
  if (overview.has_length) tiles.push(tile("Wall clock", long(mean(result.run.wall_clock_s)), counted(mean(result.bill.gpu_hours)) + " GPU-hours"));
  if (result.bill.total_usd > 0) tiles.push(tile("Cost", dollars(result.bill.total_usd), byTokens ? digits(result.bill.usd_per_million_tokens, 3) + " USD/M tokens" : ""));
  fill($("tiles"), tiles);
  showBreakdown(picture.breakdown.filter(part => part.s > 0)); showTimeline(picture); showMemory(picture.memory, result.memory.fits); showBill(result, overview);
  $("remarks-section").hidden = !result.warnings.length;
  fill($("remarks"), result.warnings.map(text => el("li", {}, text)));
}

function showBreakdown(parts) {
  const total = parts.reduce((sum, part) => sum + part.s, 0), most = Math.max(...parts.map(part => part.s));
  fill($("breakdown"), el("div.bars", { role: "list" }, parts.flatMap(part => {
    const bar = el("div.fill"); bar.style.width = 100 * part.s / most + "%"; bar.style.background = color(part.key);
    return [el("span.name", { role: "listitem" }, swatch(part.key), part.title), el("div.track", { "aria-hidden": "true" }, bar), el("span.r", {}, seconds(part.s)), el("span.r.share", {}, percent(part.s / total))];
  })));
}

function showTimeline(picture) {
  redraws.length = 0;
  $("timeline-section").hidden = !picture.timeline;
  if (!picture.timeline) return;
  page.runs = [picture];
  const keys = picture.timeline.colours;
  const box = el("div.timeline", { "data-timeline": "0" },
    el("div.tools", {}, el("button", { "data-do": "in", type: "button" }, "Closer"), el("button", { "data-do": "out", type: "button" }, "Wider"), el("button", { "data-do": "all", type: "button" }, "All"), el("p.remark", {}, "Drag to zoom, arrows to move.")),
    el("div.legend", {}, keys.map(key => el("span", {}, swatch(key), key.replaceAll("_", " ")))),
    el("canvas", { tabindex: "0", role: "img", "aria-label": "Timeline of one step: " + picture.timeline.tracks.length + " tracks; arrow keys move, + and - zoom" }), el("div.tip", { hidden: true }));
  fill($("timeline"), box, picture.timeline.omitted ? el("p.remark", {}, picture.timeline.omitted.toLocaleString("en") + " short spans are left out here; orrery run --trace has all.") : null);
  timeline(box);
}

const partKey = name => name === "optimizer" ? "optimizer_state" : name;
function showMemory(memory, fits) {
  const totals = memory.stages.map(stage => stage.reduce((a, b) => a + b, 0)), most = Math.max(memory.capacity, ...totals);
  // Many stages: the first, the last, and the fullest of each group between them.
  const groups = Math.min(memory.stages.length, 24), shown = [];
  for (let g = 0; g < groups; g++) {
    const from = Math.floor(g * memory.stages.length / groups), to = Math.floor((g + 1) * memory.stages.length / groups);
    let best = from; for (let i = from; i < to; i++) if (totals[i] > totals[best]) best = i;
    shown.push(best);
  }
  fill($("memory"),
    el("div.legend", {}, memory.parts.map((part, i) => memory.stages.some(stage => stage[i] > 0) ? el("span", {}, swatch(partKey(part)), part) : null)),
    el("div.stages", { role: "list" }, shown.flatMap(index => {
      const track = el("div.track", { "aria-hidden": "true" }, memory.stages[index].map((bytes, i) => { const bar = el("i"); bar.style.width = 100 * bytes / most + "%"; bar.style.background = color(partKey(memory.parts[i])); return bar; }));
      return [el("span", { role: "listitem" }, "stage " + index), track, el(totals[index] > memory.capacity ? "span.r.over" : "span.r", {}, gigabytes(totals[index]))];
    })), el("p.remark", {}, "Capacity " + gigabytes(memory.capacity) + (fits ? "." : ": it does not fit.") + (shown.length < memory.stages.length ? " The fullest of each group of stages." : "")));
}

function showBill(result, overview) {
  const { run, bill } = result, rows = [];
  if (overview.has_length && run.wall_clock_s !== null) {
    rows.push(["Steps", digits(mean(run.steps), 6)], ["Tokens", counted(mean(run.tokens))], ["Wall clock", long(mean(run.wall_clock_s)) + (run.wall_clock_s.p95 !== undefined ? " (p5 " + long(run.wall_clock_s.p5) + ", p95 " + long(run.wall_clock_s.p95) + ")" : "")], ["Goodput", percent(mean(run.goodput))]);
    for (const [cause, lost] of Object.entries(run.lost_s)) if (mean(lost) > 0) rows.push(["Lost to " + cause.replaceAll("_", " "), long(mean(lost))]);
    if (run.interruptions) rows.push(["Interruptions", digits(mean(run.interruptions.total))]);
  }
  if (overview.tokens_per_parameter) rows.push(["Tokens a parameter", digits(overview.tokens_per_parameter, 3) + " (about 20 are compute-optimal, arXiv:2203.15556)"]);
  if (bill.total_usd > 0) {
    rows.push(["Cost", dollars(bill.total_usd)], ["Compute", dollars(mean(bill.compute_usd))]);
    if (bill.energy_usd > 0) rows.push(["Energy (" + counted(bill.energy_kwh) + " kWh)", dollars(bill.energy_usd)]);
    if (bill.storage_usd > 0) rows.push(["Storage", dollars(bill.storage_usd)]);
    rows.push(["USD/M tokens", digits(bill.usd_per_million_tokens, 3)]);
    if (bill.carbon_kg > 0) rows.push(["Carbon", counted(bill.carbon_kg / 1000) + " t"]);
  }
  $("run-section").hidden = !rows.length;
  fill($("run"), el("table", {}, el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td.n", {}, value))))));
}

// Pinned results, the first of which is the base of the differences.
const pins = [];
const compared = [
  ["Step time", v => mean(v.result.step.time_s), seconds, -1], ["MFU", v => v.result.step.mfu, v => percent(v), 1], ["Tokens/s/GPU", v => v.result.step.tokens_per_s_per_gpu, counted, 1],
  ["TFLOP/s/GPU", v => v.result.step.model_tflops_per_gpu, v => digits(v), 1], ["Peak memory", v => v.result.memory.peak_bytes, gigabytes, -1],
  ["Wall clock", v => v.overview.has_length ? mean(v.result.run.wall_clock_s) : null, long, -1], ["Cost", v => v.result.bill.total_usd || null, dollars, -1], ["USD/M tokens", v => v.result.bill.usd_per_million_tokens || null, v => digits(v, 3), -1],
];
function showPins(current) {
  $("pinned").hidden = !pins.length;
  if (!pins.length || !current) return;
  const columns = [...pins, { name: "now", view: current }], base = columns[0].view;
  const head = el("tr", {}, el("th", { scope: "col" }, "Figure"), columns.map((column, index) => el("th.n", { scope: "col" }, column.name + (column.view.result.valid ? "" : " (does not fit)"), index < pins.length
    ? el("span", {}, " ", el("button", { type: "button", "aria-label": "Go back to " + column.name, onclick: () => setText(column.view.yaml) }, "use"), " ", el("button", { type: "button", "aria-label": "Unpin " + column.name, onclick: () => { pins.splice(index, 1); showPins(current); } }, "×")) : null)));
  const rows = compared.filter(([, value]) => columns.some(column => value(column.view) !== null)).map(([name, value, show, better]) => el("tr", {}, el("th", { scope: "row" }, name), columns.map((column, index) => {
    const own = value(column.view), first = value(base);
    if (own === null) return el("td.n", {}, "–");
    const change = index && first ? own / first - 1 : 0;
    return el("td.n", {}, show(own), Math.abs(change) > 5e-5 ? el(change * better > 0 ? "span.good-delta" : "span.bad-delta", {}, " " + (change > 0 ? "+" : "−") + percent(Math.abs(change))) : null);
  })));
  fill($("pins"), el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}
