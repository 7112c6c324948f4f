'use strict';
// A player's view as numbers: 13 rows of WIDTH 16-bit integers. Row 0 is the field, rows 1–6 are
// the own Pokémon in the order of the request (row k is who `switch k` means, the first two are on
// the field), rows 7–12 the foe's in the order of the team preview. Names are indices into the
// simulator's tables; `layout` says what each column is.

const WEATHERS = ['sunnyday', 'raindance', 'sandstorm', 'snowscape', 'desolateland',
  'primordialsea', 'deltastream'];
const TERRAINS = ['electricterrain', 'grassyterrain', 'mistyterrain', 'psychicterrain'];
const ROOMS = ['trickroom', 'gravity', 'magicroom', 'wonderroom'];
const CONDITIONS = ['tailwind', 'reflect', 'lightscreen', 'auroraveil', 'safeguard', 'mist',
  'spikes', 'toxicspikes', 'stealthrock', 'stickyweb', 'quickguard', 'wideguard'];
const STATUSES = ['brn', 'par', 'slp', 'frz', 'psn', 'tox'];
const BOOSTS = ['atk', 'def', 'spa', 'spd', 'spe', 'accuracy', 'evasion'];
const STATS = ['hp', 'atk', 'def', 'spa', 'spd', 'spe'];
const VOLATILES = ['substitute', 'confusion', 'taunt', 'encore', 'disable', 'leechseed',
  'followme', 'ragepowder', 'helpinghand', 'mustrecharge', 'perish3', 'perish2', 'perish1',
  'yawn', 'imprison', 'protosynthesis', 'quarkdrive', 'saltcure', 'throatchop', 'healblock',
  'torment', 'attract', 'commanding', 'flashfire'];
const PHASES = ['teampreview', 'move', 'switch', 'wait'];

const FIELD = ['turn', 'phase', 'weather', 'weather_turns', 'terrain', 'terrain_turns', ...ROOMS,
  ...['own', 'foe'].flatMap(side => [...CONDITIONS.map(id => `${side}_${id}`),
    `${side}_terastallized`, `${side}_left`])];
const POKEMON = ['owner', 'species', 'type_1', 'type_2', 'tera_type', 'terastallized', 'ability',
  'item', ...[1, 2, 3, 4].flatMap(i => [`move_${i}`, `pp_${i}`, `disabled_${i}`]), 'health',
  'status', 'fainted', 'place', 'seen', ...BOOSTS.map(stat => `boost_${stat}`),
  ...STATS.map(stat => `stat_${stat}`), ...VOLATILES, 'turns_active', 'protects'];
const ROWS = 13;
const WIDTH = Math.max(FIELD.length, POKEMON.length);

/** Numbers views for one dex. */
class Encoder {
  constructor(dex) {
    this.dex = dex;
    this.names = vocabulary(dex);
    this.index = {};
    for (const kind in this.names) {
      this.index[kind] = new Map(this.names[kind].map((name, i) => [name, i]));
    }
  }

  /** Return what the columns are, and the names that their indices stand for. */
  layout() {
    return {rows: ROWS, width: WIDTH, field: FIELD, pokemon: POKEMON, names: this.names};
  }

  /**
   * Return the numbers of a player's view, as base64 of little-endian integers.
   * @param {object} view - see view.js
   * @param {number} seat - whose view it is
   * @param {object|null} request - what the simulator asks that player, null at the end
   */
  encode(view, seat, request) {
    const rows = new Int16Array(ROWS * WIDTH);
    const own = request ? request.side.pokemon : [];
    rows.set(this.field(view, seat, request));
    own.forEach((pokemon, i) => {
      const active = request.active && request.active[i];
      rows.set(this.ownPokemon(view, seat, pokemon, i, active), (1 + i) * WIDTH);
    });
    const foes = view.sides[1 - seat];
    foes.team.slice(0, 6).forEach((pokemon, i) => {
      rows.set(this.foePokemon(view, foes, pokemon, i), (7 + i) * WIDTH);
    });
    return Buffer.from(rows.buffer).toString('base64');
  }

  field(view, seat, request) {
    const {turn, weather, fields, sides} = view;
    const lasted = effect => effect ? turn - effect.since + 1 : 0;
    const terrain = TERRAINS.find(id => fields[id]);
    const numbers = [turn, phaseOf(request), weather ? 1 + WEATHERS.indexOf(weather.id) : 0,
      lasted(weather), terrain ? 1 + TERRAINS.indexOf(terrain) : 0, lasted(fields[terrain]),
      ...ROOMS.map(id => lasted(fields[id]))];
    for (const side of [sides[seat], sides[1 - seat]]) {
      for (const id of CONDITIONS) {
        const condition = side.conditions[id];
        const layered = id.endsWith('spikes');
        numbers.push(layered ? condition?.layers || 0 : lasted(condition));
      }
      numbers.push(+side.terastallized, side.team.filter(pokemon => !pokemon.fainted).length);
    }
    return numbers;
  }

