'use strict';
// Logs of battles, as spectators see and keep them, read as decisions of both players. A log does
// not say all that the players knew: their teams are taken to be what the whole log shows of them,
// with middling training; and a choice that never came to be carried out is not known.

const {Reader, newView} = require('./view.js');
const {PLANS, legalChoices} = require('./legal.js');

const UNKNOWN = -1;

/**
 * Return the decisions of a battle, at the preview and in every turn.
 * @param {object} kit - {dex, Teams, encoder} of the format
 * @param {string[]} lines - of the log
 * @returns {{seat: number, tokens: string, legal: number[][], pair: number[]}[]}
 */
function readLog(kit, lines) {
  const reader = new Reader(kit.dex, kit.Teams);
  const whole = newView();
  for (const line of lines) attempt(() => reader.read(whole, line));
  return new Retold(kit, reader, whole).decisions(lines);
}

/** Goes through a log once more, knowing how it ends. */
class Retold {
  constructor(kit, reader, whole) {
    this.kit = kit;
    this.reader = reader;
    this.whole = whole;
    this.view = newView();
    this.orders = [null, null];
  }

  decisions(lines) {
    const found = [];
    for (const [lead, turn] of turnsOf(lines)) {
      if (lead) found.push(...this.previews(turn));
      else found.push(...[0, 1].flatMap(seat => this.decision(seat, turn)));
      for (const line of turn) attempt(() => this.reader.read(this.view, line));
      [0, 1].forEach(seat => this.follow(seat));
    }
    return found;
  }

  /** The indices of a seat's Pokémon that were brought, as far as anyone saw. */
  brought(seat) {
    return this.whole.sides[seat].team.flatMap(({seen}, i) => seen ? [i] : []);
  }

  /** Keep the places as the simulator does: who comes in changes places with who goes. */
  follow(seat) {
    const {active} = this.view.sides[seat];
    if (active.every(index => index < 0)) return;
    const order = this.orders[seat] ||= this.brought(seat);
    active.forEach((index, slot) => {
      const at = order.indexOf(index);
      if (at >= 0 && at !== slot) [order[slot], order[at]] = [order[at], order[slot]];
    });
  }

  previews(turn) {
    return [0, 1].flatMap(seat => {
      const {team: members} = this.view.sides[seat];
      const team = members.map((_, i) => i);
      const leads = [0, 1].map(slot => {
        const line = turn.find(text => text.startsWith(`|switch|${place(seat, slot)}:`));
        const member = line && this.reader.member(this.view.sides[seat],
          line.split('|')[3].split(', ')[0]);
        return members.indexOf(member);
      });
      const backs = this.brought(seat).filter(i => !leads.includes(i));
      if (leads.includes(-1) || backs.length !== 2) return [];
      const wanted = [...leads.sort(ascending), ...backs.sort(ascending)].map(i => i + 1);
      const plan = PLANS.findIndex(places => places.every((place, i) => place === wanted[i]));
      if (plan < 0) return [];
      const request = {teamPreview: true, side: {pokemon: team.map(i => this.member(seat, i, null))}};
      return [this.told(seat, request, [plan, 0])];
    });
  }

  decision(seat, turn) {
    const order = this.orders[seat];
    if (!order) return [];
    const side = this.view.sides[seat];
    const pokemon = order.map((index, place) => {
      return this.member(seat, index, place < 2 ? side.active[place] : null);
    });
    const active = [0, 1].map(slot => this.orderOf(seat, slot, pokemon[slot], turn));
    const request = {active, side: {pokemon}};
    const legal = legalChoices(request, this.foes(seat));
    const pair = [0, 1].map(slot => this.choice(seat, slot, turn, active[slot], legal[slot]));
    return pair.every(id => id === UNKNOWN) ? [] : [this.told(seat, request, pair)];
  }

  told(seat, request, pair) {
    return {seat, tokens: this.kit.encoder.encode(this.view, seat, request), pair,
      legal: legalChoices(request, this.foes(seat))};
  }

  foes(seat) {
    const {active, team} = this.view.sides[1 - seat];
    return active.map(index => index >= 0 && !team[index].fainted);
  }

