'use strict';
// The simulator package, as it is (`plain`) or made faster (see speed.js).

const path = require('path');

/**
 * Load the simulator from its folder.
 * @param {string} root - folder of the `pokemon-showdown` package
 * @param {boolean} plain - leave it exactly as it came from npm
 */
function loadSimulator(root, plain) {
  const inside = file => path.join(root, 'dist', 'sim', file);
  const speed = plain ? null : require('./speed.js');
  if (speed) speed.readFaster(inside('battle.js'));
  const {Battle, extractChannelMessages} = require(inside('battle.js'));
  const {Dex, Teams, TeamValidator, PRNG} = require(root);
  const {State} = require(inside('state.js'));
  if (speed) {
    const {Pokemon} = require(inside('pokemon.js'));
    const {Side} = require(inside('side.js'));
    speed.skipAbsentCallbacks({Battle, Pokemon, Side});
  }
  const setsOf = folder => require(path.join(root, 'dist', 'data', 'random-battles', folder));
  return {Battle, Dex, PRNG, State, TeamValidator, Teams, extractChannelMessages, setsOf};
}

module.exports = {loadSimulator};
