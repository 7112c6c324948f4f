'use strict';
// Which choices a request leaves a player, as ids of one half of a joint choice:
//   0 pass · 1–6 switch · 7 + 20·gimmick + 5·move + (target + 2)
// with moves 0–3, targets -2…2 (0: none to choose) and gimmicks 0 none, 1 mega, 4 terastallize.
// A team preview has one choice of 90, see `previewPlans`.

const GIMMICKS = [['canMegaEvo', 1], ['canTerastallize', 4]];

/** Leads and backs, each a pair of places in ascending order: 15 × 6 plans. */
function previewPlans() {
  const pairsOf = places => places.flatMap((one, i) => places.slice(i + 1).map(two => [one, two]));
  return pairsOf([1, 2, 3, 4, 5, 6]).flatMap(leads => {
    const rest = [1, 2, 3, 4, 5, 6].filter(place => !leads.includes(place));
    return pairsOf(rest).map(backs => [...leads, ...backs]);
  });
}

const PLANS = previewPlans();

/**
 * Return the ids that each of a player's two Pokémon may choose, one by one: which of them go
 * together is for `choices_after` in actions.py to say.
 * @param {object} request - what the simulator asks the player
 * @param {boolean[]} foes - whether there is a foe to aim at in each place
 * @returns {[number[], number[]]}
 */
function legalChoices(request, foes) {
  if (request.teamPreview) {
    const size = request.side.pokemon.length;
    const ids = PLANS.flatMap((plan, id) => plan.every(place => place <= size) ? [id] : []);
    return [ids, [0]];
  }
  const choose = request.forceSwitch ? replacements : orders;
  return [choose(request, 0, foes), choose(request, 1, foes)];
}

/** After a Pokémon fainted or left: who comes in. */
function replacements(request, slot) {
  const team = request.side.pokemon;
  if (!request.forceSwitch[slot]) return [0];
  if (team[slot].reviving) return places(team, pokemon => !alive(pokemon));
  const ids = places(team, (pokemon, i) => i >= 2 && alive(pokemon));
  const wanted = request.forceSwitch.filter(Boolean).length;
  return wanted > ids.length ? [...ids, 0] : ids;
}

/** In a turn: moves and switches. */
function orders(request, slot, foes) {
  const team = request.side.pokemon;
  const active = request.active[slot];
  if (!active || !alive(team[slot]) || team[slot].commanding) return [0];
  const ally = team.length > 1 && alive(team[1 - slot]);
  const ids = active.moves.flatMap((move, i) => {
    if (move.disabled) return [];
    return aims(move.target, slot, foes, ally).map(aim => 7 + 5 * i + aim + 2);
  });
  const plain = [...ids];
  for (const [allowed, gimmick] of GIMMICKS) {
    if (active[allowed]) ids.push(...plain.map(id => id + 20 * gimmick));
  }
  if (!active.trapped) ids.push(...places(team, (pokemon, i) => i >= 2 && alive(pokemon)));
  return ids.length ? ids : [0];
}

/** Return the targets to choose among: foes 1 and 2, own places -1 and -2, 0 for no choice. */
function aims(target, slot, foes, ally) {
  const partner = slot ? -1 : -2;
  const standing = [1, 2].filter(place => foes[place - 1]);
  const enemies = standing.length ? standing : [1, 2];
  switch (target) {
    case 'normal': case 'any': return ally ? [...enemies, partner] : enemies;
    case 'adjacentFoe': return enemies;
    case 'adjacentAlly': return [partner];
    case 'adjacentAllyOrSelf': return ally ? [-1, -2] : [slot ? -2 : -1];
    default: return [0];
  }
}

function places(team, chosen) {
  return team.flatMap((pokemon, i) => chosen(pokemon, i) ? [i + 1] : []);
}

function alive(pokemon) {
  return !pokemon.condition.endsWith(' fnt');
}

module.exports = {PLANS, legalChoices};
