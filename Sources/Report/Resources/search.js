// Layouts by step time and memory; those that no other beats in both are filled.
builders.pareto = () => {
  const points = page.points.map(p => ({ x: p.s, y: p.gb, name: p.name, best: !page.points.some(q => q.s <= p.s && q.gb <= p.gb && (q.s < p.s || q.gb < p.gb)) }));
  return { type: "scatter", data: { datasets: [{ data: points, backgroundColor: points.map(p => p.best ? color("forward") : "transparent"), borderColor: color("forward"), borderWidth: 1.5, pointRadius: 5, pointHoverRadius: 7 }] },
    options: options({ x: axis("seconds a step"), y: axis("GB on the fullest GPU") }, { tooltip: tip(c => c.raw.name + ": " + seconds(c.raw.x) + ", " + c.raw.y.toFixed(1) + " GB") }) };
};
