'use strict';
// One battle and what its two players know of it.

const crypto = require('crypto');
const {Reader, newView} = require('./view.js');
const {legalChoices} = require('./legal.js');
const {Encoder} = require('./tokens.js');

/** Parts of a serialised battle that are no part of its state: logs, notes, the turn counter and
 * the random generator. */
const NOT_STATE = ['log', 'inputLog', 'messageLog', 'sentLogPos', 'lastMoveLine', 'hints',
  'sentRequests', 'prngSeed', 'sentEnd', 'deserialized', 'prng', 'turn'];

/** Makes matches; keeps what they share. */
class Matches {
  constructor(simulator) {
    this.simulator = simulator;
    this.encoders = new Map();
    this.readers = new Map();
  }

  encoder(dex) {
    return remember(this.encoders, dex, () => new Encoder(dex));
  }

  reader(dex) {
    return remember(this.readers, dex, () => new Reader(dex, this.simulator.Teams));
  }

  /**
   * Start a battle, up to the team preview.
   * @param {string} format - such as `gen9vgc2025regi`
   * @param {number[]} seed - of all chance, four 16-bit integers
   * @param {string[]} teams - packed, of both players
   * @param {boolean} openSheets - whether the players see each other's team sheets
   */
  open({format, seed, teams, openSheets}) {
    const {Battle} = this.simulator;
    const match = new Match(this);
    const send = (type, data) => match.receive(type, data);
    match.take(new Battle({formatid: format, seed: seed.join(','), send}));
    teams.forEach((team, i) => {
      match.battle.setPlayer(`p${i + 1}`, {name: `Player ${i + 1}`, team});
    });
    if (openSheets) match.battle.showOpenTeamSheets();
    match.settle();
    return match;
  }

  /** Return a match of a battle that a player imagines; both seats are told what that player is. */
  imagined(battle, view) {
    const match = new Match(this);
    match.take(battle);
    battle.send = (type, data) => match.receive(type, data);
    battle.sentLogPos = battle.log.length;
    match.seats.forEach((seat, i) => {
      seat.view = structuredClone(view);
      seat.request = battle.sides[i].activeRequest;
    });
    return match;
  }

  /** Return a match as it was when `save` wrote it down. */
  load(saved) {
    const {battle: written, seats} = JSON.parse(saved);
    const match = new Match(this);
    const battle = this.simulator.State.deserializeBattle(written);
    battle.send = (type, data) => match.receive(type, data);
    match.take(battle);
    match.seats = seats;
    battle.sides.forEach((side, i) => { side.activeRequest = seats[i].request; });
    return match;
  }
}

class Match {
  constructor(matches) {
    this.matches = matches;
    this.lines = [];
    this.seats = [0, 1].map(() => ({view: newView(), log: [], request: null, error: ''}));
  }

  take(battle) {
    this.battle = battle;
    this.reader = this.matches.reader(battle.dex);
    this.encoder = this.matches.encoder(battle.dex);
  }

  /** What the simulator tells the players. */
  receive(type, data) {
    if (type === 'update') this.lines.push(...[data].flat());
    if (type !== 'sideupdate') return;
    const [side, line] = data.split('\n');
    if (line.startsWith('|error|')) this.seats[Number(side[1]) - 1].error = line.slice(7);
  }

  /**
   * Hand in what the players choose, and play on to the next question.
   * @param {(string|null)[]} choices - null for a player who is not asked
   * @param {number[]|undefined} seed - of chance from now on; undefined goes on as it would have
   * @returns {boolean} whether the simulator took them all
   */
  choose(choices, seed) {
    const {battle} = this;
    if (seed) this.reseed(seed);
    for (const seat of this.seats) Object.assign(seat, {log: [], error: ''});
    let taken = true;
    choices.forEach((choice, i) => {
      if (choice === null || battle.ended) return;
      if (!battle.choose(`p${i + 1}`, choice)) taken = false;
    });
    this.settle();
    return taken;
  }

  /** Redraw what chance will bring. (The simulator's own way writes a line into the log.) */
  reseed(seed) {
    this.battle.prng = new this.matches.simulator.PRNG(seed.join(','));
  }

  /** Take in what happened: each player's channel goes into that player's log and view. */
  settle() {
    const {battle, seats} = this;
    battle.sentRequests = true; // the requests are read where they are, not sent
    battle.sendUpdates();
    const channels = this.matches.simulator.extractChannelMessages(this.lines.join('\n'), [1, 2]);
    this.lines = [];
    seats.forEach((seat, i) => {
      for (const line of channels[i + 1]) {
        if (line === '' || line === '|' || line.startsWith('|t:|')) continue;
        seat.log.push(line);
        this.reader.read(seat.view, line);
      }
      seat.request = battle.ended ? null : battle.sides[i].activeRequest;
    });
  }

  /** Whether a player has something to choose now. */
  asks(i) {
    const {request} = this.seats[i];
    return !!request && !request.wait && !this.battle.sides[i].isChoiceDone();
  }

  /**
   * Return what there is to tell the players.
   * @param {string[]} wants - of `log`, `request`, `view`, `tokens`, `key`
   */
  frame(wants) {
    const {battle} = this;
    const winner = battle.sides.findIndex(side => side.name === battle.winner);
    return {
      turn: battle.turn, ended: battle.ended, winner: battle.ended && winner >= 0 ? winner : null,
      left: battle.sides.map(side => side.pokemonLeft),
      seats: this.seats.map((seat, i) => this.told(seat, i, wants)),
    };
  }

  told(seat, i, wants) {
    const told = {legal: this.asks(i) ? legalChoices(seat.request, this.foes(i)) : null};
    if (seat.error) told.error = seat.error;
    if (wants.includes('log')) told.log = seat.log;
    if (wants.includes('request')) told.request = seat.request;
    if (wants.includes('view')) told.view = seat.view;
    if (wants.includes('key')) told.key = digest(this.knowledge(seat));
    if (wants.includes('tokens')) told.tokens = this.encoder.encode(seat.view, i, seat.request);
    return told;
  }

  /** Whether a player sees a foe standing in each place. */
  foes(i) {
    const {active, team} = this.seats[i].view.sides[1 - i];
    return active.map(index => index >= 0 && !team[index].fainted);
  }

  /** What a player knows, without the turn counter. */
  knowledge({view, request}) {
    const relative = (key, value) => {
      if (key === 'since') return view.turn - value;
      return key === 'turn' ? undefined : value;
    };
    return JSON.stringify([view, request], relative);
  }

  /** Return the key of the state: the same for states that have the same future, chance aside. */
  key() {
    const state = this.state();
    for (const part of NOT_STATE) delete state[part];
    const {turn} = this.battle;
    const relative = (key, value) => key === 'endingTurn' ? value - turn : value;
    const known = this.seats.map(seat => this.knowledge(seat));
    return digest(JSON.stringify([state, ...known], relative));
  }

  /** Return everything that `load` needs, as text; the lines of earlier turns are left out. */
  save() {
    const empty = {log: [], inputLog: [], messageLog: [], sentLogPos: 0, lastMoveLine: -1};
    return JSON.stringify({battle: {...this.state(), ...empty}, seats: this.seats});
  }

  /** Return the battle as plain data, in an order that loading it does not change. */
  state() {
    const state = this.matches.simulator.State.serializeBattle(this.battle);
    return Object.fromEntries(Object.keys(state).sort().map(part => [part, state[part]]));
  }

  close() {
    this.battle.destroy();
  }
}

function digest(text) {
  return crypto.createHash('blake2b512').update(text).digest('hex').slice(0, 32);
}

function remember(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}

module.exports = {Matches};
