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
const LAYERED = new Set(['spikes', 'toxicspikes']);
const STATUSES = ['brn', 'par', 'slp', 'frz', 'psn', 'tox'];
const BOOSTS = ['atk', 'def', 'spa', 'spd', 'spe', 'accuracy', 'evasion'];
const STATS = ['hp', 'atk', 'def', 'spa', 'spd', 'spe'];
const BATTLE_STATS = STATS.slice(1);
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
    const foes = view.sides[1 - seat];
    this.field(new Row(rows, 0), view, seat, request);
    own.forEach((pokemon, i) => {
      const active = request.active && request.active[i];
      this.ownPokemon(new Row(rows, 1 + i), view, seat, pokemon, i, active);
    });
    foes.team.slice(0, 6).forEach((pokemon, i) => {
      this.foePokemon(new Row(rows, 7 + i), view, foes, pokemon, i);
    });
    return Buffer.from(rows.buffer).toString('base64');
  }

  field(row, view, seat, request) {
    const {turn, weather, fields, sides} = view;
    const lasted = effect => effect ? turn - effect.since + 1 : 0;
    const terrain = TERRAINS.find(id => fields[id]);
    row.put(turn).put(phaseOf(request));
    row.put(weather ? 1 + WEATHERS.indexOf(weather.id) : 0).put(lasted(weather));
    row.put(terrain ? 1 + TERRAINS.indexOf(terrain) : 0).put(lasted(fields[terrain]));
    for (const id of ROOMS) row.put(lasted(fields[id]));
    for (const side of [sides[seat], sides[1 - seat]]) {
      for (const id of CONDITIONS) {
        const condition = side.conditions[id];
        row.put(LAYERED.has(id) ? condition?.layers || 0 : lasted(condition));
      }
      row.put(+side.terastallized).put(side.team.filter(pokemon => !pokemon.fainted).length);
    }
  }

  /** The own Pokémon are known from the request; what happens on the field, from the view. */
  ownPokemon(row, view, seat, known, i, active) {
    const side = view.sides[seat];
    const place = known.active && side.active[i] >= 0 ? i + 1 : 0; // none at the preview
    const seen = place ? side.team[side.active[i]] : null;
    const [species, health, full, status] = readOwn(known);
    row.put(1);
    this.identity(row, seen && seen.types, this.dex.species.get(species), known.teraType,
      known.terastallized);
    row.put(this.number('abilities', known.ability || known.baseAbility));
    row.put(this.itemNumber(known.item, true));
    for (let k = 0; k < 4; k++) {
      if (active) this.move(row, active.moves[k]?.id, active.moves[k]);
      else this.move(row, known.moves[k], null);
    }
    row.put(Math.round(1000 * health / full)).put(1 + STATUSES.indexOf(status));
    row.put(+(health === 0)).put(place).put(1);
    for (let k = 0; k < BOOSTS.length; k++) row.put(seen ? seen.boosts[k] : 0);
    row.put(full);
    for (const stat of BATTLE_STATS) row.put(known.stats[stat]);
    if (seen) onField(row, view, seen);
  }

  foePokemon(row, view, side, pokemon, i) {
    const species = this.dex.species.get(pokemon.species);
    const place = side.active.indexOf(i) + 1;
    row.put(2);
    this.identity(row, pokemon.types, species, pokemon.tera, pokemon.terastallized);
    row.put(this.number('abilities', pokemon.ability));
    row.put(this.itemNumber(pokemon.item, pokemon.itemKnown));
    for (let k = 0; k < 4; k++) this.move(row, pokemon.moves[k], null);
    row.put(Math.round(1000 * pokemon.health)).put(1 + STATUSES.indexOf(pokemon.status));
    row.put(+pokemon.fainted).put(place).put(+pokemon.seen);
    for (const boost of pokemon.boosts) row.put(boost);
    for (const stat of STATS) row.put(species.baseStats[stat] || 0);
    if (place) onField(row, view, pokemon);
  }

  identity(row, changed, species, tera, terastallized) {
    const types = changed || species.types;
    row.put(this.number('species', species.id));
    row.put(this.number('types', types[0])).put(this.number('types', types[1]));
    row.put(this.number('types', tera)).put(+!!terastallized);
  }

  /** What is left of a move is known of those that may be chosen now. */
  move(row, id, offered) {
    const {maxpp = 0, pp = 0, disabled = false} = offered || {};
    const left = maxpp ? Math.round(100 * pp / maxpp) : 100;
    row.put(id ? this.number('moves', id) : 0).put(id ? left : 0).put(+!!disabled);
  }

  number(kind, name) {
    return this.index[kind].get(name) || 0;
  }

  /** 0 is an unknown item, 1 none. */
  itemNumber(id, known) {
    return id ? this.number('items', id) : +known;
  }
}

/** Fills a row from its first column on; the rest stays 0. */
class Row {
  constructor(rows, row) {
    this.rows = rows;
    this.at = row * WIDTH;
  }

  put(number) {
    this.rows[this.at++] = number;
    return this;
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

function onField(row, view, {volatiles, since, protects}) {
  for (const id of VOLATILES) row.put(volatiles[id] ? view.turn - volatiles[id].since + 1 : 0);
  row.put(view.turn - since + 1).put(protects);
}

module.exports = {Encoder};
