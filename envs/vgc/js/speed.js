'use strict';
// Changes that make the simulator faster and leave every battle as it is; a test compares the logs
// of many battles with those of the unchanged simulator.
//
// The simulator asks every ability, item, condition and species in play whether it has something
// to do at an event, by a property name that it builds anew each time (`onFoe${eventName}`); and at
// the end of a turn it copies every move to ask it the same.

const Module = require('module');

const EVENT_NAME = /`on(\w*)\$\{(eventid|eventName)\}`/g;
const COPY_TO_ASK = 'const activeMove = this.dex.getActiveMove(moveSlot.id)';
const ASK = 'const activeMove = this.dex.moves.get(moveSlot.id)';

/** Have the simulator look its callback names up, and not copy the moves that it asks. */
function readFaster(battleFile) {
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, file) {
    if (file !== battleFile) return compile.call(this, content, file);
    Module.prototype._compile = compile;
    const prefixes = new Set();
    const body = content.replace(COPY_TO_ASK, ASK).replace(EVENT_NAME, (_, prefix, variable) => {
      prefixes.add(prefix);
      return `(on${prefix}Names[${variable}] ??= internedName('on${prefix}' + ${variable}))`;
    });
    const tables = [...prefixes].map(prefix => `const on${prefix}Names = Object.create(null);\n`);
    return compile.call(this, `${tables.join('')}${internedName}\n${body}`, file);
  };
}

/** Return an equal string that the engine compares by identity, as it does property names. */
function internedName(name) {
  return Object.keys({[name]: 0})[0];
}

/** Have the simulator not look for callbacks where nothing in play can have them. */
function skipAbsentCallbacks({Battle, Pokemon, Side}) {
  const {findPokemonEventHandlers, findSideEventHandlers, findFieldEventHandlers,
    findEventHandlers} = Battle.prototype;
  const callbacksOf = remembering(dex => new Callbacks(dex));

  Battle.prototype.findPokemonEventHandlers = function (pokemon, name, getKey) {
    if (!getKey && !callbacksOf(this.dex).mayHave(pokemon, name)) return [];
    return findPokemonEventHandlers.call(this, pokemon, name, getKey);
  };
  Battle.prototype.findSideEventHandlers = function (side, name, getKey, customHolder) {
    if (!getKey && !callbacksOf(this.dex).all.has(name)) return [];
    return findSideEventHandlers.call(this, side, name, getKey, customHolder);
  };
  Battle.prototype.findFieldEventHandlers = function (field, name, getKey, customHolder) {
    if (!getKey && !callbacksOf(this.dex).all.has(name)) return [];
    return findFieldEventHandlers.call(this, field, name, getKey, customHolder);
  };

  /** As the simulator's own, in the same order, without the callbacks that do not exist. */
  Battle.prototype.findEventHandlers = function (target, eventName, source) {
    if (Array.isArray(target) || target instanceof Side) {
      return findEventHandlers.call(this, target, eventName, source);
    }
    const callbacks = callbacksOf(this.dex);
    const {name: plain, own, ally, foe, any, ofSource} = callbacks.ofEvent(eventName);
    const handlers = [];
    let side = null;
    if (target instanceof Pokemon && (target.isActive || source?.isActive)) {
      side = target.side;
      gather(this, callbacks, target, own, handlers);
      if (ally || any) {
        for (const pokemon of target.alliesAndSelf()) {
          gather(this, callbacks, pokemon, ally, handlers);
          gather(this, callbacks, pokemon, any, handlers);
        }
      }
      if (foe || any) {
        for (const pokemon of target.foes()) {
          gather(this, callbacks, pokemon, foe, handlers);
          gather(this, callbacks, pokemon, any, handlers);
        }
      }
    }
    if (source) gather(this, callbacks, source, ofSource, handlers);
    if (side && (own || foe || any)) {
      for (const one of this.sides) {
        if (one.n >= 2 && one.allySide) continue;
        const name = one === side || one === side.allySide ? own : foe;
        if (name) append(handlers, findSideEventHandlers.call(this, one, name));
        if (any) append(handlers, findSideEventHandlers.call(this, one, any));
      }
    }
    if (own) append(handlers, findFieldEventHandlers.call(this, this.field, own));
    append(handlers, this.findBattleEventHandlers(plain));
    return handlers;
  };

  function gather(battle, callbacks, pokemon, name, handlers) {
    if (name === null || !callbacks.mayHave(pokemon, name)) return;
    append(handlers, findPokemonEventHandlers.call(battle, pokemon, name));
  }
}