  /** What a request would have said of a Pokémon. */
  member(seat, index, standing) {
    const now = this.view.sides[seat].team[index] || this.whole.sides[seat].team[index];
    const {moves, ability, item, tera} = this.whole.sides[seat].team[index];
    const species = this.kit.dex.species.get(now.species);
    const base = species.baseStats;
    const full = base.hp + 75 + 8;
    const left = now.fainted ? 0 : Math.max(1, Math.round(now.health * full));
    const stats = Object.fromEntries(['atk', 'def', 'spa', 'spd', 'spe'].map(stat => {
      return [stat, base[stat] + 28];
    }));
    return {
      details: `${now.species}, L50${now.gender && `, ${now.gender}`}`,
      condition: left ? `${left}/${full}${now.status && ` ${now.status}`}` : '0 fnt',
      active: standing !== null && standing === index, stats,
      moves, baseAbility: ability, ability: now.ability || ability,
      item: now.itemKnown ? now.item : item, teraType: tera || species.types[0],
      terastallized: now.terastallized ? now.tera : '',
    };
  }

  orderOf(seat, slot, pokemon, turn) {
    if (!pokemon || pokemon.condition.endsWith(' fnt')) return null;
    const moves = pokemon.moves.map(id => {
      const move = this.kit.dex.moves.get(id);
      return {id, move: move.name, target: move.target, disabled: false};
    });
    const used = this.view.sides[seat].terastallized;
    const mega = turn.some(line => line.startsWith(`|-mega|${place(seat, slot)}`));
    return {moves, canMegaEvo: mega, ...used ? {} : {canTerastallize: pokemon.teraType}};
  }

  /** Return the id of what a Pokémon was told to do, as far as its first act shows it. */
  choice(seat, slot, turn, active, legal) {
    if (!active) return legal.length === 1 ? legal[0] : UNKNOWN;
    const here = place(seat, slot);
    let gimmick = 0;
    for (const line of turn) {
      const [, kind, ident = '', name = '', target = '', ...rest] = line.split('|');
      if (!ident.startsWith(`${here}:`)) continue;
      if (kind === '-terastallize') gimmick = 4;
      if (kind === '-mega') gimmick = 1;
      if (['faint', 'cant', 'drag'].includes(kind)) return UNKNOWN;
      if (kind === 'switch') return this.switched(seat, name, legal);
      if (kind !== 'move') continue;
      if (rest.concat(target).some(word => /^\[from\](?! ?lockedmove)/.test(word))) return UNKNOWN;
      const number = active.moves.findIndex(({id}) => id === this.kit.dex.toID(name));
      const ids = legal.filter(id => {
        return id >= 7 && Math.floor((id - 7) / 20) === gimmick && (id - 7) % 20 / 5 >> 0 === number;
      });
      if (ids.length < 2) return ids.length ? ids[0] : UNKNOWN;
      return ids.find(id => (id - 7) % 5 - 2 === aimAt(seat, target)) ?? UNKNOWN;
    }
    return UNKNOWN;
  }

  switched(seat, details, legal) {
    const species = details.split(', ')[0];
    const member = this.reader.member(this.view.sides[seat], species);
    const id = 1 + this.orders[seat].indexOf(this.view.sides[seat].team.indexOf(member));
    return legal.includes(id) ? id : UNKNOWN;
  }
}

/** Part a log into what leads to the first turn, and the turns: [whether it is the first, lines]. */
function turnsOf(lines) {
  const starts = lines.flatMap((line, i) => line.startsWith('|turn|') ? [i + 1] : []);
  const begin = lines.findIndex(line => line.startsWith('|start'));
  if (begin < 0) return [];
  const cuts = [begin, ...starts, lines.length];
  return [[false, lines.slice(0, begin)],
    ...cuts.slice(0, -1).map((from, i) => [i === 0, lines.slice(from, cuts[i + 1])])];
}

function aimAt(seat, target) {
  const found = /^p([12])([ab]): /.exec(target);
  if (!found) return null;
  const slot = 1 + 'ab'.indexOf(found[2]);
  return Number(found[1]) - 1 === seat ? -slot : slot;
}

function place(seat, slot) {
  return `p${seat + 1}${'ab'[slot]}`;
}

function ascending(one, two) {
  return one - two;
}

function attempt(act) {
  try {
    act();
  } catch {
    // a line of another version of the protocol tells nothing
  }
}

module.exports = {readLog};
