// Predicted against measured step time on log axes: a data set per hardware and stack.
builders.scatter = () => {
  const points = page.points;
  if (!points.length) return null;
  const kinds = key => [...new Set(points.map(point => point[key]))].sort();
  const hardware = kinds("hardware"), stacks = kinds("framework");
  const shapes = ["circle", "triangle", "rect", "rectRot", "star", "cross", "crossRot", "rectRounded"];
  const hue = name => "hsl(" + Math.round(hardware.indexOf(name) * 360 / hardware.length + 210) % 360 + " 55% 52%)";
  const groups = new Map();
  for (const point of points) {
    const key = point.hardware + " · " + point.framework;
    if (!groups.has(key)) groups.set(key, { label: key, data: [], backgroundColor: hue(point.hardware), borderColor: hue(point.hardware), pointStyle: shapes[stacks.indexOf(point.framework) % shapes.length], pointRadius: 4.5, pointHoverRadius: 7 });
    groups.get(key).data.push({ x: point.measured, y: point.predicted, id: point.id, error: point.error });
  }
  const all = points.flatMap(point => [point.measured, point.predicted]).filter(value => value > 0);
  const low = Math.min(...all) / 1.4, high = Math.max(...all) * 1.4;
  const guide = (factor, dash) => ({ type: "line", label: "", data: [{ x: low, y: low * factor }, { x: high, y: high * factor }], borderColor: color("soft"), borderWidth: 1, borderDash: dash, pointRadius: 0, pointHitRadius: 0, order: 1 });
  const log = title => axis(title, { type: "logarithmic", min: low, max: high, ticks: { maxRotation: 0, callback: value => /^[125]e/.test(Number(value.toPrecision(6)).toExponential()) ? seconds(value) : "" } });
  const entry = (text, fill, pointStyle) => ({ text, fillStyle: fill, strokeStyle: fill, fontColor: color("ink"), pointStyle, lineWidth: 1 });
  const key = () => [...hardware.map(name => entry(name, hue(name), "rect")), ...stacks.map((name, index) => entry(name, color("soft"), shapes[index % shapes.length]))];
  return { type: "scatter", data: { datasets: [...[...groups.keys()].sort().map(key => groups.get(key)), guide(1, []), guide(1.1, [4, 4]), guide(1 / 1.1, [4, 4])] },
    options: options({ x: log("measured step time"), y: log("predicted step time") },
      { legend: { position: "right", align: "start", onClick: null, labels: { color: color("ink"), usePointStyle: true, boxHeight: 7, font: { size: 11 }, generateLabels: key } },
        tooltip: tip(c => c.raw.id ? [c.raw.id, "measured " + seconds(c.raw.x) + ", predicted " + seconds(c.raw.y), (c.raw.error > 0 ? "+" : "") + (100 * c.raw.error).toFixed(1) + " %"] : "") }) };
};
