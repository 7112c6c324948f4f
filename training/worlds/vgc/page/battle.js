// A battle as it went: how both sides stand after each event, and all events to choose from.

const battle = JSON.parse(document.getElementById("data").textContent);
const SIDES = ["one", "two"];
const MAJOR = new Set(["move", "switch", "drag", "faint", "cant", "win", "tie", "-terastallize", "-mega"]);

/** Every event in order, with the turn it is of. */
const events = battle.turns.flatMap((turn, t) => turn.events.map((event) => ({ ...event, turn: t })));
const firsts = battle.turns.map((_, t) => events.findIndex((event) => event.turn === t));

/** How both teams stand after the first `count` events. */
function standing(count) {
  const teams = [[], []];
  for (const event of events.slice(0, count)) {
    for (const [side, number, ...pokemon] of event.changed) teams[side][number] = pokemon;
  }
  return teams;
}

const words = (id) => id.replace(/terrain$/, " terrain").replace(/room$/, " room");

function bar(health) {
  const kind = health > 50 ? "" : health > 20 ? "half" : "low";
  const filled = make("div", { class: kind });
  filled.style.width = `${health}%`;
  return make("div", {
    class: "bar", role: "meter", "aria-label": "health", "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": health,
  }, filled);
}

function card([species, health, status, fainted, place, seen, tera]) {
  const kind = ["pokemon", fainted ? "fainted" : "", seen ? "" : "unseen"].join(" ");
  const marks = [fainted ? "fainted" : `${Math.ceil(health)}%`, status, tera && `tera ${tera}`];
  return make("div", { class: kind, "data-place": place },
    make("strong", { title: species }, species),
    seen ? bar(fainted ? 0 : health) : null,
    make("div", { class: "marks" }, seen ? marks.filter(Boolean).join(" · ") : "not seen yet"));
}

function side(number, team, conditions) {
  const there = team.filter(Boolean);
  const active = [0, 1].map((place) => there.find((pokemon) => pokemon[4] === place && !pokemon[3]));
  const bench = there.filter((pokemon) => !active.includes(pokemon));
  return make("article", { class: `side ${SIDES[number]}` },
    make("h2", {}, make("span", { class: `name ${SIDES[number]}` }, battle.players[number])),
    make("div", { class: "active" }, active.map((pokemon) => (pokemon ? card(pokemon) : null))),
    make("div", { class: "bench" }, bench.map(card)),
    make("div", { class: "marks" }, conditions.map(words).join(" · ")));
}

let at = 0;

function show(count) {
  at = Math.max(0, Math.min(events.length, count));
  const last = events[at - 1] || { field: [], conditions: [[], []], turn: 0 };
  const teams = standing(at);
  fill(document.getElementById("field"),
    make("div", { class: "weather" }, last.field.map(words).join(" · ")),
    [0, 1].map((number) => side(number, teams[number], last.conditions[number])));
  document.getElementById("slider").value = String(at);
  const turn = battle.turns[last.turn];
  document.getElementById("where").textContent = turn.number ? `turn ${turn.number} of ${turns()}` : "before turn 1";
  for (const element of document.querySelectorAll(".now")) element.classList.remove("now");
  document.getElementById(`turn-${last.turn}`)?.classList.add("now");
  document.getElementById(`event-${at - 1}`)?.classList.add("now");
  document.getElementById("back").disabled = at === 0;
  document.getElementById("on").disabled = at === events.length;
}

const turns = () => battle.turns[battle.turns.length - 1].number;

/** The count of events before the next, or the previous, turn. */
function turnFrom(step) {
  const now = events[Math.max(0, at - 1)].turn;
  const ends = battle.turns.map((_, t) => (firsts[t + 1] > 0 ? firsts[t + 1] : events.length));
  if (step > 0) return at < ends[now] ? ends[now] : ends[Math.min(now + 1, ends.length - 1)];
  return now > 0 ? ends[now - 1] : 0;
}

function drawTop() {
  const [one, two] = battle.players;
  const won = battle.winner === null ? "a draw" : `won by ${battle.players[battle.winner]}`;
  fill(document.getElementById("top"),
    make("h1", {}, make("span", { class: "one" }, one), " against ", make("span", { class: "two" }, two)),
    make("p", { class: "about" },
      `${battle.format} · ${turns()} turns · ${won} · seed ${battle.seed.join(" ")} · ${battle.digest}`));
}

function drawControls() {
  fill(document.getElementById("controls"),
    make("button", { id: "start", onclick: () => show(0) }, "start"),
    make("button", { id: "back", onclick: () => show(at - 1) }, "back"),
    make("button", { id: "on", onclick: () => show(at + 1) }, "on"),
    make("button", { id: "turn", onclick: () => show(turnFrom(1)) }, "next turn"),
    make("button", { id: "end", onclick: () => show(events.length) }, "end"),
    make("input", {
      id: "slider", type: "range", min: 0, max: events.length, "aria-label": "event",
      oninput: (happened) => show(Number(happened.target.value)),
    }),
    make("span", { id: "where" }));
}

function drawLog() {
  let number = 0;
  const entry = (event) => {
    const place = number++;
    if (!event.words) return null;
    const kind = MAJOR.has(event.kind) ? event.kind.replace("-", "") : "minor";
    return make("li", { id: `event-${place}`, class: kind },
      make("button", { onclick: () => show(place + 1) }, event.words));
  };
  fill(document.getElementById("log"), battle.turns.map((turn, t) =>
    make("div", { class: "turn", id: `turn-${t}` },
      make("h3", {}, turn.number ? `Turn ${turn.number}` : "Before the first turn"),
      make("ol", {}, turn.events.map(entry)))));
}

document.addEventListener("keydown", (key) => {
  if (key.target.id === "slider") return;
  if (key.key === "ArrowRight") show(key.shiftKey ? turnFrom(1) : at + 1);
  if (key.key === "ArrowLeft") show(key.shiftKey ? turnFrom(-1) : at - 1);
});

drawTop();
drawControls();
drawLog();
show(firsts[1] > 0 ? firsts[1] : events.length);
