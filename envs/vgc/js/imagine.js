'use strict';
// A battle as it might be: made from what one player knows, and from nothing else. What is hidden
// from that player (training, the Pokémon in the back, unseen moves, items and abilities, how long
// somebody sleeps) is drawn by chance, so that a player who looks ahead in it cheats nobody.

const BROUGHT = 4;
const LASTS = {tailwind: 4, trickroom: 5, gravity: 5, magicroom: 5, wonderroom: 5};
/** Volatile states that begin anew by their name alone; others are left out. */
const VOLATILES = ['confusion', 'taunt', 'torment', 'healblock', 'imprison', 'throatchop',
  'saltcure', 'flashfire', 'yawn', 'mustrecharge', 'protosynthesis', 'quarkdrive', 'focusenergy'];

/**
 * Return a battle that the player of a seat could be in.
 * @param {object} simulator
 * @param {TeamMaker} maker - of the format, draws what is not known of the foe's sets
 * @param {{seat: number, view: object, request: object, seed: number[]}} known - see view.js
 */
function imagine(simulator, maker, {seat, view, request, seed}) {
  const {Battle, PRNG, Teams} = simulator;
  const chance = new PRNG(seed.join(','));
  const own = request.side.pokemon.map(pokemon => ownSet(maker.dex, pokemon));
  const guessed = guessFoes(maker, view.sides[1 - seat], chance);
  const battle = new Battle({formatid: maker.format.id, seed: seed.join(','), send() {}});
  const teams = [own, guessed.map(({set}) => set)];
  if (seat) teams.reverse();
  teams.forEach((team, i) => {
    battle.setPlayer(`p${i + 1}`, {name: `Player ${i + 1}`, team: Teams.pack(team)});
  });
  for (const side of battle.sides) battle.choose(side.id, 'default');
  const [mine, theirs] = [battle.sides[seat], battle.sides[1 - seat]];
  const seen = view.sides[seat];
  mine.pokemon.forEach((pokemon, i) => {
    const told = request.side.pokemon[i];
    const shown = i < 2 && seen.active[i] >= 0 ? seen.team[seen.active[i]] : null;
    settleOwn(battle, pokemon, told, shown, view.turn);
    if (i < 2 && request.active) lockMoves(battle, pokemon, request.active[i]);
  });
  theirs.pokemon.forEach((pokemon, i) => settleFoe(battle, pokemon, guessed[i], view.turn, chance));
  settleField(battle, view);
  battle.turn = view.turn;
  battle.sides.forEach((side, i) => settleSide(side, view.sides[i], request, i === seat));
  battle.makeRequest('move');
  return battle;
}

/** The own sets, as far as a request tells; training shows in the stats. */
function ownSet(dex, {details, moves, baseAbility, item, teraType}) {
  const [species, , gender] = details.split(', ');
  return {name: '', species, gender: gender === 'M' || gender === 'F' ? gender : '', item,
    ability: baseAbility, moves: moves.map(id => dex.moves.get(id).name), nature: 'Serious',
    level: 50, teraType};
}

/** Choose which Pokémon the foe brought, those on the field first, and what their sets may be. */
function guessFoes(maker, side, chance) {
  const standing = side.active.map(index => side.team[index]).filter(Boolean);
  const seen = side.team.filter(pokemon => pokemon.seen && !standing.includes(pokemon));
  const hidden = side.team.filter(pokemon => !pokemon.seen);
  chance.shuffle(hidden);
  const back = [...seen, ...hidden].slice(0, Math.max(0, BROUGHT - standing.length));
  const places = side.active.map(index => side.team[index] || back.pop()).filter(Boolean);
  const taken = {species: new Set(), items: new Set(), megas: 0};
  return [...places, ...back].map(known => {
    return {known, standing: standing.includes(known), set: guessSet(maker, known, chance, taken)};
  });
}

