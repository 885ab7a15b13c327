"use strict";
// The scenario as fields and as text. The text is what counts: a field asks the server to write its key into the text.
const groups = [
  ["Model", [["model.preset", "Model", { list: "names-models", wide: true }], ["model.layers", "Layers", {}], ["model.hidden", "Hidden", {}]]],
  ["Cluster", [["cluster.gpu", "GPU", { list: "names-gpus", wide: true }], ["cluster.gpus", "GPUs", { slider: true }], ["cluster.preset", "Preset", { list: "names-clusters" }], ["cluster.inter_node.link", "Network link", { list: "names-links" }], ["cluster.inter_node.topology.oversubscription", "Oversubscription", {}]]],
  ["Layout", [["layout.tensor", "Tensor", { powers: true }], ["layout.pipeline", "Pipeline", { powers: true }], ["layout.virtual", "Chunks a rank", { powers: true }], ["layout.context", "Context", { powers: true }], ["layout.expert", "Expert", { powers: true }],
    ["layout.zero", "ZeRO", { choices: ["0", "1", "2", "3"] }], ["layout.schedule", "Schedule", { choices: ["gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zb-v", "dualpipe"] }], ["layout.sequence_parallel", "Sequence parallel", { choices: ["true", "false"] }]]],
  ["Training", [["training.global_batch", "Global batch", {}], ["training.micro_batch", "Micro-batch", { powers: true }], ["training.sequence", "Sequence", {}], ["training.precision", "Precision", { choices: ["bf16", "fp8", "fp16", "tf32", "fp32", "mxfp8"], inner: "compute" }],
    ["training.recompute", "Recomputation", { choices: ["none", "selective", "full", "auto"] }], ["training.optimizer", "Optimizer", { choices: ["adamw", "adam", "sgd", "adafactor", "lion", "muon"], inner: "kind" }], ["training.tokens", "Tokens", { hint: "1T" }], ["training.target_loss", "or loss", { hint: "2.0" }]]],
  ["Conditions", [["conditions.failures", "Failures", { choices: ["none"], failures: true, inner: "preset" }], ["conditions.jitter.kernel", "Kernel jitter", { hint: "2%" }], ["conditions.slow_gpus", "Slow GPUs", { hint: "[{share: 1%, slowdown: 1.2}]", wide: true }]]],
  ["Software and prices", [["software.framework", "Framework", { list: "names-frameworks", wide: true }], ["prices.preset", "Prices", { list: "names-prices" }], ["prices.gpu_hour", "GPU-hour", { hint: "2.00 USD/h" }]]],
];
const fields = new Map();
let values = {}, faults = [];

function buildForm(keys, failures) {
  const known = new Map(keys.map(entry => [entry.key, entry]));
  fill($("panel-form"), groups.map(([title, members]) => el("fieldset", {}, el("legend", {}, title), el("div.fields", {}, members.filter(([key]) => known.has(key)).map(([key, label, options]) => {
    const entry = known.get(key), hint = options.hint ?? (entry.default.startsWith("required") ? "" : entry.default);
    const id = "field-" + key.replaceAll(".", "-"), title = key + ": " + entry.meaning + " (" + entry.type + "; left out: " + entry.default + ")";
    let control;
    if (options.choices) {
      const choices = options.failures ? [...options.choices, ...failures] : options.choices;
      control = el("select", { id, title }, el("option", { value: "" }, options.failures ? "none given" : "default" + (hint.length < 14 && hint ? ": " + hint : "")), choices.map(choice => el("option", { value: choice }, choice)));
    } else control = el("input", { id, title, list: options.list, placeholder: hint, inputmode: options.powers ? "numeric" : null, autocomplete: "off" });
    const commit = () => setField(key, control.value.trim());
    control.addEventListener(options.choices ? "change" : "input", () => { clearTimeout(control.timer); control.timer = setTimeout(commit, options.choices ? 0 : 250); });
    if (options.powers) control.addEventListener("keydown", event => {
      const now = Number(control.value || 1);
      if (event.key === "ArrowUp" || event.key === "ArrowDown") { event.preventDefault(); control.value = Math.max(1, event.key === "ArrowUp" ? now * 2 : Math.floor(now / 2)); commit(); }
    });
    const small = el("small");
    const parts = [el("span", {}, label), control];
    let slider = null;
    if (options.slider) {
      slider = el("input", { type: "range", min: 0, max: 16, step: 1, "aria-label": label + ", powers of two", title: "1 to 65,536" });
      slider.addEventListener("input", () => { control.value = 2 ** slider.value; clearTimeout(slider.timer); slider.timer = setTimeout(commit, 60); });
      parts.push(slider);
    }
    const box = el(options.wide ? "label.field.wide" : "label.field", {}, ...parts, small);
    fields.set(key, { control, box, small, slider, inner: options.inner });
    return box;
  })))));
}

