// Figures over one key: numbers on an axis of numbers, words side by side. Units are left off the numbers.
function overKey(figures, scale, title, show) {
  return (_, box) => {
    const key = page.keys[Number(box.dataset.run ?? 0)];
    const numbers = key.values.map(text => parseFloat(text));
    const isNumeric = numbers.every(Number.isFinite);
    const words = [...new Set(key.values)];
    const points = key.values.map((text, index) => ({ fits: page.fits[index], x: isNumeric ? numbers[index] : words.indexOf(text), y: page[figures][index] === null ? null : page[figures][index] * scale, text })).filter(point => point.y !== null);
    if (!points.length) return null;
    return { type: "scatter", data: { datasets: [{ data: points, backgroundColor: points.map(point => point.fits ? color("forward") : "transparent"), borderColor: points.map(point => color(point.fits ? "forward" : "poor")), borderWidth: 1.5, pointRadius: 3.5, pointHoverRadius: 6 }] },
      options: options({ x: axis(key.name, isNumeric ? { ticks: { maxRotation: 0 } } : { min: -.5, max: words.length - .5, ticks: { stepSize: 1, autoSkip: false, callback: value => words[value] ?? "" } }), y: axis(title, { beginAtZero: true }) },
        { tooltip: tip(c => key.name + " = " + c.raw.text + ": " + show(c.raw.y) + (c.raw.fits ? "" : ", does not fit")) }) };
  };
}
builders.sweepTime = overKey("time", 1, "seconds a step", seconds);
builders.sweepMfu = overKey("mfu", 100, "MFU, %", value => value.toFixed(1) + " %");
builders.indices = () => page.bars.length ? { type: "bar",
  data: { labels: page.bars.map(bar => bar.key), datasets: [
    { label: "alone", data: page.bars.map(bar => 100 * bar.first), backgroundColor: color("forward"), maxBarThickness: 20 },
    { label: "with all interactions", data: page.bars.map(bar => 100 * bar.total), backgroundColor: color("backward"), maxBarThickness: 20 }] },
  options: options({ x: axis("% of the variance of " + page.response), y: axis("", { ...none, ticks: { color: color("ink"), autoSkip: false } }) }, { legend: legend(), tooltip: tip(c => c.dataset.label + " " + c.raw.toFixed(1) + " %") }, { indexAxis: "y" }) } : null;