function guessSet(maker, known, chance, taken) {
  const {dex} = maker;
  const species = dex.species.get(known.species);
  const moves = known.moves.map(id => dex.moves.get(id)).filter(move => move.exists);
  const like = likelySet(maker, species, chance, taken);
  const others = like.moves.map(name => dex.moves.get(name));
  for (const move of others) {
    if (moves.length < 4 && !moves.includes(move)) moves.push(move);
  }
  const {evs, nature} = maker.training(species.baseStats, moves, chance);
  return {
    name: '', species: known.species, gender: known.gender, level: 50, evs, nature,
    item: known.itemKnown ? known.item : like.item, ability: known.ability || like.ability,
    moves: moves.map(move => move.name), teraType: known.tera || like.teraType,
  };
}

/** A set that the simulator's own tables have for a species, else a plain one. */
function likelySet(maker, species, chance, taken) {
  for (const id of [species.id, maker.dex.species.get(species.baseSpecies).id]) {
    if (!maker.sets[id]) continue;
    const set = maker.train(maker.dex.species.get(id), chance, taken);
    return {...set, ability: species.abilities[0] === set.ability ? set.ability :
      Object.values(species.abilities).includes(set.ability) ? set.ability : species.abilities[0]};
  }
  return {moves: ['Protect', 'Facade'], item: '', ability: species.abilities[0],
    teraType: species.types[0]};
}

function settleOwn(battle, pokemon, told, shown, turn) {
  const [health, status = ''] = told.condition.split(' ');
  const [left, full] = health.split('/').map(Number);
  if (full) pokemon.maxhp = pokemon.baseMaxhp = full;
  settle(battle, pokemon, left, status === 'fnt' ? '' : status, turn, shown);
  pokemon.baseStoredStats = {...pokemon.baseStoredStats, ...told.stats};
  Object.assign(pokemon.storedStats, told.stats);
  hold(battle, pokemon, told.item, told.ability || told.baseAbility);
  if (told.terastallized) pokemon.terastallized = told.terastallized;
}

function settleFoe(battle, pokemon, {known, standing}, turn, chance) {
  const share = known.fainted ? 0 : known.health;
  const left = share && Math.max(1, Math.round(share * pokemon.maxhp));
  settle(battle, pokemon, left, known.status, turn, standing ? known : null, chance);
  const item = known.itemKnown ? known.item : pokemon.set.item;
  hold(battle, pokemon, battle.dex.items.get(item).id,
    battle.dex.abilities.get(pokemon.set.ability).id);
  if (known.terastallized) pokemon.terastallized = known.tera;
}

/** Give a Pokémon the health and the conditions that are known of it. */
function settle(battle, pokemon, left, status, turn, shown) {
  pokemon.clearVolatile();
  pokemon.hp = left;
  pokemon.fainted = !left;
  if (!left) pokemon.status = 'fnt';
  else afflict(battle, pokemon, status);
  const since = shown ? Math.max(0, turn - shown.since) : 0;
  pokemon.activeTurns = pokemon.activeMoveActions = since;
  pokemon.newlySwitched = false;
  if (!shown || !left) return;
  Object.keys(pokemon.boosts).forEach(stat => { pokemon.boosts[stat] = boostOf(shown, stat); });
  if (shown.types) pokemon.setType(shown.types, true);
  for (const id of VOLATILES) if (shown.volatiles[id]) attempt(() => pokemon.addVolatile(id));
  if (shown.volatiles.substitute) {
    attempt(() => pokemon.addVolatile('substitute'));
    if (pokemon.volatiles.substitute) pokemon.volatiles.substitute.hp = pokemon.maxhp >> 2;
  }
  if (shown.protects) {
    attempt(() => pokemon.addVolatile('stall'));
    if (pokemon.volatiles.stall) pokemon.volatiles.stall.counter = 3 ** shown.protects;
  }
}

function afflict(battle, pokemon, status) {
  pokemon.status = status;
  pokemon.statusState = battle.initEffectState({id: status, target: pokemon});
  if (status === 'tox') pokemon.statusState.stage = 1;
  if (status === 'slp') {
    pokemon.statusState.startTime = pokemon.statusState.time = battle.random(1, 4);
  }
}

function boostOf(shown, stat) {
  return shown.boosts[['atk', 'def', 'spa', 'spd', 'spe', 'accuracy', 'evasion'].indexOf(stat)];
}