const valueOf = (key, inner) => values[key] ?? (inner ? values[key + "." + inner] : undefined);
// Where a key is written as a mapping, its main key is the one to change.
const nameOf = (key, inner) => inner && values[key] === undefined && values[key + "." + inner] !== undefined ? key + "." + inner : key;

function setField(key, value) {
  const { inner } = fields.get(key), name = nameOf(key, inner);
  if ((values[name] ?? "") === value) return;
  if (value === "") change([], [name]); else change([name + "=" + value], []);
}

// Fields show what the text says; the one that is being typed in is left alone.
function showFields() {
  for (const [key, { control, box, small, slider, inner }] of fields) {
    const value = valueOf(key, inner) ?? "";
    if (document.activeElement !== control || control.tagName === "SELECT") {
      if (control.tagName === "SELECT" && value && ![...control.options].some(option => option.value === value)) control.append(el("option", { value }, value));
      control.value = value;
    }
    if (slider && document.activeElement !== slider) slider.value = Math.round(Math.log2(Number(value) || Number(control.placeholder) || 8));
    const own = faults.filter(fault => fault.key === key || inner && fault.key === key + "." + inner);
    box.classList.toggle("wrong", own.length > 0);
    control.toggleAttribute("aria-invalid", own.length > 0);
    small.textContent = own.map(fault => fault.reason + (fault.suggestion ? "; " + fault.suggestion : "")).join(". ");
  }
}

function showFaults() {
  $("faults").hidden = !faults.length;
  fill($("faults"), faults.map(fault => el("li", {}, fault.line > 0 ? el("button", { type: "button", onclick: () => goTo(fault) }, "line " + fault.line) : null, fault.line > 0 ? ": " : "", el("span", {}, words(fault)))));
  showGutter();
}

function showGutter() {
  const bad = new Map(faults.filter(fault => fault.line > 0).map(fault => [fault.line, words(fault)]));
  const lines = $("yaml").value.split("\n").length;
  fill($("gutter"), Array.from({ length: lines }, (_, index) => bad.has(index + 1) ? el("div.bad", { title: bad.get(index + 1) }, String(index + 1)) : el("div", {}, String(index + 1))));
  $("gutter").scrollTop = $("yaml").scrollTop;
}

function goTo(fault) {
  showTab("yaml");
  const lines = $("yaml").value.split("\n"), start = lines.slice(0, fault.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  $("yaml").focus();
  $("yaml").setSelectionRange(start + Math.max(0, fault.column - 1), start + (lines[fault.line - 1] ?? "").length);
  $("yaml").scrollTop = Math.max(0, (fault.line - 6) * 18);
}

function showTab(name) {
  for (const other of ["form", "yaml"]) {
    const chosen = other === name;
    $("tab-" + other).setAttribute("aria-selected", String(chosen)); $("tab-" + other).tabIndex = chosen ? 0 : -1; $("panel-" + other).hidden = !chosen;
  }
  if (name === "yaml") showGutter();
}
for (const name of ["form", "yaml"]) {
  $("tab-" + name).addEventListener("click", () => showTab(name));
  $("tab-" + name).addEventListener("keydown", event => { if (event.key === "ArrowLeft" || event.key === "ArrowRight") { const other = name === "form" ? "yaml" : "form"; showTab(other); $("tab-" + other).focus(); } });
}
$("yaml").addEventListener("scroll", () => { $("gutter").scrollTop = $("yaml").scrollTop; });
