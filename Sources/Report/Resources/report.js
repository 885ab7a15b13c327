"use strict";
// A test reads these attributes: errors in any script, and that the last one came to its end.
window.addEventListener("error", event => { document.documentElement.dataset.error = String(event.message); });
const page = JSON.parse(document.getElementById("data").textContent);
const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
// Builders by the name in data-chart; each returns a Chart.js configuration or null where there is nothing to draw.
const builders = {};
// Called again when the colours change.
const redraws = [];

function seconds(value, span) {
  const scale = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]].find(s => Math.abs(span ?? value) >= s[0]) ?? [1, "s"];
  const shown = value / scale[0];
  const digits = Math.abs(shown) >= 1000 ? 0 : span === undefined ? Math.max(0, 3 - Math.floor(Math.log10(Math.abs(shown) || 1))) : 3;
  return shown.toLocaleString("en", { maximumFractionDigits: Math.min(digits, 6) }) + " " + scale[1];
}
const gigabytes = value => (value / 1e9).toLocaleString("en", { maximumFractionDigits: 1 }) + " GB";
const shorten = (text, length) => text.length > length ? text.slice(0, length / 2 - 1) + "…" + text.slice(-length / 2) : text;

function axis(title, more = {}) {
  const { ticks, grid, ...rest } = more;
  return { title: { display: Boolean(title), text: title, color: color("soft") }, grid: { color: color("line"), drawBorder: false, ...grid },
    ticks: { color: color("soft"), ...ticks }, ...rest };
}
function options(scales, plugins = {}, more = {}) {
  return { animation: false, responsive: true, maintainAspectRatio: false, scales, ...more,
    plugins: { legend: { display: false }, tooltip: { backgroundColor: color("ink"), titleColor: color("ground"), bodyColor: color("ground") }, ...plugins } };
}
const legend = () => ({ position: "bottom", labels: { color: color("ink"), boxWidth: 10, boxHeight: 10, padding: 12 } });
const tip = label => ({ backgroundColor: color("ink"), titleColor: color("ground"), bodyColor: color("ground"), callbacks: { label } });
const none = { grid: { display: false } };

builders.breakdown = run => {
  const parts = run.breakdown.filter(part => part.s > 0);
  const total = parts.reduce((sum, part) => sum + part.s, 0);
  return { type: "bar", data: { labels: parts.map(p => p.title), datasets: [{ data: parts.map(p => p.s), backgroundColor: parts.map(p => color(p.key)), borderRadius: 3, maxBarThickness: 22 }] },
    options: options({ x: axis("seconds of the step", { beginAtZero: true }), y: axis("", { ...none, ticks: { color: color("ink"), autoSkip: false } }) },
      { tooltip: tip(c => seconds(c.raw) + "  (" + (100 * c.raw / total).toFixed(1) + " %)") }, { indexAxis: "y" }) };
};

builders.memory = run => {
  const { parts, stages, capacity } = run.memory;
  const bars = parts.map((part, index) => ({ label: part, data: stages.map(stage => stage[index] / 1e9), stack: "memory", maxBarThickness: 48,
    backgroundColor: color(part === "optimizer" ? "optimizer_state" : part) })).filter(set => set.data.some(value => value > 0));
  // Drawn by hand, so that the line crosses the whole plot however few stages there are.
  const capacityLine = { id: "capacity", afterDatasetsDraw(chart) {
    const { left, right } = chart.chartArea, y = chart.scales.y.getPixelForValue(capacity / 1e9), c = chart.ctx;
    c.save(); c.strokeStyle = color("poor"); c.lineWidth = 1.5; c.setLineDash([6, 4]); c.beginPath(); c.moveTo(left, y); c.lineTo(right, y); c.stroke();
    c.fillStyle = color("poor"); c.font = "12px system-ui, sans-serif"; c.textAlign = "right"; c.textBaseline = "bottom"; c.fillText("capacity " + gigabytes(capacity), right - 4, y - 3); c.restore();
  } };
  const most = Math.max(capacity, ...stages.map(stage => stage.reduce((a, b) => a + b, 0))) / 1e9;
  return { type: "bar", data: { labels: stages.map((_, index) => String(index)), datasets: bars }, plugins: [capacityLine],
    options: options({ x: axis("pipeline stage", { stacked: true, ...none }), y: axis("GB on one GPU", { stacked: true, beginAtZero: true, suggestedMax: most * 1.08 }) },
      { legend: legend(), tooltip: tip(c => c.dataset.label + "  " + c.raw.toFixed(1) + " GB") }) };
};

