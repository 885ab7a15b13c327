// Loss of every co-simulation over one axis, with the band of its seeds.
builders.loss = (_, box) => {
  const axisOf = page.axes[Number(box.dataset.run ?? 0)];
  const colors = ["forward", "backward", "optimizer", "data_comm", "bubble", "other"];
  const datasets = page.curves.flatMap((curve, index) => {
    const line = (key, extra) => ({ label: curve.name, data: curve[axisOf.key].map((x, i) => ({ x, y: curve[key][i] })), borderColor: color(colors[index % colors.length]), backgroundColor: color(colors[index % colors.length]), showLine: true, pointRadius: 0, pointHoverRadius: 5, ...extra });
    return [line("loss", { borderWidth: 2 }), line("low", { borderWidth: .5 }), line("high", { borderWidth: .5 })];
  });
  if (!datasets.length) return null;
  return { type: "scatter", data: { datasets }, options: options({ x: axis(axisOf.title, { ticks: { maxRotation: 0 } }), y: axis("loss") },
    { tooltip: tip(c => c.dataset.label + ": " + c.raw.y.toPrecision(4)) }) };
};
