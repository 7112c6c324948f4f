// Line charts: axes, lines, points with intervals, and one x that all charts of a run share.

const WIDTH = 480;
const HEIGHT = 216;
const MARGIN = { left: 52, right: 14, top: 10, bottom: 28 };

/** The x that was chosen; whoever draws it is told when it changes. */
class Cursor {
  constructor() {
    this.x = null;
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  set(x) {
    this.x = x;
    for (const listener of this.listeners) listener(x);
  }
}

/** Return round numbers that span an interval, about `n` of them. */
function ticks(low, high, n = 5) {
  const rough = (high - low) / n || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function logTicks(low, high) {
  const marks = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    for (const factor of [1, 2, 5]) marks.push(factor * 10 ** e);
  }
  const within = marks.filter((mark) => mark >= low && mark <= high);
  return within.length > 1 ? within : ticks(low, high);
}

/** Exponential moving average, as in the run's curve.png. */
function smooth(points, keep = 0.7) {
  let mean = null;
  return points.map(({ x, y }) => {
    mean = mean === null ? y : keep * mean + (1 - keep) * y;
    return { x, y: mean };
  });
}

function extent(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return [low, high];
}

/** A stroke of colour, and what it stands for. */
const key = (tone, text) => make("span", { class: `key ${tone}` }, text);

class Chart {
  /**
   * @param {object} spec title; series of {label, tone, points: [{x, y, low?, high?}], style:
   *     "line" | "faint" | "points"}; xLabel; yRange; log; format
   * @param {Cursor} cursor the chosen x
   * @param {(x: number) => void} pick called with an x that is clicked
   */
  constructor(spec, cursor, pick) {
    this.spec = { format: short, xLabel: "iteration", ...spec };
    this.pick = pick;
    this.cursor = cursor;
    const points = spec.series.flatMap((series) => series.points);
    this.xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
    this.log = Boolean(spec.log) && points.every((point) => point.y > 0);
    this.setRanges(points);
    this.element = this.build();
    cursor.listen((x) => this.showChosen(x));
    this.showChosen(cursor.x);
  }

