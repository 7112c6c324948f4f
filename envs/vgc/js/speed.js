'use strict';
// Two changes that make the simulator faster and leave every battle as it is; a test compares the
// logs of many battles with those of the unchanged simulator.
//
// The simulator asks every ability, item, condition and species in play whether it has something
// to do at an event, by a property name that it builds anew each time (`onFoe${eventName}`).

const Module = require('module');

const EVENT_NAME = /`on(\w*)\$\{(eventid|eventName)\}`/g;

/** Have the simulator look its callback names up instead of building them. */
function internEventNames(battleFile) {
  const compile = Module.prototype._compile;
  Module.prototype._compile = function (content, file) {
    if (file !== battleFile) return compile.call(this, content, file);
    Module.prototype._compile = compile;
    const prefixes = new Set();
    const body = content.replace(EVENT_NAME, (_, prefix, variable) => {
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

/** Have the simulator not look for callbacks that nothing in play can have. */
function skipAbsentCallbacks(Battle) {
  const namesOf = new Map();
  let dex = null; // the last one that was asked for: battles of a process are mostly of one format
  let names = null;
  const isPresent = (name, ofDex) => {
    if (ofDex !== dex) {
      if (!namesOf.has(ofDex)) namesOf.set(ofDex, callbackNames(ofDex));
      dex = ofDex;
      names = namesOf.get(ofDex);
    }
    return names.has(name);
  };
  for (const search of ['findPokemonEventHandlers', 'findSideEventHandlers',
    'findFieldEventHandlers']) {
    const find = Battle.prototype[search];
    Battle.prototype[search] = function (holder, name, getKey, customHolder) {
      if (!getKey && !isPresent(name, this.dex)) return [];
      return find.call(this, holder, name, getKey, customHolder);
    };
  }
}

/** Return every callback name that an ability, item, condition or species of a dex has. */
function callbackNames(dex) {
  const names = new Set(['onSwitchIn']); // the simulator falls back to onStart for it
  const collect = effect => {
    for (const key in effect) if (key.startsWith('on')) names.add(key);
    if (effect.condition) collect(effect.condition);
  };
  for (const table of ['Abilities', 'Conditions', 'Items', 'Pokedex']) {
    for (const id in dex.data[table]) collect(dex.data[table][id]);
  }
  for (const id in dex.data.Moves) collect(dex.data.Moves[id].condition || {});
  return names;
}

module.exports = {internEventNames, skipAbsentCallbacks};
