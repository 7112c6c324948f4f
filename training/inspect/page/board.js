// How groups, episodes and turns are drawn.

const LONG = 260; // letters, beyond which an observation beside others is cut
const ENDS = { turns: "out of turns", context: "context full", stuck: "stuck", left: "left" };

const wonOf = (episodes) => episodes.filter((episode) => episode.won).length;
const outcomeOf = ({ won }) => (won ? "won" : "lost");

/** Draw a group as an item of the list; episodes that the filter hides are faint. */
function groupItem({ group, index, episodes }, needle, onclick) {
  const dots = group.episodes.map((episode) => {
    const faint = episodes.includes(episode) ? "" : " hidden-by-filter";
    return make("i", { class: outcomeOf(episode) + faint });
  });
  const won = `won ${wonOf(group.episodes)}/${group.episodes.length}`;
  return make(
    "button",
    { type: "button", "data-group": index, onclick },
    make("span", { class: "goal" }, marked(group.goal || group.task, needle)),
    make("span", { class: "task" }, marked(group.task, needle)),
    make(
      "span",
      { class: "outcome" },
      make("span", { class: "dots", "aria-hidden": "true" }, dots),
      won,
    ),
  );
}

function groupHead(group, needle) {
  const kind = group.type && !group.task.includes(group.type) ? ` (${group.type})` : "";
  const won = `won ${wonOf(group.episodes)}/${group.episodes.length}`;
  return [
    make("h3", {}, marked(group.goal || group.task, needle)),
    make("p", { class: "task" }, `${group.task}${kind}, ${won}`),
  ];
}

/** Draw a row of buttons that choose one of the episodes. */
function episodeTabs(episodes, current, choose) {
  const buttons = episodes.map((episode) =>
    make(
      "button",
      {
        type: "button",
        "aria-pressed": String(episode.index === current),
        onclick: () => choose(episode.index),
      },
      `${episode.index + 1} `,
      make("span", { class: outcomeOf(episode) }, outcomeOf(episode)),
    ),
  );
  return make("div", { class: "choice tabs", role: "group", "aria-label": "Episode" }, buttons);
}

/** Draw an episode from its first observation to its last. */
function episodeCard(episode, group, needle, compare) {
  const end = ENDS[episode.stop];
  const how = episode.won || !end ? outcomeOf(episode) : `lost, ${end}`;
  return make(
    "article",
    {
      class: "episode",
      "data-episode": episode.index,
      "aria-label": `Episode ${episode.index + 1}, ${how}`,
    },
    make(
      "header",
      {},
      make("b", {}, `Episode ${episode.index + 1}`),
      make("span", { class: outcomeOf(episode) }, how),
      make("span", { class: "muted" }, count(episode.turns.length, "turn")),
      episode.first ? make("span", { class: "muted" }, `forked at turn ${episode.first + 1}`) : null,
    ),
    episode.turns.map((turn) => turnSection(turn, group, needle, compare)),
    make("p", { class: "observation end" }, marked(episode.end, needle)),
  );
}

function turnSection(turn, group, needle, compare) {
  return make(
    "section",
    {
      class: "turn",
      "data-turn": turn.number,
      "data-anchor": turn.anchor,
      tabindex: "-1",
      "aria-label": `Turn ${turn.number}`,
    },
    make(
      "header",
      {},
      make("span", { class: "number" }, String(turn.number)),
      anchorChip(turn, group, compare),
      advantageBar(turn.advantage, group.reach),
    ),
    observationText(turn.observation, needle),
    responseText(turn, needle),
    actionText(turn, needle),
    turn.valid ? null : make("p", { class: "reason" }, "invalid: ", marked(turn.reason, needle)),
  );
}

/** Draw what was seen; where episodes stand side by side, a long text opens at a click. */
function observationText(text, needle) {
  const shown = make("p", { class: "observation" }, marked(text, needle));
  if (text.length <= LONG || needle) return shown;
  shown.classList.add("long");
  const open = () => shown.classList.remove("long");
  return [shown, make("button", { type: "button", class: "more", onclick: open }, "show all")];
}

/** Draw what the policy wrote, where that is more than the action. */
function responseText({ response, action }, needle) {
  if (["", action].includes(response.trim())) return null;
  return make("p", { class: "response", "aria-label": "response" }, marked(response, needle));
}

function actionText({ action, valid, reward }, needle) {
  const digits = Number.isInteger(reward) ? 0 : 2;
  const paid = make("span", { class: "reward", title: "reward" }, signed(reward, digits));
  return make(
    "p",
    { class: valid ? "action" : "action invalid" },
    marked(action || "(nothing)", needle),
    reward ? paid : null,
  );
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
  const rows = keys.map(([key, what]) =>
    make("div", {}, make("dt", {}, key), make("dd", {}, what)),
  );
  return make("details", { class: "keys" }, make("summary", {}, "Keys"), make("dl", {}, rows));
}
