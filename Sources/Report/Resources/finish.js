// Draws everything that is visible now and the rest when its section opens; draws again when the colours change or the page is printed.
if (window.Chart) { Chart.defaults.font.family = getComputedStyle(document.body).fontFamily; Chart.defaults.font.size = 12; }
function drawIn(part) {
  for (const box of part.querySelectorAll("[data-chart]")) if (!box.chart && !box.closest("details:not([open])")) drawChart(box);
  for (const box of part.querySelectorAll("[data-timeline]")) if (!box.dataset.drawn && !box.closest("details:not([open])")) { box.dataset.drawn = "yes"; timeline(box); }
}
function redraw() {
  for (const box of document.querySelectorAll("[data-chart]")) if (box.chart) drawChart(box);
  for (const draw of redraws) draw();
}
for (const details of document.querySelectorAll("details")) details.addEventListener("toggle", () => { if (details.open) drawIn(details); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
window.addEventListener("beforeprint", () => {
  document.documentElement.dataset.theme = "light";
  for (const details of document.querySelectorAll("details")) { details.open = true; drawIn(details); }
  redraw();
});
window.addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; redraw(); });
drawIn(document);
document.documentElement.dataset.charts = [...document.querySelectorAll("[data-chart]")].filter(box => box.chart).length;
document.documentElement.dataset.ready = "yes";
