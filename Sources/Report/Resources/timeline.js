// Timelines: ranks down, time across, drawn on a canvas. Of spans thinner than a pixel only the first in a pixel is drawn, so cost follows the width, not the count.
function timeline(box) {
  const data = page.runs[Number(box.dataset.timeline)].timeline;
  const canvas = box.querySelector("canvas"), tipBox = box.querySelector(".tip");
  const tracks = data.tracks.map(track => {
    const n = track.spans.length / 4, start = new Float64Array(n), end = new Float64Array(n), fill = new Uint8Array(n), label = new Int32Array(n);
    // Spans of a track may overlap; the running maximum of ends lets a search find the first that can reach into view.
    const reach = new Float64Array(n);
    let at = 0;
    for (let i = 0; i < n; i++) {
      start[i] = at + track.spans[4 * i]; at = end[i] = start[i] + track.spans[4 * i + 1]; fill[i] = track.spans[4 * i + 2]; label[i] = track.spans[4 * i + 3];
      reach[i] = Math.max(end[i], i ? reach[i - 1] : -Infinity);
    }
    return { rank: track.rank, stream: track.stream, compute: track.stream.startsWith("compute"), n, start, end, fill, label, reach, y: 0, h: 0 };
  });
  let whole = [Infinity, -Infinity];
  for (const t of tracks) if (t.n) whole = [Math.min(whole[0], t.start[0]), Math.max(whole[1], t.reach[t.n - 1])];
  if (!(whole[1] > whole[0])) whole = [0, 1];
  whole[0] = Math.min(0, whole[0]);
  let view = [...whole], drag = null;
  const left = 64, top = 22, ranks = new Set(tracks.map(t => t.rank)).size;
  const fit = ranks > 24 ? Math.max(.3, 24 / ranks) : 1;
  let height = top;
  tracks.forEach((track, index) => {
    if (index && tracks[index - 1].rank !== track.rank) height += Math.max(2, 6 * fit);
    track.y = height; track.h = Math.max(2, Math.round((track.compute ? 18 : 6) * fit)); height += track.h + 1;
  });
  height += 6;
  canvas.style.height = height + "px";

  function first(track, time) { // first span that ends after `time`
    let low = 0, high = track.n;
    while (low < high) { const mid = (low + high) >> 1; if (track.reach[mid] <= time) low = mid + 1; else high = mid; }
    return low;
  }
  const width = () => canvas.clientWidth - left;
  const toX = time => left + (time - view[0]) / (view[1] - view[0]) * width();
  const toTime = x => view[0] + (x - left) / width() * (view[1] - view[0]);

  function draw() {
    const ratio = window.devicePixelRatio || 1, across = canvas.clientWidth;
    if (!across) return;
    canvas.width = Math.round(across * ratio); canvas.height = Math.round(height * ratio);
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio);
    const fills = data.colours.map(color), ink = color("ink"), soft = color("soft"), line = color("line");
    c.font = "11px system-ui, sans-serif"; c.textBaseline = "middle";
    const span = view[1] - view[0], raw = span / Math.max(2, across / 110), power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find(f => f * power >= raw);
    c.strokeStyle = line; c.fillStyle = soft; c.textAlign = "center";
    for (let t = Math.ceil(view[0] / step) * step; t <= view[1]; t += step) {
      const x = Math.round(toX(t)) + .5;
      c.beginPath(); c.moveTo(x, top - 4); c.lineTo(x, height); c.stroke();
      if (x < across - 24) c.fillText(seconds(t * 1e-9, span * 1e-9), x, 9);
    }
    let rank = null;
    for (const track of tracks) {
      if (track.rank !== rank && (fit > .55 || track.rank % Math.ceil(.55 / fit) === 0)) { c.fillStyle = soft; c.textAlign = "right"; c.fillText("stage " + track.rank, left - 8, track.y + track.h / 2); }
      rank = track.rank;
      if (track.compute) {
        const from = Math.max(left, toX(whole[0])), to = Math.min(across, toX(whole[1]));
        c.fillStyle = color("bubble"); c.globalAlpha = .55; c.fillRect(from, track.y, Math.max(0, to - from), track.h); c.globalAlpha = 1;
      }
      let drawn = -1;
      for (let i = first(track, view[0]); i < track.n && track.start[i] < view[1]; i++) {
        const a = Math.max(left, toX(track.start[i])), b = Math.min(across, toX(track.end[i])), wide = b - a;
        if (wide < .7) { const pixel = Math.floor(a * ratio); if (pixel === drawn) continue; drawn = pixel; }
        c.fillStyle = fills[track.fill[i]];
        c.fillRect(a, track.y, Math.max(wide - (wide > 4 ? .6 : 0), 1 / ratio), track.h);
        if (track.h >= 14 && wide > 22) {
          const name = data.labels[track.label[i]];
          if (name.length * 6.2 < wide) { c.fillStyle = "#fff"; c.textAlign = "center"; c.fillText(name, (a + b) / 2, track.y + track.h / 2 + .5); }
        }
      }
    }
    if (drag && Math.abs(drag.to - drag.from) > 3) {
      c.fillStyle = color("accent"); c.globalAlpha = .18; c.fillRect(Math.min(drag.from, drag.to), top, Math.abs(drag.to - drag.from), height - top); c.globalAlpha = 1;
    }
    c.strokeStyle = ink;
  }
  function show(from, to) {
    const least = Math.min(50, whole[1] - whole[0]), span = Math.min(Math.max(to - from, least), whole[1] - whole[0]);
    const start = Math.min(Math.max(from, whole[0]), whole[1] - span);
    view = [start, start + span]; tipBox.hidden = true; draw();
  }
  function zoom(factor, around = (view[0] + view[1]) / 2) { show(around - (around - view[0]) * factor, around + (view[1] - around) * factor); }
  function hover(x, y) {
    const track = tracks.find(t => y >= t.y - 1 && y <= t.y + t.h);
    if (!track || x < left) { tipBox.hidden = true; return; }
    const time = toTime(x);
    let found = -1;
    for (let i = first(track, time); i < track.n && track.start[i] <= time; i++) if (track.end[i] > time) found = i;
    if (found < 0 && !track.compute) { tipBox.hidden = true; return; }
    const title = "stage " + track.rank + " · " + track.stream;
    tipBox.textContent = found < 0 ? title + "\nidle" : data.labels[track.label[found]] + "  (" + data.colours[track.fill[found]].replaceAll("_", " ") + ")\n" + title
      + "\nfrom " + seconds(track.start[found] * 1e-9) + ", takes " + seconds((track.end[found] - track.start[found]) * 1e-9);
    tipBox.hidden = false;
    const room = canvas.clientWidth - tipBox.offsetWidth - 4;
    tipBox.style.left = Math.max(0, Math.min(x + 14, room)) + "px"; tipBox.style.top = canvas.offsetTop + y + 16 + "px";
  }
  const place = event => { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; };
  canvas.addEventListener("pointerdown", event => { const [x] = place(event); drag = { from: Math.max(x, left), to: Math.max(x, left) }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", event => { const [x, y] = place(event); if (drag) { drag.to = Math.max(x, left); draw(); } else hover(x, y); });
  canvas.addEventListener("pointerup", () => {
    const range = drag; drag = null;
    if (range && Math.abs(range.to - range.from) > 3) show(toTime(Math.min(range.from, range.to)), toTime(Math.max(range.from, range.to))); else draw();
  });
  canvas.addEventListener("pointerleave", () => { tipBox.hidden = true; });
  canvas.addEventListener("dblclick", () => show(...whole));
  canvas.addEventListener("wheel", event => { if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : .8, toTime(place(event)[0])); } }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const shift = (view[1] - view[0]) / 8;
    const act = { ArrowLeft: () => show(view[0] - shift, view[1] - shift), ArrowRight: () => show(view[0] + shift, view[1] + shift), ArrowUp: () => zoom(.7), ArrowDown: () => zoom(1.4), "+": () => zoom(.7), "-": () => zoom(1.4), "0": () => show(...whole) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  for (const button of box.querySelectorAll("button")) button.addEventListener("click", () => ({ in: () => zoom(.5), out: () => zoom(2), all: () => show(...whole) })[button.dataset.do]());
  new ResizeObserver(draw).observe(canvas);
  redraws.push(draw);
  draw();
}
