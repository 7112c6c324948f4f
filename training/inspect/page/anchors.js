// What GiGPO compares: the turns of a group of episodes that were taken in one state.

/** Return the discounted return-to-go of each turn of an episode. */
function returnsToGo(turns, gamma) {
  const returns = new Array(turns.length);
  let following = 0;
  for (let i = turns.length - 1; i >= 0; i--) {
    following = turns[i].reward + gamma * following;
    returns[i] = following;
  }
  return returns;
}

/** Turn a row of the file into what it stands for. */
function readTurn(row, texts) {
  const [observation, response, action, reward, valid, reason, advantage, anchor] = row;
  return {
    observation: texts[observation],
    response: texts[response],
    action: texts[action],
    reward,
    valid: Boolean(valid),
    reason: texts[reason],
    advantage,
    anchor,
  };
}

/** Read a group of a file: its episodes with their turns, and which turns share a state. */
function readGroup(group, file, gamma) {
  const episodes = group.episodes.map((episode, index) => {
    const turns = episode.turns.map((row) => readTurn(row, file.texts));
    for (const [i, value] of returnsToGo(turns, gamma).entries()) {
      Object.assign(turns[i], { value, number: (episode.first ?? 0) + i + 1, episode: index });
    }
    return { ...episode, index, turns, end: file.texts[episode.end] };
  });
  const anchors = new Map();
  for (const turn of episodes.flatMap((episode) => episode.turns)) {
    if (!anchors.has(turn.anchor)) anchors.set(turn.anchor, []);
    anchors.get(turn.anchor).push(turn);
  }
  const advantages = episodes.flatMap((e) => e.turns.map((turn) => Math.abs(turn.advantage ?? 0)));
  return { ...group, episodes, anchors, reach: Math.max(extent(advantages)[1], 1e-9) };
}

/** Draw an advantage as a bar that grows to the right or left, and as a number. */
function advantageBar(advantage, reach) {
  if (!isNumber(advantage)) return null;
  const share = Math.min(1, Math.abs(advantage) / reach);
  const tone = advantage > 0 ? "up" : advantage < 0 ? "down" : "even";
  const fillBar = make("i", {});
  fillBar.style.setProperty("--share", share);
  return make(
    "span",
    { class: `advantage ${tone}`, title: `advantage ${advantage}` },
    make("span", { class: "gauge", "aria-hidden": "true" }, fillBar),
    make("span", { class: "visually-hidden" }, "advantage "),
    signed(advantage),
  );
}

/** The chip of a turn's anchor group: its number, and how many turns fell in it. */
function anchorChip(turn, group, toggle) {
  const size = group.anchors.get(turn.anchor).length;
  const chip = make(
    "button",
    {
      type: "button",
      class: size > 1 ? "anchor shared" : "anchor",
      "aria-pressed": "false",
      "aria-label": `anchor group ${turn.anchor}, ${count(size, "turn")}`,
      title:
        size > 1
          ? `${size} turns were taken in this state: compare them`
          : "no other turn was taken in this state",
      onclick: () => toggle(turn.anchor),
    },
    `#${turn.anchor}`,
    make("span", { class: "size" }, `×${size}`),
  );
  chip.style.setProperty("--hue", hue(turn.anchor));
  return chip;
}

/**
 * Draw the turns of an anchor group beside each other, the best first.
 * @param {{jump: (turn: object) => void, close: () => void, algorithm: string}} actions
 */
function anchorPanel(anchor, group, { jump, close, algorithm }) {
  const worth = (turn) => turn.advantage ?? turn.value;
  const turns = [...group.anchors.get(anchor)].sort((a, b) => worth(b) - worth(a));
  const trained = turns.some((turn) => isNumber(turn.advantage));
  const mean = turns.reduce((sum, turn) => sum + turn.value, 0) / turns.length;
  const episodes = new Set(turns.map((turn) => turn.episode)).size;
  const heads = ["episode", "turn", "action", "return", ...(trained ? ["advantage"] : [])];
  const rows = turns.map((turn) => anchorRow(turn, group, trained, jump));
  const head = make("tr", {}, heads.map((text) => make("th", { scope: "col" }, text)));
  const what = `${count(turns.length, "turn")} of ${count(episodes, "episode")} in one state`;
  const panel = make(
    "aside",
    { class: "comparison", "aria-label": `Anchor group ${anchor}` },
    make(
      "header",
      {},
      make("h4", {}, `Anchor group #${anchor}: ${what}`),
      closeButton(close),
    ),
    make("p", { class: "why" }, explanation(turns.length, mean, trained, algorithm)),
    make(
      "div",
      { class: "scroll" },
      make(
        "table",
        {},
        make("thead", {}, head),
        make("tbody", {}, rows),
      ),
    ),
  );
  panel.style.setProperty("--hue", hue(anchor));
  return panel;
}

function closeButton(onclick) {
  const about = { "aria-label": "close", title: "close (Esc)" };
  return make("button", { type: "button", class: "close", ...about, onclick }, "×");
}

function explanation(size, mean, trained, algorithm) {
  if (size === 1) {
    return "No other turn of the group was taken in this state: it is compared with none.";
  }
  const average = `Their returns average ${short(mean)}.`;
  if (!trained) return average;
  if (algorithm !== "gigpo") {
    return `${average} ${algorithm || "The algorithm"} gave them these advantages.`;
  }
  const credit = "how its episode did, and with how far its own return is above this";
  return `${average} GiGPO credits a turn with ${credit}.`;
}

function anchorRow(turn, group, trained, jump) {
  const { won } = group.episodes[turn.episode];
  const go = make(
    "button",
    { type: "button", class: "jump", onclick: () => jump(turn) },
    `${turn.episode + 1} `,
    make("span", { class: won ? "won" : "lost" }, won ? "won" : "lost"),
  );
  return make(
    "tr",
    {},
    make("td", {}, go),
    make("td", {}, String(turn.number)),
    make("td", { class: turn.valid ? "action" : "action invalid" }, turn.action || "(nothing)"),
    make("td", { class: "number" }, turn.value.toFixed(3)),
    trained ? make("td", {}, advantageBar(turn.advantage, group.reach)) : null,
  );
}
