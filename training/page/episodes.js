// The episodes of a run: choose a file, a group of it, and read its episodes turn by turn.

/** Name a file as a person would. */
function fileLabel({ name, purpose, iteration }) {
  if (purpose === "train" && isNumber(iteration)) return `iteration ${iteration}`;
  const [when, ...mode] = name.split("-");
  return mode.length ? `${when}, ${mode.join(" ")}` : name;
}

const wonOf = (episodes) => episodes.filter((episode) => episode.won).length;

class EpisodeBrowser {
  /**
   * @param {HTMLElement} section where it is drawn
   * @param {object} data of the run
   * @param {{onFile: (file: object) => void, onMove: () => void}} hooks told what is looked at
   */
  constructor(section, data, hooks) {
    Object.assign(this, { data, hooks, fileIndex: 0, groupIndex: 0, episodeIndex: 0 });
    Object.assign(this, { needle: "", outcome: "all", together: window.innerWidth > 900, anchor: null });
    this.files = data.files;
    this.buildToolbar();
    this.notice = make("p", { class: "notice", role: "status" });
    this.list = make("nav", { class: "groups", "aria-label": "Groups" });
    this.board = make("div", { class: "board" });
    fill(
      section,
      make("h2", {}, "Episodes"),
      this.files.length ? [this.toolbar, this.notice, make("div", { class: "browser" }, this.list, this.board)] : this.nothing(),
    );
  }

  nothing() {
    const why = this.data.unreadable.length ? this.data.unreadable.join("\n") : "This run recorded no episodes.";
    return make("p", { class: "none" }, why);
  }

  buildToolbar() {
    const purposes = [...new Set(this.files.map((file) => file.purpose))];
    const options = purposes.map((purpose) =>
      make(
        "optgroup",
        { label: purpose === "train" ? "trained on" : "measured" },
        this.files.flatMap((file, i) => (file.purpose === purpose ? [make("option", { value: i }, fileLabel(file))] : [])),
      ),
    );
    this.fileSelect = make("select", { "aria-label": "File of episodes", onchange: () => this.showFile(Number(this.fileSelect.value)) }, options);
    this.search = make("input", {
      type: "search",
      placeholder: "Search text",
      "aria-label": "Search in texts and actions",
      oninput: () => this.filter({ needle: this.search.value.trim().toLowerCase() }),
    });
    this.outcomes = this.choice("Outcome", ["all", "won", "lost"], (outcome) => this.filter({ outcome }));
    this.layouts = this.choice("Layout", ["side by side", "one at a time"], (layout) => this.lay(layout === "side by side"));
    const step = (by, label, text) => make("button", { type: "button", "aria-label": label, title: label, onclick: () => this.stepFile(by) }, text);
    this.toolbar = make(
      "div",
      { class: "toolbar" },
      make("span", { class: "stepper" }, step(-1, "previous file ( [ )", "‹"), this.fileSelect, step(1, "next file ( ] )", "›")),
      this.search,
      this.outcomes.element,
      this.layouts.element,
      keyHelp(),
    );
  }

