'use strict';
// The simulator's end of the bridge: many battles in one process, over standard input and output.
//
// A request is a line of JSON, {"serial": n, "ops": [{"op": name, …}, …]}; its answer is a line
// {"serial": n, "results": [{"ok": …} or {"error": message}, …]}.
//
//   node main.js SIMULATOR_FOLDER PARENT_PID [--plain]

const readline = require('readline');
const {Worker} = require('worker_threads');
const {loadSimulator} = require('./simulator.js');
const {Matches} = require('./match.js');
const {TeamMaker, readPaste} = require('./teams.js');
const {readLog} = require('./logs.js');
const {tables} = require('./dex.js');
const {newView} = require('./view.js');
const {imagine, standing} = require('./imagine.js');

const [root, parent, mode] = process.argv.slice(2);
const simulator = loadSimulator(root, mode === '--plain');
const matches = new Matches(simulator);
const battles = new Map();
const makers = new Map();

const OPS = {
  ping: () => ({node: process.version}),

  open({battle, wants, ...how}) {
    checkFormat(how.format);
    return put(battle, matches.open(how)).frame(wants);
  },
  choose({battle, choices, seed, wants}) {
    const match = at(battle);
    match.choose(choices, seed);
    return match.frame(wants);
  },
  look: ({battle, wants}) => at(battle).frame(wants),
  save: ({battle}) => at(battle).save(),
  load({battle, saved, wants}) {
    return put(battle, matches.load(saved)).frame(wants);
  },
  fork({battle, into}) {
    const saved = at(battle).save();
    for (const copy of into) put(copy, matches.load(saved));
    return into.length;
  },
  imagine({battle, format, wants, ...known}) {
    const imagined = imagine(simulator, maker(format), known);
    return put(battle, matches.imagined(imagined, known.view)).frame(wants);
  },
  /** Play each pair of choices on a copy, with the same chance, and say how it comes to stand. */
  outcomes({battle, seat, pairs, seed}) {
    const saved = at(battle).save();
    return pairs.map(choices => {
      const copy = matches.load(saved);
      const taken = copy.choose(choices, seed);
      const worth = taken ? standing(copy.battle, seat) : null;
      copy.close();
      return worth;
    });
  },
  key: ({battle}) => at(battle).key(),
  story: ({battle}) => story(at(battle), channelLog(at(battle).battle, 0)),
  log: ({battle, channel}) => channelLog(at(battle).battle, channel),
  close({battle}) {
    at(battle).close();
    return battles.delete(battle);
  },

  makeTeam: ({format, seed}) => maker(format).make(seed),
  checkTeam({format, team}) {
    const sets = simulator.Teams.unpack(team);
    return sets ? maker(format).problems(sets) || [] : ['it is no packed team'];
  },
  readPaste: ({format, paste}) => readPaste(maker(format), paste),
  readLog({format, lines}) {
    const {dex} = maker(format);
    return readLog({dex, Teams: simulator.Teams, encoder: matches.encoder(dex)}, lines);
  },
  dex: ({format}) => tables(maker(format).dex),
  layout: ({format}) => matches.encoder(maker(format).dex).layout(),
};

function at(battle) {
  const match = battles.get(battle);
  if (!match) throw new Error(`there is no battle ${battle}`);
  return match;
}

function put(battle, match) {
  if (battles.has(battle)) battles.get(battle).close();
  battles.set(battle, match);
  return match;
}

function maker(format) {
  checkFormat(format);
  if (!makers.has(format)) makers.set(format, new TeamMaker(simulator, format));
  return makers.get(format);
}

function checkFormat(format) {
  const {exists, gameType} = simulator.Dex.formats.get(format);
  if (!exists || gameType !== 'doubles') throw new Error(`there is no double format ${format}`);
}

/** Return the lines of a whole battle as a channel shows them: 0 spectators, 1 and 2 players. */
function channelLog(battle, channel) {
  const lines = simulator.extractChannelMessages(battle.log.join('\n'), [channel])[channel];
  return lines.filter(line => !line.startsWith('|t:|'));
}

/** Return the lines that spectators see, each with how both sides stand after it. */
function story(match, lines) {
  const view = newView();
  return lines.filter(line => line && line !== '|').map(line => {
    match.reader.read(view, line);
    const sides = view.sides.map(side => side.team.map((pokemon, i) => {
      const {species, health, status, fainted, seen, terastallized, tera} = pokemon;
      return [species, Math.round(1000 * health) / 10, status, fainted, side.active.indexOf(i),
        seen, terastallized ? tera : ''];
    }));
    const fields = [view.weather ? view.weather.id : '', ...Object.keys(view.fields)];
    const conditions = view.sides.map(side => Object.keys(side.conditions));
    return {line, sides, fields: fields.filter(Boolean), conditions};
  });
}

function answer(op) {
  try {
    if (!Object.hasOwn(OPS, op.op)) throw new Error(`there is no operation ${op.op}`);
    return {ok: OPS[op.op](op)};
  } catch (error) {
    return {error: String(error.message), where: String(error.stack).slice(0, 2000)};
  }
}

/** End this process when its parent has, even in the middle of a battle that never ends. */
function followParent(pid) {
  const watch = `
    const {workerData} = require('worker_threads');
    setInterval(() => {
      if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL');
    }, 1000);`;
  new Worker(watch, {eval: true, workerData: pid}).unref();
}

followParent(Number(parent));
readline.createInterface({input: process.stdin})
  .on('line', line => {
    const {serial, ops} = JSON.parse(line);
    process.stdout.write(JSON.stringify({serial, results: ops.map(answer)}) + '\n');
  })
  .on('close', () => process.exit(0));
