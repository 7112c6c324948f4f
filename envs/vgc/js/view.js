'use strict';
// What a player knows of a battle, from the lines that the simulator sends to that player's
// channel and from nothing else: what is not in those lines cannot leak. A view is plain data.
//
// The protocol is described in the simulator's own SIM-PROTOCOL.md.

const STATS = ['atk', 'def', 'spa', 'spd', 'spe', 'accuracy', 'evasion'];
const PROTECTING = new Set(['protect', 'detect', 'spikyshield', 'kingsshield', 'banefulbunker',
  'obstruct', 'silktrap', 'burningbulwark', 'endure', 'maxguard', 'quickguard', 'wideguard']);

/** Return the view of a battle of which nothing was said yet. */
function newView() {
  return {
    turn: 0,
    weather: null, // {id, since}
    fields: {}, // terrains and rooms: id → {since}
    sides: [newSide(), newSide()],
  };
}

function newSide() {
  return {conditions: {}, active: [-1, -1], team: [], terastallized: false};
}

function newPokemon(species, gender) {
  return {
    species, gender, types: null, ability: '', item: '', itemKnown: false, tera: '',
    terastallized: false, moves: [], health: 1, status: '', fainted: false, seen: false,
    before: null, // what was believed when it came in, should it be an illusion
    ...onTheBench(),
  };
}

/** Return what a Pokémon forgets when it leaves the field. */
function onTheBench() {
  return {boosts: STATS.map(() => 0), volatiles: {}, since: 0, protects: 0, borrowed: null};
}

/** Reads protocol lines into views. */
class Reader {
  constructor(dex, teams) {
    this.dex = dex;
    this.teams = teams;
  }

  /** Bring a view up to date with a line; lines that tell nothing of the state are passed over. */
  read(view, line) {
    const [, kind, ...words] = line.split('|');
    const reads = HANDLERS[kind];
    if (!reads) return;
    const [plain, details] = splitDetails(words);
    reads.call(this, view, plain, details);
    if (details.from) this.readCause(view, plain, details);
  }

  /** An effect that names its cause tells of an ability or an item. */
  readCause(view, words, details) {
    const [kind, name] = details.from.split(': ');
    const holder = this.find(view, details.of || words[0]);
    if (!holder || !name) return;
    if (kind === 'ability') this.ownAbility(holder, this.dex.toID(name));
    if (kind === 'item' && !holder.itemKnown) this.ownItem(holder, this.dex.toID(name));
  }

  /** Return the Pokémon on the field that an identifier such as `p2a: Rillaboom` means. */
  find(view, ident) {
    const place = placeOf(ident);
    if (!place) return null;
    const side = view.sides[place.side];
    if (place.slot < 0) return this.member(side, ident.slice(ident.indexOf(': ') + 2));
    return side.team[side.active[place.slot]] || null;
  }

  /** Return a side's Pokémon of a species, in whatever forme; undefined where it has none. */
  member(side, species) {
    const base = this.baseSpecies(species);
    return side.team.find(pokemon => this.baseSpecies(pokemon.species) === base);
  }

  baseSpecies(name) {
    return this.dex.species.get(name.replace(/-\*$/, '')).baseSpecies;
  }

  ownAbility(pokemon, id) {
    pokemon.ability = id;
  }

  ownItem(pokemon, id) {
    pokemon.item = id;
    pokemon.itemKnown = true;
  }

  /** A Pokémon takes a place on the field; the one that was there leaves it. */
  enter(view, ident, details, condition) {
    const {side: n, slot} = placeOf(ident);
    const side = view.sides[n];
    this.leave(side, slot);
    const [species, gender] = speciesAndGender(details);
    let pokemon = this.member(side, species);
    if (!pokemon) side.team.push(pokemon = newPokemon(species, gender));
    pokemon.before = this.remembered(pokemon);
    Object.assign(pokemon, onTheBench(), {species, gender, seen: true, since: view.turn});
    readCondition(pokemon, condition);
    side.active[slot] = side.team.indexOf(pokemon);
  }

