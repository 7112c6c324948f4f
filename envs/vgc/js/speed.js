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

/** Have the simulator not look for callbacks that nothing in its data has. */
function skipAbsentCallbacks(Battle) {
  const present = new WeakMap();
  const callbacks = dex => {
    if (!present.has(dex)) present.set(dex, callbackNames(dex));
    return present.get(dex);
  };
  for (const search of ['findPokemonEventHandlers', 'findSideEventHandlers',
    'findFieldEventHandlers']) {
    const find = Battle.prototype[search];
    Battle.prototype[search] = function (holder, name, getKey, customHolder) {
      if (!getKey && !callbacks(this.dex).has(name)) return [];
      return find.call(this, holder, name, getKey, customHolder);
    };
  }
}

/** Return every callback name that an effect of a dex has. */
function callbackNames(dex) {
  const names = new Set();
  const collect = effect => {
    for (const key in effect) if (key.startsWith('on')) names.add(key);
    if (effect.condition) collect(effect.condition);
  };
  for (const table of ['Abilities', 'Conditions', 'Items', 'Moves', 'Pokedex', 'Rulesets']) {
    for (const id in dex.data[table]) collect(dex.data[table][id]);
  }
  names.add('onSwitchIn'); // the simulator falls back to onStart for it
  return names;
}

module.exports = {internEventNames, skipAbsentCallbacks};
