'use strict';
// What players may know of the game itself: moves, species and how types meet. It comes with the
// simulator; anchorgym ships none of it.

/** Return the tables of a format's dex. */
function tables(dex) {
  const usable = entry => entry.exists && !['CAP', 'Custom'].includes(entry.isNonstandard);
  const byId = (entries, pick) => {
    return Object.fromEntries(entries.filter(usable).map(entry => [entry.id, pick(entry)]));
  };
  return {
    moves: byId(dex.moves.all(), moveEntry),
    species: byId(dex.species.all(), ({name, types, baseStats, weightkg}) => {
      return {name, types, baseStats, weight: weightkg};
    }),
    items: byId(dex.items.all(), ({name}) => ({name})),
    abilities: byId(dex.abilities.all(), ({name}) => ({name})),
    types: typeChart(dex),
  };
}

function moveEntry(move) {
  const {name, type, category, basePower, accuracy, priority, target, multihit} = move;
  return {
    name, type, category, basePower, priority, target,
    accuracy: accuracy === true ? 1 : accuracy / 100,
    hits: Array.isArray(multihit) ? (multihit[0] + multihit[1]) / 2 : multihit || 1,
    status: move.status || '', selfBoosts: move.category === 'Status' ? move.boosts || null : null,
    heals: !!move.heal, sideCondition: move.sideCondition || '', protects: !!move.stallingMove,
    recoil: move.recoil ? move.recoil[0] / move.recoil[1] : 0,
  };
}

/** Return attacking type → defending type → factor of the damage. */
function typeChart(dex) {
  const types = dex.types.names();
  const factor = (attacking, defending) => {
    if (!dex.getImmunity(attacking, defending)) return 0;
    return 2 ** dex.getEffectiveness(attacking, defending);
  };
  return Object.fromEntries(types.map(attacking => {
    return [attacking, Object.fromEntries(types.map(type => [type, factor(attacking, type)]))];
  }));
}

module.exports = {tables};