  /** Make a row of buttons of which one is on. */
  choice(label, names, choose) {
    const buttons = names.map((name) => make("button", { type: "button", onclick: () => choose(name) }, name));
    const show = (name) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(names[i] === name)));
    return { element: make("span", { class: "choice", role: "group", "aria-label": label }, buttons), show };
  }

  // What is looked at ------------------------------------------------------------------------

  get file() {
    return this.files[this.fileIndex];
  }

  /** Show a file: a group of it, or the first in which some episodes won and some lost. */
  showFile(index, wanted = null, episode = 0) {
    if (!this.files[index]) return;
    Object.assign(this, { fileIndex: index, anchor: null });
    this.fileSelect.value = String(index);
    this.groups = this.file.groups.map((one) => readGroup(one, this.file, this.data.gamma));
    const missing = this.file.recorded - this.file.shown;
    this.say(missing ? `${missing} of ${this.file.recorded} episodes of this file are left out, to keep the page small.` : "");
    this.applyFilter();
    const mixed = this.visible.find(({ group: { episodes } }) => wonOf(episodes) > 0 && wonOf(episodes) < episodes.length);
    const asked = this.visible.find(({ index: i }) => i === wanted);
    this.showGroup((asked ?? mixed ?? this.visible[0])?.index ?? 0, episode);
    this.hooks.onFile(this.file);
  }

  stepFile(by) {
    this.showFile(this.fileIndex + by);
  }

  /** Show the episodes of an iteration, or of the nearest that has some. */
  showIteration(iteration) {
    const known = this.files.flatMap((file, i) => (file.purpose === "train" && isNumber(file.iteration) ? [{ i, at: file.iteration }] : []));
    if (!known.length) return false;
    const distance = ({ at }) => Math.abs(at - iteration);
    const best = known.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    this.showFile(best.i);
    if (best.at !== iteration) this.say(`No episodes of iteration ${iteration} are here; these are of iteration ${best.at}.`);
    return true;
  }

  say(text) {
    this.notice.textContent = text;
  }

  filter(change) {
    Object.assign(this, change);
    this.applyFilter();
    const stays = this.visible.some(({ index }) => index === this.groupIndex);
    this.showGroup(stays ? this.groupIndex : (this.visible[0]?.index ?? 0), this.episodeIndex);
  }

  lay(together) {
    this.together = together;
    this.drawBoard();
  }

  /** Find which episodes of which groups are to be shown. */
  applyFilter() {
    const fits = (group) =>
      group.episodes.filter((episode) => (this.outcome === "all" || episode.won === (this.outcome === "won")) && this.holds(group, episode));
    this.visible = this.groups.map((group, index) => ({ group, index, episodes: fits(group) })).filter(({ episodes }) => episodes.length);
    this.outcomes.show(this.outcome);
    this.drawList();
  }

  holds(group, episode) {
    if (!this.needle) return true;
    const has = (text) => text.toLowerCase().includes(this.needle);
    if (has(group.goal) || has(group.task) || has(episode.end)) return true;
    return episode.turns.some((t) => has(t.observation) || has(t.action) || has(t.response) || has(t.reason));
  }

  showGroup(index, episode = 0) {
    Object.assign(this, { groupIndex: index, anchor: null });
    const shown = this.current?.episodes ?? [];
    this.episodeIndex = shown.some((one) => one.index === episode) ? episode : (shown[0]?.index ?? 0);
    for (const button of this.list.querySelectorAll("button")) {
      const on = Number(button.dataset.group) === index;
      button.setAttribute("aria-current", String(on));
      if (on) keepInView(this.list, button);
    }
    this.drawBoard();
    this.hooks.onMove();
  }

  get current() {
    return this.visible.find(({ index }) => index === this.groupIndex);
  }

  stepGroup(by) {
    const at = this.visible.findIndex(({ index }) => index === this.groupIndex);
    const next = this.visible[at + by];
    if (next) this.showGroup(next.index);
  }

  stepEpisode(by) {
    const shown = this.current?.episodes ?? [];
    const next = shown[shown.findIndex((one) => one.index === this.episodeIndex) + by];
    if (!next) return;
    this.episodeIndex = next.index;
    if (!this.together) this.drawBoard();
    this.hooks.onMove();
    this.board.querySelector(`[data-episode="${next.index}"]`)?.scrollIntoView({ block: "nearest", inline: "center" });
    this.markCurrent();
  }

  /** Compare the turns of an anchor group; again, or null, ends it. */
  compare(anchor) {
    this.anchor = anchor === this.anchor ? null : anchor;
    this.markAnchor();
  }

  jump(turn) {
    if (!this.together && turn.episode !== this.episodeIndex) {
      this.episodeIndex = turn.episode;
      this.drawBoard();
    }
    const element = this.board.querySelector(`[data-episode="${turn.episode}"] [data-turn="${turn.number}"]`);
    element?.scrollIntoView({ block: "center", inline: "center", behavior: "smooth" });
    element?.focus({ preventScroll: true });
  }

  // How it is drawn --------------------------------------------------------------------------

  drawList() {
    const items = this.visible.map(({ group, index, episodes }) => {
      const won = wonOf(group.episodes);
      const dots = group.episodes.map((episode) => {
        const tone = episode.won ? "won" : "lost";
        return make("i", { class: episodes.includes(episode) ? tone : `${tone} hidden-by-filter` });
      });
      return make(
        "button",
        { type: "button", "data-group": index, onclick: () => this.showGroup(index) },
        make("span", { class: "goal" }, marked(group.goal || group.task, this.needle)),
        make("span", { class: "task" }, marked(group.task, this.needle)),
        make("span", { class: "outcome" }, make("span", { class: "dots", "aria-hidden": "true" }, dots), `won ${won}/${group.episodes.length}`),
      );
    });
    fill(this.list, items.length ? items : make("p", { class: "none" }, "No episode fits."));
  }

  drawBoard() {
    this.layouts.show(this.together ? "side by side" : "one at a time");
    const { group, episodes } = this.current ?? {};
    if (!group) {
      fill(this.board);
      return;
    }
    const shown = this.together ? episodes : episodes.filter((one) => one.index === this.episodeIndex);
    this.panel = make("div", { class: "panel" });
    fill(
      this.board,
      make("h3", {}, marked(group.goal || group.task, this.needle)),
      make("p", { class: "task" }, `${group.task}${group.type && !group.task.includes(group.type) ? ` (${group.type})` : ""}, won ${wonOf(group.episodes)}/${group.episodes.length}`),
      episodes.length > 1 && !this.together ? this.tabs(episodes) : null,
      this.panel,
      make("div", { class: shown.length > 1 ? "lanes" : "lanes single" }, shown.map((one) => this.drawEpisode(one, group))),
    );
    this.markCurrent();
    this.markAnchor();
  }

  tabs(episodes) {
    const buttons = episodes.map((episode) =>
      make(
        "button",
        { type: "button", "aria-pressed": String(episode.index === this.episodeIndex), onclick: () => this.stepEpisode(episodes.indexOf(episode) - episodes.findIndex((e) => e.index === this.episodeIndex)) },
        `${episode.index + 1} `,
        make("span", { class: episode.won ? "won" : "lost" }, episode.won ? "won" : "lost"),
      ),
    );
    return make("div", { class: "choice tabs", role: "group", "aria-label": "Episode" }, buttons);
  }

  drawEpisode(episode, group) {
    const ends = { turns: "out of turns", context: "context full", left: "left" };
    const how = episode.won ? "won" : `lost${ends[episode.stop] ? `, ${ends[episode.stop]}` : ""}`;
    return make(
      "article",
      { class: "episode", "data-episode": episode.index, "aria-label": `Episode ${episode.index + 1}, ${how}` },
      make(
        "header",
        {},
        make("b", {}, `Episode ${episode.index + 1}`),
        make("span", { class: episode.won ? "won" : "lost" }, how),
        make("span", { class: "muted" }, count(episode.turns.length, "turn")),
      ),
      episode.turns.map((turn) => this.drawTurn(turn, group)),
      make("p", { class: "observation end" }, marked(episode.end, this.needle)),
    );
  }

  drawTurn(turn, group) {
    const wrote = turn.response.trim() !== "" && turn.response.trim() !== turn.action;
    return make(
      "section",
      { class: "turn", "data-turn": turn.number, "data-anchor": turn.anchor, tabindex: "-1", "aria-label": `Turn ${turn.number}` },
      make(
        "header",
        {},
        make("span", { class: "number" }, String(turn.number)),
        anchorChip(turn, group, (anchor) => this.compare(anchor)),
        advantageBar(turn.advantage, group.reach),
      ),
      make("p", { class: "observation" }, marked(turn.observation, this.needle)),
      wrote ? make("p", { class: "response", "aria-label": "response" }, marked(turn.response, this.needle)) : null,
      make(
        "p",
        { class: turn.valid ? "action" : "action invalid" },
        marked(turn.action || "(nothing)", this.needle),
        turn.reward ? make("span", { class: "reward", title: "reward" }, signed(turn.reward, Number.isInteger(turn.reward) ? 0 : 2)) : null,
      ),
      turn.valid ? null : make("p", { class: "reason" }, "invalid: ", marked(turn.reason, this.needle)),
    );
  }

  markCurrent() {
    for (const article of this.board.querySelectorAll("[data-episode]")) {
      article.classList.toggle("current", Number(article.dataset.episode) === this.episodeIndex);
    }
  }

  markAnchor() {
    const { anchor } = this;
    this.board.classList.toggle("comparing", anchor !== null);
    for (const element of this.board.querySelectorAll("[data-anchor]")) {
      const same = anchor !== null && element.dataset.anchor === String(anchor);
      element.classList.toggle("same", same);
      element.querySelector(".anchor").setAttribute("aria-pressed", String(same));
      if (same) element.style.setProperty("--hue", hue(anchor));
    }
    const actions = { jump: (turn) => this.jump(turn), close: () => this.compare(null), algorithm: this.data.algorithm };
    fill(this.panel, anchor === null ? null : anchorPanel(anchor, this.current.group, actions));
  }
}

/** Scroll a list, and nothing else, so that one of its children is seen. */
function keepInView(list, child) {
  const top = child.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + child.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + child.offsetHeight - list.clientHeight;
}

function keyHelp() {
  const keys = [
    ["j k", "group"],
    ["← →", "episode"],
    ["[ ]", "file"],
    ["s", "layout"],
    ["/", "search"],
    ["Esc", "end comparison"],
  ];
  return make(
    "details",
    { class: "keys" },
    make("summary", {}, "Keys"),
    make("dl", {}, keys.map(([key, what]) => make("div", {}, make("dt", {}, key), make("dd", {}, what)))),
  );
}