  leave(side, slot) {
    const pokemon = side.team[side.active[slot]];
    if (!pokemon) return;
    if (pokemon.borrowed) Object.assign(pokemon, pokemon.borrowed);
    Object.assign(pokemon, onTheBench(), {before: null});
    side.active[slot] = -1;
  }

  /** Return what is to be believed of a Pokémon again should it turn out to be an illusion. */
  remembered({before, ...pokemon}) {
    return structuredClone(pokemon);
  }

  /** An illusion breaks: what was seen since it came in was the other one's doing. */
  unmask(view, ident, details) {
    const {side: n, slot} = placeOf(ident);
    const side = view.sides[n];
    const mask = side.team[side.active[slot]];
    if (!mask) return;
    const [species, gender] = speciesAndGender(details);
    let pokemon = this.member(side, species);
    if (!pokemon) side.team.push(pokemon = newPokemon(species, gender));
    const {health, status, boosts, volatiles, since, protects, before} = mask;
    const used = before ? mask.moves.filter(id => !before.moves.includes(id)) : [];
    Object.assign(pokemon, {health, status, boosts, volatiles, since, protects, seen: true});
    for (const id of used) learn(pokemon, id);
    if (before) Object.assign(mask, before, {before: null});
    side.active[slot] = side.team.indexOf(pokemon);
  }

  transform(view, pokemon, target) {
    if (!pokemon || !target) return;
    const {species, types, ability, moves} = pokemon;
    pokemon.borrowed = {species, types, ability, moves};
    Object.assign(pokemon, {
      species: target.species, types: target.types, ability: target.ability,
      moves: [...target.moves], boosts: [...target.boosts],
    });
  }
}