  /** The own Pokémon are known from the request; what happens on the field, from the view. */
  ownPokemon(view, seat, known, i, active) {
    const side = view.sides[seat];
    const place = known.active && side.active[i] >= 0 ? i + 1 : 0; // none at the preview
    const seen = place ? side.team[side.active[i]] : null;
    const [species, health, full, status] = readOwn(known);
    const moves = active ? active.moves : known.moves.map(id => ({id}));
    return [1, ...this.identity(seen && seen.types, species, known.teraType,
      known.terastallized), this.index.abilities.get(known.ability || known.baseAbility) || 0,
    this.itemNumber(known.item, true), ...this.moveNumbers(moves), Math.round(1000 * health / full),
    1 + STATUSES.indexOf(status), +(health === 0), place, 1,
    ...(seen ? seen.boosts : BOOSTS.map(() => 0)), full,
    ...STATS.slice(1).map(stat => known.stats[stat]), ...onField(view, seen)];
  }

  foePokemon(view, side, pokemon, i) {
    const species = this.dex.species.get(pokemon.species);
    const place = side.active.indexOf(i) + 1;
    return [2, ...this.identity(pokemon.types, pokemon.species, pokemon.tera,
      pokemon.terastallized), this.index.abilities.get(pokemon.ability) || 0,
    this.itemNumber(pokemon.item, pokemon.itemKnown),
    ...this.moveNumbers(pokemon.moves.map(id => ({id}))),
    Math.round(1000 * pokemon.health), 1 + STATUSES.indexOf(pokemon.status), +pokemon.fainted,
    place, +pokemon.seen, ...pokemon.boosts, ...STATS.map(stat => species.baseStats[stat] || 0),
    ...onField(view, place ? pokemon : null)];
  }

  identity(changed, name, tera, terastallized) {
    const species = this.dex.species.get(name);
    const types = changed || species.types;
    const number = type => this.index.types.get(type) || 0;
    return [this.index.species.get(species.id) || 0, number(types[0]), number(types[1]),
      number(tera), +!!terastallized];
  }

  moveNumbers(moves) {
    return [0, 1, 2, 3].flatMap(i => {
      const move = moves[i];
      if (!move) return [0, 0, 0];
      const left = move.maxpp ? Math.round(100 * move.pp / move.maxpp) : 100;
      return [this.index.moves.get(move.id) || 0, left, +!!move.disabled];
    });
  }

  /** 0 is an unknown item, 1 none. */
  itemNumber(id, known) {
    return id ? this.index.items.get(id) || 0 : +known;
  }
}

/** Return the names by number; 0 is for the unknown. */
function vocabulary(dex) {
  const {Abilities, Items, Moves, Pokedex} = dex.data;
  return {
    types: ['', ...dex.types.names(), 'Stellar'].filter((t, i, all) => all.indexOf(t) === i),
    species: ['', ...Object.keys(Pokedex)],
    abilities: ['', ...Object.keys(Abilities)],
    items: ['', '(none)', ...Object.keys(Items)],
    moves: ['', ...Object.keys(Moves)],
    statuses: ['', ...STATUSES],
    weathers: ['', ...WEATHERS],
    terrains: ['', ...TERRAINS],
    phases: PHASES,
  };
}

function phaseOf(request) {
  if (!request || request.wait) return PHASES.indexOf('wait');
  if (request.teamPreview) return PHASES.indexOf('teampreview');
  return PHASES.indexOf(request.forceSwitch ? 'switch' : 'move');
}

/** Read what a request says of an own Pokémon: [species, health, full health, status]. */
function readOwn({details, condition}) {
  const [health, status = ''] = condition.split(' ');
  const [left, full] = health.split('/').map(Number);
  return [details.split(', ')[0], left, full || 1, status];
}

function onField(view, pokemon) {
  const {volatiles, since, protects} = pokemon || {volatiles: {}, since: view.turn + 1, protects: 0};
  return [...VOLATILES.map(id => volatiles[id] ? view.turn - volatiles[id].since + 1 : 0),
    view.turn - since + 1, protects];
}

module.exports = {Encoder};
