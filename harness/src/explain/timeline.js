"use strict";
(async () => {
  const $ = (id) => document.getElementById(id);
  const COLOURS = ["#22a06b", "#dc2626", "#f59e0b", "#a16207"];
  const OUTCOMES = ["ok", "fail", "info", "open"];
  const BANDS = ["#fca5a5", "#fdba74", "#93c5fd", "#c4b5fd", "#86efac", "#fcd34d", "#f9a8d4", "#a5f3fc"];
  const AXIS = 22, BAND = 13, ROWS = 8, LABEL = 64;

  // What the page holds.
  async function inflated(id) {
    const text = atob($(id).textContent), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  const utf8 = new TextDecoder();
  const about = JSON.parse(utf8.decode(await inflated("about")));
  const ops = unpacked(await inflated("operations"), about.count, about.words);

  function unpacked(bytes, count, words) {
    let at = 0;
    // Numbers may be wider than 32 bits: no shifts.
    const next = () => {
      let number = 0, scale = 1, byte;
      do { byte = bytes[at++]; number += (byte & 127) * scale; scale *= 128; } while (byte > 127);
      return number;
    };
    const signed = () => { const n = next(); return n % 2 ? -(n + 1) / 2 : n / 2; };
    const u32 = () => new Uint32Array(count);
    const ops = { first: u32(), completed: u32(), begin: new Float64Array(count), end: new Float64Array(count),
      process: u32(), node: u32(), outcome: new Uint8Array(count), error: u32(), keyAt: new Uint32Array(count + 1),
      keys: [], textAt: new Float64Array(count + 1), bytes, count };
    let event = 0, time = 0, text = words;
    for (let i = 0; i < count; i++) {
      ops.first[i] = event += next();
      ops.completed[i] = next();
      ops.begin[i] = time += signed();
      ops.end[i] = time + next();
      ops.process[i] = next(); ops.node[i] = next(); ops.outcome[i] = next(); ops.error[i] = next();
      for (let n = next(); n > 0; n--) ops.keys.push(next());
      ops.keyAt[i + 1] = ops.keys.length;
      ops.textAt[i] = text;
      text += next();
    }
    ops.textAt[count] = text;
    return ops;
  }
  const words = (i) => utf8.decode(ops.bytes.subarray(ops.textAt[i], ops.textAt[i + 1]));
  const seconds = (ns) => (ns / 1e9).toFixed(3) + " s";

  // Lanes: the operations of each in order, with sums of what failed and what nobody knows.
  let lanes = [];
  function arrange() {
    const who = $("process").value.trim(), key = $("key").value.trim();
    const processes = about.processes.map((name) => who === "" || name === who);
    const keyPlace = key === "" ? -1 : about.keys.indexOf(key);
    const fits = (i) => {
      if (!processes[ops.process[i]]) return false;
      if (key === "") return true;
      for (let k = ops.keyAt[i]; k < ops.keyAt[i + 1]; k++) if (ops.keys[k] === keyPlace) return true;
      return false;
    };
    lanes = Array.from({ length: about.laneCount }, () => ({ of: [] }));
    for (let i = 0; i < ops.count; i++) if (fits(i)) lanes[about.lanes[ops.process[i]]].of.push(i);
    for (const lane of lanes) {
      lane.of.sort((a, b) => ops.begin[a] - ops.begin[b] || a - b);
      lane.of = Uint32Array.from(lane.of);
      lane.bad = new Uint32Array(lane.of.length + 1);
      lane.unknown = new Uint32Array(lane.of.length + 1);
      lane.of.forEach((i, n) => {
        lane.bad[n + 1] = lane.bad[n] + (ops.outcome[i] === 1);
        lane.unknown[n + 1] = lane.unknown[n] + (ops.outcome[i] > 1);
      });
    }
  }
  /** The first place from `from` on at which an operation begins at `time` or later. */
  function place(lane, time, from = 0) {
    let low = from, high = lane.of.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ops.begin[lane.of[middle]] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // The view, and what is chosen.
  let least = Infinity, most = -Infinity;
  for (let i = 0; i < ops.count; i++) { least = Math.min(least, ops.begin[i]); most = Math.max(most, ops.end[i]); }
  for (const { at } of about.phases) { least = Math.min(least, at); most = Math.max(most, at); }
  for (const { at } of about.anomalies) if (at !== null) { least = Math.min(least, at); most = Math.max(most, at); }
  if (!(least < most)) { least = Number.isFinite(least) ? least : 0; most = least + 1e6; }
  const whole = [least - (most - least) * 0.01, most + (most - least) * 0.01];
  let view = [...whole], scroll = 0, chosen = -1, marked = new Set(), hovered = -1, held = false;
  const stats = { rects: 0, ms: 0, frames: 0 };
  const kinds = [...new Set(about.bands.map((band) => band.kind))];
  // Bands that overlap stand one above the other.
  const rows = [];
  for (const band of about.bands) {
    let row = rows.findIndex((end) => end <= band.from);
    if (row < 0) row = rows.length;
    rows[row] = band.to; band.row = Math.min(row, ROWS - 1);
  }
  const TOP = AXIS + Math.min(rows.length, ROWS) * BAND + 4;

  const canvas = $("lanes"), overview = $("whole");
  function sized(canvas) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return [pen, width, height];
  }
  const laneHeight = (height) => Math.max(14, Math.min(40, (height - TOP) / Math.max(1, lanes.length)));
  const toX = (time, width) => LABEL + (time - view[0]) / (view[1] - view[0]) * (width - LABEL);
  const toTime = (x, width) => view[0] + (x - LABEL) / (width - LABEL) * (view[1] - view[0]);
  function rect(pen, x, y, width, height) { pen.fillRect(x, y, width, height); stats.rects++; }

  function drawLane(pen, lane, y, height, width) {
    const from = Math.max(0, place(lane, view[0]) - 1), to = place(lane, view[1]);
    if (to - from > (width - LABEL) / 2) return drawDensity(pen, lane, y, height, width, to);
    for (let n = from; n < to; n++) {
      const i = lane.of[n];
      if (ops.end[i] < view[0]) continue;
      drawBar(pen, i, y, height, width);
    }
  }
  function drawBar(pen, i, y, height, width) {
    const left = Math.max(LABEL, toX(ops.begin[i], width)), right = Math.min(width, toX(ops.end[i], width));
    pen.fillStyle = COLOURS[ops.outcome[i]];
    rect(pen, left, y, Math.max(2, right - left - 0.5), height);
    if (right - left > 60) {
      pen.save(); pen.beginPath(); pen.rect(left, y, right - left, height); pen.clip();
      pen.fillStyle = "#ffffff"; pen.font = "10px monospace"; pen.fillText(words(i), left + 4, y + height / 2 + 3.5);
      pen.restore();
    }
  }
  /** More operations than there is room for: per two pixels, how many and what share of them went which way. */
  function drawDensity(pen, lane, y, height, width, to) {
    const step = 2, columns = [];
    let n = place(lane, view[0]), most = 1;
    for (let x = LABEL; x < width; x += step) {
      const end = Math.min(to, place(lane, toTime(x + step, width), n));
      columns.push([n, end]); most = Math.max(most, end - n); n = end;
    }
    columns.forEach(([from, end], column) => {
      const count = end - from, x = LABEL + column * step;
      if (count === 0) return;
      const alpha = pen.globalAlpha, tall = height * (0.3 + 0.7 * count / most);
      const bad = (lane.bad[end] - lane.bad[from]) / count, unknown = (lane.unknown[end] - lane.unknown[from]) / count;
      pen.globalAlpha = alpha * (0.45 + 0.55 * count / most);
      pen.fillStyle = COLOURS[0]; rect(pen, x, y + height - tall, step, tall);
      pen.globalAlpha = alpha;
      // Whatever is rare must show.
      const share = (part) => part && Math.max(2, tall * part);
      if (unknown) { pen.fillStyle = COLOURS[2]; rect(pen, x, y + height - share(unknown), step, share(unknown)); }
      if (bad) { pen.fillStyle = COLOURS[1]; rect(pen, x, y + height - tall, step, share(bad)); }
    });
  }
  function drawAxis(pen, width, height) {
    pen.fillStyle = "#475569"; pen.font = "10px system-ui"; pen.strokeStyle = "#e2e8f0";
    const raw = (view[1] - view[0]) / Math.max(2, (width - LABEL) / 110), ten = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= raw);
    const digits = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
    // By number: late enough, a time and the next one are the same to a double.
    const first = Math.ceil(view[0] / step);
    for (let n = 0; n < 1000; n++) {
      const time = (first + n) * step;
      if (time > view[1]) break;
      const x = toX(time, width);
      pen.beginPath(); pen.moveTo(x, AXIS - 6); pen.lineTo(x, height); pen.stroke();
      pen.fillText((time / 1e9).toFixed(digits) + " s", x + 3, 11);
    }
  }
  function drawBands(pen, width, height) {
    const seen = about.bands.filter((band) => band.to >= view[0] && band.from <= view[1]);
    const spanned = (band) => [Math.max(LABEL, toX(band.from, width)), Math.min(width, toX(band.to, width))];
    const coloured = (band) => { pen.fillStyle = BANDS[kinds.indexOf(band.kind) % BANDS.length]; };
    // Every tint before any label.
    pen.globalAlpha = 0.16;
    for (const band of seen) {
      const [left, right] = spanned(band);
      coloured(band); rect(pen, left, AXIS, Math.max(1, right - left), height - AXIS);
    }
    pen.globalAlpha = 1;
    for (const band of seen) {
      const [left, right] = spanned(band);
      coloured(band);
      const y = AXIS + band.row * BAND;
      pen.globalAlpha = 0.9; rect(pen, left, y, Math.max(1, right - left), BAND - 1);
      pen.globalAlpha = 1;
      if (right - left > 30) {
        pen.save(); pen.beginPath(); pen.rect(left, y, right - left, BAND); pen.clip();
        pen.fillStyle = "#0f172a"; pen.font = "10px system-ui"; pen.fillText(band.fault, left + 3, y + 9.5);
        pen.restore();
      }
    }
    for (const { name, at } of about.phases) {
      if (at < view[0] || at > view[1]) continue;
      const x = toX(at, width);
      pen.strokeStyle = "#64748b"; pen.setLineDash([3, 3]);
      pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height); pen.stroke(); pen.setLineDash([]);
      pen.fillStyle = "#334155"; pen.font = "italic 10px system-ui"; pen.fillText(name, x + 3, AXIS - 1);
    }
  }
  /** Where the bar of an operation is. */
  function bar(i, width, height) {
    const tall = laneHeight(height), y = TOP + about.lanes[ops.process[i]] * tall - scroll;
    return { left: toX(ops.begin[i], width), right: toX(ops.end[i], width), y, tall };
  }
  function drawMarked(pen, width, height) {
    for (const i of marked) {
      const { left, right, y, tall } = bar(i, width, height);
      if (right < LABEL || left > width || y < TOP - tall) continue;
      drawBar(pen, i, y + 2, tall - 4, width);
      pen.strokeStyle = "#0f172a"; pen.lineWidth = 2;
      pen.strokeRect(Math.max(LABEL, left) - 1, y + 1, Math.max(4, Math.min(width, right) - Math.max(LABEL, left)) + 1, tall - 2);
      pen.lineWidth = 1;
    }
    const anomaly = about.anomalies[chosen], cycle = anomaly && anomaly.cycle;
    if (cycle) drawCycle(pen, cycle, width, height);
    const at = anomaly && anomaly.at;
    if (at !== null && at !== undefined) {
      pen.strokeStyle = "#dc2626"; pen.lineWidth = 2;
      pen.beginPath(); pen.moveTo(toX(at, width), AXIS); pen.lineTo(toX(at, width), height); pen.stroke(); pen.lineWidth = 1;
    }
  }
  function drawCycle(pen, cycle, width, height) {
    cycle.steps.forEach((step, number) => {
      const [a, b] = [step.from, step.to].map((member) => cycle.members[member].operation);
      if (a === null || b === null) return;
      const from = bar(a, width, height), to = bar(b, width, height);
      const [x0, x1] = [from, to].map((of) => Math.max(LABEL, Math.min(width, (of.left + of.right) / 2)));
      const [y0, y1] = [from, to].map((of) => of.y + of.tall / 2), bend = 24 + 10 * number;
      const [cx, cy] = [(x0 + x1) / 2 + (y0 < y1 ? bend : -bend), (y0 + y1) / 2 + (x0 < x1 ? -bend : bend)];
      pen.strokeStyle = pen.fillStyle = step.colour; pen.lineWidth = number === hoveredStep ? 4 : 2;
      pen.beginPath(); pen.moveTo(x0, y0); pen.quadraticCurveTo(cx, cy, x1, y1); pen.stroke(); pen.lineWidth = 1;
      const angle = Math.atan2(y1 - cy, x1 - cx);
      pen.beginPath(); pen.moveTo(x1, y1);
      for (const turn of [-0.4, 0.4]) pen.lineTo(x1 - 10 * Math.cos(angle + turn), y1 - 10 * Math.sin(angle + turn));
      pen.fill();
      pen.font = "bold 11px system-ui"; pen.fillText(step.kind, (x0 + 2 * cx + x1) / 4 + 3, (y0 + 2 * cy + y1) / 4 - 3);
    });
    for (const member of cycle.members) {
      if (member.operation === null) continue;
      const { left, y } = bar(member.operation, width, height);
      pen.font = "bold 11px system-ui"; pen.fillStyle = "#0f172a"; pen.fillText(member.name, Math.max(LABEL, left) - 2, y - 1);
    }
  }
  let hoveredStep = -1;
  function draw() {
    const before = performance.now();
    stats.rects = 0;
    const [pen, width, height] = sized(canvas), tall = laneHeight(height);
    scroll = Math.max(0, Math.min(scroll, lanes.length * tall - (height - TOP)));
    pen.clearRect(0, 0, width, height);
    drawAxis(pen, width, height);
    drawBands(pen, width, height);
    pen.save(); pen.beginPath(); pen.rect(0, TOP, width, height - TOP); pen.clip();
    pen.globalAlpha = chosen >= 0 ? 0.25 : 1;
    const first = Math.floor(scroll / tall), last = Math.min(lanes.length, Math.ceil((scroll + height - TOP) / tall));
    for (let l = first; l < last; l++) drawLane(pen, lanes[l], TOP + l * tall - scroll + 1, tall - 2, width);
    pen.globalAlpha = 1;
    pen.fillStyle = "#ffffff"; pen.fillRect(0, TOP, LABEL - 2, height);
    pen.fillStyle = "#334155"; pen.font = "11px system-ui";
    for (let l = first; l < last; l++) pen.fillText(laneName(l), 6, TOP + l * tall - scroll + tall / 2 + 4);
    drawMarked(pen, width, height);
    if (hovered >= 0) {
      const { left, right, y, tall } = bar(hovered, width, height);
      pen.strokeStyle = "#2563eb"; pen.lineWidth = 2;
      pen.strokeRect(Math.max(LABEL, left) - 1, y, Math.max(4, Math.min(width, right) - Math.max(LABEL, left)) + 2, tall); pen.lineWidth = 1;
    }
    pen.restore();
    drawWhole();
    stats.ms = performance.now() - before; stats.frames++;
  }
  /** The process that is in a lane at the middle of the view; others come before and after it. */
  function laneName(l) {
    const lane = lanes[l];
    if (lane.of.length === 0) return "";
    const n = Math.min(lane.of.length - 1, place(lane, (view[0] + view[1]) / 2));
    return about.processes[ops.process[lane.of[n]]];
  }
  function drawWhole() {
    const [pen, width, height] = sized(overview), x = (time) => (time - whole[0]) / (whole[1] - whole[0]) * width;
    pen.clearRect(0, 0, width, height);
    for (const band of about.bands) {
      pen.fillStyle = BANDS[kinds.indexOf(band.kind) % BANDS.length]; pen.globalAlpha = 0.5;
      rect(pen, x(band.from), 0, Math.max(1, x(band.to) - x(band.from)), 8);
    }
    pen.globalAlpha = 1;
    const step = 3, counts = [];
    for (let left = 0; left < width; left += step) counts.push(0);
    for (const lane of lanes) {
      let n = 0;
      counts.forEach((_, c) => {
        const end = place(lane, whole[0] + (c + 1) * step / width * (whole[1] - whole[0]), n);
        counts[c] += end - n; n = end;
      });
    }
    const most = Math.max(1, ...counts);
    pen.fillStyle = "#94a3b8";
    counts.forEach((count, c) => count && rect(pen, c * step, height - (height - 14) * count / most, step, height));
    about.anomalies.forEach((anomaly, n) => {
      const span = spanOf(anomaly);
      if (!span) return;
      pen.fillStyle = n === chosen ? "#dc2626" : "#f87171"; rect(pen, x(span[0]) - 1, 8, Math.max(3, x(span[1]) - x(span[0])), 6);
    });
    pen.strokeStyle = "#2563eb"; pen.lineWidth = 2;
    pen.strokeRect(x(view[0]) + 1, 1, Math.max(3, x(view[1]) - x(view[0]) - 2), height - 2); pen.lineWidth = 1;
  }
  let asked = false;
  function redraw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  }
  function show(from, to) {
    const least = Math.min(1e3, whole[1] - whole[0]), wide = Math.max(least, Math.min(to - from, whole[1] - whole[0]));
    const middle = (from + to) / 2, begin = Math.max(whole[0], Math.min(middle - wide / 2, whole[1] - wide));
    view = [begin, begin + wide];
    redraw();
  }

  // Anomalies.
  function spanOf(anomaly) {
    if (anomaly.operations.length === 0) return anomaly.at === null ? null : [anomaly.at, anomaly.at];
    return [Math.min(...anomaly.operations.map((i) => ops.begin[i])), Math.max(...anomaly.operations.map((i) => ops.end[i]))];
  }
  function choose(n) {
    chosen = n;
    const anomaly = about.anomalies[n];
    marked = new Set(anomaly ? anomaly.operations : []);
    [...$("list").children].forEach((item, i) => item.classList.toggle("chosen", i === n));
    $("detail").replaceChildren(...(anomaly ? detail(anomaly) : []));
    const span = anomaly && spanOf(anomaly);
    if (span) {
      const around = Math.max((span[1] - span[0]) * 0.25, (whole[1] - whole[0]) * 1e-4);
      show(span[0] - around, span[1] + around);
      if (anomaly.operations.length) reveal(anomaly.operations[0]);
    }
    redraw();
  }
  function reveal(i) {
    const height = canvas.clientHeight, tall = laneHeight(height), y = about.lanes[ops.process[i]] * tall;
    if (y < scroll || y + tall > scroll + height - TOP) scroll = y - (height - TOP) / 2;
  }
  function jump(i) {
    const around = Math.max((ops.end[i] - ops.begin[i]) * 2, (whole[1] - whole[0]) * 1e-5);
    marked.add(i); show(ops.begin[i] - around, ops.end[i] + around); reveal(i);
  }
  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  function link(text, i) {
    const made = element("a", text);
    if (i !== null) made.addEventListener("click", () => jump(i));
    return made;
  }
  function detail(anomaly) {
    const parts = [];
    if (anomaly.cycle) parts.push(picture(anomaly.cycle), ...anomaly.cycle.steps.map((step, n) => opened(anomaly.cycle, step, n)));
    if (anomaly.order) parts.push(...inOrder(anomaly.order));
    parts.push(element("pre", anomaly.text), element("pre", anomaly.smaller));
    return parts;
  }
  function picture(cycle) {
    const holder = element("div", undefined, "picture");
    const parsed = new DOMParser().parseFromString(cycle.svg, "image/svg+xml").documentElement;
    holder.append(document.adoptNode(parsed));
    for (const group of holder.querySelectorAll("g[data-events]")) {
      const step = group.dataset.step === undefined ? -1 : Number(group.dataset.step);
      group.addEventListener("mouseenter", () => { hoveredStep = step; redraw(); });
      group.addEventListener("mouseleave", () => { hoveredStep = -1; redraw(); });
      group.addEventListener("click", () => {
        if (step < 0) return jump(cycle.members.find((m) => m.operation !== null && eventsOf(m.operation).includes(Number(group.dataset.events))).operation);
        const more = $("detail").querySelectorAll("details")[step];
        more.open = true; more.scrollIntoView({ block: "nearest" });
        for (const proof of cycle.steps[step].proofs) for (const [i] of proof.places) if (i !== null) marked.add(i);
        redraw();
      });
    }
    return holder;
  }
  const eventsOf = (i) => [ops.first[i], ops.first[i] + ops.completed[i]];
  function opened(cycle, step, number) {
    const more = element("details"), title = element("summary"), kind = element("b", step.kind);
    kind.style.color = step.colour;
    title.append(kind, `${cycle.members[step.from].name} < ${cycle.members[step.to].name}: ${step.because}`);
    more.append(title);
    for (const proof of step.proofs) {
      const line = element("div", `${proof.kind}: ${proof.text} `);
      for (const [i, event, mop] of proof.places) line.append(link(`event ${event}` + (mop === null ? "" : `, micro-operation ${mop}`), i));
      more.append(line);
    }
    more.addEventListener("mouseenter", () => { hoveredStep = number; redraw(); });
    more.addEventListener("mouseleave", () => { hoveredStep = -1; redraw(); });
    return more;
  }
  function inOrder(order) {
    const list = element("div", undefined, "call");
    list.append(element("div", `The longest order of the calls of the smaller history, key ${order.key}:`));
    if (order.isCut) list.append(element("div", "… what came before …"));
    order.calls.forEach(({ call, operations, states }, n) => {
      const line = element("div");
      line.append(link(`${n + 1}.`, operations.length ? operations[0] : null), call + (states ? `   ${states[0]} => ${states[1]}` : ""));
      list.append(line);
    });
    const stuck = element("div");
    stuck.append(link("then", order.stuck.length ? order.stuck[0] : null),
      `cannot have taken effect: it holds ${order.left}, of ${order.possible.join(" or ")} that were possible`);
    list.append(stuck);
    return [list];
  }

  // The pointer.
  function under(x, y) {
    const width = canvas.clientWidth, height = canvas.clientHeight, tall = laneHeight(height);
    const lane = lanes[Math.floor((y - TOP + scroll) / tall)];
    if (!lane || y < TOP || x < LABEL) return -1;
    const time = toTime(x, width), slack = 3 * (view[1] - view[0]) / (width - LABEL), n = place(lane, time);
    let best = -1, distance = slack;
    for (const near of [n - 1, n, n - 2]) {
      if (near < 0 || near >= lane.of.length) continue;
      const i = lane.of[near], away = Math.max(0, ops.begin[i] - time, time - ops.end[i]);
      if (away < distance || away === 0 && best < 0) { best = i; distance = away; }
    }
    return best;
  }
  function tell(i) {
    const node = ops.node[i] ? ` on ${about.nodes[ops.node[i] - 1]}` : "";
    const lines = [words(i), `${about.processes[ops.process[i]]}${node}: ${OUTCOMES[ops.outcome[i]]}`,
      `${seconds(ops.begin[i])} to ${ops.outcome[i] === 3 ? "nobody knows when" : seconds(ops.end[i])}, ${((ops.end[i] - ops.begin[i]) / 1e6).toFixed(3)} ms`,
      `event ${ops.first[i]}` + (ops.completed[i] ? ` and event ${ops.first[i] + ops.completed[i]}` : "")];
    if (ops.error[i]) lines.push(`error: ${about.errors[ops.error[i] - 1]}`);
    if (ops.outcome[i] > 1) lines.push("it may have taken effect at any time since, or never");
    for (const anomaly of about.anomalies) {
      if (anomaly.operations.includes(i)) lines.push(`in ${anomaly.file}`);
      if (!anomaly.order) continue;
      const at = anomaly.order.calls.findIndex((call) => call.operations.includes(i));
      if (at >= 0) {
        const { states } = anomaly.order.calls[at];
        lines.push(`${anomaly.file}: number ${at + 1} of ${anomaly.order.calls.length} in the longest order` +
          (states ? `\n  before: ${states[0]}\n  after:  ${states[1]}` : ""));
      }
      if (anomaly.order.stuck.includes(i)) lines.push(`${anomaly.file}: no order has room for it; possible were ${anomaly.order.possible.join(" or ")}`);
    }
    return lines.join("\n");
  }
  function tip(x, y, text) {
    const box = $("tip");
    box.hidden = false; box.textContent = text;
    box.style.left = Math.max(4, Math.min(x + 14, window.innerWidth - box.offsetWidth - 8)) + "px";
    box.style.top = Math.max(4, Math.min(y + 14, window.innerHeight - box.offsetHeight - 8)) + "px";
  }
  function release() { held = false; $("tip").hidden = true; $("tip").classList.remove("held"); hovered = -1; redraw(); }
  let drag = null;
  const inside = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("mousedown", (event) => { drag = { x: event.clientX, y: event.clientY, view: [...view], scroll, moved: false }; });
  window.addEventListener("mouseup", (event) => {
    const was = drag;
    drag = null;
    if (!was || was.moved) return;
    const i = under(...inside(event));
    if (i < 0) return release();
    hovered = i; held = true; tip(event.clientX, event.clientY, tell(i)); $("tip").classList.add("held"); redraw();
  });
  window.addEventListener("mousemove", (event) => {
    if (drag) {
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (Math.abs(dx) + Math.abs(dy) > 3) drag.moved = true;
      const shift = dx / (canvas.clientWidth - LABEL) * (drag.view[1] - drag.view[0]);
      scroll = drag.scroll - dy;
      return show(drag.view[0] - shift, drag.view[1] - shift);
    }
    if (held || event.target !== canvas) return;
    const [x, y] = inside(event), i = under(x, y);
    const band = about.bands.find((band) => y >= AXIS + band.row * BAND && y < AXIS + (band.row + 1) * BAND && toTime(x, canvas.clientWidth) >= band.from && toTime(x, canvas.clientWidth) <= band.to);
    if (i >= 0) tip(event.clientX, event.clientY, tell(i));
    else if (band) tip(event.clientX, event.clientY, `${band.fault}\n${seconds(band.from)} to ${seconds(band.to)}`);
    else $("tip").hidden = true;
    if (i !== hovered) { hovered = i; redraw(); }
  });
  canvas.addEventListener("mouseleave", () => { if (!held && !drag) release(); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey) { scroll += event.deltaY || event.deltaX; return redraw(); }
    const [x] = inside(event), time = toTime(Math.max(LABEL, x), canvas.clientWidth), by = Math.exp(event.deltaY * 0.0015);
    show(time - (time - view[0]) * by, time + (view[1] - time) * by);
  }, { passive: false });
  overview.addEventListener("mousedown", (event) => {
    const box = overview.getBoundingClientRect(), time = whole[0] + (event.clientX - box.left) / box.width * (whole[1] - whole[0]);
    const half = (view[1] - view[0]) / 2;
    show(time - half, time + half);
  });
  const turn = (by) => about.anomalies.length && choose((chosen + by + about.anomalies.length + (chosen < 0 && by < 0)) % about.anomalies.length);
  const all = () => { choose(-1); show(...whole); };
  window.addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = (view[0] + view[1]) / 2, half = (view[1] - view[0]) / 2;
    const act = { n: () => turn(1), p: () => turn(-1), f: all, Escape: release,
      "+": () => show(middle - half / 2, middle + half / 2), "-": () => show(middle - half * 2, middle + half * 2),
      ArrowUp: () => { scroll -= 40; redraw(); }, ArrowDown: () => { scroll += 40; redraw(); },
      ArrowLeft: () => show(view[0] - half / 2, view[1] - half / 2), ArrowRight: () => show(view[0] + half / 2, view[1] + half / 2) }[event.key];
    if (act) act();
  });
  $("next").addEventListener("click", () => turn(1));
  $("previous").addEventListener("click", () => turn(-1));
  $("fit").addEventListener("click", all);
  for (const id of ["process", "key"]) $(id).addEventListener("input", () => { arrange(); redraw(); });
  window.addEventListener("resize", redraw);

  $("title").textContent = about.title;
  $("counts").textContent = `${ops.count.toLocaleString("en")} operations, ${about.processes.length} processes, ${about.anomalies.length} anomalies`;
  OUTCOMES.forEach((name, outcome) => {
    const box = element("i");
    box.style.background = COLOURS[outcome];
    $("legend").append(box, name);
  });
  about.anomalies.forEach((anomaly, n) => {
    const item = element("li", anomaly.text.split("\n")[0]);
    item.tabIndex = 0;
    item.addEventListener("click", () => choose(n));
    item.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(n); });
    $("list").append(item);
  });
  $("side").hidden = about.anomalies.length === 0;
  arrange();
  draw();
  // For whoever measures or drives the page.
  window.timeline = { about, ops, stats, show, choose, draw, words, tell, whole, view: () => view };
})();
