// The episodes of a run: choose a file, a group of it, and read its episodes turn by turn.

/** Name a file as a person would. */
function fileLabel({ name, purpose, iteration }) {
  if (purpose === "train" && isNumber(iteration)) return `iteration ${iteration}`;
  const [when, ...mode] = name.split("-");
  return mode.length ? `${when}, ${mode.join(" ")}` : name;
}

class EpisodeBrowser {
  /**
   * @param {HTMLElement} section where it is drawn
   * @param {object} data of the run
   * @param {{onFile: (file: object) => void, onMove: () => void}} hooks told what is looked at
   */
  constructor(section, data, hooks) {
    Object.assign(this, { data, hooks, files: data.files });
    Object.assign(this, { fileIndex: 0, groupIndex: 0, episodeIndex: 0, anchor: null });
    Object.assign(this, { needle: "", outcome: "all", together: window.innerWidth > 900 });
    this.buildToolbar();
    this.notice = make("p", { class: "notice", role: "status" });
    this.list = make("nav", { class: "groups", "aria-label": "Groups" });
    this.board = make("div", { class: "board" });
    this.panel = make("div", { class: "panel" });
    const parts = make("div", { class: "browser" }, this.list, this.board);
    const shown = this.files.length ? [this.toolbar, this.notice, parts] : this.nothing();
    fill(section, make("h2", {}, "Episodes"), shown);
  }

  nothing() {
    const problems = this.data.unreadable.join("\n");
    return make("p", { class: "none" }, problems || "This run recorded no episodes.");
  }

  // The toolbar ------------------------------------------------------------------------------

  buildToolbar() {
    this.search = make("input", {
      type: "search",
      placeholder: "Search text",
      "aria-label": "Search in texts and actions",
      oninput: () => this.filter({ needle: this.search.value.trim().toLowerCase() }),
    });
    this.outcomes = this.choice("Outcome", ["all", "won", "lost"], (outcome) =>
      this.filter({ outcome }),
    );
    this.layouts = this.choice("Layout", ["side by side", "one at a time"], (layout) =>
      this.lay(layout === "side by side"),
    );
    this.toolbar = make(
      "div",
      { class: "toolbar" },
      this.fileStepper(),
      this.search,
      this.outcomes.element,
      this.layouts.element,
      keyHelp(),
    );
  }

  fileStepper() {
    const option = (file, i) => make("option", { value: i }, fileLabel(file));
    const options = (purpose) =>
      this.files.map((file, i) => (file.purpose === purpose ? option(file, i) : null));
    const purposes = [...new Set(this.files.map((file) => file.purpose))];
    const groups = purposes.map((purpose) =>
      make(
        "optgroup",
        { label: purpose === "train" ? "trained on" : "measured" },
        options(purpose),
      ),
    );
    const choose = () => this.showFile(Number(this.fileSelect.value));
    const name = { "aria-label": "File of episodes" };
    this.fileSelect = make("select", { ...name, onchange: choose }, groups);
    const step = (by, label, text) => {
      const onclick = () => this.stepFile(by);
      return make("button", { type: "button", "aria-label": label, title: label, onclick }, text);
    };
    return make(
      "span",
      { class: "stepper" },
      step(-1, "previous file ( [ )", "‹"),
      this.fileSelect,
      step(1, "next file ( ] )", "›"),
    );
  }

  /** Make a row of buttons of which one is on. */
  choice(label, names, choose) {
    const buttons = names.map((name) =>
      make("button", { type: "button", onclick: () => choose(name) }, name),
    );
    const show = (name) => {
      for (const [i, button] of buttons.entries()) {
        button.setAttribute("aria-pressed", String(names[i] === name));
      }
    };
    const about = { class: "choice", role: "group", "aria-label": label };
    return { element: make("span", about, buttons), show };
  }

  // What is looked at ------------------------------------------------------------------------

  get file() {
    return this.files[this.fileIndex];
  }

  /** The group that is looked at, with those of its episodes that the filter lets through. */
  get current() {
    return this.visible.find(({ index }) => index === this.groupIndex);
  }

  /** Show a file: a group of it, or the first in which some episodes won and some lost. */
  showFile(index, wanted = null, episode = 0) {
    if (!this.files[index]) return;
    Object.assign(this, { fileIndex: index, anchor: null });
    this.fileSelect.value = String(index);
    const { groups, recorded, shown } = this.file;
    this.groups = groups.map((group) => readGroup(group, this.file, this.data.gamma));
    this.say(
      shown < recorded
        ? `${recorded - shown} of ${recorded} episodes of this file are left out, ` +
            "to keep the page small."
        : "",
    );
    this.applyFilter();
    const asked = this.visible.find(({ index: i }) => i === wanted);
    const mixed = this.visible.find(({ group: { episodes } }) => {
      const won = wonOf(episodes);
      return won > 0 && won < episodes.length;
    });
    this.showGroup((asked ?? mixed ?? this.visible[0])?.index ?? 0, episode);
    this.hooks.onFile(this.file);
  }

  stepFile(by) {
    this.showFile(this.fileIndex + by);
  }

  /** Show the episodes of an iteration, or of the nearest that has some; false if none has. */
  showIteration(iteration) {
    const known = [...this.files.entries()].filter(([, file]) => isTraining(file));
    if (!known.length) return false;
    const distance = ([, file]) => Math.abs(file.iteration - iteration);
    const [index, file] = known.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    this.showFile(index);
    if (file.iteration !== iteration) {
      const nearest = `these are of iteration ${file.iteration}`;
      this.say(`No episodes of iteration ${iteration} are here; ${nearest}.`);
    }
    return true;
  }

