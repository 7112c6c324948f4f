// The top of the page: what was run, how it ended, where the time went.

const ROWS = 14; // of a column of settings

function drawTop(header, data) {
  const title = data.algorithm ? `${data.algorithm} on ${data.env}` : data.env || data.name;
  const state = data.finished ? "finished" : "no result yet: running, or interrupted";
  fill(
    header,
    make("h1", {}, title),
    make(
      "p",
      { class: "about" },
      make("span", { class: "run" }, data.name),
      make("span", { class: data.finished ? "state done" : "state" }, state),
    ),
  );
}

/** Return figures by mode: from the result, or from the log of a run that has none. */
function headline(data) {
  const { before = {}, after = {}, gain = {} } = data.result;
  const logged = (phase) => Object.fromEntries((data.records[phase] ?? []).map((r) => [r.mode, r]));
  const first = Object.keys(before).length ? before : logged("before");
  const last = Object.keys(after).length ? after : logged("after");
  return Object.keys(first).map((mode) => ({
    mode,
    split: `${first[mode].split}${first[mode].training_tasks ? " (training tasks)" : ""}`,
    before: first[mode].success,
    after: last[mode]?.success,
    gain: gain[mode],
  }));
}

function intervalText(interval, sign = false) {
  if (!interval || !isNumber(interval.mean)) return "–";
  const text = (share) => (sign ? signed(100 * share, 1) : percent(share));
  const [low, high] = [text(interval.low), text(interval.high)];
  const range = make("span", { class: "interval" }, ` [${low}, ${high}]`);
  return [make("b", {}, text(interval.mean)), range];
}

/** Draw an interval on a line from `from` to `to`. */
function intervalBar(interval, from, to, tone) {
  if (!interval || !isNumber(interval.mean)) return null;
  const at = (value) => 4 + (112 * (value - from)) / (to - from);
  const zero = draw("line", { class: "zero", x1: at(0), x2: at(0), y1: 1, y2: 13 });
  return draw(
    "svg",
    {
      class: `bar ${tone}`,
      viewBox: "0 0 120 14",
      preserveAspectRatio: "xMinYMid",
      "aria-hidden": "true",
    },
    draw("line", { class: "track", x1: 4, x2: 116, y1: 7, y2: 7 }),
    from < 0 ? zero : null,
    draw("line", { class: "range", x1: at(interval.low), x2: at(interval.high), y1: 7, y2: 7 }),
    draw("circle", { cx: at(interval.mean), cy: 7, r: 4 }),
  );
}

/** @param {number | undefined} best iteration of the policy that was measured after */
function headlineTable(rows, best) {
  const gains = rows.flatMap(({ gain }) => [gain?.low, gain?.high]).filter(isNumber);
  const widest = extent(gains.map(Math.abs))[1];
  const reach = isNumber(widest) ? Math.max(0.05, widest) : 1;
  const cell = (interval, tone, sign) =>
    make(
      "td",
      {},
      intervalText(interval, sign),
      sign ? intervalBar(interval, -reach, reach, tone) : intervalBar(interval, 0, 1, tone),
    );
  const body = rows.map(({ mode, before, after, gain }) => {
    const verdict = gain?.low > 0 ? "better" : gain?.high < 0 ? "worse" : "grey";
    const cells = [cell(before, "grey"), cell(after, "blue"), cell(gain, verdict, true)];
    return make("tr", {}, make("th", { scope: "row" }, mode), cells);
  });
  const names = ["", "before", "after", "gain (paired)"];
  const heads = names.map((name) => make("th", { scope: "col" }, name));
  const which = isNumber(best) ? `; after: the policy of iteration ${best}` : "";
  const caption = `Success on ${rows[0].split}, in %, with 95 % intervals over tasks${which}`;
  return make(
    "table",
    { class: "headline" },
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads)),
    make("tbody", {}, body),
  );
}

function timeBar(seconds) {
  const phases = Object.entries(seconds).filter(([, s]) => s > 0).sort((a, b) => b[1] - a[1]);
  const total = phases.reduce((sum, [, s]) => sum + s, 0);
  if (!total) return null;
  const parts = phases.map(([phase, s], i) => {
    const part = make("span", { class: "part", title: `${phase}: ${s} s` });
    part.style.setProperty("--share", s / total);
    part.style.setProperty("--hue", hue(i));
    return part;
  });
  const legend = phases.map(([phase, s], i) => {
    const swatch = make("i", {});
    swatch.style.setProperty("--hue", hue(i));
    return make("li", {}, swatch, `${phase} `, make("b", {}, s.toFixed(s >= 10 ? 0 : 1)), " s");
  });
  const spoken = `CPU time by phase, ${total.toFixed(0)} seconds in all`;
  return make(
    "div",
    { class: "time" },
    make("h3", {}, `CPU time: ${total.toFixed(0)} s`),
    make("div", { class: "stack", role: "img", "aria-label": spoken }, parts),
    make("ul", { class: "legend" }, legend),
  );
}

function settingsTable(rows) {
  const lines = rows.map(({ key: name, value }) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, text));
  });
  return make("table", { class: "settings" }, make("tbody", {}, lines));
}

function settingsPart(settings) {
  if (!settings.length) return null;
  const changed = settings.filter((row) => row.changed);
  const same = settings.filter((row) => !row.changed);
  const starts = [...same.keys()].filter((i) => i % ROWS === 0);
  const tables = starts.map((i) => settingsTable(same.slice(i, i + ROWS)));
  const differ = `${changed.length} of ${settings.length} differ from the defaults`;
  return make(
    "details",
    { class: "settings" },
    make("summary", {}, `Settings: ${changed.length ? differ : "all defaults"}`),
    make("div", { class: "columns" }, [
      changed.length ? make("div", {}, make("h3", {}, "Changed"), settingsTable(changed)) : null,
      make("div", {}, make("h3", {}, "Defaults"), make("div", { class: "columns" }, tables)),
    ]),
  );
}

function drawSummary(section, data) {
  const rows = headline(data);
  const none = make("p", { class: "none" }, "Nothing was measured yet.");
  fill(
    section,
    make("div", { class: "figures" }, [
      rows.length ? headlineTable(rows, data.result.iteration) : none,
      timeBar(data.result.cpu_seconds ?? {}),
    ]),
    settingsPart(data.settings),
  );
}