function hold(battle, pokemon, item, ability) {
  pokemon.item = item;
  pokemon.itemState = battle.initEffectState({id: item, target: pokemon});
  if (!ability || pokemon.ability === ability) return;
  pokemon.ability = ability;
  pokemon.abilityState = battle.initEffectState({id: ability, target: pokemon});
}

/** An own Pokémon that is held to one move by what it wears. */
function lockMoves(battle, pokemon, active) {
  if (!active || !pokemon.hp) return;
  active.moves.forEach((move, i) => {
    const slot = pokemon.moveSlots[i];
    if (slot && slot.id === move.id && 'pp' in move) slot.pp = move.pp;
  });
  const open = active.moves.filter(move => !move.disabled);
  if (open.length !== 1 || !pokemon.getItem().isChoice) return;
  attempt(() => pokemon.addVolatile('choicelock'));
  if (pokemon.volatiles.choicelock) pokemon.volatiles.choicelock.move = open[0].id;
}

function settleField(battle, {weather, fields, turn}) {
  const {field} = battle;
  const source = battle.sides[0].active[0];
  const left = (effect, lasts) => Math.max(1, lasts - (turn - effect.since));
  attempt(() => field.clearWeather());
  attempt(() => field.clearTerrain());
  for (const id of Object.keys(field.pseudoWeather)) attempt(() => field.removePseudoWeather(id));
  if (weather && attempt(() => field.setWeather(weather.id, source)) && field.weatherState.duration) {
    field.weatherState.duration = left(weather, 5);
  }
  for (const [id, effect] of Object.entries(fields)) {
    if (id.endsWith('terrain')) {
      if (attempt(() => field.setTerrain(id, source))) {
        field.terrainState.duration = left(effect, 5);
      }
    } else if (attempt(() => field.addPseudoWeather(id, source))) {
      field.pseudoWeather[id].duration = left(effect, LASTS[id] || 5);
    }
  }
}

function settleSide(side, known, request, mine) {
  for (const id of Object.keys(side.sideConditions)) attempt(() => side.removeSideCondition(id));
  for (const [id, effect] of Object.entries(known.conditions)) {
    for (let layer = 0; layer < (effect.layers || 1); layer++) {
      attempt(() => side.addSideCondition(id, side.active[0]));
    }
    const state = side.sideConditions[id];
    const age = side.battle.turn - effect.since;
    if (state && state.duration) state.duration = Math.max(1, (LASTS[id] || 5) - age);
  }
  side.pokemonLeft = side.pokemon.filter(pokemon => pokemon.hp).length;
  const canTera = mine && request.active ?
    request.active.some(active => active && active.canTerastallize) : !known.terastallized;
  for (const pokemon of side.pokemon) {
    if (!canTera) pokemon.canTerastallize = null;
    if (known.team.some(({species}) => species.includes('-Mega'))) pokemon.canMegaEvo = null;
  }
}

/** Do what may fail where the view tells less than the simulator wants; return whether it did. */
function attempt(act) {
  try {
    return act() !== false;
  } catch {
    return false;
  }
}

/**
 * Return how a battle stands for a side, from -1 to 1 unless it has ended: health, Pokémon left,
 * conditions, and what a change of speed is worth.
 */
function standing(battle, seat) {
  if (battle.ended) {
    const winner = battle.sides.findIndex(side => side.name === battle.winner);
    return winner < 0 ? 0 : winner === seat ? 3 : -3;
  }
  const [mine, theirs] = [battle.sides[seat], battle.sides[1 - seat]].map(worthOf);
  return (mine - theirs) / BROUGHT;
}

function worthOf(side) {
  let worth = 0.3 * +!!side.sideConditions.tailwind;
  for (const pokemon of side.pokemon) {
    if (!pokemon.hp) continue;
    worth += 0.45 + 0.55 * pokemon.hp / pokemon.maxhp - 0.12 * +!!pokemon.status;
    if (pokemon.isActive) {
      const raised = Object.values(pokemon.boosts).reduce((sum, boost) => sum + boost, 0);
      worth += 0.03 * Math.max(-4, Math.min(4, raised));
    }
    if (pokemon.canTerastallize) worth += 0.02;
  }
  return worth;
}

module.exports = {imagine, standing};