  say(text) {
    this.notice.textContent = text;
  }

  filter(change) {
    Object.assign(this, change);
    this.applyFilter();
    this.showGroup((this.current ?? this.visible[0])?.index ?? 0, this.episodeIndex);
  }

  lay(together) {
    this.together = together;
    this.drawBoard();
  }

  /** Find which episodes of which groups are to be shown. */
  applyFilter() {
    const fits = (group) => group.episodes.filter((episode) => this.lets(group, episode));
    this.visible = this.groups
      .map((group, index) => ({ group, index, episodes: fits(group) }))
      .filter(({ episodes }) => episodes.length);
    this.outcomes.show(this.outcome);
    const items = this.visible.map((one) =>
      groupItem(one, this.needle, () => this.showGroup(one.index)),
    );
    fill(this.list, items.length ? items : make("p", { class: "none" }, "No episode fits."));
  }

  lets(group, episode) {
    if (this.outcome !== "all" && this.outcome !== outcomeOf(episode)) return false;
    if (!this.needle) return true;
    const has = (text) => text.toLowerCase().includes(this.needle);
    const texts = ({ observation, response, action, reason }) =>
      [observation, response, action, reason].some(has);
    return [group.goal, group.task, episode.end].some(has) || episode.turns.some(texts);
  }

  showGroup(index, episode = 0) {
    Object.assign(this, { groupIndex: index, anchor: null });
    const shown = this.current?.episodes ?? [];
    const asked = shown.find((one) => one.index === episode);
    this.episodeIndex = (asked ?? shown[0])?.index ?? 0;
    for (const button of this.list.querySelectorAll("button")) {
      const on = Number(button.dataset.group) === index;
      button.setAttribute("aria-current", String(on));
      if (on) keepInView(this.list, button);
    }
    this.drawBoard();
    this.hooks.onMove();
  }

  stepGroup(by) {
    const next = this.visible[this.visible.indexOf(this.current) + by];
    if (next) this.showGroup(next.index);
  }

  stepEpisode(by) {
    const shown = this.current?.episodes ?? [];
    const next = shown[shown.findIndex((one) => one.index === this.episodeIndex) + by];
    if (next) this.showEpisode(next.index);
  }

  showEpisode(index) {
    this.episodeIndex = index;
    if (!this.together) this.drawBoard();
    this.markCurrent();
    this.hooks.onMove();
    const card = this.board.querySelector(`[data-episode="${index}"]`);
    card?.scrollIntoView({ block: "nearest", inline: "center" });
  }

  /** Compare the turns of an anchor group; again, or null, ends it. */
  compare(anchor) {
    this.anchor = anchor === this.anchor ? null : anchor;
    this.markAnchor();
  }

  /** Go to a turn of the group that is looked at. */
  jump({ episode, number }) {
    if (!this.together && episode !== this.episodeIndex) this.showEpisode(episode);
    const place = `[data-episode="${episode}"] [data-turn="${number}"]`;
    const element = this.board.querySelector(place);
    element?.scrollIntoView({ block: "center", inline: "center", behavior: "smooth" });
    element?.focus({ preventScroll: true });
  }

  // How it is drawn --------------------------------------------------------------------------

  drawBoard() {
    this.layouts.show(this.together ? "side by side" : "one at a time");
    const { group, episodes } = this.current ?? {};
    if (!group) {
      fill(this.board);
      return;
    }
    const one = episodes.filter(({ index }) => index === this.episodeIndex);
    const shown = this.together ? episodes : one;
    const compare = (anchor) => this.compare(anchor);
    const cards = shown.map((episode) => episodeCard(episode, group, this.needle, compare));
    const choose = (index) => this.showEpisode(index);
    const tabs = episodes.length > 1 && !this.together;
    fill(
      this.board,
      groupHead(group, this.needle),
      tabs ? episodeTabs(episodes, this.episodeIndex, choose) : null,
      this.panel,
      make("div", { class: shown.length > 1 ? "lanes" : "lanes single" }, cards),
    );
    this.markCurrent();
    this.markAnchor();
  }

  markCurrent() {
    for (const article of this.board.querySelectorAll("[data-episode]")) {
      const on = Number(article.dataset.episode) === this.episodeIndex;
      article.classList.toggle("current", on);
    }
  }

  markAnchor() {
    const { anchor } = this;
    this.board.classList.toggle("comparing", anchor !== null);
    for (const element of this.board.querySelectorAll("[data-anchor]")) {
      const same = element.dataset.anchor === String(anchor);
      element.classList.toggle("same", same);
      element.querySelector(".anchor").setAttribute("aria-pressed", String(same));
      if (same) element.style.setProperty("--hue", hue(anchor));
    }
    const actions = {
      jump: (turn) => this.jump(turn),
      close: () => this.compare(null),
      algorithm: this.data.algorithm,
    };
    fill(this.panel, anchor === null ? [] : anchorPanel(anchor, this.current.group, actions));
  }
}

const isTraining = ({ purpose, iteration }) => purpose === "train" && isNumber(iteration);

/** Scroll a list, and nothing else, so that one of its children is seen. */
function keepInView(list, child) {
  const top = child.offsetTop - list.offsetTop;
  const bottom = top + child.offsetHeight;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}