const HANDLERS = {
  turn(view, [number]) {
    view.turn = Number(number);
    everyone(view, forgetSingleTurn);
  },
  poke(view, [side, details]) {
    const [species, gender] = speciesAndGender(details);
    view.sides[sideOf(side)].team.push(newPokemon(species, gender));
  },
  showteam(view, [side, ...packed]) {
    const team = this.teams.unpack(packed.join('|')) || [];
    for (const set of team) {
      const pokemon = this.member(view.sides[sideOf(side)], set.species || set.name);
      if (!pokemon) continue;
      const {dex} = this;
      pokemon.moves = set.moves.map(move => dex.toID(move));
      pokemon.tera = set.teraType || '';
      this.ownAbility(pokemon, dex.toID(set.ability));
      this.ownItem(pokemon, dex.toID(set.item));
    }
  },
  switch(view, [ident, details, condition]) {
    this.enter(view, ident, details, condition);
  },
  drag(view, [ident, details, condition]) {
    this.enter(view, ident, details, condition);
  },
  replace(view, [ident, details]) {
    this.unmask(view, ident, details);
  },
  swap(view, [ident, slot]) {
    const place = placeOf(ident);
    const {active} = view.sides[place.side];
    [active[place.slot], active[slot]] = [active[slot], active[place.slot]];
  },
  detailschange(view, [ident, details]) {
    const pokemon = this.find(view, ident);
    if (pokemon) [pokemon.species] = speciesAndGender(details);
  },
  '-formechange'(view, [ident, species]) {
    const pokemon = this.find(view, ident);
    if (pokemon) pokemon.species = species;
  },
  '-transform'(view, [ident, target]) {
    this.transform(view, this.find(view, ident), this.find(view, target));
  },
  '-mega'(view, [ident, , stone]) {
    const pokemon = this.find(view, ident);
    if (pokemon) this.ownItem(pokemon, this.dex.toID(stone));
  },
  '-terastallize'(view, [ident, type]) {
    const pokemon = this.find(view, ident);
    if (pokemon) Object.assign(pokemon, {tera: type, terastallized: true});
    view.sides[placeOf(ident).side].terastallized = true;
  },
  faint(view, [ident]) {
    const pokemon = this.find(view, ident);
    if (pokemon) Object.assign(pokemon, {health: 0, fainted: true, status: ''});
  },
  move(view, [ident, name], details) {
    const pokemon = this.find(view, ident);
    if (!pokemon) return;
    const id = this.dex.toID(name);
    const borrowed = details.from && details.from !== 'lockedmove';
    if (!borrowed && id !== 'struggle') learn(pokemon, id);
    pokemon.protects = PROTECTING.has(id) ? pokemon.protects + 1 : 0;
  },
  '-damage': changeHealth,
  '-heal': changeHealth,
  '-sethp': changeHealth,
  '-status'(view, [ident, status]) {
    const pokemon = this.find(view, ident);
    if (pokemon) pokemon.status = status;
  },
  '-curestatus'(view, [ident]) {
    const pokemon = this.find(view, ident);
    if (pokemon) pokemon.status = '';
  },
  '-cureteam'(view, [ident]) {
    for (const pokemon of view.sides[placeOf(ident).side].team) pokemon.status = '';
  },
  '-boost'(view, [ident, stat, amount]) {
    changeBoost(this.find(view, ident), stat, boost => Math.min(6, boost + Number(amount)));
  },
  '-unboost'(view, [ident, stat, amount]) {
    changeBoost(this.find(view, ident), stat, boost => Math.max(-6, boost - Number(amount)));
  },
  '-setboost'(view, [ident, stat, amount]) {
    changeBoost(this.find(view, ident), stat, () => Number(amount));
  },
  '-swapboost'(view, [ident, other, stats]) {
    const [one, two] = [this.find(view, ident), this.find(view, other)];
    if (!one || !two) return;
    for (const stat of stats ? stats.split(', ') : STATS) {
      const i = STATS.indexOf(stat);
      [one.boosts[i], two.boosts[i]] = [two.boosts[i], one.boosts[i]];
    }
  },
  '-copyboost'(view, [ident, other]) {
    const [one, two] = [this.find(view, ident), this.find(view, other)];
    if (one && two) one.boosts = [...two.boosts];
  },
  '-invertboost'(view, [ident]) {
    changeBoosts(this.find(view, ident), boost => -boost || 0);
  },
  '-clearboost'(view, [ident]) {
    changeBoosts(this.find(view, ident), () => 0);
  },
  '-clearallboost'(view) {
    everyone(view, pokemon => changeBoosts(pokemon, () => 0));
  },
  '-clearpositiveboost'(view, [ident]) {
    changeBoosts(this.find(view, ident), boost => Math.min(boost, 0));
  },
  '-clearnegativeboost'(view, [ident]) {
    changeBoosts(this.find(view, ident), boost => Math.max(boost, 0));
  },
  '-weather'(view, [name], details) {
    if (name === 'none') view.weather = null;
    else if (!('upkeep' in details)) view.weather = {id: this.dex.toID(name), since: view.turn};
  },
  '-fieldstart'(view, [name]) {
    const id = effectId(this.dex, name);
    if (id.endsWith('terrain')) dropTerrains(view.fields);
    view.fields[id] = {since: view.turn};
  },
  '-fieldend'(view, [name]) {
    delete view.fields[effectId(this.dex, name)];
  },
  '-sidestart'(view, [side, name]) {
    const {conditions} = view.sides[sideOf(side)];
    const id = effectId(this.dex, name);
    const layers = (conditions[id]?.layers || 0) + 1;
    conditions[id] = {since: view.turn, layers};
  },
  '-sideend'(view, [side, name]) {
    delete view.sides[sideOf(side)].conditions[effectId(this.dex, name)];
  },
  '-swapsideconditions'(view) {
    const [one, two] = view.sides;
    [one.conditions, two.conditions] = [two.conditions, one.conditions];
  },
  '-start'(view, [ident, name, value]) {
    const pokemon = this.find(view, ident);
    if (!pokemon) return;
    const id = effectId(this.dex, name);
    if (id === 'typechange') pokemon.types = value ? value.split('/') : null;
    else pokemon.volatiles[id] = {since: view.turn};
  },
  '-end'(view, [ident, name]) {
    const pokemon = this.find(view, ident);
    if (!pokemon) return;
    const id = effectId(this.dex, name);
    if (id === 'typechange') pokemon.types = null;
    delete pokemon.volatiles[id];
  },
  '-singleturn'(view, [ident, name]) {
    const pokemon = this.find(view, ident);
    if (pokemon) pokemon.volatiles[effectId(this.dex, name)] = {since: view.turn, ends: true};
  },
  '-mustrecharge'(view, [ident]) {
    const pokemon = this.find(view, ident);
    if (pokemon) pokemon.volatiles.mustrecharge = {since: view.turn};
  },
  cant(view, [ident, reason]) {
    const pokemon = this.find(view, ident);
    if (!pokemon) return;
    pokemon.protects = 0;
    if (reason === 'recharge') delete pokemon.volatiles.mustrecharge;
  },
  '-item'(view, [ident, name]) {
    const pokemon = this.find(view, ident);
    if (pokemon) this.ownItem(pokemon, this.dex.toID(name));
  },
  '-enditem'(view, [ident]) {
    const pokemon = this.find(view, ident);
    if (pokemon) this.ownItem(pokemon, '');
  },
  '-ability'(view, [ident, name]) {
    const pokemon = this.find(view, ident);
    if (pokemon) this.ownAbility(pokemon, this.dex.toID(name));
  },
};

