'use strict';
// Legal teams without end: made of the simulator's own sets for random double battles, with items
// and training of our choice, and checked by the simulator's validator.

const SIZE = 6;
const TRIES = 400;

/** Items that fit any Pokémon of a kind; the item clause allows each once a team. */
const ITEMS = {
  any: ['Sitrus Berry', 'Focus Sash', 'Lum Berry', 'Leftovers', 'Safety Goggles', 'Covert Cloak',
    'Clear Amulet', 'Rocky Helmet', 'Mental Herb', 'White Herb', 'Bright Powder', 'Shell Bell'],
  attacker: ['Life Orb', 'Expert Belt', 'Choice Scarf', 'Assault Vest', 'Scope Lens',
    'Wide Lens', 'Quick Claw'],
  physical: ['Choice Band', 'Muscle Band'],
  special: ['Choice Specs', 'Wise Glasses'],
};
/** These forbid status moves, or tie their holder to one move. */
const ATTACKS_ONLY = new Set(['Choice Scarf', 'Choice Band', 'Choice Specs', 'Assault Vest']);

/** Makes teams for one format. */
class TeamMaker {
  constructor(simulator, format) {
    const {Dex, Teams, TeamValidator, setsOf, PRNG} = simulator;
    this.format = Dex.formats.get(format);
    this.dex = Dex.forFormat(this.format);
    this.rules = Dex.formats.getRuleTable(this.format);
    this.validator = TeamValidator.get(format);
    this.champions = this.dex.currentMod.startsWith('champions');
    this.sets = setsOf(this.champions ? 'champions/sets.json' : 'gen9/doubles-sets.json');
    this.Teams = Teams;
    this.PRNG = PRNG;
  }

  /** How many restricted Pokémon a team may hold. */
  get restricted() {
    return this.rules.has('limittworestricted') ? 2 : +this.rules.has('limitonerestricted');
  }

  /**
   * Return the packed team of a seed.
   * @param {number[]} seed - four 16-bit integers
   */
  make(seed) {
    const chance = new this.PRNG(seed.join(','));
    for (let i = 0; i < TRIES; i++) {
      const team = this.draft(chance);
      if (team.length === SIZE && !this.problems(team)) return this.Teams.pack(team);
    }
    throw new Error(`no legal team for ${this.format.id} in ${TRIES} tries`);
  }

  /** Return what the format has against a team; null when it is legal. */
  problems(team) {
    return this.validator.validateTeam(structuredClone(team));
  }

  /** Draw Pokémon until the team is full: the restricted ones first. */
  draft(chance) {
    const team = [];
    const taken = {species: new Set(), items: new Set(), megas: 0};
    const names = Object.keys(this.sets);
    chance.shuffle(names);
    let wanted = this.restricted;
    for (const restricted of wanted ? [true, false] : [false]) {
      for (const name of names) {
        if (team.length === SIZE || (restricted && !wanted)) break;
        const species = this.dex.species.get(name);
        if (species.tags.includes('Restricted Legendary') !== restricted) continue;
        if (!this.fits(species, taken)) continue;
        const set = this.train(species, chance, taken);
        if (this.validator.validateSet(structuredClone(set), {})) continue;
        team.push(set);
        taken.species.add(species.baseSpecies);
        taken.items.add(set.item);
        taken.megas += +!!species.isMega;
        if (restricted) wanted--;
      }
    }
    return team;
  }

  fits(species, taken) {
    return species.exists && !species.isNonstandard && !taken.species.has(species.baseSpecies) &&
      !(species.isMega && taken.megas) && !taken.items.has(species.requiredItem);
  }