  setRanges(points) {
    const [left, right] = extent(this.xs);
    this.xRange = left === right ? [left - 1, right + 1] : [left, right];
    const heights = points.flatMap(({ y, low: least, high: most }) => [y, least ?? y, most ?? y]);
    let [low, high] = this.spec.yRange ?? extent(heights);
    if (!this.spec.yRange && !this.log) {
      const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
      [low, high] = [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
    }
    if (this.log && low === high) [low, high] = [low / 2, high * 2];
    this.yRange = [low, high];
  }

  px(x) {
    const [low, high] = this.xRange;
    return MARGIN.left + ((x - low) / (high - low)) * (WIDTH - MARGIN.left - MARGIN.right);
  }

  py(y) {
    const [low, high] = this.log ? this.yRange.map(Math.log) : this.yRange;
    const share = ((this.log ? Math.log(y) : y) - low) / (high - low);
    return HEIGHT - MARGIN.bottom - share * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  build() {
    const { title, series } = this.spec;
    this.rule = draw("line", { class: "chosen", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    this.hair = draw("line", { class: "hair", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
    for (const line of [this.rule, this.hair]) line.style.display = "none";
    const canvas = draw(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        tabindex: "0",
        role: "img",
        "aria-label": this.describe(),
        onpointermove: (event) => this.hover(this.nearest(event)),
        onpointerleave: () => this.hover(null),
        onclick: (event) => this.pick(this.nearest(event)),
        onkeydown: (event) => this.onKey(event),
      },
      this.axes(),
      this.rule,
      this.hair,
      series.map((one) => this.drawSeries(one)),
    );
    this.canvas = canvas;
    this.readout = make("output", { class: "readout", "aria-live": "off" });
    const legend = make(
      "span",
      { class: "legend" },
      series.filter(({ label }) => label).map(({ label, tone }) => key(tone, label)),
    );
    const caption = make("figcaption", {}, make("b", {}, title), legend, this.readout);
    return make("figure", { class: "chart" }, caption, canvas);
  }

  describe() {
    const parts = this.spec.series.filter((one) => one.points.length).map((one) => {
      const { format } = this.spec;
      const [first, last] = [one.points[0], one.points.at(-1)];
      return `${one.label || this.spec.title} from ${format(first.y)} to ${format(last.y)}`;
    });
    return `${this.spec.title} by ${this.spec.xLabel}: ${parts.join("; ")}`;
  }

  axes() {
    const bottom = HEIGHT - MARGIN.bottom;
    const right = WIDTH - MARGIN.right;
    const marks = this.log ? logTicks(...this.yRange) : ticks(...this.yRange);
    const across = (name, y) =>
      draw("line", { class: name, x1: MARGIN.left, x2: right, y1: y, y2: y });
    const label = (y) => ({ x: MARGIN.left - 7, y: this.py(y) + 4, "text-anchor": "end" });
    const rows = marks.map((y) => [
      across("grid", this.py(y)),
      draw("text", label(y), this.spec.format(y, 0)),
    ]);
    const whole = ticks(...this.xRange, 7).filter(Number.isInteger);
    const columns = whole.map((x) =>
      draw("text", { x: this.px(x), y: bottom + 18, "text-anchor": "middle" }, String(x)),
    );
    return [rows, columns, across("axis", bottom)];
  }

  drawSeries({ points, style = "line", tone }) {
    const place = ({ x, y }) => `${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`;
    const parts = [draw("path", { class: style, d: `M${points.map(place).join("L")}` })];
    if (style === "points" || points.length === 1) {
      for (const point of points) {
        const spot = { cx: this.px(point.x), cy: this.py(point.y), r: 3.2 };
        parts.push(this.whisker(point), draw("circle", spot));
      }
    }
    return draw("g", { class: `series ${tone}` }, parts);
  }

  whisker({ x, low, high }) {
    if (!isNumber(low) || !isNumber(high)) return [];
    const at = this.px(x);
    return draw("path", {
      class: "whisker",
      d: `M${at} ${this.py(low)}V${this.py(high)}m-3 0h6M${at - 3} ${this.py(low)}h6`,
    });
  }

  /** Return the drawn x that is nearest to where the pointer is. */
  nearest(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const distance = (x) => Math.abs(this.px(x) - at);
    return this.xs.reduce((best, x) => (distance(x) < distance(best) ? x : best));
  }

  hover(x) {
    this.place(this.hair, x);
    this.read(x ?? this.cursor.x);
  }

  showChosen(x) {
    this.place(this.rule, x);
    this.read(x);
  }

  place(line, x) {
    const there = x !== null && x >= this.xRange[0] && x <= this.xRange[1];
    line.style.display = there ? "" : "none";
    if (!there) return;
    line.setAttribute("x1", this.px(x));
    line.setAttribute("x2", this.px(x));
  }

  /** Say the values at an x. */
  read(x) {
    const { format, series, xLabel } = this.spec;
    const values = series.flatMap((one) => {
      const point = one.points.find((p) => p.x === x);
      if (!point) return [];
      const interval = isNumber(point.low) ? ` [${format(point.low)}, ${format(point.high)}]` : "";
      return [key(one.tone, `${format(point.y)}${interval}`)];
    });
    fill(this.readout, values.length ? [`${xLabel} ${x}: `, values] : []);
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    const at = this.xs.indexOf(this.cursor.x);
    const next = this.xs[at < 0 ? (step > 0 ? 0 : this.xs.length - 1) : at + step];
    if (next !== undefined) this.pick(next);
    event.preventDefault();
    event.stopPropagation();
  }
}

// Which charts a run has ---------------------------------------------------------------------

const NAMES = {
  turns: "Turns an episode",
  valid: "Valid turns, %",
  zero_advantage: "Turns with advantage 0, %",
  entropy: "Entropy, nats a token",
  approximate_kl: "KL from the policy that sampled",
  reference_kl: "KL from the clone",
  grad_norm: "Gradient norm",
  loss: "Loss",
  clip_fraction: "Clipped tokens, %",
};
const SHARES = new Set(["valid", "zero_advantage", "clip_fraction"]);
const NOT_DRAWN = new Set(["phase", "seconds", "iteration", "success", "rows", "steps", "update"]);

function series(records, x, key, look) {
  const points = records
    .filter((record) => isNumber(record[x]) && isNumber(record[key]))
    .map((record) => ({ x: record[x], y: record[key] }));
  return { points, ...look };
}

function intervals(records, xs, look) {
  const points = records
    .map((record) => {
      const { mean, low, high } = record.success ?? {};
      return { x: xs(record), y: mean, low, high };
    })
    .filter((point) => isNumber(point.y) && isNumber(point.x));
  return { points, style: "points", ...look };
}

/** @param {number | undefined} best iteration of the policy that the run ended with */
function successChart({ train = [], validate = [], before = [], after = [] }, best) {
  const sampled = series(train, "iteration", "success", { tone: "grey", style: "faint" });
  const last = best ?? extent([0, ...[...train, ...validate].map((record) => record.iteration)])[1];
  const ends = [...before, ...after].filter((record) => record.mode === "greedy");
  const note = (record) => (record?.training_tasks ? " (training tasks)" : "");
  const panel = (records, what) =>
    `${records[0]?.split ?? ""}${note(records[0])}, greedy (${what})`;
  const smoothed = { points: smooth(sampled.points), style: "line", tone: "grey smooth" };
  return {
    title: "Success, %",
    yRange: [0, 1],
    format: (y, digits = 1) => percent(y, digits),
    series: [
      sampled,
      { ...smoothed, label: "training episodes" },
      intervals(validate, (record) => record.iteration, {
        tone: "blue",
        label: panel(validate, "curve"),
      }),
      intervals(ends, (record) => (record.phase === "before" ? 0 : last), {
        tone: "orange",
        label: panel(ends, "before, after"),
      }),
    ].filter((one) => one.points.length),
  };
}

function cloneChart(records) {
  const loss = (name, tone, label) => {
    const one = series(records, "update", name, { tone, label });
    return { ...one, points: smooth(one.points, 0.9) };
  };
  return {
    title: "Cloning: loss per token",
    xLabel: "update",
    log: true,
    series: [
      loss("action_loss", "orange", "teacher's actions"),
      loss("observation_loss", "grey", "what is read"),
    ].filter((one) => one.points.length),
  };
}

/** Return the charts of what the trainer logs each iteration, known ones first. */
function trainCharts(records) {
  const numbers = (record) => Object.keys(record).filter((name) => isNumber(record[name]));
  const names = new Set(records.flatMap(numbers));
  const known = Object.keys(NAMES).filter((name) => names.has(name));
  const others = [...names].filter((name) => !(name in NAMES) && !NOT_DRAWN.has(name));
  return [...known, ...others].map((name) => ({
    title: NAMES[name] ?? name.replaceAll("_", " "),
    format: SHARES.has(name) ? (y, digits = 1) => percent(y, digits) : short,
    yRange: name === "valid" || name === "zero_advantage" ? [0, 1] : undefined,
    series: [series(records, "iteration", name, { tone: "blue" })],
  }));
}

/** Draw all charts; `pick` gets an iteration that is clicked. */
function drawCurves(section, { records, result }, cursor, pick) {
  const success = successChart(records, result.iteration);
  const specs = [success, ...trainCharts(records.train ?? [])];
  const charts = specs.filter((spec) => spec.series.some((one) => one.points.length));
  const figures = charts.map((spec) => new Chart(spec, cursor, pick).element);
  const cloning = cloneChart(records.clone ?? []);
  if (cloning.series.length) {
    const own = new Cursor();
    figures.splice(1, 0, new Chart(cloning, own, (x) => own.set(x)).element);
  }
  if (!figures.length) {
    const none = make("p", { class: "none" }, "Nothing was logged yet.");
    fill(section, make("h2", {}, "Curves"), none);
    return;
  }
  const [first, second, ...rest] = figures;
  const more = make(
    "details",
    {},
    make("summary", {}, "More curves"),
    make("div", { class: "charts" }, rest.slice(4)),
  );
  fill(
    section,
    make("h2", {}, "Curves"),
    make("div", { class: "charts wide" }, first, second),
    make("div", { class: "charts" }, rest.slice(0, 4)),
    rest.length > 4 ? more : null,
  );
}