function changeHealth(view, [ident, condition]) {
  const pokemon = this.find(view, ident);
  if (pokemon) readCondition(pokemon, condition);
}

/** Read `62/100 par`, `20/100y` (the bar's colour, where the share leaves it open) or `0 fnt`. */
function readCondition(pokemon, condition) {
  const [health, status] = condition.split(' ');
  const [left, full] = health.split('/').map(part => parseInt(part, 10));
  pokemon.fainted = status === 'fnt';
  pokemon.health = pokemon.fainted ? 0 : left / full;
  pokemon.status = pokemon.fainted ? '' : status || '';
}

function changeBoost(pokemon, stat, change) {
  if (!pokemon) return;
  const i = STATS.indexOf(stat);
  if (i >= 0) pokemon.boosts[i] = change(pokemon.boosts[i]);
}

function changeBoosts(pokemon, change) {
  if (pokemon) pokemon.boosts = pokemon.boosts.map(change);
}

function forgetSingleTurn(pokemon) {
  for (const id in pokemon.volatiles) if (pokemon.volatiles[id].ends) delete pokemon.volatiles[id];
}

function learn(pokemon, id) {
  if (!pokemon.moves.includes(id) && pokemon.moves.length < 4) pokemon.moves.push(id);
}

function everyone(view, act) {
  for (const side of view.sides) side.team.forEach(act);
}

function dropTerrains(fields) {
  for (const id in fields) if (id.endsWith('terrain')) delete fields[id];
}

/** Return the id of an effect that a line names, such as `move: Reflect` or `Salt Cure`. */
function effectId(dex, name) {
  return dex.toID(name.replace(/^(move|ability|item): /, ''));
}

/** Part the words of a line from its `[from] …`, `[of] …` details. */
function splitDetails(words) {
  const plain = [];
  const details = {};
  for (const word of words) {
    const found = /^\[(from|of|upkeep|still|miss|silent|wisher)\] ?(.*)$/.exec(word);
    if (found) details[found[1]] = found[2];
    else plain.push(word);
  }
  return [plain, details];
}

/** Return what `Rillaboom, L50, F, shiny` says of species and gender. */
function speciesAndGender(details) {
  const [species, ...rest] = details.split(', ');
  return [species, rest.find(word => word === 'M' || word === 'F') || ''];
}

function sideOf(word) {
  return word.charAt(1) === '2' ? 1 : 0;
}

/** Return where `p2b: Name` is; the slot is -1 for a Pokémon on the bench (`p2: Name`). */
function placeOf(ident) {
  const found = /^p([12])([ab]?): /.exec(ident || '');
  return found && {side: Number(found[1]) - 1, slot: found[2] ? 'ab'.indexOf(found[2]) : -1};
}

module.exports = {Reader, newView};