/** Append items one by one: most lists are empty, and spreading those costs more. */
function append(list, items) {
  for (let i = 0; i < items.length; i++) list.push(items[i]);
}

/** Events for which the simulator asks nobody but the target, the field and the format. */
const OF_TARGET_ALONE = ['BeforeTurn', 'Update', 'Weather', 'WeatherChange', 'TerrainChange'];

const HELD = Symbol('callbacks of what a Pokémon holds'); // which no serialised battle contains

/** Which callbacks there are in a dex. */
class Callbacks {
  constructor(dex) {
    this.dex = dex;
    this.events = new Map();
    this.effects = remembering(callbackNames);
    this.all = new Set(['onSwitchIn']); // the simulator falls back to onStart for it
    for (const table of ['Abilities', 'Conditions', 'Items', 'Pokedex', 'Rulesets']) {
      for (const id in dex.data[table]) addCallbackNames(dex.data[table][id], this.all);
    }
    for (const id in dex.data.Moves) addCallbackNames(dex.data.Moves[id].condition || {}, this.all);
  }

  /** Return the names by which an event's callbacks go; null for those that nothing has. */
  ofEvent(eventName) {
    let names = this.events.get(eventName);
    if (!names) {
      const known = prefix => {
        const name = internedName(prefix + eventName);
        return this.all.has(name) ? name : null;
      };
      const more = OF_TARGET_ALONE.includes(eventName) ? () => null : known;
      names = {
        name: internedName(`on${eventName}`), own: known('on'), ally: more('onAlly'),
        foe: more('onFoe'), any: more('onAny'), ofSource: more('onSource'),
      };
      this.events.set(eventName, names);
    }
    return names;
  }

  /** Whether something that a Pokémon is, holds or suffers can have a callback. */
  mayHave(pokemon, name) {
    if (!this.all.has(name)) return false;
    let held = pokemon[HELD];
    if (!held || held.status !== pokemon.status || held.ability !== pokemon.ability ||
        held.item !== pokemon.item || held.species !== pokemon.baseSpecies) {
      held = pokemon[HELD] = this.held(pokemon);
    }
    if (held.names.has(name)) return true;
    const {conditions} = this.dex;
    for (const id in pokemon.volatiles) {
      if (this.effects(conditions.getByID(id)).has(name)) return true;
    }
    for (const id in pokemon.side.slotConditions[pokemon.position]) {
      if (this.effects(conditions.getByID(id)).has(name)) return true;
    }
    return false;
  }

  held(pokemon) {
    const {status, ability, item, baseSpecies: species} = pokemon;
    const effects = [pokemon.getStatus(), pokemon.getAbility(), pokemon.getItem(), species];
    const names = new Set(effects.flatMap(effect => [...this.effects(effect)]));
    return {status, ability, item, species, names};
  }
}

/** Return the callback names of an effect. */
function callbackNames(effect) {
  const names = new Set();
  for (const key in effect) if (key.startsWith('on')) names.add(key);
  if (names.has('onStart')) names.add('onSwitchIn'); // which falls back to it
  return names;
}

/** Add the callback names of an effect and of its condition. */
function addCallbackNames(effect, names) {
  for (const name of callbackNames(effect)) names.add(name);
  if (effect.condition) addCallbackNames(effect.condition, names);
}

/** Return a function of one object that computes each value once, and the last one not again. */
function remembering(compute) {
  const known = new WeakMap();
  let last = null;
  let value = null;
  return key => {
    if (key === last) return value;
    last = key;
    value = known.get(key);
    if (value === undefined) known.set(key, value = compute(key));
    return value;
  };
}

module.exports = {readFaster, skipAbsentCallbacks};