  /** Return a set for a species; a mega is its base species with the stone. */
  train(species, chance, taken) {
    const base = species.isMega ? this.dex.species.get(species.baseSpecies) : species;
    const kind = chance.sample(this.sets[species.id].sets);
    const moves = this.moves(kind.movepool, chance);
    const abilities = species.isMega ? Object.values(base.abilities) : kind.abilities;
    const {evs, nature} = this.training(base.baseStats, moves, chance);
    return {
      name: '', species: base.name, gender: base.gender || chance.sample(['M', 'F']),
      item: species.requiredItem || this.item(moves, chance, taken.items),
      ability: chance.sample(abilities), moves: moves.map(move => move.name), nature, evs,
      ivs: {hp: 31, atk: 31, def: 31, spa: 31, spd: 31, spe: 31}, level: 50,
      teraType: kind.teraTypes ? chance.sample(kind.teraTypes) : undefined,
    };
  }

  /** Draw four moves: two attacks and Protect where the pool has them, the rest as it comes. */
  moves(pool, chance) {
    const moves = pool.map(name => this.dex.moves.get(name));
    chance.shuffle(moves);
    const attacks = moves.filter(move => move.category !== 'Status').slice(0, 2);
    const protect = chance.randomChance(3, 4) ? moves.filter(move => move.id === 'protect') : [];
    const first = [...attacks, ...protect];
    return [...first, ...moves.filter(move => !first.includes(move))].slice(0, 4);
  }

  item(moves, chance, taken) {
    const statuses = moves.filter(move => move.category === 'Status').length;
    const leaning = lean(moves);
    const choices = [...ITEMS.any, ...statuses < 3 ? ITEMS.attacker : [],
      ...leaning > 0 ? ITEMS.physical : leaning < 0 ? ITEMS.special : []];
    const free = choices.filter(item => !taken.has(item) && !(statuses && ATTACKS_ONLY.has(item)));
    const legal = free.filter(item => !this.dex.items.get(item).isNonstandard);
    return legal.length ? chance.sample(legal) : '';
  }

  /** Train what the moves use, and speed where there is some, else bulk. */
  training(stats, moves, chance) {
    const physical = lean(moves) > 0 || (lean(moves) === 0 && stats.atk > stats.spa);
    const attack = physical ? 'atk' : 'spa';
    const support = moves.filter(move => move.category === 'Status').length >= 3;
    const second = stats.spe >= 75 && chance.randomChance(3, 4) ? 'spe' : 'hp';
    const bulk = chance.sample(['def', 'spd']);
    const [most, some] = support ? ['hp', bulk] : [attack, second];
    const rest = ['hp', bulk, 'spd', 'def'].find(stat => stat !== most && stat !== some);
    const evs = {hp: 0, atk: 0, def: 0, spa: 0, spd: 0, spe: 0};
    const [full, little] = this.champions ? [32, 2] : [252, 4];
    Object.assign(evs, {[most]: full, [some]: full, [rest]: little});
    return {evs, nature: natureFor(support ? bulk : second === 'spe' ? 'spe' : attack, physical)};
  }
}

/** Return more than 0 for moves that are rather physical, less for special ones. */
function lean(moves) {
  const count = category => moves.filter(move => move.category === category).length;
  return count('Physical') - count('Special');
}

/** Return the nature that raises a stat, and lowers the attack that is not used. */
function natureFor(raised, physical) {
  const natures = physical ?
    {atk: 'Adamant', spe: 'Jolly', def: 'Impish', spd: 'Careful'} :
    {spa: 'Modest', spe: 'Timid', def: 'Bold', spd: 'Calm'};
  return natures[raised];
}

/** Return the packed team of a paste, without nicknames, or throw what is wrong with it. */
function readPaste(maker, paste) {
  const team = maker.Teams.import(paste);
  if (!team || !team.length) throw new Error('it holds no team in the export format');
  for (const set of team) {
    if (!set.species) set.species = set.name;
    set.name = '';
  }
  const problems = maker.problems(team);
  if (problems) throw new Error(problems.join('; '));
  return maker.Teams.pack(team);
}

module.exports = {TeamMaker, readPaste};
