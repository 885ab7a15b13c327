// Measured runs on log axes: a data set per hardware (colour) and software stack (shape).
function validationCharts() {
  const points = page.points;
  const kinds = key => [...new Set(points.map(point => point[key]))].sort();
  const hardware = kinds("hardware"), stacks = kinds("framework");
  const shapes = [["circle", 0], ["triangle", 0], ["rect", 0], ["rectRot", 0], ["star", 0], ["cross", 0], ["crossRot", 0], ["triangle", 180], ["triangle", 90], ["rectRounded", 0], ["line", 0]];
  const shape = index => { const [pointStyle, rotation] = shapes[index % shapes.length]; return { pointStyle, rotation }; };
  const hue = name => "hsl(" + Math.round(hardware.indexOf(name) * 360 / hardware.length + 210) % 360 + " 55% 52%)";
  const times = points.flatMap(point => [point.measured, point.predicted]).filter(value => value > 0);
  const low = Math.min(...times) / 1.4, high = Math.max(...times) * 1.4;
  const show = value => /^[125]e/.test(Number(value.toPrecision(6)).toExponential()) ? seconds(value) : "";
  const log = title => axis(title, { type: "logarithmic", min: low, max: high, ticks: { maxRotation: 0, callback: show } });
  const guide = (from, to, dash) => ({ type: "line", label: "", data: [{ x: low, y: from }, { x: high, y: to }], borderColor: color("soft"), borderWidth: 1, borderDash: dash, pointRadius: 0, pointHitRadius: 0, order: 1 });
  function sets(y) {
    const groups = new Map();
    for (const point of points) {
      const key = point.hardware + " · " + point.framework, { pointStyle, rotation } = shape(stacks.indexOf(point.framework));
      if (!groups.has(key)) groups.set(key, { label: key, data: [], backgroundColor: hue(point.hardware), borderColor: hue(point.hardware), pointStyle, pointRotation: rotation, pointRadius: 4.5, pointHoverRadius: 7 });
      groups.get(key).data.push({ x: point.measured, y: y(point), point });
    }
    return [...groups.keys()].sort().map(key => groups.get(key));
  }
  const entry = (text, fill, style) => ({ text, fillStyle: fill, strokeStyle: fill, fontColor: color("ink"), lineWidth: 1, ...style });
  const key = () => [...hardware.map(name => entry(name, hue(name), { pointStyle: "rect" })), ...stacks.map((name, index) => entry(name, color("soft"), shape(index)))];
  const words = ({ id, hardware, framework, measured, predicted, error }) => [id, hardware + ", " + framework, "measured " + seconds(measured) + ", predicted " + seconds(predicted), (error > 0 ? "+" : "") + (100 * error).toFixed(1) + " %"];
  const plugins = () => ({ legend: { position: "right", align: "start", onClick: null, labels: { color: color("ink"), usePointStyle: true, boxHeight: 7, font: { size: 11 }, generateLabels: key } },
    tooltip: tip(c => c.raw.point ? words(c.raw.point) : "") });
  return {
    scatter: { type: "scatter", data: { datasets: [...sets(point => point.predicted), guide(low, high, []), guide(low * 1.1, high * 1.1, [4, 4]), guide(low / 1.1, high / 1.1, [4, 4])] },
      options: options({ x: log("measured step time"), y: log("predicted step time") }, plugins()) },
    errors: { type: "scatter", data: { datasets: [...sets(point => 100 * point.error), guide(0, 0, []), guide(10, 10, [4, 4]), guide(-10, -10, [4, 4])] },
      options: options({ x: log("measured step time"), y: axis("predicted over measured, less one, %", {}) }, plugins()) },
  };
}
builders.scatter = () => page.points.length ? validationCharts().scatter : null;
builders.errors = () => page.points.length ? validationCharts().errors : null;