builders.histogram = run => {
  const h = run.histogram;
  if (!h) return null;
  const edge = index => seconds(h.lower + index * h.width);
  return { type: "bar", data: { labels: h.counts.map((_, i) => seconds(h.lower + (i + .5) * h.width)), datasets: [{ data: h.counts, backgroundColor: color("forward"), categoryPercentage: 1, barPercentage: .94 }] },
    options: options({ x: axis("step time", { ...none, ticks: { maxTicksLimit: 8, maxRotation: 0 } }), y: axis("steps", { beginAtZero: true, ticks: { precision: 0 } }) },
      { tooltip: { ...tip(c => c.raw + " steps"), callbacks: { title: items => edge(items[0].dataIndex) + " to " + edge(items[0].dataIndex + 1), label: c => c.raw + " steps" } } }) };
};

builders.links = run => {
  if (!run.links) return null;
  const hue = index => "hsl(" + (index * 47) % 360 + ", 55%, 50%)";
  const { width_s, rows } = run.links;
  return { type: "line", data: { labels: rows[0].series.map((_, i) => seconds((i + .5) * width_s, width_s * rows[0].series.length)), datasets: rows.map((row, i) => ({ label: shorten(row.name, 56),
      data: row.series.map(share => 100 * share), borderColor: hue(i), backgroundColor: hue(i), borderWidth: 1.5, pointRadius: 0, stepped: "middle" })) },
    options: options({ x: axis(run.links.axis ?? "in the step", { ...none, ticks: { maxTicksLimit: 8, maxRotation: 0 } }), y: axis("% of the nominal rate", { beginAtZero: true, suggestedMax: 100 }) },
      { legend: legend(), tooltip: { ...tip(c => c.dataset.label + "  " + c.raw.toFixed(1) + " %"), mode: "index", intersect: false } }) };
};

// Names in lines of about 22 characters, broken where a word ends.
const names = () => page.runs.map(run => shorten(run.name, 60).match(/.{1,22}(?=[\s,=/·_-]|$)[\s,=/·_-]?|.{1,22}/gu) ?? [run.name]);
const short = value => value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 });
const tallEnough = box => { box.style.height = Math.max(190, 78 + 44 * page.runs.length) + "px"; };

builders.stack = (_, box) => {
  box.style.height = Math.max(230, 130 + 44 * page.runs.length) + "px";
  const sets = page.runs[0].breakdown.map((part, index) => ({ label: part.title, data: page.runs.map(run => run.breakdown[index].s), backgroundColor: color(part.key), maxBarThickness: 26, stack: "s" }));
  return { type: "bar", data: { labels: names(), datasets: sets.filter(set => set.data.some(value => value > 0)) },
    options: options({ x: axis("seconds", { stacked: true }), y: axis("", { stacked: true, ...none, ticks: { color: color("ink") } }) },
      { legend: legend(), tooltip: tip(c => c.dataset.label + "  " + seconds(c.raw)) }, { indexAxis: "y" }) };
};
const single = (title, value, show, fill) => (_, box) => {
  tallEnough(box);
  return { type: "bar", data: { labels: names(), datasets: [{ data: page.runs.map(value), backgroundColor: page.runs.map(fill), borderRadius: 3, maxBarThickness: 24 }] },
    options: options({ x: axis(title, { beginAtZero: true, ticks: { callback: short, maxRotation: 0 } }), y: axis("", { ...none, ticks: { color: color("ink"), autoSkip: false, font: { size: 11 } } }) }, { tooltip: tip(c => show(c.raw)) }, { indexAxis: "y" }) };
};
builders.mfu = single("% of the dense peak", run => 100 * run.mfu, v => v.toFixed(1) + " %", () => color("forward"));
builders.costs = single("USD", run => run.total_usd, v => v.toLocaleString("en", { maximumFractionDigits: 0 }) + " USD", () => color("optimizer"));
builders.peaks = single("GB (red: does not fit)", run => Math.max(...run.memory.stages.map(s => s.reduce((a, b) => a + b, 0))) / 1e9, v => v.toFixed(1) + " GB", run => color(run.fits ? "backward" : "poor"));

function drawChart(box) {
  if (box.chart) { box.chart.destroy(); box.chart = null; }
  const run = page.runs ? page.runs[Number(box.dataset.run ?? 0)] : null;
  const config = window.Chart ? builders[box.dataset.chart](run, box) : null;
  box.classList.toggle("empty", !config);
  if (config) box.chart = new Chart(box.querySelector("canvas"), config);
}
